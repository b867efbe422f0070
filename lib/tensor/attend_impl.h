/* SPDX-License-Identifier: MIT */
/*
 * Attention of one token, for one tier (tier_impl.h; no include guard).
 *
 * Per head, for each block of 64 keys by absolute position, over its seen keys j:
 *
 *   score_j = (q . k_j) * scale       fused into 16 lanes (element i in lane i mod 16), the tree
 *   score_j = cap * tanh(score_j / cap)            where there is a cap
 *   score_j = score_j + slope * (j - last key)     where there are slopes
 *   m_b = max score_j;  p_j = expf(score_j - m_b)
 *   l_b = sum p_j                     16 lanes (key j in lane j mod 16), the tree
 *   o_b[d] = sum p_j * v_j[d]         fused, in order of j, from +0
 *
 * and blocks are merged in order; the first one is taken as it is:
 *
 *   m' = max(m, m_b);  keep = expf(m - m');  take = expf(m_b - m')
 *   l = l * keep + l_b * take;  o = o * keep + o_b * take     (products rounded, then the sum)
 *
 * A sink s is merged after them, with m_b = s, l_b = 1 and o_b = 0.
 *
 * The result is o / l, or zeros when no key is seen. Keys that are not seen are not read, nor are
 * blocks without any. K and V are read as the cache holds them.
 *
 * A head's sums do not depend on which heads share its call, so heads are taken in tiles of 4, 2
 * and 1, which read each key once. `out` is the accumulator o; the stack holds m and l of 128 heads
 * and the p of one tile: about 2 KiB.
 */
enum { TIER(ATTEND_HEADS) = 128, TIER(ATTEND_TILE) = 4 };

/* What is fixed for one block and tile. */
typedef struct TIER(attend_block) {
    const sk_attend *a;
    const unsigned char *k, *v; /* row 0 of the block */
    int64_t head;               /* first of the tile */
    int lo, hi;                 /* rows seen */
    int64_t behind;             /* of row 0's key, less that of the last key seen */
    bool fresh;                 /* no block before it */
} TIER(attend_block);

SK_INLINE v16 TIER(cache_load)(const unsigned char *row, int64_t i, int dtype)
{
    return dtype == SK_F16 ? v16_load_f16((const uint16_t *)(const void *)row + i)
                           : v16_load((const float *)(const void *)row + i);
}

SK_INLINE float TIER(cache_get)(const unsigned char *row, int64_t i, int dtype)
{
    return dtype == SK_F16 ? sk_f16_to_f32(((const uint16_t *)(const void *)row)[i])
                           : ((const float *)(const void *)row)[i];
}

/* Adds the elements past the last whole 16, and the lanes. */
SK_INLINE float TIER(dot_end)(v16 s, const float *q, const unsigned char *key, int64_t i, int64_t n,
                              int dtype)
{
    if (i < n) {
        float lane[16];
        v16_store(lane, s);
        for (int j = 0; i < n; i++, j++)
            lane[j] = SK_FMA(q[i], TIER(cache_get)(key, i, dtype), lane[j]);
        s = v16_load(lane);
    }
    return v16_sum(s);
}

/* Scores of `n` heads (a constant) with the block's seen keys. */
SK_INLINE void TIER(scores_n)(const TIER(attend_block) * b, float (*p)[SK_KEY_BLOCK], int dtype,
                              int n)
{
    const int64_t dk = b->a->dk;
    const float *q = b->a->q + b->head * dk;
    for (int j = b->lo; j < b->hi; j++) {
        const unsigned char *key = b->k + (size_t)j * b->a->k_size;
        v16 s[TIER(ATTEND_TILE)];
        for (int h = 0; h < n; h++)
            s[h] = v16_zero();
        int64_t i = 0;
        for (; i + 16 <= dk; i += 16) {
            const v16 k = TIER(cache_load)(key, i, dtype);
            for (int h = 0; h < n; h++)
                s[h] = v16_fma(v16_load(q + h * dk + i), k, s[h]);
        }
        for (int h = 0; h < n; h++)
            p[h][j] = TIER(dot_end)(s[h], q + h * dk, key, i, dk, dtype) * b->a->scale;
    }
}

