/* SPDX-License-Identifier: MIT */
/*
 * Recurrences and convolutions of each tier: bit for bit against the contract's words (README.md of
 * lib/tensor), written here the slow way, value by value; on ordinary numbers and adversarial ones,
 * at every size of a tail, in place, and cut among calls at panels. Nothing is written past an end.
 */
#include "base/portable.h"

#include "tensor_test.h"
#include "tensor/math.h"

enum { KEYS = 70, VALUES = 150, PANELS = 10, STATE = PANELS * KEYS * 16, GUARD = 20 };

static const sk_kernels *k;
static uint64_t seed = 21;
static float state[STATE], want_state[STATE], got_state[STATE], decays[STATE];
static float q[KEYS], key[KEYS], erase[KEYS], writes[KEYS], decay[KEYS];
static float v[VALUES + GUARD], step[VALUES + GUARD], skip[VALUES + GUARD];
static float want[VALUES + GUARD], got[VALUES + GUARD];

static int64_t below(int64_t n)
{
    return (int64_t)(test_random(&seed) % (uint64_t)n);
}

static void fill(float *x, int64_t n, bool adverse)
{
    if (adverse)
        random_adversaries(x, n, &seed, false);
    else
        random_units(x, n, &seed);
}

/* Anything in the lanes behind the last value, which nobody reads. */
static void random_recur(sk_recur *r, int rule, bool adverse)
{
    *r = (sk_recur){.rule = rule, .before = rule == SK_RULE_LINEAR && below(2)};
    r->n_key = 1 + below(KEYS);
    r->n_value = 1 + below(VALUES);
    r->decay_step = below(2);
    r->beta = adverse && below(3) == 0 ? random_adversary(&seed, false) : random_unit(&seed);
    fill(state, STATE, adverse);
    fill(decays, STATE, adverse);
    fill(q, KEYS, adverse);
    fill(key, KEYS, adverse);
    fill(erase, KEYS, adverse);
    fill(writes, KEYS, adverse);
    fill(decay, KEYS, adverse);
    fill(v, VALUES + GUARD, adverse);
    fill(step, VALUES + GUARD, adverse);
    fill(skip, VALUES + GUARD, adverse);
    fill(want, VALUES + GUARD, false);
    memcpy(got, want, sizeof got);
    r->from = state;
    r->q = q;
    r->k = key;
    r->erase = erase;
    r->write = writes;
    r->decay = decay;
    r->v = v;
    r->step = step;
    r->skip = skip;
    r->a = decays;
}

/* One value, in the order of the contract. */
static void slow_value(const sk_recur *r, int64_t j)
{
    const int64_t at = j / 16 * r->n_key * 16 + j % 16;
    float sum = 0, out = 0, value = r->v[j];
    for (int64_t i = 0; i < r->n_key; i++) {
        const float s = state[at + i * 16];
        if (r->rule == SK_RULE_DELTA)
            sum = fmaf(s * r->decay[i * r->decay_step], r->k[i], sum);
        else if (r->rule == SK_RULE_REPLACE)
            sum = fmaf(s, r->erase[i], sum);
    }
    value = r->rule == SK_RULE_DELTA    ? (value - sum) * r->beta
            : r->rule == SK_RULE_LINEAR ? value * r->beta
            : r->rule == SK_RULE_SCAN   ? value * r->step[j]
                                        : value;
    for (int64_t i = 0; i < r->n_key; i++) {
        const float old = state[at + i * 16];
        const float fade = r->rule == SK_RULE_SCAN ? sk_expf(r->step[j] * r->a[at + i * 16])
                                                   : r->decay[i * r->decay_step];
        float s = fmaf(r->k[i], value, old * fade);
        if (r->rule == SK_RULE_REPLACE)
            s = fmaf(r->write[i], sum, s);
        out = fmaf(r->before ? old : s, r->q[i], out);
        want_state[at + i * 16] = s;
    }
    want[j] = r->rule == SK_RULE_SCAN ? fmaf(r->v[j], r->skip[j], out) : out;
}

/* The values of `state` that there are, by lanes. */
static int64_t first_wrong_state(const sk_recur *r)
{
    for (int64_t j = 0; j < r->n_value; j++)
        for (int64_t i = 0; i < r->n_key; i++) {
            const int64_t at = (j / 16 * r->n_key + i) * 16 + j % 16;
            if (first_difference(&want_state[at], &got_state[at], 1) == 0)
                return at;
        }
    return -1;
}

/* The whole head, or panels [0, cut) and the rest. */
static void run_recur(sk_recur *r, int64_t cut)
{
    const int64_t n = r->n_value, head = cut * 16 < n ? cut * 16 : n;
    sk_recur rest = *r;
    r->n_value = head > 0 ? head : n;
    k->recur(r);
    r->n_value = n;
    if (head == 0 || head == n)
        return;
    rest.n_value = n - head;
    rest.from += cut * r->n_key * 16;
    rest.to += cut * r->n_key * 16;
    rest.a += cut * r->n_key * 16;
    rest.v += head;
    rest.step += head;
    rest.skip += head;
    rest.out += head;
    k->recur(&rest);
}

