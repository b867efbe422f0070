/* SPDX-License-Identifier: MIT */
/* The order of the sampler's steps, as a text. Names are the field's, with their common variants.
 */
#include "base/portable.h"

#include "sample/sampler.h"

#include <string.h>

enum { STEP_ADAPTIVE = SK_STEPS, STEP_UNKNOWN };

static const struct {
    char name[16];
    char letter;
    uint8_t step;
} step_names[] = {
    {"penalties", 'e', SK_STEP_PENALTIES},
    {"dry", 'd', SK_STEP_DRY},
    {"top_n_sigma", 's', SK_STEP_TOP_N_SIGMA},
    {"top_k", 'k', SK_STEP_TOP_K},
    {"typ_p", 'y', SK_STEP_TYPICAL},
    {"typical", 0, SK_STEP_TYPICAL},
    {"typical_p", 0, SK_STEP_TYPICAL},
    {"top_p", 'p', SK_STEP_TOP_P},
    {"min_p", 'm', SK_STEP_MIN_P},
    {"xtc", 'x', SK_STEP_XTC},
    {"temperature", 't', SK_STEP_TEMPERATURE},
    {"temp", 0, SK_STEP_TEMPERATURE},
    {"infill", 'i', SK_STEP_INFILL},
    {"adaptive_p", 'a', STEP_ADAPTIVE},
};
enum { N_STEP_NAMES = sizeof step_names / sizeof *step_names };

static uint8_t step_by_letter(char letter)
{
    for (size_t i = 0; i < N_STEP_NAMES; i++)
        if (letter && step_names[i].letter == letter)
            return step_names[i].step;
    return STEP_UNKNOWN;
}

/* '-' counts as '_'. */
static bool step_has_name(const char *name, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (name[i] != (text[i] == '-' ? '_' : text[i]) || !name[i])
            return false;
    return name[n] == 0;
}

static uint8_t step_by_name(const char *text, size_t n)
{
    for (size_t i = 0; i < N_STEP_NAMES; i++)
        if (n < sizeof step_names[i].name && step_has_name(step_names[i].name, text, n))
            return step_names[i].step;
    return STEP_UNKNOWN;
}

static bool step_is_letters(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (step_by_letter(text[i]) == STEP_UNKNOWN)
            return false;
    return true;
}

static int32_t step_take(sk_sampler_params *p, uint8_t step, const char *text, size_t n,
                         sk_error *error)
{
    bool twice = step == STEP_ADAPTIVE && p->adaptive;
    for (uint64_t i = 0; i < p->n_steps; i++)
        twice |= p->steps[i] == step;
    if (step == STEP_UNKNOWN || twice)
        return sk_fail(
            error, SKALD_E_OPTION,
            "samplers: \"%.*s\" is %s, wanted some of penalties, dry, top_n_sigma, top_k, "
            "typ_p, top_p, min_p, xtc, temperature, infill, adaptive_p",
            (int)(n < 60 ? n : 60), text, twice ? "there twice" : "not known");
    if (step == STEP_ADAPTIVE)
        p->adaptive = true;
    else
        p->steps[p->n_steps++] = step;
    return SKALD_OK;
}

/* Nothing but adaptive-p is the usual order before it. */
int32_t sk_sampler_read_steps(sk_sampler_params *p, const char *text, sk_error *error)
{
    static const char separators[] = ";, \t\n";
    int32_t status = SKALD_OK;
    p->n_steps = 0;
    p->adaptive = false;
    for (text += strspn(text, separators); *text && status == SKALD_OK;) {
        size_t n = strcspn(text, separators);
        bool letters = step_by_name(text, n) == STEP_UNKNOWN && step_is_letters(text, n);
        if (!letters)
            status = step_take(p, step_by_name(text, n), text, n, error);
        for (size_t i = 0; letters && i < n && status == SKALD_OK; i++)
            status = step_take(p, step_by_letter(text[i]), text + i, 1, error);
        text += n;
        text += strspn(text, separators);
    }
    return status;
}
