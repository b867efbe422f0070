/* SPDX-License-Identifier: MIT */
/*
 * Templates in the language of Jinja2, as far as chat templates use it: expressions with filters,
 * tests and the methods of strings, lists and dicts; if, for, set, macro, call, filter, with,
 * break, continue, raw, generation; whitespace control, with trim_blocks and lstrip_blocks on and a
 * last newline dropped, as the field renders chat templates. Autoescape is off.
 *
 * Rendering is a pure function of the template, the variables and a clock value. There are no
 * files, no includes, no attributes but the listed ones, and values do not change (as in Jinja2's
 * immutable sandbox), but for the attributes of a namespace(). A template is hostile text: the
 * parser nests to a fixed depth, the interpreter does not recurse on the template at all, and the
 * steps, the memory and the length of the text are limited. Different from Python: integers are 64
 * bits and an overflow is an error; upper(), lower() and the like know the simple mappings of the
 * Latin, Greek and Cyrillic letters only; imports and inheritance are refused.
 *
 * A template is immutable: several threads may render it at once, each with a heap that allows it.
 */
#ifndef SK_TEXT_JINJA_H
#define SK_TEXT_JINJA_H

#include "format/json.h"
#include "text/tokenize.h"

typedef struct sk_template sk_template;

/* Parses `text`, which is copied. Errors: TEMPLATE (the sentence names the line), MEMORY. */
int32_t sk_template_new(sk_template **out, sk_heap *heap, const char *text, uint64_t n,
                        sk_error *error);
void sk_template_free(sk_template *t);

typedef struct sk_rendering {
    char *text;      /* [n], and a NUL behind */
    uint8_t *origin; /* [n] SK_FROM_... */
    uint64_t n;
} sk_rendering;

/* Renders with the members of the object `variables`, whose strings count as given unless they lie
 * in the arena `own` (NULL: none); `now` is what strftime_now reads, in seconds since 1970, UTC.
 * *out is owned by the caller (sk_rendering_free). Errors: TEMPLATE (it does not fit the variables,
 * or raised an error of its own, or takes too long; the sentence names the line), MEMORY. */
int32_t sk_template_render(const sk_template *t, sk_heap *heap, const sk_json *variables,
                           const sk_arena *own, int64_t now, sk_rendering *out, sk_error *error);
void sk_rendering_free(sk_rendering *rendering, sk_heap *heap);

#endif
