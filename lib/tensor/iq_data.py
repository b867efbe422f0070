#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes iq_data.c, the codebooks of the IQ types, from the packed words of a text file.

    lib/tensor/iq_data.py ../shared/reference/iq_grids.txt > lib/tensor/iq_data.c

The text has sections "@name count elements bits ... crc32=X" followed by `count` hexadecimal
words; the CRC is zlib's, over the words as little-endian 16-bit numbers. The codebooks were
chosen by search and cannot be computed, so a damaged word would never be noticed otherwise.
"""
import struct
import sys
import zlib

HEAD = """/* SPDX-License-Identifier: MIT */
/*
 * The codebooks of the IQ types, packed: element j of an entry is the code in bits [b*j, b*j + b)
 * of its word, b being 2 or 3 (iq.h). Written by iq_data.py; do not edit.
 */
#include "base/portable.h"
#include "tensor/iq.h"

/* clang-format off */"""


def sections(text):
    name, crc, words = None, 0, []
    for line in text.splitlines() + ["@"]:
        if line.startswith("@"):
            if name:
                packed = struct.pack("<%dH" % len(words), *words)
                if len(words) != count or zlib.crc32(packed) != crc:
                    sys.exit("%s is damaged" % name)
                yield name, words
            field = line[1:].split()
            if field:
                name, count = field[0], int(field[1])
                crc, words = int(field[-1].split("=")[1], 16), []
        elif not line.startswith("#"):
            words += [int(w, 16) for w in line.split()]


def main():
    print(HEAD)
    for name, words in sections(open(sys.argv[1], encoding="ascii").read()):
        print("const uint16_t sk_%s[%d] = {" % (name, len(words)))
        for i in range(0, len(words), 12):
            print("    " + " ".join("0x%04x," % w for w in words[i:i + 12]))
        print("};")
    print("/* clang-format on */")


main()
