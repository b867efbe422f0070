/* SPDX-License-Identifier: MIT */
/*
 * Filling in the middle: what the prompt is, in either order; what is left out of texts that do not
 * fit, and that typing on leaves the evaluated beginning alone; the ring of snippets.
 */
#include "session_test.h"

enum { PRE = 10, SUF = 11, MID = 12, SEP = 13 };

static void put_marks(sk_gguf_writer *w)
{
    sk_gguf_put_int(w, "tokenizer.ggml.fim_pre_token_id", SK_GGUF_U32, PRE);
    sk_gguf_put_int(w, "tokenizer.ggml.fim_suf_token_id", SK_GGUF_U32, SUF);
    sk_gguf_put_int(w, "tokenizer.ggml.fim_mid_token_id", SK_GGUF_U32, MID);
    sk_gguf_put_int(w, "tokenizer.ggml.fim_sep_token_id", SK_GGUF_U32, SEP);
}

static int32_t expected[600];
static size_t n_expected;

static void expect_id(int32_t id)
{
    expected[n_expected++] = id;
}

static void expect_text(const char *text)
{
    size_t n = 0;
    CHECK_INT(skald_tokenize(model, text, -1, 0, expected + n_expected, 600 - n_expected, &n), 0);
    n_expected += n;
}

static void check_expected(const skald_context *ctx, const char *what)
{
    const int32_t *ids;
    size_t n;
    CHECK_INT(skald_tokens(ctx, &ids, &n), 0);
    CHECKF(n == n_expected && memcmp(ids, expected, n * sizeof *ids) == 0,
           "%s: %d tokens, wanted %d", what, (int)n, (int)n_expected);
    n_expected = 0;
}

static void check_orders(void)
{
    skald_context *ctx = new_context("n_ctx=256 n_predict=6 ignore_eos=1"), *fork = NULL;
    skald_context *spm = new_context("n_ctx=256 n_predict=6 infill_order=spm");
    CHECK_INT(skald_set_infill(ctx, "the abc ", -1, " so on", -1), 0);
    expect_id(1);
    expect_id(PRE);
    expect_text("the abc ");
    expect_id(SUF);
    expect_text(" so on");
    expect_id(MID);
    check_expected(ctx, "psm");
    CHECK_INT(skald_set_infill(spm, "the abc ", -1, "", -1), 0);
    expect_id(1);
    expect_id(SUF);
    expect_id(PRE);
    expect_text("the abc ");
    expect_id(MID);
    check_expected(spm, "spm");
    CHECK_INT(skald_add_snippet(ctx, "a.c", "the a", 5), 0);
    CHECK_INT(skald_add_snippet(ctx, "b.c", "so on", -1), 0);
    CHECK_INT(skald_add_snippet(ctx, "a.c", "the a", 5), 0); /* known */
    CHECK_INT(skald_context_fork(ctx, &fork), 0);
    CHECK_INT(skald_add_snippet(ctx, "d.c", "", 0), 0);
    CHECK_INT(skald_set_infill(fork, "", 0, "a", -1), 0);
    expect_id(1);
    expect_id(SEP);
    expect_text("a.c\nthe a\n");
    expect_id(SEP);
    expect_text("b.c\nso on\n");
    expect_id(PRE);
    expect_id(SUF);
    expect_text("a");
    expect_id(MID);
    check_expected(fork, "snippets");
    for (int i = 0; i < 6; i++)
        CHECK_INT(skald_step(fork, -1), SKALD_TOKEN);
    CHECK_INT(skald_step(fork, -1), SKALD_DONE);
    skald_context_free(ctx);
    skald_context_free(fork);
    skald_context_free(spm);
}

/* A text grows at its end, key by key, beyond what fits: most keys cost a token or two. */
static void check_typing(void)
{
    char text[1200];
    skald_context *ctx = new_context("n_ctx=200 n_predict=2 ignore_eos=1 infill_order=spm");
    int64_t n_evaluated = 0;
    int n_whole = 0;
    for (int i = 0; i < 1199; i++)
        text[i] = "abcthesonx"[i * 7 % 10];
    for (int n = 300; n < 1100; n += 4) {
        int64_t before = figure(ctx, "n_prompt"), n_tokens;
        CHECK_INT(skald_set_infill(ctx, text, n, "the end of it is not so far", -1), 0);
        n_tokens = figure(ctx, "n_tokens");
        CHECKF(n_tokens > 60 && n_tokens <= 198, "%d tokens", (int)n_tokens);
        CHECK_INT(skald_step(ctx, -1), SKALD_TOKEN);
        n_evaluated = figure(ctx, "n_prompt") - before;
        n_whole += n_evaluated > 20;
    }
    CHECKF(n_whole < 40, "%d of 200 were evaluated anew", n_whole);
    skald_context_free(ctx);
}

static void check_ring(void)
{
    skald_context *ctx = new_context("n_ctx=400 infill_extra=60 n_predict=0");
    for (int i = 0; i < 9; i++) {
        char name[20];
        snprintf(name, sizeof name, "file %d", i);
        CHECK_INT(skald_add_snippet(ctx, name, "the abc so", -1), 0);
    }
    CHECK_INT(skald_set_infill(ctx, "", 0, "", 0), 0);
    int64_t n = figure(ctx, "n_tokens");
    CHECKF(n > 34 && n <= 64, "%d tokens", (int)n);
    const int32_t *ids;
    size_t size, text_size = 0;
    char text[400] = "";
    CHECK_INT(skald_tokens(ctx, &ids, &size), 0);
    CHECK_INT(skald_detokenize(model, ids, size, 0, text, sizeof text, &text_size), 0);
    CHECKF(strstr(text, "file 8") && !strstr(text, "file 0"), "%s", text);
    char longer[400];
    memset(longer, 'x', sizeof longer);
    CHECK_INT(skald_add_snippet(ctx, "long", longer, sizeof longer), SKALD_E_CONTEXT_FULL);
    CHECK_INT(skald_set_infill(ctx, "", 0, "", 0), 0);
    CHECK_INT(figure(ctx, "n_tokens"), n);
    CHECK_INT(skald_add_snippet(ctx, NULL, "a", 1), SKALD_E_ARGUMENT);
    CHECK_INT(skald_set_infill(ctx, NULL, 1, "", 0), SKALD_E_ARGUMENT);
    CHECK_INT(skald_set_infill(ctx, longer, sizeof longer, longer, sizeof longer), 0);
    CHECK_INT(skald_step(ctx, -1), SKALD_DONE);
    skald_context_free(ctx);
    ctx = new_context("n_ctx=7");
    CHECK_INT(skald_set_infill(ctx, "a", 1, "b", 1), SKALD_E_CONTEXT_FULL);
    skald_context_free(ctx);
}

int main(void)
{
    tiny_make_with(&file, 3, false, put_marks);
    model = tiny_load(&file, "n_threads=2");
    CHECK(model != NULL);
    if (!model)
        return test_end();
    check_orders();
    check_typing();
    check_ring();
    close_model();
    open_model(3, false);
    skald_context *ctx = new_context("n_ctx=64");
    CHECK_INT(skald_set_infill(ctx, "a", 1, "b", 1), SKALD_E_TOKENIZER);
    CHECK_INT(skald_add_snippet(ctx, "a", "b", 1), SKALD_E_TOKENIZER);
    skald_context_free(ctx);
    close_model();
    return test_end();
}
