/* SPDX-License-Identifier: MIT */
/*
 * Loading what was saved (saved.h has the format). The bytes are hostile. They are gone through
 * three times: sections and checksums; contents; then, when nothing is left that can fail, they
 * take effect. What is new and needs memory is made beside the old.
 */
#include "base/portable.h"

#include "base/checked.h"
#include "base/hash.h"
#include "base/source.h"
#include "session/context_int.h"
#include "session/saved.h"
#include "text/vocab.h"

#include <string.h>

/* Bytes to be read; once they have run out all numbers are 0 and all texts empty. */
typedef struct reader {
    const uint8_t *at;
    uint64_t left;
    bool bad; /* ran out, or a text that is none */
} reader;

/* What was found, all of it views. */
typedef struct saved {
    reader sections[SK_SAVED_N]; /* contents by id; `at` is NULL when there is none */
    uint64_t n_tokens;
    const uint8_t *tokens;
    int64_t n_predicted, n_turn, n_dropped, n_settled, n_exact, second;
    sk_sampler_state sampling;
    int32_t stop;
    bool ending;
    const char *held;
    uint64_t n_held;
    reader held_tokens, vetoes; /* at the first of each */
    uint32_t n_held_tokens, n_vetoes;
    sk_chat_state chat; /* the reader apart */
    const char *prompt_end, *texts;
    uint64_t n_texts;
    int64_t n_cached; /* tokens in the cache that is believed */
    const uint8_t *cache;
} saved;

/* ---- Reading -------------------------------------------------------------------------------- */

static const uint8_t *read_raw(reader *r, uint64_t n)
{
    const uint8_t *at = r->at;
    r->bad = r->bad || n > r->left;
    if (r->bad)
        return NULL;
    r->at += n;
    r->left -= n;
    return at;
}

static uint32_t read_u32(reader *r)
{
    const uint8_t *at = read_raw(r, 4);
    return at ? sk_le32(at) : 0;
}

static uint64_t read_u64(reader *r)
{
    const uint8_t *at = read_raw(r, 8);
    return at ? sk_le64(at) : 0;
}

/* Bytes with a 0 behind them; without one among them if it is a `string`. */
static const char *read_bytes(reader *r, bool string, uint64_t *n)
{
    *n = read_u32(r);
    const uint8_t *at = read_raw(r, *n + 1);
    if (at && (at[*n] != 0 || (string && strlen((const char *)at) != *n)))
        r->bad = true;
    if (!r->bad)
        return (const char *)at;
    *n = 0;
    return "";
}

static int32_t fail_corrupt(sk_context *ctx, const char *what)
{
    return sk_fail(&ctx->error, SKALD_E_CORRUPT, "saved state: %s", what);
}

/* Whether a section was read to its end, and not beyond. */
static int32_t end_content(sk_context *ctx, const reader *r, const char *name)
{
    if (!r->bad && r->left == 0)
        return SKALD_OK;
    return sk_fail(&ctx->error, SKALD_E_CORRUPT, "saved state: the section of %s is malformed",
                   name);
}

/* ---- Sections ------------------------------------------------------------------------------- */

/* Of a state of `n` bytes; no memory is taken for what does not begin as one. */
static int32_t check_header(sk_context *ctx, const uint8_t *data, uint64_t n)
{
    if (n < SK_SAVED_HEADER)
        return sk_fail(&ctx->error, SKALD_E_TRUNCATED, "saved state: it has only %llu bytes",
                       (unsigned long long)n);
    if (memcmp(data, SK_SAVED_MAGIC, 8) != 0)
        return fail_corrupt(ctx, "it does not begin as one");
    if (sk_hash_bytes(SK_HASH_START, data, 24) != sk_le64(data + 24))
        return fail_corrupt(ctx, "the header's checksum is wrong");
    if (sk_le32(data + 8) != SK_SAVED_VERSION)
        return sk_fail(&ctx->error, SKALD_E_VERSION,
                       "saved state: it has version %u, this library reads version %d",
                       sk_le32(data + 8), SK_SAVED_VERSION);
    uint64_t size = sk_le64(data + 16);
    if (size > n)
        return sk_fail(&ctx->error, SKALD_E_TRUNCATED, "saved state: %llu of %llu bytes are there",
                       (unsigned long long)n, (unsigned long long)size);
    return size == n ? SKALD_OK : fail_corrupt(ctx, "bytes follow its end");
}

