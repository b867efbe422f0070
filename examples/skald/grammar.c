/* SPDX-License-Identifier: MIT */
/* skald grammar: is a text what a schema, a grammar or a regular expression describes? */
#include "args.h"

#include <stdlib.h>

enum { EXIT_ACCEPTED = 0, EXIT_REJECTED = 1, EXIT_REFUSED = 2 };

static const args_option grammar_options[] = {
    ARGS_KEY_FILE(0, "json-schema", "json_schema", "the text is JSON of the schema in FILE"),
    ARGS_KEY_FILE(0, "grammar", "grammar", "the text is of the grammar in FILE (GBNF)"),
    ARGS_KEY_OF(0, "regex", "TEXT", "regex", "the text matches the regular expression"),
    ARGS_KEY_OF(0, "ignore", "KEYWORDS", "json_schema_ignore",
                "keywords that need not be enforced; *: all"),
    ARGS_END};

static int grammar_main(int argc, char **argv)
{
    tool t;
    int code = args_parse(&command_grammar, argc, argv, NULL, NULL, &t);
    if (code != ARGS_GO)
        return code;
    size_t n = 0;
    char *text = tool_read(&t, NULL, &n);
    if (!text)
        return tool_close(&t, EXIT_REFUSED);
    int32_t status = skald_options_check(t.options, text, (int64_t)n);
    free(text);
    if (status < 0)
        tool_fail(&t, "%s", skald_options_message(t.options));
    return tool_close(&t, status == SKALD_OK          ? EXIT_ACCEPTED
                          : status == SKALD_E_GRAMMAR ? EXIT_REJECTED
                                                      : EXIT_REFUSED);
}

const command command_grammar = {
    "grammar", "(--json-schema FILE | --grammar FILE | --regex TEXT) < TEXT",
    "Tells whether a text is what a grammar describes.\n"
    "The text is read from stdin, its last newline included. Exit code 0: it is, as a whole; 1: "
    "it\n"
    "is not; 2: the grammar is refused. The sentence that says why goes to stderr.\n",
    grammar_options, grammar_main};
