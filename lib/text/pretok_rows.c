/* SPDX-License-Identifier: MIT */
/*
 * THE TABLE of pre-tokenisers: for each `tokenizer.ggml.pre` the passes that cut its text, and how
 * its vocabulary behaves otherwise. The published expressions are followed, also where llama.cpp
 * departs from them (case and marks in the tekken and gpt-4o families, `~` in deepseek-v3, white
 * space in deepseek-llm and -coder, digits in afmoe), because they are what the models learnt.
 */
#include "base/portable.h"

#include "text/pretok.h"

#include "text/unicode.h"

#include <stddef.h>
#include <string.h>

#define ALL_BUT(classes) (~(classes) & ~SK_UC_SPACE)
#define UPPER (SK_UC_LU | SK_UC_LT | SK_UC_LM | SK_UC_LO | SK_UC_M)
#define LOWER (SK_UC_LL | SK_UC_LM | SK_UC_LO | SK_UC_M)
#define ENDLESS UINT32_MAX

#define END {.kind = SK_PASS_END}
#define RANGES(r) .n_ranges = sizeof(r) / sizeof *(r), .ranges = (r)

/* A run of min to max characters of some classes, of some classes and ranges, of ranges. */
#define RUN_CLASSES(mask, min_, max_) \
    {.kind = SK_PASS_RUN, .min = (min_), .max = (max_), .set = {.classes = (mask)}}
#define RUN_BOTH(mask, r, min_, max_) \
    {.kind = SK_PASS_RUN, .min = (min_), .max = (max_), .set = {.classes = (mask), RANGES(r)}}
#define RUN_RANGES(r) RUN_BOTH(0, r, 1, ENDLESS)

/* What the alternations of Llama 3, Qwen and their relatives have in common. */
#define WORDS_CHAR(letters_, numbers_) \
    .kind = SK_PASS_WORDS, .contraction = SK_CONTRACTION_ANY_CASE, .lead = SK_LEAD_CHAR, \
    .not_lead = SK_UC_L | SK_UC_N, .letters = (letters_), .numbers = (numbers_), \
    .symbols = ALL_BUT((letters_) | SK_UC_N), .tail = SK_TAIL_NEWLINES, .newlines = true

/* Those of tekken, GPT-4o and their relatives. */
#define WORDS_CASED(numbers_) \
    .kind = SK_PASS_WORDS, .lead = SK_LEAD_CHAR, .not_lead = SK_UC_L | SK_UC_N, .upper = UPPER, \
    .lower = LOWER, .numbers = (numbers_), .symbols = ALL_BUT(SK_UC_L | SK_UC_N), \
    .tail = SK_TAIL_SLASHES, .newlines = true

/* That of GPT-2. */
#define WORDS_GPT2 \
    {.kind = SK_PASS_WORDS, .contraction = SK_CONTRACTION_EXACT, .lead = SK_LEAD_BLANK, \
     .letters = SK_UC_L, .numbers = ENDLESS, .numbers_blank = true, \
     .symbols = ALL_BUT(SK_UC_L | SK_UC_N)}

#define WORDS_DEEPSEEK3 \
    {.kind = SK_PASS_WORDS, .ascii_word = true, .lead = SK_LEAD_CHAR, \
     .not_lead = SK_UC_L | SK_UC_P | SK_UC_S, .letters = SK_UC_L | SK_UC_M, \
     .symbols = SK_UC_P | SK_UC_S, .tail = SK_TAIL_NEWLINES, .newlines = true}

/* ---- Ranges --------------------------------------------------------------------------------- */

static const uint32_t range_newline[][2] = {{'\n', '\n'}};
static const uint32_t range_crlf[][2] = {{'\n', '\n'}, {'\r', '\r'}};
static const uint32_t range_digits[][2] = {{'0', '9'}};
static const uint32_t range_a_to_i[][2] = {{'A', 'I'}};

/* ASCII marks that Unicode counts as symbols, not as punctuation. */
static const uint32_t range_marks[][2] = {{'$', '$'}, {'+', '+'}, {'<', '>'},
                                          {'^', '^'}, {'|', '|'}, {'~', '~'}};
