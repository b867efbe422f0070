/* SPDX-License-Identifier: MIT */
/*
 * Every architecture and variant against the reference's logits: one prefill, then single tokens.
 * Heads are the reference's headers; arrays of more than 64 numbers that the architecture does not
 * read are cut out of most of them, and the padding behind the last tensor's entry.
 */
#include "base/portable.h"

#include "golden.h"
#include "test.h"

#include "base/bytes.h"

#include <math.h>

typedef struct golden_case {
    const char *name;
    double tolerance; /* normalised mean squared error */
} golden_case;

static const golden_case cases[] = {
    {"afmoe-moe", 1e-8},
    {"apertus-dense", 1e-8},
    {"arcee-dense", 1e-8},
    {"arctic-moe", 1e-8},
    {"arwkv7", 3e-9},
    {"baichuan-dense", 1e-8},
    {"bailingmoe-moe", 1e-8},
    {"bailingmoe2-moe", 1e-8},
    {"bert", 1e-6},
    {"bert-rank", 1e-6},
    {"bitnet-dense", 1e-8},
    {"bloom-dense", 1e-6},
    {"chatglm-dense", 1e-8},
    {"codeshell-dense", 1e-6},
    {"cogvlm-dense", 1e-8},
    {"cohere2-deep", 1e-9},
    {"cohere2-dense", 1e-8},
    {"cohere2moe-arr", 1e-9},
    {"cohere2moe-moe", 1e-8},
    {"command-r-dense", 1e-8},
    {"dbrx-moe", 1e-8},
    {"deci-dense", 1e-8},
    {"deepseek-moe", 1e-8},
    {"deepseek2-kvb", 3e-9},
    {"deepseek2-moe", 1e-8},
    {"deepseek2-softmax-deep", 1e-8},
    {"deepseek2-yarn1", 1e-8},
    {"deepseek32-moe", 1e-8},
    {"deepseek4", 1e-9},
    {"deepseek4-long", 1e-9},
    {"dots1-moe", 1e-8},
    {"dream-dense", 1e-8},
    {"ernie4_5-moe", 1e-8},
    {"ernie4_5-moe-deep", 1e-9},
    {"ernie4_5-moe-moe", 1e-8},
    {"eurobert", 1e-9},
    {"exaone-dense", 1e-8},
    {"exaone-moe-moe", 1e-8},
    {"exaone4-dense", 1e-8},
    {"exaone4-swa64", 1e-9},
    {"falcon-dense", 1e-6},
    {"falcon-h1-deep", 3e-9},
    {"falcon-h1-dense", 1e-8},
    {"gemma-dense", 1e-6},
    {"gemma-embedding", 1e-7},
    {"gemma-embedding-dense", 1e-7},
    {"gemma2-deep", 1e-7},
    {"gemma2-dense", 1e-6},
    {"gemma3-27b", 1e-6},
    {"gemma3-dense", 1e-6},
    {"gemma3-odd", 3e-8},
    {"gemma3-swabase", 1e-7},
    {"gemma3n-deep", 1e-2},
    {"gemma3n-dense", 1e-3},
    {"gemma4-dense", 1e-6},
    {"gemma4-moe", 1e-6},
    {"gemma4-moe-deep", 3e-7},
    {"glm-dsa-moe", 1e-8},
    {"glm4-dense", 1e-8},
    {"glm4-partial", 1e-9},
    {"glm4moe-deep", 3e-9},
    {"glm4moe-moe", 1e-8},
    {"gpt-oss-moe", 1e-8},
    {"gpt-oss-odd", 1e-9},
    {"gpt-oss-yarn", 3e-9},
    {"gpt2-dense", 1e-6},
    {"gptneox-dense", 1e-6},
    {"gptneox-partial", 3e-7},
    {"granite-dense", 1e-8},
    {"granite-moe", 1e-8},
    {"granitehybrid-dense", 1e-8},
    {"granitehybrid-rope", 1e-9},
    {"granitemoe-dense", 1e-8},
    {"granitemoe-moe", 1e-8},
    {"grok-moe", 1e-6},
    {"grovemoe-moe", 1e-8},
    {"hunyuan-dense-dense", 1e-8},
    {"hunyuan-moe-moe", 1e-8},
    {"hunyuan_vl-dense", 1e-8},
    {"hy_v3-fusedgu", 1e-9},
    {"hy_v3-moe", 1e-8},
    {"hy_v3-mtp", 1e-9},
    {"internlm2-dense", 1e-8},
    {"jais-dense", 1e-8},
    {"jais2-dense", 1e-8},
    {"jamba-dense", 1e-8},
    {"jina-bert-v2", 1e-6},
    {"jina-bert-v2-code", 1e-6},
    {"jina-bert-v3", 3e-7},
    {"kimi-linear-deep", 1e-8},
    {"kimi-linear-moe", 1e-8},
    {"laguna-deep", 3e-9},
    {"laguna-moe", 1e-8},
    {"lfm2-dense", 1e-8},
    {"lfm2moe-deep", 1e-9},
    {"lfm2moe-moe", 1e-8},
    {"llada-dense", 1e-8},
    {"llada-moe-moe", 1e-8},
    {"llama-dense", 1e-8},
    {"llama-f16", 3e-6},
    {"llama-keylen", 1e-9},
    {"llama-linear", 1e-9},
    {"llama-moe", 1e-8},
    {"llama-odd7", 1e-9},
    {"llama-oldlinear", 1e-9},
    {"llama-tied", 1e-9},
    {"llama-yarn-attn", 3e-9},
    {"llama4-moe", 1e-8},
    {"maincoder-dense", 1e-8},
    {"mamba-dense", 1e-8},
    {"mamba2-dense", 1e-8},
    {"mellum-moe", 1e-8},
    {"mimo2-moe", 1e-8},
    {"minicpm-dense", 1e-8},
    {"minicpm-moe", 1e-8},
    {"minicpm3-deep", 1e-9},
    {"minicpm3-dense", 1e-8},
    {"minimax-m2-deep", 1e-9},
    {"minimax-m2-moe", 1e-8},
    {"minimax-m3-moe", 1e-8},
    {"mistral3-dense", 1e-8},
    {"mistral3-moe", 1e-8},
    {"mistral3-yarn-beta", 1e-9},
    {"mistral4-moe", 1e-8},
    {"modern-bert", 3e-6},
    {"mpt-dense", 1e-6},
    {"nanbeige-dense", 1e-8},
    {"nemotron-dense", 1e-8},
    {"nemotron_h-dense", 1e-8},
    {"nemotron_h_moe-deep", 1e-9},
    {"nemotron_h_moe-dense", 1e-8},
    {"nemotron_h_moe-moe", 1e-8},
    {"neo-bert", 1e-9},
    {"nomic-bert", 1e-9},
    {"nomic-bert-moe", 3e-7},
    {"olmo-dense", 1e-8},
    {"olmo2-dense", 1e-8},
    {"olmo2-swa-deep", 1e-9},
    {"olmoe-deep", 1e-9},
    {"olmoe-moe", 1e-8},
    {"openelm-dense", 1e-8},
    {"orion-dense", 1e-8},
    {"paddleocr-moe", 1e-8},
    {"pangu-embedded-dense", 1e-8},
    {"phi2-dense", 1e-6},
    {"phi3-dense", 1e-8},
    {"phi3-longrope-short", 3e-9},
    {"phi3-partial", 1e-9},
    {"phimoe-moe", 1e-8},
    {"plamo-dense", 1e-8},
    {"plamo2-dense", 1e-8},
    {"plamo3-dense", 1e-8},
    {"qwen-dense", 1e-8},
    {"qwen2-dense", 1e-8},
    {"qwen2-fusedqkv", 1e-9},
    {"qwen2-linear", 1e-9},
    {"qwen2-odd7", 1e-9},
    {"qwen2moe-moe", 1e-8},
    {"qwen2vl-dense", 1e-8},
    {"qwen3-dense", 1e-8},
    {"qwen3-odd5", 1e-9},
    {"qwen35-dense", 1e-8},
    {"qwen35-mtp", 3e-9},
    {"qwen35moe-deep", 1e-7},
    {"qwen35moe-fusedgu", 3e-9},
    {"qwen35moe-moe", 1e-8},
    {"qwen3moe-moe", 1e-8},
    {"qwen3next-moe", 1e-8},
    {"qwen3vl-dense", 1e-8},
    {"qwen3vlmoe-moe", 1e-8},
    {"refact-dense", 1e-8},
    {"rnd1-moe", 1e-8},
    {"rwkv6", 3e-7},
    {"rwkv6-lerp", 3e-8},
    {"rwkv6qwen2", 3e-9},
    {"rwkv7", 3e-9},
    {"seed_oss-dense", 1e-8},
    {"smallthinker-deep", 3e-9},
    {"smallthinker-moe", 1e-8},
    {"smollm3-deep", 3e-9},
    {"smollm3-dense", 1e-8},
    {"stablelm-dense", 1e-8},
    {"starcoder-dense", 1e-6},
    {"starcoder2-dense", 1e-6},
    {"step35-deep", 1e-9},
    {"step35-moe", 1e-8},
    {"t5encoder", 3e-5},
    {"talkie-dense", 1e-8},
    {"v-afmoe-4", 1e-6},
    {"v-afmoe-swabase", 1e-6},
    {"v-baichuan-32", 1e-6},
    {"v-bailingmoe2-groups", 1e-6},
    {"v-chatglm-nrot", 1e-6},
    {"v-cohere2-swabase", 1e-6},
    {"v-cohere2moe-bases", 1e-6},
    {"v-cohere2moe-swabase", 1e-6},
    {"v-command-r-64", 1e-6},
    {"v-deci-mixed", 1e-6},
    {"v-deepseek2-group", 1e-6},
    {"v-deepseek2-softmax", 1e-6},
    {"v-deepseek2-yarn-lm", 1e-6},
    {"v-deepseek32-16h", 1e-6},
    {"v-deepseek32-2h-dense", 1e-6},
    {"v-deepseek32-dense", 1e-6},
    {"v-deepseek4-moe", 1e-6},
    {"v-exaone-moe-bases", 1e-6},
    {"v-exaone-moe-ybases", 1e-6},
    {"v-exaone4-64-w", 1e-6},
    {"v-exaone4-swabase", 1e-6},
    {"v-falcon-1norm", 1e-6},
    {"v-grovemoe-g2", 1e-6},
    {"v-gemma2-bases", 1e-6},
    {"v-gemma2-swabase", 1e-6},
    {"v-gemma3-bases", 1e-6},
    {"v-gemma3-noswa", 1e-6},
    {"v-gemma3-scale", 1e-6},
    {"v-gemma3-yarn", 1e-6},
    {"v-gemma4-bases", 1e-6},
    {"v-gemma4-moe", 1e-6},
    {"v-gemma4-ybases", 1e-6},
    {"v-glm-dsa-2h", 1e-6},
    {"v-glm-dsa-shared", 1e-6},
    {"v-glm4moe-nrot", 1e-6},
    {"v-gpt-oss-swabase", 1e-6},
    {"v-gpt-oss-ybases", 1e-6},
    {"v-gptneox-par", 1e-6},
    {"v-granite-nope", 1e-6},
    {"v-granitehybrid-moe", 1e-6},
    {"v-granitehybrid-nope", 1e-6},
    {"v-granitemoe-shexp", 1e-6},
    {"v-grok-yarn-keys", 1e-6},
    {"v-hunyuan_vl-alpha", 1e-6},
    {"v-jamba-moe", 1e-6},
    {"v-laguna-base", 1e-6},
    {"v-laguna-yarn", 1e-6},
    {"v-lfm2-swabase", 1e-6},
    {"v-llama-lin-yattnf", 1e-6},
    {"v-llama-moe-wscale", 1e-6},
    {"v-llama-yarn", 1e-6},
    {"v-llama-yarn-beta", 1e-6},
    {"v-llama-yarn-ext0", 1e-6},
    {"v-llama-yarn-lm", 1e-6},
    {"v-llama4-swabase", 1e-6},
    {"v-mamba-rms", 1e-6},
    {"v-mellum-swabase", 1e-6},
    {"v-mimo2-bases", 1e-6},
    {"v-mimo2-swabase", 1e-6},
    {"v-minicpm-defaults", 1e-6},
    {"v-minicpm-nope", 1e-6},
    {"v-mistral3-temp", 1e-6},
    {"v-mistral4-temp", 1e-6},
    {"v-mpt-nopos", 1e-6},
    {"v-nanbeige-loop-skip", 1e-6},
    {"v-nemotron-nrot", 1e-6},
    {"v-nemotron_h_moe-group", 1e-6},
    {"v-olmo2-bases", 1e-6},
    {"v-olmo2-yarn", 1e-6},
    {"v-phi2-nrot", 1e-6},
    {"v-phi3-short", 1e-6},
    {"v-plamo3-bases", 1e-6},
    {"v-plamo3-ybases", 1e-6},
    {"v-qwen35-hv4", 1e-6},
    {"v-qwen35moe-hv4", 1e-6},
    {"v-qwen3next-hv4", 1e-6},
    {"v-rwkv6-dense", 1e-6},
    {"v-smallthinker-bases", 1e-6},
    {"v-smallthinker-swabase", 1e-6},
    {"v-stablelm-par", 1e-6},
    {"v-step35-heads", 1e-6},
    {"v-step35-shexp-y", 1e-6},
    {"xverse-dense", 1e-8},
};

