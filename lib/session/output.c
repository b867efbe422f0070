/* SPDX-License-Identifier: MIT */
/*
 * Bytes pass gates: the matchers of stop strings and of banned texts, then the code-point gate. All
 * hold back only a tail of the stream, so one buffer of held bytes serves all. The state of a
 * matcher follows from what is held, so going back is a matter of feeding that again.
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
    sk_stops_free(output->bans);
    sk_free(output->heap, output->tokens);
    sk_free(output->heap, output->held);
    sk_free(output->heap, output->text);
    sk_output_init(output, output->heap);
}

/* A matcher of a list; NULL where that is empty and need not be. */
static int32_t new_stops(sk_stops **out, sk_heap *heap, const sk_option_value *list, bool wanted,
                         sk_error *error)
{
    if (list->n_strings == 0 && !wanted)
        return SKALD_OK;
    return sk_stops_new(out, heap, (const char *const *)list->strings, list->n_strings, error);
}

int32_t sk_output_set(sk_output *output, const sk_option_value *stops, const sk_option_value *bans,
                      uint64_t longest_token, sk_error *error)
{
    sk_output fresh;
    sk_output_init(&fresh, output->heap);
    int32_t status = new_stops(&fresh.stops, output->heap, stops, true, error);
    if (status == SKALD_OK)
        status = new_stops(&fresh.bans, output->heap, bans, false, error);
    if (status < 0) {
        sk_output_free(&fresh);
        return status;
    }
    /* Held: less than a stop string, or less than a code point behind that, or less than a banned
     * text and the token in which it began; then one token. */
    uint64_t n_bans = fresh.bans ? sk_stops_longest(fresh.bans) + longest_token : 0;
    fresh.capacity = sk_stops_longest(fresh.stops) + SK_UTF8_MAX + longest_token + n_bans;
    fresh.held = sk_alloc(output->heap, fresh.capacity, "output text", error);
    fresh.text = sk_alloc_zero(output->heap, fresh.capacity + 1, "output text", error);
    if (fresh.bans)
        fresh.tokens = sk_alloc_array(output->heap, fresh.capacity, sizeof *fresh.tokens,
                                      "output text", error);
    if (!fresh.held || !fresh.text || (fresh.bans && !fresh.tokens)) {
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

static void reset_matchers(sk_output *output)
{
    if (output->stops)
        sk_stops_reset(output->stops);
    if (output->bans)
        sk_stops_reset(output->bans);
}

void sk_output_reset(sk_output *output)
{
    output->n_held = output->n_tokens = 0;
    sk_output_clear_text(output);
    reset_matchers(output);
}

/* Makes the matchers stand behind what is held. */
static void rematch(sk_output *output)
{
    reset_matchers(output);
    sk_stops_feed(output->stops, output->held, output->n_held);
    if (output->bans)
        sk_stops_feed(output->bans, output->held, output->n_held);
}

/* Forgets the first held tokens. */
static void forget_tokens(sk_output *output, uint64_t n)
{
    output->n_tokens -= n;
    if (output->n_tokens > 0)
        memmove(output->tokens, output->tokens + n,
                (size_t)output->n_tokens * sizeof *output->tokens);
}

/* Shows the first `n` held bytes. */
static void show(sk_output *output, uint64_t n)
{
    uint64_t n_shown = 0;
    memcpy(output->text + output->n_text, output->held, (size_t)n);
    output->n_text += n;
    output->text[output->n_text] = 0;
    output->n_held -= n;
    memmove(output->held, output->held + n, (size_t)output->n_held);
    while (n_shown < output->n_tokens && (output->n_held == 0 || output->tokens[n_shown].at < n))
        n_shown++;
    forget_tokens(output, n_shown);
    for (uint64_t i = 0; i < output->n_tokens; i++)
        output->tokens[i].at -= n;
}

/* The last of the held tokens that begins at or before a held byte; n_tokens: it is not known. */
static uint64_t held_token_at(const sk_output *output, uint64_t byte)
{
    uint64_t i = output->n_tokens;
    while (i > 0 && output->tokens[i - 1].at > byte)
        i--;
    return i > 0 ? i - 1 : output->n_tokens;
}

/* Notes a token; where there are more than bytes, because they have none, the oldest is let go. */
static void note_token(sk_output *output, bool free, sk_sampler_state before)
{
    if (output->n_tokens == output->capacity)
        forget_tokens(output, 1);
    output->tokens[output->n_tokens++] = (sk_held_token){output->n_held, free, before};
}

/* Looks for a banned text that ends in the bytes at the end of the held ones, from `n_old` on, and
 * begins in a token that can be taken back; returns that token, or n_tokens. `n_held` is how many
 * of the last bytes may begin another. */
static uint64_t find_banned(sk_output *output, uint64_t n_old, uint64_t *n_held)
{
    uint64_t at = n_old;
    for (;;) {
        sk_stop_result ban = sk_stops_feed(output->bans, output->held + at, output->n_held - at);
        at += ban.n_used;
        *n_held = ban.n_held;
        if (ban.stop < 0)
            return output->n_tokens;
        uint64_t token = held_token_at(output, at - ban.n_held);
        if (token < output->n_tokens && output->tokens[token].free)
            return token;
        sk_stops_reset(output->bans);
    }
}

/* How many of the held bytes the bans let pass: whole tokens, before the one in which the last
 * `n_held` bytes begin. */
static uint64_t passed(const sk_output *output, uint64_t n_held)
{
    uint64_t first = output->n_held - n_held, token = held_token_at(output, first);
    return n_held > 0 && token < output->n_tokens ? output->tokens[token].at : first;
}

sk_fed sk_output_feed(sk_output *output, const char *bytes, uint64_t n, bool free,
                      sk_sampler_state before)
{
    sk_stop_result stop = sk_stops_feed(output->stops, bytes, n);
    uint64_t n_old = output->n_held, n_ban = 0;
    sk_output_clear_text(output);
    if (output->bans)
        note_token(output, free, before);
    memcpy(output->held + n_old, bytes, (size_t)stop.n_used);
    output->n_held += stop.n_used;
    if (output->bans) {
        uint64_t token = find_banned(output, n_old, &n_ban);
        if (token < output->n_tokens) {
            sk_fed back = {false, output->n_tokens - token, output->tokens[token].before};
            output->n_held = output->tokens[token].at;
            output->n_tokens = token;
            rematch(output);
            return back;
        }
    }
    uint64_t pass = output->n_held - stop.n_held;
    if (stop.stop >= 0) {
        show(output, pass);
        output->n_held = output->n_tokens = 0;
        return (sk_fed){.at_stop = true};
    }
    if (output->bans && passed(output, n_ban) < pass)
        pass = passed(output, n_ban);
    show(output, sk_utf8_whole((const uint8_t *)output->held, pass));
    return (sk_fed){.at_stop = false};
}

void sk_output_restore(sk_output *output, const char *bytes, uint64_t n,
                       const sk_held_token *tokens, uint64_t n_tokens)
{
    sk_output_reset(output);
    if (n > 0)
        memcpy(output->held, bytes, (size_t)n);
    output->n_held = n;
    output->n_tokens = output->bans ? n_tokens : 0;
    if (output->n_tokens > 0 && output->tokens != tokens)
        memcpy(output->tokens, tokens, (size_t)n_tokens * sizeof *tokens);
    rematch(output);
}

void sk_output_copy(sk_output *to, const sk_output *from)
{
    if (!from->held)
        return;
    sk_output_restore(to, from->held, from->n_held, from->tokens, from->n_tokens);
    memcpy(to->text, from->text, (size_t)from->n_text + 1);
    to->n_text = from->n_text;
}

void sk_output_flush(sk_output *output)
{
    if (output->held)
        show(output, output->n_held);
    reset_matchers(output);
}
