/* SPDX-License-Identifier: MIT */
/*
 * JSON: the parsing suite of ../shared (y_ must be read, n_ must not), our own edge cases, texts as
 * Python's json.dumps and repr write them, damaged texts, and memory that runs out.
 */
#include "test.h"
#include "format/json.h"

#include <dirent.h>

static sk_heap heap;

/* Reads `text` and writes it anew; "" if it is not read. Static buffer. */
static const char *again(const char *text, size_t n, const sk_json_style *style)
{
    static char out[4096];
    sk_arena arena;
    sk_buffer buffer;
    sk_json value;
    sk_error error = {0};
    sk_arena_init(&arena, &heap, 0);
    sk_buffer_init(&buffer, &heap, sizeof out - 1);
    out[0] = 0;
    int32_t status = sk_json_read(&arena, text, n, &value, &error);
    if (status >= 0)
        status = sk_json_write(&buffer, &value, style, &error);
    CHECK(status >= 0 || error.text[0]);
    if (status >= 0) {
        memcpy(out, buffer.data, buffer.n);
        out[buffer.n] = 0;
    }
    sk_buffer_free(&buffer);
    sk_arena_free(&arena);
    return out;
}

static void suite(void)
{
    char folder[1000];
    const char *one = test_shared("json/parsing/y_array_empty.json");
    if (!one) {
        test_skip("../shared/json/parsing is absent");
        return;
    }
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(one, '/') - one), one);
    DIR *dir = opendir(folder);
    int n_files = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[1400];
        size_t n;
        sk_arena arena;
        sk_json value;
        sk_error error = {0};
        if (!strstr(entry->d_name, ".json"))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        char *text = (char *)test_read(path, &n);
        sk_arena_init(&arena, &heap, 0);
        int32_t status = sk_json_read(&arena, text, n, &value, &error);
        if (entry->d_name[0] == 'y')
            CHECKF(status == SKALD_OK, "%s: %s", entry->d_name, error.text);
        if (entry->d_name[0] == 'n')
            CHECKF(status == SKALD_E_CORRUPT, "%s: %d", entry->d_name, (int)status);
        sk_arena_free(&arena);
        free(text);
        n_files++;
    }
    if (dir)
        closedir(dir);
    CHECK(n_files > 300);
}

/* ---- what is read is written as Python writes it ------------------------------------------- */

static void same_texts(void)
{
    static const char *const rows[][2] = {
        {"null", "null"},
        {" [ 1 ,2.0,\t-3 ]\n", "[1, 2.0, -3]"},
        {"{\"b\":1,\"a\":{}, \"c\":[]}", "{\"b\": 1, \"a\": {}, \"c\": []}"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "{\"a\": 3, \"b\": 2}"},
        {"[9223372036854775807,-9223372036854775808]",
         "[9223372036854775807, -9223372036854775808]"},
        {"[9223372036854775808, -0, -0.0, 0e5]", "[9.223372036854776e+18, 0, -0.0, 0.0]"},
        {"[1e16,1e15,123456789.125,0.1,1e-5,0.0001,1.50,12345678901234567890]",
         "[1e+16, 1000000000000000.0, 123456789.125, 0.1, 1e-05, 0.0001, 1.5, "
         "1.2345678901234567e+19]"},
        {"[5e-324,1.7976931348623157e308,2.5e-7,100.0,1e22,1e23]",
         "[5e-324, 1.7976931348623157e+308, 2.5e-07, 100.0, 1e+22, 1e+23]"},
        /* Halfway between two doubles, and a little more, after more digits than fit. */
        {"[9007199254740993.0,9007199254740993.00000000000000000000000000000000000000000000000001]",
         "[9007199254740992.0, 9007199254740994.0]"},
        {"[0.00000000000000000000000000000000000000000000000000000000000000000000001, 1e-9999]",
         "[1e-71, 0.0]"},
        {"\"\\u0041\\u00e9\\u4e2d\\ud83d\\ude42\\/\\b\\f\\n\\r\\t\\\"\\\\\"",
         "\"Aé中🙂/\\b\\f\\n\\r\\t\\\"\\\\\""},
        {"[\"\\ud83d\", \"\\ude42x\", \"\\ud83d\\ud83d\\ude42\"]",
         "[\"\xEF\xBF\xBD\", \"\xEF\xBF\xBDx\", \"\xEF\xBF\xBD🙂\"]"},
        {"\"\\u0000\\u001f\x7f\"", "\"\\u0000\\u001f\x7f\""},
        {"[true,false,null,\"\"]", "[true, false, null, \"\"]"},
    };
    sk_json_style style = SK_JSON_STYLE;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_STR(again(rows[i][0], strlen(rows[i][0]), &style), rows[i][1]);
}

