/* SPDX-License-Identifier: MIT */
/*
 * The head of a reranking model: from the vector of a pair of texts to a score for each label.
 *
 *   tanh, of some models gelu, (cls x + b), normed where the file has a norm;  cls.output x + b; of
 *   models of text their softmax
 *
 * It reads one vector per text, so it is no part of the plan, which is about rows: it runs at once,
 * in some tenths of a millisecond.
 */
#include "base/portable.h"

#include "model/model_int.h"

#include "tensor/kernels.h"
#include "tensor/math.h"

#include <string.h>

void sk_plan_score(sk_builder *b)
{
    sk_score *s = &b->plan->score;
    if (b->hp->pooling != SK_POOL_RANK || b->status != SKALD_OK)
        return;
    s->out = sk_plan_weight(b, SK_T_CLS_OUTPUT);
    s->gelu = b->arch->ranks == SK_RANKS_MEAN;
    s->softmax = b->hp->causal != 0;
    s->eps = (float)b->hp->ln_eps;
    b->plan->n_label = b->hp->n_label;
    if (!sk_plan_has(b, SK_T_CLS))
        return;
    s->cls = sk_plan_weight(b, SK_T_CLS);
    if (!sk_plan_has(b, SK_T_CLS_NORM) || b->status != SKALD_OK)
        return;
    s->norm = sk_plan_vector(b, SK_T_CLS_NORM);
}

/* Two vectors and the activation of one. */
static size_t score_act(const sk_linear *w)
{
    return w->w ? sk_act_row_size(sk_act_kind(w->dtype), w->n_in) : 0;
}

static size_t score_vector(const sk_plan *plan)
{
    return (size_t)(plan->n_vector + 15) / 16 * 16 * sizeof(float);
}

size_t sk_score_scratch(const sk_model *model)
{
    const sk_score *s = &model->plan.score;
    size_t cls = score_act(&s->cls), out = score_act(&s->out);
    return score_vector(&model->plan) + (cls > out ? cls : out);
}

/* y = W x + b; false: a value of x is not finite. */
static bool score_linear(const sk_kernels *k, const sk_linear *w, const float *x, float *y,
                         void *act)
{
    int kind = sk_act_kind(w->dtype);
    if (k->quantise(kind, x, w->n_in, act) != 0)
        return false;
    sk_matmul m = {.dtype = w->dtype,
                   .w = w->w,
                   .row_size = w->row_size,
                   .n = w->n_in,
                   .act = act,
                   .act_size = sk_act_row_size(kind, w->n_in),
                   .out = y,
                   .out_stride = w->n_out};
    k->matmul(&m, 0, w->n_out, 0, 1);
    if (w->scale)
        k->scale(y, w->scale[0], w->n_out);
    if (w->bias)
        k->add(y, w->bias, w->n_out);
    return true;
}

static void score_softmax(float *x, int64_t n)
{
    float most = x[0], sum = 0;
    for (int64_t i = 1; i < n; i++)
        most = x[i] > most ? x[i] : most;
    for (int64_t i = 0; i < n; i++)
        sum = sum + (x[i] = sk_expf(x[i] - most));
    for (int64_t i = 0; i < n; i++)
        x[i] = x[i] / sum;
}

bool sk_score_run(const sk_model *model, const float *vector, float *labels, void *scratch)
{
    const sk_score *s = &model->plan.score;
    const sk_kernels *k = model->kernels;
    float *hidden = scratch;
    void *act = (char *)scratch + score_vector(&model->plan);
    if (s->cls.w) {
        sk_fn fn = {.kind = s->gelu ? SK_FN_GELU : SK_FN_TANH};
        if (!score_linear(k, &s->cls, vector, hidden, act))
            return false;
        k->apply(&fn, hidden, hidden, NULL, s->cls.n_out);
        if (s->norm)
            k->layer_norm(hidden, hidden, s->norm, NULL, s->cls.n_out, s->eps);
        vector = hidden;
    }
    if (!score_linear(k, &s->out, vector, labels, act))
        return false;
    if (s->softmax)
        score_softmax(labels, s->out.n_out);
    return true;
}
