/* SPDX-License-Identifier: MIT */
/*
 * Reading, deciding, writing: the JSON is read whole into an arena; the tokens, their types and
 * scores are gathered in arrays by id; then a GGUF writer is given what a converter would write.
 */
#include "base/portable.h"

#include "text/hf_tokenizer.h"

#include "format/gguf_write.h"
#include "format/json.h"
#include "text/vocab_int.h"

#include <string.h>

#define HF_MEMORY (2ull << 30) /* bytes of the JSON's values */
#define HF_IDS (1 << 24)       /* no vocabulary has more tokens */
#define HF_STEPS 16            /* of a normaliser or pre-tokeniser */

typedef struct hf_steps {
    const sk_json *items[HF_STEPS];
    uint32_t n;
} hf_steps;

typedef struct hf_file {
    sk_heap *heap;
    sk_arena arena;
    sk_error *error;
    sk_json root, config; /* config: null when there is none */
    const sk_json *model;
    hf_steps normaliser, pre, post, decoder;
    uint64_t n; /* tokens */
    sk_gguf_string *tokens;
    int32_t *types;
    float *scores;
    uint8_t *strips;
    sk_gguf_writer *writer;
} hf_file;

/* ---- JSON --------------------------------------------------------------------------------- */

static const sk_json *hf_get(const sk_json *object, const char *name)
{
    return object ? sk_json_get(object, name, strlen(name)) : NULL;
}

static bool hf_is(const sk_json *v, const char *text)
{
    size_t n = strlen(text);
    return v && v->kind == SK_JSON_STRING && v->n == n && memcmp(v->as.text, text, n) == 0;
}

static bool hf_holds(const sk_json *v, const char *part)
{
    size_t n = strlen(part);
    for (uint64_t i = 0; v && v->kind == SK_JSON_STRING && n <= v->n && i <= v->n - n; i++)
        if (memcmp(v->as.text + i, part, n) == 0)
            return true;
    return false;
}

static bool hf_true(const sk_json *object, const char *name, bool usual)
{
    const sk_json *v = hf_get(object, name);
    return v && v->kind == SK_JSON_BOOL ? v->as.truth : usual;
}

/* An id of a token, or -1. */
static int64_t hf_id(const sk_json *v)
{
    return v && v->kind == SK_JSON_INT && v->as.i >= 0 && v->as.i < HF_IDS ? v->as.i : -1;
}

/* A step, or the steps of a sequence (which is not nested further), in order. */
static void hf_flatten(hf_steps *steps, const sk_json *step)
{
    static const char *const lists[] = {"normalizers", "pretokenizers", "processors", "decoders"};
    const sk_json *list = NULL;
    for (int i = 0; i < 4 && !list; i++)
        list = hf_get(step, lists[i]);
    if (list && list->kind == SK_JSON_ARRAY) {
        for (uint64_t i = 0; i < list->n && steps->n < HF_STEPS; i++)
            steps->items[steps->n++] = &list->as.items[i];
    } else if (step && step->kind == SK_JSON_OBJECT) {
        steps->items[steps->n++] = step;
    }
}

static const sk_json *hf_step(const hf_steps *steps, const char *type)
{
    for (uint32_t i = 0; i < steps->n; i++)
        if (hf_is(hf_get(steps->items[i], "type"), type))
            return steps->items[i];
    return NULL;
}

static int32_t hf_corrupt(const hf_file *f, const char *what)
{
    return sk_fail(f->error, SKALD_E_CORRUPT, "tokenizer.json: %s", what);
}

/* ---- tokens ------------------------------------------------------------------------------- */

static bool hf_is_unigram(const hf_file *f)
{
    const sk_json *vocab = hf_get(f->model, "vocab");
    return vocab && vocab->kind == SK_JSON_ARRAY;
}

