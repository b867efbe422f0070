/* SPDX-License-Identifier: MIT */
/*
 * Adapter files that are malformed or do not fit: the sentences for the mistakes that people make,
 * every truncation, every byte changed, and memory that runs out at every allocation.
 */
#include "session_test.h"

#include "adapters.h"

/* ---- Mistakes ---------------------------------------------------------------------------------
 */

typedef struct mistake {
    const char *type, *arch, *kind; /* metadata; NULL: the right one */
    bool invoked;                   /* an activated LoRA */
    const char *a, *b;              /* names; NULL: there is no such tensor */
    uint64_t ne_a[3], ne_b[3];
    uint32_t dtype;
    int32_t status;
    const char *sentence; /* a part of it */
} mistake;

#define Q "blk.0.attn_q.weight"

static const mistake mistakes[] = {
    {.a = Q ".lora_a", .b = Q ".lora_b", .ne_a = {TINY_EMBD, 4, 1}, .ne_b = {4, TINY_EMBD, 1}},
    {.type = "model",
     .status = SKALD_E_ARGUMENT,
     .sentence = "general.type is \"model\", wanted adapter"},
    {.arch = "qwen2",
     .status = SKALD_E_ARGUMENT,
     .sentence = "for the architecture \"qwen2\", the model is \"llama\""},
    {.kind = "dora", .status = SKALD_E_ARCHITECTURE, .sentence = "\"dora\", wanted lora"},
    {.invoked = true, .status = SKALD_E_ARCHITECTURE, .sentence = "activated LoRA"},
    {.status = SKALD_E_ARGUMENT, .sentence = "changes nothing of the model"},
    {.a = Q ".lora_a",
     .ne_a = {TINY_EMBD, 4, 1},
     .status = SKALD_E_CORRUPT,
     .sentence = "there is tensor blk.0.attn_q.weight.lora_a, but no blk.0.attn_q.weight.lora_b"},
    {.b = Q ".lora_b",
     .ne_b = {4, TINY_EMBD, 1},
     .status = SKALD_E_CORRUPT,
     .sentence = "there is tensor blk.0.attn_q.weight.lora_b, but no blk.0.attn_q.weight.lora_a"},
    {.a = Q,
     .ne_a = {TINY_EMBD, 4, 1},
     .status = SKALD_E_CORRUPT,
     .sentence = "tensor blk.0.attn_q.weight is not known, wanted names that end in .lora_a"},
    {.a = "blk.9.attn_q.weight.lora_a",
     .b = "blk.9.attn_q.weight.lora_b",
     .ne_a = {TINY_EMBD, 4, 1},
     .ne_b = {4, TINY_EMBD, 1},
     .status = SKALD_E_ARGUMENT,
     .sentence = "is for blk.9.attn_q.weight, which the model lacks"},
    {.a = "blk.0.attn_norm.weight.lora_a",
     .b = "blk.0.attn_norm.weight.lora_b",
     .ne_a = {TINY_EMBD, 4, 1},
     .ne_b = {4, 1, 1},
     .status = SKALD_E_ARGUMENT,
     .sentence = "changes one that is no matrix"},
    {.a = Q ".lora_a",
     .b = Q ".lora_b",
     .ne_a = {TINY_EMBD + 1, 4, 1},
     .ne_b = {4, TINY_EMBD, 1},
     .status = SKALD_E_ARGUMENT,
     .sentence = "lora_a has shape [65, 4, 1, 1], wanted [64, 4, 1, 1]"},
    {.a = Q ".lora_a",
     .b = Q ".lora_b",
     .ne_a = {TINY_EMBD, 4, 1},
     .ne_b = {4, 63, 1},
     .status = SKALD_E_ARGUMENT,
     .sentence = "lora_b has shape [4, 63, 1, 1], wanted [4, 64, 1, 1]"},
    {.a = Q ".lora_a",
     .b = Q ".lora_b",
     .ne_a = {TINY_EMBD, 4, 1},
     .ne_b = {5, TINY_EMBD, 1},
     .status = SKALD_E_ARGUMENT,
     .sentence = "lora_a has shape [64, 4, 1, 1], wanted [64, 5, 1, 1]"},
    {.a = Q ".lora_a",
     .b = Q ".lora_b",
     .ne_a = {TINY_EMBD, 4, 2},
     .ne_b = {4, TINY_EMBD, 2},
     .status = SKALD_E_ARGUMENT,
     .sentence = "has shape [64, 4, 2, 1], wanted [64, 4, 1, 1]"},
    {.a = "token_embd.weight.lora_a",
     .b = "token_embd.weight.lora_b",
     .ne_a = {TINY_EMBD, 4, 1},
     .ne_b = {4, TINY_VOCAB, 1},
     .status = SKALD_E_ARGUMENT,
     .sentence = "token_embd.weight.lora_a has shape [64, 4, 1, 1], wanted [4, 279, 1, 1]"},
    {.a = Q ".lora_a",
     .b = Q ".lora_b",
     .ne_a = {TINY_EMBD, 2049, 1},
     .ne_b = {2049, TINY_EMBD, 1},
     .status = SKALD_E_CORRUPT,
     .sentence = "says a rank of 2049, wanted 1 to 2048"},
    {.a = Q ".lora_a",
     .b = Q ".lora_b",
     .ne_a = {TINY_EMBD, 4, 1},
     .ne_b = {4, TINY_EMBD, 1},
     .dtype = SK_I32,
     .status = SKALD_E_TYPE,
     .sentence = "is of type I32, wanted floats"},
    {.arch = "controlvector", .a = "direction.1", .ne_a = {TINY_EMBD, 1, 1}},
    {.arch = "controlvector",
     .a = "direction.0",
     .ne_a = {TINY_EMBD, 1, 1},
     .status = SKALD_E_ARGUMENT,
     .sentence = "tensor direction.0 is not known, wanted direction.1 to direction.2"},
    {.arch = "controlvector",
     .a = "direction.3",
     .ne_a = {TINY_EMBD, 1, 1},
     .status = SKALD_E_ARGUMENT,
     .sentence = "direction.3 is not known"},
    {.arch = "controlvector",
     .a = "direction.01",
     .ne_a = {TINY_EMBD, 1, 1},
     .status = SKALD_E_ARGUMENT,
     .sentence = "direction.01 is not known"},
    {.arch = "controlvector",
     .a = "direction.1",
     .ne_a = {TINY_EMBD + 1, 1, 1},
     .status = SKALD_E_ARGUMENT,
     .sentence = "shape [65, 1, 1, 1], wanted [64, 1, 1, 1]"},
    {.arch = "controlvector",
     .a = "direction.1",
     .ne_a = {TINY_EMBD, 1, 1},
     .dtype = SK_F16,
     .status = SKALD_E_TYPE,
     .sentence = "is of type F16, wanted F32"},
};

