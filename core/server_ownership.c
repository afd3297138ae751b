/* SPDX-License-Identifier: MIT */
/* Registered endpoints that have yet to prove that they want webhooks: each is sent a challenge or
 * a handshake, now and then for a day after its last change, until it is answered, or its receiver
 * consents by the handshake's callback. That it was lies in its fields, as a new version of it;
 * what waits for it flows with that. The challenges lie in memory alone: after a restart there are
 * others; the key of a callback is a secret of the endpoint. One whose day is over is asked again
 * when it changes. Main thread. */
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "model/hops.h"
#include "model/ownership.h"
#include "server_int.h"
#include "signature/signature.h"

#include <stdio.h>
#include <stdlib.h>

#define TIMEOUT_MS 15000
#define ANSWER_BYTES_MAX 4096
#define HEAD_BYTES 65536
#define BODY_BYTES 256
#define FOR_MS (INT64_C(86400) * 1000)

static const char over_reason[] =
    "no proof within a day of its last change: change or enable it to be asked again";
static const char gone_reason[] = "it answered 410: change or enable it to be asked again";
static const int64_t waits_ms[] = {5000, 30000, 60000, 300000}; /* the last one stays */

struct server_proof {
    struct server *server;
    struct registry *one; /* a reference: the version that was challenged */
    struct exchange *exchange;
    char token[OWNERSHIP_TOKEN_BYTES];
    struct buf head;
    struct buf body;
    int64_t due_ms; /* Unix ms */
    size_t tries;
    bool is_over; /* it is asked no more */
    char reason[API_UNPROVEN_BYTES];
    struct store_list_resources list;
    struct resource row;
    char *url;                   /* owned */
    struct ownership ownership;  /* that was proven */
    struct receive_grant *grant; /* by it; NULL: by an answer */
    struct secret_write grant_end;
    struct store_registered stored;
    struct store_resource op;
    struct store_telling telling;
    struct api_registered told;
};

static const struct endpoint_spec *endpoint_of(const struct server_proof *it)
{
    return &it->one->endpoints[0];
}

/* The rate that a handshake asks for: the endpoint's own; 0: none. */
static uint32_t asked_per_min(const struct server_proof *it)
{
    return (uint32_t)(endpoint_of(it)->rate_per_s * 60);
}

/* Owned; NULL: it is asked by a challenge. */
static char *copy_origin(const struct registry *one)
{
    const char *origin = one->endpoints[0].membership->origin;
    return origin ? must_copy(origin, strlen(origin)) : NULL;
}

static void destroy(struct server_proof *it)
{
    registry_unref(it->one);
    buf_finish(&it->head);
    buf_finish(&it->body);
    resource_finish(&it->row);
    free(it->url);
    ownership_finish(&it->ownership);
    store_telling_finish(&it->telling);
    free(it);
}

/* ---- It was met ------------------------------------------------------------------------------ */

static void send_home(struct receive_grant *grant, enum status status)
{
    grant->errand.status = status;
    grant->errand.go_home(&grant->errand);
}

static void finish(struct server_proof *it, enum status status)
{
    struct server *server = it->server;
    if (it->grant)
        send_home(it->grant, status);
    destroy(it);
    server->refreshes--;
    server_end_if_quiet(server);
}

/* It stays as it is until its next change, the next start, or the next try of a receiver. */
static void fail(struct server_proof *it, const char *reason)
{
    log_error("endpoint not verified", "endpoint=%s reason=\"%s\"", endpoint_of(it)->name, reason);
    finish(it, E_IO);
}

static void read_row(struct server_proof *it);

static void on_taken(struct api_registered *told)
{
    finish(told->ctx, OK);
}

static void on_written(struct store_op *op)
{
    struct server_proof *it = op->ctx;
    if (op->status == E_CONFLICT) {
        read_row(it);
    } else if (op->status == E_NOTFOUND) {
        finish(it, E_NOTFOUND);
    } else if (op->status != OK) {
        fail(it, "the store could not be written");
    } else {
        log_info("endpoint verified", "endpoint=%s", endpoint_of(it)->name);
        it->told = (struct api_registered){
            .row = &it->row,
            .standing = it->stored.standing,
            .telling = it->op.telling,
            .on_done = on_taken,
            .ctx = it,
        };
        server_registered(&it->told, it->server);
    }
}

