/* SPDX-License-Identifier: MIT */
/*
 * Every architecture and variant against the reference's logits: one prefill, then single tokens.
 */
#include "base/portable.h"

#include "golden.h"
#include "test.h"

#include <math.h>

typedef struct golden_case {
    const char *name;
    double tolerance; /* normalised mean squared error */
} golden_case;

static const golden_case cases[] = {
    {"llama-dense", 1e-8},        {"llama-moe", 1e-8},       {"qwen2-dense", 1e-8},
    {"qwen3-dense", 1e-8},        {"qwen3moe-moe", 1e-8},    {"llama-linear", 1e-9},
    {"llama-oldlinear", 1e-9},    {"llama-yarn-attn", 3e-9}, {"llama-keylen", 1e-9},
    {"llama-odd7", 1e-9},         {"llama-tied", 1e-9},      {"llama-f16", 3e-6},
    {"qwen2-linear", 1e-9},       {"qwen2-fusedqkv", 1e-9},  {"qwen2-odd7", 1e-9},
    {"qwen3-odd5", 1e-9},         {"v-llama-yarn", 1e-6},    {"v-llama-yarn-beta", 1e-6},
    {"v-llama-yarn-ext0", 1e-6},  {"v-llama-yarn-lm", 1e-6}, {"v-llama-lin-yattnf", 1e-6},
    {"v-llama-moe-wscale", 1e-6},
};

static void check_logits(const sk_model *model, const char *what, const char *path,
                         double tolerance)
{
    golden_logits g = golden_read(path);
    int64_t n = g.n_prefill + g.n_decode;
    CHECK_INT(sk_model_n_vocab(model), g.n_vocab);
    float *logits = golden_run(model, g.tokens, n, (int[]){g.n_prefill, 1}, 2, -1);
    CHECKF(logits != NULL, "%s does not run", what);
    if (logits) {
        double error = golden_error(g.logits, logits, (size_t)(n * g.n_vocab));
        printf("%-24s %.3g\n", what, error);
        CHECKF(error <= tolerance, "%s: error %.3g, allowed %.3g", what, error, tolerance);
    }
    free(logits);
    free(g.file);
}

static void check_model(const void *data, size_t size, const char *what, const char *path,
                        double tolerance)
{
    sk_error error = {0};
    sk_model *model = golden_model(data, size, "n_threads=2", &error);
    CHECKF(model != NULL, "%s: %s", what, error.text);
    if (!model)
        return;
    const char *warning = "";
    CHECK(sk_model_get_string(model, "warning", &warning, &error) == SKALD_OK);
    if (strncmp(what, "qwen3", 5) != 0) /* which has cls.output.weight */
        CHECKF(strstr(warning, "not used") == NULL, "%s: %s", what, warning);
    check_logits(model, what, path, tolerance);
    sk_model_release(model);
}

static void test_heads(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char head[200], logits[200];
        size_t size;
        snprintf(head, sizeof head, "model/golden/%s.head.gguf", cases[i].name);
        snprintf(logits, sizeof logits, "model/golden/%s.logits", cases[i].name);
        uint8_t *data = golden_expand(test_data(head), 11, &size);
        check_model(data, size, cases[i].name, test_data(logits), cases[i].tolerance);
        if (strcmp(cases[i].name, "llama-f16") == 0)
            check_model(data, size, "llama-f16 exact",
                        test_data("model/golden/llama-f16.exact.logits"), 1e-9);
        free(data);
    }
}

/* Quantised files, too large to be kept here. */
static void test_quantised(void)
{
    static const char *const names[] = {"q-llama-q4_k_m", "q-llama-q8_0", "q-llama-iq4_xs",
                                        "q-llama-q4_0"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[200];
        size_t size;
        snprintf(path, sizeof path, "golden/%s.gguf", names[i]);
        const char *shared = test_shared(path);
        if (!shared) {
            test_skip("the quantised golden models are not there");
            return;
        }
        uint8_t *data = test_read(shared, &size);
        snprintf(path, sizeof path, "golden/%s.logits", names[i]);
        check_model(data, size, names[i], test_shared(path), 3e-3);
        snprintf(path, sizeof path, "golden/%s.exact.logits", names[i]);
        check_model(data, size, names[i], test_shared(path), 3e-3);
        free(data);
    }
}

int main(void)
{
    test_heads();
    test_quantised();
    return test_end();
}
