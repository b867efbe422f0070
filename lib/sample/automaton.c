/* SPDX-License-Identifier: MIT */
/*
 * A step has two parts. First, what the byte leads to is followed through everything that reads
 * nothing, returns from rules included: these stacks were all there before. Calls are only noted.
 * Then the called rules are entered, in the order of their ranks: all callers of a rule are known
 * when its turn comes, since a rule is called, before any byte, only by rules of lower rank. So
 * each rule is entered once per step, with one new stack that holds all its callers.
 *
 * A call that is the last thing its rule does is given the caller's own callers instead (a tail
 * call): lists that are written as right recursion do not grow the stack.
 *
 * A stack refers only to older ones, with smaller numbers.
 */
#include "base/portable.h"

#include "sample/automaton.h"
#include "sample/grammar_int.h"
#include "sample/itemset.h"

#include <string.h>

enum {
    AUTOMATON_ITEMS = 1 << 16, /* of one state, or of one stack */
    AUTOMATON_BYTES = 256
};
#define AUTOMATON_SOFT (UINT64_C(32) << 20) /* bytes; trimmed when reached */
#define AUTOMATON_HARD (UINT64_C(256) << 20)

typedef struct automaton_row {
    uint32_t *next; /* [256], owned, or NULL */
    void *note;     /* owned, or NULL */
} automaton_row;

/* An array that grows. */
typedef struct item_list {
    sk_item *items;
    uint64_t n, capacity;
} item_list;

struct sk_automaton {
    sk_heap *heap;       /* borrowed */
    sk_grammar *grammar; /* counted */
    sk_itempool stacks, states;
    automaton_row *rows; /* [row_capacity], owned: one per state */
    uint64_t row_capacity, row_bytes;

    /* Of the step that is being made. */
    item_list work;   /* to be followed */
    item_list found;  /* what the new state has */
    item_list gather; /* callers of a rule */
    uint64_t *seen;   /* [n_seen_slots] keys of what was followed in this step, 0: free */
    uint64_t n_seen, n_seen_slots;
    sk_item *calls;  /* of a list: op: where to return to, node: the caller's stack */
    uint32_t *later; /* the next call of the same rule */
    uint64_t n_calls, call_capacity, later_capacity;
    uint32_t *callers; /* [n_rules] the first call, or SK_OP_NONE */
    uint32_t *queue;   /* [n_rules] a heap of ranks of called rules */
    uint64_t n_queue;
};

int32_t sk_automaton_new(sk_automaton **out, sk_heap *heap, sk_grammar *grammar, sk_error *error)
{
    *out = NULL;
    sk_automaton *a = sk_alloc_zero(heap, sizeof *a, "a grammar", error);
    if (!a)
        return SKALD_E_MEMORY;
    a->heap = heap;
    a->grammar = grammar;
    a->stacks.heap = a->states.heap = heap;
    sk_grammar_retain(grammar);
    a->n_seen_slots = AUTOMATON_BYTES;
    a->seen = sk_alloc_array(heap, a->n_seen_slots, sizeof *a->seen, "a grammar", error);
    a->callers = sk_alloc_array(heap, grammar->n_rules, sizeof *a->callers, "a grammar", error);
    a->queue = sk_alloc_array(heap, grammar->n_rules, sizeof *a->queue, "a grammar", error);
    int32_t status = a->seen && a->callers && a->queue ? SKALD_OK : SKALD_E_MEMORY;
    if (status == SKALD_OK)
        status = sk_itempool_init(&a->stacks, heap, error);
    if (status == SKALD_OK)
        status = sk_itempool_init(&a->states, heap, error);
    if (status < 0) {
        sk_automaton_free(a);
        return status;
    }
    memset(a->callers, 0xFF, grammar->n_rules * sizeof *a->callers);
    *out = a;
    return SKALD_OK;
}