static void refused_texts(void)
{
    static const char *const rows[] = {
        "",
        " ",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{a:1}",
        "{\"a\":1,}",
        "[1}",
        "{\"a\":1]",
        "]",
        "1 2",
        "01",
        "-",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x1",
        "tru",
        "nul",
        "True",
        "NaN",
        "Infinity",
        "1e999",
        "-1e400",
        "'a'",
        "\"a",
        "\"\\",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\n\"",
        "\"\xff\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"",
        "\xef\xbb\xbf[]",
        "[1]//",
        "[\"a\" 1]",
        "\"\xe4\xb8\"",
    };
    sk_json_style style = SK_JSON_STYLE;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_STR(again(rows[i], strlen(rows[i]), &style), "");
    CHECK_STR(again("[1]\0", 4, &style), "");
}

static void styles(void)
{
    static const char text[] = "{\"b\":[1,{\"z\":\"\xC3\xA9\xF0\x9F\x99\x82\",\"y\":[]}],\"a\":{}}";
    sk_json_style style = SK_JSON_STYLE;
    style.ensure_ascii = true;
    CHECK_STR(again(text, sizeof text - 1, &style),
              "{\"b\": [1, {\"z\": \"\\u00e9\\ud83d\\ude42\", \"y\": []}], \"a\": {}}");
    style = SK_JSON_STYLE;
    style.indent = 2;
    style.sort_keys = true;
    CHECK_STR(
        again(text, sizeof text - 1, &style),
        "{\n  \"a\": {},\n  \"b\": [\n    1,\n    {\n      \"y\": [],\n      \"z\": \"é🙂\"\n"
        "    }\n  ]\n}");
    style = SK_JSON_STYLE;
    style.item_separator = ",";
    style.key_separator = "=";
    style.n_item_separator = style.n_key_separator = 1;
    CHECK_STR(again("[1,{\"a\":2}]", 11, &style), "[1,{\"a\"=2}]");
    style = SK_JSON_REPR;
    static const char quotes[] =
        "[1.0,true,null,\"it's\",\"a\\\"b'\",\"\\n\\u0001\",{\"k\":\"v\"}]";
    CHECK_STR(again(quotes, sizeof quotes - 1, &style),
              "[1.0, True, None, \"it's\", 'a\"b\\'', '\\n\\x01', {'k': 'v'}]");
}

/* ---- depth, size, damage, memory ----------------------------------------------------------- */

static void depth(void)
{
    static char text[400000], want[2 * SK_JSON_DEPTH + 1];
    sk_json_style style = SK_JSON_STYLE;
    for (size_t n = SK_JSON_DEPTH; n <= SK_JSON_DEPTH + 1; n++) {
        memset(text, '[', n);
        memset(text + n, ']', n);
        const char *found = again(text, 2 * n, &style);
        CHECKF((found[0] != 0) == (n == SK_JSON_DEPTH), "%d levels", (int)n);
        if (n == SK_JSON_DEPTH) {
            memcpy(want, text, 2 * n);
            CHECK_STR(found, want);
        }
    }
    memset(text, '[', sizeof text);
    CHECK_STR(again(text, sizeof text, &style), "");
    for (size_t i = 0; i + 5 <= sizeof text; i += 5)
        memcpy(text + i, "{\"a\":", 5);
    CHECK_STR(again(text, sizeof text, &style), "");
}

/* Many members of one name and of many names: time is linear. */
static void many_members(void)
{
    size_t n = 0, size = 200000 * 16;
    char *text = malloc(size);
    sk_arena arena;
    sk_json value;
    sk_error error = {0};
    n += (size_t)sprintf(text, "{");
    for (int i = 0; i < 200000; i++)
        n += (size_t)sprintf(text + n, "%s\"k%d\":%d", i ? "," : "", i % 150000, i);
    n += (size_t)sprintf(text + n, "}");
    sk_arena_init(&arena, &heap, 0);
    CHECK_INT(sk_json_read(&arena, text, n, &value, &error), SKALD_OK);
    CHECK_INT(value.n, 150000);
    const sk_json *found = sk_json_get(&value, "k7", 2);
    CHECK(found && found->kind == SK_JSON_INT && found->as.i == 150007);
    CHECK(sk_json_get(&value, "nothing", 7) == NULL);
    sk_arena_free(&arena);
    free(text);
}

