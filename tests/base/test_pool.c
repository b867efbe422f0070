/* SPDX-License-Identifier: MIT */
/*
 * The pool: loops in quick succession and after a rest, from several threads at once, after a fork
 * in the middle of one, with threads that cannot be made, shared; and how many threads there are by
 * default, on trees of files that say what a system's do.
 */
#define _GNU_SOURCE
#include "base/executor.h"
#include "base/processors.h"
#include "test.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static sk_heap heap;
static sk_error error;

/* ---- Loops ----------------------------------------------------------------------------------- */

typedef struct tally {
    _Atomic int64_t n, sum;
    _Atomic int many; /* threads other than the first that took a task */
    pthread_t first;
} tally;

static void add_up(void *arg, int64_t i)
{
    tally *t = arg;
    atomic_fetch_add(&t->n, 1);
    atomic_fetch_add(&t->sum, i);
    if (!pthread_equal(pthread_self(), t->first))
        atomic_store(&t->many, 1);
}

static void take_time(void *arg, int64_t i)
{
    add_up(arg, i);
    usleep(500);
}

static bool run(sk_executor *ex, int64_t n, void (*task)(void *, int64_t), int *many)
{
    tally t = {.first = pthread_self()};
    sk_executor_run(ex, n, task, &t);
    *many = t.many;
    return t.n == n && t.sum == n * (n - 1) / 2;
}

/* Loops that follow at once find the workers awake, those after a rest find them asleep. */
static void check_rhythm(void)
{
    sk_executor *ex;
    int many, helped = 0;
    CHECK_INT(sk_executor_new(&ex, &heap, 3, NULL, &error), 0);
    for (int i = 0; i < 20000; i++)
        CHECK(run(ex, i % 7, add_up, &many));
    for (int i = 0; i < 20; i++) {
        usleep(1000);
        CHECK(run(ex, 8, take_time, &many));
        helped += many;
    }
    CHECK(helped > 0);
    sk_executor_release(ex);
}

static void *run_many(void *arg)
{
    int many;
    intptr_t n_bad = 0;
    for (int i = 0; i < 2000; i++)
        n_bad += !run(arg, 5, add_up, &many);
    return (void *)n_bad;
}

/* Whoever finds the pool busy does its loop alone. */
static void check_crowd(void)
{
    sk_executor *ex;
    pthread_t threads[4];
    CHECK_INT(sk_executor_new(&ex, &heap, 2, NULL, &error), 0);
    for (int i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, run_many, ex), 0);
    for (int i = 0; i < 4; i++) {
        void *n_bad = ex;
        pthread_join(threads[i], &n_bad);
        CHECK(n_bad == NULL);
    }
    sk_executor_release(ex);
}

/* A pool lives as long as one of its users. */
static void check_sharing(void)
{
    sk_executor *ex;
    int many;
    CHECK_INT(sk_executor_new(&ex, &heap, 2, NULL, &error), 0);
    sk_executor_retain(ex);
    sk_executor_release(ex);
    CHECK(run(ex, 100, add_up, &many));
    sk_executor_release(ex);
}

