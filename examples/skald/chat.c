/* SPDX-License-Identifier: MIT */
/*
 * skald chat: a conversation at the terminal. Every turn gives the library the whole conversation
 * anew, which costs only what is new in it. Answers go to stdout, everything else to stderr; where
 * stdout is no terminal, or NO_COLOR is set, nothing is coloured.
 */
#define _POSIX_C_SOURCE 200809L
#include "args.h"
#include "line.h"
#include "talk.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLICE_US 50000 /* between two looks at the progress of a prompt */

typedef struct chat_values {
    const char *system, *load;
} chat_values;

typedef struct chat {
    tool t;
    line_reader *reader;
    dialogue d;
    bool colours, quiet; /* quiet: stdin is no terminal, and gets no prompts */
    bool over;
    int32_t shown;  /* the kind of event that was printed last, 0: none */
    FILE *parts[3]; /* of the answer: text, reasoning, calls */
    char *bytes[3];
    size_t sizes[3];
    int64_t n_prompt, prompt_us, n_generated, decode_us; /* before this answer */
} chat;

static const args_option chat_options[] = {
    ARGS_TEXT_AT('S', "system", "TEXT", chat_values, system, "the system message"),
    ARGS_TEXT_AT('l', "load", "FILE", chat_values, load, "go on with a saved conversation"),
    ARGS_KEY_OF(0, "template", "NAME", "chat_template", "a built-in chat template"),
    ARGS_KEY_OF(0, "reasoning", "N", "reasoning_budget", "tokens of reasoning at most"),
    ARGS_KEY_OF('n', "predict", "N", "n_predict",
                "tokens of an answer at most (default: no limit)"),
    ARGS_KEY_OF('c', "ctx", "N", "n_ctx", "tokens that the context holds"),
    ARGS_KEY_OF(0, "temp", "X", "temperature", "temperature; 0: always the likeliest token"),
    ARGS_KEY_OF(0, "top-k", "K", "top_k", "keep the K likeliest tokens; 0: all"),
    ARGS_KEY_OF(0, "top-p", "P", "top_p", "keep the likeliest tokens that add up to P"),
    ARGS_KEY_OF(0, "min-p", "P", "min_p", "keep tokens P times as likely as the likeliest"),
    ARGS_ADAPTERS,
    ARGS_KEY_OF('s', "seed", "N", "seed", "the same seed gives the same text"),
    ARGS_END};

/* ---- answers ------------------------------------------------------------------------------ */

static void colour(const chat *c, const char *code)
{
    if (c->colours)
        printf("\033[%sm", code);
}

/* What is shown between two kinds of events. */
static void change_kind(chat *c, int32_t kind)
{
    if (c->shown == kind)
        return;
    if (c->shown == SKALD_EVENT_REASONING) {
        colour(c, "0");
        fputs(c->colours ? "\n\n" : "\n(thought)\n\n", stdout);
    } else if (c->shown) {
        putchar('\n');
    }
    if (kind == SKALD_EVENT_REASONING) {
        colour(c, "2");
        fputs(c->colours ? "" : "(thinking)\n", stdout);
    }
    c->shown = kind;
}

static void show_event(chat *c, int32_t kind, const char *text, size_t n)
{
    if (kind == SKALD_EVENT_TOOL_CALL)
        c->shown = c->shown == kind ? SKALD_EVENT_TEXT : c->shown; /* a line each */
    change_kind(c, kind);
    if (kind == SKALD_EVENT_TOOL_CALL)
        fputs("(calls) ", stdout);
    fwrite(text, 1, n, stdout);
    fflush(stdout);
    if (kind != SKALD_EVENT_TOOL_CALL) {
        fwrite(text, 1, n, c->parts[kind - 1]);
        return;
    }
    /* {"id", "name", "arguments"} is what a message has as a function. */
    fprintf(c->parts[2], "%s{\"type\": \"function\", \"function\": %.*s}",
            ftell(c->parts[2]) > 0 ? ", " : "", (int)n, text);
}

static void show_progress(const chat *c)
{
    double all = (double)tool_context_int(&c->t, "n_tokens");
    if (!c->shown && all > 0)
        term_progress("reading", (double)tool_context_int(&c->t, "n_evaluated") / all);
}

