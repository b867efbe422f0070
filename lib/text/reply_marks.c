/* SPDX-License-Identifier: MIT */
/*
 * The table of marks. A format of the option "reply_format" is all rows with its name; a template
 * turns on the rows whose sign it mentions.
 */
#include "base/portable.h"

#include "base/options.h"
#include "text/reply_int.h"

#include <string.h>

#define MARK_BAR "\xEF\xBD\x9C"   /* U+FF5C */
#define MARK_BLANK "\xE2\x96\x81" /* U+2581 */
#define MARK_TOOL(what) "<" MARK_BAR "tool" MARK_BLANK what MARK_BAR ">"
#define MARK_DSML "<" MARK_BAR "DSML" MARK_BAR
#define MARK_DSML_END "</" MARK_BAR "DSML" MARK_BAR
#define MARK_ANY_CALL (SK_CALL_JSON | SK_CALL_FUNCTION | SK_CALL_ARG_KEY)

const sk_mark sk_marks[] = {
    /* reasoning */
    {"think", NULL, "<think>", "</think>", SK_MARK_THINK, 0, "\n</think>\n\n"},
    {"think", NULL, "[THINK]", "[/THINK]", SK_MARK_THINK, 0, "[/THINK]"},
    {"seed", NULL, "<seed:think>", "</seed:think>", SK_MARK_THINK, 0, "</seed:think>"},
    {"minimax", NULL, "<mm:think>", "</mm:think>", SK_MARK_THINK, 0, "</mm:think>"},
    {"hunyuan", "<\xEF\xBD\x9Chy_Assistant", "<think:opensource>", "</think:opensource>",
     SK_MARK_THINK, 0, "</think:opensource>"},
    {"cohere", NULL, "<|START_THINKING|>", "<|END_THINKING|>", SK_MARK_THINK, 0,
     "<|END_THINKING|>"},
    {"apertus", NULL, "<|inner_prefix|>", "<|inner_suffix|>", SK_MARK_THINK, 0, "<|inner_suffix|>"},
    {"gemma", "<|channel>", "<|channel>thought", "<channel|>", SK_MARK_THINK, 0, "<channel|>"},
    {"apriel", "[BEGIN FINAL RESPONSE]", "Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]",
     SK_MARK_THINK, 0, "\n[BEGIN FINAL RESPONSE]\n"},
    {"granite", "<response>", "Here is my thought process:", "Here is my response:", SK_MARK_THINK,
     0, "\nHere is my response:\n"},
    {"solar", NULL, "<|think|>", "<|end|>", SK_MARK_THINK, 0,
     "<|end|><|begin|>assistant<|content|>"},
    /* calls */
    {"hermes", NULL, "<tool_call>", "</tool_call>", SK_MARK_CALL, MARK_ANY_CALL, NULL},
    {"hermes", NULL, "<TOOLCALL>", "</TOOLCALL>", SK_MARK_CALL, SK_CALL_JSON, NULL},
    {"hermes", NULL, "<tool_calls>", "</tool_calls>", SK_MARK_CALL, SK_CALL_JSON, NULL},
    {"seed", NULL, "<seed:tool_call>", "</seed:tool_call>", SK_MARK_CALL, SK_CALL_FUNCTION, NULL},
    {"function", NULL, "<function=", "</function>", SK_MARK_CALL, SK_CALL_FUNCTION, NULL},
    {"function", NULL, "<function name=", "</function>", SK_MARK_CALL, SK_CALL_FUNCTION, NULL},
    {"minimax", NULL, "<minimax:tool_call>", "</minimax:tool_call>", SK_MARK_CALL, SK_CALL_INVOKE,
     NULL},
    {"minimax", "<mm:think>", "]<]minimax[>[<tool_call>", "]<]minimax[>[</tool_call>", SK_MARK_CALL,
     SK_CALL_INVOKE, NULL},
    {"deepseek", NULL, MARK_TOOL("calls" MARK_BLANK "begin"), NULL, SK_MARK_DROP, 0, NULL},
    {"deepseek", NULL, MARK_TOOL("calls" MARK_BLANK "end"), NULL, SK_MARK_DROP, 0, NULL},
    {"deepseek", NULL, MARK_TOOL("call" MARK_BLANK "begin"), MARK_TOOL("call" MARK_BLANK "end"),
     SK_MARK_CALL, SK_CALL_SEPARATED, NULL},
    {"deepseek", MARK_BAR "DSML" MARK_BAR, MARK_DSML "function_calls>",
     MARK_DSML_END "function_calls>", SK_MARK_CALL, SK_CALL_INVOKE, NULL},
    {"deepseek", MARK_BAR "DSML" MARK_BAR, MARK_DSML "tool_calls>", MARK_DSML_END "tool_calls>",
     SK_MARK_CALL, SK_CALL_INVOKE, NULL},
    {"kimi", NULL, "<|tool_calls_section_begin|>", NULL, SK_MARK_DROP, 0, NULL},
    {"kimi", NULL, "<|tool_calls_section_end|>", NULL, SK_MARK_DROP, 0, NULL},
    {"kimi", NULL, "<|tool_call_begin|>", "<|tool_call_end|>", SK_MARK_CALL, SK_CALL_SEPARATED,
     NULL},
    {"hunyuan", "<\xEF\xBD\x9Chy_Assistant", "<tool_calls:opensource>", NULL, SK_MARK_DROP, 0,
     NULL},
    {"hunyuan", "<\xEF\xBD\x9Chy_Assistant", "</tool_calls:opensource>", NULL, SK_MARK_DROP, 0,
     NULL},
    {"hunyuan", "<\xEF\xBD\x9Chy_Assistant", "<tool_call:opensource>", "</tool_call:opensource>",
     SK_MARK_CALL, SK_CALL_ARG_KEY, NULL},
    {"mistral", NULL, "[TOOL_CALLS]", NULL, SK_MARK_CALL, SK_CALL_JSON | SK_CALL_SEPARATED, NULL},
    {"solar", NULL, "<|tool_calls|>", NULL, SK_MARK_DROP, 0, NULL},
    {"solar", NULL, "<|tool_call:begin|>", "<|tool_call:end|>", SK_MARK_CALL, SK_CALL_SEPARATED,
     NULL},
    {"solar", NULL, "<|content|>", NULL, SK_MARK_DROP, 0, NULL},
    {"solar", NULL, "<|begin|>assistant", NULL, SK_MARK_DROP, 0, NULL},
    {"cohere", NULL, "<|START_ACTION|>", "<|END_ACTION|>", SK_MARK_CALL, SK_CALL_JSON, NULL},
    {"cohere", NULL, "<|START_RESPONSE|>", NULL, SK_MARK_DROP, 0, NULL},
    {"cohere", NULL, "<|END_RESPONSE|>", NULL, SK_MARK_DROP, 0, NULL},
    {"cohere", NULL, "<|START_TEXT|>", NULL, SK_MARK_DROP, 0, NULL},
    {"cohere", NULL, "<|END_TEXT|>", NULL, SK_MARK_DROP, 0, NULL},
    {"apertus", NULL, "<|tools_prefix|>", "<|tools_suffix|>", SK_MARK_CALL, SK_CALL_KEYED, NULL},
    {"granite", NULL, "<|tool_call|>", NULL, SK_MARK_CALL, SK_CALL_JSON, NULL},
    {"gigachat", NULL, "<|function_call|>", NULL, SK_MARK_CALL, SK_CALL_JSON, NULL},
    {"gigachat", "function call", "function call<|role_sep|>", "<|message_sep|>", SK_MARK_CALL,
     SK_CALL_JSON, NULL},
    {"gigachat", "function call", "<|message_sep|>", NULL, SK_MARK_DROP, 0, NULL},
    {"functionary", ">>>${recipient}", ">>>all\n", NULL, SK_MARK_DROP, 0, NULL},
    {"functionary", ">>>${recipient}", ">>>", NULL, SK_MARK_CALL, SK_CALL_RECIPIENT, NULL},
    {"firefunction", NULL, "functools", NULL, SK_MARK_CALL, SK_CALL_JSON, NULL},
    {"gemma", NULL, "<|tool_call>", "<tool_call|>", SK_MARK_CALL, SK_CALL_BRACES, NULL},
    {"lfm", NULL, "<|tool_call_start|>", "<|tool_call_end|>", SK_MARK_CALL,
     SK_CALL_PYTHON | SK_CALL_JSON, NULL},
    {"llama", "<|python_tag|>", "<|python_tag|>", NULL, SK_MARK_CALL, SK_CALL_JSON, NULL},
    {"llama", "\"parameters\": dictionary of argument name", "{", NULL, SK_MARK_BARE, SK_CALL_JSON,
     NULL},
    {"pythonic", "[func_name1(params_name1", "[", NULL, SK_MARK_BARE, SK_CALL_PYTHON, NULL},
    /* harmony */
    {"harmony", "<|channel|>", "<|start|>", NULL, SK_MARK_HEAD, SK_CALL_JSON, NULL},
    {"harmony", NULL, "<|channel|>", NULL, SK_MARK_HEAD, SK_CALL_JSON, NULL},
    {"harmony", "<|channel|>", "<|end|>", NULL, SK_MARK_DROP, 0, NULL},
    {"harmony", "<|channel|>", "<|call|>", NULL, SK_MARK_DROP, 0, NULL},
    {"harmony", "<|channel|>", "<|return|>", NULL, SK_MARK_DROP, 0, NULL},
};

