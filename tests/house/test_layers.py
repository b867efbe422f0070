# SPDX-License-Identifier: MIT
"""The rules of the house, read from the sources: layers, includes, names, sizes, forbidden words.

Run as: test_layers.py ROOT. Each rule also has a case that must fail it, so that a rule cannot
rot into one that never fires.
"""

import os
import re
import sys
import unittest

import csource

ROOMS = ["base", "format", "tensor", "text", "model", "sample", "session"]
ROOT = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else os.getcwd()
LIB = os.path.join(ROOT, "lib")

MAX_FILE_LINES, MAX_FUNCTION_LINES = 1000, 120

# Words that may not occur in lib/: what ends, prints, reads surroundings, keeps hidden state,
# depends on the locale, or goes behind the allocator's back or the numeric contract's.
FORBIDDEN = set("""
    abort exit _exit _Exit quick_exit atexit at_quick_exit assert raise kill longjmp setjmp
    printf fprintf vprintf vfprintf dprintf vdprintf sprintf vsprintf vsnprintf asprintf
    puts fputs putchar fputc putc perror stdout stderr stdin gets scanf sscanf fscanf
    getenv secure_getenv setenv putenv unsetenv environ setlocale localeconv newlocale uselocale
    signal sigaction sigprocmask alarm
    strtok rand srand random srandom drand48 strerror localtime gmtime ctime asctime
    isalpha isdigit isalnum isspace isupper islower ispunct isprint toupper tolower
    strtof strtold strtol strtoll strtoul strtoull atof atoi atol atoll strcasecmp
    strcpy strcat alloca qsort bsearch system popen fork vfork execve dlopen fopen tmpfile
    exp expf exp2 exp2f expm1 log logf log2 log2f log10 log1p pow powf sin sinf cos cosf tan tanf
    tanh tanhf sinh cosh erf erff fma fmaf cbrt fmin fminf fmax fmaxf
""".split())

# Where a word of an operation that all of the library needs has its one place.
ONLY_IN = {
    "malloc": ["base/alloc.c"], "calloc": ["base/alloc.c"], "realloc": ["base/alloc.c"],
    "free": ["base/alloc.c"], "aligned_alloc": ["base/alloc.c"], "posix_memalign": ["base/alloc.c"],
    "clock_gettime": ["base/clock.c"], "open": ["base/source.c", "base/replace.c"],
    # The pool's threads block the host's signals, so that its handlers run on its own threads.
    "pthread_sigmask": ["base/executor.c"],
    # Numbers as text; there the host's decimal point is seen to.
    "snprintf": ["base/status.c"], "strtod": ["base/status.c"],
}
# Members named like a word (host.free, heap->exit) are not uses of it.
WORD = re.compile(r"(?<![\w.>\"])([A-Za-z_]\w*)\b")


def sources(suffixes=(".c", ".h")):
    for folder, _, names in sorted(os.walk(LIB)):
        for name in sorted(names):
            if name.endswith(suffixes):
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as file:
                    yield os.path.relpath(path, LIB), file.read()


def layer(path):
    """The place of a path, relative to lib/, in the order of layers."""
    room = path.split("/")[0]
    return ROOMS.index(room) if room in ROOMS else len(ROOMS)


def resolve(path, name):
    """What a quoted include of `path` means, relative to lib/."""
    beside = os.path.join(os.path.dirname(path), name)
    return beside if os.path.exists(os.path.join(LIB, beside)) else name


def bad_includes(path, text):
    found = []
    for include in csource.includes(text):
        if include.system or include.name in ("skald.h", "skald_experimental.h"):
            continue
        target = resolve(path, include.name)
        if target.startswith("api_") and path.startswith("api"):
            continue  # what the files of the boundary share
        if "/" not in target:
            found.append("%s:%d includes %s, which is in no room" % (path, include.line, target))
        elif layer(target) > layer(path):
            found.append("%s:%d includes %s, a later layer" % (path, include.line, target))
        elif target.endswith("_int.h") and layer(target) != layer(path):
            found.append("%s:%d includes %s, another room's secret" % (path, include.line, target))
        elif target.endswith(".c"):
            found.append("%s:%d includes a .c file" % (path, include.line))
    return found


def bad_opening(path, text):
    lines = text.split("\n")
    if lines[0] != "/* SPDX-License-Identifier: MIT */":
        return ["%s: the first line is not the SPDX line" % path]
    # A .c file whose header has the essay may be brief.
    least = 4 if path.endswith(".c") and os.path.exists(os.path.join(LIB, path[:-1] + "h")) else 6
    essay = re.match(r"\s*/\*(.*?)\*/", "\n".join(lines[1:]), re.S)
    if not essay or len(re.findall(r"\w+", essay.group(1))) < least:
        return ["%s: no essay below the SPDX line" % path]
    return []


def bad_words(path, text):
    found = []
    for number, line in enumerate(csource.blank(text).split("\n"), 1):
        if re.match(r"\s*#\s*(include|error|pragma)", line):
            continue
        for match in WORD.finditer(line):
            word = match.group(1)
            called = line[match.end():].lstrip().startswith("(")
            if word in FORBIDDEN and (called or word in ("stdout", "stderr", "stdin", "environ")):
                found.append("%s:%d: %s" % (path, number, word))
            if word in ONLY_IN and called and path not in ONLY_IN[word]:
                found.append("%s:%d: %s belongs in %s" % (path, number, word, ONLY_IN[word][0]))
    return found


