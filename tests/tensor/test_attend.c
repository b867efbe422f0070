/* SPDX-License-Identifier: MIT */
/*
 * Attention in each tier: against softmax(q.k) v in double; bit for bit against the contract's
 * words, with caps, slopes, biases and sinks, written here key by key; for one row and for many,
 * whose ranges of keys begin and end anywhere; queries alone against queries together; blocks at
 * once, one by one and merged later; and that what is masked is not read: keys that no row sees are
 * NaN, blocks without a seen key have no memory at all. Every type of cache; how each is stored,
 * and what it means, is written here too, after the reference's formulas.
 */
#include "base/portable.h"

#include "base/dtype.h"
#include "tensor/half.h"
#include "tensor/math.h"
#include "tensor_test.h"

enum { DIM = 600, KEYS = 64 * 5, HEADS = 140, ROWS = 64, QUERIES = 400, GAP = 5 };

static const sk_kernels *kernels;
static uint64_t seed = 5;
static float bent[2 * HEADS];                        /* slopes, sinks */
static float biases[HEADS][2 * SK_NEAR + 1];         /* by distance */
static float k_value[KEYS][DIM], v_value[KEYS][DIM]; /* what the cache holds, as floats */
static float memory[2][2 + KEYS * DIM]; /* the caches begin where the blocks' offsets say */
static unsigned char *const k_cache = (unsigned char *)(memory[0] + 1);
static unsigned char *const v_cache = (unsigned char *)(memory[1] + 2);
static float q[QUERIES * DIM], out[QUERIES * DIM + 16], want[DIM];
static sk_span seen[ROWS];
static const void *k_block[KEYS / 64], *v_block[KEYS / 64];

static const int cache_types[] = {SK_F32, SK_F16, SK_BF16, SK_Q8_0, SK_Q4_0};

enum { N_TYPES = 5, N_FLOATS = 3 };

static size_t row_size(int dtype, int64_t n)
{
    uint64_t size = 0;
    CHECK(sk_dtype_row_size((uint64_t)dtype, (uint64_t)n, &size));
    return (size_t)size;
}

/* The reference's formulas for a block of 32, word by word, and what it reads back as. */
static void put_q8_0(unsigned char *to, const float *x, float *value)
{
    float most = 0;
    for (int j = 0; j < 32; j++)
        most = fmaxf(most, fabsf(x[j]));
    const float d = most / 127, id = d != 0 ? 1 / d : 0;
    sk_put_le16(to, sk_f32_to_f16(d));
    for (int j = 0; j < 32; j++) {
        const int8_t code = (int8_t)roundf(x[j] * id);
        memcpy(to + 2 + j, &code, 1);
        value[j] = sk_f16_to_f32(sk_f32_to_f16(d)) * (float)code;
    }
}

static void put_q4_0(unsigned char *to, const float *x, float *value)
{
    float most = 0, v = 0;
    for (int j = 0; j < 32; j++)
        if (fabsf(x[j]) > most) {
            most = fabsf(x[j]);
            v = x[j];
        }
    const float d = v / -8, id = d != 0 ? 1 / d : 0;
    memset(to + 2, 0, 16);
    sk_put_le16(to, sk_f32_to_f16(d));
    for (int j = 0; j < 32; j++) {
        const float product = x[j] * id, y = truncf(product + 8.5f);
        const int code = y > 15 ? 15 : (int)y;
        to[2 + j % 16] |= (unsigned char)(code << (j < 16 ? 0 : 4));
        value[j] = sk_f16_to_f32(sk_f32_to_f16(d)) * (float)(code - 8);
    }
}

