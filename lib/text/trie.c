/* SPDX-License-Identifier: MIT */
/*
 * Linear probing at a load of at most one half. The hash is seeded by where the table lies, as
 * that of sk_strmap is: no file can be made whose texts all collide.
 */
#include "base/portable.h"

#include "text/trie.h"

static uint64_t trie_slot(const sk_trie *trie, uint32_t parent, uint32_t byte)
{
    uint64_t hash = (((uint64_t)parent << 8 | byte) ^ trie->seed) * 0x9E3779B97F4A7C15ULL;
    return hash >> 24;
}

static int32_t resize_slots(sk_trie *trie, sk_heap *heap, uint64_t size, sk_error *error)
{
    uint32_t *slots = sk_alloc_array(heap, size, sizeof *slots, "trie of tokens", error);
    if (!slots)
        return SKALD_E_MEMORY;
    sk_free(heap, trie->slots);
    trie->slots = slots;
    trie->mask = size - 1;
    trie->seed = (uint64_t)(uintptr_t)slots * 0xBF58476D1CE4E5B9ULL;
    for (uint64_t node = 1; node < trie->n; node++) {
        uint64_t i = trie_slot(trie, trie->nodes[node].parent, trie->nodes[node].byte);
        while (slots[i & trie->mask])
            i++;
        slots[i & trie->mask] = (uint32_t)node;
    }
    return SKALD_OK;
}

/* Appends a node that is not yet in the table. */
static int32_t add_trie_node(sk_trie *trie, sk_heap *heap, uint32_t parent, uint32_t byte,
                             sk_error *error)
{
    if (trie->n > INT32_MAX)
        return sk_fail(error, SKALD_E_CORRUPT, "the tokens make a trie of too many nodes");
    void *nodes = trie->nodes;
    int32_t status = sk_grow(heap, &nodes, &trie->capacity, trie->n + 1, sizeof *trie->nodes,
                             "trie of tokens", error);
    trie->nodes = nodes;
    if (status == SKALD_OK)
        trie->nodes[trie->n++] = (sk_trie_node){parent, byte, SK_TRIE_NONE};
    return status;
}

int32_t sk_trie_init(sk_trie *trie, sk_heap *heap, sk_error *error)
{
    *trie = (sk_trie){0};
    int32_t status = add_trie_node(trie, heap, 0, 0, error);
    return status < 0 ? status : resize_slots(trie, heap, 1024, error);
}

void sk_trie_free(sk_trie *trie, sk_heap *heap)
{
    sk_free(heap, trie->nodes);
    sk_free(heap, trie->slots);
    *trie = (sk_trie){0};
}

int32_t sk_trie_put(sk_trie *trie, sk_heap *heap, const uint8_t *text, uint64_t n, uint32_t value,
                    sk_error *error)
{
    uint32_t node = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t child = sk_trie_step(trie, node, text[i]);
        if (!child) {
            child = (uint32_t)trie->n;
            int32_t status = add_trie_node(trie, heap, node, text[i], error);
            if (status < 0)
                return status;
            uint64_t slot = trie_slot(trie, node, text[i]);
            while (trie->slots[slot & trie->mask])
                slot++;
            trie->slots[slot & trie->mask] = child;
            if (2 * trie->n > trie->mask &&
                (status = resize_slots(trie, heap, 2 * (trie->mask + 1), error)) < 0)
                return status;
        }
        node = child;
    }
    if (node)
        trie->nodes[node].value = value;
    return SKALD_OK;
}

uint32_t sk_trie_step(const sk_trie *trie, uint32_t node, uint8_t byte)
{
    for (uint64_t i = trie_slot(trie, node, byte);; i++) {
        uint32_t child = trie->slots[i & trie->mask];
        if (!child || (trie->nodes[child].parent == node && trie->nodes[child].byte == byte))
            return child;
    }
}

uint64_t sk_trie_longest(const sk_trie *trie, const uint8_t *p, const uint8_t *end, uint32_t *value)
{
    uint64_t longest = 0, n = 0;
    for (uint32_t node = 0; p + n < end && (node = sk_trie_step(trie, node, p[n])) != 0;) {
        n++;
        if (trie->nodes[node].value != SK_TRIE_NONE) {
            *value = trie->nodes[node].value;
            longest = n;
        }
    }
    return longest;
}
