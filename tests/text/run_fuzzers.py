# SPDX-License-Identifier: MIT
"""Builds the fuzzers of text and grammars with clang, libFuzzer and the sanitizers, and runs each.

Run as: run_fuzzers.py ROOT FOLDER SECONDS [NAME...]. FOLDER is for objects and what is found; a crash
is left there. Exit status 77 (meson: skipped) where clang has no libFuzzer.
"""

import concurrent.futures
import glob
import json
import os
import re
import shutil
import subprocess
import sys

NAMES = ["tokenize", "jinja", "json", "reply", "grammar", "schema"]
SOURCES = {name: "text/fuzz_%s.c" % name for name in NAMES}
SOURCES["grammar"] = SOURCES["schema"] = "sample/fuzz_grammar.c"
KINDS = {"grammar": "gr", "schema": "s"}  # of what the last two read
ROOMS = ["base", "format", "text", "sample"]  # what they need of the library
FLAGS = ["-std=c11", "-O1", "-g", "-fsanitize=fuzzer-no-link,address,undefined",
         "-fno-sanitize-recover=undefined", "-ffp-contract=off", "-DSK_FUZZER"]


def clang(*words):
    subprocess.run(["clang", *words], check=True)


def has_fuzzer(folder):
    source = os.path.join(folder, "try.c")
    with open(source, "w") as file:
        file.write("int LLVMFuzzerTestOneInput(const char *d, unsigned long n)"
                   "{ return d == (void *)n; }\n")
    return shutil.which("clang") and subprocess.run(
        ["clang", "-fsanitize=fuzzer,address", source, "-o", source + ".out"],
        stderr=subprocess.DEVNULL).returncode == 0


def build(root, folder, names):
    include = ["-I" + os.path.join(root, part) for part in ("lib", "include", "tests")]
    sources = [path for room in ROOMS
               for path in sorted(glob.glob(os.path.join(root, "lib", room, "*.c")))]
    sources.append(os.path.join(root, "lib", "tensor", "math.c"))
    objects = [os.path.join(folder, os.path.basename(path) + ".o") for path in sources]
    flags = [[]] * len(sources)
    for name in names:
        sources.append(os.path.join(root, "tests", SOURCES[name]))
        objects.append(os.path.join(folder, "fuzz_" + name + ".o"))
        flags = flags + [['-DFUZZ_KINDS="%s"' % KINDS[name]] if name in KINDS else []]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda job: clang(*FLAGS, *job[2], *include, "-c", job[0], "-o", job[1]),
                      zip(sources, objects, flags)))
    for name, target in zip(names, objects[-len(names):]):
        clang("-fsanitize=fuzzer,address,undefined", *objects[:-len(names)], target, "-lm",
              "-pthread", "-o", os.path.join(folder, name))


def write_seeds(root, folder, name):
    """Where to begin: our own templates, the marks of replies."""
    seeds = os.path.join(folder, "seeds-" + name)
    os.makedirs(seeds, exist_ok=True)
    text = os.path.join(root, "tests", "text")
    found = []
    if name in ("jinja", "json"):
        with open(os.path.join(text, "jinja.json"), encoding="utf-8") as file:
            cases = json.load(file)
        found = [case["template"] if name == "jinja" else json.dumps(case) for case in cases]
    if name == "reply":
        with open(os.path.join(text, "test_reply.c"), encoding="utf-8") as file:
            strings = re.findall(r'"((?:[^"\\\n]|\\.)*)"', file.read())
        found = ["\0" * 9 + s.encode().decode("unicode_escape") for s in strings]
    if name in KINDS:
        with open(os.path.join(root, "tests", SOURCES[name]), encoding="utf-8") as file:
            rows = re.findall(r"""\{'(\w)',((?:\s|"(?:[^"\\]|\\.)*")+),((?:\s|"(?:[^"\\]|\\.)*")+)\}""",
                              file.read())
        for kind, *parts in rows:
            grammar, text = ["".join(re.findall(r'"((?:[^"\\]|\\.)*)"', part))
                             .encode().decode("unicode_escape") for part in parts]
            if kind in KINDS[name]:
                found.append(chr(KINDS[name].index(kind)) + chr(len(text)) + grammar + text)
    for i, seed in enumerate(found):
        with open(os.path.join(seeds, str(i)), "wb") as file:
            file.write(seed.encode("utf-8", "replace"))
    return seeds


def run(root, folder, name, seconds):
    found = os.path.join(folder, "found-" + name)
    os.makedirs(found, exist_ok=True)
    words = [os.path.join(folder, name), found, write_seeds(root, folder, name),
             "-max_total_time=" + seconds, "-max_len=2000", "-timeout=25", "-rss_limit_mb=3000",
             "-print_final_stats=1", "-verbosity=0",
             "-artifact_prefix=" + os.path.join(folder, name + "-")]
    result = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = result.stdout.decode("utf-8", "replace")
    runs = re.search(r"number_of_executed_units: (\d+)", text)
    print("%s: %s runs, exit code %d" % (name, runs.group(1) if runs else "?", result.returncode))
    if result.returncode:
        print(text[-4000:])
    return result.returncode == 0


def main():
    root, folder, seconds = sys.argv[1:4]
    names = sys.argv[4:] or NAMES
    os.makedirs(folder, exist_ok=True)
    if not has_fuzzer(folder):
        print("skipped: clang or its libFuzzer is not here")
        return 77
    build(root, folder, names)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        good = list(pool.map(lambda name: run(root, folder, name, seconds), names))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
