/* SPDX-License-Identifier: MIT */
/*
 * What a pass promises: the same bits however the work was cut, and rows that do not disturb one
 * another. Everything is compared by memcmp with one prefill of all tokens on one thread.
 */
#include "base/portable.h"

#include "golden.h"
#include "test.h"

#include "base/clock.h"
#include "base/dtype.h"

#include <math.h>

enum { N_TOKENS = 72 }; /* crosses a block of 64 keys */

typedef struct pass_model {
    uint8_t *data;
    size_t size;
    sk_model *model;
    int32_t tokens[N_TOKENS];
    int64_t n_vocab;
    float *whole;   /* logits of the tokens */
    bool recurrent; /* going back has its limits */
} pass_model;

static sk_model *open_or_exit(const void *data, size_t size, const char *options)
{
    sk_error error = {0};
    sk_model *model = golden_model(data, size, options, &error);
    if (!model) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    return model;
}

static void pass_open(pass_model *m, uint8_t *data, size_t size)
{
    uint64_t random = 7;
    m->data = data;
    m->size = size;
    m->model = open_or_exit(data, size, "n_threads=1");
    m->n_vocab = sk_model_n_vocab(m->model);
    for (int i = 0; i < N_TOKENS; i++)
        m->tokens[i] = (int32_t)(test_random(&random) % (uint64_t)m->n_vocab);
    m->whole = golden_run(m->model, m->tokens, N_TOKENS, (int[]){N_TOKENS}, 1, -1);
    CHECK(m->whole != NULL);
}

static void pass_close(pass_model *m)
{
    free(m->whole);
    sk_model_release(m->model);
    free(m->data);
}

static void check_same(const pass_model *m, const sk_model *model, const char *what,
                       const int *batch, int n_batch, int64_t slice_us)
{
    float *logits = golden_run(model, m->tokens, N_TOKENS, batch, n_batch, slice_us);
    CHECKF(logits && memcmp(logits, m->whole, (size_t)(N_TOKENS * m->n_vocab) * 4) == 0,
           "%s differs", what);
    free(logits);
}

static void test_splits(const pass_model *m)
{
    check_same(m, m->model, "token by token", (int[]){1}, 1, -1);
    check_same(m, m->model, "3 5 1 7", (int[]){3, 5, 1, 7}, 4, -1);
    check_same(m, m->model, "63 1 1 2", (int[]){63, 1, 1, 2}, 4, -1);
    check_same(m, m->model, "one tile at a time", (int[]){31}, 1, 0);
    check_same(m, m->model, "slices of 30 us", (int[]){17}, 1, 30);
}

static void test_threads(const pass_model *m)
{
    static const char *const options[] = {"n_threads=2", "n_threads=3", "cpu=c n_threads=1",
                                          "load=read n_threads=2"};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        sk_model *model = open_or_exit(m->data, m->size, options[i]);
        check_same(m, model, options[i], (int[]){N_TOKENS}, 1, -1);
        check_same(m, model, options[i], (int[]){40, 1}, 2, 100);
        sk_model_release(model);
    }
}

/* ---- Several states ---------------------------------------------------------------------------
 */

static sk_pass *new_pass(const sk_model *model, int64_t max_rows, int64_t max_logits)
{
    sk_pass *pass = NULL;
    sk_error error = {0};
    int32_t status = sk_pass_new(&pass, sk_model_heap(model), model, max_rows, max_logits, &error);
    CHECKF(status == SKALD_OK, "%s", error.text);
    return pass;
}

/* Rows that the two states of test_company bring to each round. */
static const int company[2][4] = {{20, 1, 30, 21}, {1, 40, 1, 30}};

static void check_row(const pass_model *m, const sk_pass *pass, int64_t row, int64_t position)
{
    const float *logits = sk_pass_logits(pass, row);
    CHECK(logits != NULL);
    CHECKF(logits && memcmp(logits, m->whole + position * m->n_vocab, (size_t)m->n_vocab * 4) == 0,
           "position %d in company differs", (int)position);
}