static void damage(void)
{
    static const char text[] = "{\"a\": [1, -2.5e3, \"x\\u00e9\\ud83d\\ude42\", {\"b\": null}], "
                               "\"c\": {\"d\": true, \"d\": [[], {}]}}";
    sk_json_style style = SK_JSON_STYLE;
    uint64_t state = 5;
    for (int i = 0; i < 50000; i++) {
        char copy[sizeof text], first[4096];
        memcpy(copy, text, sizeof text);
        for (int k = i % 3; k >= 0; k--)
            copy[test_random(&state) % (sizeof text - 1)] =
                i & 1 ? (char)test_random(&state) : text[test_random(&state) % (sizeof text - 1)];
        size_t n = i % 7 ? sizeof text - 1 : test_random(&state) % sizeof text;
        snprintf(first, sizeof first, "%s", again(copy, n, &style));
        /* What is written is read again, as the same. */
        if (first[0])
            CHECK_STR(again(first, strlen(first), &style), first);
    }
}

static long calls, fail_at;

static void *failing_alloc(void *user, size_t size, size_t align)
{
    (void)user;
    if (++calls == fail_at)
        return NULL;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void failing_free(void *user, void *pointer, size_t size)
{
    (void)user;
    (void)size;
    free(pointer);
}

static void memory(void)
{
    static const char text[] = "{\"b\": [1, 2, {\"x\": \"yyyyyyyy\"}], \"a\": \"z\"}";
    skald_allocator host = {.size = sizeof host, .alloc = failing_alloc, .free = failing_free};
    int32_t status = SKALD_E_MEMORY;
    for (fail_at = 1; status < 0 && fail_at < 100; fail_at++) {
        sk_heap small;
        sk_arena arena;
        sk_buffer out;
        sk_json value;
        sk_error error = {0};
        sk_json_style style = SK_JSON_STYLE;
        style.sort_keys = true;
        calls = 0;
        CHECK_INT(sk_heap_init(&small, &host, 0, &error), SKALD_OK);
        sk_arena_init(&arena, &small, 0);
        sk_buffer_init(&out, &small, 0);
        status = sk_json_read(&arena, text, sizeof text - 1, &value, &error);
        if (status >= 0)
            status = sk_json_write(&out, &value, &style, &error);
        CHECKF(status >= 0 || status == SKALD_E_MEMORY, "call %ld: %s", fail_at, error.text);
        sk_buffer_free(&out);
        sk_arena_free(&arena);
        CHECK_INT(small.live, 0);
    }
    CHECK(status >= 0 && fail_at > 4);
}

static void limits(void)
{
    sk_arena arena;
    sk_buffer buffer;
    sk_error error = {0};
    sk_arena_init(&arena, &heap, 10000);
    CHECK(sk_arena_alloc(&arena, 5000, "test", &error) != NULL);
    CHECK(sk_arena_alloc(&arena, 6000, "test", &error) == NULL);
    CHECK_INT(error.code, SKALD_E_MEMORY);
    CHECK(sk_arena_alloc(&arena, UINT64_MAX - 3, "test", &error) == NULL);
    CHECK(sk_arena_array(&arena, UINT64_MAX / 4, 8, "test", &error) == NULL);
    CHECK(sk_arena_alloc(&arena, 16, "test", &error) != NULL);
    sk_arena_free(&arena);
    sk_buffer_init(&buffer, &heap, 10);
    CHECK_INT(sk_buffer_add(&buffer, "12345678", 8, &error), SKALD_OK);
    CHECK_INT(sk_buffer_fill(&buffer, 'x', 3, &error), SKALD_E_MEMORY);
    CHECK_INT(sk_buffer_fill(&buffer, 'x', 2, &error), SKALD_OK);
    CHECK(buffer.n == 10 && memcmp(buffer.data, "12345678xx", 10) == 0);
    sk_buffer_free(&buffer);
}

int main(void)
{
    sk_error error;
    if (sk_heap_init(&heap, NULL, 0, &error) < 0)
        return 1;
    suite();
    same_texts();
    refused_texts();
    styles();
    depth();
    many_members();
    damage();
    memory();
    limits();
    CHECK_INT(heap.live, 0);
    return test_end();
}
