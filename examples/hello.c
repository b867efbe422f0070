/* SPDX-License-Identifier: MIT */
/* The smallest host: continues a text. cc hello.c -lskald; needs model.gguf beside it. */
#include <skald.h>
#include <stdio.h>

int main(void)
{
    skald_model *model;
    skald_context *ctx;
    const char *text;
    size_t n;

    if (skald_model_load("model.gguf", NULL, &model) < 0)
        return puts(skald_error_message());
    if (skald_context_new(model, NULL, &ctx) < 0)
        return puts(skald_error_message());
    skald_append_text(ctx, "Once upon a time", -1);
    while (skald_step(ctx, -1) == SKALD_TOKEN) {
        skald_text(ctx, &text, &n);
        fwrite(text, 1, n, stdout);
    }
    skald_context_free(ctx);
    skald_model_release(model);
    return 0;
}
