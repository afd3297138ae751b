/* SPDX-License-Identifier: MIT */
/* The API's look at what a delivery would send to another URL: read from the store, made by the
 * owner of its endpoint, sent by nobody here. The main thread, except where a comment says. */
#include "server_int.h"

#include <stdlib.h>

struct server_request {
    struct server *server;
    struct api_request *asked;
    struct delivery *delivery;
    union {
        struct store_get_delivery get;
        struct sender_readdress readdress;
    };
};

static void finish(struct server_request *it, enum status status)
{
    struct api_request *asked = it->asked;
    delivery_destroy(it->delivery);
    free(it);
    asked->status = status;
    asked->on_done(asked);
}

void server_readdressed(struct sender_readdress *readdress)
{
    struct server_request *it = container_of(readdress, struct server_request, readdress);
    struct api_request *asked = it->asked;
    asked->status = readdress->status == OK ? OK : E_CONFLICT;
    asked->detail = readdress->err.text;
    asked->method = buf_slice(&readdress->method);
    asked->url = buf_slice(&readdress->url);
    asked->head = buf_slice(&readdress->head);
    asked->left_out = buf_slice(&readdress->left_out);
    asked->body = buf_slice(&readdress->body);
    asked->on_done(asked);
    sender_readdress_finish(readdress);
    delivery_destroy(it->delivery);
    free(it);
}

/* The owner's thread. */
static void on_readdressed(struct sender_readdress *readdress)
{
    server_post_letter(readdress->ctx,
                       (struct server_letter){.kind = LETTER_READDRESSED, .readdress = readdress});
}

static void on_found(struct store_read *read)
{
    struct server_request *it = read->ctx;
    struct server *server = it->server;
    const enum status status = read->status;
    it->delivery = it->get.delivery;
    it->get.delivery = NULL;
    store_read_finish(read);
    if (status != OK || server->state != SERVER_SERVING) {
        finish(it, status != OK ? status : E_CANCELLED);
        return;
    }
    it->readdress = (struct sender_readdress){
        .delivery = it->delivery, .to = it->asked->to, .on_done = on_readdressed, .ctx = server};
    worker_readdress(server->workers[0], &it->readdress);
}

void server_request(struct api_request *asked, void *ctx)
{
    struct server *server = ctx;
    struct err err;
    if (guard_check_url(asked->to, &err) != OK) {
        asked->status = E_INVALID;
        asked->detail = err.text;
        asked->on_done(asked);
        return;
    }
    struct server_request *it = must_alloc(sizeof *it);
    it->server = server;
    it->asked = asked;
    it->get = (struct store_get_delivery){
        .read = {.kind = STORE_GET_DELIVERY, .on_done = on_found, .ctx = it},
        .id = asked->delivery,
        .wants_message = true,
    };
    if (server->state != SERVER_SERVING)
        finish(it, E_CANCELLED);
    else if (store_read(server->store, server->client, &it->get.read) != OK)
        finish(it, E_BUSY);
}
