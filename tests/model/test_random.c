/* SPDX-License-Identifier: MIT */
/*
 * Random hyper-parameters for every row of the table: odd sizes, any ratio of heads, any number of
 * experts, any scaling of rope. A model of them is made without knowing what tensors it needs: the
 * library is asked to load what there is so far, and the tensor that it says is missing is added,
 * until it loads. Optional biases, scales and tensors that decide what a layer is are thrown in.
 * Then a prefill must equal the same tokens one by one, in slices, on two threads, and by the tier
 * "c", bit for bit. Where tokens see to both sides, the whole is one batch always. And where keys
 * can be turned, those of the first layer with a cache, which know nothing but their token and
 * position, must be after a move what they are at their new position.
 */
#include "base/portable.h"

#include "golden.h"
#include "test.h"

#include "base/bytes.h"
#include "base/dtype.h"
#include "format/gguf_write.h"
#include "model/arch.h"
#include "model/state_int.h"

#include <math.h>

enum { MAX_TENSORS = 200, N_RUN = 70 };

typedef struct made_tensor {
    char name[64];
    uint64_t ne[4], n;
    uint32_t n_dims, dtype;
    uint8_t *data;
} made_tensor;

typedef struct made_model {
    const sk_arch *arch;
    uint64_t random, traits; /* the second: where the keys of traits begin, on each writing */
    uint32_t n_embd, n_layer, n_head, n_head_kv, dk, dv, n_rot, n_ff, n_expert, n_used, n_ff_exp;
    uint32_t n_vocab, n_latent, dk_mla, dv_mla, n_head_size, scaling, n_group, n_group_used;
    uint32_t n_dense, n_hash;
    made_tensor tensors[MAX_TENSORS];
    int n;
    sk_heap heap;
    void *file;
    uint64_t size;
} made_model;

static uint32_t pick(made_model *m, uint32_t low, uint32_t high)
{
    return low + (uint32_t)(test_random(&m->random) >> 33) % (high - low + 1);
}

/* Keys are the latent vector and what is rotated; or there are keys and values of all heads, where
 * the sizes of heads are not needed. */
static void made_init_latent(made_model *m)
{
    bool sized = strstr(m->arch->keys, "key_length_mla") != NULL;
    bool needed = strstr(m->arch->keys, "key_length_mla!") != NULL;
    m->n_head = pick(m, 1, 5);
    if (needed || (sized && pick(m, 0, 1))) {
        m->n_head_kv = 1;
        m->n_latent = m->dv;
        m->dk = m->dv + m->n_rot;
        m->dk_mla = m->n_rot + pick(m, 1, 20);
        m->dv_mla = pick(m, 1, 20);
    } else {
        m->n_head_kv = m->n_head;
        m->dk = m->n_rot + pick(m, m->n_rot ? 0 : 1, 20);
    }
}

