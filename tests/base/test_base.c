/* SPDX-License-Identifier: MIT */
/* The heap's counts and limit, checked arithmetic, the map of names, types, sources, threads. */
#include "test.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/dtype.h"
#include "base/executor.h"
#include "base/source.h"
#include "base/strmap.h"

#include <sys/wait.h>
#include <unistd.h>

static sk_heap heap;
static sk_error error;

static void check_heap(void)
{
    sk_heap small;
    CHECK_INT(sk_heap_init(&small, NULL, 1000, &error), 0);
    void *a = sk_alloc(&small, 500, "a", &error);
    CHECK(a && (uintptr_t)a % SK_ALIGN == 0 && small.live >= 500);
    CHECK(!sk_alloc(&small, 500, "b", &error));
    CHECK_INT(error.code, SKALD_E_MEMORY);
    CHECK(strstr(error.text, "b: 500 bytes wanted") != NULL);
    sk_free(&small, a);
    CHECK_INT(small.live, 0);
    CHECK(small.peak >= 500);
    CHECK(!sk_alloc(&heap, UINT64_MAX - 5, "c", &error));
    CHECK(!sk_alloc_array(&heap, UINT64_MAX / 2, 4, "d", &error));
    void *grown = NULL;
    uint64_t capacity = 0;
    CHECK_INT(sk_grow(&heap, &grown, &capacity, 3, 4, "e", &error), 0);
    memcpy(grown, "abcdefgh", 8);
    CHECK_INT(sk_grow(&heap, &grown, &capacity, 1000, 4, "e", &error), 0);
    CHECK(capacity >= 1000 && memcmp(grown, "abcdefgh", 8) == 0);
    sk_free(&heap, grown);
    sk_free(&heap, NULL);
    skald_allocator broken = {sizeof broken, NULL, NULL, NULL};
    CHECK_INT(sk_heap_init(&small, &broken, 0, &error), SKALD_E_ARGUMENT);
}

static void check_arithmetic(void)
{
    uint64_t out = 7;
    CHECK(!sk_add(UINT64_MAX, 1, &out) && !sk_mul(1ULL << 33, 1ULL << 31, &out) && out == 7);
    CHECK(sk_mul(0, UINT64_MAX, &out) && out == 0);
    CHECK(sk_align_up(33, 32, &out) && out == 64 && sk_align_up(64, 32, &out) && out == 64);
    CHECK(!sk_align_up(UINT64_MAX - 3, 32, &out));
    CHECK(sk_in_range(5, 5, 10) && !sk_in_range(5, 6, 10) && !sk_in_range(11, 0, 10));
    CHECK(!sk_in_range(UINT64_MAX, 2, 10));
    uint64_t size;
    CHECK(sk_dtype_row_size(SK_Q4_K, 512, &size) && size == 288);
    CHECK(!sk_dtype_row_size(SK_Q4_K, 128, &size) && !sk_dtype_row_size(4, 32, &size));
    CHECK_INT(sk_dtype_find("q4_k"), SK_Q4_K);
    CHECK_INT(sk_dtype_find("Q4_"), -1);
}

static void check_map(void)
{
    enum { N = 5000 };
    static char texts[N][8];
    sk_strmap map;
    uint32_t value;
    CHECK_INT(sk_strmap_init(&map, &heap, N, &error), 0);
    for (uint32_t i = 0; i < N; i++) {
        memcpy(texts[i], &i, 4); /* NUL bytes included */
        CHECK(sk_strmap_put(&map, texts[i], 4 + i % 3, i, NULL));
    }
    for (uint32_t i = 0; i < N; i++)
        CHECK(sk_strmap_get(&map, texts[i], 4 + i % 3, &value) && value == i);
    CHECK(!sk_strmap_put(&map, texts[3], 4, 9, &value) && value == 3);
    CHECK(!sk_strmap_get(&map, "none", 4, &value));
    sk_strmap_free(&map, &heap);
}

static int32_t read_some(void *user, uint64_t offset, void *buffer, size_t n)
{
    if (offset > 100)
        return -5;
    memset(buffer, *(char *)user, n);
    return 0;
}

