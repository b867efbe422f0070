/* SPDX-License-Identifier: MIT */
/*
 * The metadata of a GGUF file as the source of a vocabulary.
 *
 * Lists of the right type are taken where they lie; scores, types and suppressed ids of another
 * number type are converted to lists that live until the vocabulary is made.
 */
#include "base/portable.h"

#include "text/vocab_int.h"

typedef struct gguf_lists {
    float *scores;
    int32_t *types;
    int64_t *suppress;
} gguf_lists;

static int32_t read_text(const sk_gguf *gguf, const char *key, sk_vocab_text *out, sk_error *error)
{
    int32_t status = sk_gguf_get_string(gguf, key, out, error);
    return status == SKALD_E_NOT_FOUND ? SKALD_OK : status;
}

static int32_t read_texts(const sk_gguf *gguf, const char *key, const sk_vocab_text **texts,
                          uint64_t *n, sk_error *error)
{
    const sk_gguf_kv *kv = sk_gguf_find(gguf, key);
    if (!kv)
        return SKALD_OK;
    if (!kv->is_array || !kv->strings)
        return sk_fail(error, SKALD_E_CORRUPT, "%s is %s, wanted an array of strings", key,
                       kv->type_name);
    *texts = kv->strings;
    *n = kv->n;
    return SKALD_OK;
}

/* A list of numbers, or NULL without an error when there is none. */
static int32_t find_numbers(const sk_gguf *gguf, const char *key, const sk_gguf_kv **out,
                            sk_error *error)
{
    *out = sk_gguf_find(gguf, key);
    if (*out && (!(*out)->is_array || !(*out)->data))
        return sk_fail(error, SKALD_E_CORRUPT, "%s is %s, wanted an array of numbers", key,
                       (*out)->type_name);
    return SKALD_OK;
}

static int32_t read_scores(const sk_gguf *gguf, sk_heap *heap, sk_vocab_source *source,
                           gguf_lists *lists, sk_error *error)
{
    const sk_gguf_kv *kv;
    int32_t status = find_numbers(gguf, "tokenizer.ggml.scores", &kv, error);
    if (status < 0 || !kv)
        return status;
    source->n_scores = kv->n;
    if (kv->type == SK_GGUF_F32) {
        source->scores = kv->data;
        return SKALD_OK;
    }
    source->scores = lists->scores = sk_alloc_array(heap, kv->n, sizeof(float), "scores", error);
    for (uint64_t i = 0; lists->scores && i < kv->n; i++) {
        double score = 0;
        sk_gguf_float_at(kv, i, &score);
        lists->scores[i] = (float)score;
    }
    return lists->scores ? SKALD_OK : SKALD_E_MEMORY;
}

static int32_t read_types(const sk_gguf *gguf, sk_heap *heap, sk_vocab_source *source,
                          gguf_lists *lists, sk_error *error)
{
    const sk_gguf_kv *kv;
    int32_t status = find_numbers(gguf, "tokenizer.ggml.token_type", &kv, error);
    if (status < 0 || !kv)
        return status;
    source->n_types = kv->n;
    if (kv->type == SK_GGUF_I32) {
        source->types = kv->data;
        return SKALD_OK;
    }
    source->types = lists->types =
        sk_alloc_array(heap, kv->n, sizeof(int32_t), "token types", error);
    for (uint64_t i = 0; lists->types && i < kv->n; i++) {
        int64_t type = -1;
        sk_gguf_int_at(kv, i, &type);
        lists->types[i] = type < 0 || type > INT32_MAX ? -1 : (int32_t)type;
    }
    return lists->types ? SKALD_OK : SKALD_E_MEMORY;
}