static void made_init(made_model *m, const sk_arch *arch, uint64_t seed)
{
    memset(m, 0, sizeof *m);
    sk_heap_init(&m->heap, NULL, 0, NULL);
    m->arch = arch;
    m->random = seed * 7919 + 1;
    m->traits = seed * UINT64_C(0x9E3779B97F4A7C15) + 3;
    m->n_layer = pick(m, 1, 3);
    m->n_embd = pick(m, 1, 90);
    m->n_head_kv = pick(m, 1, 3);
    m->n_head = m->n_head_kv * pick(m, 1, 5);
    m->dk = pick(m, 1, 40);
    m->dv = arch->attn_gate == SK_ATTN_GATE_BESIDE_Q ? m->dk : pick(m, 1, 40);
    if (arch->v_of_k && pick(m, 0, 1))
        m->dv = m->dk;
    m->n_rot = pick(m, 0, m->dk / 2) * 2;
    m->n_rot = arch->turn_half ? m->n_rot / 4 * 4 : m->n_rot;
    m->n_latent = pick(m, 1, 20);
    if (arch->latent)
        made_init_latent(m);
    if (arch->pooled) {
        m->n_head = pick(m, 1, 6);
        m->n_head_kv = 1;
        m->dv = m->dk;
    }
    m->n_head_size = pick(m, 1, 20);
    if (arch->mixer == SK_MIXER_RWKV6 || arch->mixer == SK_MIXER_RWKV7)
        m->n_embd = m->n_head * m->n_head_size;
    m->n_ff = pick(m, 1, 90);
    if (arch->qkv != SK_QKV_TIGHT)
        m->n_embd = m->n_head * (m->dk > m->dv ? m->dk : m->dv) + pick(m, 0, 9);
    m->n_ff += arch->ff_half; /* at least 2 */
    m->n_vocab = pick(m, 1, 70);
    m->n_dense = 1 + m->n_vocab / 2;
    m->scaling = pick(m, 0, 3);
    if (pick(m, 0, 1)) {
        m->n_expert = pick(m, 1, 9);
        m->n_used = pick(m, 1, m->n_expert);
        m->n_ff_exp = pick(m, 1, 50);
        m->n_group = m->n_expert % 3 == 0 && m->n_expert > 3 ? 3 : 0;
        m->n_group_used = pick(m, 1, 2);
        m->n_hash = arch->pooled ? pick(m, 0, 2) : 0;
        if (m->n_group && m->n_used > m->n_group_used * m->n_expert / 3)
            m->n_used = m->n_group_used;
    }
}

static void put_u32(made_model *m, sk_gguf_writer *writer, const char *key, uint32_t value)
{
    char name[100];
    snprintf(name, sizeof name, "%s.%s", m->arch->name, key);
    sk_gguf_put_int(writer, name, SK_GGUF_U32, value);
}

static void put_f32(made_model *m, sk_gguf_writer *writer, const char *key, double value)
{
    char name[100];
    snprintf(name, sizeof name, "%s.%s", m->arch->name, key);
    sk_gguf_put_float(writer, name, SK_GGUF_F32, value);
}

/* Sizes of recurrent layers: any taps, heads of values a multiple of those of keys. */
static void put_recurrent(made_model *m, sk_gguf_writer *writer)
{
    static const char *const ranks[] = {"time_mix_extra_dim",
                                        "time_decay_extra_dim",
                                        "attention.decay_lora_rank",
                                        "attention.iclr_lora_rank",
                                        "attention.value_residual_mix_lora_rank",
                                        "attention.gate_lora_rank"};
    uint32_t n_group = pick(m, 1, 3), n_head = n_group * pick(m, 1, 3);
    put_u32(m, writer, "ssm.conv_kernel", pick(m, 1, 5));
    put_u32(m, writer, "ssm.state_size", pick(m, 1, 40));
    put_u32(m, writer, "ssm.group_count", n_group);
    put_u32(m, writer, "ssm.time_step_rank", n_head);
    put_u32(m, writer, "ssm.inner_size", n_head * pick(m, 1, 40));
    put_u32(m, writer, "full_attention_interval", pick(m, 1, 3));
    put_u32(m, writer, "shortconv.l_cache", pick(m, 1, 4));
    put_u32(m, writer, "wkv.head_size", m->n_head_size);
    for (int i = 0; i < 6; i++)
        put_u32(m, writer, ranks[i], pick(m, 1, 20));
    put_u32(m, writer, "rescale_every_n_layers", pick(m, 0, 2));
    put_u32(m, writer, "embedding_length_per_layer_input", pick(m, m->arch->sparse ? 1 : 0, 30));
    put_u32(m, writer, "attention.shared_kv_layers", pick(m, 0, m->n_layer - 1));
    put_u32(m, writer, "num_loops", pick(m, 1, 3));
    put_u32(m, writer, "skip_loop_final_norm", pick(m, 0, 1));
    put_u32(m, writer, "kda.head_dim", pick(m, 1, 20));
    put_u32(m, writer, "attention.kv_lora_rank", m->n_latent);
    put_u32(m, writer, "attention.key_length_mla", m->dk_mla);
    put_u32(m, writer, "attention.value_length_mla", m->dv_mla);
    put_u32(m, writer, "attention.q_lora_rank",
            (m->arch->index || m->arch->pooled ? 1 : pick(m, 0, 1)) * pick(m, 1, 20));
    put_u32(m, writer, "ssm.dt_b_c_rms", pick(m, 0, 1));
    put_u32(m, writer, "moe_latent_size", pick(m, 0, 1) * pick(m, 1, 40));
}

