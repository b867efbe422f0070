/* SPDX-License-Identifier: MIT */
/*
 * From a role to a weight in four steps: the name from the slot's pattern, the shape from its
 * expression, the tensor from the file, and the comparison of the two shapes. An expression is
 * worked out anew each time, without recursion; that costs less than reading the file's header did.
 *
 * Vectors are converted to F32 while the plan is made, because kernels read them as floats; they
 * are a few kilobytes per layer. Where the file is in memory and has F32 at a float's alignment,
 * its own bytes serve. What is not in memory yet (load=read) is pointed to where it will be.
 */
#include "base/portable.h"

#include "model/slot.h"

#include "base/checked.h"
#include "tensor/types.h"

#include <string.h>

typedef struct slot_row {
    int kind;
    const char *name, *shape;
} slot_row;

static const slot_row slot_table[SK_N_SLOTS] = {
#define X(ID, kind, name, shape) {SK_SLOT_##kind, name, shape},
    SK_SLOTS(X)
#undef X
};

/* A block of a list that is freed as a whole; the user's bytes begin SK_ALIGN bytes further on. */
struct sk_own {
    sk_own *next;
};

/* Where a tensor is looked for, and what shape it must have. */
typedef struct slot_want {
    char name[96];
    int64_t ne[4];
    bool at_least; /* of the last of the dimensions given */
    int n_dims;
} slot_want;

void *sk_weights_keep(sk_weights *weights, uint64_t n, uint64_t size, sk_error *error)
{
    uint64_t bytes;
    if (!sk_mul(n, size, &bytes) || !sk_add(bytes, SK_ALIGN, &bytes)) {
        sk_fail(error, SKALD_E_MEMORY, "a model's plan does not fit memory");
        return NULL;
    }
    sk_own *own = sk_alloc_zero(weights->heap, bytes, "a model's plan", error);
    if (!own)
        return NULL;
    own->next = weights->own;
    weights->own = own;
    return (char *)own + SK_ALIGN;
}

bool sk_weights_copy_size(const sk_gguf *gguf, uint64_t *size)
{
    uint64_t total = 0;
    for (uint64_t i = 0; i < sk_gguf_n_tensors(gguf); i++) {
        if (!sk_align_up(total, SK_ALIGN, &total) ||
            !sk_add(total, sk_gguf_tensor_at(gguf, i)->size, &total))
            return false;
    }
    *size = total;
    return true;
}

int32_t sk_weights_init(sk_weights *weights, sk_heap *heap, const sk_gguf *gguf,
                        const sk_hparam *hp, uint8_t *copy, sk_error *error)
{
    uint64_t n = sk_gguf_n_tensors(gguf), at = 0;
    *weights = (sk_weights){.heap = heap, .gguf = gguf, .hp = hp};
    weights->data = sk_alloc_array(heap, n, sizeof *weights->data, "a model's tensors", error);
    weights->used = sk_alloc_array(heap, n, sizeof *weights->used, "a model's tensors", error);
    if (!weights->data || !weights->used)
        return SKALD_E_MEMORY;
    for (uint64_t i = 0; i < n; i++) {
        const sk_gguf_tensor *tensor = sk_gguf_tensor_at(gguf, i);
        at = (at + SK_ALIGN - 1) / SK_ALIGN * SK_ALIGN;
        weights->data[i] = copy ? copy + at : sk_gguf_tensor_view(gguf, tensor);
        at += tensor->size;
    }
    return SKALD_OK;
}

void sk_weights_free(sk_weights *weights)
{
    while (weights->own) {
        sk_own *next = weights->own->next;
        sk_free(weights->heap, weights->own);
        weights->own = next;
    }
    if (weights->heap) {
        sk_free(weights->heap, weights->data);
        sk_free(weights->heap, weights->used);
    }
    *weights = (sk_weights){0};
}

/* ---- Names ---------------------------------------------------------------------------------- */

