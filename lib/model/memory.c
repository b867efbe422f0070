/* SPDX-License-Identifier: MIT */
/*
 * Cost: an array takes what the model's recurrent layers need for one position (a few hundred
 * kilobytes to a hundred megabytes); a conversation has three of them, and its checkpoints: at most
 * MEMORY_KEPT, and no more than fit MEMORY_KEPT_SIZE. They are allocated when rows are reserved;
 * decoding goes round among those that there are.
 */
#include "base/portable.h"

#include "model/memory.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/hash.h"
#include "model/state_int.h"

#include <string.h>

#define MEMORY_KEPT_SIZE (INT64_C(256) << 20) /* bytes of checkpoints, beyond the first two */

/* Tokens between two checkpoints, where turns begin and end and elsewhere; and how much dearer the
 * loss of the former is. */
enum { MEMORY_TURN_GAP = 16, MEMORY_GAP = 256, MEMORY_TURN_WORTH = 4 };

struct sk_memory_array {
    _Atomic int64_t n_users;
    int64_t position; /* tokens that it has seen */
    bool prompt;      /* written by a pass of several rows */
};

static float *array_floats(const sk_memory_array *array)
{
    return (float *)(void *)((char *)(uintptr_t)array + SK_ALIGN);
}

static bool memory_size(const sk_memory *memory, uint64_t *size)
{
    return sk_mul((uint64_t)memory->n, sizeof(float), size) && sk_add(*size, SK_ALIGN, size);
}

static sk_memory_array *array_new(const sk_memory *memory, bool zero, sk_error *error)
{
    uint64_t size;
    sk_memory_array *array = NULL;
    if (!memory_size(memory, &size))
        sk_fail(error, SKALD_E_MEMORY, "the memory of recurrent layers does not fit");
    else if (zero)
        array = sk_alloc_zero(memory->heap, size, "the memory of recurrent layers", error);
    else
        array = sk_alloc(memory->heap, size, "the memory of recurrent layers", error);
    if (!array)
        return NULL;
    atomic_init(&array->n_users, 1);
    array->position = 0;
    array->prompt = false;
    return array;
}

static sk_memory_array *array_share(sk_memory_array *array)
{
    if (array)
        atomic_fetch_add(&array->n_users, 1);
    return array;
}

/* Gives up one use; an array that nobody else uses becomes a spare one. */
static void memory_drop(sk_memory *memory, sk_memory_array *array)
{
    if (!array)
        return;
    if (atomic_load(&array->n_users) == 1 && memory->n_spare < SK_MEMORY_SPARE)
        memory->spare[memory->n_spare++] = array;
    else if (atomic_fetch_sub(&array->n_users, 1) == 1)
        sk_free(memory->heap, array);
}

/* What an abandoned pass wrote. */
static void memory_abandon(sk_memory *memory)
{
    memory_drop(memory, memory->next);
    memory_drop(memory, memory->middle);
    memory->next = memory->middle = NULL;
}

static void memory_forget(sk_memory *memory)
{
    memory_abandon(memory);
    memory_drop(memory, memory->now);
    memory_drop(memory, memory->before);
    memory_drop(memory, memory->mark);
    memory->now = memory->before = memory->mark = NULL;
    while (memory->n_kept > 0)
        memory_drop(memory, memory->kept[--memory->n_kept]);
}

/* Forgets everything and frees it. */
static void memory_clear(sk_memory *memory)
{
    memory_forget(memory);
    while (memory->n_spare > 0)
        sk_free(memory->heap, memory->spare[--memory->n_spare]);
}

static void memory_free(void *part)
{
    sk_memory *memory = part;
    if (!memory)
        return;
    memory_clear(memory);
    sk_free(memory->heap, memory);
}

int32_t sk_memory_new(sk_memory **out, sk_heap *heap, const sk_plan *plan, sk_error *error)
{
    sk_memory *memory = sk_alloc_zero(heap, sizeof *memory, "a memory", error);
    *out = memory;
    if (!memory)
        return SKALD_E_MEMORY;
    memory->heap = heap;
    memory->n = plan->n_memory;
    return SKALD_OK;
}

/* ---- Checkpoints ----------------------------------------------------------------------------- */

static int memory_most_kept(const sk_memory *memory)
{
    int64_t n = MEMORY_KEPT_SIZE / (4 * memory->n);
    return n < 2 ? 2 : n < SK_MEMORY_KEPT ? (int)n : SK_MEMORY_KEPT;
}

/*
 * Makes room for one more checkpoint at `position`, by dropping the one whose loss costs least: the
 * tokens that would have to be read again from the one before it, in relation to how far back that
 * lies. So checkpoints stand the more thinly the further back they are, and the longest where turns
 * begin and end.
 */
