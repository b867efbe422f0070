/* SPDX-License-Identifier: MIT */
/*
 * Making a plan: the embedding, the layers one after another, the head. What a block consists of is
 * written in its own file, a layer in layer.c; here is what they share. A builder carries the first
 * error along, so that the blocks read as straight lines.
 *
 * Memory: about half a kilobyte per step, a dozen steps per layer.
 */
#include "base/portable.h"

#include "model/plan.h"

#include <string.h>

static const struct {
    const char *name;
    int set;
} plan_regs[SK_N_REGS] = {
#define X(ID, name, set) {name, SK_SET_##set},
    SK_REGS(X)
#undef X
};

const char *sk_reg_name(int reg)
{
    return plan_regs[reg].name;
}

int sk_reg_set(int reg)
{
    return plan_regs[reg].set;
}

const char *sk_op_name(int op)
{
    static const char *const names[SK_N_OPS] = {
#define X(ID, name) name,
        SK_OPS(X)
#undef X
    };
    return names[op];
}

/* ---- Steps ----------------------------------------------------------------------------------- */

/* Room for one more element of an array of the plan's, zeroed; NULL after an error. */
static void *plan_grow(sk_builder *b, void **array, uint64_t *n, uint64_t *capacity, size_t size)
{
    if (b->status != SKALD_OK)
        return NULL;
    b->status = sk_grow(b->plan->heap, array, capacity, *n + 1, size, "a model's plan", b->error);
    if (b->status != SKALD_OK)
        return NULL;
    void *element = (char *)*array + *n * size;
    memset(element, 0, size);
    ++*n;
    return element;
}

sk_step *sk_plan_step(sk_builder *b, int op, int set)
{
    sk_plan *plan = b->plan;
    void *array = plan->steps;
    sk_step *step = plan_grow(b, &array, &plan->n_step, &plan->step_capacity, sizeof *plan->steps);
    plan->steps = array;
    if (!step)
        step = &b->spare;
    *step = (sk_step){.op = op, .set = set, .layer = b->layer};
    return step;
}

void sk_plan_width(sk_builder *b, int reg, int64_t n)
{
    if (b->plan->width[reg] < n)
        b->plan->width[reg] = n;
}

sk_step *sk_plan_norm_as(sk_builder *b, int dst, int src, int slot, int64_t n_vec, int64_t n,
                         bool layer_norm, int64_t weight_step)
{
    const float *weight = NULL, *bias = NULL;
    if (b->status == SKALD_OK && slot >= 0)
        b->status = sk_slot_vector(b->weights, slot, b->layer, &weight, b->error);
    if (b->status == SKALD_OK && slot >= 0)
        b->status = sk_slot_vector_bias(b->weights, slot, b->layer, &bias, b->error);
    sk_step *step = sk_plan_step(b, SK_OP_NORM, sk_reg_set(dst));
    step->dst = dst;
    step->src = src;
    step->n = n;
    step->n_vec = n_vec;
    step->weight = weight;
    step->bias = bias;
    step->weight_step = weight_step;
    step->weight_slot = slot;
    step->layer_norm = layer_norm;
    step->eps = (float)(layer_norm ? b->hp->ln_eps : b->hp->rms_eps);
    sk_plan_width(b, dst, n * n_vec);
    return step;
}

void sk_plan_norm(sk_builder *b, int dst, int src, int slot, int64_t n_vec, int64_t n)
{
    int norm = b->arch->norm;
    bool rms = norm == SK_NORM_RMS || norm == SK_NORM_RMS_PLAIN ||
               (norm == SK_NORM_KEY && b->hp->rms_eps != 0);
    sk_plan_norm_as(b, dst, src,
                    norm == SK_NORM_LAYER_PLAIN || norm == SK_NORM_RMS_PLAIN ? -1 : slot, n_vec, n,
                    !rms, 0);
}

void sk_plan_act_in(sk_builder *b, int set, int src, const sk_linear *parts, int n_part)
{
    sk_step *step = sk_plan_step(b, SK_OP_ACT, set);
    step->src = src;
    step->n = parts[0].n_in;
    for (int i = 0; i < n_part; i++) {
        int kind = sk_act_kind(parts[i].dtype);
        int64_t *longest = &b->plan->act_n[set][kind];
        step->kinds |= 1u << kind;
        *longest = *longest > step->n ? *longest : step->n;
    }
}

