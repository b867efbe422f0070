/* SPDX-License-Identifier: MIT */
/*
 * Which model a saved state belongs to. The fingerprint takes in the architecture's and the
 * tokeniser's metadata but for the chat template, the names, types and shapes of all tensors, and a
 * piece of each tensor's data, because a model and its fine-tuned sister differ in nothing else.
 * Hashing all data would read the whole file. Names and texts for people do not count.
 */
#include "base/portable.h"

#include "base/hash.h"
#include "model/model_int.h"
#include "model/state.h"

#include <string.h>

enum { SAMPLE_SIZE = 256 }; /* bytes, from the middle of a tensor */

/* A number's bits as the format has them, whatever the host's byte order. */
static uint64_t number_bits(const sk_gguf_kv *kv, uint64_t i)
{
    const uint8_t *data = kv->data;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    switch (kv->type) {
    case SK_GGUF_U8:
    case SK_GGUF_I8:
    case SK_GGUF_BOOL:
        return data[i];
    case SK_GGUF_U16:
    case SK_GGUF_I16:
        memcpy(&u16, data + 2 * i, 2);
        return u16;
    case SK_GGUF_U32:
    case SK_GGUF_I32:
    case SK_GGUF_F32:
        memcpy(&u32, data + 4 * i, 4);
        return u32;
    default:
        memcpy(&u64, data + 8 * i, 8);
        return u64;
    }
}

static uint64_t hash_entry(uint64_t hash, const sk_gguf_kv *kv)
{
    hash = sk_hash_bytes(hash, kv->key, strlen(kv->key));
    hash = sk_hash_word(sk_hash_word(hash, kv->type), kv->n);
    for (uint64_t i = 0; i < kv->n; i++)
        hash = kv->strings ? sk_hash_bytes(hash, kv->strings[i].text, kv->strings[i].n)
                           : sk_hash_word(hash, number_bits(kv, i));
    return hash;
}

/* Whether an entry has a say in what a model computes: "llama.block_count", "tokenizer...". */
static bool is_telling(const char *key, const char *arch)
{
    size_t n = strlen(arch);
    if (strcmp(key, "general.architecture") == 0)
        return true;
    if (strncmp(key, "tokenizer.", 10) == 0)
        return strncmp(key, "tokenizer.chat_template", 23) != 0;
    return strncmp(key, arch, n) == 0 && key[n] == '.';
}

static uint64_t hash_tensor(uint64_t hash, const sk_gguf_tensor *tensor, const uint8_t *data)
{
    uint64_t n = tensor->size < SAMPLE_SIZE ? tensor->size : SAMPLE_SIZE;
    hash = sk_hash_bytes(hash, tensor->name, strlen(tensor->name));
    hash = sk_hash_word(hash, tensor->dtype);
    for (int i = 0; i < 4; i++)
        hash = sk_hash_word(hash, tensor->ne[i]);
    return data ? sk_hash_bytes(hash, data + (tensor->size - n) / 2, n) : hash;
}

uint64_t sk_state_fingerprint(const sk_model *model)
{
    const sk_gguf *gguf = model->gguf;
    sk_gguf_string arch = {"", 0};
    uint64_t hash = SK_HASH_START;
    sk_gguf_get_string(gguf, "general.architecture", &arch, NULL);
    for (uint64_t i = 0; i < sk_gguf_n_kv(gguf); i++) {
        const sk_gguf_kv *kv = sk_gguf_kv_at(gguf, i);
        if (is_telling(kv->key, arch.text))
            hash = hash_entry(hash, kv);
    }
    for (uint64_t i = 0; i < sk_gguf_n_tensors(gguf); i++)
        hash = hash_tensor(hash, sk_gguf_tensor_at(gguf, i), model->weights.data[i]);
    return hash;
}
