/* SPDX-License-Identifier: MIT */
/*
 * Banned texts against a plain search that knows no rewinding: every token is chosen by a context
 * that is given all before it, with a logit_bias that forbids what was tried there. That stop
 * strings, slices, saving, forking and grammars go together with it.
 */
#include "session_test.h"

enum { N_TEXT = 40, MAX_TRIED = 400, MAX_BANNED = 3 };

static const char options[] = "n_predict=40 temperature=0.9 seed=11 ignore_eos=1 n_ctx=300";

typedef struct banned_list {
    char text[MAX_BANNED][8];
    int n;
} banned_list;

static void ban(skald_context *ctx, const banned_list *banned)
{
    for (int i = 0; i < banned->n; i++)
        CHECK_INT(skald_context_add_string(ctx, "banned", banned->text[i]), 0);
}

static int n_vetoes;

/* ---- The plain search ----------------------------------------------------------------------- */

typedef struct plain_text {
    int32_t ids[512]; /* the prompt, then what is written */
    int n_prompt, n;
    char bytes[8192];
    size_t at[513]; /* where each token written begins, and the end */
    int32_t tried[N_TEXT][MAX_TRIED];
    int n_tried[N_TEXT];
} plain_text;

static void plain_choose(plain_text *p, skald_context *one)
{
    static char bias[MAX_TRIED * 16];
    size_t n_bias = 0, n;
    const char *bytes;
    int i = p->n;
    bias[0] = 0;
    for (int k = 0; k < p->n_tried[i]; k++)
        n_bias += (size_t)sprintf(bias + n_bias, "%s%d:-inf", k ? "," : "", p->tried[i][k]);
    CHECK_INT(skald_context_set_string(one, "logit_bias", bias), 0);
    CHECK_INT(skald_set_tokens(one, p->ids, (size_t)(p->n_prompt + i)), 0);
    CHECK_INT(skald_step(one, -1), SKALD_TOKEN);
    CHECK_INT(skald_token(one, &p->ids[p->n_prompt + i]), 0);
    CHECK_INT(skald_bytes(one, &bytes, &n), 0);
    memcpy(p->bytes + p->at[i], bytes, n);
    p->at[i + 1] = p->at[i] + n;
    p->n++;
    if (p->n < N_TEXT)
        p->n_tried[p->n] = 0;
}

/* The token in which the banned text begins that is the first to be complete; -1: none is. */
static int plain_find(const plain_text *p, const banned_list *banned)
{
    size_t best_end = SIZE_MAX, best = 0;
    for (int b = 0; b < banned->n; b++) {
        size_t length = strlen(banned->text[b]);
        const char *found = memmem(p->bytes, p->at[p->n], banned->text[b], length);
        size_t start = found ? (size_t)(found - p->bytes) : 0;
        if (found && (start + length < best_end || (start + length == best_end && start < best)))
            best_end = start + length, best = start;
    }
    for (int i = p->n; best_end != SIZE_MAX && i-- > 0;)
        if (p->at[i] <= best)
            return i;
    return -1;
}

static void plain_search(plain_text *p, const banned_list *banned)
{
    skald_context *one = new_context("n_predict=1 temperature=0.9 seed=11 ignore_eos=1 n_ctx=300");
    const int32_t *ids;
    size_t n;
    CHECK_INT(skald_set_text(one, prompt, -1), 0);
    CHECK_INT(skald_tokens(one, &ids, &n), 0);
    memcpy(p->ids, ids, n * sizeof *ids);
    p->n_prompt = (int)n;
    p->n = p->n_tried[0] = 0;
    p->at[0] = 0;
    while (p->n < N_TEXT) {
        plain_choose(p, one);
        int i = plain_find(p, banned);
        if (i < 0)
            continue;
        n_vetoes++;
        p->tried[i][p->n_tried[i]++] = p->ids[p->n_prompt + i];
        p->n = i;
    }
    skald_context_free(one);
}

/* ---- Comparing ------------------------------------------------------------------------------ */

static void compare(skald_context *ctx, const char *text, size_t n, const plain_text *p,
                    const char *what)
{
    const int32_t *ids;
    size_t n_ids;
    CHECK_INT(skald_tokens(ctx, &ids, &n_ids), 0);
    CHECKF((int)n_ids == p->n_prompt + p->n && memcmp(ids, p->ids, n_ids * sizeof *ids) == 0,
           "%s: other tokens than by the plain search", what);
    CHECKF(n == p->at[p->n] && memcmp(text, p->bytes, n) == 0, "%s: \"%.*s\", wanted \"%.*s\"",
           what, (int)n, text, (int)p->at[p->n], p->bytes);
    CHECK_STR(reason(ctx), "length");
}

/* Steps to the end; `text` is what was shown. With `moves`, the state is saved and loaded, or the
 * context forked, now and then. */
