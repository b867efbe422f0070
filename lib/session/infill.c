/* SPDX-License-Identifier: MIT */
/*
 * Prompts that ask a model for what is missing between two texts, in the tokens that it was trained
 * on:
 *
 *   psm   [snippets] PRE before SUF after MID
 *   spm   [snippets] SUF after PRE before MID
 *
 * A snippet is SEP, its name, a line end, its text, a line end; without a token SEP the same as
 * words. Snippets stand in front and in the order in which they came, so that what is typed leaves
 * them where they were evaluated. For the same reason a text before the cursor that is too long
 * loses its beginning in large pieces: it stands still for a while before it is cut again.
 */
#include "base/portable.h"

#include "session/infill.h"

#include "base/checked.h"
#include "session/context_int.h"
#include "text/tokenize.h"

#include <string.h>

void sk_snippets_free(sk_context *ctx)
{
    sk_free(ctx->heap, ctx->snippets.ids);
    sk_free(ctx->heap, ctx->snippets.ends);
}

/* Room for `n_ids` more tokens, and one more snippet. */
static int32_t snippets_room(sk_context *ctx, uint64_t n_ids)
{
    sk_snippets *s = &ctx->snippets;
    void *ids = s->ids, *ends = s->ends;
    int32_t status = sk_grow(ctx->heap, &ids, &s->ids_capacity, s->n_ids + n_ids, sizeof *s->ids,
                             "snippets", &ctx->error);
    s->ids = ids;
    if (status == SKALD_OK)
        status = sk_grow(ctx->heap, &ends, &s->capacity, s->n + 1, sizeof *s->ends, "snippets",
                         &ctx->error);
    s->ends = ends;
    return status;
}

int32_t sk_snippets_copy(sk_context *to, const sk_context *from)
{
    const sk_snippets *f = &from->snippets;
    sk_snippets *t = &to->snippets;
    for (uint64_t i = 0, first = 0; i < f->n; first = f->ends[i++]) {
        int32_t status = snippets_room(to, f->ends[i] - first);
        if (status < 0)
            return status;
        memcpy(t->ids + first, f->ids + first, (size_t)(f->ends[i] - first) * sizeof *t->ids);
        t->ends[t->n++] = t->n_ids = f->ends[i];
    }
    return SKALD_OK;
}

/* ---- Tokens ---------------------------------------------------------------------------------- */

/* The tokens of a text; owned by the caller. Errors: TOKENIZER, MEMORY, ARGUMENT. */
static int32_t infill_tokens(sk_context *ctx, const char *text, uint64_t n, int32_t **ids,
                             uint64_t *n_ids)
{
    const sk_vocab *vocab = sk_model_vocab(ctx->model);
    *ids = NULL;
    *n_ids = 0;
    int32_t status = sk_tokenize(vocab, ctx->heap, text, n, 0, NULL, 0, n_ids, &ctx->error);
    if (status != SKALD_E_BUFFER)
        return status;
    *ids = sk_alloc_array(ctx->heap, *n_ids, sizeof **ids, "tokens of a text", &ctx->error);
    return *ids ? sk_tokenize(vocab, ctx->heap, text, n, 0, *ids, *n_ids, n_ids, &ctx->error)
                : SKALD_E_MEMORY;
}

/* Adds the tokens of a snippet's name and text behind those that there are. */
static int32_t snippet_text(sk_context *ctx, const char *name, const char *text, uint64_t n)
{
    sk_snippets *s = &ctx->snippets;
    uint64_t n_name = strlen(name), size, n_ids;
    int32_t *ids = NULL, status;
    char *both =
        sk_add(n, n_name + 2, &size) ? sk_alloc(ctx->heap, size, "a snippet", &ctx->error) : NULL;
    if (!both)
        return SKALD_E_MEMORY;
    memcpy(both, name, (size_t)n_name);
    both[n_name] = both[size - 1] = '\n';
    if (n > 0)
        memcpy(both + n_name + 1, text, (size_t)n);
    status = infill_tokens(ctx, both, size, &ids, &n_ids);
    if (status == SKALD_OK)
        status = snippets_room(ctx, n_ids);
    if (status == SKALD_OK) {
        memcpy(s->ids + s->n_ids, ids, (size_t)n_ids * sizeof *ids);
        s->n_ids += n_ids;
    }
    sk_free(ctx->heap, ids);
    sk_free(ctx->heap, both);
    return status;
}