static void free_rows(sk_automaton *a)
{
    for (uint64_t i = 0; i < a->row_capacity; i++) {
        sk_free(a->heap, a->rows[i].next);
        sk_free(a->heap, a->rows[i].note);
    }
    sk_free(a->heap, a->rows);
    a->rows = NULL;
    a->row_capacity = a->row_bytes = 0;
}

void sk_automaton_free(sk_automaton *a)
{
    if (!a)
        return;
    free_rows(a);
    sk_itempool_free(&a->stacks);
    sk_itempool_free(&a->states);
    sk_free(a->heap, a->work.items);
    sk_free(a->heap, a->found.items);
    sk_free(a->heap, a->gather.items);
    sk_free(a->heap, a->seen);
    sk_free(a->heap, a->calls);
    sk_free(a->heap, a->later);
    sk_free(a->heap, a->callers);
    sk_free(a->heap, a->queue);
    sk_grammar_release(a->grammar);
    sk_free(a->heap, a);
}

/* ---- Lists and sets of a step --------------------------------------------------------------- */

static int32_t list_add(sk_automaton *a, item_list *list, uint32_t op, uint32_t node,
                        sk_error *error)
{
    if (list->n == list->capacity) {
        void *block = list->items;
        int32_t status = sk_grow(a->heap, &block, &list->capacity, list->n + 1, sizeof *list->items,
                                 "a grammar", error);
        list->items = block;
        if (status < 0)
            return status;
    }
    list->items[list->n++] = (sk_item){op, node};
    return SKALD_OK;
}

static uint64_t seen_slot(const sk_automaton *a, uint64_t key)
{
    uint64_t h = key * UINT64_C(0x9E3779B97F4A7C15);
    return (h >> 32) & (a->n_seen_slots - 1);
}

static void seen_put(sk_automaton *a, uint64_t key)
{
    uint64_t at = seen_slot(a, key);
    while (a->seen[at])
        at = (at + 1) & (a->n_seen_slots - 1);
    a->seen[at] = key;
    a->n_seen++;
}

static int32_t seen_grow(sk_automaton *a, sk_error *error)
{
    uint64_t *old = a->seen, n_old = a->n_seen_slots;
    uint64_t *seen = sk_alloc_array(a->heap, n_old * 2, sizeof *seen, "a grammar", error);
    if (!seen)
        return SKALD_E_MEMORY;
    a->seen = seen;
    a->n_seen_slots = n_old * 2;
    a->n_seen = 0;
    for (uint64_t i = 0; i < n_old; i++)
        if (old[i])
            seen_put(a, old[i]);
    sk_free(a->heap, old);
    return SKALD_OK;
}

/* Puts a pair on the list of work unless it was there in this step. */
static int32_t follow(sk_automaton *a, uint32_t op, uint32_t node, sk_error *error)
{
    uint64_t key = ((uint64_t)op << 32 | node) + 1;
    for (uint64_t at = seen_slot(a, key); a->seen[at]; at = (at + 1) & (a->n_seen_slots - 1))
        if (a->seen[at] == key)
            return SKALD_OK;
    if (a->n_seen >= (uint64_t)AUTOMATON_ITEMS * 4)
        return sk_fail(error, SKALD_E_GRAMMAR,
                       "the grammar is too ambiguous: %u readings at one place", AUTOMATON_ITEMS);
    if (2 * a->n_seen >= a->n_seen_slots) {
        int32_t status = seen_grow(a, error);
        if (status < 0)
            return status;
    }
    seen_put(a, key);
    return list_add(a, &a->work, op, node, error);
}

static void begin_closure(sk_automaton *a)
{
    a->work.n = a->found.n = 0;
    a->n_calls = a->n_queue = 0;
    if (a->n_seen) {
        memset(a->seen, 0, (size_t)a->n_seen_slots * sizeof *a->seen);
        a->n_seen = 0;
    }
}

/* ---- The queue of called rules -------------------------------------------------------------- */

