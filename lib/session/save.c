/* SPDX-License-Identifier: MIT */
/*
 * Saving a context (saved.h has the format). The writer runs twice: to count, and, when the buffer
 * is large enough, to write. Nothing of the context is changed, work in progress included.
 */
#include "base/portable.h"

#include "base/hash.h"
#include "session/context_int.h"
#include "session/saved.h"

#include <string.h>

typedef struct saver {
    uint8_t *data; /* NULL: only count */
    uint64_t n;    /* bytes so far */
    uint64_t section;
} saver;

static void save_bytes(saver *s, const void *bytes, uint64_t n)
{
    if (s->data && n > 0)
        memcpy(s->data + s->n, bytes, (size_t)n);
    s->n += n;
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
    s->section = s->n;
    save_u32(s, id);
    save_u32(s, optional ? SK_SAVED_OPTIONAL : 0);
    save_u64(s, 0); /* size and checksum: see end_section */
    save_u64(s, 0);
}

static void end_section(saver *s)
{
    static const uint8_t zeros[8];
    uint64_t size = s->n - s->section - SK_SAVED_SECTION;
    save_bytes(s, zeros, (8 - size % 8) % 8);
    if (!s->data)
        return;
    uint8_t *header = s->data + s->section;
    sk_put_le64(header + 8, size);
    uint64_t hash = sk_hash_bytes(SK_HASH_START, header, 16);
    hash = sk_hash_bytes(hash, header + SK_SAVED_SECTION, s->n - s->section - SK_SAVED_SECTION);
    sk_put_le64(header + 16, hash);
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
    end_section(s);
}

static void save_tokens(saver *s, const sk_context *ctx)
{
    begin_section(s, SK_SAVED_TOKENS, false);
    save_u64(s, (uint64_t)ctx->n_tokens);
    for (int64_t i = 0; i < ctx->n_tokens; i++)
        save_u32(s, (uint32_t)ctx->tokens[i]);
    end_section(s);
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
    end_section(s);
}

static void save_turn(saver *s, const sk_context *ctx)
{
    begin_section(s, SK_SAVED_TURN, false);
    save_u64(s, (uint64_t)ctx->n_predicted);
    save_u32(s, (uint32_t)ctx->stop);
    save_u32(s, ctx->ending);
    save_text(s, ctx->output.held, ctx->output.n_held);
    end_section(s);
}

static void save_cache(saver *s, const sk_context *ctx)
{
    int64_t n = ctx->n_evaluated < ctx->n_tokens ? ctx->n_evaluated : ctx->n_tokens - 1;
    n = sk_state_reach(ctx->state, n);
    begin_section(s, SK_SAVED_CACHE, false);
    save_u32(s, SKALD_NUMERIC_VERSION);
    save_u32(s, 0);
    save_u64(s, sk_state_layout(ctx->state));
    save_u64(s, (uint64_t)n);
    if (s->data)
        sk_state_save(ctx->state, n, s->data + s->n);
    s->n += sk_state_save_size(ctx->state, n);
    end_section(s);
}

static void save_bound(saver *s, const sk_context *ctx)
{
    begin_section(s, SK_SAVED_BOUND, true);
    save_u64(s, (uint64_t)ctx->n_turn);
    save_u64(s, sk_f64_bits(ctx->sampling.mu));
    save_u64(s, sk_f64_bits(ctx->sampling.weight));
    save_u64(s, sk_f64_bits(ctx->sampling.total));
    end_section(s);
}

static void save_moved(saver *s, const sk_context *ctx)
{
    begin_section(s, SK_SAVED_MOVED, ctx->n_exact == INT64_MAX);
    save_u64(s, (uint64_t)ctx->n_dropped);
    save_u64(s, (uint64_t)ctx->n_settled);
    save_u64(s, ctx->n_exact == INT64_MAX ? UINT64_MAX : (uint64_t)ctx->n_exact);
    end_section(s);
}

static void save_all(saver *s, sk_context *ctx)
{
    save_bytes(s, SK_SAVED_MAGIC, 8);
    save_u32(s, SK_SAVED_VERSION);
    save_u32(s, SK_SAVED_N - 1);
    save_u64(s, 0); /* size and checksum: below */
    save_u64(s, 0);
    save_model(s, ctx);
    save_tokens(s, ctx);
    save_options(s, ctx);
    save_turn(s, ctx);
    save_bound(s, ctx);
    save_moved(s, ctx);
    save_cache(s, ctx);
    if (!s->data)
        return;
    sk_put_le64(s->data + 16, s->n);
    sk_put_le64(s->data + 24, sk_hash_bytes(SK_HASH_START, s->data, 24));
}

int32_t sk_context_save(sk_context *ctx, void *buffer, uint64_t size, uint64_t *needed)
{
    saver s = {NULL, 0, 0};
    int32_t status = sk_model_check(ctx->model, &ctx->error);
    if (status < 0)
        return status;
    sk_state_shift_run(ctx->state, INT64_MAX);
    save_all(&s, ctx);
    *needed = s.n;
    if (s.n > size)
        return sk_fail(&ctx->error, SKALD_E_BUFFER,
                       "the buffer has %llu bytes, the state takes %llu", (unsigned long long)size,
                       (unsigned long long)s.n);
    s = (saver){buffer, 0, 0};
    save_all(&s, ctx);
    return SKALD_OK;
}
