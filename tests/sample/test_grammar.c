/* SPDX-License-Identifier: MIT */
/*
 * Grammars: our own cases, the C library's regular expressions as an oracle, ranges of numbers
 * against plain comparison, hostile input, memory that runs out.
 */
#include "grammar_test.h"

#include <regex.h>
#include <time.h>

static sk_heap heap;

static int try_text(char kind, const char *grammar, const char *text)
{
    sk_error error;
    return grammar_try(&heap, kind, grammar, NULL, text, strlen(text), &error);
}

/* Texts are separated by "~"; "^" stands for the empty one. */
static void each_text(char kind, const char *grammar, const char *texts, int wanted)
{
    while (*texts) {
        char one[256];
        size_t n = strcspn(texts, "~");
        snprintf(one, sizeof one, "%.*s", (int)n, texts);
        if (strcmp(one, "^") == 0)
            one[0] = 0;
        int found = try_text(kind, grammar, one);
        CHECKF(found == wanted, "%s: \"%s\" gives %d, wanted %d", grammar, one, found, wanted);
        texts += n + (texts[n] == '~');
    }
}

static const struct {
    char kind;
    const char *grammar, *yes, *no;
} cases[] = {
    {'g', "root ::= \"a\" | \"b\"\n", "a~b", "^~ab~c"},
    {'g', "root ::= x | y\n\nx ::= \"1\"\ny ::= \"2\" # said\n", "1~2", "3"},
    {'g', "root ::= \"a\"\n  | \"b\"\n  | \"c\"", "a~b~c", "ab"},
    {'g', "root ::= (\"a\"\n \"b\")+", "ab~abab", "a~aba"},
    {'g', "root ::= [^a-c]", "d~\xC3\xA9~\xF0\x9F\x98\x80", "a~c~\xC3~dd"},
    {'g', "root ::= [\\u00e0-\\u00ff\\U0001F600]+", "\xC3\xA9\xF0\x9F\x98\x80", "e~\xC3\x9F"},
    {'g', "root ::= \"\\x41\\t\\\"\"", "A\t\"", "A"},
    {'g', "root ::= [a\\]\\-]{2,3}", "a]~]-a", "a~aaaa"},
    {'g', "root ::= [a-]*", "^~-a-", "b"},
    {'g', "root ::= \"ab\"{2}", "abab", "abb~ab"},
    {'g', "root ::= \"a\"{,2}", "^~a~aa", "aaa"},
    {'g', "root ::= (\"a\"?)*", "^~aaa", "b"},
    {'g', "root ::= ((\"a\"*)*)*", "^~aaa", "b"},
    {'g', "root ::= \"a\" root \"b\" | \"\"", "^~ab~aaabbb", "a~aab~abb"},
    {'g', "root ::= \"(\" root* \")\"", "()~(()())", "(~)~(()"},
    {'g', "root ::= n root | n\nn ::= [0-9]", "1~123456", "^~a"},
    {'g', "root ::= e \"x\"\ne ::= \"\" | e2\ne2 ::= \"y\"", "x~yx", "y"},
    {'g', "root ::= o o o\no ::= \"a\"?", "^~a~aaa", "aaaa"},
    {'g', "root ::= .{2}", "ab~\xC3\xA9x~\n\n", "a~abc"},
    {'g', "root ::= \"a\"{0}", "^", "a"},
    {'r', "a|bc", "a~bc", "b~abc"},
    {'r', "(a|b)*c", "c~ababc", "ab"},
    {'r', "^abc$", "abc", "ab~abcd"},
    {'r', "\\d{3}-\\w+", "123-a_9", "12-a~123-"},
    {'r', "[\\d\\-x]+", "1-x", "a"},
    {'r', "a{2,}?b", "aab~aaaab", "ab"},
    {'r', "x{,3}", "x{,3}", "x~xxx"},
    {'r', "\\u00e9\\x41\\n",
     "\xC3\xA9"
     "A\n",
     "e"},
    {'r', "(?:ab)+(?<n>c)", "abc~ababc", "ab"},
    {'r', "[^\\S]", " ~\t", "a"},
    {'r', "\\p{Lu}\\P{L}",
     "\xC3\x89"
     "1",
     "e1~AA"},
    {'r', "(|a)", "^~a", "aa"},
    {'r', "((a{3}){3}){3}", "aaaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaaa"},
    {'s', "true", "1~null~{}~[]~\"\"~ [ 1 , 2 ] ~{\"a\":{\"b\":[true,false]}}",
     "^~[1,]~{a:1}~01~\"~tru~[1 2]"},
    {'s', "{\"type\":\"string\"}", "\"\\u00e9\\n\\\"\"~\"\xC3\xA9\"~\"\\ud83d\\ude00\"",
     "\"\\ud83d\"~\"\\x\"~\"\xC3\"~\"\n\""},
    {'s', "{\"type\":\"string\",\"maxLength\":1}", "\"\"~\"\xC3\xA9\"~\"\\ud83d\\ude00\"~\"\\n\"",
     "\"ab\""},
    {'s', "{\"enum\":[\"a\\nb\",1,2.5,null,{\"k\":[1]}]}",
     "\"a\\nb\"~1~1.0~2.5~null~{\"k\": [1]}~{ \"k\":[ 1 ]}~\"a\\u000ab\"", "2~\"a\nb\"~{}"},
    {'s', "{\"enum\":[1,\"x\",true],\"type\":[\"string\",\"boolean\"]}", "\"x\"~true", "1"},
    {'s', "{\"enum\":[1,5,9],\"minimum\":4}", "5~9", "1"},
    {'s', "{\"enum\":[\"ab\",\"b\"],\"pattern\":\"^a\"}", "\"ab\"", "\"b\""},
    {'s', "{\"type\":\"string\",\"pattern\":\"b\"}", "\"abc\"~\"b\"", "\"ac\""},
    {'s', "{\"type\":\"string\",\"pattern\":\"^a|b$\"}", "\"ax\"~\"xb\"", "\"xa\""},
    {'s', "{\"type\":\"string\",\"pattern\":\"^[a-c]{2,4}$\",\"minLength\":2}", "\"ab\"", "\"a\""},
    {'s',
     "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{}},"
     "\"required\":[\"b\"]}",
     "{\"b\":1}~{\"a\":1,\"b\":null}",
     "{}~{\"a\":1}~{\"b\":1,\"a\":1}~{\"b\":1,\"c\":1}~{\"b\":1,}"},
    {'s', "{\"properties\":{\"a\":{\"type\":\"integer\"}}}",
     "{}~1~{\"a\":1}~{\"x\":\"\",\"a\":1,\"y\":2}~{\"ab\":\"\"}~{\"\":1}", "{\"a\":\"\"}"},
    {'s',
     "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"},\"maxProperties\":2}",
     "{}~{\"a\":1}~{\"a\":1,\"b\":2}", "{\"a\":\"\"}~{\"a\":1,\"b\":2,\"c\":3}"},
    {'s',
     "{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{},\"c\":{}},\"minProperties\":2,"
     "\"additionalProperties\":false}",
     "{\"a\":1,\"c\":1}~{\"a\":1,\"b\":1,\"c\":1}", "{}~{\"b\":1}"},
    {'s',
     "{\"type\":\"object\",\"patternProperties\":{\"^x\":{\"type\":\"null\"}},"
     "\"additionalProperties\":false}",
     "{}~{\"x1\":null,\"xy\":null}", "{\"a\":null}~{\"x\":1}"},
    {'s', "{\"type\":\"object\",\"propertyNames\":{\"maxLength\":1}}", "{}~{\"a\":1}",
     "{\"ab\":1}"},
    {'s', "{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":1,\"maxItems\":2}",
     "[1]~[1, 2]", "[]~[1,2,3]~[\"\"]"},
    {'s',
     "{\"type\":\"array\",\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"null\"}],"
     "\"items\":false}",
     "[]~[1]~[1,null]", "[null]~[1,null,1]"},
    {'s', "{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"uniqueItems\":true}",
     "[]~[\"a\"]~[\"a\",\"b\"]~[\"\",\"a\"]~[\"a\\n\",\"a\"]",
     "[\"a\",\"a\"]~[\"a\",\"\\u0061\"]~[\"\",\"\"]~[\"a\",\"b\",\"a\"]"},
    {'s',
     "{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},"
     "\"uniqueItems\":true}}",
     "[[\"a\"],[\"a\"]]~[[\"a\",\"b\"],[\"b\",\"a\"]]", "[[\"b\"],[\"a\",\"a\"]]"},
    {'s', "{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}}]}",
     "1~[]~[1,[2,[3]]]", "\"\"~[\"\"]"},
    {'s', "{\"$ref\":\"#/$defs/a~1b/0\",\"$defs\":{\"a/b\":[{\"type\":\"null\"}]}}", "null", "1"},
    {'s', "{\"$ref\":\"#n\",\"$defs\":{\"x\":{\"$anchor\":\"n\",\"type\":\"null\"}}}", "null", "1"},
    {'s', "{\"oneOf\":[{\"type\":\"integer\",\"maximum\":3},{\"type\":\"integer\",\"minimum\":5}]}",
     "3~5", "4"},
    {'s',
     "{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"k\":{\"const\":\"a\"},\"v\":{\"type\":"
     "\"null\"}},\"required\":[\"k\",\"v\"]},{\"type\":\"object\",\"properties\":{\"k\":{\"const\":"
     "\"b\"}},\"required\":[\"k\"]}]}",
     "{\"k\":\"a\",\"v\":null}~{\"k\":\"b\"}", "{\"k\":\"a\"}~{\"k\":\"c\"}"},
    {'s', "{\"allOf\":[{\"minimum\":2},{\"maximum\":4}],\"type\":\"integer\"}", "2~3~4", "1~5"},
    {'s', "{\"not\":{\"type\":\"string\"}}", "1~null", "\"\""},
    {'s', "{\"not\":{\"enum\":[1,\"a\",null,true]}}", "1.5~2~0~\"b\"~\"aa\"~false~[1]",
     "1~1.0~\"a\"~null~true"},
    {'s', "{\"not\":{\"required\":[\"a\"]},\"type\":\"object\"}", "{}~{\"b\":1}", "{\"a\":1}~1"},
    {'s', "{\"type\":\"number\",\"not\":{\"type\":\"integer\"}}", "1.5~-0.25", "1~1.0~10"},
    {'s',
     "{\"type\":\"object\",\"properties\":{\"k\":{\"enum\":[\"a\",\"b\"]},\"x\":{\"type\":\"null\"}"
     "},"
     "\"required\":[\"k\"],\"if\":{\"properties\":{\"k\":{\"const\":\"a\"}}},\"then\":{"
     "\"required\":[\"x\"]"
     "},\"else\":{\"properties\":{\"x\":false}}}",
     "{\"k\":\"a\",\"x\":null}~{\"k\":\"b\"}", "{\"k\":\"a\"}~{\"k\":\"b\",\"x\":null}~{}"},
    {'s', "{\"oneOf\":[{\"type\":\"integer\"},{\"type\":[\"integer\",\"string\"]}]}", "\"\"~\"a\"",
     "3~null"},
    {'s', "{\"type\":\"array\",\"contains\":{\"type\":\"null\"},\"maxContains\":2}",
     "[null]~[1,null]~[null,\"\",null]", "[]~[1]~[null,null,null]"},
    {'s', "{\"dependentRequired\":{\"a\":[\"b\"]},\"type\":\"object\"}",
     "{}~{\"b\":1}~{\"a\":1,\"b\":1}~{\"b\":1,\"a\":1}", "{\"a\":1}"},
    {'s',
     "{\"$id\":\"http://x/a/"
     "\",\"$ref\":\"b#c\",\"$defs\":{\"d\":{\"$id\":\"b\",\"$defs\":{\"e\":{\"$anchor\":"
     "\"c\",\"type\":\"null\"}}},\"c\":{\"$anchor\":\"c\"}}}",
     "null", "1"},
    {'s', "{\"type\":\"integer\",\"multipleOf\":7}", "0~7~-14~700~7.0", "1~8~07"},
    {'s', "{\"type\":\"string\",\"format\":\"date\"}",
     "\"2024-02-29\"~\"2000-02-29\"~\"2023-12-31\"",
     "\"2023-02-29\"~\"1900-02-29\"~\"2023-04-31\""},
    {'s', "{\"type\":\"string\",\"format\":\"ipv6\"}",
     "\"::1\"~\"::\"~\"1:2:3:4:5:6:7:8\"~\"::ffff:1.2.3.4\"", "\"1::2::3\"~\"12345::\""},
    {'s', "{\"exclusiveMinimum\":0,\"maximum\":1.5,\"type\":\"number\"}", "0.001~1~1.5~1.50",
     "0~0.0~1.51~2~-1~1.6"},
};