const uint32_t sk_n_marks = sizeof sk_marks / sizeof *sk_marks;

bool sk_reply_mark(uint32_t i, const char **format, const char **open)
{
    if (i >= sk_n_marks)
        return false;
    *format = sk_marks[i].format;
    *open = sk_marks[i].open;
    return true;
}

static bool mark_in(const char *text, uint64_t n, const char *sign)
{
    size_t n_sign = strlen(sign);
    const char *end = text + n, *at = text;
    while ((uint64_t)(end - at) >= n_sign &&
           (at = memchr(at, sign[0], (size_t)(end - at) - n_sign + 1)) != NULL) {
        if (memcmp(at, sign, n_sign) == 0)
            return true;
        at++;
    }
    return false;
}

uint64_t sk_reply_marks_in(const char *text, uint64_t n)
{
    uint64_t marks = 0;
    for (uint32_t i = 0; i < sk_n_marks; i++)
        if (mark_in(text, n, sk_marks[i].sign ? sk_marks[i].sign : sk_marks[i].open))
            marks |= UINT64_C(1) << i;
    return marks;
}

static int32_t mark_fail(const char *name, size_t n, sk_error *error)
{
    const char *names[64 + 2] = {"text", "all"};
    char word[64];
    size_t n_names = 2;
    for (uint32_t i = 0; i < sk_n_marks; i++)
        names[n_names++] = sk_marks[i].format;
    sk_format(word, sizeof word, "%.*s", (int)n, name);
    const char *near = sk_nearest_word(word, names, n_names);
    return sk_fail(error, SKALD_E_OPTION, "reply_format \"%s\" is unknown; the nearest is \"%s\"",
                   word, near ? near : "text");
}

int32_t sk_reply_marks_named(const char *names, uint64_t *marks, sk_error *error)
{
    *marks = 0;
    for (const char *at = names; *at; at += *at == ',') {
        size_t n = strcspn(at, ",");
        bool found = (n == 4 && memcmp(at, "text", 4) == 0);
        for (uint32_t i = 0; i < sk_n_marks; i++) {
            const char *format = sk_marks[i].format;
            bool all = n == 3 && memcmp(at, "all", 3) == 0 && sk_marks[i].kind != SK_MARK_BARE;
            if (all || (strlen(format) == n && memcmp(at, format, n) == 0)) {
                *marks |= UINT64_C(1) << i;
                found = true;
            }
        }
        if (!found)
            return mark_fail(at, n < 60 ? n : 60, error);
        at += n;
    }
    return SKALD_OK;
}

#undef MARK_BAR
#undef MARK_BLANK
#undef MARK_TOOL
#undef MARK_DSML
#undef MARK_DSML_END
#undef MARK_ANY_CALL
