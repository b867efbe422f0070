/* SPDX-License-Identifier: MIT */
#include "gguf.h"

#include <stdlib.h>
#include <string.h>

void gguf_begin(gguf *g, FILE *file)
{
    memset(g, 0, sizeof *g);
    g->file = file;
}

static void put(gguf *g, gguf_part *part, const void *data, uint64_t n)
{
    if (part->n + n > part->room) {
        uint64_t room = 2 * (part->n + n);
        unsigned char *grown = realloc(part->data, (size_t)room);
        if (!grown) {
            g->failed = true;
            return;
        }
        part->data = grown;
        part->room = room;
    }
    memcpy(part->data + part->n, data, (size_t)n);
    part->n += n;
}

/* The low `n` bytes of a number, the lowest first. */
static void put_number(gguf *g, gguf_part *part, uint64_t value, int n)
{
    unsigned char bytes[8];
    for (int i = 0; i < n; i++)
        bytes[i] = (unsigned char)(value >> 8 * i & 255);
    put(g, part, bytes, (uint64_t)n);
}

static void put_text(gguf *g, gguf_part *part, const char *text)
{
    put_number(g, part, strlen(text), 8);
    put(g, part, text, strlen(text));
}

static void put_key(gguf *g, const char *key, uint32_t type)
{
    put_text(g, &g->metadata, key);
    put_number(g, &g->metadata, type, 4);
    g->metadata.count++;
}

void gguf_u32(gguf *g, const char *key, uint32_t value)
{
    put_key(g, key, GGUF_U32);
    put_number(g, &g->metadata, value, 4);
}

void gguf_f32(gguf *g, const char *key, float value)
{
    put_key(g, key, GGUF_F32);
    gguf_item_f32(g, value);
}

void gguf_bool(gguf *g, const char *key, bool value)
{
    put_key(g, key, GGUF_BOOL);
    put_number(g, &g->metadata, value, 1);
}

void gguf_string(gguf *g, const char *key, const char *value)
{
    put_key(g, key, GGUF_STRING);
    put_text(g, &g->metadata, value);
}

void gguf_array(gguf *g, const char *key, uint32_t type, uint64_t n)
{
    put_key(g, key, GGUF_ARRAY);
    put_number(g, &g->metadata, type, 4);
    put_number(g, &g->metadata, n, 8);
}

void gguf_item_i32(gguf *g, int32_t value)
{
    put_number(g, &g->metadata, (uint32_t)value, 4);
}

void gguf_item_f32(gguf *g, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    put_number(g, &g->metadata, bits, 4);
}

void gguf_item_string(gguf *g, const char *value)
{
    put_text(g, &g->metadata, value);
}

static uint64_t padding(uint64_t n)
{
    return (GGUF_ALIGNMENT - n % GGUF_ALIGNMENT) % GGUF_ALIGNMENT;
}

void gguf_tensor(gguf *g, const char *name, const uint64_t *shape, uint32_t n_dim, uint32_t type,
                 uint64_t size)
{
    put_text(g, &g->tensors, name);
    put_number(g, &g->tensors, n_dim, 4);
    for (uint32_t i = 0; i < n_dim; i++)
        put_number(g, &g->tensors, shape[i], 8);
    put_number(g, &g->tensors, type, 4);
    put_number(g, &g->tensors, g->data_size, 8);
    g->tensors.count++;
    g->data_size += size + padding(size);
}

static void write_bytes(gguf *g, const void *data, uint64_t n)
{
    if (n && fwrite(data, 1, (size_t)n, g->file) != n)
        g->failed = true;
}

static void write_zeros(gguf *g, uint64_t n)
{
    static const unsigned char zeros[GGUF_ALIGNMENT];
    write_bytes(g, zeros, n);
}

void gguf_header(gguf *g)
{
    gguf_part start = {0};
    put(g, &start, "GGUF", 4);
    put_number(g, &start, 3, 4);
    put_number(g, &start, g->tensors.count, 8);
    put_number(g, &start, g->metadata.count, 8);
    if (!g->failed) {
        write_bytes(g, start.data, start.n);
        write_bytes(g, g->metadata.data, g->metadata.n);
        write_bytes(g, g->tensors.data, g->tensors.n);
        write_zeros(g, padding(start.n + g->metadata.n + g->tensors.n));
    }
    free(start.data);
}

void gguf_data(gguf *g, const void *data, uint64_t n)
{
    write_bytes(g, data, n);
    g->written += n;
}

void gguf_pad(gguf *g)
{
    uint64_t n = padding(g->written);
    write_zeros(g, n);
    g->written += n;
}

bool gguf_end(gguf *g)
{
    free(g->metadata.data);
    free(g->tensors.data);
    g->metadata.data = g->tensors.data = NULL;
    return !g->failed && g->written == g->data_size && fflush(g->file) == 0;
}
