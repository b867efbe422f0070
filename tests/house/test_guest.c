/* SPDX-License-Identifier: MIT */
/*
 * The manners of a guest: after a whole life of a model, and after its failures, the host finds its
 * streams, descriptors, threads, signals, locale, environment and arithmetic as they were; the
 * host's settings do not change results; small stacks, unloading and fork are survived.
 *
 *     test_guest MODEL libskald.so
 */
#define _GNU_SOURCE
#include "life.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fenv.h>
#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

extern char **environ;

static const char *model_path, *library_path;
static life wanted; /* what an undisturbed life gives */

/* What else there is: costs, edits, tokens that are dropped and moved, states in files. */
static void live_with_files(void)
{
    skald_options *o = NULL;
    skald_model *model = NULL;
    skald_context *ctx = NULL;
    int64_t costs[SKALD_N_COSTS], n_dropped = 0;
    char path[] = "/tmp/skald-guest-XXXXXX";
    int fd = mkstemp(path);
    CHECK(life_options(&o,
                       "n_threads=2 n_ctx=48 n_predict=60 seed=2 when_full=drop shift=rotate "
                       "ignore_eos=1",
                       NULL) == SKALD_OK);
    CHECK(skald_estimate(model_path, o, costs, SKALD_N_COSTS) == SKALD_OK);
    CHECK(skald_model_load(model_path, o, &model) == SKALD_OK);
    CHECK(skald_context_new(model, o, &ctx) == SKALD_OK);
    CHECK(skald_append_text(ctx, LIFE_PROMPT, -1) == SKALD_OK);
    CHECK_INT(life_steps(&(life){0}, ctx, -1), SKALD_DONE);
    CHECK(skald_context_get_int(ctx, "n_dropped", &n_dropped) == SKALD_OK && n_dropped > 0);
    CHECK(skald_state_save_file(ctx, path) == SKALD_OK);
    CHECK(skald_splice(ctx, 2, 5, NULL, 0) == SKALD_OK);
    CHECK(skald_step(ctx, -1) >= 0);
    CHECK(skald_state_load_file(ctx, path) == SKALD_OK);
    skald_context_free(ctx);
    skald_model_release(model);
    skald_options_free(o);
    close(fd);
    unlink(path);
}

/* A life, and lives that fail. */
static void live(void)
{
    life l;
    skald_model *model;
    CHECK_INT(life_whole(&l, model_path, "n_threads=2"), SKALD_DONE);
    CHECK(l.hash == wanted.hash);
    CHECK_INT(skald_model_load("/no such file", NULL, &model), SKALD_E_NOT_FOUND);
    CHECK(strstr(skald_error_message(), "no such file"));
    CHECK_INT(skald_model_load("/proc/self/exe", NULL, &model), SKALD_E_NOT_MODEL);
    CHECK_INT(life_whole(&l, model_path, "no_such_option=1"), SKALD_E_OPTION);
    CHECK(life_whole(&l, model_path, "max_memory=5000") == SKALD_E_MEMORY);
    live_with_files();
}

static void test_silence(void)
{
    int kept[3];
    struct stat s = {0};
    FILE *file = tmpfile();
    CHECK(file != NULL);
    if (!file)
        return;
    fflush(stdout);
    for (int fd = 0; fd < 3; fd++) {
        kept[fd] = dup(fd);
        dup2(fileno(file), fd);
    }
    live();
    fflush(stdout);
    for (int fd = 0; fd < 3; fd++) {
        dup2(kept[fd], fd);
        close(kept[fd]);
    }
    fstat(fileno(file), &s);
    CHECK_INT(s.st_size, 0);
    fclose(file);
}

