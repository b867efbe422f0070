/* SPDX-License-Identifier: MIT */
/*
 * The plan in words: a line per step, without the layer's number, so that layers that do the same
 * read the same and are told together. Layers differ where their weights have other types, other
 * shapes, or other blocks.
 */
#include "base/portable.h"

#include "model/lines.h"
#include "model/plan.h"

#include <string.h>

/* A line in the making. */
typedef struct explain_line {
    char text[1024];
    size_t n;
} explain_line;

static void put(explain_line *line, const char *text)
{
    size_t n = strlen(text), room = sizeof line->text - 1 - line->n;
    n = n < room ? n : room;
    memcpy(line->text + line->n, text, n);
    line->n += n;
    line->text[line->n] = '\0';
}

static void put_int(explain_line *line, const char *before, int64_t value, const char *after)
{
    char number[32];
    sk_format(number, sizeof number, "%lld", (long long)value);
    put(line, before);
    put(line, number);
    put(line, after);
}

static void put_real(explain_line *line, const char *before, double value)
{
    char number[64];
    sk_format_double(number, value);
    put(line, before);
    put(line, number);
}

/* A float by its fewest digits: 1e-05, not the double nearest to that float. */
static void put_float(explain_line *line, const char *before, float value)
{
    double shortest = (double)value, size = shortest < 0 ? -shortest : shortest, power = 1;
    char number[64];
    int exponent = 0;
    for (; size >= 10; exponent++)
        size /= 10;
    for (; size > 0 && size < 1; exponent--)
        size *= 10;
    for (int digits = 1; digits <= 9; digits++, power *= 10) {
        double rounded;
        size_t n = sk_format(number, sizeof number, "%s%llde%d", value < 0 ? "-" : "",
                             (long long)(size * power + 0.5), exponent - (digits - 1));
        if (sk_parse_double(number, n, &rounded) && (float)rounded == value) {
            shortest = rounded;
            break;
        }
    }
    put_real(line, before, shortest);
}

static void put_slot(explain_line *line, int slot)
{
    char label[64];
    sk_slot_label(slot, label);
    put(line, label);
}

/* "attn_q Q4_K [128, 64] * scale + bias" */
static void put_weight(explain_line *line, const sk_linear *w)
{
    put_slot(line, w->slot);
    put(line, " ");
    put(line, sk_dtype_get((uint64_t)w->dtype)->name);
    put_int(line, " [", w->n_in, "");
    put_int(line, ", ", w->n_out, "");
    if (w->n_expert > 0)
        put_int(line, ", ", w->n_expert, "");
    put(line, "]");
    if (w->scale && !w->scale_bias)
        put(line, " * scale");
    if (w->bias)
        put(line, " + bias");
    if (w->scale && w->scale_bias)
        put(line, " * scale");
}

static void put_products(explain_line *line, const sk_step *step)
{
    for (int i = 0; i < step->n_part; i++) {
        put(line, i ? "; " : "");
        put(line, sk_reg_name(step->part_dst[i]));
        put(line, " = ");
        put_weight(line, &step->part[i]);
    }
    put(line, " of ");
    put(line, sk_reg_name(step->src));
}

static void put_assign(explain_line *line, const sk_step *step, const char *verb)
{
    put(line, sk_reg_name(step->dst));
    put(line, verb);
    put(line, sk_reg_name(step->src));
}

static void put_vectors(explain_line *line, const sk_step *step)
{
    if (step->n_vec > 1)
        put_int(line, ", ", step->n_vec, " vectors");
    put_int(line, step->n_vec > 1 ? " of " : ", ", step->n, "");
}

static void put_kinds(explain_line *line, const sk_step *step)
{
    static const char *const names[] = {"f32", "q32", "q256"};
    put(line, sk_reg_name(step->src));
    put(line, " as");
    for (int kind = 0; kind < 3; kind++) {
        if (step->kinds & 1u << kind) {
            put(line, " ");
            put(line, names[kind]);
        }
    }
}