/* What some models do to one head's scores. */
static void TIER(scores_bend)(const TIER(attend_block) * b, int64_t head, float *p)
{
    const float cap = b->a->cap;
    for (int j = b->lo; cap != 0 && j < b->hi; j++)
        p[j] = cap * sk_tanhf(p[j] / cap);
    for (int j = b->lo; b->a->slope && j < b->hi; j++) /* b->behind + j: 0 for the last key seen */
        p[j] = p[j] + b->a->slope[head] * (float)(b->behind + j);
}

SK_INLINE void TIER(scores_of)(const TIER(attend_block) * b, float (*p)[SK_KEY_BLOCK], int dtype,
                               int n)
{
    if (n == 4)
        TIER(scores_n)(b, p, dtype, 4);
    else if (n == 2)
        TIER(scores_n)(b, p, dtype, 2);
    else
        TIER(scores_n)(b, p, dtype, 1);
}

/* Turns one head's scores into p, and returns their sum. Rows not seen become 0, which added to a
 * sum of non-negative numbers changes nothing. */
static float TIER(block_softmax)(const TIER(attend_block) * b, float *p, float *max)
{
    float m = -INFINITY;
    for (int j = 0; j < b->lo; j++)
        p[j] = -INFINITY;
    for (int j = b->hi; j < SK_KEY_BLOCK; j++)
        p[j] = -INFINITY;
    for (int j = b->lo; j < b->hi; j++)
        m = p[j] > m ? p[j] : m;
    v16 sum = v16_zero();
    for (int j = 0; j < SK_KEY_BLOCK; j += 16) {
        const v16 e = v16_exp(v16_sub(v16_load(p + j), v16_splat(m)));
        v16_store(p + j, e);
        sum = v16_add(sum, e);
    }
    *max = m;
    return v16_sum(sum);
}

/* Merges one head's m and l, and says what the old and the new o are multiplied by. */
static void TIER(block_merge)(const TIER(attend_block) * b, float m_b, float l_b, float *m,
                              float *l, float *keep, float *take)
{
    if (b->fresh) {
        *m = m_b;
        *l = l_b;
        return;
    }
    const float both = m_b > *m ? m_b : *m;
    *keep = sk_expf(*m - both);
    *take = sk_expf(m_b - both);
    *m = both;
    *l = *l * *keep + l_b * *take;
}

/* o of `n` heads (a constant): sixteen columns of V at a time, then one by one. */
SK_INLINE void TIER(values_n)(const TIER(attend_block) * b, float (*p)[SK_KEY_BLOCK],
                              const float *keep, const float *take, int dtype, int n)
{
    const int64_t dv = b->a->dv;
    float *out = b->a->out + b->head * dv;
    int64_t d = 0;
    for (; d + 16 <= dv; d += 16) {
        v16 o[TIER(ATTEND_TILE)];
        for (int h = 0; h < n; h++)
            o[h] = v16_zero();
        for (int j = b->lo; j < b->hi; j++) {
            const v16 v = TIER(cache_load)(b->v + (size_t)j * b->a->v_size, d, dtype);
            for (int h = 0; h < n; h++)
                o[h] = v16_fma(v16_splat(p[h][j]), v, o[h]);
        }
        for (int h = 0; h < n; h++) {
            float *at = out + h * dv + d;
            if (!b->fresh)
                o[h] = v16_add(v16_mul(v16_load(at), v16_splat(keep[h])),
                               v16_mul(o[h], v16_splat(take[h])));
            v16_store(at, o[h]);
        }
    }
    for (; d < dv; d++) {
        for (int h = 0; h < n; h++) {
            float o = 0, *at = out + h * dv + d;
            for (int j = b->lo; j < b->hi; j++)
                o = SK_FMA(p[h][j], TIER(cache_get)(b->v + (size_t)j * b->a->v_size, d, dtype), o);
            *at = b->fresh ? o : *at * keep[h] + o * take[h];
        }
    }
}

