/* SPDX-License-Identifier: MIT */
/*
 * skald.h - run open-weight language models inside your program.
 *
 * This file is the manual: read it from top to bottom, everything the library does is here.
 *
 *     #include <skald.h>
 *     #include <stdio.h>
 *
 *     int main(void)
 *     {
 *         skald_model *model;
 *         skald_context *ctx;
 *         const char *text;
 *         size_t n;
 *
 *         if (skald_model_load("model.gguf", NULL, &model) < 0)
 *             return puts(skald_error_message());
 *         if (skald_context_new(model, NULL, &ctx) < 0)
 *             return puts(skald_error_message());
 *         skald_append_text(ctx, "Once upon a time", -1);
 *         while (skald_step(ctx, -1) == SKALD_TOKEN) {
 *             skald_text(ctx, &text, &n);
 *             fwrite(text, 1, n, stdout);
 *         }
 *         skald_context_free(ctx);
 *         skald_model_release(model);
 *         return 0;
 *     }
 *
 * Rules that hold everywhere
 *
 * Status.   Every call that can fail returns int32_t: 0 is success, a negative value is an error
 *           (SKALD_E_...), a positive value is information (SKALD_TOKEN, SKALD_PENDING). After an
 *           error the handle's message function gives one sentence that names the thing, what
 *           was found and what was wanted; skald_error_message() gives this thread's last one.
 *           Out-parameters are set to NULL or 0 first and written only on success. A handle that
 *           reported an error stays usable, and can always be freed.
 * Text.     UTF-8. A text goes in with its length in bytes, or -1 when it ends in NUL. Text
 *           comes out into a buffer of the caller's or as a view. The size needed is always
 *           reported: a call with a NULL buffer and size 0 asks for it, and returns
 *           SKALD_E_BUFFER unless nothing is needed.
 * Views.    A view of a model's lives as long as the model; a view of a context's until that
 *           context is next stepped, appended to, changed or freed. Views need no freeing. A
 *           view that is text ends in a NUL that is not counted.
 * Threads.  A model is immutable once loaded: any number of threads may use it at once. A
 *           context or an options handle belongs to one thread at a time; it may move between
 *           threads. Using a context from two threads at once is reported as SKALD_E_BUSY.
 *           skald_cancel and skald_model_cancel may be called from any thread or signal handler.
 * Manners.  The library never prints, exits, aborts, asserts on input, reads the environment,
 *           installs a signal handler, changes the locale or the floating-point environment that
 *           its caller sees, and keeps no mutable global but one message per thread.
 * Files.    Files are untrusted input: the worst that one can do is an error. Of one hazard no
 *           library can guard you: a file that is mapped (load=map) and is truncated by another
 *           program in the middle of a call raises SIGBUS. load=read is immune.
 * Bits.     The same file, tokens and options give the same logits, bit for bit, on any number
 *           of threads, however a prompt was split, sliced or batched, on every machine.
 *
 * Names and values in this file never change meaning after release 1.0; new ones are added.
 */
#ifndef SKALD_H
#define SKALD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef SKALD_API
#if defined(_WIN32)
#define SKALD_API
#elif defined(__GNUC__)
#define SKALD_API __attribute__((visibility("default")))
#else
#define SKALD_API
#endif
#endif

/* ---- Version -------------------------------------------------------------------------------- */

#define SKALD_VERSION_MAJOR 0
#define SKALD_VERSION_MINOR 1
#define SKALD_VERSION_PATCH 0
#define SKALD_VERSION ((SKALD_VERSION_MAJOR << 16) | (SKALD_VERSION_MINOR << 8) | SKALD_VERSION_PATCH)

/* The version of the binary interface: the number in the shared library's SONAME. */
#define SKALD_ABI_VERSION 0

/* The version of the arithmetic: logits may differ between two libraries only if this does. */
#define SKALD_NUMERIC_VERSION 1

/* The same three of the library that is running. */
SKALD_API int32_t skald_version(void);
SKALD_API int32_t skald_abi_version(void);
SKALD_API int32_t skald_numeric_version(void);

/* ---- Status --------------------------------------------------------------------------------- */

#define SKALD_OK 0
#define SKALD_DONE 0     /* from a step: nothing is left to do; see "stop_reason" */
#define SKALD_TOKEN 1    /* from a step: a token was generated; see skald_text */
#define SKALD_PENDING 2  /* from a step: the slice is spent and work is left; call again */

#define SKALD_E_NOT_FOUND (-1)    /* no such file, key or item */
#define SKALD_E_IO (-2)           /* the operating system or the host's reader failed */
#define SKALD_E_NOT_MODEL (-3)    /* not a model file at all */
#define SKALD_E_VERSION (-4)      /* a file of a version or byte order that is not read */
#define SKALD_E_TRUNCATED (-5)    /* the file ends before what it announces */
#define SKALD_E_CORRUPT (-6)      /* the file contradicts itself or its format */
#define SKALD_E_ARCHITECTURE (-7) /* unsupported architecture; the message names it */
#define SKALD_E_TYPE (-8)         /* unsupported tensor type; the message names it */
#define SKALD_E_TOKENIZER (-9)    /* unsupported tokeniser, or the model has none */
#define SKALD_E_MEMORY (-10)      /* out of memory, or over max_memory; the message has the bytes */
#define SKALD_E_ARGUMENT (-11)    /* an argument is out of range; the message names it */
#define SKALD_E_OPTION (-12)      /* unknown option or bad value; the message names the nearest */
#define SKALD_E_BUSY (-13)        /* the handle is in use by another thread, or re-entered */
#define SKALD_E_CANCELLED (-14)   /* skald_cancel or skald_model_cancel was called */
#define SKALD_E_CONTEXT_FULL (-15) /* more tokens than n_ctx */
#define SKALD_E_GRAMMAR (-16)     /* the grammar allows no token */
#define SKALD_E_NUMERIC (-17)     /* a value became infinite or NaN; the message names the layer */
#define SKALD_E_CHANGED (-18)     /* the model file was changed after it was opened */
#define SKALD_E_STATE (-19)       /* the call does not fit the handle's state, e.g. still loading */
#define SKALD_E_BUFFER (-20)      /* the caller's buffer is too small; the size needed was written */
#define SKALD_E_TEMPLATE (-21)    /* a chat template's own error, or it cannot be read */

