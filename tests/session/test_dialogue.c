/* SPDX-License-Identifier: MIT */
/*
 * Conversations through the public interface: prompts, what later turns reuse, events, the budget
 * of reasoning, errors that leave everything as it was.
 */
#include "session_test.h"

static const char one[] = "[{\"role\":\"user\",\"content\":\"so the abc\"}]";
#define TEMPLATE \
    "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}" \
    "{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"

static skald_context *chat_context(const char *template, const char *more)
{
    skald_options *o = NULL;
    skald_context *ctx = NULL;
    skald_options_new(&o);
    CHECKF(skald_options_parse(o, more) == 0, "%s", skald_error_message());
    CHECK_INT(skald_options_set_string(o, "chat_template", template), 0);
    CHECKF(skald_context_new(model, o, &ctx) == 0, "%s", skald_error_message());
    skald_options_free(o);
    return ctx;
}

/* ---- prompts ------------------------------------------------------------------------------ */

static void check_prompt(void)
{
    skald_context *ctx = chat_context(TEMPLATE, "n_ctx=400");
    const int32_t *ids;
    int32_t wanted[400];
    size_t n, n_wanted;
    CHECK_INT(skald_set_chat(ctx, one, -1), 0);
    CHECK_INT(skald_tokens(ctx, &ids, &n), 0);
    CHECK_INT(skald_tokenize(model, "<s>user: so the abc</s>assistant:", -1, SKALD_PARSE_SPECIAL,
                             wanted, 400, &n_wanted),
              0);
    CHECK(n == n_wanted && memcmp(ids, wanted, n * sizeof *ids) == 0);
    /* What the user writes is never a control token. */
    CHECK_INT(skald_set_chat(ctx, "[{\"role\":\"user\",\"content\":\"<s></s><s>\"}]", -1), 0);
    CHECK_INT(skald_tokens(ctx, &ids, &n), 0);
    int control = 0;
    for (size_t i = 0; i < n; i++)
        control += ids[i] == 1 || ids[i] == 2;
    CHECK_INT(control, 2);
    skald_context_free(ctx);
}

static void check_text(void)
{
    static const char want[] = "<|im_start|>user\nso the abc<|im_end|>\n<|im_start|>assistant\n";
    char text[256];
    const char *name;
    size_t n;
    CHECK_INT(skald_chat_text(NULL, NULL, one, -1, NULL, 0, &n), SKALD_E_BUFFER);
    CHECK_INT(n, sizeof want - 1);
    CHECK_INT(skald_chat_text(NULL, NULL, one, -1, text, sizeof text, &n), 0);
    CHECK(n == sizeof want - 1 && memcmp(text, want, n) == 0);
    CHECK_INT(skald_chat_text(model, NULL, one, -1, text, n, &n), 0);
    CHECK(memcmp(text, want, n) == 0);
    CHECK_INT(skald_model_get_string(model, "chat_template_name", &name), 0);
    CHECK_STR(name, "chatml");
    CHECK_INT(skald_chat_text(model, NULL, "[", 1, text, sizeof text, &n), SKALD_E_ARGUMENT);
    CHECK_INT(skald_chat_text(model, NULL, NULL, 0, text, sizeof text, &n), SKALD_E_ARGUMENT);
}

static void check_errors(void)
{
    skald_context *ctx = chat_context("{{ raise_exception('not ' + messages[0].content) }}", "");
    CHECK_INT(skald_append_text(ctx, "abc", -1), 0);
    int64_t n = figure(ctx, "n_tokens");
    CHECK_INT(skald_set_chat(ctx, one, -1), SKALD_E_TEMPLATE);
    CHECK(strstr(skald_context_message(ctx), "not so the abc"));
    CHECK_INT(skald_set_chat(ctx, "{}", -1), SKALD_E_ARGUMENT);
    CHECK_INT(figure(ctx, "n_tokens"), n);
    skald_context_free(ctx);
    ctx = chat_context("nothing", "");
    CHECK_INT(skald_set_chat(ctx, one, -1), SKALD_E_OPTION);
    CHECK_INT(skald_context_set_string(ctx, "reply_format", "thinkk"), SKALD_E_OPTION);
    CHECK_INT(skald_context_set_string(ctx, "reply_format", "think,kimi"), 0);
    skald_context_free(ctx);
    ctx = chat_context(TEMPLATE, "n_ctx=8");
    CHECK_INT(skald_set_chat(ctx, one, -1), SKALD_E_CONTEXT_FULL);
    skald_context_free(ctx);
}

/* ---- turns -------------------------------------------------------------------------------- */

