/* SPDX-License-Identifier: MIT */
/*
 * THE TABLE: one row per architecture, in alphabetical order. A trait that is not written is
 * Llama's. How to add a row: README.md of this folder.
 */
#include "base/portable.h"

#include "model/arch.h"

#include "base/options.h"

#include <string.h>

static const sk_arch arch_table[] = {
    {.name = "llama"},
    {.name = "qwen2", .turn = SK_TURN_NEOX},
    {.name = "qwen3", .turn = SK_TURN_NEOX, .qk_norm = SK_QK_NORM_HEAD},
    {.name = "qwen3moe",
     .keys = "expert_feed_forward_length",
     .turn = SK_TURN_NEOX,
     .qk_norm = SK_QK_NORM_HEAD,
     .moe_size = SK_EXPERT_KEY_OR_SHARE},
};

#define ARCH_COUNT (sizeof arch_table / sizeof arch_table[0])

const sk_arch *sk_arch_at(size_t index)
{
    return index < ARCH_COUNT ? &arch_table[index] : NULL;
}

const sk_arch *sk_arch_find(const char *name, size_t n)
{
    for (size_t i = 0; i < ARCH_COUNT; i++) {
        if (strlen(arch_table[i].name) == n && memcmp(arch_table[i].name, name, n) == 0)
            return &arch_table[i];
    }
    return NULL;
}

const char *sk_arch_near(const char *name)
{
    const char *names[ARCH_COUNT];
    for (size_t i = 0; i < ARCH_COUNT; i++)
        names[i] = arch_table[i].name;
    return sk_nearest_word(name, names, ARCH_COUNT);
}
