/* SPDX-License-Identifier: MIT */
/* The loops keep what they compute: `limits_sink` is volatile. See limits.h. */
#define _DEFAULT_SOURCE
#include "limits.h"
#include "tool.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define LIMITS_SIZE ((size_t)1 << 30)
#define LIMITS_SPARE (LIMITS_SIZE / 4) /* without a file: more than caches hold */
#define LIMITS_THREADS 256
#define LIMITS_CHAINS 12 /* sums that do not wait for one another */
#define LIMITS_TURNS 2000000

static volatile uint64_t limits_sink;

/* ---- Memory --------------------------------------------------------------------------------- */

static void *map_file(const char *path, size_t size)
{
    struct stat s;
    void *data = MAP_FAILED;
    const int fd = path ? open(path, O_RDONLY) : -1;
    if (fd >= 0 && fstat(fd, &s) == 0 && (uint64_t)s.st_size >= size)
        data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    return data;
}

limits_memory limits_open(const char *path)
{
    for (size_t size = LIMITS_SIZE; size >= LIMITS_SIZE / 2; size -= LIMITS_SIZE / 8) {
        void *data = map_file(path, size);
        if (data != MAP_FAILED)
            return (limits_memory){data, size};
    }
    void *data =
        mmap(NULL, LIMITS_SPARE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return (limits_memory){NULL, 0};
    memset(data, 1, LIMITS_SPARE); /* pages that were never written are all the same one */
    return (limits_memory){data, LIMITS_SPARE};
}

void limits_close(limits_memory *m)
{
    if (m->size)
        munmap((void *)(uintptr_t)m->data, m->size);
    m->size = 0;
}

/* ---- Reading -------------------------------------------------------------------------------- */

typedef uint64_t limits_line __attribute__((vector_size(64)));

typedef uint64_t read_function(const limits_line *p, size_t n);

/* Three ways through n cache lines (a multiple of 32), for one instruction set. */
#define LIMITS_READERS(suffix, attribute) \
    attribute static uint64_t read_row_##suffix(const limits_line *p, size_t n) \
    { \
        limits_line a = {0}, b = {0}, c = {0}, d = {0}; \
        for (size_t i = 0; i < n; i += 4) { \
            a |= p[i]; \
            b |= p[i + 1]; \
            c |= p[i + 2]; \
            d |= p[i + 3]; \
        } \
        a |= b | c | d; \
        return a[0] | a[1] | a[2] | a[3] | a[4] | a[5] | a[6] | a[7]; \
    } \
    attribute static uint64_t read_ahead_##suffix(const limits_line *p, size_t n) \
    { \
        limits_line a = {0}, b = {0}; \
        for (size_t i = 0; i < n; i += 2) { \
            __builtin_prefetch(p + i + 64); \
            __builtin_prefetch(p + i + 65); \
            a |= p[i]; \
            b |= p[i + 1]; \
        } \
        a |= b; \
        return a[0] | a[1] | a[2] | a[3] | a[4] | a[5] | a[6] | a[7]; \
    } \
    attribute static uint64_t read_four_##suffix(const limits_line *p, size_t n) \
    { \
        limits_line a = {0}, b = {0}, c = {0}, d = {0}; \
        for (size_t i = 0; i < n / 4; i++) { \
            a |= p[i]; \
            b |= p[n / 4 + i]; \
            c |= p[n / 2 + i]; \
            d |= p[n / 4 * 3 + i]; \
        } \
        a |= b | c | d; \
        return a[0] | a[1] | a[2] | a[3] | a[4] | a[5] | a[6] | a[7]; \
    } \
    static read_function *const readers_##suffix[] = {read_row_##suffix, read_ahead_##suffix, \
                                                      read_four_##suffix};

LIMITS_READERS(plain, )

/* ---- Peaks ---------------------------------------------------------------------------------- */

/* LIMITS_TURNS turns of LIMITS_CHAINS steps; `seed` keeps the compiler from knowing the result. */
typedef uint64_t peak_function(int seed);

#if defined(__x86_64__)

LIMITS_READERS(avx512, __attribute__((target("avx512f"))))

/* x[i] = step of x[i], for every chain. */
#define LIMITS_PEAK(name, features, type, start, step, result) \
    __attribute__((target(features))) static uint64_t name(int seed) \
    { \
        type x[LIMITS_CHAINS]; \
        const type y = start; \
        for (int i = 0; i < LIMITS_CHAINS; i++) \
            x[i] = y; \
        for (int turn = 0; turn < LIMITS_TURNS; turn++) { \
            _Pragma("GCC unroll 16") for (int i = 0; i < LIMITS_CHAINS; i++) x[i] = step; \
        } \
        uint64_t sum = 0; \
        for (int i = 0; i < LIMITS_CHAINS; i++) \
            sum += (uint64_t)(result); \
        return sum; \
    }

LIMITS_PEAK(int8_avx512, "avx512f,avx512vnni", __m512i, _mm512_set1_epi8((char)seed),
            _mm512_dpbusd_epi32(x[i], y, y), _mm512_reduce_add_epi32(x[i]))
LIMITS_PEAK(fp32_avx512, "avx512f", __m512, _mm512_set1_ps((float)seed),
            _mm512_fmadd_ps(x[i], y, y), _mm512_cvtss_f32(x[i]))
LIMITS_PEAK(int8_avx2, "avx2", __m256i, _mm256_set1_epi8((char)seed),
            _mm256_add_epi32(x[i], _mm256_madd_epi16(_mm256_maddubs_epi16(y, x[i]), y)),
            _mm256_extract_epi32(x[i], 0))
LIMITS_PEAK(fp32_avx2, "avx2,fma", __m256, _mm256_set1_ps((float)seed), _mm256_fmadd_ps(x[i], y, y),
            _mm256_cvtss_f32(x[i]))

#endif

/* ---- All threads at once -------------------------------------------------------------------- */

typedef struct limits_thread {
    void (*task)(void *arg, int index);
    void *arg;
    int index;
} limits_thread;

static void *run_thread(void *p)
{
    const limits_thread *t = p;
    t->task(t->arg, t->index);
    return NULL;
}

double limits_time(void (*task)(void *arg, int index), void *arg, int n_thread)
{
    static limits_thread all[LIMITS_THREADS];
    pthread_t thread[LIMITS_THREADS];
    n_thread = n_thread < 1 ? 1 : n_thread > LIMITS_THREADS ? LIMITS_THREADS : n_thread;
    const double start = tool_seconds();
    for (int i = 1; i < n_thread; i++) {
        all[i] = (limits_thread){task, arg, i};
        if (pthread_create(&thread[i], NULL, run_thread, &all[i]) == 0)
            continue;
        thread[i] = pthread_self();
        task(arg, i);
    }
    task(arg, 0);
    for (int i = 1; i < n_thread; i++)
        if (!pthread_equal(thread[i], pthread_self()))
            pthread_join(thread[i], NULL);
    return tool_seconds() - start;
}

typedef struct limits_reading {
    read_function *read;
    const limits_line *data;
    size_t n; /* cache lines of a thread */
} limits_reading;

static void read_part(void *arg, int index)
{
    const limits_reading *r = arg;
    limits_sink += r->read(r->data + (size_t)index * r->n, r->n);
}

double limits_read(const limits_memory *m, int n_thread)
{
    read_function *const *readers = readers_plain;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        readers = readers_avx512;
#endif
    double best = 0;
    for (int i = 0; i < 3 && m->size; i++) {
        limits_reading r = {readers[i], m->data, m->size / 64 / (size_t)n_thread / 32 * 32};
        const double rate = (double)m->size / limits_time(read_part, &r, n_thread);
        best = rate > best ? rate : best;
    }
    return best;
}

static void run_peak(void *arg, int index)
{
    peak_function *const *peak = arg;
    (void)index;
    limits_sink += (*peak)(1);
}

static double peak_rate(peak_function *peak, int lanes, int n_thread)
{
    double best = 0;
    for (int i = 0; i < 3 && peak; i++) {
        const double seconds = limits_time(run_peak, &peak, n_thread);
        const double rate = (double)LIMITS_TURNS * LIMITS_CHAINS * lanes * n_thread / seconds;
        best = rate > best ? rate : best;
    }
    return best;
}

double limits_int8(int n_thread)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512vnni"))
        return peak_rate(int8_avx512, 64, n_thread);
    if (__builtin_cpu_supports("avx2"))
        return peak_rate(int8_avx2, 32, n_thread);
#endif
    return peak_rate(NULL, 0, n_thread);
}

double limits_fp32(int n_thread)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        return peak_rate(fp32_avx512, 16, n_thread);
    if (__builtin_cpu_supports("fma"))
        return peak_rate(fp32_avx2, 8, n_thread);
#endif
    return peak_rate(NULL, 0, n_thread);
}