static int32_t infill_vocab(sk_context *ctx, const sk_vocab **vocab)
{
    *vocab = sk_model_vocab(ctx->model);
    if (*vocab && sk_vocab_special(*vocab, SK_SPECIAL_FIM_PRE) >= 0 &&
        sk_vocab_special(*vocab, SK_SPECIAL_FIM_SUF) >= 0 &&
        sk_vocab_special(*vocab, SK_SPECIAL_FIM_MID) >= 0)
        return SKALD_OK;
    return sk_fail(&ctx->error, SKALD_E_TOKENIZER,
                   "the model has no tokens for filling in the middle (token_fim_pre, _suf, _mid)");
}

/* ---- Snippets -------------------------------------------------------------------------------- */

/* How many tokens snippets may take. */
static uint64_t snippets_limit(const sk_context *ctx)
{
    int64_t limit = sk_opt_int(&ctx->options, SK_OPT_INFILL_EXTRA), most = ctx->n_ctx / 2;
    return (uint64_t)(limit < most ? limit : most);
}

/* Drops the oldest ones until the rest fits. */
static void snippets_drop(sk_context *ctx)
{
    sk_snippets *s = &ctx->snippets;
    uint64_t limit = snippets_limit(ctx), i = 0;
    while (i < s->n && s->n_ids - (i > 0 ? s->ends[i - 1] : 0) > limit)
        i++;
    if (i == 0)
        return;
    uint64_t cut = s->ends[i - 1];
    memmove(s->ids, s->ids + cut, (size_t)(s->n_ids - cut) * sizeof *s->ids);
    s->n_ids -= cut;
    s->n -= i;
    for (uint64_t j = 0; j < s->n; j++)
        s->ends[j] = s->ends[j + i] - cut;
}

/* Whether the last snippet is there already. */
static bool snippet_is_known(const sk_snippets *s, uint64_t first)
{
    for (uint64_t i = 0, at = 0; i < s->n; at = s->ends[i++])
        if (s->ends[i] - at == s->n_ids - first &&
            memcmp(s->ids + at, s->ids + first, (size_t)(s->n_ids - first) * sizeof *s->ids) == 0)
            return true;
    return false;
}

int32_t sk_context_add_snippet(sk_context *ctx, const char *name, const char *text, uint64_t n)
{
    sk_snippets *s = &ctx->snippets;
    const sk_vocab *vocab;
    uint64_t first = s->n_ids;
    int32_t status = infill_vocab(ctx, &vocab);
    if (status == SKALD_OK)
        status = snippets_room(ctx, 1);
    if (status < 0)
        return status;
    int32_t sep = sk_vocab_special(vocab, SK_SPECIAL_FIM_SEP);
    if (sep >= 0)
        s->ids[s->n_ids++] = sep;
    status = snippet_text(ctx, name, text, n);
    if (status == SKALD_OK && s->n_ids - first > snippets_limit(ctx))
        status = sk_fail(&ctx->error, SKALD_E_CONTEXT_FULL,
                         "the snippet has %llu tokens, %llu may have all (infill_extra)",
                         (unsigned long long)(s->n_ids - first),
                         (unsigned long long)snippets_limit(ctx));
    if (status < 0 || snippet_is_known(s, first)) {
        s->n_ids = first;
        return status;
    }
    s->ends[s->n++] = s->n_ids;
    snippets_drop(ctx);
    return SKALD_OK;
}

/* ---- The prompt ------------------------------------------------------------------------------ */

typedef struct infill_text {
    int32_t *ids; /* owned */
    uint64_t n, first, last;
} infill_text;

/* Cuts the texts so that both fit `room`: of what is behind the cursor a quarter is enough; what is
 * before it loses its beginning in quarters of its room. */