SK_INLINE void TIER(values_of)(const TIER(attend_block) * b, float (*p)[SK_KEY_BLOCK],
                               const float *keep, const float *take, int dtype, int n)
{
    if (n == 4)
        TIER(values_n)(b, p, keep, take, dtype, 4);
    else if (n == 2)
        TIER(values_n)(b, p, keep, take, dtype, 2);
    else
        TIER(values_n)(b, p, keep, take, dtype, 1);
}

/* One block for `n` heads; m and l are the tile's. */
static void TIER(attend_tile)(const TIER(attend_block) * b, int n, float *m, float *l)
{
    float p[TIER(ATTEND_TILE)][SK_KEY_BLOCK];
    float keep[TIER(ATTEND_TILE)] = {0}, take[TIER(ATTEND_TILE)] = {0};
    if (b->a->k_dtype == SK_F16)
        TIER(scores_of)(b, p, SK_F16, n);
    else
        TIER(scores_of)(b, p, SK_F32, n);
    for (int h = 0; h < n; h++) {
        float m_b;
        TIER(scores_bend)(b, b->head + h, p[h]);
        const float l_b = TIER(block_softmax)(b, p[h], &m_b);
        TIER(block_merge)(b, m_b, l_b, &m[h], &l[h], &keep[h], &take[h]);
    }
    if (b->a->v_dtype == SK_F16)
        TIER(values_of)(b, p, keep, take, SK_F16, n);
    else
        TIER(values_of)(b, p, keep, take, SK_F32, n);
}

/* Merges a sink as a last block would be, of sum 1 and without values. */
static void TIER(attend_sink)(const sk_attend *a, float sink, float m, float *l, float *out)
{
    const float both = sink > m ? sink : m;
    const float keep = sk_expf(m - both), take = sk_expf(sink - both);
    *l = *l * keep + take;
    for (int64_t d = 0; d < a->dv; d++)
        out[d] = out[d] * keep;
}

/* Heads [head, head + n), n <= 128, over all blocks. */
static void TIER(attend_heads)(const sk_attend *a, int64_t head, int n)
{
    float m[TIER(ATTEND_HEADS)], l[TIER(ATTEND_HEADS)];
    for (int64_t pos = a->first; pos < a->last;) {
        const int64_t block = pos / SK_KEY_BLOCK, start = block * SK_KEY_BLOCK;
        const int64_t left = a->last - start;
        TIER(attend_block) b = {.a = a};
        b.k = (const unsigned char *)a->k[block] + a->k_offset;
        b.v = (const unsigned char *)a->v[block] + a->v_offset;
        b.lo = (int)(pos - start);
        b.hi = left < SK_KEY_BLOCK ? (int)left : SK_KEY_BLOCK;
        b.behind = start - (a->last - 1);
        b.fresh = pos == a->first;
        for (int h = 0, tile; h < n; h += tile) {
            tile = n - h >= 4 ? 4 : n - h >= 2 ? 2 : 1;
            b.head = head + h;
            TIER(attend_tile)(&b, tile, m + h, l + h);
        }
        pos = start + b.hi;
    }
    for (int h = 0; h < n; h++) {
        float *out = a->out + (head + h) * a->dv;
        if (a->sink)
            TIER(attend_sink)(a, a->sink[head + h], m[h], &l[h], out);
        for (int64_t d = 0; d < a->dv; d++)
            out[d] = out[d] / l[h];
    }
}

static void TIER(attend)(const sk_attend *a)
{
    if (a->first >= a->last) {
        memset(a->out, 0, (size_t)(a->n_head * a->dv) * sizeof *a->out);
        return;
    }
    for (int64_t h = 0; h < a->n_head; h += TIER(ATTEND_HEADS)) {
        const int64_t left = a->n_head - h;
        TIER(attend_heads)(a, h, left < TIER(ATTEND_HEADS) ? (int)left : TIER(ATTEND_HEADS));
    }
}