/* Indexers, which choose fewer keys than there are; the first layer has one of its own. */
static void put_indexer(made_model *m, sk_gguf_writer *writer)
{
    char name[100];
    uint8_t types[12];
    bool blocks = m->arch->index == SK_INDEX_BLOCKS;
    put_u32(m, writer, "attention.indexer.head_count", blocks ? m->n_head_kv : pick(m, 1, 5));
    put_u32(m, writer, "attention.indexer.key_length", m->n_rot + pick(m, 1, 20));
    put_u32(m, writer, "attention.indexer.block_size", pick(m, 1, 9));
    put_u32(m, writer, "attention.indexer.top_k", pick(m, 1, blocks ? 9 : 40));
    put_u32(m, writer, "attention.indexer.local_blocks", pick(m, 0, 3));
    for (uint32_t i = 0; i < 3; i++)
        sk_put_le32(types + 4 * i, i == 0 || (m->traits >> (30 + i)) % 2);
    snprintf(name, sizeof name, "%s.attention.indexer.types", m->arch->name);
    sk_gguf_put_array(writer, name, SK_GGUF_U32, types, m->n_layer);
}

/* Attention to summaries of blocks, and streams that are mixed. */
static void put_pooled(made_model *m, sk_gguf_writer *writer)
{
    static const uint32_t ratios[] = {0, 4, 128, 4};
    char name[100];
    uint8_t ratio[12];
    for (uint32_t i = 0; i < 3; i++)
        sk_put_le32(ratio + 4 * i, ratios[(m->traits >> (20 + 2 * i)) % 4]);
    snprintf(name, sizeof name, "%s.attention.compress_ratios", m->arch->name);
    sk_gguf_put_array(writer, name, SK_GGUF_U32, ratio, m->n_layer);
    put_f32(m, writer, "attention.compress_rope_freq_base", 500);
    put_u32(m, writer, "attention.output_group_count", m->n_head % 2 == 0 ? 2 : 1);
    put_u32(m, writer, "attention.output_lora_rank", pick(m, 1, 20));
    put_u32(m, writer, "hyper_connection.count", pick(m, 1, 5));
    put_u32(m, writer, "hyper_connection.sinkhorn_iterations", pick(m, 1, 5));
    put_f32(m, writer, "hyper_connection.epsilon", 1e-6);
    put_u32(m, writer, "hash_layer_count", m->n_hash);
}

