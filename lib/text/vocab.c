/* SPDX-License-Identifier: MIT */
/*
 * Making a vocabulary: the tokens' texts are copied into one arena, their types settled (which
 * vocab_special.c does), and the bytes that each stands for are worked out once and kept behind
 * the texts, so that detokenising is copying.
 *
 * It is made in stages, each over the tokens, the merges or something else that can be counted, and
 * these in pieces, so that whoever loads a model has the say again every few hundred microseconds.
 */
#include "base/portable.h"

#include "text/lexicon.h"
#include "text/vocab_int.h"

#include "base/checked.h"
#include "text/utf8.h"

#include <string.h>

/* ---- What each kind of tokeniser takes for granted ------------------------------------------ */

/* An id of -1 is none; so is one beyond the last token. */
typedef struct sk_vocab_kind {
    const char *model; /* tokenizer.ggml.model */
    const char *name;  /* for people */
    const char *pre;   /* the only pre-tokeniser, or NULL */
    uint32_t kind;
    int32_t bos, eos, unk, sep, pad, mask;
    bool add_bos, add_eos, add_sep, add_space_prefix;
} vocab_kind;

static const vocab_kind vocab_kinds[] = {
    {"no_vocab", "none", NULL, SK_VOCAB_NONE, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0},
    {"none", "none", NULL, SK_VOCAB_NONE, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0},
    {"llama", "SPM", NULL, SK_VOCAB_SPM, 1, 2, 0, -1, -1, -1, 1, 0, 0, 1},
    {"gpt2", "BPE", NULL, SK_VOCAB_BPE, 11, 11, -1, -1, -1, -1, 0, 0, 0, 0},
    {"gemma4", "BPE", "gemma4", SK_VOCAB_BPE, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0},
    {"whitespace", "BPE", NULL, SK_VOCAB_BPE, 11, 11, -1, -1, -1, -1, 0, 0, 0, 0},
    {"bert", "WordPiece", NULL, SK_VOCAB_WORDPIECE, 101, -1, 100, 102, 0, 103, 1, 0, 1, 0},
    {"t5", "Unigram", NULL, SK_VOCAB_UNIGRAM, -1, 1, 2, -1, 0, -1, 0, 1, 0, 0},
    {"rwkv", "RWKV", NULL, SK_VOCAB_RWKV, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0},
    {"plamo2", "PLaMo-2", NULL, SK_VOCAB_PLAMO, 1, 2, 0, -1, 3, -1, 0, 0, 0, 0},
};

static bool text_is(const sk_vocab_text *text, const char *word)
{
    size_t n = strlen(word);
    return text->text && text->n == n && memcmp(text->text, word, n) == 0;
}

static const vocab_kind *find_kind(const sk_vocab_source *source, sk_error *error)
{
    if (!source->model.text && source->n_tokens == 0)
        return &vocab_kinds[0];
    for (size_t i = 0; i < sizeof vocab_kinds / sizeof *vocab_kinds; i++)
        if (text_is(&source->model, vocab_kinds[i].model))
            return &vocab_kinds[i];
    int shown = source->model.n < 64 ? (int)source->model.n : 64;
    sk_fail(error, SKALD_E_TOKENIZER, "tokeniser \"%.*s\" is not supported", shown,
            source->model.text ? source->model.text : "");
    return NULL;
}

void sk_vocab_source_init(sk_vocab_source *source)
{
    memset(source, 0, sizeof *source);
    for (int i = 0; i < SK_N_SPECIAL; i++)
        source->special[i] = SK_VOCAB_UNSAID;
    source->add_bos = source->add_eos = source->add_sep = source->add_space_prefix = -1;
    source->lowercase = source->strip_accents = source->remove_extra_whitespaces = -1;
    source->ignore_merges = source->blank_first = -1;
}

void sk_vocab_warn(sk_vocab *vocab, const char *line)
{
    size_t used = strlen(vocab->warning);
    sk_format(vocab->warning + used, sizeof vocab->warning - used, used ? "\n%s" : "%s", line);
}

