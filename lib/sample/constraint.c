/* SPDX-License-Identifier: MIT */
/*
 * A trigger is looked for in the text (trigger.h); the grammar reads it and what follows. A token
 * in which a trigger is complete but which the grammar does not allow is not taken. A token that is
 * a trigger itself the grammar reads, as that token or as its text, or begins behind.
 */
#include "base/portable.h"

#include "sample/constraint.h"
#include "sample/trigger.h"
#include "text/tokenize.h"

#include <string.h>

int32_t sk_grammar_from_options(sk_grammar **out, sk_heap *heap, const sk_options *options,
                                const sk_token_finder *tokens, sk_error *error)
{
    const char *schema = sk_opt_string(options, SK_OPT_JSON_SCHEMA);
    const char *gbnf = sk_opt_string(options, SK_OPT_GRAMMAR);
    const char *regex = sk_opt_string(options, SK_OPT_REGEX);
    *out = NULL;
    if ((*schema != 0) + (*gbnf != 0) + (*regex != 0) > 1)
        return sk_fail(error, SKALD_E_OPTION,
                       "%s and %s are both set, wanted one of json_schema, grammar and regex",
                       *schema ? "json_schema" : "grammar", *regex ? "regex" : "grammar");
    if (*schema)
        return sk_grammar_from_schema(out, heap, schema, strlen(schema),
                                      sk_opt_string(options, SK_OPT_JSON_SCHEMA_IGNORE), error);
    if (*gbnf)
        return sk_grammar_from_gbnf(out, heap, gbnf, strlen(gbnf), tokens, error);
    return *regex ? sk_grammar_from_regex(out, heap, regex, strlen(regex), error) : SKALD_OK;
}

int32_t sk_grammar_check(const sk_options *options, sk_heap *heap, const char *text, uint64_t n,
                         sk_error *error)
{
    sk_grammar *grammar;
    sk_matcher *matcher = NULL;
    uint64_t used = 0;
    int32_t status = sk_grammar_from_options(&grammar, heap, options, NULL, error);
    if (status == SKALD_OK && !grammar)
        status = sk_fail(error, SKALD_E_OPTION,
                         "no grammar is set: wanted json_schema, grammar or regex");
    if (status == SKALD_OK)
        status = sk_matcher_new(&matcher, heap, grammar, error);
    if (status == SKALD_OK)
        status = sk_matcher_read(matcher, text, n, &used, error);
    if (status == SKALD_OK && used < n)
        status = sk_fail(error, SKALD_E_GRAMMAR, "byte %llu of %llu is not what the grammar allows",
                         (unsigned long long)used + 1, (unsigned long long)n);
    else if (status == SKALD_OK && !sk_matcher_may_end(matcher))
        status = sk_fail(error, SKALD_E_GRAMMAR,
                         "the text ends after %llu bytes, where the grammar wants more",
                         (unsigned long long)n);
    sk_matcher_free(matcher);
    sk_grammar_release(grammar);
    return status;
}

enum { AWAITED_MAX = 96 }; /* bytes of a text that is waited for, at most, and a NUL */

/* ---- Constraints ---------------------------------------------------------------------------- */

struct sk_constraint {
    sk_heap *heap; /* borrowed, as the vocabulary */
    const sk_vocab *vocab;
    uint64_t n_words;    /* of a mask */
    sk_grammar *grammar; /* counted */
    sk_matcher *matcher;
    sk_masks *masks;
    uint32_t *banned; /* [n_words]: the mask of this place with what was not taken */
    bool has_banned;

    uint32_t *ends; /* [n_words], those that end generation; made when a text is waited for */

    sk_triggers *triggers; /* NULL: none but tokens */
    int32_t *tokens;       /* owned, [n_tokens]: they trigger */
    uint64_t n_tokens;
    char awaited[AWAITED_MAX]; /* a text, its white space cut off; empty: none */
    sk_triggers *waiting;      /* for that; NULL: it is not made yet */
    bool is_waiting, active;
};

/* The one token that a text is; a tokeniser may put a blank before it, and then the first of just
 * that text counts. */
