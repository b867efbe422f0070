/* SPDX-License-Identifier: MIT */
/*
 * Attention, for one tier (tier_impl.h; no include guard).
 *
 * Per query, for each block of 64 keys by absolute position, over its seen keys j:
 *
 *   score_j = (q . k_j) * scale       fused into 16 lanes (element i in lane i mod 16), the tree
 *   score_j = cap * tanh(score_j / cap)            where there is a cap
 *   score_j = score_j + slope * -|j - row|         where there are slopes
 *   score_j = score_j + near[j - row]              where there are biases
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
 * The result is o / l, or zeros when no key is seen. Keys that no row sees are not read, nor are
 * blocks without any. K and V are read as the cache holds them.
 *
 * A query is a head of a row; what it comes to does not depend on the others of its call. There are
 * two ways to the same scores. Few queries: each key's elements lie in the lanes, as in memory, so
 * that a score is a horizontal sum, taken of sixteen keys together; what is read is streamed once.
 * Many: the block's keys are turned (kv_columns), a key in each lane; sixteen sums, one for each
 * lane of the contract, are made one after another, and the tree is additions of whole vectors.
 * Then nothing crosses lanes, and sixteen multiply-adds of a tile of four queries need eight loads.
 * The tile's partial sums wait in memory: as each is complete, it is added to the last one of the
 * same rank, as in counting by twos, so five are kept.
 *
 * A score of +0 for one of -0 (where zeros fill up a row of odd length) changes no result, since a
 * score is only ever subtracted from another. In the sums of values nothing may be filled up.
 *
 * The stack holds some 6 KiB, the scratch memory the rest: the block's keys and values as floats
 * (64 KiB of heads of 128), and the scores of 128 queries.
 */

/* Vectors of a register tile's side, beside four queries: of keys, and of a value's elements. */
#if TIER_AVX512
enum { TIER(ATTEND_SIDE) = 4, TIER(EXP_SIDE) = 2 };
#else
enum { TIER(ATTEND_SIDE) = 1, TIER(EXP_SIDE) = 1 };
#endif
enum {
    TIER(ATTEND_TILE) =
        TIER_AVX2 || TIER_NEON ? 4 : 1, /* queries; as arrays, more of them are only more code */
    TIER(ATTEND_MANY) = 16,             /* from so many queries on, keys are turned */
};

/* What is fixed for one block. */
typedef struct TIER(attend_block) {
    const sk_attend *a;
    int64_t index;
    const float *turned; /* [dk][64], NULL: keys are read from rows */
    const unsigned char *k, *v;
    size_t k_size, v_size; /* bytes of a row */
    int k_dtype, v_dtype;
    bool padded;                /* rows of v are zeros up to a multiple of 16 */
    const unsigned char *ahead; /* rows of keys that are wanted next, NULL: none */
    float *p;                   /* [SK_ATTEND_QUERIES][64] */
    float *parts;               /* of the block, or NULL */
} TIER(attend_block);

/* Some queries, all of which see keys [lo, hi) of the block. */
typedef struct TIER(attend_tile) {
    const float *q[TIER(ATTEND_TILE)];
    float *o[TIER(ATTEND_TILE)], *m[TIER(ATTEND_TILE)], *l[TIER(ATTEND_TILE)];
    int64_t row, head; /* of the first */
    float *p;          /* [query][64] */
    int lo, hi;
    bool fresh[TIER(ATTEND_TILE)]; /* no block before it */
    bool ahead;                    /* whether to fetch what is read next */
} TIER(attend_tile);

/* Fetches a row into the second level. */
SK_INLINE void TIER(fetch_row)(const unsigned char *row, size_t size)
{
#if defined(__GNUC__)
    for (size_t i = 0; i < size; i += 64)
        __builtin_prefetch(row + i, 0, 2);
#else
    (void)row;
    (void)size;
#endif
}

/* ---- Scores ---------------------------------------------------------------------------------- */