/* What was proven holds for the URL that was asked, and the way it was. */
static bool is_still_asked(struct server_proof *it)
{
    struct slice value;
    struct buf url;
    buf_init(&url, LIMIT_URL_BYTES + BODY_BYTES);
    check(json_find(slice_str(it->row.body), "url", &value) && json_add_text(value, &url) == OK);
    free(it->url);
    it->url = buf_take(&url, NULL);
    struct ownership now = ownership_read(it->row.body);
    const char *origin = it->ownership.origin;
    const bool is_unverified =
        now.verification && strcmp(now.verification, OWNERSHIP_UNVERIFIED) == 0;
    const bool is_same_way =
        origin ? now.origin && strcmp(now.origin, origin) == 0 : now.origin == NULL;
    ownership_finish(&now);
    return is_unverified && is_same_way && strcmp(it->url, endpoint_of(it)->url) == 0;
}

static void write_row(struct server_proof *it)
{
    struct slice disabled;
    it->ownership.verification = OWNERSHIP_VERIFIED;
    char *body = ownership_mark(it->row.body, &it->ownership);
    free(it->row.body);
    it->row.body = body;
    it->stored = (struct store_registered){
        .url = it->url,
        .is_disabled =
            json_find(slice_str(body), "disabled", &disabled) && slice_is(disabled, "true"),
    };
    it->grant_end = (struct secret_write){.kind = SECRET_GRANT};
    it->op = (struct store_resource){
        .op = {.kind = STORE_RESOURCE, .on_done = on_written, .ctx = it},
        .resource = &it->row,
        .version = it->row.version,
        .secrets = &it->grant_end,
        .secret_count = 1,
        .now_ms = clock_due_ms(),
        .endpoint = &it->stored,
    };
    store_telling_finish(&it->telling);
    if (server_telling(&it->row, &it->telling, it->server))
        it->op.telling = &it->telling;
    check(store_submit(it->server->store, it->server->client, &it->op.op) == OK);
}

static void on_read(struct store_read *read)
{
    struct server_proof *it = read->ctx;
    const enum status status = read->status;
    if (status == OK) {
        it->row = it->list.rows[0];
        it->list.rows[0] = (struct resource){0};
    }
    store_read_finish(read);
    if (status != OK && status != E_NOTFOUND)
        fail(it, "the store could not be read");
    else if (status == OK && is_still_asked(it))
        write_row(it);
    else
        finish(it, E_NOTFOUND);
}

static void read_row(struct server_proof *it)
{
    resource_finish(&it->row);
    it->list = (struct store_list_resources){
        .read = {.kind = STORE_LIST_RESOURCES, .on_done = on_read, .ctx = it},
        .kind = RESOURCE_ENDPOINT,
        .is_everyones = true,
        .only = endpoint_of(it)->id,
        .secrets_ms = clock_due_ms(),
    };
    if (store_read(it->server->store, it->server->client, &it->list.read) != OK)
        fail(it, "too many reads are under way");
}

/* ---- Challenges ------------------------------------------------------------------------------ */

static void try_later(struct server_proof *it, const char *reason)
{
    const size_t wait = it->tries < array_count(waits_ms) ? it->tries : array_count(waits_ms) - 1;
    it->tries++;
    it->due_ms = clock_due_ms() + waits_ms[wait];
    (void)snprintf(it->reason, sizeof it->reason, "%s", reason);
    log_warn("endpoint not verified yet", "endpoint=%s reason=\"%s\"", endpoint_of(it)->name,
             reason);
}

/* NULL: it is a proof. */
static const char *judge(struct server_proof *it, const struct exchange_answer *answer)
{
    if (answer->error[0])
        return answer->detail;
    if (it->ownership.origin)
        return ownership_is_consent(answer->head, asked_per_min(it) > 0, &it->ownership)
                   ? NULL
                   : "its answer does not consent by WebHook-Allowed-Origin and -Rate";
    if (answer->status / 100 != 2)
        return "its answer to the challenge is not of status 2xx";
    return ownership_is_proof(answer->body, it->token)
               ? NULL
               : "its answer does not bring the challenge back";
}