static void put_text(sk_gguf_writer *w, const char *key, const char *text, const char *usual)
{
    text = text ? text : usual;
    sk_gguf_put_string(w, key, text, strlen(text));
}

static int32_t load_file(const void *data, size_t size, const char *more, skald_adapter **out)
{
    skald_options *o = adapter_options(data, size, more);
    int32_t status = skald_adapter_load(model, NULL, o, out);
    skald_options_free(o);
    return status;
}

static void test_mistake(const mistake *m)
{
    sk_heap heap;
    sk_error error = {0, ""};
    sk_gguf_writer *w;
    void *data = NULL;
    uint64_t size = 0;
    skald_adapter *adapter = NULL;
    sk_heap_init(&heap, NULL, 0, NULL);
    sk_gguf_writer_new(&w, &heap, &error);
    put_text(w, "general.type", m->type, "adapter");
    put_text(w, "general.architecture", m->arch, "llama");
    put_text(w, "adapter.type", m->kind, "lora");
    if (m->invoked)
        sk_gguf_put_array(w, "adapter.alora.invocation_tokens", SK_GGUF_U32, &(uint32_t){5}, 1);
    if (m->a)
        sk_gguf_put_tensor(w, m->a, m->dtype, m->ne_a[2] > 1 ? 3 : 2, m->ne_a, NULL);
    if (m->b)
        sk_gguf_put_tensor(w, m->b, m->dtype, m->ne_b[2] > 1 ? 3 : 2, m->ne_b, NULL);
    CHECKF(sk_gguf_finish_memory(w, &data, &size, &error) == 0, "%s", error.text);
    int32_t status = load_file(data, (size_t)size, "", &adapter);
    CHECKF(status == m->status, "%s: status %d: %s", m->sentence ? m->sentence : "good", status,
           skald_error_message());
    if (m->status < 0)
        CHECKF(strstr(skald_error_message(), m->sentence) != NULL, "\"%s\" lacks \"%s\"",
               skald_error_message(), m->sentence);
    skald_adapter_release(adapter);
    sk_gguf_writer_free(w);
    sk_free(&heap, data);
}

static void test_layers(const made_adapter *control)
{
    skald_adapter *adapter = NULL;
    int64_t n = 0;
    CHECK_INT(load_file(control->data, control->size, "layer_first=2", &adapter), 0);
    skald_adapter_get_int(adapter, "n_directions", &n);
    CHECK_INT(n, TINY_LAYERS - 2);
    skald_adapter_release(adapter);
    CHECK_INT(load_file(control->data, control->size, "layer_first=3", &adapter), SKALD_E_ARGUMENT);
    CHECK(strstr(skald_error_message(), "layer_first to layer_last") != NULL);
}

