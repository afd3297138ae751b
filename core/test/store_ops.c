/* SPDX-License-Identifier: MIT */
/* Operations from Lua: each method returns a table that gets its status when the store answers. */
#include "store_lua.h"

#include <stdlib.h>

#define BYTES_MAX (64u * 1024 * 1024)

/* ---- Completion ------------------------------------------------------------------------------ */

static void set_deliveries(lua_State *L, const struct outbox *outbox)
{
    lua_newtable(L);
    for (size_t i = 0; i < outbox->delivery_count; i++) {
        const struct delivery *delivery = outbox->deliveries[i].delivery;
        lua_newtable(L);
        set_integer(L, "id", (lua_Integer)delivery->id);
        set_integer(L, "message", (lua_Integer)delivery->message->id);
        set_bool(L, "is_held", outbox->deliveries[i].is_held);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "deliveries");
}

/* Those of the rows that were done. */
static void set_leased(lua_State *L, const struct store_lease *lease)
{
    lua_newtable(L);
    for (size_t i = 0; i < lease->row_count; i++) {
        if (!lease->rows[i].is_done)
            continue;
        lua_pushinteger(L, (lua_Integer)lease->rows[i].delivery);
        lua_seti(L, -2, luaL_len(L, -2) + 1);
    }
    lua_setfield(L, -2, "done");
}

static void set_results(lua_State *L, struct lua_op *it)
{
    switch (it->u.op.kind) {
    case STORE_INGEST:
        set_bool(L, "is_duplicate", it->u.ingest.is_duplicate);
        set_integer(L, "duplicate_of", (lua_Integer)it->u.ingest.duplicate_of);
        if (it->event->plan)
            set_integer(L, "released", (lua_Integer)it->event->plan->runs[0].released);
        break;
    case STORE_HANDLED:
        set_bool(L, "is_kv_conflict", it->u.handled.is_kv_conflict);
        set_integer(L, "released", (lua_Integer)it->u.handled.run.released);
        set_deliveries(L, &it->outbox);
        break;
    case STORE_SETTLE:
        set_integer(L, "attempt", (lua_Integer)it->attempt.id);
        set_bool(L, "is_made", it->u.settle.news.is_made);
        set_bool(L, "is_settled", it->u.settle.is_settled);
        set_integer(L, "released", (lua_Integer)it->u.settle.released);
        set_integer(L, "released_due_ms", it->u.settle.released_due_ms);
        set_integer(L, "next", it->u.settle.next ? (lua_Integer)it->u.settle.next->id : 0);
        break;
    case STORE_ENDPOINT:
        set_endpoint(L, &it->u.endpoint);
        break;
    case STORE_RUN:
        set_integer(L, "released", (lua_Integer)it->u.run.run.released);
        break;
    case STORE_STEP:
        set_text(L, "earlier", it->u.step.earlier);
        free(it->u.step.earlier);
        break;
    case STORE_CHANGE:
        set_changes(L, &it->u.change);
        break;
    case STORE_TASK:
        set_integer(L, "id", (lua_Integer)it->task.id);
        break;
    case STORE_TOKEN:
        set_token(L, it);
        break;
    case STORE_RESOURCE:
        set_resource(L, &it->u.resource);
        break;
    case STORE_ERASE:
        set_erase(L, &it->u.erase);
        break;
    case STORE_SCRUB:
        set_bool(L, "is_end", it->u.scrub.is_end);
        break;
    case STORE_RESEAL:
        set_reseal(L, &it->u.reseal);
        break;
    case STORE_ROUTINE:
        set_bool(L, "is_kv_conflict", it->u.routine.is_kv_conflict);
        break;
    case STORE_LEASE:
        set_leased(L, &it->u.lease);
        break;
    case STORE_CLEAR:
        set_integer(L, "cleared_count", (lua_Integer)it->u.clear.cleared_count);
        break;
    case STORE_SPILL:
    case STORE_OP_KIND_COUNT:
        break;
    }
}