static void check_logits(const sk_model *model, const char *what, const char *path,
                         double tolerance)
{
    golden_logits g = golden_read(path);
    /* What an encoder's file has behind the prefill is pooled (tests/session). */
    int64_t n = g.n_prefill + (sk_model_has_logits(model) ? g.n_decode : 0);
    CHECK_INT(golden_width(model), g.n_vocab);
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

/* Heads with tensors that their architecture does not use: cls.output, dense blocks beside experts,
 * blocks that predict further tokens, factors of a rope that is not there; indexers of layers that
 * have an earlier one's choice. */
static bool has_spares(const char *name)
{
    static const char *const names[] = {"qwen3",
                                        "hy_v3",
                                        "mimo2",
                                        "v-mimo2",
                                        "refact",
                                        "v-granite-nope",
                                        "v-step35-shexp-y",
                                        "lfm2moe-deep",
                                        "v-granitehybrid-nope",
                                        "rwkv7",
                                        "arwkv7",
                                        "cogvlm",
                                        "gemma4-moe",
                                        "v-gemma4-moe",
                                        "glm-dsa-moe",
                                        "v-glm-dsa-shared"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    }
    return false;
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
    if (!has_spares(what))
        CHECKF(strstr(warning, "not used") == NULL, "%s: %s", what, warning);
    check_logits(model, what, path, tolerance);
    sk_model_release(model);
}

/* The head of qwen2vl has an epsilon of 0, which the library refuses: this one is as good. */
static void put_epsilon(uint8_t *data, size_t size, float epsilon)
{
    static const char key[] = "attention.layer_norm_rms_epsilon";
    for (size_t i = 0; i + sizeof key + 8 < size; i++) {
        if (memcmp(data + i, key, sizeof key - 1) == 0)
            sk_put_le32(data + i + sizeof key - 1 + 4, sk_f32_bits(epsilon));
    }
}

/* The reference's logits of minimax-m3 are those of an indexer that chooses all. */
static void put_top_k(uint8_t *data, size_t size, uint32_t n)
{
    static const char key[] = "attention.indexer.top_k";
    for (size_t i = 0; i + sizeof key + 8 < size; i++) {
        if (memcmp(data + i, key, sizeof key - 1) == 0)
            sk_put_le32(data + i + sizeof key - 1 + 4, n);
    }
}

/* All of them, or those that `only` begins the name of. */
static void test_heads(const char *only)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char head[200], logits[200];
        size_t size;
        if (only && strncmp(cases[i].name, only, strlen(only)) != 0)
            continue;
        snprintf(head, sizeof head, "model/golden/%s.head.gguf", cases[i].name);
        snprintf(logits, sizeof logits, "model/golden/%s.logits", cases[i].name);
        uint8_t *data = golden_expand(test_data(head), 11, &size);
        if (strcmp(cases[i].name, "qwen2vl-dense") == 0)
            put_epsilon(data, size, 1e-20f);
        if (strcmp(cases[i].name, "minimax-m3-moe") == 0)
            put_top_k(data, size, 64);
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
    static const golden_case files[] = {{"q-deepseek2-iq4_xs", 1e-2}, {"q-deepseek2-q4_0", 1e-2},
                                        {"q-deepseek2-q4_k_m", 3e-2}, {"q-deepseek2-q8_0", 1e-2},
                                        {"q-llama-iq4_xs", 3e-3},     {"q-llama-q4_0", 3e-3},
                                        {"q-llama-q4_k_m", 3e-3},     {"q-llama-q8_0", 3e-3}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const char *name = files[i].name;
        char path[200];
        size_t size;
        snprintf(path, sizeof path, "golden/%s.gguf", name);
        const char *shared = test_shared(path);
        if (!shared) {
            test_skip("the quantised golden models are not there");
            return;
        }
        uint8_t *data = test_read(shared, &size);
        snprintf(path, sizeof path, "golden/%s.logits", name);
        check_model(data, size, name, test_shared(path), files[i].tolerance);
        snprintf(path, sizeof path, "golden/%s.exact.logits", name);
        check_model(data, size, name, test_shared(path), files[i].tolerance);
        free(data);
    }
}

int main(int argc, char **argv)
{
    test_heads(argc > 1 ? argv[1] : NULL);
    if (argc == 1 || strcmp(argv[1], "quantised") == 0)
        test_quantised();
    return test_end();
}
