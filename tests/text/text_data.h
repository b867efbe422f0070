/* SPDX-License-Identifier: MIT */
/* Reading the test data of this folder, and making vocabularies of a few tokens. */
#ifndef SK_TEST_TEXT_DATA_H
#define SK_TEST_TEXT_DATA_H

#include "test.h"
#include "text/tokenize.h"

/* Ends the line at `line`; returns the next one, or NULL behind the last. */
static inline char *data_next_line(char *line)
{
    char *end = strchr(line, '\n');
    if (!end)
        return NULL;
    *end = 0;
    return end[1] ? end + 1 : NULL;
}

static inline int data_hex(char c)
{
    return c <= '9' ? c - '0' : c - 'A' + 10;
}

/* Undoes make_data.py's escape() in place, up to a blank or the end; returns the length and sets
 * *rest to what follows. */
static inline size_t data_unescape(char *text, char **rest)
{
    char *from = text, *to = text;
    while (*from && *from != ' ') {
        if (*from == '\\') {
            *to++ = (char)(data_hex(from[1]) * 16 + data_hex(from[2]));
            from += 3;
        } else {
            *to++ = *from++;
        }
    }
    *rest = from;
    return (size_t)(to - text);
}

static inline sk_vocab_text data_text(const char *text)
{
    return (sk_vocab_text){text, strlen(text)};
}

/* A source that is filled token by token. */
typedef struct data_vocab {
    sk_vocab_source source;
    sk_vocab_text tokens[1024], merges[1024];
    int32_t types[1024];
    float scores[1024];
    char store[32768];
    size_t used;
} data_vocab;

static inline void data_init(data_vocab *vocab, const char *model, const char *pre)
{
    vocab->used = 0;
    sk_vocab_source_init(&vocab->source);
    vocab->source.model = data_text(model);
    if (pre)
        vocab->source.pre = data_text(pre);
    vocab->source.tokens = vocab->tokens;
    vocab->source.types = vocab->types;
    vocab->source.scores = vocab->scores;
    vocab->source.merges = vocab->merges;
}

static inline sk_vocab_text data_store(data_vocab *vocab, const char *text, size_t n)
{
    char *to = vocab->store + vocab->used;
    memcpy(to, text, n);
    vocab->used += n;
    return (sk_vocab_text){to, n};
}

static inline int32_t data_token(data_vocab *vocab, const char *text, int32_t type, float score)
{
    uint64_t id = vocab->source.n_tokens++;
    vocab->tokens[id] = data_store(vocab, text, strlen(text));
    vocab->types[id] = type;
    vocab->scores[id] = score;
    vocab->source.n_types = vocab->source.n_scores = vocab->source.n_tokens;
    return (int32_t)id;
}

static inline void data_merge(data_vocab *vocab, const char *text)
{
    vocab->merges[vocab->source.n_merges++] = data_store(vocab, text, strlen(text));
}

/* "<0x00>" to "<0xFF>". */
static inline void data_bytes(data_vocab *vocab)
{
    for (int byte = 0; byte < 256; byte++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", byte);
        data_token(vocab, text, 6, 0);
    }
}

/* The 256 characters of the byte alphabet, written out here by GPT-2's rule. */
static inline void data_alphabet(data_vocab *vocab)
{
    int extra = 0;
    for (int byte = 0; byte < 256; byte++) {
        bool same = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
        int code = same ? byte : 256 + extra++;
        char text[3] = {(char)code, 0, 0};
        if (code >= 0x80) {
            text[0] = (char)(0xC0 | code >> 6);
            text[1] = (char)(0x80 | (code & 0x3F));
        }
        if (byte == 0)
            vocab->source.n_merges = 0;
        data_token(vocab, text, 1, 0);
    }
}

static inline sk_vocab *data_make(data_vocab *vocab, sk_heap *heap)
{
    sk_error error = {0, ""};
    sk_vocab *out;
    int32_t status = sk_vocab_new(&out, heap, &vocab->source, &error);
    CHECKF(status == SKALD_OK, "%s", error.text);
    if (status < 0)
        exit(test_end());
    return out;
}

#endif
