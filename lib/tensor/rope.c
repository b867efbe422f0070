/* SPDX-License-Identifier: MIT */
/*
 * Pair i of n_rot / 2 turns by theta0 = base^(-2i / n_rot) / factor[i] radians per position. Linear
 * scaling multiplies that by freq_scale, s. YaRN leaves alone the pairs that turn many times
 * within the original context (i below `low`), scales those that turn less than once (above
 * `high`), and blends in between: with mix = ramp * ext_factor,
 * theta = theta0 * (s * (1 - mix) + mix), and the magnitude grows by 1 + 0.1 ln(1 / s).
 */
#include "base/portable.h"

#include "tensor/math.h"
#include "tensor/rope.h"

#include <math.h>

static const double rope_two_pi = 6.283185307179586;

/* The pair, as a real number, that turns `beta` times within the original context. */
static double rope_pair_of_turns(const sk_rope *r, double beta)
{
    return (double)r->n_rot * sk_log((double)r->n_ctx_orig / (beta * rope_two_pi)) /
           (2 * sk_log(r->base));
}

static double rope_clamp(double x, double low, double high)
{
    x = x > low ? x : low;
    return x < high ? x : high;
}

bool sk_rope_init(sk_rope *rope, double *freq)
{
    const double s = rope->freq_scale, n_rot = (double)rope->n_rot;
    const bool yarn = rope->ext_factor != 0;
    double low = 0, high = 0;
    if (yarn) {
        low = floor(rope_pair_of_turns(rope, rope->beta_fast));
        high = ceil(rope_pair_of_turns(rope, rope->beta_slow));
        low = low > 0 ? low : 0;
        high = high < n_rot - 1 ? high : n_rot - 1;
    }
    const double width = high - low > 0.001 ? high - low : 0.001;
    bool finite = rope->n_rot >= 0 && rope->n_rot % 2 == 0;
    for (int64_t i = 0; finite && i < rope->n_rot / 2; i++) {
        const double ramp = 1 - rope_clamp(((double)i - low) / width, 0, 1);
        const double mix = ramp * rope->ext_factor;
        const double theta0 = sk_pow(rope->base, -2 * (double)i / n_rot) /
                              (rope->factors ? (double)rope->factors[i] : 1);
        freq[i] = yarn ? theta0 * (s * (1 - mix) + mix) : theta0 * s;
        finite = isfinite(freq[i]);
    }
    rope->freq = freq;
    rope->magnitude = yarn ? rope->attn_factor * (1 + 0.1 * sk_log(1 / s)) : rope->attn_factor;
    return finite && isfinite(rope->magnitude);
}

void sk_rope_angles(const sk_rope *rope, int64_t pos, float (*cs)[2])
{
    for (int64_t i = 0; i < rope->n_rot / 2; i++) {
        double sin_x, cos_x;
        sk_sincos((double)pos * rope->freq[i], &sin_x, &cos_x);
        cs[i][0] = (float)(cos_x * rope->magnitude);
        cs[i][1] = (float)(sin_x * rope->magnitude);
    }
}
