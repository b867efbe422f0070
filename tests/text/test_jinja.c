/* SPDX-License-Identifier: MIT */
/*
 * Templates. The truth is Jinja2: tests/text/jinja.json holds our own cases with what Jinja2 3.1
 * made of them in the field's settings (jinja_cases.py writes it), ../shared/templates real chat
 * templates with the same. Then hostile templates, and memory that runs out.
 */
#include "test.h"
#include "text/jinja.h"

#include <time.h>

#define NOW 1767323045 /* 2026-01-02 03:04:05 UTC, the clock of all expected texts */

static sk_heap heap;
static sk_arena arena;
static int n_same, n_wrong;

static sk_json read_json(const char *path)
{
    size_t n;
    sk_json value;
    sk_error error = {0};
    char *text = (char *)test_read(path, &n);
    int32_t status = sk_json_read(&arena, text, n, &value, &error);
    CHECKF(status == SKALD_OK, "%s: %s", path, error.text);
    free(text);
    return value;
}

static const sk_json *get(const sk_json *object, const char *name)
{
    return sk_json_get(object, name, strlen(name));
}

static int32_t render(const sk_template *t, sk_heap *from, const sk_json *variables, char **text,
                      uint64_t *n, sk_error *error)
{
    sk_rendering r;
    int32_t status = sk_template_render(t, from, variables, NULL, NOW, &r, error);
    *text = r.text;
    *n = r.n;
    sk_free(from, r.origin);
    return status;
}

/* Renders and compares; `want` NULL: an error is expected, which holds `error_part`. */
static void check_render(const char *name, const char *text, uint64_t n, const sk_json *variables,
                         const sk_json *want, const sk_json *error_part)
{
    sk_template *t;
    sk_error error = {0};
    char *found = NULL;
    uint64_t n_found = 0;
    int32_t status = sk_template_new(&t, &heap, text, n, &error);
    if (status >= 0)
        status = render(t, &heap, variables, &found, &n_found, &error);
    bool good =
        want ? status >= 0 && n_found == want->n && memcmp(found, want->as.text, n_found) == 0
             : status < 0;
    if (good && error_part)
        good = strstr(error.text, error_part->as.text) != NULL;
    n_same += good;
    n_wrong += !good;
    CHECKF(good, "%s: %s %.*s", name, status < 0 ? error.text : "is", (int)n_found,
           found ? found : "");
    if (!good && getenv("JINJA_VERBOSE"))
        printf("=== %s\n%.*s\n--- wanted\n%.*s\n--- found\n%.*s %s\n", name, (int)n, text,
               want ? (int)want->n : 0, want ? want->as.text : "", (int)n_found, found ? found : "",
               error.text);
    sk_free(&heap, found);
    sk_template_free(t);
}

static const sk_json *terminated(const sk_json *text, sk_json *copy)
{
    *copy = *text;
    char *bytes = sk_arena_alloc(&arena, text->n + 1, "test", NULL);
    memcpy(bytes, text->as.text, text->n);
    bytes[text->n] = 0;
    copy->as.text = bytes;
    return copy;
}

static void own_cases(void)
{
    sk_json cases = read_json(test_data("text/jinja.json")), copy;
    CHECK(cases.n > 150);
    for (uint64_t i = 0; i < cases.n; i++) {
        const sk_json *c = &cases.as.items[i], *text = get(c, "template");
        const sk_json *error = get(c, "error"), *want = get(c, "expect");
        char name[64];
        snprintf(name, sizeof name, "case %d: %.*s", (int)i, text->n < 40 ? (int)text->n : 40,
                 text->as.text);
        check_render(name, text->as.text, text->n, get(c, "vars"), want,
                     error ? terminated(error, &copy) : NULL);
    }
}

/* ---- real templates ----------------------------------------------------------------------- */

static sk_json_member member(const char *name, sk_json value)
{
    return (sk_json_member){{.kind = SK_JSON_STRING, .n = strlen(name), .as.text = name}, value};
}

static sk_json string(const char *text)
{
    return (sk_json){.kind = SK_JSON_STRING, .n = strlen(text), .as.text = text};
}

