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
 * A query is a head of a row; what it comes to does not depend on the others of its call. A tile is
 * a few queries by a few keys, or by a few vectors of a value, in registers. There are two ways to
 * the same scores. Where a key's elements lie in the lanes, as in memory, a score is a horizontal
 * sum, taken of sixteen keys together; what is read is streamed once. A tier with few registers
 * turns the block's keys for many queries (kv_columns), a key in each lane; sixteen sums, one for
 * each lane of the contract, are made one after another, and the tree is additions of whole
 * vectors. Then nothing crosses lanes, and few loads are needed. The tile's partial sums wait in
 * memory: as each is complete, it is added to the last one of the same rank, as in counting by
 * twos, so five are kept.
 *
 * A score of +0 for one of -0 (where zeros fill up a row of odd length) changes no result, since a
 * score is only ever subtracted from another. In the sums of values nothing may be filled up.
 *
 * The stack holds some 16 KiB, the scratch memory the rest: the block's keys and values as floats
 * (64 KiB of heads of 128), and the scores of 128 queries.
 */

/* Tiles: how many queries they have, from wide to narrow, beside ATTEND_SIDE keys or vectors of a
 * value's elements. */
#if TIER_AVX512
#define ATTEND_TURNED 0 /* whether many queries want keys turned */
#define ATTEND_TILES(X) X(6) X(4) X(2) X(1)
enum { TIER(ATTEND_SIDE) = SUM_PART, TIER(ATTEND_TILE) = 6 };
#elif TIER_AVX2 || TIER_NEON
#define ATTEND_TURNED 1
#define ATTEND_TILES(X) X(4) X(2) X(1)
enum { TIER(ATTEND_SIDE) = 1, TIER(ATTEND_TILE) = 4 };
#else /* as arrays, more of them are only more code */
#define ATTEND_TURNED 1
#define ATTEND_TILES(X) X(1)
enum { TIER(ATTEND_SIDE) = 1, TIER(ATTEND_TILE) = 1 };
#endif
enum { TIER(ATTEND_MANY) = 16 }; /* from so many queries on, a block is made floats */

/* What is fixed for one block. */
typedef struct TIER(attend_block) {
    const sk_attend *a;
    int64_t index;
    const float *turned; /* [dk][64], NULL: keys are read from rows */
    const unsigned char *k, *v;
    size_t k_size, v_size; /* bytes of a row */
    int k_dtype, v_dtype;
    bool unpacked;              /* v was */
    const unsigned char *ahead; /* rows of keys that are wanted next, NULL: none */
    float *p;                   /* [SK_ATTEND_QUERIES][64] */
    float *parts;               /* of the block, or NULL */
} TIER(attend_block);

/* Some queries, which see the same keys of the block, and their m and l. */
typedef struct TIER(attend_group) {
    int n;
    int64_t row, head; /* of the first */
    /* A last tile has more than there are, which are the last's. */
    const float *q[SK_ATTEND_QUERIES + TIER(ATTEND_TILE)];
    float *o[SK_ATTEND_QUERIES];
    bool fresh[SK_ATTEND_QUERIES]; /* no block before it */
    float m[SK_ATTEND_QUERIES], l[SK_ATTEND_QUERIES];
    float m_b[SK_ATTEND_QUERIES], l_b[SK_ATTEND_QUERIES][16]; /* of the block; lanes */
    float keep[SK_ATTEND_QUERIES], take[SK_ATTEND_QUERIES];
} TIER(attend_group);