/* The number of tokens: one more than the highest id. */
static int32_t hf_count(hf_file *f)
{
    const sk_json *vocab = hf_get(f->model, "vocab"), *added = hf_get(&f->root, "added_tokens");
    if (!vocab || (vocab->kind != SK_JSON_OBJECT && vocab->kind != SK_JSON_ARRAY) || vocab->n == 0)
        return hf_corrupt(f, "the model has no vocabulary");
    f->n = hf_is_unigram(f) ? vocab->n : 0;
    for (uint64_t i = 0; i < vocab->n && !hf_is_unigram(f); i++) {
        int64_t id = hf_id(&vocab->as.members[i].value);
        if (id < 0)
            return hf_corrupt(f, "an id of the vocabulary is no number from 0 to 2^24");
        f->n = (uint64_t)id >= f->n ? (uint64_t)id + 1 : f->n;
    }
    for (uint64_t i = 0; added && added->kind == SK_JSON_ARRAY && i < added->n; i++) {
        int64_t id = hf_id(hf_get(&added->as.items[i], "id"));
        if (id < 0)
            return hf_corrupt(f, "an added token has no id from 0 to 2^24");
        f->n = (uint64_t)id >= f->n ? (uint64_t)id + 1 : f->n;
    }
    return f->n < HF_IDS ? SKALD_OK : hf_corrupt(f, "the vocabulary has more than 2^24 tokens");
}

static int32_t hf_make_arrays(hf_file *f)
{
    f->tokens = sk_arena_array(&f->arena, f->n, sizeof *f->tokens, "tokens", f->error);
    f->types = sk_arena_array(&f->arena, f->n, sizeof *f->types, "token types", f->error);
    f->scores = sk_arena_array(&f->arena, f->n, sizeof *f->scores, "scores", f->error);
    f->strips = sk_arena_array(&f->arena, f->n, 1, "token flags", f->error);
    if (!f->tokens || !f->types || !f->scores || !f->strips)
        return SKALD_E_MEMORY;
    for (uint64_t i = 0; i < f->n; i++) {
        f->tokens[i] = (sk_gguf_string){NULL, 0};
        f->types[i] = SK_TOKEN_UNUSED;
        f->scores[i] = 0;
        f->strips[i] = 0;
    }
    return SKALD_OK;
}

static int32_t hf_read_vocab(hf_file *f)
{
    const sk_json *vocab = hf_get(f->model, "vocab");
    for (uint64_t i = 0; i < vocab->n; i++) {
        const sk_json *text = NULL, *score = NULL;
        uint64_t id = i;
        if (!hf_is_unigram(f)) {
            text = &vocab->as.members[i].key;
            id = (uint64_t)hf_id(&vocab->as.members[i].value);
        } else if (vocab->as.items[i].kind == SK_JSON_ARRAY && vocab->as.items[i].n == 2) {
            text = &vocab->as.items[i].as.items[0];
            score = text + 1;
        }
        if (!text || text->kind != SK_JSON_STRING)
            return hf_corrupt(f, "an entry of the vocabulary is not a text and its score");
        f->tokens[id] = (sk_gguf_string){text->as.text, text->n};
        f->types[id] = SK_TOKEN_NORMAL;
        if (score && score->kind == SK_JSON_DOUBLE)
            f->scores[id] = (float)score->as.d;
        else if (score && score->kind == SK_JSON_INT)
            f->scores[id] = (float)score->as.i;
    }
    return SKALD_OK;
}

static int32_t hf_read_added(hf_file *f)
{
    const sk_json *added = hf_get(&f->root, "added_tokens");
    for (uint64_t i = 0; added && added->kind == SK_JSON_ARRAY && i < added->n; i++) {
        const sk_json *token = &added->as.items[i], *text = hf_get(token, "content");
        uint64_t id = (uint64_t)hf_id(hf_get(token, "id"));
        if (!text || text->kind != SK_JSON_STRING)
            return hf_corrupt(f, "an added token has no content");
        f->tokens[id] = (sk_gguf_string){text->as.text, text->n};
        f->types[id] = hf_true(token, "special", false) ? SK_TOKEN_CONTROL : SK_TOKEN_USER;
        f->strips[id] = (uint8_t)((hf_true(token, "lstrip", false) ? SK_STRIP_LEFT : 0) |
                                  (hf_true(token, "rstrip", false) ? SK_STRIP_RIGHT : 0));
    }
    return SKALD_OK;
}

static int64_t hf_find(const hf_file *f, const sk_json *text)
{
    for (uint64_t i = 0; text && text->kind == SK_JSON_STRING && i < f->n; i++)
        if (f->tokens[i].text && f->tokens[i].n == text->n &&
            memcmp(f->tokens[i].text, text->as.text, (size_t)text->n) == 0)
            return (int64_t)i;
    return -1;
}

static int64_t hf_find_text(const hf_file *f, const char *text)
{
    sk_json wanted = {.kind = SK_JSON_STRING, .n = strlen(text), .as.text = text};
    return hf_find(f, &wanted);
}

