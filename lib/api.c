/* SPDX-License-Identifier: MIT */
/* The boundary of the library: argument checks, nothing else. */
#include "base/portable.h"

#include "skald.h"

int32_t skald_version(void)
{
    return SKALD_VERSION;
}