/* Products of `nk` keys, from row j on, with `n` queries (constants): their 16 lanes. */
SK_INLINE void TIER(score_keys)(const TIER(attend_block) * b, const TIER(attend_tile) * t, int j,
                                v16 (*lanes)[16], int dtype, int n, int nk)
{
    const int64_t dk = b->a->dk;
    const unsigned char *key = b->k + (size_t)j * b->k_size;
    v16 s[TIER(ATTEND_TILE)][TIER(ATTEND_SIDE)];
    VECS_UNROLL
    for (int x = 0; x < n; x++)
        VECS_UNROLL
    for (int y = 0; y < nk; y++)
        s[x][y] = v16_zero();
    int64_t i = 0;
    for (; i + 16 <= dk; i += 16) {
        v16 k[TIER(ATTEND_SIDE)];
        VECS_UNROLL
        for (int y = 0; y < nk; y++)
            k[y] = TIER(kv_load)(key + (size_t)y * b->k_size, i, dtype);
        VECS_UNROLL
        for (int x = 0; x < n; x++) {
            const v16 q = v16_load(t->q[x] + i);
            VECS_UNROLL
            for (int y = 0; y < nk; y++)
                s[x][y] = v16_fma(q, k[y], s[x][y]);
        }
    }
    for (int y = 0; i < dk && y < nk; y++) {
        const v16 k = TIER(kv_load_part)(key + (size_t)y * b->k_size, i, dk - i, dtype);
        VECS_UNROLL
        for (int x = 0; x < n; x++)
            s[x][y] = v16_fma(TIER(load_part)(t->q[x] + i, dk - i), k, s[x][y]);
    }
    VECS_UNROLL
    for (int x = 0; x < n; x++)
        VECS_UNROLL
    for (int y = 0; y < nk; y++)
        lanes[x][j % 16 + y] = s[x][y];
}

/* Scores of `n` queries (a constant) from rows of keys. */
SK_INLINE void TIER(score_rows)(const TIER(attend_block) * b, const TIER(attend_tile) * t,
                                int dtype, int n)
{
    enum { SIDE = TIER(ATTEND_SIDE) };
    const v16 scale = v16_splat(b->a->scale);
    for (int first = t->lo / 16 * 16; first < t->hi; first += 16) {
        v16 lanes[TIER(ATTEND_TILE)][16];
        int j = first > t->lo ? first : t->lo;
        const int end = first + 16 < t->hi ? first + 16 : t->hi;
        if (end - j < 16)
            memset(lanes, 0, sizeof lanes);
        for (; j + SIDE <= end; j += SIDE) {
            TIER(score_keys)(b, t, j, lanes, dtype, n, SIDE);
            for (int y = 0; t->ahead && y < SIDE; y++)
                TIER(fetch_row)(b->v + (size_t)(j + y) * b->v_size, b->v_size);
        }
        for (; j < end; j++)
            TIER(score_keys)(b, t, j, lanes, dtype, n, 1);
        VECS_UNROLL
        for (int x = 0; x < n; x++)
            v16_store(t->p + x * SK_KEY_BLOCK + first, v16_mul(TIER(sum16)(lanes[x]), scale));
    }
}

/* For 16 keys times ATTEND_SIDE from lane `first` on, lane l of the contract's sixteen sums. */
SK_INLINE void TIER(score_lane)(const TIER(attend_block) * b, const TIER(attend_tile) * t,
                                int first, int l, v16 (*s)[TIER(ATTEND_SIDE)], int n)
{
    VECS_UNROLL
    for (int x = 0; x < n; x++)
        VECS_UNROLL
    for (int y = 0; y < TIER(ATTEND_SIDE); y++)
        s[x][y] = v16_zero();
    const float *key = b->turned + l * ((b->a->dk + 15) / 16) * SK_KEY_BLOCK + first;
    for (int64_t i = l; i < b->a->dk; i += 16, key += SK_KEY_BLOCK) {
        v16 k[TIER(ATTEND_SIDE)];
        VECS_UNROLL
        for (int y = 0; y < TIER(ATTEND_SIDE); y++)
            k[y] = v16_load(key + 16 * y);
        VECS_UNROLL
        for (int x = 0; x < n; x++) {
            const v16 q = v16_splat(t->q[x][i]);
            VECS_UNROLL
            for (int y = 0; y < TIER(ATTEND_SIDE); y++)
                s[x][y] = v16_fma(q, k[y], s[x][y]);
        }
    }
}

/* Scores of `n` queries (a constant) from turned keys. Lanes come in the order in which the tree
 * adds them. */