/* Two states with the same tokens, prefilling and decoding together at different positions. */
static void test_company(const pass_model *m)
{
    sk_state *states[2] = {golden_state(m->model), golden_state(m->model)};
    sk_pass *pass = new_pass(m->model, 60, 2);
    sk_error error = {0};
    for (int round = 0; round < 4; round++) {
        sk_row *rows = sk_pass_rows(pass);
        int64_t n = 0, last[2] = {0, 0};
        for (int i = 0; i < 40; i++) { /* rows of the two alternate as long as both have some */
            for (int s = 0; s < 2; s++) {
                if (i >= company[s][round])
                    continue;
                int64_t at = sk_state_length(states[s]) + i;
                last[s] = n;
                rows[n++] =
                    (sk_row){states[s], at, m->tokens[at], i == company[s][round] - 1, false, 0};
            }
        }
        CHECK_INT(sk_pass_begin(pass, n, &error), SKALD_OK);
        CHECK_INT(sk_pass_run(pass, INT64_MAX, NULL, NULL), SKALD_DONE);
        for (int s = 0; s < 2; s++)
            check_row(m, pass, last[s], sk_state_length(states[s]) - 1);
        CHECK(n < 3 || sk_pass_logits(pass, 0) == NULL || last[0] == 0 || last[1] == 0);
    }
    CHECK_INT(sk_state_length(states[0]), N_TOKENS);
    CHECK_INT(sk_state_length(states[1]), N_TOKENS);
    sk_pass_free(pass);
    sk_state_free(states[0]);
    sk_state_free(states[1]);
}

/* ---- Stopping and going back -------------------------------------------------------------------
 */

static bool stop_sometimes(void *user)
{
    int *calls = user;
    return ++*calls % 3 == 0;
}

static int64_t fill_rows(const pass_model *m, sk_pass *pass, sk_state *state, int64_t at, int64_t n)
{
    sk_row *rows = sk_pass_rows(pass);
    for (int64_t i = 0; i < n; i++)
        rows[i] = (sk_row){state, at + i, m->tokens[at + i], i == n - 1, false, 0};
    return n;
}

static void test_stop(const pass_model *m)
{
    sk_state *state = golden_state(m->model);
    sk_pass *pass = new_pass(m->model, N_TOKENS, 1);
    sk_error error = {0};
    int calls = 0, cancelled = 0;
    int32_t status;
    fill_rows(m, pass, state, 0, 30);
    CHECK_INT(sk_pass_begin(pass, 30, &error), SKALD_OK);
    while ((status = sk_pass_run(pass, INT64_MAX, stop_sometimes, &calls)) == SKALD_E_CANCELLED)
        cancelled++;
    CHECK_INT(status, SKALD_DONE);
    CHECK(cancelled > 5);
    check_row(m, pass, 29, 29);

    /* A pass given up half way leaves the state as it was. */
    fill_rows(m, pass, state, 30, 20);
    CHECK_INT(sk_pass_begin(pass, 20, &error), SKALD_OK);
    for (int i = 0; i < 40; i++)
        CHECK_INT(sk_pass_run(pass, 0, NULL, NULL), SKALD_PENDING);
    CHECK(sk_pass_logits(pass, 19) == NULL);
    CHECK_INT(sk_state_length(state), 30);
    fill_rows(m, pass, state, 30, 42);
    CHECK_INT(sk_pass_begin(pass, 42, &error), SKALD_OK);
    CHECK_INT(sk_pass_run(pass, INT64_MAX, NULL, NULL), SKALD_DONE);
    check_row(m, pass, 41, 71);

    /* The last token can always be taken back, others if something was kept. */
    sk_state_truncate(state, 71);
    CHECK_INT(sk_state_length(state), 71);
    CHECK_INT(sk_state_reserve(state, N_TOKENS, &error), SKALD_OK);
    fill_rows(m, pass, state, 71, 1);
    CHECK_INT(sk_pass_begin(pass, 1, &error), SKALD_OK);
    CHECK_INT(sk_pass_run(pass, INT64_MAX, NULL, NULL), SKALD_DONE);
    check_row(m, pass, 0, 71);

    int64_t reach = sk_state_reach(state, 10);
    CHECK(m->recurrent ? reach <= 10 : reach == 10);
    sk_state_truncate(state, 10);
    CHECK_INT(sk_state_length(state), reach);
    CHECK_INT(sk_state_reserve(state, N_TOKENS, &error), SKALD_OK);
    fill_rows(m, pass, state, reach, 70 - reach);
    CHECK_INT(sk_pass_begin(pass, 70 - reach, &error), SKALD_OK);
    CHECK_INT(sk_pass_run(pass, INT64_MAX, NULL, NULL), SKALD_DONE);
    check_row(m, pass, 69 - reach, 69);
    sk_pass_free(pass);
    sk_state_free(state);
}

