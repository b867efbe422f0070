/* SPDX-License-Identifier: MIT */
/*
 * A trigger is one or two automata: what is before the group, if anything is, and the rest. Walks
 * are kept in the order of their beginnings, so the first that is complete is the leftmost.
 */
#include "base/portable.h"

#include "sample/automaton.h"
#include "sample/grammar_int.h"
#include "sample/trigger.h"

#include <string.h>

enum { TRIGGER_BEFORE, TRIGGER_REST, TRIGGER_PARTS };

typedef struct trigger {
    sk_automaton *part[TRIGGER_PARTS]; /* owned; the first may be NULL */
    uint32_t start[TRIGGER_PARTS];
    bool is_anchored;
} trigger;

typedef struct trigger_walk {
    uint32_t trigger, part, state;
    uint64_t from; /* in the text that is kept: where it began */
} trigger_walk;

typedef struct trigger_walks {
    trigger_walk *items; /* owned */
    uint64_t n, capacity;
} trigger_walks;

struct sk_triggers {
    sk_heap *heap;
    trigger *items; /* owned, [n] */
    uint64_t n;
    trigger_walks walks[3]; /* `now` says which are the walks; the others are for those ahead */
    uint32_t now;
    char *text; /* owned, [n_text]: from the earliest walk on */
    uint64_t n_text, text_capacity;
};

/* ---- Making --------------------------------------------------------------------------------- */

static int32_t trigger_automaton(sk_automaton **out, uint32_t *start, sk_heap *heap,
                                 sk_grammar *grammar, sk_error *error)
{
    int32_t status = sk_automaton_new(out, heap, grammar, error);
    sk_grammar_release(grammar);
    return status == SKALD_OK ? sk_automaton_start(*out, start, error) : status;
}

static int32_t trigger_text(sk_triggers *t, trigger *to, const char *text, sk_error *error)
{
    sk_gram b;
    sk_grammar *grammar = NULL;
    sk_gram_init(&b, t->heap, error);
    uint32_t root = sk_build_rule(&b, NULL, 0, 0);
    sk_build_body(&b, root, sk_build_text(&b, text, strlen(text)));
    int32_t status = sk_build_finish(&b, &grammar, "grammar_trigger");
    sk_gram_free(&b);
    return status < 0 ? status
                      : trigger_automaton(&to->part[TRIGGER_REST], &to->start[TRIGGER_REST],
                                          t->heap, grammar, error);
}

/* Where the first group begins that is in no other, n: there is none; and whether there are
 * alternatives outside of groups. */
static uint64_t trigger_group(const char *text, uint64_t n, bool *has_alternatives)
{
    bool in_class = false;
    int64_t depth = 0;
    uint64_t group = n;
    *has_alternatives = false;
    for (uint64_t i = 0; i < n; i++) {
        char c = text[i];
        if (c == '\\') {
            i++;
        } else if (in_class || c == '[') {
            in_class = c != ']';
        } else if (c == '(' || c == ')') {
            if (c == '(' && depth == 0 && group == n && text[i + 1] != '?')
                group = i;
            depth += c == '(' ? 1 : -1;
        } else if (c == '|') {
            *has_alternatives |= depth == 0;
        }
    }
    return group;
}

static int32_t trigger_expression(sk_triggers *t, trigger *to, const char *text, sk_error *error)
{
    sk_grammar *grammar;
    to->is_anchored = *text == '^';
    text += to->is_anchored;
    bool has_alternatives;
    uint64_t n = strlen(text), group = trigger_group(text, n, &has_alternatives);
    uint64_t cut = group < n ? group : 0;
    int32_t status = SKALD_OK;
    if (has_alternatives && (cut > 0 || to->is_anchored))
        return sk_fail(error, SKALD_E_OPTION,
                       "grammar_trigger_regex: \"%.60s\" has alternatives beside a group or ^, "
                       "wanted them in a group of their own",
                       text);
    if (cut > 0)
        status = sk_grammar_from_regex(&grammar, t->heap, text, cut, error);
    if (status == SKALD_OK && cut > 0)
        status = trigger_automaton(&to->part[TRIGGER_BEFORE], &to->start[TRIGGER_BEFORE], t->heap,
                                   grammar, error);
    if (status == SKALD_OK)
        status = sk_grammar_from_regex(&grammar, t->heap, text + cut, n - cut, error);
    return status < 0 ? status
                      : trigger_automaton(&to->part[TRIGGER_REST], &to->start[TRIGGER_REST],
                                          t->heap, grammar, error);
}