static void queue_push(sk_automaton *a, uint32_t rank)
{
    uint64_t i = a->n_queue++;
    for (; i > 0 && a->queue[(i - 1) / 2] > rank; i = (i - 1) / 2)
        a->queue[i] = a->queue[(i - 1) / 2];
    a->queue[i] = rank;
}

static uint32_t queue_pop(sk_automaton *a)
{
    uint32_t top = a->queue[0], moving = a->queue[--a->n_queue];
    uint64_t i = 0;
    for (uint64_t child; (child = 2 * i + 1) < a->n_queue; i = child) {
        if (child + 1 < a->n_queue && a->queue[child + 1] < a->queue[child])
            child++;
        if (a->queue[child] >= moving)
            break;
        a->queue[i] = a->queue[child];
    }
    a->queue[i] = moving;
    return top;
}

static int32_t note_call(sk_automaton *a, const sk_gram_op *op, uint32_t node, sk_error *error)
{
    void *calls = a->calls, *later = a->later;
    int32_t status = sk_grow(a->heap, &calls, &a->call_capacity, a->n_calls + 1, sizeof *a->calls,
                             "a grammar", error);
    a->calls = calls;
    if (status == SKALD_OK)
        status = sk_grow(a->heap, &later, &a->later_capacity, a->n_calls + 1, sizeof *a->later,
                         "a grammar", error);
    a->later = later;
    if (status < 0)
        return status;
    if (a->callers[op->arg] == SK_OP_NONE)
        queue_push(a, a->grammar->rules[op->arg].rank);
    a->calls[a->n_calls] = (sk_item){op->next, node};
    a->later[a->n_calls] = a->callers[op->arg];
    a->callers[op->arg] = (uint32_t)a->n_calls++;
    return SKALD_OK;
}

/* ---- Following what reads nothing ----------------------------------------------------------- */

static int32_t follow_return(sk_automaton *a, uint32_t node, sk_error *error)
{
    if (node == 0)
        return list_add(a, &a->found, SK_OP_NONE, 0, error); /* the whole text may end */
    sk_itemset set = a->stacks.sets[node];
    int32_t status = SKALD_OK;
    for (uint32_t i = 0; i < set.n && status == SKALD_OK; i++) {
        sk_item to = a->stacks.items[set.first + i];
        status = follow(a, to.op, to.node, error);
    }
    return status;
}

static int32_t follow_one(sk_automaton *a, sk_item at, sk_error *error)
{
    const sk_gram_op *op = &a->grammar->ops[at.op];
    int32_t status;
    switch (op->kind) {
    case SK_OP_SPLIT:
        status = follow(a, op->next, at.node, error);
        return status < 0 ? status : follow(a, op->arg, at.node, error);
    case SK_OP_CALL:
        status = note_call(a, op, at.node, error);
        if (status < 0 || !a->grammar->rules[op->arg].nullable)
            return status;
        return follow(a, op->next, at.node, error);
    case SK_OP_END:
        return follow_return(a, at.node, error);
    default:
        return list_add(a, &a->found, at.op, at.node, error);
    }
}

static int32_t follow_all(sk_automaton *a, sk_error *error)
{
    int32_t status = SKALD_OK;
    while (a->work.n > 0 && status == SKALD_OK)
        status = follow_one(a, a->work.items[--a->work.n], error);
    return status;
}

/* The callers of a rule, as one stack. */
static int32_t gather_callers(sk_automaton *a, uint32_t rule, uint32_t *node, sk_error *error)
{
    int32_t status = SKALD_OK;
    a->gather.n = 0;
    for (uint32_t c = a->callers[rule]; c != SK_OP_NONE && status == SKALD_OK; c = a->later[c]) {
        sk_item call = a->calls[c];
        if (a->grammar->ops[call.op].kind != SK_OP_END || call.node == 0) {
            status = list_add(a, &a->gather, call.op, call.node, error);
            continue;
        }
        sk_itemset set = a->stacks.sets[call.node];
        for (uint32_t i = 0; i < set.n && status == SKALD_OK; i++) {
            sk_item to = a->stacks.items[set.first + i];
            status = list_add(a, &a->gather, to.op, to.node, error);
        }
    }
    a->callers[rule] = SK_OP_NONE;
    if (status == SKALD_OK && a->gather.n > AUTOMATON_ITEMS)
        status = sk_fail(error, SKALD_E_GRAMMAR,
                         "the grammar is too ambiguous: %llu callers of a rule at one place",
                         (unsigned long long)a->gather.n);
    if (status < 0)
        return status;
    return sk_itempool_put(&a->stacks, a->gather.items, a->gather.n, node, error);
}

