# SPDX-License-Identifier: MIT
"""An installed Skald is found by pkg-config, linked shared and static, and runs.

Run as: test_install.py ROOT BUILD MODEL CC [sanitized]. Installs below a folder of its own.
"""

import glob
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import csource

ROOT, BUILD, MODEL = (os.path.abspath(path) for path in sys.argv[1:4])
CC = sys.argv[4].split()
PLAIN = sys.argv[5:6] != ["sanitized"]
del sys.argv[1:]


def manual_program():
    """The program of the header's manual, as it stands there, on a model that is here."""
    with open(os.path.join(ROOT, "include", "skald.h"), encoding="utf-8") as file:
        return csource.manual_program(file.read()).replace('"model.gguf"', '"%s"' % MODEL)


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="skald-install-")
        cls.run_command(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"],
                        DESTDIR=cls.folder)
        found = glob.glob(cls.folder + "/**/skald.pc", recursive=True)
        cls.pc = os.path.dirname(found[0]) if found else ""
        cls.program = os.path.join(cls.folder, "program.c")
        with open(cls.program, "w", encoding="utf-8") as file:
            file.write(manual_program())

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    @staticmethod
    def run_command(command, **environment):
        done = subprocess.run(command, capture_output=True, text=True, errors="replace",
                              env={**os.environ, **environment}, timeout=120)
        if done.returncode:
            raise AssertionError("%s\n%s%s" % (" ".join(command), done.stdout, done.stderr))
        return done.stdout

    def pkg_config(self, *arguments):
        return self.run_command(["pkg-config", *arguments, "skald"], PKG_CONFIG_PATH=self.pc,
                                PKG_CONFIG_LIBDIR=self.pc,
                                PKG_CONFIG_SYSROOT_DIR=self.folder).split()

    def libdir(self):
        return os.path.dirname(glob.glob(self.folder + "/**/libskald.so", recursive=True)[0])

    def test_files(self):
        names = {os.path.relpath(os.path.join(folder, name), self.folder)
                 for folder, _, files in os.walk(self.folder) for name in files}
        for wanted in ("skald.h", "libskald.so", "libskald.a", "skald.pc"):
            self.assertTrue([n for n in names if os.path.basename(n) == wanted], wanted)
        headers = {os.path.basename(n) for n in names if n.endswith(".h")}
        self.assertLessEqual(headers, {"skald.h", "skald_experimental.h"})

    def check(self, *flags, **environment):
        target = os.path.join(self.folder, "program")
        self.run_command([*CC, "-Wall", "-Werror", self.program, "-o", target, *flags])
        text = self.run_command([target], **environment)
        self.assertGreater(len(text), 0)
        return target

    @unittest.skipUnless(PLAIN, "a consumer would need the sanitizer's runtime")
    def test_shared(self):
        target = self.check(*self.pkg_config("--cflags", "--libs"), LD_LIBRARY_PATH=self.libdir())
        self.assertIn("libskald.so.", self.run_command(["readelf", "-d", target]))

    @unittest.skipUnless(PLAIN, "a consumer would need the sanitizer's runtime")
    def test_static(self):
        flags = self.pkg_config("--static", "--cflags", "--libs")
        flags = [os.path.join(self.libdir(), "libskald.a") if f == "-lskald" else f for f in flags]
        target = self.check(*flags)
        self.assertNotIn("libskald.so", self.run_command(["readelf", "-d", target]))

    @unittest.skipUnless(PLAIN, "a consumer would need the sanitizer's runtime")
    def test_wholly_static(self):
        """With libc too: nothing in the library needs the dynamic loader."""
        self.check("-static", *self.pkg_config("--static", "--cflags", "--libs"))


if __name__ == "__main__":
    unittest.main()