static void slot_name(const sk_weights *weights, char *out, size_t size, int slot, int64_t layer,
                      int64_t expert, const char *suffix)
{
    const char *pattern = slot_table[slot].name;
    size_t n = 0;
    if (weights->side && strncmp(pattern, "blk.", 4) == 0)
        n = sk_format(out, size, "%s", weights->side);
    while (*pattern && n + 24 < size) {
        if (pattern[0] == '%') {
            n += sk_format(out + n, size - n, "%lld",
                           (long long)(pattern[1] == 'd' ? layer : expert));
            pattern += 2;
        } else {
            out[n++] = *pattern++;
        }
    }
    sk_format(out + n, size - n, "%s", suffix);
}

void sk_slot_label(int slot, char *out)
{
    const char *name = slot_table[slot].name;
    if (strncmp(name, "blk.%d.", 7) == 0)
        name += 7;
    size_t n = strcspn(name, "%");
    sk_format(out, 64, "%.*s", (int)(n > 0 && name[n] == '%' ? n - 1 : n), name);
}

/* ---- Shapes --------------------------------------------------------------------------------- */

/* What belongs to no block takes the first one's numbers. */
static int64_t shape_symbol(const sk_hparam *hp, int64_t layer, const char *name, size_t n)
{
    layer = layer < 0 || layer >= hp->n_layer ? 0 : layer;
    const struct {
        const char *name;
        int64_t value;
    } symbols[] = {
        {"E", hp->n_embd},
        {"V", hp->n_vocab},
        {"H", hp->n_head[layer]},
        {"Hk", hp->n_head_kv[layer]},
        {"dk", hp->head_k[layer]},
        {"dv", hp->head_v[layer]},
        {"R", hp->n_rot[layer] / 2},
        {"F", hp->n_ff[layer]},
        {"Fe", hp->n_ff_exp},
        {"Fs", hp->n_ff_shared},
        {"N", hp->n_expert},
        {"C", hp->n_pos},
        {"K", hp->n_tap},
        {"D", hp->n_inner},
        {"S", hp->n_state},
        {"T", hp->n_rank},
        {"G", hp->n_key_group},
        {"P", hp->head_inner},
        {"Dg", hp->n_inner / hp->n_key_group},
        {"Td", hp->n_dt_plamo},
        {"Ei", hp->n_expert_in},
        {"Dn", hp->dk_mla - hp->n_rot[layer]},
        {"Dm", hp->dk_mla},
        {"Dv", hp->dv_mla},
        {"Lk", hp->n_latent_kv},
        {"Lq", hp->n_latent_q},
        {"R1", hp->n_rot[layer]},
        {"Ka", hp->n_kda},
        {"Kd", hp->kda_size},
        {"Hz", hp->n_head[0]},
        {"Hs", hp->n_head_size},
        {"Hn", hp->n_head_size > 0 ? hp->n_embd / hp->n_head_size : 0},
        {"Ek", hp->n_key_values},
        {"L", hp->n_mix_rank},
        {"Lw", hp->n_decay_rank},
        {"L6", hp->n_decay_rank_6},
        {"La", hp->n_erase_rank},
        {"Lv", hp->n_value_rank},
        {"Lg", hp->n_gate_rank},
        {"Lp", hp->n_layer_in},
        {"Ly", hp->n_layer_inputs},
        {"Lr", 64},
        {"Z2", hp->n_dense_2},
        {"Z3", hp->n_dense_3},
        {"Nb", hp->n_bucket},
        {"Nl", hp->n_label},
        {"Ty", hp->n_type},
        {"Fc", hp->n_ff_chunk},
        {"Nc", hp->n_expert / hp->n_per_group},
        {"Cr", hp->ratio[layer]},
        {"Cs", hp->ratio[layer] == 4 ? 2 : 1},
        {"Og", hp->n_out_group},
        {"Lo", hp->n_out_rank},
        {"Go", hp->n_out_group > 0 ? hp->n_head[layer] * hp->head_v[layer] / hp->n_out_group : 0},
        {"Hc", hp->n_stream},
        {"Nu", hp->n_expert_used},
        {"Hx", hp->n_index_head},
        {"Dx", hp->n_index},
        {"6", 6},
        {"5", 5},
        {"4", 4},
        {"3", 3},
        {"2", 2},
        {"1", 1},
    };
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        if (strlen(symbols[i].name) == n && memcmp(symbols[i].name, name, n) == 0)
            return symbols[i].value;
    }
    return 0;
}

