/* SPDX-License-Identifier: MIT */
/*
 * Models with adapters against the logits of the field's reference engine: two LoRA files, one of
 * them for every matrix and one for some, and a control vector for some layers, all at once. A
 * model is a header of the golden set, its weights and the adapters' being functions of names and
 * seeds.
 *
 *     test_adapter_golden write FOLDER     writes the files that the reference was given
 *
 * Where the output is the embedding, the reference cannot add to the latter; to latent attention it
 * adds nothing.
 */
#include "adapters.h"

typedef struct golden_adapted {
    const char *name;
    double tolerance;    /* normalised mean squared error */
    const char *without; /* what the reference does not apply */
} golden_adapted;

static const golden_adapted cases[] = {
    {"llama-dense", 1e-11, NULL},
    {"llama-moe", 1e-11, NULL},
    {"llama-tied", 1e-11, "token_embd.weight"},
    {"qwen2-fusedqkv", 1e-11, NULL},
    {"gpt-oss-moe", 1e-11, NULL},
    {"phi3-dense", 1e-11, NULL},
    {"falcon-h1-dense", 1e-11, NULL},
    {"lfm2-dense", 1e-11, NULL},
    {"qwen35moe-moe", 1e-11, NULL},
    {"rwkv7", 1e-11, NULL},
    {"qwen3-odd5", 1e-11, NULL},
    {"gemma4-dense", 1e-6, NULL},
    {"gemma3n-dense", 1e-3, NULL},
};

enum { FIRST, SECOND, CONTROL, N_MADE };
static const double scales[N_MADE] = {0.5, -0.25, 0.5};

static made_adapter *make(const golden_adapted *g, int which, const void *data, size_t size)
{
    adapter_recipe recipes[N_MADE] = {
        {.rank = 8, .seed = 21, .alpha = 4, .dtype = SK_F32, .every = 1},
        {.rank = 20, .seed = 22, .dtype = SK_F32, .every = 3},
        {.control = true, .seed = 23},
    };
    recipes[which].without = g->without;
    return adapter_make(data, size, &recipes[which]);
}

static void write_file(const char *folder, const char *name, int which, const void *data,
                       size_t size)
{
    static const char *const kinds[] = {"model", "first", "second", "control"};
    char path[512];
    snprintf(path, sizeof path, "%s/%s.%s.gguf", folder, name, kinds[which]);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0)
        exit(1);
}

static void write_case(const char *folder, const golden_adapted *g, const void *data, size_t size)
{
    write_file(folder, g->name, 0, data, size);
    for (int i = 0; i < N_MADE; i++) {
        made_adapter *made = make(g, i, data, size);
        write_file(folder, g->name, 1 + i, made->data, made->size);
        adapter_unmake(made);
    }
}

/* The logits of all tokens: the prefill in one batch, then one at a time. */
static float *run_golden(skald_context *ctx, const golden_logits *g)
{
    int n = g->n_prefill + g->n_decode;
    float *all = calloc((size_t)(n * g->n_vocab), sizeof *all);
    for (int at = 0; at < n;) {
        int count = at == 0 ? g->n_prefill : 1;
        CHECK_INT(skald_append_tokens(ctx, g->tokens + at, (size_t)count), 0);
        CHECKF(skald_step(ctx, -1) == SKALD_DONE, "%s", skald_context_message(ctx));
        for (int end = at + count; at < end; at++) {
            const float *logits;
            size_t n_logits = 0;
            CHECK_INT(skald_logits(ctx, at, &logits, &n_logits), 0);
            if (n_logits == (size_t)g->n_vocab)
                memcpy(all + at * g->n_vocab, logits, n_logits * sizeof *all);
        }
    }
    return all;
}

static void check_adapted(const golden_adapted *g, skald_model *model, const void *data,
                          size_t size)
{
    char path[256];
    skald_adapter *adapters[N_MADE];
    skald_context *ctx = NULL;
    skald_options *o = NULL;
    skald_options_new(&o);
    skald_options_parse(o, "n_ctx=256 n_batch=64 cache_type_k=f32 cache_type_v=f32 logits_all=1 "
                           "n_predict=0 add_bos=0");
    CHECKF(skald_context_new(model, o, &ctx) == 0, "%s", skald_error_message());
    for (int i = 0; i < N_MADE; i++) {
        made_adapter *made = make(g, i, data, size);
        adapters[i] = adapter_load(model, made, i == CONTROL ? "layer_first=1 layer_last=2" : "");
        adapter_unmake(made);
    }
    CHECKF(skald_set_adapters(ctx, adapters, scales, N_MADE) == 0, "%s",
           skald_context_message(ctx));
    for (int i = 0; i < N_MADE; i++)
        skald_adapter_release(adapters[i]);
    snprintf(path, sizeof path, "session/golden/%s.adapted.logits", g->name);
    golden_logits wanted = golden_read(test_data(path));
    float *logits = run_golden(ctx, &wanted);
    size_t n = (size_t)(wanted.n_prefill + wanted.n_decode) * (size_t)wanted.n_vocab;
    double error = golden_error(wanted.logits, logits, n);
    printf("%-24s %.3g\n", g->name, error);
    CHECKF(error <= g->tolerance, "%s: error %.3g, allowed %.3g", g->name, error, g->tolerance);
    free(logits);
    free(wanted.file);
    skald_context_free(ctx);
    skald_options_free(o);
}

static void check_case(const golden_adapted *g, const void *data, size_t size)
{
    skald_model *model = NULL;
    skald_options *o = adapter_options(data, size, "n_threads=2");
    CHECKF(skald_model_load(NULL, o, &model) == 0, "%s", skald_error_message());
    skald_options_free(o);
    if (model)
        check_adapted(g, model, data, size);
    skald_model_release(model);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[256];
        size_t size;
        snprintf(path, sizeof path, "model/golden/%s.head.gguf", cases[i].name);
        uint8_t *data = golden_expand(test_data(path), 11, &size);
        if (argc > 2)
            write_case(argv[2], &cases[i], data, size);
        else
            check_case(&cases[i], data, size);
        free(data);
    }
    return argc > 2 ? 0 : test_end();
}
