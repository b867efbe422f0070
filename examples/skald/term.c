/* SPDX-License-Identifier: MIT */
/*
 * The terminal: a progress line on stderr and Ctrl-C. The signal handler is what the library never
 * installs itself; it needs the two handles in static variables, and calls nothing but the two
 * functions that skald.h allows in a handler.
 */
#define _POSIX_C_SOURCE 200809L
#include "tool.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static skald_model *_Atomic interrupt_model;
static skald_context *_Atomic interrupt_ctx;
static volatile sig_atomic_t interrupted;
static bool line_is_used;

bool term_is_shown(void)
{
    return isatty(STDERR_FILENO) != 0;
}

void term_end_line(void)
{
    if (isatty(STDOUT_FILENO))
        putchar('\n');
    fflush(stdout);
}

void term_progress(const char *what, double fraction)
{
    if (!term_is_shown())
        return;
    static const char bar[] = "##############################";
    int width = (int)sizeof bar - 1;
    int filled = fraction < 0 ? 0 : fraction > 1 ? width : (int)(fraction * width);
    fprintf(stderr, "\r%s [%.*s%*s] %3.0f%%", what, filled, bar, width - filled, "",
            fraction < 0   ? 0.0
            : fraction > 1 ? 100.0
                           : 100 * fraction);
    fflush(stderr);
    line_is_used = true;
}

void term_clear(void)
{
    if (!line_is_used)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    line_is_used = false;
}

static void handle_interrupt(int number)
{
    (void)number;
    interrupted = 1;
    skald_model *model = atomic_load(&interrupt_model);
    skald_context *ctx = atomic_load(&interrupt_ctx);
    if (model)
        skald_model_cancel(model);
    if (ctx)
        skald_cancel(ctx);
}

void term_interrupts(skald_model *model, skald_context *ctx)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    atomic_store(&interrupt_model, model);
    atomic_store(&interrupt_ctx, ctx);
    bool is_on = model || ctx;
    action.sa_handler = is_on ? handle_interrupt : SIG_DFL;
    action.sa_flags = is_on ? (int)SA_RESETHAND : 0;
    if (!interrupted)
        sigaction(SIGINT, &action, NULL);
}

void term_forget(void)
{
    interrupted = 0;
}

bool term_interrupted(void)
{
    return interrupted != 0;
}