/* Keys of which each architecture reads its own. Windows are shorter than the run. */
static void put_traits(made_model *m, sk_gguf_writer *writer)
{
    static const char *const bare[] = {"xielu.alpha_p", "xielu.alpha_n", "xielu.beta"};
    uint64_t random = m->random;
    m->random = m->traits;
    put_f32(m, writer, "attention.layer_norm_epsilon", 1e-5);
    put_u32(m, writer, "attention.sliding_window", pick(m, 0, 40));
    put_u32(m, writer, "attention.sliding_window_pattern", pick(m, 0, 3));
    if (!m->arch->pooled) { /* keys are values */
        put_u32(m, writer, "attention.key_length_swa", pick(m, (m->n_rot + 1) / 2 * 2 + 1, 50));
        put_u32(m, writer, "attention.value_length_swa", pick(m, 1, 50));
    }
    put_u32(m, writer, "rope.dimension_count_swa", pick(m, 0, m->n_rot / 2) * 2);
    put_f32(m, writer, "rope.freq_base_swa", 1000);
    put_u32(m, writer, "rope.dimension_sections", pick(m, 0, 1));
    put_u32(m, writer, "use_parallel_residual", pick(m, 0, 1));
    put_u32(m, writer, "leading_dense_block_count", pick(m, 0, 2));
    put_u32(m, writer, "interleave_moe_layer_step", pick(m, 0, 2));
    put_u32(m, writer, "expert_feed_forward_length", m->n_ff_exp);
    put_u32(m, writer, "expert_shared_count", pick(m, 1, 2));
    put_u32(m, writer, "expert_shared_feed_forward_length", pick(m, 0, 30));
    put_u32(m, writer, "expert_gating_func", pick(m, 1, 4));
    put_u32(m, writer, "expert_weights_norm", pick(m, 0, 1));
    put_f32(m, writer, "expert_weights_scale", pick(m, 0, 3) * 0.75);
    put_f32(m, writer, "logit_scale", pick(m, 0, 2) * 0.75);
    put_f32(m, writer, "embedding_scale", pick(m, 0, 2) * 0.75);
    put_f32(m, writer, "residual_scale", pick(m, 0, 2) * 0.75);
    put_f32(m, writer, "attention.scale", pick(m, 0, 1) * 0.25);
    put_f32(m, writer, "attention.value_scale", pick(m, 0, 1) * 0.5);
    put_f32(m, writer, "attention.clamp_kqv", pick(m, 0, 1) * 1.5);
    put_f32(m, writer, "attention.max_alibi_bias", pick(m, 0, 1) * 8.0);
    put_f32(m, writer, "attention.temperature_scale", pick(m, 0, 1) * 0.1);
    put_u32(m, writer, "attention.temperature_length", pick(m, 1, 9));
    put_f32(m, writer, "rope.scaling.yarn_log_multiplier", pick(m, 0, 2) * 0.05);
    put_f32(m, writer, "attn_logit_softcapping", pick(m, 0, 1) * 5.0);
    put_f32(m, writer, "final_logit_softcapping", pick(m, 0, 1) * 30.0);
    put_recurrent(m, writer);
    put_indexer(m, writer);
    put_pooled(m, writer);
    put_u32(m, writer, "experts_per_group", m->n_expert % 2 ? 1 : 2);
    put_f32(m, writer, "expert_group_scale", 0.5);
    put_u32(m, writer, "expert_chunk_feed_forward_length", pick(m, 0, 20));
    put_u32(m, writer, "moe_every_n_layers", pick(m, 0, 3));
    put_u32(m, writer, "attention.relative_buckets_count", pick(m, 4, 40));
    put_u32(m, writer, "dense_2_feat_out", m->n_dense);
    put_u32(m, writer, "dense_3_feat_out", pick(m, 1, 40));
    put_f32(m, writer, "swiglu_clamp_exp", pick(m, 0, 1) * 0.5);
    put_f32(m, writer, "swiglu_clamp_shexp", pick(m, 0, 1) * 0.5);
    for (int i = 0; i < 3; i++)
        sk_gguf_put_float(writer, bare[i], SK_GGUF_F32, 0.25 * pick(m, 1, 8));
    sk_gguf_put_float(writer, "xielu.eps", SK_GGUF_F32, -1e-6);
    m->random = random;
}

/* Heads; where a row may have gaps, the second layer has none, where layers without heads of keys
 * are recurrent, any. */
static void put_heads(made_model *m, sk_gguf_writer *writer)
{
    bool keyless = m->arch->mixes == SK_MIXES_KEYLESS;
    bool gap = keyless || (m->arch->gaps && m->n_layer > 1);
    char name[100];
    uint8_t n[2][12];
    for (uint32_t i = 0; i < 3; i++) {
        bool none = keyless ? (m->traits >> (40 + i)) % 2 : i == 1;
        sk_put_le32(n[0] + 4 * i, none && !m->arch->latent ? 0 : m->n_head);
        sk_put_le32(n[1] + 4 * i, none ? 0 : m->n_head_kv);
    }
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s.attention.head_count%s", m->arch->name, i ? "_kv" : "");
        if (gap)
            sk_gguf_put_array(writer, name, SK_GGUF_U32, n[i], m->n_layer);
        else
            sk_gguf_put_int(writer, name, SK_GGUF_U32, i ? m->n_head_kv : m->n_head);
    }
}

