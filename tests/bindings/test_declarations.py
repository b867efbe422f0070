# SPDX-License-Identifier: MIT
"""The bindings' declarations against skald.h, function by function and argument by argument.

Run as: test_declarations.py ROOT. No library is needed: the ctypes table is read without loading.
"""

import ctypes
import importlib.util
import os
import re
import sys
import unittest
from ctypes import POINTER, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_void_p

ROOT = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else os.getcwd()
sys.path.insert(0, os.path.join(ROOT, "tests", "house"))
import csource  # noqa: E402


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


HEADER = read("include", "skald.h")
LUA = read("bindings", "lua", "skald.lua")

# What each type of the header is in ctypes. A type that is not here fails the test: decide.
CTYPES = {
    "void": None, "int32_t": c_int32, "int64_t": c_int64, "size_t": c_size_t, "double": c_double,
    "const char *": c_char_p, "char *": c_char_p, "void *": c_void_p, "const void *": c_void_p,
    "const char **": POINTER(c_void_p), "int32_t *": POINTER(c_int32),
    "const int32_t *": POINTER(c_int32), "int64_t *": POINTER(c_int64),
    "size_t *": POINTER(c_size_t), "double *": POINTER(c_double),
    "const int32_t **": POINTER(POINTER(c_int32)), "const float **": POINTER(POINTER(c_float)),
    "const double *": POINTER(c_double),
    "skald_context * const *": POINTER(c_void_p), "skald_adapter * const *": POINTER(c_void_p),
}
for table in ("skald_reader", "skald_writer"):
    CTYPES["const " + table + " *"] = c_void_p
for handle in ("skald_options", "skald_model", "skald_adapter", "skald_context"):
    CTYPES[handle + " *"] = CTYPES["const " + handle + " *"] = c_void_p
    CTYPES[handle + " **"] = POINTER(c_void_p)


def load_table():
    spec = importlib.util.spec_from_file_location(
        "_ffi", os.path.join(ROOT, "bindings", "python", "skald", "_ffi.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def same(wanted, found):
    """Whether a ctypes type is what a header's type wants."""
    callback = re.match(r"(.+) \(\*\)\((.*)\)$", wanted)
    if callback:
        params = csource.split_params(callback.group(2))
        return (issubclass(found, ctypes._CFuncPtr)
                and same(callback.group(1), found._restype_)
                and len(params) == len(found._argtypes_)
                and all(map(same, params, found._argtypes_)))
    return wanted in CTYPES and CTYPES[wanted] is found


class Python(unittest.TestCase):
    def setUp(self):
        self.ffi = load_table()
        self.header = {p.name: p for p in csource.prototypes(HEADER)}

    def test_functions(self):
        self.assertEqual(sorted(self.ffi.FUNCTIONS), sorted(self.header))
        for name, (result, params) in self.ffi.FUNCTIONS.items():
            wanted = self.header[name]
            self.assertTrue(same(wanted.result, result), "%s: result %s" % (name, wanted.result))
            self.assertEqual(len(wanted.params), len(params), name)
            for i, (type_wanted, type_found) in enumerate(zip(wanted.params, params)):
                self.assertTrue(same(type_wanted, type_found),
                                "%s: parameter %d is %s" % (name, i + 1, type_wanted))

    def test_comparison_fires(self):
        self.assertFalse(same("int32_t", c_int64))
        self.assertFalse(same("const char **", c_char_p))
        self.assertFalse(same("long", c_int64))
        self.assertFalse(same("int32_t (*)(void *)", self.ffi.CALLBACK))

    def test_constants(self):
        header = csource.constants(HEADER)
        found = {"SKALD_" + name: value for name, value in self.ffi.CONSTANTS.items()}
        self.assertEqual(found, {name: header[name] for name in found if name in header})
        errors = {name for name in header if name.startswith("SKALD_E_")}
        self.assertEqual(errors - set(found), set())
        self.assertEqual(self.ffi.ABI_VERSION, header["SKALD_ABI_VERSION"])


class Lua(unittest.TestCase):
    def test_functions(self):
        """The cdef's prototypes are the header's, name by name and type by type."""
        cdef = re.search(r"ffi\.cdef \[\[\n(.*?)\]\]", LUA, re.S).group(1)
        shape = lambda ps: {p.name: (p.result, p.params) for p in ps}
        found, wanted = shape(csource.prototypes(cdef, "")), shape(csource.prototypes(HEADER))
        self.assertEqual(sorted(found), sorted(wanted))
        for name in wanted:
            self.assertEqual(found[name], wanted[name], name)
        lines = [line for line in cdef.split("\n") if line and not line.startswith("typedef")]
        self.assertEqual(len(lines), len(found), "a line of the cdef was not parsed")

    def test_constants(self):
        header = csource.constants(HEADER)
        table = re.search(r"local skald = \{(.*?)\n\}", LUA, re.S).group(1)
        found = {"SKALD_" + k: int(v) for k, v in re.findall(r"(\w+) = (-?\d+)", table)}
        self.assertEqual(found, {name: header.get(name) for name in found})
        errors = {name for name in header if name.startswith("SKALD_E_")}
        self.assertEqual(errors - set(found), set())
        abi = int(re.search(r"local ABI_VERSION = (\d+)", LUA).group(1))
        self.assertEqual(abi, header["SKALD_ABI_VERSION"])


if __name__ == "__main__":
    unittest.main()