/* ---- Checks --------------------------------------------------------------------------------- */

static int32_t check_source(const sk_vocab_source *source, uint32_t kind, sk_error *error)
{
    uint64_t n = source->n_tokens;
    if (n == 0 || n > INT32_MAX)
        return sk_fail(error, SKALD_E_CORRUPT, "the vocabulary has %llu tokens, wanted 1 to %d",
                       (unsigned long long)n, INT32_MAX);
    if (source->scores && source->n_scores != n)
        return sk_fail(error, SKALD_E_CORRUPT, "%llu scores for %llu tokens",
                       (unsigned long long)source->n_scores, (unsigned long long)n);
    if (source->types && source->n_types != n)
        return sk_fail(error, SKALD_E_CORRUPT, "%llu token types for %llu tokens",
                       (unsigned long long)source->n_types, (unsigned long long)n);
    bool without = source->pre.text && text_is(&source->pre, "kimi-k2");
    if (kind == SK_VOCAB_BPE && !source->merges && !without)
        return sk_fail(error, SKALD_E_CORRUPT, "the vocabulary has no list of merges");
    if (source->strips && source->n_strips != n)
        return sk_fail(error, SKALD_E_CORRUPT, "%llu flags for %llu tokens",
                       (unsigned long long)source->n_strips, (unsigned long long)n);
    if (source->n_merges > INT32_MAX / 4)
        return sk_fail(error, SKALD_E_CORRUPT, "the vocabulary has %llu merges",
                       (unsigned long long)source->n_merges);
    return SKALD_OK;
}

/* ---- Texts ---------------------------------------------------------------------------------- */

/* Room for every text and its piece, which is never longer, each with a NUL. */
static int32_t size_arena(sk_vocab *vocab, const sk_vocab_source *source, sk_error *error)
{
    uint64_t size = 0;
    for (uint64_t i = 0; i < source->n_tokens; i++) {
        uint64_t n = source->tokens[i].n ? source->tokens[i].n : 32;
        if (!sk_add(size, n, &size) || !sk_add(size, 1, &size) || size > UINT32_MAX / 2)
            return sk_fail(error, SKALD_E_CORRUPT, "the texts of the tokens exceed 2 GiB");
    }
    vocab->arena_size = 2 * size;
    vocab->arena = sk_alloc(vocab->heap, vocab->arena_size, "texts of tokens", error);
    return vocab->arena ? SKALD_OK : SKALD_E_MEMORY;
}

static uint32_t copy_text(char *to, const sk_vocab_text *text, uint32_t id)
{
    if (text->n == 0)
        return (uint32_t)sk_format(to, 32, "[EMPTY_%u]", id);
    memcpy(to, text->text, (size_t)text->n);
    to[text->n] = 0;
    return (uint32_t)text->n;
}

static int32_t begin_texts(sk_vocab_build *b, sk_error *error)
{
    sk_vocab *vocab = b->vocab;
    uint64_t size;
    vocab->n = (uint32_t)b->source.n_tokens;
    vocab->n_symbols = vocab->n;
    vocab->texts_differ = true;
    if (!sk_mul(vocab->n, sizeof *vocab->tokens, &size))
        size = UINT64_MAX;
    vocab->tokens = sk_alloc(vocab->heap, size, "tokens", error);
    if (!vocab->tokens)
        return SKALD_E_MEMORY;
    int32_t status = size_arena(vocab, &b->source, error);
    return status < 0 ? status : sk_strmap_init(&vocab->map, vocab->heap, vocab->n, error);
}