static const struct {
    char kind;
    const char *grammar, *says;
} refused[] = {
    {'g', "root ::= root \"a\" | \"b\"", "rule \"root\" (line 1) is left-recursive"},
    {'g', "root ::= \"\" a\na ::= b? root\nb ::= \"x\"", "left-recursive"},
    {'g', "root ::= x", "line 1: the rule \"x\" is not defined"},
    {'g', "a ::= \"x\"", "no rule \"root\""},
    {'g', "root ::= \"a\n", "line 1, column 12"},
    {'g', "root ::= \"a\"\nroot ::= \"b\"", "line 2, column 6: this rule is defined already"},
    {'g', "root ::= [a", "the class is not ended"},
    {'g', "root ::= [z-a]", "ends before it begins"},
    {'g', "root ::= (\"a\"", "a ( is not closed"},
    {'g', "root ::= \"a\")", "closes nothing"},
    {'g', "root ::= *", "nothing to repeat"},
    {'g', "root ::= \"a\"{3,2}", "below its minimum"},
    {'g', "root ::= \"a\"{2001}", "too large"},
    {'g', "root ::= \"\\q\"", "this escape is not known"},
    {'g', "root ::= \"\\ud800\"", "no code point"},
    {'g', "root ::= <[1]>", "needs a model's vocabulary"},
    {'g', "root = \"a\"", "wanted ::="},
    {'g', "root ::= \"a\" %", "wanted an element"},
    {'r', "(a", "a group is not closed"},
    {'r', "a)", "closes nothing"},
    {'r', "*a", "nothing to repeat"},
    {'r', "a(?=b)", "look-around"},
    {'r', "(a)\\1", "back references"},
    {'r', "\\bx", "not supported"},
    {'r', "a^b", "anchor"},
    {'r', "\\p{Klingon}", "not known"},
    {'s', "{", "json_schema: "},
    {'s', "3", "not an object, true or false"},
    {'s', "{\"type\":\"strin\"}", "\"type\" is not"},
    {'s', "{\"$ref\":\"#/nowhere\"}", "leads nowhere"},
    {'s', "{\"$ref\":\"http://x/y\"}", "\"$ref\""},
    {'s', "{\"uniqueItems\":true}", "\"uniqueItems\""},
    {'s', "{\"not\":{\"pattern\":\"a\"}}", "\"not\""},
    {'s', "{\"if\":{\"items\":{\"pattern\":\"a\"}},\"then\":{\"maxItems\":3}}", "\"if\""},
    {'s', "{\"oneOf\":[{\"pattern\":\"a\"},{\"pattern\":\"b\"}]}", "\"oneOf\""},
    {'s', "{\"contains\":{\"pattern\":\"a\"},\"maxContains\":2}", "\"contains\""},
    {'s', "{\"allOf\":[{\"contains\":{}},{\"contains\":{\"type\":\"null\"}}]}", "\"contains\""},
    {'s', "{\"unevaluatedItems\":false,\"anyOf\":[{}]}", "\"unevaluatedItems\""},
    {'s', "{\"patternProperties\":{\"a\":{}}}", "\"patternProperties\""},
    {'s', "{\"type\":\"number\",\"multipleOf\":0.1}", "\"multipleOf\""},
    {'s', "{\"type\":\"string\",\"pattern\":\"a\",\"maxLength\":3}", "\"maxLength\""},
    {'s', "{\"format\":\"iri\"}", "\"format\""},
    {'s', "{\"pattern\":\"(?!a)\"}", "pattern: byte"},
    {'s', "{\"minLength\":-1}", "\"minLength\" is not a whole number"},
};

