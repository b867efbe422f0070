/* SPDX-License-Identifier: MIT */
/*
 * A state hands each call on to its parts. What a part holds beyond n_held is of an unfinished pass
 * and is written again by the next one.
 */
#include "base/portable.h"

#include "model/state.h"

#include "base/hash.h"
#include "model/model_int.h"
#include "model/state_int.h"

#include <string.h>

sk_cache *sk_state_cache(const sk_state *state, int64_t kv)
{
    bool own = state->window && state->model->plan.kvs[kv].window > 0;
    return own ? state->window : state->cache;
}

static void state_add(sk_state *state, const sk_part_kind *kind, void *data)
{
    state->parts[state->n_part].kind = kind;
    state->parts[state->n_part++].data = data;
    if (kind == &sk_cache_kind)
        state->cache = data;
    if (kind == &sk_window_kind)
        state->window = data;
    if (kind == &sk_memory_kind)
        state->memory = data;
}

static int32_t state_check(const sk_model *model, int64_t n_ctx, int k_dtype, int v_dtype,
                           sk_error *error)
{
    if (sk_model_runs(model, error) != SKALD_OK)
        return SKALD_E_STATE;
    if (n_ctx < 1)
        return sk_fail(error, SKALD_E_ARGUMENT, "n_ctx is %lld, wanted at least 1",
                       (long long)n_ctx);
    if (!sk_cache_holds(k_dtype) || !sk_cache_holds(v_dtype))
        return sk_fail(error, SKALD_E_ARGUMENT,
                       "the type of a cache must be f32, f16, bf16, q8_0 or q4_0");
    return SKALD_OK;
}

/* A cache of some layers, if there are any such. */
static int32_t state_cache(sk_state *state, int of, int k_dtype, int v_dtype, sk_error *error)
{
    const sk_plan *plan = &state->model->plan;
    sk_cache *cache, some = {.plan = plan, .of = of};
    uint64_t n = 0;
    for (uint64_t i = 0; i < plan->n_kv; i++)
        n += sk_cache_has(&some, i);
    if (n == 0)
        return SKALD_OK;
    int32_t status =
        sk_cache_new(&cache, state->heap, plan, of, state->n_ctx, k_dtype, v_dtype, error);
    if (status == SKALD_OK)
        state_add(state, of == SK_CACHE_WINDOWS ? &sk_window_kind : &sk_cache_kind, cache);
    return status;
}

/* What the model's layers need. */
static int32_t state_parts(sk_state *state, int k_dtype, int v_dtype, sk_error *error)
{
    const sk_plan *plan = &state->model->plan;
    bool apart = sk_cache_span(plan, state->n_ctx) > 0;
    int32_t status =
        state_cache(state, apart ? SK_CACHE_FULL : SK_CACHE_ALL, k_dtype, v_dtype, error);
    if (status == SKALD_OK && apart)
        status = state_cache(state, SK_CACHE_WINDOWS, k_dtype, v_dtype, error);
    if (status != SKALD_OK)
        return status;
    if (plan->n_memory > 0) {
        sk_memory *memory;
        status = sk_memory_new(&memory, state->heap, plan, error);
        if (status != SKALD_OK)
            return status;
        state_add(state, &sk_memory_kind, memory);
    }
    return SKALD_OK;
}

int32_t sk_state_new(sk_state **out, sk_heap *heap, const sk_model *model, int64_t n_ctx,
                     int k_dtype, int v_dtype, sk_error *error)
{
    *out = NULL;
    int32_t status = state_check(model, n_ctx, k_dtype, v_dtype, error);
    if (status != SKALD_OK)
        return status;
    sk_state *state = sk_alloc_zero(heap, sizeof *state, "a state", error);
    if (!state)
        return SKALD_E_MEMORY;
    state->heap = heap;
    state->model = model;
    state->n_ctx = n_ctx;
    status = state_parts(state, k_dtype, v_dtype, error);
    if (status != SKALD_OK) {
        sk_state_free(state);
        return status;
    }
    *out = state;
    return SKALD_OK;
}

int32_t sk_state_fork(sk_state **out, sk_state *state, sk_error *error)
{
    *out = NULL;
    sk_state *fork = sk_alloc_zero(state->heap, sizeof *fork, "a state", error);
    if (!fork)
        return SKALD_E_MEMORY;
    sk_state_shift_run(state, INT64_MAX);
    fork->heap = state->heap;
    fork->model = state->model;
    fork->n_ctx = state->n_ctx;
    fork->n_held = fork->n_reserved = state->n_held;
    for (int i = 0; i < state->n_part; i++) {
        const sk_part_kind *kind = state->parts[i].kind;
        void *data;
        int32_t status = kind->fork(&data, state->parts[i].data, state->n_held, error);
        if (status != SKALD_OK) {
            sk_state_free(fork);
            return status;
        }
        state_add(fork, kind, data);
    }
    /* What both hold is only read from now on: rows are to be reserved anew. */
    state->n_reserved = state->n_held;
    *out = fork;
    return SKALD_OK;
}

void sk_state_free(sk_state *state)
{
    if (!state)
        return;
    for (int i = 0; i < state->n_part; i++)
        state->parts[i].kind->free(state->parts[i].data);
    sk_free(state->heap, state->shift.scratch);
    sk_free(state->heap, state);
}

static int32_t state_room(const sk_state *state, int64_t n_tokens, sk_error *error)
{
    if (n_tokens > state->n_ctx)
        return sk_fail(error, SKALD_E_CONTEXT_FULL, "%lld tokens do not fit n_ctx, %lld",
                       (long long)n_tokens, (long long)state->n_ctx);
    int64_t most = state->model->plan.max_position;
    if (most > 0 && n_tokens > most)
        return sk_fail(error, SKALD_E_CONTEXT_FULL, "the model has positions for %lld tokens",
                       (long long)most);
    return SKALD_OK;
}