SK_INLINE void TIER(score_turned)(const TIER(attend_block) * b, const TIER(attend_tile) * t, int n)
{
    static const uint8_t order[16] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15};
    enum { SIDE = TIER(ATTEND_SIDE) };
    const v16 scale = v16_splat(b->a->scale);
    v16 kept[5][TIER(ATTEND_TILE)][SIDE], s[TIER(ATTEND_TILE)][SIDE];
    for (int first = t->lo / (16 * SIDE) * (16 * SIDE); first < t->hi; first += 16 * SIDE) {
        for (int c = 0; c < 16; c++) {
            int rank = 0;
            TIER(score_lane)(b, t, first, order[c], s, n);
            for (; c >> rank & 1; rank++)
                VECS_UNROLL
            for (int x = 0; x < n; x++)
                VECS_UNROLL
            for (int y = 0; y < SIDE; y++)
                s[x][y] = v16_add(kept[rank][x][y], s[x][y]);
            VECS_UNROLL
            for (int x = 0; x < n; x++)
                VECS_UNROLL
            for (int y = 0; y < SIDE; y++)
                kept[rank][x][y] = s[x][y];
        }
        VECS_UNROLL
        for (int x = 0; x < n; x++)
            VECS_UNROLL
        for (int y = 0; y < SIDE; y++)
            v16_store(t->p + x * SK_KEY_BLOCK + first + 16 * y, v16_mul(s[x][y], scale));
    }
}

SK_INLINE void TIER(score_n)(const TIER(attend_block) * b, const TIER(attend_tile) * t, int n)
{
    if (b->turned)
        TIER(score_turned)(b, t, n);
    else if (b->k_dtype == SK_F16)
        TIER(score_rows)(b, t, SK_F16, n);
    else
        TIER(score_rows)(b, t, SK_F32, n);
}

/* ---- Softmax --------------------------------------------------------------------------------- */

/* What some models do to a query's scores; the head's slope. */
static void TIER(scores_bend)(const TIER(attend_block) * b, int64_t row, int64_t head, int lo,
                              int hi, float *p)
{
    const sk_attend *a = b->a;
    const int64_t at = a->placed ? a->at + row : a->seen[row].last - 1;
    const int64_t from = b->index * SK_KEY_BLOCK - at; /* + j: how far ahead a key is */
    for (int j = lo; a->cap != 0 && j < hi; j++)
        p[j] = a->cap * sk_tanhf(p[j] / a->cap);
    for (int j = lo; a->slope && j < hi; j++)
        p[j] = p[j] + a->slope[head] * (float)(from + j < 0 ? from + j : -(from + j));
    for (int j = lo; a->near && j < hi; j++) {
        const int64_t far = from + j < -SK_NEAR  ? -SK_NEAR
                            : from + j > SK_NEAR ? SK_NEAR
                                                 : from + j;
        p[j] = p[j] + a->near[head * (2 * SK_NEAR + 1) + SK_NEAR + far];
    }
}

/* Turns the scores of `n` queries (a constant) into p; their maximums and sums. Keys not seen
 * become 0, which added to a sum of non-negative numbers changes nothing. */
SK_INLINE void TIER(softmax_n)(const TIER(attend_tile) * t, float *m_b, float *l_b, int n)
{
    enum { SIDE = TIER(EXP_SIDE) };
    v16 m[TIER(ATTEND_TILE)], sum[TIER(ATTEND_TILE)];
    VECS_UNROLL
    for (int x = 0; x < n; x++) {
        float *p = t->p + x * SK_KEY_BLOCK;
        for (int j = 0; j < t->lo; j++)
            p[j] = -INFINITY;
        for (int j = t->hi; j < SK_KEY_BLOCK; j++)
            p[j] = -INFINITY;
        m[x] = v16_splat(-INFINITY);
        sum[x] = v16_zero();
        VECS_UNROLL
        for (int j = 0; j < SK_KEY_BLOCK; j += 16)
            m[x] = v16_max(v16_load(p + j), m[x]); /* a NaN is passed over */
        m_b[x] = TIER(max_lane)(m[x]);
        m[x] = v16_splat(m_b[x]);
    }
    for (int j = 0; j < SK_KEY_BLOCK; j += 16 * SIDE) {
        v16 e[SIDE * TIER(ATTEND_TILE)];
        VECS_UNROLL
        for (int i = 0; i < SIDE * n; i++)
            e[i] = v16_sub(v16_load(t->p + i % n * SK_KEY_BLOCK + j + i / n * 16), m[i % n]);
        TIER(exp_together)(e, SIDE * n);
        VECS_UNROLL
        for (int i = 0; i < SIDE * n; i++) {
            v16_store(t->p + i % n * SK_KEY_BLOCK + j + i / n * 16, e[i]);
            sum[i % n] = v16_add(sum[i % n], e[i]);
        }
    }
    VECS_UNROLL
    for (int x = 0; x < n; x++)
        l_b[x] = v16_sum(sum[x]);
}

