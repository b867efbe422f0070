/* SPDX-License-Identifier: MIT */
/* What the kernels of every tier are written with; included before a tier's target region. */
#ifndef SK_TENSOR_TIER_COMMON_H
#define SK_TENSOR_TIER_COMMON_H

#include "base/bytes.h"
#include "tensor/act.h"
#include "tensor/decode.h"
#include "tensor/fma.h"
#include "tensor/half.h"
#include "tensor/iq.h"
#include "tensor/kernels.h"
#include "tensor/math.h"
#include "tensor/types.h"
#include "tensor/unit.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#endif