static const uint32_t range_marks_tick[][2] = {{'$', '$'}, {'+', '+'}, {'<', '>'}, {'^', '^'},
                                               {'`', '`'}, {'|', '|'}, {'~', '~'}};
static const uint32_t range_ascii_marks[][2] = {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}};

static const uint32_t range_deepseek_marks[][2] = {{'!', '/'},         {':', '~'},
                                                   {0x2018, 0x201F},   {0x3000, 0x3002},
                                                   {0xFF01, 0xFF0F},   {0xFF1A, 0xFF5E}};
static const uint32_t range_deepseek_cjk[][2] = {{0x0800, 0x9FA5}, {0xAC00, 0xD7FF}};
static const uint32_t range_deepseek3_cjk[][2] = {{0x3040, 0x30FF}, {0x4E00, 0x9FA5}};

/* Letters with case that deepseek-llm's list of letters leaves out: it is one of Unicode 11, with
 * gaps. */
static const uint32_t range_not_deepseek[][2] = {
    {0x0560, 0x0588},   {0x10C7, 0x10C7},   {0x10CD, 0x10CD},
    {0x10D0, 0x10FA},   {0x10FD, 0x10FF},   {0x1C80, 0x1C88},   {0x2C2F, 0x2C2F},
    {0x2C5F, 0x2C5F},   {0x2D00, 0x2D2D},   {0xA790, 0xA7FA},   {0xAB30, 0xAB68},
    {0x10570, 0x105BC}, {0x16E40, 0x16E7F}, {0x1D400, 0x1D7CB}, {0x1DF00, 0x1DF2A},
};

static const uint32_t range_afmoe_cjk[][2] = {
    {0x0E40, 0x0EFF}, {0x1000, 0x109F}, {0x1100, 0x11FF}, {0x1780, 0x17FF}, {0x2F00, 0x2FDF},
    {0x3040, 0x30FF}, {0x3400, 0x4DBF}, {0x4E00, 0x9FFF}, {0xA9E0, 0xA9FF}, {0xAA60, 0xAA7F},
    {0xAC00, 0xD7AF}, {0xF900, 0xFAFF}, {0xFF65, 0xFF9F},
};

/* Those of youtu exclude one another, so that one alternation is as good as four passes. */
static const uint32_t range_youtu_hangul[][2] = {{0x3131, 0x318E}, {0xAC00, 0xD7A3}};
static const uint32_t range_youtu_marks[][2] = {
    {0x2014, 0x2014}, {0x2018, 0x2019}, {0x201C, 0x201D}, {0x2026, 0x2026}, {0x3001, 0x303F},
    {0xFE30, 0xFE4F}, {0xFF01, 0xFF01}, {0xFF0C, 0xFF0C}, {0xFF1A, 0xFF1B}};
static const uint32_t range_youtu_bopomofo[][2] = {{0x3105, 0x312F}};

/* ( ) | and the marks that end a clause. */
static const uint32_t range_bloom_marks[][2] = {
    {'!', '!'},       {'(', ')'},       {',', ','},       {'.', '.'},
    {'?', '?'},       {'|', '|'},       {0x060C, 0x060C}, {0x06D4, 0x06D4},
    {0x0964, 0x0964}, {0x2026, 0x2026}, {0x3001, 0x3002}, {0xFF0C, 0xFF0C}};

/* ---- Passes --------------------------------------------------------------------------------- */

static const sk_splitter pass_llama3[] = {{WORDS_CHAR(SK_UC_L, 3)}, END};
static const sk_splitter pass_jais2[] = {{WORDS_CHAR(SK_UC_L, 3), .powers = true}, END};
static const sk_splitter pass_qwen2[] = {{WORDS_CHAR(SK_UC_L, 1)}, END};
static const sk_splitter pass_qwen35[] = {{WORDS_CHAR(SK_UC_L | SK_UC_M, 1)}, END};
static const sk_splitter pass_laguna[] = {
    {.kind = SK_PASS_RUN, .min = 1, .max = ENDLESS,
     .set = {.mode = SK_SET_NEGATE, RANGES(range_newline)}},
    {WORDS_CHAR(SK_UC_L, 1)},
    END};
