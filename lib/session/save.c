/* SPDX-License-Identifier: MIT */
/*
 * Saving a context (saved.h has the format), to memory, a file or the host's writer. What is
 * written is never held as a whole: a section's size and checksum, which stand before it, are found
 * by going over it first. So the saver goes over all three times: to count, to sum up, to write.
 * Nothing of the context is changed, work in progress included.
 */
#include "base/portable.h"

#include "base/hash.h"
#include "base/replace.h"
#include "session/context_int.h"
#include "session/saved.h"

#include <string.h>

enum { SAVE_COUNT, SAVE_SUM, SAVE_WRITE };

typedef struct saver {
    int pass;
    int32_t (*put)(void *user, const void *bytes, size_t n); /* not 0: it failed */
    void *user;
    int32_t status; /* of put */
    uint64_t n;     /* bytes so far */
    uint64_t whole; /* bytes of all, when they were counted */
    uint64_t hash, begin;
    uint64_t size[SK_SAVED_N], sums[SK_SAVED_N]; /* of sections, by id */
    uint8_t staged[4096];
    size_t n_staged;
} saver;

/* Sections begin at multiples of 8 bytes, and so do stages: sums are of whole words. */
static void flush_stage(saver *s)
{
    if (s->pass == SAVE_SUM)
        for (size_t i = 0; i + 8 <= s->n_staged; i += 8)
            s->hash = sk_hash_word(s->hash, sk_le64(s->staged + i));
    if (s->pass == SAVE_WRITE && s->status == 0 && s->n_staged > 0)
        s->status = s->put(s->user, s->staged, s->n_staged);
    s->n_staged = 0;
}

static void save_bytes(saver *s, const void *bytes, uint64_t n)
{
    const uint8_t *from = bytes;
    s->n += n;
    while (s->pass != SAVE_COUNT && n > 0) {
        size_t room = sizeof s->staged - s->n_staged, piece = n < room ? (size_t)n : room;
        memcpy(s->staged + s->n_staged, from, piece);
        s->n_staged += piece;
        from += piece;
        n -= piece;
        if (s->n_staged == sizeof s->staged)
            flush_stage(s);
    }
}

static void save_piece(void *user, const void *bytes, uint64_t n)
{
    save_bytes(user, bytes, n);
}

static void save_u32(saver *s, uint32_t value)
{
    uint8_t bytes[4];
    sk_put_le32(bytes, value);
    save_bytes(s, bytes, sizeof bytes);
}

static void save_u64(saver *s, uint64_t value)
{
    uint8_t bytes[8];
    sk_put_le64(bytes, value);
    save_bytes(s, bytes, sizeof bytes);
}

static void save_text(saver *s, const char *text, uint64_t n)
{
    save_u32(s, (uint32_t)n);
    save_bytes(s, text, n);
    save_bytes(s, "", 1);
}

static void begin_section(saver *s, uint32_t id, bool optional)
{
    uint8_t header[16];
    sk_put_le32(header, id);
    sk_put_le32(header + 4, optional ? SK_SAVED_OPTIONAL : 0);
    sk_put_le64(header + 8, s->size[id]);
    save_bytes(s, header, sizeof header);
    save_u64(s, s->sums[id]);
    flush_stage(s);
    s->hash = sk_hash_bytes(SK_HASH_START, header, sizeof header);
    s->begin = s->n;
}

static void end_section(saver *s, uint32_t id)
{
    static const uint8_t zeros[8];
    s->size[id] = s->n - s->begin;
    save_bytes(s, zeros, (8 - s->size[id] % 8) % 8);
    flush_stage(s);
    s->sums[id] = sk_hash_word(sk_hash_word(s->hash, 0), s->n - s->begin);
}

static void save_model(saver *s, sk_context *ctx)
{
    const char *name = "";
    sk_error ignored;
    sk_model_get_string(ctx->model, "name", &name, &ignored);
    size_t n = strlen(name);
    if (ctx->fingerprint == 0)
        ctx->fingerprint = sk_state_fingerprint(ctx->model);
    begin_section(s, SK_SAVED_MODEL, false);
    save_u64(s, ctx->fingerprint);
    save_text(s, name, n < 255 ? n : 255);
    end_section(s, SK_SAVED_MODEL);
}

static void save_tokens(saver *s, const sk_context *ctx)
{
    begin_section(s, SK_SAVED_TOKENS, false);
    save_u64(s, (uint64_t)ctx->n_tokens);
    for (int64_t i = 0; i < ctx->n_tokens; i++)
        save_u32(s, (uint32_t)ctx->tokens[i]);
    end_section(s, SK_SAVED_TOKENS);
}

