# SPDX-License-Identifier: MIT
"""The stripped shared library does not creep: MOST bytes. The aim is 800,000, which the library
had with three tiers of kernels and no grammars, chat or recurrences; bring MOST down with it.

Run as: test_size.py libskald.so STRIP NM. A failure lists the largest functions and tables.
"""

import os
import subprocess
import sys
import tempfile

MOST = 1_110_000


def largest(nm, path, n):
    lines = subprocess.run([nm, "--size-sort", "--print-size", "--reverse-sort", path], check=True,
                           capture_output=True, text=True).stdout.splitlines()
    return ["%8d  %s" % (int(line.split()[1], 16), line.split()[3]) for line in lines[:n]]


def main():
    shared, strip, nm = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        stripped = os.path.join(folder, "stripped.so")
        subprocess.run([strip, "-o", stripped, shared], check=True)
        size = os.path.getsize(stripped)
    print("%d bytes stripped, at most %d" % (size, MOST))
    if size > MOST:
        print("\n".join(largest(nm, shared, 30)))
        return 1
    return 0


sys.exit(main())
