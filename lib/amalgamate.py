#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the amalgamation: the whole library as one C file, and its header.

    amalgamate.py [--depfile FILE --stamp FILE] ROOT OUTPUT_FOLDER SOURCE.c ...

The sources are laid end to end in layer order. Of each project header the text stands where it is
first included; a template (a header without an include guard, such as tier_impl.h) stands at every
include; system includes and "skald.h" remain. What is included under an #if may not be there for
everyone, so it stays where it is and does not count as seen: the guards in the text take care of a
second copy. Macros that a .c file or its templates define end with that file. The output depends
on the sources alone: no date, no path, no #line. The stamp and the depfile, which lists all that was
read, are for ninja.
"""

import argparse
import os
import re
import sys

ROOMS = ["base", "format", "tensor", "text", "model", "sample", "session"]
SPDX = "/* SPDX-License-Identifier: MIT */"


def fail(message):
    sys.exit("amalgamate.py: " + message)


def write(path, text):
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def directives(text):
    """The lines of a text as (line, directive, rest); a directive inside a comment is None."""
    in_comment = False
    for line in text.split("\n"):
        match = None if in_comment else re.match(r"\s*#\s*(\w+)\s*(.*)", line)
        rest = line
        while rest:  # follow the comments through the line; literals in the way are skipped
            if in_comment:
                in_comment = "*/" not in rest
                rest = rest.split("*/", 1)[1] if not in_comment else ""
            else:
                token = re.search(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|//.*|/\*', rest)
                if not token:
                    break
                in_comment = token.group(0) == "/*"
                rest = rest[token.end():]
        yield line, match and match.group(1), match and match.group(2)


def guard(text):
    """The macro of a header's include guard, or None."""
    found = [(d, r) for _, d, r in directives(text) if d][:2]
    if len(found) == 2 and found[0][0] == "ifndef" and found[1][0] == "define":
        name = found[0][1].split()[0]
        return name if found[1][1].split() == [name] else None
    return None


class Amalgamation:
    def __init__(self, root):
        self.root, self.lib = root, os.path.join(root, "lib")
        self.lines, self.seen, self.macros, self.read = [], set(), [], set()

    def put(self, text):
        self.lines.append(text)

    def resolve(self, path, name):
        """The file that `#include "name"` in `path` means; None for what stays an include."""
        for folder in (os.path.dirname(path), self.lib):
            found = os.path.normpath(os.path.join(folder, name))
            if os.path.exists(found):
                return found
        if os.path.exists(os.path.join(self.root, "include", name)):
            return None
        fail("%s includes %s, which is not there" % (self.short(path), name))

    def short(self, path):
        return os.path.relpath(path, self.lib)

    def include(self, path, name, conditional, line):
        target = self.resolve(path, name)
        if target is None:
            if name not in self.seen or conditional:
                self.put(line)
            if not conditional:
                self.seen.add(name)
            return
        if target in self.seen:
            return
        if guard(read(target)) and not conditional:
            self.seen.add(target)
        self.file(target, conditional)

    def file(self, path, conditional):
        self.read.add(path)
        text = read(path)
        own_guard = guard(text) if path.endswith(".h") else None
        depth = -1 if own_guard else 0  # of #if in this file, its guard not counted
        if text.startswith(SPDX):
            text = text[len(SPDX):].lstrip("\n")
        self.put("\n/* ---- %s %s */\n" % (self.short(path), "-" * max(0, 86 - len(self.short(path)))))
        for line, directive, rest in directives(text.rstrip("\n")):
            if directive in ("if", "ifdef", "ifndef"):
                depth += 1
            elif directive == "endif":
                depth -= 1
            elif directive == "define" and not own_guard:
                self.macros.append(re.match(r"\w+", rest).group(0))
            if directive == "include" and rest.startswith('"'):
                self.include(path, rest.split('"')[1], conditional or depth > 0, line)
            else:
                self.put(line)

    def source(self, path):
        self.macros = []
        self.file(path, False)
        for name in dict.fromkeys(self.macros):
            self.put("#undef %s" % name)


def order(root, sources):
    """By layer, then by name; what lies in no room (api.c) comes last."""
    def key(path):
        name = os.path.relpath(path, os.path.join(root, "lib"))
        room = name.split(os.sep)[0]
        return (ROOMS.index(room) if room in ROOMS else len(ROOMS), name)
    return sorted(sources, key=key)


def opening(root, header):
    version = ".".join(re.findall(r"^#define SKALD_VERSION_[A-Z]+ (\d+)$", header, re.M))
    licence = "\n".join((" * " + line).rstrip() for line in
                        read(os.path.join(root, "LICENSE")).strip().split("\n"))
    return """%s
/*
 * Skald %s, the whole library in one file, made from its sources by lib/amalgamate.py.
 *
 *     cc -O3 -march=native -c skald.c
 *     cc program.c skald.o -lm -pthread
 *
 * Any C11 compiler and any flags will do, but -ffast-math and clang's -ffp-contract=fast: results are
 * the same bit for bit. For a shared library add -fvisibility=hidden, so that only what skald.h
 * declares is exported.
 *
%s
 */
#if defined(__clang__) /* inline functions of headers, of which this one file needs not all */
#pragma clang diagnostic ignored "-Wunused-function"
#endif""" % (SPDX, version, licence)


def main():
    parser = argparse.ArgumentParser(description="writes the whole library as one C file")
    parser.add_argument("--depfile")
    parser.add_argument("--stamp")
    parser.add_argument("root", type=os.path.abspath)
    parser.add_argument("folder")
    parser.add_argument("sources", nargs="+", type=os.path.abspath)
    args = parser.parse_args()
    header_path = os.path.join(args.root, "include", "skald.h")
    header = read(header_path)
    result = Amalgamation(args.root)
    result.put(opening(args.root, header))
    for path in order(args.root, args.sources):
        result.source(path)
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(result.lines)).rstrip("\n") + "\n"
    os.makedirs(args.folder, exist_ok=True)
    write(os.path.join(args.folder, "skald.c"), text)
    write(os.path.join(args.folder, "skald.h"), header)
    if args.depfile and args.stamp:
        used = sorted(result.read) + [header_path, os.path.abspath(__file__)]
        write(args.depfile, "%s: %s\n" % (args.stamp, " ".join(p.replace(" ", "\\ ") for p in used)))
        write(args.stamp, "")


if __name__ == "__main__":
    main()