/* The name of a status code, e.g. "SKALD_E_MEMORY"; "?" for an unknown one. Static. */
SKALD_API const char *skald_status_name(int32_t status);

/* The sentence of this thread's last error, never NULL; overwritten by this thread's next error. */
SKALD_API const char *skald_error_message(void);

/* ---- Host tables ---------------------------------------------------------------------------- */

/*
 * What the host may provide. The first member is the size of the struct as the host knows it;
 * fields are only ever appended. The library copies the table when it is set; `user` is handed
 * back in every call and must outlive the handles made with it. What the host provides always
 * returns: neither an exception nor a longjmp may leave it through the library.
 */

/* Memory. `alloc` returns memory aligned to `align` bytes (a power of two, at most 64) or NULL;
 * `free` gets back a pointer that `alloc` returned and its size. Called from any thread that uses
 * the library, the executor's included. */
typedef struct skald_allocator {
    size_t size;
    void *user;
    void *(*alloc)(void *user, size_t size, size_t align);
    void (*free)(void *user, void *pointer, size_t size);
} skald_allocator;

/* A file inside the host's own archive. `read` copies exactly `n` bytes from `offset` to
 * `buffer` and returns 0, or any other value on failure; called from the thread that loads. */
typedef struct skald_reader {
    size_t size;
    void *user;
    uint64_t file_size; /* bytes */
    int32_t (*read)(void *user, uint64_t offset, void *buffer, size_t n);
} skald_reader;

/* Where sentences go that are no errors; without it there is silence. Of a model: called by the thread
 * that loads it, or makes or steps one of its contexts. `text` ends in NUL, without a line end, and
 * lives for the call, from which nothing of the library may be called. There are few: what is odd about
 * a file and is tolerated, what was chosen (kernels, threads, a chat template for a model without
 * one), options that have no effect. */
#define SKALD_LOG_WARNING 1
#define SKALD_LOG_INFO 2
typedef struct skald_log {
    size_t size;
    void *user;
    void (*log)(void *user, int32_t level, const char *text);
} skald_log;

/* Where bytes go that the host keeps. `write` takes `n` bytes, the next ones, and returns 0, or any
 * other value on failure, after which it is not called again. */
typedef struct skald_writer {
    size_t size;
    void *user;
    int32_t (*write)(void *user, const void *bytes, size_t n);
} skald_writer;

/* The host's job system. `parallel_for` calls task(arg, i) once for each i in [0, n), in any
 * order, on any threads, and returns when all have returned. Tasks never wait for one another,
 * so a plain loop is a correct implementation. */
typedef struct skald_executor {
    size_t size;
    void *user;
    int32_t n_threads; /* how many tasks run at once, at least 1: a hint for dividing work */
    void (*parallel_for)(void *user, int64_t n, void (*task)(void *arg, int64_t i), void *arg);
} skald_executor;

/* The host's own sampler: called for each token when all others have run, with what they left: `n`
 * ids and logits, in no promised order. It may change logits, drop and reorder; it returns how many
 * it leaves, which then stand in front: one is chosen, of several one is drawn. 0 or less ends the
 * step with E_NUMERIC, as does a logit that is NaN or +inf or an id that was never there. */
typedef struct skald_sampler {
    size_t size;
    void *user;
    int64_t (*apply)(void *user, int32_t *ids, float *logits, int64_t n);
} skald_sampler;

/* ---- Options -------------------------------------------------------------------------------- */

/*
 * Everything that can be configured has a key. One options handle serves skald_model_open and
 * skald_context_new alike: each reads the keys that concern it. NULL options mean defaults.
 * skald_options_describe lists every key with its type, default and help text:
 *
 *   model     load memory memory_size reader n_threads threads_of executor cpu log
 *   adapter   memory memory_size reader layer_first layer_last
 *   all       allocator max_memory
 *   context   n_ctx n_batch cache_type_k cache_type_v logits_all add_bos
 *             chat_template chat_now sampler pooling normalise infill_order infill_extra
 *             draft n_draft draft_model draft_p_min
 *   room      when_full n_keep shift       (from here on they can be changed while a context lives)
 *   text      parse_special n_predict stop banned ignore_eos
 *             reply_format reasoning_budget
 *             time_limit_ms
 *   grammar   json_schema json_schema_ignore grammar regex grammar_trigger _regex _token
 *   sampling  seed temperature top_k top_p min_p samplers n_probs
 *             repeat_penalty presence_penalty frequency_penalty penalty_last_n logit_bias
 *             typical_p, top_n_sigma, and those of xtc, dynatemp, dry, mirostat, adaptive-p
 *
 * With a grammar, what a turn generates is of it, from its first token on, or behind the reasoning that
 * a chat's prompt has opened, or from a trigger; tokens that alone may follow are taken without the
 * model ("n_forced" counts them). Sampling options that are not set are as the model's file recommends.
 *
 * A text that is "banned" is never shown: tokens in which one may begin are held back (their steps
 * have no text), and taken back when it is complete ("n_tokens" shrinks); then others are chosen. It
 * passes where nothing else could be written.
 */
typedef struct skald_options skald_options;

#define SKALD_TYPE_INT 1
#define SKALD_TYPE_FLOAT 2
#define SKALD_TYPE_STRING 3
#define SKALD_TYPE_POINTER 4

/* Makes an empty set of options; `out` is owned by the caller. Errors: MEMORY, ARGUMENT. */
SKALD_API int32_t skald_options_new(skald_options **out);
SKALD_API void skald_options_free(skald_options *options); /* NULL does nothing */