static const sk_splitter pass_seed_coder[] = {
    {.kind = SK_PASS_WORDS, .contraction = SK_CONTRACTION_ANY_CASE, .lead = SK_LEAD_CHAR,
     .not_lead = SK_UC_L | SK_UC_N, .letters = SK_UC_L, .numbers = 1,
     .symbols = ALL_BUT(SK_UC_L | SK_UC_N), .newlines = true},
    END};
static const sk_splitter pass_minicpm5[] = {RUN_CLASSES(SK_UC_N, 1, 3),
                                        {WORDS_CHAR(SK_UC_L, ENDLESS)},
                                        END};
static const sk_splitter pass_exaone_moe[] = {
    {.kind = SK_PASS_WORDS, .contraction = SK_CONTRACTION_ANY_CASE, .lead = SK_LEAD_CHAR,
     .not_lead = SK_UC_L | SK_UC_N, .letters = SK_UC_L | SK_UC_M, .spaced = true, .numbers = 1,
     .symbols = ALL_BUT(SK_UC_L | SK_UC_N), .tail = SK_TAIL_ONE, .newlines = true},
    END};

static const sk_splitter pass_gpt2[] = {WORDS_GPT2, END};
static const sk_splitter pass_starcoder[] = {RUN_CLASSES(SK_UC_N, 1, 1), WORDS_GPT2, END};
static const sk_splitter pass_falcon[] = {RUN_BOTH(SK_UC_P, range_marks_tick, 1, ENDLESS), WORDS_GPT2,
                                      RUN_BOTH(0, range_digits, 3, 3), END};
/* As its tokenizer.json has it: numbers are looked for behind the encoding of bytes. */
static const sk_splitter pass_falcon_json[] = {RUN_BOTH(SK_UC_P, range_marks_tick, 1, ENDLESS),
                                               WORDS_GPT2,
                                               {.kind = SK_PASS_BYTES},
                                               RUN_BOTH(0, range_digits, 3, 3),
                                               END};
static const sk_splitter pass_default[] = {RUN_BOTH(SK_UC_P, range_marks, 1, ENDLESS), WORDS_GPT2,
                                       RUN_CLASSES(SK_UC_N, 1, ENDLESS),
                                       RUN_BOTH(0, range_digits, 3, 3), END};
static const sk_splitter pass_chameleon[] = {
    {.kind = SK_PASS_FRAMED, .before = "<sentinel:", .after = ">", .min = 1, .max = ENDLESS,
     .set = {RANGES(range_digits)}},
    {.kind = SK_PASS_FRAMED, .before = "IMGIMG", .after = "Z", .min = 1, .max = 4,
     .set = {RANGES(range_a_to_i)}},
    {.kind = SK_PASS_INDENT},
    RUN_CLASSES(SK_UC_N, 1, 1),
    RUN_BOTH(SK_UC_P, range_ascii_marks, 1, 1),
    WORDS_GPT2,
    END};

static const sk_splitter pass_deepseek_llm[] = {
    RUN_BOTH(0, range_crlf, 1, 1),
    {.kind = SK_PASS_RUN, .lead = SK_LEAD_SPACE, .min = 1, .max = ENDLESS,
     .set = {.classes = SK_UC_LU | SK_UC_LL | SK_UC_LT, .mode = SK_SET_REMOVE,
             RANGES(range_not_deepseek)}},
    {.kind = SK_PASS_RUN, .lead = SK_LEAD_SPACE, .min = 1, .max = ENDLESS,
     .set = {RANGES(range_deepseek_marks)}},
    {.kind = SK_PASS_ASIDE},
    RUN_RANGES(range_deepseek_cjk),
    RUN_CLASSES(SK_UC_N, 1, ENDLESS),
    END};