static void infill_cut(infill_text *before, infill_text *after, uint64_t room)
{
    uint64_t behind = room > before->n ? room - before->n : 0;
    behind = behind > room / 4 ? behind : room / 4;
    after->last = after->n < behind ? after->n : behind;
    uint64_t space = room - after->last, step = space / 4 > 0 ? space / 4 : 1;
    if (before->n > space)
        before->first = (before->n - space + step - 1) / step * step;
    before->first = before->first < before->n ? before->first : before->n;
    before->last = before->n;
}

static void infill_add(int32_t *out, uint64_t *n, int32_t mark, const infill_text *text)
{
    out[(*n)++] = mark;
    if (text && text->last > text->first) {
        memcpy(out + *n, text->ids + text->first, (size_t)(text->last - text->first) * sizeof *out);
        *n += text->last - text->first;
    }
}

/* The whole prompt; there is room for it. */
static uint64_t infill_prompt(const sk_context *ctx, const sk_vocab *vocab,
                              const infill_text *before, const infill_text *after, int32_t *out)
{
    const sk_snippets *s = &ctx->snippets;
    uint64_t n = 0;
    int32_t pre = sk_vocab_special(vocab, SK_SPECIAL_FIM_PRE), bos;
    int32_t suf = sk_vocab_special(vocab, SK_SPECIAL_FIM_SUF);
    if (sk_context_wants_bos(ctx, vocab, &bos))
        out[n++] = bos;
    if (s->n_ids > 0)
        memcpy(out + n, s->ids, (size_t)s->n_ids * sizeof *out);
    n += s->n_ids;
    bool spm = strcmp(sk_opt_string(&ctx->options, SK_OPT_INFILL_ORDER), "spm") == 0;
    infill_add(out, &n, spm ? suf : pre, spm ? after : before);
    infill_add(out, &n, spm ? pre : suf, spm ? before : after);
    infill_add(out, &n, sk_vocab_special(vocab, SK_SPECIAL_FIM_MID), NULL);
    return n;
}

/* Tokens that the texts may have: room is left for the answer. */
static uint64_t infill_room(const sk_context *ctx)
{
    int64_t answer = sk_opt_int(&ctx->options, SK_OPT_N_PREDICT), most = ctx->n_ctx / 4;
    answer = answer >= 0 && answer < most ? answer : most;
    int64_t room = ctx->n_ctx - answer - (int64_t)ctx->snippets.n_ids - 4;
    return room > 0 ? (uint64_t)room : 0;
}

int32_t sk_context_set_infill(sk_context *ctx, const char *before, uint64_t n_before,
                              const char *after, uint64_t n_after)
{
    infill_text one = {0}, two = {0};
    const sk_vocab *vocab;
    int32_t *ids = NULL;
    int32_t status = infill_vocab(ctx, &vocab);
    if (status == SKALD_OK && ctx->n_ctx - (int64_t)ctx->snippets.n_ids < 8)
        status = sk_fail(&ctx->error, SKALD_E_CONTEXT_FULL, "n_ctx is %lld, wanted 8 or more",
                         (long long)ctx->n_ctx);
    if (status == SKALD_OK)
        status = infill_tokens(ctx, before, n_before, &one.ids, &one.n);
    if (status == SKALD_OK)
        status = infill_tokens(ctx, after, n_after, &two.ids, &two.n);
    if (status == SKALD_OK) {
        infill_cut(&one, &two, infill_room(ctx));
        ids = sk_alloc_array(ctx->heap, (uint64_t)ctx->n_ctx, sizeof *ids, "a prompt", &ctx->error);
        status = ids ? SKALD_OK : SKALD_E_MEMORY;
    }
    if (status == SKALD_OK)
        status = sk_context_set_tokens(ctx, ids, infill_prompt(ctx, vocab, &one, &two, ids));
    sk_free(ctx->heap, one.ids);
    sk_free(ctx->heap, two.ids);
    sk_free(ctx->heap, ids);
    return status;
}