/* A row of a cache, and what it reads back as. */
static void put_row(int dtype, unsigned char *to, const float *x, int64_t n, float *value)
{
    for (int64_t i = 0; i < n; i++) {
        const uint16_t half = dtype == SK_F16 ? sk_f32_to_f16(x[i]) : sk_f32_to_bf16(x[i]);
        if (dtype == SK_F32)
            memcpy(to + 4 * i, x + i, 4);
        else if (dtype == SK_F16 || dtype == SK_BF16)
            memcpy(to + 2 * i, &half, 2);
        else if (i % 32 == 0 && dtype == SK_Q8_0)
            put_q8_0(to + i / 32 * 34, x + i, value + i);
        else if (i % 32 == 0)
            put_q4_0(to + i / 32 * 18, x + i, value + i);
        if (dtype == SK_F16 || dtype == SK_BF16)
            value[i] = dtype == SK_F16 ? sk_f16_to_f32(half) : sk_bf16_to_f32(half);
        else if (dtype == SK_F32)
            value[i] = x[i];
    }
}

/* Fills a cache with rows of `dim`; keys outside [first, last) are NaN, or scales are. */
static void fill_cache(unsigned char *cache, float (*value)[DIM], int dtype, int64_t dim,
                       int64_t first, int64_t last)
{
    const size_t size = row_size(dtype, dim);
    float x[DIM];
    for (int64_t j = 0; j < KEYS; j++) {
        random_units(x, dim, &seed);
        for (int64_t i = 0; i < dim; i++)
            x[i] *= 2;
        memset(cache + (size_t)j * size, 0xff, size);
        if (j >= first && j < last)
            put_row(dtype, cache + (size_t)j * size, x, dim, value[j]);
    }
}

static void make(sk_attend *a)
{
    int64_t first = KEYS, last = 0;
    for (int64_t r = 0; r < a->n_row; r++) {
        first = seen[r].first < first ? seen[r].first : first;
        last = seen[r].last > last ? seen[r].last : last;
    }
    a->q = q;
    a->q_stride = a->n_head * a->dk + GAP;
    a->seen = seen;
    a->out = out;
    a->out_stride = a->n_head * a->dv + GAP;
    a->k_offset = 4;
    a->v_offset = 8;
    a->k = k_block;
    a->v = v_block;
    a->k_offset = a->v_offset = 0;
    a->k_size = row_size(a->k_dtype, a->dk);
    a->v_size = row_size(a->v_dtype, a->dv);
    a->scale = (float)(1 / sqrt((double)a->dk));
    fill_cache(k_cache, k_value, a->k_dtype, a->dk, first, last);
    fill_cache(v_cache, v_value, a->v_dtype, a->dv, first, last);
    for (int64_t b = 0; b < KEYS / 64; b++) {
        const bool some = b * 64 < last && b * 64 + 64 > first;
        k_block[b] = some ? k_cache - a->k_offset + (size_t)b * 64 * a->k_size : NULL;
        v_block[b] = some ? v_cache - a->v_offset + (size_t)b * 64 * a->v_size : NULL;
    }
    random_units(q, a->n_row * a->q_stride, &seed);
    for (int64_t i = 0; i < QUERIES * DIM + 16; i++)
        out[i] = 77;
}

static float tree(const float *lane_in)
{
    float lane[16];
    memcpy(lane, lane_in, sizeof lane);
    for (int step = 8; step; step /= 2)
        for (int l = 0; l < step; l++)
            lane[l] = lane[l] + lane[l + step];
    return lane[0];
}

/* How far ahead of a row key j is. */
static int64_t ahead(const sk_attend *a, int64_t row, int64_t j)
{
    return j - (a->placed ? a->at + row : seen[row].last - 1);
}

static float bias(const sk_attend *a, int64_t head, int64_t far)
{
    far = far < -SK_NEAR ? -SK_NEAR : far;
    return a->near[head * (2 * SK_NEAR + 1) + SK_NEAR + (far > SK_NEAR ? SK_NEAR : far)];
}

