/* SPDX-License-Identifier: MIT */
/*
 * Replies to events. Every case is fed whole, byte by byte and cut at every place, which must make
 * no difference; what real templates write for a call must come back as that call; random streams
 * lose nothing.
 */
#include "test.h"
#include "format/json.h"
#include "text/chat.h"
#include "text/reply_int.h"

static sk_heap heap;
static sk_error error;
static sk_arena arena;

/* ---- events as one text: T(...) R(...) C(...), neighbours of one kind joined ---------------- */

typedef struct events {
    sk_buffer text;
    int32_t last;
    int n_calls;
} events;

static void take_events(sk_reply *reply, events *e)
{
    static const char letters[] = "?TRC";
    const char *text;
    uint64_t n;
    int32_t kind;
    while ((kind = sk_reply_next(reply, &text, &n)) != 0) {
        char head[4] = {')', ' ', letters[kind], '('};
        CHECK(n > 0 && text[n] == 0);
        e->n_calls += kind == SKALD_EVENT_TOOL_CALL;
        if (kind != e->last || kind == SKALD_EVENT_TOOL_CALL)
            sk_buffer_add(&e->text, e->last ? head : head + 2, e->last ? 4 : 2, &error);
        sk_buffer_add(&e->text, text, n, &error);
        e->last = kind;
    }
}

static void feed(sk_reply *reply, const char *text, size_t n, events *e)
{
    CHECK_INT(sk_reply_reserve(reply, n, &error), SKALD_OK);
    sk_reply_feed(reply, text, n);
    take_events(reply, e);
}

/* Feeds in pieces that end at each of `cuts`; the result is the caller's to free. */
static char *read_reply(uint64_t marks, const char *prompt, const char *text, size_t n,
                        const size_t *cuts, size_t n_cuts, int *n_calls)
{
    sk_reply *reply;
    events e = {.last = 0};
    size_t at = 0;
    sk_buffer_init(&e.text, &heap, 0);
    CHECK_INT(sk_reply_new(&reply, &heap, &error), SKALD_OK);
    sk_reply_begin(reply, marks, prompt, strlen(prompt));
    for (size_t i = 0; i < n_cuts; i++) {
        feed(reply, text + at, cuts[i] - at, &e);
        at = cuts[i];
    }
    feed(reply, text + at, n - at, &e);
    sk_reply_finish(reply);
    take_events(reply, &e);
    sk_buffer_add(&e.text, e.last ? ")" : "", e.last ? 2 : 1, &error);
    char *out = strdup(e.text.data ? e.text.data : "");
    if (n_calls)
        *n_calls = e.n_calls;
    sk_buffer_free(&e.text);
    sk_reply_free(reply);
    return out;
}

static void check_cuts(uint64_t marks, const char *prompt, const char *text, size_t n,
                       const char *want)
{
    size_t *all = calloc(n + 1, sizeof *all);
    for (size_t i = 0; i < n; i++)
        all[i] = i;
    char *found = read_reply(marks, prompt, text, n, all, n, NULL);
    CHECKF(strcmp(found, want) == 0, "byte by byte: %s\nis     %s\nwanted %s", text, found, want);
    free(found);
    for (size_t i = 0; i < n && n < 600 && !test_failures; i++) {
        found = read_reply(marks, prompt, text, n, &i, 1, NULL);
        CHECKF(strcmp(found, want) == 0, "cut at %d: %s\nis     %s\nwanted %s", (int)i, text, found,
               want);
        free(found);
    }
    free(all);
}

static void check_reply(const char *formats, const char *prompt, const char *text, const char *want)
{
    uint64_t marks;
    CHECK_INT(sk_reply_marks_named(formats, &marks, &error), SKALD_OK);
    char *found = read_reply(marks, prompt, text, strlen(text), NULL, 0, NULL);
    CHECKF(strcmp(found, want) == 0, "%s\nis     %s\nwanted %s", text, found, want);
    free(found);
    check_cuts(marks, prompt, text, strlen(text), want);
}

