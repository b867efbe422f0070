/* SPDX-License-Identifier: MIT */
/*
 * Indexers against their definition, in double and with nothing clever: which keys a row's list
 * has, from the queries and weights that are left of the last layer and the keys in its cache; and
 * what attention over that list gives. And that an indexer that chooses all changes no bit of
 * attention without it.
 */
#include "base/portable.h"

#include "golden.h"
#include "test.h"

#include "base/bytes.h"
#include "model/pass_int.h"

#include <math.h>

enum { N_TOKENS = 1000, ROW_STEP = 23 }; /* so many that there are several rounds */

/* A model of a golden head, with another number behind a key; the bytes are to be freed. */
static sk_model *model_with(const char *name, const char *key, uint32_t value, uint8_t **data)
{
    char path[200];
    size_t size, n = strlen(key);
    sk_error error = {0};
    snprintf(path, sizeof path, "model/golden/%s.head.gguf", name);
    *data = golden_expand(test_data(path), 11, &size);
    for (size_t i = 0; i + n + 8 < size; i++) {
        if (memcmp(*data + i, key, n) == 0)
            sk_put_le32(*data + i + n + 4, value);
    }
    sk_model *model = golden_model(*data, size, "n_threads=2", &error);
    CHECKF(model != NULL, "%s: %s", name, error.text);
    return model;
}

static sk_state *new_state(const sk_model *model, int dtype)
{
    sk_state *state = NULL;
    sk_error error = {0};
    CHECK_INT(sk_state_new(&state, sk_model_heap(model), model, N_TOKENS, dtype, dtype, &error),
              SKALD_OK);
    return state;
}

/* A pass that is done, over all tokens at once. */
static sk_pass *pass_over(const sk_model *model, sk_state *state)
{
    sk_error error = {0};
    sk_pass *pass = NULL;
    CHECK_INT(sk_pass_new(&pass, sk_model_heap(model), model, N_TOKENS, 0, &error), SKALD_OK);
    CHECK_INT(sk_state_reserve(state, N_TOKENS, &error), SKALD_OK);
    for (int64_t i = 0; i < N_TOKENS; i++)
        sk_pass_rows(pass)[i] =
            (sk_row){.state = state, .position = i, .token = (int32_t)(i * 37 % 101)};
    CHECK_INT(sk_pass_begin(pass, N_TOKENS, &error), SKALD_OK);
    CHECK_INT(sk_pass_run(pass, INT64_MAX, NULL, NULL), SKALD_DONE);
    return pass;
}

/* The last step of an operation. */
static const sk_step *last_step(const sk_plan *plan, int op)
{
    uint64_t i = plan->n_step;
    while (plan->steps[--i].op != op)
        ;
    return &plan->steps[i];
}

static const float *cached(const sk_state *state, int32_t layer, bool value, int64_t head,
                           int64_t at)
{
    const sk_cache *cache = state->cache;
    size_t offset =
        value ? sk_cache_v_offset(cache, layer, head) : sk_cache_k_offset(cache, layer, head);
    size_t row = value ? cache->layers[layer].v_row : cache->layers[layer].k_row;
    const char *block = cache->blocks[at / SK_KEY_BLOCK];
    return (const float *)(const void *)(block + offset + (size_t)(at % SK_KEY_BLOCK) * row);
}

static double dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* The scores of a row's units. */
static int64_t unit_scores(const sk_pass *p, const sk_index *x, int64_t row, int64_t list,
                           double *out)
{
    const float *q = sk_pass_reg(p, SK_R_IQ, row);
    for (int64_t u = 0; u * x->unit <= row; u++) {
        out[u] = -INFINITY;
        for (int64_t j = u * x->unit; j <= row && j < (u + 1) * x->unit; j++) {
            const float *key = cached(p->rows[row].state, x->kv, false, 0, j);
            double score = 0;
            if (!x->weighed)
                score = dot(q + list * x->n, key, x->n);
            for (int64_t h = 0; x->weighed && h < x->n_head; h++)
                score +=
                    (double)sk_pass_reg(p, SK_R_IW, row)[h] * fmax(0, dot(q + h * x->n, key, x->n));
            out[u] = fmax(out[u], score);
        }
        if (row / x->unit - u < x->n_local)
            out[u] = INFINITY;
    }
    return row / x->unit + 1;
}