/* ---- Any bytes --------------------------------------------------------------------------------
 */

/* Whatever the bytes are, there is an adapter that runs, or a sentence. */
static void try_bytes(skald_context *ctx, const uint8_t *data, size_t n)
{
    skald_adapter *adapter = NULL;
    int32_t status = load_file(data, n, "max_memory=1000000", &adapter);
    CHECK((status == 0) == (adapter != NULL));
    CHECK(status == 0 || skald_error_message()[0] != 0);
    if (adapter) {
        CHECK_INT(skald_set_adapters(ctx, &adapter, NULL, 1), 0);
        status = skald_step(ctx, -1);
        CHECKF(status >= 0 || status == SKALD_E_NUMERIC, "%s", skald_context_message(ctx));
        skald_set_adapters(ctx, NULL, NULL, 0);
    }
    skald_adapter_release(adapter);
}

static void test_bytes(const made_adapter *made, size_t stride)
{
    static const uint8_t flips[] = {0x01, 0x80, 0xff};
    skald_context *ctx = new_context("n_ctx=16 n_predict=0");
    uint8_t *copy = malloc(made->size);
    CHECK_INT(skald_append_tokens(ctx, (const int32_t[]){1, 5, 270}, 3), 0);
    for (size_t n = 0; n < made->size; n += n < 2000 ? 1 : stride) {
        memcpy(copy, made->data, n);
        uint8_t *exact = malloc(n ? n : 1); /* so that reading beyond it is noticed */
        memcpy(exact, copy, n);
        try_bytes(ctx, exact, n);
        free(exact);
    }
    for (size_t at = 0; at < made->size; at += at < 2000 ? 1 : stride)
        for (size_t i = 0; i < sizeof flips; i++) {
            memcpy(copy, made->data, made->size);
            copy[at] ^= flips[i];
            try_bytes(ctx, copy, made->size);
        }
    free(copy);
    skald_context_free(ctx);
}

/* ---- Memory -----------------------------------------------------------------------------------
 */

typedef struct pool {
    long calls, fail_at, live;
} pool;

static void *pool_alloc(void *user, size_t size, size_t align)
{
    pool *p = user;
    if (++p->calls == p->fail_at)
        return NULL;
    p->live += (long)size;
    return aligned_alloc(align < 64 ? 64 : align, (size + 63) / 64 * 64 + 64);
}

static void pool_free(void *user, void *pointer, size_t size)
{
    ((pool *)user)->live -= (long)size;
    free(pointer);
}

/* Fails the k-th allocation of loading and of wearing; false: there are fewer. */
static bool fail_at(const made_adapter *made, long k)
{
    pool p = {0, k, 0};
    const skald_allocator table = {sizeof table, &p, pool_alloc, pool_free};
    skald_adapter *adapter = NULL;
    skald_context *ctx = NULL;
    skald_options *o = adapter_options(made->data, made->size, "n_ctx=16 n_predict=0");
    skald_options_set_pointer(o, "allocator", &table);
    int32_t status = skald_adapter_load(model, NULL, o, &adapter);
    CHECKF(status == 0 || (status == SKALD_E_MEMORY && adapter == NULL), "%ld: %s", k,
           skald_error_message());
    if (status == 0)
        status = skald_context_new(model, o, &ctx);
    bool made_both = status == 0;
    bool worn = false;
    for (int i = 0; ctx && i < 2; i++) {
        status = skald_set_adapters(ctx, &adapter, NULL, 1);
        CHECK(status == 0 || status == SKALD_E_MEMORY);
        worn = worn || status == 0;
        CHECK_INT(figure(ctx, "n_adapters"), worn);
    }
    CHECK(worn || !ctx);
    bool enough = made_both && p.calls < k;
    skald_context_free(ctx);
    skald_adapter_release(adapter);
    skald_options_free(o);
    CHECK_INT(p.live, 0);
    return !enough;
}

int main(void)
{
    open_model(5, false);
    const adapter_recipe lora = {.rank = 3, .seed = 9, .alpha = 2, .dtype = SK_F32, .every = 9};
    const adapter_recipe control = {.control = true, .seed = 10};
    made_adapter *files[] = {adapter_make(file.data, (size_t)file.size, &lora),
                             adapter_make(file.data, (size_t)file.size, &control)};
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++)
        test_mistake(&mistakes[i]);
    test_layers(files[1]);
    for (int i = 0; i < 2; i++) {
        long k = 1;
        test_bytes(files[i], 97);
        while (fail_at(files[i], k))
            k++;
        CHECK(k > 8);
        adapter_unmake(files[i]);
    }
    close_model();
    return test_end();
}