static skald_context *run_through(skald_context *ctx, int64_t budget, bool moves, char *text,
                                  size_t *n_text)
{
    static uint8_t saved[1 << 20];
    size_t n, needed;
    const char *piece;
    int32_t status;
    *n_text = 0;
    for (int i = 0; (status = skald_step(ctx, budget)) != SKALD_DONE && status >= 0; i++) {
        if (status == SKALD_TOKEN && skald_text(ctx, &piece, &n) == 0) {
            memcpy(text + *n_text, piece, n);
            *n_text += n;
        }
        if (!moves || i % 3 || status != SKALD_TOKEN)
            continue;
        skald_context *other = NULL;
        CHECK_INT(skald_state_save(ctx, saved, sizeof saved, &needed), 0);
        if (i % 2)
            CHECK_INT(skald_context_fork(ctx, &other), 0);
        else
            other = new_context("n_ctx=300");
        if (i % 2 == 0)
            CHECKF(skald_state_load(other, saved, needed) == 0, "%s", skald_error_message());
        skald_context_free(ctx);
        ctx = other;
    }
    CHECKF(status == SKALD_DONE, "%d %s", status, skald_error_message());
    return ctx;
}

static void check_search(uint64_t *random, const record *whole, int round)
{
    static plain_text p;
    static char text[16384];
    size_t n;
    banned_list banned = {.n = 1 + (int)(test_random(random) % MAX_BANNED)};
    for (int i = 0; i < banned.n; i++) {
        size_t length = 1 + test_random(random) % 5;
        size_t at = test_random(random) % (whole->n_text - length);
        memcpy(banned.text[i], whole->text + at, length);
        banned.text[i][length] = 0;
        if (strlen(banned.text[i]) < length)
            i--; /* a NUL */
    }
    plain_search(&p, &banned);
    skald_context *ctx = new_context(options);
    ban(ctx, &banned);
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    ctx = run_through(ctx, round % 3 == 1 ? 30 : -1, round % 2, text, &n);
    if (round % 2 == 0)
        CHECK_INT(figure(ctx, "n_generated"), N_TEXT);
    compare(ctx, text, n, &p, round % 2 ? "saved and forked" : "in one go");
    skald_context_free(ctx);
}

/* With a stop string: what is before it, if it is met. */
static void check_stop(const record *whole)
{
    char text[16384], stop[4] = {0};
    size_t n;
    banned_list banned = {.n = 1};
    memcpy(banned.text[0], whole->text + 3, 3);
    skald_context *ctx = new_context(options);
    ban(ctx, &banned);
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    ctx = run_through(ctx, -1, false, text, &n);
    CHECK(n > 20 && !memmem(text, n, banned.text[0], 3));
    skald_context_free(ctx);
    for (size_t at = 4; at + 4 < n; at += 3) {
        char before[16384];
        size_t n_before;
        memcpy(stop, text + at, 3);
        if (strlen(stop) < 3 || strcmp(stop, banned.text[0]) == 0)
            continue;
        ctx = new_context(options);
        ban(ctx, &banned);
        CHECK_INT(skald_context_set_string(ctx, "stop", stop), 0);
        CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
        ctx = run_through(ctx, -1, false, before, &n_before);
        CHECK_INT(n_before, (const char *)memmem(text, n, stop, 3) - text);
        CHECK(memcmp(before, text, n_before) == 0);
        CHECK_STR(reason(ctx), "stop");
        skald_context_free(ctx);
    }
}

/* What a grammar alone wants passes, and does so soon; what it leaves free does not. */
static void check_grammar(void)
{
    static const struct {
        const char *regex, *banned, *wanted;
    } rows[] = {{"abcabc", "bca", "abcabc"},
                                {"[ab]{3}", "a", "bbb"},
                {"[ab]{3}", "b", "aaa"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[16384];
        size_t n;
        skald_context *ctx = new_context(options);
        CHECK_INT(skald_context_set_string(ctx, "regex", rows[i].regex), 0);
        CHECK_INT(skald_context_set_string(ctx, "banned", rows[i].banned), 0);
        CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
        ctx = run_through(ctx, -1, false, text, &n);
        CHECKF(n == strlen(rows[i].wanted) && memcmp(text, rows[i].wanted, n) == 0, "%s: %.*s",
               rows[i].regex, (int)n, text);
        skald_context_free(ctx);
    }
}

int main(void)
{
    uint64_t random = 5;
    for (int recurrent = 0; recurrent < 2; recurrent++) {
        open_model(3, recurrent);
        record whole = reference(options);
        CHECK(whole.n_text > 20);
        for (int round = 0; round < 16; round++)
            check_search(&random, &whole, round);
        check_stop(&whole);
        check_grammar();
        close_model();
    }
    CHECK(n_vetoes > 30);
    return test_end();
}
