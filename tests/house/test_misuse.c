/* SPDX-License-Identifier: MIT */
/*
 * Callers' arguments are untrusted too: every function with NULL for each pointer, with sizes and
 * numbers out of range, before a model is loaded and after a context is done. What cannot be is
 * ARGUMENT (or STATE, OPTION, NOT_FOUND) with a sentence; nothing crashes.
 *
 *     test_misuse MODEL
 */
#include "life.h"

#include <math.h>

#define REFUSES(call) CHECKF((call) < 0, "%s", #call)
#define REFUSES_ARGUMENT(call) CHECK_INT(call, SKALD_E_ARGUMENT)

static void test_options(void)
{
    skald_options *o = (skald_options *)&o;
    int64_t i = 7;
    double f = 7;
    const char *s = "kept";
    REFUSES_ARGUMENT(skald_options_new(NULL));
    CHECK_INT(skald_options_new(&o), 0);
    REFUSES_ARGUMENT(skald_options_set_int(NULL, "n_ctx", 1));
    REFUSES(skald_options_set_int(o, NULL, 1));
    REFUSES(skald_options_set_int(o, "", 1));
    REFUSES(skald_options_set_int(o, "n_ctx", -1));
    REFUSES(skald_options_set_int(o, "n_ctx", INT64_MAX));
    REFUSES(skald_options_set_int(o, "stop", 1));
    REFUSES_ARGUMENT(skald_options_set_float(NULL, "temperature", 1));
    REFUSES(skald_options_set_float(o, "temperature", -1));
    REFUSES(skald_options_set_float(o, "temperature", (double)NAN));
    REFUSES(skald_options_set_float(o, "temperature", (double)INFINITY));
    REFUSES_ARGUMENT(skald_options_set_string(NULL, "stop", "x"));
    REFUSES(skald_options_set_string(o, "stop", NULL));
    REFUSES(skald_options_set_string(o, "n_ctx", "many"));
    REFUSES(skald_options_add_string(o, "cpu", NULL));
    REFUSES_ARGUMENT(skald_options_set_pointer(NULL, "memory", o));
    skald_allocator cut = {3, NULL, NULL, NULL};
    REFUSES(skald_options_set_pointer(o, "allocator", &cut));
    REFUSES_ARGUMENT(skald_options_parse(NULL, "n_ctx=1"));
    REFUSES(skald_options_parse(o, NULL));
    const char *bad[] = {"n_ctx",     "n_ctx=",          "=1",
                         "n_ctx = 1", "n_ctx=1x",        "stop='",
                         "stop=\"\\", "temperature=nan", "n_ctx=99999999999999999999",
                         "n_ctx=1 =", "stop='a'b"};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        CHECKF(skald_options_parse(o, bad[k]) < 0, "%s", bad[k]);
    REFUSES(skald_options_get_int(o, "nothing", &i));
    REFUSES(skald_options_get_int(o, "n_ctx", NULL));
    REFUSES(skald_options_get_float(NULL, "temperature", &f));
    REFUSES(skald_options_get_string(o, NULL, &s));
    CHECK(i == 0 || i == 7);
    CHECK(skald_options_describe(0, NULL, NULL, NULL, NULL) >= 0);
    CHECK_INT(skald_options_describe(-1, NULL, NULL, NULL, NULL), SKALD_E_NOT_FOUND);
    CHECK_INT(skald_options_describe(INT32_MAX, NULL, NULL, NULL, NULL), SKALD_E_NOT_FOUND);
    CHECK(skald_options_message(NULL) != NULL);
    skald_options_free(o);
    skald_options_free(NULL);
}

static void test_statics(void)
{
    CHECK_STR(skald_status_name(SKALD_E_MEMORY), "SKALD_E_MEMORY");
    CHECK_STR(skald_status_name(12345), "?");
    CHECK_STR(skald_status_name(INT32_MIN), "?");
    CHECK_INT(skald_version(), SKALD_VERSION);
    CHECK_INT(skald_abi_version(), SKALD_ABI_VERSION);
    CHECK_INT(skald_numeric_version(), SKALD_NUMERIC_VERSION);
}

