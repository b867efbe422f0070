/* SPDX-License-Identifier: MIT */
/*
 * The files, of Linux; where they are absent, nothing is known and nothing limited.
 *
 *   /sys/devices/system/cpu/cpuN/topology/thread_siblings_list   "0,64" or "0-1": N's core
 *   /proc/self/cgroup              "0::/a/b" (version 2), "3:cpu,cpuacct:/a/b" (version 1)
 *   /sys/fs/cgroup/a/b/cpu.max     "200000 100000": microseconds in a period; "max 100000"
 *   /sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us, cpu.cfs_period_us   the same; -1: no limit
 *
 * A limit of any group above this one's counts too. In a container the group's path may be that of
 * the system outside, and its own files lie at the top: since all groups on the way up are asked,
 * and those that are not there say nothing, they are found.
 */
#include "base/portable.h"

#include "base/processors.h"
#include "base/source.h"
#include "base/status.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

enum { MAX_PROCESSORS = 1024, PATH_SIZE = 1024, TEXT_SIZE = 4096 };

/* The number at *p, which moves past it; -1: there is none. */
static int64_t read_number(const char **p)
{
    int64_t x = -1;
    for (; **p >= '0' && **p <= '9'; ++*p)
        x = x < 0 ? **p - '0' : x < INT64_MAX / 16 ? x * 10 + (**p - '0') : x;
    return x;
}

/* The lowest usable processor of a list like "0-3,8", or `self`. */
static int64_t lowest_usable(const char *list, const bool *usable, int32_t n, int64_t self)
{
    while (*list) {
        int64_t first = read_number(&list), last = first;
        if (*list == '-') {
            list++;
            last = read_number(&list);
        }
        for (int64_t i = first; i >= 0 && i <= last && i < n; i++)
            if (usable[i])
                return i < self ? i : self;
        list += *list != 0;
    }
    return self;
}

int32_t sk_processors_cores(const char *root, const bool *usable, int32_t n)
{
    char path[PATH_SIZE], list[TEXT_SIZE];
    int32_t n_core = 0;
    for (int32_t i = 0; i < n; i++) {
        if (!usable[i])
            continue;
        sk_format(path, sizeof path,
                  "%s/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", root, (int)i);
        sk_source_peek(path, list, sizeof list);
        n_core += lowest_usable(list, usable, n, i) == i;
    }
    return n_core;
}

/* `quota` in `period`, as whole processors. */
static int32_t quota_processors(int64_t quota, int64_t period)
{
    if (quota < 0 || period <= 0 || quota / period >= INT32_MAX)
        return INT32_MAX;
    return quota < period ? 1 : (int32_t)(quota / period);
}

/* The limit of one group, whose folder is `path`. */
static int32_t group_quota(const char *path, bool v2)
{
    char name[PATH_SIZE + 32], text[TEXT_SIZE];
    const char *p = text;
    sk_format(name, sizeof name, v2 ? "%s/cpu.max" : "%s/cpu.cfs_quota_us", path);
    sk_source_peek(name, text, sizeof text);
    int64_t quota = read_number(&p);
    if (v2) {
        p += *p == ' ';
        return quota_processors(quota, read_number(&p));
    }
    sk_format(name, sizeof name, "%s/cpu.cfs_period_us", path);
    sk_source_peek(name, text, sizeof text);
    p = text;
    return quota_processors(quota, read_number(&p));
}

/* The least limit of a group and those above it, up to the first `top` bytes of its path, which is
 * cut on the way. */
static int32_t groups_quota(char *path, size_t top, bool v2)
{
    int32_t least = INT32_MAX;
    for (;;) {
        int32_t n = group_quota(path, v2);
        char *slash = strrchr(path, '/');
        least = n < least ? n : least;
        if (!slash || slash < path + top)
            return least;
        *slash = 0;
    }
}

/* Whether the list of controllers before the next ':' has "cpu". */
static bool is_cpu_group(const char *list)
{
    for (size_t n = strcspn(list, ",:");; n = strcspn(list, ",:")) {
        if (n == 3 && memcmp(list, "cpu", 3) == 0)
            return true;
        if (list[n] != ',')
            return false;
        list += n + 1;
    }
}

/* A line of /proc/self/cgroup: number, controllers (none: version 2), path. */
static int32_t line_quota(const char *root, const char *line)
{
    char path[PATH_SIZE], top[PATH_SIZE];
    const char *list = strchr(line, ':');
    const char *group = list ? strchr(list + 1, ':') : NULL;
    if (!group)
        return INT32_MAX;
    bool v2 = group == list + 1;
    if (!v2 && !is_cpu_group(list + 1))
        return INT32_MAX;
    size_t n = strcspn(group + 1, "\n");
    n = n == 1 ? 0 : n; /* "/", the top itself */
    sk_format(top, sizeof top, v2 ? "%s/sys/fs/cgroup" : "%s/sys/fs/cgroup/cpu", root);
    sk_format(path, sizeof path, "%s%.*s", top, (int)(n < PATH_SIZE ? n : PATH_SIZE), group + 1);
    return groups_quota(path, strlen(top), v2);
}

int32_t sk_processors_quota(const char *root)
{
    char path[PATH_SIZE], text[TEXT_SIZE];
    int32_t least = INT32_MAX;
    sk_format(path, sizeof path, "%s/proc/self/cgroup", root);
    sk_source_peek(path, text, sizeof text);
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line != 0) {
        int32_t n = line_quota(root, line);
        least = n < least ? n : least;
    }
    return least;
}

/* Which processors this process may run on; how many there are to ask about. */
static int32_t affinity(bool usable[MAX_PROCESSORS])
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        for (size_t i = 0; i < MAX_PROCESSORS; i++)
            usable[i] = i < CPU_SETSIZE && CPU_ISSET(i, &set);
        return MAX_PROCESSORS;
    }
#endif
    n = n < 1 ? 1 : n > MAX_PROCESSORS ? MAX_PROCESSORS : n;
    for (long i = 0; i < n; i++)
        usable[i] = true;
    return (int32_t)n;
}

int32_t sk_processors(void)
{
    bool usable[MAX_PROCESSORS];
    int32_t n = sk_processors_cores("", usable, affinity(usable)), quota = sk_processors_quota("");
    n = quota < n ? quota : n;
    return n < 1 ? 1 : n;
}