/* Sets one option. Strings are copied; the text of a number sets a number, so that a command line
 * need not know types. Host tables are copied too; `memory` is borrowed until the model is freed,
 * `threads_of` until it is opened, `draft_model` until the context is made.
 * Errors: OPTION (unknown key, wrong type, out of range), ARGUMENT (an incomplete table), MEMORY. */
SKALD_API int32_t skald_options_set_int(skald_options *options, const char *key, int64_t value);
SKALD_API int32_t skald_options_set_float(skald_options *options, const char *key, double value);
SKALD_API int32_t skald_options_set_string(skald_options *options, const char *key,
                                           const char *value);
SKALD_API int32_t skald_options_set_pointer(skald_options *options, const char *key,
                                            const void *value);

/* Adds to an option that is a list ("stop"); sets any other string option. Errors: OPTION. */
SKALD_API int32_t skald_options_add_string(skald_options *options, const char *key,
                                           const char *value);

/* Sets several: "n_ctx=4096 temperature=0.7 stop='\n\n'". Pairs are separated by white space;
 * a value may stand in '' or "", where \n \t \\ \' \" are escapes. Nothing is set if any pair is
 * bad. Errors: OPTION. */
SKALD_API int32_t skald_options_parse(skald_options *options, const char *text);

/* Reads an option back: its default if it was not set. Errors: OPTION. The string is a view that
 * lives until the option is next set; for a list it is the first value. */
SKALD_API int32_t skald_options_get_int(const skald_options *options, const char *key,
                                        int64_t *value);
SKALD_API int32_t skald_options_get_float(const skald_options *options, const char *key,
                                          double *value);
SKALD_API int32_t skald_options_get_string(const skald_options *options, const char *key,
                                           const char **value);

/* Describes option `index`, from 0 on: its key, its SKALD_TYPE_..., its default as text and one
 * line of help, all static; any out-pointer may be NULL. Errors: NOT_FOUND past the last one. */
SKALD_API int32_t skald_options_describe(int32_t index, const char **key, int32_t *type,
                                         const char **default_value, const char **help);

/*
 * Whether `text`, as a whole, is what the option json_schema, grammar or regex describes: OK, or
 * E_GRAMMAR with the byte where it is not. What a schema asks and cannot be enforced while text is
 * generated is refused, unless json_schema_ignore lists the keyword; lib/sample/schema.h has the
 * list. Errors: OPTION (none of the three is set, or what it says is refused), MEMORY.
 */
SKALD_API int32_t skald_options_check(skald_options *options, const char *text, int64_t n);

/* The sentence of this handle's last error, never NULL. */
SKALD_API const char *skald_options_message(const skald_options *options);

/* ---- Models --------------------------------------------------------------------------------- */

/*
 * A model: the weights and the vocabulary of one file (or one split set of files), immutable once
 * loaded, shared between threads and contexts, counted. A file without tensors but with a
 * vocabulary loads too: it can tokenise, and refuses contexts; a tokenizer.json of Hugging Face is
 * such a file, with the tokenizer_config.json beside it. A file without a vocabulary loads
 * too: it is driven by token ids.
 */
typedef struct skald_model skald_model;

#define SKALD_COST_MAPPED 0    /* of the file, in the address space: memory that the system lends */
#define SKALD_COST_MODEL 1     /* the model when it is loaded, copied weights included */
#define SKALD_COST_LOADING 2   /* the most while it is loaded */
#define SKALD_COST_CONTEXT 3   /* a new context */
#define SKALD_COST_WORKSPACE 4 /* what it adds at its first step */
#define SKALD_COST_CACHE 5     /* the cache when n_ctx tokens are in it */
#define SKALD_COST_TOKEN 6     /* what a token of it takes, which comes in blocks of 64 */
#define SKALD_N_COSTS 7

/* What a model and a context with these options will cost, in bytes, before they are made: the first
 * `n` of the costs below, in order, and 0 for more than there are. Counted is what
 * "memory_live" and max_memory count (all but the threads of the pool, which models may share), by
 * doing all but what is large: no weights are copied, no cache is made, and the option "allocator"
 * is not used. What max_memory must allow: a model LOADING, a context the sum of CONTEXT,
 * WORKSPACE and CACHE. That sum is exact for a context that is filled token by token; a bound where
 * layers are recurrent or have windows; texts, chats, grammars and turns of keys take some more while they are read.
 * Contexts that are always stepped together with another need no WORKSPACE of their own.
 * Errors: those of skald_model_load and skald_context_new. */
SKALD_API int32_t skald_estimate(const char *path, const skald_options *options, int64_t *costs,
                                 size_t n);

/* Loads the model at `path` (UTF-8; the first file of a split set) and returns when it is ready;
 * `path` may be NULL when the option "reader" or "memory" says where the bytes are.
 * `options` may be NULL and is not kept. The caller owns one count of `*out`.
 * Errors: NOT_FOUND, IO, NOT_MODEL, VERSION, TRUNCATED, CORRUPT, ARCHITECTURE, TYPE, TOKENIZER,
 * MEMORY, ARGUMENT, OPTION, NUMERIC (the library was compiled with flags that break its promise of
 * equal bits), CANCELLED, STATE (threads_of); the sentence is in skald_error_message(). */
SKALD_API int32_t skald_model_load(const char *path, const skald_options *options,
                                   skald_model **out);

/* The same in slices: opens the file and returns a handle that is still loading. Only step,
 * cancel, message, get_float("progress"), retain and release may be called until it is loaded. */
SKALD_API int32_t skald_model_open(const char *path, const skald_options *options,
                                   skald_model **out);

/* Loads for about `budget_us` microseconds (-1: until ready). Returns SKALD_DONE when the model is
 * ready, SKALD_PENDING when the slice is spent, or the errors of skald_model_load; after an error
 * the handle can only be released. One thread at a time. */
SKALD_API int32_t skald_model_step(skald_model *model, int64_t budget_us);

/* Ends a load from any thread or signal handler: the running, or else the next, skald_model_step
 * returns CANCELLED. */
