/* SPDX-License-Identifier: MIT */
/*
 * The matrix product of every tier and type.
 *
 * Meaning: against the sum, in double, of dequantised weights times dequantised activations.
 * Contract: against a slow restatement of CONTRACT.md written here: integer weights are recovered
 * from the dequantised ones (an exact multiple of the block's scale) or, for the types with a
 * minimum, read from the block once more; the float operations follow in the contract's order; the
 * bits must be equal. Properties: any cut into rows and columns, any maps of columns, any alignment
 * give the same bits. Adversarial blocks must do no harm and give equal bits in all tiers.
 */
#include "test.h"
#include "base/bytes.h"
#include "tensor/act.h"
#include "tensor/half.h"
#include "tensor/types.h"

#include <math.h>

enum { ROWS = 37, COLS = 37, N_MAX = 1280, ROW_MAX = 4 * N_MAX };

static uint8_t weights[ROWS * ROW_MAX + 64];
static _Alignas(64) uint8_t acts[COLS * 2 * ROW_MAX];
static float input[COLS][N_MAX], dense[ROWS][N_MAX];
static float out[COLS * 2][ROWS], again[COLS * 2][ROWS];

/* Where a type keeps its half-precision scales; -1: it has none. */
static void scale_fields(int dtype, int *d, int *m)
{
    *m = dtype == SK_Q4_1 || dtype == SK_Q5_1 || dtype == SK_Q4_K || dtype == SK_Q5_K ? 2
         : dtype == SK_Q2_K                                                           ? 82
                                                                                      : -1;
    *d = 0;
    switch (dtype) {
    case SK_Q2_K:
        *d = 80;
        break;
    case SK_Q3_K:
        *d = 108;
        break;
    case SK_Q6_K:
        *d = 208;
        break;
    case SK_TQ1_0:
        *d = 52;
        break;
    case SK_TQ2_0:
        *d = 64;
        break;
    case SK_F32:
    case SK_F16:
    case SK_BF16:
    case SK_MXFP4:
    case SK_NVFP4:
    case SK_IQ1_M:
        *d = -1;
    }
}

/* Random blocks with scales as real files have them. */
static void fill_weights(int dtype, uint8_t *w, size_t size, uint64_t *seed)
{
    const sk_dtype *t = sk_dtype_get((uint64_t)dtype);
    int d, m;
    scale_fields(dtype, &d, &m);
    for (size_t i = 0; i < size; i++)
        w[i] = (uint8_t)(test_random(seed) >> 33);
    for (uint8_t *p = w; p + t->n_byte <= w + size; p += t->n_byte) {
        const float r = (float)(int32_t)(test_random(seed) >> 33) * 0x1p-30f - 1;
        if (dtype == SK_F32)
            sk_put_le32(p, sk_f32_bits(r));
        else if (dtype == SK_F16)
            sk_put_le16(p, sk_f32_to_f16(r));
        else if (dtype == SK_BF16)
            sk_put_le16(p, sk_f32_to_bf16(r));
        else if (dtype == SK_MXFP4)
            p[0] = (uint8_t)(110 + p[0] % 20);
        else if (dtype == SK_IQ1_M)
            p[55] = (uint8_t)((p[55] & 15) | (p[55] & 0x80) | 0x20);
        if (d >= 0)
            sk_put_le16(p + d, sk_f32_to_f16(r * 0.05f));
        if (m >= 0)
            sk_put_le16(p + m, sk_f32_to_f16(r * r * 0.04f));
    }
}