static uint64_t automaton_bytes(const sk_automaton *a)
{
    return sk_itempool_bytes(&a->stacks) + sk_itempool_bytes(&a->states) + a->row_bytes +
           a->row_capacity * sizeof *a->rows;
}

static int32_t grow_rows(sk_automaton *a, sk_error *error)
{
    if (a->states.n <= a->row_capacity)
        return SKALD_OK;
    if (automaton_bytes(a) > AUTOMATON_HARD)
        return sk_fail(error, SKALD_E_GRAMMAR, "the grammar is too ambiguous: it takes %llu bytes",
                       (unsigned long long)automaton_bytes(a));
    void *rows = a->rows;
    uint64_t old = a->row_capacity;
    int32_t status =
        sk_grow(a->heap, &rows, &a->row_capacity, a->states.n, sizeof *a->rows, "a grammar", error);
    a->rows = rows;
    if (status == SKALD_OK)
        memset(a->rows + old, 0, (size_t)(a->row_capacity - old) * sizeof *a->rows);
    return status;
}

/* Follows the list of work to its end: the state that it makes. */
static int32_t close_state(sk_automaton *a, uint32_t *state, sk_error *error)
{
    int32_t status = follow_all(a, error);
    while (status == SKALD_OK && a->n_queue > 0) {
        uint32_t node, rule = a->grammar->by_rank[queue_pop(a)];
        status = gather_callers(a, rule, &node, error);
        if (status == SKALD_OK)
            status = follow(a, a->grammar->rules[rule].start, node, error);
        if (status == SKALD_OK)
            status = follow_all(a, error);
    }
    if (status < 0) { /* callers of rules that had no turn */
        memset(a->callers, 0xFF, a->grammar->n_rules * sizeof *a->callers);
        return status;
    }
    status = sk_itempool_put(&a->states, a->found.items, a->found.n, state, error);
    return status < 0 ? status : grow_rows(a, error);
}

int32_t sk_automaton_start(sk_automaton *a, uint32_t *state, sk_error *error)
{
    *state = SK_STATE_DEAD;
    begin_closure(a);
    int32_t status = follow(a, a->grammar->rules[0].start, 0, error);
    return status < 0 ? status : close_state(a, state, error);
}

/* ---- Steps ---------------------------------------------------------------------------------- */

const uint32_t *sk_automaton_steps(const sk_automaton *a, uint32_t state)
{
    return state < a->row_capacity ? a->rows[state].next : NULL;
}

/* Remembers a step that can be remembered. */
static int32_t remember(sk_automaton *a, uint32_t state, uint8_t byte, uint32_t next,
                        sk_error *error)
{
    int32_t status = grow_rows(a, error);
    uint32_t *row = status < 0 ? NULL : a->rows[state].next;
    if (status < 0)
        return status;
    if (!row) {
        row = sk_alloc(a->heap, AUTOMATON_BYTES * sizeof *row, "a grammar", error);
        if (!row)
            return SKALD_E_MEMORY;
        memset(row, 0xFF, AUTOMATON_BYTES * sizeof *row);
        a->rows[state].next = row;
        a->row_bytes += AUTOMATON_BYTES * sizeof *row;
    }
    row[byte] = next;
    return SKALD_OK;
}

