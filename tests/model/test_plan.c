/* SPDX-License-Identifier: MIT */
/*
 * The plan of each row of the table, as text, against plan/NAME.txt. `test_plan write` writes the
 * texts anew, to be read before they are committed. And the table itself: its rows are in order,
 * and every key that one names exists.
 */
#include "base/portable.h"

#include "golden.h"
#include "test.h"

#include "model/arch.h"
#include "model/hparam.h"

static char *plan_of(const char *name)
{
    char path[200];
    size_t size;
    sk_error error = {0};
    const char *plan = "";
    snprintf(path, sizeof path, "model/golden/%s.head.gguf", name);
    uint8_t *data = golden_expand(test_data(path), 11, &size);
    sk_model *model = golden_model(data, size, "n_threads=1", &error);
    CHECKF(model != NULL, "%s: %s", name, error.text);
    if (model)
        CHECK_INT(sk_model_get_string(model, "plan", &plan, &error), SKALD_OK);
    char *copy = malloc(strlen(plan) + 1);
    strcpy(copy, plan);
    sk_model_release(model);
    free(data);
    return copy;
}

static void check_plan(const char *name, bool write)
{
    char path[200];
    char *plan = plan_of(name);
    snprintf(path, sizeof path, "model/plan/%s.txt", name);
    if (write) {
        FILE *f = fopen(test_data(path), "wb");
        if (f)
            fputs(plan, f);
        CHECK(f && fclose(f) == 0);
    } else {
        uint8_t *wanted = test_read(test_data(path), NULL);
        CHECKF(strcmp(plan, (char *)wanted) == 0, "the plan of %s is now\n%s", name, plan);
        free(wanted);
    }
    free(plan);
}

