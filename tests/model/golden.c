/* SPDX-License-Identifier: MIT */
/*
 * Weights: base = fnv1a64(name) + seed * G, G = 0x9E3779B97F4A7C15; element i (from 0) takes
 * z = splitmix64's finaliser of base + (i + 1) G. g, the sum of the four 16-bit lanes of z brought
 * to unit variance, is nearly normal; u, the upper 24 bits, is uniform in [0, 1). What a tensor
 * makes of them depends on its name (golden_weight). All of it is exact in single precision.
 */
#include "base/portable.h"

#include "golden.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/dtype.h"
#include "tensor/half.h"
#include "test.h"

#include <math.h>

#define GOLDEN UINT64_C(0x9E3779B97F4A7C15)

typedef struct golden_tensor {
    char name[65];
    uint32_t n_dims, type;
    uint64_t ne[4], offset, n;
} golden_tensor;

static uint64_t fnv1a64(const char *text)
{
    uint64_t h = UINT64_C(0xCBF29CE484222325);
    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001B3);
    return h;
}

static bool contains(const char *name, const char *part)
{
    return strstr(name, part) != NULL;
}

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

static float golden_weight(const golden_tensor *t, float g, float u)
{
    const char *name = t->name;
    if (strncmp(name, "rope_f", 6) == 0)
        return 1.0f + 4.0f * u;
    if (contains(name, "ssm_a"))
        return -(0.25f + 4.0f * u);
    if ((contains(name, "norm") && ends_in(name, ".weight")) || contains(name, "_scale") ||
        contains(name, ".scale") || (contains(name, "ssm_d") && !contains(name, "dt")))
        return 1.0f + 0.25f * g;
    if (ends_in(name, ".bias") || contains(name, "exp_probs_b"))
        return 0.25f * g;
    if (contains(name, "sinks"))
        return g;
    if (t->n_dims == 1)
        return 1.0f + 0.25f * g;
    if (strncmp(name, "token_embd", 10) == 0 || strncmp(name, "position_embd", 13) == 0)
        return 0.75f * g;
    double gain = contains(name, "attn_q") || contains(name, "attn_k") || contains(name, "gate_inp")
                      ? 1.5
                  : strcmp(name, "output.weight") == 0 ? 2.0
                                                       : 1.0;
    return (float)(gain / sqrt((double)t->ne[0])) * g;
}

static void golden_fill(const golden_tensor *t, uint64_t seed, uint8_t *out)
{
    uint64_t base = fnv1a64(t->name) + seed * GOLDEN;
    for (uint64_t i = 0; i < t->n; i++) {
        uint64_t z = base + (i + 1) * GOLDEN;
        z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
        z ^= z >> 31;
        int32_t sum = (int32_t)((z & 0xffff) + (z >> 16 & 0xffff) + (z >> 32 & 0xffff) + (z >> 48));
        float g = (float)(sum - 131070) * (float)(1.0 / 37837);
        float w = golden_weight(t, g, (float)(z >> 40) * 0x1p-24f);
        if (t->type == SK_F16)
            sk_put_le16(out + 2 * i, sk_f32_to_f16(w));
        else
            sk_put_le32(out + 4 * i, sk_f32_bits(w));
    }
}

void golden_tensor_fill(const char *name, uint32_t n_dims, uint64_t ne0, uint64_t n, uint32_t type,
                        uint64_t seed, uint8_t *out)
{
    golden_tensor t = {.n_dims = n_dims, .type = type, .ne = {ne0}, .n = n};
    snprintf(t.name, sizeof t.name, "%s", name);
    golden_fill(&t, seed, out);
}

/* ---- The header, which is one of ours: nothing is checked --------------------------------------
 */

static const uint8_t *skip_value(const uint8_t *p, uint32_t type)
{
    static const int sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    if (type == 8)
        return p + 8 + sk_le64(p);
    if (type != 9)
        return p + sizes[type];
    uint32_t element = sk_le32(p);
    uint64_t n = sk_le64(p + 4);
    p += 12;
    for (uint64_t i = 0; i < n; i++)
        p = skip_value(p, element);
    return p;
}

static const uint8_t *read_tensor(const uint8_t *p, golden_tensor *t)
{
    uint64_t n = sk_le64(p);
    memset(t, 0, sizeof *t);
    memcpy(t->name, p + 8, n);
    p += 8 + n;
    t->n_dims = sk_le32(p);
    p += 4;
    t->n = 1;
    for (uint32_t i = 0; i < t->n_dims; i++, p += 8)
        t->n *= t->ne[i] = sk_le64(p);
    t->type = sk_le32(p);
    t->offset = sk_le64(p + 4);
    return p + 12;
}

uint8_t *golden_expand(const char *head_path, uint64_t seed, size_t *size)
{
    size_t n_head;
    uint8_t *head = test_read(head_path, &n_head);
    uint64_t n_tensors = sk_le64(head + 8), n_kv = sk_le64(head + 16), end = 0;
    const uint8_t *p = head + 24;
    for (uint64_t i = 0; i < n_kv; i++) {
        p += 8 + sk_le64(p);
        p = skip_value(p + 4, sk_le32(p));
    }
    golden_tensor *tensors = calloc(n_tensors, sizeof *tensors);
    for (uint64_t i = 0; i < n_tensors; i++) {
        golden_tensor *t = &tensors[i];
        p = read_tensor(p, t);
        uint64_t t_end = t->offset + t->n * (t->type == SK_F16 ? 2 : 4);
        end = t_end > end ? t_end : end;
    }
    uint64_t data = ((uint64_t)(p - head) + 31) / 32 * 32;
    *size = (size_t)(data + end + 31) / 32 * 32;
    uint8_t *file = calloc(1, *size);
    memcpy(file, head, n_head < data ? n_head : data);
    for (uint64_t i = 0; i < n_tensors; i++)
        golden_fill(&tensors[i], seed, file + data + tensors[i].offset);
    free(tensors);
    free(head);
    return file;
}

