/* SPDX-License-Identifier: MIT */
/*
 * Loading, in phases: the file's header, the vocabulary, the plan, the copy of the weights where
 * they are copied, the threads. Header, vocabulary and copy go in pieces of a fraction of a
 * millisecond, between which the time and the cancel flag are looked at; the plan is one piece, of
 * about a millisecond for each thousand tensors. A tokenizer.json in the file's place is converted
 * in one piece too. Whatever can be wrong with a file is found before its weights are copied.
 *
 * Memory: the parsed header, the vocabulary, the plan (half a kilobyte per step), and the weights
 * if they are copied; mapped ones cost nothing.
 */
#include "base/portable.h"

#include "model/model_int.h"

#include "base/clock.h"
#include "model/lines.h"
#include "text/chat.h"
#include "text/hf_tokenizer.h"

#include <string.h>

#define LOAD_PIECE (UINT64_C(1) << 20) /* bytes copied between two looks at the clock */

/* ---- Opening ----------------------------------------------------------------------------------
 */

/* A model in a heap of its own: the counts of the heap that it was made with go with it. */
static sk_model *model_create(const sk_options *options, sk_error *error)
{
    sk_heap heap;
    const skald_allocator *host = options ? sk_opt_pointer(options, SK_OPT_ALLOCATOR) : NULL;
    uint64_t limit = options ? (uint64_t)sk_opt_int(options, SK_OPT_MAX_MEMORY) : 0;
    if (sk_heap_init(&heap, host, limit, error) != SKALD_OK)
        return NULL;
    sk_model *model = sk_alloc_zero(&heap, sizeof *model, "a model", error);
    if (!model)
        return NULL;
    sk_heap_init(&model->heap, host, limit, NULL);
    atomic_store(&model->heap.live, atomic_load(&heap.live));
    atomic_store(&model->heap.peak, atomic_load(&heap.peak));
    atomic_store(&model->heap.count, atomic_load(&heap.count));
    atomic_store(&model->n_users, 1);
    return model;
}

static void model_free(sk_model *model)
{
    sk_heap *heap = &model->heap, last;
    sk_executor_release(model->executor);
    sk_plan_free(&model->plan);
    sk_weights_free(&model->weights);
    sk_vocab_build_free(model->vocab_build);
    sk_vocab_free(model->vocab);
    sk_gguf_close(model->gguf);
    sk_source_close(model->source);
    sk_free(heap, model->converted);
    sk_free(heap, model->copy);
    sk_free(heap, model->plan_text);
    sk_free(heap, model->warning);
    sk_free(heap, model->path);
    sk_heap_init(&last, &heap->host, 0, NULL);
    atomic_store(&last.live, atomic_load(&heap->live));
    sk_free(&last, model);
}

static int32_t open_kernels(sk_model *model, const sk_options *options, sk_error *error)
{
    const char *name = options ? sk_opt_string(options, SK_OPT_CPU) : "auto";
    char names[200] = "auto";
    model->kernels = sk_kernels_get(name);
    if (model->kernels)
        return SKALD_OK;
    if (!sk_kernels_get("c"))
        return sk_fail(error, SKALD_E_NUMERIC,
                       "this library was compiled so that products and sums are fused at the "
                       "compiler's will: build it without -ffp-contract=fast");
    bool runs;
    for (int i = 0; sk_kernels_at(i, &runs); i++) {
        size_t n = strlen(names);
        if (runs)
            sk_format(names + n, sizeof names - n, ", %s", sk_kernels_at(i, &runs)->name);
    }
    return sk_fail(error, SKALD_E_OPTION, "option cpu is \"%s\", this machine runs: %s", name,
                   names);
}