/* A tile's, from some query of the group on, all of which see keys [lo, hi). */
typedef struct TIER(attend_tile) {
    const float *const *q;
    float *const *o;
    const bool *fresh;
    const float *keep, *take;
    float *p; /* [query][64] */
    int n, lo, hi;
    bool ahead; /* whether to fetch what is read next */
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

/* Products of ATTEND_SIDE keys, j and those 16 / ATTEND_SIDE apart, with `n` queries (a constant):
 * their 16 lanes, begun to be added up. Instead of a key that is not seen, the nearest seen one is
 * read; nobody asks for its score. */
SK_INLINE void TIER(score_keys)(const TIER(attend_block) * b, const TIER(attend_tile) * t, int j,
                                v16 (*part)[16 / SUM_PART], int dtype, int n)
{
    enum { SIDE = TIER(ATTEND_SIDE), APART = 16 / SIDE };
    const int64_t dk = b->a->dk;
    const unsigned char *key[SIDE];
    v16 s[TIER(ATTEND_TILE)][SIDE];
    VECS_UNROLL
    for (int y = 0; y < SIDE; y++) {
        const int at = j + y * APART;
        key[y] = b->k + (size_t)(at < t->lo ? t->lo : at < t->hi ? at : t->hi - 1) * b->k_size;
        VECS_UNROLL
        for (int x = 0; x < n; x++)
            s[x][y] = v16_zero();
    }
    int64_t i = 0;
    for (; i + 16 <= dk; i += 16) {
        v16 k[SIDE];
        VECS_UNROLL
        for (int y = 0; y < SIDE; y++)
            k[y] = TIER(kv_load)(key[y], i, dtype);
        VECS_UNROLL
        for (int x = 0; x < n; x++) {
            const v16 q = v16_load(t->q[x] + i);
            VECS_UNROLL
            for (int y = 0; y < SIDE; y++)
                s[x][y] = v16_fma(q, k[y], s[x][y]);
        }
    }
    if (i < dk) { /* rows are padded */
        VECS_UNROLL
        for (int x = 0; x < n; x++) {
            const v16 q = TIER(load_part)(t->q[x] + i, dk - i);
            VECS_UNROLL
            for (int y = 0; y < SIDE; y++)
                s[x][y] = v16_fma(q, TIER(kv_load)(key[y], i, dtype), s[x][y]);
        }
    }
    VECS_UNROLL
    for (int x = 0; x < n; x++)
        part[x][j % APART] = TIER(sum_part)(s[x]);
}

/* Scores of `n` queries (a constant) from rows of keys. */
SK_INLINE void TIER(score_rows)(const TIER(attend_block) * b, const TIER(attend_tile) * t,
                                int dtype, int n)
{
    enum { SIDE = TIER(ATTEND_SIDE), APART = 16 / SIDE };
    const v16 scale = v16_splat(b->a->scale);
    v16 part[TIER(ATTEND_TILE)][APART];
    for (int first = t->lo / 16 * 16; first < t->hi; first += 16) {
        for (int j = first; j < first + APART; j++) {
            TIER(score_keys)(b, t, j, part, dtype, n);
            for (int y = 0; t->ahead && y < SIDE; y++)
                TIER(fetch_row)
            (b->v + (size_t)(first + j % APART * SIDE + y) * b->v_size, b->v_size);
        }
        SK_ROLL
        for (int x = 0; x < n; x++)
            v16_store(t->p + x * SK_KEY_BLOCK + first, v16_mul(TIER(sum_parts)(part[x]), scale));
    }
}

#if ATTEND_TURNED

/* For 16 keys from `first` on, lane l of the contract's sixteen sums. */
SK_INLINE void TIER(score_lane)(const TIER(attend_block) * b, const TIER(attend_tile) * t,
                                int first, int l, v16 *s, int n)
{
    VECS_UNROLL
    for (int x = 0; x < n; x++)
        s[x] = v16_zero();
    const float *key = b->turned + l * ((b->a->dk + 15) / 16) * SK_KEY_BLOCK + first;
    for (int64_t i = l; i < b->a->dk; i += 16, key += SK_KEY_BLOCK) {
        const v16 k = v16_load(key);
        VECS_UNROLL
        for (int x = 0; x < n; x++)
            s[x] = v16_fma(v16_splat(t->q[x][i]), k, s[x]);
    }
}

/* Scores of `n` queries (a constant) from turned keys. Lanes come in the order in which the tree
 * adds them. */
SK_INLINE void TIER(score_turned)(const TIER(attend_block) * b, const TIER(attend_tile) * t, int n)
{
    static const uint8_t order[16] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15};
    const v16 scale = v16_splat(b->a->scale);
    v16 kept[5][TIER(ATTEND_TILE)], s[TIER(ATTEND_TILE)];
    for (int first = t->lo / 16 * 16; first < t->hi; first += 16) {
        for (int c = 0; c < 16; c++) {
            int rank = 0;
            TIER(score_lane)(b, t, first, order[c], s, n);
            for (; c >> rank & 1; rank++)
                VECS_UNROLL
            for (int x = 0; x < n; x++)
                s[x] = v16_add(kept[rank][x], s[x]);
            VECS_UNROLL
            for (int x = 0; x < n; x++)
                kept[rank][x] = s[x];
        }
        VECS_UNROLL
        for (int x = 0; x < n; x++)
            v16_store(t->p + x * SK_KEY_BLOCK + first, v16_mul(s[x], scale));
    }
}