static int32_t copy_texts(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error)
{
    sk_vocab *vocab = b->vocab;
    const sk_vocab_source *source = &b->source;
    (void)error;
    for (uint64_t id = first; id < last; id++) {
        if (id + 8 < vocab->n && source->tokens[id + 8].n)
            sk_strmap_prefetch(&vocab->map, source->tokens[id + 8].text, source->tokens[id + 8].n,
                               false);
        char *text = vocab->arena + b->used;
        uint32_t n = copy_text(text, &source->tokens[id], (uint32_t)id);
        vocab->tokens[id] = (sk_vocab_token){.text = (uint32_t)b->used,
                                             .n_text = n,
                                             .score = source->scores ? source->scores[id] : 0};
        b->used += n + 1;
        if (n > vocab->max_text)
            vocab->max_text = n;
        if (!sk_strmap_put(&vocab->map, text, n, (uint32_t)id, NULL))
            vocab->texts_differ = false;
    }
    return SKALD_OK;
}

/* The value of "<0xHH>", or -1. */
static int32_t byte_of_text(const char *text, uint32_t n)
{
    int32_t value = 0;
    if (n != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>')
        return -1;
    for (int i = 3; i < 5; i++) {
        char c = text[i];
        int32_t digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                               : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static int32_t load_types(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error)
{
    const sk_vocab *vocab = b->vocab;
    (void)error;
    for (uint64_t id = first; id < last; id++) {
        sk_vocab_token *token = &vocab->tokens[id];
        int32_t type = b->source.types ? b->source.types[id] : SK_TOKEN_NORMAL;
        if (type < SK_TOKEN_UNDEFINED || type > SK_TOKEN_BYTE) {
            b->n_odd++;
            type = SK_TOKEN_NORMAL;
        }
        if (type == SK_TOKEN_BYTE && byte_of_text(vocab->arena + token->text, token->n_text) < 0) {
            b->n_bytes++;
            type = SK_TOKEN_NORMAL;
        }
        token->type = (uint8_t)type;
    }
    return SKALD_OK;
}

static void warn_types(sk_vocab_build *b)
{
    char line[128];
    if (b->n_odd) {
        sk_format(line, sizeof line, "%u tokens have unknown types; taken as normal", b->n_odd);
        sk_vocab_warn(b->vocab, line);
    }
    if (b->n_bytes) {
        sk_format(line, sizeof line, "%u byte tokens name no byte; taken as normal", b->n_bytes);
        sk_vocab_warn(b->vocab, line);
    }
}

/* ---- Pieces --------------------------------------------------------------------------------- */

static uint32_t piece_of_spaced(char *to, const char *text, uint32_t n)
{
    uint32_t out = 0;
    for (uint32_t i = 0; i < n;) {
        if (n - i >= 3 && memcmp(text + i, SK_SPACE_MARK, 3) == 0) {
            to[out++] = ' ';
            i += 3;
        } else {
            to[out++] = text[i++];
        }
    }
    return out;
}

/* Back from the byte alphabet; what is not in it stays as it is. */
static uint32_t piece_of_encoded(char *to, const char *text, uint32_t n)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + n;
    uint32_t out = 0;
    while (p < end) {
        uint32_t code, length = sk_utf8_read(p, end, &code);
        int32_t byte = length > 1 || code < 0x80 ? sk_byte_of_code(code) : -1;
        if (byte >= 0) {
            to[out++] = (char)byte;
        } else {
            memcpy(to + out, p, length);
            out += length;
        }
        p += length;
    }
    return out;
}

static uint32_t fill_piece(const sk_vocab *vocab, char *to, const sk_vocab_token *token)
{
    const char *text = vocab->arena + token->text;
    if (token->type == SK_TOKEN_UNUSED || token->type == SK_TOKEN_UNDEFINED)
        return 0;
    if (token->type == SK_TOKEN_BYTE) {
        *to = (char)byte_of_text(text, token->n_text);
        return 1;
    }
    if (vocab->kind == SK_VOCAB_RWKV && token->type == SK_TOKEN_NORMAL)
        return sk_vocab_unescape(to, text, token->n_text);
    if (token->type == SK_TOKEN_NORMAL && vocab->escape)
        return piece_of_spaced(to, text, token->n_text);
    if (token->type == SK_TOKEN_NORMAL && vocab->encode_bytes)
        return piece_of_encoded(to, text, token->n_text);
    memcpy(to, text, token->n_text);
    return token->n_text;
}

static int32_t load_pieces(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error)
{
    const sk_vocab *vocab = b->vocab;
    (void)error;
    for (uint64_t id = first; id < last; id++) {
        sk_vocab_token *token = &vocab->tokens[id];
        token->piece = (uint32_t)b->used;
        token->n_piece = fill_piece(vocab, vocab->arena + b->used, token);
        vocab->arena[b->used + token->n_piece] = 0;
        b->used += token->n_piece + 1;
    }
    return SKALD_OK;
}

/* ---- Bytes and blanks ----------------------------------------------------------------------- */

/* SPM and raw BPE: "<0xHH>", in SPM also the byte itself. BPE: the byte's character. */
static void load_byte_symbols(sk_vocab *vocab)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        static const char digits[] = "0123456789ABCDEF";
        uint8_t text[6] = {'<', '0', 'x', (uint8_t)digits[byte >> 4], (uint8_t)digits[byte & 15],
                           '>'};
        uint8_t raw = (uint8_t)byte;
        uint32_t symbol;
        if (vocab->encode_bytes) {
            symbol = sk_vocab_symbol(vocab, text, sk_utf8_write(text, sk_byte_code(raw)));
        } else {
            symbol = sk_vocab_symbol(vocab, text, 6);
            if (symbol == SK_NO_SYMBOL && vocab->kind == SK_VOCAB_SPM)
                symbol = sk_vocab_symbol(vocab, &raw, 1);
        }
        vocab->byte_symbol[byte] = symbol;
    }
}

