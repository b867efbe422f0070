/* SPDX-License-Identifier: MIT */
/*
 * Where every byte of a text comes from: from the template, or from what was given to it. Only the
 * template's bytes may become control tokens, so that no message can end its own turn or begin
 * another's, whatever it says (sk_template_render hands the origins out, chat.c uses them).
 *
 * A byte is the template's if it lies in the template's own constants or in the arena of texts
 * that the caller vouches for, or was copied from such a byte by sk_jinja_put. Everything else, the
 * result of any function that forgets to say so included, counts as given: the default is the safe
 * one. Text that functions make lies in chunks with a second half that holds an origin a byte.
 */
#include "base/portable.h"
#include "jinja_int.h"

#include <string.h>

#define ORIGIN_CHUNK_FIRST 4096u
#define ORIGIN_CHUNK_LAST (1u << 20)

struct sk_jinja_texts {
    struct sk_jinja_texts *next;
    char *text;
    uint64_t used, size; /* bytes; the origins follow at text + size */
};

/* The origins of a text that a function made; NULL: it lies elsewhere. */
static uint8_t *origin_of(const sk_jinja_run *r, const char *text)
{
    for (const sk_jinja_texts *c = r->texts; c; c = c->next)
        if ((uintptr_t)text - (uintptr_t)c->text < c->size)
            return (uint8_t *)c->text + c->size + (text - c->text);
    return NULL;
}

static bool origin_is_template(const sk_jinja_run *r, const char *text)
{
    return sk_arena_holds(&r->t->arena, text) || (r->own && sk_arena_holds(r->own, text));
}

/* Writes the origins of text[0..n) to `to`. */
static void origin_copy(const sk_jinja_run *r, uint8_t *to, const char *text, uint64_t n)
{
    const uint8_t *from = origin_of(r, text);
    if (from)
        memcpy(to, from, n);
    else
        memset(to, origin_is_template(r, text) ? SK_FROM_TEMPLATE : SK_FROM_GIVEN, n);
}

static sk_jinja_texts *origin_chunk(sk_jinja_run *r, uint64_t size)
{
    uint64_t last = r->texts ? r->texts->size : ORIGIN_CHUNK_FIRST / 2;
    uint64_t usual = last < ORIGIN_CHUNK_LAST ? 2 * last : ORIGIN_CHUNK_LAST;
    uint64_t whole = size > usual ? size : usual;
    sk_jinja_texts *c = sk_jinja_alloc(r, 1, sizeof *c);
    char *text = c ? sk_jinja_alloc(r, whole, 2) : NULL;
    if (!text)
        return NULL;
    *c = (sk_jinja_texts){r->texts, text, 0, whole};
    r->texts = c;
    return c;
}

char *sk_jinja_new_text(sk_jinja_run *r, uint64_t n)
{
    sk_jinja_texts *c = r->texts;
    if (!c || c->size - c->used < n)
        c = origin_chunk(r, n);
    if (!c)
        return NULL;
    char *text = c->text + c->used;
    memset(text + c->size, SK_FROM_GIVEN, n);
    c->used += n;
    return text;
}

void sk_jinja_copy(sk_jinja_run *r, char *to, const char *from, uint64_t n)
{
    if (n == 0)
        return;
    memcpy(to, from, n);
    origin_copy(r, origin_of(r, to), from, n);
}

/* ---- text that grows ---------------------------------------------------------------------- */

void sk_jinja_ink_init(sk_jinja_ink *ink, sk_heap *heap)
{
    sk_buffer_init(&ink->text, heap, SK_JINJA_OUTPUT);
    sk_buffer_init(&ink->origin, heap, SK_JINJA_OUTPUT);
}

void sk_jinja_ink_free(sk_jinja_ink *ink)
{
    sk_buffer_free(&ink->text);
    sk_buffer_free(&ink->origin);
}

void sk_jinja_ink_cut(sk_jinja_ink *ink, uint64_t n)
{
    ink->text.n = n;
    if (ink->origin.n > n)
        ink->origin.n = n;
}

int32_t sk_jinja_ink_settle(sk_jinja_run *r, sk_jinja_ink *ink)
{
    return sk_buffer_fill(&ink->origin, SK_FROM_GIVEN, ink->text.n - ink->origin.n, r->error);
}

int32_t sk_jinja_put_as(sk_jinja_run *r, sk_jinja_ink *ink, const char *text, uint64_t n,
                        const char *source)
{
    int32_t status = sk_jinja_ink_settle(r, ink);
    if (status >= 0)
        status = sk_buffer_add(&ink->text, text, n, r->error);
    if (status < 0 || n == 0)
        return status;
    uint8_t origin = SK_FROM_GIVEN;
    origin_copy(r, &origin, source, 1);
    return sk_buffer_fill(&ink->origin, (char)origin, n, r->error);
}

int32_t sk_jinja_put(sk_jinja_run *r, sk_jinja_ink *ink, const char *text, uint64_t n)
{
    int32_t status = sk_jinja_ink_settle(r, ink);
    if (status >= 0)
        status = sk_buffer_add(&ink->text, text, n, r->error);
    if (status >= 0)
        status = sk_buffer_fill(&ink->origin, SK_FROM_GIVEN, n, r->error);
    if (status >= 0 && n > 0)
        origin_copy(r, (uint8_t *)ink->origin.data + ink->origin.n - n, text, n);
    return status;
}

int32_t sk_jinja_take(sk_jinja_run *r, sk_jinja_ink *ink, uint64_t from, sk_json *out)
{
    uint64_t n = ink->text.n - from;
    char *copy = sk_jinja_new_text(r, n);
    int32_t status = copy ? sk_jinja_ink_settle(r, ink) : SKALD_E_MEMORY;
    if (status < 0)
        return status;
    if (n > 0) {
        memcpy(copy, ink->text.data + from, n);
        memcpy(origin_of(r, copy), ink->origin.data + from, n);
    }
    sk_jinja_ink_cut(ink, from);
    *out = sk_jinja_text(copy, n);
    return sk_jinja_charge(r, n);
}
