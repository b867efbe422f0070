/* SPDX-License-Identifier: MIT */
/*
 * A program that ships: the model lies inside its own archive, memory comes from the program and
 * is budgeted, and work is done by the program's own job system. The library opens no file, maps
 * nothing and starts no thread.
 *
 *     archive MODEL.gguf
 *
 * The archive is made on the spot: some bytes that are not the model's, then the model.
 */
#include <pthread.h>
#include <skald.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARCHIVE_OFFSET 4242
#define N_WORKERS 3

/* ---- the archive ---- */

static int32_t archive_read(void *user, uint64_t offset, void *buffer, size_t n)
{
    FILE *archive = user;
    if (fseek(archive, (long)(ARCHIVE_OFFSET + offset), SEEK_SET) != 0)
        return -1;
    return fread(buffer, 1, n, archive) == n ? 0 : -1;
}

/* A temporary file with the model inside; `*size` is the model's. */
static FILE *make_archive(const char *path, uint64_t *size)
{
    static char buffer[65536];
    size_t got;
    FILE *model = fopen(path, "rb"), *archive = tmpfile();
    if (!model || !archive) {
        if (model)
            fclose(model);
        if (archive)
            fclose(archive);
        return NULL;
    }
    fwrite(buffer, 1, ARCHIVE_OFFSET, archive);
    while ((got = fread(buffer, 1, sizeof buffer, model)) > 0)
        *size += fwrite(buffer, 1, got, archive);
    fclose(model);
    return archive;
}

/* ---- memory ---- */

typedef struct arena {
    atomic_llong live, peak; /* bytes */
} arena;

static void *arena_alloc(void *user, size_t size, size_t align)
{
    arena *a = user;
    void *p = aligned_alloc(align, (size + align - 1) / align * align);
    long long live = p ? atomic_fetch_add(&a->live, (long long)size) + (long long)size : 0;
    long long peak = atomic_load(&a->peak);
    while (live > peak && !atomic_compare_exchange_weak(&a->peak, &peak, live))
        ;
    return p;
}

static void arena_free(void *user, void *pointer, size_t size)
{
    arena *a = user;
    atomic_fetch_sub(&a->live, (long long)size);
    free(pointer);
}

/* ---- jobs ---- */

typedef struct job {
    void (*task)(void *arg, int64_t i);
    void *arg;
    int64_t n;
    _Atomic int64_t next;
} job;

static void *work(void *user)
{
    job *j = user;
    for (int64_t i; (i = atomic_fetch_add(&j->next, 1)) < j->n;)
        j->task(j->arg, i);
    return NULL;
}

/* A job system would have its threads already; these are made for each job. */
static void jobs_parallel_for(void *user, int64_t n, void (*task)(void *arg, int64_t i), void *arg)
{
    pthread_t helper[N_WORKERS - 1];
    job j = {.task = task, .arg = arg, .n = n};
    int n_helpers = 0;
    atomic_fetch_add((atomic_int *)user, 1);
    while (n > 1 && n_helpers < N_WORKERS - 1 &&
           pthread_create(&helper[n_helpers], NULL, work, &j) == 0)
        n_helpers++;
    work(&j);
    for (int i = 0; i < n_helpers; i++)
        pthread_join(helper[i], NULL);
}

/* ---- the program ---- */

static int32_t talk(skald_model *model, skald_options *options)
{
    skald_context *ctx;
    const char *text;
    size_t n;
    int32_t status = skald_context_new(model, options, &ctx);
    if (status < 0)
        return status;
    status = skald_append_text(ctx, "In the archive", -1);
    while (status >= 0 && (status = skald_step(ctx, -1)) == SKALD_TOKEN)
        if (skald_text(ctx, &text, &n) == SKALD_OK)
            fwrite(text, 1, n, stdout);
    putchar('\n');
    skald_context_free(ctx);
    return status;
}

static int32_t run(skald_options *options)
{
    skald_model *model;
    skald_options_set_int(options, "max_memory", 1000);
    int32_t status = skald_model_load(NULL, options, &model);
    if (status != SKALD_E_MEMORY)
        fprintf(stderr, "a budget of 1000 bytes was not enforced\n");
    else
        fprintf(stderr, "too little: %s\n", skald_error_message());
    skald_model_release(model);
    skald_options_set_int(options, "max_memory", 900LL << 20);
    status = skald_model_load(NULL, options, &model);
    if (status == SKALD_OK)
        status = talk(model, options);
    skald_model_release(model);
    return status;
}

int main(int argc, char **argv)
{
    uint64_t size = 0;
    arena memory = {0};
    atomic_int n_jobs = 0;
    FILE *archive = make_archive(argc > 1 ? argv[1] : "model.gguf", &size);
    if (!archive)
        return puts("cannot make the archive");
    skald_reader reader = {sizeof reader, archive, size, archive_read};
    skald_allocator allocator = {sizeof allocator, &memory, arena_alloc, arena_free};
    skald_executor executor = {sizeof executor, &n_jobs, N_WORKERS, jobs_parallel_for};
    skald_options *options;
    if (skald_options_new(&options) < 0)
        return puts(skald_error_message());
    skald_options_set_pointer(options, "reader", &reader);
    skald_options_set_pointer(options, "allocator", &allocator);
    skald_options_set_pointer(options, "executor", &executor);
    skald_options_parse(options, "n_ctx=128 n_predict=16 temperature=0");
    int32_t status = run(options);
    if (status < 0)
        fprintf(stderr, "archive: %s\n", skald_error_message());
    skald_options_free(options);
    fclose(archive);
    fprintf(stderr, "%d jobs, %lld bytes at most, %lld left\n", atomic_load(&n_jobs),
            atomic_load(&memory.peak), atomic_load(&memory.live));
    return status < 0;
}
