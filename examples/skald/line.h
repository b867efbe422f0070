/* SPDX-License-Identifier: MIT */
/*
 * Reading what a person types: a line with editing and a history where stdin and stdout are a
 * terminal, else plain lines. A line that ends in a backslash goes on in the next one, and pasted
 * text keeps its line ends, so that one input can have many lines.
 */
#ifndef LINE_H
#define LINE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct line_reader line_reader;

line_reader *line_open(void); /* NULL: out of memory */
void line_close(line_reader *reader);

enum { LINE_READ, LINE_END, LINE_INTERRUPTED, LINE_FAILED };

/* Reads one input into *text, which lives until the next call. END: there is no more; INTERRUPTED:
 * Ctrl-C; FAILED: out of memory. */
int line_read(line_reader *reader, const char *prompt, const char **text, size_t *n);

#endif