/* ---- cases -------------------------------------------------------------------------------- */

#define ONE(args) "C({\"id\": \"call00000\", \"name\": \"f\", \"arguments\": " args "})"
#define SEP "<\xEF\xBD\x9Ctool\xE2\x96\x81sep\xEF\xBD\x9C>"
#define DS(x) "<\xEF\xBD\x9Ctool\xE2\x96\x81" x "\xEF\xBD\x9C>"
#define DSML(x) \
    "<\xEF\xBD\x9C" \
    "DSML\xEF\xBD\x9C" x

static const struct {
    const char *formats, *prompt, *text, *want;
} cases[] = {
    /* text and reasoning */
    {"text", "", " <think>a</think> b ", "T( <think>a</think> b )"},
    {"think", "", "<think>\nhm\n</think>\n\nYes. ", "R(hm) T(Yes. )"},
    {"think", "", "No <thin air> at </think>all", "T(No <thin air> at </think>all)"},
    {"think", "x<think>\n", "\nhm\n\nso</think>\n\nYes", "R(hm\n\nso) T(Yes)"},
    {"think", "x<think></think>\n", "Yes", "T(Yes)"},
    {"think", "x<think>", "never ends <thin", "R(never ends <thin)"},
    {"think", "", "a<think>b</think>c<think>d</think>", "T(a) R(b) T(c) R(d)"},
    {"think", "", "[THINK]b[/THINK]c", "R(b) T(c)"},
    {"think", "", "<think></think>c", "T(c)"},
    {"gemma", "<|channel>thought\n<channel|>", "c", "T(c)"},
    {"gemma", "", "<|channel>thought\nb<channel|>c", "R(b) T(c)"},
    {"apriel", "Here are my reasoning steps:\n", "b\n[BEGIN FINAL RESPONSE]\nc", "R(b) T(c)"},
    {"cohere", "", "<|START_THINKING|>b<|END_THINKING|><|START_RESPONSE|>c d<|END_RESPONSE|>",
     "R(b) T(c d)"},
    /* to whom it is said */
    {"functionary", "x>>>", "all\nHi >>you", "T(Hi >>you)"},
    {"functionary", "x>>>", "f\n{\"a\": 1}", ONE("{\"a\": 1}")},
    {"functionary", "x>>>", "all\nSo:>>>f\n{\"a\": {\"b\": \"}\"}}",
     "T(So:) " ONE("{\"a\": {\"b\": \"}\"}}")},
    {"functionary", "x>>>", "Hello you", "T(Hello you)"},
    {"functionary", "x>>>", "f\nno", "T(f\nno)"},
    {"functionary", "x>>>", "f\n{\"a\"", "T(f\n{\"a\")"},
    {"functionary", "x>>>", "", ""},
    {"functionary", "", "a >>> b", "T(a >>> b)"},
    {"gigachat", "",
     "So<|message_sep|>\n\nfunction call<|role_sep|>\n{\"name\": \"f\", \"arguments\": "
     "{\"a\": 1}}<|message_sep|>\n\n",
     "T(So) " ONE("{\"a\": 1}")},
    {"gigachat", "", "A function call is", "T(A function call is)"},
    /* JSON between tags */
    {"hermes", "", "So:\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>",
     "T(So:) " ONE("{\"a\": 1}")},
    {"hermes", "", "<tool_call>{\"name\":\"f\",\"arguments\":\"{\\\"a\\\": 1}\"}</tool_call>",
     ONE("{\"a\": 1}")},
    {"hermes", "", "<tool_call>{\"name\": \"f\"}</tool_call>", ONE("{}")},
    {"hermes", "", "<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":\"</tool_call>\"}}</tool_call>",
     ONE("{\"a\": \"</tool_call>\"}")},
    {"hermes", "", "<tool_call>{\"name\": \"f\", \"arguments\": {}}", ONE("{}")},
    {"hermes", "", "a <tool_call>{\"name\": 7}</tool_call> b",
     "T(a <tool_call>{\"name\": 7}</tool_call> b)"},
    {"hermes", "", "a <tool_call>{\"name\": \"f", "T(a <tool_call>{\"name\": \"f)"},
    {"hermes", "", "<TOOLCALL>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]</TOOLCALL>!",
     ONE("{\"a\": 1}") " T(!)"},
    {"apertus", "", "<|tools_prefix|>[{\"f\": {\"a\": 1}}]<|tools_suffix|>", ONE("{\"a\": 1}")},
    {"cohere", "",
     "<|START_ACTION|>[{\"tool_call_id\": \"0\", \"tool_name\": \"f\", \"parameters\": {\"a\": 1}}]"
     "<|END_ACTION|>",
     "C({\"id\": \"0\", \"name\": \"f\", \"arguments\": {\"a\": 1}})"},
    /* tags */
    {"hermes", "",
     "<tool_call>\n<function=f>\n<parameter=a>\n1\n</parameter>\n<parameter=b>\nx\ny\n</parameter>"
     "\n</function>\n</tool_call>",
     ONE("{\"a\": 1, \"b\": \"x\\ny\"}")},
    {"hermes", "", "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>[1]</arg_value>\n</tool_call>",
     ONE("{\"a\": [1]}")},
    {"hermes", "", "<tool_call>f</tool_call>", ONE("{}")},
    {"hermes", "", "<tool_call>f <b></tool_call>", "T(<tool_call>f <b></tool_call>)"},
    {"function", "", "<function=f>{\"a\": 1}</function>", ONE("{\"a\": 1}")},
    {"function", "", "<function name=\"f\"><param name=\"a\">x</param></function>",
     ONE("{\"a\": \"x\"}")},
    {"minimax", "",
     "<minimax:tool_call>\n<invoke name=\"f\">\n<parameter name=\"a\">x</parameter>\n</invoke>\n"
     "</minimax:tool_call>",
     ONE("{\"a\": \"x\"}")},
    {"minimax", "",
     "]<]minimax[>[<tool_call>\n]<]minimax[>[<invoke name=\"f\">]<]minimax[>[<a>x]<]minimax[>[</a>"
     "]<]minimax[>[</invoke>\n]<]minimax[>[</tool_call>",
     ONE("{\"a\": \"x\"}")},
    {"deepseek", "",
     DSML("function_calls>\n") DSML("invoke name=\"f\">\n")
         DSML("parameter name=\"a\" string=\"true\">1</\xEF\xBD\x9C"
              "DSML\xEF\xBD\x9Cparameter>\n") "</\xEF\xBD\x9C"
                                              "DSML\xEF\xBD\x9Cinvoke>\n</\xEF\xBD\x9C"
                                              "DSML\xEF\xBD\x9C"
                                              "function_calls>",
     ONE("{\"a\": \"1\"}")},
    /* separators */
    {"deepseek", "",
     "Hm.\n" DS("calls\xE2\x96\x81"
                "begin") DS("call\xE2\x96\x81"
                            "begin") "function" SEP
                                     "f\n```json\n{\"a\": 1}\n```" DS("call\xE2\x96\x81"
                                                                      "end") DS("calls\xE2\x96\x81"
                                                                                "end"),
     "T(Hm.) " ONE("{\"a\": 1}")},
    {"deepseek", "",
     DS("call\xE2\x96\x81"
        "begin") "f" SEP "{}" DS("call\xE2\x96\x81"
                                 "end"),
     ONE("{}")},
    {"kimi", "",
     "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:3<|tool_call_argument_begin|>"
     "{\"a\": 1}<|tool_call_end|><|tool_calls_section_end|>",
     "C({\"id\": \"functions.f:3\", \"name\": \"f\", \"arguments\": {\"a\": 1}})"},
    {"mistral", "", "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": 1}, \"id\": \"abc\"}]",
     "C({\"id\": \"abc\", \"name\": \"f\", \"arguments\": {\"a\": 1}})"},
    {"mistral", "", "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]f[CALL_ID]q[ARGS]{} and",
     ONE("{\"a\": 1}") " C({\"id\": \"q\", \"name\": \"f\", \"arguments\": {}}) T(and)"},
    {"mistral", "", "[TOOL_CALLS] sorry", "T([TOOL_CALLS] sorry)"},
    {"solar", "",
     "<|tool_calls|><|tool_call:begin|>q<|tool_call:name|>f<|tool_call:args|>{\"a\": 1}"
     "<|tool_call:end|>",
     "C({\"id\": \"q\", \"name\": \"f\", \"arguments\": {\"a\": 1}})"},
    /* expressions */
    {"lfm", "", "<|tool_call_start|>[f(a='it\\'s', b=[1, True], c=(None,)), f()]<|tool_call_end|>",
     ONE("{\"a\": \"it's\", \"b\": [1, true], \"c\": [null]}") " C({\"id\": \"call00001\", "
                                                               "\"name\": \"f\", \"arguments\": "
                                                               "{}})"},
    {"pythonic", "", "[f(a=\"x)\", b={'k': -1.5})]", ONE("{\"a\": \"x)\", \"b\": {\"k\": -1.5}}")},
    {"pythonic", "", "[1, 2] is a list", "T([1, 2] is a list)"},
    {"pythonic", "", "see [f(a=1)]", "T(see [f(a=1)])"},
    {"gemma", "",
     "<|tool_call>call:f{a:<|\"|>x \"y\"<|\"|>,n:{m:[1,<|\"|>z<|\"|>]},t:true}<tool_call|>",
     ONE("{\"a\": \"x \\\"y\\\"\", \"n\": {\"m\": [1, \"z\"]}, \"t\": true}")},
    /* without a mark */
    {"llama", "", "{\"name\": \"f\", \"parameters\": {\"a\": 1}}", ONE("{\"a\": 1}")},
    {"llama", "", "\n{ \"type\": \"function\", \"name\": \"f\", \"parameters\": {}}", ONE("{}")},
    {"llama", "", "{\"answer\": 1}", "T({\"answer\": 1})"},
    {"llama", "", "x {\"name\": \"f\"}", "T(x {\"name\": \"f\"})"},
    {"llama", "", "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}", ONE("{}")},
    /* harmony */
    {"harmony", "<|start|>assistant",
     "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes.",
     "R(Hm.) T(Yes.)"},
    {"harmony", "<|start|>assistant",
     "<|channel|>analysis<|message|>Hm<|end|><|start|>assistant<|channel|>commentary "
     "to=functions.f <|constrain|>json<|message|>{\"a\": 1}<|call|>",
     "R(Hm) " ONE("{\"a\": 1}")},
    {"harmony", "<|start|>assistant",
     " to=functions.f<|channel|>commentary json<|message|>{\"a\": 1}", ONE("{\"a\": 1}")},
    {"harmony", "<|start|>assistant", "<|channel|>commentary<|message|>First.<|end|>", "T(First.)"},
    {"harmony", "<|start|>assistant", "Plain text", "T(Plain text)"},
    {"harmony", "<|start|>assistant", "<|channel|>final", "T(<|channel|>final)"},
    {"harmony", "", "<|channel|>final<|message|>Yes", "T(Yes)"},
    {"all", "", "<think>a</think><tool_call>f</tool_call>[TOOL_CALLS]f[ARGS]{}",
     "R(a) " ONE("{}") " C({\"id\": \"call00001\", \"name\": \"f\", \"arguments\": {}})"},
};