static int count_entries(const char *path)
{
    int n = 0;
    DIR *dir = opendir(path);
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

/* A joined thread may be listed for a moment still. */
static int count_threads(int expected)
{
    int n = 0;
    for (int i = 0; i < 200; i++) {
        n = count_entries("/proc/self/task");
        if (n == expected)
            break;
        usleep(1000);
    }
    return n;
}

static void test_nothing_left(void)
{
    int files = count_entries("/proc/self/fd"), threads = count_entries("/proc/self/task");
    live();
    CHECK_INT(count_entries("/proc/self/fd"), files);
    CHECK_INT(count_threads(threads), threads);
}

static void test_signals(void)
{
    struct sigaction before[65], after;
    sigset_t mask_before, mask_after;
    memset(&mask_before, 0, sizeof mask_before); /* the kernel's mask is shorter than libc's */
    memset(&mask_after, 0, sizeof mask_after);
    for (int i = 1; i < 65; i++)
        sigaction(i, NULL, &before[i]);
    /* Only the kernel's part of a set is written, so both begin alike. */
    sigemptyset(&mask_before);
    sigemptyset(&mask_after);
    sigprocmask(SIG_SETMASK, NULL, &mask_before);
    live();
    for (int i = 1; i < 65; i++) {
        memset(&after, 0, sizeof after);
        if (sigaction(i, NULL, &after) == 0)
            CHECKF(after.sa_handler == before[i].sa_handler, "signal %d", i);
    }
    sigprocmask(SIG_SETMASK, NULL, &mask_after);
    CHECK(memcmp(&mask_before, &mask_after, sizeof mask_before) == 0);
}

static volatile sig_atomic_t n_handled;

static void handle(int number)
{
    n_handled += number == SIGUSR1;
}

/* A signal that the host's threads block waits for them: no thread of the library's takes it. */
static void test_signals_wait(void)
{
    skald_options *o = NULL;
    skald_model *model = NULL;
    skald_context *ctx = NULL;
    struct sigaction action, before;
    sigset_t set;
    memset(&action, 0, sizeof action);
    action.sa_handler = handle;
    CHECK(life_options(&o, "n_threads=3 n_ctx=64 n_predict=3", NULL) == SKALD_OK);
    CHECK(skald_model_load(model_path, o, &model) == SKALD_OK);
    CHECK(skald_context_new(model, o, &ctx) == SKALD_OK);
    CHECK(count_entries("/proc/self/task") == 2 + 3); /* . and .. and threads */
    sigaction(SIGUSR1, &action, &before);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGUSR1);
    CHECK(skald_append_text(ctx, LIFE_PROMPT, -1) == SKALD_OK);
    CHECK_INT(life_steps(&(life){0}, ctx, -1), SKALD_DONE);
    CHECK_INT(n_handled, 0);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    CHECK_INT(n_handled, 1);
    sigaction(SIGUSR1, &before, NULL);
    skald_context_free(ctx);
    skald_model_release(model);
    skald_options_free(o);
}

static void test_environment(void)
{
    uint64_t before = 1, after = 1;
    for (char **e = environ; *e; e++)
        before = life_hash(before, *e, strlen(*e) + 1);
    live();
    for (char **e = environ; *e; e++)
        after = life_hash(after, *e, strlen(*e) + 1);
    CHECK(before == after);
}

/* A locale with a decimal comma: the system's, or one made in a folder of the test's own. */
static const char *comma_locale(void)
{
    const char *names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    char folder[] = "/tmp/skald-locale-XXXXXX", command[256];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (setlocale(LC_ALL, names[i]))
            return names[i];
    if (!mkdtemp(folder))
        return NULL;
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 2>/dev/null",
             folder);
    const char *found = NULL;
    if (system(command) == 0 && setenv("LOCPATH", folder, 1) == 0)
        found = setlocale(LC_ALL, "de_DE.UTF-8");
    snprintf(command, sizeof command, "rm -r %s", folder);
    if (system(command))
        return NULL;
    return found;
}

static void test_locale(void)
{
    const char *name = comma_locale();
    skald_options *o;
    double value = 0;
    char kept[64];
    if (!name || strcmp(localeconv()->decimal_point, ",") != 0) {
        test_skip("no locale with a decimal comma here (Debian: locales)");
        return;
    }
    snprintf(kept, sizeof kept, "%s", setlocale(LC_ALL, NULL));
    CHECK_INT(life_options(&o, "temperature=0.25 top_p=1e-1", NULL), SKALD_OK);
    CHECK_INT(skald_options_get_float(o, "temperature", &value), SKALD_OK);
    CHECK(value == 0.25);
    CHECK(skald_options_parse(o, "temperature=0,25") == SKALD_E_OPTION);
    skald_options_free(o);
    live();
    CHECK_STR(setlocale(LC_ALL, NULL), kept);
    setlocale(LC_ALL, "C");
}

/* The host rounds upwards and flushes subnormals; the results are the same, and so it finds it. */
static void test_arithmetic(void)
{
    life l;
    fesetround(FE_UPWARD);
#if defined(__x86_64__)
    unsigned control = _mm_getcsr() | 0x8040; /* FTZ, DAZ */
    _mm_setcsr(control);
#endif
    int32_t status = life_whole(&l, model_path, "n_threads=2");
    int rounding = fegetround();
#if defined(__x86_64__)
    unsigned found = _mm_getcsr();
    _mm_setcsr(0x1F80);
    CHECK_INT(found & 0xFFC0, control & 0xFFC0);
#endif
    fesetround(FE_TONEAREST);
    CHECK_INT(rounding, FE_UPWARD);
    CHECK_INT(status, SKALD_DONE);
    CHECK(l.hash == wanted.hash);
}

static void *live_on_a_thread(void *arg)
{
    life *l = arg;
    CHECK_INT(life_whole(l, model_path, "n_threads=2"), SKALD_DONE);
    live_with_files();
    return NULL;
}

static void test_small_stack(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    life l = {0};
    pthread_attr_init(&attr);
    CHECK_INT(pthread_attr_setstacksize(&attr, 64 << 10), 0);
    if (pthread_create(&thread, &attr, live_on_a_thread, &l) == 0)
        pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
    CHECK(l.hash == wanted.hash);
}