static const sk_splitter pass_deepseek_coder[] = {
    RUN_BOTH(0, range_crlf, 1, 1),
    {.kind = SK_PASS_RUN, .lead = SK_LEAD_SPACE, .min = 1, .max = ENDLESS,
     .set = {.classes = SK_UC_L}},
    {.kind = SK_PASS_RUN, .lead = SK_LEAD_SPACE, .min = 1, .max = ENDLESS,
     .set = {.classes = SK_UC_P}},
    RUN_RANGES(range_deepseek_cjk),
    RUN_CLASSES(SK_UC_N, 1, 1),
    END};
static const sk_splitter pass_deepseek3[] = {RUN_CLASSES(SK_UC_N, 1, 3),
                                         RUN_RANGES(range_deepseek3_cjk), WORDS_DEEPSEEK3, END};
static const sk_splitter pass_afmoe[] = {{.kind = SK_PASS_GROUPS, .set = {.classes = SK_UC_N}},
                                     RUN_RANGES(range_afmoe_cjk), WORDS_DEEPSEEK3, END};

static const sk_splitter pass_tekken[] = {{WORDS_CASED(1)}, END};
static const sk_splitter pass_gpt4o[] = {{WORDS_CASED(3), .contraction = SK_CONTRACTION_SUFFIX}, END};
static const sk_splitter pass_tiny_aya[] = {
    {.kind = SK_PASS_GROUPS, .boundary = true, .set = {.classes = SK_UC_ND}},
    {WORDS_CASED(3), .contraction = SK_CONTRACTION_SUFFIX},
    END};
static const sk_splitter pass_youtu[] = {RUN_RANGES(range_youtu_hangul),
                                     RUN_RANGES(range_youtu_marks),
                                     RUN_RANGES(range_youtu_bopomofo),
                                     RUN_RANGES(range_deepseek3_cjk),
                                     {WORDS_CASED(1), .contraction = SK_CONTRACTION_SUFFIX},
                                     END};
static const sk_splitter pass_kimi[] = {
    {.kind = SK_PASS_WORDS, .contraction = SK_CONTRACTION_SUFFIX, .lead = SK_LEAD_CHAR,
     .not_lead = SK_UC_L | SK_UC_N, .han = true, .upper = UPPER, .lower = LOWER, .numbers = 3,
     .symbols = ALL_BUT(SK_UC_L | SK_UC_N), .tail = SK_TAIL_NEWLINES, .newlines = true},
    END};

#define RUN_BLOOM \
    {.kind = SK_PASS_RUN, .lead = SK_LEAD_BLANK, .min = 1, .max = ENDLESS, \
     .set = {.classes = SK_UC_SPACE, .mode = SK_SET_NEGATE, RANGES(range_bloom_marks)}}
static const sk_splitter pass_bloom[] = {RUN_BLOOM, END};
static const sk_splitter pass_viking[] = {RUN_BLOOM, RUN_CLASSES(SK_UC_N, 1, 1), END};
static const sk_splitter pass_superbpe[] = {
    RUN_CLASSES(SK_UC_N, 1, ENDLESS), 
    {.kind = SK_PASS_GROUPS, .whole = true, .set = {.classes = SK_UC_ND}}, END};
static const sk_splitter pass_gemma4[] = {
    {.kind = SK_PASS_RUN, .min = 1, .max = ENDLESS,
     .set = {.mode = SK_SET_NEGATE, RANGES(range_newline)}},
    END};
static const sk_splitter pass_whitespace[] = {
    {.kind = SK_PASS_RUN, .min = 1, .max = ENDLESS,
     .set = {.classes = SK_UC_SPACE, .mode = SK_SET_NEGATE}},
    END};

/* ---- The table ------------------------------------------------------------------------------ */

#define KEEP SK_PRE_KEEP_SPACES
#define MERGED SK_PRE_IGNORE_MERGES

