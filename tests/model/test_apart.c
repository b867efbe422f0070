/* SPDX-License-Identifier: MIT */
/*
 * A token that is decoded behind many others has fewer heads than there are threads to busy, so the
 * blocks of its keys are divided among them and merged later (model/attend.c). Whether they were is
 * looked at here, and that it does not show: the logits are those of one thread, which never does
 * so, in every number of threads, at once and a tile at a time.
 */
#include "base/portable.h"

#include "tiny_model.h"

#include "base/clock.h"
#include "model/pass_int.h"

enum { APART_TOKENS = 470, APART_DECODED = 20 }; /* eight blocks of 64 keys */

typedef struct apart_run {
    float *logits; /* [APART_DECODED][n_vocab] */
    bool apart, merged;
} apart_run;

/* Runs what was begun, and looks in between how attention is divided. */
static void run_watched(sk_pass *pass, int64_t slice_us, apart_run *r)
{
    int32_t status;
    do {
        int64_t deadline = slice_us < 0 ? INT64_MAX : sk_clock_us() + slice_us;
        status = sk_pass_run(pass, deadline, NULL, NULL);
        r->apart |= pass->attending.apart;
        r->merged |= pass->attending.merging;
    } while (status == SKALD_PENDING);
    CHECK_INT(status, SKALD_DONE);
}

/* The prompt, then token by token. */
static apart_run run_model(const tiny_model *file, const char *options, int64_t slice_us)
{
    apart_run r = {0};
    sk_error error = {0};
    sk_model *model = tiny_load(file, options);
    sk_pass *pass = NULL;
    sk_state *state = NULL;
    CHECK(model != NULL);
    if (!model)
        return r;
    sk_heap *heap = sk_model_heap(model);
    const size_t n_vocab = (size_t)sk_model_n_vocab(model);
    const int64_t n_prompt = APART_TOKENS - APART_DECODED;
    r.logits = calloc(APART_DECODED * n_vocab, sizeof *r.logits);
    CHECK_INT(sk_pass_new(&pass, heap, model, n_prompt, 1, &error), SKALD_OK);
    CHECK_INT(sk_state_new(&state, heap, model, 512, SK_F16, SK_F16, &error), SKALD_OK);
    CHECK_INT(sk_state_reserve(state, 512, &error), SKALD_OK);
    for (int64_t at = 0, n = n_prompt; at < APART_TOKENS; at += n, n = 1) {
        for (int64_t i = 0; i < n; i++)
            sk_pass_rows(pass)[i] =
                (sk_row){state, at + i, (int32_t)((at + i) * 37 % 200), i == n - 1, false, 0};
        CHECK_INT(sk_pass_begin(pass, n, &error), SKALD_OK);
        apart_run prompt = {0};
        run_watched(pass, slice_us, at == 0 ? &prompt : &r);
        if (at > 0)
            memcpy(r.logits + (size_t)(at - n_prompt) * n_vocab, sk_pass_logits(pass, 0),
                   n_vocab * sizeof *r.logits);
    }
    sk_pass_free(pass);
    sk_state_free(state);
    skald_model_release(model);
    return r;
}

int main(void)
{
    static const char *const threads[] = {"n_threads=3", "n_threads=4", "n_threads=5",
                                          "n_threads=7"};
    tiny_model file;
    tiny_make(&file, 19);
    apart_run whole = run_model(&file, "n_threads=1", -1);
    CHECK(!whole.apart);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        for (int64_t slice_us = -1; slice_us <= 0; slice_us++) {
            apart_run r = run_model(&file, threads[i], slice_us);
            CHECKF(r.apart && (slice_us < 0 || r.merged), "%s: not apart", threads[i]);
            CHECKF(r.logits && memcmp(r.logits, whole.logits,
                                      (size_t)APART_DECODED * TINY_VOCAB * sizeof(float)) == 0,
                   "%s, slices of %d: other logits", threads[i], (int)slice_us);
            free(r.logits);
        }
    }
    free(whole.logits);
    tiny_free(&file);
    return test_end();
}