void sk_plan_act(sk_builder *b, int src, const sk_linear *parts, int n_part)
{
    sk_plan_act_in(b, sk_reg_set(src), src, parts, n_part);
}

void sk_plan_linear_in(sk_builder *b, int set, int src, const sk_linear *parts, const int *dsts,
                       int n_part)
{
    if (b->status != SKALD_OK)
        return;
    sk_plan_act_in(b, set, src, parts, n_part);
    sk_step *step = sk_plan_step(b, SK_OP_LINEAR, set);
    step->src = src;
    step->n_part = n_part;
    for (int i = 0; i < n_part; i++) {
        step->part[i] = parts[i];
        step->part_dst[i] = dsts[i];
        sk_plan_width(b, dsts[i], parts[i].n_out);
    }
}

void sk_plan_linear(sk_builder *b, int src, const sk_linear *parts, const int *dsts, int n_part)
{
    sk_plan_linear_in(b, sk_reg_set(src), src, parts, dsts, n_part);
}

void sk_plan_copy(sk_builder *b, int dst, int src, int64_t n)
{
    sk_plan_take(b, dst, 0, src, 0, 1, n, n);
}

sk_step *sk_plan_add(sk_builder *b, int dst, int src, int64_t n)
{
    sk_step *step = sk_plan_step(b, SK_OP_ADD, sk_reg_set(dst));
    step->dst = dst;
    step->src = src;
    step->n = n;
    return step;
}

/* An operation of a register's rows with a vector of the model's. */
static void plan_with_vector(sk_builder *b, int op, int dst, int slot, int64_t n)
{
    const float *weight = sk_plan_vector(b, slot);
    sk_step *step = sk_plan_step(b, op, SK_SET_ROWS);
    step->dst = step->src = dst;
    step->n = n;
    step->weight = weight;
    step->weight_slot = slot;
}

void sk_plan_add_vector(sk_builder *b, int dst, int slot, int64_t n)
{
    plan_with_vector(b, SK_OP_ADD, dst, slot, n);
}

void sk_plan_times(sk_builder *b, int dst, int slot, int64_t n)
{
    plan_with_vector(b, SK_OP_TIMES, dst, slot, n);
}

void sk_plan_scale(sk_builder *b, int reg, double factor, int64_t n)
{
    if (factor == 0 || factor == 1)
        return;
    sk_step *step = sk_plan_step(b, SK_OP_SCALE, sk_reg_set(reg));
    step->dst = step->src = reg;
    step->factor = (float)factor;
    step->n = n;
}

void sk_plan_glu(sk_builder *b, int dst, int src, sk_fn fn, int64_t n)
{
    sk_step *step = sk_plan_step(b, SK_OP_GLU, sk_reg_set(dst));
    step->dst = dst;
    step->src = src;
    step->fn = fn;
    step->n = n;
}

void sk_plan_gate(sk_builder *b, int dst, int src, sk_fn fn, int64_t n_vec, int64_t n)
{
    sk_step *step = sk_plan_step(b, SK_OP_GATE, sk_reg_set(dst));
    step->dst = dst;
    step->src = src;
    step->fn = fn;
    step->n_vec = n_vec;
    step->n = n;
}

void *sk_plan_keep_of(sk_builder *b, int64_t n, size_t size)
{
    if (b->status != SKALD_OK)
        return NULL;
    void *kept = sk_weights_keep(b->weights, (uint64_t)n, size, b->error);
    if (!kept)
        b->status = SKALD_E_MEMORY;
    return kept;
}

float *sk_plan_keep(sk_builder *b, int64_t n)
{
    return sk_plan_keep_of(b, n, sizeof(float));
}

const float *sk_plan_vector(sk_builder *b, int slot)
{
    const float *vector = NULL;
    if (b->status == SKALD_OK)
        b->status = sk_slot_vector(b->weights, slot, b->layer, &vector, b->error);
    return vector;
}

const float *sk_plan_vector_now(sk_builder *b, int slot)
{
    const float *vector = NULL;
    if (b->status == SKALD_OK)
        b->status = sk_slot_vector_now(b->weights, slot, b->layer, &vector, b->error);
    return vector;
}

bool sk_plan_fits(const sk_builder *b, int slot)
{
    return sk_slot_fits(b->weights, slot, b->layer);
}

bool sk_plan_has(const sk_builder *b, int slot)
{
    return sk_slot_has(b->weights, slot, b->layer);
}