/* The variables of a conversation, as ../shared/README.md says. */
static sk_json conversation_variables(const sk_json *conversation)
{
    const sk_json *vars = get(conversation, "vars"), *tools = get(conversation, "tools");
    sk_json_member *m = sk_arena_array(&arena, 8 + (vars ? vars->n : 0), sizeof *m, "test", NULL);
    uint64_t n = 0;
    m[n++] = member("messages", *get(conversation, "messages"));
    m[n++] = member("bos_token", string("<s>"));
    m[n++] = member("eos_token", string("</s>"));
    if (tools)
        m[n++] = member("tools", *tools);
    if (!vars || !get(vars, "add_generation_prompt"))
        m[n++] = member("add_generation_prompt", (sk_json){.kind = SK_JSON_BOOL, .as.truth = true});
    for (uint64_t i = 0; vars && i < vars->n; i++)
        m[n++] = vars->as.members[i];
    return (sk_json){.kind = SK_JSON_OBJECT, .n = n, .as.members = m};
}

static void shared_renderings(void)
{
    const char *path = test_shared("templates/renderings.json");
    if (!path) {
        test_skip("../shared/templates is absent");
        return;
    }
    sk_json renderings = read_json(path);
    sk_json conversations = read_json(test_shared("templates/conversations.json"));
    int before = n_wrong;
    for (uint64_t i = 0; i < renderings.n; i++) {
        const sk_json *c = &renderings.as.items[i], *file = get(c, "template");
        const sk_json *which = get(c, "conversation"), *conversation = NULL;
        for (uint64_t k = 0; k < conversations.n; k++) {
            const sk_json *name = get(&conversations.as.items[k], "name");
            if (name->n == which->n && memcmp(name->as.text, which->as.text, which->n) == 0)
                conversation = &conversations.as.items[k];
        }
        char label[200];
        size_t n;
        snprintf(label, sizeof label, "templates/%.*s", (int)file->n, file->as.text);
        char *text = (char *)test_read(test_shared(label), &n);
        snprintf(label, sizeof label, "%.*s, %.*s", (int)file->n, file->as.text, (int)which->n,
                 which->as.text);
        sk_json variables = conversation_variables(conversation);
        check_render(label, text, n, &variables, get(c, "expect"), NULL);
        free(text);
    }
    printf("%d of %d renderings differ\n", n_wrong - before, (int)renderings.n);
}

/* The cases of a JavaScript Jinja. Not these, where Jinja2 itself renders something else (True, not
 * true; an error where JavaScript converts), or which want functions or another date. */
static const char not_jinja2[] =
    " MadeAgents/Hammer2.1 HuggingFaceTB/SmolLM3-3B "
    "BOOLEAN_LITERALS LOGICAL_AND LOGICAL_OR LOGICAL_NOT LOGICAL_NOT_NOT LOGICAL_AND_OR "
    "LOGICAL_AND_NOT LOGICAL_OR_NOT LOGICAL_COMBINED FOR_LOOP_UNPACKING FOR_LOOP_OBJECTS "
    "NUMBERS BINOP_EXPR BINOP_EXPR_1 FUNCTIONS PROPERTIES_1 OBJ_METHODS REPLACE MEMBERSHIP "
    "MEMBERSHIP_NEGATION_1 MEMBERSHIP_NEGATION_2 MEMBERSHIP_UNDEFINED UNARY_SIGN_EXPRESSIONS "
    "SUBSTRING_INCLUSION FILTER_OPERATOR_4 FILTER_OPERATOR_5 FILTER_OPERATOR_6 "
    "FILTER_OPERATOR_7 FILTER_OPERATOR_11 FILTER_OPERATOR_12 FILTER_OPERATOR_13 "
    "FILTER_OPERATOR_16 SORT_BASIC_STRINGS SORT_CASE_SENSITIVE SORT_CASE_INSENSITIVE "
    "SORT_ATTRIBUTE_SIMPLE SORT_CHAINED SORT_STABLE SORT_POSITIONAL_REVERSE_CASE "
    "SORT_POSITIONAL_ALL SORT_NULL_VALUES SORT_UNDEFINED_VALUES SORT_MIXED_BOOL_NUM "
    "BOOLEAN_NUMERICAL BOOLEAN_STRINGS BOOLEAN_MIXED BOOLEAN_MIXED_2 IS_OPERATOR "
    "IS_OPERATOR_2 IS_OPERATOR_3 IS_OPERATOR_4 IS_OPERATOR_5 IS_OPERATOR_6 SHORT_CIRCUIT "
    "SHORT_CIRCUIT_1 NAMESPACE_1 NAMESPACE_2 OBJECT_OPERATORS OBJECT_OPERATORS_1 "
    "OBJECT_OPERATORS_2 SCOPE SCOPE_1 MACROS_2 ";

