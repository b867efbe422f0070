/* SPDX-License-Identifier: MIT */
/*
 * Token types: 1 normal, 2 unknown, 3 control, 6 byte.
 *
 * SPM: pieces carry scores, and the pair whose piece has the highest score is merged first; ids
 * are in the order of length, so -id is a score that builds long pieces from short ones. A space
 * is U+2581. BPE: texts are written in an alphabet that has a visible character for each byte, and
 * merges are listed: every string of letters is the one without its last letter, and that letter.
 */
#include "vocab.h"

#include <string.h>

#define SPACE_SPM "\xE2\x96\x81" /* U+2581 */
#define SPACE_BPE "\xC4\xA0"     /* U+0120, the byte 0x20 */

typedef struct piece {
    char text[24];
    size_t n_space; /* bytes of the space in front */
} piece;

/* Piece `k`: the letters of k / 2, a space in front of the odd ones. */
static piece make_piece(uint32_t k, const char *space)
{
    piece p = {{0}, 0};
    char letters[16];
    size_t n = 0;
    for (uint32_t rest = k / 2 + 1; rest > 0; rest = (rest - 1) / 26)
        letters[n++] = (char)('a' + (rest - 1) % 26);
    if (k % 2) {
        p.n_space = strlen(space);
        memcpy(p.text, space, p.n_space);
    }
    for (size_t i = 0; i < n; i++)
        p.text[p.n_space + i] = letters[n - 1 - i];
    return p;
}

#define SPM_SPECIAL 3                 /* <unk> <s> </s> */
#define SPM_FIXED (SPM_SPECIAL + 257) /* and 256 bytes and the space */

static void write_spm(gguf *g, uint32_t n)
{
    static const char *const special[SPM_SPECIAL] = {"<unk>", "<s>", "</s>"};
    gguf_string(g, "tokenizer.ggml.model", "llama");
    gguf_array(g, "tokenizer.ggml.tokens", GGUF_STRING, n);
    for (uint32_t i = 0; i < n; i++) {
        char byte[8];
        snprintf(byte, sizeof byte, "<0x%02X>", (unsigned)(i - SPM_SPECIAL) & 255);
        if (i < SPM_SPECIAL)
            gguf_item_string(g, special[i]);
        else if (i < SPM_FIXED - 1)
            gguf_item_string(g, byte);
        else if (i < SPM_FIXED)
            gguf_item_string(g, SPACE_SPM);
        else
            gguf_item_string(g, make_piece(i - SPM_FIXED, SPACE_SPM).text);
    }
    gguf_array(g, "tokenizer.ggml.scores", GGUF_F32, n);
    for (uint32_t i = 0; i < n; i++)
        gguf_item_f32(g, i < SPM_FIXED - 1 ? 0 : -(float)i);
    gguf_array(g, "tokenizer.ggml.token_type", GGUF_I32, n);
    for (uint32_t i = 0; i < n; i++)
        gguf_item_i32(g, i == 0 ? 2 : i < SPM_SPECIAL ? 3 : i < SPM_FIXED - 1 ? 6 : 1);
    gguf_u32(g, "tokenizer.ggml.bos_token_id", 1);
    gguf_u32(g, "tokenizer.ggml.eos_token_id", 2);
    gguf_u32(g, "tokenizer.ggml.unknown_token_id", 0);
}

/* The visible character for a byte: itself if it is printable in Latin-1, else from U+0100 up. */
static void byte_text(uint32_t byte, char *out)
{
    uint32_t code = byte, n_hidden = 0;
    for (uint32_t b = 0; b <= byte; b++) {
        bool visible = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD);
        code = visible ? b : 0x100 + n_hidden++;
    }
    size_t n = 0;
    if (code >= 0x80)
        out[n++] = (char)(0xC0 | code >> 6);
    out[n++] = (char)(code >= 0x80 ? 0x80 | (code & 0x3F) : code);
    out[n] = 0;
}

#define BPE_FIXED 257 /* 256 bytes and <|endoftext|> */

/* Pieces that are not a byte already: all but the bare letters, which are k = 0, 2, ... 50. */
static uint32_t bpe_piece(uint32_t i)
{
    return i < 26 ? 2 * i + 1 : i + 26;
}

static void write_merge(gguf *g, uint32_t k)
{
    piece p = make_piece(k, SPACE_BPE);
    char text[32];
    size_t n = strlen(p.text);
    snprintf(text, sizeof text, "%.*s %s", (int)(n - 1), p.text, p.text + n - 1);
    gguf_item_string(g, text);
}

static void write_bpe(gguf *g, const char *pre, uint32_t n)
{
    uint32_t n_piece = n - BPE_FIXED;
    gguf_string(g, "tokenizer.ggml.model", "gpt2");
    gguf_string(g, "tokenizer.ggml.pre", pre);
    gguf_array(g, "tokenizer.ggml.tokens", GGUF_STRING, n);
    for (uint32_t i = 0; i < 256; i++) {
        char text[4];
        byte_text(i, text);
        gguf_item_string(g, text);
    }
    for (uint32_t i = 0; i < n_piece; i++)
        gguf_item_string(g, make_piece(bpe_piece(i), SPACE_BPE).text);
    gguf_item_string(g, "<|endoftext|>");
    gguf_array(g, "tokenizer.ggml.token_type", GGUF_I32, n);
    for (uint32_t i = 0; i < n; i++)
        gguf_item_i32(g, i == n - 1 ? 3 : 1);
    gguf_array(g, "tokenizer.ggml.merges", GGUF_STRING, n_piece);
    for (uint32_t i = 0; i < n_piece; i++)
        write_merge(g, bpe_piece(i));
    gguf_u32(g, "tokenizer.ggml.bos_token_id", n - 1);
    gguf_u32(g, "tokenizer.ggml.eos_token_id", n - 1);
    gguf_bool(g, "tokenizer.ggml.add_bos_token", false);
}

bool vocab_write(gguf *g, const char *kind, const char *pre, uint32_t n)
{
    if (strcmp(kind, "none") == 0) {
        gguf_string(g, "tokenizer.ggml.model", "no_vocab");
        return true;
    }
    if (n < 320)
        return false;
    if (strcmp(kind, "spm") == 0)
        write_spm(g, n);
    else if (strcmp(kind, "bpe") == 0)
        write_bpe(g, pre, n);
    else
        return false;
    return true;
}
