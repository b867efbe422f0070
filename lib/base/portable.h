/* SPDX-License-Identifier: MIT */
/*
 * What every source file includes first: the numeric contract's compiler settings (no contraction
 * of a*b+c, whatever the flags) and the feature macros of the operating system. A build with
 * -ffast-math or with x87 arithmetic would break the promise of equal bits and is refused.
 */
#ifndef SK_BASE_PORTABLE_H
#define SK_BASE_PORTABLE_H

#if defined(__FAST_MATH__)
#error "Skald cannot be built with -ffast-math: its results are promised bit for bit"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0
#error "Skald needs float arithmetic in single precision: use SSE (-mfpmath=sse), not x87"
#endif

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#endif