static void op_free(struct lua_op *it)
{
    if (it->u.op.kind == STORE_SETTLE)
        delivery_destroy(it->u.settle.next);
    if (it->u.op.kind == STORE_RESOURCE)
        resource_finish(&it->u.resource.first);
    store_telling_finish(&it->telling);
    event_unref(it->event);
    outbox_finish(&it->outbox);
    arena_free(&it->arena);
    free(it);
}

static void on_done(struct store_op *op)
{
    struct lua_op *it = op->ctx;
    lua_State *L = it->store->L;
    it->store->pending--;
    lua_rawgeti(L, LUA_REGISTRYINDEX, it->result);
    set_text(L, "status", status_name(op->status));
    set_results(L, it);
    lua_pop(L, 1);
    luaL_unref(L, LUA_REGISTRYINDEX, it->result);
    op_free(it);
}

struct lua_op *op_create(lua_State *L, enum store_op_kind kind)
{
    struct lua_op *it = must_alloc(sizeof *it);
    it->store = check_store(L);
    it->u.op = (struct store_op){.kind = kind, .on_done = on_done, .ctx = it};
    return it;
}

int op_submit(lua_State *L, struct lua_op *it)
{
    it->store->L = L;
    lua_newtable(L);
    lua_pushvalue(L, -1);
    it->result = luaL_ref(L, LUA_REGISTRYINDEX);
    const enum status status = store_submit(it->store->store, it->store->client, &it->u.op);
    if (status == OK) {
        it->store->pending++;
        return 1;
    }
    luaL_unref(L, LUA_REGISTRYINDEX, it->result);
    op_free(it);
    lua_pushnil(L);
    lua_pushstring(L, status_name(status));
    return 2;
}

/* ---- Events ---------------------------------------------------------------------------------- */

static struct slice field_slice(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    size_t len = 0;
    const char *text = lua_tolstring(L, -1, &len);
    lua_pop(L, 1); /* the table still holds it */
    return text ? slice_of(text, len) : slice_of("", 0);
}

static struct content *field_content(lua_State *L, int index)
{
    const struct slice body = field_slice(L, index, "body");
    struct content *content = content_create(field_slice(L, index, "head"), body.len);
    check(content && content_append(&content, body.data, body.len, BYTES_MAX) == OK);
    content->is_sealed = field_boolean(L, index, "sealed");
    return content;
}

/* Field batch = { key, max, wait_ms, quiet_ms, keeps_last } of the entry on top. */
static void field_batch(lua_State *L, struct planned_run *run)
{
    lua_getfield(L, -1, "batch");
    if (lua_istable(L, -1)) {
        const int index = lua_gettop(L);
        run->batch_key = field_slice(L, index, "key");
        run->batch = (struct batch_spec){
            .count_max = (uint32_t)field_integer(L, index, "max", 100),
            .wait_ms = field_integer(L, index, "wait_ms", 60000),
            .quiet_ms = field_integer(L, index, "quiet_ms", 0),
            .keeps_last = field_boolean(L, index, "keeps_last"),
        };
    }
    lua_pop(L, 1);
}

/* plan = { { subscription, order_key?, batch? }, … } */
static struct run_plan *field_plan(lua_State *L, int index)
{
    struct planned_run runs[LIMIT_SUBSCRIPTIONS_PER_EVENT] = {{0}};
    lua_getfield(L, index, "plan");
    const size_t count = lua_istable(L, -1) ? (size_t)luaL_len(L, -1) : 0;
    for (size_t i = 0; i < count; i++) {
        lua_geti(L, -1, (lua_Integer)i + 1);
        field_batch(L, &runs[i]);
        lua_geti(L, -1, 1);
        lua_geti(L, -2, 2);
        runs[i].subscription = (char *)(uintptr_t)luaL_checkstring(L, -2);
        runs[i].order_key.data = lua_tolstring(L, -1, &runs[i].order_key.len);
        lua_pop(L, 3);
    }
    struct run_plan *plan = count > 0 ? run_plan_create(runs, count) : NULL;
    lua_pop(L, 1);
    return plan;
}

/* Field trace: a traceparent. */
static struct trace field_trace(lua_State *L, int index)
{
    struct trace trace = {0};
    const struct slice header = field_slice(L, index, "trace");
    check(header.len == 0 || trace_parse(header, &trace));
    return trace;
}

