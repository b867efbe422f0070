/* SPDX-License-Identifier: MIT */
/*
 * The boundary. Each public function checks its arguments, enters the contract's floating-point
 * environment where numbers are computed, calls the room that does the work, and publishes the
 * sentence of a failure to the thread's slot. Nothing else happens here.
 */
#include "base/portable.h"

#include "api_fail.h"
#include "base/dtype.h"
#include "base/fpenv.h"
#include "base/options.h"
#include "format/gguf.h"
#include "model/model.h"
#include "session/dialogue.h"
#include "session/context.h"
#include "session/estimate.h"
#include "session/embed.h"
#include "session/infill.h"
#include "session/saved.h"
#include "session/step.h"
#include "text/tokenize.h"

#include <math.h>
#include <string.h>

/* ---- Models --------------------------------------------------------------------------------- */

int32_t skald_estimate(const char *path, const skald_options *options, int64_t *costs, size_t n)
{
    sk_error error = {0, ""};
    sk_fpenv saved;
    if (!costs)
        return fail_null("costs");
    memset(costs, 0, n * sizeof *costs);
    sk_fpenv_enter(&saved);
    int32_t status = sk_estimate(path, options ? &options->set : NULL, costs, n, &error);
    sk_fpenv_leave(&saved);
    return publish(status, &error);
}

int32_t skald_model_open(const char *path, const skald_options *options, skald_model **out)
{
    sk_error error = {0, ""};
    sk_fpenv saved;
    if (!out)
        return fail_null("out");
    *out = NULL;
    sk_fpenv_enter(&saved);
    int32_t status = sk_model_open(out, path, options ? &options->set : NULL, &error);
    sk_fpenv_leave(&saved);
    return publish(status, &error);
}

int32_t skald_model_step(skald_model *model, int64_t budget_us)
{
    sk_fpenv saved;
    if (!model)
        return fail_null("model");
    sk_fpenv_enter(&saved);
    int32_t status = sk_model_step(model, budget_us);
    sk_fpenv_leave(&saved);
    if (status == SKALD_E_BUSY) /* its message belongs to the other call */
        return fail_here(status, "the model is being loaded by another call");
    return publish(status, sk_model_error(model));
}

int32_t skald_model_load(const char *path, const skald_options *options, skald_model **out)
{
    skald_model *model;
    if (!out)
        return fail_null("out");
    *out = NULL;
    int32_t status = skald_model_open(path, options, &model);
    if (status < 0)
        return status;
    do
        status = skald_model_step(model, -1);
    while (status == SKALD_PENDING);
    if (status < 0)
        skald_model_release(model);
    else
        *out = model;
    return status;
}

void skald_model_cancel(skald_model *model)
{
    if (model)
        sk_model_cancel(model);
}

void skald_model_retain(skald_model *model)
{
    if (model)
        sk_model_retain(model);
}

void skald_model_release(skald_model *model)
{
    if (model)
        sk_model_release(model);
}

const char *skald_model_message(const skald_model *model)
{
    return model ? sk_model_error(model)->text : "";
}

int32_t skald_model_get_int(const skald_model *model, const char *key, int64_t *value)
{
    sk_error error;
    if (!model || !key || !value)
        return fail_null(!model ? "model" : !key ? "key" : "value");
    *value = 0;
    return publish(sk_model_get_int(model, key, value, &error), &error);
}

int32_t skald_model_get_float(const skald_model *model, const char *key, double *value)
{
    sk_error error;
    if (!model || !key || !value)
        return fail_null(!model ? "model" : !key ? "key" : "value");
    *value = 0;
    return publish(sk_model_get_float(model, key, value, &error), &error);
}

int32_t skald_model_get_string(const skald_model *model, const char *key, const char **value)
{
    sk_error error;
    if (!model || !key || !value)
        return fail_null(!model ? "model" : !key ? "key" : "value");
    *value = NULL;
    return publish(sk_model_get_string(model, key, value, &error), &error);
}