static void on_answer(const struct exchange_answer *answer, void *ctx)
{
    struct server_proof *it = ctx;
    const char *reason = judge(it, answer);
    it->exchange = NULL;
    if (reason) {
        const bool is_gone = answer->status == 410;
        try_later(it, is_gone ? gone_reason : reason);
        it->is_over = is_gone;
        if (answer->retry_after_ms > 0 && it->due_ms < clock_due_ms() + answer->retry_after_ms)
            it->due_ms = clock_due_ms() + answer->retry_after_ms;
        return;
    }
    it->server->refreshes++;
    (void)map_remove(&it->server->proofs, endpoint_of(it)->id);
    read_row(it);
}

static enum status add_callback(struct server_proof *it)
{
    const char *public_url = it->server->config.public_url;
    const char *key = endpoint_of(it)->membership->grant;
    struct buf url;
    if (!public_url || !key)
        return OK;
    buf_init(&url, LIMIT_URL_BYTES);
    enum status status =
        buf_printf(&url, "%s" OWNERSHIP_GRANT_PATH "%s/%s", public_url, endpoint_of(it)->name, key);
    if (status == OK)
        status = head_add(&it->head, slice_str("WebHook-Request-Callback"), buf_slice(&url));
    buf_finish(&url);
    return status;
}

/* The head of an endpoint names the origin already. */
static enum status write_handshake(struct server_proof *it)
{
    char rate[16];
    buf_clear(&it->head);
    buf_clear(&it->body);
    enum status status = buf_add_slice(&it->head, endpoint_of(it)->head);
    if (status == OK)
        status = add_callback(it);
    if (status != OK || asked_per_min(it) == 0)
        return status;
    (void)snprintf(rate, sizeof rate, "%u", (unsigned)asked_per_min(it));
    return head_add(&it->head, slice_str("WebHook-Request-Rate"), slice_str(rate));
}

static enum status write_challenge(struct server_proof *it)
{
    const struct endpoint_spec *endpoint = endpoint_of(it);
    unsigned char bytes[(OWNERSHIP_TOKEN_BYTES - 1) / 2];
    struct buf token;
    random_bytes(bytes, sizeof bytes);
    buf_init_secret(&token, OWNERSHIP_TOKEN_BYTES);
    check(hex_encode(slice_of((const char *)bytes, sizeof bytes), &token) == OK);
    (void)snprintf(it->token, sizeof it->token, "%.*s", (int)token.len, token.data);
    buf_finish(&token);
    buf_clear(&it->head);
    buf_clear(&it->body);
    enum status status = ownership_add_challenge(it->token, &it->body);
    if (status == OK)
        status = buf_add_slice(&it->head, endpoint->head);
    if (status == OK)
        status = head_add(&it->head, slice_str("content-type"), slice_str("application/json"));
    if (status != OK || !endpoint->signer)
        return status;
    return signer_sign(endpoint->signer,
                       &(struct sign_input){
                           .id = slice_str(it->token),
                           .timestamp_s = clock_now_ms() / 1000,
                           .method = slice_str(endpoint->method),
                           .body = buf_slice(&it->body),
                       },
                       &it->head);
}

static void ask(struct server_proof *it)
{
    const struct endpoint_spec *endpoint = endpoint_of(it);
    struct err err;
    const bool is_handshake = it->ownership.origin != NULL;
    if ((is_handshake ? write_handshake(it) : write_challenge(it)) != OK) {
        try_later(it, "the request cannot be made");
        return;
    }
    const struct exchange_request request = {
        .url = endpoint->url,
        .method = slice_str(is_handshake ? "OPTIONS" : endpoint->method),
        .head = buf_slice(&it->head),
        .body = buf_slice(&it->body),
        .timeout_ms = TIMEOUT_MS,
        .body_bytes_max = ANSWER_BYTES_MAX,
    };
    if (exchanges_start(it->server->challenges, &request, on_answer, it, &it->exchange, &err) != OK)
        try_later(it, err.text);
}

/* ---- Consent that comes later ---------------------------------------------------------------- */

static bool is_over(const struct membership *membership)
{
    return clock_due_ms() - membership->changed_ms > FOR_MS;
}

/* Whether the callback of this version is that one. */
static bool is_granted(const struct membership *membership, const struct receive_grant *grant)
{
    return membership->is_unverified && membership->origin && membership->grant &&
           !is_over(membership) && bytes_equal(slice_str(membership->grant), slice_str(grant->key));
}