/* Weight i's integer, and its minimum's, of the five types with a minimum. */
static void integers_of(int dtype, const uint8_t *b, int i, int *w, int *min)
{
    const int half = i / 16 % 2, j = i % 16, k = i / 32;
    const uint8_t *s = b + 4;
    *min = 1;
    if (dtype == SK_Q4_1) {
        *w = half ? b[4 + j] >> 4 : b[4 + j] & 15;
    } else if (dtype == SK_Q5_1) {
        *w = (half ? b[8 + j] >> 4 : b[8 + j] & 15) | (int)(sk_le32(b + 4) >> i & 1) << 4;
    } else if (dtype == SK_Q2_K) {
        *w = (b[16 + 32 * (i / 128) + i % 32] >> 2 * (k % 4) & 3) * (b[i / 16] & 15);
        *min = b[i / 16] >> 4;
    } else {
        const int scale = k < 4 ? s[k] & 63 : (s[k + 4] & 15) | s[k - 4] >> 6 << 4;
        const int byte = b[(dtype == SK_Q4_K ? 16 : 48) + 32 * (i / 64) + i % 32];
        const int high = dtype == SK_Q5_K ? (b[16 + i % 32] >> k & 1) << 4 : 0;
        *w = ((k % 2 ? byte >> 4 : byte & 15) | high) * scale;
        *min = k < 4 ? s[k + 4] & 63 : s[k + 4] >> 4 | s[k] >> 6 << 4;
    }
}

static float unit_scale(int dtype, const uint8_t *block, int i)
{
    int d, m;
    scale_fields(dtype, &d, &m);
    if (dtype == SK_MXFP4)
        return (float)ldexp(1, block[0] - 128);
    if (dtype == SK_NVFP4) {
        const int x = block[i / 16], e = x >> 3 & 15;
        return x == 127 ? 0 : (float)ldexp((x & 7) + (e ? 8 : 0), (e ? e : 1) - 11);
    }
    if (dtype == SK_IQ1_M) {
        unsigned bits = 0;
        for (int k = 0; k < 4; k++)
            bits |= (unsigned)(sk_le16(block + 48 + 2 * k) >> 12) << 4 * k;
        return sk_f16_to_f32((uint16_t)bits) / 8;
    }
    const float scale = sk_f16_to_f32(sk_le16(block + d));
    const bool eighth =
        dtype == SK_IQ2_XXS || dtype == SK_IQ2_XS || dtype == SK_IQ2_S || dtype == SK_IQ1_S;
    return eighth ? scale / 8 : dtype == SK_IQ3_XXS ? scale / 4 : scale;
}

/* The contract, for quantised weights. */
static float contract_quants(int dtype, const uint8_t *row, const float *w, const sk_act_row *x,
                             int64_t n)
{
    const sk_dtype *t = sk_dtype_get((uint64_t)dtype);
    const int a_block = sk_act_kind(dtype) == SK_ACT_Q32 ? 32 : 256;
    const int group = dtype == SK_NVFP4 ? 16 : a_block;
    int d_at, m_at;
    float acc = 0;
    scale_fields(dtype, &d_at, &m_at);
    for (int64_t g = 0; g < n; g += group) {
        const uint8_t *block = row + g / t->n_elem * t->n_byte;
        const float d = unit_scale(dtype, block, (int)(g % t->n_elem)), da = x->d[g / a_block];
        long long dot = 0, low = 0;
        for (int64_t i = g; i < g + group; i++) {
            int q, min = 0;
            if (m_at >= 0)
                integers_of(dtype, block, (int)(i - g), &q, &min);
            else
                q = d < 0 || d > 0 ? (int)((double)w[i] / (double)d) : 0;
            dot += (long long)q * x->code[i];
            low += (long long)min * x->code[i];
        }
        const float s = d * da;
        acc = fmaf((float)dot, s, acc);
        if (m_at < 0)
            continue;
        const float m = sk_f16_to_f32(sk_le16(block + m_at)) * da;
        acc = fmaf((float)low, group == 256 ? -m : m, acc);
    }
    return acc;
}

static float contract_floats(const float *w, const float *x, int64_t n)
{
    float lane[16] = {0};
    for (int64_t i = 0; i < n; i++)
        lane[i % 16] = fmaf(w[i], x[i], lane[i % 16]);
    for (int half = 8; half; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] = lane[l] + lane[l + half];
    return lane[0];
}