static void shared_cases(const char *file, const char *text_key, const char *vars_key,
                         const char *want_key, const char *functions_key)
{
    const char *path = test_shared(file);
    if (!path)
        return;
    sk_json cases = read_json(path);
    int before = n_wrong, n = 0;
    for (uint64_t i = 0; i < cases.n; i++) {
        const sk_json *c = &cases.as.items[i], *functions = get(c, functions_key);
        const sk_json *text = get(c, text_key), *name = get(c, "name");
        char label[100];
        snprintf(label, sizeof label, " %.*s ", (int)name->n, name->as.text);
        if ((functions && functions->as.truth) || strstr(not_jinja2, label))
            continue;
        n++;
        check_render(label, text->as.text, text->n, get(c, vars_key), get(c, want_key), NULL);
    }
    CHECK(n > 40);
    printf("%s: %d of %d cases differ, %d others\n", file, n_wrong - before, n, (int)cases.n - n);
}

/* ---- hostile templates -------------------------------------------------------------------- */

static char *repeated(const char *before, const char *part, int n, const char *after)
{
    size_t size = strlen(before) + strlen(part) * (size_t)n + strlen(after) + 1;
    char *text = malloc(size), *to = text;
    to += sprintf(to, "%s", before);
    for (int i = 0; i < n; i++) {
        memcpy(to, part, strlen(part));
        to += strlen(part);
    }
    sprintf(to, "%s", after);
    return text;
}

/* Must end soon; with an error if `fails`. */
static void hostile(const char *text, bool fails)
{
    sk_template *t;
    sk_error error = {0};
    sk_json variables = {.kind = SK_JSON_OBJECT};
    char *found = NULL;
    uint64_t n = 0;
    clock_t start = clock();
    int32_t status = sk_template_new(&t, &heap, text, strlen(text), &error);
    if (status >= 0)
        status = render(t, &heap, &variables, &found, &n, &error);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    CHECKF((status < 0) == fails, "%.60s: %s", text, error.text);
    CHECKF(status >= 0 || strstr(error.text, "line ") || status == SKALD_E_MEMORY,
           "%.60s has no line: %s", text, error.text);
    CHECKF(seconds < 20, "%.60s took %.1f seconds", text, seconds);
    sk_free(&heap, found);
    sk_template_free(t);
}