/* ---- Logits -----------------------------------------------------------------------------------
 */

golden_logits golden_read(const char *path)
{
    golden_logits g = {.file = test_read(path, NULL)};
    const int32_t *head = (const int32_t *)(const void *)g.file;
    if (head[0] != 0x474f4c44 && head[0] != 0x474f4c45) {
        fprintf(stderr, "%s is no logits file\n", path);
        exit(1);
    }
    g.n_prefill = head[1];
    g.n_decode = head[2];
    g.n_vocab = head[3];
    g.tokens = head + 4;
    g.logits = (const float *)(const void *)(g.tokens + g.n_prefill + g.n_decode);
    return g;
}

double golden_error(const float *a, const float *b, size_t n)
{
    double square = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        square += d * d;
        sum += (double)a[i] * (double)a[i];
    }
    return square / sum;
}

/* ---- Models -----------------------------------------------------------------------------------
 */

static sk_heap golden_heap;

sk_model *golden_model(const void *data, size_t size, const char *options, sk_error *error)
{
    sk_model *model = NULL;
    static sk_options o;
    sk_heap_init(&golden_heap, NULL, 0, NULL);
    sk_options_init(&o, &golden_heap);
    sk_options_set_pointer(&o, "memory", data, error);
    sk_options_set_int(&o, "memory_size", (int64_t)size, error);
    int32_t status = options ? sk_options_parse(&o, options, error) : SKALD_OK;
    if (status == SKALD_OK)
        status = sk_model_open(&model, NULL, &o, error);
    sk_options_clear(&o);
    while (status >= 0 && model && !sk_model_is_loaded(model))
        status = sk_model_step(model, -1);
    if (status >= 0)
        return model;
    if (model)
        *error = *sk_model_error(model);
    sk_model_release(model);
    return NULL;
}

sk_state *golden_state(const sk_model *model)
{
    sk_state *state = NULL;
    sk_error error = {0};
    if (sk_state_new(&state, sk_model_heap(model), model, 256, SK_F32, SK_F32, &error) != 0)
        fprintf(stderr, "state: %s\n", error.text);
    int64_t n = 256; /* fewer where the model has learned fewer positions */
    while (state && sk_state_reserve(state, n, &error) != 0 && n > 1)
        n /= 2;
    return state;
}

static bool golden_batch(sk_pass *pass, sk_state *state, const int32_t *tokens, int64_t at,
                         int64_t n, int64_t slice_us, bool gives_logits)
{
    sk_error error = {0};
    sk_row *rows = sk_pass_rows(pass);
    for (int64_t i = 0; i < n; i++)
        rows[i] = (sk_row){state, at + i, tokens[at + i], gives_logits, !gives_logits, 0};
    if (sk_pass_begin(pass, n, &error) != SKALD_OK) {
        fprintf(stderr, "begin: %s\n", error.text);
        return false;
    }
    int32_t status;
    do {
        int64_t deadline = slice_us < 0 ? INT64_MAX : sk_clock_us() + slice_us;
        status = sk_pass_run(pass, deadline, NULL, NULL);
    } while (status == SKALD_PENDING);
    for (int64_t i = 0; i < n; i++) {
        if (sk_pass_failed_layer(pass, i) >= 0)
            return false;
    }
    return status == SKALD_DONE;
}

int64_t golden_width(const sk_model *model)
{
    return sk_model_has_logits(model) ? sk_model_n_vocab(model) : sk_model_n_vector(model);
}

float *golden_run(const sk_model *model, const int32_t *tokens, int64_t n, const int *batch,
                  int n_batch, int64_t slice_us)
{
    sk_error error = {0};
    sk_pass *pass = NULL;
    int64_t width = golden_width(model);
    bool logit = sk_model_has_logits(model);
    sk_state *state = golden_state(model);
    float *logits = malloc((size_t)(n * width) * sizeof *logits);
    bool well = state && sk_pass_new_for(&pass, sk_model_heap(model), model, n, logit ? n : 0,
                                         logit ? 0 : n, &error) == SKALD_OK;
    int at_batch = 0;
    for (int64_t at = 0; well && at < n;) {
        int64_t size = batch[at_batch];
        at_batch += at_batch + 1 < n_batch;
        size = size < n - at ? size : n - at;
        well = golden_batch(pass, state, tokens, at, size, slice_us, logit);
        for (int64_t i = 0; well && i < size; i++)
            memcpy(logits + (at + i) * width,
                   logit ? sk_pass_logits(pass, i) : sk_pass_vector(pass, i),
                   (size_t)width * sizeof *logits);
        at += size;
    }
    sk_pass_free(pass);
    sk_state_free(state);
    if (well)
        return logits;
    free(logits);
    return NULL;
}
