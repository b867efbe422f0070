/* SPDX-License-Identifier: MIT */
/*
 * Two characters, one model: each has a LoRA adapter of its own, which changes how it speaks, and
 * the model's weights are held once. They talk at the same time: both contexts are stepped
 * together, in one batch.
 *
 *     voices MODEL.gguf FIRST.gguf SECOND.gguf
 */
#include <skald.h>
#include <stdio.h>

enum { N_VOICES = 2 };

typedef struct voice {
    skald_context *ctx;
    char text[1024];
    size_t n;
} voice;

/* A context that wears one adapter, which it keeps. */
static int32_t voice_new(voice *v, skald_model *model, const char *path)
{
    skald_options *options = NULL;
    skald_adapter *adapter = NULL;
    int32_t status = skald_options_new(&options);
    if (status == SKALD_OK)
        status = skald_options_parse(options, "n_ctx=256 n_predict=32 temperature=0.7 seed=1");
    if (status == SKALD_OK)
        status = skald_adapter_load(model, path, NULL, &adapter);
    if (status == SKALD_OK)
        status = skald_context_new(model, options, &v->ctx);
    if (status == SKALD_OK)
        status = skald_set_adapters(v->ctx, &adapter, NULL, 1);
    if (status == SKALD_OK)
        status = skald_append_text(v->ctx, "What do you make of the weather?", -1);
    skald_adapter_release(adapter);
    skald_options_free(options);
    return status;
}

static void voice_take(voice *v)
{
    const char *text;
    size_t n;
    if (skald_text(v->ctx, &text, &n) == SKALD_OK)
        v->n += (size_t)snprintf(v->text + v->n, sizeof v->text - v->n, "%.*s", (int)n, text);
    if (v->n >= sizeof v->text)
        v->n = sizeof v->text - 1;
}

static int32_t talk(voice *voices)
{
    skald_context *ctxs[N_VOICES] = {voices[0].ctx, voices[1].ctx};
    size_t who[N_VOICES] = {0, 1}, n = N_VOICES;
    while (n > 0) {
        int32_t status[N_VOICES], left = skald_step_many(ctxs, n, -1, status);
        if (left < 0)
            return left;
        for (size_t i = n; i-- > 0;) {
            if (status[i] >= 0)
                voice_take(&voices[who[i]]);
            if (status[i] == SKALD_TOKEN || status[i] == SKALD_PENDING)
                continue;
            if (status[i] < 0)
                return status[i];
            ctxs[i] = ctxs[--n];
            who[i] = who[n];
        }
    }
    return SKALD_OK;
}

int main(int argc, char **argv)
{
    skald_model *model = NULL;
    voice voices[N_VOICES] = {{NULL, "", 0}, {NULL, "", 0}};
    if (argc != 2 + N_VOICES)
        return fputs("usage: voices MODEL.gguf FIRST.gguf SECOND.gguf\n", stderr), 2;
    int32_t status = skald_model_load(argv[1], NULL, &model);
    for (int i = 0; i < N_VOICES && status == SKALD_OK; i++)
        status = voice_new(&voices[i], model, argv[2 + i]);
    if (status == SKALD_OK)
        status = talk(voices);
    if (status < 0)
        fprintf(stderr, "voices: %s\n", skald_error_message());
    for (int i = 0; i < N_VOICES; i++) {
        if (status == SKALD_OK)
            printf("%s:%s\n", argv[2 + i], voices[i].text);
        skald_context_free(voices[i].ctx);
    }
    skald_model_release(model);
    return status < 0;
}
