/* SPDX-License-Identifier: MIT */
/*
 * The text is cut at its commas, each piece at its colon. An id that is listed twice is refused
 * rather than added up: it is most likely a slip, and a sum would depend on an order.
 */
#include "base/portable.h"

#include "sample/bias.h"
#include "base/options.h"

#include <float.h>
#include <math.h>
#include <string.h>

typedef struct bias_text {
    const char *at;
    uint64_t n;
} bias_text;

static bias_text bias_trim(const char *at, uint64_t n)
{
    while (n > 0 && (*at == ' ' || *at == '\t'))
        at++, n--;
    while (n > 0 && (at[n - 1] == ' ' || at[n - 1] == '\t'))
        n--;
    return (bias_text){at, n};
}

/* For a sentence: as much of a piece as is worth showing. */
static int bias_shown(bias_text piece)
{
    return piece.n < 60 ? (int)piece.n : 60;
}

static bool bias_number(bias_text text, float *value)
{
    double number;
    if (text.n == 4 && memcmp(text.at, "-inf", 4) == 0) {
        *value = -INFINITY;
        return true;
    }
    if (text.n > 1 && text.at[0] == '+' && text.at[1] != '-' && text.at[1] != '+')
        text.at++, text.n--;
    if (!sk_parse_double(text.at, text.n, &number) || !(fabs(number) <= (double)FLT_MAX))
        return false;
    *value = (float)number;
    return true;
}

static int32_t bias_piece(sk_bias *out, bias_text piece, uint64_t n_vocab, sk_error *error)
{
    const char *colon = piece.n ? memchr(piece.at, ':', piece.n) : NULL;
    if (!colon)
        return sk_fail(error, SKALD_E_OPTION, "logit_bias: \"%.*s\" is not of the form ID:BIAS",
                       bias_shown(piece), piece.at);
    uint64_t before = (uint64_t)(colon - piece.at);
    bias_text id = bias_trim(piece.at, before);
    bias_text bias = bias_trim(colon + 1, piece.n - before - 1);
    int64_t number;
    if (!sk_parse_int(id.at, id.n, &number))
        return sk_fail(error, SKALD_E_OPTION, "logit_bias: \"%.*s\" has no token id before the ':'",
                       bias_shown(piece), piece.at);
    if (number < 0 || (uint64_t)number >= n_vocab)
        return sk_fail(error, SKALD_E_OPTION,
                       "logit_bias: \"%.*s\" names a token outside the vocabulary, whose ids are "
                       "0 to %lld",
                       bias_shown(piece), piece.at, (long long)n_vocab - 1);
    if (!bias_number(bias, &out->bias))
        return sk_fail(error, SKALD_E_OPTION,
                       "logit_bias: \"%.*s\" has no bias behind the ':', wanted a finite number "
                       "or -inf",
                       bias_shown(piece), piece.at);
    out->id = (int32_t)number;
    return SKALD_OK;
}

static void bias_sift(sk_bias *list, uint64_t n, uint64_t i)
{
    sk_bias moving = list[i];
    for (uint64_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && list[child + 1].id > list[child].id)
            child++;
        if (list[child].id <= moving.id)
            break;
        list[i] = list[child];
    }
    list[i] = moving;
}

/* Heap sort: no recursion, and no memory that is not the heap's, as qsort may take. */
static void bias_sort(sk_bias *list, uint64_t n)
{
    for (uint64_t i = n / 2; i-- > 0;)
        bias_sift(list, n, i);
    for (uint64_t end = n; end-- > 1;) {
        sk_bias largest = list[0];
        list[0] = list[end];
        list[end] = largest;
        bias_sift(list, end, 0);
    }
}

static int32_t bias_fill(sk_bias *list, bias_text text, uint64_t n_vocab, sk_error *error)
{
    for (uint64_t i = 0;; i++) {
        const char *comma = text.n ? memchr(text.at, ',', text.n) : NULL;
        uint64_t n = comma ? (uint64_t)(comma - text.at) : text.n;
        int32_t status = bias_piece(&list[i], bias_trim(text.at, n), n_vocab, error);
        if (status < 0 || !comma)
            return status;
        text.at += n + 1;
        text.n -= n + 1;
    }
}

int32_t sk_bias_parse(sk_bias **out, uint64_t *n_out, sk_heap *heap, const char *text, uint64_t n,
                      uint64_t n_vocab, sk_error *error)
{
    *out = NULL;
    *n_out = 0;
    bias_text whole = bias_trim(text, n);
    if (whole.n == 0)
        return SKALD_OK;
    uint64_t count = 1;
    for (uint64_t i = 0; i < whole.n; i++)
        count += whole.at[i] == ',';
    sk_bias *list = sk_alloc_array(heap, count, sizeof *list, "the list of logit_bias", error);
    if (!list)
        return SKALD_E_MEMORY;
    int32_t status = bias_fill(list, whole, n_vocab, error);
    if (status == SKALD_OK)
        bias_sort(list, count);
    for (uint64_t i = 1; i < count && status == SKALD_OK; i++)
        if (list[i].id == list[i - 1].id)
            status = sk_fail(error, SKALD_E_OPTION, "logit_bias: token %d is listed twice",
                             (int)list[i].id);
    if (status < 0) {
        sk_free(heap, list);
        return status;
    }
    *out = list;
    *n_out = count;
    return SKALD_OK;
}