static void own_cases(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        each_text(cases[i].kind, cases[i].grammar, cases[i].yes, ACCEPTED);
        each_text(cases[i].kind, cases[i].grammar, cases[i].no, REJECTED);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        sk_error error;
        int found = grammar_try(&heap, refused[i].kind, refused[i].grammar, NULL, "", 0, &error);
        CHECKF(found == REFUSED && strstr(error.text, refused[i].says), "%s gives %d, \"%s\"",
               refused[i].grammar, found, error.text);
    }
    sk_error error;
    const char *unique = "{\"uniqueItems\":true,\"type\":\"array\"}";
    CHECK(grammar_try(&heap, 's', unique, "if, uniqueItems", "[1, 1]", 6, &error) == ACCEPTED);
    CHECK(grammar_try(&heap, 's', unique, "*", "[1]", 3, &error) == ACCEPTED);
    CHECK(grammar_try(&heap, 's', unique, "unique", "[]", 2, &error) == REFUSED);
    CHECK(grammar_try(&heap, 's', "", NULL, "[]", 2, &error) == REFUSED);
}

/* ---- Regular expressions against the C library's -------------------------------------------- */

static void random_regex(uint64_t *seed, char *out, int *n, int depth)
{
    int pieces = 1 + (int)(test_random(seed) % 3);
    for (int i = 0; i < pieces && *n < 200; i++) {
        static const char *const quantifiers[] = {"",  "",    "",      "*",   "+",
                                                  "?", "{2}", "{1,2}", "{2,}"};
        static const char *const atoms[] = {"a", "b", "c", "[ab]", "[^a]", "."};
        if (i > 0 && test_random(seed) % 3 == 0)
            out[(*n)++] = '|';
        if (depth > 0 && test_random(seed) % 3 == 0) {
            out[(*n)++] = '(';
            random_regex(seed, out, n, depth - 1);
            out[(*n)++] = ')';
        } else {
            *n += sprintf(out + *n, "%s", atoms[test_random(seed) % 6]);
        }
        *n += sprintf(out + *n, "%s", quantifiers[test_random(seed) % 9]);
    }
    out[*n] = 0;
}

