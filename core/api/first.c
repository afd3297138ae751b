/* SPDX-License-Identifier: MIT */
/* Idempotency keys: who repeats the key of a request gets its first answer, whatever else the
 * repeat says. The store finds it when it is asked to do the same again; a repeat that would be
 * refused before that is looked after here. */
#include "api/sent_int.h"

#include "base/clock.h"

#include <inttypes.h>

/* What a key is of: a route and what its path names. By id, for a name may be another's by the time
 * that the key is repeated. Whoever asks for an application shares its keys. */
void call_take_key(struct call *call, first_cb repeat)
{
    const struct sent_call *sent = call->sent;
    struct slice key;
    struct buf text;
    unsigned char digest[DIGEST_BYTES_MAX];
    check(call->route->is_keyed);
    if (call->has_key || !http_header(call->request, "idempotency-key", &key) || key.len == 0)
        return;
    buf_init(&text, LIMIT_API_BODY_BYTES);
    check(buf_printf(&text, "%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " ",
                     call->route->path, call->parts.count > 0 ? call->application : 0,
                     sent ? sent->event : 0, sent ? sent->endpoint_id : 0,
                     call->resource.touch ? call->resource.row.id : 0) == OK &&
          buf_add_slice(&text, key) == OK); /* LIMIT_HEADERS_BYTES at most */
    check(hash(DIGEST_SHA256, buf_slice(&text), digest) == sizeof call->key);
    memcpy(call->key, digest, sizeof call->key);
    buf_finish(&text);
    call->has_key = true;
    call->repeat = repeat;
}

/* ---- While the first runs -----------------------------------------------------------------------
 */

static bool is_under_way(const struct call *call)
{
    const struct queue *keyed = &call->api->keyed;
    for (struct node *node = queue_first(keyed); call->has_key && node;
         node = queue_next(keyed, node)) {
        const struct call *other = container_of(node, struct call, keyed);
        if (other != call && memcmp(other->key, call->key, sizeof call->key) == 0)
            return true;
    }
    return false;
}

static void refuse_under_way(struct call *call)
{
    call_refuse(call, 409, "conflict",
                "a request with this idempotency key is under way; ask again for its answer");
}

bool call_hold_key(struct call *call)
{
    if (is_under_way(call)) {
        refuse_under_way(call);
        return false;
    }
    if (call->has_key)
        queue_push(&call->api->keyed, &call->keyed);
    return true;
}

void call_put_key(struct call *call)
{
    if (node_is_linked(&call->keyed))
        queue_remove(&call->api->keyed, &call->keyed);
}

/* ---- Instead of a refusal -----------------------------------------------------------------------
 */

static void on_looked(struct store_read *read)
{
    struct call *call = read->ctx;
    struct store_list_resources *list = container_of(read, struct store_list_resources, read);
    struct document refusal = call->refusal;
    struct resource first = {0};
    const bool is_there = read->status == OK;
    if (is_there) {
        first = list->rows[0];
        list->rows[0] = (struct resource){0};
    }
    call->refusal = (struct document){0};
    store_read_finish(read);
    if (call_end_wait(call)) {
        if (is_there)
            call->repeat(call, &first);
        else
            api_respond(call->request, call->refusal_status, buf_slice(&refusal.buf), NULL, 0);
    }
    resource_finish(&first);
    document_finish(&refusal);
}

bool first_is_looked_for(struct call *call, int status, struct document *refusal)
{
    const bool is_final = status == 409 || status >= 500;
    if (!call->has_key || is_final || call->is_looked_for)
        return false;
    call->is_looked_for = true;
    if (is_under_way(call)) {
        document_finish(refusal);
        refuse_under_way(call);
        return true;
    }
    call->refusal = *refusal;
    call->refusal_status = status;
    call->list_resources = (struct store_list_resources){
        .read = {.kind = STORE_LIST_RESOURCES, .on_done = on_looked, .ctx = call},
        .answer_key = call->key,
        .answered_ms = clock_due_ms(),
    };
    if (!call_ask(call, &call->list_resources.read))
        document_finish(&call->refusal);
    return true;
}
