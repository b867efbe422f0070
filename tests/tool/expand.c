/* SPDX-License-Identifier: MIT */
/*
 * expand HEAD.gguf OUT.gguf [SEED] - writes the whole model of a golden header.
 *
 * A golden header is a GGUF file that ends where its tensor data would begin. Every weight is a
 * function of the seed, the tensor's name and the element's index (../shared/golden/README.md), so
 * that megabytes need not be stored. The header is trusted: this is a tool of the tests.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct header {
    const uint8_t *data;
    uint64_t n, at, alignment;
} header;

static uint64_t get(header *h, int n)
{
    uint64_t value = 0;
    if (h->at + (uint64_t)n > h->n) {
        fprintf(stderr, "expand: the header ends early\n");
        exit(1);
    }
    for (int i = 0; i < n; i++)
        value |= (uint64_t)h->data[h->at++] << 8 * i;
    return value;
}

static void skip_value(header *h, uint64_t type)
{
    static const int sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    if (type == 8) {
        uint64_t n = get(h, 8);
        h->at += n;
    } else if (type == 9) {
        uint64_t item = get(h, 4), n = get(h, 8);
        for (uint64_t i = 0; i < n; i++)
            skip_value(h, item);
    } else {
        h->at += (uint64_t)sizes[type % 13];
    }
}

static void skip_metadata(header *h, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t length = get(h, 8);
        const uint8_t *key = h->data + h->at;
        h->at += length;
        uint64_t type = get(h, 4), start = h->at;
        skip_value(h, type);
        if (length == 17 && memcmp(key, "general.alignment", 17) == 0) {
            h->at = start;
            h->alignment = get(h, 4);
        }
    }
}

/* ---- the weights ---- */

typedef struct tensor {
    char name[65];
    uint64_t dims[4], n, type, offset;
    uint32_t n_dim;
    uint64_t base; /* of its random numbers */
} tensor;

static float normal(const tensor *t, uint64_t i, float *uniform)
{
    uint64_t z = t->base + (i + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    int64_t sum = (int64_t)((z & 0xFFFF) + (z >> 16 & 0xFFFF) + (z >> 32 & 0xFFFF) + (z >> 48));
    *uniform = (float)(z >> 40) * 0x1p-24f;
    return (float)(sum - 131070) * (float)(1.0 / 37837);
}

static int contains(const tensor *t, const char *part)
{
    return strstr(t->name, part) != NULL;
}

static int begins(const tensor *t, const char *part)
{
    return strncmp(t->name, part, strlen(part)) == 0;
}

static int ends(const tensor *t, const char *part)
{
    size_t n = strlen(t->name), m = strlen(part);
    return n >= m && strcmp(t->name + n - m, part) == 0;
}

/* How a tensor's weights are made: add + times * (the normal or the uniform number). */
typedef struct rule {
    float add, times;
    int uniform;
} rule;

static rule find_rule(const tensor *t)
{
    double gain = contains(t, "attn_q") || contains(t, "attn_k") || contains(t, "gate_inp") ? 1.5
                  : strcmp(t->name, "output.weight") == 0                                   ? 2
                                                                                            : 1;
    if (begins(t, "rope_f"))
        return (rule){1, 4, 1};
    if (contains(t, "ssm_a"))
        return (rule){-0.25f, -4, 1};
    if ((contains(t, "norm") && ends(t, ".weight")) || contains(t, "_scale") ||
        contains(t, ".scale") || (contains(t, "ssm_d") && !contains(t, "dt")))
        return (rule){1, 0.25f, 0};
    if (ends(t, ".bias") || contains(t, "exp_probs_b"))
        return (rule){0, 0.25f, 0};
    if (contains(t, "sinks"))
        return (rule){0, 1, 0};
    if (t->n_dim == 1)
        return (rule){1, 0.25f, 0};
    if (begins(t, "token_embd") || begins(t, "position_embd"))
        return (rule){0, 0.75f, 0};
    return (rule){0, (float)(gain / sqrt((double)t->dims[0])), 0};
}

/* Half precision, to the nearest, ties to even. Exponents of these weights are ordinary ones. */
static uint32_t half(float value)
{
    uint32_t sign = value < 0 ? 0x8000 : 0;
    double size = fabs((double)value);
    int exponent = -13;
    if (size > 0)
        frexp(size, &exponent);
    if (exponent < -13)
        exponent = -13;
    return sign + ((uint32_t)(exponent + 13) << 10) + (uint32_t)lrint(ldexp(size, 11 - exponent));
}

static void write_tensor(FILE *out, const tensor *t)
{
    rule r = find_rule(t);
    for (uint64_t i = 0; i < t->n; i++) {
        float u, g = normal(t, i, &u), x = r.uniform ? u : g;
        float product = r.times * x; /* rounded by itself, as the formula is meant */
        float w = r.add + product;
        uint32_t bits;
        memcpy(&bits, &w, 4);
        if (t->type == 1)
            bits = half(w);
        for (int shift = 0; shift < (t->type == 1 ? 16 : 32); shift += 8)
            fputc((int)(bits >> shift & 255), out);
    }
}

static tensor read_tensor(header *h, uint64_t seed)
{
    tensor t = {.n = 1, .base = 0xCBF29CE484222325u};
    uint64_t n = get(h, 8);
    for (uint64_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)get(h, 1);
        if (i < 64)
            t.name[i] = (char)c;
        t.base = (t.base ^ c) * 0x100000001B3u;
    }
    t.base += seed * 0x9E3779B97F4A7C15u;
    t.n_dim = (uint32_t)get(h, 4);
    for (uint32_t i = 0; i < t.n_dim; i++) {
        uint64_t dim = get(h, 8);
        t.dims[i & 3] = dim;
        t.n *= dim;
    }
    t.type = get(h, 4);
    t.offset = get(h, 8);
    return t;
}

static void pad_to(FILE *out, uint64_t *at, uint64_t end)
{
    for (; *at < end; ++*at)
        fputc(0, out);
}

static int expand(header *h, FILE *out, uint64_t seed)
{
    h->at = 8;
    uint64_t n_tensor = get(h, 8), n_key = get(h, 8), at;
    skip_metadata(h, n_key);
    uint64_t first = h->at;
    for (uint64_t i = 0; i < n_tensor; i++)
        read_tensor(h, seed);
    uint64_t data = (h->at + h->alignment - 1) / h->alignment * h->alignment;
    fwrite(h->data, 1, h->at, out);
    at = h->at;
    h->at = first;
    for (uint64_t i = 0; i < n_tensor; i++) {
        tensor t = read_tensor(h, seed);
        if (t.type > 1)
            return 1;
        pad_to(out, &at, data + t.offset);
        write_tensor(out, &t);
        at += t.n * (t.type == 1 ? 2 : 4);
    }
    pad_to(out, &at, (at + 31) / 32 * 32);
    return 0;
}

int main(int argc, char **argv)
{
    static uint8_t data[1 << 20];
    FILE *in = argc > 2 ? fopen(argv[1], "rb") : NULL;
    FILE *out = in ? fopen(argv[2], "wb") : NULL;
    if (!out)
        return fprintf(stderr, "usage: expand HEAD.gguf OUT.gguf [SEED]\n"), 2;
    header h = {data, fread(data, 1, sizeof data, in), 0, 32};
    int failed = expand(&h, out, argc > 3 ? strtoull(argv[3], NULL, 10) : 11);
    fclose(in);
    return fclose(out) != 0 || failed;
}
