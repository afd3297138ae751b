/* SPDX-License-Identifier: MIT */
/* Letters to the main thread: what workers and the store tell it. */
#include "server_int.h"

#include <stdlib.h>

void server_post_letter(struct server *server, struct server_letter letter)
{
    struct server_letter *copy = must_alloc(sizeof *copy);
    *copy = letter;
    inbox_post(&server->inbox, &copy->letter);
}

void server_on_letter(struct letter *base, void *ctx)
{
    struct server *server = ctx;
    struct server_letter *letter = container_of(base, struct server_letter, letter);
    switch (letter->kind) {
    case LETTER_TAKEN:
        server_endpoint_taken(letter->change);
        break;
    case LETTER_REGISTERED:
        server_registered_taken(letter->change);
        break;
    case LETTER_DISABLED:
        server_registered_refresh(server, letter->number, NULL, NULL, NULL);
        break;
    case LETTER_PREPARED:
        server_reload_prepared(server, letter->number, letter->problem);
        free(letter->problem);
        break;
    case LETTER_ADOPTED:
        server_reload_adopted(server, letter->number);
        break;
    case LETTER_CANCELLED:
        server_cancelled(letter->cancel);
        break;
    case LETTER_FORGOTTEN:
        server_forgotten(letter->forget);
        break;
    case LETTER_READDRESSED:
        server_readdressed(letter->readdress);
        break;
    case LETTER_PUBLISHED:
        letter->publishing->on_done(letter->publishing);
        break;
    case LETTER_GRANTED:
        server_granted(server, letter->grant);
        break;
    case LETTER_TASKS:
        server_tasks_look(server);
        break;
    case LETTER_QUIET:
        server->quiet_count++;
        server_end_if_quiet(server);
        break;
    case LETTER_FATAL:
        server_end_fatally(server);
        break;
    }
    free(letter);
}
