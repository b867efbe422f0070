/* SPDX-License-Identifier: MIT */
/*
 * What is particular to an architecture: a row of traits. All-zero is plain Llama. Traits are small
 * enums, read once, while the plan is made (plan.c and the block files); no other code knows that
 * architectures differ, and none knows their names.
 *
 * What a file says by itself is no trait: numbers come from its metadata (hparam.h), and a tensor
 * that is there is applied (slot.h): biases, fused projections, rope factors, a tied output.
 */
#ifndef SK_MODEL_ARCH_H
#define SK_MODEL_ARCH_H

#include <stddef.h>
#include <stdint.h>

/* The norm of layers and output. */
enum { SK_NORM_RMS = 0 };

/* Where norms stand: before attention and feed-forward. */
enum { SK_PLACE_PRE = 0 };

/* Norms of queries and keys: none; of each head before the rotation. */
enum { SK_QK_NORM_NONE = 0, SK_QK_NORM_HEAD = 1 };

/* Which elements rope turns together: 2i and 2i + 1 (NORM), i and i + n_rot / 2 (NEOX), none. */
enum { SK_TURN_NORM = 0, SK_TURN_NEOX = 1, SK_TURN_NONE = 2 };

/* The factor of query times key: 1 / sqrt(dk). */
enum { SK_ATTN_RSQRT_DK = 0 };

/* The feed-forward: down(silu(gate x) * up x). */
enum { SK_FFN_SWIGLU = 0 };

/* How a router turns logits into weights: softmax over all experts. */
enum { SK_GATING_SOFTMAX = 0 };

/* Whether the weights of the chosen experts are divided by their sum. */
enum { SK_WEIGHTS_NORMED = 0, SK_WEIGHTS_PLAIN = 1 };

/* The width of an expert: feed_forward_length; its own key, else that over the experts used. */
enum { SK_EXPERT_FF = 0, SK_EXPERT_KEY_OR_SHARE = 1 };

/* Which layers have experts: all, when expert_count is above 0. */
enum { SK_MOE_IF_EXPERTS = 0 };

typedef struct sk_arch {
    const char *name; /* general.architecture, and the prefix of the keys */
    /* Optional keys that this architecture reads, beyond those that all read: names as in
     * hparam.h, separated by spaces; "!" behind one: it must be there; "=3": its default. The
     * epsilon of the norm goes without saying. */
    const char *keys;
    uint8_t norm, norm_place;
    uint8_t qk_norm, turn, attn_scale;
    uint8_t ffn, moe_layers, moe_gating, moe_weights, moe_size;
} sk_arch;

/* The row of a name of `n` bytes, or NULL. */
const sk_arch *sk_arch_find(const char *name, size_t n);

/* Row `index`, from 0 on; NULL past the last. */
const sk_arch *sk_arch_at(size_t index);

/* The name that is nearest to `name`, or NULL when none is near. */
const char *sk_arch_near(const char *name);

#endif
