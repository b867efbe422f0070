/* SPDX-License-Identifier: MIT */
/* skald options: the library's options, as it describes them itself. */
#include "args.h"
#include "json.h"

typedef struct options_values {
    bool json;
} options_values;

static const args_option options_options[] = {
    ARGS_FLAG_AT(0, "json", options_values, json, "print JSON"), ARGS_END};

static const char *type_name(int32_t type)
{
    static const char *const names[] = {"?", "int", "float", "string", "pointer"};
    return type >= 1 && type <= 4 ? names[type] : names[0];
}

static void print_options(void)
{
    const char *key, *def, *help;
    int32_t type;
    for (int32_t i = 0; skald_options_describe(i, &key, &type, &def, &help) >= 0; i++)
        printf("%-18s %-8s %-6s %s\n", key, type_name(type), *def ? def : "-", help);
}

static void print_options_json(void)
{
    json j;
    const char *key, *def, *help;
    int32_t type;
    json_begin(&j, stdout);
    json_open(&j, NULL, '[', true);
    for (int32_t i = 0; skald_options_describe(i, &key, &type, &def, &help) >= 0; i++) {
        json_open(&j, NULL, '{', false);
        json_string(&j, "key", key);
        json_string(&j, "type", type_name(type));
        json_string(&j, "default", def);
        json_string(&j, "help", help);
        json_close(&j);
    }
    json_close(&j);
}

static int options_main(int argc, char **argv)
{
    options_values v = {0};
    tool t;
    int code = args_parse(&command_options, argc, argv, NULL, &v, &t);
    if (code != ARGS_GO)
        return code;
    if (v.json)
        print_options_json();
    else
        print_options();
    return tool_close(&t, EXIT_DONE);
}

const command command_options = {
    "options", "[--json]",
    "Lists the options of the library.\n"
    "One a line: key, type, default, help. Every subcommand takes them as --set KEY=VALUE.\n",
    options_options, options_main};
