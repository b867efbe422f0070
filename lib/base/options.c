/* SPDX-License-Identifier: MIT */
/*
 * The one list of options is SK_OPTIONS in options.h; everything here walks the table made of it.
 */
#include "base/portable.h"

#include "base/options.h"

#include <string.h>

static const sk_option_info option_table[SK_N_OPTIONS] = {
#define X(ID, key, type, def, min, max, flags, help) \
    {key, def, help, SKALD_TYPE_##type, flags, min, max},
    SK_OPTIONS(X)
#undef X
};

const sk_option_info *sk_option_info_get(int32_t id)
{
    return id >= 0 && id < SK_N_OPTIONS ? &option_table[id] : NULL;
}

int32_t sk_option_find(const char *key)
{
    for (int32_t id = 0; key && id < SK_N_OPTIONS; id++)
        if (strcmp(option_table[id].key, key) == 0)
            return id;
    return -1;
}

/* ---- Words ---------------------------------------------------------------------------------- */

enum { MAX_WORD = 64 };

/* Edit distance (Levenshtein) of two words of at most MAX_WORD bytes. */
static size_t word_distance(const char *a, const char *b)
{
    size_t row[MAX_WORD + 1], n = strlen(b);
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t change = corner + (a[i - 1] != b[j - 1]);
            size_t best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            corner = row[j];
            row[j] = change < best ? change : best;
        }
    }
    return row[n];
}

const char *sk_nearest_word(const char *word, const char *const *list, size_t n)
{
    const char *best = NULL;
    size_t length = word ? strlen(word) : 0, best_distance = length / 2 + 2;
    for (size_t i = 0; length > 0 && length <= MAX_WORD && i < n; i++) {
        if (strlen(list[i]) > MAX_WORD)
            continue;
        size_t distance = word_distance(word, list[i]);
        if (distance < best_distance) {
            best = list[i];
            best_distance = distance;
        }
    }
    return best;
}

bool sk_parse_int(const char *text, uint64_t n, int64_t *value)
{
    bool negative = n > 0 && text[0] == '-';
    uint64_t i = negative || (n > 0 && text[0] == '+'), sum = 0;
    if (i == n)
        return false;
    for (; i < n; i++) {
        unsigned digit = (unsigned char)text[i] - (unsigned)'0';
        if (digit > 9 || sum > (uint64_t)INT64_MAX / 10 || sum * 10 + digit > INT64_MAX)
            return false;
        sum = sum * 10 + digit;
    }
    *value = negative ? -(int64_t)sum : (int64_t)sum;
    return true;
}

/* ---- Sets of values ------------------------------------------------------------------------- */

void sk_options_init(sk_options *options, sk_heap *heap)
{
    memset(options, 0, sizeof *options);
    options->heap = heap;
}

static void clear_strings(sk_options *o, sk_option_value *value)
{
    for (uint64_t i = 0; i < value->n_strings; i++)
        sk_free(o->heap, value->strings[i]);
    value->n_strings = 0;
}

void sk_options_clear(sk_options *o)
{
    for (int32_t id = 0; id < SK_N_OPTIONS; id++) {
        clear_strings(o, &o->values[id]);
        sk_free(o->heap, o->values[id].strings);
    }
    sk_options_init(o, o->heap);
}

static int32_t add_string(sk_options *o, sk_option_value *value, const char *text, uint64_t n,
                          sk_error *error)
{
    char *copy = sk_alloc(o->heap, n + 1, "option", error);
    if (!copy)
        return SKALD_E_MEMORY;
    void *strings = value->strings;
    int32_t status = sk_grow(o->heap, &strings, &value->capacity, value->n_strings + 1,
                             sizeof *value->strings, "option", error);
    value->strings = strings;
    if (status < 0) {
        sk_free(o->heap, copy);
        return status;
    }
    memcpy(copy, text, (size_t)n);
    copy[n] = 0;
    value->strings[value->n_strings++] = copy;
    value->set = true;
    return SKALD_OK;
}

/* Replaces whatever strings there are by one; they stay when memory runs out. */
static int32_t replace_string(sk_options *o, sk_option_value *value, const char *text, uint64_t n,
                              sk_error *error)
{
    int32_t status = add_string(o, value, text, n, error);
    if (status < 0)
        return status;
    char *last = value->strings[--value->n_strings];
    clear_strings(o, value);
    value->strings[value->n_strings++] = last;
    return SKALD_OK;
}

void sk_options_unset(sk_options *o, int32_t id)
{
    sk_option_value *value = &o->values[id];
    clear_strings(o, value);
    value->i = 0;
    value->f = 0;
    value->p = NULL;
    value->set = false;
}

