#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes unicode_data.c, the general category and White_Space of every code point; and
unicode_map_data.c, the lower case and the canonical decomposition of those that have one.

Usage: unicode_data.py [FOLDER] > unicode_data.c
       unicode_data.py --maps [FOLDER] > unicode_map_data.c
FOLDER holds UnicodeData.txt and PropList.txt of Unicode 15.0 (Debian package unicode-data). What
15.1 added to them (627 code points, none changed) is spelt out below.
"""
import sys

CATEGORIES = ("Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po "
              "Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co").split()
NEW_IN_15_1 = [(0x2EBF0, 0x2EE5D, "Lo"), (0x2FFC, 0x2FFF, "So"), (0x31EF, 0x31EF, "So")]
SPACE = 0x20
SMALL, MIDDLE = 5, 5  # bits of the lowest and the middle index


def read_categories(folder):
    table = [0] * 0x110000
    first = None
    for line in open(folder + "/UnicodeData.txt", encoding="utf-8"):
        code, name, category = line.split(";")[:3]
        code = int(code, 16)
        if name.endswith(", First>"):
            first = code
            continue
        start = first if name.endswith(", Last>") else code
        for c in range(start, code + 1):
            table[c] = CATEGORIES.index(category)
    for start, end, category in NEW_IN_15_1:
        for c in range(start, end + 1):
            assert table[c] == 0
            table[c] = CATEGORIES.index(category)
    return table


def mark_spaces(table, folder):
    for line in open(folder + "/PropList.txt", encoding="utf-8"):
        field = line.split("#")[0].split(";")
        if len(field) == 2 and field[1].strip() == "White_Space":
            ends = [int(x, 16) for x in field[0].strip().split("..")]
            for c in range(ends[0], ends[-1] + 1):
                table[c] |= SPACE


def fold(table, bits):
    """Cuts a table into blocks of 2^bits, keeps each different one once."""
    blocks, index = {}, []
    for at in range(0, len(table), 1 << bits):
        index.append(blocks.setdefault(tuple(table[at:at + (1 << bits)]), len(blocks)))
    return index, [x for block in blocks for x in block]


def write(kind, name, values):
    print("const %s %s[%d] = {" % (kind, name, len(values)))
    line = "   "
    for v in values:
        if len(line) + len(str(v)) > 97:
            print(line)
            line = "   "
        line += " %d," % v
    print(line)
    print("};")


def read_maps(folder):
    """Simple lower case, and full canonical decomposition; by code point."""
    lower, parts = {}, {}
    for line in open(folder + "/UnicodeData.txt", encoding="utf-8"):
        field = line.split(";")
        code = int(field[0], 16)
        if field[13]:
            lower[code] = int(field[13], 16)
        if field[5] and not field[5].startswith("<"):
            parts[code] = [int(x, 16) for x in field[5].split()]

    def whole(code):
        return [y for x in parts[code] for y in whole(x)] if code in parts else [code]
    return lower, {code: whole(code) for code in parts}


def lower_runs(lower):
    """first, last, step and distance of runs of code points that are 1 or 2 apart and all have
    their lower case at the same distance."""
    runs = []
    for code in sorted(lower):
        distance = lower[code] - code
        run = runs[-1] if runs else None
        step = code - run[1] if run else 0
        if run and run[3] == distance and (step == run[2] or run[0] == run[1] and step <= 2):
            run[1:3] = code, step
        else:
            runs.append([code, code, 1, distance])
    return runs


def utf16(code):
    if code < 0x10000:
        return [code]
    return [0xD7C0 + (code >> 10), 0xDC00 + (code & 0x3FF)]


def write_maps(folder):
    lower, parts = read_maps(folder)
    pool, place = [], []
    for code in sorted(parts):
        units = [unit for part in parts[code] for unit in utf16(part)]
        assert len(parts[code]) <= 4 and len(units) <= 7 and len(pool) < 8192
        place.append(len(pool) * 8 + len(units))
        pool += units
    head("unicode_map.h")
    write("uint32_t", "sk_unicode_lower_runs", [
        x for first, last, step, distance in lower_runs(lower)
        for x in (first, last * 2 + step - 1, distance % (1 << 32))])
    write("uint16_t", "sk_unicode_parts_plane",
          [sum(code >> 16 < plane for code in parts) for plane in range(4)])
    write("uint16_t", "sk_unicode_parts_code", [code & 0xFFFF for code in sorted(parts)])
    write("uint16_t", "sk_unicode_parts_place", place)
    write("uint16_t", "sk_unicode_parts_pool", pool)
    print("/* clang-format on */")


def head(header):
    print("/* SPDX-License-Identifier: MIT */")
    print("/* Written by unicode_data.py from the Unicode Character Database 15.1. Do not edit. */")
    print('#include "base/portable.h"\n\n#include "text/%s"\n\n/* clang-format off */' % header)


def main():
    arguments = [x for x in sys.argv[1:] if x != "--maps"]
    folder = arguments[0] if arguments else "/usr/share/unicode"
    if "--maps" in sys.argv:
        write_maps(folder)
        return
    table = read_categories(folder)
    mark_spaces(table, folder)
    middle, low = fold(table, SMALL)
    top, middle = fold(middle, MIDDLE)
    assert top[0] == 0 and middle[:4] == [0, 1, 2, 3]  # sk_unicode_class relies on it for ASCII
    assert max(top) < 256 and max(middle) < 65536
    head("unicode.h")
    write("uint8_t", "sk_unicode_top", top)
    write("uint16_t", "sk_unicode_middle", middle)
    write("uint8_t", "sk_unicode_low", low)
    print("/* clang-format on */")


main()
