/* SPDX-License-Identifier: MIT */
/*
 * A fuzzing entry (clang -fsanitize=fuzzer,address -DSK_FUZZER; without it, main replays the files
 * that are named and spoilt texts). The bytes are JSON: what is read and written must read back as
 * what it was. They are a tokenizer.json too.
 */
#include "test.h"
#include "format/json.h"
#include "text/hf_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void write_text(const sk_json *value, sk_heap *heap, sk_buffer *out)
{
    sk_error error = {0};
    sk_json_style style = SK_JSON_STYLE;
    sk_buffer_init(out, heap, 0);
    int32_t status = sk_json_write(out, value, &style, &error);
    CHECKF(status == SKALD_OK, "%s", error.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    sk_heap heap;
    sk_error error = {0};
    sk_arena arena;
    sk_json value, again;
    void *gguf = NULL;
    uint64_t size;
    sk_heap_init(&heap, NULL, 512u << 20, &error);
    sk_arena_init(&arena, &heap, 0);
    if (sk_json_read(&arena, (const char *)bytes, n, &value, &error) == SKALD_OK) {
        sk_buffer first, second;
        write_text(&value, &heap, &first);
        int32_t status = sk_json_read(&arena, first.data, first.n, &again, &error);
        CHECKF(status == SKALD_OK, "%s", error.text);
        write_text(&again, &heap, &second);
        CHECK(first.n == second.n && memcmp(first.data, second.data, first.n) == 0);
        sk_buffer_free(&first);
        sk_buffer_free(&second);
    } else {
        CHECK(error.text[0]);
    }
    if (sk_hf_is_tokenizer(bytes, n) &&
        sk_hf_convert(&heap, (const char *)bytes, n, (const char *)bytes, n, &gguf, &size,
                      &error) == SKALD_OK)
        sk_free(&heap, gguf);
    sk_arena_free(&arena);
    CHECK(atomic_load(&heap.live) == 0);
    if (test_failures)
        abort();
    return 0;
}

#ifndef SK_FUZZER
static const char sample[] =
    "{\"a\": [1, -2.5e3, true, null, \"\\u00e9\\n\\ud83d\\ude42\"], \"model\": {\"type\": \"BPE\", "
    "\"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2, \"<0x41>\": 3}, \"merges\": [[\"a\", \"b\"], \"a "
    "b\"], "
    "\"byte_fallback\": true}, \"added_tokens\": [{\"id\": 4, \"content\": \"<s>\", \"special\": "
    "true}], "
    "\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"ByteLevel\"}]}}";

int main(int argc, char **argv)
{
    uint64_t random = 5;
    test_replay(argc, argv, LLVMFuzzerTestOneInput);
    LLVMFuzzerTestOneInput((const uint8_t *)sample, sizeof sample - 1);
    for (int round = 0; round < 20000; round++) {
        uint8_t copy[sizeof sample];
        size_t n = round % 4 ? sizeof sample - 1 : test_random(&random) % sizeof sample;
        memcpy(copy, sample, n);
        for (uint64_t k = test_random(&random) % 3; k > 0 && n > 0; k--)
            copy[test_random(&random) % n] = (uint8_t)sample[test_random(&random) % n];
        LLVMFuzzerTestOneInput(copy, n);
    }
    return test_end();
}
#endif
