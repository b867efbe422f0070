/* SPDX-License-Identifier: MIT */
/*
 * The machine. What is undecided lies in `held`; each mode takes what it can decide from its front,
 * and `at` says how far it has looked already, so that no byte is looked at twice. A call keeps
 * all of itself in `held` until it is complete: what comes to nothing is written out as it came.
 */
#include "base/portable.h"

#include "text/reply_int.h"

#include <string.h>

enum { MODE_TEXT, MODE_THINK, MODE_CALL, MODE_HEAD };
enum { JSON_UNKNOWN, JSON_BRACKET, JSON_YES, JSON_NO };
enum { MATCH_NONE, MATCH_PART, MATCH_WHOLE };

#define REPLY_TRIES 16  /* ends that a call without a closing mark may have */
#define REPLY_HEAD 256u /* bytes of a header of harmony */
#define REPLY_MEMORY (64ull << 20)

typedef struct reply_event {
    int32_t kind;
    uint64_t start, n; /* in `text` */
} reply_event;

struct sk_reply {
    sk_heap *heap;
    uint64_t marks;
    bool first[256]; /* bytes that a mark of MODE_TEXT begins with */
    int mode;
    const sk_mark *mark; /* of the mode; NULL: a header without one */
    bool fresh;          /* only white space came so far */
    bool skip;           /* white space is part of the mark before */
    bool harmony;        /* what is open ends as harmony has it */
    bool finished;
    uint32_t n_lead; /* first bytes of `held` that are the prompt's, not the model's */
    sk_buffer held;
    uint64_t at, body; /* in `held`: looked at so far, where a call or header begins */
    uint32_t depth, tries;
    int json;             /* whether a call is JSON: JSON_... */
    bool quoted, escaped; /* in its strings */
    char name[128];       /* whom harmony calls */
    uint64_t n_calls;
    sk_buffer text;
    reply_event *events; /* owned */
    uint64_t n_events, event_capacity, next;
    char *texts; /* owned, [n_texts] */
    uint64_t n_texts;
};

/* ---- events ------------------------------------------------------------------------------- */

static bool reply_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* There is room: see sk_reply_reserve. */
static void reply_event_add(sk_reply *r, int32_t kind, const char *text, uint64_t n)
{
    /* What was handed out already stays as it is. */
    reply_event *last = r->n_events > r->next ? &r->events[r->n_events - 1] : NULL;
    if (n == 0)
        return;
    if (last && last->kind == kind && kind != SKALD_EVENT_TOOL_CALL) {
        r->text.n--; /* its NUL */
    } else {
        last = &r->events[r->n_events++];
        *last = (reply_event){kind, r->text.n, 0};
    }
    sk_buffer_add(&r->text, text, n, NULL);
    sk_buffer_add(&r->text, "", 1, NULL);
    last->n += n;
}

/* Takes `n` bytes away from the front of what is held. */
static void reply_consume(sk_reply *r, uint64_t n)
{
    r->held.n -= n;
    memmove(r->held.data, r->held.data + n, (size_t)r->held.n);
    r->at = r->at > n ? r->at - n : 0;
    r->body = r->body > n ? r->body - n : 0;
}

/* Writes out the first `n` bytes of what is held, and takes them away. */
static void reply_show(sk_reply *r, uint64_t n)
{
    uint64_t from = 0;
    while (r->skip && from < n && reply_is_space(r->held.data[from]))
        from++;
    r->skip = r->skip && from == n;
    int32_t kind = r->mode == MODE_THINK ? SKALD_EVENT_REASONING : SKALD_EVENT_TEXT;
    if (n == 0)
        return;
    reply_event_add(r, kind, r->held.data + from, n - from);
    reply_consume(r, n);
}

/* Where the white space begins that ends held[0..n). */
static uint64_t reply_trim(const sk_reply *r, uint64_t n)
{
    while (n > 0 && reply_is_space(r->held.data[n - 1]))
        n--;
    return n;
}

/* ---- marks -------------------------------------------------------------------------------- */

static int reply_match(const sk_reply *r, uint64_t at, const char *mark)
{
    uint64_t n = strlen(mark), left = r->held.n - at;
    if (memcmp(r->held.data + at, mark, (size_t)(n < left ? n : left)) != 0)
        return MATCH_NONE;
    return n <= left ? MATCH_WHOLE : MATCH_PART;
}

