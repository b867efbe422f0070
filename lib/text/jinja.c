/* SPDX-License-Identifier: MIT */
/*
 * Making, keeping and rendering a template. All that a rendering makes is in one arena and freed
 * with it; only the text outlives it.
 */
#include "base/portable.h"
#include "jinja.h"
#include "jinja_int.h"

#include <string.h>

/* All line ends as \n, one at the end of the text dropped. */
static uint32_t template_normalise(const char *text, uint64_t n, char *out)
{
    uint32_t size = 0;
    for (uint64_t i = 0; i < n; i++) {
        if (text[i] == '\r') {
            out[size++] = '\n';
            i += i + 1 < n && text[i + 1] == '\n';
        } else {
            out[size++] = text[i];
        }
    }
    return size - (size > 0 && out[size - 1] == '\n');
}

static int32_t template_known_names(sk_jinja_parser *p)
{
    const struct {
        const char *name;
        int32_t *index;
    } rows[] = {{"loop", &p->t->name_loop},
                {"caller", &p->t->name_caller},
                {"varargs", &p->t->name_varargs},
                {"kwargs", &p->t->name_kwargs}};
    int32_t status = SKALD_OK;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && status >= 0; i++)
        status = sk_jinja_name(p, rows[i].name, strlen(rows[i].name), rows[i].index);
    return status;
}

static int32_t template_parse(sk_template *t, const char *text, uint32_t n, sk_error *error)
{
    sk_jinja_token *tokens;
    uint64_t n_tokens;
    int32_t status = sk_jinja_lex(t->heap, text, n, &tokens, &n_tokens, error);
    if (status < 0)
        return status;
    sk_jinja_parser p = {.t = t, .text = text, .at = tokens, .error = error};
    p.loop_next = p.loop_breaks = p.macro = -1;
    status = sk_strmap_init(&p.names, t->heap, n_tokens + 8, error);
    if (status >= 0) {
        status = template_known_names(&p);
        if (status >= 0)
            status = sk_jinja_parse_template(&p);
        sk_strmap_free(&p.names, t->heap);
    }
    sk_free(t->heap, tokens);
    return status;
}

int32_t sk_template_new(sk_template **out, sk_heap *heap, const char *text, uint64_t n,
                        sk_error *error)
{
    *out = NULL;
    if (n > SK_JINJA_TEXT_MAX)
        return sk_fail(error, SKALD_E_TEMPLATE, "a template has %llu bytes, at most %u are allowed",
                       (unsigned long long)n, SK_JINJA_TEXT_MAX);
    sk_template *t = sk_alloc_zero(heap, sizeof *t, "a template", error);
    if (!t)
        return SKALD_E_MEMORY;
    t->heap = heap;
    sk_arena_init(&t->arena, heap, 0);
    char *source = sk_alloc(heap, n, "a template's text", error);
    int32_t status = source ? SKALD_OK : SKALD_E_MEMORY;
    if (status >= 0)
        status = template_parse(t, source, template_normalise(text, n, source), error);
    sk_free(heap, source);
    if (status < 0)
        sk_template_free(t);
    else
        *out = t;
    return status;
}

void sk_template_free(sk_template *t)
{
    if (!t)
        return;
    for (uint64_t i = 0; i < t->n_macros; i++)
        sk_free(t->heap, t->macros[i].params);
    sk_free(t->heap, t->macros);
    sk_free(t->heap, t->constants);
    sk_free(t->heap, t->code);
    sk_arena_free(&t->arena);
    sk_free(t->heap, t);
}

void sk_rendering_free(sk_rendering *rendering, sk_heap *heap)
{
    sk_free(heap, rendering->text);
    sk_free(heap, rendering->origin);
    *rendering = (sk_rendering){0};
}

int32_t sk_template_render(const sk_template *t, sk_heap *heap, const sk_json *variables,
                           const sk_arena *own, int64_t now, sk_rendering *out, sk_error *error)
{
    sk_error ignored; /* the sentence is made in two steps */
    *out = (sk_rendering){0};
    if (variables->kind != SK_JSON_OBJECT)
        return sk_fail(error, SKALD_E_ARGUMENT, "the variables of a template must be an object");
    sk_jinja_run r = {.t = t, .heap = heap, .variables = variables, .own = own, .now = now};
    r.error = error ? error : &ignored;
    sk_arena_init(&r.arena, heap, SK_JINJA_MEMORY);
    sk_jinja_ink_init(&r.out, heap);
    sk_jinja_ink_init(&r.scratch, heap);
    int32_t status = sk_jinja_execute(&r);
    if (status >= 0)
        status = sk_jinja_put(&r, &r.out, "", 1);
    if (status >= 0)
        *out = (sk_rendering){r.out.text.data, (uint8_t *)r.out.origin.data, r.out.text.n - 1};
    else
        sk_jinja_ink_free(&r.out);
    sk_jinja_ink_free(&r.scratch);
    sk_free(heap, r.blocks);
    sk_free(heap, r.stack);
    sk_arena_free(&r.arena);
    return status;
}