struct event *field_event(lua_State *L, struct lua_store *store, int index)
{
    const lua_Integer id = field_integer(L, index, "id", 0);
    const uint64_t fresh = id ? (uint64_t)id : store_next_event_id(store->store, 0);
    const struct event_options options = {
        .source = field_slice(L, index, "source"),
        .type = field_slice(L, index, "type"),
        .key = field_slice(L, index, "key"),
        .content = field_content(L, index),
        .parent = (uint64_t)field_integer(L, index, "parent", 0),
        .depth = (uint32_t)field_integer(L, index, "depth", 0),
        .received_ms = field_integer(L, index, "received_ms", id_event_ms(fresh)),
        .due_ms = field_integer(L, index, "due_ms", 0),
        .trace = field_trace(L, index),
    };
    struct event *event = event_create(&options);
    check(event != NULL);
    event->id = fresh;
    event->plan = field_plan(L, index);
    return event;
}

/* ingest{ the fields of an event, window_ms, is_finished, dead_reason, published, answer_key } */
static int l_ingest(lua_State *L)
{
    struct lua_op *it = op_create(L, STORE_INGEST);
    it->event = field_event(L, it->store, 2);
    it->u.ingest.event = it->event;
    it->u.ingest.key_window_ms = field_integer(L, 2, "window_ms", 86400000);
    it->u.ingest.is_finished = field_boolean(L, 2, "is_finished");
    it->u.ingest.dead_reason = arena_field(L, &it->arena, 2, "dead_reason");
    field_published(L, it);
    const lua_Integer id = (lua_Integer)it->event->id;
    const int count = op_submit(L, it);
    if (count == 1)
        set_integer(L, "id", id);
    return count;
}

/* ---- Runs ------------------------------------------------------------------------------------ */