/* Names for ids that nothing has, as converters write them. */
static int32_t hf_name_unused(hf_file *f)
{
    for (uint64_t i = 0; i < f->n; i++) {
        char name[32];
        if (f->tokens[i].text)
            continue;
        f->tokens[i].n = sk_format(name, sizeof name, "[PAD%llu]", (unsigned long long)i);
        f->tokens[i].text = sk_arena_copy(&f->arena, name, f->tokens[i].n, "tokens", f->error);
        if (!f->tokens[i].text)
            return SKALD_E_MEMORY;
    }
    return SKALD_OK;
}

/* ---- merges ------------------------------------------------------------------------------- */

/* The two halves of merge `i`; false when it is none. */
static bool hf_merge(const sk_json *merges, uint64_t i, sk_json halves[2])
{
    const sk_json *m = &merges->as.items[i];
    if (m->kind == SK_JSON_ARRAY && m->n == 2) {
        halves[0] = m->as.items[0];
        halves[1] = m->as.items[1];
        return halves[0].kind == SK_JSON_STRING && halves[1].kind == SK_JSON_STRING;
    }
    const char *space = m->kind == SK_JSON_STRING && m->n > 2
                            ? memchr(m->as.text + 1, ' ', (size_t)m->n - 2)
                            : NULL;
    if (!space)
        return false;
    uint64_t n = (uint64_t)(space - m->as.text);
    halves[0] = (sk_json){.kind = SK_JSON_STRING, .n = n, .as.text = m->as.text};
    halves[1] = (sk_json){.kind = SK_JSON_STRING, .n = m->n - n - 1, .as.text = space + 1};
    return true;
}

/* The halves as "left right", blanks in them as in the byte alphabet. */
static char *hf_join(hf_file *f, const sk_json halves[2], uint64_t *n)
{
    char *text = sk_arena_alloc(&f->arena, 2 * (halves[0].n + halves[1].n) + 1, "merges", f->error);
    *n = 0;
    for (int k = 0; k < 2 && text; k++) {
        for (uint64_t i = 0; i < halves[k].n; i++) {
            if (halves[k].as.text[i] == ' ')
                text[(*n)++] = '\xC4';
            text[(*n)++] = halves[k].as.text[i] == ' ' ? '\xA0' : halves[k].as.text[i];
        }
        if (k == 0)
            text[(*n)++] = ' ';
    }
    return text;
}

static int32_t hf_put_merges(hf_file *f)
{
    const sk_json *merges = hf_get(f->model, "merges");
    sk_json halves[2];
    if (!merges || merges->kind != SK_JSON_ARRAY)
        return hf_corrupt(f, "the model has no list of merges");
    sk_gguf_string *out = sk_arena_array(&f->arena, merges->n, sizeof *out, "merges", f->error);
    if (!out)
        return SKALD_E_MEMORY;
    for (uint64_t i = 0; i < merges->n; i++) {
        if (!hf_merge(merges, i, halves))
            return hf_corrupt(f, "a merge is not two texts");
        out[i].text = hf_join(f, halves, &out[i].n);
        if (!out[i].text)
            return SKALD_E_MEMORY;
    }
    sk_gguf_put_strings(f->writer, "tokenizer.ggml.merges", out, merges->n);
    return SKALD_OK;
}

/* Merges as scores of what they make: the earliest that makes a token gives its score. */
static int32_t hf_score_merges(hf_file *f)
{
    const sk_json *merges = hf_get(f->model, "merges");
    sk_json halves[2];
    sk_strmap map;
    if (!merges || merges->kind != SK_JSON_ARRAY)
        return hf_corrupt(f, "the model has no list of merges");
    int32_t status = sk_strmap_init(&map, f->heap, f->n, f->error);
    if (status < 0)
        return status;
    for (uint64_t i = 0; i < f->n; i++) {
        f->scores[i] = -1e9f;
        sk_strmap_put(&map, f->tokens[i].text, f->tokens[i].n, (uint32_t)i, NULL);
    }
    for (uint64_t i = merges->n; i-- > 0 && status == SKALD_OK;) {
        uint32_t id;
        char *both = NULL;
        if (!hf_merge(merges, i, halves))
            status = hf_corrupt(f, "a merge is not two texts");
        else if (!(both = sk_arena_alloc(&f->arena, halves[0].n + halves[1].n, "merges", f->error)))
            status = SKALD_E_MEMORY;
        if (status < 0)
            break;
        memcpy(both, halves[0].as.text, (size_t)halves[0].n);
        memcpy(both + halves[0].n, halves[1].as.text, (size_t)halves[1].n);
        if (sk_strmap_get(&map, both, halves[0].n + halves[1].n, &id))
            f->scores[id] = -(float)(i + 1);
    }
    sk_strmap_free(&map, f->heap);
    return status;
}

