/* SPDX-License-Identifier: MIT */
/*
 * How fast the kernels are, one by one, and how near to what the machine can do. Not a test:
 * nothing is judged.
 *
 *     bench_kernels [TIER [THREADS [NAME...]]]      TIER "auto"; only kernels with these names
 *
 * Products, for each type of weight: one column and eight, weights from memory (bytes of weights
 * per second against the read bandwidth); 512 columns, weights from the cache (multiply-adds per
 * second against the peak of int8 or of fp32). Attention: a token's eight heads per K/V head over
 * 8192 keys (bytes of the cache per second), 64 tokens over the same (multiply-adds per second).
 * Vectors: elements of 4 bytes in the first-level cache, without a limit. Every figure is the best
 * of five, all threads at work, each with outputs of its own; the limit is taken just before.
 */
#include "base/portable.h"

#include "../../examples/skald/limits.h"
#include "../../examples/skald/tool.h"
#include "tensor/types.h"
#include "tensor_test.h"

#include <time.h>
#include <unistd.h>

enum { N = 2048, COLS = 512, ROUNDS = 5, THREADS = 64, NEAR_ROWS = 64, KEYS = 8192, DIM = 128 };
enum { HEADS = 8, QUERIES = 64, VECTOR = 2048, TURNS = 2000 };
enum { NEAR_TURNS = 8 }; /* products from the cache, or starting the threads would count */

#define POOL ((size_t)256 << 20) /* bytes of weights, or of keys and values, in memory */

static const sk_kernels *kernels;
static int n_thread;
static uint8_t *pool;
static limits_memory memory;
static float *out;    /* [COLS][most rows of a type, or what attention needs] */
static uint8_t *acts; /* [COLS] rows */

double tool_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double best_time(void (*task)(void *arg, int index), void *arg)
{
    double best = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        const double seconds = limits_time(task, arg, n_thread);
        best = seconds < best ? seconds : best;
    }
    return best;
}

static void *room(size_t size)
{
    void *p = NULL;
    if (posix_memalign(&p, 4096, size) != 0) {
        fprintf(stderr, "no memory for %zu bytes\n", size);
        exit(1);
    }
    memset(p, 0, size);
    return p;
}

/* ---- Products ------------------------------------------------------------------------------- */

typedef struct bench_product {
    sk_matmul m;
    int64_t rows, cols; /* rows of each thread */
} bench_product;

static void run_product(void *arg, int index)
{
    const bench_product *p = arg;
    for (int i = 0; i < (p->cols == COLS ? NEAR_TURNS : 1); i++)
        kernels->matmul(&p->m, index * p->rows, (index + 1) * p->rows, 0, p->cols);
}

/* One line's worth: GB/s of weights and G/s of products, and a share of the limit. */
static void bench_columns(int dtype, const sk_dtype *t, int64_t cols)
{
    bench_product p = {.cols = cols};
    const double peak =
        sk_act_kind(dtype) == SK_ACT_F32 ? limits_fp32(n_thread) : limits_int8(n_thread);
    const double read = limits_read(&memory, n_thread);
    p.m = (sk_matmul){.dtype = dtype, .w = pool, .n = N, .act = acts, .out = out};
    p.m.row_size = N / t->n_elem * t->n_byte;
    p.m.act_size = sk_act_row_size(sk_act_kind(dtype), N);
    p.rows = cols == COLS ? NEAR_ROWS : (int64_t)(POOL / p.m.row_size) / n_thread / 16 * 16;
    p.m.out_stride = p.rows * n_thread;
    const double seconds = best_time(run_product, &p) / (cols == COLS ? NEAR_TURNS : 1);
    const double bytes = (double)p.rows * n_thread * (double)p.m.row_size / seconds;
    const double products = (double)p.rows * n_thread * N * (double)cols / seconds;
    if (cols == COLS)
        printf("   %7.0f G/s %5.1f%%", products * 1e-9, peak > 0 ? 100 * products / peak : 0);
    else
        printf("   %6.1f GB/s %5.1f%%", bytes * 1e-9, read > 0 ? 100 * bytes / read : 0);
}