/* A product's operands, filled in. */
static sk_matmul operands(int dtype, int64_t n, uint8_t *w, float (*to)[ROWS])
{
    const sk_dtype *t = sk_dtype_get((uint64_t)dtype);
    const int kind = sk_act_kind(dtype);
    sk_matmul m = {.dtype = dtype, .w = w, .row_size = (size_t)n / t->n_elem * t->n_byte, .n = n};
    m.act = acts;
    m.act_size = sk_act_row_size(kind, n);
    m.out = to[0];
    m.out_stride = ROWS;
    return m;
}

static void fill(const sk_kernels *k, const sk_matmul *m, uint8_t *w, uint64_t *seed)
{
    fill_weights(m->dtype, w, m->row_size * ROWS, seed);
    for (int r = 0; r < ROWS; r++)
        CHECK(sk_dequantise(m->dtype, w + (size_t)r * m->row_size, dense[r], m->n));
    for (int c = 0; c < COLS; c++) {
        for (int64_t i = 0; i < m->n; i++)
            input[c][i] = (float)(int32_t)(test_random(seed) >> 32) * 0x1p-31f;
        CHECK_INT(
            k->quantise(sk_act_kind(m->dtype), input[c], m->n, acts + (size_t)c * m->act_size), 0);
    }
}

static void check_values(const sk_kernels *k, const sk_matmul *m)
{
    const char *name = sk_dtype_get((uint64_t)m->dtype)->name;
    const int kind = sk_act_kind(m->dtype), block = kind == SK_ACT_Q32 ? 32 : 256;
    double worst = 0;
    int differ = 0;
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLS; c++) {
            const uint8_t *row = (const uint8_t *)m->w + (size_t)r * m->row_size;
            const sk_act_row x = sk_act_view(kind, acts + (size_t)c * m->act_size, m->n);
            double sum = 0, size = 0;
            for (int64_t i = 0; i < m->n; i++) {
                const double a =
                    kind == SK_ACT_F32 ? (double)input[c][i] : x.code[i] * (double)x.d[i / block];
                sum += (double)dense[r][i] * a;
                size += fabs((double)dense[r][i] * a);
            }
            worst = fmax(worst, fabs(sum - (double)out[c][r]) / (size + 1e-30));
            const float exact = kind == SK_ACT_F32
                                    ? contract_floats(dense[r], x.x, m->n)
                                    : contract_quants(m->dtype, row, dense[r], &x, m->n);
            differ += sk_f32_bits(exact) != sk_f32_bits(out[c][r]);
        }
    CHECKF(worst < 2e-6, "%s %s n %lld: off by %g", k->name, name, (long long)m->n, worst);
    CHECKF(differ == 0, "%s %s n %lld: %d of %d break the contract", k->name, name, (long long)m->n,
           differ, ROWS * COLS);
}

/* The same product in pieces, through maps, and from a misaligned copy. */
static void check_pieces(const sk_kernels *k, const sk_matmul *m, uint64_t *seed)
{
    static uint8_t copy[ROWS * ROW_MAX + 64];
    int32_t in_col[COLS], out_col[COLS];
    sk_matmul p = *m;
    memcpy(copy + 3, m->w, m->row_size * ROWS);
    p.w = copy + 3;
    p.out = again[0];
    memset(again, 0x5a, sizeof again);
    for (int64_t r = 0, r1; r < ROWS; r = r1) {
        r1 = r + 1 + (int64_t)(test_random(seed) % 33);
        r1 = r1 < ROWS ? r1 : ROWS;
        for (int64_t c = 0, c1; c < COLS; c = c1) {
            c1 = c + 1 + (int64_t)(test_random(seed) % 19);
            c1 = c1 < COLS ? c1 : COLS;
            k->matmul(&p, r, r1, c, c1);
        }
    }
    CHECKF(memcmp(again, out, sizeof out / 2) == 0, "%s type %d in pieces", k->name, m->dtype);
    for (int c = 0; c < COLS; c++) {
        in_col[c] = c * 5 % COLS;
        out_col[c] = COLS + 3 - (c * 7 % COLS);
    }
    p.in_col = in_col;
    p.out_col = out_col;
    memset(again, 0x5a, sizeof again);
    k->matmul(&p, 1, ROWS, 2, COLS);
    int wrong = 0;
    for (int c = 2; c < COLS; c++)
        wrong += memcmp(&again[out_col[c]][1], &out[in_col[c]][1], (ROWS - 1) * sizeof(float)) != 0;
    CHECKF(wrong == 0, "%s type %d through maps: %d columns", k->name, m->dtype, wrong);
    int touched = 0; /* row 0, and columns that are nobody's */
    for (int c = 0; c < 2 * COLS; c++)
        touched += sk_f32_bits(again[c][0]) != 0x5a5a5a5a;
    for (int c = 0; c < 2; c++)
        touched += sk_f32_bits(again[out_col[c]][1]) != 0x5a5a5a5a;
    CHECKF(touched == 0, "%s type %d wrote %d outputs of others", k->name, m->dtype, touched);
}