static int32_t constraint_find_token(const void *user, const char *text, uint64_t n)
{
    const sk_constraint *c = user;
    sk_error ignored;
    int32_t id[2];
    uint64_t needed = 0;
    int32_t status =
        sk_tokenize(c->vocab, c->heap, text, n, SKALD_PARSE_SPECIAL, id, 2, &needed, &ignored);
    if (status == SKALD_OK && needed == 1)
        return id[0];
    for (uint32_t i = 0; i < sk_vocab_n(c->vocab); i++) {
        const char *piece = sk_vocab_piece(c->vocab, (int32_t)i, true, &needed);
        if (n > 0 && needed == n && memcmp(piece, text, (size_t)n) == 0)
            return (int32_t)i;
    }
    return -1;
}

/* The tokens that trigger: by id in brackets, or by text. */
static int32_t constraint_find_tokens(sk_constraint *c, const sk_option_value *list,
                                      sk_error *error)
{
    c->tokens = sk_alloc_array(c->heap, list->n_strings + 1, sizeof *c->tokens, "triggers", error);
    if (!c->tokens)
        return SKALD_E_MEMORY;
    for (uint64_t i = 0; i < list->n_strings; i++) {
        const char *text = list->strings[i];
        uint64_t n = strlen(text);
        int64_t id = -1;
        bool is_id =
            n > 2 && text[0] == '[' && text[n - 1] == ']' && sk_parse_int(text + 1, n - 2, &id);
        if (!is_id)
            id = constraint_find_token(c, text, n);
        if (n > 0 && (id < 0 || id >= sk_vocab_n(c->vocab)))
            return sk_fail(
                error, SKALD_E_OPTION,
                "grammar_trigger_token: \"%.60s\" is no token, wanted the text of one or "
                "an id in brackets",
                text);
        if (n > 0)
            c->tokens[c->n_tokens++] = (int32_t)id;
    }
    return SKALD_OK;
}

static int32_t constraint_watch_for(sk_constraint *c, const sk_options *options, sk_error *error)
{
    const sk_option_value *texts = &options->values[SK_OPT_GRAMMAR_TRIGGER];
    const sk_option_value *regexes = &options->values[SK_OPT_GRAMMAR_TRIGGER_REGEX];
    int32_t status =
        constraint_find_tokens(c, &options->values[SK_OPT_GRAMMAR_TRIGGER_TOKEN], error);
    return status < 0 ? status
                      : sk_triggers_new(&c->triggers, c->heap, texts->strings, texts->n_strings,
                                        regexes->strings, regexes->n_strings, error);
}

static int32_t constraint_fill(sk_constraint *c, uint64_t n_logits, sk_error *error)
{
    c->n_words = (n_logits + 31) / 32;
    c->banned = sk_alloc_array(c->heap, c->n_words, sizeof *c->banned, "token masks", error);
    int32_t status = c->banned ? SKALD_OK : SKALD_E_MEMORY;
    if (status == SKALD_OK)
        status = sk_matcher_new(&c->matcher, c->heap, c->grammar, error);
    if (status == SKALD_OK)
        status = sk_masks_new(&c->masks, c->heap, c->vocab, n_logits, error);
    return status == SKALD_OK ? sk_constraint_reset(c, NULL, error) : status;
}

static sk_constraint *constraint_alloc(sk_heap *heap, const sk_vocab *vocab, sk_error *error)
{
    sk_constraint *c = sk_alloc_zero(heap, sizeof *c, "a grammar", error);
    if (!c)
        return NULL;
    c->heap = heap;
    c->vocab = vocab;
    c->active = true;
    return c;
}

