/* SPDX-License-Identifier: MIT */
/*
 * Fuzzing saved states. LLVMFuzzerTestOneInput takes any bytes for a state, once as they are and
 * once with sizes and checksums made good, so that what they guard is reached too. What is refused
 * must leave the context as it was, with a sentence; what is accepted must run, and be saved and
 * loaded again.
 *
 * By itself this program replays the files given as arguments, then mutates a sound state
 * deterministically. With clang it is a libFuzzer target: see tests/format/fuzz_gguf.c.
 */
#include "state_bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void fuzz_fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    abort();
}

static skald_context *ctx; /* lives from attempt to attempt */
static state_bytes start;  /* the state that each begins with */

static void make_context(void)
{
    skald_options *o = NULL;
    skald_options_new(&o);
    skald_options_parse(o, "n_ctx=64 n_predict=4 stop=xyz");
    tiny_make(&file, 12);
    model = tiny_load(&file, "n_threads=1");
    if (!model || skald_context_new(model, o, &ctx) < 0)
        fuzz_fail(skald_error_message());
    skald_options_free(o);
    skald_append_text(ctx, "abc", -1);
    skald_step(ctx, -1);
    start = state_of(ctx);
}

/* An accepted state is used. */
static void live_on(void)
{
    for (int i = 0; i < 3; i++)
        skald_step(ctx, -1);
    state_bytes s = state_of(ctx), again;
    if (skald_state_load(ctx, s.data, s.n) < 0)
        fuzz_fail("a state that was accepted cannot be saved and loaded");
    again = state_of(ctx);
    if (!same_state(&s, &again))
        fuzz_fail("a state changes as it is saved and loaded");
    free(s.data);
    free(again.data);
}

/* Returns 1 when it is accepted. */
static int load_and_use(const uint8_t *data, size_t n)
{
    if (!ctx)
        make_context();
    uint8_t *exact = malloc(n ? n : 1);
    memcpy(exact, data, n);
    int32_t status = skald_state_load(ctx, exact, n);
    free(exact);
    if (status < 0) {
        state_bytes after = state_of(ctx);
        if (!same_state(&start, &after) || !skald_context_message(ctx)[0])
            fuzz_fail("a state that is refused leaves traces");
        free(after.data);
        return 0;
    }
    live_on();
    if (skald_state_load(ctx, start.data, start.n) < 0)
        fuzz_fail("the context does not take its state back");
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    state_bytes sealed = {malloc(n + 1), n, n + 1};
    memcpy(sealed.data, data, n);
    seal_state(&sealed);
    load_and_use(data, n);
    load_and_use(sealed.data, n);
    free(sealed.data);
    return 0;
}

#ifndef SKALD_LIBFUZZER

/* Spoils the state in one place. */
static void spoil(state_bytes *s, uint64_t *random)
{
    static const uint32_t edges[] = {0, 1, 2, 3, 5, 64, 255, INT32_MAX, UINT32_MAX, 1u << 31};
    size_t at = test_random(random) % s->n, n = 1 + test_random(random) % 24;
    uint32_t edge = edges[test_random(random) % (sizeof edges / sizeof *edges)];
    n = n > s->n - at ? s->n - at : n;
    switch (test_random(random) % 5) {
    case 0:
        s->data[at] ^= (uint8_t)(1 << test_random(random) % 8);
        break;
    case 1:
        if (at + 4 <= s->n)
            sk_put_le32(s->data + at / 4 * 4, edge);
        break;
    case 2:
        memmove(s->data + at, s->data + at + n, s->n - at - n);
        s->n -= n;
        break;
    case 3:
        if (s->n + n <= s->capacity) {
            memmove(s->data + at + n, s->data + at, s->n - at);
            s->n += n;
        }
        break;
    default:
        s->data[at] = (uint8_t)(s->data[at] + (test_random(random) % 2 ? 1 : -1));
        break;
    }
}

int main(int argc, char **argv)
{
    enum { ROUNDS = 20000 };
    uint64_t random = 20261123;
    int accepted = 0;
    make_context();
    test_replay(argc, argv, LLVMFuzzerTestOneInput);
    state_bytes s = {malloc(start.capacity), 0, start.capacity};
    for (int i = 0; i < ROUNDS; i++) {
        memcpy(s.data, start.data, start.n);
        s.n = start.n;
        for (uint64_t n = 1 + test_random(&random) % 3; n > 0 && s.n > 0; n--)
            spoil(&s, &random);
        seal_state(&s);
        accepted += load_and_use(s.data, s.n);
    }
    printf("%d of %d mutants were accepted\n", accepted, ROUNDS);
    CHECK(accepted > ROUNDS / 50 && accepted < ROUNDS);
    free(s.data);
    free(start.data);
    skald_context_free(ctx);
    skald_model_release(model);
    tiny_free(&file);
    return test_end();
}

#endif