static void own_cases(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_reply(cases[i].formats, cases[i].prompt, cases[i].text, cases[i].want);
    uint64_t marks;
    CHECK_INT(sk_reply_marks_named("hermez", &marks, &error), SKALD_E_OPTION);
    CHECK(strstr(error.text, "hermes"));
}

/* What a tool's schema says to be a text is one, whatever it looks like. */
static void typed_arguments(void)
{
    static const char tools[] =
        "{\"messages\":[],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
        "\"parameters\":"
        "{\"type\":\"object\",\"properties\":{\"s\":{\"type\":\"string\"},\"e\":{\"enum\":[\"1\","
        "\"2\"]},"
        "\"n\":{\"type\":\"integer\"},\"x\":{\"type\":[\"string\",\"null\"]}}}}}]}";
    static const char *const replies[] = {
        "<tool_call><function=f><parameter=s>12</parameter><parameter=e>1</parameter>"
        "<parameter=n>3</parameter><parameter=x>null</parameter></function></tool_call>",
        "<tool_call>f<arg_key>s</arg_key><arg_value>12</arg_value><arg_key>e</arg_key><arg_value>1"
        "</arg_value><arg_key>n</arg_key><arg_value>3</arg_value><arg_key>x</"
        "arg_key><arg_value>null"
        "</arg_value></tool_call>",
        "<minimax:tool_call><invoke name=\"f\"><parameter name=\"s\">12</parameter><parameter "
        "name=\"e\">1</parameter><parameter name=\"n\">3</parameter><parameter name=\"x\">null"
        "</parameter></invoke></minimax:tool_call>",
    };
    static const char want[] =
        "{\"id\": \"call00000\", \"name\": \"f\", \"arguments\": {\"s\": \"12\", "
        "\"e\": \"1\", \"n\": 3, \"x\": null}}";
    sk_arena read;
    sk_json conversation = {0};
    sk_buffer pairs;
    sk_arena_init(&read, &heap, 0);
    sk_buffer_init(&pairs, &heap, 0);
    CHECK_INT(sk_json_read(&read, tools, sizeof tools - 1, &conversation, &error), SKALD_OK);
    CHECK_INT(sk_reply_find_texts(&pairs, sk_json_get(&conversation, "tools", 5), &error),
              SKALD_OK);
    sk_arena_free(&read);
    CHECK(pairs.n == 8 && memcmp(pairs.data, "f\0s\0f\0e", 8) == 0);
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        sk_reply *reply, *copy;
        const char *text;
        uint64_t marks, n;
        CHECK_INT(sk_reply_marks_named("hermes,minimax", &marks, &error), SKALD_OK);
        CHECK_INT(sk_reply_new(&reply, &heap, &error), SKALD_OK);
        CHECK_INT(sk_reply_new(&copy, &heap, &error), SKALD_OK);
        CHECK_INT(sk_reply_set_texts(reply, pairs.data, pairs.n, &error), SKALD_OK);
        CHECK_INT(sk_reply_set_texts(reply, "a", 2, &error), SKALD_E_CORRUPT);
        sk_reply_begin(reply, marks, "", 0);
        CHECK_INT(sk_reply_copy(copy, reply, &error), SKALD_OK);
        CHECK_INT(sk_reply_reserve(copy, strlen(replies[i]), &error), SKALD_OK);
        sk_reply_feed(copy, replies[i], strlen(replies[i]));
        CHECK_INT(sk_reply_next(copy, &text, &n), SKALD_EVENT_TOOL_CALL);
        CHECK_STR(text, want);
        sk_reply_free(copy);
        sk_reply_free(reply);
    }
    sk_buffer_free(&pairs);
}

