/* SPDX-License-Identifier: MIT */
/*
 * Saved states: a context that loads one goes on as the one that saved it, bit for bit; bytes that
 * were spoilt in any way are refused, and leave the context as it was; what another numeric version
 * or layout left is read but for the cache.
 *
 * state-1.bin is a state as the first version wrote it. When the format changes it stays, and the
 * new version's is added: `test_state FILE` writes one.
 */
#include "state_bytes.h"

static const char options[] = "n_predict=24 temperature=0.8 seed=-5 ignore_eos=1 n_ctx=256 "
                              "n_batch=40 stop=qqq stop=zz top_k=30 logit_bias=40:-1.5,41:-inf";

/* Whether what is left of both is the same. */
static void check_rest(skald_context *a, skald_context *b, const char *where)
{
    record first = run(a, -1), second = run(b, 50);
    CHECKF(same(&first, &second), "%s: %d and %d tokens", where, first.n, second.n);
    CHECK_STR(reason(a), reason(b));
}

static void check_every_point(void)
{
    skald_context *other = new_context("n_ctx=200 n_predict=3 seed=9 stop=a temperature=0");
    for (int at = 0;; at++) {
        skald_context *ctx = new_context(options);
        int32_t status = SKALD_PENDING;
        CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
        for (int i = 0; i < at && status != SKALD_DONE; i++)
            status = skald_step(ctx, at % 2 ? 0 : -1);
        state_bytes s = state_of(ctx);
        if (at % 3 == 0) { /* into a context with a life of its own, in the middle of work */
            skald_set_text(other, "a text that the state knows nothing of", -1);
            for (int i = 0; i < at; i++)
                skald_step(other, 0);
        }
        CHECKF(skald_state_load(other, s.data, s.n) == 0, "%s", skald_context_message(other));
        int64_t n = figure(ctx, "n_tokens"), evaluated = figure(ctx, "n_evaluated");
        CHECK_INT(figure(other, "n_tokens"), n);
        /* While a recurrent model guesses, the last tokens cannot be told from the guesses. */
        bool exact = !TEST_DRAFT[0] || !file.recurrent;
        evaluated = evaluated < n ? evaluated : n - 1;
        if (exact)
            CHECK_INT(figure(other, "n_reused"), evaluated);
        CHECK(figure(other, "n_reused") <= evaluated && evaluated - figure(other, "n_reused") < 9);
        CHECK_INT(figure(other, "seed"), -5);
        CHECK_STR(reason(other), reason(ctx));
        state_bytes again = state_of(other);
        CHECKF(!exact || same_state(&s, &again), "point %d", at);
        check_rest(ctx, other, "every point");
        free(s.data);
        free(again.data);
        skald_context_free(ctx);
        if (status == SKALD_DONE)
            break;
    }
    skald_context_free(other);
}

/* Text held back for a stop string or a code point survives. */
static void check_held_text(void)
{
    record whole = reference("n_predict=60 temperature=0.9 seed=11 ignore_eos=1 n_ctx=300");
    for (size_t at = 1; at + 4 < whole.n_text && at < 40; at++) {
        char stop[5] = {0};
        memcpy(stop, whole.text + at, 4);
        stop[3] ^= 1; /* nearly */
        if (strlen(stop) < 4)
            continue;
        skald_context *ctx = new_context("n_predict=60 temperature=0.9 seed=11 ignore_eos=1 "
                                         "n_ctx=300");
        skald_context *other = new_context("n_ctx=300");
        skald_context_set_string(ctx, "stop", stop);
        CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
        for (size_t i = 0; i < at; i++)
            skald_step(ctx, -1);
        state_bytes s = state_of(ctx);
        CHECK_INT(skald_state_load(other, s.data, s.n), 0);
        check_rest(ctx, other, stop);
        free(s.data);
        skald_context_free(ctx);
        skald_context_free(other);
    }
}