/* "E,H*dk+Hk*dk": a sum of products per dimension. */
static void shape_work_out(const sk_hparam *hp, int64_t layer, const char *text, slot_want *want)
{
    int64_t sum = 0, product = 1;
    want->n_dims = 0;
    want->at_least = false;
    for (const char *p = text;; p++) {
        size_t n = strcspn(p, ",+*");
        product *= shape_symbol(hp, layer, p, n);
        p += n;
        if (*p == '*')
            continue;
        sum += product;
        product = 1;
        want->at_least = p[0] == '+' && p[1] == '\0';
        if (*p == '+' && !want->at_least)
            continue;
        want->ne[want->n_dims++] = sum;
        sum = 0;
        if (*p != ',' || want->n_dims == 4)
            break;
    }
    for (int i = want->n_dims; i < 4; i++)
        want->ne[i] = 1;
}

static void shape_text(char *out, size_t size, const int64_t ne[4], int n_dims)
{
    size_t n = sk_format(out, size, "[");
    for (int i = 0; i < n_dims && n < size; i++)
        n += sk_format(out + n, size - n, "%s%lld", i ? ", " : "", (long long)ne[i]);
    if (n < size)
        sk_format(out + n, size - n, "]");
}

static bool shape_fits(const sk_gguf_tensor *tensor, const slot_want *want)
{
    for (int i = 0; i < 4; i++) {
        bool open = want->at_least && i == want->n_dims - 1;
        uint64_t wanted = (uint64_t)want->ne[i];
        if (open ? tensor->ne[i] < wanted : tensor->ne[i] != wanted)
            return false;
    }
    return true;
}

/* ---- Tensors -------------------------------------------------------------------------------- */

/* The tensor of a name with the shape wanted; NULL and CORRUPT when it is missing or differs. */
static const sk_gguf_tensor *slot_find(sk_weights *weights, const slot_want *want, sk_error *error)
{
    char wanted[100], found[100];
    const sk_gguf_tensor *tensor = sk_gguf_tensor_find(weights->gguf, want->name);
    shape_text(wanted, sizeof wanted, want->ne, want->n_dims);
    if (!tensor) {
        sk_fail(error, SKALD_E_CORRUPT, "tensor %s is missing, wanted of shape %s%s", want->name,
                wanted, want->at_least ? " or more" : "");
        return NULL;
    }
    if (!shape_fits(tensor, want)) {
        int64_t ne[4] = {(int64_t)tensor->ne[0], (int64_t)tensor->ne[1], (int64_t)tensor->ne[2],
                         (int64_t)tensor->ne[3]};
        int n_dims = 4;
        while (n_dims > want->n_dims && ne[n_dims - 1] == 1)
            n_dims--;
        shape_text(found, sizeof found, ne, n_dims);
        sk_fail(error, SKALD_E_CORRUPT, "tensor %s has shape %s, wanted %s%s", want->name, found,
                wanted, want->at_least ? " or more" : "");
        return NULL;
    }
    weights->used[tensor - sk_gguf_tensor_at(weights->gguf, 0)] = SK_USED;
    return tensor;
}

static const void *slot_data(const sk_weights *weights, const sk_gguf_tensor *tensor)
{
    return weights->data[tensor - sk_gguf_tensor_at(weights->gguf, 0)];
}

static int32_t vector_refuse(const sk_gguf_tensor *tensor, sk_error *error)
{
    return sk_fail(error, SKALD_E_TYPE, "tensor %s is of type %s, wanted F32, F16 or BF16",
                   tensor->name, sk_dtype_get(tensor->dtype)->name);
}

static uint64_t want_count(const slot_want *want)
{
    return (uint64_t)(want->ne[0] * want->ne[1] * want->ne[2] * want->ne[3]);
}

