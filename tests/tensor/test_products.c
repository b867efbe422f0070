/* SPDX-License-Identifier: MIT */
/*
 * The matrix product of every tier and type, on blocks that no quantiser writes and at the edges of
 * memory. Weights, activations and outputs lie between pages that fault, at either end; rows have
 * any stride and alignment; columns are mapped; the product is done in random pieces. Its bits are
 * those of the tier "c" (any NaN equals any NaN) done whole, and on ordinary blocks both are as
 * near to the true sum as the bound below says. A tier or a type that is new to the tables is
 * tested without a word here.
 *
 * The bound. A row of K steps acc = fma(x, s, acc), each for one float scale or one minimum: x is
 * an exact integer converted to float and s a product of two floats, so a term carries two
 * roundings of u = 2^-24, and at most K more as acc passes through the steps. With A the sum of the
 * terms' magnitudes, |d sc q| + |m min| for each weight times |activation|,
 *
 *   |error| <= gamma(K + 2) A + K 2^-122,   gamma(k) = k u / (1 - k u)
 *
 * the last for an s that is subnormal: 2^-150 times an integer below 2^28. Float weights are exact,
 * and one of 16 lanes has ceil(n / 16) roundings and the tree 4: gamma(ceil(n / 16) + 4) A + n
 * 2^-149.
 */
#include "base/portable.h"

#include "guard.h"
#include "tensor/act.h"
#include "tensor/decode.h"
#include "tensor/half.h"
#include "tensor/types.h"
#include "tensor/unit.h"
#include "tensor_test.h"

enum { ROWS = 40, COLS = 100, N_MAX = 1300 };

static guard w_guard, act_guard, out_guard;
static float x[COLS][N_MAX], want[2 * COLS * (ROWS + 3)];
static uint64_t seed = 11;

static int64_t below(int64_t n)
{
    return (int64_t)(test_random(&seed) >> 1) % n;
}

/* One product, but for where it lies. */
typedef struct product {
    sk_matmul m;
    const sk_dtype *type;
    int64_t rows, cols;
    size_t w_size, act_size, out_size;
    bool ordinary; /* of finite weights, so that the bound holds */
    int32_t in_col[COLS], out_col[COLS];
} product;

/* ---- Weights and activations ---------------------------------------------------------------- */

static bool is_moderate(int dtype, const uint8_t *block, int64_t n)
{
    static float dense[SK_UNIT];
    if (!sk_dequantise(dtype, block, dense, n))
        return false;
    for (int64_t i = 0; i < n; i++)
        if (!(fabsf(dense[i]) < 1e6f))
            return false;
    return true;
}

/* Random bytes until the block's weights are of a size that sums do not overflow with. */
static void ordinary_block(int dtype, const sk_dtype *t, uint8_t *block)
{
    do
        for (uint32_t i = 0; i < t->n_byte; i++)
            block[i] = (uint8_t)(test_random(&seed) >> 33);
    while (!is_moderate(dtype, block, t->n_elem));
}

/* All codes and scales alike, or half-precision oddities strewn over the block: there is a scale
 * somewhere, and one of them hits it. */
static void strange_block(const sk_dtype *t, uint8_t *block)
{
    static const uint16_t odd[] = {0x0000, 0x8000, 0x0001, 0x83ff, 0x0400, 0x7bff,
                                   0xfbff, 0x7c00, 0xfc00, 0x7e00, 0xffff, 0x7c01};
    static const uint8_t fill[] = {0x00, 0xff, 0x7f, 0x80, 0x0f, 0xf0, 0x88, 0x77, 0x01, 0xfe};
    memset(block, fill[below(sizeof fill)], t->n_byte);
    if (below(2))
        for (uint32_t i = 0; i < t->n_byte; i++)
            block[i] = (uint8_t)(test_random(&seed) >> 33);
    for (int64_t k = below(4); k > 0 && t->n_byte > 1; k--)
        sk_put_le16(block + below(t->n_byte - 1), odd[below(sizeof odd / sizeof *odd)]);
}

static void fill_weights(const product *p, uint8_t *w)
{
    for (int64_t r = 0; r < p->rows; r++)
        for (int64_t b = 0; b < p->m.n / p->type->n_elem; b++) {
            uint8_t *block = w + (size_t)r * p->m.row_size + (size_t)b * p->type->n_byte;
            if (p->ordinary)
                ordinary_block(p->m.dtype, p->type, block);
            else
                strange_block(p->type, block);
        }
}

/* One column of one kind: any numbers, the largest codes, a sum of weights, almost nothing,
 * nothing, or all mixed. */
static void fill_column(float *v, int64_t n, bool ordinary)
{
    const int64_t kind = below(ordinary ? 3 : 6);
    random_units(v, n, &seed);
    for (int64_t i = 0; i < n; i++)
        v[i] = kind == 0   ? v[i]
               : kind == 1 ? (v[i] < 0 ? -1.0f : 1.0f)
               : kind == 2 ? 1
               : kind == 3 ? v[i] * 0x1p-128f
               : kind == 4 ? 0
                           : random_adversary(&seed, true);
}