/* The contract, one head of a row. */
static void by_the_book(const sk_attend *a, int64_t row, int64_t head)
{
    const float *qh = q + row * a->q_stride + head * a->dk;
    const int64_t first = seen[row].first, last = seen[row].last;
    float m = 0, l = 0;
    bool fresh = true;
    for (int64_t b = 0; b < KEYS / 64; b++) {
        float score[64], sum[16] = {0}, m_b = -HUGE_VALF;
        const int64_t lo = first > b * 64 ? first - b * 64 : 0;
        const int64_t hi = last < b * 64 + 64 ? last - b * 64 : 64;
        if (lo >= hi)
            continue;
        for (int64_t j = lo; j < hi; j++) {
            float lane[16] = {0};
            for (int64_t i = 0; i < a->dk; i++)
                lane[i % 16] = fmaf(qh[i], k_value[b * 64 + j][i], lane[i % 16]);
            score[j] = tree(lane) * a->scale;
            if (a->cap != 0)
                score[j] = a->cap * sk_tanhf(score[j] / a->cap);
            const int64_t distance = ahead(a, row, b * 64 + j);
            const float far = a->slope ? a->slope[head] * (float)-llabs(distance) : 0;
            score[j] = a->slope ? score[j] + far : score[j];
            score[j] = a->near ? score[j] + bias(a, head, distance) : score[j];
            m_b = score[j] > m_b ? score[j] : m_b;
        }
        for (int64_t j = lo; j < hi; j++) {
            score[j] = sk_expf(score[j] - m_b);
            sum[j % 16] += score[j];
        }
        const float l_b = tree(sum), both = m_b > m ? m_b : m;
        const float keep = sk_expf(m - both), take = sk_expf(m_b - both);
        for (int64_t d = 0; d < a->dv; d++) {
            float o = 0;
            for (int64_t j = lo; j < hi; j++)
                o = fmaf(score[j], v_value[b * 64 + j][d], o);
            const float kept = want[d] * keep, taken = o * take;
            want[d] = fresh ? o : kept + taken;
        }
        const float kept = l * keep, taken = l_b * take;
        l = fresh ? l_b : kept + taken;
        m = fresh ? m_b : both;
        fresh = false;
    }
    if (a->sink) {
        const float both = a->sink[head] > m ? a->sink[head] : m;
        const float kept = l * sk_expf(m - both);
        for (int64_t d = 0; d < a->dv; d++)
            want[d] *= sk_expf(m - both);
        l = kept + sk_expf(a->sink[head] - both);
    }
    for (int64_t d = 0; d < a->dv; d++)
        want[d] /= l;
}

static void exactly(const sk_attend *a, int64_t row, int64_t head, double *result)
{
    const float *qh = q + row * a->q_stride + head * a->dk;
    const int64_t first = seen[row].first, last = seen[row].last;
    static double p[KEYS];
    double max = -HUGE_VAL, sum = 0;
    for (int64_t j = first; j < last; j++) {
        p[j] = 0;
        for (int64_t i = 0; i < a->dk; i++)
            p[j] += (double)qh[i] * (double)k_value[j][i];
        p[j] *= (double)a->scale;
        if (a->cap != 0)
            p[j] = (double)a->cap * tanh(p[j] / (double)a->cap);
        if (a->slope)
            p[j] -= (double)a->slope[head] * (double)llabs(ahead(a, row, j));
        if (a->near)
            p[j] += (double)bias(a, head, ahead(a, row, j));
        max = fmax(max, p[j]);
    }
    if (a->sink) {
        max = fmax(max, (double)a->sink[head]);
        sum = exp((double)a->sink[head] - max);
    }
    for (int64_t j = first; j < last; j++)
        sum += p[j] = exp(p[j] - max);
    for (int64_t d = 0; d < a->dv; d++) {
        result[d] = 0;
        for (int64_t j = first; j < last; j++)
            result[d] += p[j] / sum * (double)v_value[j][d];
    }
}