SKALD_API void skald_model_cancel(skald_model *model);

/* One more, one fewer user of the model. It is freed with the last one; contexts count as users.
 * Any thread. NULL does nothing. */
SKALD_API void skald_model_retain(skald_model *model);
SKALD_API void skald_model_release(skald_model *model);

/* The sentence that loading ended with, never NULL. What is asked of a loaded model changes nothing
 * in it, its message included: the sentence of a failed question is in skald_error_message(). */
SKALD_API const char *skald_model_message(const skald_model *model);

/*
 * What a model is, by key. Errors: NOT_FOUND (unknown key; the message names the nearest), STATE.
 *   int     n_layer n_embd n_head n_head_kv n_ff n_expert n_expert_used n_vocab n_ctx_train
 *           n_parameters n_tensors n_metadata file_size tensor_size has_vocab
 *           token_bos token_eos token_eot token_eom token_unk token_sep token_pad token_mask
 *           token_fim_pre token_fim_suf token_fim_mid token_fim_pad token_fim_rep token_fim_sep
 *           (-1: the model has none) add_bos add_eos
 *           n_vector (floats of a vector) n_label (scores per text; 0: no head for them)
 *           has_logits (0: an encoder, which gives vectors alone)
 *           memory_live memory_peak (bytes allocated, mapped weights not included)
 *   float   progress (of loading, 0 to 1)
 *   string  architecture name tokenizer cpu (the tier of kernels in use)
 *           chat_template (its own; empty if none) chat_template_name ("model", or the built-in
 *           one that stands in for it)
 *           plan (the resolved plan, a line per step)
 *           warning (what was odd about the file but tolerated, a line each; empty if nothing)
 */
SKALD_API int32_t skald_model_get_int(const skald_model *model, const char *key, int64_t *value);
SKALD_API int32_t skald_model_get_float(const skald_model *model, const char *key, double *value);
SKALD_API int32_t skald_model_get_string(const skald_model *model, const char *key,
                                         const char **value);

/* The file's metadata. Entry `index`, 0 to n_metadata - 1: its key, and its type as text ("u32",
 * "string", "array of f32[32000]"); views. Errors: NOT_FOUND, STATE. */
SKALD_API int32_t skald_model_metadata(const skald_model *model, int64_t index, const char **key,
                                       const char **type);

/* The value of a metadata key: a number or bool as integer, as double, a string as bytes (a view),
 * or any value as text into a buffer of `size` bytes, NUL included, arrays as "[a, b, ...]" cut to
 * what fits; `*needed`, which may be NULL, is the length of the whole text without the NUL.
 * Errors: NOT_FOUND, ARGUMENT (another type), STATE. */
SKALD_API int32_t skald_model_metadata_int(const skald_model *model, const char *key,
                                           int64_t *value);
SKALD_API int32_t skald_model_metadata_float(const skald_model *model, const char *key,
                                             double *value);
SKALD_API int32_t skald_model_metadata_string(const skald_model *model, const char *key,
                                              const char **value, size_t *n);
SKALD_API int32_t skald_model_metadata_text(const skald_model *model, const char *key,
                                            char *buffer, size_t size, size_t *needed);

/* Tensor `index`, 0 to n_tensors - 1: name, type name ("Q4_K"), four dimensions (the first varies
 * fastest; missing ones are 1) and bytes; any out-pointer may be NULL. Errors: NOT_FOUND, STATE. */
SKALD_API int32_t skald_model_tensor(const skald_model *model, int64_t index, const char **name,
                                     const char **type, int64_t shape[4], int64_t *n_bytes);

/* ---- Tokens --------------------------------------------------------------------------------- */

/* Token ids are int32_t, 0 to n_vocab - 1. Any bytes are accepted as text. */

#define SKALD_ADD_SPECIAL 1   /* tokenize: BOS and EOS as the model wants; detokenize: drop them */
#define SKALD_PARSE_SPECIAL 2 /* tokenize: the texts of control tokens become those tokens;
                                 detokenize: control tokens are written out */
#define SKALD_CLEAN_UP 4      /* detokenize: blanks go that stand before punctuation and 's, 've, ... */

/* Tokenises `n` bytes of `text` (-1: up to its NUL) into `ids`, which has room for `capacity`;
 * `*needed` is the number of tokens, also when they did not fit. `flags`: SKALD_ADD_SPECIAL |
 * SKALD_PARSE_SPECIAL. Errors: BUFFER, TOKENIZER, ARGUMENT, MEMORY. */
SKALD_API int32_t skald_tokenize(const skald_model *model, const char *text, int64_t n,
                                 int32_t flags, int32_t *ids, size_t capacity, size_t *needed);

/* The bytes of `n` tokens, into `buffer` of `size` bytes; `*needed` is the number of bytes, also
 * when they did not fit. No NUL is added. Errors: BUFFER, TOKENIZER, ARGUMENT, MEMORY. */
SKALD_API int32_t skald_detokenize(const skald_model *model, const int32_t *ids, size_t n,
                                   int32_t flags, char *buffer, size_t size, size_t *needed);

/* The bytes of one token as they are streamed (control tokens: their text), a view; they need not
 * be whole code points. Errors: TOKENIZER, ARGUMENT. */
SKALD_API int32_t skald_token_bytes(const skald_model *model, int32_t token, const char **bytes,
                                    size_t *n);

#define SKALD_FLAG_CONTROL 1  /* a control token: has no text of its own */
#define SKALD_FLAG_END 2      /* generation stops at it */
#define SKALD_FLAG_BYTE 4     /* stands for one byte */
#define SKALD_FLAG_UNKNOWN 8  /* stands for what the vocabulary lacks */
#define SKALD_FLAG_USER 16    /* user-defined: always matched in text */
#define SKALD_FLAG_UNUSED 32

/* What kind of token it is: a set of SKALD_FLAG_... bits. Errors: TOKENIZER, ARGUMENT. */
SKALD_API int32_t skald_token_flags(const skald_model *model, int32_t token, int32_t *flags);