/* Whether U+2581 stands only at the start of the text, or behind others. */
static bool marks_lead(const char *text, uint32_t n)
{
    uint32_t i = 0;
    while (n - i >= 3 && memcmp(text + i, SK_SPACE_MARK, 3) == 0)
        i += 3;
    for (; n - i >= 3; i++)
        if (memcmp(text + i, SK_SPACE_MARK, 3) == 0)
            return false;
    return true;
}

static int32_t find_words_apart(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error)
{
    sk_vocab *vocab = b->vocab;
    (void)error;
    if (first == 0)
        vocab->words_apart = vocab->escape && vocab->n_symbols == vocab->n;
    for (uint64_t id = first; id < last && vocab->words_apart; id++)
        vocab->words_apart =
            marks_lead(vocab->arena + vocab->tokens[id].text, vocab->tokens[id].n_text);
    return SKALD_OK;
}

/* ---- Settings ------------------------------------------------------------------------------- */

static void choose_pre(sk_vocab *vocab, const sk_vocab_source *source, const vocab_kind *kind)
{
    sk_vocab_text name = source->pre;
    if (kind->pre)
        name = (sk_vocab_text){kind->pre, strlen(kind->pre)};
    vocab->pre = name.text ? sk_pretok_find(name.text, name.n) : NULL;
    int shown = name.n < 48 ? (int)name.n : 48;
    if (!vocab->pre) {
        char line[160];
        sk_format(line, sizeof line,
                  name.text ? "pre-tokeniser \"%.*s\" is not known; \"default\" is used"
                            : "no pre-tokeniser is named; \"default\" is used%.*s",
                  name.text ? shown : 0, name.text ? name.text : "");
        sk_vocab_warn(vocab, line);
        vocab->pre = sk_pretok_find("default", 7);
        name = (sk_vocab_text){"default", 7};
        shown = 7;
    }
    vocab->pre_flags = vocab->pre->flags;
    if (source->ignore_merges >= 0)
        vocab->pre_flags = (vocab->pre_flags & ~(uint32_t)SK_PRE_IGNORE_MERGES) |
                           (source->ignore_merges ? SK_PRE_IGNORE_MERGES : 0);
    sk_format(vocab->name, sizeof vocab->name, "BPE (%.*s)", shown, name.text);
}

static bool choose_flag(int8_t said, bool otherwise)
{
    return said < 0 ? otherwise : said != 0;
}

