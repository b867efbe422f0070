/* SPDX-License-Identifier: MIT */
/*
 * How far each place of the history agrees with its end is what the Z algorithm tells of the
 * history read backwards, in linear time.
 */
#include "base/portable.h"

#include "sample/chain.h"
#include "tensor/math.h"
#include "text/tokenize.h"

#include <string.h>

enum { DRY_BREAKER = 40, DRY_TAIL = 20 }; /* bytes, tokens */

/* ---- Breakers ------------------------------------------------------------------------------- */

static int32_t dry_add(sk_dry *d, int32_t token, const int32_t *tail, uint64_t n, sk_error *error)
{
    void *heads = d->heads, *tails = d->tails;
    int32_t status = sk_grow(d->heap, &heads, &d->head_capacity, d->n_heads + 1, sizeof *d->heads,
                             "sequence breakers", error);
    d->heads = heads;
    if (status == SKALD_OK)
        status = sk_grow(d->heap, &tails, &d->tail_capacity, d->n_tails + n, sizeof *d->tails,
                         "sequence breakers", error);
    d->tails = tails;
    if (status < 0)
        return status;
    if (n)
        memcpy(d->tails + d->n_tails, tail, (size_t)n * sizeof *tail);
    d->heads[d->n_heads++] = (sk_dry_head){token, (uint32_t)d->n_tails, (uint32_t)n};
    d->n_tails += n;
    return SKALD_OK;
}

static bool dry_contains(const char *text, uint64_t n, const char *breaker, uint64_t length)
{
    for (const char *at = text; (uint64_t)(text + n - at) >= length; at++) {
        at = memchr(at, breaker[0], (size_t)(text + n - at));
        if (!at || (uint64_t)(text + n - at) < length)
            return false;
        if (memcmp(at, breaker, (size_t)length) == 0)
            return true;
    }
    return false;
}

/* The token ends in the first k bytes of the breaker: the rest has to follow. */
static int32_t dry_add_tail(sk_dry *d, const sk_vocab *vocab, int32_t token, const char *rest,
                            uint64_t n, sk_error *error)
{
    int32_t tail[DRY_BREAKER + 8];
    uint64_t needed = 0;
    int32_t status = sk_tokenize(vocab, d->heap, rest, n, 0, tail, DRY_BREAKER + 8, &needed, error);
    if (status < 0)
        return status;
    return dry_add(d, token, tail, needed < DRY_TAIL ? needed : DRY_TAIL, error);
}

static int32_t dry_add_token(sk_dry *d, const sk_vocab *vocab, int32_t token, const char *breaker,
                             uint64_t n, sk_error *error)
{
    uint64_t n_text;
    const char *text = sk_vocab_piece(vocab, token, true, &n_text);
    if (dry_contains(text, n_text, breaker, n))
        return dry_add(d, token, NULL, 0, error);
    int32_t status = SKALD_OK;
    for (uint64_t k = 1; k < n && k <= n_text && status == SKALD_OK; k++)
        if (memcmp(text + (n_text - k), breaker, (size_t)k) == 0)
            status = dry_add_tail(d, vocab, token, breaker + k, n - k, error);
    return status;
}

static void dry_sort(sk_dry_head *heads, uint64_t n)
{
    for (uint64_t gap = n / 2; gap > 0; gap /= 2) /* Shell's: breakers come sorted already */
        for (uint64_t i = gap; i < n; i++) {
            sk_dry_head moving = heads[i];
            uint64_t j = i;
            for (; j >= gap && heads[j - gap].token > moving.token; j -= gap)
                heads[j] = heads[j - gap];
            heads[j] = moving;
        }
}

int32_t sk_dry_new(sk_dry **out, sk_heap *heap, const sk_vocab *vocab, const char *const *breakers,
                   uint64_t n, uint64_t last_n, sk_error *error)
{
    *out = NULL;
    sk_dry *d = sk_alloc_zero(heap, sizeof *d, "sequence breakers", error);
    if (!d)
        return SKALD_E_MEMORY;
    d->heap = heap;
    d->max_last_n = last_n;
    d->lengths = sk_alloc_array(heap, last_n + 1, sizeof *d->lengths, "sequence breakers", error);
    int32_t status = d->lengths ? SKALD_OK : SKALD_E_MEMORY;
    for (uint64_t i = 0; i < n && vocab; i++) {
        uint64_t length = strlen(breakers[i]);
        length = length < DRY_BREAKER ? length : DRY_BREAKER;
        for (uint32_t id = 0; id < sk_vocab_n(vocab) && length > 0 && status == SKALD_OK; id++)
            status = dry_add_token(d, vocab, (int32_t)id, breakers[i], length, error);
    }
    if (status < 0) {
        sk_dry_free(d);
        return status;
    }
    dry_sort(d->heads, d->n_heads);
    *out = d;
    return SKALD_OK;
}

