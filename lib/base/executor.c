/* SPDX-License-Identifier: MIT */
/*
 * The pool. One loop runs at a time: its owner publishes it under the lock, works on it itself,
 * then closes it and waits for those workers that had joined; workers that wake up late find it
 * closed and sleep again. So nobody waits for a thread that does not run.
 *
 * Idle workers watch the count of loops for a few microseconds before they sleep, because a
 * forward pass hands out loops in quick succession.
 */
#include "base/portable.h"

#include "base/executor.h"
#include "base/fpenv.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { MAX_THREADS = 1024, SPINS = 4000 };

typedef struct pool_loop {
    void (*task)(void *arg, int64_t i);
    void *arg;
    int64_t n;
    _Atomic int64_t next;
} pool_loop;

struct sk_executor {
    sk_heap *heap;       /* borrowed */
    skald_executor host; /* parallel_for is NULL when there is none */
    int32_t n_threads;   /* workers that exist */
    pid_t pid;           /* of the process that owns the workers */
    _Atomic int busy;    /* a loop is running */
    _Atomic uint64_t n_loops;
    pthread_mutex_t lock;
    pthread_cond_t wake, idle;
    bool open, quit;  /* under lock: a loop may be joined; workers shall end */
    int32_t n_joined; /* under lock */
    pool_loop loop;
    int n_openmp;        /* threads to ask of OpenMP, where it is built in */
    pthread_t threads[]; /* [n_threads] */
};

static void work_on(pool_loop *loop)
{
    for (;;) {
        int64_t i = atomic_fetch_add_explicit(&loop->next, 1, memory_order_relaxed);
        if (i >= loop->n)
            return;
        loop->task(loop->arg, i);
    }
}

static int32_t usable_processors(void)
{
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (int32_t)CPU_COUNT(&set);
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : (int32_t)n;
}

#if defined(_OPENMP)

static void openmp_for(void *user, int64_t n, void (*task)(void *arg, int64_t i), void *arg)
{
    const int *n_threads = user;
#pragma omp parallel for schedule(dynamic) num_threads(*n_threads)
    for (int64_t i = 0; i < n; i++)
        task(arg, i);
}

/* OpenMP has threads of its own: it is taken for a host's executor. */
static void start_workers(sk_executor *ex, int32_t n)
{
    ex->n_openmp = n + 1;
    ex->host = (skald_executor){sizeof ex->host, &ex->n_openmp, ex->n_openmp, openmp_for};
}

#else

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Waits for a loop newer than `seen` and joins it; false when the pool ends. */
static bool join_loop(sk_executor *ex, uint64_t *seen)
{
    for (int i = 0; i < SPINS && atomic_load(&ex->n_loops) == *seen; i++)
        pause_briefly();
    pthread_mutex_lock(&ex->lock);
    while (!ex->quit && (!ex->open || atomic_load(&ex->n_loops) == *seen))
        pthread_cond_wait(&ex->wake, &ex->lock);
    *seen = atomic_load(&ex->n_loops);
    bool joined = !ex->quit;
    ex->n_joined += joined;
    pthread_mutex_unlock(&ex->lock);
    return joined;
}

static void *worker(void *arg)
{
    sk_executor *ex = arg;
    uint64_t seen = 0;
    sk_fpenv saved;
    sk_fpenv_enter(&saved);
    while (join_loop(ex, &seen)) {
        work_on(&ex->loop);
        pthread_mutex_lock(&ex->lock);
        if (--ex->n_joined == 0)
            pthread_cond_signal(&ex->idle);
        pthread_mutex_unlock(&ex->lock);
    }
    return NULL;
}

/* Starts up to `n` workers; does with fewer when the system refuses one. They block all signals but
 * those of faults, so that the host's handlers run on the host's threads. */
static void start_workers(sk_executor *ex, int32_t n)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&blocked, faults[i]);
    if (pthread_sigmask(SIG_SETMASK, &blocked, &before) != 0)
        return;
    for (; ex->n_threads < n; ex->n_threads++)
        if (pthread_create(&ex->threads[ex->n_threads], NULL, worker, ex) != 0)
            break;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

#endif

