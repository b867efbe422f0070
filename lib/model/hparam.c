/* SPDX-License-Identifier: MIT */
/*
 * Reading follows the table of hparam.h from top to bottom, one function per type; then what was
 * not given is derived (`hp_complete`), and what several numbers must be together is checked
 * (`hp_check`). After that no number here can make a later division or product go wrong: sizes are
 * at most 2^24, so that products of two fit easily, and none but the context length, which sizes
 * nothing, goes beyond 2^31.
 */
#include "base/portable.h"

#include "model/hparam.h"

#include "base/dtype.h"
#include "model/arch.h"

#include <string.h>

enum { HP_INT, HP_FLOAT, HP_WORD, HP_LAYERS };

typedef struct hp_row {
    int type, flags;
    size_t offset; /* of the field */
    const char *key, *words;
    double def, min, max;
} hp_row;

static const hp_row hp_table[] = {
#define X(type, field, key, flags, def, min, max, words) \
    {HP_##type, flags, offsetof(sk_hparam, field), key, words, def, min, max},
    SK_HPARAMS(X)
#undef X
};

#define HP_COUNT (sizeof hp_table / sizeof hp_table[0])

typedef struct hp_reader {
    sk_hparam *hp;
    const sk_gguf *gguf;
    const sk_arch *arch;
    sk_error *error;
    char key[128]; /* of the row being read, with its prefix */
} hp_reader;

bool sk_hparam_known(const char *key, size_t n)
{
    for (size_t i = 0; i < HP_COUNT; i++) {
        if (strlen(hp_table[i].key) == n && memcmp(hp_table[i].key, key, n) == 0)
            return true;
    }
    return false;
}

/* Where an architecture's list of keys names `key`: what stands behind the name, or NULL. */
static const char *hp_listed(const sk_arch *arch, const char *key)
{
    size_t n = strlen(key);
    for (const char *p = arch->keys; p && *p;) {
        size_t word = strcspn(p, " ");
        if (word >= n && memcmp(p, key, n) == 0 && strcspn(p, " !=") == n)
            return p + n;
        p += word;
        p += strspn(p, " ");
    }
    return NULL;
}

/* The norm's epsilon is needed wherever the norm is used, without being listed. */
static bool hp_is_epsilon(const hp_row *row, const sk_arch *arch)
{
    return arch->norm == SK_NORM_RMS && row->offset == offsetof(sk_hparam, rms_eps);
}

/* Whether the architecture reads this row; with what default, and whether it must be there. */
static bool hp_wanted(const hp_row *row, const sk_arch *arch, double *def, bool *needed)
{
    const char *rest = hp_listed(arch, row->key);
    *def = row->def;
    *needed = (row->flags & SK_HP_NEEDED) != 0 || hp_is_epsilon(row, arch);
    if (rest && *rest == '!')
        *needed = true;
    if (rest && *rest == '=')
        sk_parse_double(rest + 1, strcspn(rest + 1, " "), def);
    return rest || *needed || (row->flags & SK_HP_EVERY) != 0;
}

static int32_t hp_read_int(hp_reader *r, const hp_row *row, double def)
{
    int64_t *field = (int64_t *)((char *)r->hp + row->offset);
    *field = (int64_t)def;
    return sk_gguf_get_int(r->gguf, r->key, (int64_t)row->min, (int64_t)row->max, field, r->error);
}

static int32_t hp_read_float(hp_reader *r, const hp_row *row, double def)
{
    double *field = (double *)((char *)r->hp + row->offset);
    *field = def;
    return sk_gguf_get_float(r->gguf, r->key, row->min, row->max, field, r->error);
}

static int32_t hp_read_word(hp_reader *r, const hp_row *row, double def)
{
    int64_t *field = (int64_t *)((char *)r->hp + row->offset);
    sk_gguf_string text;
    *field = (int64_t)def;
    int32_t status = sk_gguf_get_string(r->gguf, r->key, &text, r->error);
    if (status < 0)
        return status;
    const char *word = row->words;
    for (int64_t i = 0; word; i++, word = strchr(word, '|')) {
        word += *word == '|';
        if (strcspn(word, "|") == text.n && memcmp(word, text.text, text.n) == 0) {
            *field = i;
            return SKALD_OK;
        }
    }
    return sk_fail(r->error, SKALD_E_CORRUPT, "%s is \"%.*s\", wanted one of %s", r->key,
                   text.n > 64 ? 64 : (int)text.n, text.text, row->words);
}

/* One number for all layers, or an array of one per layer. */
static int32_t hp_read_layers(hp_reader *r, const hp_row *row, double def)
{
    int32_t *field = (int32_t *)((char *)r->hp + row->offset);
    uint64_t n_layer = (uint64_t)r->hp->n_layer;
    const sk_gguf_kv *kv = sk_gguf_find(r->gguf, r->key);
    for (uint64_t i = 0; i < SK_MAX_LAYERS; i++)
        field[i] = (int32_t)def;
    if (!kv)
        return sk_fail(r->error, SKALD_E_NOT_FOUND, "the key %s is missing", r->key);
    if (kv->is_array && kv->n != n_layer)
        return sk_fail(r->error, SKALD_E_CORRUPT,
                       "%s has %llu values, wanted one for each of the "
                       "%llu blocks",
                       r->key, (unsigned long long)kv->n, (unsigned long long)n_layer);
    for (uint64_t i = 0; i < n_layer; i++) {
        int64_t value;
        if (!sk_gguf_int_at(kv, kv->is_array ? i : 0, &value))
            return sk_fail(r->error, SKALD_E_CORRUPT, "%s is of type %s, wanted integers", r->key,
                           kv->type_name);
        if ((double)value < row->min || (double)value > row->max)
            return sk_fail(r->error, SKALD_E_CORRUPT, "%s is %lld, wanted %g to %g", r->key,
                           (long long)value, row->min, row->max);
        field[i] = (int32_t)value;
    }
    return SKALD_OK;
}

static int32_t hp_read_row(hp_reader *r, const hp_row *row)
{
    double def;
    bool needed;
    int32_t status;
    if (!hp_wanted(row, r->arch, &def, &needed))
        return SKALD_OK;
    sk_format(r->key, sizeof r->key, "%s.%s", r->arch->name, row->key);
    if (row->type == HP_INT)
        status = hp_read_int(r, row, def);
    else if (row->type == HP_FLOAT)
        status = hp_read_float(r, row, def);
    else if (row->type == HP_WORD)
        status = hp_read_word(r, row, def);
    else
        status = hp_read_layers(r, row, def);
    if (status == SKALD_E_NOT_FOUND)
        return needed ? sk_fail(r->error, SKALD_E_CORRUPT, "the key %s is missing", r->key)
                      : SKALD_OK;
    return status;
}

/* The first that is known of the token list, the key, the rows of the embedding. */
static void hp_complete_vocab(sk_hparam *hp, int64_t n_vocab, int64_t n_embd_rows)
{
    hp->n_vocab = n_vocab > 0 ? n_vocab : hp->vocab_size > 0 ? hp->vocab_size : n_embd_rows;
}

/* Defaults that depend on other numbers. The head sizes come from the first layer with heads. */
static void hp_complete(sk_hparam *hp, const sk_arch *arch)
{
    int32_t heads = 0;
    for (int64_t i = 0; i < hp->n_layer; i++) {
        heads = heads ? heads : hp->n_head[i];
        if (hp->n_head_kv[i] < 0)
            hp->n_head_kv[i] = hp->n_head[i];
        hp->max_n_head = hp->n_head[i] > hp->max_n_head ? hp->n_head[i] : hp->max_n_head;
        hp->max_n_ff = hp->n_ff[i] > hp->max_n_ff ? hp->n_ff[i] : hp->max_n_ff;
    }
    if (hp->dk == 0 && heads > 0)
        hp->dk = hp->n_embd / heads;
    if (hp->dv == 0 && heads > 0)
        hp->dv = hp->n_embd / heads;
    for (int64_t i = 0; i < hp->n_layer; i++)
        hp->n_rot[i] = hp->n_rot[i] < 0 ? (int32_t)hp->dk : hp->n_rot[i];
    if (hp->n_ctx_orig == 0)
        hp->n_ctx_orig = hp->n_ctx_train;

    double factor = hp->rope_factor != 0 ? hp->rope_factor : hp->rope_factor_old;
    hp->rope_scale = factor == 0 || hp->rope_scaling == SK_SCALING_NONE ? 1 : 1 / factor;

    hp->n_ff_exp = hp->max_n_ff;
    if (arch->moe_size == SK_EXPERT_KEY_OR_SHARE && hp->n_ff_expert > 0)
        hp->n_ff_exp = hp->n_ff_expert;
    else if (arch->moe_size == SK_EXPERT_KEY_OR_SHARE && hp->n_expert_used > 0)
        hp->n_ff_exp = hp->max_n_ff / hp->n_expert_used;
}

/* Each layer's heads: some, and the query's a multiple of the keys'. */
static int32_t hp_check_heads(const sk_hparam *hp, sk_error *error)
{
    for (int64_t i = 0; i < hp->n_layer; i++) {
        if (hp->n_head[i] < 1 || hp->n_head_kv[i] < 1)
            return sk_fail(error, SKALD_E_CORRUPT,
                           "block %lld has %d heads and %d of keys and "
                           "values, wanted at least one of each",
                           (long long)i, (int)hp->n_head[i], (int)hp->n_head_kv[i]);
        if (hp->n_head[i] % hp->n_head_kv[i] != 0)
            return sk_fail(error, SKALD_E_CORRUPT,
                           "attention.head_count is %d, which is not a "
                           "multiple of attention.head_count_kv, %d",
                           (int)hp->n_head[i], (int)hp->n_head_kv[i]);
        if (hp->n_rot[i] % 2 != 0 || hp->n_rot[i] > hp->dk)
            return sk_fail(error, SKALD_E_CORRUPT,
                           "rope.dimension_count is %d, wanted an even "
                           "number up to the heads' %lld",
                           (int)hp->n_rot[i], (long long)hp->dk);
    }
    if (hp->dk < 1 || hp->dv < 1)
        return sk_fail(error, SKALD_E_CORRUPT,
                       "heads have %lld and %lld elements: "
                       "embedding_length %lld is below attention.head_count",
                       (long long)hp->dk, (long long)hp->dv, (long long)hp->n_embd);
    return SKALD_OK;
}

static int32_t hp_check_experts(const sk_hparam *hp, sk_error *error)
{
    if (hp->n_expert == 0)
        return SKALD_OK;
    if (hp->n_expert_used < 1 || hp->n_expert_used > hp->n_expert)
        return sk_fail(error, SKALD_E_CORRUPT, "expert_used_count is %lld of %lld experts",
                       (long long)hp->n_expert_used, (long long)hp->n_expert);
    if (hp->n_ff_exp < 1)
        return sk_fail(error, SKALD_E_CORRUPT, "the width of the experts is %lld",
                       (long long)hp->n_ff_exp);
    if (hp->n_group <= 1)
        return SKALD_OK;
    if (hp->n_group >= hp->n_expert || hp->n_expert % hp->n_group != 0 || hp->n_group_used < 1 ||
        hp->n_group_used >= hp->n_group ||
        hp->n_expert_used > hp->n_group_used * (hp->n_expert / hp->n_group))
        return sk_fail(error, SKALD_E_CORRUPT,
                       "%lld of %lld groups of experts are used, and %lld of %lld experts",
                       (long long)hp->n_group_used, (long long)hp->n_group,
                       (long long)hp->n_expert_used, (long long)hp->n_expert);
    return SKALD_OK;
}

static int32_t hp_check(const sk_hparam *hp, int64_t n_embd_rows, sk_error *error)
{
    int32_t status = hp_check_heads(hp, error);
    if (status == SKALD_OK)
        status = hp_check_experts(hp, error);
    if (status != SKALD_OK)
        return status;
    if (hp->n_vocab < 1 || hp->n_vocab > INT32_MAX)
        return sk_fail(error, SKALD_E_CORRUPT, "the vocabulary has %lld tokens",
                       (long long)hp->n_vocab);
    if (n_embd_rows != 0 && n_embd_rows < hp->n_vocab)
        return sk_fail(error, SKALD_E_CORRUPT,
                       "tensor token_embd.weight has %lld rows, wanted one "
                       "for each of %lld tokens",
                       (long long)n_embd_rows, (long long)hp->n_vocab);
    return SKALD_OK;
}

int32_t sk_hparam_read(sk_hparam *hp, const sk_gguf *gguf, const sk_arch *arch, int64_t n_vocab,
                       int64_t n_embd_rows, sk_error *error)
{
    hp_reader reader = {.hp = hp, .gguf = gguf, .arch = arch, .error = error};
    memset(hp, 0, sizeof *hp);
    for (size_t i = 0; i < HP_COUNT; i++) {
        int32_t status = hp_read_row(&reader, &hp_table[i]);
        if (status < 0)
            return status;
    }
    hp_complete_vocab(hp, n_vocab, n_embd_rows);
    hp_complete(hp, arch);
    return hp_check(hp, n_embd_rows, error);
}