int32_t sk_constraint_new(sk_constraint **out, sk_heap *heap, const sk_options *options,
                          const sk_vocab *vocab, uint64_t n_logits, sk_error *error)
{
    *out = NULL;
    sk_constraint *c = constraint_alloc(heap, vocab, error);
    if (!c)
        return SKALD_E_MEMORY;
    const sk_token_finder tokens = {constraint_find_token, c, vocab ? sk_vocab_n(vocab) : 0};
    int32_t status =
        sk_grammar_from_options(&c->grammar, heap, options, vocab ? &tokens : NULL, error);
    bool wanted = status == SKALD_OK && c->grammar;
    if (wanted && !vocab)
        status = sk_fail(error, SKALD_E_TOKENIZER,
                         "the model has no vocabulary: a grammar has no texts to choose from");
    if (wanted && status == SKALD_OK) {
        status = constraint_watch_for(c, options, error);
        if (status == SKALD_OK)
            status = constraint_fill(c, n_logits, error);
    }
    if (status < 0 || !wanted) {
        sk_constraint_free(c);
        return status;
    }
    *out = c;
    return SKALD_OK;
}

int32_t sk_constraint_fork(sk_constraint **out, const sk_constraint *from,
                           const sk_options *options, sk_error *error)
{
    *out = NULL;
    if (!from)
        return SKALD_OK;
    sk_constraint *c = constraint_alloc(from->heap, from->vocab, error);
    if (!c)
        return SKALD_E_MEMORY;
    sk_grammar_retain(from->grammar);
    c->grammar = from->grammar;
    int32_t status = constraint_watch_for(c, options, error);
    if (status == SKALD_OK)
        status = constraint_fill(c, from->n_words * 32, error);
    if (status < 0)
        sk_constraint_free(c);
    else
        *out = c;
    return status;
}

void sk_constraint_free(sk_constraint *c)
{
    if (!c)
        return;
    sk_triggers_free(c->triggers);
    sk_triggers_free(c->waiting);
    sk_masks_free(c->masks);
    sk_matcher_free(c->matcher);
    sk_grammar_release(c->grammar);
    sk_free(c->heap, c->tokens);
    sk_free(c->heap, c->ends);
    sk_free(c->heap, c->banned);
    sk_free(c->heap, c);
}

/* The mask of what may not come before the text that is waited for: all ends. */
static int32_t constraint_find_ends(sk_constraint *c, sk_error *error)
{
    if (c->ends)
        return SKALD_OK;
    c->ends = sk_alloc_array(c->heap, c->n_words, sizeof *c->ends, "token masks", error);
    if (!c->ends)
        return SKALD_E_MEMORY;
    memset(c->ends, 0, (size_t)c->n_words * sizeof *c->ends);
    for (uint32_t id = 0; id < sk_vocab_n(c->vocab) && id / 32 < c->n_words; id++)
        if (sk_vocab_is_end(c->vocab, (int32_t)id))
            c->ends[id / 32] |= (uint32_t)1 << (id % 32);
    return SKALD_OK;
}

static bool constraint_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static int32_t constraint_wait(sk_constraint *c, const char *text, sk_error *error)
{
    /* What is behind the group, nothing, is where the grammar begins. */
    static const char behind[] = "()";
    char expression[2 * AWAITED_MAX + sizeof behind], *list = expression;
    size_t n = strlen(text), n_out = 0;
    while (n > 0 && constraint_is_space(*text))
        text++, n--;
    while (n > 0 && constraint_is_space(text[n - 1]))
        n--;
    c->is_waiting = n > 0 && n < AWAITED_MAX;
    if (!c->is_waiting)
        return SKALD_OK;
    if (c->waiting && strlen(c->awaited) == n && memcmp(c->awaited, text, n) == 0)
        return sk_triggers_reset(c->waiting, error);
    memcpy(c->awaited, text, n);
    c->awaited[n] = 0;
    for (size_t i = 0; i < n; i++) {
        if (strchr("()[]{}|*+?.^$\\", text[i]))
            expression[n_out++] = '\\';
        expression[n_out++] = text[i];
    }
    memcpy(expression + n_out, behind, sizeof behind);
    sk_triggers_free(c->waiting);
    c->waiting = NULL;
    int32_t status = constraint_find_ends(c, error);
    return status < 0 ? status : sk_triggers_new(&c->waiting, c->heap, NULL, 0, &list, 1, error);
}

