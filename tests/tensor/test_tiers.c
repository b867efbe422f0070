/* SPDX-License-Identifier: MIT */
/*
 * Every slot of every tier gives the bits of the tier "c", on random and adversarial numbers, at
 * every tail length; any NaN equals any NaN. Also what sk_kernels_get and sk_kernels_at promise.
 */
#include "base/portable.h"

#include "base/dtype.h"
#include "tensor_test.h"

enum { MOST = 400 };

static const sk_kernels *c, *other;
static uint64_t seed = 3;

static void compare(const char *what, const float *want, const float *got, int64_t n, int64_t len)
{
    const int64_t i = first_difference(want, got, n);
    if (i == n)
        CHECK(true);
    else
        CHECKF(false, "%s of tier %s, n %d: [%d] is %a, wanted %a", what, other->name, (int)len,
               (int)i, (double)got[i], (double)want[i]);
}

typedef struct vectors {
    float x[MOST], y[MOST], z[MOST];
} vectors;

/* New numbers on every call: ordinary ones, or any at all. */
static void fill(vectors *v, bool adverse)
{
    if (adverse) {
        random_adversaries(v->x, MOST, &seed, false);
        random_adversaries(v->y, MOST, &seed, false);
        random_adversaries(v->z, MOST, &seed, false);
        return;
    }
    random_units(v->x, MOST, &seed);
    random_units(v->y, MOST, &seed);
    random_units(v->z, MOST, &seed);
    for (int i = 0; i < MOST; i++)
        v->x[i] *= 20;
}

static void elementwise(const sk_kernels *k, vectors *v, int slot, int64_t n)
{
    static const sk_fn xielu = {SK_FN_XIELU, 1, 0.8, 1.3, 0.5, -1e-6};
    if (slot >= 13) {
        sk_fn f = slot == 13 + SK_FN_XIELU ? xielu : (sk_fn){.kind = slot - 13, .limit = 1.5f};
        k->apply(&f, v->y, v->x, n % 3 || f.kind == SK_FN_SWIGLU_OAI ? v->z : NULL, n);
        return;
    }
    switch (slot) {
    case 11:
        k->layer_norm(v->y, v->x, v->z, v->y + 1, n, 1e-6f);
        break;
    case 12:
        k->layer_norm(v->x, v->x, NULL, NULL, n, 1e-6f);
        break;
    case 0:
        k->rms_norm(v->y, v->x, v->z, n, 1e-6f);
        break;
    case 1:
        k->rms_norm(v->x, v->x, NULL, n, 0);
        break;
    case 2:
        k->add(v->y, v->x, n);
        break;
    case 3:
        k->scale(v->y, v->x[n], n);
        break;
    case 4:
        k->fma(v->y, v->x, v->z[n], n);
        break;
    case 5:
        k->silu_mul(v->x, v->x, v->z, n);
        break;
    case 6:
        k->silu_mul(v->y, v->x, v->z, n);
        break;
    case 7:
        k->softmax(v->x, n);
        break;
    case 8:
        k->rope(SK_ROPE_NORM, v->x, (const float(*)[2])(const void *)v->y, n & ~1);
        break;
    case 9:
        k->rope(SK_ROPE_NEOX, v->x, (const float(*)[2])(const void *)v->y, n & ~1);
        break;
    default:
        k->rope(SK_ROPE_NONE, v->x, (const float(*)[2])(const void *)v->y, n & ~1);
        break;
    }
}

static void check_elementwise(void)
{
    static const char *const names[] = {"rms_norm",
                                        "rms_norm in place",
                                        "add",
                                        "scale",
                                        "fma",
                                        "silu_mul in place",
                                        "silu_mul",
                                        "softmax",
                                        "rope norm",
                                        "rope neox",
                                        "rope none",
                                        "layer_norm",
                                        "layer_norm in place",
                                        "silu",
                                        "gelu",
                                        "relu",
                                        "relu2",
                                        "sigmoid",
                                        "softplus",
                                        "swiglu_oai",
                                        "clamped",
                                        "xielu",
                                        "tanh",
                                        "none",
                                        "complement"};
    for (int slot = 0; slot < 25; slot++)
        for (int64_t n = 1; n < 200; n++)
            for (int round = 0; round < 8; round++) {
                vectors want, got;
                fill(&want, round % 2);
                got = want;
                elementwise(c, &want, slot, n);
                elementwise(other, &got, slot, n);
                compare(names[slot], want.x, got.x, 3 * MOST, n);
            }
}