static void regex_oracle(void)
{
    uint64_t seed = 7;
    for (int k = 0; k < 1500; k++) {
        char pattern[512], whole[600], text[16];
        int n = 0;
        regex_t compiled;
        random_regex(&seed, pattern, &n, 3);
        snprintf(whole, sizeof whole, "^(%s)$", pattern);
        if (regcomp(&compiled, whole, REG_EXTENDED | REG_NOSUB) != 0)
            continue;
        for (int t = 0; t < 12; t++) {
            int length = (int)(test_random(&seed) % 7);
            for (int i = 0; i < length; i++)
                text[i] = (char)('a' + test_random(&seed) % 3);
            text[length] = 0;
            int wanted = regexec(&compiled, text, 0, NULL, 0) == 0 ? ACCEPTED : REJECTED;
            int found = try_text('r', pattern, text);
            CHECKF(found == wanted, "%s on \"%s\": %d, wanted %d", pattern, text, found, wanted);
        }
        regfree(&compiled);
    }
}

/* ---- Ranges --------------------------------------------------------------------------------- */

static void integer_ranges(void)
{
    uint64_t seed = 3;
    for (int k = 0; k < 300; k++) {
        char schema[128], text[32];
        int spread = k % 3 == 0 ? 30 : 3000;
        int low = (int)(test_random(&seed) % (unsigned)spread) - spread / 2;
        int high = low + (int)(test_random(&seed) % (unsigned)spread);
        snprintf(schema, sizeof schema,
                 "{\"type\":\"integer\",\"minimum\":%d,\"exclusiveMaximum\":%d}", low, high);
        for (int t = 0; t < 40; t++) {
            int v = t < 3   ? low - 1 + t
                    : t < 6 ? high - 4 + t
                            : (int)(test_random(&seed) % 8000) - 4000;
            snprintf(text, sizeof text, "%d", v);
            int wanted = v >= low && v < high ? ACCEPTED : REJECTED;
            CHECKF(try_text('s', schema, text) == wanted, "%s: %s", schema, text);
        }
    }
}

