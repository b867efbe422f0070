/* SPDX-License-Identifier: MIT */
/*
 * The editor keeps the text as UTF-8 and a cursor on a code point's first byte. After every key the
 * line is drawn anew, cut to what fits: one row of the terminal, whatever the length of the text.
 * Keys: arrows, Home, End, Delete, Backspace, Ctrl-A -B -E -F -H -K -L -N -P -U -W, Ctrl-D at the
 * end. Bracketed paste is on while a line is read.
 */
#define _POSIX_C_SOURCE 200809L
#include "line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum {
    HISTORY = 200,
    KEY_NONE = 256,
    KEY_UP,
    KEY_DOWN,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_HOME,
    KEY_END,
    KEY_DELETE,
    KEY_PASTE,
    KEY_PASTED,
    KEY_EOF
};

struct line_reader {
    char *text; /* owned */
    size_t n, room, cursor;
    char *history[HISTORY]; /* owned; the oldest first */
    int n_history, at;
    char *kept; /* owned: what was typed before the history was looked at */
    bool terminal, failed;
    struct termios before;
};

/* ---- text --------------------------------------------------------------------------------- */

static void line_insert(line_reader *r, const char *bytes, size_t n)
{
    if (r->n + n + 1 > r->room) {
        size_t room = 2 * (r->n + n + 64);
        char *grown = realloc(r->text, room);
        if (!grown) {
            r->failed = true;
            return;
        }
        r->text = grown;
        r->room = room;
    }
    memmove(r->text + r->cursor + n, r->text + r->cursor, r->n - r->cursor);
    memcpy(r->text + r->cursor, bytes, n);
    r->n += n;
    r->cursor += n;
    r->text[r->n] = 0;
}

static void line_set(line_reader *r, const char *text)
{
    r->n = r->cursor = 0;
    line_insert(r, text, strlen(text));
}

static void line_delete(line_reader *r, size_t from, size_t to)
{
    memmove(r->text + from, r->text + to, r->n - to);
    r->n -= to - from;
    r->text[r->n] = 0;
    r->cursor = from;
}

static size_t line_before(const line_reader *r, size_t at)
{
    while (at > 0 && ((unsigned char)r->text[--at] & 0xC0) == 0x80)
        ;
    return at;
}

static size_t line_behind(const line_reader *r, size_t at)
{
    while (at < r->n && ((unsigned char)r->text[++at] & 0xC0) == 0x80)
        ;
    return at;
}

/* ---- drawing ------------------------------------------------------------------------------ */

/* Columns of the code point at `s`: wide ones take two, combining ones none. */
static size_t line_columns(const char *s)
{
    const unsigned char *u = (const unsigned char *)s;
    unsigned code = u[0];
    if (code >= 0xF0)
        return 2;
    if (code >= 0xE0)
        code = (code & 15) << 12 | (u[1] & 63u) << 6 | (u[2] & 63u);
    else if (code >= 0xC0)
        code = (code & 31) << 6 | (u[1] & 63u);
    if ((code >= 0x300 && code <= 0x36F) || (code >= 0x200B && code <= 0x200F))
        return 0;
    return code >= 0x1100 &&
                   (code <= 0x115F || (code >= 0x2E80 && code <= 0xA4CF) ||
                    (code >= 0xAC00 && code <= 0xD7A3) || (code >= 0xF900 && code <= 0xFAFF) ||
                    (code >= 0xFE30 && code <= 0xFE6F) || (code >= 0xFF00 && code <= 0xFF60))
               ? 2
               : 1;
}

static size_t line_width(const line_reader *r, size_t from, size_t to)
{
    size_t columns = 0;
    for (; from < to; from = line_behind(r, from))
        columns += line_columns(r->text + from);
    return columns;
}

static void line_draw(const line_reader *r, const char *prompt)
{
    struct winsize size;
    size_t width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
    size_t room = width > strlen(prompt) + 2 ? width - strlen(prompt) - 1 : 1, from = 0, to;
    while (line_width(r, from, r->cursor) >= room)
        from = line_behind(r, from);
    for (to = from; to < r->n && line_width(r, from, to) + 2 <= room; to = line_behind(r, to))
        ;
    printf("\r%s", prompt);
    for (size_t i = from; i < to; i++) {
        if (r->text[i] == '\n')
            fputs("\xE2\x86\xB5", stdout); /* an arrow for a line end */
        else
            putchar((unsigned char)r->text[i] < 0x20 ? '?' : r->text[i]);
    }
    printf("\033[K\r\033[%dC", (int)(strlen(prompt) + line_width(r, from, r->cursor)));
    fflush(stdout);
}

/* ---- keys --------------------------------------------------------------------------------- */

static int line_byte(void)
{
    unsigned char c;
    return read(STDIN_FILENO, &c, 1) == 1 ? c : KEY_EOF;
}

/* The key behind an escape character. */
static int line_escape(void)
{
    static const struct {
        const char *code;
        int key;
    } keys[] = {{"[A", KEY_UP},       {"[B", KEY_DOWN}, {"[C", KEY_RIGHT},   {"[D", KEY_LEFT},
                {"[H", KEY_HOME},     {"[F", KEY_END},  {"OH", KEY_HOME},    {"OF", KEY_END},
                {"[1~", KEY_HOME},    {"[4~", KEY_END}, {"[3~", KEY_DELETE}, {"[200~", KEY_PASTE},
                {"[201~", KEY_PASTED}};
    char code[12];
    size_t n = 0;
    int c;
    do {
        c = line_byte();
        if (c == KEY_EOF)
            return c;
        code[n++] = (char)c;
    } while (n < sizeof code - 1 && (n == 1 ? c == '[' || c == 'O' : c < '@' || c > '~'));
    code[n] = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i].code, code) == 0)
            return keys[i].key;
    return KEY_NONE;
}

