/* SPDX-License-Identifier: MIT */
/* See talk.h. JSON is written by json.c into memory; what is read is only cut apart: whether it
 * is a conversation the library says when it renders it. */
#define _POSIX_C_SOURCE 200809L
#include "talk.h"

#include "json.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void dialogue_cut(dialogue *d, size_t n)
{
    while (d->n > n)
        free(d->messages[--d->n].json);
}

void dialogue_free(dialogue *d)
{
    dialogue_cut(d, 0);
    free(d->messages);
    free(d->vars);
    memset(d, 0, sizeof *d);
}

/* Takes the JSON text over. */
static bool add_json(dialogue *d, const char *role, char *text)
{
    if (text && d->n == d->room) {
        size_t room = d->room ? 2 * d->room : 16;
        dialogue_message *grown = realloc(d->messages, room * sizeof *grown);
        if (!grown) {
            free(text);
            return false;
        }
        d->messages = grown;
        d->room = room;
    }
    if (!text)
        return false;
    dialogue_message *m = &d->messages[d->n++];
    m->json = text;
    snprintf(m->role, sizeof m->role, "%s", role);
    return true;
}

static char *message_json(const char *role, const char *text, size_t n, const char *reasoning,
                          const char *calls)
{
    char *out = NULL;
    size_t size;
    FILE *file = open_memstream(&out, &size);
    if (!file)
        return NULL;
    json j;
    json_begin(&j, file);
    json_open(&j, NULL, '{', false);
    json_string(&j, "role", role);
    json_bytes(&j, "content", text, n);
    if (*reasoning)
        json_string(&j, "reasoning_content", reasoning);
    if (*calls)
        fprintf(file, ", \"tool_calls\": [%s]", calls);
    fputc('}', file);
    bool good = !ferror(file);
    if (fclose(file) == 0 && good)
        return out;
    free(out);
    return NULL;
}

bool dialogue_add(dialogue *d, const char *role, const char *text, size_t n, const char *reasoning,
                  const char *calls)
{
    return add_json(d, role, message_json(role, text, n, reasoning, calls));
}

bool dialogue_set_system(dialogue *d, const char *text)
{
    bool has = d->n > 0 && strcmp(d->messages[0].role, "system") == 0;
    if (!has && !*text)
        return true;
    if (!dialogue_add(d, "system", text, strlen(text), "", ""))
        return false;
    dialogue_message added = d->messages[--d->n];
    if (has)
        free(d->messages[0].json);
    else
        memmove(d->messages + 1, d->messages, d->n++ * sizeof *d->messages);
    d->messages[0] = added;
    if (!*text) {
        free(added.json);
        memmove(d->messages, d->messages + 1, --d->n * sizeof *d->messages);
    }
    return true;
}

size_t dialogue_last(const dialogue *d, const char *role)
{
    for (size_t i = d->n; i-- > 0;)
        if (strcmp(d->messages[i].role, role) == 0)
            return i;
    return SIZE_MAX;
}

bool dialogue_set_var(dialogue *d, const char *name, const char *value)
{
    char *out = NULL, *end;
    size_t size;
    FILE *file = open_memstream(&out, &size);
    if (!file)
        return false;
    strtod(value, &end);
    bool bare = (*value && !*end && strchr("-0123456789", *value)) || strcmp(value, "true") == 0 ||
                strcmp(value, "false") == 0 || strcmp(value, "null") == 0;
    json j;
    json_begin(&j, file);
    json_open(&j, NULL, '{', false); /* cut off below: it puts the separators */
    if (bare)
        json_string(&j, name, "");
    else
        json_string(&j, name, value);
    if (fclose(file) != 0 || !out)
        return false;
    /* The last of a name counts in JSON. */
    int cut = bare ? (int)size - 3 : (int)size - 1;
    size_t n_old = d->vars ? strlen(d->vars) : 0, n_new = n_old + size + strlen(value) + 4;
    char *grown = realloc(d->vars, n_new);
    if (grown) {
        snprintf(grown + n_old, n_new - n_old, "%s%.*s%s", n_old ? ", " : "", cut, out + 1,
                 bare ? value : "");
        d->vars = grown;
    }
    free(out);
    return grown != NULL;
}

char *dialogue_json(const dialogue *d, bool alone)
{
    char *out = NULL;
    size_t size;
    FILE *file = open_memstream(&out, &size);
    if (!file)
        return NULL;
    if (!alone)
        fputs("{\"messages\": ", file);
    fputc('[', file);
    for (size_t i = 0; i < d->n; i++)
        fprintf(file, "%s%s", i ? ",\n" : "", d->messages[i].json);
    fputc(']', file);
    if (!alone)
        fprintf(file, ", \"vars\": {%s}}", d->vars ? d->vars : "");
    bool good = !ferror(file);
    if (fclose(file) == 0 && good)
        return out;
    free(out);
    return NULL;
}

/* ---- loading ------------------------------------------------------------------------------ */

/* The end of the JSON value at `p`, as far as strings and brackets tell; NULL: it has none. */
static const char *value_end(const char *p)
{
    int depth = 0;
    bool quoted = false;
    for (; *p; p++) {
        if (quoted) {
            if (*p == '\\' && p[1])
                p++;
            else if (*p == '"')
                quoted = false;
        } else if (*p == '"') {
            quoted = true;
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if (*p == '}' || *p == ']') {
            if (--depth == 0)
                return p + 1;
            if (depth < 0)
                return NULL;
        }
    }
    return NULL;
}

/* The role of a message; "" when it is not where it should be. */
static void find_role(const char *text, char role[16])
{
    const char *at = strstr(text, "\"role\"");
    at = at ? at + 6 + strspn(at + 6, " \t\r\n:") : NULL;
    size_t n = at && *at == '"' ? strcspn(at + 1, "\"") : 0;
    snprintf(role, 16, "%.*s", n < 16 ? (int)n : 0, at ? at + 1 : "");
}

bool dialogue_load(dialogue *d, const char *text)
{
    dialogue loaded = {0};
    const char *p = text + strspn(text, " \t\r\n");
    bool good = *p == '[';
    for (p += good; good; p += *p == ',') {
        char role[16];
        p += strspn(p, " \t\r\n");
        if (*p == ']')
            break;
        const char *end = *p == '{' ? value_end(p) : NULL;
        char *message = end ? strndup(p, (size_t)(end - p)) : NULL;
        if (message)
            find_role(message, role);
        good = message && add_json(&loaded, role, message);
        p = good ? end + strspn(end, " \t\r\n") : p;
        good = good && (*p == ',' || *p == ']');
    }
    if (!good) {
        dialogue_free(&loaded);
        return false;
    }
    loaded.vars = d->vars;
    d->vars = NULL;
    dialogue_free(d);
    *d = loaded;
    return true;
}