static void save_option(saver *s, const sk_options *options, int32_t id)
{
    const sk_option_info *info = sk_option_info_get(id);
    const sk_option_value *value = &options->values[id];
    save_u32(s, (uint32_t)info->type);
    save_text(s, info->key, strlen(info->key));
    if (info->type == SKALD_TYPE_INT) {
        save_u64(s, (uint64_t)sk_opt_int(options, id));
    } else if (info->type == SKALD_TYPE_FLOAT) {
        save_u64(s, sk_f64_bits(sk_opt_float(options, id)));
    } else {
        save_u32(s, (uint32_t)value->n_strings);
        for (uint64_t i = 0; i < value->n_strings; i++)
            save_text(s, value->strings[i], strlen(value->strings[i]));
    }
}

static void save_options(saver *s, const sk_context *ctx)
{
    uint32_t n = 0;
    for (int32_t id = 0; id < SK_N_OPTIONS; id++)
        n += (sk_option_info_get(id)->flags & SK_OPTION_LIVE) != 0;
    begin_section(s, SK_SAVED_OPTIONS, false);
    save_u32(s, n);
    for (int32_t id = 0; id < SK_N_OPTIONS; id++)
        if (sk_option_info_get(id)->flags & SK_OPTION_LIVE)
            save_option(s, &ctx->options, id);
    end_section(s, SK_SAVED_OPTIONS);
}

static void save_turn(saver *s, const sk_context *ctx)
{
    begin_section(s, SK_SAVED_TURN, false);
    save_u64(s, (uint64_t)ctx->n_predicted);
    save_u32(s, (uint32_t)ctx->stop);
    save_u32(s, ctx->ending);
    save_text(s, ctx->output.held, ctx->output.n_held);
    end_section(s, SK_SAVED_TURN);
}

/* Tokens whose cache is saved: never the last one's. */
static int64_t n_saved(const sk_context *ctx)
{
    int64_t n = ctx->n_evaluated < ctx->n_tokens ? ctx->n_evaluated : ctx->n_tokens - 1;
    return sk_state_reach(ctx->state, n);
}

static void save_cache(saver *s, const sk_context *ctx)
{
    int64_t n = n_saved(ctx);
    begin_section(s, SK_SAVED_CACHE, false);
    save_u32(s, SKALD_NUMERIC_VERSION);
    save_u32(s, 0);
    save_u64(s, sk_state_layout(ctx->state));
    save_u64(s, (uint64_t)n);
    if (s->pass == SAVE_COUNT)
        s->n += sk_state_save_size(ctx->state, n);
    else
        sk_state_save(ctx->state, n, save_piece, s);
    end_section(s, SK_SAVED_CACHE);
}

static void save_sampling(saver *s, const sk_sampler_state *state)
{
    save_u64(s, sk_f64_bits(state->mu));
    save_u64(s, sk_f64_bits(state->weight));
    save_u64(s, sk_f64_bits(state->total));
}

static void save_bound(saver *s, const sk_context *ctx)
{
    begin_section(s, SK_SAVED_BOUND, true);
    save_u64(s, (uint64_t)ctx->n_turn);
    save_sampling(s, &ctx->sampling);
    end_section(s, SK_SAVED_BOUND);
}

static void save_held(saver *s, const sk_context *ctx)
{
    const sk_output *output = &ctx->output;
    begin_section(s, SK_SAVED_HELD, output->n_tokens == 0 && ctx->n_vetoes == 0);
    save_u32(s, (uint32_t)output->n_tokens);
    for (uint64_t i = 0; i < output->n_tokens; i++) {
        save_u64(s, output->tokens[i].at);
        save_u64(s, output->tokens[i].free);
        save_sampling(s, &output->tokens[i].before);
    }
    save_u32(s, (uint32_t)ctx->n_vetoes);
    for (uint64_t i = 0; i < ctx->n_vetoes; i++) {
        save_u64(s, (uint64_t)ctx->vetoes[i].position);
        save_u64(s, (uint64_t)ctx->vetoes[i].token);
    }
    end_section(s, SK_SAVED_HELD);
}

/* By their texts: their numbers are of this version of the library. */
static void save_marks(saver *s, uint64_t marks)
{
    const char *format, *open;
    uint32_t n = 0;
    for (uint32_t i = 0; sk_reply_mark(i, &format, &open); i++)
        n += marks >> i & 1;
    save_u32(s, n);
    for (uint32_t i = 0; sk_reply_mark(i, &format, &open); i++) {
        if (!(marks >> i & 1))
            continue;
        save_text(s, format, strlen(format));
        save_text(s, open, strlen(open));
    }
}

