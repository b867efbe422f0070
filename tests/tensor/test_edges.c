/* SPDX-License-Identifier: MIT */
/*
 * The kernels on vectors at the edges of memory: every operand of every kernel of every tier ends
 * at a page that faults, or begins behind one, at every length of a few registers; outputs are
 * those of the tier "c", inputs stay as they were, nothing else is written. Values are
 * test_tiers.c's business, products those of test_products.c, attention's own rows those of
 * test_attend.c.
 */
#include "base/portable.h"

#include "guard.h"
#include "tensor_test.h"

enum { OPERANDS = 4, LONGEST = 300, Y = 0, X, W, B };

static guard room[OPERANDS];
static uint64_t seed = 21;

/* One call of a kernel; y is written, the others are read. A NULL operand is not there. */
typedef struct edge_case {
    const char *name;
    void (*call)(const sk_kernels *k, void *const *p, int64_t n);
    int size[OPERANDS]; /* bytes of an element; 0: none */
    int step;           /* of lengths */
} edge_case;

static void edge_rms_norm(const sk_kernels *k, void *const *p, int64_t n)
{
    k->rms_norm(p[Y], p[X], p[W], n, 1e-6f);
}

static void edge_rms_norm_in_place(const sk_kernels *k, void *const *p, int64_t n)
{
    k->rms_norm(p[Y], p[Y], NULL, n, 1e-6f);
}

static void edge_layer_norm(const sk_kernels *k, void *const *p, int64_t n)
{
    k->layer_norm(p[Y], p[X], p[W], p[B], n, 1e-6f);
}

static void edge_add(const sk_kernels *k, void *const *p, int64_t n)
{
    k->add(p[Y], p[X], n);
}

static void edge_scale(const sk_kernels *k, void *const *p, int64_t n)
{
    k->scale(p[Y], 1.7f, n);
}

static void edge_fma(const sk_kernels *k, void *const *p, int64_t n)
{
    k->fma(p[Y], p[X], 1.7f, n);
}

static void edge_silu_mul(const sk_kernels *k, void *const *p, int64_t n)
{
    k->silu_mul(p[Y], p[X], p[W], n);
}

static void edge_apply(const sk_kernels *k, void *const *p, int64_t n)
{
    sk_fn f = {.limit = 1.5f, .alpha_p = 0.8, .alpha_n = 1.3, .beta = 0.5, .eps = -1e-6};
    const float *x = p[X];
    float sum[LONGEST];
    memcpy(sum, p[Y], (size_t)n * sizeof *sum);
    for (f.kind = SK_FN_SILU; f.kind <= SK_FN_XIELU; f.kind++) {
        k->apply(&f, p[Y], x, f.kind % 2 || f.kind == SK_FN_SWIGLU_OAI ? p[W] : NULL, n);
        k->add(sum, p[Y], n);
    }
    memcpy(p[Y], sum, (size_t)n * sizeof *sum);
}

static void edge_softmax(const sk_kernels *k, void *const *p, int64_t n)
{
    k->softmax(p[Y], n);
}

static void edge_rope_norm(const sk_kernels *k, void *const *p, int64_t n)
{
    k->rope(SK_ROPE_NORM, p[Y], (const float(*)[2])p[X], n);
}

static void edge_rope_neox(const sk_kernels *k, void *const *p, int64_t n)
{
    k->rope(SK_ROPE_NEOX, p[Y], (const float(*)[2])p[X], n);
}

static void edge_to_f16(const sk_kernels *k, void *const *p, int64_t n)
{
    k->to_f16(p[Y], p[X], n);
}

static void edge_from_f16(const sk_kernels *k, void *const *p, int64_t n)
{
    k->from_f16(p[Y], p[X], n);
}

static const edge_case cases[] = {
    {"rms_norm", edge_rms_norm, {4, 4, 4, 0}, 1},
    {"rms_norm in place", edge_rms_norm_in_place, {4, 0, 0, 0}, 1},
    {"layer_norm", edge_layer_norm, {4, 4, 4, 4}, 1},
    {"add", edge_add, {4, 4, 0, 0}, 1},
    {"scale", edge_scale, {4, 0, 0, 0}, 1},
    {"fma", edge_fma, {4, 4, 0, 0}, 1},
    {"silu_mul", edge_silu_mul, {4, 4, 4, 0}, 1},
    {"apply", edge_apply, {4, 4, 4, 0}, 1},
    {"softmax", edge_softmax, {4, 0, 0, 0}, 1},
    {"rope norm", edge_rope_norm, {4, 4, 0, 0}, 2},
    {"rope neox", edge_rope_neox, {4, 4, 0, 0}, 2},
    {"to_f16", edge_to_f16, {2, 4, 0, 0}, 1},
    {"from_f16", edge_from_f16, {4, 2, 0, 0}, 1},
};

