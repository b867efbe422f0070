/* SPDX-License-Identifier: MIT */
/*
 * The ways in which models write calls. Each reader takes the whole text between two marks or says
 * that it is none; nothing is guessed from a part.
 *
 * Values that are written without quotes (in tags) are texts where the tool's schema wants such;
 * else JSON where they are JSON and no string, and text where not.
 */
#include "base/portable.h"

#include "text/reply_int.h"

#include <string.h>

/* A cursor over the text. */
typedef struct call_text {
    const char *at, *end;
    sk_call_list *list;
} call_text;

static uint64_t call_left(const call_text *t)
{
    return (uint64_t)(t->end - t->at);
}

static bool call_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void call_skip(call_text *t)
{
    while (t->at < t->end && call_is_space(*t->at))
        t->at++;
}

static bool call_take(call_text *t, const char *word)
{
    uint64_t n = strlen(word);
    if (call_left(t) < n || memcmp(t->at, word, (size_t)n) != 0)
        return false;
    t->at += n;
    return true;
}

/* The place of `word` in what is left, or NULL. */
static const char *call_find(const call_text *t, const char *word)
{
    uint64_t n = strlen(word);
    for (const char *p = t->at; (uint64_t)(t->end - p) >= n; p++) {
        p = memchr(p, word[0], (size_t)(t->end - p) - n + 1);
        if (!p)
            return NULL;
        if (memcmp(p, word, (size_t)n) == 0)
            return p;
    }
    return NULL;
}

/* What stands before `word`, which is taken too. */
static bool call_until(call_text *t, const char *word, sk_json *out)
{
    const char *found = call_find(t, word);
    if (!found)
        return false;
    *out = (sk_json){.kind = SK_JSON_STRING, .n = (uint64_t)(found - t->at), .as.text = t->at};
    t->at = found + strlen(word);
    return true;
}

static sk_json call_trim(sk_json s)
{
    while (s.n > 0 && call_is_space(s.as.text[0])) {
        s.as.text++;
        s.n--;
    }
    while (s.n > 0 && call_is_space(s.as.text[s.n - 1]))
        s.n--;
    return s;
}

/* Names of tools: printable, and no marks. */
static bool is_call_name(const sk_json *s)
{
    for (uint64_t i = 0; s->kind == SK_JSON_STRING && i < s->n; i++) {
        uint8_t c = (uint8_t)s->as.text[i];
        if (c <= ' ' || strchr("<>{}[]()\"'`|=,", c))
            return false;
    }
    return s->kind == SK_JSON_STRING && s->n > 0 && s->n <= 256;
}