/* The width of the feed-forward; where layers have only that or only the rest, any of them. */
static void put_widths(made_model *m, sk_gguf_writer *writer)
{
    char name[100];
    uint8_t n[12];
    for (uint32_t i = 0; i < 3; i++)
        sk_put_le32(n + 4 * i, (m->traits >> (50 + i)) % 2 ? m->n_ff : 0);
    snprintf(name, sizeof name, "%s.feed_forward_length", m->arch->name);
    if (m->arch->feeds == SK_FEEDS_ALONE)
        sk_gguf_put_array(writer, name, SK_GGUF_U32, n, m->n_layer);
    else
        sk_gguf_put_int(writer, name, SK_GGUF_U32, m->n_ff);
}

static void put_metadata(made_model *m, sk_gguf_writer *writer)
{
    static const char *const scalings[] = {"none", "linear", "yarn", "longrope"};
    const char *scaling = scalings[m->scaling];
    char name[100];
    sk_gguf_put_string(writer, "general.architecture", m->arch->name, strlen(m->arch->name));
    put_u32(m, writer, "block_count", m->n_layer);
    put_u32(m, writer, "context_length", 128);
    put_u32(m, writer, "embedding_length", m->n_embd);
    put_u32(m, writer, "vocab_size", m->n_vocab);
    put_heads(m, writer);
    put_u32(m, writer, "attention.key_length", m->dk);
    put_u32(m, writer, "attention.value_length", m->dv);
    put_u32(m, writer, "rope.dimension_count", m->n_rot);
    put_widths(m, writer);
    put_f32(m, writer, "attention.layer_norm_rms_epsilon", 1e-5);
    put_traits(m, writer);
    put_f32(m, writer, "rope.scaling.factor", 1.0 + m->n_ff / 16.0);
    snprintf(name, sizeof name, "%s.rope.scaling.type", m->arch->name);
    sk_gguf_put_string(writer, name, scaling, strlen(scaling));
    if (m->n_expert == 0)
        return;
    put_u32(m, writer, "expert_count", m->n_expert);
    put_u32(m, writer, "expert_used_count", m->n_used);
    put_u32(m, writer, "expert_group_count", m->n_group);
    put_u32(m, writer, "expert_group_used_count", m->n_group_used);
}

static void made_write(made_model *m)
{
    sk_gguf_writer *writer;
    sk_error error = {0};
    sk_free(&m->heap, m->file);
    m->file = NULL;
    sk_gguf_writer_new(&writer, &m->heap, &error);
    put_metadata(m, writer);
    for (int i = 0; i < m->n; i++) {
        made_tensor *t = &m->tensors[i];
        sk_gguf_put_tensor(writer, t->name, t->dtype, t->n_dims, t->ne, t->data);
    }
    CHECKF(sk_gguf_finish_memory(writer, &m->file, &m->size, &error) == SKALD_OK, "%s", error.text);
    sk_gguf_writer_free(writer);
}

static void made_add(made_model *m, const char *name, const uint64_t *ne, uint32_t n_dims)
{
    if (m->n == MAX_TENSORS)
        return;
    made_tensor *t = &m->tensors[m->n++];
    snprintf(t->name, sizeof t->name, "%s", name);
    t->n_dims = n_dims;
    t->n = 1;
    for (uint32_t i = 0; i < n_dims; i++)
        t->n *= t->ne[i] = ne[i];
    t->dtype = pick(m, 0, 2) == 0 ? SK_F16 : SK_F32;
    t->data = malloc(t->n * 4);
    golden_tensor_fill(name, n_dims, ne[0], t->n, t->dtype, 11, t->data);
}