static void bench_products(int dtype, const sk_dtype *t)
{
    float x[N];
    uint64_t seed = 1;
    for (int c = 0; c < COLS; c++) {
        random_units(x, N, &seed);
        kernels->quantise(sk_act_kind(dtype), x, N,
                          acts + (size_t)c * sk_act_row_size(sk_act_kind(dtype), N));
    }
    printf("%-12s", t->name);
    bench_columns(dtype, t, 1);
    bench_columns(dtype, t, 8);
    bench_columns(dtype, t, COLS);
    putchar('\n');
}

/* ---- Attention ------------------------------------------------------------------------------ */

typedef struct bench_attention {
    sk_attend a;
    const void **k, **v; /* [K/V head][block] */
    int64_t n_kv;        /* K/V heads of each thread */
} bench_attention;

static void run_attention(void *arg, int index)
{
    const bench_attention *b = arg;
    const int64_t n = b->a.n_row * HEADS;
    float *own = out + (int64_t)index * n * (DIM + 2);
    for (int64_t h = index * b->n_kv; h < (index + 1) * b->n_kv; h++) {
        sk_attend a = b->a;
        a.k = b->k + h * (KEYS / SK_KEY_BLOCK);
        a.v = b->v + h * (KEYS / SK_KEY_BLOCK);
        a.out = own;
        a.max = own + n * DIM;
        a.sum = a.max + n;
        a.scratch = acts + (size_t)index * (sk_attend_scratch(DIM, DIM) + 4096) / 64 * 64;
        kernels->attend(&a, 0, KEYS / SK_KEY_BLOCK);
        kernels->attend_end(&a);
    }
}

static void bench_attend(int dtype, const char *name)
{
    const size_t block = SK_KEY_BLOCK * DIM * (dtype == SK_F32 ? 4 : 2);
    const int64_t n_block = (int64_t)(POOL / 2 / block) / (KEYS / SK_KEY_BLOCK) / n_thread *
                            n_thread * (KEYS / SK_KEY_BLOCK);
    static sk_span seen[QUERIES];
    static float q[QUERIES * HEADS * DIM];
    uint64_t seed = 2;
    random_units(q, QUERIES * HEADS * DIM, &seed);
    bench_attention b = {.n_kv = n_block / (KEYS / SK_KEY_BLOCK) / n_thread};
    b.k = room((size_t)n_block * sizeof *b.k);
    b.v = room((size_t)n_block * sizeof *b.v);
    for (int64_t i = 0; i < n_block; i++) {
        b.k[i] = pool + (size_t)i * block;
        b.v[i] = pool + POOL / 2 + (size_t)i * block;
    }
    for (int i = 0; i < QUERIES; i++)
        seen[i] = (sk_span){0, KEYS};
    b.a = (sk_attend){.q = q, .q_stride = HEADS * DIM, .n_row = 1, .n_head = HEADS, .seen = seen};
    b.a.dk = b.a.dv = DIM;
    b.a.k_dtype = b.a.v_dtype = dtype;
    b.a.k_size = b.a.v_size = block / SK_KEY_BLOCK;
    b.a.scale = 0.1f;
    b.a.out_stride = HEADS * DIM;
    const double read = limits_read(&memory, n_thread), peak = limits_fp32(n_thread);
    const double one = 2.0 * (double)n_block * (double)block / best_time(run_attention, &b);
    b.a.n_row = QUERIES;
    b.n_kv = 1;
    const double many =
        2.0 * n_thread * QUERIES * HEADS * (double)KEYS * DIM / best_time(run_attention, &b);
    printf("%-12s   %6.1f GB/s %5.1f%%                      %7.0f G/s %5.1f%%\n", name, one * 1e-9,
           read > 0 ? 100 * one / read : 0, many * 1e-9, peak > 0 ? 100 * many / peak : 0);
    free(b.k);
    free(b.v);
}

/* ---- Vectors -------------------------------------------------------------------------------- */

