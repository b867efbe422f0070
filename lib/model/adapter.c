/* SPDX-License-Identifier: MIT */
/*
 * Loading an adapter, and sets of them.
 *
 * A LoRA file has pairs of tensors NAME.lora_a [in, rank] and NAME.lora_b [rank, out], NAME being a
 * matrix of the model; [in, rank, n] and [rank, out, n] where it is that of n experts or heads. Of
 * a table, from which a row is taken by token, A holds a row for each token: [rank, rows]. Which of
 * the model's tensors are matrices that its plan multiplies with, and which tables, is read off the
 * plan. What an embedding gets where it serves as output as well is of the look-up alone, as it was
 * when the adapter was trained.
 *
 * A control vector's file has tensors direction.N [n_embd], N being the layer behind which it is
 * added, from 1 on.
 *
 * Matrices stay in the type they have where that is F32, F16 or BF16; others become F32. Memory:
 * the tensors of the file, rows of B in whole vectors of 16, and an index of the model's tensors.
 *
 * Left out: activated LoRA, which begins at certain tokens of a prompt; norms, which some files
 * carry along, are passed over with a warning.
 */
#include "base/portable.h"

#include "model/adapter_int.h"
#include "model/model_int.h"

#include "base/checked.h"
#include "base/hash.h"
#include "tensor/types.h"

#include <math.h>
#include <string.h>

/* What the plan does with a tensor of the model. */
enum { USE_NONE = 0, USE_MATRIX = 1, USE_TABLE = 2, USE_SEVERAL = 4 };

/* A load under way. */
typedef struct adapter_loader {
    sk_adapter *adapter;
    const sk_model *model;
    sk_gguf *gguf; /* owned */
    uint8_t *use;  /* owned, [tensors of the model] USE_... */
    uint64_t map_room, block_room;
    double alpha;
    int64_t layer_first, layer_last;
    sk_error *error;
} adapter_loader;

/* ---- Memory -----------------------------------------------------------------------------------
 */

static sk_adapter *adapter_create(sk_model *model, const sk_options *options, sk_error *error)
{
    sk_heap heap;
    const skald_allocator *host = options ? sk_opt_pointer(options, SK_OPT_ALLOCATOR) : NULL;
    uint64_t limit = options ? (uint64_t)sk_opt_int(options, SK_OPT_MAX_MEMORY) : 0;
    if (sk_heap_init(&heap, host, limit, error) != SKALD_OK)
        return NULL;
    sk_adapter *adapter = sk_alloc_zero(&heap, sizeof *adapter, "an adapter", error);
    if (!adapter)
        return NULL;
    adapter->heap = heap;
    atomic_init(&adapter->n_users, 1);
    sk_model_retain(model);
    adapter->model = model;
    return adapter;
}

static void adapter_free(sk_adapter *adapter)
{
    for (uint64_t i = 0; i < adapter->n_blocks; i++)
        sk_free(&adapter->heap, adapter->blocks[i]);
    sk_free(&adapter->heap, adapter->blocks);
    sk_free(&adapter->heap, adapter->maps);
    sk_free(&adapter->heap, adapter->map_of);
    sk_free(&adapter->heap, adapter->direction);
    sk_model_release(adapter->model);
    sk_heap heap = adapter->heap;
    sk_free(&heap, adapter);
}

/* Zeroed bytes that live as long as the adapter; NULL and MEMORY. */
static void *adapter_keep(adapter_loader *l, uint64_t n, uint64_t size)
{
    sk_adapter *adapter = l->adapter;
    void *array = adapter->blocks;
    int32_t status = sk_grow(&adapter->heap, &array, &l->block_room, adapter->n_blocks + 1,
                             sizeof *adapter->blocks, "an adapter", l->error);
    adapter->blocks = array;
    void *block =
        status == SKALD_OK ? sk_alloc_array(&adapter->heap, n, size, "an adapter", l->error) : NULL;
    if (block)
        adapter->blocks[adapter->n_blocks++] = block;
    return block;
}

/* ---- What the plan says -----------------------------------------------------------------------
 */

static void use_part(uint8_t *use, const sk_linear *w, int as)
{
    for (int64_t e = 0; w->tensor_of && e < w->n_expert; e++)
        use[w->tensor_of[e]] |= USE_MATRIX;
    if (!w->tensor_of)
        use[w->tensor] |= (uint8_t)as;
}

