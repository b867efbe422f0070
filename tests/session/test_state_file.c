/* SPDX-License-Identifier: MIT */
/*
 * States in files and in the host's own places: the same bytes as in memory; every truncation and
 * every flipped bit of a file is refused and changes nothing; a file is replaced whole or not at
 * all, and nothing is left beside it.
 */
#define _GNU_SOURCE
#include "state_bytes.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "state-file-XXXXXX", path[64];

static int count_files(void)
{
    int n = -2; /* . and .. */
    DIR *dir = opendir(folder);
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

/* What the file holds is what memory gets. */
static void check_file_is(const state_bytes *s)
{
    uint8_t *data = malloc(s->n + 1);
    FILE *f = fopen(path, "rb");
    CHECK(f && fread(data, 1, s->n + 1, f) == s->n && memcmp(data, s->data, s->n) == 0);
    if (f)
        fclose(f);
    free(data);
    CHECK_INT(count_files(), 1);
}

/* ---- The host's own places --------------------------------------------------------------------
 */

typedef struct place {
    uint8_t *data;
    size_t n, capacity;
    int n_calls, fail_at;
} place;

static int32_t place_write(void *user, const void *bytes, size_t n)
{
    place *p = user;
    CHECK(p->fail_at == 0 || p->n_calls < p->fail_at); /* never again after a failure */
    if (++p->n_calls == p->fail_at)
        return 77;
    CHECK(n > 0 && p->n + n <= p->capacity);
    memcpy(p->data + p->n, bytes, n);
    p->n += n;
    return 0;
}

static int32_t place_read(void *user, uint64_t offset, void *buffer, size_t n)
{
    place *p = user;
    if (++p->n_calls == p->fail_at)
        return 55;
    CHECK(offset + n <= p->n);
    memcpy(buffer, p->data + offset, n);
    return 0;
}

static void check_tables(skald_context *ctx, skald_context *other, const state_bytes *s)
{
    place p = {malloc(s->n), 0, s->n, 0, 0};
    skald_writer writer = {sizeof writer, &p, place_write};
    skald_reader reader = {sizeof reader, &p, s->n, place_read};
    CHECK_INT(skald_state_write(ctx, &writer), 0);
    CHECK(p.n == s->n && memcmp(p.data, s->data, s->n) == 0);
    int n_calls = p.n_calls;
    for (p.fail_at = 1; p.fail_at <= n_calls; p.fail_at++) {
        p.n = 0;
        p.n_calls = 0;
        CHECK_INT(skald_state_write(ctx, &writer), SKALD_E_IO);
        CHECK(strstr(skald_context_message(ctx), "77") != NULL);
    }
    state_bytes before = state_of(other), after;
    p.n = s->n;
    memcpy(p.data, s->data, s->n);
    for (p.fail_at = 1; p.fail_at <= 2; p.fail_at++) {
        p.n_calls = 0;
        CHECK_INT(skald_state_read(other, &reader), SKALD_E_IO);
        CHECK(strstr(skald_context_message(other), "55") != NULL);
    }
    after = state_of(other);
    CHECK(same_state(&before, &after));
    p.fail_at = 0;
    CHECK_INT(skald_state_read(other, &reader), 0);
    free(after.data);
    after = state_of(other);
    CHECK(same_state(s, &after));
    reader.file_size = UINT64_MAX; /* no memory is taken for a size that is only claimed */
    CHECK(skald_state_read(other, &reader) < 0);
    writer.write = NULL;
    CHECK_INT(skald_state_write(ctx, &writer), SKALD_E_ARGUMENT);
    reader.size = 3;
    CHECK_INT(skald_state_read(ctx, &reader), SKALD_E_ARGUMENT);
    CHECK_INT(skald_state_write(ctx, NULL), SKALD_E_ARGUMENT);
    CHECK_INT(skald_state_read(ctx, NULL), SKALD_E_ARGUMENT);
    free(p.data);
    free(before.data);
    free(after.data);
}

/* ---- Files -------------------------------------------------------------------------------------
 */

static void check_files(skald_context *ctx, skald_context *other, const state_bytes *s)
{
    struct stat st;
    CHECK_INT(skald_state_save_file(ctx, path), 0);
    check_file_is(s);
    CHECK_INT(chmod(path, 0640), 0);
    CHECK_INT(skald_state_save_file(ctx, path), 0); /* over itself */
    check_file_is(s);
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640);
    CHECK_INT(skald_state_load_file(other, path), 0);
    state_bytes after = state_of(other);
    CHECK(same_state(s, &after));
    free(after.data);
    CHECK_INT(skald_state_save_file(ctx, "no-such-folder/state"), SKALD_E_NOT_FOUND);
    CHECK(strstr(skald_context_message(ctx), "no-such-folder") != NULL);
    CHECK_INT(skald_state_load_file(ctx, "no-such-folder/state"), SKALD_E_NOT_FOUND);
    CHECK_INT(skald_state_save_file(ctx, NULL), SKALD_E_ARGUMENT);
    CHECK_INT(skald_state_load_file(ctx, NULL), SKALD_E_ARGUMENT);
    /* A folder is no file to be replaced. */
    char sub[80];
    snprintf(sub, sizeof sub, "%s/sub", folder);
    CHECK_INT(mkdir(sub, 0700), 0);
    CHECK_INT(skald_state_save_file(ctx, sub), SKALD_E_IO);
    CHECK_INT(skald_state_load_file(ctx, sub), SKALD_E_IO);
    CHECK_INT(rmdir(sub), 0);
    check_file_is(s);
}

