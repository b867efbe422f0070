/* SPDX-License-Identifier: MIT */
/*
 * What the subcommands of `skald` share: the loaded model, words on stderr, files, the terminal.
 *
 * A subcommand is a `command`: a name, the table of its options, and a function that gets the rest
 * of the command line and returns the exit code. It calls args_parse, tool_load, and tool_close at
 * the end. Stdout carries the result and nothing else; everything for people goes to stderr.
 */
#ifndef TOOL_H
#define TOOL_H

#include <skald.h>
#include <stdbool.h>
#include <stdio.h>

enum { EXIT_DONE = 0, EXIT_ERROR = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

struct args_option;

typedef struct command {
    const char *name;
    const char *synopsis;              /* what follows the name: "MODEL [options]" */
    const char *help;                  /* whole lines */
    const struct args_option *options; /* ended by an entry without a name */
    int (*run)(int argc, char **argv); /* argv[0] is the subcommand's name; the exit code */
} command;

extern const command command_run, command_tokenize, command_detokenize, command_logits,
    command_inspect, command_perplexity, command_bench, command_options, command_grammar,
    command_template, command_chat, command_embed;

enum { TOOL_ADAPTERS = 16 };

/* One run of a subcommand. Filled by args_parse, the model by tool_load. */
typedef struct tool {
    const command *command;
    const char *path;                    /* MODEL, borrowed from argv */
    const char *word;                    /* a second one, where the synopsis begins with '(' */
    const char *adapters[TOOL_ADAPTERS]; /* FILE[=SCALE], borrowed from argv */
    int n_adapters;
    skald_options *options; /* owned */
    skald_model *model;     /* owned */
    skald_context *ctx;     /* owned */
} tool;

/* Prints "skald NAME: ..." on stderr; returns EXIT_ERROR. */
int tool_fail(const tool *t, const char *format, ...)
#ifdef __GNUC__
    __attribute__((format(printf, 2, 3)))
#endif
    ;

/* Reports a status of the library with its sentence; returns EXIT_ERROR, or EXIT_INTERRUPTED when
 * the user pressed Ctrl-C. */
int tool_status(const tool *t, int32_t status, const char *message);

/* Loads t->path, with a progress bar where stderr is a terminal. EXIT_DONE, or the exit code. */
int tool_load(tool *t);

/* Makes t->ctx, with the adapters that were asked for. EXIT_DONE, or the exit code. */
int tool_context(tool *t);

/* Evaluates all that was appended (with n_predict=0). EXIT_DONE, or the exit code. */
int tool_evaluate(tool *t);

/* Frees everything, flushes stdout; `code` comes back, or EXIT_ERROR if stdout could not be
 * written. */
int tool_close(tool *t, int code);

/* Facts about a model or context that are known to be there. */
int64_t tool_model_int(const tool *t, const char *key);
const char *tool_model_string(const tool *t, const char *key);
int64_t tool_context_int(const tool *t, const char *key);

/* The bytes of a file, or of stdin if `path` is NULL or "-", with a NUL behind them; the caller
 * frees. NULL after an error, which was printed. */
char *tool_read(const tool *t, const char *path, size_t *n);

/* Reads ids separated by white space or commas; the caller frees. False after printing why. */
bool tool_parse_ids(const tool *t, const char *text, size_t n, int32_t **ids, size_t *n_ids);

/* Tokenises a text; the caller frees. False after printing why. */
bool tool_tokenize(const tool *t, const char *text, size_t n, int32_t flags, int32_t **ids,
                   size_t *n_ids);

/* Seconds of a clock that only goes forward. */
double tool_seconds(void);

/* ---- term.c: the terminal -------------------------------------------------------------------- */

/* A bar on stderr, if that is a terminal; the same line is used again and again. */
void term_progress(const char *what, double fraction);
void term_clear(void);
bool term_is_shown(void); /* stderr is a terminal */

/* Ends the output's last line if people read it: where stdout is a terminal. */
void term_end_line(void);

/* From here on the first Ctrl-C cancels the model's loading or the context's step; the next kills
 * as usual. Either may be NULL; both NULL ends it. */
void term_interrupts(skald_model *model, skald_context *ctx);
bool term_interrupted(void);
void term_forget(void); /* that there was a Ctrl-C: the program goes on */

#endif
