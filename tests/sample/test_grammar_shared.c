/* SPDX-License-Identifier: MIT */
/*
 * Grammars against material of others: grammar-cases.json; the JSON-Schema-Test-Suite, draft 7 and
 * 2020-12: what is invalid is rejected or the schema refused with a keyword named, what is valid is
 * accepted; JSONTestSuite under the schema "true".
 */
#include "grammar_test.h"

#include <dirent.h>

static sk_heap heap;
static sk_arena arena;

static sk_json read_shared(const char *path)
{
    size_t n;
    sk_json value = {0};
    sk_error error = {0};
    uint8_t *text = test_read(path, &n);
    CHECKF(sk_json_read(&arena, (char *)text, n, &value, &error) == SKALD_OK, "%s: %s", path,
           error.text);
    free(text);
    return value;
}

/* A string member, with a NUL behind it, for the arena's life. */
static const char *text_of(const sk_json *object, const char *key)
{
    const sk_json *value = sk_json_get(object, key, strlen(key));
    char *text = value ? sk_arena_alloc(&arena, value->n + 1, "text", NULL) : NULL;
    if (!text)
        return "";
    memcpy(text, value->as.text, value->n);
    text[value->n] = 0;
    return text;
}

/* The text of a value as Python's json.dumps writes it; NUL-terminated, in the buffer. */
static const char *dump(sk_buffer *buffer, const sk_json *value)
{
    sk_json_style style = SK_JSON_STYLE;
    style.ensure_ascii = true;
    buffer->n = 0;
    CHECK(sk_json_write(buffer, value, &style, NULL) == SKALD_OK);
    CHECK(sk_buffer_add(buffer, "", 1, NULL) == SKALD_OK);
    return buffer->data;
}

static void grammar_cases(void)
{
    const char *path = test_shared("json/grammar-cases.json");
    if (!path) {
        test_skip("../shared/json is absent");
        return;
    }
    sk_json list = read_shared(path);
    CHECK(list.n >= 44);
    for (uint64_t i = 0; i < list.n; i++) {
        const sk_json *one = &list.as.items[i];
        char kind = text_of(one, "kind")[0];
        for (int side = 0; side < 2; side++) {
            const sk_json *texts = sk_json_get(one, side ? "reject" : "accept", 6);
            for (uint64_t k = 0; k < texts->n; k++) {
                sk_error error;
                const sk_json *text = &texts->as.items[k];
                int found = grammar_try(&heap, kind, text_of(one, "text"), NULL, text->as.text,
                                        text->n, &error);
                CHECKF(found == (side ? REJECTED : ACCEPTED), "%s: %s: %d %s", text_of(one, "name"),
                       text->as.text, found, error.text);
            }
        }
    }
}

/* Valid instances that are not accepted, and why: in lib/sample/schema.h's words. */
static const char *const exceptions[] = {
    "is only an annotation by default",                      /* format binds */
    "same object with different property order is valid",    /* keys come in order */
    "no validation: invalid number, but it still validates", /* a dialect of its own */
    "doesn't need to validate against the root", /* an object that lists its keys has no others */
};

static bool is_exception(const char *file, const char *group, const char *test)
{
    for (size_t i = 0; i < sizeof exceptions / sizeof *exceptions; i++)
        if (strstr(test, exceptions[i]))
            return true;
    /* Keys in the order of the allOf, which is not that of the schema. */
    return strstr(file, "allOf.json") && (!strcmp(test, "allOf") || !strcmp(test, "valid")) &&
           (!strcmp(group, "allOf") || !strcmp(group, "allOf with base schema"));
}

