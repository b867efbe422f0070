/* SPDX-License-Identifier: MIT */
/*
 * Recurrences, one token at a time, for one tier (tier_impl.h; no include guard).
 *
 * What a head remembers is a matrix of keys by values, held in panels of sixteen values: a panel is
 * n_key rows of sixteen lanes. No sum crosses lanes: sums run over keys, in their order, in each
 * lane by itself. So a head's values may be cut among threads at any panel, a head of values that
 * is no multiple of 16 has lanes that nobody reads, and several panels are worked on at once only
 * to hide the latency of their sums.
 *
 * A token reads its matrix at `from` and writes it at `to`, which may be the same place: a pass
 * that is given up leaves what it read. The formulas are in README.md.
 */
enum { TIER(RECUR_PANELS) = TIER_AVX512 ? 4 : TIER_AVX2 ? 2 : 1 }; /* what registers hold */

/* Values [16 p, 16 p + 16) of those that there are, zeros behind the last. */
SK_INLINE v16 TIER(value_load)(const float *x, int64_t n_value, int64_t p)
{
    const int64_t left = n_value - 16 * p;
    return left >= 16 ? v16_load(x + 16 * p) : TIER(load_part)(x + 16 * p, left);
}

SK_INLINE void TIER(value_store)(float *x, v16 y, int64_t n_value, int64_t p)
{
    const int64_t left = n_value - 16 * p;
    if (left >= 16)
        v16_store(x + 16 * p, y);
    else
        TIER(store_part)(x + 16 * p, y, left);
}

/* Row i of n panels. Stored when all are read: panels often lie a multiple of 4096 bytes apart, and
 * a load seems to depend on a store before it whose address ends alike. */
SK_INLINE void TIER(panels_store)(const sk_recur *r, int64_t first, int64_t i, const v16 *s,
                                  const int n)
{
    SK_UNROLL
    for (int p = 0; p < n; p++)
        v16_store(r->to + ((first + p) * r->n_key + i) * 16, s[p]);
}

/* s = s * decay + k (v * beta);  out = sum of q s, of the new s or, `before`, of the old one. */
SK_INLINE void TIER(linear_panels)(const sk_recur *r, int64_t first, const int n)
{
    v16 v[TIER(RECUR_PANELS)], s[TIER(RECUR_PANELS)], out[TIER(RECUR_PANELS)];
    SK_UNROLL
    for (int p = 0; p < n; p++) {
        v[p] = v16_mul(TIER(value_load)(r->v, r->n_value, first + p), v16_splat(r->beta));
        out[p] = v16_zero();
    }
    for (int64_t i = 0; i < r->n_key; i++) {
        const v16 k = v16_splat(r->k[i]), q = v16_splat(r->q[i]);
        const v16 decay = v16_splat(r->decay[i * r->decay_step]);
        SK_UNROLL
        for (int p = 0; p < n; p++) {
            const int64_t at = ((first + p) * r->n_key + i) * 16;
            const v16 old = v16_load(r->from + at);
            s[p] = v16_fma(k, v[p], v16_mul(old, decay));
            out[p] = v16_fma(r->before ? old : s[p], q, out[p]);
        }
        TIER(panels_store)(r, first, i, s, n);
    }
    SK_UNROLL
    for (int p = 0; p < n; p++)
        TIER(value_store)(r->out, out[p], r->n_value, first + p);
}

/* s = s * decay;  d = (v - sum of k s) * beta;  s = s + k d;  out = sum of q s. The decayed matrix
 * is worked out twice, which costs less than storing it. */
SK_INLINE void TIER(delta_panels)(const sk_recur *r, int64_t first, const int n)
{
    v16 d[TIER(RECUR_PANELS)], s[TIER(RECUR_PANELS)], out[TIER(RECUR_PANELS)];
    SK_UNROLL
    for (int p = 0; p < n; p++)
        d[p] = out[p] = v16_zero();
    for (int64_t i = 0; i < r->n_key; i++) {
        const v16 k = v16_splat(r->k[i]), decay = v16_splat(r->decay[i * r->decay_step]);
        SK_UNROLL
        for (int p = 0; p < n; p++) {
            const float *from = r->from + ((first + p) * r->n_key + i) * 16;
            d[p] = v16_fma(v16_mul(v16_load(from), decay), k, d[p]);
        }
    }
    SK_UNROLL
    for (int p = 0; p < n; p++)
        d[p] = v16_mul(v16_sub(TIER(value_load)(r->v, r->n_value, first + p), d[p]),
                       v16_splat(r->beta));
    for (int64_t i = 0; i < r->n_key; i++) {
        const v16 k = v16_splat(r->k[i]), q = v16_splat(r->q[i]);
        const v16 decay = v16_splat(r->decay[i * r->decay_step]);
        SK_UNROLL
        for (int p = 0; p < n; p++) {
            const int64_t at = ((first + p) * r->n_key + i) * 16;
            s[p] = v16_fma(k, d[p], v16_mul(v16_load(r->from + at), decay));
            out[p] = v16_fma(s[p], q, out[p]);
        }
        TIER(panels_store)(r, first, i, s, n);
    }
    SK_UNROLL
    for (int p = 0; p < n; p++)
        TIER(value_store)(r->out, out[p], r->n_value, first + p);
}

