/* SPDX-License-Identifier: MIT */
/* Saved states as the tests take them apart and put them together: lib/session/saved.h. */
#ifndef SK_STATE_BYTES_H
#define SK_STATE_BYTES_H

#include "session_test.h"

#include "base/hash.h"
#include "session/saved.h"

typedef struct state_bytes {
    uint8_t *data;
    size_t n, capacity;
} state_bytes;

static inline state_bytes state_of(skald_context *ctx)
{
    state_bytes s = {NULL, 0, 0};
    CHECK_INT(skald_state_save(ctx, NULL, 0, &s.n), SKALD_E_BUFFER);
    s.capacity = s.n + 4096;
    s.data = malloc(s.capacity);
    CHECK_INT(skald_state_save(ctx, s.data, s.n - 1, NULL), SKALD_E_BUFFER);
    CHECKF(skald_state_save(ctx, s.data, s.n, NULL) == 0, "%s", skald_error_message());
    return s;
}

static inline bool same_state(const state_bytes *a, const state_bytes *b)
{
    return a->n == b->n && memcmp(a->data, b->data, a->n) == 0;
}

/* Where section `id` begins, or 0. */
static inline size_t find_section(const state_bytes *s, uint32_t id)
{
    for (size_t at = SK_SAVED_HEADER; at + SK_SAVED_SECTION <= s->n;) {
        uint64_t size = (sk_le64(s->data + at + 8) + 7) / 8 * 8;
        if (sk_le32(s->data + at) == id)
            return at;
        if (size > s->n - at - SK_SAVED_SECTION)
            return 0;
        at += SK_SAVED_SECTION + (size_t)size;
    }
    return 0;
}

/* Makes size and checksums those of what is there, as far as the sections make sense. */
static inline void seal_state(state_bytes *s)
{
    if (s->n < SK_SAVED_HEADER)
        return;
    sk_put_le64(s->data + 16, s->n);
    sk_put_le64(s->data + 24, sk_hash_bytes(SK_HASH_START, s->data, 24));
    for (size_t at = SK_SAVED_HEADER; at + SK_SAVED_SECTION <= s->n;) {
        uint8_t *header = s->data + at;
        uint64_t size = sk_le64(header + 8);
        if (size > s->n || (size + 7) / 8 * 8 > s->n - at - SK_SAVED_SECTION)
            return;
        size = (size + 7) / 8 * 8;
        uint64_t hash = sk_hash_bytes(SK_HASH_START, header, 16);
        sk_put_le64(header + 16, sk_hash_bytes(hash, header + SK_SAVED_SECTION, size));
        at += SK_SAVED_SECTION + (size_t)size;
    }
}

#endif