/* ---- Contexts ------------------------------------------------------------------------------- */

/*
 * A context is one conversation: its tokens, the model's memory of them (the KV cache), and a
 * sampler. Text or tokens are appended, then the context is stepped until it is done; more can be
 * appended then. Contexts count as users of their model.
 */
typedef struct skald_context skald_context;

/* Errors: MEMORY (the message has the bytes), OPTION, STATE (the model is loading, or it has no
 * weights), ARGUMENT. The sentence is in skald_error_message(). */
SKALD_API int32_t skald_context_new(skald_model *model, const skald_options *options,
                                    skald_context **out);
SKALD_API void skald_context_free(skald_context *ctx); /* NULL does nothing */

/* Makes another context that stands where `ctx` stands and goes on as it would: the same tokens,
 * options, logits and text. Nothing is evaluated again, and the memory of what both hold is shared
 * until one of them changes it (in blocks of 64 tokens): a long system prompt is held once for any
 * number of conversations. The two are independent: they may move to different threads, and be
 * freed in any order. Only their memory is counted together, "max_memory" included. Unfinished work
 * (PENDING) of `ctx` begins anew. Errors: MEMORY, BUSY. */
SKALD_API int32_t skald_context_fork(skald_context *ctx, skald_context **out);

/* The sentence of this handle's last error, never NULL. */
SKALD_API const char *skald_context_message(const skald_context *ctx);

/* Appends text, tokenised by the model's tokeniser. Into an empty context BOS goes first where
 * the model wants it (option "add_bos"); the texts of control tokens stay text unless the option
 * "parse_special" is on. Nothing is computed yet. Where it does not fit n_ctx, see "when_full"
 * below. Errors: CONTEXT_FULL (nothing was appended),
 * TOKENIZER, MEMORY, BUSY, ARGUMENT. */
SKALD_API int32_t skald_append_text(skald_context *ctx, const char *text, int64_t n);

/* Appends tokens as they are: nothing is added. Errors: CONTEXT_FULL, ARGUMENT (no such token),
 * BUSY. */
SKALD_API int32_t skald_append_tokens(skald_context *ctx, const int32_t *ids, size_t n);

/* Makes the context hold exactly this text or these tokens, as if it had been empty and they were
 * appended. What they share with what it held, from the first token on, is kept and not evaluated
 * again ("n_reused" says how much): give the whole prompt anew for every turn, and only what
 * changed costs time. Of models with recurrent layers or windows it may end where a turn began or
 * ended, or at another position that the context remembers. On failure nothing is changed. Errors: those of appending. */
SKALD_API int32_t skald_set_text(skald_context *ctx, const char *text, int64_t n);
SKALD_API int32_t skald_set_tokens(skald_context *ctx, const int32_t *ids, size_t n);

/*
 * Works for about `budget_us` microseconds, -1 without bound, 0 for the smallest piece of work:
 * evaluates what was appended, then generates. Returns
 *   SKALD_TOKEN    one token was generated: read it with skald_text, skald_token, skald_bytes
 *   SKALD_PENDING  the slice is spent, in the middle of the prompt or of a token: call again
 *   SKALD_DONE     generation has ended ("stop_reason" says why) and there is no more text, or
 *                  n_predict is 0 and all is evaluated
 * or an error: CANCELLED, MEMORY, NUMERIC, CHANGED, BUSY, STATE (nothing was ever appended),
 * GRAMMAR (no token is allowed: change the options, or cut back and go on).
 * After any of them the context is as if the unfinished work had not begun, and may be stepped
 * again. How the work was sliced never changes a result.
 */
SKALD_API int32_t skald_step(skald_context *ctx, int64_t budget_us);

/*
 * Steps `n` contexts of one model together: what they have to compute is done in one batch.
 * status[i] becomes what skald_step would have returned for ctxs[i]; a context that fails does
 * not affect the others. Returns as soon as one of them has a token, an end or an error to show;
 * those that have nothing yet, having longer prompts, are PENDING whatever the budget. Returns how
 * many are still running (a status of TOKEN or PENDING), or an error of the call as a whole, with
 * status[] untouched: ARGUMENT (a context is NULL, listed twice or of another model), BUSY. While
 * work is unfinished (PENDING) its contexts share it: stepping them in other company is allowed,
 * and repeats it.
 */
SKALD_API int32_t skald_step_many(skald_context *const *ctxs, size_t n, int64_t budget_us,
                                  int32_t *status);

/* Steps until done; `callback`, which may be NULL, gets each piece of text and stops generation
 * by returning non-zero ("stop_reason" is then "host"). Returns SKALD_DONE or an error of
 * skald_step. The callback may read the context's views and call skald_cancel, nothing else. */
SKALD_API int32_t skald_generate(skald_context *ctx,
                                 int32_t (*callback)(void *user, const char *text, size_t n),
                                 void *user);

/* Ends the running, or else the next, call that steps this context: it returns CANCELLED, and the
 * cancellation is spent. One atomic store: any thread, any signal handler. */
SKALD_API void skald_cancel(skald_context *ctx);

/* What the last step brought; views. skald_text: text that can be shown now, whole code points
 * only, possibly none (bytes of an unfinished code point or of a possible stop string are held
 * back). skald_bytes: the token's own bytes. skald_token: its id. Errors: NOT_FOUND (no token). */
SKALD_API int32_t skald_text(const skald_context *ctx, const char **text, size_t *n);
SKALD_API int32_t skald_bytes(const skald_context *ctx, const char **bytes, size_t *n);
SKALD_API int32_t skald_token(const skald_context *ctx, int32_t *token);

/* The natural logarithms of probabilities, with the option "n_probs": first the last generated
 * token's, then those of the n_probs likeliest, the likeliest first. `after` 0: as the model had
 * them; 1: as the samplers had left them before the draw (what they had removed is missing). Of a
 * token that a grammar left no choice but, only itself is there, and that afterwards. Views. Errors:
 * NOT_FOUND (n_probs is 0, no token was generated last, or the model was not asked). */