static int32_t open_source(sk_model *model, const char *path, const sk_options *options,
                           sk_error *error)
{
    bool memory = options && sk_opt_pointer(options, SK_OPT_MEMORY);
    bool reader = options && sk_opt_pointer(options, SK_OPT_READER);
    bool map = !options || strcmp(sk_opt_string(options, SK_OPT_LOAD), "map") == 0;
    if (memory || reader || !path) {
        model->map = memory && map;
        return sk_source_open_given(&model->source, &model->heap, options, error);
    }
    model->path = sk_alloc(&model->heap, strlen(path) + 1, "a path", error);
    if (!model->path)
        return SKALD_E_MEMORY;
    memcpy(model->path, path, strlen(path) + 1);
    model->map = map;
    return sk_source_open_file(&model->source, &model->heap, path, map, error);
}

/* The threads: what the options say of them, and another model's where they are shared. */
static int32_t open_threads(sk_model *model, const sk_options *options, sk_error *error)
{
    const skald_executor *host = options ? sk_opt_pointer(options, SK_OPT_EXECUTOR) : NULL;
    const sk_model *other = options ? sk_opt_pointer(options, SK_OPT_THREADS_OF) : NULL;
    model->n_threads = options ? (int32_t)sk_opt_int(options, SK_OPT_N_THREADS) : 0;
    const skald_log *log = options ? sk_opt_pointer(options, SK_OPT_LOG) : NULL;
    if (host)
        model->host_executor = *host;
    if (log)
        model->log = *log;
    if (!other)
        return SKALD_OK;
    if (!sk_model_is_loaded(other))
        return sk_fail(error, SKALD_E_STATE, "the model of option threads_of is still loading");
    model->executor = other->executor;
    sk_executor_retain(model->executor);
    return SKALD_OK;
}

int32_t sk_model_open(sk_model **out, const char *path, const sk_options *options, sk_error *error)
{
    sk_error local = {0};
    error = error ? error : &local;
    *out = NULL;
    sk_model *model = model_create(options, error);
    if (!model)
        return error->code;
    int32_t status = open_threads(model, options, error);
    if (status == SKALD_OK)
        status = open_kernels(model, options, error);
    if (status == SKALD_OK)
        status = open_source(model, path, options, error);
    if (status != SKALD_OK) {
        model_free(model);
        return status;
    }
    *out = model;
    return SKALD_OK;
}

/* ---- Phases -----------------------------------------------------------------------------------
 */

/* The text of the tokenizer_config.json beside the file; NULL: there is none that can be read. */
static char *load_config(sk_model *model, uint64_t *n)
{
    static const char name[] = "tokenizer_config.json";
    const char *slash = model->path ? strrchr(model->path, '/') : NULL;
    size_t n_folder = slash ? (size_t)(slash - model->path) + 1 : 0;
    char *path =
        model->path ? sk_alloc(&model->heap, n_folder + sizeof name, "a path", NULL) : NULL;
    char *text = NULL;
    sk_source *source = NULL;
    *n = 0;
    if (!path)
        return NULL;
    memcpy(path, model->path, n_folder);
    memcpy(path + n_folder, name, sizeof name);
    if (sk_source_open_file(&source, &model->heap, path, false, NULL) == SKALD_OK) {
        *n = sk_source_size(source);
        text = sk_alloc(&model->heap, *n, "a tokenizer_config.json", NULL);
        if (text && sk_source_read(source, 0, text, *n, NULL) < 0) {
            sk_free(&model->heap, text);
            text = NULL;
        }
    }
    sk_source_close(source);
    sk_free(&model->heap, path);
    return text;
}