/* Takes the reference. */
static void take_consent(struct server *server, struct registry *one, struct receive_grant *grant)
{
    struct server_proof *it = must_alloc(sizeof *it);
    *it = (struct server_proof){.server = server, .one = one, .grant = grant};
    it->ownership.origin = copy_origin(one);
    it->ownership.rate_per_min = grant->has_rate ? grant->rate_per_min : asked_per_min(it);
    server->refreshes++;
    read_row(it);
}

void server_granted(struct server *server, struct receive_grant *grant)
{
    struct registry *one = directory_get(server->directory, grant->errand.endpoint);
    const struct membership *membership = one ? one->endpoints[0].membership : NULL;
    struct store_health health;
    enum status status = OK;
    store_health(server->store, &health);
    if (server->state != SERVER_SERVING)
        status = E_CANCELLED;
    else if (!membership || !is_granted(membership, grant))
        status = E_NOTFOUND;
    else if (grant->origin[0] &&
             !slice_equal_nocase(slice_str(grant->origin), slice_str(membership->origin)))
        status = E_INVALID;
    else if (!health.is_writable)
        status = E_IO;
    if (status == OK) {
        take_consent(server, one, grant);
        return;
    }
    registry_unref(one);
    send_home(grant, status);
}

/* ---- Which ----------------------------------------------------------------------------------- */

void server_ownership_drop(struct server *server, uint64_t endpoint)
{
    struct server_proof *it = map_remove(&server->proofs, endpoint);
    if (!it)
        return;
    if (it->exchange)
        exchanges_cancel(server->challenges, it->exchange);
    destroy(it);
}

void server_ownership_take(struct server *server, struct registry *one)
{
    const struct endpoint_spec *endpoint = &one->endpoints[0];
    server_ownership_drop(server, endpoint->id);
    if (!endpoint->membership->is_unverified || endpoint->membership->is_disabled)
        return;
    struct server_proof *it = must_alloc(sizeof *it);
    *it = (struct server_proof){.server = server, .one = registry_ref(one)};
    it->ownership.origin = copy_origin(one);
    buf_init_secret(&it->head, HEAD_BYTES);
    buf_init(&it->body, BODY_BYTES);
    check(map_put(&server->proofs, endpoint->id, it) == OK);
}

bool server_unproven(uint64_t endpoint, struct api_unproven *unproven, void *ctx)
{
    const struct server *server = ctx;
    struct registry *one =
        endpoint >= ID_ENDPOINT_REGISTERED ? directory_get(server->directory, endpoint) : NULL;
    const struct server_proof *it = map_get(&server->proofs, endpoint);
    const bool is_unproven = one && one->endpoints[0].membership->is_unverified;
    if (is_unproven)
        (void)snprintf(unproven->reason, sizeof unproven->reason, "%s",
                       is_over(one->endpoints[0].membership) ? over_reason
                       : it && it->reason[0]                 ? it->reason
                                                             : "it has not answered yet");
    registry_unref(one);
    return is_unproven;
}

/* The last line that the log has of it. */
static void end(struct server_proof *it)
{
    it->is_over = true;
    log_warn("endpoint not verified", "endpoint=%s reason=\"%s\"", endpoint_of(it)->name,
             over_reason);
}

void server_ownership_turn(struct server *server)
{
    size_t place = 0;
    uint64_t id;
    void *proof;
    const int64_t now_ms = clock_due_ms();
    while (server->state == SERVER_SERVING && map_next(&server->proofs, &place, &id, &proof)) {
        struct server_proof *it = proof;
        if (it->exchange || it->is_over)
            continue;
        if (is_over(endpoint_of(it)->membership))
            end(it);
        else if (it->due_ms <= now_ms)
            ask(it);
    }
}

void server_ownership_open(struct server *server)
{
    server->challenges = exchanges_create(&server->loop, HOPS_AGENT ANZOL_VERSION, &server->guard);
}

void server_ownership_stop(struct server *server)
{
    size_t place = 0;
    uint64_t id;
    void *proof;
    while (map_next(&server->proofs, &place, &id, &proof)) {
        server_ownership_drop(server, id);
        place = 0;
    }
}

void server_ownership_close(struct server *server)
{
    server_ownership_stop(server);
    map_finish(&server->proofs);
    exchanges_destroy(server->challenges);
}
