/* SPDX-License-Identifier: MIT */
/*
 * The product of F32, F16 and BF16 weights, a template for the tiers. An output has sixteen sums,
 * element i going to sum i mod 16 in order of i (CONTRACT.md), so a vector of sixteen weights of a
 * row and one of a column make one fused multiply-add, and nothing else is free: what makes it fast
 * is that each vector, once loaded, is met several times.
 *
 * A tile is so many rows by so many columns, whose sums stay in registers for a chunk of elements.
 * The tiles of a panel of rows take turns with a chunk of the same columns, which is small enough
 * for the first-level cache, and leave their sums in memory in between. Weights are converted in
 * the tile, which is cheap enough for it to need no copy of them. At the end, sixteen outputs are
 * added up together.
 *
 * Few columns take the same path with whole rows for chunks: memory sets the pace then. A tile's
 * rows lie far apart, so that each is one long stream of addresses from tile to tile; the CPU
 * follows a few long streams better than many short ones.
 *
 * Memory: 12 KiB of sums on the stack.
 */

#define FLOAT_SUMS 192    /* outputs of a panel */
#define FLOAT_NEAR 262144 /* bytes of weights that stay near while columns pass by */
#define FLOAT_AHEAD 4096  /* bytes of weights that few columns ask for in advance */

/* The tiles, rows by columns, from wide to narrow; the columns' least common multiple times 16
 * divides FLOAT_SUMS. */
#if TIER_AVX512
#define FLOAT_TILES(X) X(4, 6) X(4, 4) X(2, 2) X(2, 1)
#define FLOAT_COLS 6
#define FLOAT_CHUNK 1024           /* elements: six columns of them take 24 KiB */
#define FLOAT_FEW 4                /* columns up to which rows are not cut into chunks */
#elif SK_FMA_IS_SOFT && !TIER_AVX2 /* the loads are the least of it */
#define FLOAT_TILES(X) X(1, 1)
#define FLOAT_COLS 1
#define FLOAT_CHUNK 1024
#define FLOAT_FEW 1
#else
#define FLOAT_TILES(X) X(2, 3) X(2, 2) X(2, 1)
#define FLOAT_COLS 3
#define FLOAT_CHUNK 1024
#define FLOAT_FEW 2
#endif

/* A panel of rows times a tile's columns, from the chunk's first element on. */
typedef struct TIER(float_panel) {
    int dtype;
    const uint8_t *w; /* [n_row] rows of row_size bytes */
    size_t row_size;
    int n_row;
    const float *x[FLOAT_COLS];
    int n_col;
    int rows, apart; /* of a tile: how many there are, and how far one is from the next */
    bool begun;      /* whether the sums hold anything */
    _Alignas(64) float sum[FLOAT_SUMS][16]; /* [tile][its row][column] */
} TIER(float_panel);

SK_INLINE int TIER(float_size)(int dtype)
{
    return dtype == SK_F32 ? 4 : 2;
}

SK_INLINE v16 TIER(float_weights)(int dtype, const uint8_t *w)
{
    return dtype == SK_F32 ? v16_le_f32(w) : dtype == SK_F16 ? v16_le_f16(w) : v16_le_bf16(w);
}

/* A column's sums of row r. Those of a tile lie together, or the code of their addresses would be
 * longer than that of the products. */
SK_INLINE float *TIER(float_sum)(TIER(float_panel) * p, int r, int c)
{
    return p->sum[(r % p->apart * p->rows + r / p->apart) * p->n_col + c];
}

/* n elements, a multiple of 16, of tile r, which has rows r, r + apart, ..., times the columns;
 * type, rows and cols are constants. Rows beyond the last, which complete a tile, are the last once
 * more. */
SK_INLINE void TIER(float_tile)(int dtype, TIER(float_panel) * p, int r, int64_t n, int rows,
                                int cols)
{
    const int size = TIER(float_size)(dtype);
    const uint8_t *w[4];
    const float *x[FLOAT_COLS];
    float(*kept)[16] = p->sum + r * rows * cols;
    v16 sum[4][FLOAT_COLS];
    SK_UNROLL
    for (int j = 0; j < rows; j++) {
        const int at = r + j * p->apart;
        w[j] = p->w + (size_t)(at < p->n_row ? at : p->n_row - 1) * p->row_size;
        SK_UNROLL
        for (int c = 0; c < cols; c++)
            sum[j][c] = p->begun ? v16_load(kept[j * cols + c]) : v16_zero();
    }
    SK_UNROLL
    for (int c = 0; c < cols; c++)
        x[c] = p->x[c];
    const uintptr_t next = (uintptr_t)p->x[r % cols] + FLOAT_CHUNK * sizeof(float);
    for (int64_t i = 0; i < n; i += 16) {
        v16 weights[4];
        SK_UNROLL
        for (int j = 0; j < rows; j++) {
            weights[j] = TIER(float_weights)(dtype, w[j] + i * size);
            if (cols <= FLOAT_FEW)
                v16_fetch((uintptr_t)(w[j] + i * size) + FLOAT_AHEAD);
        }
        if (cols > FLOAT_FEW) /* each row asks for the next chunk of one column */
            v16_fetch(next + (uintptr_t)i * sizeof(float));
        SK_UNROLL
        for (int c = 0; c < cols; c++) {
            const v16 y = v16_keep(v16_load(x[c] + i));
            SK_UNROLL
            for (int j = 0; j < rows; j++)
                sum[j][c] = v16_fma(weights[j], y, sum[j][c]);
        }
    }
    SK_UNROLL
    for (int j = 0; j < rows; j++)
        SK_UNROLL
    for (int c = 0; c < cols; c++)
        v16_store(kept[j * cols + c], sum[j][c]);
}