static void fill_activations(const product *p, uint8_t *act)
{
    const sk_kernels *c = sk_kernels_get("c");
    for (int64_t i = 0; i < p->cols; i++) {
        fill_column(x[i], p->m.n, p->ordinary);
        CHECK_INT(
            c->quantise(sk_act_kind(p->m.dtype), x[i], p->m.n, act + (size_t)i * p->m.act_size), 0);
    }
}

/* ---- The true sum --------------------------------------------------------------------------- */

/* Adds a unit's terms and their magnitudes. */
static void add_unit(const sk_unit *u, const sk_coding *f, const sk_act_row *a, int64_t start,
                     int n, double *sum, double *size)
{
    for (int i = 0; i < n; i++) {
        const double d = f->group == 256  ? (double)u->d[0] * u->scale[i / 16]
                         : f->group == 32 ? (double)u->d[i / 32]
                                          : (double)u->d[i / 16];
        const double m = !f->min           ? 0
                         : f->group == 256 ? -(double)u->m[0] * u->min[i / 16]
                                           : (double)u->m[i / 32];
        const double v = a->code[start + i] * (double)a->d[(start + i) / sk_act_block(f->act)];
        *sum += (d * u->q[i] + m) * v;
        *size += (fabs(d * u->q[i]) + fabs(m)) * fabs(v);
    }
}

static void check_bound(const product *p, const uint8_t *row, const uint8_t *act, float got)
{
    const sk_coding *f = sk_coding_get(p->m.dtype);
    const sk_act_row a = sk_act_view(f->act, act, p->m.n);
    double sum = 0, size = 0, k = 4 + ceil((double)p->m.n / 16), tiny = (double)p->m.n * 0x1p-149;
    for (int64_t i = 0; i < p->m.n; i += SK_UNIT) {
        const int n = p->m.n - i < SK_UNIT ? (int)(p->m.n - i) : SK_UNIT;
        const uint8_t *block = row + i / p->type->n_elem * p->type->n_byte;
        if (f->group) {
            sk_unit u;
            sk_decode(p->m.dtype, block, n, &u);
            add_unit(&u, f, &a, i, n, &sum, &size);
            continue;
        }
        float dense[SK_UNIT];
        sk_dequantise(p->m.dtype, block, dense, n);
        for (int j = 0; j < n; j++) {
            sum += (double)dense[j] * (double)a.x[i + j];
            size += fabs((double)dense[j] * (double)a.x[i + j]);
        }
    }
    if (f->group) {
        k = (double)(p->m.n / f->group * (f->min ? 2 : 1));
        tiny = k * 0x1p-122;
        k += 2;
    }
    const double most = k * 0x1p-24 / (1 - k * 0x1p-24) * size + tiny;
    CHECKF(fabs(sum - (double)got) <= most, "%s n %d: %a, wanted %a, off by %g of %g",
           p->type->name, (int)p->m.n, (double)got, sum, fabs(sum - (double)got), most);
}

static void check_meaning(const product *p)
{
    for (int64_t i = 0; i < p->cols; i += 1 + p->cols / 8)
        for (int64_t r = 0; r < p->rows; r++)
            check_bound(p, (const uint8_t *)p->m.w + (size_t)r * p->m.row_size,
                        (const uint8_t *)p->m.act + (size_t)i * p->m.act_size,
                        want[i * (p->rows + 3) + r]);
}

/* ---- Products ------------------------------------------------------------------------------- */

/* Shapes at which kernels change their ways: few columns and many, panels whole and not, rows that
 * end in a part of a unit. */
static product make(int dtype, const sk_dtype *t, int round)
{
    static const int64_t cols[] = {1, 1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 33, 97, 100};
    static const int64_t rows[] = {1, 3, 15, 16, 17, 31, 32, 33, 40};
    const int64_t unit = sk_act_kind(dtype) == SK_ACT_F32 ? 1 : sk_act_block(sk_act_kind(dtype));
    const int64_t step = t->n_elem > unit ? t->n_elem : unit;
    product p = {.type = t, .rows = rows[below(9)], .cols = cols[below(15)]};
    p.m.dtype = dtype;
    p.m.n = (1 + below(round % 4 ? 512 / step + 2 : N_MAX / step)) * step;
    p.m.row_size = (size_t)p.m.n / t->n_elem * t->n_byte;
    p.w_size = p.m.row_size;
    p.m.row_size += round % 3 ? 0 : (size_t)below(70);
    p.w_size += p.m.row_size * (size_t)(p.rows - 1);
    p.m.act_size = sk_act_row_size(sk_act_kind(dtype), p.m.n);
    p.act_size = p.m.act_size * (size_t)p.cols;
    p.m.out_stride = p.rows + below(4);
    p.ordinary = round % 2;
    for (int64_t i = 0; i < p.cols; i++)
        p.in_col[i] = (int32_t)below(p.cols);
    return p;
}

