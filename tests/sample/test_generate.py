# SPDX-License-Identifier: MIT
"""What a schema's grammar lets through, judged by another's validator.

Run as: test_generate.py GENERATE SHARED. Random texts are written under each schema of the
JSON-Schema-Test-Suite that is not refused, and of the grammar cases, and validated by Python's
jsonschema; skipped (77) where that or the suite is absent.
"""

import glob
import json
import os
import re
import subprocess
import sys
import warnings

try:
    warnings.simplefilter("ignore")
    import jsonschema
except ImportError:
    print("skipped: python3-jsonschema is not installed")
    sys.exit(77)

N = 100

def schemas(shared):
    for draft, kind in (("draft7", jsonschema.Draft7Validator),
                        ("draft2020-12", jsonschema.Draft202012Validator)):
        for path in sorted(glob.glob(os.path.join(shared, "json/schema", draft, "*.json"))):
            with open(path, encoding="utf-8") as file:
                for group in json.load(file):
                    yield os.path.basename(path) + ": " + group["description"], kind, group["schema"]
    with open(os.path.join(shared, "json/grammar-cases.json"), encoding="utf-8") as file:
        for case in json.load(file):
            if case["kind"] == "schema":
                yield case["name"], jsonschema.Draft7Validator, json.loads(case["text"])


def main():
    generate, shared = sys.argv[1:]
    if not os.path.exists(os.path.join(shared, "json/grammar-cases.json")):
        print("skipped: ../shared/json is absent")
        return 77
    n_schemas = n_texts = n_refused = 0
    failures = []
    for seed, (name, kind, schema) in enumerate(schemas(shared)):
        if isinstance(schema, dict) and "http://localhost" in schema.get("$schema", ""):
            continue  # a dialect of its own
        done = subprocess.run([generate, str(N), str(seed)], input=json.dumps(schema).encode(),
                              capture_output=True, check=False)
        if done.returncode == 2:
            n_refused += 1
            continue
        if done.returncode != 0:
            failures.append("%s: exit code %d" % (name, done.returncode))
            continue
        validator = kind(schema, format_checker=kind.FORMAT_CHECKER)
        lines = done.stdout.decode().split("\n")[:-1]
        n_schemas += 1
        for line in lines:
            n_texts += 1
            try:
                error = next(validator.iter_errors(json.loads(line)), None)
            except re.error:  # a pattern that Python's expressions do not know
                break
            except ValueError as problem:
                error = problem
            if error:
                failures.append("%s: %s: %s: %s" % (name, json.dumps(schema)[:200], line[:200],
                                                    str(error).split("\n")[0][:200]))
    print("%d texts of %d schemas, %d refused, %d wrong" % (n_texts, n_schemas, n_refused,
                                                          len(failures)))
    print("\n".join(failures[:20]))
    return 1 if failures or n_texts < 50 * n_schemas else 0


sys.exit(main())