static void put_rotary(explain_line *line, const sk_rotary *rotary)
{
    const sk_rope *rope = &rotary->rope;
    put_int(line, "", rope->n_rot, " elements, ");
    put(line, rope->kind == SK_ROPE_NEOX ? "halves" : "pairs");
    put_real(line, ", base ", rope->base);
    if (rope->freq_scale != 1)
        put_real(line, ", scale ", rope->freq_scale);
    if (rope->ext_factor != 0)
        put_int(line, ", yarn from ", rope->n_ctx_orig, "");
    if (rope->magnitude != 1)
        put_real(line, ", magnitude ", rope->magnitude);
    if (rotary->factors >= 0) {
        put(line, ", ");
        put_slot(line, rotary->factors);
    }
    if (rotary->back)
        put(line, ", back");
    if (rotary->plus != 0)
        put_int(line, ", of position ", rotary->plus, "");
    if (rotary->longer.n_rot > 0)
        put_int(line, " above ", rope->n_ctx_orig, "");
}

/* Which angles, where there are several. */
static void put_angles(explain_line *line, const sk_plan *plan, const sk_step *step,
                       const char *before, const char *after)
{
    if (plan->n_rope > 1)
        put_int(line, before, step->rope + 1, after);
}

static void put_attention(explain_line *line, const sk_step *step)
{
    const sk_attn *a = step->attn;
    put_assign(line, step, " = attention of ");
    put_int(line, ", ", a->n_head, " heads");
    put_int(line, " on ", a->n_head_kv, "");
    put_int(line, " of ", a->dk, "");
    put_int(line, " and ", a->dv, "");
    put_float(line, ", scale ", a->scale);
    if (a->cap != 0)
        put_float(line, ", cap ", a->cap);
    if (a->window > 0)
        put_int(line, a->chunked ? ", chunks of " : ", window ", a->window, "");
    if (a->whole)
        put(line, ", to both sides");
    if (a->slope)
        put_float(line, ", alibi from ", a->slope[0]);
    if (a->near)
        put(line, ", biased by distance");
    if (a->sink)
        put(line, ", sinks");
    if (a->pooled >= 0)
        put_int(line, ", and summaries of ", a->ratio, "");
    if (a->index)
        put(line, a->pooled >= 0 ? ", those chosen" : ", of keys chosen");
    if (a->shared)
        put_int(line, ", cached by the ", a->kv + 1, ". layer that caches");
}

static void put_index(explain_line *line, const sk_step *step)
{
    const sk_index *x = step->index;
    put_int(line, "the ", x->n_unit, "");
    if (x->unit > 1)
        put_int(line, " blocks of ", x->unit, "");
    put(line, x->unit > 1 ? " with the greatest " : " keys with the greatest ");
    put(line, x->weighed ? "sum of iw relu(iq ik), " : "iq ik of each head, ");
    put_int(line, "", x->n_head, " heads");
    put_int(line, " of ", x->n, "");
    if (x->n_local > 0)
        put_int(line, ", the last ", x->n_local, " always");
}

static void put_route(explain_line *line, const sk_step *step)
{
    const sk_moe *moe = step->moe;
    static const char *const gatings[] = {"softmax, ", "sigmoid, ", "softmax of the chosen, ",
                                          "root of softplus, "};
    put_int(line, gatings[moe->gating], moe->n_used, "");
    put_int(line, " of ", moe->n_expert, "");
    if (moe->fold > 0)
        put_int(line, ", each in common with ", moe->fold - 1, " more");
    if (moe->n_group > 1) {
        put_int(line, " in ", moe->n_group_used, "");
        put_int(line, " of ", moe->n_group, " groups");
    }
    if (moe->table)
        put(line, ", those of the token");
    else if (moe->bias)
        put(line, ", chosen with bias");
    put(line, moe->normed ? ", weights normed" : ", weights as they are");
    if (moe->scale != 1)
        put_float(line, " * ", moe->scale);
}

static void put_norm(explain_line *line, const sk_step *step)
{
    put_assign(line, step, step->layer_norm ? " = layer norm " : " = rms ");
    if (step->weight_slot >= 0) {
        put(line, " * ");
        put_slot(line, step->weight_slot);
    }
    put(line, step->bias ? " + bias" : "");
    put_vectors(line, step);
    put_float(line, ", eps ", step->eps);
}

