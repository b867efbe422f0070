/* SPDX-License-Identifier: MIT */
/*
 * A server: eight conversations in one process, each with its own prompt, sampler and end. All
 * that are running are stepped together, one batched pass through the weights for all of them;
 * finished ones drop out and new ones join between two steps. A conversation's text is the same
 * as if it had been alone.
 *
 *     server MODEL.gguf
 */
#include <skald.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_CLIENTS 8

typedef struct client {
    skald_context *turn;
    int32_t arrives; /* at which step the request comes in */
    char reply[1024];
    size_t n;
} client;

typedef struct server {
    skald_model *model;
    client clients[N_CLIENTS];
    skald_context *running[N_CLIENTS]; /* borrowed from the clients */
    client *owner[N_CLIENTS];          /* of running[i] */
    size_t n_running, n_done, most;
} server;

static int32_t accept_request(server *s, int32_t i)
{
    client *c = &s->clients[i];
    char prompt[64];
    skald_options *options;
    int32_t status = skald_options_new(&options);
    if (status < 0)
        return status;
    snprintf(prompt, sizeof prompt, "Client %d asks for a story about %.*s", (int)i, 1 + i % 3 * 4,
             "the sea");
    skald_options_parse(options, "n_ctx=256");
    skald_options_set_int(options, "n_predict", 8 + 4 * i);
    skald_options_set_int(options, "seed", i);
    skald_options_set_float(options, "temperature", 0.25 * (i % 4));
    status = skald_context_new(s->model, options, &c->turn);
    skald_options_free(options);
    if (status == SKALD_OK)
        status = skald_append_text(c->turn, prompt, -1);
    if (status < 0)
        return status;
    s->owner[s->n_running] = c;
    s->running[s->n_running++] = c->turn;
    s->most = s->n_running > s->most ? s->n_running : s->most;
    return SKALD_OK;
}

/* A chunk of the reply: a real server would write it to the client's socket. */
static void send_chunk(client *c, const char *text, size_t n)
{
    size_t room = sizeof c->reply - c->n;
    n = n < room ? n : room;
    memcpy(c->reply + c->n, text, n);
    c->n += n;
}

static void drop(server *s, size_t i)
{
    skald_context_free(s->running[i]);
    s->owner[i]->turn = NULL;
    s->n_running--;
    s->n_done++;
    s->running[i] = s->running[s->n_running];
    s->owner[i] = s->owner[s->n_running];
}

/* One batched step of all that are running. Returns a negative status if one of them failed. */
static int32_t serve(server *s)
{
    int32_t status[N_CLIENTS], worst = SKALD_OK;
    int32_t call = skald_step_many(s->running, s->n_running, -1, status);
    if (call < 0)
        return call;
    for (size_t i = s->n_running; i-- > 0;) {
        const char *text;
        size_t n;
        if (status[i] < 0) {
            fprintf(stderr, "a client was lost: %s\n", skald_context_message(s->running[i]));
            worst = status[i];
        } else if (status[i] != SKALD_PENDING && skald_text(s->running[i], &text, &n) == SKALD_OK) {
            send_chunk(s->owner[i], text, n);
        }
        if (status[i] <= SKALD_DONE)
            drop(s, i);
    }
    return worst;
}

int main(int argc, char **argv)
{
    static server s;
    int32_t status = SKALD_OK;
    if (skald_model_load(argc > 1 ? argv[1] : "model.gguf", NULL, &s.model) < 0)
        return puts(skald_error_message());
    for (int32_t i = 0; i < N_CLIENTS; i++)
        s.clients[i].arrives = 3 * i;
    int32_t next = 0;
    for (int32_t step = 0; s.n_done < N_CLIENTS && status >= 0; step++) {
        while (next < N_CLIENTS && s.clients[next].arrives <= step && status >= 0)
            status = accept_request(&s, next++);
        if (status >= 0 && s.n_running > 0)
            status = serve(&s);
    }
    if (status < 0)
        fprintf(stderr, "server: %s\n", skald_error_message());
    for (int i = 0; i < N_CLIENTS; i++)
        printf("client %d:%.*s\n", i, (int)s.clients[i].n, s.clients[i].reply);
    fprintf(stderr, "at most %zu conversations at once\n", s.most);
    for (int i = 0; i < N_CLIENTS; i++)
        skald_context_free(s.clients[i].turn);
    skald_model_release(s.model);
    return status < 0;
}
