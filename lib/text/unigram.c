/* SPDX-License-Identifier: MIT */
/*
 * Unigram: of all ways to cut the text into tokens, the one with the highest sum of scores.
 *
 * The text is normalised first: what the compiled map knows is replaced, each bad byte becomes
 * U+FFFD, and blanks become U+2581; with merge_spaces each word has exactly one in front of it and
 * the other blanks vanish. User-defined tokens were cut out of the text before, so that the
 * normaliser need not keep them as they are.
 *
 * Then cells[i] is the best way to cut the first i bytes, filled from left to right. The first of
 * equal ways stays. A character that is no token counts as unknown; what is unknown in a row is one
 * token.
 */
#include "base/portable.h"

#include "text/tokenize_int.h"
#include "text/utf8.h"

#include <string.h>

typedef struct unigram_text {
    sk_encoder *encoder;
    uint64_t used;      /* bytes of encoder->text */
    bool in_word, mark; /* mark: U+2581 is still to be put in front of the first word */
} unigram_text;

static void put_space_mark(unigram_text *out)
{
    memcpy(out->encoder->text + out->used, SK_SPACE_MARK, 3);
    out->used += 3;
}

static int32_t put_normal(unigram_text *out, const uint8_t *text, uint64_t n)
{
    bool merge = out->encoder->vocab->merge_spaces;
    int32_t status = sk_encoder_reserve(out->encoder, out->used + 4 * n);
    for (uint64_t i = 0; i < n && status == SKALD_OK; i++) {
        if (text[i] == ' ') {
            out->in_word = false;
            if (!merge)
                put_space_mark(out);
            continue;
        }
        if (!out->in_word && (out->mark || merge))
            put_space_mark(out);
        out->mark = false;
        out->in_word = true;
        out->encoder->text[out->used++] = text[i];
    }
    return status;
}

static int32_t normalise_unigram(sk_encoder *encoder, const uint8_t *text, uint32_t n,
                                 uint64_t *n_out)
{
    const uint8_t *end = text + n;
    unigram_text out = {encoder, 0, false, encoder->leads};
    int32_t status = SKALD_OK;
    while (text < end && status == SKALD_OK) {
        const uint8_t *with;
        uint32_t n_with, code;
        uint64_t length = sk_charsmap_match(&encoder->vocab->charsmap, text, end, &with, &n_with);
        if (length) {
            status = put_normal(&out, with, n_with);
        } else {
            uint8_t written[SK_UTF8_MAX];
            length = sk_utf8_read(text, end, &code);
            status = put_normal(&out, written, sk_utf8_write(written, code));
        }
        text += length;
        if (out.used > SK_TOKENIZE_MAX)
            return sk_fail(encoder->error, SKALD_E_ARGUMENT,
                           "the normalised text has more than %llu bytes",
                           (unsigned long long)SK_TOKENIZE_MAX);
    }
    *n_out = out.used;
    return status;
}

/* Enters a way to cut the first `to` bytes whose last token begins at `from`. */
static void offer_path(sk_path_cell *cells, uint32_t from, uint32_t to, uint32_t token,
                       double score)
{
    if (cells[to].link == SK_NO_SYMBOL || score > cells[to].score)
        cells[to] = (sk_path_cell){score, token, from};
}

/* The tokens that begin at `at`. `n`: bytes of the text; the character there has `length`, clipped
 * to the end (a replacement of the map need not be well-formed). */
static void offer_tokens(const sk_encoder *encoder, uint32_t at, uint32_t length, uint32_t n)
{
    const sk_vocab *vocab = encoder->vocab;
    sk_path_cell *cells = encoder->cells;
    double before = cells[at].score;
    bool single = false;
    uint32_t node = 0;
    for (uint32_t i = at; i < n; i++) {
        node = sk_trie_step(&vocab->trie, node, encoder->text[i]);
        if (!node)
            break;
        uint32_t id = vocab->trie.nodes[node].value;
        if (id == SK_TRIE_NONE)
            continue;
        single = single || i + 1 - at == length;
        double score = vocab->tokens[id].type == SK_TOKEN_USER ? 0 : vocab->tokens[id].score;
        offer_path(cells, at, i + 1, id, before + score);
    }
    if (!single)
        offer_path(cells, at, at + length, SK_NO_SYMBOL, before + (double)vocab->unk_score);
}

/* Turns the links around, so that the way can be walked from the start: afterwards the cell at the
 * start of each token has the token and its end. */
static void reverse_path(sk_path_cell *cells, uint32_t n)
{
    uint32_t at = n, token = cells[n].token, from = cells[n].link;
    while (at > 0) {
        sk_path_cell next = cells[from];
        cells[from].token = token;
        cells[from].link = at;
        at = from;
        token = next.token;
        from = next.link;
    }
}

int32_t sk_unigram_encode(sk_encoder *encoder, const uint8_t *text, uint32_t n_text)
{
    uint64_t n = 0;
    int32_t status = normalise_unigram(encoder, text, n_text, &n);
    if (status == SKALD_OK)
        status = sk_encoder_cells(encoder, n + 1);
    if (status < 0)
        return status;
    encoder->cells[0].link = 0;
    for (uint32_t at = 0, length; at < n; at += length) {
        length = sk_utf8_announced(encoder->text[at]);
        if (length > n - at)
            length = (uint32_t)n - at;
        offer_tokens(encoder, at, length, (uint32_t)n);
    }
    reverse_path(encoder->cells, (uint32_t)n);
    bool was_unknown = false;
    for (uint32_t at = 0; at < n; at = encoder->cells[at].link) {
        uint32_t token = encoder->cells[at].token;
        int32_t unk = encoder->vocab->special[SK_SPECIAL_UNK];
        bool unknown = token == SK_NO_SYMBOL || (int32_t)token == unk;
        if (!unknown)
            sk_emit(encoder, token);
        else if (!was_unknown && unk >= 0)
            sk_emit(encoder, (uint32_t)unk);
        was_unknown = unknown;
    }
    return SKALD_OK;
}
