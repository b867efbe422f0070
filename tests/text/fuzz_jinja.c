/* SPDX-License-Identifier: MIT */
/*
 * A fuzzing entry (clang -fsanitize=fuzzer,address -DSK_FUZZER; without it, main replays the files
 * that are named and spoilt templates). The bytes are a template, which is rendered with a
 * conversation of every shape: it must end, and every byte must have an origin. What is rendered
 * from a template without marks must have none.
 */
#include "test.h"
#include "text/chat.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static const char conversation[] =
    "{\"messages\":[{\"role\":\"system\",\"content\":\"S \\u00e9\"},{\"role\":\"user\",\"content\":"
    "[{\"type\":\"text\",\"text\":\"a\\nb\"}]},{\"role\":\"assistant\",\"content\":null,"
    "\"reasoning_content\":\"R\",\"tool_calls\":[{\"id\":\"1\",\"type\":\"function\",\"function\":"
    "{\"name\":\"f\",\"arguments\":\"{\\\"a\\\": [1, "
    "2.5]}\"}}]},{\"role\":\"tool\",\"content\":\"7\"}],"
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}],"
    "\"vars\":{\"x\":-1,\"enable_thinking\":false}}";

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    sk_heap heap;
    sk_error error = {0};
    sk_chat *chat;
    sk_rendering r = {0};
    char *text = malloc(n + 4);
    sk_heap_init(&heap, NULL, 256u << 20, &error);
    memcpy(text, "{#}", 3);
    memcpy(text, bytes, n);
    text[n] = 0;
    int32_t status =
        n && strlen(text) == n ? sk_chat_new(&chat, &heap, NULL, text, "", &error) : -1;
    if (status == SKALD_OK) {
        status = sk_chat_render(chat, &heap, conversation, sizeof conversation - 1, 1767323045, &r,
                                NULL, &error);
        CHECK(status == SKALD_OK || error.text[0]);
        for (uint64_t i = 0; i < r.n; i++)
            CHECK(r.origin[i] == SK_FROM_GIVEN || r.origin[i] == SK_FROM_TEMPLATE);
        sk_rendering_free(&r, &heap);
        sk_chat_free(chat);
    }
    free(text);
    CHECK(atomic_load(&heap.live) == 0);
    if (test_failures)
        abort();
    return 0;
}

#ifndef SK_FUZZER
int main(int argc, char **argv)
{
    uint64_t random = 3;
    test_replay(argc, argv, LLVMFuzzerTestOneInput);
    for (int round = 0; round < 3000; round++) {
        const sk_chat_builtin *b = &sk_chat_builtins[test_random(&random) % 20];
        size_t n = strlen(b->text);
        uint8_t *copy = malloc(n);
        memcpy(copy, b->text, n);
        for (uint64_t k = test_random(&random) % 4; k > 0; k--)
            copy[test_random(&random) % n] = (uint8_t)b->text[test_random(&random) % n];
        LLVMFuzzerTestOneInput(copy, n);
        free(copy);
    }
    return test_end();
}
#endif