/* Makes room for rows to be written, those behind what is held or, `anew`, all; what is held stays
 * until they are. */
static int32_t state_reserve(sk_state *state, bool anew, int64_t n_tokens, sk_error *error)
{
    int32_t status = state_room(state, n_tokens, error);
    int64_t n_held = state->n_held;
    for (int i = 0; i < state->n_part && status == SKALD_OK; i++) {
        const sk_part_kind *kind = state->parts[i].kind;
        void *part = state->parts[i].data;
        status = anew && kind->prepare
                     ? kind->prepare(part, n_held, n_tokens, error)
                     : kind->reserve(part, anew ? 0 : n_held, n_held, n_tokens, error);
    }
    if (status != SKALD_OK)
        return status;
    if (state->n_reserved < n_tokens)
        state->n_reserved = n_tokens;
    return SKALD_OK;
}

int32_t sk_state_reserve(sk_state *state, int64_t n_tokens, sk_error *error)
{
    return state_reserve(state, false, n_tokens, error);
}

int32_t sk_state_prepare(sk_state *state, int64_t n_tokens, sk_error *error)
{
    return state_reserve(state, true, n_tokens, error);
}

int64_t sk_state_reach(const sk_state *state, int64_t n_tokens)
{
    n_tokens = n_tokens > 0 ? n_tokens : 0;
    n_tokens = n_tokens < state->n_held ? n_tokens : state->n_held;
    if (state->model->plan.whole && n_tokens < state->n_held)
        return 0;                                    /* what is held was seen from both sides */
    for (int64_t before = -1; before != n_tokens;) { /* until all parts agree */
        before = n_tokens;
        for (int i = 0; i < state->n_part; i++)
            if (state->parts[i].kind->reach)
                n_tokens = state->parts[i].kind->reach(state->parts[i].data, n_tokens);
    }
    return n_tokens;
}

void sk_state_mark(sk_state *state, bool guessing)
{
    if (state->memory)
        sk_memory_mark(state->memory, guessing);
}

void sk_state_truncate(sk_state *state, int64_t n_tokens)
{
    if (n_tokens <= state->shift.first) /* nothing that is being moved stays */
        state->shift.n_done = state->shift.n_head;
    sk_state_shift_run(state, INT64_MAX);
    n_tokens = sk_state_reach(state, n_tokens);
    state->n_held = n_tokens;
    state->n_reserved = n_tokens;
    for (int i = 0; i < state->n_part; i++)
        state->parts[i].kind->truncate(state->parts[i].data, n_tokens);
}

int64_t sk_state_length(const sk_state *state)
{
    return state->n_held;
}

void sk_state_wear(sk_state *state, const sk_adapters *adapters)
{
    state->adapters = adapters;
}

uint64_t sk_state_layout(const sk_state *state)
{
    uint64_t hash = sk_adapters_hash(state->adapters, SK_HASH_START);
    for (uint64_t i = 0; i < state->model->plan.n_rope; i++) {
        const sk_rotary *rotary = &state->model->plan.ropes[i];
        hash = sk_hash_word(hash, sk_rotary_for(rotary, state->n_ctx) == &rotary->longer);
    }
    for (int i = 0; i < state->n_part; i++) {
        const sk_part_kind *kind = state->parts[i].kind;
        hash = sk_hash_bytes(hash, kind->name, strlen(kind->name));
        hash = kind->layout(state->parts[i].data, hash);
    }
    return hash;
}

uint64_t sk_state_save_size(const sk_state *state, int64_t n_tokens)
{
    uint64_t size = 0;
    for (int i = 0; i < state->n_part; i++)
        size += state->parts[i].kind->save_size(state->parts[i].data, n_tokens);
    return size;
}

void sk_state_save(const sk_state *state, int64_t n_tokens, sk_put *put, void *user)
{
    for (int i = 0; i < state->n_part; i++)
        state->parts[i].kind->save(state->parts[i].data, n_tokens, put, user);
}

void sk_state_load(sk_state *state, int64_t n_tokens, const uint8_t *data)
{
    state->shift.n_done = state->shift.n_head;
    for (int i = 0; i < state->n_part; i++) {
        const sk_part_kind *kind = state->parts[i].kind;
        kind->load(state->parts[i].data, n_tokens, data);
        data += kind->save_size(state->parts[i].data, n_tokens);
    }
    state->n_held = n_tokens;
    sk_state_truncate(state, n_tokens);
}

void sk_state_settle(sk_state *state)
{
    if (state->window)
        state->window->settled = state->n_held;
}

uint64_t sk_state_cost(const sk_state *state, int64_t n_tokens, int64_t n_rows)
{
    uint64_t cost = 0;
    for (int i = 0; i < state->n_part; i++)
        cost += state->parts[i].kind->cost(state->parts[i].data, n_tokens, n_rows);
    return cost;
}

uint64_t sk_state_cost_token(const sk_state *state)
{
    uint64_t cost = 0;
    for (int i = 0; i < state->n_part; i++)
        if (state->parts[i].data != state->memory)
            cost += state->parts[i].kind->cost(state->parts[i].data, SK_KEY_BLOCK, 1);
    return cost / SK_KEY_BLOCK;
}

uint64_t sk_state_bytes(const sk_state *state)
{
    uint64_t bytes = 0;
    for (int i = 0; i < state->n_part; i++)
        bytes += state->parts[i].kind->bytes(state->parts[i].data);
    return bytes;
}