/* |o - exact| <= 4e-6: |v| < 2, and the relative error of each p is some 1e-6. */
static void check_query(const sk_attend *a, int64_t row, int64_t head, int way)
{
    static double exact[DIM];
    const float *o = out + row * a->out_stride + head * a->dv;
    exactly(a, row, head, exact);
    by_the_book(a, row, head);
    double worst = 0;
    for (int64_t d = 0; d < a->dv; d++)
        worst = fmax(worst, isnan(o[d]) ? 1 : fabs((double)o[d] - exact[d]));
    CHECKF(worst <= 4e-6, "tier %s, row %d, head %d, dk %d, dv %d, keys %d to %d: off by %g",
           kernels->name, (int)row, (int)head, (int)a->dk, (int)a->dv, (int)seen[row].first,
           (int)seen[row].last, worst);
    CHECKF(first_difference(want, o, a->dv) == a->dv,
           "tier %s, way %d, row %d of %d, head %d, dk %d, dv %d, keys %d to %d, types %d %d: not "
           "the contract's bits",
           kernels->name, way, (int)row, (int)a->n_row, (int)head, (int)a->dk, (int)a->dv,
           (int)seen[row].first, (int)seen[row].last, a->k_dtype, a->v_dtype);
}

/* What lies between the rows' outputs and behind them is not touched. */
static void check_gaps(const sk_attend *a)
{
    for (int64_t r = 0; r < a->n_row; r++)
        for (int64_t i = a->n_head * a->dv; i < a->out_stride; i++)
            CHECK(out[r * a->out_stride + i] == 77);
    for (int64_t i = 0; i < 16; i++)
        CHECK(out[a->n_row * a->out_stride + i] == 77);
}

static void check_alone(sk_attend a)
{
    const sk_attend all = a;
    a.n_row = a.n_head = 1;
    for (int64_t r = 0; r < all.n_row; r++)
        for (int64_t h = 0; h < all.n_head; h++) {
            a.q = q + r * all.q_stride + h * a.dk;
            a.seen = seen + r;
            a.slope = all.slope ? bent + h : NULL;
            a.sink = all.sink ? bent + HEADS + h : NULL;
            a.near = all.near ? biases[h] : NULL;
            a.at = all.at + r;
            a.out = want;
            attend_all(kernels, &a, ATTEND_AT_ONCE);
            CHECK(memcmp(want, out + r * all.out_stride + h * a.dv, (size_t)a.dv * sizeof(float)) ==
                  0);
        }
}

/* Row r sees keys up to the r-th before `last`, counted from the last row, from `first` on, or, of
 * a window, later by a key for each row. */
static void check_rows(int64_t n_row, int64_t n_head, int64_t dk, int64_t dv, int64_t first,
                       int64_t last, int types)
{
    sk_attend a = {.n_row = n_row, .n_head = n_head, .dk = dk, .dv = dv};
    a.k_dtype = cache_types[types % N_TYPES];
    a.v_dtype = cache_types[types / N_TYPES];
    a.cap = (dk + types) % 3 ? 0 : 1.5f;
    a.slope = (dv + types) % 4 ? NULL : bent;
    a.sink = (dk + last) % 3 ? NULL : bent + HEADS;
    a.near = (dk + dv + types) % 5 ? NULL : biases[0];
    a.placed = (dv + last) % 2;
    a.at = first + (last - first) / 3;
    for (int64_t h = 0; h < n_head; h++) {
        bent[h] = 0.01f + 0.02f * (float)h;
        bent[HEADS + h] = random_unit(&seed) * 4;
        random_units(biases[h], 2 * SK_NEAR + 1, &seed);
    }
    for (int64_t r = 0; r < n_row; r++) {
        seen[r].last = last - (n_row - 1 - r);
        seen[r].first = first + (types % 2 ? r : 0);
        seen[r].last = seen[r].last > 1 ? seen[r].last : 1;
        seen[r].first = seen[r].first < seen[r].last ? seen[r].first : seen[r].last - 1;
    }
    make(&a);
    const int way = (int)(dk + dv + last + types) % ATTEND_WAYS;
    attend_all(kernels, &a, way);
    for (int64_t r = 0; r < n_row; r++)
        for (int64_t h = 0; h < n_head; h++)
            check_query(&a, r, h, way);
    check_gaps(&a);
    check_alone(a);
}

static void check_case(int64_t n_row, int64_t n_head, int64_t dk, int64_t dv, int64_t first,
                       int64_t last)
{
    for (int k = 0; k < (dk % 32 ? N_FLOATS : N_TYPES); k++) {
        const int n_v = dv % 32 ? N_FLOATS : N_TYPES, v = (int)(k + dk + last) % n_v;
        check_rows(n_row, n_head, dk, dv, first, last, N_TYPES * v + k);
    }
}