/* ---- which splitter ----------------------------------------------------------------------- */

/* A splitter of pretok_rows.c and parts of the expressions that only it has. The first row counts
 * whose parts are all there. */
static const struct {
    const char *pre, *parts[3];
} hf_rows[] = {
    {"deepseek-v3", {"[\\p{P}\\p{S}]+"}},
    {"deepseek-llm", {"\\s+$"}},
    {"deepseek-coder", {"\\s?\\p{P}+"}},
    {"youtu", {"\\p{Lu}", "\xE3\x84\x85"}}, /* a letter of Bopomofo */
    {"kimi-k2", {"\\p{Lu}", "\\p{Han}"}},
    {"tiny_aya", {"\\p{Lu}", "\\d{1,3}(?="}},
    {"gpt-4o", {"\\p{Lu}", "'s|'t"}},
    {"tekken", {"\\p{Lu}"}},
    {"qwen35", {"[\\p{L}\\p{M}]+|\\p{N}|"}},
    {"jais-2", {"\\s{512}"}},
    {"exaone-moe", {"\\p{L}\\p{M}*"}},
    {"seed-coder", {"[^\\s\\p{L}\\p{N}\\r\\n]+"}},
    {"minicpm5", {"[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}+"}},
    {"dbrx", {"[^\\r\\n\\p{L}\\p{N}]?\\p{L}+", "\\p{N}{1,3}"}},
    {"laguna", {"[^\\r\\n\\p{L}\\p{N}]?\\p{L}+", "[^\\n]+|[\\n]+"}},
    {"qwen2", {"[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"}},
    {"superbpe", {"(?=(\\d{3})+"}},
    {"bloom", {"[^(\\s|[.,!?"}},
    {"gpt-2", {" ?\\p{L}+"}},
};

static const sk_json *hf_pattern(const sk_json *step)
{
    const sk_json *pattern = hf_get(step, "pattern"), *regex = hf_get(pattern, "Regex");
    return regex ? regex : hf_get(pattern, "String");
}

static bool hf_pre_holds(const hf_file *f, const char *part)
{
    for (uint32_t i = 0; i < f->pre.n; i++)
        if (hf_holds(hf_pattern(f->pre.items[i]), part))
            return true;
    return false;
}

/* The name of the splitter, or NULL. */
static const char *hf_splitter(const hf_file *f)
{
    const sk_json *bytes = hf_step(&f->pre, "ByteLevel"), *digits = hf_step(&f->pre, "Digits");
    for (size_t i = 0; i < sizeof hf_rows / sizeof *hf_rows; i++) {
        bool all = true;
        for (int k = 0; k < 3 && hf_rows[i].parts[k] && all; k++)
            all = hf_pre_holds(f, hf_rows[i].parts[k]);
        if (all)
            return hf_rows[i].pre;
    }
    if (!bytes || !hf_true(bytes, "use_regex", true))
        return NULL;
    if (hf_step(&f->pre, "Punctuation") && digits)
        return "falcon-json";
    bool single = digits && hf_true(digits, "individual_digits", false);
    return single || hf_pre_holds(f, "\\p{N}") || hf_pre_holds(f, "\\d") ? "starcoder" : "gpt-2";
}

/* ---- kinds -------------------------------------------------------------------------------- */

static void hf_put_text(hf_file *f, const char *key, const char *text)
{
    sk_gguf_put_string(f->writer, key, text, strlen(text));
}

static int32_t hf_bpe(hf_file *f)
{
    const char *pre = hf_splitter(f);
    const sk_json *bytes = hf_step(&f->pre, "ByteLevel");
    if (!pre)
        return sk_fail(f->error, SKALD_E_TOKENIZER,
                       "tokenizer.json: its pre-tokeniser is none that is known");
    hf_put_text(f, "tokenizer.ggml.model", "gpt2");
    hf_put_text(f, "tokenizer.ggml.pre", pre);
    sk_gguf_put_bool(f->writer, "skald.tokenizer.ignore_merges",
                     hf_true(f->model, "ignore_merges", false));
    sk_gguf_put_bool(f->writer, "tokenizer.ggml.add_space_prefix",
                     hf_true(bytes, "add_prefix_space", false));
    return hf_put_merges(f);
}