static int32_t read_section(sk_context *ctx, saved *s, reader *r)
{
    const uint8_t *header = read_raw(r, SK_SAVED_SECTION);
    uint64_t padded;
    if (!header || !sk_align_up(sk_le64(header + 8), 8, &padded))
        return fail_corrupt(ctx, "a section is cut off");
    uint64_t size = sk_le64(header + 8);
    const uint8_t *content = read_raw(r, padded);
    if (!content)
        return fail_corrupt(ctx, "a section is cut off");
    uint32_t id = sk_le32(header), flags = sk_le32(header + 4);
    uint64_t hash = sk_hash_bytes(SK_HASH_START, header, 16);
    if (sk_hash_bytes(hash, content, padded) != sk_le64(header + 16))
        return sk_fail(&ctx->error, SKALD_E_CORRUPT,
                       "saved state: the checksum of section %u is wrong", id);
    if (id == 0 || id >= SK_SAVED_N)
        return flags & SK_SAVED_OPTIONAL
                   ? SKALD_OK
                   : sk_fail(&ctx->error, SKALD_E_VERSION,
                             "saved state: section %u is not known to this library", id);
    if (s->sections[id].at)
        return sk_fail(&ctx->error, SKALD_E_CORRUPT, "saved state: section %u is there twice", id);
    s->sections[id] = (reader){content, size, false};
    return SKALD_OK;
}

static int32_t read_sections(sk_context *ctx, saved *s, const uint8_t *data, uint64_t n)
{
    int32_t status = check_header(ctx, data, n);
    if (status < 0)
        return status;
    reader r = {data + SK_SAVED_HEADER, n - SK_SAVED_HEADER, false};
    uint32_t n_sections = sk_le32(data + 12);
    for (uint32_t i = 0; i < n_sections && status == SKALD_OK; i++)
        status = read_section(ctx, s, &r);
    if (status == SKALD_OK && r.left > 0)
        return fail_corrupt(ctx, "it has more sections than it says");
    for (int id = SK_SAVED_MODEL; id < SK_SAVED_CACHE && status == SKALD_OK; id++)
        if (!s->sections[id].at)
            return sk_fail(&ctx->error, SKALD_E_CORRUPT, "saved state: section %d is missing", id);
    return status;
}

/* ---- Contents ------------------------------------------------------------------------------- */

static int32_t check_model(sk_context *ctx, const saved *s)
{
    reader r = s->sections[SK_SAVED_MODEL];
    uint64_t fingerprint = read_u64(&r), n;
    const char *name = read_bytes(&r, true, &n), *own = "";
    int32_t status = end_content(ctx, &r, "the model");
    sk_error ignored;
    if (status < 0)
        return status;
    if (ctx->fingerprint == 0)
        ctx->fingerprint = sk_state_fingerprint(ctx->model);
    if (fingerprint == ctx->fingerprint)
        return SKALD_OK;
    sk_model_get_string(ctx->model, "name", &own, &ignored);
    return sk_fail(&ctx->error, SKALD_E_ARGUMENT,
                   "saved state: it is of the model \"%.*s\" (fingerprint %llx), not of \"%s\" "
                   "(fingerprint %llx)",
                   (int)(n < 255 ? n : 255), name, (unsigned long long)fingerprint, own,
                   (unsigned long long)ctx->fingerprint);
}