int32_t sk_triggers_new(sk_triggers **out, sk_heap *heap, char *const *texts, uint64_t n_texts,
                        char *const *expressions, uint64_t n_expressions, sk_error *error)
{
    int32_t status = SKALD_OK;
    *out = NULL;
    sk_triggers *t = sk_alloc_zero(heap, sizeof *t, "triggers", error);
    if (!t)
        return SKALD_E_MEMORY;
    t->heap = heap;
    t->items =
        sk_alloc_array(heap, n_texts + n_expressions + 1, sizeof *t->items, "triggers", error);
    if (!t->items)
        status = SKALD_E_MEMORY;
    else
        memset(t->items, 0, (size_t)(n_texts + n_expressions + 1) * sizeof *t->items);
    for (uint64_t i = 0; i < n_texts && status == SKALD_OK; i++)
        if (*texts[i])
            status = trigger_text(t, &t->items[t->n++], texts[i], error);
    for (uint64_t i = 0; i < n_expressions && status == SKALD_OK; i++)
        if (*expressions[i])
            status = trigger_expression(t, &t->items[t->n++], expressions[i], error);
    if (status == SKALD_OK)
        status = sk_triggers_reset(t, error);
    if (status < 0 || t->n == 0)
        sk_triggers_free(t);
    else
        *out = t;
    return status;
}

void sk_triggers_free(sk_triggers *t)
{
    if (!t)
        return;
    for (uint64_t i = 0; i < t->n; i++)
        for (int part = 0; part < TRIGGER_PARTS; part++)
            sk_automaton_free(t->items[i].part[part]);
    sk_free(t->heap, t->items);
    for (int i = 0; i < 3; i++)
        sk_free(t->heap, t->walks[i].items);
    sk_free(t->heap, t->text);
    sk_free(t->heap, t);
}

/* ---- Walking -------------------------------------------------------------------------------- */

/* Adds a walk, unless an earlier one is at the same place. */
static int32_t walk_add(sk_triggers *t, trigger_walks *walks, trigger_walk walk, sk_error *error)
{
    void *items = walks->items;
    if (walk.state == SK_STATE_DEAD)
        return SKALD_OK;
    for (uint64_t i = 0; i < walks->n; i++)
        if (walks->items[i].trigger == walk.trigger && walks->items[i].part == walk.part &&
            walks->items[i].state == walk.state)
            return SKALD_OK;
    int32_t status =
        sk_grow(t->heap, &items, &walks->capacity, walks->n + 1, sizeof walk, "triggers", error);
    walks->items = items;
    if (status == SKALD_OK)
        walks->items[walks->n++] = walk;
    return status;
}

/* A walk that has come through the part before the group begins the rest, here. */
static int32_t walk_on(sk_triggers *t, trigger_walks *walks, trigger_walk walk, uint64_t here,
                       sk_error *error)
{
    const trigger *of = &t->items[walk.trigger];
    int32_t status = walk_add(t, walks, walk, error);
    if (status == SKALD_OK && walk.part == TRIGGER_BEFORE && walk.state != SK_STATE_DEAD &&
        sk_automaton_may_end(of->part[TRIGGER_BEFORE], walk.state))
        status = walk_add(t, walks,
                          (trigger_walk){walk.trigger, TRIGGER_REST, of->start[TRIGGER_REST], here},
                          error);
    return status;
}