/* The mark that opens something at `at`. */
static int reply_match_open(const sk_reply *r, uint64_t at, bool end, const sk_mark **found)
{
    int best = MATCH_NONE;
    *found = NULL;
    for (uint32_t i = 0; i < sk_n_marks; i++) {
        const sk_mark *mark = &sk_marks[i];
        if (!(r->marks >> i & 1) || (mark->kind == SK_MARK_BARE && !r->fresh))
            continue;
        int match = reply_match(r, at, mark->open);
        if (match == MATCH_PART && !end)
            return MATCH_PART;
        if (match == MATCH_WHOLE && (!*found || strlen(mark->open) > strlen((*found)->open))) {
            *found = mark;
            best = match;
        }
    }
    return best;
}

/* What ends a message of harmony; the last two begin the next one and are left. */
static const char *const reply_harmony_ends[] = {"<|end|>", "<|call|>", "<|return|>", "<|start|>",
                                                 "<|channel|>"};

/* The mark that closes what is open; *n is its length, 0: it is left. */
static int reply_match_close(const sk_reply *r, uint64_t at, bool end, uint64_t *n)
{
    if (!r->harmony) {
        *n = r->mark->close ? strlen(r->mark->close) : 0;
        return r->mark->close ? reply_match(r, at, r->mark->close) : MATCH_NONE;
    }
    int best = MATCH_NONE;
    for (int i = 0; i < 5; i++) {
        int match = reply_match(r, at, reply_harmony_ends[i]);
        if (match == MATCH_WHOLE)
            *n = i < 3 ? strlen(reply_harmony_ends[i]) : 0;
        if (match > best && (match == MATCH_WHOLE || !end))
            best = match;
    }
    return best;
}

static void reply_enter(sk_reply *r, int mode, const sk_mark *mark)
{
    r->mode = mode;
    r->mark = mark;
    r->harmony = false;
    r->depth = r->tries = 0;
    r->json = JSON_UNKNOWN;
    r->quoted = r->escaped = false;
}

/* Back to text behind a mark. */
static void reply_leave(sk_reply *r)
{
    reply_enter(r, MODE_TEXT, NULL);
    r->skip = true;
}

/* Each mode's step returns true when it came further, false when it needs more. */

/* ---- text and reasoning ------------------------------------------------------------------- */

static bool is_whole_function(const sk_mark *mark)
{
    return strncmp(mark->open, "<function", 9) == 0;
}

static bool reply_open(sk_reply *r, uint64_t at, const sk_mark *mark)
{
    uint64_t before = reply_trim(r, at), n_open = strlen(mark->open);
    reply_show(r, before);
    uint64_t start = at - before; /* white space in front is the mark's */
    bool keep = mark->kind == SK_MARK_BARE || is_whole_function(mark);
    r->fresh = r->fresh && mark->kind == SK_MARK_DROP;
    r->n_lead = mark->kind == SK_MARK_DROP ? 0 : r->n_lead;
    if (mark->kind == SK_MARK_DROP || mark->kind == SK_MARK_THINK) {
        reply_consume(r, start + n_open);
        reply_leave(r);
        if (mark->kind == SK_MARK_THINK)
            reply_enter(r, MODE_THINK, mark);
        r->at = 0;
    } else {
        reply_enter(r, mark->kind == SK_MARK_HEAD ? MODE_HEAD : MODE_CALL, mark);
        r->body = start + (keep ? 0 : n_open);
        r->at = start + (mark->kind == SK_MARK_BARE ? 0 : n_open);
    }
    return true;
}

static bool reply_step_text(sk_reply *r, bool end)
{
    const sk_mark *mark;
    for (; r->at < r->held.n; r->at++) {
        int match = MATCH_NONE;
        if (r->first[(uint8_t)r->held.data[r->at]])
            match = reply_match_open(r, r->at, end, &mark);
        if (match == MATCH_WHOLE)
            return reply_open(r, r->at, mark);
        if (match == MATCH_PART)
            break;
        r->fresh = r->fresh && reply_is_space(r->held.data[r->at]);
    }
    reply_show(r, end ? r->held.n : reply_trim(r, r->at));
    return false;
}

static bool reply_step_think(sk_reply *r, bool end)
{
    uint64_t n = 0;
    for (; r->at < r->held.n; r->at++) {
        int match = reply_match_close(r, r->at, end, &n);
        if (match == MATCH_PART && !end)
            break;
        if (match != MATCH_WHOLE)
            continue;
        uint64_t stop = r->at;
        reply_show(r, reply_trim(r, stop));
        reply_consume(r, r->at + n);
        reply_leave(r);
        r->at = 0;
        return true;
    }
    reply_show(r, end ? r->held.n : reply_trim(r, r->at));
    return false;
}