/* Merges m and l of a block, and says what the old and the new o are multiplied by. */
static void TIER(merge_sums)(float m_b, float l_b, float *m, float *l, float *keep, float *take)
{
    const float both = m_b > *m ? m_b : *m;
    *keep = sk_expf(*m - both);
    *take = sk_expf(m_b - both);
    *m = both;
    *l = *l * *keep + l_b * *take;
}

/* The same for the queries of a tile: fresh ones take the block's as they are. */
SK_INLINE void TIER(merge_tile)(const TIER(attend_tile) * t, const float *m_b, const float *l_b,
                                float *keep, float *take, int n)
{
    float x[16] = {0};
    for (int i = 0; i < n; i++) {
        const float both = t->fresh[i] || m_b[i] > *t->m[i] ? m_b[i] : *t->m[i];
        x[i] = t->fresh[i] ? 0 : *t->m[i] - both;
        x[8 + i] = m_b[i] - both;
        *t->m[i] = both;
    }
    v16 e = v16_load(x);
    TIER(exp_together)(&e, 1);
    v16_store(x, e);
    for (int i = 0; i < n; i++) {
        keep[i] = x[i];
        take[i] = x[8 + i];
        *t->l[i] = t->fresh[i] ? l_b[i] : *t->l[i] * keep[i] + l_b[i] * take[i];
    }
}

/* ---- Values ---------------------------------------------------------------------------------- */

/* o of `n` queries and elements [d, d + 16 * nd) (constants), or the last `left` < 16 of them. */
SK_INLINE void TIER(value_tile)(const TIER(attend_block) * b, const TIER(attend_tile) * t,
                                int64_t d, int64_t left, const float *keep, const float *take,
                                int dtype, int n, int nd)
{
    v16 o[TIER(ATTEND_TILE)][TIER(ATTEND_SIDE)];
    VECS_UNROLL
    for (int x = 0; x < n; x++)
        VECS_UNROLL
    for (int y = 0; y < nd; y++)
        o[x][y] = v16_zero();
    for (int j = t->lo; j < t->hi; j++) {
        const unsigned char *row = b->v + (size_t)j * b->v_size;
        v16 v[TIER(ATTEND_SIDE)];
        VECS_UNROLL
        for (int y = 0; y < nd; y++)
            v[y] = left && !b->padded ? TIER(kv_load_part)(row, d, left, dtype)
                                      : TIER(kv_load)(row, d + 16 * y, dtype);
        VECS_UNROLL
        for (int x = 0; x < n; x++) {
            const v16 p = v16_splat(t->p[x * SK_KEY_BLOCK + j]);
            VECS_UNROLL
            for (int y = 0; y < nd; y++)
                o[x][y] = v16_fma(p, v[y], o[x][y]);
        }
        if (t->ahead && b->ahead && d == 0)
            TIER(fetch_row)(b->ahead + (size_t)j * b->k_size, b->k_size);
    }
    VECS_UNROLL
    for (int x = 0; x < n; x++)
        VECS_UNROLL
    for (int y = 0; y < nd; y++) {
        float *at = t->o[x] + d + 16 * y;
        if (!t->fresh[x]) {
            const v16 old = left ? TIER(load_part)(at, left) : v16_load(at);
            o[x][y] =
                v16_add(v16_mul(old, v16_splat(keep[x])), v16_mul(o[x][y], v16_splat(take[x])));
        }
        if (left)
            TIER(store_part)(at, o[x][y], left);
        else
            v16_store(at, o[x][y]);
    }
}

/* o of `n` queries (a constant). */
SK_INLINE void TIER(values_as)(const TIER(attend_block) * b, const TIER(attend_tile) * t,
                               const float *keep, const float *take, int dtype, int n)
{
    enum { SIDE = TIER(ATTEND_SIDE) };
    const int64_t dv = b->a->dv;
    int64_t d = 0;
    for (; d + 16 * SIDE <= dv; d += 16 * SIDE)
        TIER(value_tile)(b, t, d, 0, keep, take, dtype, n, SIDE);
    for (; SIDE > 1 && d + 16 <= dv; d += 16)
        TIER(value_tile)(b, t, d, 0, keep, take, dtype, n, 1);
    if (d < dv)
        TIER(value_tile)(b, t, d, dv - d, keep, take, dtype, n, 1);
}