/* Tables with holes in them are refused, at the latest by the call that would use them. */
static void test_tables(const char *path)
{
    skald_allocator allocator = {sizeof allocator, NULL, NULL, NULL};
    skald_executor executor = {sizeof executor, NULL, 0, NULL};
    skald_reader reader = {sizeof reader, NULL, 1 << 20, NULL};
    const struct {
        const char *key;
        const void *table;
    } cases[] = {{"allocator", &allocator}, {"executor", &executor}, {"reader", &reader}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        skald_options *o;
        skald_model *model = NULL;
        CHECK_INT(skald_options_new(&o), 0);
        int32_t status = skald_options_set_pointer(o, cases[i].key, cases[i].table);
        if (status >= 0)
            status = skald_model_load(strcmp(cases[i].key, "reader") ? path : NULL, o, &model);
        skald_context *ctx = NULL;
        if (status >= 0)
            status = skald_context_new(model, o, &ctx);
        CHECKF(status == SKALD_E_ARGUMENT, "%s: %d", cases[i].key, (int)status);
        skald_context_free(ctx);
        skald_model_release(model);
        skald_options_free(o);
    }
}

static void test_no_model(const char *path)
{
    skald_model *model = (skald_model *)&model;
    skald_context *ctx = (skald_context *)&ctx;
    const char *s;
    int64_t i;
    size_t n;
    int32_t id = 0;
    REFUSES_ARGUMENT(skald_model_load(path, NULL, NULL));
    REFUSES(skald_model_load(NULL, NULL, &model));
    CHECK(model == NULL);
    REFUSES_ARGUMENT(skald_model_open(path, NULL, NULL));
    REFUSES_ARGUMENT(skald_model_step(NULL, -1));
    skald_model_cancel(NULL);
    skald_model_retain(NULL);
    skald_model_release(NULL);
    CHECK(skald_model_message(NULL) != NULL);
    REFUSES_ARGUMENT(skald_model_get_int(NULL, "n_layer", &i));
    REFUSES_ARGUMENT(skald_model_get_string(NULL, "name", &s));
    REFUSES_ARGUMENT(skald_model_metadata(NULL, 0, &s, &s));
    REFUSES_ARGUMENT(skald_tokenize(NULL, "a", -1, 0, &id, 1, &n));
    REFUSES_ARGUMENT(skald_set_chat(NULL, "[]", 2));
    REFUSES_ARGUMENT(skald_event(NULL, &s, &n));
    REFUSES_ARGUMENT(skald_detokenize(NULL, &id, 1, 0, NULL, 0, &n));
    REFUSES_ARGUMENT(skald_token_bytes(NULL, 0, &s, &n));
    REFUSES_ARGUMENT(skald_context_new(NULL, NULL, &ctx));
    CHECK(ctx == NULL);
    REFUSES_ARGUMENT(skald_append_text(NULL, "a", -1));
    REFUSES_ARGUMENT(skald_append_tokens(NULL, &id, 1));
    REFUSES_ARGUMENT(skald_step(NULL, -1));
    REFUSES_ARGUMENT(skald_generate(NULL, NULL, NULL));
    REFUSES_ARGUMENT(skald_text(NULL, &s, &n));
    REFUSES_ARGUMENT(skald_truncate(NULL, 0));
    REFUSES_ARGUMENT(skald_context_set_int(NULL, "seed", 1));
    REFUSES_ARGUMENT(skald_context_get_int(NULL, "n_ctx", &i));
    skald_cancel(NULL);
    skald_context_free(NULL);
    CHECK(skald_context_message(NULL) != NULL);
}

/* A handle that is still loading does what it may, and refuses the rest. */
static void test_loading(const char *path)
{
    skald_model *model;
    skald_context *ctx;
    const char *s;
    int64_t i;
    int32_t id;
    size_t n;
    double progress = -1;
    if (skald_model_open(path, NULL, &model) < 0)
        return CHECK(false);
    CHECK_INT(skald_model_get_float(model, "progress", &progress), 0);
    CHECK(progress >= 0 && progress < 1);
    CHECK_INT(skald_model_get_int(model, "n_layer", &i), SKALD_E_STATE);
    CHECK_INT(skald_model_metadata(model, 0, &s, &s), SKALD_E_STATE);
    CHECK_INT(skald_context_new(model, NULL, &ctx), SKALD_E_STATE);
    REFUSES(skald_tokenize(model, "a", -1, 0, &id, 1, &n));
    REFUSES(skald_token_bytes(model, 0, &s, &n));
    CHECK_INT(skald_model_step(model, -1), SKALD_DONE);
    CHECK_INT(skald_model_step(model, -1), SKALD_DONE);
    skald_model_release(model);
}

