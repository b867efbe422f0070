/* SPDX-License-Identifier: MIT */
/*
 * UTF-8 as it is met: any bytes. What is not well formed (a stray continuation byte, a lead byte
 * whose continuation is missing, an overlong form, a surrogate, more than U+10FFFF) is a bad byte
 * by itself: it stands for U+FFFD, and the bytes after it are tried anew.
 */
#ifndef SK_TEXT_UTF8_H
#define SK_TEXT_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#define SK_UTF8_MAX 4 /* bytes of a code point at most */

/* Reads the code point at `p`, where `end` - `p` >= 1 bytes are left. Returns its length; a bad
 * byte has length 1, and *code is then U+FFFD, as it is for a true U+FFFD of length 3. */
uint32_t sk_utf8_read(const uint8_t *p, const uint8_t *end, uint32_t *code);

/* Writes a code point (<= U+10FFFF) and returns its length. */
uint32_t sk_utf8_write(uint8_t out[SK_UTF8_MAX], uint32_t code);

/* The length that the lead byte announces, 1 to 4; nothing is checked. */
uint32_t sk_utf8_announced(uint8_t lead);

/* The bytes at the start that can be shown: all of `n`, less the beginning of a code point that
 * the bytes to come can still complete (at most 3 bytes). Bad bytes do not hold anything back. */
uint64_t sk_utf8_whole(const uint8_t *p, uint64_t n);

/* The number of bad bytes. */
uint64_t sk_utf8_count_bad(const uint8_t *p, uint64_t n);

#endif