static void check_refused(const pass_model *m, sk_pass *pass, sk_row row, int64_t n)
{
    sk_error error = {0};
    fill_rows(m, pass, row.state, 0, 3);
    sk_pass_rows(pass)[1] = row;
    CHECK_INT(sk_pass_begin(pass, n, &error), SKALD_E_ARGUMENT);
    CHECK(strlen(error.text) > 10);
    CHECK_INT(sk_pass_run(pass, INT64_MAX, NULL, NULL), SKALD_DONE);
    CHECK(sk_pass_logits(pass, 0) == NULL);
}

static void test_arguments(const pass_model *m)
{
    sk_error error = {0};
    sk_state *state = NULL, *good = golden_state(m->model);
    CHECK_INT(sk_state_new(&state, sk_model_heap(m->model), m->model, 100, SK_F16, SK_F32, &error),
              SKALD_OK);
    CHECK_INT(sk_state_bytes(state), 0);
    CHECK_INT(sk_state_reserve(state, 101, &error), SKALD_E_CONTEXT_FULL);
    CHECK_INT(sk_state_reserve(state, 2, &error), SKALD_OK);
    uint64_t bytes = sk_state_bytes(state);
    CHECK(bytes > 0);
    CHECK_INT(sk_state_reserve(state, 64, &error), SKALD_OK);
    CHECK_INT(sk_state_bytes(state), bytes);
    CHECK_INT(sk_state_reserve(state, 65, &error), SKALD_OK);
    CHECK(m->recurrent ? sk_state_bytes(state) > bytes : sk_state_bytes(state) == 2 * bytes);
    sk_state_truncate(state, 0);
    CHECK_INT(sk_state_bytes(state), 0);
    CHECK_INT(sk_state_reserve(state, 2, &error), SKALD_OK);

    sk_pass *pass = new_pass(m->model, 4, 2);
    check_refused(m, pass, (sk_row){good, 2, 0, false, false, 0}, 3);
    check_refused(m, pass, (sk_row){good, 1, (int32_t)m->n_vocab, false, false, 0}, 3);
    check_refused(m, pass, (sk_row){good, 1, -1, false, false, 0}, 3);
    check_refused(m, pass, (sk_row){NULL, 1, 0, false, false, 0}, 3);
    check_refused(m, pass, (sk_row){good, 1, 0, false, false, 0}, 5);
    check_refused(m, pass, (sk_row){good, 1, 0, false, false, 0}, 0);
    fill_rows(m, pass, state, 0, 3); /* the third is not reserved */
    CHECK_INT(sk_pass_begin(pass, 3, &error), SKALD_E_ARGUMENT);
    sk_pass_free(pass);
    sk_state_free(state);
    CHECK_INT(sk_pass_new(&pass, sk_model_heap(m->model), m->model, 0, 0, &error),
              SKALD_E_ARGUMENT);
    CHECK_INT(sk_pass_new(&pass, sk_model_heap(m->model), m->model, 1, 2, &error),
              SKALD_E_ARGUMENT);
    CHECK_INT(sk_state_new(&state, sk_model_heap(m->model), m->model, 0, SK_F16, SK_F32, &error),
              SKALD_E_ARGUMENT);
    CHECK(state == NULL);
    CHECK_INT(sk_state_new(&state, sk_model_heap(m->model), m->model, 9, SK_Q8_1, SK_F32, &error),
              SKALD_E_ARGUMENT);
    sk_state_free(good);
}

/* ---- An F16 cache, and values that are no numbers ----------------------------------------------
 */

static void run_f16(const pass_model *m, int64_t batch, float *last)
{
    sk_error error = {0};
    sk_state *state = NULL;
    CHECK_INT(sk_state_new(&state, sk_model_heap(m->model), m->model, 100, SK_F16, SK_F16, &error),
              SKALD_OK);
    CHECK_INT(sk_state_reserve(state, N_TOKENS, &error), SKALD_OK);
    sk_pass *pass = new_pass(m->model, batch, 1);
    for (int64_t at = 0; at < N_TOKENS; at += batch) {
        int64_t n = batch < N_TOKENS - at ? batch : N_TOKENS - at;
        fill_rows(m, pass, state, at, n);
        CHECK_INT(sk_pass_begin(pass, n, &error), SKALD_OK);
        CHECK_INT(sk_pass_run(pass, INT64_MAX, NULL, NULL), SKALD_DONE);
        memcpy(last, sk_pass_logits(pass, n - 1), (size_t)m->n_vocab * 4);
    }
    sk_pass_free(pass);
    sk_state_free(state);
}