/* A tokenizer.json becomes a model file without tensors. */
static int32_t load_tokenizer_json(sk_model *model, sk_error *error)
{
    uint64_t n = sk_source_size(model->source), size, n_config;
    char start[64], *json = NULL, *config;
    uint64_t n_start = n < sizeof start ? n : sizeof start;
    if (sk_source_read(model->source, 0, start, n_start, NULL) < 0 ||
        !sk_hf_is_tokenizer(start, n_start))
        return SKALD_OK;
    int32_t status = SKALD_E_MEMORY;
    if ((json = sk_alloc(&model->heap, n, "a tokenizer.json", error)) != NULL)
        status = sk_source_read(model->source, 0, json, n, error);
    config = load_config(model, &n_config);
    if (status == SKALD_OK)
        status =
            sk_hf_convert(&model->heap, json, n, config, n_config, &model->converted, &size, error);
    sk_free(&model->heap, config);
    sk_free(&model->heap, json);
    if (status < 0)
        return status;
    sk_source_close(model->source);
    model->source = NULL;
    model->map = true;
    return sk_source_open_memory(&model->source, &model->heap, model->converted, size, error);
}

/* One piece of the header; PENDING while some is left. */
static int32_t load_header(sk_model *model, sk_error *error)
{
    if (model->gguf)
        return sk_gguf_step(model->gguf, error);
    int32_t status = load_tokenizer_json(model, error);
    if (status < 0)
        return status;
    sk_source *source = model->source;
    model->source = NULL;
    status = sk_gguf_begin(&model->gguf, &model->heap, source, model->path, model->map, error);
    return status < 0 ? status : SKALD_PENDING;
}

/* One piece of the vocabulary; PENDING while some is left. */
static int32_t load_vocab(sk_model *model, sk_error *error)
{
    sk_vocab_build *build = model->vocab_build;
    int32_t status =
        build ? sk_vocab_step(build, error)
              : sk_vocab_begin_gguf(&model->vocab_build, &model->heap, model->gguf, error);
    if (status < 0 || status == SKALD_PENDING)
        return status;
    if (!build)
        return SKALD_PENDING;
    model->vocab_build = NULL;
    return sk_vocab_finish(&model->vocab, build, error);
}

/* How many tokens the file lists, also where they have no tokeniser; 0: none. */
static int64_t load_n_tokens(const sk_model *model)
{
    const sk_gguf_kv *tokens = sk_gguf_find(model->gguf, "tokenizer.ggml.tokens");
    uint32_t n = sk_vocab_n(model->vocab);
    return n > 0 ? n : tokens && tokens->n <= INT32_MAX ? (int64_t)tokens->n : 0;
}

/* That there is no such architecture, and which names are near. */
static int32_t load_refuse_arch(const sk_gguf_string *name, sk_error *error)
{
    enum { MOST = 4 };
    const char *near[MOST];
    char text[200] = "";
    int n = sk_arch_near(name->text, near, MOST);
    for (int i = 0; i < n; i++) {
        size_t at = strlen(text);
        sk_format(text + at, sizeof text - at, "%s\"%s\"", i ? ", " : "; the nearest are ",
                  near[i]);
    }
    return sk_fail(error, SKALD_E_ARCHITECTURE, "the architecture \"%.*s\" is not supported%s",
                   name->n > 64 ? 64 : (int)name->n, name->text, text);
}

static int32_t load_arch(sk_model *model, sk_error *error)
{
    sk_gguf_string name;
    int32_t status = sk_gguf_get_string(model->gguf, "general.architecture", &name, error);
    if (status == SKALD_E_NOT_FOUND)
        return sk_fail(error, SKALD_E_CORRUPT, "the key general.architecture is missing");
    if (status != SKALD_OK)
        return status;
    model->arch = sk_arch_find(name.text, name.n);
    return model->arch ? SKALD_OK : load_refuse_arch(&name, error);
}

/* Room for the weights where they are not used in place. */
static int32_t load_copy_room(sk_model *model, sk_error *error)
{
    if (model->map)
        return SKALD_OK;
    if (!sk_weights_copy_size(model->gguf, &model->copy_size))
        return sk_fail(error, SKALD_E_MEMORY, "the weights do not fit memory");
    model->copy = sk_alloc(&model->heap, model->copy_size, "the weights", error);
    return model->copy ? SKALD_OK : SKALD_E_MEMORY;
}

