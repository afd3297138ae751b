/* SPDX-License-Identifier: MIT */
/* Endpoints that applications registered: from the store to the directory and to their owners, at
 * start, and whenever one was made, changed, disabled or deleted. A change is over when the owner
 * took it. Main thread, except where a comment says. */
#include "server.h"

#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "server_int.h"

#include <stdlib.h>
#include <unistd.h>

#define PAGE_ROWS 500

/* ---- To the owners --------------------------------------------------------------------------- */

/* On its way to its owner. */
struct handing {
    struct server *server;
    struct worker_endpoint change;
    struct registry *one; /* a reference */
    struct api_registered *asked;
    void (*on_done)(void *ctx);
    void *ctx;
    struct handing *whole; /* that it is a part of; NULL: none */
    struct handing *next;  /* the next part, until they are handed over */
    size_t parts;          /* under way */
};

static void finish(struct handing *it)
{
    struct api_registered *asked = it->asked;
    struct handing *whole = it->whole;
    registry_unref(it->one);
    if (it->on_done)
        it->on_done(it->ctx);
    free(it);
    if (asked)
        asked->on_done(asked);
    if (whole && --whole->parts == 0)
        finish(whole);
}

void server_registered_taken(struct worker_endpoint *change)
{
    finish(container_of(change, struct handing, change));
}

/* The owner's thread. */
static void on_taken(struct worker_endpoint *change)
{
    server_post_letter(change->ctx,
                       (struct server_letter){.kind = LETTER_REGISTERED, .change = change});
}

/* Takes `it`. */
static void hand_over(struct handing *it)
{
    struct server *server = it->server;
    if (server->state != SERVER_SERVING || (!it->one && !it->change.is_removed)) {
        finish(it); /* no attempt starts any more */
        return;
    }
    it->change.one = it->one;
    it->change.on_done = on_taken;
    it->change.ctx = server;
    worker_set_endpoint(server->workers[0], &it->change);
}

static struct throttle *throttle_of(struct server *server, uint64_t application)
{
    struct throttle *throttle = map_get(&server->throttles, application);
    if (!throttle) {
        throttle = throttle_create();
        check(map_put(&server->throttles, application, throttle) == OK);
    }
    return throttle;
}

static void add_application(struct server *server, const struct resource *row)
{
    throttle_set(throttle_of(server, row->id), registered_rate(row->body));
    directory_name_application(server->directory, row->id, row->uid);
}

/* The version of this row, or a later one that is known. is_new: it may be known to nobody. */
static void put(struct handing *it, const struct resource *row, bool is_new)
{
    struct server *server = it->server;
    it->one = directory_get(server->directory, row->id);
    it->change.endpoint = row->id;
    const bool is_newer =
        it->one ? it->one->endpoints[0].membership->version < row->version : is_new;
    if (!is_newer)
        return;
    registry_unref(it->one);
    it->one = registered_make(row, server_gate(server, row->id), throttle_of(server, row->owner));
    check(directory_put(server->directory, registry_ref(it->one)) == OK);
    server_ownership_take(server, it->one);
}

/* ---- Asked for by the API -------------------------------------------------------------------- */

/* Out of the directory; its owner is told by hand_over. */
static void take_out(struct handing *it, uint64_t endpoint)
{
    registry_unref(directory_remove(it->server->directory, endpoint));
    gate_unref(map_remove(&it->server->gates, endpoint));
    server_ownership_drop(it->server, endpoint);
    it->change.endpoint = endpoint;
    it->change.is_removed = true;
}

/* Those of an application. */
static void remove_all(struct server *server, struct api_registered *asked)
{
    struct registry *one;
    struct handing *whole = must_alloc(sizeof *whole);
    struct handing *first = NULL;
    *whole = (struct handing){.server = server, .asked = asked};
    while (directory_list(server->directory, asked->row->id, 0, &one, 1) == 1) {
        struct handing *it = must_alloc(sizeof *it);
        *it = (struct handing){.server = server, .whole = whole, .next = first};
        whole->parts++;
        take_out(it, one->endpoints[0].id);
        registry_unref(one);
        first = it;
    }
    if (!first)
        finish(whole);
    while (first) {
        struct handing *it = first;
        first = it->next;
        hand_over(it);
    }
}

void server_registered(struct api_registered *asked, void *ctx)
{
    struct server *server = ctx;
    crash_point("registered");
    server_told(server, asked->telling);
    if (asked->row->kind == RESOURCE_APPLICATION) {
        if (asked->is_removed) {
            directory_name_application(server->directory, asked->row->id, NULL);
            server_operational_removed(server, asked->row->id);
            remove_all(server, asked);
            return;
        }
        add_application(server, asked->row);
        asked->on_done(asked);
        return;
    }
    struct handing *it = must_alloc(sizeof *it);
    *it = (struct handing){.server = server, .asked = asked};
    if (asked->is_removed) {
        take_out(it, asked->row->id);
        hand_over(it);
        return;
    }
    it->change.standing = asked->standing;
    put(it, asked->row, true);
    hand_over(it);
}

enum status server_check_url(const char *url, bool wants_tls, struct err *err, void *ctx)
{
    const struct server *server = ctx;
    return guard_check_target(&server->guard, url, wants_tls, err);
}

/* ---- Changed under its name ------------------------------------------------------------------ */