/* The same product in pieces of any size. */
static void in_pieces(const sk_kernels *k, const product *p)
{
    for (int64_t r = 0, r1; r < p->rows; r = r1) {
        r1 = r + 1 + below(36);
        r1 = r1 < p->rows ? r1 : p->rows;
        for (int64_t i = 0, i1; i < p->cols; i = i1) {
            i1 = i + 1 + below(below(2) ? 120 : 4);
            i1 = i1 < p->cols ? i1 : p->cols;
            k->matmul(&p->m, r, r1, i, i1);
        }
    }
}

/* The outputs of [p->cols] columns against `want`, whose column of i is from[i] or i; what lies
 * between two columns' outputs is nobody's. */
static void check_out(const sk_kernels *k, const product *p, const int32_t *from, const char *how)
{
    const float *out = p->m.out;
    int64_t wrong = 0, strayed = 0;
    for (int64_t i = 0; i < p->cols; i++) {
        const float *w = want + (from ? from[i] : i) * (p->rows + 3);
        wrong += first_difference(w, out + i * p->m.out_stride, p->rows) < p->rows;
        for (int64_t r = p->rows; r < p->m.out_stride && i < p->cols - 1; r++)
            strayed += sk_f32_bits(out[i * p->m.out_stride + r]) != 0x01010101u * GUARD_FILL;
    }
    CHECKF(wrong == 0 && strayed == 0 && guard_clean(&out_guard),
           "%s %s %s, %d rows, %d columns, n %d: %d columns differ, %d outputs of nobody written",
           k->name, p->type->name, how, (int)p->rows, (int)p->cols, (int)p->m.n, (int)wrong,
           (int)strayed);
}

static void check_tier(const sk_kernels *k, product *p, bool at_end)
{
    int32_t inverse[COLS];
    snprintf(guard_doing, sizeof guard_doing,
             "out of bounds: %s %s, %d rows of %d elements, %d columns, memory's %s\n", k->name,
             p->type->name, (int)p->rows, (int)p->m.n, (int)p->cols, at_end ? "end" : "beginning");
    p->m.in_col = p->m.out_col = NULL;
    p->m.out = guard_lay(&out_guard, p->out_size, at_end);
    in_pieces(k, p);
    check_out(k, p, NULL, "in pieces");
    /* Column i of the outputs comes from call (i + shift) mod cols, which reads in_col of it. */
    const int64_t shift = below(p->cols);
    for (int64_t i = 0; i < p->cols; i++) {
        p->out_col[(i + shift) % p->cols] = (int32_t)i;
        inverse[i] = p->in_col[(i + shift) % p->cols];
    }
    p->m.in_col = p->in_col;
    p->m.out_col = p->out_col;
    p->m.out = guard_lay(&out_guard, p->out_size, at_end);
    in_pieces(k, p);
    check_out(k, p, inverse, "through maps");
}

static void check_product(int dtype, const sk_dtype *t, int round)
{
    const bool at_end = round % 5;
    product p = make(dtype, t, round);
    uint8_t *w = guard_lay(&w_guard, p.w_size, at_end);
    fill_weights(&p, w);
    p.m.w = w;
    uint8_t *act = guard_lay(&act_guard, p.act_size, at_end);
    fill_activations(&p, act);
    p.m.act = act;
    p.out_size = (size_t)((p.cols - 1) * p.m.out_stride + p.rows) * sizeof(float);

    sk_matmul whole = p.m;
    whole.out = want;
    whole.out_stride = p.rows + 3;
    sk_kernels_get("c")->matmul(&whole, 0, p.rows, 0, p.cols);
    if (p.ordinary)
        check_meaning(&p);
    bool more = true;
    for (int i = 0; more; i++) {
        bool runs = false;
        const sk_kernels *k = sk_kernels_at(i, &runs);
        more = k != NULL;
        if (runs)
            check_tier(k, &p, at_end);
    }
}

int main(int argc, char **argv)
{
    const int rounds = argc > 1 ? atoi(argv[1]) : 200; /* of each type */
    w_guard = guard_new(ROWS * (N_MAX * 4 + 70));
    act_guard = guard_new(COLS * (N_MAX * 4 + 64));
    out_guard = guard_new(COLS * (ROWS + 3) * sizeof(float));
    for (int dtype = 0; dtype < SK_DTYPE_END; dtype++) {
        const sk_dtype *t = sk_dtype_get((uint64_t)dtype);
        for (int round = 0; t && t->weight && round < rounds; round++)
            check_product(dtype, t, round);
    }
    return test_end();
}