static void hostile_nesting(void)
{
    const struct {
        const char *before, *part, *after;
        int n;
        bool fails;
    } rows[] = {
        {"{{ ", "(", "1", 100000, true},
        {"{{ ", "[", "1", 100000, true},
        {"{{ ", "-", "1 }}", 100000, true},
        {"{{ ", "{1:", "1", 100000, true},
        {"{{ ", "not ", "1 }}", 100000, false},
        {"{{ 1", "+1", " }}", 100000, false},
        {"{{ 1", "~1", " }}", 10000, false},
        {"{{ 1", "~1", " }}", 100000, true},
        {"{{ 1", " if 1", " }}", 100000, true},
        {"{{ 1", " if 1 else 1", " }}", 100000, true},
        {"{{ 1", " and 1", " }}", 100000, false},
        {"{{ 1", " < 1", " }}", 100000, false},
        {"{{ x", ".a", " }}", 100000, true},
        {"{{ x", "|list", " }}", 100000, false},
        {"{{ range", "(1)", " }}", 100000, true},
        {"", "{% if 1 %}", "", 100000, true},
        {"", "{% for x in [1] %}", "", 100000, true},
        {"{% if 0 %}", "{% elif 0 %}a", "{% endif %}", 100000, false},
        {"", "{% macro a() %}", "", 100000, true},
        {"{{ 'a'|map('map'", ",'map'", ")|list }}", 10000, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = repeated(rows[i].before, rows[i].part, rows[i].n, rows[i].after);
        hostile(text, rows[i].fails);
        free(text);
    }
}

static void hostile_templates(void)
{
    static const char *const fails[] = {
        "{{ ['a']|map([1, 2, 3])|list }}",
        "{{ ['a']|select({'a': 1, 'b': 2})|list }}",
        "{{ ['a']|map(1)|list }}",
        "{% for i in range(10**9) %}{% endfor %}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(99) %}"
        "{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}"
        "{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}"
        "{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(999) %}{% set ns.s = [ns.s] %}{% endfor "
        "%}"
        "{{ ns.s == [ns.s] }}{{ ns.s|tojson }}",
        "{% set ns = namespace(s=[1]) %}{% set ns.t = [1] %}{% for i in range(99) %}"
        "{% set ns.s = [ns.s, ns.s] %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.s == ns.t }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f(n) %}{{ f(n+1) ~ f(n+1) }}{% endmacro %}{{ f(0) }}",
        "{{ 'a' * 1000000000000 }}",
        "{{ ('a' * 1000000) * 1000000 }}",
        "{{ [1] * 100000000000 }}",
        "{{ 'a'.replace('', 'b' * 1000000).replace('', 'c' * 1000000) }}",
        "{% for i in range(99999) %}{{ 'a' * 100000 }}{% endfor %}",
        "{{ 'x\\ny'|indent(99999999999) }}",
        "{{ 9223372036854775807 + 1 }}",
        "{{ -9223372036854775807 - 2 }}",
        "{{ 3 ** 100000 }}",
        "{{ 1 // 0 }}",
        "{{ 1 % 0 }}",
        "{{ [1, 2]|tojson(indent=100000000000) }}",
        "{{ range(99999)|unique|list }}",
        "{% set x = namespace() %}{% set x.x = x %}{{ x|tojson }}",
        "{{ ''.__class__ }}{{ ''.__class__.__mro__ }}",
        "{{ range.__globals__.x }}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{{ ''.format_map() }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{",
        "{% ",
        "{#",
        "{{ 'a",
        "{{ 'a\\",
        "{% raw %}",
        "{{ a b }}",
        "{{ 1 | }}",
        "{{ }}",
        "{% endif %}",
        "{% if %}{% endif %}",
        "{% for %}{% endfor %}",
        "{% for x y in [] %}{% endfor %}",
        "{% set %}",
        "{% set 1 = 2 %}",
        "{% break %}",
        "{% macro 1() %}{% endmacro %}",
        "{% call 1 %}{% endcall %}",
        "{% for x in [1] %}{% macro f() %}{% break %}{% endmacro %}{% endfor %}",
        "{{ 99999999999999999999999 }}",
        "{{ x.y.z }}",
        "{{ x() }}",
        "{{ 1() }}",
        "{{ 1|nothing }}",
        "{{ 1 is nothing }}",
        "{{ 'a' < 1 }}",
        "{% for x in 1 %}{% endfor %}",
        "{% set a, b = [1] %}",
        "{{ {[]: 1} }}",
    };
    for (size_t i = 0; i < sizeof fails / sizeof *fails; i++)
        hostile(fails[i], true);
    hostile("{{ ''.__class__ }}", false); /* undefined, nothing more */
    /* A text built piece by piece must not cost its square. */
    hostile("{% set ns = namespace(s='') %}{% for i in range(99999) %}"
            "{% set ns.s = ns.s + 'abcdefghijklmnopqrst' %}{% endfor %}{{ ns.s|length }}",
            false);
}

/* Every prefix of a text and random damage to it end in a text or an error. */
static void damaged_templates(void)
{
    static const char text[] =
        "{%- macro m(a, b=[1, {'k': 2.5}]) -%}{{ a ~ b[0] }}{{ caller() if caller }}{%- endmacro %}"
        "{% for k, v in x.items() if v is not none and k != 'z' %}{{ loop.index }}:{{ k|upper }}"
        "{% if loop.last %}.{% elif v in [1, 2] %}{% break %}{% else %},{% endif %}{% else %}none"
        "{% endfor %}{% set ns = namespace(a=1) %}{% set ns.a = ns.a + x['a'][::-1]|length %}"
        "{% call m('q', b=(3, 4)) %}in{% endcall %}{% filter trim %} {{ ns.a }} {% endfilter %}"
        "{% raw %}{{ }}{% endraw %}{# c #}{{ '%s' ~ (1 < 2 <= 3)|tojson(indent=2) }}";
    uint64_t state = 77;
    char copy[sizeof text];
    sk_json variables = {.kind = SK_JSON_OBJECT};
    for (int i = 0; i < 20000; i++) {
        sk_template *t;
        sk_error error = {0};
        char *found = NULL;
        uint64_t n = i < (int)sizeof text ? (uint64_t)i : sizeof text - 1, n_found;
        memcpy(copy, text, sizeof text);
        for (int k = i < (int)sizeof text ? 0 : 1 + i % 3; k > 0; k--) {
            uint64_t to = test_random(&state) % n, from = test_random(&state) % n;
            copy[to] = k == 2 ? (char)test_random(&state) : text[from];
        }
        int32_t status = sk_template_new(&t, &heap, copy, n, &error);
        if (status >= 0)
            status = render(t, &heap, &variables, &found, &n_found, &error);
        CHECK(status >= 0 || error.text[0]);
        sk_free(&heap, found);
        sk_template_free(t);
    }
}

/* ---- where bytes come from ------------------------------------------------------------------ */

/* `want` has a letter for each byte: t the template's, g given. */
static void check_origin(const char *text, const char *want)
{
    static const char vars[] =
        "{\"u\": \"<X>\", \"l\": [\"<a>\", \"<b>\"], \"d\": {\"k\": \"<v>\"}, \"bos\": \"<s>\"}";
    sk_template *t;
    sk_error error = {0};
    sk_arena own, given;
    sk_rendering r = {0};
    sk_json variables;
    char found[256] = "";
    sk_arena_init(&own, &heap, 0);
    sk_arena_init(&given, &heap, 0);
    int32_t status = sk_json_read(&given, vars, sizeof vars - 1, &variables, &error);
    sk_json_member *bos = (sk_json_member *)(uintptr_t)&variables.as.members[variables.n - 1];
    bos->value.as.text = sk_arena_copy(&own, "<s>", 3, "test", &error);
    if (status >= 0)
        status = sk_template_new(&t, &heap, text, strlen(text), &error);
    if (status >= 0)
        status = sk_template_render(t, &heap, &variables, &own, NOW, &r, &error);
    for (uint64_t i = 0; i < r.n && i < sizeof found - 1; i++)
        found[i] = r.origin[i] == SK_FROM_TEMPLATE ? 't' : 'g';
    CHECKF(status >= 0 && strcmp(found, want) == 0, "%s: %s %s, wanted %s (%s)", text, error.text,
           found, want, r.text ? r.text : "");
    sk_rendering_free(&r, &heap);
    sk_template_free(t);
    sk_arena_free(&own);
    sk_arena_free(&given);
}

static void origins(void)
{
    check_origin("<i>{{ u }}</i>", "tttgggtttt");
    check_origin("{{ '<i>' + u + '</i>' }}", "tttgggtttt");
    check_origin("{{ '<i>' ~ u }}{{ bos }}", "tttgggttt");
    check_origin("{% set x %}<i>{{ u }}{% endset %}{{ x }}!", "tttgggt");
    check_origin("{% macro m(a) %}({{ a }}){% endmacro %}{{ m(u) ~ m('q') }}", "tgggtttt");
    check_origin("{{ l|join('--') }}", "gggttggg");
    check_origin("{{ '--'.join(l) }}", "gggttggg");
    check_origin("{{ '<Q>'.replace('Q', u) }}", "tgggt");
    check_origin("{{ u.replace('X', '<i>') }}", "gtttg");
    check_origin("{{ ('<' ~ u ~ '>')[1:-1] }}{{ ('<' ~ u ~ '>')|trim }}", "gggtgggt");
    check_origin("{{ 'ab'|upper }}{{ u|lower }}{{ ('a' ~ u)|title }}", "ttggg"
                                                                       "tggg");
    check_origin("{{ d|tojson }}", "gggggggggggg");
    check_origin("{{ ('a' ~ u) * 2 }}", "tgggtggg");
    check_origin("{{ '{}-'.format(u) }}", "gggt");
    check_origin("{% for x in l %}{{ x }}{% endfor %}{{ u[::-1] }}{{ '<>'|reverse }}", "gggggg"
                                                                                       "ggg"
                                                                                       "tt");
    check_origin("{% set ns = namespace(t='') %}{% for x in l %}{% set ns.t = ns.t ~ x ~ '|' %}"
                 "{% endfor %}{{ ns.t }}",
                 "gggtgggt");
    check_origin("{{ u.split('X')[0] }}{{ '<i> b'.split()[0] }}{{ u|first }}", "gtttg");
    check_origin("{{ '{\"a\": \"<|i|>\"}'|from_json }}", "gggggggggggggg");
}

/* ---- memory that runs out ----------------------------------------------------------------- */

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

static void failing_memory(void)
{
    static const char text[] =
        "{% macro m(a, b='!') %}{{ a }}{{ b }}{% endmacro %}{% set ns = namespace(s='') %}"
        "{% for x in [3, 1, 2]|sort if x > 1 %}{% set ns.s = ns.s ~ x %}{{ m(x, b=loop.index) }}"
        "{% endfor %}{{ {'a': [1, 2], 'b': ns.s}|tojson(indent=2, sort_keys=true) }}"
        "{{ 'a b c'.split()|join('-')|upper }}{% set t %}x{% endset %}{{ t }}"
        "{{ '{\"q\": [1, {\"w\": 2}]}'|from_json }}{{ 'a{}c'.format(1) }}";
    static const char want[] = "2132{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": \"23\"\n}A-B-Cx"
                               "{'q': [1, {'w': 2}]}a1c";
    skald_allocator host = {.size = sizeof host, .alloc = failing_alloc, .free = failing_free};
    sk_json variables = {.kind = SK_JSON_OBJECT};
    int32_t status = SKALD_E_MEMORY;
    for (fail_at = 1; status < 0 && fail_at < 1000; fail_at++) {
        sk_heap small;
        sk_template *t;
        sk_error error = {0};
        char *found = NULL;
        uint64_t n = 0;
        calls = 0;
        CHECK_INT(sk_heap_init(&small, &host, 0, &error), SKALD_OK);
        status = sk_template_new(&t, &small, text, sizeof text - 1, &error);
        if (status >= 0)
            status = render(t, &small, &variables, &found, &n, &error);
        CHECKF(status >= 0 || status == SKALD_E_MEMORY, "call %ld: %s", fail_at, error.text);
        if (status >= 0)
            CHECK_STR(found, want);
        sk_free(&small, found);
        sk_template_free(t);
        CHECK_INT(small.live, 0);
    }
    CHECK(status >= 0 && fail_at > 20);
}

int main(void)
{
    sk_error error;
    if (sk_heap_init(&heap, NULL, 0, &error) < 0)
        return 1;
    sk_arena_init(&arena, &heap, 0);
    own_cases();
    shared_renderings();
    shared_cases("templates/chat-cases.json", "chat_template", "data", "target",
                 "data_has_functions");
    shared_cases("templates/jinja-cases.json", "template", "context", "expected",
                 "context_has_functions");
    hostile_templates();
    hostile_nesting();
    damaged_templates();
    origins();
    failing_memory();
    sk_arena_free(&arena);
    CHECK_INT(heap.live, 0);
    return test_end();
}
