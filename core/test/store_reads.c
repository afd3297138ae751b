/* SPDX-License-Identifier: MIT */
/* Reads from Lua: each method returns a table that gets status and results when the store
 * answers. */
#include "store_lua.h"

#include <limits.h>
#include <stdlib.h>

/* ---- Results --------------------------------------------------------------------------------- */

static void push_event(lua_State *L, const struct event *event)
{
    lua_newtable(L);
    set_integer(L, "id", (lua_Integer)event->id);
    set_integer(L, "parent", (lua_Integer)event->parent);
    set_integer(L, "depth", event->depth);
    set_integer(L, "received_ms", event->received_ms);
    set_slice(L, "source", event->source);
    set_slice(L, "type", event->type);
    set_slice(L, "key", event->key);
    set_slice(L, "head", content_head(event->content));
    set_slice(L, "body", content_body(event->content));
}

static void set_runs(lua_State *L, const struct claimed_run *runs, char *const *errors,
                     size_t count)
{
    lua_newtable(L);
    for (size_t i = 0; i < count; i++) {
        lua_newtable(L);
        set_text(L, "subscription", runs[i].subscription);
        set_text(L, "state", run_state_name(runs[i].state));
        set_integer(L, "number", runs[i].number);
        set_integer(L, "first_ordinal", runs[i].first_ordinal);
        set_integer(L, "due_ms", runs[i].due_ms);
        set_bool(L, "is_ordered", runs[i].is_ordered);
        if (runs[i].batch != 0)
            set_integer(L, "batch", (lua_Integer)runs[i].batch);
        set_text(L, "error", errors ? errors[i] : NULL);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "runs");
}

static void set_claimed_events(lua_State *L, const struct store_claim_events *claim)
{
    lua_newtable(L);
    for (size_t i = 0; i < claim->event_count; i++) {
        push_event(L, claim->events[i].event);
        set_integer(L, "due_ms", claim->events[i].due_ms);
        set_runs(L, claim->events[i].runs, NULL, claim->events[i].run_count);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "rows");
    set_integer(L, "last", (lua_Integer)claim->last);
    set_integer(L, "last_due_ms", claim->last_due_ms);
    set_bool(L, "is_end", claim->is_end);
    set_integer(L, "next_due_ms", claim->next_due_ms);
}

static void set_deliveries(lua_State *L, struct delivery *const *deliveries, size_t count)
{
    lua_newtable(L);
    for (size_t i = 0; i < count; i++) {
        const struct delivery *delivery = deliveries[i];
        lua_newtable(L);
        set_integer(L, "id", (lua_Integer)delivery->id);
        set_integer(L, "endpoint", (lua_Integer)delivery->endpoint);
        set_text(L, "state", delivery_state_name(delivery->state));
        set_integer(L, "attempts", delivery->attempts);
        set_integer(L, "due_ms", delivery->due_ms);
        set_integer(L, "created_ms", delivery->created_ms);
        set_integer(L, "previous_delay_ms", delivery->previous_delay_ms);
        if (!trace_is_none(&delivery->message->trace)) {
            char trace[TRACE_TEXT_BYTES];
            trace_format(&delivery->message->trace, trace);
            set_text(L, "trace", trace);
        }
        set_integer(L, "fresh_ms", delivery->fresh_ms);
        set_integer(L, "fresh_attempts", delivery->fresh_attempts);
        set_integer(L, "leased_ms", delivery->leased_ms);
        set_integer(L, "message", (lua_Integer)delivery->message->id);
        set_integer(L, "expires_ms", delivery->message->expires_ms);
        set_integer(L, "priority", delivery->priority);
        set_bool(L, "is_ordered", delivery->is_ordered);
        set_bool(L, "is_forwarded", delivery->message->is_forwarded);
        set_slice(L, "type", delivery->message->type);
        set_slice(L, "head", content_head(delivery->message->content));
        set_slice(L, "body", content_body(delivery->message->content));
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "rows");
}

