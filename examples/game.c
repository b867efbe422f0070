/* SPDX-License-Identifier: MIT */
/*
 * A game: one thread, 60 frames a second, 2 milliseconds of each for the character who talks. The
 * model is loaded in the same slices, so that not even the first frame is late. What comes out
 * depends on the text and the seed, never on how fast the machine was.
 *
 *     game MODEL.gguf [FRAMES]
 */
#define _POSIX_C_SOURCE 200809L
#include <skald.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FRAME_US 16667
#define SLICE_US 2000

typedef struct npc {
    skald_model *model;
    skald_context *talk; /* NULL: silent */
    const char *path;
    int is_loaded;
    char line[512]; /* what the speech bubble shows */
    size_t n;
} npc;

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void say(npc *who, const char *text, size_t n)
{
    size_t room = sizeof who->line - 1 - who->n;
    n = n < room ? n : room;
    memcpy(who->line + who->n, text, n);
    who->n += n;
    who->line[who->n] = 0;
}

/* The player did something: the character gets a new thought. Returns 0, or a negative status. */
static int32_t ask(npc *who, const char *event, int64_t seed)
{
    skald_options *options;
    int32_t status = skald_options_new(&options);
    if (status < 0)
        return status;
    skald_options_parse(options, "n_ctx=256 n_predict=24 temperature=0.7");
    skald_options_set_int(options, "seed", seed);
    status = skald_context_new(who->model, options, &who->talk);
    skald_options_free(options);
    return status < 0 ? status : skald_append_text(who->talk, event, -1);
}

/* The character's share of a frame. Returns a negative status when something is wrong. */
static int32_t update(npc *who)
{
    if (!who->is_loaded) {
        int32_t status = skald_model_step(who->model, SLICE_US);
        if (status != SKALD_DONE)
            return status;
        who->is_loaded = 1;
        return ask(who, "The player offers you a fish.", 7);
    }
    if (!who->talk)
        return 0;
    const char *text;
    size_t n;
    int32_t status = skald_step(who->talk, SLICE_US);
    if (status != SKALD_PENDING && skald_text(who->talk, &text, &n) == SKALD_OK)
        say(who, text, n);
    if (status == SKALD_DONE) {
        printf("the character says:%s\n", who->line);
        skald_context_free(who->talk);
        who->talk = NULL;
    }
    return status;
}

static void wait_until(int64_t us)
{
    int64_t rest = us - now_us();
    struct timespec pause = {0, (long)(rest > 0 ? rest * 1000 : 0)};
    nanosleep(&pause, NULL);
}

int main(int argc, char **argv)
{
    npc who = {.path = argc > 1 ? argv[1] : "model.gguf"};
    int frames = argc > 2 ? atoi(argv[2]) : 300, status = 0;
    if (skald_model_open(who.path, NULL, &who.model) < 0)
        return puts(skald_error_message());
    int64_t start = now_us(), worst = 0;
    for (int frame = 0; frame < frames && status >= 0; frame++) {
        int64_t begin = now_us();
        status = update(&who);
        int64_t spent = now_us() - begin;
        worst = spent > worst ? spent : worst;
        /* here the rest of the game is drawn */
        wait_until(start + (frame + 1) * (int64_t)FRAME_US);
    }
    if (status < 0)
        fprintf(stderr, "game: %s\n", skald_error_message());
    fprintf(stderr, "the slowest slice took %.1f ms\n", (double)worst / 1000);
    skald_context_free(who.talk);
    skald_model_release(who.model);
    return status < 0;
}
