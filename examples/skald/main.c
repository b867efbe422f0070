/* SPDX-License-Identifier: MIT */
/*
 * skald - the command-line tool. It is an example as well: everything here goes through the public
 * header, so what the tool can do, a program of yours can.
 *
 *     main.c        which subcommand
 *     args.c        its command line: a table of options each
 *     tool.c        loading, contexts, files, errors; term.c progress and Ctrl-C; json.c figures;
 *                   bench_side.c the work that is timed, limits.c the machine's limits
 *     run.c chat.c template.c tokenize.c logits.c inspect.c perplexity.c bench.c grammar.c
 *     options.c     the subcommands; line.c, talk.c what chat.c is made of
 *
 * Exit codes: 0 done, 1 it failed, 2 it was called wrongly, 130 interrupted by Ctrl-C.
 */
#include "args.h"

#include <string.h>

static const command *const commands[] = {
    &command_run,     &command_tokenize,   &command_detokenize, &command_logits,
    &command_inspect, &command_perplexity, &command_bench,      &command_grammar,
    &command_chat,    &command_template,   &command_embed,      &command_options,
};
#define N_COMMANDS (sizeof commands / sizeof *commands)

static void print_usage(FILE *out)
{
    fputs("usage: skald COMMAND ...\n\n", out);
    for (size_t i = 0; i < N_COMMANDS; i++) {
        fprintf(out, "  %-11s ", commands[i]->name);
        fwrite(commands[i]->help, 1, strcspn(commands[i]->help, "\n") + 1, out);
    }
    fputs("\nskald COMMAND --help tells more; skald --version prints the version.\n", out);
}

static int print_version(void)
{
    int32_t version = skald_version();
    printf("skald %d.%d.%d (ABI %d, numerics %d)\n", (int)(version >> 16),
           (int)(version >> 8 & 255), (int)(version & 255), (int)skald_abi_version(),
           (int)skald_numeric_version());
    return EXIT_DONE;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp(word, "--version") == 0)
        return print_version();
    bool is_help =
        strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
    if (is_help && argc > 2)
        word = argv[2];
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(word, commands[i]->name) != 0)
            continue;
        if (!is_help)
            return commands[i]->run(argc - 1, argv + 1);
        args_help(commands[i]);
        return EXIT_DONE;
    }
    if (is_help && argc == 2) {
        print_usage(stdout);
        return EXIT_DONE;
    }
    if (*word)
        fprintf(stderr, "skald: there is no command '%s'\n", word);
    print_usage(stderr);
    return EXIT_USAGE;
}