/* Every unit that is much better than the worst of the list is in it. */
static void check_list(const sk_pass *p, const sk_index *x, int64_t row, int64_t list)
{
    static double score[N_TOKENS];
    const int32_t *unit = p->indexing.unit + (row * p->indexing.n_list + list) * p->indexing.room;
    int64_t n = unit_scores(p, x, row, list, score);
    double worst = INFINITY;
    bool chosen[N_TOKENS] = {false};
    for (int64_t i = 0; i < x->n_unit; i++) {
        CHECKF(unit[i] < n && (i == 0 || unit[i] > unit[i - 1]), "row %d: unit %d", (int)row,
               (int)unit[i]);
        worst = fmin(worst, score[unit[i]]);
        chosen[unit[i]] = true;
    }
    for (int64_t u = 0; u < n; u++) {
        CHECKF(chosen[u] || score[u] <= worst + 1e-5, "row %d: unit %d was passed over", (int)row,
               (int)u);
        CHECKF(!chosen[u] || score[u] >= worst, "row %d: unit %d was chosen", (int)row, (int)u);
    }
}

/* Attention of one head over the keys of a list. */
static void check_attention(const sk_pass *p, const sk_step *step, int64_t row, int64_t head)
{
    const sk_attn *attn = step->attn;
    const sk_state *state = p->rows[row].state;
    int64_t kv = head / (attn->n_head / attn->n_head_kv);
    int64_t n = sk_index_count(p, attn->index, row, kv);
    const float *q = sk_pass_reg(p, step->src, row) + head * attn->dk;
    const float *a = sk_pass_reg(p, step->dst, row) + head * attn->dv;
    double weight[N_TOKENS], sum = 0, error = 0, size = 0;
    for (int64_t j = 0; j < n; j++) {
        int64_t at = sk_index_key(p, attn->index, row, kv, j);
        CHECK(at <= row);
        weight[j] =
            exp((double)attn->scale * dot(q, cached(state, attn->kv, false, kv, at), attn->dk));
        sum += weight[j];
    }
    for (int64_t d = 0; d < attn->dv; d++) {
        double wanted = 0;
        for (int64_t j = 0; j < n; j++) {
            int64_t at = sk_index_key(p, attn->index, row, kv, j);
            wanted += weight[j] / sum * (double)cached(state, attn->kv, true, kv, at)[d];
        }
        size += wanted * wanted;
        error += (wanted - (double)a[d]) * (wanted - (double)a[d]);
    }
    CHECKF(error <= 1e-9 * size, "row %d, head %d: error %g", (int)row, (int)head, error / size);
}

static void test_choice(const char *name, uint32_t top_k)
{
    uint8_t *data;
    sk_model *model = model_with(name, "attention.indexer.top_k", top_k, &data);
    sk_state *state = new_state(model, SK_F32);
    sk_pass *pass = pass_over(model, state);
    const sk_step *index = last_step(pass->plan, SK_OP_INDEX),
                  *attend = last_step(pass->plan, SK_OP_ATTEND);
    const sk_index *x = index->index;
    int n_listed = 0;
    CHECK_INT(x->n_unit, top_k);
    for (int64_t row = 0; row < N_TOKENS; row += ROW_STEP) {
        CHECK_INT(sk_index_lists(x, &pass->rows[row]), row >= x->n_unit * x->unit);
        if (row < x->n_unit * x->unit)
            continue;
        for (int64_t list = 0; list < x->n_list; list++)
            check_list(pass, x, row, list);
        for (int64_t head = 0; head < attend->attn->n_head; head++)
            check_attention(pass, attend, row, head);
        n_listed++;
    }
    CHECK(n_listed > 0);
    sk_pass_free(pass);
    sk_state_free(state);
    sk_model_release(model);
    free(data);
}

/* Choosing 64 of at most 48 keys is choosing 4096 of them. */
static void test_all(const char *name)
{
    uint8_t *data, *data2;
    int32_t tokens[48];
    sk_model *some = model_with(name, "attention.indexer.top_k", 64, &data);
    sk_model *all = model_with(name, "attention.indexer.top_k", 4096, &data2);
    for (int i = 0; i < 48; i++)
        tokens[i] = i * 29 % 101;
    float *a = golden_run(some, tokens, 48, (int[]){48}, 1, -1);
    float *b = golden_run(all, tokens, 48, (int[]){7, 1}, 2, -1);
    CHECK(a && b && memcmp(a, b, (size_t)(48 * golden_width(all)) * sizeof *a) == 0);
    free(a);
    free(b);
    sk_model_release(some);
    sk_model_release(all);
    free(data);
    free(data2);
}

/* Adds tokens [at, end) to a state, in passes of at most `most` rows, in slices of one tile; the
 * logits that follow, which the caller frees. */
