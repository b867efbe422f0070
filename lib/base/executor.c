/* SPDX-License-Identifier: MIT */
/*
 * The pool. One loop runs at a time: its owner publishes it, works on it itself, then closes it and
 * waits for those workers that had joined; workers that come late find it closed and wait for the
 * next. So nobody waits for a thread that does not run.
 *
 * All of this is one word, the gate: the number of the loop, whether it is open, and how many have
 * joined. A forward pass hands out a loop every hundred microseconds, so whoever waits watches a
 * word for a while before it sleeps, and an owner makes a call to the system only where a worker
 * sleeps. Sleepers and those who wake them say so and look in opposite orders, so that one of them
 * sees the other.
 */
#include "base/portable.h"

#include "base/clock.h"
#include "base/executor.h"
#include "base/fpenv.h"
#include "base/processors.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { MAX_THREADS = 1024, SPIN_US = 200, SPINS_PER_LOOK = 64 };

#define GATE_OPEN UINT64_C(0x8000) /* below it: how many have joined; above: the loop's number */
#define GATE_JOINED UINT64_C(0x7fff)
#define GATE_NEXT UINT64_C(0x10000)

typedef struct pool_loop {
    void (*task)(void *arg, int64_t i);
    void *arg;
    int64_t n;
    _Alignas(64) _Atomic int64_t next;
} pool_loop;

