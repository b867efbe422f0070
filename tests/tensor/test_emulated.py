# SPDX-License-Identifier: MIT
"""The kernel tests on AArch64, emulated: every tier of that architecture against its tier "c".

Run as: test_emulated.py ROOT. Skipped where the compiler or the emulator is not installed.
"""

import glob
import os
import shutil
import subprocess
import sys
import tempfile

COMPILER, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"
TESTS = [("test_products", ["12"]), ("test_edges", []), ("test_tiers", [])]


def main():
    root = sys.argv[1]
    if not shutil.which(COMPILER) or not shutil.which(EMULATOR):
        print("skipped: %s and %s are not both installed" % (COMPILER, EMULATOR))
        return 77
    sources = [path for room in ("base", "tensor")
               for path in sorted(glob.glob(os.path.join(root, "lib", room, "*.c")))]
    with tempfile.TemporaryDirectory() as folder:
        flags = ["-std=gnu11", "-O2", "-DNDEBUG", "-static", "-ffp-contract=off"]
        flags += [x for name in ("include", "lib", "tests") for x in ("-I", os.path.join(root, name))]
        objects = [os.path.join(folder, "%d.o" % i) for i in range(len(sources))]
        for source, target in zip(sources, objects):
            subprocess.run([COMPILER, *flags, "-c", source, "-o", target], check=True)
        for name, arguments in TESTS:
            program = os.path.join(folder, name)
            source = os.path.join(root, "tests", "tensor", name + ".c")
            subprocess.run([COMPILER, *flags, source, *objects, "-o", program, "-lm", "-pthread"],
                           check=True)
            print(name, flush=True)
            if subprocess.run([EMULATOR, program, *arguments]).returncode != 0:
                return 1
    return 0


sys.exit(main())
