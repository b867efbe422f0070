/* SPDX-License-Identifier: MIT */
/*
 * The walk keeps the state of each depth on its way, with what is remembered of its steps, so that
 * a node costs one look-up where everything is known; a byte that leads nowhere takes all that lies
 * below it away.
 */
#include "base/portable.h"

#include "sample/mask.h"

#include <string.h>

/* What is remembered with a state; the bits follow. */
typedef struct mask_note {
    uint32_t n_text, n_ends;
    int32_t only;
    uint32_t banned[];
} mask_note;

typedef struct mask_place {
    const uint32_t *steps;
    uint32_t state;
} mask_place;

struct sk_masks {
    sk_heap *heap;             /* borrowed */
    const sk_lexicon *lexicon; /* borrowed from the vocabulary */
    uint64_t n_words;          /* of 32 bits */
    uint64_t n_tokens;         /* of the vocabulary */
    int32_t *ends;             /* [n_ends], owned: tokens that end generation */
    uint32_t n_ends;
    mask_place *path; /* [max_depth + 1], owned */
};

int32_t sk_masks_new(sk_masks **out, sk_heap *heap, const sk_vocab *vocab, uint64_t n_bits,
                     sk_error *error)
{
    *out = NULL;
    const sk_lexicon *lexicon;
    int32_t status = sk_vocab_lexicon(vocab, &lexicon, error);
    if (status < 0)
        return status;
    sk_masks *k = sk_alloc_zero(heap, sizeof *k, "token masks", error);
    if (!k)
        return SKALD_E_MEMORY;
    k->heap = heap;
    k->lexicon = lexicon;
    k->n_words = (n_bits + 31) / 32;
    k->n_tokens = sk_vocab_n(vocab);
    for (uint32_t id = 0; id < k->n_tokens; id++)
        k->n_ends += sk_vocab_is_end(vocab, (int32_t)id);
    k->ends = sk_alloc_array(heap, (uint64_t)k->n_ends + 1, sizeof *k->ends, "token masks", error);
    k->path = sk_alloc_array(heap, (uint64_t)lexicon->max_depth + 1, sizeof *k->path, "token masks",
                             error);
    if (!k->ends || !k->path) {
        sk_masks_free(k);
        return SKALD_E_MEMORY;
    }
    for (uint32_t id = 0, n = 0; id < k->n_tokens; id++)
        if (sk_vocab_is_end(vocab, (int32_t)id))
            k->ends[n++] = (int32_t)id;
    *out = k;
    return SKALD_OK;
}

void sk_masks_free(sk_masks *k)
{
    if (!k)
        return;
    sk_free(k->heap, k->ends);
    sk_free(k->heap, k->path);
    sk_free(k->heap, k);
}

/* ---- Making a mask -------------------------------------------------------------------------- */

static void mask_allow(mask_note *note, int32_t token)
{
    note->banned[token / 32] &= ~((uint32_t)1 << (token % 32));
}

static int32_t mask_step(sk_automaton *a, mask_place *from, uint8_t byte, uint32_t *next,
                         sk_error *error)
{
    int32_t status = sk_automaton_step(a, from->state, byte, false, next, error);
    from->steps = sk_automaton_steps(a, from->state);
    return status;
}

static int32_t mask_walk(sk_masks *k, sk_automaton *a, uint32_t state, mask_note *note,
                         sk_error *error)
{
    const sk_lexicon *lexicon = k->lexicon;
    const sk_lexicon_node *nodes = lexicon->nodes;
    k->path[0] = (mask_place){sk_automaton_steps(a, state), state};
    for (uint32_t i = 0; i < lexicon->n_nodes;) {
        uint32_t depth = nodes[i].depth_byte >> 8;
        uint8_t byte = (uint8_t)nodes[i].depth_byte;
        mask_place *from = &k->path[depth - 1];
        uint32_t next = from->steps ? from->steps[byte] : SK_STEP_UNKNOWN;
        if (next == SK_STEP_UNKNOWN) {
            int32_t status = mask_step(a, from, byte, &next, error);
            if (status < 0)
                return status;
        }
        if (next == SK_STATE_DEAD) {
            i = nodes[i].skip;
            continue;
        }
        for (uint32_t t = nodes[i].first; t < nodes[i + 1].first; t++)
            mask_allow(note, lexicon->order[t]);
        if (nodes[i].skip > i + 1)
            k->path[depth] = (mask_place){sk_automaton_steps(a, next), next};
        i++;
    }
    return SKALD_OK;
}

typedef struct mask_tokens {
    const sk_masks *masks;
    mask_note *note;
} mask_tokens;

static void mask_reference(void *user, uint32_t id, bool any_other)
{
    mask_tokens *t = user;
    if (!any_other && id < t->masks->n_tokens)
        mask_allow(t->note, (int32_t)id);
    for (uint32_t other = 0; any_other && other < t->masks->n_tokens; other++)
        if (other != id)
            mask_allow(t->note, (int32_t)other);
}

static bool mask_bans(const mask_note *note, int32_t token)
{
    return note->banned[token / 32] >> (token % 32) & 1;
}

/* Ends are allowed where the text may end, or the grammar names them; the rest is text. */
static void mask_count(const sk_masks *k, mask_note *note, bool may_end)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < k->n_ends; i++) {
        if (may_end)
            mask_allow(note, k->ends[i]);
        note->n_ends += !mask_bans(note, k->ends[i]);
    }
    note->only = -1;
    for (uint64_t w = 0; w < k->n_words; w++) {
        uint32_t allowed = ~note->banned[w];
        for (; allowed; allowed &= allowed - 1, n++)
            if (n == 0)
                for (int bit = 0; bit < 32 && note->only < 0; bit++)
                    if (allowed >> bit & 1)
                        note->only = (int32_t)(w * 32) + bit;
    }
    if (n != 1)
        note->only = -1;
    note->n_text = n - note->n_ends;
}

static int32_t mask_make(sk_masks *k, sk_automaton *a, uint32_t state, mask_note **out,
                         sk_error *error)
{
    uint64_t size = sizeof(mask_note) + k->n_words * sizeof(uint32_t);
    mask_note *note = sk_alloc(k->heap, size, "token masks", error);
    if (!note)
        return SKALD_E_MEMORY;
    *note = (mask_note){0};
    memset(note->banned, 0xFF, (size_t)k->n_words * sizeof *note->banned);
    int32_t status = mask_walk(k, a, state, note, error);
    void **place = sk_automaton_note(a, state);
    if (status == SKALD_OK && !place)
        status = sk_fail(error, SKALD_E_MEMORY, "there is no memory for token masks");
    if (status < 0) {
        sk_free(k->heap, note);
        return status;
    }
    sk_automaton_tokens(a, state, mask_reference, &(mask_tokens){k, note});
    mask_count(k, note, sk_automaton_may_end(a, state));
    *place = *out = note;
    sk_automaton_count_note(a, size);
    return SKALD_OK;
}

int32_t sk_masks_get(sk_masks *k, sk_matcher *matcher, sk_mask *out, sk_error *error)
{
    sk_automaton *a;
    uint32_t state;
    int32_t status = sk_matcher_state(matcher, &a, &state, error);
    if (status < 0)
        return status;
    void **place = sk_automaton_note(a, state);
    mask_note *note = place ? *place : NULL;
    if (!note)
        status = mask_make(k, a, state, &note, error);
    if (status == SKALD_OK)
        *out = (sk_mask){note->n_text, note->n_ends, note->only, note->banned};
    return status;
}