static int32_t read_uses(adapter_loader *l)
{
    const sk_plan *plan = &l->model->plan;
    l->use = sk_alloc_array(&l->adapter->heap, sk_gguf_n_tensors(l->model->gguf), 1,
                            "uses of tensors", l->error);
    if (!l->use)
        return SKALD_E_MEMORY;
    for (uint64_t i = 0; i < plan->n_step; i++) {
        const sk_step *step = &plan->steps[i];
        int as = step->op == SK_OP_LINEAR                               ? USE_MATRIX
                 : step->op == SK_OP_EMBED                              ? USE_TABLE
                 : step->op == SK_OP_EXPERTS || step->op == SK_OP_HEADS ? USE_SEVERAL
                                                                        : USE_NONE;
        for (int part = 0; as != USE_NONE && part < step->n_part; part++)
            use_part(l->use, &step->part[part], as);
    }
    return SKALD_OK;
}

/* ---- LoRA -------------------------------------------------------------------------------------
 */

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

/* CORRUPT or ARGUMENT, unless the tensor has this shape. */
static int32_t check_shape(adapter_loader *l, const sk_gguf_tensor *t, const uint64_t ne[3])
{
    if (t->ne[0] == ne[0] && t->ne[1] == ne[1] && t->ne[2] == ne[2] && t->ne[3] == 1)
        return SKALD_OK;
    return sk_fail(l->error, SKALD_E_ARGUMENT,
                   "adapter: tensor %s has shape [%llu, %llu, %llu, %llu], wanted [%llu, %llu, "
                   "%llu, 1]",
                   t->name, (unsigned long long)t->ne[0], (unsigned long long)t->ne[1],
                   (unsigned long long)t->ne[2], (unsigned long long)t->ne[3],
                   (unsigned long long)ne[0], (unsigned long long)ne[1], (unsigned long long)ne[2]);
}

/* The next row of a tensor as it is in the file, which has row_size bytes. */
static int32_t read_row(adapter_loader *l, const sk_gguf_tensor *t, uint64_t i, uint8_t *row,
                        uint64_t row_size)
{
    uint64_t *hash = &l->adapter->fingerprint;
    int32_t status = sk_gguf_tensor_read(l->gguf, t, i * row_size, row, row_size, l->error);
    if (status == SKALD_OK)
        *hash = sk_hash_bytes(*hash, row, row_size);
    return status;
}

static int32_t check_type(adapter_loader *l, const sk_gguf_tensor *t)
{
    if (sk_dtype_get(t->dtype)->weight)
        return SKALD_OK;
    return sk_fail(l->error, SKALD_E_TYPE, "adapter: tensor %s is of type %s, wanted floats",
                   t->name, sk_dtype_get(t->dtype)->name);
}

/* A matrix of the file as rows of floats of some type. */
static int32_t read_matrix(adapter_loader *l, const sk_gguf_tensor *t, const uint8_t **out,
                           int *dtype, size_t *size)
{
    bool kept = t->dtype == SK_F32 || t->dtype == SK_F16 || t->dtype == SK_BF16;
    uint64_t n_row = t->ne[1] * t->ne[2], raw_size, row_size;
    int32_t status = check_type(l, t);
    *dtype = kept ? (int)t->dtype : SK_F32;
    if (status < 0)
        return status;
    if (!sk_dtype_row_size(t->dtype, t->ne[0], &raw_size) ||
        !sk_dtype_row_size((uint64_t)*dtype, t->ne[0], &row_size))
        return sk_fail(l->error, SKALD_E_CORRUPT, "adapter: tensor %s is too large", t->name);
    uint8_t *rows = adapter_keep(l, n_row, row_size);
    uint8_t *raw = rows ? sk_alloc(&l->adapter->heap, raw_size, "a row", l->error) : NULL;
    status = raw ? SKALD_OK : SKALD_E_MEMORY;
    for (uint64_t i = 0; i < n_row && status == SKALD_OK; i++) {
        status = read_row(l, t, i, raw, raw_size);
        uint8_t *row = rows + i * row_size;
        if (status == SKALD_OK && kept)
            memcpy(row, raw, row_size);
        else if (status == SKALD_OK)
            sk_dequantise((int)t->dtype, raw, (float *)(void *)row, (int64_t)t->ne[0]);
    }
    sk_free(&l->adapter->heap, raw);
    *out = rows;
    *size = (size_t)row_size;
    return status;
}