static const char *fn_name(const sk_fn *fn)
{
    static const char *const names[] = {"silu",     "gelu",       "relu",    "relu2", "sigmoid",
                                        "softplus", "swiglu_oai", "clamped", "xielu", "tanh",
                                        "none",     "complement", "inside"};
    return names[fn->kind];
}

/* "gate = silu(gate) * up", and the limit where there is one */
static void put_glu(explain_line *line, const sk_step *step)
{
    put(line, sk_reg_name(step->dst));
    put(line, " = ");
    if (step->fn.kind != SK_FN_NONE) {
        put(line, fn_name(&step->fn));
        put(line, "(");
    }
    put(line, sk_reg_name(step->dst));
    put(line, step->fn.kind == SK_FN_NONE ? "" : ")");
    if (step->src >= 0) {
        put(line, " * ");
        put(line, sk_reg_name(step->src));
    }
    if (step->fn.kind == SK_FN_SWIGLU_CLAMPED || step->fn.kind == SK_FN_SWIGLU_INSIDE)
        put_float(line, ", limit ", step->fn.limit);
}

static void put_gate(explain_line *line, const sk_step *step)
{
    put(line, sk_reg_name(step->dst));
    put(line, " *= ");
    put(line, fn_name(&step->fn));
    put(line, "(");
    put(line, sk_reg_name(step->src));
    put(line, ")");
    put_vectors(line, step);
}

static void put_temper(explain_line *line, const sk_step *step)
{
    const sk_attn *a = step->attn;
    put(line, sk_reg_name(step->dst));
    put_float(line, " *= 1 + ", a->temper);
    put_int(line, " ln((position + ", a->temper_offset, "");
    put_int(line, ") / ", a->temper_length, " + 1)");
}

static void put_take(explain_line *line, const sk_step *step)
{
    put(line, sk_reg_name(step->dst));
    put_int(line, "[", step->to, "] = ");
    put(line, sk_reg_name(step->src));
    put_int(line, "[", step->at, "]");
    put_vectors(line, step);
    if (step->stride > 0)
        put_int(line, ", every ", step->stride, "");
    if (step->to_stride > 0)
        put_int(line, " to every ", step->to_stride, "");
    if (step->each > 1)
        put_int(line, ", each ", step->each, " times");
}

static void put_mixer(explain_line *line, const sk_step *step)
{
    const sk_mixer *m = step->mixer;
    static const char *const rules[] = {" = linear", " = delta", " = replace", " = scan"};
    put(line, sk_reg_name(step->dst));
    put(line, rules[m->rule]);
    put_int(line, ", ", m->n_head, " heads");
    put_int(line, " on ", m->n_group, "");
    put(line, m->cyclic ? " in turn" : "");
    put_int(line, " of ", m->n_key, "");
    put_int(line, " by ", m->n_value, "");
    put(line, m->decay_step ? ", decays by key" : "");
    put(line, m->before ? ", read before" : "");
}

