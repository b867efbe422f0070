/* SPDX-License-Identifier: MIT */
/*
 * Generation under a grammar, through the public interface: what comes out is of it; jumping ahead,
 * forks, saved states, slices and truncation change nothing; dead ends and triggers; time limits.
 */
#include "session_test.h"

#include <math.h>
#include <time.h>

static const char *const base = "n_ctx=300 n_predict=120 temperature=1 top_k=0 top_p=1 min_p=0 ";

/* Whether the option's grammar accepts the text. */
static bool accepts(const char *key, const char *value, const char *text, size_t n)
{
    skald_options *o = NULL;
    skald_options_new(&o);
    CHECKF(skald_options_set_string(o, key, value) == 0, "%s", skald_error_message());
    int32_t status = skald_options_check(o, text, (int64_t)n);
    CHECK(status == SKALD_OK || status == SKALD_E_GRAMMAR);
    skald_options_free(o);
    return status == SKALD_OK;
}

static skald_context *bound_context(const char *key, const char *value, int seed)
{
    skald_context *ctx = new_context(base);
    CHECKF(skald_context_set_string(ctx, key, value) == 0, "%s", skald_context_message(ctx));
    CHECK_INT(skald_context_set_int(ctx, "seed", seed), 0);
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    return ctx;
}

static const struct {
    const char *key, *value;
} rows[] = {
    {"regex", "(yes|no|maybe)( [a-f]{1,5}){0,4}\\."},
    {"grammar", "root ::= \"begin \" item (\", \" item){1,4} \" end\"\nitem ::= [a-z]{1,3} | \"(\" "
                "item \")\""},
    {"json_schema",
     "{\"type\":\"object\",\"properties\":{\"k\":{\"enum\":[\"one\",\"two\"]},\"n\":{\"type\":"
     "\"integer\",\"minimum\":3,\"maximum\":40},\"l\":{\"type\":\"array\",\"items\":{\"type\":"
     "\"string\",\"maxLength\":2},\"maxItems\":2}},\"required\":[\"k\",\"n\",\"l\"]}"},
    {"json_schema",
     "{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"uniqueItems\":true,\"maxItems\":4}"},
};

/* Texts that end are of the grammar; a text that the count cut off is the beginning of one. */
static void check_texts(void)
{
    int ended = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int seed = 0; seed < 25; seed++) {
            skald_context *ctx = bound_context(rows[i].key, rows[i].value, seed);
            record r = {.hash = 1};
            int32_t status;
            while ((status = skald_step(ctx, -1)) == SKALD_TOKEN) {
                const char *text;
                size_t n;
                skald_text(ctx, &text, &n);
                memcpy(r.text + r.n_text, text, n);
                r.n_text += n;
            }
            CHECKF(status == SKALD_DONE, "%s: %s", rows[i].value, skald_context_message(ctx));
            if (strcmp(reason(ctx), "end") == 0) {
                ended++;
                CHECKF(accepts(rows[i].key, rows[i].value, r.text, r.n_text), "%s: %.*s",
                       rows[i].value, (int)r.n_text, r.text);
            }
            skald_context_free(ctx);
        }
    CHECKF(ended > 50, "%d ended", ended);
}

/* Tokens only, as logits of forced ones are not computed. */
static record tokens_of(skald_context *ctx, int64_t budget, int most)
{
    record r = {.hash = 1};
    for (int32_t status; r.n < most && (status = skald_step(ctx, budget)) != SKALD_DONE;) {
        CHECKF(status >= 0, "%s", skald_context_message(ctx));
        if (status < 0)
            break;
        if (status == SKALD_TOKEN)
            skald_token(ctx, &r.tokens[r.n++]);
    }
    return r;
}

static bool same_tokens(const record *a, const record *b)
{
    return a->n == b->n && memcmp(a->tokens, b->tokens, (size_t)a->n * sizeof *a->tokens) == 0;
}

static record joined(record a, const record *b)
{
    memcpy(a.tokens + a.n, b->tokens, (size_t)b->n * sizeof *b->tokens);
    a.n += b->n;
    return a;
}

