#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes pretok.txt and ids.txt from the shared golden data. Usage: make_data.py SHARED

pretok.txt: what the reference's pre-tokenisers make of its texts. Where the reference departs from
the published expressions (SHARED/golden/README.md lists where), its figure is replaced by that of
the expression itself, run by Python's `regex` (pretok_oracle.py); such lines begin with `!`.
Everywhere else the two must agree, or this stops.

ids.txt: ids of texts in vocabularies of SHARED/vocab, as tiktoken and Hugging Face give them.
"""
import json
import os
import sys

import pretok_oracle

# Groups whose figures depart; the rest must be equal to the oracle's.
DEPART = {"deepseek-llm", "deepseek-coder", "deepseek-v3", "afmoe", "tekken", "gpt-4o",
          "granite-embed-multi-97m", "cohere2moe", "youtu", "kimi-k2", "superbpe"}
TIKTOKEN = {"o200k": "o200k", "cl100k": "cl100k", "llama3": "llama-bpe", "llama4": "llama4",
            "qwen": "qwen2", "hunyuan": "hunyuan"}
FACE = {"phi-3": "phi-3", "falcon": "falcon", "llama2": "spm-llama2",
        "bert-bge": "bert-bge"}


def escape(text):
    """Printable ASCII as it is, everything else as \\HH by byte."""
    return "".join(chr(b) if 33 <= b < 127 and b != 92 else "\\%02X" % b for b in text.encode())


def write_pretok(shared, out):
    data = json.load(open(shared + "/golden/pretok.json"))
    for text in data["texts"]:
        print("T", escape(text), file=out)
    for group in data["groups"]:
        name = next(n for n in group["pre"] if n in pretok_oracle.EXPRESSIONS)
        print("G", " ".join(group["pre"]), file=out)
        for text, pieces in zip(data["texts"], group["pieces"]):
            if group["escape_whitespace"]:
                text = text.replace(" ", "\u2581")
            oracle = " ".join(str(len(p.encode())) for p in pretok_oracle.split(name, text))
            if oracle != pieces and name not in DEPART:
                sys.exit("%s: %r: %s, wanted %s" % (name, text, oracle, pieces))
            print("!" + oracle if oracle != pieces else pieces, file=out)


def write_ids(shared, out):
    token = json.load(open(shared + "/tokenizers/expected-tiktoken-family.json"))
    for name, vocab in TIKTOKEN.items():
        print("\\V %s" % vocab, file=out)
        for case in token[name]["cases"]:
            print(escape(case["text"]), *case["ids"], file=out)
    face = json.load(open(shared + "/tokenizers/expected-huggingface.json"))
    for name, vocab in FACE.items():
        print("\\V %s" % vocab, file=out)
        for case in face[name]:
            print(escape(case["text"]), *case["ids"], file=out)


here = os.path.dirname(os.path.abspath(__file__))
with open(here + "/pretok.txt", "w") as file:
    write_pretok(sys.argv[1], file)
with open(here + "/ids.txt", "w") as file:
    write_ids(sys.argv[1], file)