struct refresh {
    struct handing *handing;
    struct store_list_resources list;
};

static void on_read(struct store_read *read)
{
    struct refresh *it = read->ctx;
    struct handing *handing = it->handing;
    struct server *server = handing->server;
    if (read->status == OK) {
        if (handing->change.standing.turn == 0)
            handing->change.standing = it->list.standings[0];
        put(handing, &it->list.rows[0], false);
    }
    if (read->status != OK && read->status != E_NOTFOUND)
        log_error("endpoint not refreshed", "endpoint=%llu reason=\"%s\"",
                  (unsigned long long)it->list.only, read->err.text);
    store_read_finish(read);
    free(it);
    server->refreshes--;
    hand_over(handing);
    server_end_if_quiet(server);
}

void server_registered_refresh(struct server *server, uint64_t endpoint,
                               const struct endpoint_standing *standing, void (*on_done)(void *ctx),
                               void *ctx)
{
    struct refresh *it = must_alloc(sizeof *it);
    it->handing = must_alloc(sizeof *it->handing);
    *it->handing = (struct handing){.server = server, .on_done = on_done, .ctx = ctx};
    if (standing)
        it->handing->change.standing = *standing;
    it->list = (struct store_list_resources){
        .read = {.kind = STORE_LIST_RESOURCES, .on_done = on_read, .ctx = it},
        .kind = RESOURCE_ENDPOINT,
        .is_everyones = true,
        .only = endpoint,
        .secrets_ms = clock_due_ms(),
    };
    server->refreshes++;
    if (store_read(server->store, server->client, &it->list.read) == OK)
        return;
    server->refreshes--;
    log_error("endpoint not refreshed", "endpoint=%llu reason=\"too many reads are under way\"",
              (unsigned long long)endpoint);
    finish(it->handing);
    free(it);
}

/* ---- At start -------------------------------------------------------------------------------- */

struct server_registered {
    struct server *server;
    void (*on_loaded)(struct server *server);
    struct store_list_resources list;
    struct registry **rows; /* references */
    struct endpoint_standing *standings;
    size_t count;
};

static void add(struct server_registered *it, const struct resource *row,
                const struct endpoint_standing *standing)
{
    struct server *server = it->server;
    it->rows = array_grow(it->rows, it->count, sizeof(struct registry *));
    it->standings = array_grow(it->standings, it->count, sizeof *it->standings);
    check(it->rows && it->standings);
    struct registry *one =
        registered_make(row, server_gate(server, row->id), throttle_of(server, row->owner));
    check(directory_put(server->directory, registry_ref(one)) == OK);
    server_ownership_take(server, one);
    it->rows[it->count] = one;
    it->standings[it->count++] = *standing;
}

static void read_page(struct server_registered *it, enum resource_kind kind, uint64_t behind);

static void on_page(struct store_read *read)
{
    struct server_registered *it = read->ctx;
    const struct store_list_resources *list = &it->list;
    if (read->status != OK) {
        log_error("cannot start", "reason=\"%s\"", read->err.text);
        _exit(EXIT_STORE);
    }
    const bool is_end = list->is_end;
    uint64_t last = 0;
    for (size_t i = 0; i < list->row_count; i++) {
        if (list->kind == RESOURCE_ENDPOINT)
            add(it, &list->rows[i], &list->standings[i]);
        else
            add_application(it->server, &list->rows[i]);
        last = list->rows[i].id;
    }
    const enum resource_kind kind = list->kind;
    store_read_finish(read);
    if (!is_end && last != 0)
        read_page(it, kind, last);
    else if (kind == RESOURCE_APPLICATION)
        read_page(it, RESOURCE_ENDPOINT, 0);
    else
        it->on_loaded(it->server);
}

static void read_page(struct server_registered *it, enum resource_kind kind, uint64_t behind)
{
    it->list = (struct store_list_resources){
        .read = {.kind = STORE_LIST_RESOURCES, .on_done = on_page, .ctx = it},
        .kind = kind,
        .is_everyones = kind == RESOURCE_ENDPOINT,
        .secrets_ms = kind == RESOURCE_ENDPOINT ? clock_due_ms() : 0,
        .limit = PAGE_ROWS,
        .behind = behind,
    };
    check(store_read(it->server->store, it->server->client, &it->list.read) == OK);
}

void server_registered_load(struct server *server, void (*on_loaded)(struct server *server))
{
    server->loading = must_alloc(sizeof *server->loading);
    *server->loading = (struct server_registered){.server = server, .on_loaded = on_loaded};
    read_page(server->loading, RESOURCE_APPLICATION, 0);
}

/* The owner's thread. */
static void on_opened(struct worker_endpoint *change)
{
    registry_unref(change->one);
    free(change);
}

void server_registered_open(struct server *server)
{
    struct server_registered *it = server->loading;
    for (size_t i = 0; i < it->count; i++) {
        struct worker_endpoint *change = must_alloc(sizeof *change);
        *change = (struct worker_endpoint){
            .endpoint = it->rows[i]->endpoints[0].id,
            .one = it->rows[i],
            .standing = it->standings[i],
            .on_done = on_opened,
        };
        worker_set_endpoint(server->workers[0], change);
    }
    if (it->count > 0)
        log_info("registered endpoints loaded", "count=%zu", it->count);
    free(it->rows);
    free(it->standings);
    free(it);
    server->loading = NULL;
}