static int32_t init_sync(sk_executor *ex, sk_error *error)
{
    if (pthread_mutex_init(&ex->lock, NULL) == 0) {
        if (pthread_cond_init(&ex->wake, NULL) == 0) {
            if (pthread_cond_init(&ex->idle, NULL) == 0)
                return SKALD_OK;
            pthread_cond_destroy(&ex->wake);
        }
        pthread_mutex_destroy(&ex->lock);
    }
    return sk_fail(error, SKALD_E_MEMORY, "thread pool: the system refused a lock");
}

int32_t sk_executor_new(sk_executor **out, sk_heap *heap, int32_t n_threads,
                        const skald_executor *host, sk_error *error)
{
    *out = NULL;
    if (host && (host->size < sizeof *host || !host->parallel_for || host->n_threads < 1))
        return sk_fail(error, SKALD_E_ARGUMENT,
                       "the executor table lacks parallel_for, n_threads or its size");
    int32_t n = n_threads > 0 ? n_threads : usable_processors();
    n = host ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
    sk_executor *ex =
        sk_alloc_zero(heap, sizeof *ex + (uint64_t)n * sizeof *ex->threads, "thread pool", error);
    if (!ex)
        return SKALD_E_MEMORY;
    ex->heap = heap;
    ex->pid = getpid();
    if (host)
        ex->host = *host;
    int32_t status = init_sync(ex, error);
    if (status < 0) {
        sk_free(heap, ex);
        return status;
    }
    if (n > 1)
        start_workers(ex, n - 1);
    *out = ex;
    return SKALD_OK;
}

void sk_executor_free(sk_executor *ex)
{
    if (!ex)
        return;
    /* In a child of fork the workers do not exist, and the lock may be held by one of them. */
    if (ex->pid == getpid()) {
        pthread_mutex_lock(&ex->lock);
        ex->quit = true;
        pthread_cond_broadcast(&ex->wake);
        pthread_mutex_unlock(&ex->lock);
        for (int32_t i = 0; i < ex->n_threads; i++)
            pthread_join(ex->threads[i], NULL);
        pthread_cond_destroy(&ex->idle);
        pthread_cond_destroy(&ex->wake);
        pthread_mutex_destroy(&ex->lock);
    }
    sk_free(ex->heap, ex);
}

int32_t sk_executor_width(const sk_executor *ex)
{
    return ex->host.n_threads > 0 ? ex->host.n_threads : ex->n_threads + 1;
}

static void run_in_pool(sk_executor *ex, int64_t n, void (*task)(void *, int64_t), void *arg)
{
    ex->loop.task = task;
    ex->loop.arg = arg;
    ex->loop.n = n;
    atomic_store(&ex->loop.next, 0);
    pthread_mutex_lock(&ex->lock);
    ex->open = true;
    atomic_fetch_add(&ex->n_loops, 1);
    pthread_cond_broadcast(&ex->wake);
    pthread_mutex_unlock(&ex->lock);
    work_on(&ex->loop);
    pthread_mutex_lock(&ex->lock);
    ex->open = false;
    while (ex->n_joined > 0)
        pthread_cond_wait(&ex->idle, &ex->lock);
    pthread_mutex_unlock(&ex->lock);
}

/* A host's thread may have any floating-point environment. */
static void host_task(void *arg, int64_t i)
{
    pool_loop *loop = arg;
    sk_fpenv saved;
    sk_fpenv_enter(&saved);
    loop->task(loop->arg, i);
    sk_fpenv_leave(&saved);
}

static void run_alone(int64_t n, void (*task)(void *, int64_t), void *arg)
{
    for (int64_t i = 0; i < n; i++)
        task(arg, i);
}

void sk_executor_run(sk_executor *ex, int64_t n, void (*task)(void *arg, int64_t i), void *arg)
{
    if (n > 1 && ex->host.parallel_for && ex->pid == getpid()) {
        pool_loop loop = {.task = task, .arg = arg, .n = n};
        ex->host.parallel_for(ex->host.user, n, host_task, &loop);
        return;
    }
    if (n <= 1 || ex->n_threads == 0 || ex->pid != getpid() || atomic_exchange(&ex->busy, 1)) {
        run_alone(n, task, arg);
        return;
    }
    run_in_pool(ex, n, task, arg);
    atomic_store(&ex->busy, 0);
}