/* ---- what real templates write -------------------------------------------------------------- */

/* Templates that write no call in the tool round, or in a way that is not read. */
static const char *const without[] = {
    "HuggingFaceTB-SmolLM3-3B", "LFM2-8B-A1B",
    "LFM2.5-Instruct",          "ibm-granite-granite-3.3",
    "llama-cpp-rwkv",           "microsoft-Phi-3.5",
    "Reka-Edge-none",           "deepseek-ai-DeepSeek-R1-Distill-Llama",
};

static bool is_without(const char *name)
{
    for (size_t i = 0; i < sizeof without / sizeof *without; i++)
        if (strncmp(name, without[i], strlen(without[i])) == 0)
            return true;
    return false;
}

/* The assistant's part of the tool round: from the question to the tool's answer. */
static bool find_call(const sk_json *rendering, const char **start, size_t *n)
{
    char *text = strndup(rendering->as.text, rendering->n);
    const char *from = strstr(text, "Weather in Oslo?"), *to = NULL, *begin;
    if (from)
        to = strstr(from, "\"temp\"") ? strstr(from, "\"temp\"") : strstr(from, "temp\\\"");
    if (from && to) {
        from += strlen("Weather in Oslo?");
        /* A reply without marks must be at its start. */
        begin = strstr(from, "<|end_header_id|>\n\n{\"name\"");
        from = begin && begin < to ? begin + strlen("<|end_header_id|>\n\n") : from;
        *n = (size_t)(to - from);
        *start = rendering->as.text + (from - text);
    }
    free(text);
    return from && to;
}