static void suite_group(const char *file, const sk_json *group, int *n_refused, int *n_tests)
{
    sk_buffer schema, data;
    sk_buffer_init(&schema, &heap, 0);
    sk_buffer_init(&data, &heap, 0);
    const char *text = dump(&schema, sk_json_get(group, "schema", 6));
    const sk_json *tests = sk_json_get(group, "tests", 5);
    for (uint64_t i = 0; i < tests->n; i++) {
        const sk_json *test = &tests->as.items[i];
        const char *what = text_of(test, "description");
        const char *instance = dump(&data, sk_json_get(test, "data", 4));
        bool valid = sk_json_get(test, "valid", 5)->as.truth;
        sk_error error;
        int found = grammar_try(&heap, 's', text, NULL, instance, strlen(instance), &error);
        ++*n_tests;
        *n_refused += found == REFUSED;
        if (found == REFUSED)
            CHECKF(strstr(error.text, "the keyword \""), "%s: %s: %s", file, text, error.text);
        else if (!valid || !is_exception(file, text_of(group, "description"), what))
            CHECKF(found == (valid ? ACCEPTED : REJECTED), "%s: %s: %s on %s", file, what, text,
                   instance);
    }
    sk_buffer_free(&schema);
    sk_buffer_free(&data);
}

static void suite_draft(const char *draft)
{
    char name[200], folder[1000];
    snprintf(name, sizeof name, "json/schema/%s/type.json", draft);
    const char *one = test_shared(name);
    if (!one) {
        test_skip("../shared/json/schema is absent");
        return;
    }
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(one, '/') - one), one);
    DIR *dir = opendir(folder);
    int n_refused = 0, n_tests = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[1400];
        if (!strstr(entry->d_name, ".json"))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        sk_json groups = read_shared(path);
        for (uint64_t i = 0; i < groups.n; i++)
            suite_group(entry->d_name, &groups.as.items[i], &n_refused, &n_tests);
    }
    closedir(dir);
    printf("%s: %d tests, %d of refused schemas\n", draft, n_tests, n_refused);
    CHECK(n_tests > 900 && n_refused < n_tests / 2);
}

static void parsing_suite(void)
{
    char folder[1000];
    const char *one = test_shared("json/parsing/y_array_empty.json");
    if (!one) {
        test_skip("../shared/json/parsing is absent");
        return;
    }
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(one, '/') - one), one);
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[1400];
        size_t n;
        sk_error error;
        if (!strstr(entry->d_name, ".json") || entry->d_name[0] == 'i')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        uint8_t *text = test_read(path, &n);
        int found = grammar_try(&heap, 's', "true", NULL, (char *)text, n, &error);
        CHECKF(found == (entry->d_name[0] == 'y' ? ACCEPTED : REJECTED), "%s: %d %s", entry->d_name,
               found, error.text);
        free(text);
    }
    closedir(dir);
}

/* The field's own grammars compile, and take a text of theirs. */
static void field_grammars(void)
{
    static const struct {
        const char *file, *text;
    } rows[] = {
        {"arithmetic", "1+2*(3-y)=z\n"},          {"c", "int f(){return 1+2;}"},
        {"chess", "1. e4 e5\n2. Nf3 Nc6\n"},      {"english", "Hello there."},
        {"japanese", "\xE3\x81\x93\xE3\x82\x93"}, {"json", "{\"a\": [1, 2.5e3, null]}"},
        {"json_arr", "[\n{\"a\": 1}]"},           {"list", "- one\n- two\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char name[100];
        snprintf(name, sizeof name, "json/gbnf/%s.gbnf", rows[i].file);
        const char *path = test_shared(name);
        if (!path) {
            test_skip("../shared/json/gbnf is absent");
            return;
        }
        char *text = (char *)test_read(path, NULL);
        sk_error error;
        int found = grammar_try(&heap, 'g', text, NULL, rows[i].text, strlen(rows[i].text), &error);
        CHECKF(found == ACCEPTED, "%s: %d %s", rows[i].file, found, error.text);
        free(text);
    }
}

int main(void)
{
    sk_heap_init(&heap, NULL, 0, NULL);
    sk_arena_init(&arena, &heap, 0);
    grammar_cases();
    suite_draft("draft7");
    suite_draft("draft2020-12");
    parsing_suite();
    field_grammars();
    sk_arena_free(&arena);
    return test_end();
}
