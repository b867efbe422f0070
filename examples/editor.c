/* SPDX-License-Identifier: MIT */
/*
 * An editor: completes the text at the cursor, drops the completion when the user types on, and
 * reuses what was read before. Here the user is a script.
 *
 * One context serves the whole session. For each completion it is given the whole prompt; what that
 * shares with the prompt before is not evaluated again. Two things end a completion early: a key
 * (from the user's thread, through skald_cancel) and the clock.
 *
 *     editor MODEL.gguf
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <skald.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLICE_US 8000
#define TIME_LIMIT_US 400000

typedef struct editor {
    skald_model *model;
    skald_context *ctx;
    bool fills; /* the model knows how to fill in the middle */
} editor;

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Completes in slices, showing the text as it comes. SKALD_DONE, or CANCELLED by a key. */
static int32_t complete(editor *e, const char *before, const char *after)
{
    size_t n;
    int32_t status = e->fills ? skald_set_infill(e->ctx, before, -1, after, -1)
                              : skald_set_text(e->ctx, before, -1);
    if (status < 0)
        return status;
    printf("%s[", before);
    int64_t limit = now_us() + TIME_LIMIT_US;
    do {
        const char *text;
        status = skald_step(e->ctx, SLICE_US);
        if (status != SKALD_PENDING && status >= 0 && skald_text(e->ctx, &text, &n) == SKALD_OK)
            fwrite(text, 1, n, stdout);
    } while (status > 0 && now_us() < limit);
    printf("]%s\n", after);
    return status < 0 ? status : SKALD_DONE;
}

/* The user presses a key in the middle of a completion. */
static void *press_key(void *arg)
{
    struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
    skald_cancel(arg);
    return NULL;
}

static int32_t session(editor *e)
{
    static const char *const typed[] = {"The fisherman went", "The fisherman went out to",
                                        "The fisherman went out to sea"};
    int32_t status = SKALD_DONE;
    for (int i = 0; i < 3 && status == SKALD_DONE; i++) {
        status = complete(e, typed[i], " and came home.");
        int64_t n_reused = 0;
        skald_context_get_int(e->ctx, "n_reused", &n_reused);
        fprintf(stderr, "%lld tokens reused\n", (long long)n_reused);
    }
    if (status < 0)
        return status;
    pthread_t user;
    if (pthread_create(&user, NULL, press_key, e->ctx) != 0)
        return SKALD_OK;
    status = complete(e, "A key is pressed while this", " is completed.");
    pthread_join(user, NULL);
    fprintf(stderr, "%s\n", status == SKALD_E_CANCELLED ? "cancelled" : "the key came too late");
    return status == SKALD_E_CANCELLED ? SKALD_OK : status;
}

int main(int argc, char **argv)
{
    editor e = {0};
    skald_options *options;
    if (skald_options_new(&options) < 0 ||
        skald_options_parse(options, "n_ctx=1024 temperature=0 n_predict=16") < 0 ||
        skald_model_load(argc > 1 ? argv[1] : "model.gguf", options, &e.model) < 0 ||
        skald_context_new(e.model, options, &e.ctx) < 0)
        return puts(skald_error_message());
    skald_options_free(options);
    int64_t mark = -1;
    skald_model_get_int(e.model, "token_fim_mid", &mark);
    e.fills = mark >= 0;
    if (e.fills) /* what is open beside the text */
        skald_add_snippet(e.ctx, "notes.txt", "The fisherman has a boat.", -1);
    int32_t status = session(&e);
    if (status < 0)
        fprintf(stderr, "editor: %s\n", skald_context_message(e.ctx));
    skald_context_free(e.ctx);
    skald_model_release(e.model);
    return status < 0;
}