static void check_template(const char *name, const sk_json *rendering)
{
    char file[256];
    size_t n_source, n = 0;
    const char *start = NULL;
    int n_calls;
    snprintf(file, sizeof file, "templates/%s", name);
    char *source = (char *)test_read(test_shared(file), &n_source);
    uint64_t marks = sk_reply_marks_in(source, n_source);
    free(source);
    if (is_without(name) || !find_call(rendering, &start, &n))
        return;
    char *found = read_reply(marks, "", start, n, NULL, 0, &n_calls);
    CHECKF(n_calls == 1 && strstr(found, "\"name\": \"get_weather\", \"arguments\": "
                                         "{\"city\": \"Oslo\", \"unit\": \"c\"}"),
           "%s: %s", name, found);
    check_cuts(marks, "", start, n, found);
    free(found);
}

static void real_templates(void)
{
    size_t n;
    sk_json renderings;
    int n_templates = 0;
    const char *path = test_shared("templates/renderings.json");
    if (!path) {
        printf("skipped the real templates: ../shared is not there\n");
        return;
    }
    char *text = (char *)test_read(path, &n);
    CHECK_INT(sk_json_read(&arena, text, n, &renderings, &error), SKALD_OK);
    free(text);
    for (uint64_t i = 0; i < renderings.n; i++) {
        const sk_json *r = &renderings.as.items[i], *want = sk_json_get(r, "expect", 6);
        const sk_json *c = sk_json_get(r, "conversation", 12), *t = sk_json_get(r, "template", 8);
        if (!want || c->n != 10 || memcmp(c->as.text, "tool-round", 10) != 0)
            continue;
        char *name = strndup(t->as.text, t->n);
        check_template(name, want);
        free(name);
        n_templates++;
    }
    CHECK(n_templates > 40);
}