/* ---- Unloading --------------------------------------------------------------------------------
 */

/* `pages` resident in memory that no file backs. */
static long resident_pages(void)
{
    long size = 0, resident = 0, shared = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%ld %ld %ld", &size, &resident, &shared) != 3)
        resident = shared = 0;
    if (file)
        fclose(file);
    return resident - shared;
}

/* Loads the library, lives a short life in it, and unloads it. */
static bool visit(void)
{
    void *library = dlopen(library_path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return false;
    int32_t (*load)(const char *, const skald_options *, skald_model **);
    int32_t (*begin)(skald_model *, const skald_options *, skald_context **);
    int32_t (*append)(skald_context *, const char *, int64_t);
    int32_t (*step)(skald_context *, int64_t);
    void (*end)(skald_context *), (*release)(skald_model *);
    *(void **)&load = dlsym(library, "skald_model_load");
    *(void **)&begin = dlsym(library, "skald_context_new");
    *(void **)&append = dlsym(library, "skald_append_text");
    *(void **)&step = dlsym(library, "skald_step");
    *(void **)&end = dlsym(library, "skald_context_free");
    *(void **)&release = dlsym(library, "skald_model_release");
    skald_model *model = NULL;
    skald_context *ctx = NULL;
    CHECK(load("/no such file", NULL, &model) == SKALD_E_NOT_FOUND);
    CHECK(load(model_path, NULL, &model) == SKALD_OK);
    CHECK(begin(model, NULL, &ctx) == SKALD_OK);
    CHECK(append(ctx, LIFE_PROMPT, -1) == SKALD_OK);
    for (int i = 0; i < 3; i++)
        CHECK(step(ctx, -1) >= 0);
    end(ctx);
    release(model);
    dlclose(library);
    return true;
}

static void test_unloading(void)
{
    if (strcmp(library_path, "-") == 0) {
        test_skip("unloading: sanitized libraries are not unloaded");
        return;
    }
    for (int i = 0; i < 100; i++) /* until the host's own allocator has settled */
        CHECKF(visit(), "%s", library_path);
    int threads = count_entries("/proc/self/task"), files = count_entries("/proc/self/fd");
    long before = resident_pages();
    for (int i = 0; i < 1000; i++)
        visit();
    long more = resident_pages() - before;
    printf("1000 visits of the library: %ld pages more\n", more);
    CHECKF(more < 64, "%ld pages more", more);
    CHECK_INT(count_entries("/proc/self/fd"), files);
    CHECK_INT(count_threads(threads), threads);
}

/* ---- Fork -------------------------------------------------------------------------------------
 */

/* In the child the pool's threads do not exist; it generates alone, the same, and frees. */
static void test_fork(void)
{
    life parent = {0}, child = {0};
    skald_options *o = NULL;
    skald_model *model = NULL;
    skald_context *ctx = NULL;
    CHECK(life_options(&o, "n_threads=3 n_ctx=64 n_predict=6 temperature=0", NULL) == SKALD_OK);
    CHECK(skald_model_load(model_path, o, &model) == SKALD_OK);
    CHECK(skald_context_new(model, o, &ctx) == SKALD_OK);
    CHECK(skald_append_text(ctx, LIFE_PROMPT, -1) == SKALD_OK);
    CHECK(skald_step(ctx, -1) == SKALD_TOKEN);
    int ends[2];
    CHECK(pipe(ends) == 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        int32_t status = life_steps(&child, ctx, -1);
        skald_context_free(ctx);
        skald_model_release(model);
        skald_options_free(o);
        _exit(status == SKALD_DONE && write(ends[1], &child, sizeof child) > 0 ? 0 : 1);
    }
    CHECK_INT(life_steps(&parent, ctx, -1), SKALD_DONE);
    int result = -1;
    waitpid(pid, &result, 0);
    CHECKF(result == 0, "the child ended with %#x", (unsigned)result);
    if (result == 0)
        CHECK(read(ends[0], &child, sizeof child) == sizeof child);
    CHECK_INT(parent.n_tokens, 5);
    CHECK(parent.hash == child.hash);
    close(ends[0]);
    close(ends[1]);
    skald_context_free(ctx);
    skald_model_release(model);
    skald_options_free(o);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return fprintf(stderr, "usage: test_guest MODEL LIBRARY\n"), 2;
    model_path = argv[1];
    library_path = argv[2];
    CHECKF(life_whole(&wanted, model_path, "n_threads=1") == SKALD_DONE, "%s",
           skald_error_message());
    CHECK(wanted.n_tokens > 0);
    test_silence();
    test_nothing_left();
    test_signals();
    test_signals_wait();
    test_environment();
    test_locale();
    test_arithmetic();
    test_small_stack();
    test_unloading();
    test_fork();
    return test_end();
}