/* Whether a blank is put in front of every stretch of text. */
static bool hf_prepends(const hf_file *f)
{
    const sk_json *meta = hf_step(&f->pre, "Metaspace");
    const sk_json *scheme = hf_get(meta, "prepend_scheme");
    if (meta)
        return scheme ? !hf_is(scheme, "never") : hf_true(meta, "add_prefix_space", true);
    return hf_step(&f->normaliser, "Prepend") != NULL;
}

/* Whether it goes in front of the text's beginning alone. */
static void hf_put_blank(hf_file *f)
{
    const sk_json *scheme = hf_get(hf_step(&f->pre, "Metaspace"), "prepend_scheme");
    sk_gguf_put_bool(f->writer, "tokenizer.ggml.add_space_prefix", hf_prepends(f));
    sk_gguf_put_bool(f->writer, "skald.tokenizer.blank_first", hf_is(scheme, "first"));
}

/* BPE over characters, with bytes for what has no token: SentencePiece's, as it was converted. */
static int32_t hf_spm(hf_file *f)
{
    int32_t status = hf_score_merges(f);
    if (status < 0)
        return status;
    for (uint64_t i = 0; i < f->n; i++)
        if (f->types[i] == SK_TOKEN_NORMAL && f->tokens[i].n == 6 &&
            memcmp(f->tokens[i].text, "<0x", 3) == 0)
            f->types[i] = SK_TOKEN_BYTE;
    hf_put_text(f, "tokenizer.ggml.model", "llama");
    hf_put_blank(f);
    return SKALD_OK;
}

static int32_t hf_wordpiece(hf_file *f)
{
    const sk_json *bert = hf_step(&f->normaliser, "BertNormalizer");
    const sk_json *accents = hf_get(bert, "strip_accents");
    const sk_json *max = hf_get(f->model, "max_input_chars_per_word");
    bool lower =
        bert ? hf_true(bert, "lowercase", true) : hf_step(&f->normaliser, "Lowercase") != NULL;
    bool strip = accents && accents->kind == SK_JSON_BOOL ? accents->as.truth
                 : bert                                   ? lower
                        : hf_step(&f->normaliser, "StripAccents") != NULL;
    for (uint64_t i = 0; i < f->n; i++) {
        sk_gguf_string *t = &f->tokens[i];
        if (f->types[i] != SK_TOKEN_NORMAL)
            continue;
        if (t->n > 2 && memcmp(t->text, "##", 2) == 0) {
            t->text += 2;
            t->n -= 2;
            continue;
        }
        char *text = sk_arena_alloc(&f->arena, t->n + 3, "tokens", f->error);
        if (!text)
            return SKALD_E_MEMORY;
        memcpy(text, SK_SPACE_MARK, 3);
        memcpy(text + 3, t->text, (size_t)t->n);
        *t = (sk_gguf_string){text, t->n + 3};
    }
    hf_put_text(f, "tokenizer.ggml.model", "bert");
    sk_gguf_put_bool(f->writer, "tokenizer.ggml.normalizer.lowercase", lower);
    sk_gguf_put_bool(f->writer, "tokenizer.ggml.normalizer.strip_accents", strip);
    if (hf_id(max) > 0)
        sk_gguf_put_int(f->writer, "skald.tokenizer.max_word", SK_GGUF_U32, max->as.i);
    return SKALD_OK;
}

/* The bytes of a text in base 64; *n is 0 when it is none. */
static uint8_t *hf_base64(hf_file *f, const sk_json *text, uint64_t *n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t *out = sk_arena_alloc(&f->arena, text->n, "a normaliser", f->error);
    uint32_t bits = 0, n_bits = 0;
    *n = 0;
    for (uint64_t i = 0; out && i < text->n && text->as.text[i] != '='; i++) {
        const char *digit = text->as.text[i] ? strchr(digits, text->as.text[i]) : NULL;
        if (!digit) {
            *n = 0;
            return out;
        }
        bits = bits << 6 | (uint32_t)(digit - digits);
        n_bits += 6;
        if (n_bits >= 8)
            out[(*n)++] = (uint8_t)(bits >> (n_bits -= 8));
    }
    return out;
}

