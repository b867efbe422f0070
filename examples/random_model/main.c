/* SPDX-License-Identifier: MIT */
/*
 * random_model - writes a model file with random weights: something to try a program with before
 * a real model is at hand, and of any size and type to measure with. It talks fluent nonsense.
 *
 *     random_model OUT.gguf [--arch llama|qwen2|qwen3|qwen3moe] [--type TYPE] [--seed N]
 *         [--shape layers,embd,heads,kv_heads,ffn,vocab[,experts,used,expert_ffn]]
 *         [--head-dim N] [--ctx N] [--vocab spm|bpe|none] [--tied]
 *
 * TYPE is a tensor type (F32, BF16, Q8_0, Q4_K, ...) or Q4_K_M: Q4_K with Q6_K where the usual
 * mixture has it. The shape of Qwen 2.5 1.5B: --arch qwen2 --shape 28,1536,12,2,8960,151936 --tied.
 *
 * The file depends on the arguments alone. Data is streamed: a large file needs little memory.
 */
#include "blocks.h"
#include "gguf.h"
#include "vocab.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_SIZE (1 << 18)

typedef struct shape {
    uint32_t n_layer, n_embd, n_head, n_head_kv, n_ff, n_vocab, n_expert, n_used, n_ff_expert;
} shape;

typedef struct model {
    gguf out;
    const char *path, *arch, *type, *vocab;
    shape s;
    uint32_t head_dim, n_ctx;
    uint64_t seed;
    bool tied;
    unsigned char *buffer; /* owned; NULL while tensors are announced, not written */
} model;

typedef enum role { WEIGHT, NORM, BIAS, FLOAT_WEIGHT } role;

static int complain(const char *what, const char *value)
{
    fprintf(stderr, "random_model: %s%s%s\n", what, value ? ": " : "", value ? value : "");
    return 2;
}

/* The type of a matrix: as asked for, Q6_K for the careful places of Q4_K_M, and a smaller block
 * where rows are not whole blocks. */
static const block_type *matrix_type(const model *m, uint64_t n_row, bool careful)
{
    bool mixed = strcmp(m->type, "Q4_K_M") == 0;
    const block_type *type = block_find(mixed ? careful ? "Q6_K" : "Q4_K" : m->type);
    if (n_row % type->n_elem != 0)
        type = block_find(n_row % 32 == 0 ? "Q8_0" : "F16");
    return type;
}

static void write_tensor(model *m, const block_type *type, uint64_t n_block, double mean,
                         double deviation, uint64_t *state)
{
    uint64_t room = BUFFER_SIZE / type->n_byte;
    for (uint64_t done = 0; done < n_block;) {
        uint64_t n = n_block - done < room ? n_block - done : room;
        block_fill(type, m->buffer, n, mean, deviation, state);
        gguf_data(&m->out, m->buffer, n * type->n_byte);
        done += n;
    }
    gguf_pad(&m->out);
}

/* FNV-1a: each tensor has random numbers of its own. */
static uint64_t hash(const char *text)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001B3u;
    return h;
}

/* Announces a tensor, or writes it. `layer` < 0: the name is whole. Unused dimensions are 0. */
static void tensor(model *m, role r, int layer, const char *name, uint64_t n0, uint64_t n1,
                   uint64_t n2, bool careful)
{
    uint64_t dims[3] = {n0, n1, n2};
    uint32_t n_dim = n2 ? 3 : n1 ? 2 : 1;
    uint64_t n = n0 * (n1 ? n1 : 1) * (n2 ? n2 : 1);
    const block_type *type = r == WEIGHT ? matrix_type(m, n0, careful) : block_find("F32");
    char full[64];
    snprintf(full, sizeof full, "%s", name);
    if (layer >= 0)
        snprintf(full, sizeof full, "blk.%d.%s", layer, name);
    if (!m->buffer) {
        gguf_tensor(&m->out, full, dims, n_dim, type->id, n / type->n_elem * type->n_byte);
        return;
    }
    bool embedding = strcmp(name, "token_embd.weight") == 0;
    double deviation = r == NORM ? 0.1 : r == BIAS ? 0.1 : embedding ? 0.5 : 1 / sqrt((double)n0);
    uint64_t state = m->seed * 0x9E3779B97F4A7C15u + hash(full);
    write_tensor(m, type, n / type->n_elem, r == NORM ? 1 : 0, deviation, &state);
}