/* A context of other cache types, or another numeric version, evaluates the tokens again. */
static void check_rebuilt(void)
{
    static const char f32[] = "n_predict=24 temperature=0.8 seed=-5 ignore_eos=1 n_ctx=256 "
                              "cache_type_k=f32 top_k=30 logit_bias=40:-1.5,41:-inf";
    record wanted = reference(f32), wanted16 = reference(options);
    skald_context *ctx = new_context(options), *other = new_context(f32);
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    CHECK_INT(skald_context_set_int(ctx, "n_predict", 0), 0);
    run(ctx, -1);
    CHECK_INT(skald_context_set_int(ctx, "n_predict", 24), 0);
    state_bytes s = state_of(ctx);
    CHECK_INT(skald_state_load(other, s.data, s.n), 0);
    CHECK_INT(figure(other, "n_reused"), 0);
    CHECK_INT(figure(other, "n_evaluated"), 0);
    record r = run(other, -1);
    CHECK(same(&r, &wanted) && r.hash != wanted16.hash);
    skald_context_free(other);
    size_t at = find_section(&s, SK_SAVED_CACHE) + SK_SAVED_SECTION;
    for (int field = 0; field < 2; field++) { /* numeric version, layout */
        s.data[at + (size_t)field * 8] ^= 1;
        seal_state(&s);
        other = new_context("n_ctx=300");
        CHECK_INT(skald_state_load(other, s.data, s.n), 0);
        CHECK_INT(figure(other, "n_reused"), 0);
        r = run(other, -1);
        CHECK(same(&r, &wanted16));
        s.data[at + (size_t)field * 8] ^= 1;
        skald_context_free(other);
    }
    /* Without the section it is the same. */
    s.n = at - SK_SAVED_SECTION;
    sk_put_le32(s.data + 12, SK_SAVED_N - 2);
    seal_state(&s);
    other = new_context("n_ctx=300");
    CHECK_INT(skald_state_load(other, s.data, s.n), 0);
    r = run(other, -1);
    CHECK(same(&r, &wanted16));
    skald_context_free(other);
    free(s.data);
    skald_context_free(ctx);
}

/* A small state, and a context of another content that shall stay as it is. */
static void make_pair(skald_context **target, state_bytes *s, state_bytes *before)
{
    static const int32_t ids[] = {7, 50, 90};
    skald_context *ctx = new_context(options);
    CHECK_INT(skald_append_tokens(ctx, ids, 3), 0);
    CHECK_INT(skald_step(ctx, -1), SKALD_TOKEN);
    *s = state_of(ctx);
    skald_context_free(ctx);
    *target = new_context("n_ctx=64 n_predict=9 seed=2 stop=xyz");
    CHECK_INT(skald_append_text(*target, "abc", -1), 0);
    CHECK_INT(skald_step(*target, -1), SKALD_TOKEN);
    *before = state_of(*target);
}

static void check_refused(skald_context *target, const state_bytes *s, size_t n,
                          const state_bytes *before, const char *what, size_t where)
{
    uint8_t *exact = malloc(n ? n : 1); /* so that a sanitizer sees the first byte beyond */
    memcpy(exact, s->data, n);
    int32_t status = skald_state_load(target, exact, n);
    CHECKF(status < 0 && skald_context_message(target)[0], "%s %zu was accepted", what, where);
    free(exact);
    state_bytes after = {malloc(before->n), before->n, before->n};
    CHECK_INT(skald_state_save(target, after.data, after.n, NULL), 0);
    CHECKF(same_state(before, &after), "%s %zu changed the context", what, where);
    free(after.data);
}