static int32_t check_saved_tokens(sk_context *ctx, saved *s)
{
    reader r = s->sections[SK_SAVED_TOKENS];
    s->n_tokens = read_u64(&r);
    uint64_t size;
    if (!sk_mul(s->n_tokens, 4, &size))
        return fail_corrupt(ctx, "it has more tokens than there are bytes");
    s->tokens = read_raw(&r, size);
    int32_t status = end_content(ctx, &r, "tokens");
    if (status < 0)
        return status;
    for (uint64_t i = 0; i < s->n_tokens; i++)
        if (sk_le32(s->tokens + 4 * i) >= (uint64_t)ctx->n_vocab)
            return sk_fail(&ctx->error, SKALD_E_CORRUPT,
                           "saved state: token %llu is %d, wanted 0 to %lld", (unsigned long long)i,
                           (int32_t)sk_le32(s->tokens + 4 * i), (long long)ctx->n_vocab - 1);
    if (s->n_tokens > (uint64_t)ctx->n_ctx)
        return sk_fail(&ctx->error, SKALD_E_CONTEXT_FULL,
                       "saved state: its %llu tokens do not fit the context's %lld (n_ctx)",
                       (unsigned long long)s->n_tokens, (long long)ctx->n_ctx);
    return SKALD_OK;
}

static int32_t check_turn(sk_context *ctx, saved *s)
{
    reader r = s->sections[SK_SAVED_TURN];
    uint64_t n_predicted = read_u64(&r);
    uint32_t stop = read_u32(&r), ending = read_u32(&r);
    s->held = read_bytes(&r, false, &s->n_held);
    int32_t status = end_content(ctx, &r, "the turn");
    if (status < 0)
        return status;
    if (n_predicted > INT64_MAX || stop > SK_STOP_TIME || ending > 1)
        return fail_corrupt(ctx, "how generation stands makes no sense");
    s->n_predicted = (int64_t)n_predicted;
    s->stop = (int32_t)stop;
    s->ending = ending != 0;
    return SKALD_OK;
}

static bool read_sampling(reader *r, sk_sampler_state *state)
{
    double *numbers[] = {&state->mu, &state->weight, &state->total};
    bool good = true;
    for (int i = 0; i < 3; i++) {
        *numbers[i] = sk_f64_from_bits(read_u64(r));
        good = good && *numbers[i] > -1e300 && *numbers[i] < 1e300;
    }
    return good;
}

static bool read_held_token(reader *r, sk_held_token *token)
{
    token->at = read_u64(r);
    uint64_t free = read_u64(r);
    token->free = free != 0;
    return read_sampling(r, &token->before) && free <= 1;
}

static int32_t check_held(sk_context *ctx, saved *s)
{
    static const char wrong[] = "what is held back makes no sense";
    reader r = s->sections[SK_SAVED_HELD];
    uint64_t last = 0;
    sk_held_token token;
    if (!r.at)
        return SKALD_OK;
    s->n_held_tokens = read_u32(&r);
    s->held_tokens = r;
    if (s->n_held_tokens > 0 && s->n_held_tokens >= s->n_tokens)
        return fail_corrupt(ctx, wrong);
    for (uint32_t i = 0; i < s->n_held_tokens; i++, last = token.at)
        if (!read_held_token(&r, &token) || token.at < last || token.at > s->n_held)
            return fail_corrupt(ctx, wrong);
    s->n_vetoes = read_u32(&r);
    s->vetoes = r;
    for (uint32_t i = 0; i < s->n_vetoes && !r.bad; i++)
        if (read_u64(&r) > INT64_MAX || read_u64(&r) >= (uint64_t)ctx->n_vocab)
            return fail_corrupt(ctx, wrong);
    return end_content(ctx, &r, "what is held back");
}

/* Marks that this version does not know are none. */
static uint64_t read_marks(reader *r)
{
    const char *format, *open;
    uint64_t marks = 0, size;
    uint32_t n = read_u32(r);
    for (uint32_t k = 0; k < n && !r->bad; k++) {
        const char *wanted = read_bytes(r, true, &size), *opening = read_bytes(r, true, &size);
        for (uint32_t i = 0; sk_reply_mark(i, &format, &open); i++)
            if (strcmp(format, wanted) == 0 && strcmp(open, opening) == 0)
                marks |= UINT64_C(1) << i;
    }
    return marks;
}

