/* SPDX-License-Identifier: MIT */
/*
 * skald inspect: what is in a model file, and what the library made of it.
 */
#include "args.h"
#include "json.h"

#include <stdlib.h>
#include <string.h>

#define N_TYPES 64

typedef struct inspect_values {
    bool metadata, tensors, plan, json;
    int64_t width;
} inspect_values;

typedef struct type_sum {
    const char *name;
    int64_t n_tensor, n_byte;
} type_sum;

static const args_option inspect_options[] = {
    ARGS_FLAG_AT(0, "metadata", inspect_values, metadata, "print the metadata (only)"),
    ARGS_FLAG_AT(0, "tensors", inspect_values, tensors, "print the tensors (only)"),
    ARGS_FLAG_AT(0, "plan", inspect_values, plan, "print the resolved plan (only)"),
    ARGS_INT_AT('w', "width", "N", inspect_values, width, 8,
                "bytes of a value to print (default: 60)"),
    ARGS_FLAG_AT(0, "json", inspect_values, json, "print JSON"),
    ARGS_END};

static const char *const fact_strings[] = {"architecture", "name", "tokenizer"};
static const char *const fact_ints[] = {
    "n_layer",   "n_embd",        "n_head",    "n_head_kv",   "n_ff",
    "n_expert",  "n_expert_used", "n_vocab",   "n_ctx_train", "n_parameters",
    "n_tensors", "n_metadata",    "file_size", "tensor_size", "has_vocab",
    "token_bos", "token_eos",     "token_eot", "add_bos",     "add_eos",
};
#define N_STRINGS (sizeof fact_strings / sizeof *fact_strings)
#define N_INTS (sizeof fact_ints / sizeof *fact_ints)

/* Adds up the tensors by type; returns the number of types. */
static int sum_types(const tool *t, type_sum *sums)
{
    const char *type;
    int64_t size;
    int n = 0;
    for (int64_t i = 0; skald_model_tensor(t->model, i, NULL, &type, NULL, &size) >= 0; i++) {
        int at = 0;
        while (at < n && strcmp(sums[at].name, type) != 0)
            at++;
        if (at == N_TYPES)
            continue;
        if (at == n)
            sums[n++] = (type_sum){type, 0, 0};
        sums[at].n_tensor++;
        sums[at].n_byte += size;
    }
    return n;
}

/* The text of a value, cut to `width` bytes but not inside a code point, controls as spaces. */
static void value_text(const tool *t, const char *key, char *text, size_t width)
{
    size_t needed = 0;
    skald_model_metadata_text(t->model, key, text, width + 1, &needed);
    text[width] = 0;
    size_t n = strlen(text);
    if (needed > n) {
        while (n > 0 && ((unsigned char)text[n - 1] & 0xC0) == 0x80)
            n--;
        if (n > 0 && (unsigned char)text[n - 1] >= 0xC0)
            n--;
        strcpy(text + n, "...");
    }
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = ' ';
}

static bool print_metadata(const tool *t, size_t width)
{
    const char *key, *type;
    char *text = malloc(width + 8);
    if (!text)
        return false;
    for (int64_t i = 0; skald_model_metadata(t->model, i, &key, &type) >= 0; i++) {
        text[0] = 0;
        value_text(t, key, text, width);
        printf("%-42s %-20s %s\n", key, type, text);
    }
    free(text);
    return true;
}

static void print_tensors(const tool *t)
{
    const char *name, *type;
    int64_t s[4], size;
    for (int64_t i = 0; skald_model_tensor(t->model, i, &name, &type, s, &size) >= 0; i++) {
        char shape[96];
        snprintf(shape, sizeof shape, "%lld x %lld x %lld x %lld", (long long)s[0], (long long)s[1],
                 (long long)s[2], (long long)s[3]);
        printf("%-36s %-8s %-30s %14lld\n", name, type, shape, (long long)size);
    }
}

static void print_facts(const tool *t)
{
    for (size_t i = 0; i < N_STRINGS; i++)
        printf("%-16s %s\n", fact_strings[i], tool_model_string(t, fact_strings[i]));
    for (size_t i = 0; i < N_INTS; i++)
        printf("%-16s %lld\n", fact_ints[i], (long long)tool_model_int(t, fact_ints[i]));
    type_sum sums[N_TYPES];
    int n = sum_types(t, sums);
    for (int i = 0; i < n; i++)
        printf("%-16s %lld tensors, %lld bytes\n", sums[i].name, (long long)sums[i].n_tensor,
               (long long)sums[i].n_byte);
    const char *warning = tool_model_string(t, "warning");
    if (*warning)
        printf("\nwarnings\n%s\n", warning);
}

