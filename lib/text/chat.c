/* SPDX-License-Identifier: MIT */
/*
 * The variables of a rendering lie in two arenas: what was given, and what is trusted. Roles that
 * are plain words are moved from the first to the second.
 */
#include "base/portable.h"

#include "text/chat.h"
#include "text/reply.h"
#include "text/tokenize_int.h"

#include <string.h>

#define CHAT_MEMORY (256ull << 20) /* bytes of the values of one conversation */

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

/* ---- choosing a template ------------------------------------------------------------------ */

static const sk_chat_builtin *chat_builtin(const char *name)
{
    for (const sk_chat_builtin *b = sk_chat_builtins; b->name; b++)
        if (strcmp(b->name, name) == 0)
            return b;
    return NULL;
}

const char *sk_chat_default(const sk_vocab *vocab, const char *own)
{
    if (*own)
        return "model";
    for (const sk_chat_builtin *b = sk_chat_builtins; vocab && b->name; b++)
        if (b->mark && sk_vocab_find(vocab, b->mark, strlen(b->mark)) >= 0)
            return b->name;
    return sk_chat_builtins[0].name;
}

static int32_t chat_fail_name(const char *name, sk_error *error)
{
    const char *names[64];
    size_t n = 0;
    for (const sk_chat_builtin *b = sk_chat_builtins; b->name && n < 64; b++)
        names[n++] = b->name;
    const char *near = sk_nearest_word(name, names, n);
    return sk_fail(error, SKALD_E_OPTION,
                   "chat_template is \"%s\", which is neither a template nor the name of one; "
                   "the nearest is \"%s\"",
                   name, near ? near : names[0]);
}

/* Names are letters, digits and hyphens; a template has more in it. */
static bool is_template_text(const char *text)
{
    for (; *text; text++)
        if (!is_name_byte(*text))
            return true;
    return false;
}

static int32_t chat_choose(sk_chat *chat, const char *own, const char *wanted, sk_error *error)
{
    const char *name = *wanted ? wanted : sk_chat_default(chat->vocab, own);
    const sk_chat_builtin *builtin = chat_builtin(name);
    if (*wanted && !builtin && !is_template_text(wanted))
        return chat_fail_name(wanted, error);
    chat->name = builtin ? builtin->name : *wanted ? "option" : "model";
    chat->text = builtin ? builtin->text : *wanted ? wanted : own;
    chat->n_text = strlen(chat->text);
    return SKALD_OK;
}

int32_t sk_chat_new(sk_chat **out, sk_heap *heap, const sk_vocab *vocab, const char *own,
                    const char *wanted, sk_error *error)
{
    *out = NULL;
    sk_chat *chat = sk_alloc_zero(heap, sizeof *chat, "a chat template", error);
    if (!chat)
        return SKALD_E_MEMORY;
    chat->heap = heap;
    chat->vocab = vocab;
    int32_t status = chat_choose(chat, own, wanted, error);
    if (status == SKALD_OK)
        status = sk_template_new(&chat->jinja, heap, chat->text, chat->n_text, error);
    if (status == SKALD_OK && vocab)
        status = sk_guard_bar(&chat->barred, heap, vocab, chat->text, chat->n_text, error);
    if (status < 0)
        sk_chat_free(chat);
    else
        *out = chat;
    return status;
}

void sk_chat_free(sk_chat *chat)
{
    if (!chat)
        return;
    sk_template_free(chat->jinja);
    sk_free(chat->heap, chat->barred);
    sk_free(chat->heap, chat);
}

/* ---- the conversation --------------------------------------------------------------------- */

/* Arguments of a tool call that came as a string and are JSON. */
typedef struct chat_argument {
    sk_json *at;
    sk_json text, object;
    struct chat_argument *next;
} chat_argument;

typedef struct chat_request {
    const sk_chat *chat;
    sk_arena given, own;
    sk_json variables;
    const sk_json *tools; /* NULL: none were given */
    chat_argument *arguments;
    sk_error *error;
} chat_request;

static sk_json *chat_get(const sk_json *object, const char *name)
{
    /* Values of a request lie in its own arena. */
    return (sk_json *)(uintptr_t)sk_json_get(object, name, strlen(name));
}

static sk_json chat_text(const char *text, uint64_t n)
{
    return (sk_json){.kind = SK_JSON_STRING, .n = n, .as.text = text};
}

static bool is_plain_word(const sk_json *text)
{
    for (uint64_t i = 0; i < text->n; i++)
        if (!is_name_byte(text->as.text[i]))
            return false;
    return text->n > 0;
}

