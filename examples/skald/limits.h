/* SPDX-License-Identifier: MIT */
/*
 * What this machine can do at best, measured: the ruler that benchmarks are held against.
 *
 * Read bandwidth is the best of three ways to read memory (in a row; with prefetches; four places
 * at once), each thread a part of its own. Peaks are multiply-adds per second in registers alone,
 * by the widest instructions that the CPU has. Numbers vary from minute to minute on shared
 * machines, so they are taken close to what they are compared with; each costs some 50 to 100 ms.
 */
#ifndef LIMITS_H
#define LIMITS_H

#include <stddef.h>

typedef struct limits_memory {
    const void *data;
    size_t size;
} limits_memory;

/* What is read: 1 GiB of the file, half as much if it is smaller, else 256 MiB of memory; its size
 * is 0 when there is none. `path` may be NULL. */
limits_memory limits_open(const char *path);
void limits_close(limits_memory *m);

/* Runs task(arg, 0), task(arg, 1), ..., each in a thread of its own; seconds until all are done. */
double limits_time(void (*task)(void *arg, int index), void *arg, int n_thread);

double limits_read(const limits_memory *m, int n_thread); /* bytes per second */
double limits_int8(int n_thread); /* products of bytes per second; 0: unknown on this CPU */
double limits_fp32(int n_thread); /* fused multiply-adds per second; 0: unknown on this CPU */

#endif