/* ---- random streams ------------------------------------------------------------------------- */

static const char *const scraps[] = {"a",
                                     " ",
                                     "\n",
                                     "{",
                                     "}",
                                     "\"",
                                     "[",
                                     "]",
                                     "f",
                                     "<",
                                     "|>",
                                     "to=",
                                     "analysis",
                                     "name",
                                     "\\",
                                     "'",
                                     "(",
                                     ")",
                                     "{\"name\": \"f\", \"arguments\": {}}",
                                     "<function=f>",
                                     "</function>",
                                     "<|message|>",
                                     "<arg_key>k</arg_key><arg_value>v</arg_value>",
                                     "[ARGS]",
                                     "call:f{",
                                     "caf\xC3\xA9"};

static size_t random_stream(uint64_t *seed, char *out, size_t size)
{
    size_t n = 0;
    int parts = 1 + (int)(test_random(seed) % 30);
    while (parts-- > 0) {
        const sk_mark *mark = &sk_marks[test_random(seed) % sk_n_marks];
        uint64_t kind = test_random(seed) % 4;
        const char *part = kind == 0 ? mark->open
                           : kind == 1
                               ? mark->close ? mark->close : "<|end|>"
                               : scraps[test_random(seed) % (sizeof scraps / sizeof *scraps)];
        size_t n_part = strlen(part);
        if (test_random(seed) % 8 == 0)
            n_part = test_random(seed) % (n_part + 1);
        if (n + n_part > size)
            break;
        memcpy(out + n, part, n_part);
        n += n_part;
    }
    out[n] = 0;
    return n;
}