sk_linear sk_plan_weight(sk_builder *b, int slot)
{
    sk_linear weight = {0};
    if (b->status == SKALD_OK)
        b->status = sk_slot_linear(b->weights, slot, b->layer, &weight, b->error);
    return weight;
}

sk_linear sk_plan_rows(sk_builder *b, const sk_linear *whole, int64_t row, int64_t n_out)
{
    sk_linear weight = {0};
    if (b->status == SKALD_OK)
        b->status = sk_linear_rows(b->weights, whole, row, n_out, &weight, b->error);
    return weight;
}

int32_t sk_plan_kv(sk_builder *b, int64_t n_head, int64_t dk, int64_t dv)
{
    sk_plan *plan = b->plan;
    void *array = plan->kvs;
    sk_kv *kv = plan_grow(b, &array, &plan->n_kv, &plan->kv_capacity, sizeof *plan->kvs);
    plan->kvs = array;
    if (kv)
        *kv = (sk_kv){.n_head = n_head, .dk = dk, .dv = dv, .each = 1, .rope = -1};
    return (int32_t)plan->n_kv - 1;
}

/* Each begins at a vector's edge, and is something even where it is nothing (a convolution of one
 * tap). Sizes are those of hparam.h: no sum of them overflows. */
int64_t sk_plan_memory(sk_builder *b, int64_t n)
{
    int64_t at = b->plan->n_memory;
    b->plan->n_memory += (n > 0 ? n + 15 : 16) / 16 * 16;
    return at;
}

/* ---- The whole ------------------------------------------------------------------------------- */

/* The ways to rotate are worked out first: their angles are computed once per pass. */
static void plan_ropes(sk_builder *b)
{
    for (b->layer = 0; b->layer < b->hp->n_layer && b->status == SKALD_OK; b->layer++) {
        if (b->arch->pooled)
            sk_plan_pooled_ropes(b);
        else
            sk_plan_rope(b);
    }
    b->layer = -1;
    for (uint64_t i = 0; i < b->plan->n_rope; i++)
        sk_plan_step(b, SK_OP_ANGLES, SK_SET_ROWS)->rope = (int)i;
}

/* A layer, and where control vectors are added: to its output, whatever that is made of. */
static void plan_layer(sk_builder *b)
{
    uint64_t n_step = b->plan->n_step;
    bool several = b->arch->streams == SK_STREAMS_ALTUP;
    sk_plan_layer(b);
    if (b->plan->n_step == n_step)
        return; /* there is no such layer */
    sk_step *step = sk_plan_step(b, SK_OP_STEER, SK_SET_ROWS);
    step->dst = several ? SK_R_STREAMS : SK_R_H;
    step->n = b->hp->n_embd;
    step->n_vec = several ? b->plan->width[SK_R_STREAMS] / step->n : 1;
}

/* All layers, as often as the model says: each time with caches of their own, and between two times
 * the norm of the output, unless it says not. */
static void plan_layers(sk_builder *b)
{
    const sk_hparam *hp = b->hp;
    for (int64_t loop = 0; loop < hp->n_loop; loop++) {
        for (b->layer = 0; b->layer < hp->n_layer && b->status == SKALD_OK; b->layer++)
            plan_layer(b);
        if (loop + 1 < hp->n_loop && !hp->loop_plain)
            sk_plan_norm(b, SK_R_H, SK_R_H, SK_T_OUTPUT_NORM, 1, hp->n_embd);
    }
}

int32_t sk_plan_make(sk_plan *plan, sk_heap *heap, const sk_arch *arch, sk_weights *weights,
                     sk_error *error)
{
    const sk_hparam *hp = weights->hp;
    sk_builder b = {.plan = plan, .weights = weights, .hp = hp, .arch = arch, .error = error};
    *plan = (sk_plan){
        .heap = heap, .n_embd = hp->n_embd, .n_vocab = hp->n_vocab, .n_layer = hp->n_layer};
    plan->whole = !hp->causal;
    weights->side = arch->sides == SK_SIDES_NONE ? NULL : "enc.";
    plan_ropes(&b);
    sk_plan_embed(&b);
    plan_layers(&b);
    sk_plan_head(&b);
    sk_plan_score(&b);
    return b.status;
}

void sk_plan_free(sk_plan *plan)
{
    if (plan->heap) {
        sk_free(plan->heap, plan->steps);
        sk_free(plan->heap, plan->ropes);
        sk_free(plan->heap, plan->kvs);
    }
    *plan = (sk_plan){0};
}