static void load_warn_unused(sk_model *model, sk_lines *lines)
{
    uint64_t n = sk_gguf_n_tensors(model->gguf), n_unused = 0;
    for (uint64_t i = 0; i < n; i++) {
        if (model->weights.used[i])
            continue;
        if (n_unused < 4) {
            sk_lines_add(lines, n_unused ? ", " : "tensors that are not used: ");
            sk_lines_add(lines, sk_gguf_tensor_at(model->gguf, i)->name);
        } else if (n_unused == 4) {
            sk_lines_add(lines, ", ...");
        }
        n_unused++;
    }
    if (n_unused)
        sk_lines_add(lines, "\n");
}

static int32_t load_model_texts(sk_model *model, sk_error *error)
{
    sk_lines lines = {.heap = &model->heap};
    const char *odd = sk_vocab_warning(model->vocab);
    sk_lines_add(&lines, odd);
    if (*odd && odd[strlen(odd) - 1] != '\n')
        sk_lines_add(&lines, "\n");
    if (model->arch)
        load_warn_unused(model, &lines);
    model->warning = sk_lines_take(&lines, error);
    if (!model->warning)
        return SKALD_E_MEMORY;
    return sk_plan_explain(&model->plan, &model->heap, &model->plan_text, error);
}

static int32_t load_plan(sk_model *model, sk_error *error)
{
    const sk_gguf_tensor *embd = sk_gguf_tensor_find(model->gguf, "token_embd.weight");
    int64_t rows = embd && embd->ne[1] <= INT64_MAX ? (int64_t)embd->ne[1] : 0;
    if (sk_gguf_n_tensors(model->gguf) == 0)
        return load_model_texts(model, error);
    int32_t status = load_arch(model, error);
    if (status == SKALD_OK)
        status =
            sk_hparam_read(&model->hp, model->gguf, model->arch, load_n_tokens(model), rows, error);
    if (status == SKALD_OK)
        status = load_copy_room(model, error);
    if (status == SKALD_OK)
        status = sk_weights_init(&model->weights, &model->heap, model->gguf, &model->hp,
                                 model->copy, error);
    if (status == SKALD_OK)
        status = sk_plan_make(&model->plan, &model->heap, model->arch, &model->weights, error);
    if (status == SKALD_OK)
        status = load_model_texts(model, error);
    return status;
}

/* One piece of the copy; PENDING while some is left. */
static int32_t load_copy(sk_model *model, sk_error *error)
{
    const sk_gguf_tensor *tensor = sk_gguf_tensor_at(model->gguf, model->copy_tensor);
    if (!model->copy || !tensor || model->empty)
        return SKALD_OK;
    uint64_t left = tensor->size - model->copy_offset, n = left < LOAD_PIECE ? left : LOAD_PIECE;
    const uint8_t *data = model->weights.data[model->copy_tensor];
    uint8_t *to = model->copy + (data - model->copy) + model->copy_offset;
    int32_t status = sk_gguf_tensor_read(model->gguf, tensor, model->copy_offset, to, n, error);
    if (status != SKALD_OK)
        return status;
    model->copied += n;
    model->copy_offset += n;
    if (model->copy_offset == tensor->size) {
        model->copy_tensor++;
        model->copy_offset = 0;
    }
    return SKALD_PENDING;
}

/* What was odd, a sentence a line, and what was chosen. */
static void load_tell(const sk_model *model)
{
    char text[512];
    for (const char *line = model->warning; *line;) {
        size_t n = strcspn(line, "\n");
        sk_format(text, sizeof text, "%.*s", (int)(n < sizeof text ? n : sizeof text - 1), line);
        sk_model_log(model, SKALD_LOG_WARNING, text);
        line += n + (line[n] != 0);
    }
    sk_format(text, sizeof text, "%s: %lld parameters, kernels %s, %d threads",
              model->arch ? model->arch->name : "a vocabulary", (long long)model->n_parameters,
              model->kernels->name, (int)sk_executor_width(model->executor));
    sk_model_log(model, SKALD_LOG_INFO, text);
    const char *chat = NULL;
    sk_gguf_string own;
    if (sk_gguf_get_string(model->gguf, "tokenizer.chat_template", &own, NULL) != SKALD_OK)
        chat = sk_chat_default(model->vocab, "");
    if (!chat)
        return;
    sk_format(text, sizeof text, "there is no chat template in the file: \"%s\" stands in for it",
              chat);
    sk_model_log(model, SKALD_LOG_INFO, text);
}

