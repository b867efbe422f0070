/* SPDX-License-Identifier: MIT */
/* The inside of an adapter, for model/ alone. */
#ifndef SK_MODEL_ADAPTER_INT_H
#define SK_MODEL_ADAPTER_INT_H

#include "model/adapter.h"

#define SK_MAX_RANK 2048

/* The companion of a linear map, or of each of its experts or heads. B lies transposed: a column of
 * it is added to all outputs at once. */
typedef struct sk_lowrank {
    const uint8_t *a; /* [n_part][rank] rows of n_in; of a table [n_in] rows of rank */
    const void *b;    /* [n_part][rank][n_out], float or uint16_t */
    bool b_half;      /* the latter, half precision in the host's byte order */
    int a_dtype;
    size_t a_size; /* bytes of a row */
    int64_t rank, n_in, n_out, n_part;
    double factor; /* what multiplies its scale */
} sk_lowrank;

struct skald_adapter {
    sk_heap heap; /* all below is of it, the adapter itself included */
    _Atomic int64_t n_users;
    sk_model *model; /* counted */
    uint64_t fingerprint;
    sk_lowrank *maps; /* owned, [n_maps] */
    int64_t n_maps, max_rank;
    int32_t *map_of;         /* owned, [tensors of the model]: an index of maps, -1: none */
    const float **direction; /* owned, [layers], NULL: none; NULL: it is no control vector */
    int64_t n_directions;
    void **blocks; /* owned, [n_blocks]: what the others point to */
    uint64_t n_blocks;
};

/* The companion of a tensor of the model; NULL: it has none. */
static inline const sk_lowrank *sk_adapter_map(const sk_adapter *adapter, int32_t tensor)
{
    int32_t map = adapter->map_of ? adapter->map_of[tensor] : -1;
    return map < 0 ? NULL : &adapter->maps[map];
}

#endif