/* `n` floats of a tensor in a copy of the weights' own. */
static int32_t vector_convert(sk_weights *weights, const sk_gguf_tensor *tensor, uint64_t n,
                              const float **out, sk_error *error)
{
    uint64_t size;
    if (!sk_dtype_row_size(tensor->dtype, n, &size))
        return sk_fail(error, SKALD_E_CORRUPT, "tensor %s is too large", tensor->name);
    float *floats = sk_weights_keep(weights, n, sizeof(float), error);
    void *raw = floats ? sk_alloc(weights->heap, size, "a tensor to convert", error) : NULL;
    if (!raw)
        return SKALD_E_MEMORY;
    int32_t status = sk_gguf_tensor_read(weights->gguf, tensor, 0, raw, size, error);
    if (status == SKALD_OK)
        sk_dequantise((int)tensor->dtype, raw, floats, (int64_t)n);
    sk_free(weights->heap, raw);
    *out = floats;
    return status;
}

/* The floats of a tensor, in F32 and aligned. */
static int32_t vector_get(sk_weights *weights, const slot_want *want, const float **out,
                          sk_error *error)
{
    *out = NULL;
    const sk_gguf_tensor *tensor = slot_find(weights, want, error);
    if (!tensor)
        return SKALD_E_CORRUPT;
    const void *data = slot_data(weights, tensor);
    if (tensor->dtype == SK_F32 && (uintptr_t)data % sizeof(float) == 0) {
        *out = data;
        return SKALD_OK;
    }
    if (tensor->dtype != SK_F32 && tensor->dtype != SK_F16 && tensor->dtype != SK_BF16)
        return vector_refuse(tensor, error);
    return vector_convert(weights, tensor, want_count(want), out, error);
}

/* What stands behind the name of a role's main tensor in this file. */
static const char *slot_suffix(const sk_weights *weights, int slot, int64_t layer)
{
    int kind = slot_table[slot].kind;
    const char *suffix = kind == SK_SLOT_BIAS ? ".bias" : ".weight";
    char name[96];
    if (kind != SK_SLOT_BIAS && kind != SK_SLOT_NORM)
        return suffix;
    slot_name(weights, name, sizeof name, slot, layer, 0, suffix);
    if (sk_gguf_tensor_find(weights->gguf, name))
        return suffix;
    slot_name(weights, name, sizeof name, slot, layer, 0, "");
    return sk_gguf_tensor_find(weights->gguf, name) ? "" : suffix;
}

bool sk_slot_has(const sk_weights *weights, int slot, int64_t layer)
{
    char name[96];
    slot_name(weights, name, sizeof name, slot, layer, 0, slot_suffix(weights, slot, layer));
    return sk_gguf_tensor_find(weights->gguf, name) != NULL;
}

bool sk_slot_fits(const sk_weights *weights, int slot, int64_t layer)
{
    slot_want want;
    slot_name(weights, want.name, sizeof want.name, slot, layer, 0,
              slot_suffix(weights, slot, layer));
    shape_work_out(weights->hp, layer, slot_table[slot].shape, &want);
    const sk_gguf_tensor *tensor = sk_gguf_tensor_find(weights->gguf, want.name);
    return tensor && shape_fits(tensor, &want);
}

void sk_slot_pass_over(sk_weights *weights, int slot, int64_t layer)
{
    const char *suffixes[] = {slot_suffix(weights, slot, layer), ".bias", ".scale"};
    char name[96];
    for (int i = 0; i < 3; i++) {
        slot_name(weights, name, sizeof name, slot, layer, 0, suffixes[i]);
        const sk_gguf_tensor *tensor = sk_gguf_tensor_find(weights->gguf, name);
        if (tensor)
            weights->used[tensor - sk_gguf_tensor_at(weights->gguf, 0)] = SK_USED_PASSED_OVER;
    }
}

int32_t sk_slot_vector(sk_weights *weights, int slot, int64_t layer, const float **out,
                       sk_error *error)
{
    slot_want want;
    slot_name(weights, want.name, sizeof want.name, slot, layer, 0,
              slot_suffix(weights, slot, layer));
    shape_work_out(weights->hp, layer, slot_table[slot].shape, &want);
    return vector_get(weights, &want, out, error);
}

int32_t sk_slot_vector_bias(sk_weights *weights, int slot, int64_t layer, const float **out,
                            sk_error *error)
{
    slot_want want;
    *out = NULL;
    slot_name(weights, want.name, sizeof want.name, slot, layer, 0, ".bias");
    if (!sk_gguf_tensor_find(weights->gguf, want.name))
        return SKALD_OK;
    shape_work_out(weights->hp, layer, slot_table[slot].shape, &want);
    return vector_get(weights, &want, out, error);
}

