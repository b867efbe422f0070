/* SPDX-License-Identifier: MIT */
/*
 * The only file that opens files. A mapped or read file is checked against the size and times that
 * it had at opening; a truncation while a mapping is being read is beyond any library's power.
 */
#include "base/portable.h"

#include "base/checked.h"
#include "base/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct sk_source {
    sk_heap *heap; /* borrowed */
    uint64_t size;
    const uint8_t *view; /* the mapping (owned) or the host's memory (borrowed), or NULL */
    int fd;              /* owned, -1: none */
    struct stat stat;    /* of fd at opening */
    skald_reader reader; /* read is NULL when there is none */
};

static int32_t new_source(sk_source **out, sk_heap *heap, sk_error *error)
{
    sk_source *source = sk_alloc_zero(heap, sizeof *source, "file handle", error);
    *out = source;
    if (!source)
        return SKALD_E_MEMORY;
    source->heap = heap;
    source->fd = -1;
    return SKALD_OK;
}

static int32_t fail_errno(sk_error *error, const char *path, const char *doing)
{
    int32_t code = errno == ENOENT || errno == ENOTDIR ? SKALD_E_NOT_FOUND : SKALD_E_IO;
    if (errno == ENOENT || errno == ENOTDIR)
        return sk_fail(error, code, "%s: no such file", path);
    if (errno == EACCES || errno == EPERM)
        return sk_fail(error, code, "%s: no permission to %s it", path, doing);
    return sk_fail(error, code, "%s: cannot %s it (error %d of the system)", path, doing, errno);
}

static int32_t open_fd(sk_source *source, const char *path, bool map, sk_error *error)
{
    do
        source->fd = open(path, O_RDONLY | O_CLOEXEC);
    while (source->fd < 0 && errno == EINTR);
    if (source->fd < 0 || fstat(source->fd, &source->stat) != 0)
        return fail_errno(error, path, "open");
    if (!S_ISREG(source->stat.st_mode))
        return sk_fail(error, SKALD_E_IO, "%s: not a regular file", path);
    source->size = (uint64_t)source->stat.st_size;
    if (!map || source->size == 0)
        return SKALD_OK;
    if (source->size > SIZE_MAX)
        return sk_fail(error, SKALD_E_MEMORY, "%s: %llu bytes are too many to map", path,
                       (unsigned long long)source->size);
    void *view = mmap(NULL, (size_t)source->size, PROT_READ, MAP_SHARED, source->fd, 0);
    if (view == MAP_FAILED)
        return fail_errno(error, path, "map");
    source->view = view;
    return SKALD_OK;
}

int32_t sk_source_open_file(sk_source **out, sk_heap *heap, const char *path, bool map,
                            sk_error *error)
{
    int32_t status = new_source(out, heap, error);
    if (status < 0)
        return status;
    status = open_fd(*out, path, map, error);
    if (status < 0) {
        sk_source_close(*out);
        *out = NULL;
    }
    return status;
}

int32_t sk_source_open_memory(sk_source **out, sk_heap *heap, const void *data, uint64_t size,
                              sk_error *error)
{
    int32_t status = new_source(out, heap, error);
    if (status < 0)
        return status;
    (*out)->view = data;
    (*out)->size = size;
    return SKALD_OK;
}

int32_t sk_source_open_reader(sk_source **out, sk_heap *heap, const skald_reader *reader,
                              sk_error *error)
{
    *out = NULL;
    if (reader->size < sizeof *reader || !reader->read)
        return sk_fail(error, SKALD_E_ARGUMENT, "the reader table lacks read or its size");
    int32_t status = new_source(out, heap, error);
    if (status < 0)
        return status;
    (*out)->reader = *reader;
    (*out)->size = reader->file_size;
    return SKALD_OK;
}

