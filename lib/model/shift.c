/* SPDX-License-Identifier: MIT */
/*
 * Taking tokens out of the middle of a cache. What follows moves up by n rows, and its keys, which
 * were turned by position p, are turned on by -n positions: R(-n) R(p) = R(p - n). Values, and keys
 * that are not rotated (ALiBi knows distances only), are moved as they are.
 *
 * It is not what evaluating the remaining tokens gives: a row saw the tokens that are gone, and a
 * key is rounded once more. So it is done only where it is asked for, and the session remembers
 * from which row on it was done. What it gives is the same on every machine: a row is turned by
 * itself, in float, by angles that are computed in double and rounded once.
 *
 * Where it cannot be done: recurrent layers, whose memory has no middle; learned positions; keys
 * with a norm behind their rotation; chunks of a context; keys of a quantised type, which each turn
 * would round again by as much as the first time.
 *
 * The unit of work is one head of one layer, a millisecond or less. Rows go upwards and are read
 * before they are overwritten, in place: shared blocks were copied when the move began. A move,
 * once begun, is brought to its end by whoever comes next; until then no row behind `first` may be
 * read.
 */
#include "base/portable.h"

#include "model/state.h"

#include "base/clock.h"
#include "model/model_int.h"
#include "model/state_int.h"
#include "tensor/types.h"

#include <string.h>

bool sk_state_shifts(const sk_state *state)
{
    const sk_plan *plan = &state->model->plan;
    if (state->memory || plan->n_kv == 0 || plan->max_position > 0)
        return false;
    int type = sk_state_cache(state, 0)->k_dtype;
    bool is_float = type == SK_F32 || type == SK_F16 || type == SK_BF16;
    for (uint64_t i = 0; i < plan->n_kv; i++)
        if (!plan->kvs[i].turns || (plan->kvs[i].rope >= 0 && !is_float))
            return false;
    return true;
}

bool sk_state_shifts_there(const sk_state *state, int64_t n_held, int64_t first, int64_t n)
{
    int64_t span = state->window ? state->window->span : 0;
    return sk_state_shifts(state) && (span == 0 || first <= n_held - n - span);
}

/* The first row of a cache that is moved: of windows, the first that will be seen. */
static int64_t shift_from(const sk_state *state, const sk_cache *cache, int64_t n_left)
{
    int64_t from = n_left - cache->span;
    return cache->span > 0 && from > state->shift.first ? from : state->shift.first;
}

/* Room for what is moved, in both caches. */
static int32_t shift_reserve(sk_state *state, int64_t first, int64_t n, sk_error *error)
{
    int64_t n_held = state->n_held, n_left = n_held - n;
    int32_t status = SKALD_OK;
    if (state->cache)
        status = sk_cache_kind.reserve(state->cache, first, n_held, n_held, error);
    if (status == SKALD_OK && state->window)
        status = sk_window_kind.reserve(state->window, n_left - state->window->span, n_held, n_left,
                                        error);
    return status;
}

/* Room for the longest key and the most angles. */
static int32_t shift_scratch(sk_state *state, sk_error *error)
{
    const sk_plan *plan = &state->model->plan;
    uint64_t n_key = 0, n_angle = 0;
    for (uint64_t i = 0; i < plan->n_kv; i++)
        n_key = n_key < (uint64_t)plan->kvs[i].dk ? (uint64_t)plan->kvs[i].dk : n_key;
    for (uint64_t i = 0; i < plan->n_rope; i++) {
        uint64_t n = (uint64_t)plan->ropes[i].rope.n_rot;
        n_angle = n_angle < n ? n : n_angle;
    }
    state->shift.scratch =
        sk_alloc_array(state->heap, n_key + n_angle, sizeof(float), "a turn of keys", error);
    return state->shift.scratch ? SKALD_OK : SKALD_E_MEMORY;
}