static int32_t generate_answer(chat *c)
{
    for (;;) {
        const char *text;
        size_t n;
        int32_t kind, status = skald_step(c->t.ctx, SLICE_US);
        if (status == SKALD_PENDING) {
            show_progress(c);
            continue;
        }
        term_clear();
        while (status >= 0 && (kind = skald_event(c->t.ctx, &text, &n)) > 0)
            show_event(c, kind, text, n);
        if (status <= 0)
            return status;
    }
}

static double rate(int64_t n, int64_t us)
{
    return us > 0 ? 1e6 * (double)n / (double)us : 0;
}

static void count_answer(chat *c)
{
    c->n_prompt = tool_context_int(&c->t, "n_prompt");
    c->prompt_us = tool_context_int(&c->t, "prompt_us");
    c->n_generated = tool_context_int(&c->t, "n_generated");
    c->decode_us = tool_context_int(&c->t, "decode_us");
}

static void print_answer_stats(const chat *c)
{
    int64_t n_prompt = tool_context_int(&c->t, "n_prompt") - c->n_prompt;
    int64_t n = tool_context_int(&c->t, "n_generated") - c->n_generated;
    const char *reason = "";
    skald_context_get_string(c->t.ctx, "stop_reason", &reason);
    bool odd = strcmp(reason, "end") != 0 && strcmp(reason, "none") != 0;
    fprintf(stderr, "%s[%lld tokens, %.1f/s; read %lld, %.1f/s, %lld known; %lld of %lld%s%s]%s\n",
            c->colours ? "\033[2m" : "", (long long)n,
            rate(n, tool_context_int(&c->t, "decode_us") - c->decode_us), (long long)n_prompt,
            rate(n_prompt, tool_context_int(&c->t, "prompt_us") - c->prompt_us),
            (long long)tool_context_int(&c->t, "n_reused"),
            (long long)tool_context_int(&c->t, "n_tokens"),
            (long long)tool_context_int(&c->t, "n_ctx"), odd ? "; stopped: " : "",
            odd ? reason : "", c->colours ? "\033[0m" : "");
}

static bool open_parts(chat *c)
{
    for (int i = 0; i < 3; i++) {
        c->bytes[i] = NULL;
        c->parts[i] = open_memstream(&c->bytes[i], &c->sizes[i]);
        if (!c->parts[i])
            return false;
    }
    return true;
}

/* What was said becomes a message. */
static bool close_parts(chat *c, bool keep)
{
    bool good = true;
    for (int i = 0; i < 3; i++)
        good = c->parts[i] && fclose(c->parts[i]) == 0 && good;
    if (good && keep)
        good = dialogue_add(&c->d, "assistant", c->bytes[0], c->sizes[0], c->bytes[1], c->bytes[2]);
    for (int i = 0; i < 3; i++)
        free(c->bytes[i]);
    return good;
}

/* Lets the model answer what stands at the end of the conversation. False: there is no answer. */
static bool answer(chat *c)
{
    char *json = dialogue_json(&c->d, false);
    if (!json) {
        tool_fail(&c->t, "out of memory");
        return false;
    }
    int32_t status = skald_set_chat(c->t.ctx, json, -1);
    free(json);
    if (status < 0 || !open_parts(c)) {
        tool_fail(&c->t, "%s", status < 0 ? skald_context_message(c->t.ctx) : "out of memory");
        return false;
    }
    count_answer(c);
    c->shown = 0;
    term_interrupts(NULL, c->t.ctx);
    status = generate_answer(c);
    term_clear();
    change_kind(c, 0);
    fflush(stdout);
    bool stopped = status == SKALD_E_CANCELLED && term_interrupted();
    term_interrupts(NULL, NULL);
    term_forget();
    if (stopped)
        fputs(c->quiet ? "" : "(stopped)\n", stderr);
    else if (status < 0)
        tool_fail(&c->t, "%s", skald_context_message(c->t.ctx));
    if (term_is_shown())
        print_answer_stats(c);
    return close_parts(c, status == SKALD_DONE || stopped) && (status == SKALD_DONE || stopped);
}

/* ---- commands ----------------------------------------------------------------------------- */

static void say(const char *text)
{
    fprintf(stderr, "%s\n", text);
}

static void do_exit(chat *c, const char *rest)
{
    (void)rest;
    c->over = true;
}