/* What may stand beside the matrix NAME.weight. */
static void made_add_beside(made_model *m, const char *weight, const uint64_t *ne, uint32_t n_dims)
{
    char name[64];
    int n = (int)strlen(weight) - 7;
    bool experts = n_dims == 3;
    if (n_dims < 2 || strncmp(weight, "blk.", 4) != 0 || strstr(weight, "norm") ||
        (n_dims == 3 && !strstr(weight, "_exps")))
        return;
    if (pick(m, 0, 3) == 0) {
        snprintf(name, sizeof name, "%.*s.bias", n, weight);
        made_add(m, name, ne + 1, experts && ne[2] > 1 ? 2 : 1);
    }
    if (pick(m, 0, 3) == 0) {
        snprintf(name, sizeof name, "%.*s.scale", n, weight);
        made_add(m, name, experts ? ne + 2 : (uint64_t[]){1}, 1);
    }
}

/* A table of each token's experts. */
static void made_add_table(made_model *m, uint32_t layer)
{
    char name[64];
    snprintf(name, sizeof name, "blk.%u.ffn_gate_tid2eid.weight", layer);
    made_add(m, name, (uint64_t[]){m->n_used, m->n_vocab}, 2);
    made_tensor *t = &m->tensors[m->n - 1];
    t->dtype = SK_I32;
    for (uint64_t i = 0; i < t->n; i++)
        sk_put_le32(t->data + 4 * i, pick(m, 0, m->n_expert - 1));
}

/* Adds the tensor that an error names: "tensor NAME is missing, wanted of shape [2, 3]". */
static bool made_add_missing(made_model *m, const char *text)
{
    char name[64];
    uint64_t ne[4];
    uint32_t n = 0;
    const char *shape = strchr(text, '[');
    if (sscanf(text, "tensor %63s is missing", name) != 1 || !shape || !strstr(text, "missing"))
        return false;
    for (const char *p = shape; *p == '[' || *p == ','; p = strpbrk(p + 1, ",]"))
        ne[n++] = strtoull(p + 1, NULL, 10);
    made_add(m, name, ne, n);
    made_add_beside(m, name, ne, n);
    return m->n < MAX_TENSORS;
}

/* Tensors that decide what a layer is: a router, a gate of the shared expert, norms, slopes. */
static void made_add_choices(made_model *m)
{
    for (uint32_t layer = 0; layer < m->n_layer; layer++) {
        char name[64];
        if (layer < m->n_hash)
            made_add_table(m, layer);
        if (m->n_expert > 0 && pick(m, 0, 1)) {
            snprintf(name, sizeof name, "blk.%u.ffn_gate_inp.weight", layer);
            made_add(m, name, (uint64_t[]){m->n_embd, m->n_expert}, 2);
        }
        if (m->n_expert > 0 && pick(m, 0, 1)) {
            snprintf(name, sizeof name, "blk.%u.exp_probs_b.bias", layer);
            made_add(m, name, (uint64_t[]){m->n_expert}, 1);
        }
        if (pick(m, 0, 1)) {
            snprintf(name, sizeof name, "blk.%u.ffn_gate_inp_shexp.weight", layer);
            made_add(m, name, (uint64_t[]){m->n_embd}, 1);
        }
        if (pick(m, 0, 2) == 0) {
            snprintf(name, sizeof name, "blk.%u.attn_sinks.weight", layer);
            made_add(m, name, (uint64_t[]){m->n_head}, 1);
        }
        if (pick(m, 0, 3) == 0) {
            snprintf(name, sizeof name, "blk.%u.attn_norm_2.weight", layer);
            made_add(m, name, (uint64_t[]){m->n_embd}, 1);
        }
        if (m->arch->types && layer == 0 && pick(m, 0, 1))
            made_add(m, "token_types.weight", (uint64_t[]){m->n_embd, pick(m, 1, 3)}, 2);
        if (m->arch->gives == SK_GIVES_DENSE && layer == 0 && pick(m, 0, 1))
            made_add(m, "dense_2.weight", (uint64_t[]){m->n_embd, m->n_dense}, 2);
        if (m->arch->mixer == SK_MIXER_RWKV6 && m->n_head == m->n_head_kv && pick(m, 0, 1)) {
            snprintf(name, sizeof name, "blk.%u.time_mix_first.weight", layer);
            made_add(m, name, (uint64_t[]){m->n_head_size, m->n_head}, 2);
        }
        if (m->arch->mixer == SK_MIXER_RWKV7 && pick(m, 0, 1)) {
            snprintf(name, sizeof name, "blk.%u.time_mix_ln.weight", layer);
            made_add(m, name, (uint64_t[]){m->n_embd}, 1);
        }
        if (m->arch->layer_inputs && pick(m, 0, 1)) {
            snprintf(name, sizeof name, "blk.%u.layer_output_scale.weight", layer);
            made_add(m, name, (uint64_t[]){1}, 1);
        }
        if (m->arch->attn_gate != SK_ATTN_GATE_BESIDE_Q && pick(m, 0, 3) == 0) {
            snprintf(name, sizeof name, "blk.%u.attn_gate.weight", layer);
            made_add(m, name, (uint64_t[]){m->n_embd, m->n_head}, 2);
        }
    }
}