static void test_f16(const pass_model *m)
{
    size_t size = (size_t)m->n_vocab * 4;
    float *whole = malloc(size), *split = malloc(size);
    run_f16(m, N_TOKENS, whole);
    run_f16(m, 7, split);
    CHECK(memcmp(whole, split, size) == 0);
    const float *exact = m->whole + (N_TOKENS - 1) * m->n_vocab;
    double error = golden_error(exact, whole, (size_t)m->n_vocab);
    CHECKF(error > 0 && error < 1e-2, "an F16 cache makes an error of %g", error);
    free(whole);
    free(split);
}

/* The embedding of token 5 is made infinite: rows that have it fail at the layer that first sees
 * it, all others of other states are as they were. */
static void test_not_finite(const pass_model *m)
{
    uint8_t *data = malloc(m->size);
    memcpy(data, m->data, m->size);
    sk_model *model = open_or_exit(data, m->size, "n_threads=2");
    const sk_gguf *gguf = sk_model_gguf(model);
    const sk_gguf_tensor *embd = sk_gguf_tensor_find(gguf, "token_embd.weight");
    CHECK_INT(embd->dtype, SK_F32);
    float *row = (float *)(void *)(data + embd->offset) + 5 * embd->ne[0];
    row[3] = INFINITY;

    sk_state *bad = golden_state(model), *good = golden_state(model);
    sk_pass *pass = new_pass(model, 64, 2);
    sk_error error = {0};
    int64_t n = 0;
    for (int i = 0; i < 10; i++) {
        int32_t token = m->tokens[i] == 5 ? 6 : m->tokens[i];
        sk_pass_rows(pass)[n++] = (sk_row){bad, i, i == 4 ? 5 : token, i == 9, false, 0};
        sk_pass_rows(pass)[n++] = (sk_row){good, i, m->tokens[i], i == 9, false, 0};
    }
    CHECK_INT(sk_pass_begin(pass, n, &error), SKALD_OK);
    CHECK_INT(sk_pass_run(pass, INT64_MAX, NULL, NULL), SKALD_DONE);
    for (int i = 0; i < 10; i++) {
        CHECK_INT(sk_pass_failed_layer(pass, 2 * i + 1), -1);
        CHECK_INT(sk_pass_failed_layer(pass, 2 * i) >= 0, i >= 4);
    }
    CHECK_INT(sk_pass_failed_layer(pass, 8), 0);
    check_row(m, pass, 19, 9);
    CHECK_INT(sk_state_length(bad), 0);
    CHECK_INT(sk_state_length(good), 10);
    sk_pass_free(pass);
    sk_state_free(bad);
    sk_state_free(good);
    sk_model_release(model);
    free(data);
}

static void test_model(uint8_t *data, size_t size, bool floats, bool recurrent)
{
    pass_model m = {.recurrent = recurrent};
    pass_open(&m, data, size);
    if (m.whole) {
        test_splits(&m);
        test_threads(&m);
        test_company(&m);
        test_stop(&m);
        test_arguments(&m);
        test_f16(&m);
        if (floats)
            test_not_finite(&m);
    }
    pass_close(&m);
}

int main(void)
{
    static const char *const heads[] = {"llama-dense",    "llama-odd7",      "llama-f16",
                                        "qwen2-fusedqkv", "llama-moe",       "qwen3moe-moe",
                                        "qwen35moe-deep", "lfm2moe-deep",    "falcon-h1-deep",
                                        "jamba-dense",    "kimi-linear-deep"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        char head[200];
        size_t size;
        snprintf(head, sizeof head, "model/golden/%s.head.gguf", heads[i]);
        uint8_t *data = golden_expand(test_data(head), 11, &size);
        test_model(data, size, i == 0 || (i >= 4 && i < 7), i >= 6);
    }
    const char *quantised = test_shared("golden/q-llama-q4_k_m.gguf");
    if (quantised) {
        size_t size;
        uint8_t *data = test_read(quantised, &size);
        test_model(data, size, false, false);
    } else {
        test_skip("the quantised golden models are not there");
    }
    return test_end();
}
