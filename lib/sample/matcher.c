/* SPDX-License-Identifier: MIT */
/*
 * The strings of an array are compared as they are written: one that is written in two ways counts
 * as two. So an escape that the standard leaves free would be a hole; it is closed by comparing
 * what the escapes mean.
 */
#include "base/portable.h"

#include "sample/matcher.h"
#include "text/utf8.h"

#include <string.h>

/* What of JSON has to be known: in a string or not, and the strings of the innermost array. */
typedef struct json_tail {
    bool in_string;
    uint32_t escape; /* 0: none; 1: behind the backslash; 2 to 5: digits of \u to come, plus 1 */
    uint32_t code, high;
    char *text; /* owned: the strings, each decoded, with the length before it as 8 bytes */
    uint64_t n, capacity;
    uint64_t first;   /* where the array's strings begin; what is before is dropped later */
    uint64_t current; /* where the open string's bytes begin */
} json_tail;

struct sk_matcher {
    sk_heap *heap; /* borrowed */
    sk_automaton *automaton;
    uint32_t state;
    bool keeps_strings;
    json_tail tail;
};

int32_t sk_matcher_new(sk_matcher **out, sk_heap *heap, sk_grammar *grammar, sk_error *error)
{
    *out = NULL;
    sk_matcher *m = sk_alloc_zero(heap, sizeof *m, "a grammar", error);
    if (!m)
        return SKALD_E_MEMORY;
    m->heap = heap;
    int32_t status = sk_automaton_new(&m->automaton, heap, grammar, error);
    if (status == SKALD_OK) {
        m->keeps_strings = sk_automaton_has_unique(m->automaton);
        status = sk_matcher_reset(m, error);
    }
    if (status < 0) {
        sk_matcher_free(m);
        return status;
    }
    *out = m;
    return SKALD_OK;
}

void sk_matcher_free(sk_matcher *m)
{
    if (!m)
        return;
    sk_automaton_free(m->automaton);
    sk_free(m->heap, m->tail.text);
    sk_free(m->heap, m);
}

int32_t sk_matcher_reset(sk_matcher *m, sk_error *error)
{
    char *text = m->tail.text;
    uint64_t capacity = m->tail.capacity;
    m->tail = (json_tail){.text = text, .capacity = capacity};
    return sk_automaton_start(m->automaton, &m->state, error);
}

/* ---- Strings of an array -------------------------------------------------------------------- */

static int32_t tail_add(sk_matcher *m, const void *bytes, uint64_t n, sk_error *error)
{
    void *text = m->tail.text;
    int32_t status =
        sk_grow(m->heap, &text, &m->tail.capacity, m->tail.n + n, 1, "strings of an array", error);
    m->tail.text = text;
    if (status < 0)
        return status;
    memcpy(m->tail.text + m->tail.n, bytes, (size_t)n);
    m->tail.n += n;
    return SKALD_OK;
}

static int32_t tail_add_code(sk_matcher *m, uint32_t code, sk_error *error)
{
    uint8_t bytes[SK_UTF8_MAX];
    return tail_add(m, bytes, sk_utf8_write(bytes, code), error);
}

static int32_t tail_escape(sk_matcher *m, uint8_t byte, sk_error *error)
{
    json_tail *t = &m->tail;
    static const char letters[] = "bfnrt", codes[] = "\b\f\n\r\t";
    if (t->escape == 1 && byte == 'u') {
        t->escape = 5;
        t->code = 0;
        return SKALD_OK;
    }
    if (t->escape == 1) {
        const char *letter = byte ? strchr(letters, byte) : NULL;
        t->escape = 0;
        return tail_add_code(m, letter ? (uint8_t)codes[letter - letters] : byte, error);
    }
    t->code = t->code << 4 | (byte <= '9' ? byte - 48u : (byte | 32u) - 'a' + 10) % 16;
    if (--t->escape > 1)
        return SKALD_OK;
    t->escape = 0;
    if (t->code >= 0xD800 && t->code < 0xDC00) {
        t->high = t->code;
        return SKALD_OK;
    }
    uint32_t code = t->code;
    if (code >= 0xDC00 && code < 0xE000)
        code = 0x10000 + ((t->high - 0xD800) << 10) + (code - 0xDC00);
    return tail_add_code(m, code <= 0x10FFFF ? code : 0xFFFD, error);
}

/* Whether the open string is one of those before it. */
static bool tail_repeats(const json_tail *t)
{
    uint64_t n = t->n - t->current, length;
    for (uint64_t at = t->first; at + sizeof length < t->current; at += length) {
        memcpy(&length, t->text + at, sizeof length);
        at += sizeof length;
        if (at < t->current && length == n &&
            (n == 0 || memcmp(t->text + at, t->text + t->current, (size_t)n) == 0))
            return true;
    }
    return false;
}