/* The parsed file of a loaded model, or NULL and a STATE error. */
static const sk_gguf *loaded_file(const skald_model *model)
{
    if (model && sk_model_is_loaded(model))
        return sk_model_gguf(model);
    if (model)
        fail_here(SKALD_E_STATE, "the model is still loading");
    else
        fail_null("model");
    return NULL;
}

static int32_t not_loaded(const skald_model *model)
{
    return model ? SKALD_E_STATE : SKALD_E_ARGUMENT;
}

int32_t skald_model_metadata(const skald_model *model, int64_t index, const char **key,
                             const char **type)
{
    const sk_gguf *file = loaded_file(model);
    if (key)
        *key = NULL;
    if (type)
        *type = NULL;
    if (!file)
        return not_loaded(model);
    const sk_gguf_kv *kv = index >= 0 ? sk_gguf_kv_at(file, (uint64_t)index) : NULL;
    if (!kv)
        return fail_here(SKALD_E_NOT_FOUND, "there is no metadata entry of that index");
    if (key)
        *key = kv->key;
    if (type)
        *type = kv->type_name;
    return SKALD_OK;
}

/* A value of another type than the one asked for is the caller's mistake, not the file's. */
static int32_t as_asked(int32_t status)
{
    return status == SKALD_E_CORRUPT ? SKALD_E_ARGUMENT : status;
}

int32_t skald_model_metadata_int(const skald_model *model, const char *key, int64_t *value)
{
    const sk_gguf *file = loaded_file(model);
    sk_error error;
    if (value)
        *value = 0;
    if (!file)
        return not_loaded(model);
    if (!key || !value)
        return fail_null(key ? "value" : "key");
    return publish(as_asked(sk_gguf_get_int(file, key, INT64_MIN, INT64_MAX, value, &error)),
                   &error);
}

int32_t skald_model_metadata_float(const skald_model *model, const char *key, double *value)
{
    const sk_gguf *file = loaded_file(model);
    sk_error error;
    if (value)
        *value = 0;
    if (!file)
        return not_loaded(model);
    if (!key || !value)
        return fail_null(key ? "value" : "key");
    return publish(as_asked(sk_gguf_get_float(file, key, -INFINITY, INFINITY, value, &error)),
                   &error);
}

int32_t skald_model_metadata_string(const skald_model *model, const char *key, const char **value,
                                    size_t *n)
{
    const sk_gguf *file = loaded_file(model);
    sk_error error;
    if (value)
        *value = NULL;
    if (!file)
        return not_loaded(model);
    if (!key || !value || !n)
        return fail_null(!key ? "key" : !value ? "value" : "n");
    sk_gguf_string string = {NULL, 0};
    int32_t status = sk_gguf_get_string(file, key, &string, &error);
    *value = string.text;
    *n = (size_t)string.n;
    return publish(as_asked(status), &error);
}

int32_t skald_model_metadata_text(const skald_model *model, const char *key, char *buffer,
                                  size_t size, size_t *needed)
{
    const sk_gguf *file = loaded_file(model);
    if (needed)
        *needed = 0;
    if (!file)
        return not_loaded(model);
    if (!key || (!buffer && size > 0))
        return fail_null(key ? "buffer" : "key");
    const sk_gguf_kv *kv = sk_gguf_find(file, key);
    if (!kv)
        return fail_here(SKALD_E_NOT_FOUND, "the file has no such metadata key");
    uint64_t n = sk_gguf_kv_text(kv, buffer, size);
    if (needed)
        *needed = (size_t)n;
    return SKALD_OK;
}