static void check_rule(int rule, int round)
{
    sk_recur r;
    random_recur(&r, rule, round % 3 == 2);
    for (int64_t j = 0; j < r.n_value; j++)
        slow_value(&r, j);
    const bool in_place = round % 2;
    memcpy(got_state, state, sizeof state);
    r.from = in_place ? got_state : state;
    r.to = got_state;
    r.out = got;
    run_recur(&r, round % 5 ? 0 : below(PANELS));
    const int64_t i = first_difference(want, got, VALUES + GUARD), at = first_wrong_state(&r);
    if (i < VALUES + GUARD)
        CHECKF(false, "rule %d, tier %s, %d by %d: [%d] is %a, wanted %a", rule, k->name,
               (int)r.n_key, (int)r.n_value, (int)i, (double)got[i], (double)want[i]);
    if (at >= 0)
        CHECKF(false, "rule %d, tier %s: state[%d] is %a, wanted %a", rule, k->name, (int)at,
               (double)got_state[at], (double)want_state[at]);
    CHECK(i == VALUES + GUARD && at < 0);
    const int64_t end = (r.n_value + 15) / 16 * r.n_key * 16;
    CHECKF(memcmp(got_state + end, state + end, (size_t)(STATE - end) * 4) == 0,
           "rule %d, tier %s wrote past its panels", rule, k->name);
}

/* What the delta rule is for: after a key of unit length is written with beta 1 and no decay, it
 * gives its value back, whatever else is remembered. */
static void check_delta_remembers(void)
{
    const float one = 1;
    sk_recur r;
    for (int round = 0; round < 20; round++) {
        random_recur(&r, SK_RULE_DELTA, false);
        r.decay = &one;
        r.decay_step = 0;
        r.beta = 1;
        k->l2_norm(key, key, r.n_key, 1e-6f, 1);
        r.q = key;
        r.to = got_state;
        r.out = got;
        k->recur(&r);
        for (int64_t j = 0; j < r.n_value; j++)
            CHECK(fabs((double)got[j] - (double)v[j]) < 1e-5);
    }
}

static void check_conv(int64_t n)
{
    enum { TAPS = 6, WIDE = 90 };
    static float from[TAPS * WIDE], to[TAPS * WIDE], taps[TAPS * WIDE], x[WIDE], bias[WIDE];
    static float y[WIDE], out[WIDE], moved[TAPS * WIDE];
    const int64_t n_tap = 1 + below(TAPS);
    const bool adverse = below(3) == 0;
    fill(from, TAPS * WIDE, adverse);
    fill(taps, TAPS * WIDE, adverse);
    fill(x, WIDE, adverse);
    fill(bias, WIDE, adverse);
    fill(y, WIDE, false);
    memcpy(out, y, sizeof y);
    memcpy(to, from, sizeof from);
    memcpy(moved, from, sizeof from);
    sk_conv c = {n, n_tap, WIDE, x, from, to, taps, n % 2 ? bias : NULL, out};
    for (int64_t i = 0; i < n; i++) {
        float sum = 0;
        for (int64_t t = 0; t < n_tap; t++) {
            const float input = t + 1 < n_tap ? from[t * WIDE + i] : x[i];
            sum = fmaf(taps[t * WIDE + i], input, sum);
            if (t > 0)
                moved[(t - 1) * WIDE + i] = input;
        }
        y[i] = c.bias ? sum + bias[i] : sum;
    }
    if (below(2))
        c.from = to;
    k->conv(&c);
    CHECKF(first_difference(y, out, WIDE) == WIDE, "conv, tier %s, n %d", k->name, (int)n);
    CHECKF(first_difference(moved, to, TAPS * WIDE) == TAPS * WIDE, "conv moves, tier %s, n %d",
           k->name, (int)n);
}

static float by_lanes(const float *a, const float *b, const float *c, int64_t n)
{
    float lane[16] = {0};
    for (int64_t i = 0; i < n; i++)
        lane[i % 16] = b ? fmaf(a[i] * b[i], c[i], lane[i % 16]) : fmaf(a[i], c[i], lane[i % 16]);
    for (int half = 8; half; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] = lane[l] + lane[l + half];
    return lane[0];
}

static void check_l2_and_bonus(int64_t n)
{
    const float eps = n % 2 ? 1e-6f : 3;
    fill(q, KEYS, false);
    fill(key, KEYS, false);
    fill(erase, KEYS, false);
    fill(v, VALUES + GUARD, false);
    fill(want, VALUES + GUARD, false);
    memcpy(got, want, sizeof got);
    const float length = sqrtf(by_lanes(q, NULL, q, n)), r = 0.25f / (length > eps ? length : eps);
    for (int64_t i = 0; i < n; i++)
        want[i] = q[i] * r;
    k->l2_norm(got, q, n, eps, 0.25f);
    CHECKF(first_difference(want, got, VALUES + GUARD) == VALUES + GUARD, "l2_norm, tier %s, %d",
           k->name, (int)n);
    const float s = by_lanes(q, key, erase, n);
    for (int64_t j = 0; j < 2 * n; j++)
        want[j] = fmaf(v[j], s, want[j]);
    k->bonus(got, v, 2 * n, q, key, erase, n);
    CHECKF(first_difference(want, got, VALUES + GUARD) == VALUES + GUARD, "bonus, tier %s, %d",
           k->name, (int)n);
}

static void check_tier(void)
{
    for (int round = 0; round < 300; round++)
        for (int rule = SK_RULE_LINEAR; rule <= SK_RULE_SCAN; rule++)
            check_rule(rule, round);
    check_delta_remembers();
    for (int64_t n = 1; n <= 70; n++) {
        check_conv(n);
        check_l2_and_bonus(n);
    }
}

int main(void)
{
    bool more = true;
    for (int i = 0; more; i++)
        if ((k = tier_at(i, &more)) != NULL)
            check_tier();
    return test_end();
}
