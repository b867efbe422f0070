/* SPDX-License-Identifier: MIT */
/*
 * Fuzzing the whole path. LLVMFuzzerTestOneInput takes any bytes for a model file: loads it,
 * tokenises with it, generates a few tokens, and frees it, within a memory limit. The worst that
 * may come of it is an error with its sentence.
 *
 * By itself this program replays the files given as arguments, then spoils the header of a sound
 * small model in a few places, thousands of times, deterministically. With clang and
 * -DSKALD_LIBFUZZER -fsanitize=fuzzer,address it is a libFuzzer target.
 */
#include "test.h"
#include "tiny_model.h"

enum { MEMORY = 64 << 20, N_SPOILT = 3000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void demand(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static skald_options *make_options(const uint8_t *data, size_t n)
{
    skald_options *o = NULL;
    skald_options_new(&o);
    skald_options_set_pointer(o, "memory", data);
    skald_options_set_int(o, "memory_size", (int64_t)n);
    demand(skald_options_parse(o, "n_threads=1 n_ctx=24 n_batch=8 n_predict=3 temperature=0.9") ==
               0,
           "options");
    skald_options_set_int(o, "max_memory", MEMORY);
    return o;
}

static void use_context(skald_model *model, const skald_options *o)
{
    static const int32_t ids[5] = {0, 1, 2, 1, 0};
    skald_context *ctx;
    if (skald_context_new(model, o, &ctx) < 0)
        return;
    int32_t status = skald_append_text(ctx, "the \xc3\xa9 abc\n\xff", -1);
    if (status < 0)
        status = skald_append_tokens(ctx, ids, 5);
    if (status == SKALD_OK) {
        for (int i = 0; i < 40 && (status = skald_step(ctx, i % 2 ? 0 : -1)) > 0; i++)
            ;
        demand(status >= 0 || skald_context_message(ctx)[0], "a step's error has no sentence");
    }
    skald_context_free(ctx);
}

static void use_model(skald_model *model)
{
    const char *text;
    int64_t n_tensors = 0;
    char line[64];
    size_t n;
    skald_model_get_string(model, "plan", &text);
    skald_model_get_string(model, "warning", &text);
    skald_model_get_int(model, "n_tensors", &n_tensors);
    for (int64_t i = 0; i < 3; i++) {
        const char *key, *type;
        if (skald_model_metadata(model, i, &key, &type) == 0)
            skald_model_metadata_text(model, key, line, sizeof line, &n);
    }
}

/* Returns whether the bytes were a model. */
static bool load_and_use(const uint8_t *data, size_t n)
{
    skald_options *o = make_options(data, n);
    skald_model *model;
    int32_t status = skald_model_load(NULL, o, &model);
    demand((status < 0) == !model, "a model beside an error");
    demand(status == 0 || skald_error_message()[0], "an error without its sentence");
    if (model) {
        use_model(model);
        use_context(model, o);
        skald_model_release(model);
    }
    skald_options_free(o);
    return status == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    load_and_use(data, n);
    return 0;
}

#ifndef SKALD_LIBFUZZER

/* Changes up to 4 places of the header, which is `header` bytes long. */
static void spoil(uint8_t *data, size_t header, uint64_t *random)
{
    static const uint64_t edges[] = {0, 1, 3, 255, 256, 65535, INT32_MAX, UINT32_MAX, UINT64_MAX};
    for (uint64_t left = 1 + test_random(random) % 4; left > 0; left--) {
        size_t at = 4 + test_random(random) % (header - 12);
        uint64_t edge = edges[test_random(random) % (sizeof edges / sizeof *edges)];
        switch (test_random(random) % 4) {
        case 0:
            data[at] = (uint8_t)test_random(random);
            break;
        case 1:
            data[at] ^= (uint8_t)(1u << test_random(random) % 8);
            break;
        case 2:
            memcpy(data + at, &edge, 1u << test_random(random) % 4);
            break;
        default:
            memmove(data + at, data + 4 + test_random(random) % (header - 12), 8);
        }
    }
}

/* Numbers of the metadata, where most spoilt files die at once otherwise: any bytes behind a key
 * that is found stay in the file's form. */
static void spoil_value(uint8_t *data, size_t header, uint64_t *random)
{
    static const char *const keys[] = {"block_count",
                                       "context_length",
                                       "embedding_length",
                                       "feed_forward_length",
                                       "head_count",
                                       "head_count_kv",
                                       "layer_norm_rms_epsilon",
                                       "ggml.bos_token_id",
                                       "eos_token_id",
                                       "ggml.token_type",
                                       "ggml.scores",
                                       "ggml.tokens"};
    const char *key = keys[test_random(random) % (sizeof keys / sizeof *keys)];
    uint8_t *at = memmem(data, header, key, strlen(key));
    if (!at)
        return;
    at += strlen(key) + 4;
    if (test_random(random) % 2)
        at += 4 * (test_random(random) % 64);
    uint64_t shift = test_random(random) % 64;
    uint32_t value = (uint32_t)(test_random(random) >> shift);
    memcpy(at, &value, 4);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        size_t n;
        uint8_t *data = test_read(argv[i], &n);
        load_and_use(data, n);
        free(data);
    }
    tiny_model file;
    tiny_make(&file, 3);
    CHECK(load_and_use(file.data, file.size));
    const uint8_t *last = memmem(file.data, file.size, "token_embd", 10);
    CHECK(last != NULL);
    size_t header = (size_t)(last - (const uint8_t *)file.data) + 2048;
    uint8_t *spoilt = malloc(file.size);
    uint64_t random = 77;
    int n_models = 0;
    for (int i = 0; spoilt && i < N_SPOILT; i++) {
        memcpy(spoilt, file.data, file.size);
        if (i % 2)
            spoil_value(spoilt, header, &random);
        else
            spoil(spoilt, header, &random);
        n_models += load_and_use(spoilt, file.size);
    }
    printf("%d of %d spoilt files were models\n", n_models, N_SPOILT);
    CHECK(n_models > N_SPOILT / 50 && n_models < N_SPOILT);
    free(spoilt);
    tiny_free(&file);
    return test_end();
}

#endif
