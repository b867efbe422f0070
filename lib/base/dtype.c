/* SPDX-License-Identifier: MIT */
/*
 * The sizes of the tensor types. Ids that are missing here were removed from the format, belong to
 * a fork, or do not exist yet; each is refused with its reason.
 */
#include "base/portable.h"

#include "base/checked.h"
#include "base/dtype.h"

#include <stddef.h>

static const sk_dtype dtypes[SK_DTYPE_END] = {
    [SK_F32] = {"F32", 1, 4, true},
    [SK_F16] = {"F16", 1, 2, true},
    [SK_Q4_0] = {"Q4_0", 32, 18, true},
    [SK_Q4_1] = {"Q4_1", 32, 20, true},
    [SK_Q5_0] = {"Q5_0", 32, 22, true},
    [SK_Q5_1] = {"Q5_1", 32, 24, true},
    [SK_Q8_0] = {"Q8_0", 32, 34, true},
    [SK_Q8_1] = {"Q8_1", 32, 36, false},
    [SK_Q2_K] = {"Q2_K", 256, 84, true},
    [SK_Q3_K] = {"Q3_K", 256, 110, true},
    [SK_Q4_K] = {"Q4_K", 256, 144, true},
    [SK_Q5_K] = {"Q5_K", 256, 176, true},
    [SK_Q6_K] = {"Q6_K", 256, 210, true},
    [SK_Q8_K] = {"Q8_K", 256, 292, false},
    [SK_IQ2_XXS] = {"IQ2_XXS", 256, 66, true},
    [SK_IQ2_XS] = {"IQ2_XS", 256, 74, true},
    [SK_IQ3_XXS] = {"IQ3_XXS", 256, 98, true},
    [SK_IQ1_S] = {"IQ1_S", 256, 50, true},
    [SK_IQ4_NL] = {"IQ4_NL", 32, 18, true},
    [SK_IQ3_S] = {"IQ3_S", 256, 110, true},
    [SK_IQ2_S] = {"IQ2_S", 256, 82, true},
    [SK_IQ4_XS] = {"IQ4_XS", 256, 136, true},
    [SK_I8] = {"I8", 1, 1, false},
    [SK_I16] = {"I16", 1, 2, false},
    [SK_I32] = {"I32", 1, 4, false},
    [SK_I64] = {"I64", 1, 8, false},
    [SK_F64] = {"F64", 1, 8, false},
    [SK_IQ1_M] = {"IQ1_M", 256, 56, true},
    [SK_BF16] = {"BF16", 1, 2, true},
    [SK_TQ1_0] = {"TQ1_0", 256, 54, true},
    [SK_TQ2_0] = {"TQ2_0", 256, 66, true},
    [SK_MXFP4] = {"MXFP4", 32, 17, true},
    [SK_NVFP4] = {"NVFP4", 64, 36, true},
    [SK_Q1_0] = {"Q1_0", 128, 18, true},
    [SK_Q2_0] = {"Q2_0", 64, 18, true},
};

const sk_dtype *sk_dtype_get(uint64_t id)
{
    return id < SK_DTYPE_END && dtypes[id].n_elem ? &dtypes[id] : NULL;
}

const char *sk_dtype_refusal(uint64_t id)
{
    if (id == 4 || id == 5)
        return "removed from the format (Q4_2, Q4_3): convert the model anew";
    if (id >= 31 && id <= 33)
        return "removed from the format (interleaved Q4_0): requantise to Q4_0";
    if (id >= 36 && id <= 38)
        return "removed from the format (interleaved IQ4_NL): requantise to IQ4_NL";
    if ((id >= 97 && id <= 99) || (id >= 133 && id <= 158) || (id >= 202 && id < 400))
        return "a type of ik_llama.cpp only: requantise to a common one";
    return "unknown";
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

int32_t sk_dtype_find(const char *name)
{
    for (int32_t id = 0; id < SK_DTYPE_END; id++) {
        const char *a = dtypes[id].name, *b = name;
        while (a && *a && lower(*a) == lower(*b))
            a++, b++;
        if (a && !*a && !*b)
            return id;
    }
    return -1;
}

bool sk_dtype_row_size(uint64_t id, uint64_t n, uint64_t *size)
{
    const sk_dtype *type = sk_dtype_get(id);
    return type && n % type->n_elem == 0 && sk_mul(n / type->n_elem, type->n_byte, size);
}