static void field_members(lua_State *L, struct lua_op *it, struct store_run_ref *run)
{
    lua_getfield(L, 2, "members");
    run->member_count = lua_istable(L, -1) ? (size_t)luaL_len(L, -1) : 0;
    uint64_t *members = arena_take(&it->arena, (run->member_count + 1) * sizeof *members);
    for (size_t i = 0; i < run->member_count; i++) {
        lua_geti(L, -1, (lua_Integer)i + 1);
        members[i] = (uint64_t)lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    run->members = members;
}

/* event, subscriptions = { names }, index (from 1), is_ordered, is_stored, has_steps, batch,
 * members */
static void field_run(lua_State *L, struct lua_op *it, struct store_run_ref *run)
{
    run->event = (uint64_t)field_integer(L, 2, "event", 0);
    lua_getfield(L, 2, "subscriptions");
    const size_t count = lua_istable(L, -1) ? (size_t)luaL_len(L, -1) : 0;
    const char **names = arena_take(&it->arena, (count + 1) * sizeof *names);
    for (size_t i = 0; i < count; i++) {
        lua_geti(L, -1, (lua_Integer)i + 1);
        size_t len = 0;
        const char *name = luaL_checklstring(L, -1, &len);
        char *copy = arena_take(&it->arena, len + 1);
        memcpy(copy, name, len);
        names[i] = copy;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    run->subscriptions = names;
    run->subscription_count = count;
    run->index = (size_t)field_integer(L, 2, "index", 1) - 1;
    run->is_ordered = field_boolean(L, 2, "is_ordered");
    run->has_steps = field_boolean(L, 2, "has_steps");
    run->batch = (uint64_t)field_integer(L, 2, "batch", 0);
    field_members(L, it, run);
    run->is_stored = field_boolean(L, 2, "is_stored");
}

/* The deliveries of the message whose table is on top. */
static void add_deliveries(lua_State *L, struct outbox *outbox, struct message *message)
{
    lua_getfield(L, -1, "deliveries");
    const lua_Integer count = lua_istable(L, -1) ? luaL_len(L, -1) : 0;
    for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(L, -1, i);
        const int index = lua_gettop(L);
        struct delivery *delivery =
            delivery_create((uint64_t)field_integer(L, index, "endpoint", 0), message_ref(message));
        check(delivery != NULL);
        delivery->due_ms = field_integer(L, index, "due_ms", 0);
        delivery->priority = (int)field_integer(L, index, "priority", 0);
        struct outbox_delivery entry = {.delivery = delivery};
        const struct slice key = field_slice(L, index, "order_key");
        if (key.data[0] || field_boolean(L, index, "is_ordered"))
            entry.order_key = slice_of(must_copy(key.data, key.len), key.len);
        check(outbox_add_delivery(outbox, &entry) == OK);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void add_messages(lua_State *L, struct lua_op *it, uint64_t event)
{
    lua_getfield(L, 2, "messages");
    const lua_Integer count = lua_istable(L, -1) ? luaL_len(L, -1) : 0;
    for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(L, -1, i);
        const int index = lua_gettop(L);
        const uint64_t id = event | (uint64_t)field_integer(L, index, "ordinal", i);
        const bool is_forwarded = field_boolean(L, index, "is_forwarded");
        struct message *message = message_create(id, field_slice(L, index, "type"),
                                                 field_content(L, index), is_forwarded);
        check(message != NULL);
        message->expires_ms = field_integer(L, index, "expires_ms", 0);
        check(outbox_add_message(&it->outbox, message) == OK);
        add_deliveries(L, &it->outbox, message);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void add_emits(lua_State *L, struct lua_op *it)
{
    lua_getfield(L, 2, "emits");
    const lua_Integer count = lua_istable(L, -1) ? luaL_len(L, -1) : 0;
    for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(L, -1, i);
        struct event *event = field_event(L, it->store, lua_gettop(L));
        check(outbox_add_emit(&it->outbox, event) == OK);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static char *field_copy(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    const char *text = lua_tostring(L, -1);
    char *copy = text ? strdup(text) : NULL;
    lua_pop(L, 1);
    return copy;
}

static void add_tasks(lua_State *L, struct outbox *outbox)
{
    lua_getfield(L, 2, "tasks");
    const lua_Integer count = lua_istable(L, -1) ? luaL_len(L, -1) : 0;
    for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(L, -1, i);
        const int index = lua_gettop(L);
        const struct task task = {
            .verb = (enum change_verb)field_option(L, index, "verb", change_verb_names),
            .kind = ID_EVENT,
            .source = field_copy(L, index, "source"),
            .type = field_copy(L, index, "type"),
            .wanted = -1,
        };
        check(outbox_add_task(outbox, &task) == OK);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void add_kv(lua_State *L, struct outbox *outbox)
{
    lua_getfield(L, 2, "writes");
    outbox->kv_write_count = lua_istable(L, -1) ? (size_t)luaL_len(L, -1) : 0;
    outbox->kv_writes = must_alloc((outbox->kv_write_count + 1) * sizeof *outbox->kv_writes);
    for (size_t i = 0; i < outbox->kv_write_count; i++) {
        lua_geti(L, -1, (lua_Integer)i + 1);
        const int index = lua_gettop(L);
        outbox->kv_writes[i] = (struct kv_write){
            .ns = field_copy(L, index, "ns"),
            .key = field_copy(L, index, "key"),
            .value = field_copy(L, index, "value"),
            .delta = field_integer(L, index, "delta", 0),
            .is_delta = field_integer(L, index, "delta", 0) != 0,
            .is_sealed = field_boolean(L, index, "sealed"),
            .expires_ms = field_integer(L, index, "expires_ms", 0),
        };
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    lua_getfield(L, 2, "reads");
    outbox->kv_read_count = lua_istable(L, -1) ? (size_t)luaL_len(L, -1) : 0;
    outbox->kv_reads = must_alloc((outbox->kv_read_count + 1) * sizeof *outbox->kv_reads);
    for (size_t i = 0; i < outbox->kv_read_count; i++) {
        lua_geti(L, -1, (lua_Integer)i + 1);
        const int index = lua_gettop(L);
        outbox->kv_reads[i] = (struct kv_read){
            .ns = field_copy(L, index, "ns"),
            .key = field_copy(L, index, "key"),
            .after = field_copy(L, index, "after"),
            .limit = (size_t)field_integer(L, index, "limit", 0),
            .version = (uint64_t)field_integer(L, index, "version", 0),
        };
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

void field_outbox(lua_State *L, struct lua_op *it, uint64_t event)
{
    add_messages(L, it, event);
    add_emits(L, it);
    add_tasks(L, &it->outbox);
    add_kv(L, &it->outbox);
}

/* handled{ event, subscriptions, index, number, skip, messages = { { ordinal, type, body, head,
 * is_forwarded, expires_ms, deliveries = { { endpoint, due_ms, priority, order_key,
 * is_ordered: with an empty key too } } } }, emits, tasks = { { verb, source, type } }, writes,
 * reads } */
static int l_handled(lua_State *L)
{
    struct lua_op *it = op_create(L, STORE_HANDLED);
    field_run(L, it, &it->u.handled.run);
    it->u.handled.number = (uint32_t)field_integer(L, 2, "number", 1);
    it->u.handled.skip_reason = arena_field(L, &it->arena, 2, "skip");
    it->u.handled.outbox = &it->outbox;
    field_outbox(L, it, it->u.handled.run.event);
    return op_submit(L, it);
}

/* run{ event, subscriptions, index, number, due_ms, error } */
static int l_run(lua_State *L)
{
    struct lua_op *it = op_create(L, STORE_RUN);
    field_run(L, it, &it->u.run.run);
    it->u.run.number = (uint32_t)field_integer(L, 2, "number", 1);
    it->u.run.due_ms = field_integer(L, 2, "due_ms", 0);
    it->u.run.error = arena_field(L, &it->arena, 2, "error");
    return op_submit(L, it);
}

/* step{ event, subscription, name, result } */
static int l_step(lua_State *L)
{
    struct lua_op *it = op_create(L, STORE_STEP);
    it->u.step.event = (uint64_t)field_integer(L, 2, "event", 0);
    it->u.step.subscription = arena_field(L, &it->arena, 2, "subscription");
    it->u.step.name = arena_field(L, &it->arena, 2, "name");
    it->u.step.result = arena_field(L, &it->arena, 2, "result");
    return op_submit(L, it);
}

/* ---- Deliveries ------------------------------------------------------------------------------ */

static struct slice arena_slice(lua_State *L, struct arena *arena, const char *name)
{
    const size_t len = field_slice(L, lua_gettop(L), name).len;
    const char *copy = arena_field(L, arena, lua_gettop(L), name);
    return slice_of(copy ? copy : "", len);
}

/* The attempt table is on top. */
static void field_attempt(lua_State *L, struct lua_op *it)
{
    const int index = lua_gettop(L);
    char *detail = arena_field(L, &it->arena, index, "detail");
    lua_getfield(L, index, "error");
    const bool has_error = !lua_isnil(L, -1);
    lua_pop(L, 1);
    it->attempt = (struct attempt){
        .number = (uint32_t)field_integer(L, index, "number", 1),
        .started_ms = field_integer(L, index, "started_ms", 0),
        .duration_ms = field_integer(L, index, "duration_ms", 0),
        .status = (int)field_integer(L, index, "status", 0),
        .error = has_error
                     ? (enum attempt_error)field_option(L, index, "error", attempt_error_texts)
                     : ATTEMPT_OK,
        .dns_us = field_integer(L, index, "dns_us", 0),
        .connect_us = field_integer(L, index, "connect_us", 0),
        .tls_us = field_integer(L, index, "tls_us", 0),
        .first_byte_us = field_integer(L, index, "first_byte_us", 0),
        .head = arena_slice(L, &it->arena, "head"),
        .body = arena_slice(L, &it->arena, "body"),
        .is_cut = field_boolean(L, index, "is_cut"),
        .detail = detail ? detail : "",
        .request = arena_slice(L, &it->arena, "request"),
        .decided = (enum decided_by)field_integer(L, index, "decided", 0),
    };
    it->u.settle.attempt = &it->attempt;
}

/* news = { source, type, parent, … }: an event that commits along */
static struct event *field_news(lua_State *L, struct lua_op *it)
{
    lua_getfield(L, 2, "news");
    if (lua_istable(L, -1))
        it->event = field_event(L, it->store, lua_gettop(L));
    lua_pop(L, 1);
    return it->event;
}

/* settle{ delivery, state, due_ms, reason, is_ordered, is_blocking, takes_next, leased_of,
 * registered, attempt = { … }, news } */
static int l_settle(lua_State *L)
{
    struct lua_op *it = op_create(L, STORE_SETTLE);
    it->u.settle.delivery = (uint64_t)field_integer(L, 2, "delivery", 0);
    it->u.settle.state = (enum delivery_state)field_option(L, 2, "state", delivery_state_names);
    it->u.settle.due_ms = field_integer(L, 2, "due_ms", 0);
    it->u.settle.reason = arena_field(L, &it->arena, 2, "reason");
    it->u.settle.is_ordered = field_boolean(L, 2, "is_ordered");
    it->u.settle.is_blocking = field_boolean(L, 2, "is_blocking");
    it->u.settle.takes_next = field_boolean(L, 2, "takes_next");
    it->u.settle.leased_of = (uint64_t)field_integer(L, 2, "leased_of", 0);
    it->u.settle.failing_since_ms = field_integer(L, 2, "failing_since_ms", -1);
    it->u.settle.notes_failing = it->u.settle.failing_since_ms >= 0;
    it->u.settle.registered = (uint64_t)field_integer(L, 2, "registered", 0);
    it->u.settle.news.event = field_news(L, it);
    lua_getfield(L, 2, "attempt");
    if (lua_istable(L, -1))
        field_attempt(L, it);
    lua_pop(L, 1);
    return op_submit(L, it);
}

/* spill{ { delivery, due_ms }, … } */
static int l_spill(lua_State *L)
{
    struct lua_op *it = op_create(L, STORE_SPILL);
    it->u.spill.row_count = (size_t)luaL_len(L, 2);
    it->u.spill.rows =
        arena_take(&it->arena, (it->u.spill.row_count + 1) * sizeof *it->u.spill.rows);
    for (size_t i = 0; i < it->u.spill.row_count; i++) {
        lua_geti(L, 2, (lua_Integer)i + 1);
        const int index = lua_gettop(L);
        it->u.spill.rows[i] = (struct store_spill_row){
            .delivery = (uint64_t)field_integer(L, index, "delivery", 0),
            .due_ms = field_integer(L, index, "due_ms", 0),
        };
        lua_pop(L, 1);
    }
    return op_submit(L, it);
}

/* endpoint{ name, url, keep_state, state, from, reason, news } */
static int l_endpoint(lua_State *L)
{
    struct lua_op *it = op_create(L, STORE_ENDPOINT);
    it->u.endpoint.name = arena_field(L, &it->arena, 2, "name");
    it->u.endpoint.url = arena_field(L, &it->arena, 2, "url");
    it->u.endpoint.keep_state = field_boolean(L, 2, "keep_state");
    it->u.endpoint.unblocks = field_boolean(L, 2, "unblocks");
    it->u.endpoint.reason = arena_field(L, &it->arena, 2, "reason");
    it->u.endpoint.from = (unsigned)field_integer(L, 2, "from", 0);
    it->u.endpoint.news.event = field_news(L, it);
    if (!it->u.endpoint.keep_state)
        it->u.endpoint.state =
            (enum endpoint_state)field_option(L, 2, "state", endpoint_state_names);
    return op_submit(L, it);
}

const luaL_Reg store_op_methods[] = {
    {"change", l_change},     {"clear", l_clear},     {"endpoint", l_endpoint},
    {"erase", l_erase},       {"scrub", l_scrub},     {"handled", l_handled},
    {"ingest", l_ingest},     {"lease", l_lease},     {"reseal", l_reseal},
    {"resource", l_resource}, {"routine", l_routine}, {"run", l_run},
    {"settle", l_settle},     {"spill", l_spill},     {"step", l_step},
    {"task", l_task},         {"token", l_token},     {NULL, NULL},
};