static void do_clear(chat *c, const char *rest)
{
    (void)rest;
    dialogue_cut(&c->d, c->d.n > 0 && strcmp(c->d.messages[0].role, "system") == 0);
    say("The conversation is empty.");
}

static void do_undo(chat *c, const char *rest)
{
    (void)rest;
    size_t at = dialogue_last(&c->d, "user");
    if (at == SIZE_MAX) {
        say("There is nothing to undo.");
        return;
    }
    dialogue_cut(&c->d, at);
    say("The last question and its answer are forgotten.");
}

/* The seed moves on, so that the answer is another one. */
static void do_regen(chat *c, const char *rest)
{
    int64_t seed = tool_context_int(&c->t, "seed");
    size_t at = dialogue_last(&c->d, "user");
    (void)rest;
    if (at == SIZE_MAX) {
        say("There is nothing to answer.");
        return;
    }
    dialogue_cut(&c->d, at + 1);
    skald_context_set_int(c->t.ctx, "seed", seed + 1);
    answer(c);
}

static void do_system(chat *c, const char *rest)
{
    if (!dialogue_set_system(&c->d, rest))
        say("Out of memory.");
    else
        say(*rest ? "The system message is set." : "There is no system message.");
}

static void do_save(chat *c, const char *rest)
{
    char *json = dialogue_json(&c->d, true);
    FILE *file = *rest && json ? fopen(rest, "wb") : NULL;
    bool good = file && fprintf(file, "%s\n", json) > 0;
    good = file && fclose(file) == 0 && good;
    if (good)
        fprintf(stderr, "%d messages are in %s.\n", (int)c->d.n, rest);
    else
        say(*rest ? "The file could not be written." : "/save FILE");
    free(json);
}

static void do_load(chat *c, const char *rest)
{
    size_t n;
    char *json = *rest ? tool_read(&c->t, rest, &n) : NULL;
    if (!*rest)
        say("/load FILE");
    else if (json && dialogue_load(&c->d, json))
        fprintf(stderr, "%d messages.\n", (int)c->d.n);
    else if (json)
        say("That is no list of messages.");
    free(json);
}

/* An option of the library, or else a variable of the template. */
static void do_set(chat *c, const char *rest)
{
    char key[64];
    const char *equals = strchr(rest, '=');
    if (!equals || equals == rest || (size_t)(equals - rest) >= sizeof key) {
        say("/set KEY=VALUE: an option (skald options), or a variable of the chat template");
        return;
    }
    snprintf(key, sizeof key, "%.*s", (int)(equals - rest), rest);
    const char *known;
    int64_t number;
    double real;
    bool option = skald_context_get_string(c->t.ctx, key, &known) == SKALD_OK ||
                  skald_context_get_int(c->t.ctx, key, &number) == SKALD_OK ||
                  skald_context_get_float(c->t.ctx, key, &real) == SKALD_OK;
    if (!option) {
        if (dialogue_set_var(&c->d, key, equals + 1))
            fprintf(stderr, "The template's variable %s is %s.\n", key, equals + 1);
    } else if (skald_context_set_string(c->t.ctx, key, equals + 1) < 0) {
        say(skald_context_message(c->t.ctx));
    } else {
        fprintf(stderr, "%s is %s.\n", key, equals + 1);
    }
}

static void do_stats(chat *c, const char *rest)
{
    (void)rest;
    chat all = *c;
    all.n_prompt = all.prompt_us = all.n_generated = all.decode_us = 0;
    print_answer_stats(&all);
    fprintf(stderr, "template %s; cache %lld KiB; memory %lld KiB; %lld threads; kernels %s\n",
            tool_model_string(&c->t, "chat_template_name"),
            (long long)tool_context_int(&c->t, "cache_size") / 1024,
            (long long)tool_context_int(&c->t, "memory_live") / 1024,
            (long long)tool_context_int(&c->t, "n_threads"), tool_model_string(&c->t, "cpu"));
}

static void do_help(chat *c, const char *rest);