static void check_continuations(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int cut = 1; cut < 12; cut += 5) {
            skald_context *ctx = bound_context(rows[i].key, rows[i].value, 3);
            record whole = tokens_of(ctx, -1, 500), again, head, tail;
            skald_context_free(ctx);
            ctx = bound_context(rows[i].key, rows[i].value, 3);
            again = tokens_of(ctx, 0, 500);
            CHECK(same_tokens(&whole, &again));
            skald_context_free(ctx);

            ctx = bound_context(rows[i].key, rows[i].value, 3);
            skald_context *other = NULL, *loaded = new_context(base);
            head = tokens_of(ctx, -1, cut);
            CHECK_INT(skald_context_fork(ctx, &other), 0);
            size_t n = 0;
            skald_state_save(ctx, NULL, 0, &n);
            void *state = malloc(n);
            CHECK_INT(skald_state_save(ctx, state, n, NULL), 0);
            CHECKF(skald_state_load(loaded, state, n) == 0, "%s", skald_context_message(loaded));
            free(state);
            skald_context *all[] = {ctx, other, loaded};
            for (int k = 0; k < 3; k++) {
                tail = tokens_of(all[k], -1, 500);
                again = joined(head, &tail);
                CHECKF(same_tokens(&whole, &again), "%s, cut %d, way %d", rows[i].value, cut, k);
                skald_context_free(all[k]);
            }
        }
}

/* A token that alone is allowed costs no pass, and is what the model would have had to say. */
static void check_jumps(void)
{
    const char *fixed = "root ::= \"the quick brown fox\" [.!]";
    skald_context *ctx = bound_context("grammar", "root ::= \"x\"", 1);
    CHECK_INT(skald_step(ctx, -1), SKALD_TOKEN);
    CHECK(figure(ctx, "n_forced") == 0);
    skald_context_free(ctx);
    /* One byte at a time: each of them is the only one where no longer token begins like it. */
    ctx = bound_context("grammar", fixed, 1);
    record r = tokens_of(ctx, -1, 500);
    char text[200];
    size_t n;
    CHECK_INT(skald_detokenize(model, r.tokens, (size_t)r.n, 0, text, sizeof text, &n), 0);
    CHECKF(n >= 20 && memcmp(text, "the quick brown fox", 19) == 0, "%.*s", (int)n, text);
    CHECKF(figure(ctx, "n_forced") > 0, "%d forced", (int)figure(ctx, "n_forced"));
    skald_context_free(ctx);
}

static void check_dead_end(void)
{
    /* No token of the tiny vocabulary has these bytes. */
    skald_context *ctx = bound_context("grammar", "root ::= \"a\" [\\u4E00-\\u4E01]", 1);
    int32_t status;
    while ((status = skald_step(ctx, -1)) == SKALD_TOKEN)
        ;
    bool can_spell = status == SKALD_DONE; /* byte tokens spell anything */
    CHECKF(can_spell || status == SKALD_E_GRAMMAR, "%s", skald_context_message(ctx));
    CHECK_INT(skald_context_set_string(ctx, "grammar", "root ::= <[5]> <[5]> !<[5]>"), 0);
    CHECK_INT(skald_append_text(ctx, "x", -1), 0);
    record r = tokens_of(ctx, -1, 3);
    CHECK(r.n >= 2 && r.tokens[0] == 5 && r.tokens[1] == 5);
    CHECK(r.n < 3 || r.tokens[2] != 5);
    CHECK_INT(skald_context_set_string(ctx, "grammar", ""), 0);
    CHECK_INT(skald_append_text(ctx, "y", -1), 0);
    CHECK_INT(skald_step(ctx, -1), SKALD_TOKEN);
    /* A grammar that is refused leaves the old one. */
    CHECK_INT(skald_context_set_string(ctx, "regex", "("), SKALD_E_OPTION);
    CHECK_INT(skald_context_set_string(ctx, "grammar", "root ::= root"), SKALD_E_OPTION);
    CHECK_INT(skald_step(ctx, -1), SKALD_TOKEN);
    skald_context_free(ctx);
    /* A reference to a token that is banned otherwise: nothing is left. */
    ctx = bound_context("grammar", "root ::= <[5]>", 1);
    CHECK_INT(skald_context_set_string(ctx, "logit_bias", "5:-inf"), 0);
    status = skald_step(ctx, -1);
    CHECKF(status < 0, "%d", (int)status);
    CHECK_INT(skald_context_set_string(ctx, "logit_bias", ""), 0);
    CHECK_INT(skald_step(ctx, -1), SKALD_TOKEN);
    skald_context_free(ctx);
}