static int32_t read_suppress(const sk_gguf *gguf, sk_heap *heap, sk_vocab_source *source,
                             gguf_lists *lists, sk_error *error)
{
    const sk_gguf_kv *kv;
    int32_t status = find_numbers(gguf, "tokenizer.ggml.suppress_tokens", &kv, error);
    if (status < 0 || !kv)
        return status;
    lists->suppress = sk_alloc_array(heap, kv->n, sizeof(int64_t), "suppressed tokens", error);
    if (!lists->suppress)
        return SKALD_E_MEMORY;
    for (uint64_t i = 0; i < kv->n; i++)
        if (sk_gguf_int_at(kv, i, &lists->suppress[source->n_suppress]))
            source->n_suppress++;
    source->suppress = lists->suppress;
    return SKALD_OK;
}

/* Bytes, stored as such or as signed ones. */
static int32_t read_charsmap(const sk_gguf *gguf, sk_vocab_source *source, sk_error *error)
{
    const sk_gguf_kv *kv;
    int32_t status = find_numbers(gguf, "tokenizer.ggml.precompiled_charsmap", &kv, error);
    if (status < 0 || !kv)
        return status;
    if (kv->type != SK_GGUF_U8 && kv->type != SK_GGUF_I8)
        return sk_fail(error, SKALD_E_CORRUPT, "%s is %s, wanted an array of u8", kv->key,
                       kv->type_name);
    source->charsmap = kv->data;
    source->n_charsmap = kv->n;
    return SKALD_OK;
}

/* What a tokenizer.json said beyond GGUF's keys (hf_tokenizer.c). */
static void read_more(const sk_gguf *gguf, sk_vocab_source *source)
{
    const sk_gguf_kv *strips = sk_gguf_find(gguf, "skald.tokenizer.strip");
    if (strips && strips->is_array && strips->type == SK_GGUF_U8) {
        source->strips = strips->data;
        source->n_strips = strips->n;
    }
    sk_gguf_get_int(gguf, "skald.tokenizer.max_word", 0, INT32_MAX, &source->max_word, NULL);
}

/* An id; a value that is no integer counts as not said. */
static void read_id(const sk_gguf *gguf, const char *key, int64_t *id)
{
    const sk_gguf_kv *kv = sk_gguf_find(gguf, key);
    if (kv && !kv->is_array)
        sk_gguf_int_at(kv, 0, id);
}

static void read_ids(const sk_gguf *gguf, sk_vocab_source *source)
{
    static const struct {
        const char *key;
        int32_t which;
    } keys[] = {
        /* The names of old files first, so that the others prevail. */
        {"tokenizer.ggml.prefix_token_id", SK_SPECIAL_FIM_PRE},
        {"tokenizer.ggml.suffix_token_id", SK_SPECIAL_FIM_SUF},
        {"tokenizer.ggml.middle_token_id", SK_SPECIAL_FIM_MID},
        {"tokenizer.ggml.bos_token_id", SK_SPECIAL_BOS},
        {"tokenizer.ggml.eos_token_id", SK_SPECIAL_EOS},
        {"tokenizer.ggml.eot_token_id", SK_SPECIAL_EOT},
        {"tokenizer.ggml.eom_token_id", SK_SPECIAL_EOM},
        {"tokenizer.ggml.unknown_token_id", SK_SPECIAL_UNK},
        {"tokenizer.ggml.seperator_token_id", SK_SPECIAL_SEP}, /* so spelt in the format */
        {"tokenizer.ggml.padding_token_id", SK_SPECIAL_PAD},
        {"tokenizer.ggml.mask_token_id", SK_SPECIAL_MASK},
        {"tokenizer.ggml.fim_pre_token_id", SK_SPECIAL_FIM_PRE},
        {"tokenizer.ggml.fim_suf_token_id", SK_SPECIAL_FIM_SUF},
        {"tokenizer.ggml.fim_mid_token_id", SK_SPECIAL_FIM_MID},
        {"tokenizer.ggml.fim_pad_token_id", SK_SPECIAL_FIM_PAD},
        {"tokenizer.ggml.fim_rep_token_id", SK_SPECIAL_FIM_REP},
        {"tokenizer.ggml.fim_sep_token_id", SK_SPECIAL_FIM_SEP},
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        read_id(gguf, keys[i].key, &source->special[keys[i].which]);
}

static int32_t read_flag(const sk_gguf *gguf, const char *key, int8_t *flag, sk_error *error)
{
    bool value;
    int32_t status = sk_gguf_get_bool(gguf, key, &value, error);
    if (status == SKALD_OK)
        *flag = value;
    return status == SKALD_E_NOT_FOUND ? SKALD_OK : status;
}

static int32_t read_flags(const sk_gguf *gguf, sk_vocab_source *source, sk_error *error)
{
    const struct {
        const char *key;
        int8_t *flag;
    } keys[] = {
        {"tokenizer.ggml.add_bos_token", &source->add_bos},
        {"tokenizer.ggml.add_eos_token", &source->add_eos},
        {"tokenizer.ggml.add_sep_token", &source->add_sep},
        {"tokenizer.ggml.add_space_prefix", &source->add_space_prefix},
        {"tokenizer.ggml.remove_extra_whitespaces", &source->remove_extra_whitespaces},
        {"tokenizer.ggml.normalizer.lowercase", &source->lowercase},
        {"tokenizer.ggml.normalizer.strip_accents", &source->strip_accents},
        {"skald.tokenizer.ignore_merges", &source->ignore_merges},
        {"skald.tokenizer.blank_first", &source->blank_first},
    };
    int32_t status = SKALD_OK;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && status == SKALD_OK; i++)
        status = read_flag(gguf, keys[i].key, keys[i].flag, error);
    return status;
}