/* Element k of row o becomes element o of row k, in each part. */
static void put_column(const sk_gguf_tensor *t, uint64_t o, const uint8_t *raw, const float *floats,
                       void *out)
{
    uint64_t rank = t->ne[0], n_out = t->ne[1], at = o / n_out * rank * n_out + o % n_out;
    float *to = out;
    uint16_t *half = out;
    for (uint64_t k = 0; k < rank; k++, at += n_out)
        if (floats)
            to[at] = floats[k];
        else
            half[at] = sk_le16(raw + 2 * k);
}

/* B, transposed. */
static int32_t read_transposed(adapter_loader *l, const sk_gguf_tensor *t, sk_lowrank *map)
{
    uint64_t n_row = t->ne[1] * t->ne[2], raw_size, n;
    int32_t status = check_type(l, t);
    map->b_half = t->dtype == SK_F16;
    if (status < 0)
        return status;
    if (!sk_dtype_row_size(t->dtype, t->ne[0], &raw_size) || !sk_mul(n_row, t->ne[0], &n))
        return sk_fail(l->error, SKALD_E_CORRUPT, "adapter: tensor %s is too large", t->name);
    void *columns = adapter_keep(l, n, map->b_half ? 2 : 4);
    uint8_t *raw = columns ? sk_alloc(&l->adapter->heap, raw_size, "a row", l->error) : NULL;
    float *floats =
        raw ? sk_alloc_array(&l->adapter->heap, t->ne[0], sizeof *floats, "a row", l->error) : NULL;
    status = floats ? SKALD_OK : SKALD_E_MEMORY;
    for (uint64_t i = 0; i < n_row && status == SKALD_OK; i++) {
        status = read_row(l, t, i, raw, raw_size);
        if (status == SKALD_OK && !map->b_half)
            sk_dequantise((int)t->dtype, raw, floats, (int64_t)t->ne[0]);
        if (status == SKALD_OK)
            put_column(t, i, raw, map->b_half ? NULL : floats, columns);
    }
    sk_free(&l->adapter->heap, raw);
    sk_free(&l->adapter->heap, floats);
    map->b = columns;
    return status;
}

/* The shapes of both tensors, given the model's and the rank. */
static int32_t check_ranks(adapter_loader *l, const sk_gguf_tensor *base, int use,
                           const sk_gguf_tensor *a, const sk_gguf_tensor *b, uint64_t rank)
{
    bool table = (use & USE_TABLE) != 0;
    uint64_t n = use & USE_SEVERAL ? base->ne[2] : 1;
    uint64_t wanted_a[3] = {table ? rank : base->ne[0], table ? base->ne[1] : rank, n};
    uint64_t wanted_b[3] = {rank, table ? base->ne[0] : base->ne[1], n};
    if (rank < 1 || rank > SK_MAX_RANK)
        return sk_fail(l->error, SKALD_E_CORRUPT,
                       "adapter: tensor %s says a rank of %llu, wanted 1 to %d", b->name,
                       (unsigned long long)rank, SK_MAX_RANK);
    int32_t status = check_shape(l, a, wanted_a);
    return status < 0 ? status : check_shape(l, b, wanted_b);
}

