/* SPDX-License-Identifier: MIT */
/*
 * On x86 only MXCSR matters (x87 is refused at compile time), on AArch64 only FPCR; elsewhere the
 * C library's fenv does it.
 */
#include "base/portable.h"

#include "base/fpenv.h"

#if defined(__SSE__) || defined(_M_X64)
#include <xmmintrin.h>

void sk_fpenv_enter(sk_fpenv *saved)
{
    saved->state = _mm_getcsr();
    _mm_setcsr(0x1F80); /* all exceptions masked, round to nearest, no flush to zero */
}

void sk_fpenv_leave(const sk_fpenv *saved)
{
    _mm_setcsr((unsigned)saved->state);
}

#elif defined(__aarch64__)

void sk_fpenv_enter(sk_fpenv *saved)
{
    __asm__ volatile("mrs %0, fpcr" : "=r"(saved->state));
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0));
}

void sk_fpenv_leave(const sk_fpenv *saved)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(saved->state));
}

#else
#include <fenv.h>

void sk_fpenv_enter(sk_fpenv *saved)
{
    saved->state = (uint64_t)fegetround();
    fesetround(FE_TONEAREST);
}

void sk_fpenv_leave(const sk_fpenv *saved)
{
    fesetround((int)saved->state);
}

#endif