static void decimal_ranges(void)
{
    uint64_t seed = 11;
    for (int k = 0; k < 300; k++) {
        char schema[160], text[32];
        int low = (int)(test_random(&seed) % 4000) - 2000;
        int high = low + (int)(test_random(&seed) % 3000);
        bool open = k % 2;
        snprintf(schema, sizeof schema,
                 "{\"type\":\"number\",\"%s\":%s%d.%02d,\"maximum\":%s%d.%02d}",
                 open ? "exclusiveMinimum" : "minimum", low < 0 ? "-" : "", abs(low) / 100,
                 abs(low) % 100, high < 0 ? "-" : "", abs(high) / 100, abs(high) % 100);
        for (int t = 0; t < 40; t++) {
            int v = t < 3   ? low - 1 + t
                    : t < 6 ? high - 4 + t
                            : (int)(test_random(&seed) % 6000) - 3000;
            snprintf(text, sizeof text, "%s%d.%02d", v < 0 ? "-" : "", abs(v) / 100, abs(v) % 100);
            bool in = (open ? v > low : v >= low) && v <= high;
            CHECKF(try_text('s', schema, text) == (in ? ACCEPTED : REJECTED), "%s: %s", schema,
                   text);
        }
    }
}

/* ---- Hostile input -------------------------------------------------------------------------- */