int32_t skald_model_tensor(const skald_model *model, int64_t index, const char **name,
                           const char **type, int64_t shape[4], int64_t *n_bytes)
{
    const sk_gguf *file = loaded_file(model);
    if (!file)
        return not_loaded(model);
    const sk_gguf_tensor *tensor = index >= 0 ? sk_gguf_tensor_at(file, (uint64_t)index) : NULL;
    if (!tensor)
        return fail_here(SKALD_E_NOT_FOUND, "there is no tensor of that index");
    if (name)
        *name = tensor->name;
    if (type)
        *type = sk_dtype_get(tensor->dtype)->name;
    for (int i = 0; shape && i < 4; i++)
        shape[i] = (int64_t)tensor->ne[i];
    if (n_bytes)
        *n_bytes = (int64_t)tensor->size;
    return SKALD_OK;
}

/* ---- Tokens --------------------------------------------------------------------------------- */

/* The vocabulary of a loaded model, or NULL and an error in *status. */
static const sk_vocab *loaded_vocab(const skald_model *model, int32_t *status)
{
    const sk_vocab *vocab = loaded_file(model) ? sk_model_vocab(model) : NULL;
    *status = SKALD_OK;
    if (!model || !sk_model_is_loaded(model))
        *status = not_loaded(model);
    else if (!vocab)
        *status = fail_here(SKALD_E_TOKENIZER, "the model has no vocabulary");
    return vocab;
}

static int32_t check_token(const sk_vocab *vocab, int32_t token)
{
    sk_error error;
    int64_t n = sk_vocab_n(vocab);
    if (token >= 0 && token < n)
        return SKALD_OK;
    return publish(
        sk_fail(&error, SKALD_E_ARGUMENT, "token is %d, wanted 0 to %lld", token, (long long)n - 1),
        &error);
}

enum { TEXT_FLAGS = SKALD_ADD_SPECIAL | SKALD_PARSE_SPECIAL };

int32_t skald_tokenize(const skald_model *model, const char *text, int64_t n, int32_t flags,
                       int32_t *ids, size_t capacity, size_t *needed)
{
    uint64_t length, wanted = 0;
    int32_t status;
    sk_error error;
    if (needed)
        *needed = 0;
    const sk_vocab *vocab = loaded_vocab(model, &status);
    if (!vocab)
        return status;
    if (!text_length(text, n, &length))
        return fail_text(text);
    if (!ids && capacity > 0)
        return fail_null("ids");
    if (flags & ~TEXT_FLAGS)
        return fail_here(SKALD_E_ARGUMENT, "flags has unknown bits");
    status = sk_tokenize(vocab, sk_model_heap(model), text, length, flags, ids, capacity, &wanted,
                         &error);
    if (needed)
        *needed = (size_t)wanted;
    return publish(status, &error);
}

int32_t skald_detokenize(const skald_model *model, const int32_t *ids, size_t n, int32_t flags,
                         char *buffer, size_t size, size_t *needed)
{
    uint64_t wanted = 0;
    int32_t status;
    sk_error error;
    if (needed)
        *needed = 0;
    const sk_vocab *vocab = loaded_vocab(model, &status);
    if (!vocab)
        return status;
    if ((!ids && n > 0) || (!buffer && size > 0))
        return fail_null(!ids && n > 0 ? "ids" : "buffer");
    if (flags & ~(TEXT_FLAGS | SKALD_CLEAN_UP))
        return fail_here(SKALD_E_ARGUMENT, "flags has unknown bits");
    for (size_t i = 0; i < n; i++)
        if ((status = check_token(vocab, ids[i])) < 0)
            return status;
    status = sk_detokenize(vocab, ids, n, flags, buffer, size, &wanted, &error);
    if (needed)
        *needed = (size_t)wanted;
    return publish(status, &error);
}

int32_t skald_token_bytes(const skald_model *model, int32_t token, const char **bytes, size_t *n)
{
    int32_t status;
    uint64_t length;
    if (!bytes || !n)
        return fail_null(bytes ? "n" : "bytes");
    *bytes = NULL;
    *n = 0;
    const sk_vocab *vocab = loaded_vocab(model, &status);
    if (!vocab || (status = check_token(vocab, token)) < 0)
        return status;
    *bytes = sk_vocab_piece(vocab, token, true, &length);
    *n = (size_t)length;
    return SKALD_OK;
}