static const struct {
    const char *name, *help;
    void (*run)(chat *c, const char *rest);
} chat_commands[] = {
    {"help", "this list", do_help},
    {"exit", "leave (also Ctrl-D)", do_exit},
    {"clear", "forget the conversation, but for the system message", do_clear},
    {"undo", "forget the last question and its answer", do_undo},
    {"regen", "another answer to the last question", do_regen},
    {"system", "TEXT: set the system message; without a text: none", do_system},
    {"save", "FILE: write the messages as JSON", do_save},
    {"load", "FILE: go on with saved messages", do_load},
    {"set", "KEY=VALUE: an option, or a variable of the template (enable_thinking=false)", do_set},
    {"stats", "figures", do_stats},
};
#define N_CHAT_COMMANDS (sizeof chat_commands / sizeof *chat_commands)

static void do_help(chat *c, const char *rest)
{
    (void)c;
    (void)rest;
    for (size_t i = 0; i < N_CHAT_COMMANDS; i++)
        fprintf(stderr, "  /%-8s%s\n", chat_commands[i].name, chat_commands[i].help);
    say("A line that ends in a backslash goes on in the next; pasted text keeps its lines.\n"
        "Ctrl-C stops an answer.");
}

static void run_chat_command(chat *c, const char *text)
{
    size_t n = strcspn(text, " \t\n");
    for (size_t i = 0; i < N_CHAT_COMMANDS; i++)
        if (strlen(chat_commands[i].name) == n && memcmp(chat_commands[i].name, text, n) == 0) {
            chat_commands[i].run(c, text + n + strspn(text + n, " \t\n"));
            return;
        }
    fprintf(stderr, "There is no command /%.*s; /help lists them.\n", (int)n, text);
}

/* ---- the conversation --------------------------------------------------------------------- */

static bool ask(chat *c, const char *text, size_t n)
{
    size_t before = c->d.n;
    bool good = dialogue_add(&c->d, "user", text, n, "", "") && answer(c);
    if (!good)
        dialogue_cut(&c->d, before);
    return good;
}

static int converse(chat *c)
{
    int code = EXIT_DONE;
    bool twice = false;
    while (!c->over) {
        const char *text;
        size_t n;
        int how = line_read(c->reader, "> ", &text, &n);
        if (how == LINE_INTERRUPTED && !twice)
            say("(Ctrl-C again, Ctrl-D or /exit leaves)");
        if (how == LINE_FAILED)
            return tool_fail(&c->t, "out of memory");
        if (how == LINE_END || (how == LINE_INTERRUPTED && twice))
            return code;
        twice = how == LINE_INTERRUPTED;
        if (how != LINE_READ || n == 0)
            continue;
        if (*text == '/')
            run_chat_command(c, text + 1);
        else if (!ask(c, text, n))
            code = c->quiet ? EXIT_ERROR : EXIT_DONE;
    }
    return code;
}

static int chat_with(chat *c, const chat_values *v)
{
    const char *no_colour = getenv("NO_COLOR");
    c->colours = isatty(STDOUT_FILENO) && !(no_colour && *no_colour);
    c->quiet = !isatty(STDIN_FILENO);
    c->reader = line_open();
    if (!c->reader)
        return tool_fail(&c->t, "out of memory");
    if (v->load)
        do_load(c, v->load);
    if (v->system && !dialogue_set_system(&c->d, v->system))
        return tool_fail(&c->t, "out of memory");
    if (!c->quiet)
        fprintf(stderr, "%s, template %s. /help tells what can be done.\n",
                tool_model_string(&c->t, "name"), tool_model_string(&c->t, "chat_template_name"));
    return converse(c);
}

static int chat_main(int argc, char **argv)
{
    chat_values v = {0};
    chat c;
    memset(&c, 0, sizeof c);
    int code = args_parse(&command_chat, argc, argv, NULL, &v, &c.t);
    if (code != ARGS_GO)
        return code;
    code = tool_load(&c.t);
    if (code == EXIT_DONE)
        code = tool_context(&c.t);
    term_interrupts(NULL, NULL);
    if (code == EXIT_DONE)
        code = chat_with(&c, &v);
    dialogue_free(&c.d);
    line_close(c.reader);
    return tool_close(&c.t, code);
}

const command command_chat = {
    "chat", "MODEL [options]",
    "Talks with a model.\n"
    "What is typed, or each line of stdin, is a question; lines that begin with / are commands,\n"
    "which /help lists. Ctrl-C stops an answer. Reasoning is shown dimmed; nothing is coloured\n"
    "when stdout is no terminal or NO_COLOR is set.\n",
    chat_options, chat_main};