static int32_t tail_open_string(sk_matcher *m, sk_error *error)
{
    const uint64_t none = 0;
    m->tail.in_string = true;
    int32_t status = tail_add(m, &none, sizeof none, error);
    m->tail.current = m->tail.n;
    return status;
}

/* Follows a byte that was allowed. */
static int32_t tail_follow(sk_matcher *m, uint8_t byte, sk_error *error)
{
    json_tail *t = &m->tail;
    if (t->in_string && t->escape)
        return tail_escape(m, byte, error);
    if (t->in_string && byte == '\\') {
        t->escape = 1;
        return SKALD_OK;
    }
    if (t->in_string && byte != '"')
        return tail_add(m, &byte, 1, error);
    if (t->in_string) {
        uint64_t length = t->n - t->current;
        memcpy(t->text + t->current - sizeof length, &length, sizeof length);
        t->in_string = false;
        return SKALD_OK;
    }
    if (byte == '"')
        return tail_open_string(m, error);
    if (byte == '[')
        t->first = t->current = t->n;
    return SKALD_OK;
}

/* ---- Reading -------------------------------------------------------------------------------- */

static int32_t read_byte(sk_matcher *m, uint8_t byte, uint32_t *next, sk_error *error)
{
    bool repeats = m->keeps_strings && byte == '"' && m->tail.in_string && !m->tail.escape &&
                   tail_repeats(&m->tail);
    int32_t status = sk_automaton_step(m->automaton, m->state, byte, repeats, next, error);
    if (status == SKALD_OK && *next != SK_STATE_DEAD && m->keeps_strings)
        status = tail_follow(m, byte, error);
    return status;
}

/* Drops what is not needed any more. */
static void tail_settle(json_tail *t)
{
    if (t->first == 0)
        return;
    memmove(t->text, t->text + t->first, (size_t)(t->n - t->first));
    t->n -= t->first;
    t->current -= t->first;
    t->first = 0;
}

int32_t sk_matcher_read(sk_matcher *m, const char *bytes, uint64_t n, uint64_t *used,
                        sk_error *error)
{
    int32_t status = SKALD_OK;
    for (*used = 0; *used < n; ++*used) {
        uint32_t next;
        if (*used % 1024 == 1023)
            status = sk_automaton_trim(m->automaton, &m->state, error);
        if (status == SKALD_OK)
            status = read_byte(m, (uint8_t)bytes[*used], &next, error);
        if (status < 0 || next == SK_STATE_DEAD)
            break;
        m->state = next;
    }
    tail_settle(&m->tail);
    return status;
}

/* Reads all bytes or, but for the text of the tail, changes nothing. */
static int32_t take_by_bytes(sk_matcher *m, const char *bytes, uint64_t n, uint32_t *next,
                             sk_error *error)
{
    json_tail before = m->tail;
    uint32_t state = m->state;
    int32_t status = SKALD_OK;
    *next = n > 0 ? state : SK_STATE_DEAD;
    for (uint64_t i = 0; i < n && status == SKALD_OK && *next != SK_STATE_DEAD; i++) {
        status = read_byte(m, (uint8_t)bytes[i], next, error);
        m->state = *next;
    }
    m->state = state;
    if (status == SKALD_OK && *next != SK_STATE_DEAD)
        return SKALD_OK;
    before.text = m->tail.text;
    before.capacity = m->tail.capacity;
    m->tail = before;
    return status;
}

int32_t sk_matcher_take(sk_matcher *m, int32_t token, const char *bytes, uint64_t n, bool *taken,
                        sk_error *error)
{
    uint32_t by_bytes, as_token, next = SK_STATE_DEAD;
    int32_t status = take_by_bytes(m, bytes, n, &by_bytes, error);
    *taken = false;
    if (status == SKALD_OK)
        status = sk_automaton_step_token(m->automaton, m->state, (uint32_t)token, &as_token, error);
    if (status == SKALD_OK)
        status = sk_automaton_join(m->automaton, by_bytes, as_token, &next, error);
    if (status < 0)
        return status;
    *taken = next != SK_STATE_DEAD;
    if (*taken)
        m->state = next;
    tail_settle(&m->tail);
    return SKALD_OK;
}

bool sk_matcher_may_end(const sk_matcher *m)
{
    return sk_automaton_may_end(m->automaton, m->state);
}

int32_t sk_matcher_state(sk_matcher *m, sk_automaton **a, uint32_t *state, sk_error *error)
{
    int32_t status = sk_automaton_trim(m->automaton, &m->state, error);
    *a = m->automaton;
    *state = m->state;
    return status;
}