/* A disk that is full in the middle: the old file stays. */
static void check_full_disk(skald_context *ctx, const state_bytes *s)
{
    struct rlimit old, small;
    struct sigaction ignore, before;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGXFSZ, &ignore, &before);
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = s->n - 10;
    setrlimit(RLIMIT_FSIZE, &small);
    CHECK_INT(skald_state_save_file(ctx, path), SKALD_E_IO);
    setrlimit(RLIMIT_FSIZE, &old);
    sigaction(SIGXFSZ, &before, NULL);
    check_file_is(s);
}

/* Every truncation, every flipped bit. */
static void check_spoilt_files(skald_context *other, const state_bytes *s)
{
    state_bytes before = state_of(other), after;
    int fd = open(path, O_RDWR);
    CHECK(fd >= 0);
    for (size_t i = 0; fd >= 0 && i < s->n; i++)
        for (int bit = 0; bit < 8; bit++) {
            uint8_t byte = (uint8_t)(s->data[i] ^ (1 << bit));
            if (pwrite(fd, &byte, 1, (off_t)i) != 1)
                break;
            int32_t status = skald_state_load_file(other, path);
            CHECKF(status < 0, "bit %d of byte %d", bit, (int)i);
            if (bit == 7 && pwrite(fd, s->data + i, 1, (off_t)i) != 1)
                break;
        }
    for (size_t n = s->n; fd >= 0 && n-- > 0;) {
        CHECK_INT(ftruncate(fd, (off_t)n), 0);
        int32_t status = skald_state_load_file(other, path);
        CHECKF(status == SKALD_E_TRUNCATED, "%d bytes: %d", (int)n, (int)status);
    }
    close(fd);
    after = state_of(other);
    CHECK(same_state(&before, &after));
    free(before.data);
    free(after.data);
}

int main(void)
{
    static const int32_t ids[] = {7, 50, 90};
    if (!mkdtemp(folder))
        return test_end();
    snprintf(path, sizeof path, "%s/state", folder);
    for (int recurrent = 0; recurrent < 2; recurrent++) {
        open_model(12, recurrent);
        skald_context *small = new_context("n_ctx=300 n_predict=2 stop=abc"), *large, *other;
        large = new_context("n_ctx=300 n_predict=150 seed=3 ignore_eos=1");
        other = new_context("n_ctx=300");
        CHECK_INT(skald_append_text(large, prompt, -1), 0);
        run(large, -1);
        CHECK_INT(skald_append_tokens(small, ids, 3), 0);
        CHECK_INT(skald_step(small, -1), SKALD_TOKEN);
        state_bytes s = state_of(large), few = state_of(small);
        CHECK(s.n > 65536);
        check_tables(large, other, &s);
        check_files(large, other, &s);
        check_full_disk(large, &s);
        CHECK_INT(skald_state_save_file(small, path), 0);
        check_file_is(&few);
        if (!recurrent)
            check_spoilt_files(other, &few);
        unlink(path);
        free(s.data);
        free(few.data);
        skald_context_free(small);
        skald_context_free(large);
        skald_context_free(other);
        close_model();
    }
    rmdir(folder);
    return test_end();
}
