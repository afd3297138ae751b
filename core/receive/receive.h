/* SPDX-License-Identifier: MIT */
/* Receiving: route to a source, limits, verify, type and idempotency key, submit to the store, and
 * the answer once the commit is synced; the receivers that ask at queues for messages; and those
 * that consent to a handshake of ours. One receiver per worker, on the worker's loop; everything
 * here runs on that thread. It knows no worker: server.c gives it what it needs. */
#ifndef RECEIVE_RECEIVE_H
#define RECEIVE_RECEIVE_H

#include "base/cidr.h"
#include "base/err.h"
#include "base/limits.h"
#include "http/http.h"
#include "model/event.h"
#include "model/ownership.h"
#include "script/script.h"
#include "send/send.h"
#include "store/store.h"

struct receiver;
struct shared;

/* Where a new event's shard is, and whether its owner took room for it in memory. */
struct receive_placement {
    uint8_t shard;
    bool has_room;
};

/* Consent to a handshake of ours that came by its callback. */
struct receive_grant {
    struct lease_errand errand; /* its endpoint; then its status. OK: that is verified; E_NOTFOUND:
                                 * there is no such grant, or it was given, or its time is over;
                                 * E_INVALID: it is for another origin; E_IO; E_CANCELLED */
    char key[OWNERSHIP_TOKEN_BYTES];
    char origin[LIMIT_HOST_BYTES + 1]; /* "": it says none */
    bool has_rate;
    uint32_t rate_per_min; /* 0: any */
};

struct receive_hooks {
    /* The current generation's state of this worker. */
    struct script *(*script)(void *ctx);
    struct receive_placement (*place)(void *ctx);
    /* The event was committed or not; its reference is taken over. */
    void (*placed)(void *ctx, struct receive_placement placement, struct event *event,
                   bool is_committed);
    /* To the owner of the errand's endpoint; on_done comes on the receiver's thread. */
    void (*errand)(void *ctx, struct lease_errand *errand);
    /* To whoever asked; its errand's on_done comes on the receiver's thread. */
    void (*grant)(void *ctx, struct receive_grant *grant);
};

struct receive_options {
    uv_loop_t *loop;
    struct store *store;
    struct store_client *client;
    int fd;                     /* listening socket, taken */
    struct shared *shared;      /* of the process: the sources' rates */
    const struct cidr *proxies; /* whose X-Forwarded-For counts; borrowed */
    size_t proxy_count;
    atomic_size_t *intake_bytes;
    size_t intake_bytes_max;
    const struct receive_hooks *hooks;
    void *ctx;
};

MUST_USE enum status receiver_open(const struct receive_options *options,
                                   struct receiver **receiver, struct err *err);
/* Stops accepting; what was accepted is answered. */
void receiver_quiesce(struct receiver *receiver);
/* Nothing is open: no request, no commit under way. */
bool receiver_is_quiet(const struct receiver *receiver);
/* The loop must run once more for the handles to go; then it is freed. */
void receiver_close(struct receiver *receiver);

#endif