/* ---- calls -------------------------------------------------------------------------------- */

/* It was no call: what is held up to `n` is text. */
static bool reply_not_a_call(sk_reply *r, uint64_t n)
{
    bool skip = r->skip;
    reply_enter(r, MODE_TEXT, NULL);
    r->skip = false;
    reply_consume(r, r->n_lead);
    n = n > r->n_lead ? n - r->n_lead : 0;
    r->n_lead = 0;
    reply_show(r, n);
    r->skip = skip && n == 0;
    r->fresh = false;
    r->at = 0;
    return true;
}

static bool reply_write_call(sk_reply *r, const sk_call *call)
{
    char id[16] = "call00000";
    uint64_t number = r->n_calls++;
    for (int i = 8; i >= 4; i--, number /= 10)
        id[i] = (char)('0' + number % 10);
    sk_json_member m[3] = {
        {{.kind = SK_JSON_STRING, .n = 2, .as.text = "id"}, call->id},
        {{.kind = SK_JSON_STRING, .n = 4, .as.text = "name"}, call->name},
        {{.kind = SK_JSON_STRING, .n = 9, .as.text = "arguments"}, call->arguments},
    };
    if (call->id.kind == SK_JSON_NULL)
        m[0].value = (sk_json){.kind = SK_JSON_STRING, .n = 9, .as.text = id};
    sk_json object = {.kind = SK_JSON_OBJECT, .n = 3, .as.members = m};
    sk_json_style style = SK_JSON_STYLE;
    sk_buffer text;
    sk_buffer_init(&text, r->heap, REPLY_MEMORY);
    bool written = sk_json_write(&text, &object, &style, NULL) == SKALD_OK &&
                   text.n + 2 <= r->text.capacity - r->text.n && r->n_events < r->event_capacity;
    if (written)
        reply_event_add(r, SKALD_EVENT_TOOL_CALL, text.data, text.n);
    sk_buffer_free(&text);
    return written;
}

/* harmony: the name is in the header, the body is the arguments. */
static int32_t reply_read_named(const sk_reply *r, sk_call_list *list, const char *text, uint64_t n)
{
    sk_json arguments;
    int32_t status = sk_json_read(list->arena, text, n, &arguments, list->error);
    if (status == SKALD_E_MEMORY)
        return status;
    if (status < 0) {
        char *copy = sk_arena_copy(list->arena, text, n, "arguments", list->error);
        if (!copy)
            return SKALD_E_MEMORY;
        arguments = (sk_json){.kind = SK_JSON_STRING, .n = n, .as.text = copy};
    }
    sk_json name = {.kind = SK_JSON_STRING, .n = strlen(r->name), .as.text = r->name};
    status = sk_calls_add(list, (sk_call){name, arguments, {.kind = SK_JSON_NULL}});
    return status < 0 ? status : 1;
}

/* Tries held[body..stop) as calls; true: they were, and their events are there. */
static bool reply_try(sk_reply *r, uint64_t stop)
{
    sk_arena arena;
    sk_arena_init(&arena, r->heap, REPLY_MEMORY);
    sk_call_list list = {.arena = &arena, .texts = r->texts, .n_texts = r->n_texts};
    uint64_t n_events = r->n_events, n_text = r->text.n, n_calls = r->n_calls;
    const char *text = r->held.data + r->body;
    int32_t status = r->harmony ? reply_read_named(r, &list, text, stop - r->body)
                                : sk_calls_read(&list, r->mark->calls, text, stop - r->body);
    bool yes = status == 1 && list.n > 0;
    for (uint64_t i = 0; yes && i < list.n; i++)
        yes = reply_write_call(r, &list.items[i]);
    if (!yes) {
        r->n_events = n_events;
        r->text.n = n_text;
        r->n_calls = n_calls;
    }
    sk_arena_free(&arena);
    return yes;
}

/* What is held up to `behind` were calls. */
static bool reply_called(sk_reply *r, uint64_t behind)
{
    reply_consume(r, behind);
    reply_leave(r);
    r->n_lead = 0;
    r->fresh = false;
    r->at = 0;
    return true;
}

/* Calls end at held[stop), their closing mark at held[behind). */
static bool reply_end_call(sk_reply *r, uint64_t stop, uint64_t behind)
{
    bool whole = r->mark && is_whole_function(r->mark);
    return reply_try(r, whole ? behind : stop) ? reply_called(r, behind)
                                               : reply_not_a_call(r, behind);
}

