/* SPDX-License-Identifier: MIT */
/* Prompts from conversations, replies as events, and the end of reasoning: see dialogue.h. */
#include "base/portable.h"

#include "base/clock.h"
#include "session/context_int.h"

#include <string.h>

/* ---- prompts ------------------------------------------------------------------------------ */

static const char *own_template(const sk_model *model)
{
    const char *text = "";
    sk_error ignored;
    if (model)
        sk_model_get_string(model, "chat_template", &text, &ignored);
    return text;
}

static int64_t chat_now(const sk_options *options)
{
    int64_t now = sk_opt_int(options, SK_OPT_CHAT_NOW);
    return now < 0 ? sk_clock_now() : now;
}

int32_t sk_chat_text(const sk_model *model, const sk_options *options, sk_heap *heap,
                     const char *json, uint64_t n, sk_rendering *out, sk_error *error)
{
    sk_chat *chat;
    const sk_vocab *vocab = model ? sk_model_vocab(model) : NULL;
    int32_t status = sk_chat_new(&chat, heap, vocab, own_template(model),
                                 sk_opt_string(options, SK_OPT_CHAT_TEMPLATE), error);
    if (status == SKALD_OK)
        status = sk_chat_render(chat, heap, json, n, chat_now(options), out, NULL, error);
    sk_chat_free(chat);
    return status;
}

static int32_t chat_ready(sk_context *ctx)
{
    const sk_vocab *vocab = sk_model_vocab(ctx->model);
    if (!vocab)
        return sk_fail(&ctx->error, SKALD_E_TOKENIZER,
                       "the model has no vocabulary: give token ids instead of a conversation");
    if (ctx->chat.chat)
        return SKALD_OK;
    return sk_chat_new(&ctx->chat.chat, ctx->heap, vocab, own_template(ctx->model),
                       sk_opt_string(&ctx->options, SK_OPT_CHAT_TEMPLATE), &ctx->error);
}

/* The tokens of a prompt into `ids`, which has room for n_ctx: BOS in front where the model wants
 * it and the template did not write it. */
static int32_t prompt_tokens(sk_context *ctx, const sk_rendering *prompt, int32_t *ids,
                             uint64_t *n_ids)
{
    int32_t bos;
    bool wanted = sk_context_wants_bos(ctx, sk_model_vocab(ctx->model), &bos);
    uint64_t room = (uint64_t)ctx->n_ctx - 1;
    int32_t status =
        sk_chat_tokenize(ctx->chat.chat, ctx->heap, prompt, ids + 1, room, n_ids, &ctx->error);
    if (status == SKALD_E_BUFFER)
        return sk_fail(&ctx->error, SKALD_E_CONTEXT_FULL,
                       "the conversation has %llu tokens, the context holds %lld (n_ctx)",
                       (unsigned long long)*n_ids, (long long)ctx->n_ctx);
    if (status < 0)
        return status;
    if (wanted && (*n_ids == 0 || ids[1] != bos)) {
        ids[0] = bos;
        (*n_ids)++;
    } else {
        memmove(ids, ids + 1, (size_t)*n_ids * sizeof *ids);
    }
    return SKALD_OK;
}

static int32_t set_prompt(sk_context *ctx, const sk_rendering *prompt, const sk_buffer *texts)
{
    uint64_t n_ids = 0;
    int32_t *ids = sk_alloc_array(ctx->heap, (uint64_t)ctx->n_ctx, sizeof *ids,
                                  "tokens of a conversation", &ctx->error);
    if (!ids)
        return SKALD_E_MEMORY;
    int32_t status = prompt_tokens(ctx, prompt, ids, &n_ids);
    if (status == SKALD_OK)
        status = sk_reply_set_texts(ctx->chat.reply, texts->data, texts->n, &ctx->error);
    if (status == SKALD_OK)
        status = sk_context_set_tokens(ctx, ids, n_ids);
    if (status == SKALD_OK) {
        ctx->chat.chatting = true;
        ctx->chat.chat_marks = sk_reply_marks_in(ctx->chat.chat->text, ctx->chat.chat->n_text);
        sk_context_begin_reply(ctx, prompt->text, prompt->n);
    }
    sk_free(ctx->heap, ids);
    return status;
}