SKALD_API int32_t skald_token_probs(const skald_context *ctx, int32_t after, const int32_t **ids,
                                    const float **logs, size_t *n);

/* All tokens of the context, evaluated or not: a view. */
SKALD_API int32_t skald_tokens(const skald_context *ctx, const int32_t **ids, size_t *n);

/* Cuts the context back to its first `n_tokens` tokens; the rest is forgotten. Generation may
 * then go on from there. Errors: ARGUMENT (more than there are), BUSY. */
SKALD_API int32_t skald_truncate(skald_context *ctx, int64_t n_tokens);

/* Puts `n` tokens in the place of the `n_remove` from token `at` on: deletes (n 0), inserts (n_remove
 * 0) or replaces. What stands before the first change is kept; what follows is evaluated again, or,
 * with shift=rotate and where only is deleted, moved (below). On failure nothing is changed. Errors:
 * ARGUMENT (no such range or token), CONTEXT_FULL, MEMORY, BUSY. */
SKALD_API int32_t skald_splice(skald_context *ctx, int64_t at, int64_t n_remove,
                               const int32_t *ids, size_t n);

/*
 * When the context is full, the option "when_full" says what happens:
 *   stop    generation ends, stop_reason "context"; what does not fit cannot be appended
 *   error   the same, but the step fails with E_CONTEXT_FULL
 *   drop    the oldest tokens behind the first n_keep are dropped: half of those that there are, or
 *           as many as a longer text needs. BOS, and what a grammar has read in this turn, always
 *           stay; where fewer than two could go it is "stop" after all. SKALD_EVENT_DROPPED
 *           tells of it, and "n_dropped" counts. Setting all tokens never drops.
 * What follows removed tokens was computed with them in sight. The option "shift" says what becomes
 * of it:
 *   recompute  it is evaluated again: the logits depend on the tokens that are left, and on nothing
 *              else. That is half a context of work for each drop, in slices like all work.
 *   rotate     it is kept and moved, its keys turned to their new positions, where the model allows it
 *              ("can_shift"): in a fiftieth of the time, and logits that still know a little of what
 *              is gone. It allows it unless it has recurrent layers, learned positions, norms behind
 *              the rotation, chunks, sight to both sides, or keys cached as q8_0 or q4_0, or windows
 *              that reach to what is removed; then it is recompute after all.
 * Both give the same bits on every machine, number of threads and slicing. "n_exact" says how many
 * of the first tokens are as evaluated; skald_set_text and its like build on no others.
 */

/*
 * Guessing ahead. With the option "draft" up to n_draft tokens are guessed and evaluated in one batch
 * with the last one. All that a host sees stays the same, bit for bit; steps bring one token each.
 *   lookup  guesses what followed when the last tokens stood in the context before: for answers that
 *           repeat their prompt (edits, extracts, code)
 *   model   asks "draft_model", loaded, smaller, of the same vocabulary, while it is sure (draft_p_min)
 * "n_drafted" and "n_accepted" tell whether it pays: with recurrent layers it pays less.
 */

/* ---- Chat ----------------------------------------------------------------------------------- */

/*
 *     skald_set_chat(ctx, "[{\"role\": \"user\", \"content\": \"Name a river.\"}]", -1);
 *     while ((status = skald_step(ctx, -1)) >= 0) {
 *         while ((kind = skald_event(ctx, &text, &n)) > 0)
 *             show(kind, text, n);
 *         if (status == SKALD_DONE)
 *             break;
 *     }
 *
 * A conversation is JSON in the shape that chat servers are sent: a list of messages, or an object
 *   {"messages": [...], "tools": [...], "vars": {...}}          other members are ignored
 *   message  {"role": "system"|"user"|"assistant"|"tool"|..., "content": text or a list of parts,
 *            "reasoning_content": text, "tool_calls": [{"id": ..., "function": {"name": ...,
 *            "arguments": {...} or their JSON as text}}], "tool_call_id": ..., "name": ...}
 *   vars     variables of the template, e.g. "enable_thinking": false; "add_generation_prompt" is
 *            true unless it stands here
 * It is rendered by the chat template (a Jinja text) that the model file carries, or by the one that
 * the option "chat_template" gives as text or by name: chatml qwen gpt-oss llama3 llama4 gemma gemma4
 * deepseek deepseek-r1 mistral mistral-v3 glm4 kimi minimax granite command-r seed-oss phi4 phi3
 * llama2 zephyr vicuna alpaca. A model without one gets one of these that fits its vocabulary
 * ("chat_template_name" of the model says which). A template is untrusted input too: it renders
 * within bounds of time and memory, and reads nothing but the conversation and a clock ("chat_now").
 *
 * What the template writes may become control tokens. What a message says never does: a user cannot
 * end his turn, or begin another's, by writing the marks of the format. (Roles are trusted where
 * they are plain words.)
 */

/* Makes the context hold exactly the prompt of this conversation, as skald_set_tokens would: give the
 * whole conversation anew for every turn, what it shares with the last is not evaluated again
 * ("n_reused"). skald_append_text then puts words into the answer's mouth. From here on the texts
 * of control tokens with which replies are written are part of skald_text. On failure nothing is
 * changed. Errors: ARGUMENT (no conversation; the message says where), TEMPLATE, OPTION (no such
 * chat_template), TOKENIZER, CONTEXT_FULL, MEMORY, BUSY. */
SKALD_API int32_t skald_set_chat(skald_context *ctx, const char *json, int64_t n);

/* Renders alone: the prompt as text into `buffer` of `size` bytes; `*needed` is the number of bytes,
 * also when they did not fit. No NUL is added. `options` may be NULL; read are chat_template and
 * chat_now. `model` may be NULL: the template is then the option's (or chatml), and BOS and EOS are
 * written <s> and </s>. Errors: BUFFER, and those of skald_set_chat. */
