/* SPDX-License-Identifier: MIT */
/*
 * Bytes pass two gates: the stop matcher, then the code-point gate. Both hold back only a tail of
 * the stream, so one buffer of held bytes serves both.
 */
#include "base/portable.h"

#include "session/output.h"
#include "text/utf8.h"

#include <string.h>

void sk_output_init(sk_output *output, sk_heap *heap)
{
    memset(output, 0, sizeof *output);
    output->heap = heap;
}

void sk_output_free(sk_output *output)
{
    sk_stops_free(output->stops);
    sk_free(output->heap, output->held);
    sk_free(output->heap, output->text);
    sk_output_init(output, output->heap);
}

int32_t sk_output_set_stops(sk_output *output, const char *const *strings, uint64_t n,
                            uint64_t longest_token, sk_error *error)
{
    sk_output fresh;
    sk_output_init(&fresh, output->heap);
    int32_t status = sk_stops_new(&fresh.stops, output->heap, strings, n, error);
    if (status < 0)
        return status;
    /* Held: less than a stop string, or less than a code point behind that; then one token. */
    fresh.capacity = sk_stops_longest(fresh.stops) + SK_UTF8_MAX + longest_token;
    fresh.held = sk_alloc(output->heap, fresh.capacity, "output text", error);
    fresh.text = sk_alloc_zero(output->heap, fresh.capacity + 1, "output text", error);
    if (!fresh.held || !fresh.text) {
        sk_output_free(&fresh);
        return SKALD_E_MEMORY;
    }
    sk_output_free(output);
    *output = fresh;
    return SKALD_OK;
}

void sk_output_clear_text(sk_output *output)
{
    output->n_text = 0;
    if (output->text)
        output->text[0] = 0;
}

void sk_output_reset(sk_output *output)
{
    output->n_held = 0;
    sk_output_clear_text(output);
    if (output->stops)
        sk_stops_reset(output->stops);
}

/* Shows the first `n` held bytes. */
static void show(sk_output *output, uint64_t n)
{
    memcpy(output->text + output->n_text, output->held, (size_t)n);
    output->n_text += n;
    output->text[output->n_text] = 0;
    output->n_held -= n;
    memmove(output->held, output->held + n, (size_t)output->n_held);
}

bool sk_output_feed(sk_output *output, const char *bytes, uint64_t n)
{
    sk_stop_result result = sk_stops_feed(output->stops, bytes, n);
    sk_output_clear_text(output);
    memcpy(output->held + output->n_held, bytes, (size_t)result.n_used);
    output->n_held += result.n_used;
    uint64_t free_of_stops = output->n_held - result.n_held;
    if (result.stop >= 0) {
        show(output, free_of_stops);
        output->n_held = 0;
        return true;
    }
    show(output, sk_utf8_whole((const uint8_t *)output->held, free_of_stops));
    return false;
}

void sk_output_copy(sk_output *to, const sk_output *from)
{
    sk_output_reset(to);
    if (!from->held)
        return;
    /* The matcher's state follows from the bytes that are held, and none of them is shown. */
    sk_output_feed(to, from->held, from->n_held);
    memcpy(to->text, from->text, (size_t)from->n_text + 1);
    to->n_text = from->n_text;
}

void sk_output_flush(sk_output *output)
{
    if (output->held)
        show(output, output->n_held);
    if (output->stops)
        sk_stops_reset(output->stops);
}
