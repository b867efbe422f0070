/* SPDX-License-Identifier: MIT */
/* Streamed text: whole code points only, stop strings never shown, any cutting gives the same. */
#include "test.h"

#include "session/output.h"

static sk_heap heap;
static sk_error error;

static sk_fed feed(sk_output *output, const char *bytes, size_t n)
{
    return sk_output_feed(output, bytes, n, true, (sk_sampler_state){0, 0, 0});
}

/* Feeds text in pieces of up to `most` bytes; returns what was shown, checks code points. */
static size_t stream(sk_output *output, const char *text, size_t n, size_t most, uint64_t *random,
                     char *out, bool *stopped)
{
    size_t n_out = 0;
    *stopped = false;
    sk_output_reset(output);
    for (size_t i = 0; i < n && !*stopped;) {
        size_t piece = 1 + test_random(random) % most;
        piece = piece > n - i ? n - i : piece;
        *stopped = feed(output, text + i, piece).at_stop;
        i += piece;
        if (i >= n && !*stopped)
            sk_output_flush(output);
        for (uint64_t j = 0; j < output->n_text; j++)
            CHECK(j > 0 || ((unsigned char)output->text[0] & 0xC0) != 0x80);
        memcpy(out + n_out, output->text, (size_t)output->n_text);
        n_out += (size_t)output->n_text;
    }
    return n_out;
}

int main(void)
{
    static const char text[] = "h\xc3\xa9llo \xe4\xb8\x96\xe7\x95\x8c \xf0\x9f\x98\x80 END of it";
    static const char *const texts[] = {"END", "EN!", "\xe7\x95\x8c!"};
    const sk_option_value none = {0},
                          stops = {.strings = (char **)(uintptr_t)texts, .n_strings = 3};
    const size_t n = sizeof text - 1, before = (size_t)(strstr(text, "END") - text);
    char out[128];
    bool stopped;
    uint64_t random = 3;
    sk_output output;
    CHECK_INT(sk_heap_init(&heap, NULL, 0, &error), 0);
    sk_output_init(&output, &heap);
    CHECK_INT(sk_output_set(&output, &stops, &none, 16, &error), 0);
    for (size_t most = 1; most <= 16; most++) {
        size_t got = stream(&output, text, n, most, &random, out, &stopped);
        CHECKF(stopped && got == before && memcmp(out, text, got) == 0, "pieces of %zu", most);
    }
    CHECK_INT(sk_output_set(&output, &none, &none, 16, &error), 0);
    for (size_t most = 1; most <= 16; most++) {
        size_t got = stream(&output, text, n, most, &random, out, &stopped);
        CHECK(!stopped && got == n && memcmp(out, text, n) == 0);
    }
    /* Broken bytes pass, and an unfinished code point comes out with the flush. */
    static const char broken[] = "a\xff\xfe z\xe4\xb8";
    size_t got = stream(&output, broken, sizeof broken - 1, 3, &random, out, &stopped);
    CHECK(got == sizeof broken - 1 && memcmp(out, broken, got) == 0);
    /* After a flush in the middle of what may be a stop string another stream begins. */
    CHECK_INT(sk_output_set(&output, &stops, &none, 16, &error), 0);
    CHECK(!feed(&output, "xE", 2).at_stop && output.n_text == 1 && output.n_held == 1);
    sk_output copy;
    sk_output_init(&copy, &heap);
    CHECK_INT(sk_output_set(&copy, &stops, &none, 16, &error), 0);
    sk_output_copy(&copy, &output);
    CHECK(copy.n_text == 1 && copy.text[0] == 'x' && copy.n_held == 1);
    CHECK(feed(&copy, "ND", 2).at_stop && copy.n_text == 0);
    sk_output_flush(&output);
    CHECK(output.n_text == 2 && memcmp(output.text, "xE", 2) == 0);
    CHECK(!feed(&output, "ND", 2).at_stop && output.n_text == 2);
    CHECK(memcmp(output.text, "ND", 2) == 0);
    sk_output_free(&copy);
    sk_output_free(&output);
    CHECK_INT(heap.live, 0);
    return test_end();
}