static int32_t add_map(adapter_loader *l, const sk_gguf_tensor *base, const sk_gguf_tensor *a,
                       const sk_gguf_tensor *b)
{
    sk_adapter *adapter = l->adapter;
    int64_t tensor = base - sk_gguf_tensor_at(l->model->gguf, 0);
    int use = l->use[tensor];
    if (use == USE_NONE || (base->ne[2] > 1 && !(use & USE_SEVERAL)))
        return sk_fail(l->error, SKALD_E_ARGUMENT,
                       "adapter: tensor %s changes one that is no matrix which adapters can change",
                       a->name);
    int32_t status = check_ranks(l, base, use, a, b, b->ne[0]);
    void *array = adapter->maps;
    if (status == SKALD_OK)
        status = sk_grow(&adapter->heap, &array, &l->map_room, (uint64_t)adapter->n_maps + 1,
                         sizeof *adapter->maps, "an adapter", l->error);
    adapter->maps = array;
    if (status < 0)
        return status;
    sk_lowrank map = {.rank = (int64_t)b->ne[0], .n_part = (int64_t)b->ne[2]};
    map.n_in = (int64_t)base->ne[0];
    map.n_out = (int64_t)b->ne[1];
    map.factor = l->alpha != 0 ? l->alpha / (double)map.rank : 1;
    status = read_matrix(l, a, &map.a, &map.a_dtype, &map.a_size);
    if (status == SKALD_OK)
        status = read_transposed(l, b, &map);
    if (status < 0)
        return status;
    adapter->max_rank = map.rank > adapter->max_rank ? map.rank : adapter->max_rank;
    adapter->map_of[tensor] = (int32_t)adapter->n_maps;
    adapter->maps[adapter->n_maps++] = map;
    return SKALD_OK;
}

/* The file's tensor NAME.end for one of NAME.other; NULL and CORRUPT. */
static const sk_gguf_tensor *find_other(adapter_loader *l, const sk_gguf_tensor *t, const char *end)
{
    char name[SK_GGUF_MAX_NAME + 1];
    sk_format(name, sizeof name, "%.*s%s", (int)(strlen(t->name) - strlen(end)), t->name, end);
    const sk_gguf_tensor *other = sk_gguf_tensor_find(l->gguf, name);
    if (!other)
        sk_fail(l->error, SKALD_E_CORRUPT, "adapter: there is tensor %s, but no %s", t->name, name);
    return other;
}

/* The model's tensor that one of the file changes; NULL and ARGUMENT. */
static const sk_gguf_tensor *find_base(adapter_loader *l, const sk_gguf_tensor *t)
{
    char name[SK_GGUF_MAX_NAME + 1];
    sk_format(name, sizeof name, "%.*s", (int)(strlen(t->name) - strlen(".lora_a")), t->name);
    const sk_gguf_tensor *base = sk_gguf_tensor_find(l->model->gguf, name);
    if (!base)
        sk_fail(l->error, SKALD_E_ARGUMENT, "adapter: tensor %s is for %s, which the model lacks",
                t->name, name);
    return base;
}

static int32_t pass_over(const adapter_loader *l, const sk_gguf_tensor *t, const char *why)
{
    char text[200];
    sk_format(text, sizeof text, "adapter: tensor %s is passed over: %s", t->name, why);
    sk_model_log(l->model, SKALD_LOG_WARNING, text);
    return SKALD_OK;
}

static int32_t read_lora_pair(adapter_loader *l, const sk_gguf_tensor *a, const sk_gguf_tensor *b)
{
    const sk_gguf_tensor *base = find_base(l, a);
    if (!base)
        return SKALD_E_ARGUMENT;
    if (l->model->weights.used[base - sk_gguf_tensor_at(l->model->gguf, 0)] != SK_USED)
        return pass_over(l, a, "the model does not use the matrix");
    return add_map(l, base, a, b);
}

static int32_t read_lora_tensor(adapter_loader *l, const sk_gguf_tensor *t)
{
    if (ends_with(t->name, ".lora_b"))
        return find_other(l, t, ".lora_a") ? SKALD_OK : SKALD_E_CORRUPT;
    if (ends_with(t->name, ".lora_a")) {
        const sk_gguf_tensor *b = find_other(l, t, ".lora_b");
        return b ? read_lora_pair(l, t, b) : SKALD_E_CORRUPT;
    }
    if (ends_with(t->name, "_norm.weight"))
        return pass_over(l, t, "it is a norm");
    return sk_fail(l->error, SKALD_E_CORRUPT,
                   "adapter: tensor %s is not known, wanted names that end in .lora_a or .lora_b",
                   t->name);
}

/* The beginning of a string of the file's, or "". */
static const char *adapter_text(const adapter_loader *l, const char *key, char out[64])
{
    sk_gguf_string text = {"", 0};
    sk_gguf_get_string(l->gguf, key, &text, NULL);
    sk_format(out, 64, "%s", text.text);
    return out;
}