struct sk_executor {
    sk_heap heap; /* its own: it may outlive the model that it was made for */
    _Atomic int64_t n_users;
    skald_executor host; /* parallel_for is NULL when there is none */
    int32_t n_threads;   /* workers that exist */
    int64_t spin_us;     /* how long a thread that waits watches before it sleeps */
    pid_t pid;           /* of the process that owns the workers */
    _Atomic int busy;    /* a loop is running */
    pthread_mutex_t lock;
    pthread_cond_t wake, idle;
    _Atomic int32_t n_asleep; /* workers in wait for `wake`; changed under lock */
    _Atomic bool owner_asleep, quit;
    int n_openmp; /* threads to ask of OpenMP, where it is built in */
    _Alignas(64) _Atomic uint64_t gate;
    _Alignas(64) pool_loop loop;
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

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Whether the gate lets in who has seen loop `seen`. */
static bool gate_admits(uint64_t gate, uint64_t seen)
{
    return (gate & GATE_OPEN) && gate / GATE_NEXT != seen;
}

/* Watches the gate until it lets in (or, for `seen` of 0, until all have left), the pool ends, or
 * it has been long enough. */
static void watch_gate(const sk_executor *ex, uint64_t seen)
{
    for (int64_t end = 0;;) {
        for (int i = 0; i < SPINS_PER_LOOK; i++) {
            uint64_t gate = atomic_load_explicit(&ex->gate, memory_order_relaxed);
            if (seen ? gate_admits(gate, seen) : (gate & GATE_JOINED) == 0)
                return;
            pause_briefly();
        }
        int64_t now = sk_clock_us();
        end = end ? end : now + ex->spin_us;
        if (now >= end || atomic_load_explicit(&ex->quit, memory_order_relaxed))
            return;
    }
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

/* Sleeps until the gate lets in, or the pool ends. */
static void sleep_at_gate(sk_executor *ex, uint64_t seen)
{
    pthread_mutex_lock(&ex->lock);
    atomic_fetch_add(&ex->n_asleep, 1);
    while (!atomic_load(&ex->quit) && !gate_admits(atomic_load(&ex->gate), seen))
        pthread_cond_wait(&ex->wake, &ex->lock);
    atomic_fetch_sub(&ex->n_asleep, 1);
    pthread_mutex_unlock(&ex->lock);
}

/* Joins a loop that is open and newer than `seen`; false when there is none. */
static bool join_loop(sk_executor *ex, uint64_t *seen)
{
    uint64_t gate = atomic_load(&ex->gate);
    while (gate_admits(gate, *seen))
        if (atomic_compare_exchange_weak(&ex->gate, &gate, gate + 1)) {
            *seen = gate / GATE_NEXT;
            return true;
        }
    return false;
}

static void leave_loop(sk_executor *ex)
{
    uint64_t gate = atomic_fetch_sub(&ex->gate, 1) - 1;
    if ((gate & GATE_JOINED) != 0 || !atomic_load(&ex->owner_asleep))
        return;
    pthread_mutex_lock(&ex->lock);
    pthread_cond_signal(&ex->idle);
    pthread_mutex_unlock(&ex->lock);
}

static void *worker(void *arg)
{
    sk_executor *ex = arg;
    uint64_t seen = 1; /* no loop has this number */
    sk_fpenv saved;
    sk_fpenv_enter(&saved);
    while (!atomic_load(&ex->quit)) {
        watch_gate(ex, seen);
        if (join_loop(ex, &seen)) {
            work_on(&ex->loop);
            leave_loop(ex);
        } else {
            sleep_at_gate(ex, seen);
        }
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

static void free_memory(sk_executor *ex)
{
    sk_heap last;
    sk_heap_init(&last, &ex->heap.host, 0, NULL);
    atomic_store(&last.live, atomic_load(&ex->heap.live));
    sk_free(&last, ex);
}

static int32_t check_host(const skald_executor *host, sk_error *error)
{
    if (host && (host->size < sizeof *host || !host->parallel_for || host->n_threads < 1))
        return sk_fail(error, SKALD_E_ARGUMENT,
                       "the executor table lacks parallel_for, n_threads or its size");
    return SKALD_OK;
}

int32_t sk_executor_new(sk_executor **out, const sk_heap *heap, int32_t n_threads,
                        const skald_executor *host, sk_error *error)
{
    *out = NULL;
    int32_t status = check_host(host, error), usable = host ? 1 : sk_processors();
    if (status != SKALD_OK)
        return status;
    int32_t n = host ? 1 : n_threads > 0 ? n_threads : usable;
    n = n > MAX_THREADS ? MAX_THREADS : n;
    sk_heap own;
    sk_heap_init(&own, &heap->host, 0, NULL);
    sk_executor *ex =
        sk_alloc_zero(&own, sizeof *ex + (uint64_t)n * sizeof *ex->threads, "thread pool", error);
    if (!ex)
        return SKALD_E_MEMORY;
    sk_heap_init(&ex->heap, &heap->host, 0, NULL);
    atomic_store(&ex->heap.live, atomic_load(&own.live));
    atomic_store(&ex->n_users, 1);
    atomic_store(&ex->gate, GATE_NEXT); /* the first loop is number 2: see worker, watch_gate */
    ex->pid = getpid();
    ex->spin_us = n <= usable ? SPIN_US : 0; /* a processor is no use to two who wait */
    if (host)
        ex->host = *host;
    status = init_sync(ex, error);
    if (status < 0) {
        free_memory(ex);
        return status;
    }
    if (n > 1)
        start_workers(ex, n - 1);
    *out = ex;
    return SKALD_OK;
}

void sk_executor_retain(sk_executor *ex)
{
    atomic_fetch_add(&ex->n_users, 1);
}

void sk_executor_release(sk_executor *ex)
{
    if (!ex || atomic_fetch_sub(&ex->n_users, 1) != 1)
        return;
    /* In a child of fork the workers do not exist, and the lock may be held by one of them. */
    if (ex->pid == getpid()) {
        pthread_mutex_lock(&ex->lock);
        atomic_store(&ex->quit, true);
        pthread_cond_broadcast(&ex->wake);
        pthread_mutex_unlock(&ex->lock);
        for (int32_t i = 0; i < ex->n_threads; i++)
            pthread_join(ex->threads[i], NULL);
        pthread_cond_destroy(&ex->idle);
        pthread_cond_destroy(&ex->wake);
        pthread_mutex_destroy(&ex->lock);
    }
    free_memory(ex);
}

int32_t sk_executor_width(const sk_executor *ex)
{
    return ex->host.n_threads > 0 ? ex->host.n_threads : ex->n_threads + 1;
}

/* Lets the workers in, waking those that sleep. */
static void open_gate(sk_executor *ex)
{
    atomic_store(&ex->loop.next, 0);
    atomic_store(&ex->gate, atomic_load(&ex->gate) + GATE_NEXT + GATE_OPEN);
    if (atomic_load(&ex->n_asleep) == 0)
        return;
    pthread_mutex_lock(&ex->lock);
    pthread_cond_broadcast(&ex->wake);
    pthread_mutex_unlock(&ex->lock);
}

/* Lets nobody in any more, and waits for those who are. */
static void close_gate(sk_executor *ex)
{
    if (((atomic_fetch_sub(&ex->gate, GATE_OPEN)) & GATE_JOINED) == 0)
        return;
    watch_gate(ex, 0);
    if ((atomic_load(&ex->gate) & GATE_JOINED) == 0)
        return;
    pthread_mutex_lock(&ex->lock);
    atomic_store(&ex->owner_asleep, true);
    while ((atomic_load(&ex->gate) & GATE_JOINED) != 0)
        pthread_cond_wait(&ex->idle, &ex->lock);
    atomic_store(&ex->owner_asleep, false);
    pthread_mutex_unlock(&ex->lock);
}

static void run_in_pool(sk_executor *ex, int64_t n, void (*task)(void *, int64_t), void *arg)
{
    ex->loop.task = task;
    ex->loop.arg = arg;
    ex->loop.n = n;
    open_gate(ex);
    work_on(&ex->loop);
    close_gate(ex);
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
