/* SPDX-License-Identifier: MIT */
/* The inside of a state, for model/ alone. */
#ifndef SK_MODEL_STATE_INT_H
#define SK_MODEL_STATE_INT_H

#include "model/cache.h"
#include "model/memory.h"
#include "model/state.h"

/* A kind of memory. */
typedef struct sk_part_kind {
    const char *name;
    /* Rows [first, n_tokens) are to be written; until they are, the first n_held hold what they
     * held. */
    int32_t (*reserve)(void *part, int64_t first, int64_t n_held, int64_t n_tokens,
                       sk_error *error);
    /* The same for rows that bytes are to be loaded into; NULL: as `reserve`, from 0 on. */
    int32_t (*prepare)(void *part, int64_t n_held, int64_t n_tokens, sk_error *error);
    /* The most tokens, up to n_tokens, that it can go back to; NULL: any. */
    int64_t (*reach)(const void *part, int64_t n_tokens);
    void (*truncate)(void *part, int64_t n_tokens); /* to what it can go back to */
    uint64_t (*bytes)(const void *part);
    /* What it takes of the heap at most with so many tokens, n_rows of them at once at most, the
     * heap's own part included. */
    uint64_t (*cost)(const void *part, int64_t n_tokens, int64_t n_rows);
    /* Another part that holds the first n_tokens tokens, and shares what it can. */
    int32_t (*fork)(void **out, const void *part, int64_t n_tokens, sk_error *error);
    /* Saving: what the bytes mean, as a hash; how many there are for so many tokens; to and from
     * bytes. What is loaded was reserved. */
    uint64_t (*layout)(const void *part, uint64_t hash);
    uint64_t (*save_size)(const void *part, int64_t n_tokens);
    void (*save)(const void *part, int64_t n_tokens, sk_put *put, void *user);
    void (*load)(void *part, int64_t n_tokens, const uint8_t *data);
    void (*free)(void *part); /* NULL does nothing */
} sk_part_kind;

#define SK_MAX_STATE_PARTS 3

/* Rows being moved up (shift.c): those from `first` on take what lies `n` rows behind. */
typedef struct sk_shift {
    int64_t first, n;
    int64_t n_head, n_done; /* heads of all layers, and those that are done; equal: no move */
    float *scratch;         /* owned while there is a move: a key, and the angles of its turn */
} sk_shift;

struct sk_state {
    sk_heap *heap;         /* borrowed */
    const sk_model *model; /* borrowed */
    int64_t n_ctx;
    int64_t n_held;     /* tokens whose memory is complete */
    int64_t n_reserved; /* tokens that there is memory for */
    int64_t n_next;     /* a pass's count of the rows it was given */
    int32_t last_row;   /* the last of these, or -1 */
    int n_part;
    struct {
        const sk_part_kind *kind;
        void *data; /* owned */
    } parts[SK_MAX_STATE_PARTS];
    sk_cache *cache;   /* the part of that kind, NULL: none */
    sk_cache *window;  /* of the layers with windows, where they have one of their own; or NULL */
    sk_memory *memory; /* the same */
    sk_shift shift;
    const sk_adapters *adapters; /* of all its tokens; borrowed, NULL: none */
};

/* Where a cached layer is cached. */
sk_cache *sk_state_cache(const sk_state *state, int64_t kv);

#endif
