/* SPDX-License-Identifier: MIT */
/*
 * Decoding reads only the experts that the router chose: the pages of all others are taken away,
 * and a token is decoded again.
 */
#include "base/portable.h"

#include "golden.h"
#include "test.h"

#include "model/pass_int.h"

#include <sys/mman.h>
#include <unistd.h>

/* The whole file at a page's edge. */
static uint8_t *map_file(const char *name, size_t *size)
{
    char path[200];
    snprintf(path, sizeof path, "model/golden/%s.head.gguf", name);
    uint8_t *data = golden_expand(test_data(path), 11, size);
    uint8_t *map = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED);
    memcpy(map, data, *size);
    free(data);
    return map;
}

/* The logits that follow one token. */
static float *decode(const sk_model *model, sk_pass *pass)
{
    sk_error error = {0};
    sk_state *state = golden_state(model);
    float *logits = malloc((size_t)golden_width(model) * sizeof *logits);
    sk_pass_rows(pass)[0] = (sk_row){.state = state, .token = 5, .logits = true};
    CHECK_INT(sk_pass_begin(pass, 1, &error), SKALD_OK);
    CHECK_INT(sk_pass_run(pass, INT64_MAX, NULL, NULL), SKALD_DONE);
    memcpy(logits, sk_pass_logits(pass, 0), (size_t)golden_width(model) * sizeof *logits);
    sk_state_free(state);
    return logits;
}

static bool is_chosen(const sk_pass *pass, int64_t expert)
{
    for (int64_t i = 0; i < pass->choice.n_used; i++)
        if (pass->choice.expert[i] == expert)
            return true;
    return false;
}

/* Takes away the pages that lie within experts that were not chosen; how many. */
static int64_t take_away(const sk_pass *pass)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    int64_t n = 0;
    for (uint64_t i = 0; i < pass->plan->n_step; i++) {
        const sk_step *step = &pass->plan->steps[i];
        for (int part = 0; step->op == SK_OP_EXPERTS && part < step->n_part; part++) {
            const sk_linear *w = &step->part[part];
            for (int64_t e = 0; e < w->n_expert; e++) {
                uintptr_t first = (uintptr_t)w->w_of[e],
                          end = first + w->row_size * (size_t)w->n_out;
                first = (first + page - 1) / page * page;
                end = end / page * page;
                if (is_chosen(pass, e) || first >= end)
                    continue;
                CHECK_INT(mprotect((void *)first, end - first, PROT_NONE), 0);
                n += (int64_t)((end - first) / page);
            }
        }
    }
    return n;
}

int main(void)
{
    /* One layer of experts, 2 of 8. */
    size_t size;
    sk_error error = {0};
    sk_pass *pass = NULL;
    uint8_t *map = map_file("deepseek32-moe", &size);
    sk_model *model = golden_model(map, size, "n_threads=2", &error);
    CHECKF(model != NULL, "%s", error.text);
    CHECK_INT(sk_pass_new(&pass, sk_model_heap(model), model, 1, 1, &error), SKALD_OK);
    float *before = decode(model, pass);
    CHECK_INT(pass->choice.n_used, 2);
    CHECK(take_away(pass) > 100);
    float *after = decode(model, pass);
    CHECK(memcmp(before, after, (size_t)golden_width(model) * sizeof *after) == 0);
    free(before);
    free(after);
    sk_pass_free(pass);
    sk_model_release(model);
    munmap(map, size);
    return test_end();
}
