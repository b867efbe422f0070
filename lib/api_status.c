/* SPDX-License-Identifier: MIT */
/* The boundary's calls that need no handle: versions, names, the last sentence. api.c has the rest. */
#include "base/portable.h"

#include "base/status.h"

int32_t skald_version(void)
{
    return SKALD_VERSION;
}

int32_t skald_abi_version(void)
{
    return SKALD_ABI_VERSION;
}

int32_t skald_numeric_version(void)
{
    return SKALD_NUMERIC_VERSION;
}

const char *skald_status_name(int32_t status)
{
    return sk_status_name(status);
}

const char *skald_error_message(void)
{
    return sk_error_last();
}
