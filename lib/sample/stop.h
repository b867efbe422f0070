/* SPDX-License-Identifier: MIT */
/*
 * Stop strings in a stream of bytes: what may be shown already, and whether it is time to stop.
 *
 * Bytes are fed as they come. After each feed the last n_held bytes of the whole stream are not to
 * be shown: they may be the beginning of a stop string, or, once `stop` is not -1, they are it.
 * The first stop string to be complete wins, and of several that end at the same byte the longest.
 * How the stream is cut into feeds changes nothing.
 *
 * The matcher keeps no text, only how far into each stop string the stream's end reaches (Knuth,
 * Morris, Pratt), so that a byte costs, over a stream, a constant time per stop string whatever
 * the strings are, and feeding allocates nothing. The state follows from the stream's last
 * sk_stops_longest() - 1 bytes: to go back to an earlier place, reset and feed these again.
 */
#ifndef SK_SAMPLE_STOP_H
#define SK_SAMPLE_STOP_H

#include "base/alloc.h"

typedef struct sk_stops sk_stops;

typedef struct sk_stop_result {
    int64_t stop;    /* index of the stop string that is complete; -1: none */
    uint64_t n_used; /* bytes taken from this feed: all, or up to the end of the stop string */
    uint64_t n_held; /* bytes at the end of the stream, so far used, that are not to be shown */
} sk_stop_result;

/* A matcher of `n` strings, copied, which end in NUL; an empty one never matches. `heap` is
 * borrowed until it is freed. Errors: MEMORY. */
int32_t sk_stops_new(sk_stops **out, sk_heap *heap, const char *const *strings, uint64_t n,
                     sk_error *error);
void sk_stops_free(sk_stops *stops); /* NULL does nothing */

/* The bytes of the longest string, 0 if there is none: n_held never exceeds it, and is smaller
 * unless a stop string is complete. */
uint64_t sk_stops_longest(const sk_stops *stops);

/* A new stream begins. */
void sk_stops_reset(sk_stops *stops);

/* Takes the next `n` bytes of the stream, or fewer if a stop string ends in them. After a stop,
 * reset before the next feed. */
sk_stop_result sk_stops_feed(sk_stops *stops, const void *bytes, uint64_t n);

#endif