int32_t sk_source_open_given(sk_source **out, sk_heap *heap, const sk_options *options,
                             sk_error *error)
{
    const void *memory = options ? sk_opt_pointer(options, SK_OPT_MEMORY) : NULL;
    const skald_reader *reader = options ? sk_opt_pointer(options, SK_OPT_READER) : NULL;
    *out = NULL;
    if (memory)
        return sk_source_open_memory(out, heap, memory,
                                     (uint64_t)sk_opt_int(options, SK_OPT_MEMORY_SIZE), error);
    if (reader)
        return sk_source_open_reader(out, heap, reader, error);
    return sk_fail(error, SKALD_E_ARGUMENT,
                   "there is no path, and neither option memory nor option reader is set");
}

void sk_source_close(sk_source *source)
{
    if (!source)
        return;
    if (source->fd >= 0 && source->view)
        munmap((void *)(uintptr_t)source->view, (size_t)source->size);
    if (source->fd >= 0)
        close(source->fd);
    sk_free(source->heap, source);
}

uint64_t sk_source_size(const sk_source *source)
{
    return source->size;
}

const uint8_t *sk_source_view(const sk_source *source)
{
    return source->view;
}

static int32_t read_fd(sk_source *source, uint64_t offset, uint8_t *out, uint64_t n,
                       sk_error *error)
{
    while (n > 0) {
        size_t piece = n < (1u << 30) ? (size_t)n : (1u << 30);
        ssize_t got = pread(source->fd, out, piece, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return sk_fail(error, SKALD_E_IO,
                           "reading at byte %llu failed (error %d of the system)",
                           (unsigned long long)offset, errno);
        if (got == 0)
            return sk_fail(error, SKALD_E_CHANGED,
                           "the file became shorter: it ends at byte %llu, %llu were there",
                           (unsigned long long)offset, (unsigned long long)source->size);
        out += got;
        offset += (uint64_t)got;
        n -= (uint64_t)got;
    }
    return SKALD_OK;
}

int32_t sk_source_read(sk_source *source, uint64_t offset, void *out, uint64_t n, sk_error *error)
{
    if (!sk_in_range(offset, n, source->size))
        return sk_fail(
            error, SKALD_E_TRUNCATED, "%llu bytes wanted at byte %llu, but the file ends at %llu",
            (unsigned long long)n, (unsigned long long)offset, (unsigned long long)source->size);
    if (n == 0)
        return SKALD_OK;
    if (source->fd >= 0)
        return read_fd(source, offset, out, n, error);
    if (source->view) {
        memcpy(out, source->view + offset, (size_t)n);
        return SKALD_OK;
    }
    int32_t status = source->reader.read(source->reader.user, offset, out, (size_t)n);
    if (status != 0)
        return sk_fail(error, SKALD_E_IO,
                       "the host's reader failed with %d for %llu bytes at byte %llu", status,
                       (unsigned long long)n, (unsigned long long)offset);
    return SKALD_OK;
}

size_t sk_source_peek(const char *path, char *text, size_t n)
{
    text[0] = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return 0;
    ssize_t got = read(fd, text, n - 1);
    close(fd);
    text[got > 0 ? got : 0] = 0;
    return strlen(text);
}

int32_t sk_source_check(const sk_source *source, sk_error *error)
{
    struct stat now;
    if (source->fd < 0)
        return SKALD_OK;
    const struct stat *then = &source->stat;
    if (fstat(source->fd, &now) != 0 || now.st_size != then->st_size ||
        now.st_mtim.tv_sec != then->st_mtim.tv_sec || now.st_mtim.tv_nsec != then->st_mtim.tv_nsec)
        return sk_fail(error, SKALD_E_CHANGED, "the model file was changed after it was opened");
    return SKALD_OK;
}

void sk_source_prefetch(const sk_source *source, uint64_t offset, uint64_t n)
{
    if (source->fd < 0 || !source->view || !sk_in_range(offset, n, source->size))
        return;
    uint64_t page = 4096, start = offset / page * page;
    (void)posix_madvise((void *)(uintptr_t)(source->view + start), (size_t)(n + offset - start),
                        POSIX_MADV_WILLNEED);
}