static const sk_pretok pretok_rows[] = {
    {"default", 0, pass_default},
    {"llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
     MERGED | SK_PRE_ADD_BOS, pass_llama3},
    {"dbrx smaug-bpe", 0, pass_llama3},
    {"glm4 chatglm-bpe", SK_PRE_NO_BOS, pass_llama3},
    {"jais-2", 0, pass_jais2},
    {"qwen2 deepseek-r1-qwen kormo f2llmv2 hunyuan solar-open grok-2", KEEP, pass_qwen2},
    {"megrez stablelm2", 0, pass_qwen2},
    {"qwen35", KEEP, pass_qwen35},
    {"laguna", KEEP, pass_laguna},
    {"seed-coder", KEEP, pass_seed_coder},
    {"bailingmoe bailingmoe2 llada-moe", KEEP, pass_qwen2},
    {"minicpm5", MERGED, pass_minicpm5},
    {"exaone-moe", 0, pass_exaone_moe},
    {"gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert exaone4 "
     "mpt olmo jais", 0, pass_gpt2},
    {"trillion granite-docling", KEEP, pass_gpt2},
    {"jina-v1-en jina-v2-code roberta-bpe", SK_PRE_ADD_SEP, pass_gpt2},
    {"starcoder refact codeshell exaone minerva-7b mellum2", 0, pass_starcoder},
    {"command-r smollm", KEEP, pass_starcoder},
    {"falcon", 0, pass_falcon},
    {"falcon-json", 0, pass_falcon_json},
    {"chameleon", SK_PRE_ADD_BOS | KEEP, pass_chameleon},
    {"deepseek-llm", KEEP, pass_deepseek_llm},
    {"deepseek-coder", KEEP, pass_deepseek_coder},
    {"deepseek-v3 hunyuan-dense joyai-llm", KEEP, pass_deepseek3},
    {"afmoe", KEEP, pass_afmoe},
    {"tekken", MERGED | SK_PRE_ADD_BOS | KEEP, pass_tekken},
    {"gpt-4o llama4 kanana2 talkie minimax-m2", KEEP, pass_gpt4o},
    {"granite-embed-multi-97m", MERGED | KEEP, pass_gpt4o},
    {"tiny_aya cohere2moe", KEEP, pass_tiny_aya},
    {"youtu", MERGED | KEEP, pass_youtu},
    {"kimi-k2", KEEP, pass_kimi},
    {"bloom gpt3-finnish", 0, pass_bloom},
    {"poro-chat", KEEP, pass_bloom},
    {"viking", KEEP, pass_viking},
    {"superbpe", KEEP, pass_superbpe},
    {"gemma4", SK_PRE_ESCAPE | SK_PRE_FORCE_BOS | SK_PRE_NEWLINES, pass_gemma4},
    {"granite-embed-multi-311m", SK_PRE_ESCAPE | SK_PRE_FORCE_BOS | SK_PRE_NEWLINES, pass_gemma4},
    {"sarvam-moe", SK_PRE_ESCAPE | KEEP, pass_gemma4},
    {"whitespace", SK_PRE_RAW | SK_PRE_DROP_SPACES, pass_whitespace},
};

const sk_pretok *sk_pretok_row(uint32_t index)
{
    return index < sizeof pretok_rows / sizeof *pretok_rows ? &pretok_rows[index] : NULL;
}

/* Whether `name` is one of the words of `list`. */
static bool is_listed(const char *list, const char *name, uint64_t n)
{
    while (*list) {
        size_t length = strcspn(list, " ");
        if (length == n && memcmp(list, name, length) == 0)
            return true;
        list += length + (list[length] == ' ');
    }
    return false;
}

const sk_pretok *sk_pretok_find(const char *name, uint64_t n)
{
    const sk_pretok *row = NULL;
    for (uint32_t i = 0; n > 0 && (row = sk_pretok_row(i)) != NULL; i++)
        if (is_listed(row->names, name, n))
            return row;
    return NULL;
}

#undef ALL_BUT
#undef UPPER
#undef LOWER
#undef ENDLESS
#undef END
#undef RANGES
#undef RUN_CLASSES
#undef RUN_BOTH
#undef RUN_RANGES
#undef RUN_BLOOM
#undef WORDS_CHAR
#undef WORDS_CASED
#undef WORDS_GPT2
#undef WORDS_DEEPSEEK3
#undef KEEP
#undef MERGED
