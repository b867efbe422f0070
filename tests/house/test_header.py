# SPDX-License-Identifier: MIT
"""skald.h alone: it compiles in every dialect, declares only what every language can call, and
says something about each function.

Run as: test_header.py ROOT.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import csource

ROOT = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else os.getcwd()
HEADER = os.path.join(ROOT, "include", "skald.h")
with open(HEADER, encoding="utf-8") as header_file:
    TEXT = header_file.read()

# (suffix, options): <stdint.h> is not C89's, but every C89 compiler of today has it, and glibc's
# needs "long long", which is the only thing excused.
DIALECTS = [
    (".c", ["-std=c89", "-Wno-long-long"]), (".c", ["-std=c99"]), (".c", ["-std=c11"]),
    (".c", ["-std=c17"]), (".c", ["-std=gnu2x"]),
    (".cpp", ["-std=c++98", "-Wno-long-long"]), (".cpp", ["-std=c++11"]), (".cpp", ["-std=c++20"]),
]
STRICT = ["-pedantic", "-Wall", "-Wextra", "-Wundef", "-Wshadow", "-Werror", "-fsyntax-only"]
PROGRAM = '#include "skald.h"\n#include "skald.h"\n' \
          "int main(void) { return skald_version() == SKALD_VERSION ? 0 : 1; }\n"

ATOM = r"(int32_t|int64_t|size_t|float|double|char|void|skald_\w+)"
PARAMETER = re.compile(r"^(int32_t|int64_t|size_t|float|double|(const )?%s \*+( ?const \*)?)$" % ATOM)


def bad_types(prototype):
    """The types of a prototype that a foreign function interface would stumble over."""
    found = []
    for text in [prototype.result] + prototype.params:
        if text == "void" and text is prototype.result:
            continue
        callback = re.match(r"(.+) \(\*\)\((.*)\)$", text)
        parts = [callback.group(1)] + csource.split_params(callback.group(2)) if callback else [text]
        for part in parts:
            if not PARAMETER.match(part) and not (callback and part == "void"):
                found.append("%s: %s" % (prototype.name, text))
    return found


class Header(unittest.TestCase):
    def test_dialects(self):
        """gcc and clang, whichever are here, take the header in every dialect."""
        tried = 0
        with tempfile.TemporaryDirectory() as folder:
            for suffix in (".c", ".cpp"):
                with open(os.path.join(folder, "alone" + suffix), "w") as file:
                    file.write(PROGRAM)
            for c, cpp in (("gcc", "g++"), ("clang", "clang++")):
                for suffix, options in DIALECTS:
                    compiler = c if suffix == ".c" else cpp
                    if not shutil.which(compiler):
                        continue
                    tried += 1
                    command = [compiler, *options, *STRICT, "-I", os.path.dirname(HEADER),
                               os.path.join(folder, "alone" + suffix)]
                    done = subprocess.run(command, capture_output=True, text=True)
                    self.assertEqual(done.returncode, 0, " ".join(command) + "\n" + done.stderr)
        self.assertGreater(tried, 0, "no compiler found")

    def test_types(self):
        prototypes = csource.prototypes(TEXT)
        self.assertEqual(len(prototypes), TEXT.count("\nSKALD_API "), "a prototype was not parsed")
        self.assertEqual([bad for p in prototypes for bad in bad_types(p)], [])

    def test_types_are_checked(self):
        for line in ("int32_t skald_x(int a);", "long skald_x(void);", "skald_y skald_x(void);",
                     "int32_t skald_x(bool b);", "int32_t skald_x(const char *f, ...);",
                     "int32_t skald_x(enum skald_e e);", "int32_t skald_x(skald_options o);",
                     "int32_t skald_x(unsigned int o);", "int32_t skald_x(FILE *f);",
                     "int32_t skald_x(int32_t (*cb)(void *user, long x));"):
            found = csource.prototypes("SKALD_API " + line + "\n")
            self.assertEqual(len(found), 1, line)
            self.assertTrue(bad_types(found[0]), line)

    def test_words(self):
        code = csource.blank(TEXT)
        for word in ("bool", "enum", "long", "short", "unsigned", "inline", "FILE", "int"):
            self.assertIsNone(re.search(r"\b%s\b" % word, code), word)
        self.assertNotIn("...", code)
        self.assertIsNone(re.search(r":\s*\d+\s*;", code), "a bit-field")

    def test_includes(self):
        self.assertEqual({i.name for i in csource.includes(TEXT)}, {"stddef.h", "stdint.h"})

    def test_tables_begin_with_their_size(self):
        tables = csource.structs(TEXT)
        self.assertTrue(tables)
        for name, members in tables.items():
            self.assertEqual(members[0], ("size", "size_t"), name)

    def test_documented(self):
        bare = [p.name for p in csource.prototypes(TEXT) if not p.documented]
        self.assertEqual(bare, [])
        self.assertFalse(csource.prototypes("int x;\nSKALD_API void skald_f(void);\n")[0].documented)

    def test_names(self):
        for prototype in csource.prototypes(TEXT):
            self.assertRegex(prototype.name, r"^skald_[a-z0-9_]+$")
        for name in re.findall(r"^#define (\w+)", TEXT, re.M):
            self.assertRegex(name, r"^SKALD_[A-Z0-9_]+$|^SKALD_H$")

    def test_status_values_are_distinct(self):
        errors = {k: v for k, v in csource.constants(TEXT).items() if k.startswith("SKALD_E_")}
        self.assertGreater(len(errors), 10)
        self.assertEqual(len(set(errors.values())), len(errors))
        self.assertTrue(all(v < 0 for v in errors.values()))

    def test_manual_program(self):
        """The README shows the program of the manual, as it stands there."""
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
            shown = re.search(r"```c\n(.*?)```", file.read(), re.S).group(1)
        self.assertEqual(shown, csource.manual_program(TEXT))

    def test_size(self):
        self.assertLessEqual(TEXT.count("\n"), 820)
        self.assertNotIn("TODO", TEXT)


if __name__ == "__main__":
    unittest.main()