void sk_dry_free(sk_dry *d)
{
    if (!d)
        return;
    sk_free(d->heap, d->heads);
    sk_free(d->heap, d->tails);
    sk_free(d->heap, d->lengths);
    sk_free(d->heap, d);
}

/* ---- The penalty ---------------------------------------------------------------------------- */

/* The first head of a token; those of the same token follow. */
static uint64_t dry_find(const sk_dry *d, int32_t token)
{
    uint64_t low = 0, high = d->n_heads;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (d->heads[middle].token < token)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool dry_is_breaker(const sk_dry *d, int32_t token)
{
    for (uint64_t h = dry_find(d, token); h < d->n_heads && d->heads[h].token == token; h++)
        if (d->heads[h].n_tail == 0)
            return true;
    return false;
}

/* The longest tail of a head at place i that the i tokens behind it begin with; -1: none. The
 * history is read backwards: `last` is its end, last[-i] is i tokens earlier. */
static int64_t dry_tail_at(const sk_dry *d, const int32_t *last, uint64_t i)
{
    int64_t longest = -1;
    int32_t token = last[-(int64_t)i];
    for (uint64_t h = dry_find(d, token); h < d->n_heads && d->heads[h].token == token; h++) {
        uint64_t n = d->heads[h].n_tail;
        if (n <= i && (int64_t)n > longest &&
            (n == 0 ||
             memcmp(last - i + 1, d->tails + d->heads[h].tail, (size_t)n * sizeof *d->tails) == 0))
            longest = (int64_t)n;
    }
    return longest;
}

/* How many of the last tokens may count as repeated: none beyond the nearest breaker. */
static uint64_t dry_limit(const sk_dry *d, const int32_t *last, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        int64_t tail = dry_tail_at(d, last, i);
        if (tail >= 0)
            return i - (uint64_t)tail;
    }
    return n;
}

/* lengths[k]: how many tokens before and with the one k back are those at the end. */
static void dry_measure(const sk_dry *d, const int32_t *last, uint64_t n)
{
    uint64_t left = 0, right = 0; /* the furthest match so far: [left, right) */
    for (uint64_t k = 1; k < n; k++) {
        uint64_t length = 0;
        if (k < right) {
            uint64_t known = (uint64_t)d->lengths[k - left];
            length = known < right - k ? known : right - k;
        }
        while (k + length < n && last[-(int64_t)length] == last[-(int64_t)(k + length)])
            length++;
        if (k + length > right) {
            left = k;
            right = k + length;
        }
        d->lengths[k] = (int32_t)length;
    }
}

static double dry_penalty(const sk_sampler_params *p, int32_t length)
{
    double exponent = (double)length - (double)p->dry_allowed_length, most = exponent;
    if (p->dry_base > 1.000001)
        most = (double)(int64_t)(88.72 / sk_log(p->dry_base));
    return p->dry_multiplier * sk_pow(p->dry_base, exponent < most ? exponent : most);
}

void sk_chain_dry(const sk_pick *pick, sk_candidates *set)
{
    const sk_sampler_params *p = pick->params;
    const sk_dry *d = p->dry;
    if (!d || p->dry_multiplier <= 0 || p->dry_base < 1 || p->dry_last_n <= 0)
        return;
    uint64_t n = pick->n_history, most = (uint64_t)p->dry_last_n;
    most = most < d->max_last_n ? most : d->max_last_n;
    n = n < most ? n : most;
    uint64_t allowed = p->dry_allowed_length > 0 ? (uint64_t)p->dry_allowed_length : 0;
    if (n <= allowed)
        return;
    const int32_t *last = pick->history + pick->n_history - 1;
    uint64_t limit = dry_limit(d, last, n);
    if (limit < allowed)
        return;
    dry_measure(d, last, n);
    for (uint64_t k = 1; k < n; k++) {
        int32_t token = last[-(int64_t)(k - 1)];
        int32_t length = (uint64_t)d->lengths[k] < limit ? d->lengths[k] : (int32_t)limit;
        if (token >= 0 && (uint64_t)token < pick->n_vocab && (uint64_t)length >= allowed &&
            length + 1 > pick->count[token] && !dry_is_breaker(d, token))
            pick->count[token] = length + 1;
    }
    for (uint64_t i = 0; i < set->n; i++)
        if (pick->count[set->items[i].id] > 0)
            set->items[i].logit -= dry_penalty(p, pick->count[set->items[i].id] - 1);
    for (uint64_t k = 1; k < n; k++)
        if (last[-(int64_t)(k - 1)] >= 0 && (uint64_t)last[-(int64_t)(k - 1)] < pick->n_vocab)
            pick->count[last[-(int64_t)(k - 1)]] = 0;
    if (set->ranked)
        sk_candidates_rank(set);
}