static sk_model *made_load(made_model *m, const char *options)
{
    made_add(m, "not_used", (uint64_t[]){1}, 1); /* a file without tensors is a vocabulary */
    made_add_choices(m);
    for (;;) {
        sk_error error = {0};
        made_write(m);
        sk_model *model = golden_model(m->file, (size_t)m->size, options, &error);
        if (model)
            return model;
        if (!made_add_missing(m, error.text)) {
            CHECKF(false, "%s: %s", m->arch->name, error.text);
            return NULL;
        }
    }
}

static void made_free(made_model *m)
{
    for (int i = 0; i < m->n; i++)
        free(m->tensors[i].data);
    sk_free(&m->heap, m->file);
}

/* The same logits from the tier that is the specification. */
static void check_tier(made_model *m, uint64_t seed, const int32_t *tokens, const float *wanted)
{
    sk_error error = {0};
    sk_model *model = golden_model(m->file, (size_t)m->size, "cpu=c n_threads=1", &error);
    float *plain = model ? golden_run(model, tokens, N_RUN, (int[]){N_RUN}, 1, -1) : NULL;
    CHECKF(plain &&
               memcmp(plain, wanted, (size_t)(N_RUN * golden_width(model)) * sizeof(float)) == 0,
           "%s %d: tier c", m->arch->name, (int)seed);
    free(plain);
    sk_model_release(model);
}

/* A state that holds these tokens. */
static sk_state *fed(const sk_model *model, const int32_t *tokens, int64_t n)
{
    sk_error error = {0};
    sk_pass *pass = NULL;
    sk_state *state = golden_state(model);
    sk_pass_new(&pass, sk_model_heap(model), model, n, 0, &error);
    sk_state_reserve(state, n, &error);
    for (int64_t i = 0; pass && i < n; i++)
        sk_pass_rows(pass)[i] = (sk_row){.state = state, .position = i, .token = tokens[i]};
    bool good = pass && sk_pass_begin(pass, n, &error) == SKALD_OK &&
                sk_pass_run(pass, INT64_MAX, NULL, NULL) == SKALD_DONE;
    CHECKF(good && sk_state_length(state) == n, "%s", error.text);
    sk_pass_free(pass);
    return state;
}

/* The greatest difference of the first cached layer's rows, in relation to the greatest value. */
static double first_layer_error(const sk_state *a, const sk_state *b)
{
    const sk_cache *x = a->cache, *y = b->cache;
    const sk_kv *kv = &x->plan->kvs[0];
    double greatest = 1e-30, error = 0;
    for (int64_t i = 0; i < 2 * kv->n_head * a->n_held; i++) {
        int64_t head = i / 2 / a->n_held, row = i / 2 % a->n_held;
        size_t size = i % 2 ? x->layers[0].v_row : x->layers[0].k_row;
        size_t at = i % 2 ? sk_cache_v_offset(x, 0, head) : sk_cache_k_offset(x, 0, head);
        at += (size_t)(row % SK_KEY_BLOCK) * size;
        const float *u = (const float *)(void *)((char *)x->blocks[row / SK_KEY_BLOCK] + at);
        const float *v = (const float *)(void *)((char *)y->blocks[row / SK_KEY_BLOCK] + at);
        for (size_t j = 0; j < size / sizeof(float); j++) {
            greatest = fmax(greatest, fabs((double)u[j]));
            error = fmax(error, fabs((double)u[j] - (double)v[j]));
        }
    }
    return error / greatest;
}

