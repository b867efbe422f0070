/* SPDX-License-Identifier: MIT */
/*
 * The file beside it is called PATH.N.tmp, N from the clock, and must not be there before. It gets
 * the permissions of the file that it replaces. A symbolic link is replaced, not followed. Bytes
 * gather in a buffer, so that callers may write in small pieces.
 */
#include "base/portable.h"

#include "base/clock.h"
#include "base/replace.h"
#include "base/status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { REPLACE_BUFFER = 64 * 1024, REPLACE_TRIES = 100, REPLACE_SUFFIX = 32 };

struct sk_replace {
    sk_heap *heap;   /* borrowed */
    char *path, *at; /* owned: the file's name, and that of the one that is being written */
    char *buffer;    /* owned */
    size_t n;        /* bytes in it */
    int fd, failed;  /* failed: the system's number, 0: nothing did */
};

static int32_t replace_fail(sk_error *error, const char *path, int number)
{
    bool missing = number == ENOENT || number == ENOTDIR;
    if (missing)
        return sk_fail(error, SKALD_E_NOT_FOUND, "%s: there is no such folder", path);
    if (number == EACCES || number == EPERM || number == EROFS)
        return sk_fail(error, SKALD_E_IO, "%s: no permission to write it", path);
    if (number == ENOSPC || number == EDQUOT)
        return sk_fail(error, SKALD_E_IO, "%s: there is no room on the disk for it", path);
    return sk_fail(error, SKALD_E_IO, "%s: cannot write it (error %d of the system)", path, number);
}

static void replace_free(sk_replace *file)
{
    sk_free(file->heap, file->path);
    sk_free(file->heap, file->at);
    sk_free(file->heap, file->buffer);
    sk_free(file->heap, file);
}

/* Opens a file of a name that is not taken. */
static void replace_create(sk_replace *file)
{
    size_t n = strlen(file->path);
    struct stat old;
    memcpy(file->at, file->path, n);
    for (int i = 0; i < REPLACE_TRIES; i++) {
        long long number = (long long)sk_clock_us() + i;
        sk_format(file->at + n, REPLACE_SUFFIX, ".%lld.tmp", number);
        file->fd = open(file->at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file->fd >= 0 || (errno != EEXIST && errno != EINTR))
            break;
    }
    file->failed = file->fd < 0 ? errno : 0;
    if (file->fd >= 0 && stat(file->path, &old) == 0)
        (void)!fchmod(file->fd, old.st_mode & 0777);
}

int32_t sk_replace_open(sk_replace **out, sk_heap *heap, const char *path, sk_error *error)
{
    size_t n = strlen(path);
    *out = NULL;
    sk_replace *file = sk_alloc_zero(heap, sizeof *file, "a file to be written", error);
    if (!file)
        return SKALD_E_MEMORY;
    file->heap = heap;
    file->fd = -1;
    file->path = sk_alloc(heap, n + 1, "a path", error);
    file->at = sk_alloc(heap, n + REPLACE_SUFFIX, "a path", error);
    file->buffer = sk_alloc(heap, REPLACE_BUFFER, "a file to be written", error);
    if (!file->path || !file->at || !file->buffer) {
        replace_free(file);
        return SKALD_E_MEMORY;
    }
    memcpy(file->path, path, n + 1);
    replace_create(file);
    if (file->fd < 0) {
        int32_t status = replace_fail(error, path, file->failed);
        replace_free(file);
        return status;
    }
    *out = file;
    return SKALD_OK;
}

static void replace_flush(sk_replace *file)
{
    for (size_t done = 0; done < file->n && !file->failed;) {
        ssize_t n = write(file->fd, file->buffer + done, file->n - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            file->failed = errno;
    }
    file->n = 0;
}

int32_t sk_replace_write(sk_replace *file, const void *bytes, size_t n)
{
    const char *from = bytes;
    while (n > 0 && !file->failed) {
        size_t room = REPLACE_BUFFER - file->n, piece = n < room ? n : room;
        memcpy(file->buffer + file->n, from, piece);
        file->n += piece;
        from += piece;
        n -= piece;
        if (file->n == REPLACE_BUFFER)
            replace_flush(file);
    }
    return file->failed;
}

/* The name is on the disk when its folder is; file systems without such a thing may refuse. */
static void replace_sync_folder(sk_replace *file)
{
    char *slash = strrchr(file->at, '/');
    if (slash == file->at)
        slash++;
    if (slash)
        *slash = 0;
    int fd = open(slash ? file->at : ".", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!fsync(fd);
    close(fd);
}

int32_t sk_replace_close(sk_replace *file, sk_error *error)
{
    int32_t status = SKALD_OK;
    replace_flush(file);
    if (!file->failed && fsync(file->fd) != 0)
        file->failed = errno;
    if (close(file->fd) != 0 && !file->failed)
        file->failed = errno;
    if (!file->failed && rename(file->at, file->path) != 0)
        file->failed = errno;
    if (file->failed) {
        status = replace_fail(error, file->path, file->failed);
        unlink(file->at);
    } else {
        replace_sync_folder(file);
    }
    replace_free(file);
    return status;
}
