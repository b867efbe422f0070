/* SPDX-License-Identifier: MIT */
/*
 * A small getopt for tables: -x VALUE, -xVALUE, --name VALUE, --name=VALUE, and -- before what
 * only looks like an option. Values of the library's own options are not judged here: they go to
 * skald_options_add_string as text, which knows each key's type and range and words the error.
 */
#include "args.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const args_option common_options[] = {
    ARGS_KEY_OF('t', "threads", "N", "n_threads", "threads to use (default: one per processor)"),
    ARGS_KEY_OF(0, "cpu", "TIER", "cpu", "tier of kernels (default: the best of this machine)"),
    {0, "set", "KEY=VALUE", "set any option of the library; see skald options", ARGS_SET, 0, 0,
     NULL, NULL},
    {'h', "help", NULL, "print this", ARGS_HELP, 0, 0, NULL, NULL},
    ARGS_END};

int args_usage(const tool *t, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fprintf(stderr, "skald %s: ", t->command->name);
    vfprintf(stderr, format, list);
    fprintf(stderr, "\nTry: skald %s --help\n", t->command->name);
    va_end(list);
    return EXIT_USAGE;
}

static void print_option(const args_option *o)
{
    char left[64];
    snprintf(left, sizeof left, "%c%c%c --%s%s%s", o->letter ? '-' : ' ',
             o->letter ? o->letter : ' ', o->letter ? ',' : ' ', o->name, o->value ? " " : "",
             o->value ? o->value : "");
    printf("  %-26s %s\n", left, o->help);
}

void args_help(const command *cmd)
{
    printf("usage: skald %s %s\n\n%s\noptions:\n", cmd->name, cmd->synopsis, cmd->help);
    for (const args_option *o = cmd->options; o->name; o++)
        print_option(o);
    for (const args_option *o = common_options; o->name; o++)
        print_option(o);
}

static const args_option *find_in(const args_option *o, const char *name, size_t n, char letter)
{
    for (; o->name; o++)
        if (letter ? o->letter == letter : strlen(o->name) == n && memcmp(o->name, name, n) == 0)
            return o;
    return NULL;
}

/* The option that `word` names; `*value` is the part of the word that is its value, or NULL. */
static const args_option *find_option(const command *cmd, const char *word, const char **value)
{
    bool is_long = word[1] == '-';
    const char *name = word + (is_long ? 2 : 1);
    size_t n = is_long ? strcspn(name, "=") : 1;
    char letter = is_long ? 0 : *name;
    const args_option *found = find_in(cmd->options, name, n, letter);
    if (!found)
        found = find_in(common_options, name, n, letter);
    *value = is_long ? (name[n] == '=' ? name + n + 1 : NULL) : (name[1] ? name + 1 : NULL);
    return found;
}

static bool parse_number(const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    *value = number;
    return errno == 0 && end != text && *end == 0;
}

static int store_key(tool *t, const char *word, const char *key, const char *value)
{
    if (skald_options_add_string(t->options, key, value) >= 0)
        return ARGS_GO;
    return args_usage(t, "%s: %s", word, skald_options_message(t->options));
}

static int store_file(tool *t, const char *word, const char *key, const char *path)
{
    size_t n;
    char *text = tool_read(t, path, &n);
    int code = text ? store_key(t, word, key, text) : EXIT_USAGE;
    free(text);
    return code;
}

static int store_setting(tool *t, const char *word, const char *setting)
{
    const char *equals = strchr(setting, '=');
    char key[64];
    if (!equals || (size_t)(equals - setting) >= sizeof key)
        return args_usage(t, "%s wants KEY=VALUE, not '%s'", word, setting);
    memcpy(key, setting, (size_t)(equals - setting));
    key[equals - setting] = 0;
    return store_key(t, word, key, equals + 1);
}

static int store(tool *t, const args_option *o, const char *word, const char *value, void *values)
{
    char *at = (char *)values + o->offset;
    int64_t number;
    switch (o->kind) {
    case ARGS_FLAG:
        *(bool *)(void *)at = true;
        return ARGS_GO;
    case ARGS_INT:
        if (!parse_number(value, &number) || number < o->min)
            return args_usage(t, "%s wants a whole number from %lld up, not '%s'", word,
                              (long long)o->min, value);
        *(int64_t *)(void *)at = number;
        return ARGS_GO;
    case ARGS_TEXT:
        *(const char **)(void *)at = value;
        return ARGS_GO;
    case ARGS_KEY:
        return store_key(t, word, o->key, o->preset ? o->preset : value);
    case ARGS_FILE:
        return store_file(t, word, o->key, value);
    case ARGS_SET:
        return store_setting(t, word, value);
    case ARGS_WEAR:
        if (t->n_adapters == TOOL_ADAPTERS)
            return args_usage(t, "%s: there are %d adapters already", word, TOOL_ADAPTERS);
        t->adapters[t->n_adapters++] = value;
        return ARGS_GO;
    case ARGS_HELP:
        break;
    }
    args_help(t->command);
    return EXIT_DONE;
}

/* Reads the option at argv[*i], and its value if that is the next word. */
static int parse_option(tool *t, int argc, char **argv, int *i, void *values)
{
    const char *word = argv[*i], *value;
    const args_option *o = find_option(t->command, word, &value);
    if (!o)
        return args_usage(t, "there is no option %s", word);
    if (o->value && !value) {
        if (*i + 1 >= argc)
            return args_usage(t, "%s wants a value (%s)", word, o->value);
        value = argv[++*i];
    } else if (!o->value && value) {
        return args_usage(t, "%s takes no value", word);
    }
    return store(t, o, word, value, values);
}

static int parse_words(tool *t, int argc, char **argv, void *values)
{
    bool wants_model = strncmp(t->command->synopsis, "MODEL", 5) == 0, only_words = false;
    bool takes_two = t->command->synopsis[0] == '(';
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (!only_words && strcmp(word, "--") == 0) {
            only_words = true;
        } else if (!only_words && word[0] == '-' && word[1]) {
            int code = parse_option(t, argc, argv, &i, values);
            if (code != ARGS_GO)
                return code;
        } else if ((wants_model || takes_two) && !t->path) {
            t->path = word;
        } else if (takes_two && !t->word) {
            t->word = word;
        } else {
            return args_usage(t, "what is '%s' for?", word);
        }
    }
    if (wants_model && !t->path)
        return args_usage(t, "which model?");
    return ARGS_GO;
}

int args_parse(const command *cmd, int argc, char **argv, const char *presets, void *values,
               tool *t)
{
    memset(t, 0, sizeof *t);
    t->command = cmd;
    if (skald_options_new(&t->options) < 0)
        return tool_fail(t, "%s", skald_error_message());
    if (presets && skald_options_parse(t->options, presets) < 0) {
        int code = tool_fail(t, "%s", skald_options_message(t->options));
        return tool_close(t, code);
    }
    int code = parse_words(t, argc, argv, values);
    return code == ARGS_GO ? ARGS_GO : tool_close(t, code);
}