static void attention(model *m, int layer, bool careful)
{
    const shape *s = &m->s;
    uint64_t q = (uint64_t)s->n_head * m->head_dim, kv = (uint64_t)s->n_head_kv * m->head_dim;
    tensor(m, NORM, layer, "attn_norm.weight", s->n_embd, 0, 0, false);
    tensor(m, WEIGHT, layer, "attn_q.weight", s->n_embd, q, 0, false);
    tensor(m, WEIGHT, layer, "attn_k.weight", s->n_embd, kv, 0, false);
    tensor(m, WEIGHT, layer, "attn_v.weight", s->n_embd, kv, 0, careful);
    if (strcmp(m->arch, "qwen2") == 0) {
        tensor(m, BIAS, layer, "attn_q.bias", q, 0, 0, false);
        tensor(m, BIAS, layer, "attn_k.bias", kv, 0, 0, false);
        tensor(m, BIAS, layer, "attn_v.bias", kv, 0, 0, false);
    }
    if (strncmp(m->arch, "qwen3", 5) == 0) {
        tensor(m, NORM, layer, "attn_q_norm.weight", m->head_dim, 0, 0, false);
        tensor(m, NORM, layer, "attn_k_norm.weight", m->head_dim, 0, 0, false);
    }
    tensor(m, WEIGHT, layer, "attn_output.weight", q, s->n_embd, 0, false);
}

static void feed_forward(model *m, int layer, bool careful)
{
    const shape *s = &m->s;
    tensor(m, NORM, layer, "ffn_norm.weight", s->n_embd, 0, 0, false);
    if (s->n_expert == 0) {
        tensor(m, WEIGHT, layer, "ffn_gate.weight", s->n_embd, s->n_ff, 0, false);
        tensor(m, WEIGHT, layer, "ffn_up.weight", s->n_embd, s->n_ff, 0, false);
        tensor(m, WEIGHT, layer, "ffn_down.weight", s->n_ff, s->n_embd, 0, careful);
        return;
    }
    uint64_t n = s->n_expert, f = s->n_ff_expert;
    tensor(m, FLOAT_WEIGHT, layer, "ffn_gate_inp.weight", s->n_embd, n, 0, false);
    tensor(m, WEIGHT, layer, "ffn_gate_exps.weight", s->n_embd, f, n, false);
    tensor(m, WEIGHT, layer, "ffn_up_exps.weight", s->n_embd, f, n, false);
    tensor(m, WEIGHT, layer, "ffn_down_exps.weight", f, s->n_embd, n, careful);
}

/* All tensors in the order of the file; walked twice, to announce and to write. */
static void tensors(model *m)
{
    const shape *s = &m->s;
    tensor(m, WEIGHT, -1, "token_embd.weight", s->n_embd, s->n_vocab, 0, m->tied);
    tensor(m, NORM, -1, "output_norm.weight", s->n_embd, 0, 0, false);
    if (!m->tied)
        tensor(m, WEIGHT, -1, "output.weight", s->n_embd, s->n_vocab, 0, true);
    for (uint32_t i = 0; i < s->n_layer; i++) {
        /* The usual mixture is careful in the first and last eighth and every third layer between.
         */
        uint32_t eighth = s->n_layer / 8;
        bool careful = i < eighth || i >= s->n_layer - eighth || (i - eighth) % 3 == 2;
        attention(m, (int)i, careful);
        feed_forward(m, (int)i, careful);
    }
}

static void key_u32(model *m, const char *name, uint32_t value)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", m->arch, name);
    gguf_u32(&m->out, key, value);
}

static void key_f32(model *m, const char *name, float value)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", m->arch, name);
    gguf_f32(&m->out, key, value);
}

static bool metadata(model *m)
{
    const shape *s = &m->s;
    bool is_llama = strcmp(m->arch, "llama") == 0;
    gguf_string(&m->out, "general.architecture", m->arch);
    gguf_string(&m->out, "general.name", "random");
    gguf_u32(&m->out, "general.quantization_version", 2);
    key_u32(m, "block_count", s->n_layer);
    key_u32(m, "context_length", m->n_ctx);
    key_u32(m, "embedding_length", s->n_embd);
    key_u32(m, "feed_forward_length", s->n_ff);
    key_u32(m, "attention.head_count", s->n_head);
    key_u32(m, "attention.head_count_kv", s->n_head_kv);
    key_u32(m, "attention.key_length", m->head_dim);
    key_u32(m, "attention.value_length", m->head_dim);
    key_f32(m, "attention.layer_norm_rms_epsilon", is_llama ? 1e-5f : 1e-6f);
    key_u32(m, "rope.dimension_count", m->head_dim);
    key_f32(m, "rope.freq_base", is_llama ? 10000.0f : 1000000.0f);
    key_u32(m, "vocab_size", s->n_vocab);
    if (s->n_expert) {
        key_u32(m, "expert_count", s->n_expert);
        key_u32(m, "expert_used_count", s->n_used);
        key_u32(m, "expert_feed_forward_length", s->n_ff_expert);
    }
    return vocab_write(&m->out, m->vocab, is_llama ? "default" : "qwen2", s->n_vocab);
}