static int32_t check_lora(adapter_loader *l)
{
    const char *own = l->model->arch->name;
    char arch[64], kind[64];
    adapter_text(l, "general.architecture", arch);
    adapter_text(l, "adapter.type", kind);
    if (strcmp(kind, "lora") != 0)
        return sk_fail(l->error, SKALD_E_ARCHITECTURE, "adapter: its type is \"%s\", wanted lora",
                       kind);
    if (sk_gguf_find(l->gguf, "adapter.alora.invocation_tokens"))
        return sk_fail(l->error, SKALD_E_ARCHITECTURE,
                       "adapter: it is an activated LoRA, which begins at certain tokens; wanted "
                       "one that is always active");
    if (strcmp(arch, own) != 0)
        return sk_fail(l->error, SKALD_E_ARGUMENT,
                       "adapter: it is for the architecture \"%s\", the model is \"%s\"", arch,
                       own);
    int32_t status =
        sk_gguf_get_float(l->gguf, "adapter.lora.alpha", -1e30, 1e30, &l->alpha, l->error);
    return status == SKALD_E_NOT_FOUND ? SKALD_OK : status;
}

static int32_t load_lora(adapter_loader *l)
{
    uint64_t n = sk_gguf_n_tensors(l->gguf), n_base = sk_gguf_n_tensors(l->model->gguf);
    int32_t status = check_lora(l);
    if (status == SKALD_OK)
        status = read_uses(l);
    if (status < 0)
        return status;
    l->adapter->map_of =
        sk_alloc_array(&l->adapter->heap, n_base, sizeof(int32_t), "an adapter", l->error);
    if (!l->adapter->map_of)
        return SKALD_E_MEMORY;
    memset(l->adapter->map_of, 0xff, (size_t)n_base * sizeof(int32_t));
    for (uint64_t i = 0; i < n && status == SKALD_OK; i++)
        status = read_lora_tensor(l, sk_gguf_tensor_at(l->gguf, i));
    return status;
}

/* ---- Control vectors --------------------------------------------------------------------------
 */

/* The layer that "direction.N" names; -1: it is not such a name. */
static int64_t direction_layer(const char *name)
{
    static const char prefix[] = "direction.";
    int64_t layer = 0;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return -1;
    const char *digits = name + sizeof prefix - 1;
    if (strlen(digits) < 1 || strlen(digits) > 6 || (digits[0] == '0' && digits[1]))
        return -1;
    for (; *digits; digits++) {
        if (*digits < '0' || *digits > '9')
            return -1;
        layer = layer * 10 + (*digits - '0');
    }
    return layer;
}

static int32_t read_direction(adapter_loader *l, const sk_gguf_tensor *t)
{
    int64_t layer = direction_layer(t->name), n_layer = l->model->plan.n_layer;
    uint64_t n = (uint64_t)l->model->plan.n_embd;
    if (layer < 1 || layer >= n_layer)
        return sk_fail(l->error, SKALD_E_ARGUMENT,
                       "adapter: tensor %s is not known, wanted direction.1 to direction.%lld",
                       t->name, (long long)n_layer - 1);
    int32_t status = check_shape(l, t, (uint64_t[]){n, 1, 1});
    if (status < 0)
        return status;
    const uint8_t *row;
    int dtype = SK_F32;
    size_t size;
    if (t->dtype != SK_F32)
        return sk_fail(l->error, SKALD_E_TYPE, "adapter: tensor %s is of type %s, wanted F32",
                       t->name, sk_dtype_get(t->dtype)->name);
    status = read_matrix(l, t, &row, &dtype, &size);
    if (status < 0 || layer < l->layer_first || layer > l->layer_last)
        return status;
    l->adapter->direction[layer] = (const float *)(const void *)row;
    l->adapter->n_directions++;
    return SKALD_OK;
}

static int32_t load_control(adapter_loader *l)
{
    int32_t status = SKALD_OK;
    l->adapter->direction = sk_alloc_array(&l->adapter->heap, (uint64_t)l->model->plan.n_layer,
                                           sizeof *l->adapter->direction, "an adapter", l->error);
    if (!l->adapter->direction)
        return SKALD_E_MEMORY;
    for (uint64_t i = 0; i < sk_gguf_n_tensors(l->gguf) && status == SKALD_OK; i++)
        status = read_direction(l, sk_gguf_tensor_at(l->gguf, i));
    uint64_t *hash = &l->adapter->fingerprint;
    for (int64_t i = 0; i < l->model->plan.n_layer; i++)
        *hash = sk_hash_word(*hash, l->adapter->direction[i] != NULL);
    return status;
}