/* The operations of recurrent layers; false: it is none of these. */
static bool put_recurrent(explain_line *line, const sk_step *step)
{
    switch (step->op) {
    case SK_OP_TAKE:
        put_take(line, step);
        break;
    case SK_OP_L2:
        put(line, sk_reg_name(step->dst));
        put_int(line, " from ", step->at, "");
        put_vectors(line, step);
        put_float(line, ", to length ", step->factor);
        break;
    case SK_OP_DECAY:
        put_assign(line, step, " = exp ");
        if (step->weight)
            put(line, " * ");
        if (step->weight)
            put_slot(line, step->weight_slot);
        else
            put_float(line, " * ", step->factor);
        break;
    case SK_OP_SHIFT:
        put_assign(line, step, " = before - ");
        break;
    case SK_OP_LERP:
        put_assign(line, step, " = ");
        put(line, step->factor != 0 ? " + sx * (xc + " : " + sx * (");
        put_slot(line, step->weight_slot);
        if (step->to > 0)
            put_int(line, "[", step->to, "]");
        put(line, ")");
        break;
    case SK_OP_BONUS:
        put(line, sk_reg_name(step->dst));
        put(line, " += v * (q * ");
        put(line, sk_reg_name(step->src));
        put(line, " * ");
        put_slot(line, step->weight_slot);
        put(line, ")");
        break;
    case SK_OP_SPARSE:
        put_assign(line, step, " = what of ");
        put_float(line, " is more than ", step->factor);
        put(line, " deviations above its mean");
        break;
    case SK_OP_RESIZE:
        put_assign(line, step, " to the length of ");
        put_vectors(line, step);
        break;
    case SK_OP_PREDICT:
        put_assign(line, step, " = mixed ");
        break;
    case SK_OP_CORRECT:
        put_assign(line, step, " = corrected ");
        break;
    case SK_OP_BALANCE:
        put(line, sk_reg_name(step->dst));
        put_int(line, " = coefficients of ", step->n_vec, " streams, * scale + ");
        put_slot(line, step->weight_slot);
        if (step->each > 0)
            put_int(line, ", balanced ", step->each, " times");
        put_float(line, ", eps ", step->eps);
        break;
    case SK_OP_COLLECT:
        put_assign(line, step, " = mixed ");
        break;
    case SK_OP_DEAL:
        put_assign(line, step, " mixed, += mixed ");
        break;
    case SK_OP_POOL:
        put_assign(line, step, " = pooled ");
        put_int(line, ", ", step->pool->ratio, " tokens");
        put(line, step->pool->n_set == 2 ? " and those before" : "");
        put_int(line, ", ", step->n, ", by dt + ");
        put_slot(line, step->weight_slot);
        break;
    case SK_OP_SPREAD:
        put_assign(line, step, " += ");
        put(line, ", but the first");
        break;
    case SK_OP_TIMES:
        put(line, sk_reg_name(step->dst));
        put(line, " *= ");
        put_slot(line, step->weight_slot);
        break;
    case SK_OP_BLEND:
        put_assign(line, step, " to ");
        put(line, " by t");
        break;
    case SK_OP_CONV:
        put_assign(line, step, " = ");
        put(line, " * ");
        put_slot(line, step->weight_slot);
        put_int(line, ", ", step->n, " channels");
        put_int(line, " of ", step->taps->n_tap, "");
        put(line, step->taps->bias ? " + bias" : "");
        break;
    case SK_OP_RECUR:
        put_mixer(line, step);
        break;
    default:
        return false;
    }
    return true;
}

