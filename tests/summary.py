# SPDX-License-Identifier: MIT
"""Says in one line how the tests went: summary.py testlog.json (meson's, one JSON object a line)."""

import collections
import json
import sys

KINDS = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}


def main():
    counts = collections.Counter()
    try:
        with open(sys.argv[1], encoding="utf-8") as file:
            for line in file:
                test = json.loads(line)
                kind = KINDS.get(test["result"], "failed")
                counts[kind] += 1
                if kind == "failed":
                    print("%s: %s" % (test["result"].lower(), test["name"]))
    except OSError:
        print("the build failed, so no test ran")
        counts["failed"] = 1
    print("%d passed, %d failed, %d skipped" % (counts["passed"], counts["failed"],
                                                counts["skipped"]))
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
