/* SPDX-License-Identifier: MIT */
/*
 * Options: one table of keys, and sets of values for them. skald_options is an sk_options;
 * a context keeps one of its own for what can be changed while it lives.
 */
#ifndef SK_BASE_OPTIONS_H
#define SK_BASE_OPTIONS_H

#include "alloc.h"

/* SK_OPTION(ID, key, type, default, minimum, maximum, flags, help). Numbers outside their range
 * are refused. Flags: L a list of strings, S may be changed while a context lives, C a choice: the
 * help begins with the allowed values, separated by '|' and ended by ':'. */
#define SK_OPTION_LIST 1
#define SK_OPTION_LIVE 2
#define SK_OPTION_CHOICE 4

#define SK_OPTIONS(X) \
    X(LOAD, "load", STRING, "map", 0, 0, SK_OPTION_CHOICE, \
      "map|read: map the file's weights, or copy them to memory") \
    X(MEMORY, "memory", POINTER, "", 0, 0, 0, \
      "the model file's bytes, which must outlive the model (with memory_size)") \
    X(MEMORY_SIZE, "memory_size", INT, "0", 0, 9.2e18, 0, "bytes at `memory`") \
    X(READER, "reader", POINTER, "", 0, 0, 0, "a skald_reader table: where the file's bytes are") \
    X(ALLOCATOR, "allocator", POINTER, "", 0, 0, 0, "a skald_allocator table for all memory") \
    X(LAYER_FIRST, "layer_first", INT, "1", 1, 1e6, 0, \
      "of a control vector: the first layer that it is added to") \
    X(LAYER_LAST, "layer_last", INT, "1000000", 1, 1e6, 0, "and the last one") \
    X(EXECUTOR, "executor", POINTER, "", 0, 0, 0, "a skald_executor table: the host's job system") \
    X(LOG, "log", POINTER, "", 0, 0, 0, \
      "a skald_log table: where sentences go that are no errors") \
    X(MAX_MEMORY, "max_memory", INT, "0", 0, 9.2e18, 0, \
      "bytes that one handle may allocate, mapped weights not included; 0: no limit") \
    X(N_THREADS, "n_threads", INT, "0", 0, 1024, 0, \
      "threads of a model's pool, the caller's included; 0: one per usable core") \
    X(THREADS_OF, "threads_of", POINTER, "", 0, 0, 0, \
      "a loaded skald_model, whose pool of threads this one uses too") \
    X(CPU, "cpu", STRING, "auto", 0, 0, 0, \
      "tier of kernels: auto, or a tier's name (c, ...); all tiers give the same bits") \
    X(N_CTX, "n_ctx", INT, "4096", 1, 134217728, 0, "tokens that a context can hold") \
    X(N_BATCH, "n_batch", INT, "256", 1, 65536, 0, "tokens that are evaluated at once at most") \
    X(CACHE_TYPE_K, "cache_type_k", STRING, "f16", 0, 0, SK_OPTION_CHOICE, \
      "f16|f32|bf16|q8_0|q4_0: type of the cached keys") \
    X(CACHE_TYPE_V, "cache_type_v", STRING, "f16", 0, 0, SK_OPTION_CHOICE, \
      "f16|f32|bf16|q8_0|q4_0: type of the cached values") \
    X(WHEN_FULL, "when_full", STRING, "stop", 0, 0, SK_OPTION_CHOICE | SK_OPTION_LIVE, \
      "stop|error|drop: when n_ctx is reached, end generation, fail, or drop the oldest tokens") \
    X(N_KEEP, "n_keep", INT, "0", 0, 134217728, SK_OPTION_LIVE, \
      "first tokens that are never dropped; a BOS in front never is") \
    X(SHIFT, "shift", STRING, "recompute", 0, 0, SK_OPTION_CHOICE | SK_OPTION_LIVE, \
      "recompute|rotate: evaluate again what follows removed tokens, or move it if possible") \
    X(LOGITS_ALL, "logits_all", INT, "0", 0, 1, 0, \
      "1: keep the logits of every token of the last batch") \
    X(DRAFT, "draft", STRING, "off", 0, 0, SK_OPTION_CHOICE, \
      "off|lookup|model: guess tokens ahead, from the text so far or by draft_model; text stays") \
    X(N_DRAFT, "n_draft", INT, "7", 1, 255, 0, \
      "tokens that are guessed and verified in one batch at most, less than n_batch") \
    X(DRAFT_MODEL, "draft_model", POINTER, "", 0, 0, 0, \
      "of draft=model: a loaded skald_model, smaller and of the same vocabulary") \
    X(DRAFT_P_MIN, "draft_p_min", FLOAT, "0.5", 0, 1, 0, \
      "of draft=model: its guesses end before one that it gives a lower probability") \
    X(POOLING, "pooling", STRING, "off", 0, 0, SK_OPTION_CHOICE, \
      "off|model|none|mean|cls|last|rank: give vectors of texts, pooled so, instead of text") \
    X(NORMALISE, "normalise", INT, "1", 0, 1, 0, "1: vectors have the length 1, but for scores") \
    X(INFILL_ORDER, "infill_order", STRING, "psm", 0, 0, SK_OPTION_CHOICE, \
      "psm|spm: what skald_set_infill puts first, the text before the gap or that behind it") \
    X(INFILL_EXTRA, "infill_extra", INT, "1024", 0, 134217728, 0, \
      "tokens of snippets that are kept at most, up to half of n_ctx") \
    X(ADD_BOS, "add_bos", INT, "-1", -1, 1, 0, \
      "BOS before the first text: 1 yes, 0 no, -1 as the model says") \
    X(PARSE_SPECIAL, "parse_special", INT, "0", 0, 1, SK_OPTION_LIVE, \
      "1: texts of control tokens in skald_append_text become those tokens") \
    X(CHAT_TEMPLATE, "chat_template", STRING, "", 0, 0, 0, \
      "of chats: the name of a built-in template, or its text; empty: the model's own") \
    X(CHAT_NOW, "chat_now", INT, "-1", -1, 253402300799, 0, \
      "what chat templates take for the time, in seconds since 1970; -1: the system's clock") \
    X(REPLY_FORMAT, "reply_format", STRING, "auto", 0, 0, SK_OPTION_LIVE, \
      "how replies are told apart: auto (by the template), text, all, or names of formats") \
    X(REASONING_BUDGET, "reasoning_budget", INT, "-1", -1, 9.2e18, SK_OPTION_LIVE, \
      "tokens of reasoning after which it is brought to its end; -1: no limit") \
    X(N_PREDICT, "n_predict", INT, "-1", -1, 9.2e18, SK_OPTION_LIVE, \
      "tokens to generate at most; -1: until the end, 0: only evaluate") \
    X(STOP, "stop", STRING, "", 0, 0, SK_OPTION_LIST | SK_OPTION_LIVE, \
      "text at which generation stops; it is not part of the output (a list)") \
    X(BANNED, "banned", STRING, "", 0, 0, SK_OPTION_LIST | SK_OPTION_LIVE, \
      "text that is not written: other tokens are chosen where it begins (a list)") \
    X(TIME_LIMIT_MS, "time_limit_ms", INT, "0", 0, 9.2e15, SK_OPTION_LIVE, \
      "milliseconds from a turn's first step to its end, the prompt included; 0: no limit") \
    X(IGNORE_EOS, "ignore_eos", INT, "0", 0, 1, SK_OPTION_LIVE, \
      "1: end-of-generation tokens are never chosen") \
    X(SEED, "seed", INT, "0", -9.2e18, 9.2e18, SK_OPTION_LIVE, \
      "of the random numbers; the same seed gives the same text") \
    X(TEMPERATURE, "temperature", FLOAT, "0.8", 0, 1e6, SK_OPTION_LIVE, \
      "divides the logits; 0: always the likeliest token") \
    X(TOP_K, "top_k", INT, "40", 0, 2147483647, SK_OPTION_LIVE, \
      "keep the k likeliest tokens; 0: all") \
    X(TOP_P, "top_p", FLOAT, "0.95", 0, 1, SK_OPTION_LIVE, \
      "keep the likeliest tokens whose probabilities add up to p; 1: all") \
    X(MIN_P, "min_p", FLOAT, "0.05", 0, 1, SK_OPTION_LIVE, \
      "keep tokens at least p times as likely as the likeliest; 0: all") \
    X(REPEAT_PENALTY, "repeat_penalty", FLOAT, "1", 0.01, 100, SK_OPTION_LIVE, \
      "divides the logits of recent tokens (multiplies negative ones); 1: off") \
    X(PRESENCE_PENALTY, "presence_penalty", FLOAT, "0", -1000, 1000, SK_OPTION_LIVE, \
      "subtracted once from the logits of recent tokens") \
    X(FREQUENCY_PENALTY, "frequency_penalty", FLOAT, "0", -1000, 1000, SK_OPTION_LIVE, \
      "subtracted from the logits of recent tokens for each occurrence") \
    X(PENALTY_LAST_N, "penalty_last_n", INT, "64", 0, 134217728, SK_OPTION_LIVE, \
      "how many tokens are recent") \
    X(TYPICAL_P, "typical_p", FLOAT, "1", 0, 1, SK_OPTION_LIVE, \
      "keep tokens of usual surprise whose probabilities add up to more than p; 1: all") \
    X(TOP_N_SIGMA, "top_n_sigma", FLOAT, "-1", -1, 1e6, SK_OPTION_LIVE, \
      "keep logits within n standard deviations of the best; 0 or less: all") \
    X(XTC_PROBABILITY, "xtc_probability", FLOAT, "0", 0, 1, SK_OPTION_LIVE, \
      "how often all but the least likely token above xtc_threshold are removed") \
    X(XTC_THRESHOLD, "xtc_threshold", FLOAT, "0.1", 0, 1, SK_OPTION_LIVE, \
      "probability above which xtc removes tokens; above 0.5: off") \
    X(DYNATEMP_RANGE, "dynatemp_range", FLOAT, "0", 0, 1e6, SK_OPTION_LIVE, \
      "the temperature moves by so much, lower where the choice is clear; 0: off") \
    X(DYNATEMP_EXPONENT, "dynatemp_exponent", FLOAT, "1", 0, 100, SK_OPTION_LIVE, \
      "how the entropy moves the temperature") \
    X(DRY_MULTIPLIER, "dry_multiplier", FLOAT, "0", 0, 1000, SK_OPTION_LIVE, \
      "of the penalty on going on with a repetition; 0: off") \
    X(DRY_BASE, "dry_base", FLOAT, "1.75", 0, 1000, SK_OPTION_LIVE, \
      "the penalty grows by this factor with each token repeated") \
    X(DRY_ALLOWED_LENGTH, "dry_allowed_length", INT, "2", 0, 134217728, SK_OPTION_LIVE, \
      "tokens that may be repeated without a penalty") \
    X(DRY_LAST_N, "dry_penalty_last_n", INT, "64", 0, 1048576, SK_OPTION_LIVE, \
      "how many tokens back repetitions are looked for; 0: off") \
    X(DRY_BREAKERS, "dry_sequence_breakers", STRING, "", 0, 0, SK_OPTION_LIST | SK_OPTION_LIVE, \
      "texts that no repetition reaches across (a list); none: line end, colon, quote, asterisk") \
    X(MIROSTAT, "mirostat", INT, "0", 0, 2, SK_OPTION_LIVE, \
      "1, 2: keep the surprise near mirostat_tau, in place of the other samplers") \
    X(MIROSTAT_TAU, "mirostat_tau", FLOAT, "5", 0, 100, SK_OPTION_LIVE, \
      "surprise aimed at, in bits") \
    X(MIROSTAT_ETA, "mirostat_eta", FLOAT, "0.1", 0, 10, SK_OPTION_LIVE, \
      "how fast mirostat corrects") \
    X(ADAPTIVE_TARGET, "adaptive_target", FLOAT, "-1", -1, 1, SK_OPTION_LIVE, \
      "probability that adaptive_p (listed in samplers) aims at; below 0: draw as usual") \
    X(ADAPTIVE_DECAY, "adaptive_decay", FLOAT, "0.9", 0, 0.99, SK_OPTION_LIVE, \
      "how long adaptive_p remembers") \
    X(MIN_KEEP, "min_keep", INT, "0", 0, 2147483647, SK_OPTION_LIVE, \
      "tokens that truncating samplers leave at least") \
    X(N_PROBS, "n_probs", INT, "0", 0, 1000, SK_OPTION_LIVE, \
      "log-probabilities to keep of each token, of so many of the likeliest (skald_token_probs)") \
    X(SAMPLERS, "samplers", STRING, "", 0, 0, SK_OPTION_LIVE, \
      "the samplers and their order, as names separated by ';'; empty: the usual order") \
    X(SAMPLER, "sampler", POINTER, "", 0, 0, 0, \
      "a skald_sampler table: the host's own, after all others and before the draw") \
    X(JSON_SCHEMA, "json_schema", STRING, "", 0, 0, SK_OPTION_LIVE, \
      "what is generated is JSON that this schema describes (sample/schema.h says what it knows)") \
    X(JSON_SCHEMA_IGNORE, "json_schema_ignore", STRING, "", 0, 0, SK_OPTION_LIVE, \
      "keywords of the schema that need not be enforced where they cannot be, or *: all such") \
    X(GRAMMAR, "grammar", STRING, "", 0, 0, SK_OPTION_LIVE, \
      "what is generated is a text of this grammar (GBNF)") \
    X(REGEX, "regex", STRING, "", 0, 0, SK_OPTION_LIVE, \
      "what is generated matches this regular expression as a whole") \
    X(GRAMMAR_TRIGGER, "grammar_trigger", STRING, "", 0, 0, SK_OPTION_LIST | SK_OPTION_LIVE, \
      "the grammar binds from the first of these texts on, and nothing before it (a list)") \
    X(GRAMMAR_TRIGGER_REGEX, "grammar_trigger_regex", STRING, "", 0, 0, \
      SK_OPTION_LIST | SK_OPTION_LIVE, \
      "the same at a match of one of these expressions; a group says where the grammar begins") \
    X(GRAMMAR_TRIGGER_TOKEN, "grammar_trigger_token", STRING, "", 0, 0, \
      SK_OPTION_LIST | SK_OPTION_LIVE, \
      "the same at one of these tokens, by text, or by id in brackets: [123] (a list)") \
    X(LOGIT_BIAS, "logit_bias", STRING, "", 0, 0, SK_OPTION_LIVE, \
      "added to logits: 'ID:BIAS,ID:BIAS', where BIAS may be -inf")

