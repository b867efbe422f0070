/* SPDX-License-Identifier: MIT */
/*
 * Chats in a context: the template that its options ask for, the prompt of a conversation, and the
 * reader of what is written. The template is read when the first conversation is set, and kept.
 *
 * A reply's reader is fed what the output shows, so that stop strings and whole code points are
 * seen to already. A budget of reasoning is kept by choosing tokens in the model's place: those of
 * the text with which it would end its reasoning.
 */
#ifndef SK_SESSION_DIALOGUE_H
#define SK_SESSION_DIALOGUE_H

#include "session/context.h"
#include "text/chat.h"
#include "text/reply.h"

enum {
    SK_FORCED_MAX = 32, /* tokens of a text that ends reasoning */
    SK_PROMPT_END = 64  /* bytes of a prompt that its reply's reader may need again */
};

typedef struct sk_chat_state {
    sk_chat *chat;       /* owned; NULL: no conversation was set yet */
    sk_reply *reply;     /* owned */
    bool chatting;       /* the tokens began as a conversation */
    uint64_t chat_marks; /* that its template mentions */
    uint64_t marks;      /* of the reply that is being read */
    int64_t n_reasoned;  /* tokens of reasoning in this turn */
    const char *awaited; /* static: after which the answer of this turn begins; NULL: at once */
    char prompt_end[SK_PROMPT_END]; /* [n_prompt_end], without the white space behind it */
    uint32_t n_prompt_end;
    bool cannot_end; /* a grammar does not take what would end the reasoning */
    int32_t forced[SK_FORCED_MAX];
    int32_t n_forced, forced_at;
} sk_chat_state;

/* skald_set_chat. Errors: ARGUMENT, TEMPLATE, OPTION, TOKENIZER, CONTEXT_FULL, MEMORY. */
int32_t sk_context_set_chat(sk_context *ctx, const char *json, uint64_t n);

/* skald_chat_text: *out is owned by the caller, and from the model's heap. `model` may be NULL:
 * then `heap` serves. */
int32_t sk_chat_text(const sk_model *model, const sk_options *options, sk_heap *heap,
                     const char *json, uint64_t n, sk_rendering *out, sk_error *error);

/* The next event of the last step: SKALD_EVENT_..., or 0. */
int32_t sk_context_event(sk_context *ctx, const char **text, uint64_t *n);

/* For the other files of session/. A reply begins behind this text. */
void sk_context_begin_reply(sk_context *ctx, const char *prompt, uint64_t n);
/* Makes room for the events of one token. Errors: MEMORY. */
int32_t sk_context_reserve_reply(sk_context *ctx);
/* Feeds what the output shows; the room is there. */
void sk_context_feed_reply(sk_context *ctx, bool end);
/* Tokens that the output held back were taken back. */
void sk_context_unreason(sk_context *ctx, int64_t n);
/* The token that must come next, or -1. */
int32_t sk_context_forced_token(sk_context *ctx);
/* The grammar does not take the token that must come next: none must, in this turn. False: none had
 * to. */
bool sk_context_unforce(sk_context *ctx);
/* Whether the option "reply_format" says something that is known. Errors: OPTION. */
int32_t sk_context_check_format(sk_context *ctx);

#endif