static int32_t hf_unigram(hf_file *f)
{
    const sk_json *map = hf_get(hf_step(&f->normaliser, "Precompiled"), "precompiled_charsmap");
    bool merge = hf_step(&f->pre, "WhitespaceSplit") || hf_step(&f->normaliser, "Replace");
    hf_put_text(f, "tokenizer.ggml.model", "t5");
    hf_put_blank(f);
    sk_gguf_put_bool(f->writer, "tokenizer.ggml.remove_extra_whitespaces", merge);
    if (map && map->kind == SK_JSON_STRING) {
        uint64_t n;
        uint8_t *bytes = hf_base64(f, map, &n);
        if (!bytes)
            return SKALD_E_MEMORY;
        if (n > 0)
            sk_gguf_put_array(f->writer, "tokenizer.ggml.precompiled_charsmap", SK_GGUF_U8, bytes,
                              n);
    }
    return SKALD_OK;
}

static int32_t hf_kind(hf_file *f)
{
    const sk_json *type = hf_get(f->model, "type");
    if (hf_is_unigram(f))
        return hf_unigram(f);
    if (hf_is(type, "WordPiece"))
        return hf_wordpiece(f);
    if (hf_is(type, "BPE") || (!type && hf_get(f->model, "merges"))) {
        bool bytes = hf_step(&f->pre, "ByteLevel") || hf_step(&f->decoder, "ByteLevel");
        return bytes ? hf_bpe(f) : hf_spm(f);
    }
    return sk_fail(f->error, SKALD_E_TOKENIZER, "tokenizer.json: a model of type \"%.*s\"",
                   type && type->kind == SK_JSON_STRING && type->n < 40 ? (int)type->n : 1,
                   type && type->kind == SK_JSON_STRING ? type->as.text : "?");
}

/* ---- special tokens ----------------------------------------------------------------------- */

/* The id of a piece of a template: {"SpecialToken": {"id": text}}; -1: it is none. */
static int64_t hf_template_id(const hf_file *f, const sk_json *piece)
{
    return hf_find(f, hf_get(hf_get(piece, "SpecialToken"), "id"));
}

/* What goes in front of and behind a text. */
static void hf_ends(const hf_file *f, int64_t *first, int64_t *last)
{
    const sk_json *single = hf_get(hf_step(&f->post, "TemplateProcessing"), "single");
    const sk_json *pair = hf_step(&f->post, "BertProcessing");
    pair = pair ? pair : hf_step(&f->post, "RobertaProcessing");
    *first = *last = -1;
    if (single && single->kind == SK_JSON_ARRAY && single->n > 0) {
        *first = hf_template_id(f, &single->as.items[0]);
        *last = single->n > 1 ? hf_template_id(f, &single->as.items[single->n - 1]) : -1;
    } else if (pair) {
        const sk_json *cls = hf_get(pair, "cls"), *sep = hf_get(pair, "sep");
        *first = cls && cls->kind == SK_JSON_ARRAY && cls->n ? hf_find(f, &cls->as.items[0]) : -1;
        *last = sep && sep->kind == SK_JSON_ARRAY && sep->n ? hf_find(f, &sep->as.items[0]) : -1;
    }
}

static void hf_put_id(hf_file *f, const char *key, int64_t id)
{
    sk_gguf_put_int(f->writer, key, SK_GGUF_U32, id < 0 || id >= (int64_t)f->n ? UINT32_MAX : id);
}

/* A token that the configuration names, as a text or as {"content": text}; `otherwise`: it does
 * not. */
static int64_t hf_named(const hf_file *f, const char *name, int64_t otherwise)
{
    const sk_json *token = hf_get(&f->config, name), *content = hf_get(token, "content");
    int64_t id = hf_find(f, content ? content : token);
    return id < 0 ? otherwise : id;
}

static void hf_put_config(hf_file *f)
{
    const sk_json *template = hf_get(&f->config, "chat_template");
    if (template && template->kind == SK_JSON_STRING)
        sk_gguf_put_string(f->writer, "tokenizer.chat_template", template->as.text, template->n);
}