static int32_t load_finish(sk_model *model, sk_error *error)
{
    const skald_executor *host = model->host_executor.parallel_for ? &model->host_executor : NULL;
    for (uint64_t i = 0; i < sk_gguf_n_tensors(model->gguf); i++) {
        const uint64_t *ne = sk_gguf_tensor_at(model->gguf, i)->ne;
        model->n_parameters += (int64_t)(ne[0] * ne[1] * ne[2] * ne[3]);
    }
    if (model->executor)
        return SKALD_OK; /* another model's */
    return sk_executor_new(&model->executor, &model->heap, model->n_threads, host, error);
}

static int32_t load_phase(sk_model *model, sk_error *error)
{
    switch (atomic_load(&model->phase)) {
    case SK_LOAD_HEADER:
        return load_header(model, error);
    case SK_LOAD_VOCAB:
        return load_vocab(model, error);
    case SK_LOAD_PLAN:
        return load_plan(model, error);
    case SK_LOAD_COPY:
        return load_copy(model, error);
    default:
        return load_finish(model, error);
    }
}

/* Phases count for a percent each, the copy for the rest. */
static void load_progress(sk_model *model)
{
    int phase = atomic_load(&model->phase);
    double done = 0.01 * phase;
    if (model->copy_size > 0)
        done += 0.9 * (double)model->copied / (double)model->copy_size;
    if (phase == SK_LOAD_READY)
        done = 1;
    atomic_store(&model->progress, (int32_t)(done * 1e6));
}

static int32_t load_slice(sk_model *model, int64_t budget_us, sk_error *error)
{
    int64_t now = sk_clock_us();
    int64_t deadline = budget_us < 0 || budget_us > INT64_MAX - now ? INT64_MAX : now + budget_us;
    while (atomic_load(&model->phase) != SK_LOAD_READY) {
        if (atomic_exchange(&model->cancel, 0))
            return sk_fail(error, SKALD_E_CANCELLED, "loading was cancelled");
        int32_t status = load_phase(model, error);
        if (status < 0)
            return status;
        if (status == SKALD_OK && atomic_fetch_add(&model->phase, 1) == SK_LOAD_FINISH)
            load_tell(model);
        load_progress(model);
        if (atomic_load(&model->phase) != SK_LOAD_READY && sk_clock_us() >= deadline)
            return SKALD_PENDING;
    }
    if (atomic_exchange(&model->cancel, 0))
        return sk_fail(error, SKALD_E_CANCELLED, "loading was cancelled");
    return SKALD_DONE;
}

int32_t sk_model_step(sk_model *model, int64_t budget_us)
{
    if (atomic_exchange(&model->stepping, 1))
        return SKALD_E_BUSY;
    sk_error *error = &model->last_error;
    int32_t status = model->broken
                         ? sk_fail(error, SKALD_E_STATE, "loading this model has failed before")
                         : load_slice(model, budget_us, error);
    if (status < 0 && atomic_load(&model->phase) != SK_LOAD_READY)
        model->broken = true;
    atomic_store(&model->stepping, 0);
    return status;
}

void sk_model_cancel(sk_model *model)
{
    atomic_store(&model->cancel, 1);
}

void sk_model_retain(sk_model *model)
{
    if (model)
        atomic_fetch_add(&model->n_users, 1);
}

void sk_model_release(sk_model *model)
{
    if (model && atomic_fetch_sub(&model->n_users, 1) == 1)
        model_free(model);
}