static void test_table(void)
{
    for (size_t i = 0; sk_arch_at(i); i++) {
        const sk_arch *arch = sk_arch_at(i);
        CHECK(sk_arch_find(arch->name, strlen(arch->name)) == arch);
        CHECKF(i == 0 || strcmp(sk_arch_at(i - 1)->name, arch->name) < 0, "%s", arch->name);
        for (const char *p = arch->keys; p && *p;) {
            size_t n = strcspn(p, " !=");
            CHECKF(sk_hparam_known(p, n), "%s: %.*s", arch->name, (int)n, p);
            p += strcspn(p, " ");
            p += strspn(p, " ");
        }
    }
    const char *near[3];
    CHECK_INT(sk_arch_near("lama", near, 3), 3);
    CHECK_STR(near[0], "llama");
    CHECK_INT(sk_arch_near("qwen36", near, 3), 3);
    CHECK(strncmp(near[0], "qwen3", 5) == 0 && strncmp(near[1], "qwen", 4) == 0 &&
          near[0] != near[1]);
    CHECK_INT(sk_arch_near("nothing-like-any-of-these", near, 1), 0);
    CHECK(sk_arch_find("llam", 4) == NULL && sk_arch_find("llama2", 6) == NULL);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"afmoe-moe",
                                        "apertus-dense",
                                        "arcee-dense",
                                        "arctic-moe",
                                        "arwkv7",
                                        "baichuan-dense",
                                        "bailingmoe-moe",
                                        "bailingmoe2-moe",
                                        "bert",
                                        "bitnet-dense",
                                        "bloom-dense",
                                        "chatglm-dense",
                                        "codeshell-dense",
                                        "cogvlm-dense",
                                        "cohere2-deep",
                                        "cohere2moe-arr",
                                        "command-r-dense",
                                        "dbrx-moe",
                                        "deepseek-moe",
                                        "deepseek2-kvb",
                                        "deepseek2-softmax-deep",
                                        "deepseek2-yarn1",
                                        "deepseek32-moe",
                                        "deepseek4-long",
                                        "dots1-moe",
                                        "dream-dense",
                                        "ernie4_5-moe",
                                        "ernie4_5-moe-deep",
                                        "eurobert",
                                        "exaone-dense",
                                        "exaone-moe-moe",
                                        "exaone4-dense",
                                        "exaone4-swa64",
                                        "falcon-dense",
                                        "falcon-h1-deep",
                                        "gemma-dense",
                                        "gemma-embedding-dense",
                                        "gemma2-deep",
                                        "gemma3-27b",
                                        "gemma3-odd",
                                        "gemma3n-deep",
                                        "gemma4-dense",
                                        "gemma4-moe-deep",
                                        "v-gemma4-moe",
                                        "glm-dsa-moe",
                                        "glm4-dense",
                                        "glm4moe-deep",
                                        "gpt-oss-moe",
                                        "gpt-oss-yarn",
                                        "gpt2-dense",
                                        "gptneox-dense",
                                        "granite-dense",
                                        "granitehybrid-rope",
                                        "granitemoe-dense",
                                        "grok-moe",
                                        "v-grovemoe-g2",
                                        "hunyuan-dense-dense",
                                        "hunyuan-moe-moe",
                                        "hunyuan_vl-dense",
                                        "hy_v3-fusedgu",
                                        "internlm2-dense",
                                        "jais-dense",
                                        "jais2-dense",
                                        "jamba-dense",
                                        "jina-bert-v2-code",
                                        "jina-bert-v3",
                                        "kimi-linear-deep",
                                        "laguna-deep",
                                        "lfm2-dense",
                                        "lfm2moe-deep",
                                        "llada-moe-moe",
                                        "llama-dense",
                                        "llama-moe",
                                        "llama-tied",
                                        "llama-yarn-attn",
                                        "llama4-moe",
                                        "maincoder-dense",
                                        "mamba-dense",
                                        "mamba2-dense",
                                        "mellum-moe",
                                        "mimo2-moe",
                                        "minicpm-dense",
                                        "minicpm3-deep",
                                        "minimax-m2-deep",
                                        "minimax-m3-moe",
                                        "mistral3-dense",
                                        "mistral3-yarn-beta",
                                        "modern-bert",
                                        "mpt-dense",
                                        "nanbeige-dense",
                                        "v-nanbeige-loop-skip",
                                        "nemotron-dense",
                                        "nemotron_h-dense",
                                        "nemotron_h_moe-deep",
                                        "neo-bert",
                                        "nomic-bert",
                                        "nomic-bert-moe",
                                        "olmo-dense",
                                        "olmo2-dense",
                                        "olmo2-swa-deep",
                                        "olmoe-deep",
                                        "openelm-dense",
                                        "orion-dense",
                                        "paddleocr-moe",
                                        "pangu-embedded-dense",
                                        "phi2-dense",
                                        "phi3-dense",
                                        "phimoe-moe",
                                        "plamo-dense",
                                        "plamo2-dense",
                                        "plamo3-dense",
                                        "qwen-dense",
                                        "qwen2-dense",
                                        "qwen2-fusedqkv",
                                        "qwen2-linear",
                                        "qwen2moe-moe",
                                        "qwen3-dense",
                                        "qwen35-mtp",
                                        "qwen35moe-deep",
                                        "qwen3moe-moe",
                                        "qwen3next-moe",
                                        "qwen3vl-dense",
                                        "qwen3vlmoe-moe",
                                        "refact-dense",
                                        "rnd1-moe",
                                        "rwkv6",
                                        "rwkv6-lerp",
                                        "rwkv6qwen2",
                                        "rwkv7",
                                        "seed_oss-dense",
                                        "smallthinker-deep",
                                        "smollm3-deep",
                                        "stablelm-dense",
                                        "starcoder-dense",
                                        "starcoder2-dense",
                                        "step35-deep",
                                        "t5encoder",
                                        "talkie-dense",
                                        "v-baichuan-32",
                                        "v-bailingmoe2-groups",
                                        "v-command-r-64",
                                        "v-deci-mixed",
                                        "v-deepseek2-group",
                                        "v-granitehybrid-moe",
                                        "v-granitemoe-shexp",
                                        "v-mistral3-temp",
                                        "v-mistral4-temp",
                                        "v-stablelm-par",
                                        "xverse-dense"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        check_plan(names[i], argc > 1 && strcmp(argv[1], "write") == 0);
    test_table();
    return test_end();
}
