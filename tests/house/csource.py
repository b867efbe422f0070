# SPDX-License-Identifier: MIT
"""Just enough C reading for the house tests: comments, includes, functions, prototypes.

It knows the project's own style (clang-format, K&R), not all of C. Everything is computed from
text whose comments and literals were blanked out with their length and line breaks kept, so that
positions in it are positions in the file.
"""

import re
from collections import namedtuple

Include = namedtuple("Include", "line name system")
Function = namedtuple("Function", "name line length static signature")
Prototype = namedtuple("Prototype", "name result params line documented")

_LEXEME = re.compile(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S)
_KEYWORDS = {"if", "for", "while", "switch", "return", "sizeof", "do", "else", "case", "defined",
             "_Alignof", "_Static_assert", "__attribute__"}


def blank(text, literals=True):
    """The text with comments, and the insides of literals, replaced by spaces."""
    def replace(match):
        lexeme = match.group(0)
        if lexeme[0] in "\"'":
            if not literals:
                return lexeme
            return lexeme[0] + re.sub(r"[^\n]", " ", lexeme[1:-1]) + lexeme[-1]
        return re.sub(r"[^\n]", " ", lexeme)
    return _LEXEME.sub(replace, text)


def includes(text):
    """The #include lines, in order."""
    found = []
    for number, line in enumerate(blank(text, literals=False).split("\n"), 1):
        match = re.match(r'\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")', line)
        if match:
            found.append(Include(number, match.group(1) or match.group(2), bool(match.group(1))))
    return found


def without_directives(text):
    """Blanked text with preprocessor lines, and their continuations, blanked too."""
    lines, inside = [], False
    for line in blank(text).split("\n"):
        directive = inside or line.lstrip().startswith("#")
        inside = directive and line.endswith("\\")
        lines.append(" " * len(line) if directive else line)
    return "\n".join(lines)


def functions(text):
    """The functions that a file defines at its top level."""
    code, found, depth, start = without_directives(text), [], 0, 0
    pending = None
    for match in re.finditer(r"[{};]", code):
        token, at = match.group(0), match.start()
        if token == "{":
            if depth == 0:
                pending = _declarator(code, start, at)
            depth += 1
        elif token == "}":
            depth = max(0, depth - 1)
            if depth == 0:
                if pending:
                    name, first, signature = pending
                    line = code.count("\n", 0, first) + 1
                    length = code.count("\n", first, at) + 1
                    found.append(Function(name, line, length,
                                          bool(re.search(r"\bstatic\b", signature)), signature))
                pending, start = None, at + 1
        elif depth == 0:
            start = at + 1
    return found


def _declarator(code, start, brace):
    """(name, offset of the first word, signature) if code[start:brace] declares a function."""
    piece = code[start:brace]
    signature = " ".join(piece.split())
    if not signature.endswith(")") or "=" in re.sub(r"\([^()]*\)", "", signature):
        return None
    for match in re.finditer(r"(\w+)\s*\(", signature):
        name = match.group(1)
        if name in _KEYWORDS:
            continue
        if name.isupper():  # a macro that makes the name, TIER(matmul), or an attribute
            inner = re.match(r"\s*(\w+)\s*\)\s*\(", signature[match.end():])
            if not inner:
                continue
            name = inner.group(1)
        return name, start + len(piece) - len(piece.lstrip()), signature
    return None


def normal_type(text):
    """A parameter's type without its name, in one spelling: 'const char **', 'int64_t *'."""
    text = " ".join(text.split())
    pointer = re.match(r"(.*?)\(\s*\*\s*\w*\s*\)\s*\((.*)\)$", text)
    if pointer:
        inner = ", ".join(normal_type(p) for p in split_params(pointer.group(2)))
        return "%s (*)(%s)" % (normal_type(pointer.group(1) + " "), inner)
    array = re.match(r"(.*?)(\w+)\s*\[\d*\]$", text)
    if array:
        text = array.group(1) + "*"
    else:
        named = re.match(r"(.*[\s*])(\w+)$", text)
        bare = {"const", "struct", "unsigned"}
        if named and named.group(1).strip() and named.group(1).split()[-1] not in bare:
            text = named.group(1)
    text = re.sub(r"\s*\*\s*", "*", text.strip())
    text = re.sub(r"(\w)\*", r"\1 *", text)
    return re.sub(r"\*(\w)", r"* \1", text).replace("* const*", "*const *")


def split_params(text):
    """The comma-separated parameters, with parentheses respected; (void) is none."""
    parts, depth, last = [], 0, 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            parts.append(text[last:i])
            last = i + 1
    parts.append(text[last:])
    parts = [p.strip() for p in parts]
    return [] if parts in ([""], ["void"]) else parts


def prototypes(text, marker="SKALD_API"):
    """The functions that a header declares; `marker` may be empty (a cdef text).

    A prototype is documented when a comment ends on the line before its group of prototypes, or
    stands behind it on its own line."""
    code, found = without_directives(text), []
    lines = text.split("\n")
    pattern = re.compile(r"^%s\s*([\w\s*]+?)\b(\w+)\s*\(((?:[^()]|\([^()]*\))*)\)\s*;" %
                         re.escape(marker), re.M)
    for match in pattern.finditer(code):
        result, name, params = match.groups()
        if "typedef" in result:
            continue
        begin = match.start() + len(match.group(0)) - len(match.group(0).lstrip())
        line = code.count("\n", 0, begin) + 1
        found.append(Prototype(name, normal_type(result + " "),
                               [normal_type(p) for p in split_params(params)], line,
                               _documented(lines, line, marker)))
    return found


def _documented(lines, line, marker):
    if "/*" in lines[line - 1]:
        return True
    above = line - 2
    while above >= 0 and (lines[above].startswith(marker) or lines[above].startswith(" " * 20)):
        above -= 1
    return above >= 0 and lines[above].rstrip().endswith("*/")


def structs(text):
    """The structs that are defined: name -> [(member name, type)]."""
    code, found = without_directives(text), {}
    for match in re.finditer(r"typedef struct (\w+) \{(.*?)\n\} \w+;", code, re.S):
        members = []
        for member in match.group(2).split(";"):
            member = " ".join(member.split())
            if not member:
                continue
            pointer = re.search(r"\(\s*\*\s*(\w+)\s*\)", member)
            name = pointer.group(1) if pointer else re.search(r"(\w+)$", member).group(1)
            members.append((name, normal_type(member)))
        found[match.group(1)] = members
    return found


def constants(text):
    """The #define'd integer constants: name -> value."""
    found = {}
    for match in re.finditer(r"^#define (SKALD_\w+)\s+\(?(-?\d+)\)?\s*$", blank(text), re.M):
        found[match.group(1)] = int(match.group(2))
    return found


def manual_program(header):
    """The program that the header's manual opens with."""
    lines = re.findall(r"^ \*(?: {5}(.*))?$", header, re.M)
    first = lines.index("#include <skald.h>")
    return "\n".join(lines[first:lines.index("}", first) + 1]) + "\n"
