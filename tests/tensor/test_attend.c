/* SPDX-License-Identifier: MIT */
/*
 * Attention in each tier: against softmax(q.k) v in double; bit for bit against the contract's
 * words, with caps, slopes and sinks, written here key by key; for one row and for many, whose
 * ranges of keys begin and end anywhere; queries alone against queries together; blocks at once,
 * one by one and merged later; and that what is masked is not read: keys that no row sees are NaN,
 * blocks without a seen key have no memory at all.
 */
#include "base/portable.h"

#include "tensor/half.h"
#include "tensor/math.h"
#include "tensor_test.h"

enum { DIM = 600, KEYS = 64 * 5, HEADS = 140, ROWS = 64, QUERIES = 400, GAP = 5 };

static const sk_kernels *kernels;
static uint64_t seed = 5;
static float bent[2 * HEADS];                        /* slopes, sinks */
static float k_value[KEYS][DIM], v_value[KEYS][DIM]; /* what the cache holds, as floats */
static float memory[2][2 + KEYS * DIM]; /* the caches begin where the blocks' offsets say */
static unsigned char *const k_cache = (unsigned char *)(memory[0] + 1);
static unsigned char *const v_cache = (unsigned char *)(memory[1] + 2);
static float q[QUERIES * DIM], out[QUERIES * DIM + 16], want[DIM];
static sk_span seen[ROWS];
static const void *k_block[KEYS / 64], *v_block[KEYS / 64];

/* Fills a cache with rows of `dim`; keys outside [first, last) are NaN. */
static void fill_cache(unsigned char *cache, float (*value)[DIM], int dtype, int64_t dim,
                       int64_t first, int64_t last)
{
    for (int64_t j = 0; j < KEYS; j++)
        for (int64_t i = 0; i < dim; i++) {
            const float x = j >= first && j < last ? random_unit(&seed) * 2 : NAN;
            const uint16_t h = sk_f32_to_f16(x);
            if (dtype == SK_F16)
                ((uint16_t *)(void *)cache)[j * dim + i] = h;
            else
                ((float *)(void *)cache)[j * dim + i] = x;
            value[j][i] = dtype == SK_F16 ? sk_f16_to_f32(h) : x;
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
    a->k_size = (size_t)a->dk * (a->k_dtype == SK_F16 ? 2 : 4);
    a->v_size = (size_t)a->dv * (a->v_dtype == SK_F16 ? 2 : 4);
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
            const float far = a->slope ? a->slope[head] * (float)(b * 64 + j - (last - 1)) : 0;
            score[j] = a->slope ? score[j] + far : score[j];
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
            p[j] -= (double)a->slope[head] * (double)(last - 1 - j);
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
    a.k_dtype = types & 1 ? SK_F16 : SK_F32;
    a.v_dtype = types & 2 ? SK_F16 : SK_F32;
    a.cap = (dk + types) % 3 ? 0 : 1.5f;
    a.slope = (dv + types) % 4 ? NULL : bent;
    a.sink = (dk + last) % 3 ? NULL : bent + HEADS;
    for (int64_t h = 0; h < n_head; h++) {
        bent[h] = 0.01f + 0.02f * (float)h;
        bent[HEADS + h] = random_unit(&seed) * 4;
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
    for (int types = 0; types < 4; types++)
        check_rows(n_row, n_head, dk, dv, first, last, types);
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

static void check_tier(void)
{
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