static void save_reply(saver *s, const sk_context *ctx)
{
    const sk_chat_state *chat = &ctx->chat;
    begin_section(s, SK_SAVED_REPLY, chat->marks == 0 && chat->chat_marks == 0);
    save_u32(s, chat->chatting);
    save_marks(s, chat->chatting ? chat->chat_marks : 0);
    save_marks(s, chat->marks);
    save_u64(s, (uint64_t)chat->n_reasoned);
    save_u32(s, chat->cannot_end);
    save_u32(s, (uint32_t)(chat->n_forced - chat->forced_at));
    for (int32_t i = chat->forced_at; i < chat->n_forced; i++)
        save_u32(s, (uint32_t)chat->forced[i]);
    save_text(s, chat->prompt_end, chat->n_prompt_end);
    uint64_t n;
    const char *texts = sk_reply_texts(chat->reply, &n);
    save_text(s, texts, n);
    end_section(s, SK_SAVED_REPLY);
}

static void save_moved(saver *s, const sk_context *ctx)
{
    int64_t n = n_saved(ctx);
    begin_section(s, SK_SAVED_MOVED, ctx->n_exact == INT64_MAX);
    save_u64(s, (uint64_t)ctx->n_dropped);
    save_u64(s, (uint64_t)(ctx->n_settled < n ? ctx->n_settled : n));
    save_u64(s, ctx->n_exact == INT64_MAX ? UINT64_MAX : (uint64_t)ctx->n_exact);
    end_section(s, SK_SAVED_MOVED);
}

static void save_pair(saver *s, const sk_context *ctx)
{
    begin_section(s, SK_SAVED_PAIR, ctx->pooling.second == 0);
    save_u64(s, (uint64_t)ctx->pooling.second);
    end_section(s, SK_SAVED_PAIR);
}

static void save_all(saver *s, int pass, sk_context *ctx)
{
    uint8_t header[SK_SAVED_HEADER] = SK_SAVED_MAGIC;
    sk_put_le32(header + 8, SK_SAVED_VERSION);
    sk_put_le32(header + 12, SK_SAVED_N - 1);
    sk_put_le64(header + 16, s->whole);
    sk_put_le64(header + 24, sk_hash_bytes(SK_HASH_START, header, 24));
    s->pass = pass;
    s->n = 0;
    save_bytes(s, header, sizeof header);
    save_model(s, ctx);
    save_tokens(s, ctx);
    save_options(s, ctx);
    save_turn(s, ctx);
    save_bound(s, ctx);
    save_held(s, ctx);
    save_reply(s, ctx);
    save_moved(s, ctx);
    save_pair(s, ctx);
    save_cache(s, ctx);
    s->whole = s->n;
}

/* Counts what saving takes. */
static int32_t save_begin(saver *s, sk_context *ctx)
{
    memset(s, 0, sizeof *s);
    int32_t status = sk_model_check(ctx->model, &ctx->error);
    if (status < 0)
        return status;
    sk_state_shift_run(ctx->state, INT64_MAX);
    save_all(s, SAVE_COUNT, ctx);
    return SKALD_OK;
}

static void save_write(saver *s, sk_context *ctx,
                       int32_t (*put)(void *user, const void *bytes, size_t n), void *user)
{
    s->put = put;
    s->user = user;
    save_all(s, SAVE_SUM, ctx);
    save_all(s, SAVE_WRITE, ctx);
}

static int32_t put_memory(void *user, const void *bytes, size_t n)
{
    uint8_t **to = user;
    memcpy(*to, bytes, n);
    *to += n;
    return 0;
}

int32_t sk_context_save(sk_context *ctx, void *buffer, uint64_t size, uint64_t *needed)
{
    saver s;
    int32_t status = save_begin(&s, ctx);
    if (status < 0)
        return status;
    *needed = s.whole;
    if (s.whole > size)
        return sk_fail(&ctx->error, SKALD_E_BUFFER,
                       "the buffer has %llu bytes, the state takes %llu", (unsigned long long)size,
                       (unsigned long long)s.whole);
    save_write(&s, ctx, put_memory, (void *)&buffer);
    return SKALD_OK;
}

int32_t sk_context_save_writer(sk_context *ctx, const skald_writer *writer)
{
    saver s;
    if (writer->size < sizeof *writer || !writer->write)
        return sk_fail(&ctx->error, SKALD_E_ARGUMENT, "the writer table lacks write or its size");
    int32_t status = save_begin(&s, ctx);
    if (status < 0)
        return status;
    save_write(&s, ctx, writer->write, writer->user);
    return s.status == 0 ? SKALD_OK
                         : sk_fail(&ctx->error, SKALD_E_IO, "the host's writer failed with %d",
                                   (int)s.status);
}

static int32_t put_file(void *user, const void *bytes, size_t n)
{
    return sk_replace_write(user, bytes, n);
}

int32_t sk_context_save_file(sk_context *ctx, const char *path)
{
    saver s;
    sk_replace *file;
    int32_t status = save_begin(&s, ctx);
    if (status == SKALD_OK)
        status = sk_replace_open(&file, ctx->heap, path, &ctx->error);
    if (status < 0)
        return status;
    save_write(&s, ctx, put_file, file);
    return sk_replace_close(file, &ctx->error);
}