int32_t sk_state_shift(sk_state *state, int64_t first, int64_t n, sk_error *error)
{
    const sk_plan *plan = &state->model->plan;
    sk_state_shift_run(state, INT64_MAX);
    int32_t status = shift_scratch(state, error);
    if (status == SKALD_OK)
        status = shift_reserve(state, first, n, error);
    if (status != SKALD_OK) {
        sk_free(state->heap, state->shift.scratch);
        state->shift.scratch = NULL;
        return status;
    }
    state->shift.first = first;
    state->shift.n = n;
    state->shift.n_head = state->shift.n_done = 0;
    for (uint64_t i = 0; i < plan->n_kv; i++)
        state->shift.n_head += plan->kvs[i].n_head;
    state->n_held -= n;
    state->n_reserved = state->n_held;
    if (state->window)
        sk_cache_moved(state->window, first, n, state->n_held - state->window->span);
    return SKALD_OK;
}

static uint8_t *shift_row(const sk_cache *cache, int64_t row, size_t offset, size_t size)
{
    uint8_t *block = cache->blocks[row / SK_KEY_BLOCK];
    return block + offset + (size_t)(row % SK_KEY_BLOCK) * size;
}

/* The turn of a layer's keys by -n positions, without the magnitude, which they have already; its
 * angles lie behind the key in the scratch. NULL: they do not turn. */
static const sk_rope *shift_angles(const sk_state *state, const sk_kv *kv, float (*cs)[2])
{
    if (kv->rope < 0)
        return NULL;
    const sk_rope *rope = sk_rotary_for(&state->model->plan.ropes[kv->rope], state->n_ctx);
    sk_rope turn = *rope;
    turn.magnitude = 1;
    sk_rope_angles(&turn, -state->shift.n, cs);
    return rope;
}

static void shift_head(sk_state *state, int32_t layer, int64_t head)
{
    const sk_cache *cache = sk_state_cache(state, layer);
    const sk_cache_layer *l = &cache->layers[layer];
    const sk_kv *kv = &state->model->plan.kvs[layer];
    const sk_kernels *kernels = state->model->kernels;
    size_t k_at = sk_cache_k_offset(cache, layer, head),
           v_at = sk_cache_v_offset(cache, layer, head);
    float *key = state->shift.scratch;
    float(*cs)[2] = (float(*)[2])(void *)(key + kv->dk);
    const sk_rope *rope = shift_angles(state, kv, cs);
    for (int64_t row = shift_from(state, cache, state->n_held); row < state->n_held; row++) {
        int64_t from = row + state->shift.n;
        uint8_t *k_from = shift_row(cache, from, k_at, l->k_row);
        uint8_t *k_to = shift_row(cache, row, k_at, l->k_row);
        if (!kv->joint)
            memcpy(shift_row(cache, row, v_at, l->v_row), shift_row(cache, from, v_at, l->v_row),
                   l->v_row);
        if (!rope) {
            memcpy(k_to, k_from, l->k_row);
            continue;
        }
        sk_dequantise(cache->k_dtype, k_from, key, kv->dk);
        kernels->rope(kv->halves ? SK_ROPE_NEOX : rope->kind, key + kv->turn, (const float(*)[2])cs,
                      rope->n_rot);
        kernels->kv_store(cache->k_dtype, k_to, key, kv->dk);
    }
}

/* The layer and its head that are next. */
static void shift_next(sk_state *state)
{
    const sk_plan *plan = &state->model->plan;
    int64_t head = state->shift.n_done++;
    int32_t layer = 0;
    while (head >= plan->kvs[layer].n_head)
        head -= plan->kvs[layer++].n_head;
    shift_head(state, layer, head);
}

bool sk_state_shift_run(sk_state *state, int64_t deadline_us)
{
    sk_shift *shift = &state->shift;
    while (shift->n_done < shift->n_head) {
        shift_next(state);
        if (deadline_us != INT64_MAX && sk_clock_us() >= deadline_us)
            break;
    }
    if (shift->n_done < shift->n_head)
        return false;
    sk_free(state->heap, shift->scratch);
    shift->scratch = NULL;
    return true;
}