static int32_t check_reply(sk_context *ctx, saved *s)
{
    reader r = s->sections[SK_SAVED_REPLY];
    sk_chat_state *chat = &s->chat;
    uint64_t n_end;
    s->prompt_end = s->texts = "";
    if (!r.at)
        return SKALD_OK;
    uint32_t chatting = read_u32(&r);
    chat->chat_marks = read_marks(&r);
    chat->marks = read_marks(&r);
    uint64_t n_reasoned = read_u64(&r);
    uint32_t cannot_end = read_u32(&r), n_forced = read_u32(&r);
    if (chatting > 1 || cannot_end > 1 || n_forced > SK_FORCED_MAX || n_reasoned > INT64_MAX)
        return fail_corrupt(ctx, "how the reply stands makes no sense");
    chat->chatting = chatting != 0;
    chat->n_reasoned = (int64_t)n_reasoned;
    chat->cannot_end = cannot_end != 0;
    for (uint32_t i = 0; i < n_forced; i++) {
        uint32_t id = read_u32(&r);
        if (id >= (uint64_t)ctx->n_vocab)
            return fail_corrupt(ctx, "how the reply stands makes no sense");
        chat->forced[chat->n_forced++] = (int32_t)id;
    }
    s->prompt_end = read_bytes(&r, false, &n_end);
    if (n_end > SK_PROMPT_END)
        return fail_corrupt(ctx, "how the reply stands makes no sense");
    chat->n_prompt_end = (uint32_t)n_end;
    memcpy(chat->prompt_end, s->prompt_end, (size_t)n_end);
    s->texts = read_bytes(&r, false, &s->n_texts);
    return end_content(ctx, &r, "the reply");
}

static int32_t check_bound(sk_context *ctx, saved *s)
{
    reader r = s->sections[SK_SAVED_BOUND];
    uint64_t n = (uint64_t)s->n_predicted;
    s->n_turn = (int64_t)(n < s->n_tokens ? n : s->n_tokens);
    if (!r.at)
        return SKALD_OK;
    n = read_u64(&r);
    if (n > s->n_tokens)
        return fail_corrupt(ctx, "a grammar has read more tokens than there are");
    s->n_turn = (int64_t)n;
    if (!read_sampling(&r, &s->sampling))
        return fail_corrupt(ctx, "the sampler's state is no number");
    return end_content(ctx, &r, "the grammar");
}

static int32_t check_moved(sk_context *ctx, saved *s)
{
    reader r = s->sections[SK_SAVED_MOVED];
    s->n_exact = INT64_MAX;
    if (!r.at)
        return SKALD_OK;
    uint64_t n_dropped = read_u64(&r), n_settled = read_u64(&r), n_exact = read_u64(&r);
    if (n_dropped > INT64_MAX / 2 || n_settled > s->n_tokens ||
        (n_exact != UINT64_MAX && n_exact > s->n_tokens))
        return fail_corrupt(ctx, "what was dropped makes no sense");
    s->n_dropped = (int64_t)n_dropped;
    s->n_settled = (int64_t)n_settled;
    if (n_exact != UINT64_MAX)
        s->n_exact = (int64_t)n_exact;
    return end_content(ctx, &r, "what was dropped");
}

static int32_t check_pair(sk_context *ctx, saved *s)
{
    reader r = s->sections[SK_SAVED_PAIR];
    if (!r.at)
        return SKALD_OK;
    uint64_t second = read_u64(&r);
    if (second > s->n_tokens)
        return fail_corrupt(ctx, "the second of two texts begins behind the last token");
    s->second = (int64_t)second;
    return end_content(ctx, &r, "the pair");
}

