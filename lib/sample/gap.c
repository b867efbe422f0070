/* SPDX-License-Identifier: MIT */
/*
 * The sampler "infill", for texts that fill a gap: it ends early rather than go on unsurely. With
 * an end of generation anywhere near likely, only ends are kept. Else candidates of which one's
 * text begins the other's are one choice, the likelier of them; of these choices the ones above a
 * fifth are kept, and then above what is even among them. Where none is, it ends.
 *
 * Texts are compared in pairs, so no more than the GAP_MOST best candidates are looked at.
 */
#include "base/portable.h"

#include "sample/chain.h"

#include <string.h>

enum { GAP_MOST = 1000 };

static bool gap_is_end(const sk_pick *pick, const sk_candidate *c)
{
    return sk_vocab_is_end(pick->params->vocab, c->id);
}

/* Adds the weight of each candidate whose text begins with another's, or begins it, to that of the
 * likelier one; its own is then 0. */
static void gap_merge(const sk_pick *pick, sk_candidates *set)
{
    for (uint64_t i = 0; i < set->n; i++) {
        uint64_t n, n_other;
        sk_candidate *c = &set->items[i];
        const char *text = sk_vocab_piece(pick->params->vocab, c->id, false, &n);
        for (uint64_t k = 0; k < set->n && c->weight > 0 && n > 0; k++) {
            sk_candidate *other = &set->items[k];
            const char *begun = sk_vocab_piece(pick->params->vocab, other->id, false, &n_other);
            if (k == i || !(other->weight > 0) || n > n_other ||
                memcmp(text, begun, (size_t)n) != 0)
                continue;
            bool is_likelier = other->weight > c->weight;
            sk_candidate *into = is_likelier ? other : c, *from = is_likelier ? c : other;
            into->weight += from->weight;
            from->weight = 0;
        }
    }
}

/* Keeps ends, and what weighs at least so much; returns how many are no ends. */
static uint64_t gap_keep(const sk_pick *pick, sk_candidates *set, double weight, double *total)
{
    uint64_t kept = 0, n_text = 0;
    *total = 0;
    for (uint64_t i = 0; i < set->n; i++) {
        sk_candidate c = set->items[i];
        bool is_end = gap_is_end(pick, &c);
        if (!is_end && (double)c.weight < weight)
            continue;
        n_text += !is_end;
        *total += (double)c.weight;
        set->items[kept++] = c;
    }
    set->n = kept;
    return n_text;
}

static bool gap_is_banned(const sk_pick *pick, int32_t id)
{
    uint32_t word = pick->barred[id / 32] | (pick->banned ? pick->banned[id / 32] : 0);
    return word >> (id % 32) & 1;
}

/* Leaves the end of a turn; where that may not be chosen, the best that there was. */
static void gap_end(const sk_pick *pick, sk_candidates *set, sk_candidate best)
{
    int32_t end = sk_vocab_special(pick->params->vocab, SK_SPECIAL_EOT);
    if (end < 0)
        end = sk_vocab_special(pick->params->vocab, SK_SPECIAL_EOS);
    if (end >= 0 && (uint64_t)end < pick->n_vocab && !gap_is_banned(pick, end))
        best = (sk_candidate){.logit = 1, .id = end};
    set->items[0] = best;
    set->n = 1;
}

void sk_chain_infill(const sk_pick *pick, sk_candidates *set)
{
    double text = 0, ends = 0, total;
    uint64_t n = set->n, n_ends = 0;
    if (!pick->params->vocab)
        return;
    sk_candidates_weigh(set);
    if (!set->ranked)
        sk_candidates_rank(set);
    const sk_candidate best = set->items[0];
    for (uint64_t i = 0; i < n; i++) {
        bool is_end = gap_is_end(pick, &set->items[i]);
        *(is_end ? &ends : &text) += (double)set->items[i].weight;
        n_ends += is_end;
    }
    set->n_hidden = 0;
    if (n_ends > 0 && 3 * ends * (double)n > text) {
        gap_keep(pick, set, 2 * (text + ends), &total);
        return;
    }
    set->n = n < GAP_MOST ? n : GAP_MOST;
    gap_merge(pick, set);
    uint64_t n_text = gap_keep(pick, set, 0.2 * (text + ends), &total);
    if (n_text == 0)
        gap_end(pick, set, best);
    else
        gap_keep(pick, set, total / (double)(n_text + 1), &total);
}