enum {
#define X(ID, key, type, def, min, max, flags, help) SK_OPT_##ID,
    SK_OPTIONS(X)
#undef X
        SK_N_OPTIONS
};

typedef struct sk_option_info {
    const char *key, *def, *help;
    int32_t type; /* SKALD_TYPE_... */
    int32_t flags;
    double min, max;
} sk_option_info;

typedef struct sk_option_value {
    int64_t i;
    double f;
    const void *p;
    char **strings; /* owned, each owned; a list has any number, a string 0 or 1 */
    uint64_t n_strings, capacity;
    bool set;
} sk_option_value;

typedef struct sk_options {
    sk_heap *heap; /* borrowed */
    sk_option_value values[SK_N_OPTIONS];
    /* The tables of the host, copied when they were set. */
    skald_reader reader;
    skald_allocator allocator;
    skald_executor executor;
    skald_sampler sampler;
    skald_log log;
} sk_options;

const sk_option_info *sk_option_info_get(int32_t id); /* NULL outside [0, SK_N_OPTIONS) */
int32_t sk_option_find(const char *key);              /* -1: no such key */

void sk_options_init(sk_options *options, sk_heap *heap);
void sk_options_clear(sk_options *options);
/* Copies all of `from` (NULL: the defaults) to an initialised set. Errors: MEMORY. */
int32_t sk_options_copy(sk_options *to, const sk_options *from, sk_error *error);