static void set_backlog(lua_State *L, const struct store_backlog *backlog)
{
    lua_newtable(L);
    for (size_t i = 0; i < backlog->row_count; i++) {
        lua_newtable(L);
        set_integer(L, "endpoint", (lua_Integer)backlog->rows[i].endpoint);
        set_integer(L, "due_ms", backlog->rows[i].due_ms);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "rows");
}

static void push_event_row(lua_State *L, const struct event_row *row)
{
    push_event(L, row->event);
    set_text(L, "state", run_state_name(row->state));
    set_integer(L, "body_bytes", (lua_Integer)row->body_bytes);
    set_integer(L, "late", (lua_Integer)row->late);
    set_runs(L, row->runs, row->errors, row->run_count);
}

static void push_attempt(lua_State *L, const struct attempt_row *row)
{
    lua_newtable(L);
    set_integer(L, "id", (lua_Integer)row->attempt.id);
    set_integer(L, "number", row->attempt.number);
    set_integer(L, "status", row->attempt.status);
    set_text(L, "error", attempt_error_name(row->attempt.error));
    set_integer(L, "started_ms", row->attempt.started_ms);
    set_integer(L, "duration_ms", row->attempt.duration_ms);
    set_integer(L, "first_byte_us", row->attempt.first_byte_us);
    set_text(L, "state", delivery_state_name(row->state));
    set_integer(L, "next_ms", row->next_ms);
    set_bool(L, "is_cut", row->attempt.is_cut);
    set_text(L, "detail", row->attempt.detail);
    set_slice(L, "head", row->attempt.head);
    set_slice(L, "body", row->attempt.body);
    set_slice(L, "request", row->attempt.request);
    set_text(L, "decided", decided_by_name(row->attempt.decided));
}

static void push_delivery_row(lua_State *L, const struct delivery_row *row)
{
    lua_newtable(L);
    if (row->order_key)
        set_slice(L, "order_key", slice_of(row->order_key, row->order_key_len));
    set_integer(L, "priority", row->priority);
    set_integer(L, "id", (lua_Integer)row->id);
    set_integer(L, "message", (lua_Integer)row->message);
    set_integer(L, "event", (lua_Integer)row->event);
    set_integer(L, "endpoint_id", (lua_Integer)row->endpoint_id);
    set_text(L, "endpoint", row->endpoint);
    set_text(L, "type", row->type);
    set_text(L, "state", delivery_state_name(row->state));
    set_integer(L, "attempt_count", row->attempt_count);
    set_integer(L, "due_ms", row->due_ms);
    set_bool(L, "is_held", row->is_held);
    set_text(L, "reason", row->reason);
    set_integer(L, "last_status", row->last_status);
    set_text(L, "last_error", attempt_error_name(row->last_error));
    lua_newtable(L);
    for (size_t i = 0; i < row->attempt_row_count; i++) {
        push_attempt(L, &row->attempts[i]);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "attempts");
}

void set_page(lua_State *L, uint64_t last, bool is_end)
{
    lua_setfield(L, -2, "rows");
    set_integer(L, "last", (lua_Integer)last);
    set_bool(L, "is_end", is_end);
}

