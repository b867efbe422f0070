/* SPDX-License-Identifier: MIT */
/*
 * A trigger is looked for in the text as stop strings are; the grammar reads it and what follows. A
 * token in which a trigger is complete but whose rest the grammar does not allow is not taken. The
 * matcher of triggers has no way back, so the bytes that it would need to see again are kept.
 */
#include "base/portable.h"

#include "sample/constraint.h"
#include "sample/stop.h"
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

    sk_stops *triggers;   /* NULL: the grammar binds from the beginning */
    char **trigger_texts; /* [n_triggers], owned, each owned */
    uint64_t n_triggers;
    bool active;
    char *tail; /* [n_tail], the last bytes before the trigger; room for the longest */
    uint64_t n_tail;
};

static int32_t constraint_find_token(const void *user, const char *text, uint64_t n)
{
    const sk_constraint *c = user;
    sk_error ignored;
    int32_t id[2];
    uint64_t needed = 0;
    int32_t status =
        sk_tokenize(c->vocab, c->heap, text, n, SKALD_PARSE_SPECIAL, id, 2, &needed, &ignored);
    return status == SKALD_OK && needed == 1 ? id[0] : -1;
}

/* Copies the triggers, but for empty ones; with none left the grammar binds at once. */
static int32_t constraint_watch_for(sk_constraint *c, char *const *texts, uint64_t n,
                                    sk_error *error)
{
    c->trigger_texts =
        sk_alloc_array(c->heap, n + 1, sizeof *c->trigger_texts, "grammar_trigger", error);
    if (!c->trigger_texts)
        return SKALD_E_MEMORY;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t size = strlen(texts[i]) + 1;
        char *copy = size > 1 ? sk_alloc(c->heap, size, "grammar_trigger", error) : NULL;
        if (!copy && size > 1)
            return SKALD_E_MEMORY;
        if (!copy)
            continue;
        memcpy(copy, texts[i], (size_t)size);
        c->trigger_texts[c->n_triggers++] = copy;
    }
    return SKALD_OK;
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
    if (status == SKALD_OK && c->n_triggers > 0)
        status = sk_stops_new(&c->triggers, c->heap, (const char *const *)c->trigger_texts,
                              c->n_triggers, error);
    if (status < 0 || !c->triggers)
        return status;
    uint64_t longest = sk_stops_longest(c->triggers);
    c->tail = sk_alloc(c->heap, longest, "grammar_trigger", error);
    return c->tail ? sk_constraint_reset(c, error) : SKALD_E_MEMORY;
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
        const sk_option_value *list = &options->values[SK_OPT_GRAMMAR_TRIGGER];
        status = constraint_watch_for(c, list->strings, list->n_strings, error);
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

int32_t sk_constraint_fork(sk_constraint **out, const sk_constraint *from, sk_error *error)
{
    *out = NULL;
    if (!from)
        return SKALD_OK;
    sk_constraint *c = constraint_alloc(from->heap, from->vocab, error);
    if (!c)
        return SKALD_E_MEMORY;
    sk_grammar_retain(from->grammar);
    c->grammar = from->grammar;
    int32_t status = constraint_watch_for(c, from->trigger_texts, from->n_triggers, error);
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
    sk_stops_free(c->triggers);
    sk_masks_free(c->masks);
    sk_matcher_free(c->matcher);
    sk_grammar_release(c->grammar);
    for (uint64_t i = 0; i < c->n_triggers; i++)
        sk_free(c->heap, c->trigger_texts[i]);
    sk_free(c->heap, c->trigger_texts);
    sk_free(c->heap, c->banned);
    sk_free(c->heap, c->tail);
    sk_free(c->heap, c);
}

int32_t sk_constraint_reset(sk_constraint *c, sk_error *error)
{
    c->has_banned = false;
    c->active = !c->triggers;
    c->n_tail = 0;
    if (c->triggers)
        sk_stops_reset(c->triggers);
    return sk_matcher_reset(c->matcher, error);
}

int32_t sk_constraint_mask(sk_constraint *c, sk_mask *out, sk_error *error)
{
    *out = (sk_mask){.only = -1};
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

/* Keeps the last bytes that the matcher of triggers would have to see again. */
static void constraint_keep_tail(sk_constraint *c, const char *bytes, uint64_t n)
{
    uint64_t room = sk_stops_longest(c->triggers) - 1;
    if (n >= room) {
        memcpy(c->tail, bytes + (n - room), (size_t)room);
        c->n_tail = room;
        return;
    }
    uint64_t dropped = c->n_tail + n > room ? c->n_tail + n - room : 0;
    memmove(c->tail, c->tail + dropped, (size_t)(c->n_tail - dropped));
    c->n_tail -= dropped;
    memcpy(c->tail + c->n_tail, bytes, (size_t)n);
    c->n_tail += n;
}

/* Looks for a trigger in a token's bytes; what the grammar reads of it must be allowed. */
static int32_t constraint_watch(sk_constraint *c, const char *bytes, uint64_t n, bool *taken,
                                sk_error *error)
{
    sk_stop_result found = sk_stops_feed(c->triggers, bytes, n);
    *taken = true;
    if (found.stop < 0) {
        constraint_keep_tail(c, bytes, n);
        return SKALD_OK;
    }
    const char *trigger = c->trigger_texts[found.stop];
    uint64_t used, n_trigger = strlen(trigger), n_rest = n - found.n_used;
    int32_t status = sk_matcher_read(c->matcher, trigger, n_trigger, &used, error);
    bool allowed = status == SKALD_OK && used == n_trigger;
    if (allowed) {
        status = sk_matcher_read(c->matcher, bytes + found.n_used, n_rest, &used, error);
        allowed = status == SKALD_OK && used == n_rest;
    }
    c->active = *taken = allowed;
    if (allowed || status < 0)
        return status;
    sk_stops_reset(c->triggers);
    sk_stops_feed(c->triggers, c->tail, c->n_tail);
    return sk_matcher_reset(c->matcher, error);
}

int32_t sk_constraint_take(sk_constraint *c, int32_t token, bool *taken, sk_error *error)
{
    uint64_t n;
    const char *bytes = sk_vocab_piece(c->vocab, token, false, &n);
    int32_t status = SKALD_OK;
    *taken = true;
    if (sk_vocab_is_end(c->vocab, token))
        return SKALD_OK;
    if (c->active)
        status = sk_matcher_take(c->matcher, token, bytes, n, taken, error);
    else
        status = constraint_watch(c, bytes, n, taken, error);
    if (status == SKALD_OK && !*taken)
        return constraint_ban(c, token, error);
    c->has_banned = false;
    return status;
}

bool sk_constraint_may_end(const sk_constraint *c)
{
    return !c->active || sk_matcher_may_end(c->matcher);
}