int32_t skald_token_flags(const skald_model *model, int32_t token, int32_t *flags)
{
    int32_t status;
    if (!flags)
        return fail_null("flags");
    *flags = 0;
    const sk_vocab *vocab = loaded_vocab(model, &status);
    if (!vocab || (status = check_token(vocab, token)) < 0)
        return status;
    *flags = sk_vocab_flags(vocab, token);
    return SKALD_OK;
}

/* ---- Adapters -------------------------------------------------------------------------------- */

int32_t skald_adapter_load(skald_model *model, const char *path, const skald_options *options,
                           skald_adapter **out)
{
    sk_error error = {0, ""};
    sk_fpenv saved;
    if (!out)
        return fail_null("out");
    *out = NULL;
    if (!model)
        return fail_null("model");
    sk_fpenv_enter(&saved);
    int32_t status = sk_adapter_load(out, model, path, options ? &options->set : NULL, &error);
    sk_fpenv_leave(&saved);
    return publish(status, &error);
}

void skald_adapter_retain(skald_adapter *adapter)
{
    sk_adapter_retain(adapter);
}

void skald_adapter_release(skald_adapter *adapter)
{
    sk_adapter_release(adapter);
}

int32_t skald_adapter_get_int(const skald_adapter *adapter, const char *key, int64_t *value)
{
    sk_error error;
    if (!adapter || !key || !value)
        return fail_null(!adapter ? "adapter" : !key ? "key" : "value");
    *value = 0;
    return publish(sk_adapter_get_int(adapter, key, value, &error), &error);
}

/* ---- Contexts ------------------------------------------------------------------------------- */

int32_t skald_context_new(skald_model *model, const skald_options *options, skald_context **out)
{
    sk_error error = {0, ""};
    sk_fpenv saved;
    if (!out)
        return fail_null("out");
    *out = NULL;
    if (!model)
        return fail_null("model");
    if (!sk_model_is_loaded(model))
        return fail_here(SKALD_E_STATE, "the model is still loading");
    sk_fpenv_enter(&saved);
    int32_t status = sk_context_new(out, model, options ? &options->set : NULL, &error);
    sk_fpenv_leave(&saved);
    return publish(status, &error);
}

void skald_context_free(skald_context *ctx)
{
    sk_context_free(ctx);
}

const char *skald_context_message(const skald_context *ctx)
{
    return ctx ? sk_context_error((skald_context *)(uintptr_t)ctx)->text : "";
}

/* Enters a context for a call; on failure the sentence is the thread's only, because the context
 * belongs to the other call. */
static int32_t claim(skald_context *ctx)
{
    if (!ctx)
        return fail_null("ctx");
    if (sk_context_enter(ctx) < 0)
        return fail_here(SKALD_E_BUSY, "the context is in use by another call");
    return SKALD_OK;
}

static int32_t let_go(skald_context *ctx, int32_t status)
{
    publish(status, sk_context_error(ctx));
    sk_context_leave(ctx);
    return status;
}

/* The same with the contract's floating-point environment. */
static int32_t enter(skald_context *ctx, sk_fpenv *saved)
{
    int32_t status = claim(ctx);
    if (status == SKALD_OK)
        sk_fpenv_enter(saved);
    return status;
}

static int32_t leave(skald_context *ctx, const sk_fpenv *saved, int32_t status)
{
    sk_fpenv_leave(saved);
    return let_go(ctx, status);
}

int32_t skald_set_adapters(skald_context *ctx, skald_adapter *const *adapters, const double *scales,
                           size_t n)
{
    sk_fpenv saved;
    int32_t status = adapters || n == 0 ? enter(ctx, &saved) : fail_null("adapters");
    return status < 0 ? status
                      : leave(ctx, &saved, sk_context_set_adapters(ctx, adapters, scales, n));
}