/* Exponentials from one end of the floats to the other: what g / (1 + e^-g) shows of them. */
static void check_exponentials(void)
{
    float x[MOST], one[MOST], want[MOST], got[MOST];
    for (int i = 0; i < MOST; i++)
        one[i] = 1;
    for (uint64_t bits = 0; bits < 1ull << 32;) {
        for (int i = 0; i < MOST; i++, bits += 4093)
            x[i] = sk_f32_from_bits((uint32_t)bits);
        c->silu_mul(want, x, one, MOST);
        other->silu_mul(got, x, one, MOST);
        compare("silu_mul", want, got, MOST, MOST);
    }
}

/* All halves; all floats near the edges of halves, and any. */
static void check_halves(void)
{
    static uint16_t half[65536], got_half[1000], want_half[1000];
    static float want[65536], got[65536];
    for (int i = 0; i < 65536; i++)
        half[i] = (uint16_t)i;
    c->from_f16(want, half, 65536);
    other->from_f16(got, half, 65536);
    compare("from_f16", want, got, 65536, 65536);
    for (int round = 0; round < 3000; round++) {
        const int64_t n = round % 100 + 1;
        float x[100];
        random_adversaries(x, n, &seed, false);
        for (int64_t i = 0; i < n; i++)
            if (test_random(&seed) % 2)
                x[i] = sk_f32_from_bits(sk_f32_bits(want[test_random(&seed) % 65536]) +
                                        (uint32_t)(test_random(&seed) % 3 - 1) +
                                        (uint32_t)(test_random(&seed) % 2 << 12));
        c->to_f16(want_half, x, n);
        other->to_f16(got_half, x, n);
        for (int64_t i = 0; i < n; i++)
            if (!isnan(x[i]) && want_half[i] != got_half[i])
                CHECKF(false, "to_f16(%a) of tier %s is %04x, wanted %04x", (double)x[i],
                       other->name, got_half[i], want_half[i]);
        for (int64_t i = 1; i < n % 40; i++) {
            c->from_f16(want, half + round, i);
            other->from_f16(got, half + round, i);
            compare("from_f16", want, got, i, i);
        }
    }
}

enum { ATTEND_ROWS = 9, ATTEND_DIM = 160, ATTEND_FLOATS = 8 * ATTEND_ROWS * ATTEND_DIM };

static sk_span seen[ATTEND_ROWS];

static void random_attend(sk_attend *a, const void **k, const void **v, void *pool, bool adverse)
{
    static float q[ATTEND_FLOATS];
    *a = (sk_attend){.k_offset = 4, .v_offset = 8};
    a->n_row = test_random(&seed) % 2 ? 1 : 1 + (int64_t)(test_random(&seed) % ATTEND_ROWS);
    a->n_head = 1 + (int64_t)(test_random(&seed) % 8);
    a->dk = 1 + (int64_t)(test_random(&seed) % ATTEND_DIM);
    a->dv = 1 + (int64_t)(test_random(&seed) % ATTEND_DIM);
    a->q_stride = a->n_head * a->dk;
    a->out_stride = a->n_head * a->dv;
    a->k_dtype = test_random(&seed) % 2 ? SK_F16 : SK_F32;
    a->v_dtype = test_random(&seed) % 2 ? SK_F16 : SK_F32;
    a->k_size = a->v_size = ATTEND_DIM * 4;
    a->seen = seen;
    for (int64_t r = 0; r < a->n_row; r++) {
        seen[r].first = (int64_t)(test_random(&seed) % 130);
        seen[r].last =
            seen[r].first + 1 + (int64_t)(test_random(&seed) % (uint64_t)(192 - seen[r].first));
    }
    a->scale = 0.25f;
    a->cap = test_random(&seed) % 4 ? 0 : 2;
    a->slope = test_random(&seed) % 4 ? NULL : q + 3;
    a->sink = test_random(&seed) % 4 ? NULL : q + 5;
    a->q = q;
    random_units(q, ATTEND_FLOATS, &seed);
    if (adverse)
        random_adversaries(q, ATTEND_FLOATS, &seed, true);
    for (int b = 0; b < 3; b++) {
        k[b] = (const char *)pool + b * 64 * 640 - 4;
        v[b] = (const char *)pool + (b + 3) * 64 * 640 - 8;
    }
    a->k = k;
    a->v = v;
}