#endif

SK_INLINE void TIER(score_n)(const TIER(attend_block) * b, const TIER(attend_tile) * t, int n)
{
#if ATTEND_TURNED
    if (b->turned)
        TIER(score_turned)(b, t, n);
    else
#endif
        if (b->k_dtype == SK_F16)
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

/* Turns the scores of a query, of which keys [lo, hi) are seen, into p; their maximum, and the
 * lanes of their sum. Keys not seen become 0, which added to a sum of non-negative numbers changes
 * nothing. */
static void TIER(softmax_block)(float *p, int lo, int hi, float *m_b, float *l_b)
{
    v16 m = v16_splat(-INFINITY), e[4];
    for (int j = 0; j < lo; j++)
        p[j] = -INFINITY;
    for (int j = hi; j < SK_KEY_BLOCK; j++)
        p[j] = -INFINITY;
    VECS_UNROLL
    for (int i = 0; i < 4; i++) {
        e[i] = v16_load(p + 16 * i);
        m = v16_max(e[i], m); /* a NaN is passed over */
    }
    *m_b = TIER(max_lane)(m);
    m = v16_splat(*m_b);
    VECS_UNROLL
    for (int i = 0; i < 4; i++)
        e[i] = v16_sub(e[i], m);
    TIER(exp_together)(e, 4);
    VECS_UNROLL
    for (int i = 0; i < 4; i++)
        v16_store(p + 16 * i, e[i]);
    v16_store(l_b, v16_add(v16_add(v16_add(e[0], e[1]), e[2]), e[3]));
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

/* The same for a group, sixteen queries at a time. */
static void TIER(merge_group)(TIER(attend_group) * g)
{
    for (int x = 0; x < g->n; x += 16) {
        v16 lanes[16];
        VECS_UNROLL
        for (int i = 0; i < 16; i++)
            lanes[i] = v16_load(g->l_b[x + i < g->n ? x + i : g->n - 1]);
        const v16 l_b = TIER(sum16)(lanes);
        const v16 m = v16_load(g->m + x), m_b = v16_load(g->m_b + x), both = v16_max(m_b, m);
        v16 e[2] = {v16_sub(m, both), v16_sub(m_b, both)};
        TIER(exp_together)(e, 2);
        v16_store(g->keep + x, e[0]);
        v16_store(g->take + x, e[1]);
        v16_store(g->m + x, both);
        v16_store(g->l + x, v16_add(v16_mul(v16_load(g->l + x), e[0]), v16_mul(l_b, e[1])));
    }
}

/* ---- Values ---------------------------------------------------------------------------------- */

/* Merges a vector of a block's o into the one before; or n of its elements. */
SK_INLINE void TIER(merge_vector)(float *at, v16 o, bool fresh, float keep, float take)
{
    if (!fresh)
        o = v16_add(v16_mul(v16_load(at), v16_splat(keep)), v16_mul(o, v16_splat(take)));
    v16_store(at, o);
}

static SK_APART void TIER(merge_part)(float *at, v16 o, bool fresh, float keep, float take,
                                      int64_t n)
{
    float old[16] = {0};
    n = n < 16 ? n : 16;
    memcpy(old, at, (size_t)n * sizeof *at);
    TIER(merge_vector)(old, o, fresh, keep, take);
    memcpy(at, old, (size_t)n * sizeof *at);
}

/* o of `n` queries (a constant), elements from d on: ATTEND_SIDE vectors, of which those beyond the
 * last are the last once more. */
SK_INLINE void TIER(value_tile)(const TIER(attend_block) * b, const TIER(attend_tile) * t,
                                int64_t d, int dtype, int n)
{
    enum { SIDE = TIER(ATTEND_SIDE) };
    const int64_t left = b->a->dv - d;
    int64_t at[SIDE];
    v16 o[TIER(ATTEND_TILE)][SIDE];
    VECS_UNROLL
    for (int y = 0; y < SIDE; y++) {
        at[y] = 16 * y < left ? d + 16 * y : at[y - 1];
        VECS_UNROLL
        for (int x = 0; x < n; x++)
            o[x][y] = v16_zero();
    }
    for (int j = t->lo; j < t->hi; j++) {
        const unsigned char *row = b->v + (size_t)j * b->v_size;
        v16 v[SIDE];
        VECS_UNROLL
        for (int y = 0; y < SIDE; y++)
            v[y] = TIER(kv_load)(row, at[y], dtype);
        VECS_UNROLL
        for (int x = 0; x < n; x++) {
            const v16 p = v16_splat(t->p[x * SK_KEY_BLOCK + j]);
            VECS_UNROLL
            for (int y = 0; y < SIDE; y++)
                o[x][y] = v16_fma(p, v[y], o[x][y]);
        }
        if (t->ahead && b->ahead && d == 0)
            TIER(fetch_row)(b->ahead + (size_t)j * b->k_size, b->k_size);
    }
    if (t->n < n || left < 16 * SIDE) {
        for (int x = 0; x < t->n; x++)
            for (int y = 0; y < SIDE && 16 * y < left; y++)
                TIER(merge_part)
        (t->o[x] + at[y], o[x][y], t->fresh[x], t->keep[x], t->take[x], left - 16 * y);
        return;
    }
    VECS_UNROLL
    for (int x = 0; x < n; x++)
        VECS_UNROLL
    for (int y = 0; y < SIDE; y++)
        TIER(merge_vector)(t->o[x] + d + 16 * y, o[x][y], t->fresh[x], t->keep[x], t->take[x]);
}

/* o of `n` queries (a constant). */
SK_INLINE void TIER(values_n)(const TIER(attend_block) * b, const TIER(attend_tile) * t, int n)
{
    for (int64_t d = 0; d < b->a->dv; d += 16 * TIER(ATTEND_SIDE))
        if (b->v_dtype == SK_F16)
            TIER(value_tile)(b, t, d, SK_F16, n);
        else
            TIER(value_tile)(b, t, d, SK_F32, n);
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

/* The `n` queries from (row, head) on; those that are fresh have an m and an l that change nothing.
 */
static void TIER(group_fill)(const TIER(attend_block) * b, TIER(attend_group) * g, int64_t row,
                             int64_t head, int n)
{
    const sk_attend *a = b->a;
    const int64_t query = row * a->n_head + head;
    g->n = n;
    g->row = row;
    g->head = head;
    for (int x = 0; x < n; x++) {
        g->q[x] = a->q + row * a->q_stride + head * a->dk;
        g->o[x] = b->parts ? TIER(part_of)(a, b->parts, query + x)
                           : a->out + row * a->out_stride + head * a->dv;
        g->fresh[x] = b->parts || a->seen[row].first / SK_KEY_BLOCK == b->index;
        g->m[x] = g->fresh[x] ? -INFINITY : a->max[query + x];
        g->l[x] = g->fresh[x] ? 0 : a->sum[query + x];
        TIER(next_head)(a, &row, &head);
    }
    for (int x = n; x < n + TIER(ATTEND_TILE); x++)
        g->q[x] = g->q[n - 1];
    for (int x = n; x % 16 != 0; x++)
        g->m[x] = g->l[x] = g->m_b[x] = 0;
}

/* From scores to what is summed and how it is merged. */
static void TIER(group_softmax)(const TIER(attend_block) * b, TIER(attend_group) * g, int lo,
                                int hi)
{
    const sk_attend *a = b->a;
    const int64_t query = g->row * a->n_head + g->head;
    int64_t row = g->row, head = g->head;
    for (int x = 0; x < g->n && (a->cap != 0 || a->slope || a->near); x++) {
        TIER(scores_bend)(b, row, head, lo, hi, b->p + x * SK_KEY_BLOCK);
        TIER(next_head)(a, &row, &head);
    }
    for (int x = 0; x < g->n; x++)
        TIER(softmax_block)(b->p + x * SK_KEY_BLOCK, lo, hi, &g->m_b[x], g->l_b[x]);
    TIER(merge_group)(g);
    for (int x = 0; x < g->n; x++) {
        *(b->parts ? g->o[x] + a->dv : a->max + query + x) = g->m[x];
        *(b->parts ? g->o[x] + a->dv + 1 : a->sum + query + x) = g->l[x];
    }
}

/* Tiles of so many queries. */
#define X(n) \
    static SK_APART void TIER(tile_scores_##n)(const TIER(attend_block) * b, \
                                               const TIER(attend_tile) * t) \
    { \
        TIER(score_n)(b, t, n); \
    } \
    static SK_APART void TIER(tile_values_##n)(const TIER(attend_block) * b, \
                                               const TIER(attend_tile) * t) \
    { \
        TIER(values_n)(b, t, n); \
    }
ATTEND_TILES(X)
#undef X

/* The narrowest tile that `left` queries fit in; the widest, where two of the next do not. */
SK_INLINE int TIER(tile_size)(int64_t left)
{
    int size = 0;
#define X(n) \
    if (left <= n || size == 0) \
        size = n;
    ATTEND_TILES(X)
#undef X
    return size == 6 && (left == 7 || left == 8) ? 4 : size;
}

/* The scores of all queries of a group, or all that comes of values, tile by tile. */
static void TIER(group_tiles)(const TIER(attend_block) * b, const TIER(attend_group) * g, int lo,
                              int hi, bool scores)
{
    for (int x = 0, size; x < g->n; x += size) {
        const int left = g->n - x;
        size = TIER(tile_size)(left);
        const TIER(attend_tile) t = {.q = g->q + x,
                                     .o = g->o + x,
                                     .fresh = g->fresh + x,
                                     .keep = g->keep + x,
                                     .take = g->take + x,
                                     .p = b->p + x * SK_KEY_BLOCK,
                                     .n = left < size ? left : size,
                                     .lo = lo,
                                     .hi = hi,
                                     .ahead = x == 0 && !b->turned && !b->unpacked};
#define X(n) \
    if (size == n && scores) \
        TIER(tile_scores_##n)(b, &t); \
    else if (size == n) \
        TIER(tile_values_##n)(b, &t);
        ATTEND_TILES(X)
#undef X
    }
}

/* `n` queries from (row, 0) on, all of which see keys [lo, hi) of the block: the scores of all
 * while the keys are near, their softmax, and then the values. */
static void TIER(attend_some)(const TIER(attend_block) * b, int64_t row, int64_t head, int n,
                              int lo, int hi)
{
    TIER(attend_group) g;
    TIER(group_fill)(b, &g, row, head, n);
    TIER(group_tiles)(b, &g, lo, hi, true);
    TIER(group_softmax)(b, &g, lo, hi);
    TIER(group_tiles)(b, &g, lo, hi, false);
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

/* Whether tiles read rows of n elements as they are. */
SK_INLINE bool TIER(is_plain)(int dtype, int64_t n)
{
    return (dtype == SK_F16 || dtype == SK_F32) && n % 16 == 0;
}

/* Makes floats of the block's keys [lo, hi) where that pays or is needed. */
static void TIER(block_unpack)(TIER(attend_block) * b, int lo, int hi)
{
    const sk_attend *a = b->a;
    float *k = a->scratch, *v = k + (a->dk + 15) / 16 * 16 * SK_KEY_BLOCK;
    b->p = v + (a->dv + 15) / 16 * 16 * SK_KEY_BLOCK;
    const bool many = a->n_row * a->n_head >= TIER(ATTEND_MANY);
    const size_t k_size = (size_t)((a->dk + 15) / 16 * 16) * sizeof(float);
    const size_t v_size = (size_t)((a->dv + 15) / 16 * 16) * sizeof(float);
#if ATTEND_TURNED
    if (many) {
        TIER(kv_columns)(b->k_dtype, b->k, b->k_size, lo, hi, a->dk, k);
        b->turned = k;
    } else
#endif
        if (many || !TIER(is_plain)(b->k_dtype, a->dk)) {
        TIER(kv_rows)(b->k_dtype, b->k, b->k_size, lo, hi, a->dk, k);
        b->k = (const unsigned char *)k;
        b->k_size = k_size;
        b->k_dtype = SK_F32;
        b->ahead = NULL;
    }
    if (many || !TIER(is_plain)(b->v_dtype, a->dv)) {
        TIER(kv_rows)(b->v_dtype, b->v, b->v_size, lo, hi, a->dv, v);
        b->v = (const unsigned char *)v;
        b->v_size = v_size;
        b->v_dtype = SK_F32;
        b->unpacked = true;
    }
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