int32_t skald_context_fork(skald_context *ctx, skald_context **out)
{
    sk_fpenv saved;
    if (!out)
        return fail_null("out");
    *out = NULL;
    int32_t status = enter(ctx, &saved);
    return status < 0 ? status : leave(ctx, &saved, sk_context_fork(out, ctx));
}

int32_t skald_state_save(skald_context *ctx, void *buffer, size_t size, size_t *needed)
{
    sk_fpenv saved;
    uint64_t n = 0;
    if (needed)
        *needed = 0;
    if (!buffer && size > 0)
        return fail_null("buffer");
    int32_t status = enter(ctx, &saved);
    if (status < 0)
        return status;
    status = sk_context_save(ctx, buffer, size, &n);
    if (needed)
        *needed = (size_t)n;
    return leave(ctx, &saved, status);
}

int32_t skald_state_load(skald_context *ctx, const void *data, size_t n)
{
    sk_fpenv saved;
    int32_t status = data ? enter(ctx, &saved) : fail_null("data");
    return status < 0 ? status : leave(ctx, &saved, sk_context_load(ctx, data, n));
}

int32_t skald_state_write(skald_context *ctx, const skald_writer *writer)
{
    sk_fpenv saved;
    int32_t status = writer ? enter(ctx, &saved) : fail_null("writer");
    return status < 0 ? status : leave(ctx, &saved, sk_context_save_writer(ctx, writer));
}

int32_t skald_state_read(skald_context *ctx, const skald_reader *reader)
{
    sk_fpenv saved;
    int32_t status = reader ? enter(ctx, &saved) : fail_null("reader");
    return status < 0 ? status : leave(ctx, &saved, sk_context_load_reader(ctx, reader));
}

int32_t skald_state_save_file(skald_context *ctx, const char *path)
{
    sk_fpenv saved;
    int32_t status = path ? enter(ctx, &saved) : fail_null("path");
    return status < 0 ? status : leave(ctx, &saved, sk_context_save_file(ctx, path));
}

int32_t skald_state_load_file(skald_context *ctx, const char *path)
{
    sk_fpenv saved;
    int32_t status = path ? enter(ctx, &saved) : fail_null("path");
    return status < 0 ? status : leave(ctx, &saved, sk_context_load_file(ctx, path));
}

/* A call that gives a context a text, or two. */
static int32_t give_text(sk_context *ctx, const char *text, int64_t n,
                         int32_t (*give)(sk_context *ctx, const char *text, uint64_t n))
{
    uint64_t length;
    sk_fpenv saved;
    int32_t status = text_length(text, n, &length) ? enter(ctx, &saved) : fail_text(text);
    return status < 0 ? status : leave(ctx, &saved, give(ctx, text, length));
}

static int32_t give_texts(sk_context *ctx, const char *a, int64_t n_a, const char *b, int64_t n_b,
                          int32_t (*give)(sk_context *ctx, const char *a, uint64_t n_a,
                                          const char *b, uint64_t n_b))
{
    uint64_t length_a, length_b;
    bool good = text_length(a, n_a, &length_a) && text_length(b, n_b, &length_b);
    sk_fpenv saved;
    int32_t status = good ? enter(ctx, &saved) : fail_text(a ? b : a);
    return status < 0 ? status : leave(ctx, &saved, give(ctx, a, length_a, b, length_b));
}

int32_t skald_append_text(skald_context *ctx, const char *text, int64_t n)
{
    return give_text(ctx, text, n, sk_context_append_text);
}

int32_t skald_append_tokens(skald_context *ctx, const int32_t *ids, size_t n)
{
    sk_fpenv saved;
    int32_t status = ids || n == 0 ? enter(ctx, &saved) : fail_null("ids");
    return status < 0 ? status : leave(ctx, &saved, sk_context_append_tokens(ctx, ids, n));
}