/* ---- Loading ----------------------------------------------------------------------------------
 */

/* What the tensors' names, types and shapes and the scale say; their bytes are taken in as they are
 * read. */
static uint64_t hash_header(const adapter_loader *l)
{
    uint64_t hash = SK_HASH_START;
    for (uint64_t i = 0; i < sk_gguf_n_tensors(l->gguf); i++) {
        const sk_gguf_tensor *t = sk_gguf_tensor_at(l->gguf, i);
        hash = sk_hash_bytes(hash, t->name, strlen(t->name));
        hash = sk_hash_word(hash, t->dtype);
        for (int d = 0; d < 4; d++)
            hash = sk_hash_word(hash, t->ne[d]);
    }
    return hash;
}

static int32_t load_contents(adapter_loader *l)
{
    char type[64], arch[64];
    bool control = strcmp(adapter_text(l, "general.architecture", arch), "controlvector") == 0;
    adapter_text(l, "general.type", type);
    if (!control && strcmp(type, "adapter") != 0)
        return sk_fail(l->error, SKALD_E_ARGUMENT,
                       "adapter: the file's general.type is \"%s\", wanted adapter, or a control "
                       "vector",
                       type);
    l->adapter->fingerprint = hash_header(l);
    int32_t status = control ? load_control(l) : load_lora(l);
    uint64_t bits = sk_f64_bits(l->alpha);
    l->adapter->fingerprint = sk_hash_word(l->adapter->fingerprint, bits);
    if (status == SKALD_OK && l->adapter->n_maps + l->adapter->n_directions == 0)
        return sk_fail(l->error, SKALD_E_ARGUMENT,
                       "adapter: it changes nothing of the model, wanted at least one %s",
                       control ? "direction of a layer from layer_first to layer_last"
                               : "pair of tensors");
    return status;
}

int32_t sk_adapter_load(sk_adapter **out, sk_model *model, const char *path,
                        const sk_options *options, sk_error *error)
{
    adapter_loader l = {.model = model, .layer_first = 1, .layer_last = 1000000, .error = error};
    *out = NULL;
    int32_t status = sk_model_runs(model, error);
    if (status == SKALD_OK && !(l.adapter = adapter_create(model, options, error)))
        status = error->code;
    if (status < 0)
        return status;
    if (options) {
        l.layer_first = sk_opt_int(options, SK_OPT_LAYER_FIRST);
        l.layer_last = sk_opt_int(options, SK_OPT_LAYER_LAST);
    }
    sk_heap *heap = &l.adapter->heap;
    sk_source *source;
    status = path ? sk_source_open_file(&source, heap, path, false, error)
                  : sk_source_open_given(&source, heap, options, error);
    if (status == SKALD_OK)
        status = sk_gguf_open(&l.gguf, heap, source, path, false, error);
    if (status == SKALD_OK)
        status = load_contents(&l);
    sk_gguf_close(l.gguf);
    sk_free(heap, l.use);
    if (status < 0)
        adapter_free(l.adapter);
    else
        *out = l.adapter;
    return status;
}

void sk_adapter_retain(sk_adapter *adapter)
{
    if (adapter)
        atomic_fetch_add(&adapter->n_users, 1);
}

void sk_adapter_release(sk_adapter *adapter)
{
    if (adapter && atomic_fetch_sub(&adapter->n_users, 1) == 1)
        adapter_free(adapter);
}

int32_t sk_adapter_get_int(const sk_adapter *adapter, const char *key, int64_t *value,
                           sk_error *error)
{
    const struct {
        const char *key;
        int64_t value;
    } figures[] = {
        {"n_matrices", adapter->n_maps},
        {"n_directions", adapter->n_directions},
        {"max_rank", adapter->max_rank},
        {"memory_live", (int64_t)atomic_load(&adapter->heap.live)},
        {"memory_peak", (int64_t)atomic_load(&adapter->heap.peak)},
    };
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        if (strcmp(figures[i].key, key) == 0) {
            *value = figures[i].value;
            return SKALD_OK;
        }
    return sk_fail(error, SKALD_E_NOT_FOUND, "an adapter has no key \"%s\"", key);
}