/* Follows strings and brackets; true where a value may have ended. Where a mark closes the call,
 * only strings of what begins like JSON count: {, or [ and {. */
static bool reply_follow_json(sk_reply *r, char c, bool closes)
{
    if (r->json <= JSON_BRACKET && !reply_is_space(c))
        r->json = c == '{' ? JSON_YES : c == '[' && !r->json ? JSON_BRACKET : JSON_NO;
    if (r->quoted) {
        r->quoted = r->escaped || c != '"';
        r->escaped = !r->escaped && c == '\\';
        return false;
    }
    r->quoted = c == '"' && r->depth > 0 && (!closes || r->json == JSON_YES);
    if (c == '{' || c == '[')
        r->depth++;
    else if ((c == '}' || c == ']') && r->depth > 0)
        return --r->depth == 0;
    return false;
}

/* Whether a call without a mark may begin like this; what is held need not be all of it. */
static bool reply_may_be_bare(const sk_reply *r)
{
    static const char *const begins[] = {"{\"name\":", "{\"type\":", "{\"function\":"};
    const char *p = r->held.data + r->body, *end = r->held.data + r->held.n;
    char packed[16];
    uint64_t n = 0;
    if (*p == '[') {
        for (p++; p < end && *p != '('; p++)
            if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '_' || *p == '.' ||
                  (*p >= '0' && *p <= '9')))
                return false;
        return true;
    }
    for (; p < end && n < sizeof packed; p++)
        if (!reply_is_space(*p))
            packed[n++] = *p;
    for (int i = 0; i < 3; i++) {
        uint64_t wanted = strlen(begins[i]);
        if (memcmp(packed, begins[i], (size_t)(n < wanted ? n : wanted)) == 0)
            return true;
    }
    return false;
}

/* Whether a name, a line end and a brace may begin like this. */
static bool reply_may_be_recipient(const sk_reply *r)
{
    const char *p = r->held.data + r->body, *end = r->held.data + r->held.n, *first = p;
    while (p < end && p - first < 128 && !strchr(" \n{}<>\"'()", *p))
        p++;
    if (p == end)
        return true;
    if (*p != '\n' || p == first)
        return false;
    while (p < end && reply_is_space(*p))
        p++;
    return p == end || *p == '{';
}

static bool reply_step_call(sk_reply *r, bool end)
{
    bool closes = r->harmony || r->mark->close;
    if (!r->harmony && r->mark->kind == SK_MARK_BARE && !reply_may_be_bare(r))
        return reply_not_a_call(r, r->body + 1);
    if (!r->harmony && r->mark->calls == SK_CALL_RECIPIENT && !reply_may_be_recipient(r))
        return reply_not_a_call(r, r->body - 2); /* the next byte may begin a mark */
    for (; r->at < r->held.n; r->at++) {
        uint64_t n = 0;
        char c = r->held.data[r->at];
        int match = closes && !r->quoted ? reply_match_close(r, r->at, end, &n) : MATCH_NONE;
        if (match == MATCH_PART && !end)
            return false;
        if (match == MATCH_WHOLE)
            return reply_end_call(r, r->at, r->at + n);
        if (!reply_follow_json(r, c, closes) || closes)
            continue;
        if (reply_try(r, r->at + 1))
            return reply_called(r, r->at + 1);
        if (++r->tries == REPLY_TRIES)
            return reply_not_a_call(r, r->at + 1);
    }
    return end && r->held.n > 0 && reply_end_call(r, r->held.n, r->held.n);
}

/* ---- headers of harmony ------------------------------------------------------------------- */

/* Whether a header that the prompt has begun goes on like this. */
static bool reply_may_be_head(const sk_reply *r)
{
    static const char *const begins[] = {"<|channel|>", "<|message|>", " to="};
    for (int i = 0; i < 3; i++)
        if (r->mark || r->held.n == 0 || reply_match(r, 0, begins[i]) != MATCH_NONE)
            return true;
    return false;
}

static const char *head_find(const char *text, uint64_t n, const char *what)
{
    uint64_t n_what = strlen(what);
    for (uint64_t i = 0; n >= n_what && i <= n - n_what; i++)
        if (memcmp(text + i, what, (size_t)n_what) == 0)
            return text + i + n_what;
    return NULL;
}