static int32_t read_source(const sk_gguf *gguf, sk_heap *heap, sk_vocab_source *source,
                           gguf_lists *lists, sk_error *error)
{
    int32_t s;
    if ((s = read_text(gguf, "tokenizer.ggml.model", &source->model, error)) < 0 ||
        (s = read_text(gguf, "tokenizer.ggml.pre", &source->pre, error)) < 0 ||
        (s = read_text(gguf, "general.name", &source->name, error)) < 0 ||
        (s = read_text(gguf, "general.architecture", &source->architecture, error)) < 0 ||
        (s = read_texts(gguf, "tokenizer.ggml.tokens", &source->tokens, &source->n_tokens, error)) <
            0 ||
        (s = read_texts(gguf, "tokenizer.ggml.merges", &source->merges, &source->n_merges, error)) <
            0 ||
        (s = read_flags(gguf, source, error)) < 0 || (s = read_charsmap(gguf, source, error)) < 0 ||
        (s = read_scores(gguf, heap, source, lists, error)) < 0 ||
        (s = read_types(gguf, heap, source, lists, error)) < 0 ||
        (s = read_suppress(gguf, heap, source, lists, error)) < 0)
        return s;
    read_ids(gguf, source);
    read_more(gguf, source);
    return SKALD_OK;
}

int32_t sk_vocab_begin_gguf(sk_vocab_build **out, sk_heap *heap, const sk_gguf *gguf,
                            sk_error *error)
{
    *out = NULL;
    gguf_lists lists = {NULL, NULL, NULL};
    sk_vocab_source source;
    sk_vocab_source_init(&source);
    int32_t status = read_source(gguf, heap, &source, &lists, error);
    if (status == SKALD_OK)
        status = sk_vocab_begin(out, heap, &source, error);
    void *owned[] = {lists.scores, lists.types, lists.suppress};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        if (status == SKALD_OK)
            (*out)->lists[i] = owned[i];
        else
            sk_free(heap, owned[i]);
    return status;
}

int32_t sk_vocab_from_gguf(sk_vocab **out, sk_heap *heap, const sk_gguf *gguf, sk_error *error)
{
    *out = NULL;
    sk_vocab_build *b;
    int32_t status = sk_vocab_begin_gguf(&b, heap, gguf, error);
    return status < 0 ? status : sk_vocab_finish(out, b, error);
}
