/* SPDX-License-Identifier: MIT */
/*
 * Where the blocks of the IQ types that have codebooks keep their fields, for unpacking many rows
 * at once (grid_impl.h). The decoders (decode.c) say the same in words and code.
 */
#include "base/portable.h"
#include "tensor/iq.h"
#include "base/dtype.h"

#include <stddef.h>

static const int8_t values_2[16] = {8, 25, 43, 60, -8, -25, -43, -60};
static const int8_t values_3xxs[16] = {4,  12,  20,  28,  36,  44,  52,  62,
                                       -4, -12, -20, -28, -36, -44, -52, -62};
static const int8_t values_3s[16] = {1, 3, 5, 7, 9, 11, 13, 15, -1, -3, -5, -7, -9, -11, -13, -15};
static const int8_t values_1[16] = {-7, 1, 9, 17, -9, -1, 7, 15};

/* A word of which the high bits are meant begins before its field, so that none ends behind the
 * block. */
const sk_grid_type *sk_grid_type_get(int dtype)
{
    static const sk_grid_type types[] = {
        {SK_IQ2_XXS, 2, SK_SIGNS_SEVEN, sk_iq2xxs_grid, values_2, 0.125f, .index = {2, 8},
         .sign = {6, 8}, .scale = {6, 8, 28, 1, 0, 15}},
        {SK_IQ2_XS, 2, SK_SIGNS_WITH, sk_iq2xs_grid, values_2, 0.125f, .index = {2, 8},
         .scale = {66, 4, 0, 8, 4, 15}},
        {SK_IQ2_S, 2, SK_SIGNS_EIGHT, sk_iq2s_grid, values_2, 0.125f, .index = {2, 4},
         .high = {63, 1, 24, 4, 2, 3}, .sign = {34, 4}, .scale = {74, 4, 0, 8, 4, 15}},
        {SK_IQ3_XXS, 3, SK_SIGNS_SEVEN, sk_iq3xxs_grid, values_3xxs, 0.25f, .index = {2, 8},
         .sign = {66, 4}, .scale = {66, 4, 28, 1, 0, 15}},
        {SK_IQ3_S, 3, SK_SIGNS_EIGHT, sk_iq3s_grid, values_3s, 1.0f, .index = {2, 8},
         .high = {63, 1, 24, 8, 1, 1}, .sign = {74, 4}, .scale = {106, 4, 0, 8, 4, 15}},
        {SK_IQ1_S, 2, SK_SIGNS_ONE, sk_iq1s_grid, values_1, 0.125f, .index = {2, 4},
         .high = {32, 2, 16, 4, 3, 7}, .sign = {32, 2}, .scale = {32, 2, 28, 1, 0, 7}},
        {SK_IQ1_M, 2, SK_SIGNS_NIBBLES, sk_iq1s_grid, values_1, 0.125f, .index = {0, 4},
         .high = {30, 2, 16, 4, 4, 7}, .sign = {30, 2}, .scale = {46, 2, 16, 4, 3, 7}},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].dtype == dtype)
            return &types[i];
    return NULL;
}
