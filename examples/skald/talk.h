/* SPDX-License-Identifier: MIT */
/*
 * The messages of a chat, each as its JSON, and the conversation made of them. What is loaded from
 * a file is cut into messages and otherwise taken as it is.
 */
#ifndef TALK_H
#define TALK_H

#include <stdbool.h>
#include <stddef.h>

typedef struct dialogue_message {
    char *json; /* owned */
    char role[16];
} dialogue_message;

typedef struct dialogue {
    dialogue_message *messages; /* owned */
    size_t n, room;
    char *vars; /* owned: members of "vars", each but the first behind a comma; NULL: none */
} dialogue;

void dialogue_free(dialogue *d);

/* Adds a message; `reasoning` and `calls` (the calls of tools, JSON objects behind commas) may be
 * empty. False: out of memory. */
bool dialogue_add(dialogue *d, const char *role, const char *text, size_t n, const char *reasoning,
                  const char *calls);
void dialogue_cut(dialogue *d, size_t n); /* to its first n messages */

/* The system message: set, replaced, or with an empty text taken away. */
bool dialogue_set_system(dialogue *d, const char *text);

/* How many messages there are before the last one of this role; SIZE_MAX: there is none. */
size_t dialogue_last(const dialogue *d, const char *role);

/* Sets a variable of the template; a value that is no number, true, false or null is a text. */
bool dialogue_set_var(dialogue *d, const char *name, const char *value);

/* The conversation as JSON, or its messages alone; the caller frees. NULL: out of memory. */
char *dialogue_json(const dialogue *d, bool alone);

/* Replaces all messages by those of a JSON list; false when it is none, and nothing is changed. */
bool dialogue_load(dialogue *d, const char *text);

#endif