/* ---- Sets -------------------------------------------------------------------------------------
 */

static int32_t check_worn(const sk_model *model, const sk_adapter *adapter, double scale,
                          uint64_t i, sk_error *error)
{
    if (!adapter)
        return sk_fail(error, SKALD_E_ARGUMENT, "adapter %llu is NULL", (unsigned long long)i);
    if (adapter->model != model)
        return sk_fail(error, SKALD_E_ARGUMENT, "adapter %llu was loaded for another model",
                       (unsigned long long)i);
    if (!(fabs(scale) <= 1e30))
        return sk_fail(error, SKALD_E_ARGUMENT, "the scale of adapter %llu is %g, wanted a number",
                       (unsigned long long)i, scale);
    return SKALD_OK;
}

static sk_adapters *set_create(sk_heap *heap, uint64_t n, sk_error *error)
{
    uint64_t size;
    if (!sk_mul(n, sizeof(sk_worn), &size) || !sk_add(size, sizeof(sk_adapters), &size)) {
        sk_fail(error, SKALD_E_MEMORY, "%llu adapters do not fit memory", (unsigned long long)n);
        return NULL;
    }
    sk_adapters *set = sk_alloc_zero(heap, size, "adapters of a context", error);
    if (set)
        set->heap = heap;
    return set;
}

static void set_add(sk_adapters *set, sk_adapter *adapter, double scale)
{
    sk_adapter_retain(adapter);
    set->worn[set->n++] = (sk_worn){adapter, scale};
    if (adapter->max_rank > set->max_rank)
        set->max_rank = adapter->max_rank;
}

int32_t sk_adapters_new(sk_adapters **out, sk_heap *heap, const sk_model *model,
                        sk_adapter *const *adapters, const double *scales, uint64_t n,
                        sk_error *error)
{
    uint64_t n_left = 0;
    *out = NULL;
    for (uint64_t i = 0; i < n; i++) {
        double scale = scales ? scales[i] : 1;
        int32_t status = check_worn(model, adapters[i], scale, i, error);
        if (status < 0)
            return status;
        n_left += scale != 0;
    }
    if (n_left == 0)
        return SKALD_OK;
    sk_adapters *set = set_create(heap, n_left, error);
    if (!set)
        return SKALD_E_MEMORY;
    for (uint64_t i = 0; i < n; i++)
        if (!scales || scales[i] != 0)
            set_add(set, adapters[i], scales ? scales[i] : 1);
    *out = set;
    return SKALD_OK;
}

int32_t sk_adapters_copy(sk_adapters **out, sk_heap *heap, const sk_adapters *set, sk_error *error)
{
    *out = NULL;
    if (!set)
        return SKALD_OK;
    sk_adapters *copy = set_create(heap, (uint64_t)set->n, error);
    if (!copy)
        return SKALD_E_MEMORY;
    for (int64_t i = 0; i < set->n; i++)
        set_add(copy, set->worn[i].adapter, set->worn[i].scale);
    *out = copy;
    return SKALD_OK;
}

void sk_adapters_free(sk_adapters *set)
{
    if (!set)
        return;
    for (int64_t i = 0; i < set->n; i++)
        sk_adapter_release(set->worn[i].adapter);
    sk_free(set->heap, set);
}

bool sk_adapters_same(const sk_adapters *a, const sk_adapters *b)
{
    if (a == b)
        return true;
    if (!a || !b || a->n != b->n)
        return false;
    for (int64_t i = 0; i < a->n; i++)
        if (a->worn[i].adapter->fingerprint != b->worn[i].adapter->fingerprint ||
            sk_f64_bits(a->worn[i].scale) != sk_f64_bits(b->worn[i].scale))
            return false;
    return true;
}

uint64_t sk_adapters_hash(const sk_adapters *set, uint64_t hash)
{
    for (int64_t i = 0; set && i < set->n; i++) {
        hash = sk_hash_word(hash, set->worn[i].adapter->fingerprint);
        hash = sk_hash_word(hash, sk_f64_bits(set->worn[i].scale));
    }
    return hash;
}