int32_t sk_calls_add(sk_call_list *list, sk_call call)
{
    if (list->n == list->capacity) {
        uint64_t capacity = list->capacity ? 2 * list->capacity : 4;
        sk_call *items = sk_arena_array(list->arena, capacity, sizeof *items, "calls", list->error);
        if (!items)
            return SKALD_E_MEMORY;
        if (list->n)
            memcpy(items, list->items, (size_t)list->n * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = call;
    return SKALD_OK;
}

/* 1, or 0 for what is no JSON, or MEMORY. */
static int32_t call_json(sk_call_list *list, const char *text, uint64_t n, sk_json *out)
{
    sk_error ignored;
    int32_t status = sk_json_read(list->arena, text, n, out, &ignored);
    if (status == SKALD_E_MEMORY && list->error)
        *list->error = ignored;
    return status == SKALD_E_MEMORY ? status : status == SKALD_OK;
}

/* The rest of the text as arguments. */
static int32_t call_rest(call_text *t, sk_json *out)
{
    int32_t yes = call_json(t->list, t->at, call_left(t), out);
    t->at = t->end;
    return yes == 1 ? out->kind == SK_JSON_OBJECT : yes;
}

/* ---- JSON --------------------------------------------------------------------------------- */

static const sk_json *call_member(const sk_json *object, const char *const names[3])
{
    for (int i = 0; i < 3; i++) {
        const sk_json *found = sk_json_get(object, names[i], strlen(names[i]));
        if (found)
            return found;
    }
    return NULL;
}

static int32_t call_from_object(sk_call_list *list, const sk_json *object)
{
    static const char *const names[] = {"name", "tool_name", "function"};
    static const char *const arguments[] = {"arguments", "parameters", "args"};
    static const char *const ids[] = {"id", "tool_call_id", "call_id"};
    const sk_json *inner = sk_json_get(object, "function", 8);
    const sk_json *id = call_member(object, ids);
    if (inner && inner->kind == SK_JSON_OBJECT)
        object = inner;
    const sk_json *name = call_member(object, names), *given = call_member(object, arguments);
    sk_call call = {.arguments = {.kind = SK_JSON_OBJECT}, .id = {.kind = SK_JSON_NULL}};
    if (!name || !is_call_name(name))
        return 0;
    call.name = *name;
    if (given)
        call.arguments = *given;
    if (given && given->kind == SK_JSON_STRING) {
        sk_json object_in_text;
        int32_t yes = call_json(list, given->as.text, given->n, &object_in_text);
        if (yes < 0)
            return yes;
        if (yes && object_in_text.kind == SK_JSON_OBJECT)
            call.arguments = object_in_text;
    }
    if (id && id->kind == SK_JSON_STRING && id->n > 0)
        call.id = *id;
    int32_t status = sk_calls_add(list, call);
    return status < 0 ? status : 1;
}

static int32_t call_from_keys(sk_call_list *list, const sk_json *object)
{
    int32_t status = 1;
    if (object->n == 0)
        return 0;
    for (uint64_t i = 0; i < object->n && status == 1; i++) {
        const sk_json_member *m = &object->as.members[i];
        if (!is_call_name(&m->key) || m->value.kind != SK_JSON_OBJECT)
            return 0;
        status = sk_calls_add(list, (sk_call){m->key, m->value, {.kind = SK_JSON_NULL}});
        status = status < 0 ? status : 1;
    }
    return status;
}

static int32_t call_from_value(sk_call_list *list, const sk_json *value, bool keyed)
{
    int32_t yes = value->n > 0;
    if (value->kind == SK_JSON_OBJECT)
        return keyed ? call_from_keys(list, value) : call_from_object(list, value);
    if (value->kind != SK_JSON_ARRAY)
        return 0;
    for (uint64_t i = 0; i < value->n && yes == 1; i++) {
        const sk_json *item = &value->as.items[i];
        yes = item->kind == SK_JSON_OBJECT ? call_from_value(list, item, keyed) : 0;
    }
    return yes;
}

static int32_t call_read_json(call_text *t, bool keyed)
{
    sk_json value;
    int32_t yes = call_json(t->list, t->at, call_left(t), &value);
    return yes == 1 ? call_from_value(t->list, &value, keyed) : yes;
}

static int32_t read_json(call_text *t)
{
    return call_read_json(t, false);
}

static int32_t read_keyed(call_text *t)
{
    return call_read_json(t, true);
}

/* ---- tags --------------------------------------------------------------------------------- */

/* Arguments that come one by one. */
typedef struct call_given {
    sk_json_member *items;
    uint64_t n, capacity;
} call_given;

static int32_t call_add_member(sk_call_list *list, call_given *m, sk_json key, sk_json value)
{
    if (m->n == m->capacity) {
        uint64_t capacity = m->capacity ? 2 * m->capacity : 8;
        sk_json_member *items =
            sk_arena_array(list->arena, capacity, sizeof *items, "arguments", list->error);
        if (!items)
            return SKALD_E_MEMORY;
        if (m->n)
            memcpy(items, m->items, (size_t)m->n * sizeof *items);
        m->items = items;
        m->capacity = capacity;
    }
    m->items[m->n++] = (sk_json_member){key, value};
    return 1;
}

/* A value without quotes, of a tool: JSON that is no string, or the text without the line ends
 * around it. */
static int32_t call_add_bare(sk_call_list *list, sk_json tool, call_given *m, sk_json key,
                             sk_json text)
{
    sk_json value;
    tool = call_trim(tool);
    bool is_text = sk_reply_is_text(list->texts, list->n_texts, &tool, &key);
    int32_t yes = is_text ? 0 : call_json(list, text.as.text, text.n, &value);
    if (yes < 0)
        return yes;
    if (yes && value.kind != SK_JSON_STRING)
        return call_add_member(list, m, key, value);
    if (text.n > 0 && text.as.text[0] == '\n') {
        text.as.text++;
        text.n--;
    }
    text.n -= text.n > 0 && text.as.text[text.n - 1] == '\n';
    return call_add_member(list, m, key, text);
}

static int32_t call_finish(sk_call_list *list, sk_json name, const call_given *m)
{
    sk_json arguments = {.kind = SK_JSON_OBJECT, .n = m->n, .as.members = m->items};
    name = call_trim(name);
    if (!is_call_name(&name))
        return 0;
    int32_t status = sk_calls_add(list, (sk_call){name, arguments, {.kind = SK_JSON_NULL}});
    return status < 0 ? status : 1;
}

/* <parameter=KEY>VALUE</parameter> and the like. 1: one was added; 0: there is none. */
static int32_t call_parameter(call_text *t, sk_json tool, call_given *m)
{
    static const char *const forms[][3] = {{"<parameter=", ">", "</parameter>"},
                                           {"<parameter name=\"", "\">", "</parameter>"},
                                           {"<param name=\"", "\">", "</param>"}};
    sk_json key, value;
    for (int i = 0; i < 3; i++) {
        call_skip(t);
        if (!call_take(t, forms[i][0]))
            continue;
        if (!call_until(t, forms[i][1], &key) || !call_until(t, forms[i][2], &value))
            return 0;
        return call_add_bare(t->list, tool, m, call_trim(key), value);
    }
    return 0;
}

static int32_t read_functions(call_text *t)
{
    int32_t yes = 0;
    for (call_skip(t); t->at < t->end; call_skip(t)) {
        sk_json name, arguments;
        call_given m = {0};
        bool quoted = call_take(t, "<function name=\"");
        if (!quoted && !call_take(t, "<function="))
            return 0;
        if (!call_until(t, quoted ? "\">" : ">", &name))
            return 0;
        while ((yes = call_parameter(t, name, &m)) == 1)
            ;
        call_skip(t);
        if (yes == 0 && m.n == 0 && t->at < t->end && *t->at == '{') {
            sk_json text;
            if (!call_until(t, "</function>", &text))
                return 0;
            yes = call_json(t->list, text.as.text, text.n, &arguments);
            if (yes != 1 || arguments.kind != SK_JSON_OBJECT)
                return yes < 0 ? yes : 0;
            m.items = (sk_json_member *)(uintptr_t)arguments.as.members;
            m.n = arguments.n;
        } else if (yes < 0 || !call_take(t, "</function>")) {
            return yes < 0 ? yes : 0;
        }
        yes = call_finish(t->list, name, &m);
        if (yes != 1)
            return yes;
    }
    return yes;
}

/* Takes away every `what` in the text, which is copied. */
static int32_t call_without(call_text *t, const char *what)
{
    uint64_t n_what = strlen(what), n = 0;
    char *copy = sk_arena_alloc(t->list->arena, call_left(t), "a call", t->list->error);
    if (!copy)
        return SKALD_E_MEMORY;
    for (const char *p = t->at; p < t->end;) {
        if ((uint64_t)(t->end - p) >= n_what && memcmp(p, what, (size_t)n_what) == 0)
            p += n_what;
        else
            copy[n++] = *p++;
    }
    t->at = copy;
    t->end = copy + n;
    return SKALD_OK;
}

/* <parameter name="KEY" string="true">VALUE</parameter>, or <KEY>VALUE</KEY>. */
static int32_t call_invoked(call_text *t, sk_json tool, call_given *m)
{
    sk_json key, how = {.n = 0}, value;
    char close[160] = "</parameter>";
    call_skip(t);
    if (t->at == t->end || *t->at != '<' || (call_left(t) > 1 && t->at[1] == '/'))
        return 0;
    if (call_take(t, "<parameter name=\"")) {
        if (!call_until(t, "\"", &key) || !call_until(t, ">", &how))
            return 0;
    } else {
        t->at++;
        if (!call_until(t, ">", &key) || key.n > 120)
            return 0;
        sk_format(close, sizeof close, "</%.*s>", (int)key.n, key.as.text);
    }
    if (!call_until(t, close, &value))
        return 0;
    if (call_trim(how).n == 13 && memcmp(call_trim(how).as.text, "string=\"true\"", 13) == 0)
        return call_add_member(t->list, m, key, value);
    return call_add_bare(t->list, tool, m, key, value);
}

static int32_t read_invokes(call_text *t)
{
    int32_t yes = call_without(t, "\xEF\xBD\x9C"
                                  "DSML\xEF\xBD\x9C");
    if (yes == SKALD_OK)
        yes = call_without(t, "]<]minimax[>[");
    if (yes < 0)
        return yes;
    for (call_skip(t); t->at < t->end; call_skip(t)) {
        sk_json name;
        call_given m = {0};
        if (!call_take(t, "<invoke name=\"") || !call_until(t, "\">", &name))
            return 0;
        while ((yes = call_invoked(t, name, &m)) == 1)
            ;
        if (yes < 0 || !call_take(t, "</invoke>"))
            return yes < 0 ? yes : 0;
        yes = call_finish(t->list, name, &m);
        if (yes != 1)
            return yes;
    }
    return yes;
}

static int32_t read_arg_keys(call_text *t)
{
    sk_json name, key, value;
    call_given m = {0};
    int32_t yes = call_without(t, ":opensource");
    if (yes == SKALD_OK)
        yes = call_without(t, "<tool_sep>");
    if (yes < 0)
        return yes;
    const char *first = call_find(t, "<arg_key>");
    name = (sk_json){.kind = SK_JSON_STRING, .as.text = t->at};
    name.n = (uint64_t)((first ? first : t->end) - t->at);
    t->at += name.n;
    for (call_skip(t); t->at < t->end; call_skip(t)) {
        if (!call_take(t, "<arg_key>") || !call_until(t, "</arg_key>", &key))
            return 0;
        call_skip(t);
        if (!call_take(t, "<arg_value>") || !call_until(t, "</arg_value>", &value))
            return 0;
        if ((yes = call_add_bare(t->list, name, &m, call_trim(key), value)) < 0)
            return yes;
    }
    return call_finish(t->list, name, &m);
}

/* ---- separators --------------------------------------------------------------------------- */

#define CALL_SEP_C "<\xEF\xBD\x9Ctool\xE2\x96\x81sep\xEF\xBD\x9C>"

static int32_t call_add_separated(call_text *t, sk_json name, sk_json id)
{
    sk_json arguments;
    static const char prefix[] = "functions.";
    name = call_trim(name);
    if (name.n >= sizeof prefix && memcmp(name.as.text, prefix, sizeof prefix - 1) == 0) {
        /* Kimi: functions.NAME:INDEX, all of which is the id. */
        id = name;
        name.as.text += sizeof prefix - 1;
        name.n -= sizeof prefix - 1;
        for (uint64_t i = name.n; i-- > 0;)
            if (name.as.text[i] == ':') {
                name.n = i;
                break;
            }
    }
    int32_t yes = is_call_name(&name) ? call_rest(t, &arguments) : 0;
    if (yes != 1)
        return yes;
    int32_t status = sk_calls_add(t->list, (sk_call){name, arguments, id});
    return status < 0 ? status : 1;
}

/* DeepSeek: [function SEP] NAME and JSON, in a fence or behind SEP. */
static int32_t read_deepseek(call_text *t)
{
    sk_json name, rest, none = {.kind = SK_JSON_NULL};
    if (!call_until(t, CALL_SEP_C, &name))
        return 0;
    call_skip(t);
    if (t->at < t->end && *t->at == '{')
        return call_add_separated(t, name, none);
    if (!call_until(t, "```json", &name) || !call_until(t, "```", &rest))
        return 0;
    call_skip(t);
    if (t->at < t->end)
        return 0;
    t->at = rest.as.text;
    t->end = rest.as.text + rest.n;
    return call_add_separated(t, name, none);
}

static int32_t read_separated(call_text *t)
{
    sk_json name, id = {.kind = SK_JSON_NULL};
    if (call_find(t, CALL_SEP_C))
        return read_deepseek(t);
    if (call_find(t, "<|tool_call:name|>")) {
        if (!call_until(t, "<|tool_call:name|>", &id) ||
            !call_until(t, "<|tool_call:args|>", &name))
            return 0;
        return call_add_separated(t, name, call_trim(id));
    }
    if (call_until(t, "<|tool_call_argument_begin|>", &name))
        return call_add_separated(t, name, id);
    if (call_until(t, "[CALL_ID]", &name))
        return call_until(t, "[ARGS]", &id) ? call_add_separated(t, name, call_trim(id)) : 0;
    return call_until(t, "[ARGS]", &name) ? call_add_separated(t, name, id) : 0;
}

/* ---- expressions -------------------------------------------------------------------------- */

/* The end of a value: a comma or a closing bracket outside of strings and brackets. */
static const char *call_value_end(const call_text *t)
{
    uint64_t depth = 0;
    char quote = 0;
    for (const char *p = t->at; p < t->end; p++) {
        if (quote) {
            if (*p == '\\')
                p++;
            else if (*p == quote)
                quote = 0;
        } else if (*p == '"' || *p == '\'') {
            quote = *p;
        } else if (*p == '(' || *p == '[' || *p == '{') {
            depth++;
        } else if (depth == 0 && (*p == ',' || *p == ')')) {
            return p;
        } else if (*p == ')' || *p == ']' || *p == '}') {
            depth--;
        }
    }
    return NULL;
}

/* NAME(KEY=VALUE, ...) */
static int32_t call_python(call_text *t)
{
    sk_json name, key, value;
    call_given m = {0};
    sk_error ignored;
    if (!call_until(t, "(", &name))
        return 0;
    for (call_skip(t); !call_take(t, ")"); call_skip(t)) {
        if (!call_until(t, "=", &key))
            return 0;
        key = call_trim(key);
        const char *end = call_value_end(t);
        if (!end || !is_call_name(&key))
            return 0;
        int32_t status = sk_literal_read(t->list->arena, t->at, (uint64_t)(end - t->at), false,
                                         &value, &ignored);
        if (status < 0)
            return status == SKALD_E_MEMORY ? status : 0;
        t->at = end;
        call_take(t, ",");
        if ((status = call_add_member(t->list, &m, key, value)) < 0)
            return status;
    }
    return call_finish(t->list, name, &m);
}

static int32_t read_python(call_text *t)
{
    call_skip(t);
    bool listed = call_take(t, "[");
    int32_t yes = 0;
    do {
        if ((yes = call_python(t)) != 1)
            return yes;
        call_skip(t);
    } while (listed && call_take(t, ","));
    if (listed && !call_take(t, "]"))
        return 0;
    call_skip(t);
    return t->at == t->end;
}

/* call:NAME{...}, one after the other. */
static int32_t read_braces(call_text *t)
{
    sk_json name, arguments;
    sk_error ignored;
    call_skip(t);
    if (!call_take(t, "call:") || !call_until(t, "{", &name))
        return 0;
    t->at--;
    int32_t status =
        sk_literal_read(t->list->arena, t->at, call_left(t), true, &arguments, &ignored);
    if (status < 0 || arguments.kind != SK_JSON_OBJECT)
        return status == SKALD_E_MEMORY ? status : 0;
    call_given m = {(sk_json_member *)(uintptr_t)arguments.as.members, arguments.n, 0};
    return call_finish(t->list, name, &m);
}

/* NAME and JSON on the lines behind it. */
static int32_t read_recipient(call_text *t)
{
    sk_json name, arguments;
    if (!call_until(t, "\n", &name))
        return 0;
    int32_t yes = call_rest(t, &arguments);
    call_given m = {(sk_json_member *)(uintptr_t)arguments.as.members, arguments.n, 0};
    return yes == 1 ? call_finish(t->list, name, &m) : yes;
}

int32_t sk_calls_read(sk_call_list *list, uint16_t calls, const char *text, uint64_t n)
{
    typedef int32_t reader(call_text *);
    static const struct {
        uint16_t call;
        reader *read;
    } rows[] = {{SK_CALL_JSON, read_json},           {SK_CALL_KEYED, read_keyed},
                {SK_CALL_FUNCTION, read_functions},  {SK_CALL_INVOKE, read_invokes},
                {SK_CALL_SEPARATED, read_separated}, {SK_CALL_PYTHON, read_python},
                {SK_CALL_BRACES, read_braces},       {SK_CALL_ARG_KEY, read_arg_keys},
                {SK_CALL_RECIPIENT, read_recipient}};
    int32_t yes = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && yes == 0; i++) {
        call_text t = {text, text + n, list};
        list->n = 0;
        if (calls & rows[i].call)
            yes = rows[i].read(&t);
    }
    if (yes != 1)
        list->n = 0;
    return yes;
}

#undef CALL_SEP_C