SKALD_API int32_t skald_chat_text(const skald_model *model, const skald_options *options,
                                  const char *json, int64_t n, char *buffer, size_t size,
                                  size_t *needed);

#define SKALD_EVENT_TEXT 1      /* the answer */
#define SKALD_EVENT_REASONING 2 /* what the model thinks aloud */
#define SKALD_EVENT_TOOL_CALL 3 /* {"id": text, "name": text, "arguments": {...}} */
#define SKALD_EVENT_DROPPED 4   /* {"at": 4, "n": 2046}: tokens that were dropped, before this step's
                                   text; see "when_full". A host that does not know it may pass over it */

/* What the last step brought, told apart: call it after every step until it returns 0; after the
 * one that returned DONE too, for what was held back. Returns a SKALD_EVENT_..., whose text is a
 * view. Text and reasoning come as they are written, a tool call when it is complete. Which marks
 * tell them apart follows from the chat template, or from the option "reply_format". They are no part
 * of the events, nor is white space next to them; everything else is: what is no well-formed call
 * comes as text. Without a chat, all is text. */
SKALD_API int32_t skald_event(skald_context *ctx, const char **text, size_t *n);

/* ---- Filling in the middle --------------------------------------------------------------------- */

/* Makes the context hold a prompt that asks for what is missing between two texts, in the tokens that
 * the model was trained on (token_fim_pre, _suf, _mid), with the snippets below in front. The option
 * "infill_order" says which of the two comes first. What does not fit n_ctx, less a quarter or
 * n_predict for the answer, is left out: the far ends of both texts, in pieces so large that most
 * keys typed leave the beginning of the prompt as it was, evaluated. Errors: TOKENIZER (the model has
 * no such tokens), CONTEXT_FULL, MEMORY, ARGUMENT, BUSY; then nothing is changed. */
SKALD_API int32_t skald_set_infill(skald_context *ctx, const char *before, int64_t n_before,
                                   const char *after, int64_t n_after);

/* Remembers a piece of another text for all later skald_set_infill: pieces of open files, of what was
 * copied, of definitions; `name` is a path. They are a ring: when they have more than "infill_extra"
 * tokens together, the oldest are forgotten. One that is there already is not added again. Errors:
 * CONTEXT_FULL (it is longer than all may be), and those above. */
SKALD_API int32_t skald_add_snippet(skald_context *ctx, const char *name, const char *text,
                                    int64_t n);

/* ---- Adapters --------------------------------------------------------------------------------- */

/*
 *     skald_adapter *poet, *terse;
 *     skald_adapter_load(model, "poet-lora.gguf", NULL, &poet);
 *     skald_adapter_load(model, "terse.gguf", NULL, &terse);
 *     skald_set_adapters(a, (skald_adapter *[]){poet, terse}, (double[]){1, 0.5}, 2);
 *     skald_set_adapters(b, &terse, NULL, 1);
 *
 * An adapter changes what a model computes, for the contexts that have it, and none of its weights:
 * a LoRA file (low-rank products beside some of the matrices), or a control vector (directions that
 * are added to what layers give). It is loaded once, for one model, is immutable and counted, and
 * any number of contexts on any threads may use it, each with a scale of its own. They are stepped
 * together like others, to the same bits as alone.
 */
typedef struct skald_adapter skald_adapter;

/* Reads the adapter at `path`, or, where that is NULL, what the options "memory" or "reader" say;
 * "allocator" and max_memory are its own, layer_first and layer_last bound a control vector. It
 * counts as a user of the model. The caller owns one count of `*out`. Errors: those of opening a
 * file; ARGUMENT (it is none, or is another model's), ARCHITECTURE (a kind that is not known, such
 * as an activated LoRA), TYPE, CORRUPT, MEMORY, STATE. */
SKALD_API int32_t skald_adapter_load(skald_model *model, const char *path,
                                     const skald_options *options, skald_adapter **out);
SKALD_API void skald_adapter_retain(skald_adapter *adapter);  /* NULL does nothing */
SKALD_API void skald_adapter_release(skald_adapter *adapter); /* NULL does nothing */

/* n_matrices n_directions max_rank memory_live memory_peak. Errors: NOT_FOUND. */
SKALD_API int32_t skald_adapter_get_int(const skald_adapter *adapter, const char *key,
                                        int64_t *value);

/* Gives a context these `n` adapters, in this order, in place of those that it had; `scales` may be
 * NULL: 1 each; one of 0 is left out. The context counts as their user. With others than before,
 * all its tokens are evaluated again when it is next stepped. Forks have the same; a saved state's
 * cache is believed by a context that has. On failure nothing is changed. Errors: ARGUMENT, MEMORY,
 * BUSY. */
SKALD_API int32_t skald_set_adapters(skald_context *ctx, skald_adapter *const *adapters,
                                     const double *scales, size_t n);

/* ---- Vectors and scores ----------------------------------------------------------------------- */

/*
 *     skald_options_parse(options, "pooling=model");
 *     skald_context_new(model, options, &ctx);
 *     skald_set_text(ctx, "A text", -1);
 *     if (skald_step(ctx, -1) == SKALD_DONE && skald_embedding(ctx, 0, &vector, &n) == SKALD_OK)
 *         store(vector, n);
 *
 * A context with the option "pooling" gives vectors (embeddings) of texts instead of text, as does
 * any context of a model that has no logits (an encoder). Setting a text puts what the model wants at
 * both of its ends; a step is DONE when all is evaluated. Many texts at once: a context for each, and
 * skald_step_many. The pooling is
 *   model   as the model's file says; else of an encoder the mean, of a model of text the last token
 *   mean    the mean of the tokens' vectors        cls, last  the first token's, the last one's
 *   none    each token's vector                    rank       scores, by a reranking model's head
 * Vectors have the length 1 unless the option "normalise" is 0; scores are as the model has them.
 *
 * In an encoder each token sees all others, before and behind it. What was appended since the context
 * was last stepped to its end is one batch: its tokens see one another and nothing else, however the
 * work is sliced, and vectors are of that batch. It is held in memory as a whole; n_batch is no bound.
 * Nothing of such a context can be kept when its tokens are set anew or cut back.
 */