/* Takes tokens out of a run, twice; whether that can be done. */
static bool check_shift(made_model *m, uint64_t seed, const sk_model *model, const int32_t *tokens)
{
    enum { FIRST = 3, GONE = 20, FIRST2 = 10, GONE2 = 13, LEFT = N_RUN - GONE - GONE2 };
    sk_error error = {0};
    int32_t left[N_RUN];
    sk_state *state = fed(model, tokens, N_RUN);
    bool shifts = sk_state_shifts(state);
    if (shifts) {
        memcpy(left, tokens, sizeof left);
        memmove(left + FIRST, left + FIRST + GONE, (N_RUN - FIRST - GONE) * sizeof *left);
        memmove(left + FIRST2, left + FIRST2 + GONE2, (LEFT - FIRST2) * sizeof *left);
        CHECK_INT(sk_state_shift(state, FIRST, GONE, &error), SKALD_OK);
        while (!sk_state_shift_run(state, 0))
            ;
        CHECK_INT(sk_state_shift(state, FIRST2, GONE2, &error), SKALD_OK);
        CHECK(sk_state_shift_run(state, INT64_MAX));
        CHECK_INT(sk_state_length(state), LEFT);
        sk_state *wanted = fed(model, left, LEFT);
        double e = first_layer_error(state, wanted);
        CHECKF(e < 2e-6, "%s %d: keys differ by %g after a move", m->arch->name, (int)seed, e);
        sk_state_free(wanted);
    }
    sk_state_free(state);
    return shifts;
}

static int n_shifted;

static void check_runs(made_model *m, uint64_t seed)
{
    int32_t tokens[N_RUN];
    sk_model *model = made_load(m, "n_threads=2");
    if (!model)
        return;
    for (int i = 0; i < N_RUN; i++)
        tokens[i] = (int32_t)pick(m, 0, m->n_vocab - 1);
    size_t size = (size_t)(N_RUN * golden_width(model)) * sizeof(float);
    bool both = sk_model_is_whole(model);
    float *whole = golden_run(model, tokens, N_RUN, (int[]){N_RUN}, 1, -1);
    float *single = golden_run(model, tokens, N_RUN, (int[]){both ? N_RUN : 1}, 1, -1);
    float *sliced = golden_run(model, tokens, N_RUN, (int[]){both ? N_RUN : 9, 13}, 2, 0);
    CHECKF(whole && single && sliced, "%s %d does not run", m->arch->name, (int)seed);
    if (whole && single && sliced) {
        CHECKF(memcmp(whole, single, size) == 0, "%s %d: one by one", m->arch->name, (int)seed);
        CHECKF(memcmp(whole, sliced, size) == 0, "%s %d: slices", m->arch->name, (int)seed);
        if (seed % 2)
            check_tier(m, seed, tokens, whole);
    }
    n_shifted += check_shift(m, seed, model, tokens);
    free(whole);
    free(single);
    free(sliced);
    sk_model_release(model);
}

int main(void)
{
    static made_model m;
    for (size_t i = 0; sk_arch_at(i); i++) {
        for (uint64_t seed = 1; seed <= 5; seed++) {
            made_init(&m, sk_arch_at(i), seed + 100 * i);
            check_runs(&m, seed);
            made_free(&m);
        }
    }
    printf("%d models can move their keys\n", n_shifted);
    CHECK(n_shifted > 300);
    return test_end();
}