int32_t skald_set_text(skald_context *ctx, const char *text, int64_t n)
{
    return give_text(ctx, text, n, sk_context_set_text);
}

int32_t skald_set_tokens(skald_context *ctx, const int32_t *ids, size_t n)
{
    sk_fpenv saved;
    int32_t status = ids || n == 0 ? enter(ctx, &saved) : fail_null("ids");
    return status < 0 ? status : leave(ctx, &saved, sk_context_set_tokens(ctx, ids, n));
}

int32_t skald_set_pair(skald_context *ctx, const char *first, int64_t n_first, const char *second,
                       int64_t n_second)
{
    return give_texts(ctx, first, n_first, second, n_second, sk_context_set_pair);
}

int32_t skald_set_infill(skald_context *ctx, const char *before, int64_t n_before,
                         const char *after, int64_t n_after)
{
    return give_texts(ctx, before, n_before, after, n_after, sk_context_set_infill);
}

int32_t skald_add_snippet(skald_context *ctx, const char *name, const char *text, int64_t n)
{
    uint64_t length;
    if (!name)
        return fail_null("name");
    if (!text_length(text, n, &length))
        return fail_text(text);
    sk_fpenv saved;
    int32_t status = enter(ctx, &saved);
    return status < 0 ? status
                      : leave(ctx, &saved, sk_context_add_snippet(ctx, name, text, length));
}

int32_t skald_embedding(const skald_context *ctx, int64_t index, const float **vector, size_t *n)
{
    if (!ctx || !vector || !n)
        return fail_null(!ctx ? "ctx" : !vector ? "vector" : "n");
    *vector = sk_context_embedding(ctx, index, n);
    return *vector ? SKALD_OK : fail_here(SKALD_E_NOT_FOUND, "there is no such vector");
}

int32_t skald_set_chat(skald_context *ctx, const char *json, int64_t n)
{
    return json || n == 0 ? give_text(ctx, json, n, sk_context_set_chat) : fail_null("json");
}

/* Hands out what was rendered. */
static int32_t copy_out(const sk_rendering *r, char *buffer, size_t size, size_t *needed,
                        sk_error *error)
{
    if (needed)
        *needed = (size_t)r->n;
    if (r->n > size)
        return sk_fail(error, SKALD_E_BUFFER, "the text has %llu bytes, there is room for %llu",
                       (unsigned long long)r->n, (unsigned long long)size);
    if (r->n > 0)
        memcpy(buffer, r->text, (size_t)r->n);
    return SKALD_OK;
}

int32_t skald_chat_text(const skald_model *model, const skald_options *options, const char *json,
                        int64_t n, char *buffer, size_t size, size_t *needed)
{
    uint64_t length;
    sk_error error;
    sk_heap own;
    sk_options none;
    sk_fpenv saved;
    sk_rendering rendering = {0};
    if (needed)
        *needed = 0;
    if (model && !loaded_file(model))
        return not_loaded(model);
    if (!text_length(json, n, &length))
        return json ? fail_text(json) : fail_null("json");
    if (!buffer && size > 0)
        return fail_null("buffer");
    sk_heap_init(&own, NULL, 0, &error);
    sk_options_init(&none, &own);
    sk_heap *heap = model ? sk_model_heap(model) : &own;
    sk_fpenv_enter(&saved);
    int32_t status = sk_chat_text(model, options ? &options->set : &none, heap, json, length,
                                  &rendering, &error);
    if (status == SKALD_OK)
        status = copy_out(&rendering, buffer, size, needed, &error);
    sk_rendering_free(&rendering, heap);
    sk_fpenv_leave(&saved);
    return publish(status, &error);
}

int32_t skald_event(skald_context *ctx, const char **text, size_t *n)
{
    uint64_t length;
    if (!ctx || !text || !n)
        return fail_null(!ctx ? "ctx" : !text ? "text" : "n");
    int32_t kind = sk_context_event(ctx, text, &length);
    *n = (size_t)length;
    return kind;
}