static char *repeated(const char *head, const char *piece, size_t n, const char *tail)
{
    size_t n_piece = strlen(piece), at = strlen(head);
    char *text = malloc(at + n * n_piece + strlen(tail) + 1);
    memcpy(text, head, at);
    for (size_t i = 0; i < n; i++, at += n_piece)
        memcpy(text + at, piece, n_piece);
    strcpy(text + at, tail);
    return text;
}

static void bounded(char kind, char *grammar, const char *text, int wanted)
{
    sk_error error;
    clock_t start = clock();
    int found = grammar_try(&heap, kind, grammar, NULL, text, strlen(text), &error);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    CHECKF(found == wanted, "%.60s: %d, %s", grammar, found, error.text);
    CHECKF(seconds < 20, "%.60s takes %g s", grammar, seconds);
    CHECK_INT(atomic_load(&heap.live), 0);
    free(grammar);
}

static void hostile(void)
{
    char *as = repeated("", "a", 3000, "");
    bounded('g', repeated("root ::= ", "(", 60000, ""), "", REFUSED);
    bounded('g', repeated("root ::= ", "(", 4000, "\"a\""), "", REFUSED);
    bounded('g', repeated("root ::= \"a\"", ")", 60000, ""), "", REFUSED);
    bounded('r', repeated("", "(", 60000, ""), "", REFUSED);
    bounded('r', repeated("a", "{2000}", 1, ""), as, REJECTED);
    bounded('s', repeated("", "[", 60000, ""), "", REFUSED);
    bounded('s', repeated("", "{\"not\":", 60000, ""), "", REFUSED);
    bounded('s', repeated("{\"allOf\":[", "{\"minimum\":1},", 60000, "{}]}"), "", REFUSED);
    bounded('s', repeated("{\"type\":\"string\",\"maxLength\":", "9", 400, "}"), "", REFUSED);
    bounded('s', repeated("{\"enum\":[", "1,", 60000, "2]}"), "2", ACCEPTED);
    /* choices of which there are exponentially many combinations */
    bounded('s',
            repeated("{\"allOf\":[",
                     "{\"not\":{\"properties\":{\"a\":{\"const\":1},\"b\":{\"type\":\"null\"}}}},",
                     60, "{}]}"),
            "", REFUSED);
    bounded('s',
            repeated("{\"allOf\":[", "{\"if\":{\"minimum\":1},\"then\":{\"maxLength\":3}},", 40,
                     "{}]}"),
            "", REFUSED);
    bounded('r', repeated("", "(a|a)", 400, ""), "aaa", REJECTED);
    bounded('r', repeated("", "a?", 1000, ""), "aaa", ACCEPTED);
    bounded('r', repeated("((((a?", "){30}", 4, ""), as, ACCEPTED);
    bounded('r', strdup("((((a{2000}){2000}){2000}){2000})"), "a", REJECTED);
    const char *cubic = "root ::= \"a\" root root | \"a\" root | \"a\"";
    bounded('g', strdup(cubic), as + 2900, ACCEPTED);
    bounded('g', strdup(cubic), as, REJECTED); /* with an error: too ambiguous */
    bounded('g', strdup("root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"\""), as, REJECTED);
    bounded('s', strdup("{\"$ref\":\"#\"}"), "[[1]]", ACCEPTED);
    bounded('s', strdup("{\"anyOf\":[{\"$ref\":\"#\"},{\"type\":\"null\"}]}"), "null", REFUSED);
    free(as);
    /* Many choices that multiply, and a text that is deeper than any stack. */
    bounded(
        's',
        repeated("{\"allOf\":[", "{\"anyOf\":[{\"minimum\":1},{\"maximum\":0},{}]},", 30, "{}]}"),
        "1", REFUSED);
    char *deep = repeated("", "[", 100000, "");
    bounded('s', strdup("true"), deep, REJECTED);
    free(deep);
}

/* ---- Memory --------------------------------------------------------------------------------- */

static void memory_runs_out(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i += 7)
        for (int64_t left = 0;; left++) {
            sk_heap small;
            test_memory memory;
            sk_error error;
            test_heap(&small, &memory, left);
            int found = grammar_try(&small, cases[i].kind, cases[i].grammar, NULL, "x", 1, &error);
            CHECK_INT(memory.live, 0);
            if (found != REFUSED)
                break;
            CHECKF(error.code == SKALD_E_MEMORY, "%s", error.text);
        }
}

int main(void)
{
    sk_heap_init(&heap, NULL, 0, NULL);
    own_cases();
    regex_oracle();
    integer_ranges();
    decimal_ranges();
    hostile();
    memory_runs_out();
    return test_end();
}