/* The recipient of a header, without "functions.". */
static void head_name(sk_reply *r, const char *text, uint64_t n)
{
    static const char prefix[] = "functions.";
    const char *end = text + n, *at = head_find(text, n, "to=");
    uint64_t size = 0;
    r->name[0] = 0;
    if (!at)
        return;
    if ((size_t)(end - at) >= sizeof prefix - 1 && memcmp(at, prefix, sizeof prefix - 1) == 0)
        at += sizeof prefix - 1;
    while (at < end && !reply_is_space(*at) && *at != '<' && size < sizeof r->name - 1)
        r->name[size++] = *at++;
    r->name[size] = 0;
}

static bool reply_end_head(sk_reply *r, uint64_t stop, uint64_t behind)
{
    const char *text = r->held.data + r->body;
    uint64_t n = stop - r->body;
    const char *channel = head_find(text, n, "<|channel|>");
    if (!channel && r->mark && strcmp(r->mark->open, "<|channel|>") == 0)
        channel = text;
    uint64_t left = channel ? (uint64_t)(text + n - channel) : 0;
    bool analysis = left >= 8 && memcmp(channel, "analysis", 8) == 0;
    head_name(r, text, n);
    if (r->name[0] && strcmp(r->name, "assistant") != 0) {
        reply_enter(r, MODE_CALL, NULL);
        r->harmony = true;
        r->body = r->at = behind;
        return true;
    }
    reply_consume(r, behind);
    reply_leave(r);
    if (analysis) {
        reply_enter(r, MODE_THINK, NULL);
        r->harmony = true;
    }
    r->at = 0;
    return true;
}

static bool reply_step_head(sk_reply *r, bool end)
{
    static const char message[] = "<|message|>";
    bool may_be = reply_may_be_head(r);
    for (; r->at < r->held.n && may_be; r->at++) {
        int match = reply_match(r, r->at, message);
        if (match == MATCH_WHOLE)
            return reply_end_head(r, r->at, r->at + sizeof message - 1);
        if (match == MATCH_PART)
            break;
        may_be = r->at - r->body < REPLY_HEAD;
    }
    /* What comes behind the mark is text, and may have marks of its own. */
    return (!may_be || (end && r->held.n > 0)) && reply_not_a_call(r, r->body);
}

/* ---- the stream --------------------------------------------------------------------------- */

static void reply_run(sk_reply *r, bool end)
{
    typedef bool step(sk_reply *, bool);
    static step *const steps[] = {reply_step_text, reply_step_think, reply_step_call,
                                  reply_step_head};
    while (steps[r->mode](r, end))
        ;
}

static int32_t reply_room(sk_buffer *buffer, uint64_t n, sk_error *error)
{
    uint64_t before = buffer->n;
    if (buffer->capacity - buffer->n >= n)
        return SKALD_OK;
    int32_t status = sk_buffer_fill(buffer, 0, n, error);
    buffer->n = before;
    return status;
}

int32_t sk_reply_reserve(sk_reply *r, uint64_t n, sk_error *error)
{
    uint64_t held = r->held.n + n;
    void *block = r->events;
    int32_t status = reply_room(&r->held, n, error);
    r->text.n = r->n_events = r->next = 0;
    /* JSON of a call is at most this much longer than the call. */
    if (status == SKALD_OK)
        status = reply_room(&r->text, 16 * held + 1024, error);
    if (status == SKALD_OK)
        status = sk_grow(r->heap, &block, &r->event_capacity, held + 8, sizeof *r->events,
                         "events of a reply", error);
    r->events = block;
    return status;
}

void sk_reply_feed(sk_reply *r, const char *text, uint64_t n)
{
    r->text.n = r->n_events = r->next = 0;
    sk_buffer_add(&r->held, text, n, NULL);
    reply_run(r, false);
}

void sk_reply_finish(sk_reply *r)
{
    if (r->finished)
        return;
    r->finished = true;
    reply_run(r, true);
}

int32_t sk_reply_next(sk_reply *r, const char **text, uint64_t *n)
{
    *text = "";
    *n = 0;
    if (r->next == r->n_events)
        return 0;
    const reply_event *event = &r->events[r->next++];
    *text = r->text.data + event->start;
    *n = event->n;
    return event->kind;
}

const char *sk_reply_thinking_end(const sk_reply *r)
{
    if (r->mode != MODE_THINK)
        return NULL;
    return r->mark ? r->mark->finish : "<|end|><|start|>assistant<|channel|>final<|message|>";
}

const char *sk_reply_answer_after(const sk_reply *r)
{
    if (r->mode == MODE_HEAD || (r->mode == MODE_THINK && !r->mark))
        return "<|channel|>final<|message|>";
    return r->mode == MODE_THINK && r->mark ? r->mark->close : NULL;
}