/* A cache that is of another kind than ours is no error: the tokens are evaluated again. */
static int32_t check_cache(sk_context *ctx, saved *s)
{
    reader r = s->sections[SK_SAVED_CACHE];
    if (!r.at)
        return SKALD_OK;
    uint32_t numeric = read_u32(&r);
    read_u32(&r);
    uint64_t layout = read_u64(&r), n = read_u64(&r);
    if (r.bad || n > s->n_tokens || (n == s->n_tokens && n > 0))
        return fail_corrupt(ctx, "the section of the cache is malformed");
    if (numeric != SKALD_NUMERIC_VERSION || layout != sk_state_layout(ctx->state))
        return SKALD_OK;
    if (r.left != sk_state_save_size(ctx->state, (int64_t)n))
        return fail_corrupt(ctx, "the cache has another size than its tokens take");
    s->n_cached = (int64_t)n;
    s->cache = r.at;
    return SKALD_OK;
}

static int32_t read_strings(sk_context *ctx, sk_options *options, const char *key, reader *r)
{
    uint32_t n = read_u32(r);
    int32_t status = SKALD_OK;
    for (uint32_t i = 0; i < n && status == SKALD_OK && !r->bad; i++) {
        uint64_t length;
        const char *text = read_bytes(r, true, &length);
        if (!r->bad)
            status = sk_options_set_string(options, key, text, i > 0, &ctx->error);
    }
    return status;
}

static int32_t read_option(sk_context *ctx, sk_options *options, reader *r)
{
    uint64_t n;
    int32_t type = (int32_t)read_u32(r);
    const char *key = read_bytes(r, true, &n);
    if (r->bad)
        return SKALD_OK; /* the caller sees it */
    const sk_option_info *info = sk_option_info_get(sk_option_find(key));
    if (!info)
        return sk_fail(&ctx->error, SKALD_E_VERSION,
                       "saved state: the option \"%s\" is not known to this library", key);
    if (!(info->flags & SK_OPTION_LIVE) || type != info->type)
        return sk_fail(&ctx->error, SKALD_E_CORRUPT,
                       "saved state: the option \"%s\" does not belong into it so", key);
    if (type == SKALD_TYPE_INT)
        return sk_options_set_int(options, key, (int64_t)read_u64(r), &ctx->error);
    if (type == SKALD_TYPE_FLOAT)
        return sk_options_set_float(options, key, sk_f64_from_bits(read_u64(r)), &ctx->error);
    return read_strings(ctx, options, key, r);
}

/* The context's options with the living ones as they were saved. */
static int32_t read_options(sk_context *ctx, const saved *s, sk_options *options)
{
    reader r = s->sections[SK_SAVED_OPTIONS];
    uint32_t n = read_u32(&r);
    int32_t status = sk_options_copy(options, &ctx->options, &ctx->error);
    for (int32_t id = 0; id < SK_N_OPTIONS; id++)
        if (sk_option_info_get(id)->flags & SK_OPTION_LIVE)
            sk_options_unset(options, id);
    for (uint32_t i = 0; i < n && status == SKALD_OK && !r.bad; i++)
        status = read_option(ctx, options, &r);
    return status == SKALD_OK ? end_content(ctx, &r, "options") : status;
}

static int32_t check_saved(sk_context *ctx, saved *s, const uint8_t *data, uint64_t n)
{
    int32_t status = read_sections(ctx, s, data, n);
    if (status == SKALD_OK)
        status = check_model(ctx, s);
    if (status == SKALD_OK)
        status = check_saved_tokens(ctx, s);
    if (status == SKALD_OK)
        status = check_turn(ctx, s);
    if (status == SKALD_OK)
        status = check_bound(ctx, s);
    if (status == SKALD_OK)
        status = check_held(ctx, s);
    if (status == SKALD_OK)
        status = check_reply(ctx, s);
    if (status == SKALD_OK)
        status = check_moved(ctx, s);
    if (status == SKALD_OK)
        status = check_pair(ctx, s);
    return status == SKALD_OK ? check_cache(ctx, s) : status;
}

/* ---- Taking effect -------------------------------------------------------------------------- */

