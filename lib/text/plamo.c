/* SPDX-License-Identifier: MIT */
/*
 * PLaMo-2: of all ways to cut the text into tokens, the one with the highest sum of scores, found
 * from the end of the text to its start. Scores are whole ten-thousandths; a code point that no
 * token covers costs ten million of them and becomes byte tokens.
 *
 * Where two ways are equal the longer first token wins; an unknown code point wins against none.
 * Sums stay below 2^53, so that a double holds them exactly.
 */
#include "base/portable.h"

#include "text/tokenize_int.h"
#include "text/utf8.h"

#include <math.h>

#define PLAMO_UNKNOWN (-10000000.0)
#define PLAMO_LIMIT 4194304.0 /* of one score: 2^22, times 2^30 bytes of text is 2^52 */

/* A token's score; false when it is no number. */
static bool plamo_score(const sk_vocab *vocab, uint32_t id, double *score)
{
    double exact = (double)vocab->tokens[id].score * 10000.0;
    if (!(exact - exact == 0))
        return false;
    exact = exact < -PLAMO_LIMIT ? -PLAMO_LIMIT : exact > PLAMO_LIMIT ? PLAMO_LIMIT : exact;
    *score = exact < 0 ? -floor(0.5 - exact) : floor(exact + 0.5);
    return true;
}

static bool is_code_start(const uint8_t *text, uint32_t at, uint32_t n)
{
    return at == n || (text[at] & 0xC0) != 0x80;
}

/* The best way from `at`, where a code point starts, to the end: the longer tokens come later and
 * win a draw. */
static void plamo_cell(sk_encoder *encoder, const uint8_t *text, uint32_t at, uint32_t n)
{
    const sk_vocab *vocab = encoder->vocab;
    sk_path_cell *cells = encoder->cells, best = {0, SK_NO_SYMBOL, SK_NO_SYMBOL};
    uint32_t node = 0, code, length = sk_utf8_read(text + at, text + n, &code);
    for (uint32_t i = at; i < n && (node = sk_trie_step(&vocab->trie, node, text[i])) != 0; i++) {
        uint32_t id = vocab->trie.nodes[node].value;
        double score;
        if (id == SK_TRIE_NONE || !is_code_start(text, i + 1, n) || !plamo_score(vocab, id, &score))
            continue;
        score += cells[i + 1].score;
        if (best.link == SK_NO_SYMBOL || score >= best.score)
            best = (sk_path_cell){score, id, i + 1};
    }
    double unknown = PLAMO_UNKNOWN + cells[at + length].score;
    if (best.link == SK_NO_SYMBOL || unknown > best.score)
        best = (sk_path_cell){unknown, SK_NO_SYMBOL, at + length};
    cells[at] = best;
}

int32_t sk_plamo_encode(sk_encoder *encoder, const uint8_t *text, uint32_t n)
{
    int32_t status = sk_encoder_reserve(encoder, 3 * (uint64_t)n);
    if (status < 0)
        return status;
    n = (uint32_t)sk_repair_text(encoder->text, text, n);
    text = encoder->text;
    if ((status = sk_encoder_cells(encoder, (uint64_t)n + 1)) < 0)
        return status;
    for (uint32_t at = n; at-- > 0;)
        if (is_code_start(text, at, n))
            plamo_cell(encoder, text, at, n);
    uint32_t at = n >= 3 && text[0] == 0xEF && text[1] == 0xBB && text[2] == 0xBF ? 3 : 0;
    for (uint32_t next; at < n; at = next) {
        next = encoder->cells[at].link;
        if (encoder->cells[at].token != SK_NO_SYMBOL)
            sk_emit(encoder, encoder->cells[at].token);
        else
            for (uint32_t i = at; i < next; i++)
                sk_emit_byte(encoder, text[i]);
    }
    return SKALD_OK;
}

#undef PLAMO_UNKNOWN
#undef PLAMO_LIMIT