static void check_spoilt(void)
{
    skald_context *target;
    state_bytes s, before;
    make_pair(&target, &s, &before);
    for (size_t n = 0; n < s.n; n++)
        check_refused(target, &s, n, &before, "truncation at byte", n);
    for (size_t bit = 0; bit < 8 * s.n; bit++) {
        s.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        check_refused(target, &s, s.n, &before, "flip of bit", bit);
        s.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    memset(s.data + s.n, 0, 8);
    check_refused(target, &s, s.n + 8, &before, "more bytes:", 8);
    CHECK_INT(skald_state_load(target, s.data, s.n), 0);
    free(s.data);
    free(before.data);
    skald_context_free(target);
}

/* Sealed states that say what cannot be. */
static void refuse_edit(uint32_t id, size_t offset, uint32_t value, int32_t wanted)
{
    skald_context *target;
    state_bytes s, before;
    make_pair(&target, &s, &before);
    size_t at = id ? find_section(&s, id) : 0;
    sk_put_le32(s.data + at + offset, value);
    seal_state(&s);
    check_refused(target, &s, s.n, &before, "section", id);
    CHECKF(skald_state_load(target, s.data, s.n) == wanted, "section %u, offset %zu: %s", id,
           offset, skald_context_message(target));
    free(s.data);
    free(before.data);
    skald_context_free(target);
}

static void check_nonsense(void)
{
    enum { AT = SK_SAVED_SECTION };
    refuse_edit(0, 8, 2, SKALD_E_VERSION);
    refuse_edit(0, 12, SK_SAVED_N - 2, SKALD_E_CORRUPT);
    refuse_edit(0, 12, SK_SAVED_N, SKALD_E_CORRUPT);
    refuse_edit(SK_SAVED_MODEL, AT, 77, SKALD_E_ARGUMENT);
    refuse_edit(SK_SAVED_MODEL, AT + 8, 999, SKALD_E_CORRUPT);
    refuse_edit(SK_SAVED_TOKENS, AT, 5, SKALD_E_CORRUPT);
    refuse_edit(SK_SAVED_TOKENS, AT + 4, 0x40000000, SKALD_E_CORRUPT);
    refuse_edit(SK_SAVED_TOKENS, AT + 8, TINY_VOCAB, SKALD_E_CORRUPT);
    refuse_edit(SK_SAVED_TOKENS, AT + 8, UINT32_MAX, SKALD_E_CORRUPT);
    refuse_edit(SK_SAVED_OPTIONS, AT, 999, SKALD_E_CORRUPT);
    refuse_edit(SK_SAVED_OPTIONS, AT, 3, SKALD_E_CORRUPT);
    refuse_edit(SK_SAVED_OPTIONS, AT + 4, SKALD_TYPE_FLOAT, SKALD_E_CORRUPT);
    refuse_edit(SK_SAVED_OPTIONS, AT + 12, 0x78787878, SKALD_E_VERSION); /* a key of xxxx... */
    refuse_edit(SK_SAVED_TURN, AT + 4, 0x80000000, SKALD_E_CORRUPT);
    refuse_edit(SK_SAVED_TURN, AT + 8, 7, SKALD_E_CORRUPT);
    refuse_edit(SK_SAVED_TURN, AT + 12, 2, SKALD_E_CORRUPT);
    refuse_edit(SK_SAVED_BOUND, AT, 5, SKALD_E_CORRUPT);
    refuse_edit(SK_SAVED_CACHE, AT + 16, 4, SKALD_E_CORRUPT);
    refuse_edit(SK_SAVED_CACHE, AT + 16, 2, SKALD_E_CORRUPT);
    refuse_edit(SK_SAVED_CACHE, 0, SK_SAVED_TURN, SKALD_E_CORRUPT);
    refuse_edit(SK_SAVED_CACHE, 0, 99, SKALD_E_VERSION);
}

/* What an earlier version of the library wrote, on whatever machine. */
static void check_old_version(const char *name)
{
    skald_context *target;
    state_bytes s, before, old = {NULL, 0, 0};
    make_pair(&target, &s, &before);
    uint8_t *bytes = test_read(test_data(name), &old.n);
    old.data = bytes;
    /* It is not the model's bits that this is about. */
    size_t to = find_section(&old, SK_SAVED_MODEL), from = find_section(&s, SK_SAVED_MODEL);
    CHECK(to > 0 && from > 0);
    memcpy(old.data + to + SK_SAVED_SECTION, s.data + from + SK_SAVED_SECTION, 8);
    seal_state(&old);
    CHECKF(skald_state_load(target, old.data, old.n) == 0, "%s", skald_context_message(target));
    const int32_t *ids;
    size_t n;
    skald_tokens(target, &ids, &n);
    CHECK(n == 4 && ids[0] == 7 && ids[1] == 50 && ids[2] == 90);
    double temperature = 0;
    const char *bias = "", *stop = "";
    skald_context_get_float(target, "temperature", &temperature);
    skald_context_get_string(target, "logit_bias", &bias);
    skald_context_get_string(target, "stop", &stop);
    CHECK(temperature == 0.8 && strcmp(stop, "qqq") == 0);
    CHECK_STR(bias, "40:-1.5,41:-inf");
    CHECK_INT(figure(target, "seed"), -5);
    CHECK_INT(figure(target, "top_k"), 30);
    CHECK_INT(figure(target, "n_predict"), 24);
    CHECK_INT(run(target, -1).n, 23); /* one was predicted before it was saved */
    free(bytes);
    free(s.data);
    free(before.data);
    skald_context_free(target);
}

static void write_state(const char *path)
{
    skald_context *target;
    state_bytes s, before;
    make_pair(&target, &s, &before);
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(s.data, 1, s.n, f) == s.n && fclose(f) == 0);
    free(s.data);
    free(before.data);
    skald_context_free(target);
}

