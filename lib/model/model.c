/* SPDX-License-Identifier: MIT */
/*
 * What a model says about itself, by key. Keys are listed once each, in the tables below.
 */
#include "base/portable.h"

#include "model/model_int.h"
#include "text/chat.h"

#include <string.h>

bool sk_model_is_loaded(const sk_model *model)
{
    return atomic_load(&model->phase) == SK_LOAD_READY;
}

int32_t sk_model_runs(const sk_model *model, sk_error *error)
{
    if (!sk_model_is_loaded(model))
        return sk_fail(error, SKALD_E_STATE, "the model is still loading");
    if (!model->arch)
        return sk_fail(error, SKALD_E_STATE, "the model has no weights: it is a vocabulary only");
    return SKALD_OK;
}

void sk_model_log(const sk_model *model, int32_t level, const char *text)
{
    if (model->log.log)
        model->log.log(model->log.user, level, text);
}

void sk_model_leave_weights(sk_model *model)
{
    model->empty = true;
}

uint64_t sk_model_mapped(const sk_model *model)
{
    return model->path && model->map ? sk_gguf_file_size(model->gguf) : 0;
}

int64_t sk_model_n_vocab(const sk_model *model)
{
    return model->arch ? model->hp.n_vocab : (int64_t)sk_vocab_n(model->vocab);
}

int64_t sk_model_n_layer(const sk_model *model)
{
    return model->hp.n_layer;
}

int64_t sk_model_n_vector(const sk_model *model)
{
    return model->plan.n_vector;
}

bool sk_model_has_logits(const sk_model *model)
{
    return model->plan.has_logits;
}

int sk_model_pooling(const sk_model *model)
{
    return (int)model->hp.pooling;
}

bool sk_model_ranks_mean(const sk_model *model)
{
    return model->plan.score.gelu;
}

int64_t sk_model_n_label(const sk_model *model)
{
    return model->plan.n_label;
}

int64_t sk_model_n_type(const sk_model *model)
{
    return model->plan.n_type;
}

bool sk_model_is_whole(const sk_model *model)
{
    return model->plan.whole;
}

const sk_vocab *sk_model_vocab(const sk_model *model)
{
    return sk_vocab_n(model->vocab) > 0 ? model->vocab : NULL;
}

const sk_gguf *sk_model_gguf(const sk_model *model)
{
    return model->gguf;
}

/* Memory and threads of a model may be used by whoever may use the model: their counts and locks
 * are no part of what is immutable. */
sk_heap *sk_model_heap(const sk_model *model)
{
    return &((sk_model *)model)->heap;
}

sk_executor *sk_model_executor(const sk_model *model)
{
    return model->executor;
}

int32_t sk_model_check(const sk_model *model, sk_error *error)
{
    return model->copy ? SKALD_OK : sk_gguf_check(model->gguf, error);
}

sk_error *sk_model_error(const sk_model *model)
{
    return &((sk_model *)model)->last_error;
}

/* ---- By key -----------------------------------------------------------------------------------
 */

enum {
    MODEL_N_LAYER,
    MODEL_N_EMBD,
    MODEL_N_HEAD,
    MODEL_N_HEAD_KV,
    MODEL_N_FF,
    MODEL_N_EXPERT,
    MODEL_N_EXPERT_USED,
    MODEL_N_VOCAB,
    MODEL_N_CTX_TRAIN,
    MODEL_N_PARAMETERS,
    MODEL_N_TENSORS,
    MODEL_N_METADATA,
    MODEL_FILE_SIZE,
    MODEL_TENSOR_SIZE,
    MODEL_HAS_VOCAB,
    MODEL_ADD_BOS,
    MODEL_ADD_EOS,
    MODEL_MEMORY_LIVE,
    MODEL_MEMORY_PEAK,
    MODEL_N_VECTOR,
    MODEL_N_LABEL,
    MODEL_HAS_LOGITS,
    MODEL_TOKEN
};

/* The keys of integers; from MODEL_TOKEN on in the order of SK_SPECIAL_.... */
static const char *const model_int_keys[] = {
    "n_layer",       "n_embd",        "n_head",        "n_head_kv",     "n_ff",
    "n_expert",      "n_expert_used", "n_vocab",       "n_ctx_train",   "n_parameters",
    "n_tensors",     "n_metadata",    "file_size",     "tensor_size",   "has_vocab",
    "add_bos",       "add_eos",       "memory_live",   "memory_peak",   "n_vector",
    "n_label",       "has_logits",    "token_bos",     "token_eos",     "token_eot",
    "token_eom",     "token_unk",     "token_sep",     "token_pad",     "token_mask",
    "token_fim_pre", "token_fim_suf", "token_fim_mid", "token_fim_pad", "token_fim_rep",
    "token_fim_sep",
};

static const char *const model_float_keys[] = {"progress"};

static const char *const model_string_keys[] = {
    "architecture", "name", "tokenizer", "chat_template",
    "cpu",          "plan", "warning",   "chat_template_name"};