static void check_attend(void)
{
    static float memory[2 + 6 * 64 * 160], *pool = memory + 2;
    static float want[ATTEND_FLOATS], got[ATTEND_FLOATS];
    const void *k[3], *v[3];
    for (int round = 0; round < 600; round++) {
        sk_attend a;
        random_attend(&a, k, v, pool, round % 3 == 1);
        if (round % 3 == 1)
            random_adversaries(pool, 6 * 64 * 160, &seed, round % 2);
        else
            random_units(pool, 6 * 64 * 160, &seed);
        if (round % 3 == 0) /* both halves of each float an ordinary half */
            for (int i = 0; i < 6 * 64 * 160; i++)
                pool[i] =
                    sk_f32_from_bits(0x3c003800u ^ ((uint32_t)test_random(&seed) & 0x87ff87ffu));
        a.out = want;
        attend_all(c, &a, ATTEND_AT_ONCE);
        a.out = got;
        attend_all(other, &a, round % ATTEND_WAYS);
        compare("attend", want, got, a.n_row * a.n_head * a.dv, a.dk);
    }
}

static void check_quantise(void)
{
    static const int step[] = {1, 32, 256};
    static float x[2048];
    static _Alignas(64) uint8_t want[16384], got[16384];
    for (int kind = SK_ACT_F32; kind <= SK_ACT_Q256; kind++)
        for (int round = 0; round < 400; round++) {
            const int64_t n =
                (1 + (int64_t)(test_random(&seed) % (uint64_t)(2048 / step[kind]))) * step[kind];
            random_units(x, n, &seed);
            if (round % 2)
                random_adversaries(x, n, &seed, round % 4 == 1);
            memset(want, 0, sizeof want);
            memset(got, 0, sizeof got);
            const int a = c->quantise(kind, x, n, want), b = other->quantise(kind, x, n, got);
            CHECK_INT(b, a);
            CHECKF(a != 0 || memcmp(want, got, sizeof want) == 0, "kind %d, n %d", kind, (int)n);
        }
}

/* Weights are random bytes: every scale, also infinite and NaN ones, and every code. */
static void check_matmul_of(int dtype, const sk_dtype *t)
{
    enum { ROWS = 21, COLS = 13 };
    static uint8_t w[ROWS * 1024 * 4 + 64];
    static float x[1024], want[COLS * ROWS], got[COLS * ROWS];
    static _Alignas(64) uint8_t act[COLS * 8192];
    const int kind = sk_act_kind(dtype);
    const int64_t unit = kind == SK_ACT_F32 ? 1 : kind == SK_ACT_Q32 ? 32 : 256;
    const int64_t block = (int64_t)t->n_elem > unit ? (int64_t)t->n_elem : unit;
    for (int round = 0; round < 12; round++) {
        const int64_t n = block * (1 + (int64_t)(test_random(&seed) % (uint64_t)(1024 / block)));
        for (size_t i = 0; i < sizeof w; i++)
            w[i] = (uint8_t)(test_random(&seed) >> 32);
        sk_matmul m = {.dtype = dtype, .w = w + round % 7, .n = n, .act = act, .out_stride = ROWS};
        m.row_size = (size_t)n / t->n_elem * t->n_byte;
        m.act_size = sk_act_row_size(kind, n);
        for (int col = 0; col < COLS; col++) {
            random_units(x, n, &seed);
            CHECK(m.act_size <= 8192 &&
                  c->quantise(kind, x, n, act + (size_t)col * m.act_size) == 0);
        }
        m.out = want;
        c->matmul(&m, 0, ROWS, 0, COLS);
        m.out = got;
        other->matmul(&m, 0, ROWS, 0, COLS);
        compare(t->name, want, got, COLS * ROWS, n);
        memset(got, 0, sizeof got); /* column by column: what a decoded token takes */
        for (int64_t col = 0; col < COLS; col++)
            other->matmul(&m, 0, ROWS, col, col + 1);
        compare(t->name, want, got, COLS * ROWS, n);
    }
}

enum { FLOAT_ROWS = 400, FLOAT_COLS = 20, FLOAT_N = 1100 };

static uint8_t float_w[FLOAT_ROWS * FLOAT_N * 4 + 64];
static _Alignas(64) uint8_t float_act[FLOAT_COLS * (FLOAT_N + 16) * 4];

