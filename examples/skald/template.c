/* SPDX-License-Identifier: MIT */
/* skald template: the prompt that a chat template makes of a conversation, as text. */
#include "args.h"

#include <stdlib.h>

typedef struct template_values {
    const char *file;
} template_values;

static const args_option template_options[] = {
    ARGS_TEXT_AT(0, "file", "FILE", template_values, file, "a template, instead of a model's own"),
    ARGS_KEY_OF(0, "name", "NAME", "chat_template", "a built-in template: chatml, llama3, ..."),
    ARGS_KEY_OF(0, "now", "SECONDS", "chat_now", "the time, in seconds since 1970"), ARGS_END};

/* The template's text from a file, as the option that it is. */
static int read_template(tool *t, const char *path)
{
    size_t n;
    char *text = tool_read(t, path, &n);
    if (!text)
        return EXIT_ERROR;
    int32_t status = skald_options_set_string(t->options, "chat_template", text);
    free(text);
    return status < 0 ? tool_fail(t, "%s", skald_options_message(t->options)) : EXIT_DONE;
}

static int render(tool *t, const char *json, size_t n)
{
    size_t size = 0;
    char *text = NULL;
    int32_t status = skald_chat_text(t->model, t->options, json, (int64_t)n, NULL, 0, &size);
    if (status == SKALD_E_BUFFER && (text = malloc(size)) == NULL)
        return tool_fail(t, "out of memory");
    if (text)
        status = skald_chat_text(t->model, t->options, json, (int64_t)n, text, size, &size);
    if (status == SKALD_OK && text)
        fwrite(text, 1, size, stdout);
    free(text);
    return status < 0 ? tool_fail(t, "%s", skald_error_message()) : EXIT_DONE;
}

static int template_main(int argc, char **argv)
{
    template_values v = {0};
    const char *name;
    tool t;
    int code = args_parse(&command_template, argc, argv, NULL, &v, &t);
    if (code != ARGS_GO)
        return code;
    skald_options_get_string(t.options, "chat_template", &name);
    /* Without a second word, the only one is the conversation. */
    const char *path = t.word ? t.word : t.path;
    if (!t.word && !v.file && !*name)
        return tool_close(&t, args_usage(&t, "which model, and which conversation?"));
    if (!path || (t.word && v.file))
        return tool_close(&t, args_usage(&t, path ? "a model or a file?" : "which conversation?"));
    code = v.file ? read_template(&t, v.file) : EXIT_DONE;
    if (code == EXIT_DONE && t.word)
        code = tool_load(&t);
    size_t n;
    char *json = code == EXIT_DONE ? tool_read(&t, path, &n) : NULL;
    if (json)
        code = render(&t, json, n);
    else if (code == EXIT_DONE)
        code = EXIT_ERROR;
    free(json);
    return tool_close(&t, code);
}

const command command_template = {
    "template", "(MODEL | --file T.jinja) CASE.json [--now SECONDS]",
    "Renders a conversation with a chat template.\n"
    "CASE is JSON: a list of messages, or an object with \"messages\", \"tools\" and \"vars\"; '-' "
    "is\n"
    "stdin. The prompt goes to stdout, byte for byte. A template's own error is exit code 1.\n",
    template_options, template_main};