/* What is done to a text before and around its tokens. WordPiece adds both its ids whatever the
 * file says; RWKV and PLaMo-2 none. */
static void choose_normaliser(sk_vocab *vocab, const sk_vocab_source *source)
{
    bool word_piece = vocab->kind == SK_VOCAB_WORDPIECE, unigram = vocab->kind == SK_VOCAB_UNIGRAM;
    bool bare = vocab->kind == SK_VOCAB_RWKV || vocab->kind == SK_VOCAB_PLAMO;
    vocab->starts = word_piece || (vocab->add_bos && !bare);
    vocab->ends = word_piece || (vocab->add_eos && !bare);
    vocab->end_special = word_piece ? SK_SPECIAL_SEP : SK_SPECIAL_EOS;
    bool may_lower = word_piece || (vocab->pre_flags & SK_PRE_DROP_SPACES);
    vocab->lowercase = may_lower && choose_flag(source->lowercase, word_piece);
    vocab->strip_accents = choose_flag(source->strip_accents, vocab->lowercase);
    vocab->max_word = source->max_word;
    vocab->merge_spaces = unigram && choose_flag(source->remove_extra_whitespaces, false);
    vocab->leads_blank = vocab->add_space_prefix || vocab->merge_spaces || word_piece;
}

static void choose_settings(sk_vocab *vocab, const sk_vocab_source *source, const vocab_kind *kind)
{
    vocab->kind = kind->kind;
    sk_format(vocab->name, sizeof vocab->name, "%s", kind->name);
    if (vocab->kind == SK_VOCAB_BPE)
        choose_pre(vocab, source, kind);
    uint32_t flags = vocab->pre_flags;
    vocab->escape = vocab->kind == SK_VOCAB_SPM || vocab->kind == SK_VOCAB_WORDPIECE ||
                    vocab->kind == SK_VOCAB_UNIGRAM || (flags & SK_PRE_ESCAPE);
    vocab->encode_bytes = vocab->kind == SK_VOCAB_BPE && !(flags & (SK_PRE_ESCAPE | SK_PRE_RAW));
    vocab->add_bos = choose_flag(source->add_bos, kind->add_bos || (flags & SK_PRE_ADD_BOS)) ||
                     (flags & SK_PRE_FORCE_BOS);
    vocab->add_eos = choose_flag(source->add_eos, kind->add_eos);
    vocab->add_sep = choose_flag(source->add_sep, kind->add_sep || (flags & SK_PRE_ADD_SEP) != 0);
    vocab->add_space_prefix = choose_flag(source->add_space_prefix, kind->add_space_prefix);
    vocab->blank_first = choose_flag(source->blank_first, false);
    choose_normaliser(vocab, source);
}

static void choose_special(sk_vocab *vocab, const sk_vocab_source *source, const vocab_kind *kind)
{
    static const char *const names[SK_N_SPECIAL] = {
        "bos",  "eos",     "eot",     "eom",     "unknown", "separator", "padding",
        "mask", "fim_pre", "fim_suf", "fim_mid", "fim_pad", "fim_rep",   "fim_sep"};
    bool no_bos = (vocab->pre_flags & SK_PRE_NO_BOS) != 0;
    const int32_t defaults[] = {[SK_SPECIAL_BOS] = no_bos ? -1 : kind->bos,
                                [SK_SPECIAL_EOS] = kind->eos,
                                [SK_SPECIAL_EOT] = -1,
                                [SK_SPECIAL_EOM] = -1,
                                [SK_SPECIAL_UNK] = kind->unk,
                                [SK_SPECIAL_SEP] = kind->sep,
                                [SK_SPECIAL_PAD] = kind->pad,
                                [SK_SPECIAL_MASK] = kind->mask};
    for (int i = 0; i < SK_N_SPECIAL; i++) {
        int32_t id = i <= SK_SPECIAL_MASK ? defaults[i] : -1;
        int64_t said = source->special[i];
        if (said == -1 || said == UINT32_MAX) {
            id = -1;
        } else if (said >= 0 && said < (int64_t)vocab->n) {
            id = (int32_t)said;
        } else if (said != SK_VOCAB_UNSAID) {
            char line[128];
            sk_format(line, sizeof line, "the %s token %lld is not one of %u tokens; ignored",
                      names[i], (long long)said, vocab->n);
            sk_vocab_warn(vocab, line);
        }
        vocab->special[i] = id < (int32_t)vocab->n ? id : -1;
    }
}