static int line_key(void)
{
    int c = line_byte();
    return c == 27 ? line_escape() : c;
}

static void line_paste(line_reader *r)
{
    for (int c = line_key(); c != KEY_PASTED && c != KEY_EOF; c = line_key()) {
        char byte = c == '\r' ? '\n' : (char)c;
        if (c < KEY_NONE)
            line_insert(r, &byte, 1);
    }
}

static void line_look(line_reader *r, int step)
{
    int to = r->at + step;
    if (to < 0 || to > r->n_history)
        return;
    if (r->at == r->n_history) {
        free(r->kept);
        r->kept = strdup(r->text);
    }
    r->at = to;
    line_set(r, to == r->n_history ? (r->kept ? r->kept : "") : r->history[to]);
}

static void line_delete_word(line_reader *r)
{
    size_t from = r->cursor;
    while (from > 0 && r->text[from - 1] == ' ')
        from--;
    while (from > 0 && r->text[from - 1] != ' ')
        from--;
    line_delete(r, from, r->cursor);
}

static void line_edit(line_reader *r, int key)
{
    char byte = (char)key;
    if (key == KEY_LEFT || key == 'B' - 64)
        r->cursor = line_before(r, r->cursor);
    else if (key == KEY_RIGHT || key == 'F' - 64)
        r->cursor = line_behind(r, r->cursor);
    else if (key == KEY_HOME || key == 'A' - 64)
        r->cursor = 0;
    else if (key == KEY_END || key == 'E' - 64)
        r->cursor = r->n;
    else if (key == KEY_UP || key == 'P' - 64)
        line_look(r, -1);
    else if (key == KEY_DOWN || key == 'N' - 64)
        line_look(r, 1);
    else if (key == KEY_PASTE)
        line_paste(r);
    else if (key == KEY_DELETE || key == 'D' - 64)
        line_delete(r, r->cursor, line_behind(r, r->cursor));
    else if (key == 127 || key == 'H' - 64)
        line_delete(r, line_before(r, r->cursor), r->cursor);
    else if (key == 'K' - 64)
        line_delete(r, r->cursor, r->n);
    else if (key == 'U' - 64)
        line_delete(r, 0, r->cursor);
    else if (key == 'W' - 64)
        line_delete_word(r);
    else if (key == 'L' - 64)
        fputs("\033[H\033[2J", stdout);
    else if (key >= 0x20 && key < KEY_NONE)
        line_insert(r, &byte, 1);
}

/* Whether Enter goes on in the next line: behind a backslash, which it replaces. */
static bool line_goes_on(line_reader *r)
{
    if (r->n == 0 || r->text[r->n - 1] != '\\')
        return false;
    r->text[r->n - 1] = '\n';
    return true;
}

static int line_edit_all(line_reader *r, const char *prompt)
{
    for (;;) {
        line_draw(r, prompt);
        int key = line_key();
        if (r->failed)
            return LINE_FAILED;
        if (key == 'C' - 64)
            return LINE_INTERRUPTED;
        if (key == KEY_EOF || (key == 'D' - 64 && r->n == 0))
            return LINE_END;
        if (key == '\r' || key == '\n') {
            r->cursor = r->n;
            if (!line_goes_on(r))
                return LINE_READ;
        } else {
            line_edit(r, key);
        }
    }
}

/* ---- reading ------------------------------------------------------------------------------ */

static void line_remember(line_reader *r)
{
    char *copy = r->n ? strdup(r->text) : NULL;
    if (!copy)
        return;
    if (r->n_history == HISTORY) {
        free(r->history[0]);
        memmove(r->history, r->history + 1, (HISTORY - 1) * sizeof *r->history);
        r->n_history--;
    }
    r->history[r->n_history++] = copy;
}

static int line_read_terminal(line_reader *r, const char *prompt)
{
    struct termios raw = r->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
    raw.c_iflag &= ~(tcflag_t)(ICRNL | IXON);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    r->at = r->n_history;
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    fputs("\033[?2004h", stdout);
    int how = line_edit_all(r, prompt);
    fputs("\033[?2004l\r\n", stdout);
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &r->before);
    return how;
}

static int line_read_plain(line_reader *r)
{
    bool any = false;
    for (int c; (c = getchar()) != EOF;) {
        char byte = (char)c;
        any = true;
        if (c == '\n' && !line_goes_on(r))
            return r->failed ? LINE_FAILED : LINE_READ;
        if (c != '\n')
            line_insert(r, &byte, 1);
        if (r->failed)
            return LINE_FAILED;
    }
    return any ? LINE_READ : LINE_END;
}

int line_read(line_reader *r, const char *prompt, const char **text, size_t *n)
{
    line_set(r, "");
    int how = r->terminal ? line_read_terminal(r, prompt) : line_read_plain(r);
    if (how == LINE_READ && r->terminal)
        line_remember(r);
    *text = r->text ? r->text : "";
    *n = r->n;
    return how;
}

line_reader *line_open(void)
{
    line_reader *r = calloc(1, sizeof *r);
    if (r)
        r->terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) &&
                      tcgetattr(STDIN_FILENO, &r->before) == 0;
    return r;
}

void line_close(line_reader *r)
{
    if (!r)
        return;
    for (int i = 0; i < r->n_history; i++)
        free(r->history[i]);
    free(r->kept);
    free(r->text);
    free(r);
}