/* Rows [row0, row0 + n_row) times columns [col0, n_col) of floats, weights at any address, columns
 * in any order; what lies beside must stay as it is. */
static void check_floats_of(int dtype, int64_t n_row, int64_t n_col, int64_t n)
{
    static float want[FLOAT_COLS * FLOAT_ROWS], got[FLOAT_COLS * FLOAT_ROWS];
    int32_t in_col[FLOAT_COLS], out_col[FLOAT_COLS];
    const sk_dtype *t = sk_dtype_get((uint64_t)dtype);
    const int64_t row0 = (int64_t)(test_random(&seed) % 3), col0 = n_col > 6 ? 1 : 0;
    const bool mapped = test_random(&seed) % 2;
    sk_matmul m = {.dtype = dtype, .w = float_w + test_random(&seed) % 64, .n = n};
    m.row_size = (size_t)n * t->n_byte;
    m.act = float_act;
    m.act_size = sk_act_row_size(SK_ACT_F32, n);
    m.out_stride = FLOAT_ROWS;
    m.in_col = mapped ? in_col : NULL;
    m.out_col = mapped ? out_col : NULL;
    for (int32_t i = 0; i < n_col; i++) {
        in_col[i] = (int32_t)(test_random(&seed) % (uint64_t)n_col);
        out_col[i] = (i * 7 + 3) % FLOAT_COLS;
    }
    n_row = n_row + row0 < FLOAT_ROWS ? n_row : FLOAT_ROWS - row0;
    memset(want, 0x5a, sizeof want);
    memset(got, 0x5a, sizeof got);
    m.out = want;
    c->matmul(&m, row0, row0 + n_row, col0, n_col);
    m.out = got;
    other->matmul(&m, row0, row0 + n_row, col0, n_col);
    compare(t->name, want, got, FLOAT_COLS * FLOAT_ROWS, n);
}

/* Every small number of rows and columns; and more rows than are taken together. */
static void check_floats(void)
{
    static const int types[] = {SK_F32, SK_F16, SK_BF16};
    for (int adverse = 0; adverse < 2; adverse++)
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
            random_units((float *)(void *)float_act, FLOAT_COLS * (FLOAT_N + 16), &seed);
            for (size_t at = 0; at < sizeof float_w; at++) /* exponents that neither end is near */
                float_w[at] = (uint8_t)(adverse || at % (types[i] == SK_F32 ? 4 : 2) == 0
                                            ? test_random(&seed) >> 32
                                            : 0x30 | (test_random(&seed) >> 32 & 0x8f));
            for (int64_t n_row = 1; n_row <= 20; n_row++)
                for (int64_t n_col = 1; n_col <= FLOAT_COLS; n_col++)
                    check_floats_of(types[i], n_row, n_col,
                                    1 + (int64_t)(test_random(&seed) % 100));
            for (int64_t n_col = 1; n_col <= 7; n_col++) {
                check_floats_of(types[i], FLOAT_ROWS - 5, n_col, 47);
                check_floats_of(types[i], 67, n_col, FLOAT_N - 13);
            }
            check_floats_of(types[i], 300, 7, FLOAT_N);
        }
}

static void check_matmul(void)
{
    for (int dtype = 0; dtype < SK_DTYPE_END; dtype++) {
        const sk_dtype *t = sk_dtype_get((uint64_t)dtype);
        if (t && t->weight)
            check_matmul_of(dtype, t);
    }
}

static void check_table(void)
{
    bool runs = false;
    CHECK(sk_kernels_at(0, &runs) == sk_kernels_get("c") && runs);
    CHECK(sk_kernels_at(-1, &runs) == NULL && sk_kernels_at(1000, &runs) == NULL);
    CHECK(sk_kernels_get("") == NULL && sk_kernels_get("C") == NULL);
    const sk_kernels *last = NULL, *k;
    for (int i = 0; (k = sk_kernels_at(i, &runs)) != NULL; i++) {
        CHECK(sk_kernels_get(k->name) == (runs ? k : NULL));
        last = runs ? k : last;
    }
    CHECK(sk_kernels_get("auto") == last);
}

int main(void)
{
    check_table();
    c = sk_kernels_get("c");
    bool more = true;
    for (int i = 1; more; i++) {
        other = tier_at(i, &more);
        if (!other)
            continue;
        check_elementwise();
        check_exponentials();
        check_halves();
        check_attend();
        check_quantise();
        check_matmul();
        check_floats();
    }
    return test_end();
}