static int32_t load_suppress(sk_vocab *vocab, const sk_vocab_source *source, sk_error *error)
{
    vocab->suppress = sk_alloc_array(vocab->heap, source->n_suppress, sizeof *vocab->suppress,
                                     "suppressed tokens", error);
    if (!vocab->suppress)
        return SKALD_E_MEMORY;
    for (uint64_t i = 0; i < source->n_suppress; i++)
        if (source->suppress[i] >= 0 && source->suppress[i] < (int64_t)vocab->n)
            vocab->suppress[vocab->n_suppress++] = (int32_t)source->suppress[i];
    return SKALD_OK;
}

/* ---- Making, freeing ------------------------------------------------------------------------ */

static int32_t begin_vocab(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error)
{
    (void)first, (void)last;
    int32_t status = check_source(&b->source, b->kind->kind, error);
    if (status < 0)
        return status;
    choose_settings(b->vocab, &b->source, b->kind);
    return begin_texts(b, error);
}

static int32_t mark_special(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error)
{
    (void)first, (void)last;
    warn_types(b);
    choose_special(b->vocab, &b->source, b->kind);
    return sk_vocab_mark_special(b->vocab, &b->source, error);
}

static int32_t finish_vocab(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error)
{
    (void)first, (void)last;
    return load_suppress(b->vocab, &b->source, error);
}

static int32_t load_bytes(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error)
{
    (void)first, (void)last, (void)error;
    load_byte_symbols(b->vocab);
    return SKALD_OK;
}

/* What a stage goes over. */
enum { VOCAB_ONCE, VOCAB_TOKENS, VOCAB_TRIE, VOCAB_MERGES, VOCAB_EXTRA, VOCAB_PAIRS, VOCAB_SEAMS };

/* Items [first, last) of what it goes over; nothing where there are none. */
static const struct vocab_stage {
    int32_t (*run)(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error);
    int over;
} vocab_stages[] = {
    {begin_vocab, VOCAB_ONCE},
    {copy_texts, VOCAB_TOKENS},
    {load_types, VOCAB_TOKENS},
    {mark_special, VOCAB_ONCE},
    {load_pieces, VOCAB_TOKENS},
    {sk_vocab_check_merges, VOCAB_MERGES},
    {sk_vocab_begin_merges, VOCAB_ONCE},
    {sk_vocab_load_merges, VOCAB_MERGES},
    {sk_vocab_add_merges, VOCAB_EXTRA},
    {sk_vocab_load_trie, VOCAB_TRIE},
    {sk_vocab_finish_trie, VOCAB_ONCE},
    {load_bytes, VOCAB_ONCE},
    {sk_vocab_load_byte_merges, VOCAB_PAIRS},
    {sk_vocab_load_seams, VOCAB_SEAMS},
    {find_words_apart, VOCAB_TOKENS},
    {finish_vocab, VOCAB_ONCE},
};

#define VOCAB_PIECE 2048 /* items at once: some 0.2 ms */

static uint64_t stage_items(const sk_vocab_build *b, int over)
{
    const sk_vocab *vocab = b->vocab;
    const uint64_t n_merges = vocab->kind == SK_VOCAB_BPE ? b->source.n_merges : 0;
    switch (over) {
    case VOCAB_ONCE:
        return 1;
    case VOCAB_TOKENS:
        return vocab->n;
    case VOCAB_TRIE:
        return sk_vocab_has_trie(vocab) ? vocab->n : 0;
    case VOCAB_MERGES:
        return n_merges;
    case VOCAB_EXTRA:
        return b->n_extra > 0 ? n_merges : 0;
    case VOCAB_PAIRS:
        return vocab->encode_bytes ? 65536 : 0;
    default:
        return vocab->encode_bytes ? n_merges : 0;
    }
}