static void set_listed_events(lua_State *L, const struct store_list_events *list)
{
    lua_newtable(L);
    for (size_t i = 0; i < list->row_count; i++) {
        push_event_row(L, &list->rows[i]);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    set_page(L, list->last, list->is_end);
}

static void set_listed_deliveries(lua_State *L, const struct store_list_deliveries *list)
{
    lua_newtable(L);
    for (size_t i = 0; i < list->row_count; i++) {
        push_delivery_row(L, &list->rows[i]);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    set_page(L, list->last, list->is_end);
}

static void set_batch(lua_State *L, const struct store_claim_batch *claim)
{
    set_integer(L, "close_ms", claim->close_ms);
    lua_newtable(L);
    for (size_t i = 0; i < claim->member_count; i++) {
        lua_newtable(L);
        set_integer(L, "id", (lua_Integer)claim->members[i].event->id);
        set_integer(L, "first_ordinal", claim->members[i].first_ordinal);
        set_integer(L, "run_count", (lua_Integer)claim->members[i].run_count);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "members");
}

static void set_steps(lua_State *L, const struct store_list_steps *list)
{
    lua_newtable(L);
    for (size_t i = 0; i < list->row_count; i++)
        set_text(L, list->rows[i].name, list->rows[i].result);
    lua_setfield(L, -2, "steps");
}

static void set_listed_endpoints(lua_State *L, const struct store_list_endpoints *list)
{
    static const char *const states[] = {"enabled", "disabled", "paused"};
    lua_newtable(L);
    for (size_t i = 0; i < list->row_count; i++) {
        const struct endpoint_row *row = &list->rows[i];
        lua_newtable(L);
        set_integer(L, "id", (lua_Integer)row->id);
        set_text(L, "name", row->name);
        set_text(L, "state", states[row->state]);
        set_integer(L, "failing_since_ms", row->failing_since_ms);
        set_bool(L, "is_queue", row->is_queue);
        set_text(L, "reason", row->reason);
        set_integer(L, "pending", (lua_Integer)row->pending_count);
        set_integer(L, "leased", (lua_Integer)row->leased_count);
        set_integer(L, "blocking", (lua_Integer)row->blocking_count);
        set_integer(L, "oldest", (lua_Integer)row->oldest);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "rows");
    set_bool(L, "is_end", list->is_end);
}

static void set_listed_attempts(lua_State *L, const struct store_list_attempts *list)
{
    lua_newtable(L);
    for (size_t i = 0; i < list->row_count; i++) {
        push_attempt(L, &list->rows[i]);
        set_integer(L, "delivery", (lua_Integer)list->rows[i].delivery);
        set_integer(L, "message", (lua_Integer)list->rows[i].message);
        set_text(L, "endpoint", list->rows[i].endpoint);
        set_text(L, "type", list->rows[i].type);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    set_page(L, list->last, list->is_end);
}

static void set_claimed_deliveries(lua_State *L, const struct store_claim_deliveries *claim)
{
    set_deliveries(L, claim->deliveries, claim->delivery_count);
    set_bool(L, "is_end", claim->is_end);
    set_integer(L, "next_due_ms", claim->next_due_ms);
}

static void set_claimed_open(lua_State *L, const struct store_claim_open *claim)
{
    set_deliveries(L, claim->deliveries, claim->delivery_count);
    set_bool(L, "is_end", claim->is_end);
    set_integer(L, "last", (lua_Integer)claim->last);
}

static void set_event(lua_State *L, const struct store_get_event *get)
{
    push_event_row(L, &get->row);
    lua_setfield(L, -2, "row");
}

static void set_delivery(lua_State *L, const struct store_get_delivery *get)
{
    push_delivery_row(L, &get->row);
    lua_setfield(L, -2, "row");
    set_deliveries(L, (struct delivery **)(uintptr_t)&get->delivery, get->delivery ? 1 : 0);
}

static void set_results(lua_State *L, const struct lua_read *it)
{
    switch (it->u.read.kind) {
    case STORE_CLAIM_EVENTS:
        set_claimed_events(L, &it->u.claim_events);
        break;
    case STORE_CLAIM_BATCH:
        set_batch(L, &it->u.claim_batch);
        break;
    case STORE_CLAIM_DELIVERIES:
        set_claimed_deliveries(L, &it->u.claim_deliveries);
        break;
    case STORE_CLAIM_OPEN:
        set_claimed_open(L, &it->u.claim_open);
        break;
    case STORE_BACKLOG:
        set_backlog(L, &it->u.backlog);
        break;
    case STORE_LIST_EVENTS:
        set_listed_events(L, &it->u.list_events);
        break;
    case STORE_LIST_DELIVERIES:
        set_listed_deliveries(L, &it->u.list_deliveries);
        break;
    case STORE_LIST_ENDPOINTS:
        set_listed_endpoints(L, &it->u.list_endpoints);
        break;
    case STORE_GET_EVENT:
        set_event(L, &it->u.get_event);
        break;
    case STORE_GET_DELIVERY:
        set_delivery(L, &it->u.get_delivery);
        break;
    case STORE_GET_KV:
    case STORE_LIST_KV:
        set_kv_read(L, it);
        break;
    case STORE_LIST_TOKENS:
        set_tokens(L, &it->u.list_tokens);
        break;
    case STORE_COUNT_SECRETS:
        set_secret_counts(L, &it->u.count_secrets);
        break;
    case STORE_LIST_RESOURCES:
        set_resources(L, &it->u.list_resources);
        break;
    case STORE_LIST_PUBLISHED:
    case STORE_LIST_DESTINATIONS:
    case STORE_LIST_SENT:
    case STORE_COUNT_SENT:
    case STORE_LIST_TRIED:
        set_published_read(L, it);
        break;
    case STORE_LIST_ROUTINES:
        set_routines(L, &it->u.list_routines);
        break;
    case STORE_LIST_STEPS:
        set_steps(L, &it->u.list_steps);
        break;
    case STORE_LIST_ATTEMPTS:
        set_listed_attempts(L, &it->u.list_attempts);
        break;
    case STORE_LIST_TASKS:
        set_listed_tasks(L, &it->u.list_tasks);
        break;
    case STORE_READ_KIND_COUNT:
        break;
    }
}

static void on_done(struct store_read *read)
{
    struct lua_read *it = read->ctx;
    lua_State *L = it->store->L;
    it->store->pending--;
    lua_rawgeti(L, LUA_REGISTRYINDEX, it->result);
    set_text(L, "status", status_name(read->status));
    set_integer(L, "turn", ++it->store->read_count);
    if (read->status == OK)
        set_results(L, it);
    else
        set_text(L, "text", read->err.text);
    lua_pop(L, 1);
    luaL_unref(L, LUA_REGISTRYINDEX, it->result);
    store_read_finish(read);
    arena_free(&it->arena);
    free(it);
}

struct lua_read *read_create(lua_State *L, enum store_read_kind kind)
{
    struct lua_read *it = must_alloc(sizeof *it);
    it->store = check_store(L);
    it->u.read = (struct store_read){
        .kind = kind,
        .on_done = on_done,
        .ctx = it,
        .owner = lua_istable(L, 2) ? (uint64_t)field_integer(L, 2, "owner_id", 0) : 0,
    };
    return it;
}

int read_start(lua_State *L, struct lua_read *it)
{
    it->store->L = L;
    lua_newtable(L);
    lua_pushvalue(L, -1);
    it->result = luaL_ref(L, LUA_REGISTRYINDEX);
    const enum status status = store_read(it->store->store, it->store->client, &it->u.read);
    if (status == OK) {
        it->store->pending++;
        return 1;
    }
    luaL_unref(L, LUA_REGISTRYINDEX, it->result);
    arena_free(&it->arena);
    free(it);
    lua_pushnil(L);
    lua_pushstring(L, status_name(status));
    return 2;
}

/* ---- Methods --------------------------------------------------------------------------------- */

static int l_claim_events(lua_State *L)
{
    struct lua_read *it = read_create(L, STORE_CLAIM_EVENTS);
    struct store_claim_events *claim = &it->u.claim_events;
    claim->only = (uint64_t)field_integer(L, 2, "only", 0);
    claim->is_timed = field_boolean(L, 2, "is_timed");
    claim->after_due_ms = field_integer(L, 2, "after_due_ms", 0);
    claim->after = (uint64_t)field_integer(L, 2, "after", 0);
    claim->modulus = (unsigned)field_integer(L, 2, "modulus", 1);
    claim->remainder = (unsigned)field_integer(L, 2, "remainder", 0);
    claim->now_ms = field_integer(L, 2, "now_ms", INT64_MAX);
    claim->count_max = (size_t)field_integer(L, 2, "count_max", 1000);
    claim->bytes_max = (size_t)field_integer(L, 2, "bytes_max", 1 << 24);
    return read_start(L, it);
}

static int l_claim_batch(lua_State *L)
{
    struct lua_read *it = read_create(L, STORE_CLAIM_BATCH);
    it->u.claim_batch.batch = (uint64_t)field_integer(L, 2, "batch", 0);
    it->u.claim_batch.event = (uint64_t)field_integer(L, 2, "event", 0);
    it->u.claim_batch.subscription = arena_field(L, &it->arena, 2, "subscription");
    return read_start(L, it);
}

static int l_claim_deliveries(lua_State *L)
{
    struct lua_read *it = read_create(L, STORE_CLAIM_DELIVERIES);
    struct store_claim_deliveries *claim = &it->u.claim_deliveries;
    claim->endpoint = (uint64_t)field_integer(L, 2, "endpoint", 0);
    claim->now_ms = field_integer(L, 2, "now_ms", INT64_MAX);
    claim->above = (int)field_integer(L, 2, "above", INT_MIN);
    claim->is_urgent = claim->above > INT_MIN;
    field_leased(L, &it->arena, claim);
    claim->count_max = (size_t)field_integer(L, 2, "count_max", 1000);
    claim->bytes_max = (size_t)field_integer(L, 2, "bytes_max", 1 << 24);
    return read_start(L, it);
}

static int l_claim_open(lua_State *L)
{
    struct lua_read *it = read_create(L, STORE_CLAIM_OPEN);
    struct store_claim_open *claim = &it->u.claim_open;
    claim->after = (uint64_t)field_integer(L, 2, "after", 0);
    claim->modulus = (unsigned)field_integer(L, 2, "modulus", 1);
    claim->remainder = (unsigned)field_integer(L, 2, "remainder", 0);
    claim->count_max = (size_t)field_integer(L, 2, "count_max", 1000);
    claim->bytes_max = (size_t)field_integer(L, 2, "bytes_max", 1 << 24);
    return read_start(L, it);
}

static int l_backlog(lua_State *L)
{
    return read_start(L, read_create(L, STORE_BACKLOG));
}

static void field_query(lua_State *L, struct arena *arena, struct store_list_query *query,
                        const char *const *states)
{
    query->limit = (size_t)field_integer(L, 2, "limit", 100);
    query->before = (uint64_t)field_integer(L, 2, "before", 0);
    query->after = (uint64_t)field_integer(L, 2, "after", 0);
    query->source = arena_field(L, arena, 2, "source");
    query->type = arena_field(L, arena, 2, "type");
    query->endpoint = arena_field(L, arena, 2, "endpoint");
    query->event = (uint64_t)field_integer(L, 2, "event", 0);
    query->message = (uint64_t)field_integer(L, 2, "message", 0);
    query->contains = arena_field(L, arena, 2, "contains");
    query->is_backward = field_boolean(L, 2, "is_backward");
    lua_getfield(L, 2, "state");
    const bool has_state = !lua_isnil(L, -1);
    lua_pop(L, 1);
    query->state = has_state ? field_option(L, 2, "state", states) : -1;
}

static int l_list_events(lua_State *L)
{
    struct lua_read *it = read_create(L, STORE_LIST_EVENTS);
    field_query(L, &it->arena, &it->u.list_events.query, run_state_texts);
    it->u.list_events.query.lateness =
        (enum store_lateness)field_integer(L, 2, "lateness", LATE_TOO);
    return read_start(L, it);
}

static int l_list_deliveries(lua_State *L)
{
    struct lua_read *it = read_create(L, STORE_LIST_DELIVERIES);
    field_query(L, &it->arena, &it->u.list_deliveries.query, delivery_state_names);
    return read_start(L, it);
}

/* list_endpoints{ limit, before, after, is_backward }; without limit: all, by id */
static int l_list_endpoints(lua_State *L)
{
    struct lua_read *it = read_create(L, STORE_LIST_ENDPOINTS);
    struct store_list_endpoints *list = &it->u.list_endpoints;
    list->query = store_all_endpoints();
    if (lua_istable(L, 2) && field_integer(L, 2, "limit", 0) > 0) {
        list->query.limit = (size_t)field_integer(L, 2, "limit", 0);
        list->query.before = (uint64_t)field_integer(L, 2, "before", 0);
        list->query.after = (uint64_t)field_integer(L, 2, "after", 0);
        list->query.is_backward = field_boolean(L, 2, "is_backward");
    }
    return read_start(L, it);
}

static int l_get_event(lua_State *L)
{
    struct lua_read *it = read_create(L, STORE_GET_EVENT);
    it->u.get_event.id = (uint64_t)luaL_checkinteger(L, 2);
    return read_start(L, it);
}

static int l_get_delivery(lua_State *L)
{
    struct lua_read *it = read_create(L, STORE_GET_DELIVERY);
    it->u.get_delivery.id = (uint64_t)luaL_checkinteger(L, 2);
    it->u.get_delivery.wants_message = true;
    return read_start(L, it);
}

static int l_list_steps(lua_State *L)
{
    struct lua_read *it = read_create(L, STORE_LIST_STEPS);
    struct store_list_steps *list = &it->u.list_steps;
    list->event = (uint64_t)field_integer(L, 2, "event", 0);
    list->subscription = arena_field(L, &it->arena, 2, "subscription");
    return read_start(L, it);
}

/* list_attempts{ limit, before, after, is_backward, endpoint, state, type, status_from, status_to,
 * error, only } */
static int l_list_attempts(lua_State *L)
{
    struct lua_read *it = read_create(L, STORE_LIST_ATTEMPTS);
    struct store_list_attempts *list = &it->u.list_attempts;
    field_query(L, &it->arena, &list->query, delivery_state_names);
    list->status_from = (int)field_integer(L, 2, "status_from", 0);
    list->status_to = (int)field_integer(L, 2, "status_to", 0);
    list->error = (int)field_integer(L, 2, "error", -1);
    list->only = (uint64_t)field_integer(L, 2, "only", 0);
    return read_start(L, it);
}

/* list_tasks{ limit, before, after, is_backward, only, running = boolean } */
static int l_list_tasks(lua_State *L)
{
    struct lua_read *it = read_create(L, STORE_LIST_TASKS);
    struct store_list_tasks *list = &it->u.list_tasks;
    list->only = (uint64_t)field_integer(L, 2, "only", 0);
    list->query = (struct store_list_query){
        .limit = (size_t)field_integer(L, 2, "limit", 100),
        .before = (uint64_t)field_integer(L, 2, "before", 0),
        .after = (uint64_t)field_integer(L, 2, "after", 0),
        .is_backward = field_boolean(L, 2, "is_backward"),
        .state = field_boolean(L, 2, "running") ? TASK_RUNNING : -1,
    };
    return read_start(L, it);
}

const luaL_Reg store_read_methods[] = {
    {"backlog", l_backlog},
    {"claim_batch", l_claim_batch},
    {"claim_deliveries", l_claim_deliveries},
    {"claim_events", l_claim_events},
    {"claim_open", l_claim_open},
    {"get_delivery", l_get_delivery},
    {"get_event", l_get_event},
    {"get_kv", l_get_kv},
    {"list_attempts", l_list_attempts},
    {"list_deliveries", l_list_deliveries},
    {"list_endpoints", l_list_endpoints},
    {"list_events", l_list_events},
    {"list_kv", l_list_kv},
    {"count_secrets", l_count_secrets},
    {"list_resources", l_list_resources},
    {"list_published", l_list_published},
    {"list_destinations", l_list_destinations},
    {"list_sent", l_list_sent},
    {"count_sent", l_count_sent},
    {"list_tried", l_list_tried},
    {"list_routines", l_list_routines},
    {"list_steps", l_list_steps},
    {"list_tasks", l_list_tasks},
    {"list_tokens", l_list_tokens},
    {NULL, NULL},
};
