# SPDX-License-Identifier: MIT
"""The published expressions of the pre-tokenisers, run by Python's `regex` module (not part of
Python: pip install regex). Only needed to make pretok.txt and to try random texts by hand."""
import regex

L18 = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}"
L28 = r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
CONTR = r"'s|'t|'re|'ve|'m|'ll|'d"
TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
A = r"(?i:%s)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|%s" % (CONTR, TAIL)
B = A.replace("{1,3}", "")
C = CONTR + r"| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
POWERS = "|".join(r"\s{%d}(?!\S)" % (1 << k) for k in range(9, 1, -1)) + r"|\s{1,2}(?!\S)|\s{1}"
D3 = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
      r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def cased(suffix, numbers, tail=r"[\r\n/]*"):
    return (r"[^\r\n\p{L}\p{N}]?[%s]*[%s]+%s|[^\r\n\p{L}\p{N}]?[%s]+[%s]*%s|%s"
            r"| ?[^\s\p{L}\p{N}]+%s|\s*[\r\n]+|\s+(?!\S)|\s+"
            % (L18, L28, suffix, L18, L28, suffix, numbers, tail))


SUFFIX = "(?i:%s)?" % CONTR
KIMI = (r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[%s&&[^\p{Han}]]*[%s&&[^\p{Han}]]+%s"
        r"|[^\r\n\p{L}\p{N}]?[%s&&[^\p{Han}]]+[%s&&[^\p{Han}]]*%s|\p{N}{1,3}|%s"
        % (L18, L28, SUFFIX, L18, L28, SUFFIX, TAIL))
CJK = "[一-龥ࠀ-一가-퟿]+"
BLOOM = r" ?[^(\s|.,!?…。，、।۔،)]+"
DEEPSEEK_LETTERS = (
    r"\s?[A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-"
    r"\u02AF\u0370-\u0373\u0376\u0377\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1"
    r"\u03A3-\u03F5\u03F7-\u0481\u048A-\u052F\u0531-\u0556\u10A0-\u10C5\u13A0-\u13F5\u13F8-"
    r"\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A\u1E00-\u1F15"
    r"\u1F18-\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D"
    r"\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE\u1FC2-\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB"
    r"\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102\u2107\u210A-\u2113\u2115\u2119-\u211D"
    r"\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139\u213C-\u213F\u2145-\u2149\u214E\u2183"
    r"\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3\uA640-\uA66D\uA680-\uA69B"
    r"\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-\uABBF\uFB00-\uFB06\uFB13-\uFB17\uFF21-"
    r"\uFF3A\uFF41-\uFF5A\U00010400-\U0001044F\U000104B0-\U000104D3\U000104D8-\U000104FB"
    r"\U00010C80-\U00010CB2\U00010CC0-\U00010CF2\U000118A0-\U000118DF\U0001E900-\U0001E943]+")

EXPRESSIONS = {
    "llama3": [A], "jais-2": [A.rsplit(r"|\s+(?!", 1)[0] + "|" + POWERS], "qwen2": [B],
    "qwen35": [r"(?i:%s)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
               r"|\s*[\r\n]+|\s+(?!\S)|\s+" % CONTR],
    "laguna": [r"[^\n]+|[\n]+", B],
    "seed-coder": [B.replace(r" ?[^\s\p{L}\p{N}]+[\r\n]*", r" ?[^\s\p{L}\p{N}\r\n]+")],
    "bailingmoe": [B.replace(r"\s*[\r\n]+", r"\s*[\r\n]")],
    "minicpm5": [r"\p{N}{1,3}", A.replace("{1,3}", "+")],
    "exaone-moe": [r"(?i:%s)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}"
                   r"| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+" % CONTR],
    "gpt-2": [C], "starcoder": [r"\p{N}", C],
    "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", C, "[0-9][0-9][0-9]"],
    "default": [r"[\p{P}\$\+<=>\^~\|]+", C, r"\p{N}+", "[0-9][0-9][0-9]"],
    "chameleon": [r"<sentinel:[0-9]+>", r"(?:IMGIMG)(?:(?:A|B|C|D|E|F|G|H|I){1,4})Z",
                  r"(?:[\t\n]|    |  )", r"\p{N}", r"[\p{P}!-/:-@\[-`{-~]", C],
    "deepseek-llm": [r"[\r\n]", DEEPSEEK_LETTERS, r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", CJK,
                     r"\p{N}+"],
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", CJK, r"\p{N}"],
    "deepseek-v3": [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", D3],
    "tekken": [cased("", r"\p{N}")], "gpt-4o": [cased(SUFFIX, r"\p{N}{1,3}")],
    "granite-embed-multi-97m": [cased(SUFFIX, r"\p{N}{1,3}")],
    "cohere2moe": [r"\d{1,3}(?=(?:\d{3})*\b)", cased(SUFFIX, r"\p{N}{1,3}")],
    "youtu": ["[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+",
              cased(SUFFIX, r"\p{N}")],
    "kimi-k2": [KIMI], "bloom": [BLOOM], "viking": [BLOOM, r"\p{N}"],
    "superbpe": [r"\p{N}+", r"(?=(?:\d{3})+(?!\d))"],
    "gemma4": [r"[^\n]+|[\n]+"], "whitespace": [r"\S+"],
    # The right-aligned threes of a run, then the ranges (with F900 for the misprint), then D3's.
    "afmoe": [r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))",
              "[\u4E00-\u9FFF\u3400-\u4DBF\uF900-\uFAFF\u3040-\u30FF\uFF65-\uFF9F\u2F00-\u2FDF"
              "\u0E40-\u0EFF\u1780-\u17FF\u1000-\u109F\uAA60-\uAA7F\uA9E0-\uA9FF\uAC00-\uD7AF"
              "\u1100-\u11FF]+", D3],
}
COMPILED = {name: [regex.compile(e, regex.V1) for e in list_] for name, list_ in EXPRESSIONS.items()}


def split(name, text):
    """The pieces of a text."""
    pieces = [text]
    for expression in COMPILED[name]:
        cut = []
        for piece in pieces:
            at = 0
            for m in expression.finditer(piece):
                cut += [piece[at:m.start()], m.group()]
                at = m.end()
            cut.append(piece[at:])
        pieces = [p for p in cut if p]
    return pieces