int32_t sk_slot_ids(sk_weights *weights, int slot, int64_t layer, const void **out, sk_error *error)
{
    slot_want want;
    *out = NULL;
    slot_name(weights, want.name, sizeof want.name, slot, layer, 0, ".weight");
    shape_work_out(weights->hp, layer, slot_table[slot].shape, &want);
    const sk_gguf_tensor *tensor = slot_find(weights, &want, error);
    if (!tensor)
        return SKALD_E_CORRUPT;
    if (tensor->dtype != SK_I32)
        return sk_fail(error, SKALD_E_TYPE, "tensor %s is of type %s, wanted I32", want.name,
                       sk_dtype_get(tensor->dtype)->name);
    *out = slot_data(weights, tensor);
    return SKALD_OK;
}

/* ---- Matrices ------------------------------------------------------------------------------- */

int32_t sk_slot_vector_now(sk_weights *weights, int slot, int64_t layer, const float **out,
                           sk_error *error)
{
    slot_want want;
    *out = NULL;
    slot_name(weights, want.name, sizeof want.name, slot, layer, 0,
              slot_suffix(weights, slot, layer));
    shape_work_out(weights->hp, layer, slot_table[slot].shape, &want);
    const sk_gguf_tensor *tensor = slot_find(weights, &want, error);
    if (!tensor)
        return SKALD_E_CORRUPT;
    if (tensor->dtype != SK_F32 && tensor->dtype != SK_F16 && tensor->dtype != SK_BF16)
        return vector_refuse(tensor, error);
    return vector_convert(weights, tensor, want_count(&want), out, error);
}

/* A tensor of floats beside the main one, [n0, n1], where the file has it; NULL where not. */
static int32_t slot_beside(sk_weights *weights, int slot, int64_t layer, int64_t expert,
                           const char *suffix, const int64_t ne[2], const float **out,
                           sk_error *error)
{
    slot_want want = {.ne = {ne[0], ne[1], 1, 1}, .n_dims = ne[1] > 1 ? 2 : 1};
    *out = NULL;
    slot_name(weights, want.name, sizeof want.name, slot, layer, expert, suffix);
    if (!sk_gguf_tensor_find(weights->gguf, want.name))
        return SKALD_OK;
    return vector_get(weights, &want, out, error);
}

/* The matrix, and experts where it has them, without what lies beside it. */
static int32_t slot_matrix(sk_weights *weights, int slot, int64_t layer, int64_t expert,
                           sk_linear *out, sk_error *error)
{
    slot_want want;
    uint64_t row_size;
    *out = (sk_linear){.slot = slot};
    slot_name(weights, want.name, sizeof want.name, slot, layer, expert, ".weight");
    shape_work_out(weights->hp, layer, slot_table[slot].shape, &want);
    const sk_gguf_tensor *tensor = slot_find(weights, &want, error);
    if (!tensor)
        return SKALD_E_CORRUPT;
    const sk_dtype *dtype = sk_dtype_get(tensor->dtype);
    if (!dtype->weight)
        return sk_fail(error, SKALD_E_TYPE, "tensor %s is of type %s, which cannot be a weight",
                       want.name, dtype->name);
    if (!sk_dtype_row_size(tensor->dtype, (uint64_t)want.ne[0], &row_size))
        return sk_fail(error, SKALD_E_CORRUPT,
                       "tensor %s has rows of %lld elements, wanted whole "
                       "blocks of %s",
                       want.name, (long long)want.ne[0], dtype->name);
    out->w = slot_data(weights, tensor);
    out->tensor = (int32_t)(tensor - sk_gguf_tensor_at(weights->gguf, 0));
    out->n_in = want.ne[0];
    out->n_out = want.ne[1];
    out->row_size = (size_t)row_size;
    out->dtype = (int)tensor->dtype;
    out->scale_bias = slot_table[slot].kind == SK_SLOT_LINEAR2;
    return SKALD_OK;
}