static int32_t compute_step(sk_automaton *a, uint32_t state, uint8_t byte, bool repeats,
                            uint32_t *next, sk_error *error)
{
    sk_itemset set = a->states.sets[state];
    int32_t status = SKALD_OK;
    begin_closure(a);
    for (uint32_t i = 0; i < set.n && status == SKALD_OK; i++) {
        sk_item item = a->states.items[set.first + i];
        if (item.op == SK_OP_NONE)
            continue;
        const sk_gram_op *op = &a->grammar->ops[item.op];
        if (op->kind == SK_OP_BYTE && byte >= op->low && byte <= op->high &&
            !(repeats && (op->flags & SK_OP_UNIQUE)))
            status = follow(a, op->next, item.node, error);
    }
    return status < 0 ? status : close_state(a, next, error);
}

int32_t sk_automaton_step(sk_automaton *a, uint32_t state, uint8_t byte, bool repeats,
                          uint32_t *next, sk_error *error)
{
    if (state == SK_STATE_DEAD) {
        *next = SK_STATE_DEAD;
        return SKALD_OK;
    }
    const uint32_t *known = sk_automaton_steps(a, state);
    if (!repeats && known && known[byte] != SK_STEP_UNKNOWN) {
        *next = known[byte];
        return SKALD_OK;
    }
    *next = SK_STATE_DEAD;
    int32_t status = compute_step(a, state, byte, repeats, next, error);
    if (status < 0 || repeats)
        return status;
    return remember(a, state, byte, *next, error);
}

int32_t sk_automaton_run(sk_automaton *a, uint32_t state, const char *bytes, uint64_t n,
                         uint32_t *next, sk_error *error)
{
    int32_t status = SKALD_OK;
    for (uint64_t i = 0; i < n && status == SKALD_OK && state != SK_STATE_DEAD; i++)
        status = sk_automaton_step(a, state, (uint8_t)bytes[i], false, &state, error);
    *next = status < 0 ? SK_STATE_DEAD : state;
    return status;
}

int32_t sk_automaton_step_token(sk_automaton *a, uint32_t state, uint32_t id, uint32_t *next,
                                sk_error *error)
{
    *next = SK_STATE_DEAD;
    if (!a->grammar->has_tokens)
        return SKALD_OK;
    sk_itemset set = a->states.sets[state];
    int32_t status = SKALD_OK;
    begin_closure(a);
    for (uint32_t i = 0; i < set.n && status == SKALD_OK; i++) {
        sk_item item = a->states.items[set.first + i];
        const sk_gram_op *op = item.op == SK_OP_NONE ? NULL : &a->grammar->ops[item.op];
        if (op && op->kind == SK_OP_TOKEN && (op->arg == id) != (op->low == 1))
            status = follow(a, op->next, item.node, error);
    }
    return status < 0 ? status : close_state(a, next, error);
}

int32_t sk_automaton_join(sk_automaton *a, uint32_t one, uint32_t other, uint32_t *joined,
                          sk_error *error)
{
    *joined = one ? one : other;
    if (one == other || !one || !other)
        return SKALD_OK;
    const uint32_t both[] = {one, other};
    int32_t status = SKALD_OK;
    a->found.n = 0;
    for (int k = 0; k < 2; k++) {
        sk_itemset set = a->states.sets[both[k]];
        for (uint32_t i = 0; i < set.n && status == SKALD_OK; i++) {
            sk_item item = a->states.items[set.first + i];
            status = list_add(a, &a->found, item.op, item.node, error);
        }
    }
    if (status == SKALD_OK)
        status = sk_itempool_put(&a->states, a->found.items, a->found.n, joined, error);
    return status < 0 ? status : grow_rows(a, error);
}

/* ---- Looking at states ---------------------------------------------------------------------- */

bool sk_automaton_may_end(const sk_automaton *a, uint32_t state)
{
    sk_itemset set = a->states.sets[state];
    return set.n > 0 && a->states.items[set.first + set.n - 1].op == SK_OP_NONE;
}