/* The index of a key in a list, or an error that names the nearest. */
static int32_t model_key(const char *key, const char *const *keys, size_t n, size_t *index,
                         sk_error *error)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(keys[i], key) == 0) {
            *index = i;
            return SKALD_OK;
        }
    }
    const char *near = sk_nearest_word(key, keys, n);
    return sk_fail(error, SKALD_E_NOT_FOUND, "a model has no key \"%s\"%s%s%s", key,
                   near ? "; the nearest is \"" : "", near ? near : "", near ? "\"" : "");
}

static int32_t model_loaded(const sk_model *model, sk_error *error)
{
    return sk_model_is_loaded(model) ? SKALD_OK
                                     : sk_fail(error, SKALD_E_STATE, "the model is still loading");
}

static int64_t model_int(const sk_model *model, size_t key)
{
    const sk_hparam *hp = &model->hp;
    switch (key) {
    case MODEL_N_LAYER:
        return hp->n_layer;
    case MODEL_N_EMBD:
        return hp->n_embd;
    case MODEL_N_HEAD:
        return hp->n_head[0];
    case MODEL_N_HEAD_KV:
        return hp->n_head_kv[0];
    case MODEL_N_FF:
        return hp->n_ff[0];
    case MODEL_N_EXPERT:
        return hp->n_expert;
    case MODEL_N_EXPERT_USED:
        return hp->n_expert_used;
    case MODEL_N_VOCAB:
        return sk_model_n_vocab(model);
    case MODEL_N_CTX_TRAIN:
        return hp->n_ctx_train;
    case MODEL_N_PARAMETERS:
        return model->n_parameters;
    case MODEL_N_TENSORS:
        return (int64_t)sk_gguf_n_tensors(model->gguf);
    case MODEL_N_METADATA:
        return (int64_t)sk_gguf_n_kv(model->gguf);
    case MODEL_FILE_SIZE:
        return (int64_t)sk_gguf_file_size(model->gguf);
    case MODEL_TENSOR_SIZE:
        return (int64_t)sk_gguf_tensor_size(model->gguf);
    case MODEL_HAS_VOCAB:
        return sk_vocab_n(model->vocab) > 0;
    case MODEL_ADD_BOS:
        return sk_vocab_add_bos(model->vocab);
    case MODEL_ADD_EOS:
        return sk_vocab_add_eos(model->vocab);
    case MODEL_MEMORY_LIVE:
        return (int64_t)atomic_load(&model->heap.live);
    case MODEL_MEMORY_PEAK:
        return (int64_t)atomic_load(&model->heap.peak);
    case MODEL_N_VECTOR:
        return model->plan.n_vector;
    case MODEL_N_LABEL:
        return model->plan.n_label;
    case MODEL_HAS_LOGITS:
        return model->plan.has_logits;
    default:
        return sk_vocab_special(model->vocab, (int32_t)(key - MODEL_TOKEN));
    }
}

int32_t sk_model_get_int(const sk_model *model, const char *key, int64_t *value, sk_error *error)
{
    size_t index = 0;
    *value = 0;
    int32_t status = model_key(key, model_int_keys,
                               sizeof model_int_keys / sizeof model_int_keys[0], &index, error);
    if (status == SKALD_OK)
        status = model_loaded(model, error);
    if (status == SKALD_OK)
        *value = model_int(model, index);
    return status;
}

int32_t sk_model_get_float(const sk_model *model, const char *key, double *value, sk_error *error)
{
    size_t index = 0;
    *value = 0;
    int32_t status = model_key(key, model_float_keys, 1, &index, error);
    if (status == SKALD_OK)
        *value = atomic_load(&model->progress) / 1e6;
    return status;
}

/* A string of the metadata, "" where there is none. */
static const char *model_metadata(const sk_model *model, const char *key)
{
    sk_gguf_string text;
    return sk_gguf_get_string(model->gguf, key, &text, NULL) == SKALD_OK ? text.text : "";
}

int32_t sk_model_get_string(const sk_model *model, const char *key, const char **value,
                            sk_error *error)
{
    size_t index = 0;
    *value = "";
    int32_t status =
        model_key(key, model_string_keys, sizeof model_string_keys / sizeof model_string_keys[0],
                  &index, error);
    if (status == SKALD_OK)
        status = model_loaded(model, error);
    if (status != SKALD_OK)
        return status;
    *value = index == 0   ? model_metadata(model, "general.architecture")
             : index == 1 ? model_metadata(model, "general.name")
             : index == 2 ? sk_vocab_name(model->vocab)
             : index == 3 ? model_metadata(model, "tokenizer.chat_template")
             : index == 4 ? model->kernels->name
             : index == 5 ? model->plan_text
             : index == 6
                 ? model->warning
                 : sk_chat_default(model->vocab, model_metadata(model, "tokenizer.chat_template"));
    return SKALD_OK;
}