/* e = sum of erase s;  s = (s * decay + k v) + write e;  out = sum of q s. */
SK_INLINE void TIER(replace_panels)(const sk_recur *r, int64_t first, const int n)
{
    v16 v[TIER(RECUR_PANELS)], e[TIER(RECUR_PANELS)], s[TIER(RECUR_PANELS)],
        out[TIER(RECUR_PANELS)];
    SK_UNROLL
    for (int p = 0; p < n; p++) {
        v[p] = TIER(value_load)(r->v, r->n_value, first + p);
        e[p] = out[p] = v16_zero();
    }
    for (int64_t i = 0; i < r->n_key; i++) {
        const v16 erase = v16_splat(r->erase[i]);
        SK_UNROLL
        for (int p = 0; p < n; p++)
            e[p] = v16_fma(v16_load(r->from + ((first + p) * r->n_key + i) * 16), erase, e[p]);
    }
    for (int64_t i = 0; i < r->n_key; i++) {
        const v16 k = v16_splat(r->k[i]), q = v16_splat(r->q[i]), write = v16_splat(r->write[i]);
        const v16 decay = v16_splat(r->decay[i * r->decay_step]);
        SK_UNROLL
        for (int p = 0; p < n; p++) {
            const int64_t at = ((first + p) * r->n_key + i) * 16;
            s[p] = v16_fma(k, v[p], v16_mul(v16_load(r->from + at), decay));
            s[p] = v16_fma(write, e[p], s[p]);
            out[p] = v16_fma(s[p], q, out[p]);
        }
        TIER(panels_store)(r, first, i, s, n);
    }
    SK_UNROLL
    for (int p = 0; p < n; p++)
        TIER(value_store)(r->out, out[p], r->n_value, first + p);
}

/* s = s * expf(step a) + k (step v);  out = sum of q s + skip v: all of each value's own. */
SK_INLINE void TIER(scan_panels)(const sk_recur *r, int64_t first, const int n)
{
    v16 v[TIER(RECUR_PANELS)], step[TIER(RECUR_PANELS)], s[TIER(RECUR_PANELS)],
        out[TIER(RECUR_PANELS)];
    SK_UNROLL
    for (int p = 0; p < n; p++) {
        step[p] = TIER(value_load)(r->step, r->n_value, first + p);
        v[p] = v16_mul(TIER(value_load)(r->v, r->n_value, first + p), step[p]);
        out[p] = v16_zero();
    }
    for (int64_t i = 0; i < r->n_key; i++) {
        const v16 k = v16_splat(r->k[i]), q = v16_splat(r->q[i]);
        SK_UNROLL
        for (int p = 0; p < n; p++) {
            const int64_t at = ((first + p) * r->n_key + i) * 16;
            const v16 decay = v16_exp(v16_mul(step[p], v16_load(r->a + at)));
            s[p] = v16_fma(k, v[p], v16_mul(v16_load(r->from + at), decay));
            out[p] = v16_fma(s[p], q, out[p]);
        }
        TIER(panels_store)(r, first, i, s, n);
    }
    SK_UNROLL
    for (int p = 0; p < n; p++) {
        const v16 skip = TIER(value_load)(r->skip, r->n_value, first + p);
        out[p] = v16_fma(TIER(value_load)(r->v, r->n_value, first + p), skip, out[p]);
        TIER(value_store)(r->out, out[p], r->n_value, first + p);
    }
}

SK_INLINE void TIER(recur_panels)(const sk_recur *r, int64_t first, const int n)
{
    switch (r->rule) {
    case SK_RULE_DELTA:
        TIER(delta_panels)(r, first, n);
        break;
    case SK_RULE_REPLACE:
        TIER(replace_panels)(r, first, n);
        break;
    case SK_RULE_SCAN:
        TIER(scan_panels)(r, first, n);
        break;
    default:
        TIER(linear_panels)(r, first, n);
        break;
    }
}

static void TIER(recur)(const sk_recur *r)
{
    const int64_t n_panel = (r->n_value + 15) / 16;
    int64_t p = 0;
    for (; TIER(RECUR_PANELS) > 1 && p + TIER(RECUR_PANELS) <= n_panel; p += TIER(RECUR_PANELS))
        TIER(recur_panels)(r, p, TIER(RECUR_PANELS));
    for (; p < n_panel; p++)
        TIER(recur_panels)(r, p, 1);
}

/* The inputs of earlier tokens move up by one, the oldest drops out, x comes last. */
static void TIER(conv)(const sk_conv *c)
{
    for (int64_t i = 0; i < c->n; i += 16) {
        const int64_t n = c->n;
        v16 sum = v16_zero(), x;
        for (int64_t t = 0; t < c->n_tap; t++) {
            x = t + 1 < c->n_tap ? TIER(value_load)(c->from + t * c->stride, n, i / 16)
                                 : TIER(value_load)(c->x, n, i / 16);
            sum = v16_fma(TIER(value_load)(c->taps + t * c->stride, n, i / 16), x, sum);
            if (t > 0)
                TIER(value_store)(c->to + (t - 1) * c->stride, x, n, i / 16);
        }
        if (c->bias)
            sum = v16_add(sum, TIER(value_load)(c->bias, n, i / 16));
        TIER(value_store)(c->y, sum, n, i / 16);
    }
}

/* y = x * (factor / max(sqrt(sum of x^2), eps)) */
static void TIER(l2_norm)(float *y, const float *x, int64_t n, float eps, float factor)
{
    const float length = sqrtf(TIER(sum_squares)(x, n));
    const float r = factor / (length > eps ? length : eps);
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * r;
}

/* y += v * (sum of (a b) c): the sum in sixteen lanes, products rounded, then fused. */
static void TIER(bonus)(float *y, const float *v, int64_t n_value, const float *a, const float *b,
                        const float *c, int64_t n_key)
{
    v16 s = v16_zero();
    for (int64_t p = 0; p < (n_key + 15) / 16; p++) {
        const v16 ab = v16_mul(TIER(value_load)(a, n_key, p), TIER(value_load)(b, n_key, p));
        s = v16_fma(ab, TIER(value_load)(c, n_key, p), s);
    }
    TIER(fma)(y, v, v16_sum(s), n_value);
}