static void hf_put_special(hf_file *f)
{
    const sk_json *unk = hf_get(f->model, "unk_token");
    int64_t first, last, unknown = hf_find(f, unk);
    if (hf_is_unigram(f))
        unknown = hf_id(hf_get(f->model, "unk_id"));
    if (unknown >= 0 && unknown < (int64_t)f->n && !hf_step(&f->pre, "ByteLevel"))
        f->types[unknown] = SK_TOKEN_UNKNOWN;
    hf_ends(f, &first, &last);
    hf_put_id(f, "tokenizer.ggml.bos_token_id", first < 0 ? hf_named(f, "bos_token", -1) : first);
    hf_put_id(f, "tokenizer.ggml.eos_token_id", last < 0 ? hf_named(f, "eos_token", -1) : last);
    hf_put_id(f, "tokenizer.ggml.unknown_token_id", unknown);
    hf_put_id(f, "tokenizer.ggml.seperator_token_id", last);
    hf_put_id(f, "tokenizer.ggml.padding_token_id", hf_find_text(f, "[PAD]"));
    hf_put_id(f, "tokenizer.ggml.mask_token_id", hf_find_text(f, "[MASK]"));
    sk_gguf_put_bool(f->writer, "tokenizer.ggml.add_bos_token", first >= 0);
    sk_gguf_put_bool(f->writer, "tokenizer.ggml.add_eos_token", last >= 0);
    hf_put_config(f);
}

/* ---- the file ----------------------------------------------------------------------------- */

static int32_t hf_write(hf_file *f, void **gguf, uint64_t *size)
{
    int32_t status = sk_gguf_writer_new(&f->writer, f->heap, f->error);
    if (status < 0)
        return status;
    hf_put_special(f);
    status = hf_kind(f);
    if (status == SKALD_OK) {
        hf_put_text(f, "general.name", "tokenizer.json");
        sk_gguf_put_strings(f->writer, "tokenizer.ggml.tokens", f->tokens, f->n);
        sk_gguf_put_array(f->writer, "tokenizer.ggml.token_type", SK_GGUF_I32, f->types, f->n);
        sk_gguf_put_array(f->writer, "tokenizer.ggml.scores", SK_GGUF_F32, f->scores, f->n);
        sk_gguf_put_array(f->writer, "skald.tokenizer.strip", SK_GGUF_U8, f->strips, f->n);
        status = sk_gguf_finish_memory(f->writer, gguf, size, f->error);
    }
    sk_gguf_writer_free(f->writer);
    return status;
}

static int32_t hf_read(hf_file *f, const char *json, uint64_t n)
{
    int32_t status = sk_json_read(&f->arena, json, n, &f->root, f->error);
    if (status < 0)
        return status;
    f->model = hf_get(&f->root, "model");
    hf_flatten(&f->normaliser, hf_get(&f->root, "normalizer"));
    hf_flatten(&f->pre, hf_get(&f->root, "pre_tokenizer"));
    hf_flatten(&f->post, hf_get(&f->root, "post_processor"));
    hf_flatten(&f->decoder, hf_get(&f->root, "decoder"));
    status = hf_count(f);
    if (status == SKALD_OK)
        status = hf_make_arrays(f);
    if (status == SKALD_OK)
        status = hf_read_vocab(f);
    if (status == SKALD_OK)
        status = hf_read_added(f);
    return status < 0 ? status : hf_name_unused(f);
}

bool sk_hf_is_tokenizer(const void *data, uint64_t n)
{
    const char *text = data;
    uint64_t i = 0;
    while (i < n && (text[i] == ' ' || text[i] == '\n' || text[i] == '\r' || text[i] == '\t'))
        i++;
    return i < n && text[i] == '{';
}

int32_t sk_hf_convert(sk_heap *heap, const char *json, uint64_t n, const char *config,
                      uint64_t n_config, void **gguf, uint64_t *size, sk_error *error)
{
    hf_file f = {.heap = heap, .error = error};
    *gguf = NULL;
    *size = 0;
    sk_arena_init(&f.arena, heap, HF_MEMORY);
    if (!config || sk_json_read(&f.arena, config, n_config, &f.config, NULL) < 0)
        f.config = (sk_json){.kind = SK_JSON_NULL};
    int32_t status = hf_read(&f, json, n);
    if (status == SKALD_OK)
        status = hf_write(&f, gguf, size);
    sk_arena_free(&f.arena);
    return status;
}

#undef HF_MEMORY
#undef HF_IDS
#undef HF_STEPS