static int32_t chat_trust_role(chat_request *q, sk_json *message, uint64_t index)
{
    sk_json *role = chat_get(message, "role");
    if (message->kind != SK_JSON_OBJECT || !role || role->kind != SK_JSON_STRING)
        return sk_fail(q->error, SKALD_E_ARGUMENT,
                       "message %llu of the conversation is not an object with a role",
                       (unsigned long long)index);
    if (!is_plain_word(role))
        return SKALD_OK;
    role->as.text = sk_arena_copy(&q->own, role->as.text, role->n, "a role", q->error);
    return role->as.text ? SKALD_OK : SKALD_E_MEMORY;
}

/* Notes the arguments of a call if they are a string that is JSON. */
static int32_t chat_note_arguments(chat_request *q, const sk_json *call)
{
    const sk_json *function = chat_get(call, "function");
    sk_json *arguments = chat_get(function ? function : call, "arguments"), object;
    if (!arguments || arguments->kind != SK_JSON_STRING)
        return SKALD_OK;
    sk_error ignored;
    int32_t status = sk_json_read(&q->given, arguments->as.text, arguments->n, &object, &ignored);
    if (status != SKALD_OK || object.kind != SK_JSON_OBJECT)
        return status == SKALD_E_MEMORY ? status : SKALD_OK;
    chat_argument *a = sk_arena_alloc(&q->given, sizeof *a, "arguments", q->error);
    if (!a)
        return SKALD_E_MEMORY;
    *a = (chat_argument){arguments, *arguments, object, q->arguments};
    q->arguments = a;
    return SKALD_OK;
}

static int32_t chat_check_messages(chat_request *q, const sk_json *messages)
{
    if (!messages || messages->kind != SK_JSON_ARRAY)
        return sk_fail(q->error, SKALD_E_ARGUMENT,
                       "a conversation is a list of messages, or an object with \"messages\"");
    int32_t status = SKALD_OK;
    for (uint64_t i = 0; i < messages->n && status == SKALD_OK; i++) {
        sk_json *message = (sk_json *)(uintptr_t)&messages->as.items[i];
        status = chat_trust_role(q, message, i);
        const sk_json *calls = chat_get(message, "tool_calls");
        uint64_t n = calls && calls->kind == SK_JSON_ARRAY ? calls->n : 0;
        for (uint64_t k = 0; k < n && status == SKALD_OK; k++)
            status = chat_note_arguments(q, &calls->as.items[k]);
    }
    return status;
}

/* The text of a special token as a trusted value; `usual` without a vocabulary. */
static int32_t chat_token_text(chat_request *q, int32_t which, const char *usual, sk_json *out)
{
    const sk_vocab *vocab = q->chat->vocab;
    const char *text = vocab ? "" : usual;
    uint64_t n = strlen(text);
    int32_t id = vocab ? sk_vocab_special(vocab, which) : -1;
    if (id >= 0)
        text = sk_vocab_token_text(vocab, id, &n);
    text = sk_arena_copy(&q->own, text, n, "a token's text", q->error);
    *out = chat_text(text, n);
    return text ? SKALD_OK : SKALD_E_MEMORY;
}

static int32_t chat_variables(chat_request *q, const sk_json *messages, const sk_json *tools,
                              const sk_json *vars)
{
    uint64_t n = 0, n_vars = vars && vars->kind == SK_JSON_OBJECT ? vars->n : 0;
    sk_json bos, eos, yes = {.kind = SK_JSON_BOOL, .as.truth = true};
    sk_json_member *m = sk_arena_array(&q->given, 5 + n_vars, sizeof *m, "variables", q->error);
    int32_t status = m ? chat_token_text(q, SK_SPECIAL_BOS, "<s>", &bos) : SKALD_E_MEMORY;
    if (status == SKALD_OK)
        status = chat_token_text(q, SK_SPECIAL_EOS, "</s>", &eos);
    if (status < 0)
        return status;
    /* The first of a name counts. */
    for (; n < n_vars; n++)
        m[n] = vars->as.members[n];
    m[n++] = (sk_json_member){chat_text("messages", 8), *messages};
    if (tools && tools->kind != SK_JSON_NULL)
        m[n++] = (sk_json_member){chat_text("tools", 5), *tools};
    m[n++] = (sk_json_member){chat_text("bos_token", 9), bos};
    m[n++] = (sk_json_member){chat_text("eos_token", 9), eos};
    m[n++] = (sk_json_member){chat_text("add_generation_prompt", 21), yes};
    q->variables = (sk_json){.kind = SK_JSON_OBJECT, .n = n, .as.members = m};
    return SKALD_OK;
}