/* Nothing of this can fail. */
static void restore_tokens(sk_context *ctx, const saved *s)
{
    sk_context_ungroup(ctx);
    for (uint64_t i = 0; i < s->n_tokens; i++)
        ctx->tokens[i] = (int32_t)sk_le32(s->tokens + 4 * i);
    ctx->n_tokens = (int64_t)s->n_tokens;
    if (s->n_cached > 0)
        sk_state_load(ctx->state, s->n_cached, s->cache);
    else
        sk_state_truncate(ctx->state, 0);
    ctx->n_evaluated = ctx->n_reused = s->n_cached;
    ctx->draft.n_ahead = ctx->draft.n_again = 0;
    ctx->n_dropped = s->n_dropped;
    ctx->drop_n = 0;
    ctx->n_settled = s->n_settled < s->n_cached ? s->n_settled : s->n_cached;
    ctx->n_exact = s->n_exact < s->n_cached ? s->n_exact : INT64_MAX;
    ctx->n_logits = 0;
    ctx->pooling.n_kept = -1; /* its vectors are of other tokens */
    ctx->pooling.second = s->second;
    ctx->token = ctx->forced = -1;
    ctx->n_turn = s->n_turn;
    ctx->is_rewound = true;
    ctx->sampling = s->sampling;
    reader r = s->vetoes;
    ctx->n_vetoes = s->n_vetoes;
    for (uint64_t i = 0; i < ctx->n_vetoes; i++) {
        ctx->vetoes[i].position = (int64_t)read_u64(&r);
        ctx->vetoes[i].token = (int32_t)read_u64(&r);
    }
    ctx->turn_us = 0;
    ctx->n_predicted = s->n_predicted;
    ctx->stop = s->stop;
    ctx->ending = s->ending;
    sk_chat *chat = ctx->chat.chat;
    ctx->chat = s->chat;
    ctx->chat.chat = chat;
}

/* A reader of the reply, which has read again what was shown of this turn. */
static int32_t restore_reply(sk_context *ctx, saved *s)
{
    const sk_vocab *vocab = sk_model_vocab(ctx->model);
    sk_chat_state *chat = &s->chat;
    const char *ignored;
    uint64_t n, n_text = 0, n_fed = 0;
    int32_t status = sk_reply_new(&chat->reply, ctx->heap, &ctx->error);
    if (status < 0)
        return status;
    status = sk_reply_set_texts(chat->reply, s->texts, s->n_texts, &ctx->error);
    if (status < 0)
        return status;
    sk_reply_begin(chat->reply, chat->marks, chat->prompt_end, chat->n_prompt_end);
    chat->awaited = sk_reply_answer_after(chat->reply);
    for (int pass = 0; pass < 2 && vocab && chat->marks; pass++) {
        uint64_t n_shown = n_text > s->n_held ? n_text - s->n_held : 0;
        for (uint64_t i = s->n_tokens - (uint64_t)s->n_turn; i < s->n_tokens; i++) {
            int32_t token = (int32_t)sk_le32(s->tokens + 4 * i);
            const char *piece = sk_vocab_piece(vocab, token, true, &n);
            n = sk_vocab_is_end(vocab, token) ? 0 : n;
            n_text += n;
            if (pass == 0)
                continue;
            n = n < n_shown - n_fed ? n : n_shown - n_fed;
            n_fed += n;
            status = sk_reply_reserve(chat->reply, n, &ctx->error);
            if (status < 0)
                return status;
            sk_reply_feed(chat->reply, piece, n);
        }
    }
    if (s->ending)
        sk_reply_finish(chat->reply);
    while (sk_reply_next(chat->reply, &ignored, &n) != 0)
        ; /* what the host has heard */
    return SKALD_OK;
}