/* Begins all triggers here. */
static int32_t walk_begin(sk_triggers *t, trigger_walks *walks, uint64_t here, bool at_beginning,
                          sk_error *error)
{
    int32_t status = SKALD_OK;
    for (uint32_t i = 0; i < t->n && status == SKALD_OK; i++) {
        uint32_t part = t->items[i].part[TRIGGER_BEFORE] ? TRIGGER_BEFORE : TRIGGER_REST;
        if (!t->items[i].is_anchored || at_beginning)
            status = walk_on(t, walks, (trigger_walk){i, part, t->items[i].start[part], here}, here,
                             error);
    }
    return status;
}

/* The leftmost beginning of a trigger that is complete; UINT64_MAX: none is. */
static uint64_t walk_found(const sk_triggers *t, const trigger_walks *walks)
{
    uint64_t found = UINT64_MAX;
    for (uint64_t i = 0; i < walks->n; i++) {
        const trigger_walk *w = &walks->items[i];
        if (w->part == TRIGGER_REST && w->from < found &&
            sk_automaton_may_end(t->items[w->trigger].part[TRIGGER_REST], w->state))
            found = w->from;
    }
    return found;
}

/* All walks of `from` behind one more byte, which is before the place `here`, and new ones. */
static int32_t walk_step(sk_triggers *t, const trigger_walks *from, trigger_walks *to, uint8_t byte,
                         uint64_t here, sk_error *error)
{
    int32_t status = SKALD_OK;
    to->n = 0;
    for (uint64_t i = 0; i < from->n && status == SKALD_OK; i++) {
        trigger_walk walk = from->items[i];
        status = sk_automaton_step(t->items[walk.trigger].part[walk.part], walk.state, byte, false,
                                   &walk.state, error);
        if (status == SKALD_OK)
            status = walk_on(t, to, walk, here, error);
    }
    return status == SKALD_OK ? walk_begin(t, to, here, false, error) : status;
}

int32_t sk_triggers_reset(sk_triggers *t, sk_error *error)
{
    t->walks[t->now].n = t->n_text = 0;
    return walk_begin(t, &t->walks[t->now], 0, true, error);
}

/* Lets go of the text before the earliest walk that has begun the rest. */
static void trigger_forget(sk_triggers *t)
{
    const trigger_walks *walks = &t->walks[t->now];
    uint64_t from = t->n_text;
    for (uint64_t i = 0; i < walks->n; i++)
        if (walks->items[i].part == TRIGGER_REST && walks->items[i].from < from)
            from = walks->items[i].from;
    t->n_text -= from;
    memmove(t->text, t->text + from, (size_t)t->n_text);
    for (uint64_t i = 0; i < walks->n; i++)
        walks->items[i].from -= walks->items[i].from < from ? walks->items[i].from : from;
}

int32_t sk_triggers_feed(sk_triggers *t, const char *bytes, uint64_t n, const char **text,
                         uint64_t *n_text, sk_error *error)
{
    void *kept = t->text;
    uint32_t at = t->now;
    uint64_t found = walk_found(t, &t->walks[at]);
    *text = NULL;
    *n_text = 0;
    int32_t status =
        sk_grow(t->heap, &kept, &t->text_capacity, t->n_text + n + 1, 1, "triggers", error);
    t->text = kept;
    if (status < 0)
        return status;
    memcpy(t->text + t->n_text, bytes, (size_t)n);
    for (uint64_t i = 0; i < n && found == UINT64_MAX && status == SKALD_OK; i++) {
        uint32_t to = (t->now + 1 + (uint32_t)(i & 1)) % 3;
        status =
            walk_step(t, &t->walks[at], &t->walks[to], (uint8_t)bytes[i], t->n_text + i + 1, error);
        at = to;
        found = status == SKALD_OK ? walk_found(t, &t->walks[at]) : UINT64_MAX;
    }
    if (status == SKALD_OK && found < UINT64_MAX) {
        *text = t->text + found;
        *n_text = t->n_text + n - found;
    } else if (status == SKALD_OK) {
        t->now = at;
        t->n_text += n;
        trigger_forget(t);
    }
    return status;
}