static void test_model(skald_model *model)
{
    const char *s = NULL, *t = NULL;
    char buffer[8];
    int64_t i = 7, shape[4];
    double f = 7;
    size_t n = 7;
    int32_t ids[2] = {0, 1 << 30}, flags;
    CHECK_INT(skald_model_get_int(model, "n_layers", &i), SKALD_E_NOT_FOUND);
    CHECK(strstr(skald_error_message(), "n_layer") != NULL);
    REFUSES(skald_model_get_int(model, NULL, &i));
    REFUSES(skald_model_get_int(model, "n_layer", NULL));
    REFUSES(skald_model_get_int(model, "name", &i));
    REFUSES(skald_model_get_float(model, "name", &f));
    REFUSES(skald_model_get_string(model, "n_layer", &s));
    CHECK_INT(skald_model_metadata(model, -1, &s, &t), SKALD_E_NOT_FOUND);
    CHECK_INT(skald_model_metadata(model, INT64_MAX, &s, &t), SKALD_E_NOT_FOUND);
    CHECK_INT(skald_model_metadata_int(model, "nothing", &i), SKALD_E_NOT_FOUND);
    CHECK_INT(skald_model_metadata_int(model, "general.name", &i), SKALD_E_ARGUMENT);
    REFUSES(skald_model_metadata_string(model, "general.name", NULL, &n));
    REFUSES(skald_model_metadata_text(model, NULL, buffer, sizeof buffer, &n));
    REFUSES(skald_model_metadata_text(model, "general.name", NULL, 5, &n));
    CHECK_INT(skald_model_tensor(model, -1, &s, &t, shape, &i), SKALD_E_NOT_FOUND);
    CHECK(skald_model_tensor(model, 0, NULL, NULL, NULL, NULL) >= 0);
    REFUSES(skald_tokenize(model, NULL, 3, 0, ids, 2, &n));
    REFUSES(skald_tokenize(model, "abc", -2, 0, ids, 2, &n));
    REFUSES(skald_tokenize(model, "abc", 3, 0, NULL, 2, &n));
    REFUSES(skald_tokenize(model, "abc", 3, 1 << 20, ids, 2, &n));
    CHECK_INT(skald_tokenize(model, "abc abc", -1, 0, NULL, 0, &n), SKALD_E_BUFFER);
    CHECK(n > 2);
    CHECK_INT(skald_detokenize(model, ids, 2, 0, buffer, 8, &n), SKALD_E_ARGUMENT);
    REFUSES(skald_chat_text(model, NULL, NULL, 0, buffer, 8, &n));
    REFUSES(skald_chat_text(model, NULL, "[]", 2, NULL, 8, &n));
    CHECK_INT(skald_chat_text(model, NULL, "[]", 2, buffer, 8, NULL), SKALD_E_BUFFER);
    REFUSES(skald_detokenize(model, NULL, 2, 0, buffer, 8, &n));
    REFUSES(skald_detokenize(model, ids, SIZE_MAX / 2, 0, NULL, 0, NULL));
    CHECK_INT(skald_token_bytes(model, -1, &s, &n), SKALD_E_ARGUMENT);
    CHECK_INT(skald_token_bytes(model, INT32_MAX, &s, &n), SKALD_E_ARGUMENT);
    REFUSES(skald_token_bytes(model, 0, NULL, &n));
    CHECK_INT(skald_token_flags(model, INT32_MIN, &flags), SKALD_E_ARGUMENT);
}

