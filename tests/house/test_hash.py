# SPDX-License-Identifier: MIT
"""One hash of logits for every way of computing them and every way of building the library.

Run as: test_hash.py ROOT HASH_LOGITS AMALGAMATION_FOLDER MODEL ...

HASH_LOGITS is hash_logits.c linked with the library. The amalgamation is built here the way a
stranger would: plain `cc -O3 -march=native`, by gcc and by clang, and linked into a C++ program.
"""

import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT, PROGRAM, AMALGAMATION, *MODELS = [os.path.abspath(path) for path in sys.argv[1:]]
del sys.argv[1:]

MAIN = os.path.join(ROOT, "tests", "house", "hash_logits.c")
OPTIONS = ["", "cache_type_k=f32 cache_type_v=f32 temperature=0"]
# For heads of whole blocks, which one of the models has.
BLOCK_MODEL = "moe"
BLOCK_OPTIONS = ["cache_type_k=q8_0 cache_type_v=q4_0", "cache_type_k=bf16 cache_type_v=q8_0"]

# name: (compiler of skald.c, its options, compiler and language of the program)
BUILDS = {
    "gcc": ("gcc", ["-O3", "-march=native"], ["gcc"]),
    "clang": ("clang", ["-O3", "-march=native"], ["clang"]),
    # What a careless build might say. gcc obeys the source, which refuses contraction; clang's
    # -ffp-contract=fast would override it, and is not to be used.
    "gcc-contract": ("gcc", ["-O1", "-march=native", "-ffp-contract=fast", "-std=gnu17"],
                     ["g++", "-x", "c++"]),
}


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise AssertionError("%s\n%s%s" % (" ".join(command), done.stdout, done.stderr))
    return done.stdout


def lines(program, model, options):
    return dict(re.findall(r"^(\S+) ([0-9a-f]{16})$", run(program, model, options), re.M))


def build(folder, name):
    compiler, flags, linker = BUILDS[name]
    target, made = os.path.join(folder, name), os.path.join(folder, name + ".o")
    run(compiler, *flags, "-c", os.path.join(AMALGAMATION, "skald.c"), "-o", made)
    run(*linker, "-O1", "-I", AMALGAMATION, MAIN, *(["-x", "none"] if "-x" in linker else []),
        made, "-o", target, "-lm", "-pthread")
    return target


class Hash(unittest.TestCase):
    maxDiff = None

    def same(self, found):
        """All ways give one hash, the control another."""
        self.assertGreater(len(found), 15)
        control = found.pop("control")
        self.assertEqual(len(set(found.values())), 1, found)
        self.assertNotIn(control, found.values())
        return next(iter(found.values()))

    def test_library(self):
        for model in MODELS:
            hashes = [self.same(lines(PROGRAM, model, options)) for options in OPTIONS]
            self.assertNotEqual(hashes[0], hashes[1], "the options had no effect")

    def test_cache_types(self):
        model, = [model for model in MODELS if BLOCK_MODEL in os.path.basename(model)]
        hashes = [self.same(lines(PROGRAM, model, options)) for options in OPTIONS + BLOCK_OPTIONS]
        self.assertEqual(len(set(hashes)), len(hashes), hashes)

    def test_amalgamation(self):
        builds = [name for name in BUILDS if shutil.which(BUILDS[name][0])
                  and shutil.which(BUILDS[name][2][0])]
        self.assertTrue(builds, "no compiler found")
        wanted = {model: self.same(lines(PROGRAM, model, "")) for model in MODELS}
        with tempfile.TemporaryDirectory() as folder:
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                programs = list(pool.map(lambda name: build(folder, name), builds))
            for name, program in zip(builds, programs):
                for model in MODELS:
                    with self.subTest(build=name, model=os.path.basename(model)):
                        self.assertEqual(self.same(lines(program, model, "")), wanted[model])

    def test_other_machine(self):
        """AArch64, emulated: a short run, since emulation is slow."""
        compiler, emulator = "aarch64-linux-gnu-gcc", "qemu-aarch64"
        if not shutil.which(compiler) or not shutil.which(emulator):
            self.skipTest("%s and %s are not both installed" % (compiler, emulator))
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(folder, "aarch64")
            run(compiler, "-O2", "-static", "-I", AMALGAMATION,
                os.path.join(AMALGAMATION, "skald.c"), MAIN, "-o", program, "-lm", "-pthread")
            for model in MODELS:
                found = re.search(r"^whole (\S+)$", run(emulator, program, model, "", "one"), re.M)
                self.assertEqual(found[1], self.same(lines(PROGRAM, model, "")))


if __name__ == "__main__":
    unittest.main()