static void memory_thin(sk_memory *memory, int64_t position)
{
    int least = 0;
    double least_cost = 2 * MEMORY_TURN_WORTH;
    for (int i = 0; i < memory->n_kept; i++) {
        int64_t at = memory->kept[i]->position, last = i ? memory->kept[i - 1]->position : 0;
        double cost = (double)(at - last) / (double)(position - last);
        cost *= memory->turn[i] ? MEMORY_TURN_WORTH : 1;
        if (cost < least_cost) {
            least = i;
            least_cost = cost;
        }
    }
    memory_drop(memory, memory->kept[least]);
    memory->n_kept--;
    for (int i = least; i < memory->n_kept; i++) {
        memory->kept[i] = memory->kept[i + 1];
        memory->turn[i] = memory->turn[i + 1];
    }
}

/* `before`, which the next pass would overwrite, becomes a checkpoint where it is far enough from
 * the last one: the end of a prompt, the beginning of one, now and then between. Going back from
 * guesses leaves no `before`; then it is `now`. */
static void memory_keep(sk_memory *memory, bool prompt)
{
    bool shares = !memory->before && memory->guessing;
    sk_memory_array *array = shares ? memory->now : memory->before;
    if (!array || array->position == 0)
        return;
    int64_t last = memory->n_kept > 0 ? memory->kept[memory->n_kept - 1]->position : 0;
    bool turn = prompt != array->prompt;
    if (array->position - last < (turn ? MEMORY_TURN_GAP : MEMORY_GAP))
        return;
    if (memory->n_kept == memory_most_kept(memory))
        memory_thin(memory, array->position);
    memory->kept[memory->n_kept] = shares ? array_share(array) : array;
    memory->turn[memory->n_kept++] = turn;
    memory->before = NULL;
}

/* ---- Room ------------------------------------------------------------------------------------ */

/* Arrays that a pass can write: those that nobody else reads. */
static int memory_free_arrays(const sk_memory *memory)
{
    int n = memory->n_spare + (memory->next != NULL) + (memory->middle != NULL);
    return n + (memory->before && atomic_load(&memory->before->n_users) == 1);
}

static int32_t memory_reserve(void *part, int64_t first, int64_t n_held, int64_t n_tokens,
                              sk_error *error)
{
    sk_memory *memory = part;
    (void)first;
    if (!memory->now && !(memory->now = array_new(memory, true, error)))
        return SKALD_E_MEMORY;
    memory_keep(memory, n_tokens - n_held > 1 && !memory->guessing);
    int wanted = n_tokens - n_held > 1 ? 2 : 1;
    while (memory_free_arrays(memory) < wanted) {
        sk_memory_array *array = array_new(memory, false, error);
        if (!array)
            return SKALD_E_MEMORY;
        memory->spare[memory->n_spare++] = array;
    }
    return SKALD_OK;
}

/* The array of a position, NULL: it is not there. */
static sk_memory_array *memory_at(const sk_memory *memory, int64_t position)
{
    if (memory->now && memory->now->position == position)
        return memory->now;
    if (memory->before && memory->before->position == position)
        return memory->before;
    if (memory->mark && memory->mark->position == position)
        return memory->mark;
    for (int i = 0; i < memory->n_kept; i++)
        if (memory->kept[i]->position == position)
            return memory->kept[i];
    return NULL;
}

static int64_t memory_reach(const void *part, int64_t n_tokens)
{
    const sk_memory *memory = part;
    int64_t best = 0;
    if (memory->now && memory->now->position <= n_tokens)
        best = memory->now->position;
    if (memory->before && memory->before->position <= n_tokens && memory->before->position > best)
        best = memory->before->position;
    if (memory->mark && memory->mark->position <= n_tokens && memory->mark->position > best)
        best = memory->mark->position;
    for (int i = 0; i < memory->n_kept; i++)
        if (memory->kept[i]->position <= n_tokens && memory->kept[i]->position > best)
            best = memory->kept[i]->position;
    return best;
}

static void memory_truncate(void *part, int64_t n_tokens)
{
    sk_memory *memory = part;
    memory_abandon(memory);
    if (n_tokens == 0) {
        memory_clear(memory);
        return;
    }
    while (memory->n_kept > 0 && memory->kept[memory->n_kept - 1]->position > n_tokens)
        memory_drop(memory, memory->kept[--memory->n_kept]);
    if (memory->now->position == n_tokens)
        return;
    sk_memory_array *now = array_share(memory_at(memory, n_tokens));
    memory_drop(memory, memory->now);
    memory_drop(memory, memory->before);
    memory->before = NULL;
    memory->now = now;
    if (memory->mark && memory->mark->position > n_tokens) {
        memory_drop(memory, memory->mark);
        memory->mark = NULL;
    }
}

static uint64_t memory_bytes(const void *part)
{
    const sk_memory *memory = part;
    uint64_t n = (uint64_t)(memory->n_kept + memory->n_spare), size = 0;
    sk_memory_array *const ones[] = {memory->now, memory->before, memory->next, memory->middle};
    for (int i = 0; i < 4; i++)
        n += ones[i] != NULL;
    n += memory->mark && memory->mark != memory->now;
    return memory_size(memory, &size) ? n * size : 0;
}