static float *feed(const sk_model *model, sk_state *state, int64_t at, int64_t end, int64_t most)
{
    sk_error error = {0};
    sk_pass *pass = NULL;
    int64_t width = golden_width(model);
    float *logits = malloc((size_t)width * sizeof *logits);
    CHECK_INT(sk_pass_new(&pass, sk_model_heap(model), model, most, 1, &error), SKALD_OK);
    CHECK_INT(sk_state_reserve(state, end, &error), SKALD_OK);
    for (int64_t n; at < end; at += n) {
        n = end - at < most ? end - at : most;
        CHECK_INT(sk_state_reserve(state, at + n, &error), SKALD_OK);
        for (int64_t i = 0; i < n; i++)
            sk_pass_rows(pass)[i] = (sk_row){.state = state,
                                             .position = at + i,
                                             .token = (int32_t)((at + i) * 31 % 101 % width),
                                             .logits = at + i + 1 == end};
        CHECK_INT(sk_pass_begin(pass, n, &error), SKALD_OK);
        while (sk_pass_run(pass, 0, NULL, NULL) == SKALD_PENDING)
            ;
        CHECK_INT(sk_pass_failed_layer(pass, n - 1), -1);
        if (at + n == end)
            memcpy(logits, sk_pass_logits(pass, n - 1), (size_t)width * sizeof *logits);
    }
    sk_pass_free(pass);
    return logits;
}

/* The last of 130 tokens' logits, in passes of at most `most` rows, in slices of one tile. */
static float *last_logits(const sk_model *model, int dtype, int64_t most)
{
    sk_state *state = new_state(model, dtype);
    float *logits = feed(model, state, 0, 130, most);
    sk_state_free(state);
    return logits;
}

/* Whatever the cache holds, single tokens are as good as many. */
static void test_types(const char *name)
{
    static const int types[] = {SK_F16, SK_BF16, SK_Q8_0, SK_Q4_0};
    uint8_t *data;
    sk_model *model = model_with(name, "attention.indexer.top_k", 9, &data);
    for (int i = 0; i < 4; i++) {
        float *many = last_logits(model, types[i], 130), *one = last_logits(model, types[i], 1);
        CHECK(memcmp(many, one, (size_t)golden_width(model) * sizeof *one) == 0);
        free(many);
        free(one);
    }
    sk_model_release(model);
    free(data);
}

static void put_bytes(void *user, const void *bytes, uint64_t n)
{
    uint8_t **to = user;
    memcpy(*to, bytes, n);
    *to += n;
}

static bool same_logits(const sk_model *model, float *a, float *b)
{
    bool same = memcmp(a, b, (size_t)golden_width(model) * sizeof *a) == 0;
    free(b);
    return same;
}

/* A state that was forked, saved, or gone back with goes on as one that was not. */
static void test_state(const char *name)
{
    enum { N = 270, MORE = 40 };
    uint8_t *data;
    sk_error error = {0};
    sk_model *model = model_with(name, "attention.indexer.top_k", 9, &data);
    sk_state *state = new_state(model, SK_F16), *fork = NULL, *loaded = new_state(model, SK_F16);
    free(feed(model, state, 0, N, 100));
    uint64_t size = sk_state_save_size(state, N);
    uint8_t *saved = malloc(size), *end = saved;
    sk_state_save(state, N, put_bytes, &end);
    CHECK(end == saved + size);
    CHECK_INT(sk_state_layout(loaded), sk_state_layout(state));
    CHECK_INT(sk_state_prepare(loaded, N, &error), SKALD_OK);
    sk_state_load(loaded, N, saved);
    CHECK_INT(sk_state_fork(&fork, state, &error), SKALD_OK);
    float *wanted = feed(model, state, N, N + MORE, 1);
    CHECK(same_logits(model, wanted, feed(model, fork, N, N + MORE, 7)));
    CHECK(same_logits(model, wanted, feed(model, loaded, N, N + MORE, 40)));
    for (int64_t back = N + MORE - 1; back > 0; back = back * 2 / 3) {
        sk_state_truncate(state, back);
        int64_t at = sk_state_length(state);
        CHECKF(at == sk_state_length(state) && at <= back, "%s: back to %d", name, (int)at);
        CHECK(same_logits(model, wanted, feed(model, state, at, N + MORE, 50)));
    }
    free(wanted);
    free(saved);
    sk_state_free(state);
    sk_state_free(fork);
    sk_state_free(loaded);
    sk_model_release(model);
    free(data);
}

int main(void)
{
    test_choice("deepseek32-moe", 8);
    test_choice("deepseek32-moe", 70);
    test_choice("v-glm-dsa-2h", 33);
    test_choice("minimax-m3-moe", 1);
    test_choice("minimax-m3-moe", 8);
    test_choice("minimax-m3-moe", 20);
    test_all("deepseek32-moe");
    test_types("deepseek32-moe");
    test_types("minimax-m3-moe");
    test_types("deepseek4-long");
    test_state("deepseek32-moe");
    test_state("minimax-m3-moe");
    test_state("deepseek4-long");
    return test_end();
}
