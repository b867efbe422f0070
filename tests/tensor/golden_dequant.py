#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes golden_dequant.txt from the exact vectors of the tensor types.

    tests/tensor/golden_dequant.py ../shared/golden/dequant > tests/tensor/golden_dequant.txt

A line per block: type id, weights, the block's bytes, the bits of the floats, in hexadecimal.
A second kind of line, "quantise ID ...", has input floats and the block that they quantise to.
"""
import glob
import json
import os
import sys


def main():
    folder = sys.argv[1]
    for path in sorted(glob.glob(os.path.join(folder, "*.json"))):
        with open(path, encoding="ascii") as file:
            vector = json.load(file)
        quantise = os.path.basename(path).startswith("quantize-")
        if quantise and vector["type"] not in ("Q8_0", "Q8_K"):
            continue
        for block in vector["blocks"]:
            bits = block["f32"].split()
            print("%s %d %d %s %s" % ("quantise" if quantise else vector["type"], vector["id"],
                                      len(bits), block["bytes"], "".join(bits)))


main()