static bool same_bits(float a, float b)
{
    return sk_f32_bits(a) == sk_f32_bits(b) || (isnan(a) && isnan(b));
}

/* Blocks that no quantiser writes: every scale NaN, infinite, extreme. All tiers agree. */
static void check_adversarial(const sk_kernels *c_tier, const sk_kernels *k, sk_matmul *m)
{
    static const uint8_t fills[] = {0x00, 0xff, 0x7c, 0x7f, 0x80, 0xfc, 0x55, 0xaa, 0x01, 0x77};
    uint8_t *w = weights + 1;
    sk_matmul p = *m;
    p.w = w;
    for (int c = 0; c < COLS; c++) {
        for (int64_t i = 0; i < m->n; i++)
            input[c][i] = (i + c) % 7 ? (c % 2 ? -3e38f : 1) : 3e38f;
        k->quantise(sk_act_kind(m->dtype), input[c], m->n, acts + (size_t)c * m->act_size);
    }
    for (size_t f = 0; f < sizeof fills; f++) {
        memset(w, fills[f], m->row_size * ROWS);
        p.out = out[0];
        c_tier->matmul(&p, 0, ROWS, 0, COLS);
        p.out = again[0];
        k->matmul(&p, 0, ROWS, 0, COLS);
        int wrong = 0;
        for (int c = 0; c < COLS; c++)
            for (int r = 0; r < ROWS; r++)
                wrong += !same_bits(out[c][r], again[c][r]);
        CHECKF(wrong == 0, "%s type %d filled with %02x", k->name, m->dtype, fills[f]);
        sk_dequantise(m->dtype, w, dense[0], m->n);
    }
}

static void check_type(const sk_kernels *k, int dtype, int64_t n)
{
    uint64_t seed = 1 + (uint64_t)dtype;
    sk_matmul m = operands(dtype, n, weights, out);
    fill(k, &m, weights, &seed);
    memset(out, 0x5a, sizeof out);
    k->matmul(&m, 0, ROWS, 0, COLS);
    check_values(k, &m);
    check_pieces(k, &m, &seed);
    bool runs;
    check_adversarial(sk_kernels_at(0, &runs), k, &m);
}

int main(void)
{
    bool runs;
    for (int i = 0; sk_kernels_at(i, &runs); i++) {
        const sk_kernels *k = sk_kernels_at(i, &runs);
        for (int dtype = 0; runs && dtype < SK_DTYPE_END; dtype++) {
            const sk_dtype *t = sk_dtype_get((uint64_t)dtype);
            if (!t || !t->weight)
                continue;
            check_type(k, dtype, t->n_elem);
            check_type(k, dtype, t->n_elem * 3);
            check_type(k, dtype, 1024);
            for (int64_t n = 2; t->n_elem == 1 && n < 19; n++)
                check_type(k, dtype, n);
            for (int64_t n = 1021; t->n_elem == 1 && n < N_MAX; n += 51)
                check_type(k, dtype, n);
            if (t->n_elem == 32)
                check_type(k, dtype, 288);
        }
    }
    return test_end();
}