SK_INLINE void TIER(values_n)(const TIER(attend_block) * b, const TIER(attend_tile) * t,
                              const float *keep, const float *take, int n)
{
    if (b->v_dtype == SK_F16)
        TIER(values_as)(b, t, keep, take, SK_F16, n);
    else
        TIER(values_as)(b, t, keep, take, SK_F32, n);
}

/* ---- A block --------------------------------------------------------------------------------- */

/* Where a query's parts of a block are. */
SK_INLINE float *TIER(part_of)(const sk_attend *a, float *parts, int64_t query)
{
    return parts + query * (a->dv + 2);
}

SK_INLINE void TIER(next_head)(const sk_attend *a, int64_t *row, int64_t *head)
{
    *head = *head + 1;
    if (*head == a->n_head) {
        *head = 0;
        *row = *row + 1;
    }
}

/* The tile of `n` queries from (row, head) on, all but the keys that they see; `slot` is the first
 * one's place among the scores. */
static void TIER(tile_fill)(const TIER(attend_block) * b, TIER(attend_tile) * t, int64_t row,
                            int64_t head, int n, int slot)
{
    const sk_attend *a = b->a;
    t->p = b->p + slot * SK_KEY_BLOCK;
    t->ahead = slot == 0 && !b->turned && !b->padded;
    const int64_t query = row * a->n_head + head;
    t->row = row;
    t->head = head;
    for (int x = 0; x < n; x++) {
        t->q[x] = a->q + row * a->q_stride + head * a->dk;
        t->o[x] = a->out + row * a->out_stride + head * a->dv;
        t->m[x] = a->max + query + x;
        t->l[x] = a->sum + query + x;
        t->fresh[x] = b->parts || a->seen[row].first / SK_KEY_BLOCK == b->index;
        if (b->parts) {
            t->o[x] = TIER(part_of)(a, b->parts, query + x);
            t->m[x] = t->o[x] + a->dv;
            t->l[x] = t->o[x] + a->dv + 1;
        }
        TIER(next_head)(a, &row, &head);
    }
}

static void TIER(tile_scores)(const TIER(attend_block) * b, const TIER(attend_tile) * t, int n)
{
    if (TIER(ATTEND_TILE) == 4 && n == 4)
        TIER(score_n)(b, t, 4);
    else if (TIER(ATTEND_TILE) == 4 && n == 2)
        TIER(score_n)(b, t, 2);
    else
        TIER(score_n)(b, t, 1);
}

SK_INLINE void TIER(tile_softmax_n)(const TIER(attend_block) * b, const TIER(attend_tile) * t,
                                    float *keep, float *take, int n)
{
    const sk_attend *a = b->a;
    float m_b[TIER(ATTEND_TILE)], l_b[TIER(ATTEND_TILE)];
    int64_t row = t->row, head = t->head;
    for (int x = 0; x < n && (a->cap != 0 || a->slope || a->near); x++) {
        TIER(scores_bend)(b, row, head, t->lo, t->hi, t->p + x * SK_KEY_BLOCK);
        TIER(next_head)(a, &row, &head);
    }
    TIER(softmax_n)(t, m_b, l_b, n);
    TIER(merge_tile)(t, m_b, l_b, keep, take, n);
}

static void TIER(tile_softmax)(const TIER(attend_block) * b, const TIER(attend_tile) * t,
                               float *keep, float *take, int n)
{
    if (TIER(ATTEND_TILE) == 4 && n == 4)
        TIER(tile_softmax_n)(b, t, keep, take, 4);
    else if (TIER(ATTEND_TILE) == 4 && n == 2)
        TIER(tile_softmax_n)(b, t, keep, take, 2);
    else
        TIER(tile_softmax_n)(b, t, keep, take, 1);
}

static void TIER(tile_values)(const TIER(attend_block) * b, const TIER(attend_tile) * t,
                              const float *keep, const float *take, int n)
{
    if (TIER(ATTEND_TILE) == 4 && n == 4)
        TIER(values_n)(b, t, keep, take, 4);
    else if (TIER(ATTEND_TILE) == 4 && n == 2)
        TIER(values_n)(b, t, keep, take, 2);
    else
        TIER(values_n)(b, t, keep, take, 1);
}