void sk_automaton_tokens(const sk_automaton *a, uint32_t state,
                         void (*each)(void *user, uint32_t id, bool any_other), void *user)
{
    uint32_t n;
    const sk_item *items = sk_itempool_get(&a->states, state, &n);
    for (uint32_t i = 0; i < n; i++) {
        const sk_gram_op *op = items[i].op == SK_OP_NONE ? NULL : &a->grammar->ops[items[i].op];
        if (op && op->kind == SK_OP_TOKEN)
            each(user, op->arg, op->low == 1);
    }
}

void **sk_automaton_note(sk_automaton *a, uint32_t state)
{
    return state < a->row_capacity ? &a->rows[state].note : NULL;
}

void sk_automaton_count_note(sk_automaton *a, uint64_t bytes)
{
    a->row_bytes += bytes;
}

bool sk_automaton_has_unique(const sk_automaton *a)
{
    return a->grammar->has_unique;
}

/* ---- Forgetting ----------------------------------------------------------------------------- */

/* Copies the items of a set of `from`, with their stacks under new numbers, to `to`. */
static int32_t copy_set(sk_automaton *a, const sk_itempool *from, uint32_t number,
                        const uint32_t *renamed, sk_itempool *to, uint32_t *copy, sk_error *error)
{
    sk_itemset set = from->sets[number];
    int32_t status = SKALD_OK;
    a->gather.n = 0;
    for (uint32_t i = 0; i < set.n && status == SKALD_OK; i++) {
        sk_item item = from->items[set.first + i];
        status = list_add(a, &a->gather, item.op, renamed[item.node], error);
    }
    return status < 0 ? status : sk_itempool_put(to, a->gather.items, a->gather.n, copy, error);
}

static void mark_stacks(const sk_itempool *pool, uint32_t number, uint32_t *marks)
{
    uint32_t n;
    const sk_item *items = sk_itempool_get(pool, number, &n);
    for (uint32_t i = 0; i < n; i++)
        marks[items[i].node] = 1;
}

/* New pools with what `state` needs, in place of the old ones. `renamed` [stacks.n] is zeroed. */
static int32_t move_state(sk_automaton *a, uint32_t *renamed, uint32_t *state, sk_error *error)
{
    sk_itempool stacks, states;
    int32_t status = sk_itempool_init(&stacks, a->heap, error);
    if (status < 0)
        return status;
    status = sk_itempool_init(&states, a->heap, error);
    mark_stacks(&a->states, *state, renamed);
    for (uint32_t s = (uint32_t)a->stacks.n; s-- > 1;)
        if (renamed[s])
            mark_stacks(&a->stacks, s, renamed);
    renamed[0] = 0;
    for (uint32_t s = 1; s < a->stacks.n && status == SKALD_OK; s++)
        if (renamed[s])
            status = copy_set(a, &a->stacks, s, renamed, &stacks, &renamed[s], error);
    uint32_t moved = 0;
    if (status == SKALD_OK)
        status = copy_set(a, &a->states, *state, renamed, &states, &moved, error);
    if (status < 0) {
        sk_itempool_free(&stacks);
        sk_itempool_free(&states);
        return status;
    }
    free_rows(a);
    sk_itempool_free(&a->stacks);
    sk_itempool_free(&a->states);
    a->stacks = stacks;
    a->states = states;
    *state = moved;
    return grow_rows(a, error);
}

int32_t sk_automaton_trim(sk_automaton *a, uint32_t *state, sk_error *error)
{
    if (automaton_bytes(a) <= AUTOMATON_SOFT)
        return SKALD_OK;
    uint32_t *renamed = sk_alloc_array(a->heap, a->stacks.n, sizeof *renamed, "a grammar", error);
    if (!renamed)
        return SKALD_E_MEMORY;
    int32_t status = move_state(a, renamed, state, error);
    sk_free(a->heap, renamed);
    return status;
}

#undef AUTOMATON_SOFT
#undef AUTOMATON_HARD