def bad_sizes(path, text):
    found, n_lines = [], text.count("\n")
    if n_lines > MAX_FILE_LINES and not path.endswith("_data.c"):
        found.append("%s has %d lines, at most %d" % (path, n_lines, MAX_FILE_LINES))
    for function in csource.functions(text):
        if function.length > MAX_FUNCTION_LINES:
            found.append("%s:%d: %s has %d lines, at most %d" % (
                path, function.line, function.name, function.length, MAX_FUNCTION_LINES))
    return found


TYPEDEF = re.compile(r"^(?:\} (\w+);|typedef [^{};]*?\b(\w+);)", re.M)


def names(text):
    """What a file puts into C's ordinary name space at its top level: functions and types."""
    types = {a or b for a, b in TYPEDEF.findall(csource.without_directives(text))}
    return types | {f.name for f in csource.functions(text)}


def duplicate_names(files):
    """One name in two files: the amalgamation would not compile. (Templates that make a function
    anew for each tier have one text and count once.)"""
    where, found = {}, []
    for path, text in files:
        for name in names(text):
            if name in where:
                found.append("%s is defined in %s and in %s" % (name, where[name], path))
            where.setdefault(name, path)
    return found


class Rules(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.files = list(sources())
        self.assertTrue(self.files, "no sources in " + LIB)

    def none(self, problems):
        self.assertEqual(problems, [], "\n" + "\n".join(problems))

    def each(self, rule):
        self.none([problem for path, text in self.files for problem in rule(path, text)])

    def test_layers(self):
        self.each(bad_includes)

    def test_openings(self):
        self.each(bad_opening)

    def test_words(self):
        self.each(bad_words)

    def test_sizes(self):
        self.each(bad_sizes)

    def test_names_are_unique(self):
        self.none(duplicate_names(self.files))

    def test_file_names_are_unique(self):
        names = [os.path.basename(path) for path, _ in self.files]
        self.none(sorted({name for name in names if names.count(name) > 1}))

    def test_portable_comes_first(self):
        late = []
        for path, text in self.files:
            if path.endswith(".c"):
                first = csource.includes(text)[:1]
                if not first or first[0].name != "base/portable.h":
                    late.append("%s: the first include is not base/portable.h" % path)
        self.none(late)

    def test_every_source_is_built(self):
        listed = set()
        for folder, _, names in os.walk(LIB):
            if "meson.build" in names:
                with open(os.path.join(folder, "meson.build"), encoding="utf-8") as file:
                    for name in re.findall(r"'([\w./]+\.c)'", file.read()):
                        listed.add(os.path.relpath(os.path.join(folder, name), LIB))
        built = {path for path, _ in self.files if path.endswith(".c")}
        self.none(["%s is not in meson.build" % path for path in sorted(built - listed)])

    def test_top_level(self):
        allowed = {"meson.build", "meson_options.txt", "README.md", "LICENSE", "include", "lib",
                   "examples", "tests", "bindings"}
        found = {name for name in os.listdir(ROOT)
                 if not name.startswith((".", "build")) and name != "__pycache__"}
        self.none(sorted(found - allowed))

    def test_figures(self):
        """Prints the style's figures; of them only the maxima are rules."""
        lengths = sorted(f.length for _, text in self.files for f in csource.functions(text))
        if lengths:
            at = lambda share: lengths[min(len(lengths) - 1, int(len(lengths) * share))]
            print("%d files, %d functions: lines p50 %d, p90 %d, p99 %d, longest %d" % (
                len(self.files), len(lengths), at(.5), at(.9), at(.99), lengths[-1]))


class RulesFire(unittest.TestCase):
    """Every rule against a text that breaks it."""

    def test_layers(self):
        self.assertTrue(bad_includes("base/alloc.c", '#include "session/context.h"\n'))
        self.assertTrue(bad_includes("text/bpe.c", '#include "model/arch.h"\n'))
        self.assertTrue(bad_includes("text/bpe.c", '#include "base/x_int.h"\n'))
        self.assertFalse(bad_includes("text/bpe.c", '#include "base/alloc.h"\n'))

    def test_openings(self):
        self.assertTrue(bad_opening("x.c", "#include <stdio.h>\n"))
        self.assertTrue(bad_opening("x.c", "/* SPDX-License-Identifier: MIT */\nint x;\n"))

    def test_words(self):
        self.assertTrue(bad_words("x.c", "void f(void)\n{\n    abort();\n}\n"))
        self.assertTrue(bad_words("x.c", "    return (stderr);\n"))
        self.assertTrue(bad_words("x.c", "    p = malloc (3);\n"))
        self.assertFalse(bad_words("x.c", '    /* abort() */ f("exit()"); host.free(p); fmaf_c;\n'))

    def test_sizes(self):
        body = "static int f(int a)\n{\n" + "    a++;\n" * 130 + "}\n"
        self.assertTrue(bad_sizes("x.c", body))
        self.assertTrue(bad_sizes("x.c", "\n" * 1001))
        self.assertFalse(bad_sizes("x_data.c", "\n" * 1001))

    def test_duplicates(self):
        text = "static void f(int a)\n{\n}\n"
        kind = "typedef struct g {\n    int f;\n} f;\n"
        self.assertTrue(duplicate_names([("a.c", text), ("b.c", text)]))
        self.assertTrue(duplicate_names([("a.c", text), ("b.c", kind)]))
        self.assertTrue(duplicate_names([("a.c", text), ("b.c", "typedef struct g f;\n")]))
        self.assertFalse(duplicate_names([("a.c", text + text), ("b.c", "void g(void);\n")]))


if __name__ == "__main__":
    unittest.main()