int32_t sk_slot_linear(sk_weights *weights, int slot, int64_t layer, sk_linear *out,
                       sk_error *error)
{
    int32_t status = slot_matrix(weights, slot, layer, 0, out, error);
    if (slot_table[slot].kind == SK_SLOT_MATRIX)
        return status;
    if (status == SKALD_OK)
        status = slot_beside(weights, slot, layer, 0, ".bias", (int64_t[]){out->n_out, 1},
                             &out->bias, error);
    if (status == SKALD_OK)
        status =
            slot_beside(weights, slot, layer, 0, ".scale", (int64_t[]){1, 1}, &out->scale, error);
    return status;
}

/* Where each expert's matrix begins, `expert_size` bytes apart. */
static int32_t expert_table(sk_weights *weights, sk_linear *out, size_t expert_size,
                            sk_error *error)
{
    const void **w_of = sk_weights_keep(weights, (uint64_t)out->n_expert, sizeof *w_of, error);
    if (!w_of)
        return SKALD_E_MEMORY;
    for (int64_t e = 0; e < out->n_expert; e++)
        w_of[e] = (const uint8_t *)out->w + (size_t)e * expert_size;
    out->w_of = w_of;
    return SKALD_OK;
}

int32_t sk_slot_experts(sk_weights *weights, int slot, int64_t layer, sk_linear *out,
                        sk_error *error)
{
    slot_want want;
    shape_work_out(weights->hp, layer, slot_table[slot].shape, &want);
    int64_t n = want.ne[2];
    int32_t status = slot_matrix(weights, slot, layer, 0, out, error);
    if (status != SKALD_OK)
        return status;
    out->n_expert = n;
    out->bias_stride = out->n_out;
    status = expert_table(weights, out, out->row_size * (size_t)out->n_out, error);
    if (status == SKALD_OK)
        status = slot_beside(weights, slot, layer, 0, ".bias", (int64_t[]){out->n_out, n},
                             &out->bias, error);
    if (status == SKALD_OK)
        status =
            slot_beside(weights, slot, layer, 0, ".scale", (int64_t[]){n, 1}, &out->scale, error);
    return status;
}

int32_t sk_slot_expert_list(sk_weights *weights, int slot, int64_t layer, sk_linear *out,
                            sk_error *error)
{
    int64_t n = weights->hp->n_expert;
    const void **w_of = sk_weights_keep(weights, (uint64_t)n, sizeof *w_of, error);
    int32_t *tensor_of =
        w_of ? sk_weights_keep(weights, (uint64_t)n, sizeof *tensor_of, error) : NULL;
    if (!tensor_of)
        return SKALD_E_MEMORY;
    for (int64_t e = 0; e < n; e++) {
        sk_linear one;
        int32_t status = slot_matrix(weights, slot, layer, e, &one, error);
        if (status != SKALD_OK)
            return status;
        if (e > 0 && one.dtype != out->dtype)
            return sk_fail(error, SKALD_E_TYPE, "the experts of block %lld are of several types",
                           (long long)layer);
        *out = one;
        w_of[e] = one.w;
        tensor_of[e] = one.tensor;
    }
    out->w = w_of[0];
    out->tensor_of = tensor_of;
    out->w_of = w_of;
    out->n_expert = n;
    return SKALD_OK;
}

int32_t sk_linear_rows(sk_weights *weights, const sk_linear *whole, int64_t row, int64_t n_out,
                       sk_linear *out, sk_error *error)
{
    size_t skip = (size_t)row * whole->row_size;
    *out = *whole;
    out->w = (const uint8_t *)whole->w + skip;
    out->n_out = n_out;
    out->row += row;
    if (whole->bias)
        out->bias = whole->bias + row;
    if (whole->n_expert == 0)
        return SKALD_OK;
    const void **w_of = sk_weights_keep(weights, (uint64_t)whole->n_expert, sizeof *w_of, error);
    if (!w_of)
        return SKALD_E_MEMORY;
    for (int64_t e = 0; e < whole->n_expert; e++)
        w_of[e] = (const uint8_t *)whole->w_of[e] + skip;
    out->w_of = w_of;
    return SKALD_OK;
}