int32_t sk_constraint_reset(sk_constraint *c, const char *awaited, sk_error *error)
{
    int32_t status = SKALD_OK;
    c->has_banned = c->is_waiting = false;
    if (awaited)
        status = constraint_wait(c, awaited, error);
    if (status == SKALD_OK && !c->is_waiting && c->triggers)
        status = sk_triggers_reset(c->triggers, error);
    c->active = !c->is_waiting && !c->triggers && c->n_tokens == 0;
    return status == SKALD_OK ? sk_matcher_reset(c->matcher, error) : status;
}

int32_t sk_constraint_mask(sk_constraint *c, sk_mask *out, sk_error *error)
{
    *out =
        (sk_mask){.only = -1, .n_text = 1, .banned = c->is_waiting && !c->active ? c->ends : NULL};
    int32_t status = c->active ? sk_masks_get(c->masks, c->matcher, out, error) : SKALD_OK;
    if (status == SKALD_OK && c->has_banned)
        out->banned = c->banned;
    return status;
}

/* The token is not to be chosen at this place. */
static int32_t constraint_ban(sk_constraint *c, int32_t token, sk_error *error)
{
    sk_mask mask;
    int32_t status = sk_constraint_mask(c, &mask, error);
    if (status < 0)
        return status;
    if (!c->has_banned && mask.banned)
        memcpy(c->banned, mask.banned, (size_t)c->n_words * sizeof *c->banned);
    else if (!c->has_banned)
        memset(c->banned, 0, (size_t)c->n_words * sizeof *c->banned);
    c->has_banned = true;
    c->banned[token / 32] |= (uint32_t)1 << (token % 32);
    return SKALD_OK;
}

/* Looks for a trigger in a token's bytes; what the grammar reads of it must be allowed. */
static int32_t constraint_watch(sk_constraint *c, sk_triggers *triggers, const char *bytes,
                                uint64_t n, bool *taken, sk_error *error)
{
    const char *text;
    uint64_t n_text, used;
    int32_t status = sk_triggers_feed(triggers, bytes, n, &text, &n_text, error);
    *taken = true;
    if (status < 0 || !text)
        return status;
    status = sk_matcher_read(c->matcher, text, n_text, &used, error);
    c->active = *taken = status == SKALD_OK && used == n_text;
    return c->active || status < 0 ? status : sk_matcher_reset(c->matcher, error);
}

/* A token that triggers: read by the grammar if it can, which else begins behind. */
static int32_t constraint_begin(sk_constraint *c, int32_t token, const char *bytes, uint64_t n,
                                sk_error *error)
{
    bool taken;
    c->active = true;
    return sk_matcher_take(c->matcher, token, bytes, n, &taken, error);
}

static bool constraint_is_trigger(const sk_constraint *c, int32_t token)
{
    for (uint64_t i = 0; i < c->n_tokens; i++)
        if (c->tokens[i] == token)
            return true;
    return false;
}

int32_t sk_constraint_take(sk_constraint *c, int32_t token, bool *taken, sk_error *error)
{
    uint64_t n;
    sk_triggers *triggers = c->is_waiting ? c->waiting : c->triggers;
    /* Triggers may be the texts of control tokens; a grammar names these otherwise. */
    const char *bytes = sk_vocab_piece(c->vocab, token, !c->active, &n);
    int32_t status = SKALD_OK;
    *taken = true;
    if (sk_vocab_is_end(c->vocab, token))
        return SKALD_OK;
    if (c->active)
        status = sk_matcher_take(c->matcher, token, bytes, n, taken, error);
    else if (!c->is_waiting && constraint_is_trigger(c, token))
        status = constraint_begin(c, token, bytes, n, error);
    else if (triggers)
        status = constraint_watch(c, triggers, bytes, n, taken, error);
    if (status == SKALD_OK && !*taken)
        return constraint_ban(c, token, error);
    c->has_banned = false;
    return status;
}

bool sk_constraint_may_end(const sk_constraint *c)
{
    return !c->active || sk_matcher_may_end(c->matcher);
}