/* Nothing is bound before the trigger; from it on everything is. */
static void check_trigger(void)
{
    int fired = 0;
    for (int seed = 0; seed < 40; seed++) {
        skald_context *ctx = new_context(base);
        CHECK_INT(skald_context_set_string(ctx, "grammar", "root ::= \"e\" [0-9]{3} \"!\""), 0);
        CHECK_INT(skald_context_add_string(ctx, "grammar_trigger", "e"), 0);
        CHECK_INT(skald_context_set_int(ctx, "seed", seed), 0);
        CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
        char text[4096];
        size_t n_text = 0, n;
        const char *piece;
        while (skald_step(ctx, -1) == SKALD_TOKEN && n_text < 4000) {
            skald_bytes(ctx, &piece, &n);
            memcpy(text + n_text, piece, n);
            n_text += n;
        }
        text[n_text] = 0;
        const char *at = memchr(text, 'e', n_text);
        fired += at != NULL;
        if (at && strcmp(reason(ctx), "end") == 0)
            CHECKF(accepts("regex", "e[0-9]{3}!", at, n_text - (size_t)(at - text)), "%s", text);
        skald_context_free(ctx);
    }
    CHECKF(fired > 5, "%d fired", fired);
}

/* By an expression with a group, and by a token, which the grammar reads or begins behind. */
static void check_other_triggers(void)
{
    static const struct {
        const char *key, *trigger, *grammar;
    } ways[] = {{"grammar_trigger_regex", "[a-d](e)", "root ::= \"e\" [0-9]{3} \"!\""},
                {"grammar_trigger_token", "e", "root ::= \"e\" [0-9]{3} \"!\""},
                {"grammar_trigger_token", "[104]", "root ::= <[104]> [0-9]{3} \"!\""},
                {"grammar_trigger_token", "e", "root ::= [0-9]{3} \"!\""}};
    const int32_t id = 3 + 'e'; /* the byte's token, the first of that text */
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        int fired = 0;
        for (int seed = 0; seed < 60; seed++) {
            skald_context *ctx = new_context(base);
            CHECKF(skald_context_set_string(ctx, "grammar", ways[i].grammar) == 0, "%s",
                   skald_context_message(ctx));
            CHECKF(skald_context_set_string(ctx, ways[i].key, ways[i].trigger) == 0, "%s",
                   skald_context_message(ctx));
            CHECK_INT(skald_context_set_int(ctx, "seed", seed), 0);
            CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
            record r = run(ctx, -1);
            const char *end = r.text + r.n_text;
            bool was_there = i == 0;
            bool fits =
                r.n_text >= 5 && end[-5] == 'e' && accepts("regex", "[0-9]{3}!", end - 4, 4);
            for (int k = 0; k < r.n; k++)
                was_there |= r.tokens[k] == id;
            fired += fits;
            if (i > 0 && was_there && strcmp(reason(ctx), "end") == 0)
                CHECKF(fits, "%zu: %s", i, r.text);
            skald_context_free(ctx);
        }
        CHECKF(fired > 0, "%zu: %d fired", i, fired);
    }
    skald_context *ctx = new_context(base);
    CHECK_INT(skald_context_set_string(ctx, "grammar", "root ::= [0-9]"), 0);
    CHECK_INT(skald_context_set_string(ctx, "grammar_trigger_token", "[1000000]"), SKALD_E_OPTION);
    CHECK_INT(skald_context_set_string(ctx, "grammar_trigger_token", "[40]"), 0);
    CHECK_INT(skald_context_set_string(ctx, "grammar_trigger_regex", "(("), SKALD_E_OPTION);
    skald_context_free(ctx);
}