/* n elements of a panel's rows. */
#define X(rows, cols) \
    static void TIER(float_rows_##rows##x##cols)(TIER(float_panel) * p, int64_t n) \
    { \
        for (int r = 0; r < p->apart; r++) \
            if (p->dtype == SK_F32) \
                TIER(float_tile)(SK_F32, p, r, n, rows, cols); \
            else if (p->dtype == SK_F16) \
                TIER(float_tile)(SK_F16, p, r, n, rows, cols); \
            else \
                TIER(float_tile)(SK_BF16, p, r, n, rows, cols); \
    }
FLOAT_TILES(X)
#undef X

static void TIER(float_rows)(TIER(float_panel) * p, int64_t n)
{
#define X(rows, cols) \
    if (p->n_col == cols) \
        TIER(float_rows_##rows##x##cols)(p, n);
    FLOAT_TILES(X)
#undef X
}

/* The rows of the tile of n_col columns. */
SK_INLINE int TIER(float_height)(int n_col)
{
#define X(rows, cols) \
    if (n_col == cols) \
        return rows;
    FLOAT_TILES(X)
#undef X
    return 1;
}

/* The columns of the widest tile that is not wider than n_col. */
SK_INLINE int TIER(float_width)(int64_t n_col)
{
#define X(rows, cols) \
    if (n_col >= cols) \
        return cols;
    FLOAT_TILES(X)
#undef X
    return 1;
}

/* The rows' last n < 16 elements: fewer sums get one more. */
static void TIER(float_tail)(TIER(float_panel) * p, int n)
{
    const int size = TIER(float_size)(p->dtype);
    for (int r = 0; r < p->n_row; r++) {
        uint8_t part[64] = {0};
        float w[16];
        memcpy(part, p->w + (size_t)r * p->row_size, (size_t)(n * size));
        v16_store(w, TIER(float_weights)(p->dtype, part));
        for (int c = 0; c < p->n_col; c++) {
            float *sum = TIER(float_sum)(p, r, c);
            for (int l = 0; l < n; l++)
                sum[l] = SK_FMA(w[l], p->x[c][l], sum[l]);
        }
    }
}

/* All elements of the panel's rows. */
static void TIER(float_sums)(TIER(float_panel) * p, int64_t n)
{
    const int64_t chunk = p->n_col > FLOAT_FEW ? FLOAT_CHUNK : n;
    p->begun = n < 16; /* there is no tile to set them */
    if (p->begun)
        memset(p->sum, 0, sizeof p->sum);
    for (int64_t part; n >= 16; n -= part) {
        part = n / 16 * 16 < chunk ? n / 16 * 16 : chunk;
        TIER(float_rows)(p, part);
        p->begun = true;
        p->w += part * TIER(float_size)(p->dtype);
        for (int c = 0; c < p->n_col; c++)
            p->x[c] += part;
    }
    if (n > 0)
        TIER(float_tail)(p, (int)n);
}

/* Rows [r, r + n_row) times columns [first, first + n_col): a panel and a tile's columns. */
static void TIER(float_block)(const sk_matmul *m, int64_t r, int n_row, int64_t first, int n_col)
{
    TIER(float_panel) p;
    p.dtype = m->dtype;
    p.w = (const uint8_t *)m->w + (size_t)r * m->row_size;
    p.row_size = m->row_size;
    p.n_row = n_row;
    p.n_col = n_col;
    p.rows = TIER(float_height)(n_col);
    p.apart = (n_row + p.rows - 1) / p.rows;
    for (int c = 0; c < n_col; c++) {
        const int64_t ic = m->in_col ? m->in_col[first + c] : first + c;
        p.x[c] = (const float *)(const void *)((const char *)m->act + (size_t)ic * m->act_size);
    }
    TIER(float_sums)(&p, m->n);
    for (int c = 0; c < n_col; c++) {
        const int64_t oc = m->out_col ? m->out_col[first + c] : first + c;
        float *out = m->out + oc * m->out_stride + r;
        for (int j = 0; j < n_row; j += 16) {
            v16 s[16];
            for (int i = 0; i < 16; i++)
                s[i] = v16_load(TIER(float_sum)(&p, j + i < n_row ? j + i : n_row - 1, c));
            const v16 sums = TIER(sum16)(s);
            if (n_row - j >= 16)
                v16_store(out + j, sums);
            else
                TIER(store_part)(out + j, sums, n_row - j);
        }
    }
}

/* The product of a call whose weights are floats. Columns pass by rows that stay in the
 * second-level cache. */
static void TIER(matmul_floats)(const sk_matmul *m, int64_t row0, int64_t row1, int64_t col0,
                                int64_t col1)
{
    const int64_t panel = FLOAT_SUMS / TIER(float_width)(col1 - col0);
    const int64_t fit = (int64_t)(FLOAT_NEAR / m->row_size) / panel * panel;
    const int64_t step = fit < panel ? panel : fit;
    for (int64_t r = row0; r < row1; r += step) {
        const int64_t end = row1 - r < step ? row1 : r + step;
        for (int64_t c = col0; c < col1; c += TIER(float_width)(col1 - c))
            for (int64_t at = r; at < end; at += panel)
                TIER(float_block)
        (m, at, (int)(end - at < panel ? end - at : panel), c, TIER(float_width)(col1 - c));
    }
}

#undef FLOAT_SUMS
#undef FLOAT_AHEAD
#undef FLOAT_NEAR
#undef FLOAT_TILES
#undef FLOAT_COLS
#undef FLOAT_CHUNK
#undef FLOAT_FEW
