/* SPDX-License-Identifier: MIT */
/*
 * Writes random texts of a JSON Schema, a line each, for a validator to judge:
 *
 *     generate N SEED < SCHEMA
 *
 * Bytes are chosen at random among those that the grammar allows. When a text grows long, those are
 * preferred that tend to end things. A text that does not end within its limit is left out. Exit
 * code 2: the schema is refused, with the sentence on stderr.
 */
#include "test.h"
#include "sample/matcher.h"

enum { LONG_TEXT = 120, LONGEST_TEXT = 6000 };

static sk_heap heap;
static sk_error error;

/* The bytes that may follow. */
static int allowed(sk_automaton *a, uint32_t state, uint8_t out[256])
{
    int n = 0;
    for (int byte = 0; byte < 256; byte++) {
        uint32_t next;
        if (sk_automaton_step(a, state, (uint8_t)byte, false, &next, &error) == SKALD_OK &&
            next != SK_STATE_DEAD)
            out[n++] = (uint8_t)byte;
    }
    return n;
}

/* White space is rare, and so are bytes beyond ASCII; late in a text, what ends things is likely.
 */
static uint8_t choose_byte(uint64_t *seed, const uint8_t *bytes, int n, bool is_late)
{
    static const char enders[] = "\"]}0123456789easlntrufd:,";
    for (const char *e = enders; is_late && *e && test_random(seed) % 8; e++)
        if (memchr(bytes, *e, (size_t)n))
            return (uint8_t)*e;
    for (int tries = 0; tries < 4; tries++) {
        uint8_t byte = bytes[test_random(seed) % (uint64_t)n];
        if (byte > ' ' && byte < 0x80)
            return byte;
    }
    return bytes[test_random(seed) % (uint64_t)n];
}

static bool write_text(sk_matcher *m, uint64_t *seed, char *text, size_t *n)
{
    sk_automaton *a;
    uint32_t state;
    uint8_t bytes[256];
    sk_matcher_reset(m, &error);
    for (*n = 0; *n < LONGEST_TEXT;) {
        uint64_t used = 0;
        if (sk_matcher_state(m, &a, &state, &error) < 0)
            return false;
        int n_bytes = allowed(a, state, bytes);
        bool is_late = *n > LONG_TEXT || test_random(seed) % 4 == 0;
        if (sk_matcher_may_end(m) && (n_bytes == 0 || is_late || test_random(seed) % 3))
            return true;
        if (n_bytes == 0)
            return false;
        text[*n] = (char)choose_byte(seed, bytes, n_bytes, is_late);
        if (sk_matcher_read(m, text + *n, 1, &used, &error) < 0)
            return false;
        *n += used; /* 0: a string that its array has already; another byte then */
    }
    return false;
}

int main(int argc, char **argv)
{
    static char text[LONGEST_TEXT + 1];
    sk_grammar *grammar;
    sk_matcher *m;
    size_t size;
    sk_heap_init(&heap, NULL, 0, NULL);
    int count = argc > 1 ? atoi(argv[1]) : 1;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) * 2 + 1 : 1;
    uint8_t *schema = test_read("/dev/stdin", &size);
    if (sk_grammar_from_schema(&grammar, &heap, (char *)schema, size, NULL, &error) < 0 ||
        sk_matcher_new(&m, &heap, grammar, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        free(schema);
        return 2;
    }
    for (int i = 0; i < count; i++) {
        size_t n;
        bool done = write_text(m, &seed, text, &n);
        for (size_t k = 0; k < n; k++) /* a line each: JSON does not mind */
            if (text[k] == '\n' || text[k] == '\r')
                text[k] = ' ';
        if (done)
            printf("%.*s\n", (int)n, text);
    }
    sk_matcher_free(m);
    sk_grammar_release(grammar);
    free(schema);
    return 0;
}
