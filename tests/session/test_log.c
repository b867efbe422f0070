/* SPDX-License-Identifier: MIT */
/* What is said to the host's log: few sentences, each with its level, and nothing without a log. */
#include "session_test.h"

typedef struct heard {
    int n_warnings, n_infos;
    char text[4096];
} heard;

static void hear(void *user, int32_t level, const char *text)
{
    heard *h = user;
    CHECK(level == SKALD_LOG_WARNING || level == SKALD_LOG_INFO);
    CHECK(text[0] && !strchr(text, '\n'));
    h->n_warnings += level == SKALD_LOG_WARNING;
    h->n_infos += level == SKALD_LOG_INFO;
    strncat(h->text, text, sizeof h->text - strlen(h->text) - 2);
    strcat(h->text, "\n");
}

static skald_options *options_with(heard *h, const tiny_model *m)
{
    skald_options *o = NULL;
    skald_log log = {sizeof log, h, hear};
    skald_options_new(&o);
    CHECK_INT(skald_options_set_pointer(o, "log", &log), 0);
    skald_options_set_pointer(o, "memory", m->data);
    skald_options_set_int(o, "memory_size", (int64_t)m->size);
    CHECK_INT(skald_options_parse(o, "n_threads=2 cpu=c"), 0);
    return o;
}

/* A pre-tokeniser that nobody knows is tolerated, and said. */
static void put_odd(sk_gguf_writer *w)
{
    sk_gguf_put_string(w, "tokenizer.ggml.pre", "no-such-splitter", 16);
    uint64_t ne[1] = {16};
    static float data[16];
    sk_gguf_put_tensor(w, "a.tensor.too.many", SK_F32, 1, ne, data);
}

int main(void)
{
    heard h = {0};
    tiny_model m;
    skald_context *ctx;
    tiny_make_with(&m, 5, true, put_odd);
    skald_options *o = options_with(&h, &m);
    CHECK_INT(skald_model_load(NULL, o, &model), 0);
    CHECK(strstr(h.text, "a.tensor.too.many") != NULL);
    CHECK(strstr(h.text, "falcon-h1") && strstr(h.text, "kernels c, 2 threads"));
    CHECK(strstr(h.text, "chat template") != NULL);
    CHECK(h.n_warnings >= 1 && h.n_infos == 2);
    int n = h.n_warnings;
    ctx = new_context("");
    CHECK_INT(h.n_warnings, n);
    skald_context_free(ctx);
    ctx = new_context("shift=rotate");
    CHECK_INT(h.n_warnings, n + 1);
    CHECK(strstr(h.text, "shift=rotate") != NULL);
    skald_context_free(ctx);
    skald_model_release(model);
    /* An estimate says nothing; a failure is no sentence of the log's. */
    h = (heard){0};
    int64_t cost;
    CHECK_INT(skald_estimate(NULL, o, &cost, 1), 0);
    CHECK_INT(skald_options_set_int(o, "memory_size", (int64_t)m.size / 2), 0);
    CHECK(skald_model_load(NULL, o, &model) < 0);
    CHECK_STR(h.text, "");
    skald_log incomplete = {sizeof incomplete, NULL, NULL};
    CHECK_INT(skald_options_set_pointer(o, "log", &incomplete), SKALD_E_ARGUMENT);
    skald_options_free(o);
    tiny_free(&m);
    return test_end();
}