static void check_sources(void)
{
    char path[] = "/tmp/skald-test-XXXXXX", got[8] = "";
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, "0123456789", 10) == 10);
    for (int map = 0; map < 2; map++) {
        sk_source *s;
        CHECK_INT(sk_source_open_file(&s, &heap, path, map, &error), 0);
        CHECK_INT(sk_source_size(s), 10);
        CHECK(!!sk_source_view(s) == !!map);
        CHECK_INT(sk_source_read(s, 3, got, 4, &error), 0);
        CHECK(memcmp(got, "3456", 4) == 0);
        CHECK_INT(sk_source_read(s, 7, got, 4, &error), SKALD_E_TRUNCATED);
        CHECK_INT(sk_source_read(s, UINT64_MAX, got, 2, &error), SKALD_E_TRUNCATED);
        CHECK_INT(sk_source_check(s, &error), 0);
        CHECK(ftruncate(fd, 11 + map) == 0);
        CHECK_INT(sk_source_check(s, &error), SKALD_E_CHANGED);
        sk_source_close(s);
        CHECK(ftruncate(fd, 10) == 0);
    }
    close(fd);
    unlink(path);
    sk_source *s;
    CHECK_INT(sk_source_open_file(&s, &heap, path, true, &error), SKALD_E_NOT_FOUND);
    CHECK(!s && strstr(error.text, "no such file"));
    CHECK_INT(sk_source_open_file(&s, &heap, "/tmp", true, &error), SKALD_E_IO);
    char fill = 'x';
    skald_reader reader = {sizeof reader, &fill, 1000, read_some};
    CHECK_INT(sk_source_open_reader(&s, &heap, &reader, &error), 0);
    CHECK_INT(sk_source_read(s, 0, got, 4, &error), 0);
    CHECK(memcmp(got, "xxxx", 4) == 0);
    CHECK_INT(sk_source_read(s, 500, got, 4, &error), SKALD_E_IO);
    sk_source_close(s);
    sk_source_close(NULL);
}

static _Atomic int hits[1000];

static void count_hit(void *arg, int64_t i)
{
    (void)arg;
    atomic_fetch_add(&hits[i], 1);
}

static void serial_for(void *user, int64_t n, void (*task)(void *, int64_t), void *arg)
{
    ++*(int *)user;
    for (int64_t i = n; i-- > 0;)
        task(arg, i);
}

static void nested(void *arg, int64_t i)
{
    (void)i;
    sk_executor_run(arg, 10, count_hit, NULL);
}

static bool all_hits(int n, int wanted)
{
    bool all = true;
    for (int i = 0; i < 1000; i++) {
        all = all && hits[i] == (i < n ? wanted : 0);
        hits[i] = 0;
    }
    return all;
}

static void check_executor(void)
{
    sk_executor *ex;
    int calls = 0;
    for (int32_t n = 1; n <= 4; n++) {
        CHECK_INT(sk_executor_new(&ex, &heap, n, NULL, &error), 0);
        CHECK_INT(sk_executor_width(ex), n);
        for (int i = 0; i < 200; i++) {
            sk_executor_run(ex, 5 * i, count_hit, NULL);
            CHECK(all_hits(5 * i, 1));
        }
        /* A task that starts a loop of its own gets it done alone. */
        sk_executor_run(ex, 3, nested, ex);
        CHECK(all_hits(10, 3));
        /* A child of fork has no workers, and does not wait for them. */
        pid_t child = fork();
        if (child == 0) {
            sk_executor_run(ex, 100, count_hit, NULL);
            bool good = all_hits(100, 1);
            sk_executor_release(ex);
            _exit(good ? 0 : 1);
        }
        int status = -1;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        sk_executor_release(ex);
    }
    skald_executor host = {sizeof host, &calls, 3, serial_for};
    CHECK_INT(sk_executor_new(&ex, &heap, 0, &host, &error), 0);
    CHECK_INT(sk_executor_width(ex), 3);
    sk_executor_run(ex, 50, count_hit, NULL);
    CHECK(all_hits(50, 1) && calls == 1);
    sk_executor_release(ex);
    host.parallel_for = NULL;
    CHECK_INT(sk_executor_new(&ex, &heap, 0, &host, &error), SKALD_E_ARGUMENT);
}

int main(void)
{
    CHECK_INT(sk_heap_init(&heap, NULL, 0, &error), 0);
    check_heap();
    check_arithmetic();
    check_map();
    check_sources();
    check_executor();
    CHECK_INT(heap.live, 0);
    return test_end();
}
