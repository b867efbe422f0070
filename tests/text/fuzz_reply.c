/* SPDX-License-Identifier: MIT */
/*
 * A fuzzing entry (clang -fsanitize=fuzzer,address -DSK_FUZZER; without it, main replays the files
 * that are named and random ones). The first bytes choose the formats, the prompt's end and how the
 * rest is cut into pieces; the events must be those of the rest in one piece.
 */
#include "test.h"
#include "text/reply_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* The events as one text: each kind's letter where it changes, and before every call. */
typedef struct told {
    char *text;
    size_t n, room;
    int32_t last;
} told;

static void tell(told *t, const char *text, size_t n)
{
    if (t->n + n > t->room)
        t->text = realloc(t->text, t->room = 2 * (t->n + n));
    memcpy(t->text + t->n, text, n);
    t->n += n;
}

static void take(sk_reply *reply, told *t)
{
    const char *text;
    uint64_t n;
    int32_t kind;
    while ((kind = sk_reply_next(reply, &text, &n)) != 0) {
        char letter = (char)('0' + kind);
        if (kind != t->last || kind == SKALD_EVENT_TOOL_CALL)
            tell(t, &letter, 1);
        tell(t, text, n);
        t->last = kind;
    }
}

static told read_cut(sk_heap *heap, uint64_t marks, const char *prompt, const uint8_t *bytes,
                     size_t n, uint64_t cut)
{
    sk_error error = {0};
    sk_reply *reply;
    told t = {0};
    CHECK(sk_reply_new(&reply, heap, &error) == SKALD_OK);
    sk_reply_begin(reply, marks, prompt, strlen(prompt));
    for (size_t at = 0, part; at < n; at += part) {
        part = cut ? test_random(&cut) % 7 : n;
        part = part < n - at ? part : n - at;
        CHECK(sk_reply_reserve(reply, part, &error) == SKALD_OK);
        sk_reply_feed(reply, (const char *)bytes + at, part);
        take(reply, &t);
    }
    sk_reply_finish(reply);
    take(reply, &t);
    sk_reply_free(reply);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const prompts[] = {"", "<think>\n", "<|start|>assistant", "[THINK]"};
    sk_heap heap;
    sk_error error = {0};
    uint64_t marks = UINT64_MAX;
    if (n < 10)
        return 0;
    sk_heap_init(&heap, NULL, 0, &error);
    if (bytes[0] & 4)
        memcpy(&marks, bytes + 1, 8);
    marks &= UINT64_MAX >> (64 - sk_n_marks);
    const char *prompt = prompts[bytes[0] & 3];
    told whole = read_cut(&heap, marks, prompt, bytes + 9, n - 9, 0);
    told cut = read_cut(&heap, marks, prompt, bytes + 9, n - 9, 1 + bytes[9]);
    CHECKF(whole.n == cut.n && (whole.n == 0 || memcmp(whole.text, cut.text, whole.n) == 0),
           "%.*s\nand %.*s", (int)whole.n, whole.n ? whole.text : "", (int)cut.n,
           cut.n ? cut.text : "");
    free(whole.text);
    free(cut.text);
    CHECK(atomic_load(&heap.live) == 0);
    if (test_failures)
        abort();
    return 0;
}

#ifndef SK_FUZZER
int main(int argc, char **argv)
{
    uint64_t random = 9;
    test_replay(argc, argv, LLVMFuzzerTestOneInput);
    for (int round = 0; round < 20000; round++) {
        char text[512];
        size_t n = 9;
        for (size_t i = 0; i < 9; i++)
            text[i] = (char)test_random(&random);
        for (int k = (int)(test_random(&random) % 12); k >= 0; k--) {
            const sk_mark *mark = &sk_marks[test_random(&random) % sk_n_marks];
            const char *part = test_random(&random) % 3 ? mark->open
                               : mark->close            ? mark->close
                                                        : "{\"name\": \"f\"}";
            if (n + strlen(part) + 1 > sizeof text)
                break;
            memcpy(text + n, part, strlen(part));
            n += strlen(part);
            text[n++] = "{}[]\"f= \n("[test_random(&random) % 10];
        }
        LLVMFuzzerTestOneInput((const uint8_t *)text, n);
    }
    return test_end();
}
#endif