static void check_time(void)
{
    skald_context *ctx = new_context("n_ctx=300 ignore_eos=1");
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    CHECK_INT(skald_step(ctx, -1), SKALD_TOKEN);
    CHECK_INT(skald_context_set_int(ctx, "time_limit_ms", 1), 0);
    int n = 0;
    while (n < 250 && skald_step(ctx, -1) == SKALD_TOKEN) {
        struct timespec nap = {0, 100000};
        nanosleep(&nap, NULL);
        n++;
    }
    CHECKF(n < 200, "%d tokens", n);
    CHECK_STR(reason(ctx), "time");
    CHECK_INT(skald_step(ctx, -1), SKALD_DONE);
    CHECK_INT(skald_append_text(ctx, "more", -1), 0);
    CHECK_INT(skald_context_set_int(ctx, "time_limit_ms", 0), 0);
    CHECK_INT(skald_step(ctx, -1), SKALD_TOKEN);
    skald_context_free(ctx);
}

/* ---- Log-probabilities and the host's sampler ----------------------------------------------- */

static void check_probs(void)
{
    skald_context *ctx =
        new_context("n_ctx=300 n_predict=40 seed=4 temperature=0.7 top_k=8 n_probs=5");
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    const int32_t *ids;
    const float *logs;
    size_t n;
    CHECK_INT(skald_token_probs(ctx, 0, &ids, &logs, &n), SKALD_E_NOT_FOUND);
    for (int i = 0; i < 30 && skald_step(ctx, -1) == SKALD_TOKEN; i++) {
        const float *logits;
        size_t n_vocab;
        int32_t token;
        double total = 0, sum = 0;
        skald_token(ctx, &token);
        CHECK_INT(skald_logits(ctx, -1, &logits, &n_vocab), 0);
        for (size_t k = 0; k < n_vocab; k++)
            total += exp((double)logits[k]);
        CHECK_INT(skald_token_probs(ctx, 0, &ids, &logs, &n), 0);
        CHECK(n == 6 && ids[0] == token);
        for (size_t k = 0; k < n; k++) {
            double wanted = (double)logits[ids[k]] - log(total);
            CHECKF(fabs((double)logs[k] - wanted) < 1e-4, "%g, wanted %g", (double)logs[k], wanted);
            CHECK(k < 2 || logs[k] <= logs[k - 1]);
        }
        CHECK_INT(skald_token_probs(ctx, 1, &ids, &logs, &n), 0);
        CHECK(n >= 2 && ids[0] == token && logs[0] <= 0);
        for (size_t k = 1; k < n; k++)
            sum += exp((double)logs[k]);
        CHECKF(sum <= 1.00001 && (n == 6 || sum > 0.9999), "%g", sum);
    }
    CHECK_INT(skald_context_set_string(ctx, "samplers", "adaptive_p"), 0);
    CHECK_INT(skald_context_set_float(ctx, "adaptive_target", 0.2), 0);
    for (int i = 0; i < 5; i++) {
        CHECK_INT(skald_step(ctx, -1), SKALD_TOKEN);
        CHECK_INT(skald_token_probs(ctx, 1, &ids, &logs, &n), 0);
        CHECK(logs[0] <= 0 && logs[0] > -60);
    }
    skald_context_free(ctx);
}

static int64_t second_best(void *user, int32_t *ids, float *logits, int64_t n)
{
    int64_t best = 0, second = n > 1;
    for (int64_t i = 1; i < n; i++)
        if (logits[i] > logits[best])
            second = best, best = i;
        else if (second == best || logits[i] > logits[second])
            second = i;
    ids[0] = ids[second];
    ++*(int *)user;
    return 1;
}

static int64_t nothing_left(void *user, int32_t *ids, float *logits, int64_t n)
{
    (void)user, (void)ids, (void)logits, (void)n;
    return 0;
}