int32_t skald_truncate(skald_context *ctx, int64_t n_tokens)
{
    sk_fpenv saved;
    int32_t status = enter(ctx, &saved);
    return status < 0 ? status : leave(ctx, &saved, sk_context_truncate(ctx, n_tokens));
}

int32_t skald_splice(skald_context *ctx, int64_t at, int64_t n_remove, const int32_t *ids, size_t n)
{
    sk_fpenv saved;
    int32_t status = ids || n == 0 ? enter(ctx, &saved) : fail_null("ids");
    return status < 0 ? status : leave(ctx, &saved, sk_context_splice(ctx, at, n_remove, ids, n));
}

int32_t skald_step(skald_context *ctx, int64_t budget_us)
{
    sk_fpenv saved;
    int32_t status = enter(ctx, &saved);
    if (status < 0)
        return status;
    sk_step_many(&ctx, 1, budget_us, &status);
    return leave(ctx, &saved, status);
}

/* Whether ctxs[i] stands in the list before. */
static bool is_repeated(skald_context *const *ctxs, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (ctxs[j] == ctxs[i])
            return true;
    return false;
}

/* Enters all of them, or, when one is NULL, busy, repeated or of another model, none. */
static int32_t enter_all(skald_context *const *ctxs, size_t n)
{
    size_t i = 0;
    int32_t status = SKALD_OK;
    for (; i < n && status == SKALD_OK; i++)
        status = claim(ctxs[i]);
    if (status < 0 && is_repeated(ctxs, --i))
        status = fail_here(SKALD_E_ARGUMENT, "a context is listed twice");
    for (size_t j = 1; j < n && status == SKALD_OK; j++)
        if (sk_context_model(ctxs[j]) != sk_context_model(ctxs[0]))
            status = fail_here(SKALD_E_ARGUMENT, "the contexts are not of one model");
    while (status < 0 && i > 0)
        sk_context_leave(ctxs[--i]);
    return status;
}

int32_t skald_step_many(skald_context *const *ctxs, size_t n, int64_t budget_us, int32_t *status)
{
    sk_fpenv saved;
    int32_t n_running = 0;
    if ((!ctxs || !status) && n > 0)
        return fail_null(ctxs ? "status" : "ctxs");
    int32_t entered =
        n > INT32_MAX ? fail_here(SKALD_E_ARGUMENT, "n is above 2^31 - 1") : enter_all(ctxs, n);
    if (entered < 0)
        return entered;
    sk_fpenv_enter(&saved);
    sk_step_many(ctxs, n, budget_us, status);
    sk_fpenv_leave(&saved);
    for (size_t i = 0; i < n; i++) {
        let_go(ctxs[i], status[i]);
        n_running += status[i] > 0;
    }
    return n_running;
}

/* The host's callback, which runs in the host's floating-point environment. */
typedef struct host_callback {
    int32_t (*function)(void *user, const char *text, size_t n);
    void *user;
    sk_fpenv saved;
} host_callback;

static int32_t call_host(void *user, const char *text, size_t n)
{
    host_callback *callback = user;
    sk_fpenv_leave(&callback->saved);
    int32_t status = callback->function(callback->user, text, n);
    sk_fpenv_enter(&callback->saved);
    return status;
}

int32_t skald_generate(skald_context *ctx,
                       int32_t (*callback)(void *user, const char *text, size_t n), void *user)
{
    host_callback host = {callback, user, {0}};
    int32_t status = enter(ctx, &host.saved);
    if (status < 0)
        return status;
    return leave(ctx, &host.saved, sk_generate(ctx, callback ? call_host : NULL, &host));
}

void skald_cancel(skald_context *ctx)
{
    if (ctx)
        sk_context_cancel(ctx);
}

int32_t skald_text(const skald_context *ctx, const char **text, size_t *n)
{
    if (!ctx || !text || !n)
        return fail_null(!ctx ? "ctx" : !text ? "text" : "n");
    return sk_context_text(ctx, text, n);
}