int32_t sk_vocab_step(sk_vocab_build *b, sk_error *error)
{
    const size_t n_stage = sizeof vocab_stages / sizeof *vocab_stages;
    if (b->kind->kind == SK_VOCAB_NONE || b->stage == n_stage)
        return SKALD_OK;
    const struct vocab_stage *stage = &vocab_stages[b->stage];
    uint64_t n = stage_items(b, stage->over);
    uint64_t last = n - b->at > VOCAB_PIECE ? b->at + VOCAB_PIECE : n;
    int32_t status = b->at < n ? stage->run(b, b->at, last, error) : SKALD_OK;
    b->at = last;
    if (b->at == n) {
        b->stage++;
        b->at = 0;
    }
    return status < 0 ? status : SKALD_PENDING;
}

int32_t sk_vocab_begin(sk_vocab_build **out, sk_heap *heap, const sk_vocab_source *source,
                       sk_error *error)
{
    *out = NULL;
    const vocab_kind *kind = find_kind(source, error);
    if (!kind)
        return SKALD_E_TOKENIZER;
    sk_vocab_build *b = sk_alloc_zero(heap, sizeof *b, "vocabulary", error);
    if (!b)
        return SKALD_E_MEMORY;
    b->heap = heap;
    b->source = *source;
    b->kind = kind;
    b->vocab = sk_alloc_zero(heap, sizeof *b->vocab, "vocabulary", error);
    if (!b->vocab) {
        sk_vocab_build_free(b);
        return SKALD_E_MEMORY;
    }
    b->vocab->heap = heap;
    if (kind->kind == SK_VOCAB_NONE) {
        for (int i = 0; i < SK_N_SPECIAL; i++)
            b->vocab->special[i] = -1;
        sk_format(b->vocab->name, sizeof b->vocab->name, "none");
    }
    *out = b;
    return SKALD_OK;
}

int32_t sk_vocab_finish(sk_vocab **out, sk_vocab_build *b, sk_error *error)
{
    int32_t status;
    do
        status = sk_vocab_step(b, error);
    while (status == SKALD_PENDING);
    *out = NULL;
    if (status == SKALD_OK) {
        *out = b->vocab;
        b->vocab = NULL;
    }
    sk_vocab_build_free(b);
    return status;
}

int32_t sk_vocab_new(sk_vocab **out, sk_heap *heap, const sk_vocab_source *source, sk_error *error)
{
    *out = NULL;
    sk_vocab_build *b;
    int32_t status = sk_vocab_begin(&b, heap, source, error);
    return status < 0 ? status : sk_vocab_finish(out, b, error);
}

void sk_vocab_build_free(sk_vocab_build *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < sizeof b->lists / sizeof *b->lists; i++)
        sk_free(b->heap, b->lists[i]);
    sk_free(b->heap, b->scratch);
    sk_vocab_free(b->vocab);
    sk_free(b->heap, b);
}

void sk_vocab_free(sk_vocab *vocab)
{
    if (!vocab)
        return;
    sk_heap *heap = vocab->heap;
    sk_lexicon_free(atomic_load(&vocab->lexicon), heap);
    sk_free(heap, vocab->suppress);
    sk_free(heap, vocab->cuts);
    sk_free(heap, vocab->charsmap_blob);
    sk_trie_free(&vocab->trie, heap);
    sk_free(heap, vocab->merges);
    sk_free(heap, vocab->merge_tags);
    sk_free(heap, vocab->byte_merges);
    sk_free(heap, vocab->seams);
    sk_free(heap, vocab->extra_arena);
    sk_strmap_free(&vocab->extra, heap);
    sk_strmap_free(&vocab->map, heap);
    sk_free(heap, vocab->tokens);
    sk_free(heap, vocab->arena);
    sk_free(heap, vocab);
}