static bool parse_shape(const char *text, shape *s)
{
    uint32_t *fields[] = {&s->n_layer, &s->n_embd,   &s->n_head, &s->n_head_kv,  &s->n_ff,
                          &s->n_vocab, &s->n_expert, &s->n_used, &s->n_ff_expert};
    int n = 0;
    for (; n < 9; n++) {
        char *end;
        unsigned long value = strtoul(text, &end, 10);
        if (end == text || value == 0 || value > 1u << 24)
            return false;
        *fields[n] = (uint32_t)value;
        text = end;
        if (*text != ',')
            break;
        text++;
    }
    return *text == 0 && (n == 5 || n == 8);
}

static int parse_argument(model *m, const char *name, const char *value)
{
    if (strcmp(name, "--arch") == 0)
        m->arch = value;
    else if (strcmp(name, "--type") == 0)
        m->type = value;
    else if (strcmp(name, "--vocab") == 0)
        m->vocab = value;
    else if (strcmp(name, "--seed") == 0)
        m->seed = strtoull(value, NULL, 10);
    else if (strcmp(name, "--ctx") == 0)
        m->n_ctx = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "--head-dim") == 0)
        m->head_dim = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "--shape") != 0)
        return complain("no such option", name);
    else if (!parse_shape(value, &m->s))
        return complain("a shape is six or nine numbers", value);
    return 0;
}

static int parse_line(model *m, int argc, char **argv)
{
    int code = 0;
    for (int i = 1; code == 0 && i < argc; i++) {
        if (strcmp(argv[i], "--tied") == 0)
            m->tied = true;
        else if (argv[i][0] != '-' && !m->path)
            m->path = argv[i];
        else if (i + 1 < argc)
            code = parse_argument(m, argv[i], argv[i + 1]), i++;
        else
            return complain("what is this for", argv[i]);
    }
    return code ? code : m->path ? 0 : complain("usage: random_model OUT.gguf [options]", NULL);
}

/* Settles what was left open, and refuses what no model can be. */
static int complete(model *m)
{
    static const char *const arches[] = {"llama", "qwen2", "qwen3", "qwen3moe"};
    bool known = false;
    for (int i = 0; i < 4; i++)
        known |= strcmp(m->arch, arches[i]) == 0;
    bool is_moe = strcmp(m->arch, "qwen3moe") == 0;
    if (!known)
        return complain("no such architecture", m->arch);
    if (strcmp(m->type, "Q4_K_M") != 0 && !block_find(m->type))
        return complain("no such type", m->type);
    if (is_moe && m->s.n_expert == 0) {
        m->s.n_expert = 8;
        m->s.n_used = 2;
        m->s.n_ff_expert = m->s.n_ff;
    }
    if (m->s.n_expert && !is_moe && strcmp(m->arch, "llama") != 0)
        return complain("this architecture has no experts", m->arch);
    if (m->s.n_used > m->s.n_expert || m->s.n_head % m->s.n_head_kv != 0)
        return complain("the shape does not fit together", NULL);
    if (m->s.n_expert && !is_moe)
        m->s.n_ff = m->s.n_ff_expert;
    if (m->head_dim == 0)
        m->head_dim = m->s.n_embd / m->s.n_head;
    if (m->head_dim == 0 || m->head_dim % 2 != 0 || m->n_ctx == 0)
        return complain("heads must have an even number of dimensions", NULL);
    if (!m->vocab)
        m->vocab = strcmp(m->arch, "llama") == 0 ? "spm" : "bpe";
    return 0;
}

static int write_model(model *m, FILE *file)
{
    gguf_begin(&m->out, file);
    if (!metadata(m)) {
        gguf_end(&m->out);
        return complain("a vocabulary is spm or bpe of 320 tokens or more, or none", m->vocab);
    }
    tensors(m);
    gguf_header(&m->out);
    m->buffer = malloc(BUFFER_SIZE);
    if (m->buffer)
        tensors(m);
    free(m->buffer);
    return gguf_end(&m->out) ? 0 : 1;
}

int main(int argc, char **argv)
{
    model m = {.arch = "llama",
               .type = "F16",
               .seed = 1,
               .n_ctx = 2048,
               .s = {.n_layer = 4,
                     .n_embd = 256,
                     .n_head = 8,
                     .n_head_kv = 4,
                     .n_ff = 512,
                     .n_vocab = 1024}};
    int code = parse_line(&m, argc, argv);
    if (code == 0)
        code = complete(&m);
    if (code)
        return code;
    FILE *file = fopen(m.path, "wb");
    if (!file) {
        complain(strerror(errno), m.path);
        return 1;
    }
    code = write_model(&m, file);
    if (fclose(file) != 0 && code == 0)
        code = 1;
    if (code == 1)
        complain("cannot write the file", m.path);
    if (code)
        remove(m.path);
    return code;
}
