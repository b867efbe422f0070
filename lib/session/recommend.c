/* SPDX-License-Identifier: MIT */
/*
 * Sampling as the model's maker recommends it (general.sampling.* of the file), where the host has
 * not said otherwise. What makes no sense for an option is passed over: a recommendation is no
 * reason to refuse a file.
 */
#include "base/portable.h"

#include "session/context_int.h"

#include <string.h>

static const struct {
    const char *key;
    int32_t option;
} recommended[] = {
    {"general.sampling.top_k", SK_OPT_TOP_K},
    {"general.sampling.top_p", SK_OPT_TOP_P},
    {"general.sampling.min_p", SK_OPT_MIN_P},
    {"general.sampling.xtc_probability", SK_OPT_XTC_PROBABILITY},
    {"general.sampling.xtc_threshold", SK_OPT_XTC_THRESHOLD},
    {"general.sampling.temp", SK_OPT_TEMPERATURE},
    {"general.sampling.penalty_last_n", SK_OPT_PENALTY_LAST_N},
    {"general.sampling.penalty_repeat", SK_OPT_REPEAT_PENALTY},
    {"general.sampling.mirostat", SK_OPT_MIROSTAT},
    {"general.sampling.mirostat_tau", SK_OPT_MIROSTAT_TAU},
    {"general.sampling.mirostat_eta", SK_OPT_MIROSTAT_ETA},
};

static void recommend_number(sk_context *ctx, const sk_gguf *gguf, const char *key, int32_t option)
{
    const sk_option_info *info = sk_option_info_get(option);
    sk_error ignored;
    int64_t whole;
    double number;
    if (info->type == SKALD_TYPE_INT) {
        if (sk_gguf_get_int(gguf, key, INT32_MIN, INT32_MAX, &whole, &ignored) == SKALD_OK)
            sk_options_set_int(&ctx->options, info->key, whole, &ignored);
    } else if (sk_gguf_get_float(gguf, key, info->min, info->max, &number, &ignored) == SKALD_OK) {
        /* Files have floats: 0.95 there is the decimal that it is near to. */
        char text[64];
        size_t n = sk_format_float(text, (float)number);
        sk_parse_double(text, n, &number);
        sk_options_set_float(&ctx->options, info->key, number, &ignored);
    }
}

static void recommend_order(sk_context *ctx, const sk_gguf *gguf)
{
    sk_gguf_string sequence;
    sk_sampler_params params;
    sk_error ignored;
    char text[256];
    if (sk_gguf_get_string(gguf, "general.sampling.sequence", &sequence, &ignored) < 0 ||
        sequence.n >= sizeof text || sequence.n == 0)
        return;
    memcpy(text, sequence.text, (size_t)sequence.n);
    text[sequence.n] = 0;
    if (sk_sampler_read_steps(&params, text, &ignored) == SKALD_OK)
        sk_options_set_string(&ctx->options, "samplers", text, false, &ignored);
}

void sk_context_recommend(sk_context *ctx)
{
    const sk_gguf *gguf = sk_model_gguf(ctx->model);
    for (size_t i = 0; i < sizeof recommended / sizeof *recommended; i++)
        if (!ctx->options.values[recommended[i].option].set)
            recommend_number(ctx, gguf, recommended[i].key, recommended[i].option);
    if (!ctx->options.values[SK_OPT_SAMPLERS].set)
        recommend_order(ctx, gguf);
}