/* Takes white space away, and every whole mark. */
static size_t without_marks(const char *text, size_t n, char *out)
{
    size_t size = 0;
    for (size_t at = 0; at < n;) {
        size_t longest = strchr(" \t\n\v\f\r", text[at]) ? 1 : 0;
        for (uint32_t i = 0; i < sk_n_marks; i++) {
            const char *both[2] = {sk_marks[i].open, sk_marks[i].close};
            for (int k = 0; k < 2; k++) {
                size_t n_mark = both[k] ? strlen(both[k]) : 0;
                while (n_mark > 0 && both[k][n_mark - 1] == '\n') /* that may be gone already */
                    n_mark--;
                if (n_mark > longest && n_mark <= n - at && sk_marks[i].kind != SK_MARK_BARE &&
                    memcmp(text + at, both[k], n_mark) == 0)
                    longest = n_mark;
            }
        }
        if (longest == 0)
            out[size++] = text[at++];
        at += longest;
    }
    return size;
}

static void random_streams(void)
{
    char text[2048], bare[2][2048];
    uint64_t seed = 5;
    int n_calls, n_plain = 0, n_called = 0;
    for (int i = 0; i < 6000; i++) {
        size_t n = random_stream(&seed, text, sizeof text - 1), cuts[8];
        uint64_t marks = (i % 3 == 0 ? UINT64_MAX : test_random(&seed)) >> (64 - sk_n_marks);
        const char *prompt = i % 5 == 0 ? "<|start|>assistant" : i % 5 == 1 ? "<think>\n" : "";
        char *whole = read_reply(marks, prompt, text, n, NULL, 0, &n_calls);
        size_t n_cuts = test_random(&seed) % 8;
        for (size_t k = 0, at = 0; k < n_cuts; k++)
            cuts[k] = at = at + test_random(&seed) % (n - at + 1);
        char *cut = read_reply(marks, prompt, text, n, cuts, n_cuts, NULL);
        CHECKF(strcmp(whole, cut) == 0, "%s\nis  %s\nand %s", text, whole, cut);
        n_called += n_calls > 0;
        free(whole);
        free(cut);
    }
    /* Nothing is lost where nothing is called: what is neither mark nor white space comes out. */
    for (int i = 0; i < 6000; i++) {
        size_t n = random_stream(&seed, text, sizeof text - 1);
        if (strstr(text, "<|message|>") ||
            strstr(text, ">>>>")) /* a mark in either of two places */
            continue;
        sk_reply *reply;
        const char *part;
        uint64_t n_part;
        char all[4096];
        size_t size = 0;
        int32_t kind, called = 0;
        CHECK_INT(sk_reply_new(&reply, &heap, &error), SKALD_OK);
        sk_reply_begin(reply, UINT64_MAX >> (64 - sk_n_marks), "", 0);
        CHECK_INT(sk_reply_reserve(reply, n, &error), SKALD_OK);
        sk_reply_feed(reply, text, n);
        sk_reply_finish(reply);
        while ((kind = sk_reply_next(reply, &part, &n_part)) != 0) {
            called += kind == SKALD_EVENT_TOOL_CALL;
            memcpy(all + size, part, n_part);
            size += n_part;
        }
        sk_reply_free(reply);
        if (called)
            continue;
        size_t a = without_marks(text, n, bare[0]), b = without_marks(all, size, bare[1]);
        CHECKF(a == b && memcmp(bare[0], bare[1], a) == 0, "%s became %.*s", text, (int)size, all);
        n_plain++;
    }
    CHECKF(n_called > 50 && n_plain > 1000, "%d called, %d plain", n_called, n_plain);
}

int main(void)
{
    CHECK_INT(sk_heap_init(&heap, NULL, 0, &error), SKALD_OK);
    sk_arena_init(&arena, &heap, 0);
    own_cases();
    real_templates();
    typed_arguments();
    random_streams();
    sk_arena_free(&arena);
    CHECK_INT(heap.live, 0);
    return test_end();
}
