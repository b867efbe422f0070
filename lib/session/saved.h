/* SPDX-License-Identifier: MIT */
/*
 * A saved context, as bytes. All numbers are little-endian; sections are padded with zeros to a
 * multiple of 8 bytes.
 *
 *     header    "SKSTATE\n", u32 version, u32 number of sections, u64 size of the whole,
 *               u64 checksum of the 24 bytes before
 *     section   u32 id, u32 flags, u64 size of its content, u64 checksum of the 16 bytes before and
 *               of the padded content; then the content
 *
 *     MODEL     u64 fingerprint (sk_state_fingerprint), text: the model's name
 *     TOKENS    u64 n, n times i32
 *     OPTIONS   u32 n, n times: u32 SKALD_TYPE_..., text key, and i64, or f64, or u32 n, n texts.
 *               All options that a living context can change, the seed among them
 *     TURN      i64 n_predicted, u32 stop, u32 ending, text: bytes held back from the output
 *     CACHE     u32 numeric version, u32 0, u64 layout (sk_state_layout), u64 n_tokens, then that
 *               many tokens' bytes (sk_state_save)
 *     BOUND     i64 n: the last n tokens are what a grammar has read; 3 f64: the sampler's state;
 *               may be passed over: n is then n_predicted, the state that of a beginning
 *     MOVED     u64 n_dropped, u64 n_settled, u64 n_exact (2^64 - 1: all): see edit.c; may be
 *               passed over where nothing of the cache was moved
 *     PAIR      u64 the first token of the second of two texts, 0: there is none; may be passed over
 *               then
 *     HELD      u32 n, for each token that is held back u64 where its text begins, u64 whether it
 *               was chosen freely, f64 mu, weight, total before it; u32 n, for each veto u64
 *               position, u64 token (see banned.c); may be passed over where both are 0
 *     REPLY     u32 whether all began as a conversation; the marks that its template mentions, and
 *               those of the reply: u32 n, for each text format, text how it opens; i64 tokens of
 *               reasoning; u32 whether a grammar does not let it end; u32 n, i32 tokens that must
 *               come next; text: the end of the prompt; text: the arguments of tools that are
 *               texts; may be passed over where there are no marks
 *     text      u32 n, n bytes, a 0
 *
 * Every later version reads this. The first four sections are always there, each once; the cache is
 * believed only when model, numeric version and layout are the reader's own, and else made again
 * from the tokens. A section that is not known is an error unless its flags say that it may be
 * passed over. The last token is never in the cache: it is evaluated again for its logits.
 */
#ifndef SK_SESSION_SAVED_H
#define SK_SESSION_SAVED_H

#include "session/context.h"

#define SK_SAVED_MAGIC "SKSTATE\n"

enum {
    SK_SAVED_VERSION = 1,
    SK_SAVED_HEADER = 32,  /* bytes */
    SK_SAVED_SECTION = 24, /* bytes before a section's content */
    SK_SAVED_OPTIONAL = 1  /* flag: may be passed over by who does not know it */
};

enum {
    SK_SAVED_MODEL = 1,
    SK_SAVED_TOKENS,
    SK_SAVED_OPTIONS,
    SK_SAVED_TURN,
    SK_SAVED_CACHE,
    SK_SAVED_BOUND, /* optional */
    SK_SAVED_MOVED, /* optional where no row was moved */
    SK_SAVED_HELD,  /* optional where nothing is banned */
    SK_SAVED_REPLY, /* optional where replies have no marks */
    SK_SAVED_PAIR,  /* optional where there is none */
    SK_SAVED_N      /* ids end here */
};

/* Writes the context into `buffer` of `size` bytes; *needed is the size that it takes. Errors:
 * BUFFER, CHANGED. */
int32_t sk_context_save(sk_context *ctx, void *buffer, uint64_t size, uint64_t *needed);

/* The same to the host's writer, and to a file, which is replaced at once. Errors: ARGUMENT, IO,
 * NOT_FOUND, MEMORY, CHANGED. */
int32_t sk_context_save_writer(sk_context *ctx, const skald_writer *writer);
int32_t sk_context_save_file(sk_context *ctx, const char *path);

/* Makes the context what was saved. All is checked before anything is changed. Errors: TRUNCATED,
 * CORRUPT, VERSION, ARGUMENT (another model's), CONTEXT_FULL, OPTION, MEMORY, CHANGED. */
int32_t sk_context_load(sk_context *ctx, const void *data, uint64_t n);
/* The same from the host's reader or a file. Errors: those, IO, NOT_FOUND. */
int32_t sk_context_load_reader(sk_context *ctx, const skald_reader *reader);
int32_t sk_context_load_file(sk_context *ctx, const char *path);

#endif