static void put_step(explain_line *line, const sk_plan *plan, const sk_step *step)
{
    line->n = 0;
    put(line, "  ");
    put(line, sk_op_name(step->op));
    put(line, " ");
    switch (step->op) {
    case SK_OP_EMBED:
        put(line, sk_reg_name(step->dst));
        put(line, " = ");
        put_weight(line, &step->part[0]);
        break;
    case SK_OP_ANGLES:
        put_angles(line, plan, step, "", ": ");
        put_rotary(line, &plan->ropes[step->rope]);
        break;
    case SK_OP_NORM:
        put_norm(line, step);
        break;
    case SK_OP_ACT:
        put_kinds(line, step);
        break;
    case SK_OP_LINEAR:
    case SK_OP_EXPERTS:
    case SK_OP_HEADS:
        put_products(line, step);
        break;
    case SK_OP_ROPE:
        put(line, sk_reg_name(step->dst));
        put_vectors(line, step);
        if (step->at > 0)
            put_int(line, ", each from ", step->at, "");
        put(line, step->halves ? ", halves" : "");
        put_angles(line, plan, step, " by angles ", "");
        break;
    case SK_OP_STORE:
        put(line, sk_reg_name(step->src));
        put(line, plan->kvs[step->kv].joint || plan->kvs[step->kv].dv == 0 ? "" : " v");
        put_int(line, ", ", step->n, " elements");
        if (plan->kvs[step->kv].each > 1)
            put_int(line, " for ", plan->kvs[step->kv].each, " tokens");
        break;
    case SK_OP_INDEX:
        put_index(line, step);
        break;
    case SK_OP_ATTEND:
        put_attention(line, step);
        break;
    case SK_OP_GLU:
        put_glu(line, step);
        break;
    case SK_OP_GATE:
        put_gate(line, step);
        break;
    case SK_OP_POSITION:
    case SK_OP_TYPE:
        put(line, sk_reg_name(step->dst));
        put(line, " += ");
        put_weight(line, &step->part[0]);
        break;
    case SK_OP_SCALE:
        put(line, sk_reg_name(step->dst));
        put_float(line, " *= ", step->factor);
        break;
    case SK_OP_CLAMP:
    case SK_OP_CAP:
        put(line, sk_reg_name(step->dst));
        put_float(line, " at ", step->factor);
        break;
    case SK_OP_DIVIDE:
        put(line, sk_reg_name(step->dst));
        put(line, " /= ");
        put_slot(line, step->weight_slot);
        break;
    case SK_OP_TEMPER:
        put_temper(line, step);
        break;
    case SK_OP_WEIGH:
        put(line, sk_reg_name(step->dst));
        put(line, " *= weight");
        break;
    case SK_OP_ADD:
        put(line, sk_reg_name(step->dst));
        put(line, " += ");
        if (step->weight)
            put_slot(line, step->weight_slot);
        else
            put(line, sk_reg_name(step->src));
        if (step->factor != 0)
            put_float(line, " * ", step->factor);
        break;
    case SK_OP_ROUTE:
        put_route(line, step);
        break;
    case SK_OP_GATHER:
        put(line, "rows by expert");
        break;
    case SK_OP_COMBINE:
        put_assign(line, step, " = weighted sum of ");
        break;
    case SK_OP_SELECT:
        put_assign(line, step,
                   plan->has_logits ? " = rows with logits of " : " = rows that are wanted of ");
        break;
    default:
        if (!put_recurrent(line, step))
            put(line, sk_reg_name(step->src));
        break;
    }
    put(line, "\n");
}

/* One past the last step of the layer that begins at `step`. */
static uint64_t layer_end(const sk_plan *plan, uint64_t step)
{
    int32_t layer = plan->steps[step].layer;
    while (step < plan->n_step && plan->steps[step].layer == layer)
        step++;
    return step;
}

/* Whether the layers that begin at steps a and b read the same. */
static bool layers_equal(const sk_plan *plan, uint64_t a, uint64_t b)
{
    explain_line one, other;
    uint64_t n = layer_end(plan, a) - a;
    if (layer_end(plan, b) - b != n)
        return false;
    for (uint64_t i = 0; i < n; i++) {
        put_step(&one, plan, &plan->steps[a + i]);
        put_step(&other, plan, &plan->steps[b + i]);
        if (strcmp(one.text, other.text) != 0)
            return false;
    }
    return true;
}

static void explain_title(sk_lines *lines, const sk_plan *plan, int32_t from, int32_t to)
{
    explain_line line = {.n = 0};
    if (from < 0)
        return;
    if (from >= plan->n_layer)
        put(&line, "head\n");
    else if (from == to)
        put_int(&line, "layer ", from, "\n");
    else {
        put_int(&line, "layers ", from, "");
        put_int(&line, " to ", to, "\n");
    }
    sk_lines_add(lines, line.text);
}

int32_t sk_plan_explain(const sk_plan *plan, sk_heap *heap, char **out, sk_error *error)
{
    sk_lines lines = {.heap = heap};
    explain_line line;
    for (uint64_t at = 0, next; at < plan->n_step; at = next) {
        uint64_t end = layer_end(plan, at), last = at;
        next = end;
        while (next < plan->n_step && plan->steps[next].layer < plan->n_layer &&
               layers_equal(plan, at, next)) {
            last = next;
            next = layer_end(plan, next);
        }
        explain_title(&lines, plan, plan->steps[at].layer, plan->steps[last].layer);
        for (uint64_t i = at; i < end; i++) {
            if (plan->steps[i].op == SK_OP_STEER)
                continue; /* every layer ends so */
            put_step(&line, plan, &plan->steps[i]);
            sk_lines_add(&lines, line.text);
        }
    }
    *out = sk_lines_take(&lines, error);
    return *out ? SKALD_OK : SKALD_E_MEMORY;
}