SK_INLINE int TIER(tile_size)(int64_t left)
{
    return TIER(ATTEND_TILE) == 1 ? 1 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

/* `n` queries from (row, 0) on, all of which see keys [lo, hi) of the block, in three turns: the
 * scores of all while the keys are near, their softmax, and then the values. */
static void TIER(attend_some)(const TIER(attend_block) * b, int64_t row, int64_t head, int n,
                              int lo, int hi)
{
    float keep[SK_ATTEND_QUERIES], take[SK_ATTEND_QUERIES];
    TIER(attend_tile) t = {.lo = lo, .hi = hi};
    for (int turn = 0; turn < 3; turn++) {
        int64_t at = row, at_head = head;
        for (int x = 0, size; x < n; x += size) {
            size = TIER(tile_size)(n - x);
            TIER(tile_fill)(b, &t, at, at_head, size, x);
            if (turn == 0)
                TIER(tile_scores)(b, &t, size);
            else if (turn == 1)
                TIER(tile_softmax)(b, &t, keep + x, take + x, size);
            else
                TIER(tile_values)(b, &t, keep + x, take + x, size);
            for (int i = 0; i < size; i++)
                TIER(next_head)(b->a, &at, &at_head);
        }
    }
}

/* All heads of rows [row, end), which see keys [lo, hi) of the block. */
static void TIER(attend_queries)(const TIER(attend_block) * b, int64_t row, int64_t end, int lo,
                                 int hi)
{
    const int64_t n_head = b->a->n_head, n = (end - row) * n_head;
    for (int64_t x = 0; x < n; x += SK_ATTEND_QUERIES) {
        const int64_t left = n - x;
        TIER(attend_some)
        (b, row + x / n_head, x % n_head, left < SK_ATTEND_QUERIES ? (int)left : SK_ATTEND_QUERIES,
         lo, hi);
    }
}

/* The keys of a block that a row sees, empty (lo >= hi) if none. */
SK_INLINE void TIER(seen_of)(const sk_span *seen, int64_t block, int *lo, int *hi)
{
    const int64_t first = seen->first - block * SK_KEY_BLOCK;
    const int64_t last = seen->last - block * SK_KEY_BLOCK;
    *lo = first < 0 ? 0 : first > SK_KEY_BLOCK ? SK_KEY_BLOCK : (int)first;
    *hi = last < 0 ? 0 : last > SK_KEY_BLOCK ? SK_KEY_BLOCK : (int)last;
    *hi = seen->first < seen->last ? *hi : 0;
}

/* Makes floats of the block's keys [lo, hi) where that pays or is needed. */
static void TIER(block_unpack)(TIER(attend_block) * b, int lo, int hi)
{
    const sk_attend *a = b->a;
    float *k = a->scratch, *v = k + (a->dk + 15) / 16 * 16 * SK_KEY_BLOCK;
    b->p = v + (a->dv + 15) / 16 * 16 * SK_KEY_BLOCK;
    const bool many = a->n_row * a->n_head >= TIER(ATTEND_MANY);
    if (many) {
        TIER(kv_columns)(b->k_dtype, b->k, b->k_size, lo, hi, a->dk, k);
        b->turned = k;
    } else if (b->k_dtype != SK_F16 && b->k_dtype != SK_F32) {
        TIER(kv_rows)(b->k_dtype, b->k, b->k_size, lo, hi, a->dk, k);
        b->k = (const unsigned char *)k;
        b->k_size = (size_t)((a->dk + 15) / 16 * 16) * sizeof(float);
        b->k_dtype = SK_F32;
        b->ahead = NULL;
    }
    if (!many && (b->v_dtype == SK_F16 || b->v_dtype == SK_F32))
        return;
    TIER(kv_rows)(b->v_dtype, b->v, b->v_size, lo, hi, a->dv, v);
    b->v = (const unsigned char *)v;
    b->v_size = (size_t)((a->dv + 15) / 16 * 16) * sizeof(float);
    b->v_dtype = SK_F32;
    b->padded = true;
}

/* Rows that see all of the block go together, the others by themselves. */
static void TIER(attend_rows)(const TIER(attend_block) * b)
{
    const sk_attend *a = b->a;
    for (int64_t row = 0, end; row < a->n_row; row = end) {
        int lo, hi, next_lo = 0, next_hi = SK_KEY_BLOCK;
        TIER(seen_of)(&a->seen[row], b->index, &lo, &hi);
        const bool whole = lo == 0 && hi == SK_KEY_BLOCK;
        for (end = row + 1; whole && end < a->n_row; end++) {
            TIER(seen_of)(&a->seen[end], b->index, &next_lo, &next_hi);
            if (next_lo != 0 || next_hi != SK_KEY_BLOCK)
                break;
        }
        if (lo < hi)
            TIER(attend_queries)(b, row, end, lo, hi);
    }
}

static void TIER(attend)(const sk_attend *a, int64_t block0, int64_t block1)
{
    for (int64_t i = block0; i < block1; i++) {
        int lo = SK_KEY_BLOCK, hi = 0;
        for (int64_t row = 0; row < a->n_row; row++) {
            int row_lo, row_hi;
            TIER(seen_of)(&a->seen[row], i, &row_lo, &row_hi);
            lo = row_lo < row_hi && row_lo < lo ? row_lo : lo;
            hi = row_lo < row_hi && row_hi > hi ? row_hi : hi;
        }
        if (lo >= hi)
            continue;
        TIER(attend_block) b = {.a = a, .index = i, .k_size = a->k_size, .v_size = a->v_size};
        b.k = (const unsigned char *)a->k[i] + a->k_offset;
        b.v = (const unsigned char *)a->v[i] + a->v_offset;
        b.k_dtype = a->k_dtype;
        b.v_dtype = a->v_dtype;
        if (i + 1 < block1 && a->k[i + 1])
            b.ahead = (const unsigned char *)a->k[i + 1] + a->k_offset;
        if (a->parts)
            b.parts = TIER(part_of)(a, a->parts, (i - block0) * a->n_row * a->n_head);
        TIER(block_unpack)(&b, lo, hi);
        TIER(attend_rows)(&b);
    }
}

/* ---- What comes after the blocks ------------------------------------------------------------- */

/* y = y * keep + x * take, or y * keep where x is NULL. */
static void TIER(merge_values)(float *y, const float *x, float keep, float take, int64_t n)
{
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const v16 kept = v16_mul(v16_load(y + i), v16_splat(keep));
        v16_store(y + i, x ? v16_add(kept, v16_mul(v16_load(x + i), v16_splat(take))) : kept);
    }
    for (; i < n; i++)
        y[i] = x ? y[i] * keep + x[i] * take : y[i] * keep;
}