/* Takes an option back to its default. */
void sk_options_unset(sk_options *o, int32_t id);

/* The setters of skald.h, by key. Errors: OPTION, ARGUMENT, MEMORY. */
int32_t sk_options_set_int(sk_options *o, const char *key, int64_t value, sk_error *error);
int32_t sk_options_set_float(sk_options *o, const char *key, double value, sk_error *error);
int32_t sk_options_set_string(sk_options *o, const char *key, const char *value, bool add,
                              sk_error *error);
int32_t sk_options_set_pointer(sk_options *o, const char *key, const void *value, sk_error *error);
int32_t sk_options_parse(sk_options *o, const char *text, sk_error *error);
int32_t sk_options_get_int(const sk_options *o, const char *key, int64_t *value, sk_error *error);
int32_t sk_options_get_float(const sk_options *o, const char *key, double *value, sk_error *error);
int32_t sk_options_get_string(const sk_options *o, const char *key, const char **value,
                              sk_error *error);

/* By id, for the library's own use: the value, or the default. */
int64_t sk_opt_int(const sk_options *o, int32_t id);
double sk_opt_float(const sk_options *o, int32_t id);
const char *sk_opt_string(const sk_options *o, int32_t id);  /* never NULL */
const void *sk_opt_pointer(const sk_options *o, int32_t id); /* a host table: the copy */

/* Locale-free reading of a whole text as a number; false if it is none. */
bool sk_parse_int(const char *text, uint64_t n, int64_t *value);

/* The word of a list that is nearest to `word` by edit distance, or NULL if none is near. */
const char *sk_nearest_word(const char *word, const char *const *list, size_t n);

#endif