int32_t skald_bytes(const skald_context *ctx, const char **bytes, size_t *n)
{
    if (!ctx || !bytes || !n)
        return fail_null(!ctx ? "ctx" : !bytes ? "bytes" : "n");
    return sk_context_bytes(ctx, bytes, n);
}

int32_t skald_token(const skald_context *ctx, int32_t *token)
{
    if (!ctx || !token)
        return fail_null(ctx ? "token" : "ctx");
    return sk_context_token(ctx, token);
}

int32_t skald_token_probs(const skald_context *ctx, int32_t after, const int32_t **ids,
                          const float **logs, size_t *n)
{
    if (!ctx || !ids || !logs || !n)
        return fail_null(!ctx ? "ctx" : !ids ? "ids" : !logs ? "logs" : "n");
    *n = sk_context_probs(ctx, after != 0, ids, logs);
    return *n ? SKALD_OK
              : fail_here(SKALD_E_NOT_FOUND, "no log-probabilities are kept of the last token");
}

int32_t skald_tokens(const skald_context *ctx, const int32_t **ids, size_t *n)
{
    if (!ctx || !ids || !n)
        return fail_null(!ctx ? "ctx" : !ids ? "ids" : "n");
    *ids = sk_context_tokens(ctx, n);
    return SKALD_OK;
}

int32_t skald_logits(const skald_context *ctx, int64_t position, const float **logits, size_t *n)
{
    if (!ctx || !logits || !n)
        return fail_null(!ctx ? "ctx" : !logits ? "logits" : "n");
    *logits = sk_context_logits(ctx, position, n);
    return *logits ? SKALD_OK
                   : fail_here(SKALD_E_NOT_FOUND, "the logits of that position are not kept");
}

int32_t skald_context_set_int(skald_context *ctx, const char *key, int64_t value)
{
    sk_fpenv saved;
    int32_t status = enter(ctx, &saved);
    return status < 0 ? status : leave(ctx, &saved, sk_context_set_int(ctx, key, value));
}

int32_t skald_context_set_float(skald_context *ctx, const char *key, double value)
{
    sk_fpenv saved;
    int32_t status = enter(ctx, &saved);
    return status < 0 ? status : leave(ctx, &saved, sk_context_set_float(ctx, key, value));
}

int32_t skald_context_set_string(skald_context *ctx, const char *key, const char *value)
{
    sk_fpenv saved;
    int32_t status = enter(ctx, &saved);
    return status < 0 ? status : leave(ctx, &saved, sk_context_set_string(ctx, key, value, false));
}

int32_t skald_context_add_string(skald_context *ctx, const char *key, const char *value)
{
    sk_fpenv saved;
    int32_t status = enter(ctx, &saved);
    return status < 0 ? status : leave(ctx, &saved, sk_context_set_string(ctx, key, value, true));
}

int32_t skald_context_get_int(const skald_context *ctx, const char *key, int64_t *value)
{
    sk_error error;
    if (!ctx || !key || !value)
        return fail_null(!ctx ? "ctx" : !key ? "key" : "value");
    *value = 0;
    return publish(sk_context_get_int(ctx, key, value, &error), &error);
}

int32_t skald_context_get_float(const skald_context *ctx, const char *key, double *value)
{
    sk_error error;
    if (!ctx || !key || !value)
        return fail_null(!ctx ? "ctx" : !key ? "key" : "value");
    *value = 0;
    return publish(sk_context_get_float(ctx, key, value, &error), &error);
}

int32_t skald_context_get_string(const skald_context *ctx, const char *key, const char **value)
{
    sk_error error;
    if (!ctx || !key || !value)
        return fail_null(!ctx ? "ctx" : !key ? "key" : "value");
    *value = NULL;
    return publish(sk_context_get_string(ctx, key, value, &error), &error);
}