static void check_host_sampler(void)
{
    int calls = 0;
    skald_sampler table = {sizeof table, &calls, second_best};
    skald_options *o = NULL;
    skald_context *ctx = NULL, *plain = new_context("n_ctx=300 n_predict=9 temperature=1 top_k=0 "
                                                    "top_p=1 min_p=0 n_probs=2");
    skald_options_new(&o);
    CHECK_INT(skald_options_parse(o, "n_ctx=300 n_predict=9 temperature=1 top_k=0 top_p=1 min_p=0"),
              0);
    CHECK_INT(skald_options_set_pointer(o, "sampler", &table), 0);
    CHECK_INT(skald_context_new(model, o, &ctx), 0);
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    CHECK_INT(skald_append_text(plain, prompt, -1), 0);
    CHECK_INT(skald_step(ctx, -1), SKALD_TOKEN);
    CHECK_INT(skald_step(plain, -1), SKALD_TOKEN);
    const int32_t *ids;
    const float *logs;
    size_t n;
    int32_t token;
    skald_token(ctx, &token);
    CHECK_INT(skald_token_probs(plain, 0, &ids, &logs, &n), 0);
    CHECK(n == 3 && token == ids[2]);
    CHECK_INT(calls, 1);
    skald_context_free(ctx);
    table.apply = nothing_left;
    CHECK_INT(skald_options_set_pointer(o, "sampler", &table), 0);
    CHECK_INT(skald_context_new(model, o, &ctx), 0);
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    CHECK_INT(skald_step(ctx, -1), SKALD_E_NUMERIC);
    skald_context_free(ctx);
    table.apply = NULL;
    CHECK_INT(skald_options_set_pointer(o, "sampler", &table), SKALD_E_ARGUMENT);
    skald_options_free(o);
    skald_context_free(plain);
}

/* ---- What the file recommends --------------------------------------------------------------- */

static void put_recommended(sk_gguf_writer *w)
{
    sk_gguf_put_int(w, "general.sampling.top_k", SK_GGUF_I32, 7);
    sk_gguf_put_float(w, "general.sampling.top_p", SK_GGUF_F32, 0.9);
    sk_gguf_put_float(w, "general.sampling.min_p", SK_GGUF_F32, 3); /* out of range */
    sk_gguf_put_float(w, "general.sampling.temp", SK_GGUF_F32, 0.6);
    sk_gguf_put_string(w, "general.sampling.sequence", "top_k;temperature", 17);
}

static void check_recommended(void)
{
    tiny_model recommending;
    tiny_make_with(&recommending, 5, false, put_recommended);
    skald_model *old = model;
    model = tiny_load(&recommending, "");
    CHECK(model != NULL);
    skald_context *ctx = model ? new_context("n_ctx=64 temperature=0.3") : NULL;
    double value = 0;
    const char *order = "";
    CHECK(ctx && figure(ctx, "top_k") == 7);
    CHECK(skald_context_get_float(ctx, "top_p", &value) == 0 && value == 0.9);
    CHECK(skald_context_get_float(ctx, "min_p", &value) == 0 && value == 0.05);
    CHECK(skald_context_get_float(ctx, "temperature", &value) == 0 && value == 0.3);
    CHECK(skald_context_get_string(ctx, "samplers", &order) == 0);
    CHECK_STR(order, "top_k;temperature");
    skald_context_free(ctx);
    skald_model_release(model);
    tiny_free(&recommending);
    model = old;
}

int main(void)
{
    tiny_make(&file, 77);
    model = tiny_load(&file, "n_threads=2");
    CHECK(model != NULL);
    if (!model)
        return test_end();
    check_texts();
    check_continuations();
    check_jumps();
    check_dead_end();
    check_trigger();
    check_other_triggers();
    /* The limit passes at another place each time. */
    for (int i = 0; i < 20; i++)
        check_time();
    check_probs();
    check_host_sampler();
    check_recommended();
    skald_model_release(model);
    tiny_free(&file);
    return test_end();
}
