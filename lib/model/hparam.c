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

#include <math.h>
#include <string.h>

enum { HP_INT, HP_BOOL, HP_FLOAT, HP_WORD, HP_LAYERS, HP_REALS };

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
    bool rms = arch->norm == SK_NORM_RMS || arch->norm == SK_NORM_RMS_PLAIN;
    return arch->norm != SK_NORM_KEY &&
           row->offset == (rms ? offsetof(sk_hparam, rms_eps) : offsetof(sk_hparam, ln_eps));
}

/* Heads are needed wherever layers have attention alone. */
static bool hp_is_heads(const hp_row *row, const sk_arch *arch)
{
    return arch->mixer == SK_MIXER_NONE && row->offset == offsetof(sk_hparam, n_head);
}

/* Whether the architecture reads this row; with what default, and whether it must be there. */
static bool hp_wanted(const hp_row *row, const sk_arch *arch, double *def, bool *needed)
{
    const char *rest = hp_listed(arch, row->key);
    *def = row->def;
    *needed =
        (row->flags & SK_HP_NEEDED) != 0 || hp_is_epsilon(row, arch) || hp_is_heads(row, arch);
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

/* Whether a number, or the first one of an array, is not 0. */
static int32_t hp_read_bool(hp_reader *r, const hp_row *row, double def)
{
    int64_t *field = (int64_t *)((char *)r->hp + row->offset), value = 0;
    const sk_gguf_kv *kv = sk_gguf_find(r->gguf, r->key);
    *field = (int64_t)def;
    if (!kv)
        return SKALD_E_NOT_FOUND;
    if (kv->n == 0)
        return SKALD_OK;
    if (!sk_gguf_int_at(kv, 0, &value))
        return sk_fail(r->error, SKALD_E_CORRUPT, "%s is of type %s, wanted a truth value", r->key,
                       kv->type_name);
    *field = value != 0;
    return SKALD_OK;
}

/* What a key that is not read counts as. */
static void hp_default(hp_reader *r, const hp_row *row)
{
    char *field = (char *)r->hp + row->offset;
    if (row->type == HP_FLOAT)
        *(double *)(void *)field = row->def;
    else if (row->type == HP_INT || row->type == HP_BOOL || row->type == HP_WORD)
        *(int64_t *)(void *)field = (int64_t)row->def;
    for (uint64_t i = 0; i < SK_MAX_LAYERS && row->type == HP_LAYERS; i++)
        ((int32_t *)(void *)field)[i] = (int32_t)row->def;
}

static void hp_put(hp_reader *r, const hp_row *row, uint64_t layer, double value)
{
    char *field = (char *)r->hp + row->offset;
    if (row->type == HP_REALS)
        ((double *)(void *)field)[layer] = value;
    else
        ((int32_t *)(void *)field)[layer] = (int32_t)value;
}

/* The value of one layer: an integer or, for REALS, any number. */
static bool hp_layer_value(const hp_row *row, const sk_gguf_kv *kv, uint64_t i, double *value)
{
    int64_t whole;
    if (row->type == HP_REALS)
        return sk_gguf_float_at(kv, i, value);
    if (!sk_gguf_int_at(kv, i, &whole))
        return false;
    *value = (double)whole;
    return true;
}

/* One number for all layers, or an array of one per layer; blocks that predict further tokens,
 * where it is known how many there are, may have none. */
static int32_t hp_read_layers(hp_reader *r, const hp_row *row, double def)
{
    uint64_t n_layer = (uint64_t)r->hp->n_layer;
    const sk_gguf_kv *kv = sk_gguf_find(r->gguf, r->key);
    for (uint64_t i = 0; i < SK_MAX_LAYERS; i++)
        hp_put(r, row, i, def);
    if (!kv)
        return sk_fail(r->error, SKALD_E_NOT_FOUND, "the key %s is missing", r->key);
    bool more = (row->flags & SK_HP_MORE) != 0 && kv->n > n_layer;
    if (kv->is_array && kv->n != n_layer && kv->n != n_layer - (uint64_t)r->hp->n_nextn && !more)
        return sk_fail(r->error, SKALD_E_CORRUPT,
                       "%s has %llu values, wanted one for each of the "
                       "%llu blocks",
                       r->key, (unsigned long long)kv->n, (unsigned long long)n_layer);
    for (uint64_t i = 0; i < n_layer && (!kv->is_array || i < kv->n); i++) {
        double value;
        if (!hp_layer_value(row, kv, kv->is_array ? i : 0, &value))
            return sk_fail(r->error, SKALD_E_CORRUPT, "%s is of type %s, wanted %s", r->key,
                           kv->type_name, row->type == HP_REALS ? "numbers" : "integers");
        if (!(value >= row->min && value <= row->max))
            return sk_fail(r->error, SKALD_E_CORRUPT, "%s is %g, wanted %g to %g", r->key, value,
                           row->min, row->max);
        hp_put(r, row, i, value);
    }
    if (row->offset == offsetof(sk_hparam, pattern))
        r->hp->pattern_array = kv->is_array;
    return SKALD_OK;
}

static int32_t hp_read_row(hp_reader *r, const hp_row *row)
{
    double def;
    bool needed;
    int32_t status;
    if (!hp_wanted(row, r->arch, &def, &needed)) {
        hp_default(r, row);
        return SKALD_OK;
    }
    bool bare = (row->flags & SK_HP_BARE) != 0;
    sk_format(r->key, sizeof r->key, "%s%s%s", bare ? "" : r->arch->name, bare ? "" : ".",
              row->key);
    if (row->type == HP_BOOL)
        status = hp_read_bool(r, row, def);
    else if (row->type == HP_INT)
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

/* Whether a layer's attention is windowed, by the pattern. */
static bool hp_is_windowed(const sk_hparam *hp, const sk_arch *arch, int64_t layer)
{
    if (hp->pattern_array || arch->window == SK_WINDOW_FLAGS)
        return hp->pattern[layer] > 0;
    int64_t period = hp->pattern[layer] >= 0 ? hp->pattern[layer] : arch->window_period;
    if (period == 0)
        return true;
    if (arch->window == SK_WINDOW_DENSE_FIRST)
        return layer % period != 0;
    return layer % period < period - 1;
}

/* What differs between windowed layers and others: the window, sizes of heads, rotated elements. */
static void hp_complete_windows(sk_hparam *hp, const sk_arch *arch)
{
    bool used = arch->window != SK_WINDOW_NONE && hp->window > 0 &&
                (arch->window_layers == 0 || arch->window_layers == hp->n_layer);
    for (int64_t i = 0; i < hp->n_layer; i++) {
        bool windowed = used && hp_is_windowed(hp, arch, i);
        int64_t span = arch->window_fixed > 0 ? arch->window_fixed : hp->window;
        hp->span[i] = windowed ? span : 0;
        hp->head_k[i] = (int32_t)(windowed && hp->dk_window > 0 ? hp->dk_window : hp->dk);
        hp->head_v[i] = (int32_t)(windowed && hp->dv_window > 0 ? hp->dv_window : hp->dv);
        hp->n_rot[i] = hp->n_rot[i] < 0 ? (int32_t)hp->dk : hp->n_rot[i];
        if (windowed && hp->n_rot_window >= 0)
            hp->n_rot[i] = (int32_t)hp->n_rot_window;
        else if (!windowed && arch->turn_half)
            hp->n_rot[i] /= 2;
    }
}

static int64_t hp_shared_width(const sk_hparam *hp, const sk_arch *arch)
{
    int64_t key = hp->n_ff_shared, each = hp->n_ff_exp;
    switch (arch->shared) {
    case SK_SHARED_COUNT:
        return each * hp->n_shared;
    case SK_SHARED_KEY_OR_COUNT:
        return key > 0 ? key : each * hp->n_shared;
    case SK_SHARED_KEY_TIMES_COUNT:
        return (key > 0 ? key : each) * hp->n_shared;
    case SK_SHARED_KEY_OR_FF:
        return key > 0 ? key : hp->max_n_ff;
    case SK_SHARED_KEY_OR_EXPERT:
        return key > 0 ? key : each;
    case SK_SHARED_EXPERT:
        return each;
    default:
        return key;
    }
}

static void hp_complete_experts(sk_hparam *hp, const sk_arch *arch)
{
    hp->n_ff_exp = hp->max_n_ff;
    if (arch->moe_size == SK_EXPERT_KEY_OR_SHARE && hp->n_ff_expert > 0)
        hp->n_ff_exp = hp->n_ff_expert;
    else if (arch->moe_size == SK_EXPERT_KEY_OR_SHARE && hp->n_expert_used > 0)
        hp->n_ff_exp = hp->max_n_ff / hp->n_expert_used;
    hp->n_ff_shared = hp_shared_width(hp, arch);
    hp->n_ff_chunk = hp->n_ff_chunk > 0 ? hp->n_ff_chunk : hp->dk;
    hp->n_expert_in = hp->n_latent > 0 ? hp->n_latent : hp->n_embd;
    if (arch->moe_gating < SK_GATING_KEY)
        hp->moe_gating = arch->moe_gating;
    else if (arch->moe_gating == SK_GATING_KEY_OR_SIGMOID && hp->moe_gating == 0)
        hp->moe_gating = SK_GATING_SIGMOID;
    else if (arch->moe_gating == SK_GATING_KEY_OR_SIZE && hp->moe_gating == 0)
        hp->moe_gating = (hp->n_layer == 47 || hp->n_layer == 48) && hp->n_vocab == 154880
                             ? SK_GATING_SIGMOID
                             : SK_GATING_SOFTMAX;
    else
        hp->moe_gating--; /* the key counts from 1 */
    if (arch->moe_weights != SK_WEIGHTS_KEY)
        hp->weights_norm = arch->moe_weights == SK_WEIGHTS_NORMED;
    for (int64_t i = 0; i < hp->n_layer; i++) {
        if (arch->moe_dense == SK_DENSE_AFTER)
            hp->n_ff[i] = (int32_t)hp->n_embd;
    }
    if (arch->moe_layers == SK_MOE_NEVER)
        hp->n_expert = hp->n_expert_used = 0;
}

/* Scales whose default is a function of other numbers. */
static void hp_complete_scales(sk_hparam *hp, const sk_arch *arch)
{
    for (int64_t i = 0; i < hp->n_layer && arch->ffn == SK_FFN_SWIGLU_INSIDE; i++)
        if (hp->clamp_shexp[i] < 0)
            hp->clamp_shexp[i] = hp->clamp_exp[i]; /* its default */
    if (hp->yarn_ext < 0)
        hp->yarn_ext = 1;
    if (arch->embd_scale == SK_EMBD_SCALE_SQRT)
        hp->scale_embd = sqrt((double)hp->n_embd);
    if (arch->defaults == SK_DEFAULTS_MINICPM3)
        hp->scale_embd = 12;
    if (arch->defaults != SK_DEFAULTS_NONE) {
        if (hp->scale_residual == 0)
            hp->scale_residual = 1.4 / sqrt((double)hp->n_layer);
        if (hp->scale_logits == 0)
            hp->scale_logits = 256.0 / (double)hp->n_embd;
    }
}

/* Which layers are recurrent, and how wide their heads are. */
static void hp_complete_mixers(sk_hparam *hp, const sk_arch *arch)
{
    for (int64_t i = 0; i < hp->n_layer; i++) {
        int32_t is = arch->mixer != SK_MIXER_NONE;
        if (arch->mixes == SK_MIXES_KEYLESS)
            is = hp->n_head_kv[i] == 0 && (arch->feeds != SK_FEEDS_ALONE || hp->n_ff[i] == 0);
        else if (arch->mixes == SK_MIXES_INTERVAL)
            is = hp->recurrent[i] >= 0 ? hp->recurrent[i] : (i + 1) % hp->full_interval != 0;
        hp->recurrent[i] = is;
    }
    if (hp->n_tap_short > 0)
        hp->n_tap = hp->n_tap_short;
    bool shared = arch->mixer == SK_MIXER_RWKV6 && hp->n_head_kv[0] > 0;
    hp->n_key_values = shared ? hp->n_head_kv[0] * hp->n_head_size : hp->n_embd;
    hp->n_kda = hp->n_head[0] * hp->kda_size;
    hp->n_dt_plamo = hp->n_embd / 16 > 64 ? hp->n_embd / 16 : 64;
    if (hp->n_rank > 0)
        hp->head_inner = hp->n_inner / hp->n_rank;
}

/* Without sizes of their own, the heads of latent attention are those that the cache holds. */
static void hp_complete_latent(sk_hparam *hp, const sk_arch *arch)
{
    hp->unfolded = arch->latent && (hp->dk_mla == 0 || hp->dv_mla == 0);
    if (hp->unfolded) {
        hp->dk_mla = hp->dk;
        hp->dv_mla = hp->dv;
    }
}

/* Layers at the end may read what the last one of their kind before them cached. */
static void hp_complete_shared(sk_hparam *hp, const sk_arch *arch)
{
    hp->n_layer_kv = hp->n_layer - hp->n_kv_shared;
    if (arch->kv_layers > 0 && hp->n_layer > arch->kv_layers)
        hp->n_layer_kv = arch->kv_layers;
    hp->n_layer_inputs = hp->n_layer_in * hp->n_layer;
}

/* Which layers have an indexer of their own; the others have what an earlier one chose. The file of
 * a model that does not say has one in each, or, if it has the longest contexts, in the first three
 * and then in every fourth. */
static void hp_complete_index(sk_hparam *hp, const sk_arch *arch)
{
    bool sparse = arch->index == SK_INDEX_LIGHTNING && hp->n_ctx_train >= 1048576;
    for (int64_t i = 0; i < hp->n_layer; i++) {
        if (hp->index_types[i] < 0)
            hp->index_types[i] = !sparse || i < 3 || (i - 3) % 4 == 3;
    }
}

/* A score for each label, one where there are none; the token's types, one at least. */
static int32_t hp_read_labels(hp_reader *r)
{
    sk_format(r->key, sizeof r->key, "%s.classifier.output_labels", r->arch->name);
    const sk_gguf_kv *kv = sk_gguf_find(r->gguf, r->key);
    r->hp->n_label = kv && kv->is_array && kv->n > 0 ? (int64_t)kv->n : 1;
    r->hp->n_type = r->hp->n_type > 0 ? r->hp->n_type : 1;
    if (kv && kv->n > (uint64_t)SK_HP_DIM)
        return sk_fail(r->error, SKALD_E_CORRUPT, "%s has %llu labels", r->key,
                       (unsigned long long)kv->n);
    return SKALD_OK;
}

/* Blocks at the end that predict further tokens are not of the model proper. */
static int32_t hp_cut_nextn(sk_hparam *hp, sk_error *error)
{
    if (hp->n_nextn >= hp->n_layer)
        return sk_fail(error, SKALD_E_CORRUPT, "nextn_predict_layers is %lld of %lld blocks",
                       (long long)hp->n_nextn, (long long)hp->n_layer);
    hp->n_layer -= hp->n_nextn;
    return SKALD_OK;
}

/* Defaults that depend on other numbers. The head sizes come from the first layer with heads. */
static void hp_complete(sk_hparam *hp, const sk_arch *arch)
{
    int32_t heads = 0;
    for (int64_t i = 0; i < hp->n_layer; i++) {
        hp->n_ff[i] /= arch->ff_half ? 2 : 1;
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
    hp_complete_latent(hp, arch);
    hp_complete_mixers(hp, arch);
    hp_complete_windows(hp, arch);
    hp_complete_experts(hp, arch);
    hp_complete_scales(hp, arch);
    hp_complete_shared(hp, arch);
    hp_complete_index(hp, arch);
    if (hp->n_ctx_orig == 0)
        hp->n_ctx_orig = hp->n_ctx_train;

    double factor = hp->rope_factor != 0 ? hp->rope_factor : hp->rope_factor_old;
    hp->rope_scale = factor == 0 || hp->rope_scaling == SK_SCALING_NONE ? 1 : 1 / factor;
    hp->pooling = hp->pooling > 4 ? -1 : hp->pooling; /* some files say so that they do not say */
    hp->causal = hp->causal && arch->sees == SK_SEES_BEFORE;
    hp->n_pos = arch->positions == SK_POSITIONS_NONE ? 0 : hp->n_ctx_train;
}

/* Each layer's heads: some, and the query's a multiple of the keys'. Where layers may have gaps,
 * one has none. */
static int32_t hp_check_heads(const sk_hparam *hp, const sk_arch *arch, sk_error *error)
{
    bool any = !arch->gaps, attends = false;
    for (int64_t i = 0; i < hp->n_layer; i++) {
        if ((hp->recurrent[i] && arch->mixes != SK_MIXES_BESIDE) ||
            (arch->feeds == SK_FEEDS_ALONE && hp->n_ff[i] > 0))
            continue;
        attends = true;
        if (hp->n_rot[i] % 2 != 0 || hp->n_rot[i] > hp->head_k[i])
            return sk_fail(error, SKALD_E_CORRUPT,
                           "rope.dimension_count is %d, wanted an even "
                           "number up to the heads' %lld",
                           (int)hp->n_rot[i], (long long)hp->head_k[i]);
        if (arch->gaps && hp->n_head[i] > 0 && hp->n_head_kv[i] == 0 &&
            (int64_t)hp->n_head[i] * hp->head_v[i] != hp->n_embd)
            return sk_fail(error, SKALD_E_CORRUPT,
                           "block %lld has no keys, and %d heads of %d are not of embedding_length",
                           (long long)i, (int)hp->n_head[i], (int)hp->head_v[i]);
        if (arch->gaps && (hp->n_head[i] == 0 || hp->n_head_kv[i] == 0))
            continue;
        any = any || hp->n_ff[i] > 0;
        if (arch->attn_gate == SK_ATTN_GATE_BESIDE_Q && hp->head_k[i] != hp->head_v[i])
            return sk_fail(error, SKALD_E_CORRUPT,
                           "heads have keys of %d and values of %d, wanted the same",
                           (int)hp->head_k[i], (int)hp->head_v[i]);
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
    }
    if (!any)
        return sk_fail(error, SKALD_E_CORRUPT, "no block has attention");
    if (attends && (hp->dk < 1 || hp->dv < 1))
        return sk_fail(error, SKALD_E_CORRUPT,
                       "heads have %lld and %lld elements: "
                       "embedding_length %lld is below attention.head_count",
                       (long long)hp->dk, (long long)hp->dv, (long long)hp->n_embd);
    return SKALD_OK;
}

/* The sizes of recurrent layers with heads: values share keys evenly. */
static int32_t hp_check_mixers(const sk_hparam *hp, const sk_arch *arch, sk_error *error)
{
    bool wkv = arch->mixer == SK_MIXER_RWKV6 || arch->mixer == SK_MIXER_RWKV7;
    if (wkv && (hp->n_embd % hp->n_head_size != 0 || hp->n_embd % hp->n_key_values != 0))
        return sk_fail(error, SKALD_E_CORRUPT,
                       "wkv.head_size is %lld, embedding_length %lld, attention.head_count_kv %d: "
                       "heads do not fit",
                       (long long)hp->n_head_size, (long long)hp->n_embd, (int)hp->n_head_kv[0]);
    if (arch->mixer != SK_MIXER_DELTA && arch->mixer != SK_MIXER_MAMBA2 &&
        arch->mixer != SK_MIXER_PLAMO)
        return SKALD_OK;
    if (hp->n_inner % hp->n_rank != 0 || hp->n_rank % hp->n_key_group != 0)
        return sk_fail(
            error, SKALD_E_CORRUPT,
            "ssm.inner_size is %lld, ssm.time_step_rank %lld, ssm.group_count %lld: each "
            "must be a multiple of the next",
            (long long)hp->n_inner, (long long)hp->n_rank, (long long)hp->n_key_group);
    return SKALD_OK;
}

/* Keys and values of all heads, made of a latent vector. */
static int32_t hp_check_unfolded(const sk_hparam *hp, int64_t layer, sk_error *error)
{
    if (hp->n_head_kv[layer] == hp->n_head[layer])
        return SKALD_OK;
    return sk_fail(error, SKALD_E_CORRUPT,
                   "attention.head_count is %d and attention.head_count_kv %d, wanted the same, as "
                   "there is no attention.key_length_mla",
                   (int)hp->n_head[layer], (int)hp->n_head_kv[layer]);
}

/* Latent attention's cache holds the latent vector and what is rotated, of one head. */
static int32_t hp_check_latent(const sk_hparam *hp, const sk_arch *arch, sk_error *error)
{
    int32_t n_head = 0;
    for (int64_t i = 0; arch->latent && i < hp->n_layer; i++) {
        if (hp->recurrent[i])
            continue;
        if (hp->unfolded) {
            int32_t status = hp_check_unfolded(hp, i, error);
            if (status != SKALD_OK)
                return status;
            continue;
        }
        n_head = n_head ? n_head : hp->n_head[i];
        if (hp->n_head[i] != n_head || hp->n_head_kv[i] != 1 || hp->head_v[i] != hp->n_latent_kv ||
            hp->head_k[i] != hp->n_latent_kv + hp->n_rot[i] || hp->dk_mla <= hp->n_rot[i])
            return sk_fail(
                error, SKALD_E_CORRUPT,
                "block %lld has keys of %d and values of %d of %d heads, wanted %lld, %d "
                "more, and one head",
                (long long)i, (int)hp->head_k[i], (int)hp->head_v[i], (int)hp->n_head_kv[i],
                (long long)hp->n_latent_kv, (int)hp->n_rot[i]);
    }
    if (arch->mixer == SK_MIXER_KDA && hp->n_kda == 0)
        return sk_fail(error, SKALD_E_CORRUPT, "attention.head_count of block 0 is 0");
    return SKALD_OK;
}

/* The layer whose cache a layer reads: itself, or the last of the same kind that has one; -1: there
 * is none. */
int64_t sk_hparam_kv_layer(const sk_hparam *hp, int64_t layer)
{
    int64_t from = layer;
    if (layer >= hp->n_layer_kv)
        for (from = hp->n_layer_kv - 1; from >= 0; from--)
            if ((hp->span[from] > 0) == (hp->span[layer] > 0))
                break;
    return from;
}

static int32_t hp_check_shared(const sk_hparam *hp, sk_error *error)
{
    for (int64_t i = hp->n_layer_kv > 0 ? hp->n_layer_kv : 0; i < hp->n_layer; i++) {
        int64_t from = sk_hparam_kv_layer(hp, i);
        if (from < 0 || hp->head_k[from] != hp->head_k[i] || hp->head_v[from] != hp->head_v[i] ||
            hp->n_head_kv[from] != hp->n_head_kv[i])
            return sk_fail(error, SKALD_E_CORRUPT,
                           "attention.shared_kv_layers is %lld of %lld blocks: block %lld has no "
                           "earlier one like it",
                           (long long)hp->n_kv_shared, (long long)hp->n_layer, (long long)i);
    }
    return SKALD_OK;
}

/* Indexers: sizes that fit those of attention, and a choice that fits memory. */
static int32_t hp_check_index(const sk_hparam *hp, const sk_arch *arch, sk_error *error)
{
    bool lightning = arch->index == SK_INDEX_LIGHTNING || arch->index == SK_INDEX_LIGHTNING_HALVES;
    if (arch->index == SK_INDEX_NONE)
        return SKALD_OK;
    if (lightning && (hp->unfolded || hp->n_latent_q < 1))
        return sk_fail(error, SKALD_E_CORRUPT,
                       "attention.key_length_mla, attention.value_length_mla and "
                       "attention.q_lora_rank are %lld, %lld and %lld, wanted more than 0",
                       (long long)hp->dk_mla, (long long)hp->dv_mla, (long long)hp->n_latent_q);
    if (lightning && hp->index_types[0] == 0)
        return sk_fail(
            error, SKALD_E_CORRUPT,
            "attention.indexer.types is 0 for the first block, which has none before it");
    if (hp->n_index_top * hp->index_unit > SK_HP_INDEXED)
        return sk_fail(error, SKALD_E_CORRUPT,
                       "attention.indexer.top_k is %lld of blocks of %lld keys, wanted %d keys at "
                       "most",
                       (long long)hp->n_index_top, (long long)hp->index_unit, SK_HP_INDEXED);
    for (int64_t i = 0; i < hp->n_layer; i++) {
        if (hp->n_rot[i] > hp->n_index)
            return sk_fail(error, SKALD_E_CORRUPT,
                           "attention.indexer.key_length is %lld, wanted the %d of "
                           "rope.dimension_count at least",
                           (long long)hp->n_index, (int)hp->n_rot[i]);
        if (arch->index == SK_INDEX_BLOCKS && hp->n_index_head != hp->n_head_kv[i])
            return sk_fail(error, SKALD_E_CORRUPT,
                           "attention.indexer.head_count is %lld, wanted the %d of "
                           "attention.head_count_kv",
                           (long long)hp->n_index_head, (int)hp->n_head_kv[i]);
    }
    return SKALD_OK;
}

/* Attention to a window and to summaries. */
static int32_t hp_check_pooled(const sk_hparam *hp, const sk_arch *arch, sk_error *error)
{
    for (int64_t i = 0; arch->pooled && i < hp->n_layer; i++) {
        if (hp->ratio[i] != 0 && hp->ratio[i] != 4 && hp->ratio[i] != 128)
            return sk_fail(error, SKALD_E_CORRUPT,
                           "attention.compress_ratios has %d, wanted 0, 4 or 128",
                           (int)hp->ratio[i]);
        if (hp->n_head_kv[i] != 1 || hp->head_k[i] != hp->head_v[i] ||
            hp->n_head[i] % hp->n_out_group != 0 || hp->n_latent_q < 1)
            return sk_fail(error, SKALD_E_CORRUPT,
                           "block %lld has %d heads of keys of %d and values of %d, and %d in %lld "
                           "groups: wanted one of keys, as long as values, and equal groups",
                           (long long)i, (int)hp->n_head_kv[i], (int)hp->head_k[i],
                           (int)hp->head_v[i], (int)hp->n_head[i], (long long)hp->n_out_group);
    }
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
    if (hp->n_expert % hp->n_per_group != 0)
        return sk_fail(error, SKALD_E_CORRUPT, "experts_per_group is %lld of %lld experts",
                       (long long)hp->n_per_group, (long long)hp->n_expert);
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

static int32_t hp_check_layers(const sk_hparam *hp, const sk_arch *arch, sk_error *error)
{
    if (hp->n_expert > 0 && (hp->moe_gating < SK_GATING_SOFTMAX || hp->moe_gating > SK_GATING_ROOT))
        return sk_fail(error, SKALD_E_CORRUPT, "expert_gating_func is %lld, wanted 1 to 4",
                       (long long)hp->moe_gating + 1);
    if (arch->norm == SK_NORM_KEY && hp->rms_eps == 0 && hp->ln_eps == 0)
        return sk_fail(error, SKALD_E_CORRUPT, "the key %s.attention.layer_norm_epsilon is missing",
                       arch->name);
    if (arch->buckets && hp->n_bucket < 4)
        return sk_fail(error, SKALD_E_CORRUPT,
                       "the key %s.attention.relative_buckets_count is missing", arch->name);
    if (arch->temper == SK_TEMPER_LENGTH && hp->temper != 0 && hp->temper_length < 1)
        return sk_fail(error, SKALD_E_CORRUPT,
                       "attention.temperature_length is 0, wanted 1 or more");
    return SKALD_OK;
}

static int32_t hp_check(const sk_hparam *hp, const sk_arch *arch, int64_t n_embd_rows,
                        sk_error *error)
{
    int32_t status = hp_check_layers(hp, arch, error);
    if (status == SKALD_OK)
        status = hp_check_heads(hp, arch, error);
    if (status == SKALD_OK)
        status = hp_check_mixers(hp, arch, error);
    if (status == SKALD_OK)
        status = hp_check_latent(hp, arch, error);
    if (status == SKALD_OK)
        status = hp_check_index(hp, arch, error);
    if (status == SKALD_OK)
        status = hp_check_pooled(hp, arch, error);
    if (status == SKALD_OK)
        status = hp_check_experts(hp, error);
    if (status == SKALD_OK)
        status = hp_check_shared(hp, error);
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
    int32_t status = hp_cut_nextn(hp, error);
    if (status == SKALD_OK)
        status = hp_read_labels(&reader);
    if (status != SKALD_OK)
        return status;
    hp_complete_vocab(hp, n_vocab, n_embd_rows);
    hp_complete(hp, arch);
    return hp_check(hp, arch, n_embd_rows, error);
}