static void check_nothing_seen(void)
{
    float sums[2][3];
    sk_attend a = {.n_row = 1, .n_head = 3, .dk = 8, .dv = 8, .k_dtype = SK_F32};
    seen[0] = (sk_span){5, 5};
    make(&a);
    a.max = sums[0];
    a.sum = sums[1];
    kernels->attend(&a, 0, 1);
    kernels->attend_end(&a);
    for (int i = 0; i < 24; i++)
        CHECK(out[i] == 0);
    CHECK(out[24] == 77);
}

/* Rows are stored by the formulas: ordinary numbers, ties, zeros, and the ends of the range; what
 * is not finite is read back as such, and not in another block. */
static void check_store(void)
{
    static unsigned char got[DIM * 4 + 1], put[DIM * 4 + 1];
    float x[DIM], value[DIM];
    for (int round = 0; round < 4000; round++) {
        const int dtype = cache_types[round % N_TYPES];
        const int64_t n = 32 * (1 + (int64_t)(test_random(&seed) % 18));
        const size_t size = row_size(dtype, n);
        random_units(x, n, &seed);
        for (int64_t i = 0; i < n; i++) {
            const int kind = (round / N_TYPES + (int)(i / 32)) % 5;
            x[i] = kind == 0   ? 0.0f
                   : kind == 1 ? floorf(x[i] * 254) / 2 /* halves, if the largest is 127 */
                   : kind == 2 ? x[i] * 0x1p-16f
                   : kind == 3 ? x[i] * 30000
                               : x[i];
            x[i] = kind == 1 && i % 32 == 7 ? 127.0f : x[i];
        }
        memset(got, 0xaa, sizeof got);
        memset(put, 0xaa, sizeof put);
        put_row(dtype, put, x, n, value);
        kernels->kv_store(dtype, got, x, n);
        CHECKF(memcmp(got, put, sizeof got) == 0, "tier %s, type %d, row of %d", kernels->name,
               dtype, (int)n);
        CHECK(got[size] == 0xaa);
    }
    for (int t = N_FLOATS; t < N_TYPES; t++)
        for (int k = 0; k < 3; k++) {
            random_units(x, 64, &seed);
            x[11] = k == 0 ? NAN : k == 1 ? HUGE_VALF : -HUGE_VALF;
            kernels->kv_store(cache_types[t], got, x, 64);
            CHECK((sk_le16(got) & 0x7c00) == 0x7c00);
            CHECK((sk_le16(got + row_size(cache_types[t], 32)) & 0x7c00) != 0x7c00);
        }
}

static void check_tier(void)
{
    check_store();
    for (int64_t d = 1; d <= 70; d++) { /* all tails of both, ranges at and across the edges */
        check_case(1, 1 + d % 7, d, 71 - d, d % 3 ? d : 0, d + 1 + d % 130);
        check_case(1, 2, d, d, 0, d);
        check_case(17 + d % 5, 1 + d % 3, d, 71 - d, d % 3 ? d : 0, 3 * d + 30);
    }
    check_case(1, 1, 64, 64, 0, 1);
    check_case(1, 4, 128, 128, 63, 65);
    check_case(1, 8, 128, 128, 0, KEYS);
    check_case(1, 7, 80, 96, 64, 128);
    check_case(1, 3, 576, 512, 10, 200);
    check_case(1, 140, 24, 40, 1, 150);
    check_case(3, 6, 128, 128, 0, KEYS);
    check_case(64, 6, 64, 64, 0, 280);
    check_case(30, 2, 80, 96, 2, 190);
    check_case(40, 1, 128, 80, 0, 257);
    check_case(2, 20, 576, 512, 60, 130);
    check_case(1, 6, 96, 32, 5, 200);
    check_nothing_seen();
}

int main(void)
{
    bool more = true;
    for (int i = 0; more; i++)
        if ((kernels = tier_at(i, &more)) != NULL)
            check_tier();
    return test_end();
}
