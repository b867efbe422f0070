/* SPDX-License-Identifier: MIT */
/*
 * A fuzzer of grammars, regular expressions and schemas: whatever the bytes are, compiling ends in
 * a grammar or in an error with a sentence, and reading a text by it does not go wrong; nothing
 * leaks. The first byte says which kind, the second how long the text at the end is.
 *
 * With -DSK_FUZZER it is a libFuzzer target, FUZZ_KINDS says of which kinds; here it damages what
 * it knows, some thousand times.
 */
#include "grammar_test.h"

#ifndef FUZZ_KINDS
#define FUZZ_KINDS "sgr" /* schemas, grammars, regular expressions */
#endif

static void try_input(const uint8_t *data, size_t n)
{
    static const char kinds[] = FUZZ_KINDS;
    sk_heap heap;
    sk_error error;
    if (n < 2)
        return;
    sk_heap_init(&heap, NULL, UINT64_C(2) << 30, NULL);
    size_t n_text = data[1] < n - 2 ? data[1] : n - 2;
    char *grammar = malloc(n - 1 - n_text);
    memcpy(grammar, data + 2, n - 2 - n_text);
    grammar[n - 2 - n_text] = 0;
    grammar_try(&heap, kinds[data[0] % (sizeof kinds - 1)], grammar, data[0] & 64 ? "*" : NULL,
                (const char *)data + n - n_text, n_text, &error);
    CHECK_INT(atomic_load(&heap.live), 0);
    free(grammar);
}

#ifdef SK_FUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    try_input(data, n);
    return 0;
}
#else

static const struct {
    char kind;
    const char *grammar, *text;
} seeds[] = {
    {'s',
     "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":-3,\"maximum\":"
     "9},"
     "\"b\":{\"anyOf\":[{\"$ref\":\"#\"},{\"enum\":[\"x\",1.5,[null]]}]}},\"required\":[\"a\"],"
     "\"minProperties\":1,\"maxProperties\":3}",
     "{\"a\":5,\"b\":{\"a\":1}}"},
    {'s',
     "{\"type\":\"array\",\"prefixItems\":[{\"const\":true}],\"items\":{\"type\":\"string\","
     "\"pattern\""
     ":\"^a[b-d]{2,3}$\"},\"minItems\":2,\"maxItems\":4,\"$defs\":{\"z\":{\"not\":{\"type\":"
     "\"null\"}}}}",
     "[true,\"abc\"]"},
    {'s',
     "{\"oneOf\":[{\"multipleOf\":7},{\"format\":\"date-time\",\"type\":\"string\"}],\"allOf\":[{}]"
     "}",
     "\"2024-02-29T10:00:00Z\""},
    {'g', "root ::= (\"a\" | b){2,5} [^x-z\\u00e9]* # c\nb ::= \"q\"? (root \".\")+\n", "aq.qab"},
    {'g', "root ::= item (\",\" item)* \"\\n\"\nitem ::= [0-9]+ | \"(\" root \")\"", "1,(2\n)\n"},
    {'r', "^(ab|c.d)*[\\w-]+\\d{1,3}?(x|)$", "abc1d_-12x"},
};

int main(void)
{
    static const char spice[] = "{}[]()\"\\,:*+?|^$.-0159axeu<>!#=\n ";
    uint64_t seed = 9;
    for (int round = 0; round < 6000; round++) {
        uint8_t data[2048];
        size_t which = test_random(&seed) % (sizeof seeds / sizeof *seeds);
        size_t n_grammar = strlen(seeds[which].grammar), n_text = strlen(seeds[which].text);
        data[0] = (uint8_t)(seeds[which].kind == 's' ? 0 : seeds[which].kind == 'g' ? 1 : 2);
        if (test_random(&seed) % 2)
            data[0] = (uint8_t)(data[0] + 66); /* 64 is ignored keywords; 66 is a multiple of 3 */
        data[1] = (uint8_t)n_text;
        memcpy(data + 2, seeds[which].grammar, n_grammar);
        memcpy(data + 2 + n_grammar, seeds[which].text, n_text);
        size_t n = 2 + n_grammar + n_text;
        for (int i = 0, damage = (int)(test_random(&seed) % 8); i < damage; i++) {
            size_t at = 2 + test_random(&seed) % (n - 2), from = 2 + test_random(&seed) % (n - 2);
            size_t length = 1 + test_random(&seed) % 12;
            if (test_random(&seed) % 2) {
                data[at] = (uint8_t)spice[test_random(&seed) % (sizeof spice - 1)];
            } else if (n + length < sizeof data && from + length <= n) { /* a piece once more */
                uint8_t piece[16];
                memcpy(piece, data + from, length);
                memmove(data + at + length, data + at, n - at);
                memcpy(data + at, piece, length);
                n += length;
            }
        }
        try_input(data, n);
    }
    return test_end();
}
#endif