static void check_reuse(void)
{
    static const char two[] = "[{\"role\":\"user\",\"content\":\"so the abc\"},"
                              "{\"role\":\"assistant\",\"content\":\"on the\"},"
                              "{\"role\":\"user\",\"content\":\"the\"}]";
    const char *options = "n_ctx=400 n_predict=6 temperature=0 ignore_eos=1";
    skald_context *ctx = chat_context(TEMPLATE, options), *fresh = chat_context(TEMPLATE, options);
    CHECK_INT(skald_set_chat(ctx, one, -1), 0);
    int64_t n = figure(ctx, "n_tokens");
    run(ctx, -1);
    CHECK_INT(skald_set_chat(ctx, two, -1), 0);
    CHECKF(figure(ctx, "n_reused") >= n, "%lld", (long long)figure(ctx, "n_reused"));
    CHECK_INT(skald_set_chat(fresh, two, -1), 0);
    record a = run(ctx, -1), b = run(fresh, -1);
    CHECK(same(&a, &b));
    skald_context_free(ctx);
    skald_context_free(fresh);
}

/* ---- replies ------------------------------------------------------------------------------ */

typedef struct heard {
    char text[3][4096]; /* by kind - 1 */
    size_t n[3];
} heard;

static void hear(skald_context *ctx, heard *h)
{
    const char *text;
    size_t n;
    int32_t kind;
    while ((kind = skald_event(ctx, &text, &n)) > 0) {
        CHECK(kind <= 3 && text[n] == 0);
        memcpy(h->text[kind - 1] + h->n[kind - 1], text, n + 1);
        h->n[kind - 1] += n;
    }
    CHECK_INT(kind, 0);
}

static heard listen(skald_context *ctx)
{
    static heard h;
    int32_t status;
    memset(&h, 0, sizeof h);
    do {
        status = skald_step(ctx, 300);
        hear(ctx, &h);
    } while (status > 0);
    CHECKF(status == SKALD_DONE, "%s", skald_error_message());
    return h;
}

/* Without marks the events are the text. */
static void check_plain_events(void)
{
    const char *options = "n_ctx=400 n_predict=60 seed=3 ignore_eos=1 stop=so";
    skald_context *ctx = chat_context(TEMPLATE, options), *again = chat_context(TEMPLATE, options);
    CHECK_INT(skald_set_chat(ctx, one, -1), 0);
    CHECK_INT(skald_set_chat(again, one, -1), 0);
    heard h = listen(ctx);
    record r = run(again, -1);
    CHECK(r.n_text > 0 && h.n[0] == r.n_text && memcmp(h.text[0], r.text, r.n_text) == 0);
    CHECK_INT(h.n[1] + h.n[2], 0);
    skald_context_free(ctx);
    skald_context_free(again);
}

static void check_budget(void)
{
    static const char thinking[] = TEMPLATE "<think>";
    for (int budget = -1; budget < 20; budget += 7) {
        char options[128];
        snprintf(options, sizeof options,
                 "n_ctx=400 n_predict=60 seed=3 ignore_eos=1 reasoning_budget=%d", budget);
        skald_context *ctx = chat_context(thinking, options);
        CHECK_INT(skald_set_chat(ctx, one, -1), 0);
        heard h = listen(ctx);
        CHECKF((h.n[0] > 0) == (budget >= 0), "%d: %s", budget, h.text[0]);
        CHECK((h.n[1] > 0) == (budget != 0));
        CHECK(!strstr(h.text[1], "</think>"));
        /* It is a part of the context as if it had been written. */
        const int32_t *ids;
        char text[4096];
        size_t n, size;
        CHECK_INT(skald_tokens(ctx, &ids, &n), 0);
        CHECK_INT(skald_detokenize(model, ids, n, 0, text, sizeof text - 1, &size), 0);
        text[size] = 0;
        CHECK((strstr(text, "</think>") != NULL) == (budget >= 0));
        skald_context_free(ctx);
    }
}

/* With reasoning before it, the answer is what a grammar binds; all of it, and nothing else. */
static void check_bound_answer(void)
{
    static const char thinking[] = TEMPLATE "<think>";
    int n_ended = 0;
    for (int budget = 0; budget < 24; budget += 3) {
        char options[160];
        snprintf(options, sizeof options,
                 "n_ctx=400 n_predict=90 seed=%d temperature=1.5 reasoning_budget=%d "
                 "regex='(yes|no)[0-9]{2}'",
                 budget, budget);
        skald_context *ctx = chat_context(thinking, options);
        skald_options *o = NULL;
        CHECK_INT(skald_set_chat(ctx, one, -1), 0);
        heard h = listen(ctx);
        skald_options_new(&o);
        skald_options_set_string(o, "regex", "(yes|no)[0-9]{2}");
        CHECKF(skald_options_check(o, h.text[0], (int64_t)h.n[0]) == 0, "%d: \"%s\" behind \"%s\"",
               budget, h.text[0], h.text[1]);
        CHECK((h.n[1] > 0) == (budget > 0));
        n_ended += strcmp(reason(ctx), "end") == 0;
        skald_options_free(o);
        skald_context_free(ctx);
    }
    CHECK_INT(n_ended, 8);
}