static int print_sections(const tool *t, const inspect_values *v)
{
    bool all = !v->metadata && !v->tensors && !v->plan;
    if (all)
        print_facts(t);
    if (all)
        printf("\nmetadata\n");
    if ((all || v->metadata) && !print_metadata(t, (size_t)v->width))
        return tool_fail(t, "out of memory");
    if (all)
        printf("\ntensors\n");
    if (all || v->tensors)
        print_tensors(t);
    if (all)
        printf("\nplan\n");
    if (all || v->plan)
        printf("%s\n", tool_model_string(t, "plan"));
    return EXIT_DONE;
}

/* A value as JSON: numbers and strings as they are, arrays as text of at most `width` bytes. */
static void json_value(json *j, const tool *t, const char *key, const char *type, char *text,
                       size_t width)
{
    int64_t whole;
    double number;
    const char *string;
    size_t n, needed;
    if (strcmp(type, "bool") == 0 && skald_model_metadata_int(t->model, key, &whole) >= 0) {
        json_bool(j, "value", whole != 0);
    } else if (skald_model_metadata_int(t->model, key, &whole) >= 0) {
        json_int(j, "value", whole);
    } else if (skald_model_metadata_float(t->model, key, &number) >= 0) {
        json_number(j, "value", number);
    } else if (skald_model_metadata_string(t->model, key, &string, &n) >= 0) {
        json_bytes(j, "value", string, n);
    } else {
        text[0] = 0;
        skald_model_metadata_text(t->model, key, text, width + 1, &needed);
        json_string(j, "value", text);
    }
}

static bool json_metadata(json *j, const tool *t, size_t width)
{
    const char *key, *type;
    char *text = malloc(width + 1);
    if (!text)
        return false;
    json_open(j, "metadata", '[', true);
    for (int64_t i = 0; skald_model_metadata(t->model, i, &key, &type) >= 0; i++) {
        json_open(j, NULL, '{', false);
        json_string(j, "key", key);
        json_string(j, "type", type);
        json_value(j, t, key, type, text, width);
        json_close(j);
    }
    json_close(j);
    free(text);
    return true;
}

static void json_tensors(json *j, const tool *t)
{
    const char *name, *type;
    int64_t shape[4], size;
    json_open(j, "tensors", '[', true);
    for (int64_t i = 0; skald_model_tensor(t->model, i, &name, &type, shape, &size) >= 0; i++) {
        json_open(j, NULL, '{', false);
        json_string(j, "name", name);
        json_string(j, "type", type);
        json_open(j, "shape", '[', false);
        for (int axis = 0; axis < 4; axis++)
            json_int(j, NULL, shape[axis]);
        json_close(j);
        json_int(j, "size", size);
        json_close(j);
    }
    json_close(j);
}

static int print_json(const tool *t, const inspect_values *v)
{
    bool all = !v->metadata && !v->tensors && !v->plan;
    json j;
    json_begin(&j, stdout);
    json_open(&j, NULL, '{', true);
    json_string(&j, "file", t->path);
    for (size_t i = 0; i < N_STRINGS; i++)
        json_string(&j, fact_strings[i], tool_model_string(t, fact_strings[i]));
    for (size_t i = 0; i < N_INTS; i++)
        json_int(&j, fact_ints[i], tool_model_int(t, fact_ints[i]));
    json_string(&j, "warning", tool_model_string(t, "warning"));
    if ((all || v->metadata) && !json_metadata(&j, t, (size_t)v->width))
        return tool_fail(t, "out of memory");
    if (all || v->tensors)
        json_tensors(&j, t);
    if (all || v->plan)
        json_string(&j, "plan", tool_model_string(t, "plan"));
    json_close(&j);
    return EXIT_DONE;
}

static int inspect_main(int argc, char **argv)
{
    inspect_values v = {.width = 60};
    tool t;
    int code = args_parse(&command_inspect, argc, argv, NULL, &v, &t);
    if (code != ARGS_GO)
        return code;
    code = tool_load(&t);
    if (code == EXIT_DONE)
        code = v.json ? print_json(&t, &v) : print_sections(&t, &v);
    return tool_close(&t, code);
}

const command command_inspect = {
    "inspect", "MODEL [--metadata] [--tensors] [--plan] [--json]",
    "Shows metadata, tensors, sizes and the resolved plan.\n"
    "The plan is what the library will compute, a line per step of a layer.\n",
    inspect_options, inspect_main};