static int32_t chat_read(chat_request *q, const char *json, uint64_t n)
{
    sk_json value;
    /* A reply may have bytes that are no UTF-8, and comes back in the next turn. */
    uint8_t *repaired = sk_arena_array(&q->given, n, 3, "a conversation", q->error);
    if (!repaired)
        return SKALD_E_MEMORY;
    n = sk_repair_text(repaired, (const uint8_t *)json, n);
    int32_t status = sk_json_read(&q->given, (const char *)repaired, n, &value, q->error);
    if (status == SKALD_E_CORRUPT && q->error)
        q->error->code = SKALD_E_ARGUMENT;
    if (status < 0)
        return status == SKALD_E_CORRUPT ? SKALD_E_ARGUMENT : status;
    bool object = value.kind == SK_JSON_OBJECT;
    const sk_json *messages = object ? chat_get(&value, "messages") : &value;
    q->tools = object ? chat_get(&value, "tools") : NULL;
    status = chat_check_messages(q, messages);
    return status < 0
               ? status
               : chat_variables(q, messages, q->tools, object ? chat_get(&value, "vars") : NULL);
}

/* ---- rendering ---------------------------------------------------------------------------- */

static bool chat_holds(const sk_rendering *r, const char *part, uint64_t n)
{
    for (uint64_t i = 0; n > 0 && n <= r->n && i <= r->n - n; i++)
        if (r->text[i] == *part && memcmp(r->text + i, part, (size_t)n) == 0)
            return true;
    return false;
}

/* Whether arguments that are a string were written as a string in JSON. */
static int32_t chat_is_quoted_twice(chat_request *q, const sk_rendering *r, sk_heap *heap,
                                    bool *twice)
{
    sk_buffer quoted;
    sk_json_style style = SK_JSON_STYLE;
    int32_t status = SKALD_OK;
    *twice = false;
    sk_buffer_init(&quoted, heap, CHAT_MEMORY);
    for (chat_argument *a = q->arguments; a && !*twice && status == SKALD_OK; a = a->next) {
        quoted.n = 0;
        status = sk_json_write(&quoted, &a->text, &style, q->error);
        *twice = status == SKALD_OK && chat_holds(r, quoted.data, quoted.n);
    }
    sk_buffer_free(&quoted);
    return status;
}

static int32_t chat_run(chat_request *q, sk_heap *heap, int64_t now, sk_rendering *out)
{
    bool again = false;
    int32_t status =
        sk_template_render(q->chat->jinja, heap, &q->variables, &q->own, now, out, q->error);
    if (status == SKALD_OK && q->arguments)
        status = chat_is_quoted_twice(q, out, heap, &again);
    if (!q->arguments || (!again && status != SKALD_E_TEMPLATE))
        return status;
    for (chat_argument *a = q->arguments; a; a = a->next)
        *a->at = a->object;
    sk_rendering second;
    sk_error ignored;
    int32_t better =
        sk_template_render(q->chat->jinja, heap, &q->variables, &q->own, now, &second, &ignored);
    if (better != SKALD_OK)
        return status;
    sk_rendering_free(out, heap);
    *out = second;
    return SKALD_OK;
}

int32_t sk_chat_render(const sk_chat *chat, sk_heap *heap, const char *json, uint64_t n,
                       int64_t now, sk_rendering *out, sk_buffer *texts, sk_error *error)
{
    chat_request q = {.chat = chat, .error = error};
    *out = (sk_rendering){0};
    sk_arena_init(&q.given, heap, CHAT_MEMORY);
    sk_arena_init(&q.own, heap, CHAT_MEMORY);
    int32_t status = chat_read(&q, json, n);
    if (status == SKALD_OK)
        status = chat_run(&q, heap, now, out);
    if (status == SKALD_OK && texts)
        status = sk_reply_find_texts(texts, q.tools, error);
    if (status < 0)
        sk_rendering_free(out, heap);
    sk_arena_free(&q.given);
    sk_arena_free(&q.own);
    return status;
}

int32_t sk_chat_tokenize(const sk_chat *chat, sk_heap *heap, const sk_rendering *rendering,
                         int32_t *ids, uint64_t capacity, uint64_t *needed, sk_error *error)
{
    sk_guard guard = {rendering->origin, chat->barred};
    return sk_tokenize_guarded(chat->vocab, heap, rendering->text, rendering->n, &guard, ids,
                               capacity, needed, error);
}

#undef CHAT_MEMORY