/* Lays the operands and fills them from `value`. */
static void lay(const edge_case *e, uint8_t value[][4 * LONGEST], void **p, int64_t n, bool at_end)
{
    for (int i = 0; i < OPERANDS; i++) {
        p[i] = NULL;
        if (e->size[i] == 0)
            continue;
        p[i] = guard_lay(&room[i], (size_t)(n * e->size[i]), at_end);
        memcpy(p[i], value[i], (size_t)(n * e->size[i]));
    }
}

static bool same_output(const edge_case *e, const void *want, const void *got, int64_t n)
{
    if (e->size[Y] == 4)
        return first_difference(want, got, n) == n;
    return memcmp(want, got, (size_t)(n * e->size[Y])) == 0;
}

static void check_case(const sk_kernels *k, const edge_case *e, int64_t n, bool at_end)
{
    static uint8_t value[OPERANDS][4 * LONGEST];
    static float want[LONGEST];
    void *p[OPERANDS];
    for (int i = 0; i < OPERANDS; i++)
        for (int64_t j = 0; j < n; j++) {
            const float one = random_unit(&seed) * 8;
            memcpy(value[i] + 4 * j, &one, 4);
            if (e->size[i] == 2) /* an ordinary half */
                sk_put_le16(value[i] + 2 * j, (uint16_t)(0x3800 + (test_random(&seed) >> 54)));
        }
    lay(e, value, p, n, at_end);
    e->call(sk_kernels_get("c"), p, n);
    memcpy(want, p[Y], (size_t)(n * e->size[Y]));
    snprintf(guard_doing, sizeof guard_doing, "out of bounds: %s %s, n %d, memory's %s\n", k->name,
             e->name, (int)n, at_end ? "end" : "beginning");
    lay(e, value, p, n, at_end);
    e->call(k, p, n);
    bool clean = true;
    for (int i = 0; i < OPERANDS; i++)
        clean = clean && (!p[i] || (guard_clean(&room[i]) &&
                                    (i == Y || memcmp(p[i], value[i], room[i].size) == 0)));
    CHECKF(same_output(e, want, p[Y], n), "%s %s, n %d differs from c", k->name, e->name, (int)n);
    CHECKF(clean, "%s %s, n %d wrote what is not its own", k->name, e->name, (int)n);
}

/* Rows of activations: n floats in, a row of its size out, both ending at the same page. */
static void check_quantise(const sk_kernels *k, int kind, int64_t n)
{
    static _Alignas(64) uint8_t want[8 * LONGEST * 4];
    static float x[4 * LONGEST];
    const size_t size = sk_act_row_size(kind, n);
    random_units(x, n, &seed);
    memset(want, GUARD_FILL, sizeof want);
    CHECK_INT(sk_kernels_get("c")->quantise(kind, x, n, want), 0);
    snprintf(guard_doing, sizeof guard_doing, "out of bounds: %s quantise %d, n %d\n", k->name,
             kind, (int)n);
    float *at = guard_lay(&room[X], (size_t)n * sizeof *x, true);
    memcpy(at, x, (size_t)n * sizeof *x);
    void *row = guard_lay(&room[Y], size, true);
    CHECK_INT(k->quantise(kind, at, n, row), 0);
    CHECKF(memcmp(want, row, size) == 0 && guard_clean(&room[X]) && guard_clean(&room[Y]),
           "%s quantise %d, n %d", k->name, kind, (int)n);
}

static void check_edges(const sk_kernels *k)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int64_t n = cases[i].step; n <= LONGEST; n += n < 100 ? cases[i].step : 34) {
            check_case(k, &cases[i], n, true);
            check_case(k, &cases[i], n, false);
        }
    for (int64_t n = 1; n <= 4 * LONGEST; n++) {
        check_quantise(k, SK_ACT_F32, n);
        if (n % 32 == 0)
            check_quantise(k, SK_ACT_Q32, n);
        if (n % 256 == 0)
            check_quantise(k, SK_ACT_Q256, n);
    }
}

int main(void)
{
    for (int i = 0; i < OPERANDS; i++)
        room[i] = guard_new(8 * 4 * LONGEST);
    bool more = true;
    for (int i = 0; more; i++) {
        const sk_kernels *k = tier_at(i, &more);
        if (k)
            check_edges(k);
    }
    return test_end();
}
