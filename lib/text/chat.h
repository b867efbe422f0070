/* SPDX-License-Identifier: MIT */
/*
 * From messages to a prompt: a conversation as JSON, rendered by a template, and the tokens of
 * that. The conversation is what chat servers are sent: a list of messages, or an object with the
 * members `messages`, `tools` and `vars` (variables for the template); others are ignored.
 *
 * The template is the model's own, or one by name (chat_builtin.c), or a text; a model without one
 * gets the built-in one whose marks its vocabulary has, or else chatml.
 *
 * What a message says is never taken for a mark of the format: jinja_origin.c tells its bytes from
 * the template's, and sk_guard keeps them apart in the tokeniser. Trusted besides the template are
 * the texts of BOS and EOS, and roles that are plain words, because many templates make a mark of
 * them ("<|" + role + "|>").
 *
 * Arguments of tool calls are strings in what servers are sent, and objects in what most templates
 * want. They are rendered as they were given; where that fails, or writes a string into a string,
 * strings that are JSON are rendered as objects.
 *
 * Nothing changes after sk_chat_new: several threads may render.
 */
#ifndef SK_TEXT_CHAT_H
#define SK_TEXT_CHAT_H

#include "base/options.h"
#include "text/jinja.h"

typedef struct sk_chat {
    sk_heap *heap;         /* borrowed */
    const sk_vocab *vocab; /* borrowed; NULL: text alone is made */
    sk_template *jinja;    /* owned */
    const char *text;      /* of the template; borrowed */
    uint64_t n_text;
    const char *name; /* "model", "option", or a built-in one's; static */
    uint64_t *barred; /* owned; NULL without a vocabulary */
} sk_chat;

/* `own` is the model's template, "" for none; `wanted` what the option "chat_template" says, "" for
 * nothing; both are borrowed by the chat. Errors: OPTION (no such name), TEMPLATE, MEMORY. */
int32_t sk_chat_new(sk_chat **out, sk_heap *heap, const sk_vocab *vocab, const char *own,
                    const char *wanted, sk_error *error);
void sk_chat_free(sk_chat *chat); /* NULL does nothing */

/* The name of the template that a model gets, "model" for its own. */
const char *sk_chat_default(const sk_vocab *vocab, const char *own);

/* Renders a conversation; `now` in seconds since 1970. *out is owned by the caller. `texts`: gets
 * what sk_reply_find_texts finds among its tools; NULL: that is not wanted. Errors: ARGUMENT (not a
 * conversation; the sentence says where), TEMPLATE, MEMORY. */
int32_t sk_chat_render(const sk_chat *chat, sk_heap *heap, const char *json, uint64_t n,
                       int64_t now, sk_rendering *out, sk_buffer *texts, sk_error *error);

/* The tokens of what was rendered. Errors: those of sk_tokenize_guarded. */
int32_t sk_chat_tokenize(const sk_chat *chat, sk_heap *heap, const sk_rendering *rendering,
                         int32_t *ids, uint64_t capacity, uint64_t *needed, sk_error *error);

/* ---- built-in templates (chat_builtin.c) -------------------------------------------------- */

typedef struct sk_chat_builtin {
    const char *name;
    const char *mark; /* a token that only vocabularies for this template have; NULL: none */
    const char *text;
} sk_chat_builtin;

extern const sk_chat_builtin sk_chat_builtins[]; /* ended by a NULL name; the first is chatml */

#endif