static void test_context(skald_model *model)
{
    skald_options *o = NULL;
    skald_context *ctx = NULL, *pair[2];
    const char *s;
    const int32_t *ids;
    const float *logits;
    int32_t bad[2] = {0, -5}, status[2];
    int64_t i;
    size_t n;
    REFUSES_ARGUMENT(skald_context_new(model, NULL, NULL));
    CHECK_INT(life_options(&o, "n_ctx=16 n_predict=2 temperature=0 ignore_eos=1", NULL), 0);
    CHECK_INT(skald_context_new(model, o, &ctx), 0);
    skald_options_free(o);
    CHECK_INT(skald_step(ctx, -1), SKALD_E_STATE);
    CHECK_INT(skald_token(ctx, bad), SKALD_E_NOT_FOUND);
    bad[0] = 0;
    CHECK_INT(skald_logits(ctx, -1, &logits, &n), SKALD_E_NOT_FOUND);
    REFUSES(skald_append_text(ctx, NULL, 1));
    REFUSES(skald_append_text(ctx, "a", -2));
    REFUSES(skald_append_tokens(ctx, NULL, 1));
    CHECK_INT(skald_append_tokens(ctx, bad, 2), SKALD_E_ARGUMENT);
    REFUSES(skald_append_tokens(ctx, bad, SIZE_MAX / 2));
    CHECK_INT(skald_append_text(ctx, "this is more than sixteen tokens, surely", -1),
              SKALD_E_CONTEXT_FULL);
    CHECK_INT(skald_tokens(ctx, &ids, &n), 0);
    CHECK_INT(n, 0);
    REFUSES(skald_set_chat(ctx, NULL, 0));
    REFUSES(skald_set_chat(ctx, NULL, -1));
    REFUSES(skald_set_chat(ctx, "[]", -2));
    CHECK_INT(skald_set_chat(ctx, "no JSON", -1), SKALD_E_ARGUMENT);
    CHECK_INT(skald_set_chat(ctx, "[{\"role\":\"user\",\"content\":\"abc\"}]", -1),
              SKALD_E_CONTEXT_FULL);
    CHECK_INT(skald_event(ctx, &s, &n), 0);
    REFUSES(skald_event(ctx, NULL, &n));
    CHECK_INT(skald_append_text(ctx, "abc", 3), 0);
    CHECK_INT(skald_truncate(ctx, -1), SKALD_E_ARGUMENT);
    CHECK_INT(skald_truncate(ctx, INT64_MAX), SKALD_E_ARGUMENT);
    pair[0] = pair[1] = ctx;
    CHECK_INT(skald_step_many(NULL, 1, -1, status), SKALD_E_ARGUMENT);
    CHECK_INT(skald_step_many(pair, 1, -1, NULL), SKALD_E_ARGUMENT);
    CHECK_INT(skald_step_many(pair, 2, -1, status), SKALD_E_ARGUMENT);
    pair[1] = NULL;
    CHECK_INT(skald_step_many(pair, 2, -1, status), SKALD_E_ARGUMENT);
    CHECK_INT(skald_step_many(NULL, 0, -1, NULL), 0);
    CHECK_INT(skald_step(ctx, INT64_MIN), SKALD_TOKEN);
    CHECK_INT(skald_step(ctx, INT64_MAX), SKALD_TOKEN);
    REFUSES(skald_text(ctx, NULL, &n));
    REFUSES(skald_text(ctx, &s, NULL));
    REFUSES(skald_logits(ctx, -2, &logits, &n));
    REFUSES(skald_logits(ctx, 1000, &logits, &n));
    REFUSES(skald_logits(ctx, -1, NULL, &n));
    CHECK_INT(skald_context_set_int(ctx, "n_ctx", 5), SKALD_E_OPTION);
    CHECK_INT(skald_context_set_int(ctx, "sede", 5), SKALD_E_OPTION);
    CHECK(strstr(skald_context_message(ctx), "seed") != NULL);
    REFUSES(skald_context_set_float(ctx, "temperature", (double)NAN));
    REFUSES(skald_context_set_string(ctx, "logit_bias", "1:"));
    REFUSES(skald_context_set_string(ctx, "stop", NULL));
    REFUSES(skald_context_get_int(ctx, "nothing", &i));
    REFUSES(skald_context_get_int(ctx, "n_ctx", NULL));
    CHECK_INT(skald_step(ctx, -1), SKALD_DONE);
    CHECK_INT(skald_step(ctx, -1), SKALD_DONE);
    skald_context_free(ctx);
}

int main(int argc, char **argv)
{
    skald_model *model = NULL;
    if (argc != 2)
        return fprintf(stderr, "usage: test_misuse MODEL\n"), 2;
    test_statics();
    test_options();
    test_tables(argv[1]);
    test_no_model(argv[1]);
    test_loading(argv[1]);
    CHECKF(skald_model_load(argv[1], NULL, &model) == 0, "%s", skald_error_message());
    if (model) {
        test_model(model);
        test_context(model);
    }
    skald_model_release(model);
    return test_end();
}
