/* SPDX-License-Identifier: MIT */
/*
 * Errors as values. A function that can fail returns a status code of skald.h and, through an
 * sk_error that its caller owns, one sentence: what it was about, what was found, what was wanted.
 * Each handle has one sk_error; api.c copies the sentence of a failed call to the thread's slot,
 * which is the only mutable static object of the library.
 */
#ifndef SK_BASE_STATUS_H
#define SK_BASE_STATUS_H

#include "skald.h"

#include <stdbool.h>

#define SK_MESSAGE_SIZE 512 /* bytes, NUL included */

typedef struct sk_error {
    int32_t code;
    char text[SK_MESSAGE_SIZE];
} sk_error;

#if defined(__GNUC__)
#define SK_PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))
#else
#define SK_PRINTF(format_index, first)
#endif

/* Writes the sentence to `error` (which may be NULL) and returns `code`. The format is that of
 * sk_format. */
int32_t sk_fail(sk_error *error, int32_t code, const char *format, ...) SK_PRINTF(3, 4);

/* Locale-free formatting into `out` of `size` bytes, always ended by NUL; returns the length that
 * the whole text has. Knows %s %.*s %c %d %i %u %x with l, ll, z, j, and %g (as sk_format_double);
 * no widths. Bytes of strings that are not printable text become '?': names come from files. */
size_t sk_format(char *out, size_t size, const char *format, ...) SK_PRINTF(3, 4);

/* The shortest of up to 17 digits that reads back as `value`; "inf", "-inf", "nan". `out` has room
 * for 64 bytes. Returns the length. */
size_t sk_format_double(char *out, double value);

/* Locale-free reading of a whole text of `n` bytes (at most 64) as a number; false if it is none.
 */
bool sk_parse_double(const char *text, uint64_t n, double *value);

/* This thread's last sentence. */
void sk_error_publish(const sk_error *error);
const char *sk_error_last(void);

const char *sk_status_name(int32_t status);

#endif
