/* SPDX-License-Identifier: MIT */
/* Endpoints as the API shows and changes them: what their owners tell by their gates; and their
 * state, which is stored and then taken by the owner before it is answered. Main thread, except
 * where a comment says. */
#include "server_int.h"

#include "base/clock.h"
#include "send/send.h"

#include <stdlib.h>

#define BIT(state) (1u << (state))

bool server_script_endpoint(const char *name, struct api_script_endpoint *endpoint, void *ctx)
{
    const struct server *server = ctx;
    const struct endpoint_spec *spec =
        server->generation
            ? registry_endpoint(generation_registry(server->generation), slice_str(name))
            : NULL;
    if (!spec)
        return false;
    url_origin(spec->url, endpoint->origin, sizeof endpoint->origin);
    endpoint->place = spec->script;
    return true;
}

void server_run_routine(enum routine_kind kind, const char *name, void *ctx)
{
    struct server *server = ctx;
    worker_run_routine(server->workers[0], routine_id(kind, name));
}

bool server_endpoint_pace(uint64_t endpoint, struct api_pace *pace, void *ctx)
{
    struct server *server = ctx;
    struct gate *gate = map_get(&server->gates, endpoint);
    if (!gate)
        return false;
    /* The sender tells when an attempt ends: what is over by itself since then is not told. */
    const int64_t now_ms = clock_due_ms();
    const int64_t paused_until_ms = atomic_load(&gate->paused_until_ms);
    const bool is_slowed = atomic_load(&gate->slowed_until_ms) > now_ms;
    *pace = (struct api_pace){
        .breaker = circuit_state_name((enum circuit_state)atomic_load(&gate->circuit)),
        .paused_until_ms = paused_until_ms > now_ms ? paused_until_ms : 0,
        .slowed_per_hour = is_slowed ? atomic_load(&gate->slowed_per_hour) : 0,
    };
    return true;
}

/* ---- Changes of state
 * ------------------------------------------------------------------------------- */

/* Pausing and disabling are undone each by its own verb. */
static const struct {
    enum endpoint_state to;
    unsigned from;
} changes[ENDPOINT_VERB_COUNT] = {
    [ENDPOINT_PAUSE] = {ENDPOINT_PAUSED, BIT(ENDPOINT_ENABLED) | BIT(ENDPOINT_PAUSED)},
    [ENDPOINT_RESUME] = {ENDPOINT_ENABLED, BIT(ENDPOINT_ENABLED) | BIT(ENDPOINT_PAUSED)},
    [ENDPOINT_DISABLE] = {ENDPOINT_DISABLED,
                          BIT(ENDPOINT_ENABLED) | BIT(ENDPOINT_PAUSED) | BIT(ENDPOINT_DISABLED)},
    [ENDPOINT_ENABLE] = {ENDPOINT_ENABLED, BIT(ENDPOINT_ENABLED) | BIT(ENDPOINT_DISABLED)},
};

struct server_endpoint {
    struct server *server;
    struct api_endpoint_change *asked;
    struct store_endpoint op;
    struct worker_endpoint change;
};

static void finish(struct server_endpoint *it, enum status status)
{
    struct api_endpoint_change *asked = it->asked;
    asked->status = status;
    struct api_unproven unproven;
    asked->state = it->op.state;
    asked->is_unproven = server_unproven(it->op.id, &unproven, it->server);
    free(it);
    asked->on_done(asked);
}

void server_endpoint_taken(struct worker_endpoint *change)
{
    finish(container_of(change, struct server_endpoint, change), OK);
}

/* The owner's thread. */
static void on_taken(struct worker_endpoint *change)
{
    server_post_letter(change->ctx, (struct server_letter){.kind = LETTER_TAKEN, .change = change});
}

/* What a reload under way has read of it before is not true any more. */
static void tell_reload(const struct server *server, const struct store_endpoint *op)
{
    const struct reload *reload = server->reload;
    if (!reload || !reload->standings)
        return;
    const struct registry *registry = generation_registry(reload->generation);
    const struct endpoint_spec *spec = registry_endpoint(registry, slice_str(op->name));
    struct endpoint_standing *standing =
        spec ? &reload->standings[spec - registry->endpoints] : NULL;
    if (standing && standing->turn < op->turn) {
        standing->state = op->state;
        standing->turn = op->turn;
    }
}

static void on_refreshed(void *ctx)
{
    finish(ctx, OK);
}

static void on_stored(struct store_op *op)
{
    struct server_endpoint *it = op->ctx;
    struct server *server = it->server;
    if (op->status != OK) {
        finish(it, op->status);
        return;
    }
    if (it->op.id >= ID_ENDPOINT_REGISTERED) {
        const struct endpoint_standing standing = {.state = it->op.state, .turn = it->op.turn};
        server_registered_refresh(server, it->op.id, &standing, on_refreshed, it);
        return;
    }
    tell_reload(server, &it->op);
    if (server->state != SERVER_SERVING) {
        finish(it, OK); /* no attempt starts any more */
        return;
    }
    it->change = (struct worker_endpoint){
        .endpoint = it->op.id,
        .standing = {.state = it->op.state, .turn = it->op.turn},
        .on_done = on_taken,
        .ctx = server,
    };
    worker_set_endpoint(server->workers[0], &it->change);
}

void server_change_endpoint(struct api_endpoint_change *asked, void *ctx)
{
    struct server *server = ctx;
    struct server_endpoint *it = must_alloc(sizeof *it);
    *it = (struct server_endpoint){
        .server = server,
        .asked = asked,
        .op = {.op = {.kind = STORE_ENDPOINT, .on_done = on_stored, .ctx = it},
               .name = asked->name,
               .state = changes[asked->verb].to,
               .from = changes[asked->verb].from,
               .reason = asked->reason},
    };
    if (server->state != SERVER_SERVING) {
        finish(it, E_CANCELLED);
        return;
    }
    /* Without a credit: as many as the API has connections. */
    check(store_submit(server->store, server->client, &it->op.op) == OK);
}
