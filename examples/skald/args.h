/* SPDX-License-Identifier: MIT */
/*
 * The command line: one table per subcommand gives the parser its names and --help its lines.
 */
#ifndef ARGS_H
#define ARGS_H

#include "tool.h"

#include <stddef.h>

typedef enum args_kind {
    ARGS_FLAG, /* sets the bool at `offset` */
    ARGS_INT,  /* stores an int64_t at `offset`, from `min` up */
    ARGS_TEXT, /* stores a const char * at `offset` */
    ARGS_KEY,  /* sets the library's option `key`, to `preset` if it takes no value */
    ARGS_FILE, /* sets the library's option `key` to what the file holds */
    ARGS_SET,  /* KEY=VALUE: sets any option of the library */
    ARGS_WEAR, /* FILE[=SCALE]: an adapter for the tool's context */
    ARGS_HELP
} args_kind;

typedef struct args_option {
    char letter;       /* of the short form, or 0 */
    const char *name;  /* of the long form */
    const char *value; /* what the help calls its value; NULL: it takes none */
    const char *help;
    args_kind kind;
    size_t offset;
    int64_t min;
    const char *key, *preset;
} args_option;

/* Shorthands for tables. */
#define ARGS_FLAG_AT(letter, name, type, field, help) \
    { \
        letter, name, NULL, help, ARGS_FLAG, offsetof(type, field), 0, NULL, NULL \
    }
#define ARGS_INT_AT(letter, name, value, type, field, min, help) \
    { \
        letter, name, value, help, ARGS_INT, offsetof(type, field), min, NULL, NULL \
    }
#define ARGS_TEXT_AT(letter, name, value, type, field, help) \
    { \
        letter, name, value, help, ARGS_TEXT, offsetof(type, field), 0, NULL, NULL \
    }
#define ARGS_KEY_OF(letter, name, value, key, help) \
    { \
        letter, name, value, help, ARGS_KEY, 0, 0, key, NULL \
    }
#define ARGS_KEY_FILE(letter, name, key, help) \
    { \
        letter, name, "FILE", help, ARGS_FILE, 0, 0, key, NULL \
    }
#define ARGS_KEY_PRESET(letter, name, key, preset, help) \
    { \
        letter, name, NULL, help, ARGS_KEY, 0, 0, key, preset \
    }
#define ARGS_ADAPTERS \
    {0,    "lora", "FILE[=SCALE]", "wear this LoRA adapter (may be repeated)", ARGS_WEAR, 0, 0, \
     NULL, NULL}, \
    { \
        0, "control-vector", "FILE[=SCALE]", "add this vector; see layer_first, layer_last", \
            ARGS_WEAR, 0, 0, NULL, NULL \
    }
#define ARGS_END \
    { \
        0, NULL, NULL, NULL, ARGS_FLAG, 0, 0, NULL, NULL \
    }

#define ARGS_GO (-1)

/* Makes t->options with the library's options of `presets` ("n_ctx=256 ...", or NULL), then reads
 * the command line into it, into t->path and into `values`. Returns ARGS_GO, or the exit code
 * when the subcommand is over: help was asked for, or the line is wrong and was complained about;
 * `t` holds nothing then. A command whose synopsis does not begin with MODEL takes none; one that
 * begins with '(' takes up to two words and looks at them itself. */
int args_parse(const command *cmd, int argc, char **argv, const char *presets, void *values,
               tool *t);

/* Complains on stderr about the way the subcommand was called; returns EXIT_USAGE. */
int args_usage(const tool *t, const char *format, ...)
#ifdef __GNUC__
    __attribute__((format(printf, 2, 3)))
#endif
    ;

void args_help(const command *cmd);

#endif