/* The one of now, those that are kept, and the two that a pass writes. */
static uint64_t memory_cost(const void *part, int64_t n_tokens, int64_t n_rows)
{
    (void)n_rows;
    const sk_memory *memory = part;
    int64_t most = memory_most_kept(memory), kept = n_tokens / MEMORY_TURN_GAP;
    uint64_t size = 0;
    memory_size(memory, &size);
    return (uint64_t)((kept < most ? kept : most) + 3) * sk_alloc_cost(size);
}

static int32_t memory_fork(void **out, const void *part, int64_t n_tokens, sk_error *error)
{
    const sk_memory *memory = part;
    sk_memory *fork = sk_alloc_zero(memory->heap, sizeof *fork, "a memory", error);
    (void)n_tokens; /* those of `now` */
    *out = fork;
    if (!fork)
        return SKALD_E_MEMORY;
    fork->heap = memory->heap;
    fork->n = memory->n;
    fork->now = array_share(memory->now);
    fork->before = array_share(memory->before);
    fork->mark = array_share(memory->mark);
    for (; fork->n_kept < memory->n_kept; fork->n_kept++)
        fork->kept[fork->n_kept] = array_share(memory->kept[fork->n_kept]);
    memcpy(fork->turn, memory->turn, sizeof fork->turn);
    return SKALD_OK;
}

/* ---- Passes ---------------------------------------------------------------------------------- */

void sk_memory_mark(sk_memory *memory, bool guessing)
{
    memory_drop(memory, memory->mark);
    memory->mark = guessing ? array_share(memory->now) : NULL;
    memory->guessing = guessing;
}

bool sk_memory_begin(sk_memory *memory, int64_t n_row)
{
    memory_abandon(memory);
    if (memory_free_arrays(memory) < (n_row > 1 ? 2 : 1) || !memory->now)
        return false;
    memory_drop(memory, memory->before);
    memory->before = NULL;
    memory->next = memory->spare[--memory->n_spare];
    memory->next->position = memory->now->position + n_row;
    memory->next->prompt = n_row > 1 && !memory->guessing;
    memory->n_row = n_row;
    if (n_row > 1) {
        memory->middle = memory->spare[--memory->n_spare];
        memory->middle->position = memory->next->position - 1;
        memory->middle->prompt = !memory->guessing;
    }
    return true;
}

void sk_memory_commit(sk_memory *memory)
{
    if (!memory->next)
        return;
    if (memory->middle) {
        memory_drop(memory, memory->now);
        memory->before = memory->middle;
    } else {
        memory->before = memory->now;
    }
    memory->now = memory->next;
    memory->next = memory->middle = NULL;
}

const float *sk_memory_from(const sk_memory *memory, bool first)
{
    return array_floats(first ? memory->now : memory->middle);
}

float *sk_memory_to(const sk_memory *memory, bool last)
{
    return array_floats(last ? memory->next : memory->middle);
}

/* ---- Saving ---------------------------------------------------------------------------------- */

static uint64_t memory_layout(const void *part, uint64_t hash)
{
    return sk_hash_word(hash, (uint64_t)((const sk_memory *)part)->n);
}

static uint64_t memory_save_size(const void *part, int64_t n_tokens)
{
    return n_tokens > 0 ? (uint64_t)((const sk_memory *)part)->n * sizeof(float) : 0;
}

static void memory_save(const void *part, int64_t n_tokens, sk_put *put, void *user)
{
    const sk_memory *memory = part;
    const sk_memory_array *array = n_tokens > 0 ? memory_at(memory, n_tokens) : NULL;
    for (int64_t i = 0; array && i < memory->n; i++) {
        uint8_t bytes[4];
        sk_put_le32(bytes, sk_f32_bits(array_floats(array)[i]));
        put(user, bytes, sizeof bytes);
    }
}

static void memory_load(void *part, int64_t n_tokens, const uint8_t *data)
{
    sk_memory *memory = part;
    memory_forget(memory);
    if (n_tokens == 0)
        return;
    memory->now = memory->spare[--memory->n_spare];
    memory->now->position = n_tokens;
    memory->now->prompt = true;
    for (int64_t i = 0; i < memory->n; i++)
        array_floats(memory->now)[i] = sk_f32_from_bits(sk_le32(data + 4 * i));
}

const sk_part_kind sk_memory_kind = {
    .name = "memory",
    .reserve = memory_reserve,
    .reach = memory_reach,
    .truncate = memory_truncate,
    .bytes = memory_bytes,
    .cost = memory_cost,
    .fork = memory_fork,
    .layout = memory_layout,
    .save_size = memory_save_size,
    .save = memory_save,
    .load = memory_load,
    .free = memory_free,
};
