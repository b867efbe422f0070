/* SPDX-License-Identifier: MIT */
/*
 * What the files of the boundary (api*.c) share: an options handle, and how a call that is refused
 * says so in the thread's slot.
 */
#ifndef SK_API_FAIL_H
#define SK_API_FAIL_H

#include "base/options.h"

#include <string.h>

struct skald_options {
    sk_heap heap;
    sk_options set;
    sk_error error;
};

/* Publishes the sentence of a failed call; passes the status on. */
static inline int32_t publish(int32_t status, const sk_error *error)
{
    if (status < 0)
        sk_error_publish(error);
    return status;
}

static inline int32_t fail_null(const char *name)
{
    sk_error error;
    return publish(sk_fail(&error, SKALD_E_ARGUMENT, "%s is NULL", name), &error);
}

/* For a failure that has no handle to keep its sentence. */
static inline int32_t fail_here(int32_t status, const char *sentence)
{
    sk_error error;
    return publish(sk_fail(&error, status, "%s", sentence), &error);
}

/* The length of a text argument, -1 meaning up to its NUL; false when it is no length. */
static inline bool text_length(const char *text, int64_t n, uint64_t *length)
{
    if (n < -1 || (!text && n != 0))
        return false;
    *length = n == -1 ? strlen(text) : (uint64_t)n;
    return true;
}

static inline int32_t fail_text(const char *text)
{
    return text ? fail_here(SKALD_E_ARGUMENT, "the length of the text is below -1")
                : fail_null("text");
}

#endif