/* What is on its way out, in an output of its own. */
static int32_t restore_output(sk_context *ctx, const saved *s, const sk_options *options,
                              sk_output *output)
{
    int32_t status = sk_context_make_output(ctx, options, output);
    if (status < 0)
        return status;
    if (s->n_held > output->capacity || s->n_held_tokens > output->capacity ||
        ((s->n_held_tokens > 0 || s->n_vetoes > 0) && !output->bans))
        return fail_corrupt(ctx, "more text is held back than can be");
    reader r = s->held_tokens;
    for (uint32_t i = 0; i < s->n_held_tokens; i++)
        read_held_token(&r, &output->tokens[i]);
    sk_output_restore(output, s->held, s->n_held, output->tokens, s->n_held_tokens);
    return s->n_vetoes ? sk_context_reserve_vetoes(ctx, s->n_vetoes) : SKALD_OK;
}

static int32_t restore(sk_context *ctx, saved *s, sk_options *options, sk_output *output)
{
    int32_t status = read_options(ctx, s, options);
    if (status == SKALD_OK)
        status = restore_output(ctx, s, options, output);
    if (status == SKALD_OK)
        status = sk_state_prepare(ctx->state, s->n_cached, &ctx->error);
    sk_constraint *constraint = NULL;
    if (status == SKALD_OK)
        status = sk_context_make_constraint(ctx, options, &constraint);
    if (status == SKALD_OK)
        status = restore_reply(ctx, s);
    if (status == SKALD_OK)
        status = sk_context_swap_options(ctx, options);
    if (status < 0) {
        sk_reply_free(s->chat.reply);
        sk_constraint_free(constraint);
        return status;
    }
    sk_reply_free(ctx->chat.reply);
    sk_constraint_free(ctx->constraint);
    ctx->constraint = constraint;
    sk_output old = ctx->output;
    ctx->output = *output;
    *output = old;
    restore_tokens(ctx, s);
    return SKALD_OK;
}

int32_t sk_context_load(sk_context *ctx, const void *data, uint64_t n)
{
    saved s = {0};
    sk_output output;
    int32_t status = sk_model_check(ctx->model, &ctx->error);
    if (status == SKALD_OK)
        status = check_saved(ctx, &s, data, n);
    if (status < 0)
        return status;
    sk_options *options = sk_alloc(ctx->heap, sizeof *options, "options", &ctx->error);
    if (!options)
        return SKALD_E_MEMORY;
    sk_options_init(options, ctx->heap);
    sk_output_init(&output, ctx->heap);
    status = restore(ctx, &s, options, &output);
    sk_output_free(&output);
    sk_options_clear(options);
    sk_free(ctx->heap, options);
    return status;
}

/* ---- From elsewhere ---------------------------------------------------------------------------
 */

/* Bytes that nobody else can change while they are checked and used. */
static int32_t load_source(sk_context *ctx, sk_source *source)
{
    uint64_t n = sk_source_size(source);
    uint8_t header[SK_SAVED_HEADER], *data = NULL;
    uint64_t n_header = n < sizeof header ? n : sizeof header;
    int32_t status = sk_source_read(source, 0, header, n_header, &ctx->error);
    if (status == SKALD_OK)
        status = check_header(ctx, header, n);
    if (status == SKALD_OK && !(data = sk_alloc(ctx->heap, n, "a saved state", &ctx->error)))
        status = SKALD_E_MEMORY;
    if (status == SKALD_OK)
        status = sk_source_read(source, 0, data, n, &ctx->error);
    if (status == SKALD_OK)
        status = sk_context_load(ctx, data, n);
    sk_free(ctx->heap, data);
    sk_source_close(source);
    return status;
}

int32_t sk_context_load_reader(sk_context *ctx, const skald_reader *host)
{
    sk_source *source;
    int32_t status = sk_source_open_reader(&source, ctx->heap, host, &ctx->error);
    return status < 0 ? status : load_source(ctx, source);
}

int32_t sk_context_load_file(sk_context *ctx, const char *path)
{
    sk_source *source;
    int32_t status = sk_source_open_file(&source, ctx->heap, path, false, &ctx->error);
    return status < 0 ? status : load_source(ctx, source);
}