/* A child that is made in the middle of a loop works alone, and frees what it inherited. */
static void fork_within(void *arg, int64_t i)
{
    int many = 1, status = -1;
    if (i > 0)
        return;
    pid_t child = fork();
    if (child == 0) {
        bool good = run(arg, 100, add_up, &many) && !many;
        sk_executor_release(arg);
        _exit(good ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void check_fork(void)
{
    sk_executor *ex;
    CHECK_INT(sk_executor_new(&ex, &heap, 3, NULL, &error), 0);
    for (int i = 0; i < 10; i++)
        sk_executor_run(ex, 4, fork_within, ex);
    sk_executor_release(ex);
}

/* ---- Threads that cannot be made ------------------------------------------------------------- */

#if defined(__SANITIZE_THREAD__)
#define REFUSABLE 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define REFUSABLE 0
#endif
#endif
#ifndef REFUSABLE
#define REFUSABLE 1
#endif

#if REFUSABLE

static int n_allowed = 1000;

/* Takes the place of the C library's, in the library under test too. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
    int (*make)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    void *found = dlsym(RTLD_NEXT, "pthread_create");
    memcpy(&make, &found, sizeof make);
    return n_allowed-- > 0 ? make(thread, attr, start, arg) : EAGAIN;
}

static void check_refusal(void)
{
    sk_executor *ex;
    int many;
    for (int n = 0; n < 3; n++) {
        n_allowed = n;
        CHECK_INT(sk_executor_new(&ex, &heap, 8, NULL, &error), 0);
        CHECK_INT(sk_executor_width(ex), n + 1);
        CHECK(run(ex, 50, add_up, &many));
        sk_executor_release(ex);
    }
    n_allowed = 1000;
}

#else

static void check_refusal(void)
{
}

#endif

/* ---- How many -------------------------------------------------------------------------------- */

static char root[] = "/tmp/skald-pool-XXXXXX";

/* Writes a file below the root, with its folders. */
static void put(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s%s", root, name);
    for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = 0;
        mkdir(path, 0700);
    }
    FILE *file = fopen(path, "w");
    CHECK(file && fputs(text, file) >= 0);
    if (file)
        fclose(file);
}

static void clear(void)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf %s/sys %s/proc", root, root);
    CHECK_INT(system(command), 0);
}

static void put_siblings(int cpu, const char *list)
{
    char name[128];
    snprintf(name, sizeof name, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    put(name, list);
}

static void check_cores(void)
{
    bool usable[8] = {true, true, true, true, true, true, true, true};
    CHECK_INT(sk_processors_cores(root, usable, 8), 8); /* nothing is known */
    for (int i = 0; i < 8; i++) {
        char list[16];
        snprintf(list, sizeof list, "%d,%d\n", i % 4, i % 4 + 4);
        put_siblings(i, list);
    }
    CHECK_INT(sk_processors_cores(root, usable, 8), 4);
    usable[0] = usable[1] = false; /* their siblings stand for the cores */
    CHECK_INT(sk_processors_cores(root, usable, 8), 4);
    usable[4] = usable[7] = false;
    CHECK_INT(sk_processors_cores(root, usable, 8), 3); /* 2, 3, 5, 6 */
    for (int i = 0; i < 8; i++)
        put_siblings(i, i < 4 ? "0-3\n" : "4-7\n");
    CHECK_INT(sk_processors_cores(root, usable, 8), 2);
    put_siblings(2, "-9,,x99999999999999999999999-3");
    CHECK(sk_processors_cores(root, usable, 8) > 0);
    clear();
}

static void check_quota(void)
{
    CHECK_INT(sk_processors_quota(root), INT32_MAX);
    put("/proc/self/cgroup", "0::/a/b\n");
    CHECK_INT(sk_processors_quota(root), INT32_MAX);
    put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    CHECK_INT(sk_processors_quota(root), INT32_MAX);
    put("/sys/fs/cgroup/a/cpu.max", "350000 100000\n"); /* of a group above */
    CHECK_INT(sk_processors_quota(root), 3);
    put("/sys/fs/cgroup/a/b/cpu.max", "50000 100000\n");
    CHECK_INT(sk_processors_quota(root), 1);
    clear();
    put("/proc/self/cgroup", "0::/\n"); /* in a container */
    put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    CHECK_INT(sk_processors_quota(root), 2);
    clear();
    put("/proc/self/cgroup", "5:cpuset:/x\n4:cpu,cpuacct:/docker/1234\n1:name=systemd:/y\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    CHECK_INT(sk_processors_quota(root), INT32_MAX);
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "400000\n");
    CHECK_INT(sk_processors_quota(root), 4);
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "0\n");
    CHECK_INT(sk_processors_quota(root), INT32_MAX);
    put("/proc/self/cgroup", "no colon\n:\n4:cpu\n4:cpu,:/");
    CHECK_INT(sk_processors_quota(root), INT32_MAX);
    clear();
}

int main(void)
{
    CHECK_INT(sk_heap_init(&heap, NULL, 0, &error), 0);
    CHECK(mkdtemp(root) != NULL);
    check_cores();
    check_quota();
    CHECK(sk_processors() >= 1 && sk_processors() <= sysconf(_SC_NPROCESSORS_CONF));
    check_rhythm();
    check_crowd();
    check_sharing();
    check_fork();
    check_refusal();
    CHECK_INT(rmdir(root), 0);
    return test_end();
}
