/* SPDX-License-Identifier: MIT */
/*
 * Pre-tokenisers against figures that are not ours (make_data.py says whose), piece by piece; and
 * their properties: pieces add up to the text, long runs take linear time.
 */
#include "text/pretok.h"
#include "text/utf8.h"
#include "text_data.h"

#define N_TEXTS 122

static struct {
    char *text;
    size_t n;
} texts[N_TEXTS];

/* Writes the lengths of the pieces as the data has them. */
static void write_pieces(const sk_pretok *row, const char *text, size_t n, char *out)
{
    char escaped[4096];
    if (row->flags & SK_PRE_ESCAPE) {
        size_t k = 0;
        for (size_t i = 0; i < n; i++)
            k += (size_t)sprintf(escaped + k, text[i] == ' ' ? "\xE2\x96\x81" : "%c", text[i]);
        text = escaped;
        n = k;
    }
    sk_pretok_cursor cursor;
    const uint8_t *piece;
    uint64_t length;
    sk_pretok_start(&cursor, row, (const uint8_t *)text, n);
    *out = 0;
    while (sk_pretok_next(&cursor, &piece, &length))
        out += sprintf(out, "%s%llu", piece == (const uint8_t *)text ? "" : " ",
                       (unsigned long long)length);
}

static void check_group(const char *name, size_t n_name, char **wanted)
{
    const sk_pretok *row = sk_pretok_find(name, n_name);
    CHECKF(row != NULL, "%.*s", (int)n_name, name);
    for (int i = 0; row && i < N_TEXTS; i++) {
        char found[8192];
        write_pieces(row, texts[i].text, texts[i].n, found);
        const char *want = wanted[i] + (*wanted[i] == '!');
        CHECKF(strcmp(found, want) == 0, "%.*s, text %d: %.150s, wanted %.150s", (int)n_name, name,
               i, found, want);
    }
}

static void check_golden(void)
{
    char *data = (char *)test_read(test_data("text/pretok.txt"), NULL), *line = data;
    char *wanted[N_TEXTS], *next, *rest;
    int n_texts = 0, n_groups = 0;
    while (line && line[0] == 'T') {
        next = data_next_line(line);
        texts[n_texts].text = line + 2;
        texts[n_texts++].n = data_unescape(line + 2, &rest);
        line = next;
    }
    CHECK_INT(n_texts, N_TEXTS);
    while (line && line[0] == 'G') {
        char *names = line + 2;
        line = data_next_line(line);
        for (int i = 0; i < N_TEXTS && line; i++) {
            wanted[i] = line;
            line = data_next_line(line);
        }
        for (size_t n; (n = strcspn(names, " ")) > 0; names += n + (names[n] == ' '), n_groups++)
            check_group(names, n, wanted);
    }
    CHECK_INT(n_groups, 87);
    free(data);
}

/* Every name of the table is in the data, so that no row goes unchecked. */
static void check_names(void)
{
    char *data = (char *)test_read(test_data("text/pretok.txt"), NULL);
    const sk_pretok *row;
    for (uint32_t i = 0; (row = sk_pretok_row(i)) != NULL; i++)
        for (const char *name = row->names; *name;) {
            int n = (int)strcspn(name, " ");
            char word[64];
            snprintf(word, sizeof word, " %.*s", n, name);
            const char *at = strstr(data, word);
            while (at && at[n + 1] != ' ' && at[n + 1] != '\n')
                at = strstr(at + 1, word);
            bool alone = strcmp(word, " falcon-json") == 0; /* test_hf has the ids */
            CHECKF(at != NULL || alone, "%s", word);
            CHECK(sk_pretok_find(name, (uint64_t)n) == row);
            name += n + (name[n] == ' ');
        }
    CHECK(sk_pretok_find("llama", 5) == NULL);
    CHECK(sk_pretok_find("llama3 ", 7) == NULL);
    CHECK(sk_pretok_find("", 0) == NULL);
    free(data);
}

/* Pieces of random text are not empty and add up, in every row. */
static void check_sums(void)
{
    static const uint32_t odd[] = {' ',    ' ',     '\n',  '\r',     '\t',  'a',    'Z',
                                   '1',    '\'',    's',   '/',      0x301, 0x4E00, 0x3000,
                                   0xAC00, 0x1F600, 0x660, 0x10FFFF, 0xFFFD};
    uint64_t seed = 7;
    for (int round = 0; round < 300; round++) {
        uint8_t text[256];
        uint32_t n = 0;
        while (n < 200) {
            uint64_t r = test_random(&seed);
            uint32_t code =
                r & 1 ? odd[(r >> 1) % (sizeof odd / sizeof *odd)] : (uint32_t)(r >> 1) % 0x11000;
            if (code < 0xD800 || code > 0xDFFF)
                n += sk_utf8_write(text + n, code);
        }
        const sk_pretok *row;
        for (uint32_t i = 0; (row = sk_pretok_row(i)) != NULL; i++) {
            sk_pretok_cursor cursor;
            const uint8_t *piece, *at = text;
            uint64_t length;
            sk_pretok_start(&cursor, row, text, n);
            while (sk_pretok_next(&cursor, &piece, &length)) {
                CHECKF(piece == at && length > 0, "%s", row->names);
                at = piece + length;
            }
            CHECKF(at == text + n, "%s", row->names);
        }
    }
}

/* Long runs: were any matcher quadratic, these would take minutes. */
static void check_runs(void)
{
    static const char *const runs[] = {
        " ",        "\n",           "\t",           "a",   "A",         "7",  "'",  "<",
        "\xCC\x81", "\xE3\x80\x80", "\xE6\xBC\xA2", " \n", "A\xCC\x81", "1a", " a", "\xC2\xBD",
        "\xCD\xB8"};
    size_t size = 1 << 16;
    uint8_t *text = malloc(size + 2);
    const sk_pretok *row;
    for (size_t k = 0; k < sizeof runs / sizeof *runs; k++) {
        size_t length = strlen(runs[k]), n = size / length * length;
        for (size_t i = 0; i < n; i += length)
            memcpy(text + i, runs[k], length);
        text[n++] = 'x';
        for (uint32_t i = 0; (row = sk_pretok_row(i)) != NULL; i++) {
            sk_pretok_cursor cursor;
            const uint8_t *piece;
            uint64_t part, sum = 0;
            sk_pretok_start(&cursor, row, text, n);
            while (sk_pretok_next(&cursor, &piece, &part))
                sum += part;
            CHECK_INT(sum, n);
        }
    }
    free(text);
}

int main(void)
{
    check_golden();
    check_names();
    check_sums();
    check_runs();
    return test_end();
}