int32_t sk_options_copy(sk_options *to, const sk_options *from, sk_error *error)
{
    sk_options_clear(to);
    if (!from)
        return SKALD_OK;
    for (int32_t id = 0; id < SK_N_OPTIONS; id++) {
        const sk_option_value *value = &from->values[id];
        sk_option_value *copy = &to->values[id];
        for (uint64_t i = 0; i < value->n_strings; i++) {
            const char *text = value->strings[i];
            int32_t status = add_string(to, copy, text, strlen(text), error);
            if (status < 0)
                return status;
        }
        copy->i = value->i;
        copy->f = value->f;
        copy->p = value->p;
        copy->set = value->set;
    }
    to->reader = from->reader;
    to->allocator = from->allocator;
    to->executor = from->executor;
    to->sampler = from->sampler;
    to->log = from->log;
    return SKALD_OK;
}

/* ---- Setting and reading -------------------------------------------------------------------- */

/* The option's id, or an error that names the nearest key. */
static int32_t find_option(const char *key, sk_error *error)
{
    const char *keys[SK_N_OPTIONS];
    int32_t id = sk_option_find(key);
    if (id >= 0)
        return id;
    if (!key)
        return sk_fail(error, SKALD_E_ARGUMENT, "the key of an option is NULL");
    for (int32_t i = 0; i < SK_N_OPTIONS; i++)
        keys[i] = option_table[i].key;
    const char *near = sk_nearest_word(key, keys, SK_N_OPTIONS);
    return near ? sk_fail(error, SKALD_E_OPTION, "unknown option \"%s\"; did you mean \"%s\"?", key,
                          near)
                : sk_fail(error, SKALD_E_OPTION, "unknown option \"%s\"", key);
}

static int32_t wrong_type(int32_t id, const char *found, sk_error *error)
{
    static const char *const names[] = {"", "an integer", "a number", "a string", "a pointer"};
    return sk_fail(error, SKALD_E_OPTION, "option \"%s\" is %s, not %s", option_table[id].key,
                   names[option_table[id].type], found);
}

static int32_t out_of_range(int32_t id, double value, sk_error *error)
{
    return sk_fail(error, SKALD_E_OPTION, "option \"%s\" is %g, wanted %g to %g",
                   option_table[id].key, value, option_table[id].min, option_table[id].max);
}

int32_t sk_options_set_float(sk_options *o, const char *key, double value, sk_error *error)
{
    int32_t id = find_option(key, error);
    if (id < 0)
        return id;
    const sk_option_info *info = &option_table[id];
    bool fits = value > -9e18 && value < 9e18;
    if (info->type == SKALD_TYPE_INT && fits && value == (double)(int64_t)value)
        return sk_options_set_int(o, key, (int64_t)value, error);
    if (info->type != SKALD_TYPE_FLOAT)
        return wrong_type(id, "a number with a fraction", error);
    if (!(value >= info->min && value <= info->max))
        return out_of_range(id, value, error);
    o->values[id].f = value;
    o->values[id].set = true;
    return SKALD_OK;
}

int32_t sk_options_set_int(sk_options *o, const char *key, int64_t value, sk_error *error)
{
    int32_t id = find_option(key, error);
    if (id < 0)
        return id;
    const sk_option_info *info = &option_table[id];
    if (info->type == SKALD_TYPE_FLOAT)
        return sk_options_set_float(o, key, (double)value, error);
    if (info->type != SKALD_TYPE_INT)
        return wrong_type(id, "an integer", error);
    if ((double)value < info->min || (double)value > info->max)
        return out_of_range(id, (double)value, error);
    o->values[id].i = value;
    o->values[id].set = true;
    return SKALD_OK;
}

/* Whether `text` of `n` bytes is one of the choices that the help begins with. */
static bool is_choice(const char *help, const char *text, uint64_t n)
{
    for (const char *word = help;; word++) {
        uint64_t length = 0;
        while (word[length] != '|' && word[length] != ':')
            length++;
        if (length == n && memcmp(word, text, (size_t)n) == 0)
            return true;
        word += length;
        if (*word == ':')
            return false;
    }
}

