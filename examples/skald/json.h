/* SPDX-License-Identifier: MIT */
/*
 * A JSON writer. Keys are NULL inside arrays and for the outermost value. Whatever bytes a string
 * holds, the output is valid: what is not UTF-8 becomes U+FFFD, numbers that JSON lacks become
 * null.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH 16

typedef struct json {
    FILE *out; /* borrowed */
    int depth;
    struct {
        char close;
        bool lines, used; /* one element a line; something was written */
    } level[JSON_DEPTH];
} json;

void json_begin(json *j, FILE *out);

/* Opens an object ('{') or array ('['), its elements a line each or all on one. */
void json_open(json *j, const char *key, char bracket, bool lines);
void json_close(json *j); /* closes the innermost; a newline follows the outermost */

void json_string(json *j, const char *key, const char *text);
void json_bytes(json *j, const char *key, const char *text, size_t n);
void json_int(json *j, const char *key, int64_t value);
void json_number(json *j, const char *key, double value);
void json_bool(json *j, const char *key, bool value);

#endif
