/* SPDX-License-Identifier: MIT */
/* Doubling; the NUL is always in place. */
#include "base/portable.h"

#include "model/lines.h"

#include <string.h>

void sk_lines_add(sk_lines *lines, const char *text)
{
    size_t n = strlen(text);
    void *block = lines->text;
    if (lines->status != SKALD_OK)
        return;
    lines->status =
        sk_grow(lines->heap, &block, &lines->capacity, lines->n + n + 1, 1, "a text", NULL);
    lines->text = block;
    if (lines->status != SKALD_OK)
        return;
    memcpy(lines->text + lines->n, text, n + 1);
    lines->n += n;
}

char *sk_lines_take(sk_lines *lines, sk_error *error)
{
    sk_lines_add(lines, "");
    char *text = lines->text;
    if (lines->status != SKALD_OK) {
        sk_free(lines->heap, lines->text);
        sk_fail(error, SKALD_E_MEMORY, "a text: out of memory");
        text = NULL;
    }
    *lines = (sk_lines){.heap = lines->heap};
    return text;
}