static int32_t set_text(sk_options *o, int32_t id, const char *text, uint64_t n, bool add,
                        sk_error *error)
{
    const sk_option_info *info = &option_table[id];
    if ((info->flags & SK_OPTION_CHOICE) && !is_choice(info->help, text, n)) {
        uint64_t length = (uint64_t)(strchr(info->help, ':') - info->help);
        return sk_fail(error, SKALD_E_OPTION, "option \"%s\" is \"%.*s\", wanted one of %.*s",
                       info->key, (int)(n > 64 ? 64 : n), text, (int)length, info->help);
    }
    if (add && (info->flags & SK_OPTION_LIST))
        return add_string(o, &o->values[id], text, n, error);
    return replace_string(o, &o->values[id], text, n, error);
}

/* A host built with a later header has a longer table: its first fields are ours. */
static int32_t check_table(int32_t id, const void *table, size_t size, sk_error *error)
{
    const char *key = option_table[id].key;
    size_t found;
    memcpy(&found, table, sizeof found);
    if (found < size)
        return sk_fail(error, SKALD_E_ARGUMENT,
                       "the table of option \"%s\" says it has %zu bytes, wanted at least %zu", key,
                       found, size);
    const skald_allocator *allocator = table;
    const skald_executor *executor = table;
    const skald_reader *reader = table;
    const skald_sampler *sampler = table;
    const skald_log *log = table;
    bool whole = id == SK_OPT_ALLOCATOR  ? allocator->alloc && allocator->free
                 : id == SK_OPT_EXECUTOR ? executor->parallel_for && executor->n_threads > 0
                 : id == SK_OPT_SAMPLER  ? sampler->apply != NULL
                 : id == SK_OPT_LOG      ? log->log != NULL
                                         : reader->read != NULL;
    return whole ? SKALD_OK
                 : sk_fail(error, SKALD_E_ARGUMENT,
                           "the table of option \"%s\" lacks a function or its n_threads", key);
}

int32_t sk_options_set_pointer(sk_options *o, const char *key, const void *value, sk_error *error)
{
    int32_t id = find_option(key, error);
    if (id < 0)
        return id;
    if (option_table[id].type != SKALD_TYPE_POINTER)
        return wrong_type(id, "a pointer", error);
    size_t size = 0;
    void *table = id == SK_OPT_READER      ? (size = sizeof o->reader, (void *)&o->reader)
                  : id == SK_OPT_ALLOCATOR ? (size = sizeof o->allocator, (void *)&o->allocator)
                  : id == SK_OPT_EXECUTOR  ? (size = sizeof o->executor, (void *)&o->executor)
                  : id == SK_OPT_SAMPLER   ? (size = sizeof o->sampler, (void *)&o->sampler)
                  : id == SK_OPT_LOG       ? (size = sizeof o->log, (void *)&o->log)
                                           : NULL;
    if (table && value) {
        int32_t status = check_table(id, value, size, error);
        if (status < 0)
            return status;
        memcpy(table, value, size);
    }
    o->values[id].p = value;
    o->values[id].set = value != NULL;
    return SKALD_OK;
}

/* Sets an option of any type but a pointer from text. */
static int32_t set_from_text(sk_options *o, int32_t id, const char *text, uint64_t n, bool add,
                             sk_error *error)
{
    const char *key = option_table[id].key;
    int64_t whole;
    double number;
    int32_t type = option_table[id].type;
    if (type == SKALD_TYPE_STRING)
        return set_text(o, id, text, n, add, error);
    if (type == SKALD_TYPE_INT && sk_parse_int(text, n, &whole))
        return sk_options_set_int(o, key, whole, error);
    if (type == SKALD_TYPE_FLOAT && sk_parse_double(text, n, &number))
        return sk_options_set_float(o, key, number, error);
    if (type == SKALD_TYPE_POINTER)
        return wrong_type(id, "a text", error);
    return sk_fail(error, SKALD_E_OPTION, "option \"%s\" is \"%.*s\", wanted %s", key,
                   (int)(n > 64 ? 64 : n), text,
                   type == SKALD_TYPE_INT ? "an integer" : "a number");
}

int32_t sk_options_set_string(sk_options *o, const char *key, const char *value, bool add,
                              sk_error *error)
{
    int32_t id = find_option(key, error);
    if (id < 0)
        return id;
    if (!value)
        return sk_fail(error, SKALD_E_ARGUMENT, "the value of option \"%s\" is NULL", key);
    return set_from_text(o, id, value, strlen(value), add, error);
}