/* A later version's section that may be passed over. */
static void check_later_section(void)
{
    skald_context *target;
    state_bytes s, before;
    make_pair(&target, &s, &before);
    uint8_t *more = s.data + s.n;
    memset(more, 0, 40);
    sk_put_le32(more, 4711);
    sk_put_le32(more + 4, SK_SAVED_OPTIONAL);
    sk_put_le64(more + 8, 13);
    s.n += 40;
    sk_put_le32(s.data + 12, SK_SAVED_N);
    seal_state(&s);
    CHECKF(skald_state_load(target, s.data, s.n) == 0, "%s", skald_context_message(target));
    CHECK_INT(figure(target, "n_tokens"), 4);
    free(s.data);
    free(before.data);
    skald_context_free(target);
}

static void check_models(void)
{
    tiny_model sister;
    skald_model *kept = model, *read, *stranger;
    skald_context *target;
    state_bytes s, before;
    make_pair(&target, &s, &before);
    skald_context_free(target);
    model = read = tiny_load(&file, "load=read n_threads=1");
    target = new_context("n_ctx=64");
    CHECKF(skald_state_load(target, s.data, s.n) == 0, "%s", skald_error_message());
    skald_context_free(target);
    /* The same shapes, names and words, other weights. */
    tiny_make(&sister, 13);
    model = stranger = tiny_load(&sister, "n_threads=1");
    target = new_context("n_ctx=64");
    CHECK_INT(skald_state_load(target, s.data, s.n), SKALD_E_ARGUMENT);
    CHECKF(strstr(skald_context_message(target), "of the model \"tiny\"") != NULL, "%s",
           skald_context_message(target));
    CHECK_INT(figure(target, "n_tokens"), 0);
    skald_context_free(target);
    skald_model_release(read);
    skald_model_release(stranger);
    model = kept;
    tiny_free(&sister);
    free(s.data);
    free(before.data);
}

static void check_arguments(void)
{
    skald_context *target, *narrow = new_context("n_ctx=3");
    state_bytes s, before;
    size_t n = 99;
    make_pair(&target, &s, &before);
    CHECK_INT(skald_state_save(NULL, NULL, 0, &n), SKALD_E_ARGUMENT);
    CHECK_INT(n, 0);
    CHECK_INT(skald_state_save(target, NULL, 5, &n), SKALD_E_ARGUMENT);
    CHECK_INT(skald_state_load(target, NULL, 0), SKALD_E_ARGUMENT);
    CHECK_INT(skald_state_load(target, file.data, 1000), SKALD_E_CORRUPT);
    CHECK_INT(skald_state_load(narrow, s.data, s.n), SKALD_E_CONTEXT_FULL);
    /* An empty context can be saved as well. */
    state_bytes empty = state_of(narrow);
    CHECK_INT(skald_state_load(target, empty.data, empty.n), 0);
    CHECK_INT(figure(target, "n_tokens"), 0);
    CHECK_INT(skald_step(target, -1), SKALD_E_STATE);
    free(s.data);
    free(before.data);
    free(empty.data);
    skald_context_free(target);
    skald_context_free(narrow);
}

/* Loading into a fork leaves what it shares to the others. */
static void check_fork(void)
{
    skald_context *ctx = new_context(options), *fork, *target;
    state_bytes s, before;
    make_pair(&target, &s, &before);
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    CHECK_INT(skald_step(ctx, -1), SKALD_TOKEN);
    state_bytes mine = state_of(ctx);
    CHECK_INT(skald_context_fork(ctx, &fork), 0);
    CHECK_INT(skald_state_load(fork, s.data, s.n), 0);
    run(fork, -1);
    state_bytes still = state_of(ctx);
    CHECK(same_state(&mine, &still));
    free(s.data);
    free(before.data);
    free(mine.data);
    free(still.data);
    skald_context_free(ctx);
    skald_context_free(fork);
    skald_context_free(target);
}

int main(int argc, char **argv)
{
    for (int recurrent = 0; recurrent < 2; recurrent++) {
        open_model(12, recurrent);
        if (argc > 1 && !recurrent)
            write_state(argv[1]);
        check_every_point();
        check_held_text();
        check_rebuilt();
        check_spoilt();
        check_nonsense();
        check_later_section();
        check_models();
        check_arguments();
        check_fork();
        if (!recurrent)
            check_old_version("session/state-1.bin");
        close_model();
    }
    return test_end();
}