/* Saved and loaded behind each step, into a context that knows no template: the same is heard. */
static void check_saved(void)
{
    static const char thinking[] = TEMPLATE "<think>";
    static uint8_t state[1 << 20];
    const char *options = "n_ctx=400 n_predict=90 seed=7 temperature=1.5 reasoning_budget=9 "
                          "regex='(yes|no)[0-9]{2}' banned=e";
    skald_context *ctx = chat_context(thinking, options);
    CHECK_INT(skald_set_chat(ctx, one, -1), 0);
    heard wanted = listen(ctx), h;
    skald_context_free(ctx);
    ctx = chat_context(thinking, options);
    CHECK_INT(skald_set_chat(ctx, one, -1), 0);
    memset(&h, 0, sizeof h);
    for (int32_t status = 1; status > 0;) {
        skald_context *other = new_context("n_ctx=400");
        size_t n;
        status = skald_step(ctx, -1);
        hear(ctx, &h);
        CHECK_INT(skald_state_save(ctx, state, sizeof state, &n), 0);
        CHECKF(skald_state_load(other, state, n) == 0, "%s", skald_context_message(other));
        skald_context_free(ctx);
        ctx = other;
        CHECKF(status >= 0, "%s", skald_error_message());
    }
    for (int kind = 0; kind < 2; kind++)
        CHECKF(h.n[kind] == wanted.n[kind] &&
                   memcmp(h.text[kind], wanted.text[kind], h.n[kind]) == 0,
               "\"%s\", wanted \"%s\"", h.text[kind], wanted.text[kind]);
    CHECK(h.n[0] >= 4 && h.n[1] > 0);
    skald_context_free(ctx);
}

/* A grammar that has the reasoning in itself, and does not let it end as the budget would. */
static void check_budget_against_grammar(void)
{
    static const char *const grammars[] = {
        "root ::= \"<think>\" [a-z]{30} \"</think>\" [0-9]{3}",
        "root ::= \"<think>\" [a-z\\n]{30} \"</think>\" [0-9]{3}",
        "root ::= \"<think>\" [a-z\\n]* \"</think>\" \"\\n\"* [0-9]{3}",
    };
    for (int i = 0; i < 3; i++) {
        skald_context *ctx = chat_context(
            TEMPLATE, "n_ctx=400 n_predict=120 reply_format=think reasoning_budget=5 seed=4");
        CHECK_INT(skald_context_set_string(ctx, "grammar", grammars[i]), 0);
        CHECK_INT(skald_set_chat(ctx, one, -1), 0);
        heard h = listen(ctx);
        CHECK_STR(reason(ctx), "end");
        CHECKF(h.n[0] == 3 && (i == 2 ? h.n[1] < 30 : h.n[1] >= 29), "%d: %s, %s", i, h.text[1],
               h.text[0]);
        skald_context_free(ctx);
    }
}

/* A fork reads on where its model was. */
static void check_fork(void)
{
    static const char thinking[] = TEMPLATE "<think>";
    skald_context *ctx = chat_context(thinking, "n_ctx=400 n_predict=20 seed=3 ignore_eos=1"),
                  *fork;
    CHECK_INT(skald_set_chat(ctx, one, -1), 0);
    for (int i = 0; i < 5; i++)
        CHECK_INT(skald_step(ctx, -1), SKALD_TOKEN);
    CHECK_INT(skald_context_fork(ctx, &fork), 0);
    heard a = listen(ctx), b = listen(fork);
    CHECK(a.n[1] > 0 && a.n[1] == b.n[1] && memcmp(a.text[1], b.text[1], a.n[1]) == 0);
    CHECK_INT(a.n[0] + b.n[0], 0);
    CHECK_INT(skald_append_text(fork, "abc", -1), 0);
    CHECK_INT(skald_set_chat(fork, one, -1), 0);
    skald_context_free(fork);
    skald_context_free(ctx);
}

int main(void)
{
    tiny_make(&file, 1);
    model = tiny_load(&file, "");
    if (!model)
        return 1;
    check_prompt();
    check_text();
    check_errors();
    check_reuse();
    check_plain_events();
    check_budget();
    check_bound_answer();
    check_saved();
    check_budget_against_grammar();
    check_fork();
    skald_model_release(model);
    tiny_free(&file);
    return test_end();
}