static bool is_separator(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Reads a value, quoted or not, from *text into `out` (room for all of it); false when a quote
 * is not closed. */
static bool read_value(const char **text, char *out, uint64_t *n)
{
    const char *t = *text;
    char quote = *t == '\'' || *t == '"' ? *t++ : 0;
    *n = 0;
    for (; *t && (quote ? *t != quote : !is_separator(*t)); t++) {
        char c = *t;
        if (quote && c == '\\' && t[1]) {
            c = *++t;
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
        }
        out[(*n)++] = c;
    }
    if (quote && *t != quote)
        return false;
    *text = t + (quote != 0);
    return true;
}

static int32_t parse_pairs(sk_options *o, const char *text, char *scratch, sk_error *error)
{
    char key[MAX_WORD];
    for (;;) {
        while (is_separator(*text))
            text++;
        if (!*text)
            return SKALD_OK;
        size_t n = strcspn(text, "= \t\r\n");
        if (n == 0 || n >= sizeof key || text[n] != '=')
            return sk_fail(error, SKALD_E_OPTION, "at \"%s\": wanted key=value", text);
        memcpy(key, text, n);
        key[n] = 0;
        text += n + 1;
        uint64_t length;
        if (!read_value(&text, scratch, &length))
            return sk_fail(error, SKALD_E_OPTION, "option \"%s\": a quote is not closed", key);
        int32_t id = find_option(key, error);
        int32_t status = id < 0 ? id : set_from_text(o, id, scratch, length, true, error);
        if (status < 0)
            return status;
    }
}

int32_t sk_options_parse(sk_options *o, const char *text, sk_error *error)
{
    if (!text)
        return sk_fail(error, SKALD_E_ARGUMENT, "the text of options is NULL");
    /* All or nothing: the pairs are set in a copy, which then takes the place of `o`. */
    sk_options *copy = sk_alloc(o->heap, sizeof *copy, "options", error);
    char *scratch = sk_alloc(o->heap, strlen(text) + 1, "options", error);
    int32_t status = SKALD_E_MEMORY;
    if (copy)
        sk_options_init(copy, o->heap);
    if (copy && scratch)
        status = sk_options_copy(copy, o, error);
    if (status == SKALD_OK)
        status = parse_pairs(copy, text, scratch, error);
    if (status == SKALD_OK) {
        sk_options old = *o;
        *o = *copy;
        *copy = old;
    }
    if (copy)
        sk_options_clear(copy);
    sk_free(o->heap, scratch);
    sk_free(o->heap, copy);
    return status;
}

int64_t sk_opt_int(const sk_options *o, int32_t id)
{
    int64_t value = 0;
    if (o && o->values[id].set)
        return o->values[id].i;
    sk_parse_int(option_table[id].def, strlen(option_table[id].def), &value);
    return value;
}

double sk_opt_float(const sk_options *o, int32_t id)
{
    double value = 0;
    if (o && o->values[id].set)
        return o->values[id].f;
    sk_parse_double(option_table[id].def, strlen(option_table[id].def), &value);
    return value;
}

const char *sk_opt_string(const sk_options *o, int32_t id)
{
    return o && o->values[id].n_strings ? o->values[id].strings[0] : option_table[id].def;
}

const void *sk_opt_pointer(const sk_options *o, int32_t id)
{
    if (!o || !o->values[id].set)
        return NULL;
    return id == SK_OPT_READER      ? (const void *)&o->reader
           : id == SK_OPT_ALLOCATOR ? (const void *)&o->allocator
           : id == SK_OPT_EXECUTOR  ? (const void *)&o->executor
           : id == SK_OPT_SAMPLER   ? (const void *)&o->sampler
           : id == SK_OPT_LOG       ? (const void *)&o->log
                                    : o->values[id].p;
}

int32_t sk_options_get_int(const sk_options *o, const char *key, int64_t *value, sk_error *error)
{
    int32_t id = find_option(key, error);
    if (id >= 0 && option_table[id].type != SKALD_TYPE_INT)
        return wrong_type(id, "an integer", error);
    if (id >= 0)
        *value = sk_opt_int(o, id);
    return id < 0 ? id : SKALD_OK;
}

int32_t sk_options_get_float(const sk_options *o, const char *key, double *value, sk_error *error)
{
    int32_t id = find_option(key, error);
    if (id >= 0 && option_table[id].type != SKALD_TYPE_FLOAT)
        return wrong_type(id, "a number with a fraction", error);
    if (id >= 0)
        *value = sk_opt_float(o, id);
    return id < 0 ? id : SKALD_OK;
}

int32_t sk_options_get_string(const sk_options *o, const char *key, const char **value,
                              sk_error *error)
{
    int32_t id = find_option(key, error);
    if (id >= 0 && option_table[id].type != SKALD_TYPE_STRING)
        return wrong_type(id, "a string", error);
    if (id >= 0)
        *value = sk_opt_string(o, id);
    return id < 0 ? id : SKALD_OK;
}