int32_t sk_context_set_chat(sk_context *ctx, const char *json, uint64_t n)
{
    sk_rendering prompt = {0};
    sk_buffer texts;
    sk_buffer_init(&texts, ctx->heap, 0);
    int32_t status = chat_ready(ctx);
    if (status == SKALD_OK)
        status = sk_chat_render(ctx->chat.chat, ctx->heap, json, n, chat_now(&ctx->options),
                                &prompt, &texts, &ctx->error);
    if (status == SKALD_OK)
        status = set_prompt(ctx, &prompt, &texts);
    sk_buffer_free(&texts);
    sk_rendering_free(&prompt, ctx->heap);
    return status;
}

/* ---- replies ------------------------------------------------------------------------------ */

static const char *reply_format(const sk_context *ctx)
{
    return sk_opt_string(&ctx->options, SK_OPT_REPLY_FORMAT);
}

int32_t sk_context_check_format(sk_context *ctx)
{
    uint64_t marks;
    bool known = strcmp(reply_format(ctx), "auto") == 0;
    return known ? SKALD_OK : sk_reply_marks_named(reply_format(ctx), &marks, &ctx->error);
}

void sk_context_begin_reply(sk_context *ctx, const char *prompt, uint64_t n)
{
    sk_chat_state *s = &ctx->chat;
    sk_error ignored;
    s->marks = 0;
    if (strcmp(reply_format(ctx), "auto") != 0)
        sk_reply_marks_named(reply_format(ctx), &s->marks, &ignored);
    else if (s->chatting)
        s->marks = s->chat_marks;
    s->n_reasoned = 0;
    s->n_forced = s->forced_at = 0;
    s->cannot_end = false;
    while (n > 0 && strchr(" \t\n\v\f\r", prompt[n - 1]))
        n--;
    s->n_prompt_end = n < SK_PROMPT_END ? (uint32_t)n : SK_PROMPT_END;
    memcpy(s->prompt_end, prompt + (n - s->n_prompt_end), s->n_prompt_end);
    sk_reply_begin(s->reply, s->marks, prompt, n);
    s->awaited = sk_reply_answer_after(s->reply);
}

int32_t sk_context_reserve_reply(sk_context *ctx)
{
    return sk_reply_reserve(ctx->chat.reply, ctx->output.capacity, &ctx->error);
}

void sk_context_feed_reply(sk_context *ctx, bool end)
{
    sk_chat_state *s = &ctx->chat;
    sk_reply_feed(s->reply, ctx->output.text ? ctx->output.text : "", ctx->output.n_text);
    s->n_reasoned += sk_reply_thinking_end(s->reply) != NULL;
    if (end)
        sk_reply_finish(s->reply);
}

/* While they were held back the reader saw nothing: all were of what it is in now. */
void sk_context_unreason(sk_context *ctx, int64_t n)
{
    sk_chat_state *s = &ctx->chat;
    if (sk_reply_thinking_end(s->reply))
        s->n_reasoned -= n < s->n_reasoned ? n : s->n_reasoned;
    s->n_forced = s->forced_at = 0;
}

int32_t sk_context_event(sk_context *ctx, const char **text, uint64_t *n)
{
    int32_t kind = sk_context_drop_event(ctx, text, n);
    return kind ? kind : sk_reply_next(ctx->chat.reply, text, n);
}

/* ---- the budget of reasoning -------------------------------------------------------------- */

/* Prepares the tokens that end the reasoning. Where they are too many, it goes on. */
static void force_end(sk_context *ctx, const char *text)
{
    sk_chat_state *s = &ctx->chat;
    uint64_t n = 0;
    sk_error ignored;
    int32_t status = sk_tokenize(sk_model_vocab(ctx->model), ctx->heap, text, strlen(text),
                                 SKALD_PARSE_SPECIAL, s->forced, SK_FORCED_MAX, &n, &ignored);
    s->n_forced = status == SKALD_OK ? (int32_t)n : 0;
    s->forced_at = 0;
}

int32_t sk_context_forced_token(sk_context *ctx)
{
    sk_chat_state *s = &ctx->chat;
    int64_t budget = sk_opt_int(&ctx->options, SK_OPT_REASONING_BUDGET);
    const char *end = sk_reply_thinking_end(s->reply);
    /* Not in the middle of a code point, which would be lost. */
    if (end && budget >= 0 && !s->cannot_end && s->n_reasoned >= budget &&
        s->forced_at == s->n_forced && ctx->output.n_held == 0)
        force_end(ctx, end);
    return s->forced_at < s->n_forced ? s->forced[s->forced_at++] : -1;
}

bool sk_context_unforce(sk_context *ctx)
{
    sk_chat_state *s = &ctx->chat;
    if (s->n_forced == 0 || s->cannot_end)
        return false;
    s->n_forced = s->forced_at = 0;
    s->cannot_end = true;
    return true;
}
