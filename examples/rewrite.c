/* SPDX-License-Identifier: MIT */
/*
 * An editor's "fix the spelling of this": an answer that repeats most of its prompt. Its tokens are
 * guessed from the prompt, or by a small model of the same vocabulary, and verified several at a
 * time. The answer is the one that it would be without; only the clock can tell.
 *
 *     rewrite MODEL.gguf TEXT [SMALL.gguf]
 */
#include <skald.h>
#include <stdio.h>

static int complain(const char *sentence)
{
    fprintf(stderr, "rewrite: %s\n", sentence);
    return 1;
}

/* A context that guesses; the small model may be released when it is made. */
static int32_t new_context(skald_model *model, skald_model *small, skald_context **ctx)
{
    skald_options *options;
    int32_t status = skald_options_new(&options);
    if (status < 0)
        return status;
    skald_options_parse(options, "n_ctx=1024 n_predict=96 temperature=0 draft=lookup");
    if (small) {
        skald_options_set_string(options, "draft", "model");
        skald_options_set_pointer(options, "draft_model", small);
    }
    status = skald_context_new(model, options, ctx);
    skald_options_free(options);
    return status;
}

static int32_t write_piece(void *user, const char *text, size_t n)
{
    return fwrite(text, 1, n, user) < n;
}

static int rewrite(skald_model *model, skald_model *small, const char *text)
{
    skald_context *ctx;
    int64_t n = 0, drafted = 0, accepted = 0, us = 0;
    if (new_context(model, small, &ctx) < 0)
        return complain(skald_error_message());
    char prompt[2048];
    snprintf(prompt, sizeof prompt,
             "Repeat this with its spelling corrected: %s\nCorrected:", text);
    int32_t status = skald_append_text(ctx, prompt, -1);
    if (status >= 0)
        status = skald_generate(ctx, write_piece, stdout);
    if (status < 0)
        complain(skald_context_message(ctx));
    skald_context_get_int(ctx, "n_generated", &n);
    skald_context_get_int(ctx, "n_drafted", &drafted);
    skald_context_get_int(ctx, "n_accepted", &accepted);
    skald_context_get_int(ctx, "decode_us", &us);
    fprintf(stderr, "%d tokens in %.1f ms, %d of %d guesses came true\n", (int)n, (double)us / 1000,
            (int)accepted, (int)drafted);
    skald_context_free(ctx);
    return status < 0;
}

int main(int argc, char **argv)
{
    skald_model *model, *small = NULL;
    if (argc < 3)
        return complain("give a model and a text");
    if (skald_model_load(argv[1], NULL, &model) < 0)
        return complain(skald_error_message());
    if (argc > 3 && skald_model_load(argv[3], NULL, &small) < 0)
        return complain(skald_error_message());
    int code = rewrite(model, small, argv[2]);
    skald_model_release(small);
    skald_model_release(model);
    return code;
}