/* ---- beginning ---------------------------------------------------------------------------- */

/* Whether the prompt, but for white space, ends with this. */
static bool prompt_ends(const char *prompt, uint64_t n, const char *mark)
{
    uint64_t n_mark = strlen(mark);
    while (n > 0 && reply_is_space(prompt[n - 1]))
        n--;
    return n >= n_mark && memcmp(prompt + n - n_mark, mark, (size_t)n_mark) == 0;
}

void sk_reply_begin(sk_reply *r, uint64_t marks, const char *prompt, uint64_t n)
{
    r->marks = marks;
    r->held.n = r->text.n = r->n_events = r->next = r->at = r->body = r->n_calls = 0;
    r->finished = false;
    r->n_lead = 0;
    memset(r->first, 0, sizeof r->first);
    reply_enter(r, MODE_TEXT, NULL);
    r->fresh = true;
    r->skip = marks != 0;
    for (uint32_t i = 0; i < sk_n_marks; i++) {
        const sk_mark *mark = &sk_marks[i];
        if (!(marks >> i & 1))
            continue;
        r->first[(uint8_t)mark->open[0]] = true;
        if (mark->kind == SK_MARK_THINK && prompt_ends(prompt, n, mark->open))
            reply_enter(r, MODE_THINK, mark);
        if (mark->calls == SK_CALL_RECIPIENT && r->held.n == 0 && prompt_ends(prompt, n, ">>>") &&
            sk_buffer_add(&r->held, ">>>", 3, NULL) == SKALD_OK)
            r->n_lead = 3;
        if (mark->kind == SK_MARK_HEAD && prompt_ends(prompt, n, "<|start|>assistant"))
            reply_enter(r, MODE_HEAD, NULL);
    }
}

int32_t sk_reply_new(sk_reply **out, sk_heap *heap, sk_error *error)
{
    sk_reply *r = *out = sk_alloc_zero(heap, sizeof *r, "a reply's reader", error);
    if (!r)
        return SKALD_E_MEMORY;
    r->heap = heap;
    sk_buffer_init(&r->held, heap, REPLY_MEMORY);
    sk_buffer_init(&r->text, heap, 17 * REPLY_MEMORY);
    sk_reply_begin(r, 0, "", 0);
    return SKALD_OK;
}

void sk_reply_free(sk_reply *r)
{
    if (!r)
        return;
    sk_buffer_free(&r->held);
    sk_buffer_free(&r->text);
    sk_free(r->heap, r->texts);
    sk_free(r->heap, r->events);
    sk_free(r->heap, r);
}

int32_t sk_reply_set_texts(sk_reply *r, const char *pairs, uint64_t n, sk_error *error)
{
    char *copy = NULL;
    uint64_t n_nul = 0;
    for (uint64_t i = 0; i < n; i++)
        n_nul += pairs[i] == 0;
    if (n > 0 && (pairs[n - 1] != 0 || n_nul % 2 != 0))
        return sk_fail(error, SKALD_E_CORRUPT, "the texts of tools are no pairs");
    if (n > 0 && !(copy = sk_alloc(r->heap, n, "a reply's reader", error)))
        return SKALD_E_MEMORY;
    if (n > 0)
        memcpy(copy, pairs, (size_t)n);
    sk_free(r->heap, r->texts);
    r->texts = copy;
    r->n_texts = n;
    return SKALD_OK;
}

const char *sk_reply_texts(const sk_reply *r, uint64_t *n)
{
    *n = r->n_texts;
    return r->texts ? r->texts : "";
}

int32_t sk_reply_copy(sk_reply *to, const sk_reply *from, sk_error *error)
{
    sk_buffer held = to->held, text = to->text;
    reply_event *events = to->events;
    uint64_t capacity = to->event_capacity;
    held.n = 0;
    int32_t status = sk_buffer_add(&held, from->held.data, from->held.n, error);
    if (status == SKALD_OK)
        status = sk_reply_set_texts(to, from->texts, from->n_texts, error);
    char *texts = to->texts;
    uint64_t n_texts = to->n_texts;
    if (status == SKALD_OK)
        *to = *from;
    to->texts = texts;
    to->n_texts = n_texts;
    to->held = held;
    to->text = text;
    to->events = events;
    to->event_capacity = capacity;
    to->text.n = to->n_events = to->next = 0;
    return status;
}

#undef REPLY_TRIES
#undef REPLY_HEAD
#undef REPLY_MEMORY