/* ---- Questions ------------------------------------------------------------------------------ */

static const sk_vocab_token *token_at(const sk_vocab *vocab, int32_t id)
{
    return id >= 0 && (uint32_t)id < vocab->n ? &vocab->tokens[id] : NULL;
}

uint32_t sk_vocab_n(const sk_vocab *vocab)
{
    return vocab->n;
}

const char *sk_vocab_name(const sk_vocab *vocab)
{
    return vocab->name;
}

const char *sk_vocab_warning(const sk_vocab *vocab)
{
    return vocab->warning;
}

int32_t sk_vocab_special(const sk_vocab *vocab, int32_t which)
{
    return which >= 0 && which < SK_N_SPECIAL ? vocab->special[which] : -1;
}

bool sk_vocab_add_bos(const sk_vocab *vocab)
{
    return vocab->add_bos;
}

bool sk_vocab_add_eos(const sk_vocab *vocab)
{
    return vocab->add_eos;
}

bool sk_vocab_add_sep(const sk_vocab *vocab)
{
    return vocab->add_sep;
}

uint64_t sk_vocab_longest_piece(const sk_vocab *vocab)
{
    return vocab->max_text; /* what stands for bytes is never longer than its text */
}

const int32_t *sk_vocab_suppress(const sk_vocab *vocab, uint32_t *n)
{
    *n = vocab->n_suppress;
    return vocab->suppress;
}

int32_t sk_vocab_flags(const sk_vocab *vocab, int32_t id)
{
    static const int32_t flags[] = {
        [SK_TOKEN_UNDEFINED] = SKALD_FLAG_UNUSED, [SK_TOKEN_NORMAL] = 0,
        [SK_TOKEN_UNKNOWN] = SKALD_FLAG_UNKNOWN,  [SK_TOKEN_CONTROL] = SKALD_FLAG_CONTROL,
        [SK_TOKEN_USER] = SKALD_FLAG_USER,        [SK_TOKEN_UNUSED] = SKALD_FLAG_UNUSED,
        [SK_TOKEN_BYTE] = SKALD_FLAG_BYTE,
    };
    const sk_vocab_token *token = token_at(vocab, id);
    return token ? flags[token->type] | (token->end ? SKALD_FLAG_END : 0) : 0;
}

bool sk_vocab_is_end(const sk_vocab *vocab, int32_t id)
{
    const sk_vocab_token *token = token_at(vocab, id);
    return token && token->end;
}

const char *sk_vocab_token_text(const sk_vocab *vocab, int32_t id, uint64_t *n)
{
    const sk_vocab_token *token = token_at(vocab, id);
    *n = token ? token->n_text : 0;
    return token ? vocab->arena + token->text : "";
}

const char *sk_vocab_piece(const sk_vocab *vocab, int32_t id, bool special, uint64_t *n)
{
    const sk_vocab_token *token = token_at(vocab, id);
    *n = 0;
    if (!token)
        return "";
    if (!special && (token->type == SK_TOKEN_CONTROL || token->type == SK_TOKEN_UNKNOWN))
        return "";
    *n = token->n_piece;
    return vocab->arena + token->piece;
}

uint32_t sk_vocab_symbol(const sk_vocab *vocab, const uint8_t *text, uint64_t n)
{
    uint32_t symbol;
    if (n <= vocab->max_text && sk_strmap_get(&vocab->map, (const char *)text, n, &symbol))
        return symbol;
    if (vocab->extra.slots && sk_strmap_get(&vocab->extra, (const char *)text, n, &symbol))
        return symbol;
    return SK_NO_SYMBOL;
}

int32_t sk_vocab_find(const sk_vocab *vocab, const char *text, uint64_t n)
{
    uint32_t id;
    if (n == 0 || n > vocab->max_text || !sk_strmap_get(&vocab->map, text, n, &id))
        return -1;
    return (int32_t)id;
}
