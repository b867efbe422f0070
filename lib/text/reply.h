/* SPDX-License-Identifier: MIT */
/*
 * What a model writes, told apart as it comes: text, reasoning, calls of tools.
 *
 * Every format is a few marks in one table (reply_marks.c): texts that open and close something,
 * and how calls are written between them. Which marks count follows from the template: those that
 * it mentions. A format is thus no state machine of its own; harmony alone has headers.
 *
 * The reader is total: whatever comes is cut into events, and what opens like a call and turns out
 * to be none is text, every byte of it. White space next to a mark belongs to the mark. Text and
 * reasoning come out as soon as they cannot be the beginning of a mark; a call when it is complete.
 * How the stream is split into pieces changes no event but the length of its pieces.
 *
 * Memory: what is held back, at most a mark's length and the white space before it, or a call.
 * Time: linear, but for calls without a closing mark, which are tried a few times.
 */
#ifndef SK_TEXT_REPLY_H
#define SK_TEXT_REPLY_H

#include "base/arena.h"
#include "format/json.h"

typedef struct sk_reply sk_reply;

/* The marks that a template mentions, a bit each. */
uint64_t sk_reply_marks_in(const char *text, uint64_t n);

/* The marks of formats by name, separated by commas: "text" (none), "all", "think", "hermes", ....
 * Errors: OPTION (the message names the nearest). */
int32_t sk_reply_marks_named(const char *names, uint64_t *marks, sk_error *error);

/* A mark of the table by its number, its format and how it opens; false: there are no more. */
bool sk_reply_mark(uint32_t i, const char **format, const char **open);

int32_t sk_reply_new(sk_reply **out, sk_heap *heap, sk_error *error);
void sk_reply_free(sk_reply *reply); /* NULL does nothing */
/* Adds to a buffer the arguments of tools, a list as in a conversation or NULL, that are texts:
 * pairs of a tool and its argument, each with a NUL behind it. Errors: MEMORY. */
int32_t sk_reply_find_texts(sk_buffer *pairs, const sk_json *tools, sk_error *error);
/* From now on these are texts, also where they look like JSON; copied. Errors: CORRUPT (no pairs),
 * MEMORY. */
int32_t sk_reply_set_texts(sk_reply *reply, const char *pairs, uint64_t n, sk_error *error);
/* What was set. */
const char *sk_reply_texts(const sk_reply *reply, uint64_t *n);

int32_t sk_reply_copy(sk_reply *to, const sk_reply *from, sk_error *error);

/* A new reply begins, behind this prompt, which may have opened reasoning already. */
void sk_reply_begin(sk_reply *reply, uint64_t marks, const char *prompt, uint64_t n);

/* Makes room for `n` more bytes, so that feeding them cannot fail. Errors: MEMORY. */
int32_t sk_reply_reserve(sk_reply *reply, uint64_t n, sk_error *error);

/* Takes what came, for which there is room; the events of the piece before are gone. A call for
 * which memory runs out is text. */
void sk_reply_feed(sk_reply *reply, const char *text, uint64_t n);

/* The same at the end of the reply: nothing is held back any more. Adds to the events of the last
 * piece; a second time it does nothing. */
void sk_reply_finish(sk_reply *reply);

/* The next event: SKALD_EVENT_..., or 0 when there is none. The text is a view until more is fed,
 * ended by a NUL; of a tool call it is JSON: {"id": ..., "name": ..., "arguments": {...}}. */
int32_t sk_reply_next(sk_reply *reply, const char **text, uint64_t *n);

/* Whether what comes now is reasoning; what a model writes to end it, else NULL. */
const char *sk_reply_thinking_end(const sk_reply *reply);

/* Where the answer, which is neither reasoning nor a call, begins: behind this text, that the model
 * has yet to write; NULL: here. Static. */
const char *sk_reply_answer_after(const sk_reply *reply);

#endif