/* The vector, or the scores (one for each label, most models have one), of what the context holds;
 * with pooling none that of its token `index`, -1: the last; a view. Floats: the model's "n_vector",
 * or "n_label" scores. Errors: NOT_FOUND (no pooling, or not yet evaluated). */
SKALD_API int32_t skald_embedding(const skald_context *ctx, int64_t index, const float **vector,
                                  size_t *n);

/* Makes the context hold two texts, with what the model wants before, between and behind them: for a
 * reranking model a query and a document, whose score is then a matter of skald_step and
 * skald_embedding. A model that wants words around them (as chat models made into rerankers do) is
 * given all of it by skald_set_text. Errors: those of skald_set_text. */
SKALD_API int32_t skald_set_pair(skald_context *ctx, const char *first, int64_t n_first,
                                 const char *second, int64_t n_second);

/* ---- More about contexts --------------------------------------------------------------------- */

/* The logits that follow the token at `position` (0 is the first token; -1 is the last evaluated
 * one): n_vocab floats as the model computed them, before any sampler; a view. Kept are those of
 * the last evaluated token, and with the option "logits_all" those of every token of the batch
 * evaluated last (at most n_batch tokens). Errors: NOT_FOUND (not kept). */
SKALD_API int32_t skald_logits(const skald_context *ctx, int64_t position, const float **logits,
                               size_t *n);

/* Saves the context as bytes: tokens, cache, the options that a living context can change (the seed
 * among them), and how far generation has come. `*needed`, which may be NULL, is the number of
 * bytes, also when they did not fit. Every later version of the library, on any machine, reads
 * them. Work in progress goes on undisturbed. Errors: BUFFER, CHANGED, BUSY. */
SKALD_API int32_t skald_state_save(skald_context *ctx, void *buffer, size_t size, size_t *needed);

/* Makes the context what was saved: it goes on with the same tokens and bits. The model must be the
 * same; options of creation may differ. A saved cache is believed only if numeric version, types
 * and layout are this context's; else, and always for the last token, the tokens are evaluated
 * again ("n_reused" says how many were not). The bytes are untrusted input: all is checked before
 * anything is changed. Errors: TRUNCATED, CORRUPT, VERSION (of a later library), ARGUMENT (another
 * model's; the message names both), CONTEXT_FULL (n_ctx is too small), OPTION, MEMORY, CHANGED,
 * BUSY. */
SKALD_API int32_t skald_state_load(skald_context *ctx, const void *data, size_t n);

/* The same to and from the host's own place. What is read is checked in memory: a state is held there
 * while it is loaded, not while it is saved. Errors: those above but BUFFER; IO (the host's function
 * failed), ARGUMENT (an incomplete table). */
SKALD_API int32_t skald_state_write(skald_context *ctx, const skald_writer *writer);
SKALD_API int32_t skald_state_read(skald_context *ctx, const skald_reader *reader);

/* The same to and from a file. One that is there is replaced when the new one is complete and on the
 * disk: after a failure, of the power too, it is the old one or the new one, whole. (What is written
 * until then lies beside it as PATH.N.tmp. A symbolic link is replaced, not followed.) Errors: those
 * above; NOT_FOUND, IO. */
SKALD_API int32_t skald_state_save_file(skald_context *ctx, const char *path);
SKALD_API int32_t skald_state_load_file(skald_context *ctx, const char *path);

/* Changes an option of a living context: those of sampling and stopping (temperature, top_k,
 * top_p, min_p, repeat_penalty, presence_penalty, frequency_penalty, penalty_last_n, logit_bias,
 * seed, n_predict, stop, banned, ignore_eos, parse_special; reply_format and reasoning_budget, from the next
 * turn on). They hold for the next token on; setting
 * n_predict begins a new count. Errors: OPTION, BUSY. */
SKALD_API int32_t skald_context_set_int(skald_context *ctx, const char *key, int64_t value);
SKALD_API int32_t skald_context_set_float(skald_context *ctx, const char *key, double value);
SKALD_API int32_t skald_context_set_string(skald_context *ctx, const char *key,
                                           const char *value);
SKALD_API int32_t skald_context_add_string(skald_context *ctx, const char *key,
                                           const char *value);

/*
 * What a context is and did, by key; also every option above. Errors: NOT_FOUND.
 *   int     n_ctx n_batch n_threads (in use) n_tokens n_evaluated (tokens in the cache)
 *           n_reused (tokens that needed no evaluation when they were last set or loaded)
 *           n_dropped (tokens, since all were last set) n_exact (evaluated tokens, from the first
 *           on, whose cache was not moved) can_shift (1: shift=rotate does something here)
 *           n_adapters
 *           n_prompt n_generated n_forced (tokens evaluated as prompt; generated, and of these the
 *           ones that a grammar forced; since creation)
 *           n_drafted n_accepted (tokens guessed and evaluated, and those that came true)
 *           prompt_us decode_us (time spent so) token_last (-1: none)
 *           cache_size (bytes of cache in use, those that forks share included)
 *           memory_live memory_peak n_alloc (bytes, and allocations so far; of all contexts that
 *           were forked from one another together)
 *   string  stop_reason: "none" (running) "end" (an end-of-generation token) "stop" (a stop
 *           string) "length" (n_predict) "context" (n_ctx is full) "host" (the callback said so)
 *           "time" (time_limit_ms); "end" too where a grammar has nothing more to say
 */
SKALD_API int32_t skald_context_get_int(const skald_context *ctx, const char *key,
                                        int64_t *value);
SKALD_API int32_t skald_context_get_float(const skald_context *ctx, const char *key,
                                          double *value);
SKALD_API int32_t skald_context_get_string(const skald_context *ctx, const char *key,
                                           const char **value);

#ifdef __cplusplus
}
#endif

#endif