static void TIER(attend_merge)(const sk_attend *a, int64_t block0, int64_t block1)
{
    const int64_t n = a->n_row * a->n_head, dv = a->dv;
    for (int64_t query = 0; query < n; query++) {
        const sk_span *seen = &a->seen[query / a->n_head];
        float *out = a->out + query / a->n_head * a->out_stride + query % a->n_head * dv;
        for (int64_t i = block0; i < block1; i++) {
            const float *part = TIER(part_of)(a, a->parts, (i - block0) * n + query);
            int lo, hi;
            float keep, take;
            TIER(seen_of)(seen, i, &lo, &hi);
            if (lo >= hi)
                continue;
            if (seen->first / SK_KEY_BLOCK == i) {
                memcpy(out, part, (size_t)dv * sizeof *out);
                a->max[query] = part[dv];
                a->sum[query] = part[dv + 1];
                continue;
            }
            TIER(merge_sums)(part[dv], part[dv + 1], &a->max[query], &a->sum[query], &keep, &take);
            TIER(merge_values)(out, part, keep, take, dv);
        }
    }
}

/* The sink, a last block of sum 1 and without values; then the division. */
static void TIER(attend_end)(const sk_attend *a)
{
    for (int64_t query = 0; query < a->n_row * a->n_head; query++) {
        const int64_t row = query / a->n_head, head = query % a->n_head;
        float *out = a->out + row * a->out_stride + head * a->dv, keep, take;
        float m = a->max[query], l = a->sum[query];
        if (a->seen[row].first >= a->seen[row].last) {
            memset(out, 0, (size_t)a->dv * sizeof *out);
            continue;
        }
        if (a->sink) {
            TIER(merge_sums)(a->sink[head], 1, &m, &l, &keep, &take);
            TIER(merge_values)(out, NULL, keep, 0, a->dv);
        }
        for (int64_t d = 0; d < a->dv; d++)
            out[d] = out[d] / l;
    }
}