static void call_vector(int slot, float *y, const float *x, const float *w)
{
    static const sk_fn gelu = {.kind = SK_FN_GELU};
    uint16_t *half = (uint16_t *)(void *)y;
    switch (slot) {
    case 0:
        kernels->rms_norm(y, x, w, VECTOR, 1e-6f);
        break;
    case 1:
        kernels->layer_norm(y, x, w, w, VECTOR, 1e-6f);
        break;
    case 2:
        kernels->add(y, x, VECTOR);
        break;
    case 3:
        kernels->silu_mul(y, x, w, VECTOR);
        break;
    case 4:
        kernels->apply(&gelu, y, x, w, VECTOR);
        break;
    case 5:
        kernels->softmax(y, VECTOR);
        break;
    case 6:
        kernels->rope(SK_ROPE_NEOX, y, (const float(*)[2])(const void *)x, VECTOR);
        break;
    case 7:
        kernels->to_f16(half, x, VECTOR);
        break;
    case 8:
        kernels->quantise(SK_ACT_Q256, x, VECTOR, y);
        break;
    }
}

static void run_vector(void *arg, int index)
{
    float *at = out + (int64_t)index * 4 * VECTOR;
    for (int i = 0; i < TURNS; i++)
        call_vector(*(const int *)arg, at, at + 2 * VECTOR, at + 3 * VECTOR);
}

static const char *const vector_names[] = {"rms_norm", "layer_norm", "add",    "silu_mul", "gelu",
                                           "softmax",  "rope",       "to_f16", "quantise"};

static void bench_vector(int slot)
{
    uint64_t seed = 3;
    random_units(out, (int64_t)n_thread * 4 * VECTOR, &seed);
    const double rate = (double)TURNS * VECTOR * n_thread / best_time(run_vector, &slot);
    printf("%-12s   %6.2f G elements/s\n", vector_names[slot], rate * 1e-9);
}

/* ---- All ------------------------------------------------------------------------------------ */

static bool wanted(const char *name, int argc, char **argv)
{
    for (int i = 3; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc <= 3;
}

static void bench_all(int argc, char **argv)
{
    printf("%-12s   %-19s   %-19s   %s\n", "", "1 column, or token", "8 columns",
           "512 columns, 64 tokens");
    for (int dtype = 0; dtype < SK_DTYPE_END; dtype++) {
        const sk_dtype *t = sk_dtype_get((uint64_t)dtype);
        if (t && t->weight && wanted(t->name, argc, argv))
            bench_products(dtype, t);
    }
    if (wanted("attend", argc, argv)) {
        bench_attend(SK_F16, "attend F16");
        bench_attend(SK_F32, "attend F32");
    }
    for (int i = 0; i < (int)(sizeof vector_names / sizeof *vector_names); i++)
        if (wanted(vector_names[i], argc, argv))
            bench_vector(i);
}

int main(int argc, char **argv)
{
    kernels = sk_kernels_get(argc > 1 ? argv[1] : "auto");
    n_thread = argc > 2 ? atoi(argv[2]) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (!kernels || n_thread < 1 || n_thread > THREADS) {
        fprintf(stderr,
                "usage: bench_kernels [TIER [THREADS [NAME...]]]; 1 to %d threads, and a tier "
                "that this CPU runs\n",
                THREADS);
        return 2;
    }
    pool = room(POOL);
    acts = room(COLS * (N * 4 + 64) + (size_t)THREADS * (sk_attend_scratch(DIM, DIM) + 8192));
    out = room(sizeof(float) * ((size_t)8 * (POOL / 256) + (size_t)THREADS * COLS * (DIM + 8)));
    for (size_t i = 0; i < POOL; i += 8) { /* ordinary floats, halves, scales of any type */
        uint64_t seed = i + 88172645463325252u;
        sk_put_le64(pool + i, (test_random(&seed) & 0x83ff83ff83ff83ffu) | 0x2400240024002400u);
    }
    memory = limits_open(NULL);
    printf("tier %s, %d threads: reading %.1f GB/s, products of int8 %.0f G/s, of fp32 %.0f G/s\n",
           kernels->name, n_thread, limits_read(&memory, n_thread) * 1e-9,
           limits_int8(n_thread) * 1e-9, limits_fp32(n_thread) * 1e-9);
    bench_all(argc, argv);
    return 0;
}
