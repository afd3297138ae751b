/* SPDX-License-Identifier: MIT */
/* anzol.events{…} and anzol.deliveries{…}: iterators over what the store holds, newest first. They
 * read a page at a time, and wait for it; leaving the loop frees the page. */
#include "base/clock.h"
#include "script/bind_int.h"
#include "script/fields.h"

#define PAGE_ROWS 100

struct listing {
    enum store_read_kind kind;
    int state; /* -1: any */
    uint64_t before, after;
    size_t left; /* rows still wanted */
    size_t position;
    bool is_end; /* behind this page there is nothing */
    bool is_fetching;
};

enum uservalue { VALUE_PAGE = 1, VALUE_SOURCE, VALUE_TYPE, VALUE_ENDPOINT, VALUE_COUNT };

static int l_close(lua_State *L)
{
    struct listing *listing = lua_touserdata(L, 1);
    if (lua_getiuservalue(L, 1, VALUE_PAGE) == LUA_TUSERDATA && !listing->is_fetching)
        pending_close(L, -1);
    listing->left = 0;
    lua_pushnil(L);
    lua_setiuservalue(L, 1, VALUE_PAGE);
    return 0;
}

static const luaL_Reg meta[] = {{"__close", l_close}, {NULL, NULL}};
static const struct object_kind listing_kind = {"anzol.listing", meta, NULL};

/* ---- Rows ---- */

/* 0: there is none. */
static void set_id_if(lua_State *L, const char *name, enum id_kind kind, uint64_t id)
{
    if (id != 0)
        set_id(L, name, kind, id);
}

static void push_event_row(lua_State *L, const struct event_row *row)
{
    const struct event *event = row->event;
    lua_createtable(L, 0, 8);
    set_id_if(L, "id", ID_EVENT, event->id);
    set_id_if(L, "parent_id", ID_EVENT, event->parent);
    set_text(L, "source", event->source.data);
    set_text(L, "type", event->type.data);
    set_text(L, "state", run_state_name(row->state));
    set_integer(L, "received_at_ms", event->received_ms);
    set_integer(L, "body_bytes", (lua_Integer)row->body_bytes);
    if (event->key.len > 0)
        set_text(L, "idempotency_key", event->key.data);
}

static void push_delivery_row(lua_State *L, const struct delivery_row *row)
{
    const bool is_open = row->state == DELIVERY_PENDING || row->state == DELIVERY_RETRYING;
    lua_createtable(L, 0, 13);
    set_id_if(L, "id", ID_DELIVERY, row->id);
    set_id_if(L, "event_id", ID_EVENT, row->event);
    set_id_if(L, "message_id", ID_MESSAGE, row->message);
    set_id_if(L, "endpoint_id", ID_ENDPOINT, row->endpoint_id);
    set_text(L, "endpoint", row->endpoint);
    set_text(L, "type", row->type);
    set_text(L, "state", delivery_state_name(row->state));
    set_integer(L, "created_at_ms", clock_wall_of_due(id_row_ms(row->id)));
    set_integer(L, "attempt_count", row->attempt_count);
    if (row->attempt_count > 0 && row->last_status > 0)
        set_integer(L, "last_status", row->last_status);
    if (row->attempt_count > 0 && row->last_error != ATTEMPT_OK)
        set_text(L, "last_error", attempt_error_name(row->last_error));
    if (is_open && row->due_ms > 0)
        set_integer(L, "next_attempt_at_ms", clock_wall_of_due(row->due_ms));
    set_text(L, "reason", row->reason);
}

/* ---- Walking ---- */

static bool push_row(lua_State *L, struct listing *listing, const struct pending_read *page)
{
    const size_t position = listing->position;
    if (listing->kind == STORE_LIST_EVENTS && position < page->of.events.row_count)
        push_event_row(L, &page->of.events.rows[position]);
    else if (listing->kind == STORE_LIST_DELIVERIES && position < page->of.deliveries.row_count)
        push_delivery_row(L, &page->of.deliveries.rows[position]);
    else
        return false;
    listing->position++;
    listing->left--;
    return true;
}

static int go_on(lua_State *L);

static int finish_page(lua_State *L, int status, lua_KContext index)
{
    (void)status;
    struct listing *listing = lua_touserdata(L, lua_upvalueindex(1));
    listing->is_fetching = false;
    const struct pending_read *page = pending_check(L, (int)index);
    const bool is_events = listing->kind == STORE_LIST_EVENTS;
    listing->before = is_events ? page->of.events.last : page->of.deliveries.last;
    listing->is_end = is_events ? page->of.events.is_end : page->of.deliveries.is_end;
    listing->position = 0;
    lua_settop(L, (int)index);
    lua_setiuservalue(L, lua_upvalueindex(1), VALUE_PAGE);
    return go_on(L);
}

/* NULL: not given. */
static const char *kept_text(lua_State *L, struct pending_read *page, enum uservalue which)
{
    const bool is_given = lua_getiuservalue(L, lua_upvalueindex(1), (int)which) == LUA_TSTRING;
    const char *text = is_given ? pending_text(L, page, lua_tostring(L, -1)) : NULL;
    lua_pop(L, 1);
    return text;
}

static int fetch(lua_State *L, struct listing *listing)
{
    const bool is_events = listing->kind == STORE_LIST_EVENTS;
    struct strand *strand =
        strand_check_may_wait(L, is_events ? "anzol.events" : "anzol.deliveries");
    struct pending_read *page = pending_push(L, listing->kind);
    struct store_list_query *query =
        is_events ? &page->of.events.query : &page->of.deliveries.query;
    *query = (struct store_list_query){
        .limit = listing->left < PAGE_ROWS ? listing->left : PAGE_ROWS,
        .before = listing->before,
        .after = listing->after,
        .source = kept_text(L, page, VALUE_SOURCE),
        .type = kept_text(L, page, VALUE_TYPE),
        .endpoint = kept_text(L, page, VALUE_ENDPOINT),
        .state = listing->state,
    };
    listing->is_fetching = true;
    return pending_wait(L, strand, page, finish_page);
}

static int go_on(lua_State *L)
{
    struct listing *listing = lua_touserdata(L, lua_upvalueindex(1));
    const bool has_page = lua_getiuservalue(L, lua_upvalueindex(1), VALUE_PAGE) == LUA_TUSERDATA;
    if (listing->left == 0)
        return 0;
    if (has_page && push_row(L, listing, *(struct pending_read **)lua_touserdata(L, -1)))
        return 1;
    if (listing->is_end)
        return 0;
    if (listing->is_fetching)
        return luaL_error(L, "one iterator cannot be used by two at a time");
    lua_settop(L, 0);
    return fetch(L, listing);
}

static int l_next(lua_State *L)
{
    lua_settop(L, 0);
    return go_on(L);
}

/* ---- Beginning ---- */

static const char *const event_options[] = {
    "limit", "since_ms", "source", "state", "type", "until_ms", NULL,
};
static const char *const delivery_options[] = {
    "endpoint", "limit", "since_ms", "state", "type", "until_ms", NULL,
};

static int event_state(const char *name)
{
    enum run_state state;
    return run_state_parse(name, &state) ? (int)state : -1;
}

static int delivery_state(const char *name)
{
    enum delivery_state state;
    return delivery_state_parse(name, &state) ? (int)state : -1;
}

static void read_state(lua_State *L, const struct options *options, struct listing *listing)
{
    const bool is_events = listing->kind == STORE_LIST_EVENTS;
    const char *name = option_check_text(L, options, "state", NULL);
    listing->state = -1;
    if (!name)
        return;
    listing->state = is_events ? event_state(name) : delivery_state(name);
    if (listing->state < 0)
        (void)option_error(L, options, "state",
                           is_events ? "pending, retrying, handled, skipped or dead"
                                     : "pending, retrying, in_flight, succeeded, dead or "
                                       "cancelled");
}

static void read_range(lua_State *L, const struct options *options, struct listing *listing)
{
    const struct range instants = {0, INT64_C(1) << 42};
    const bool is_events = listing->kind == STORE_LIST_EVENTS;
    int64_t since_ms = option_check_integer(L, options, "since_ms", instants, 0);
    int64_t until_ms = option_check_integer(L, options, "until_ms", instants, instants.most);
    since_ms = clock_due_of_wall(since_ms);
    if (until_ms < instants.most)
        until_ms = clock_due_of_wall(until_ms);
    if (since_ms > ID_EPOCH_MS)
        listing->after = (is_events ? id_event_at(since_ms) : id_row_at(since_ms)) - 1;
    if (until_ms < instants.most)
        listing->before = is_events ? id_event_at(until_ms) : id_row_at(until_ms);
    if (until_ms <= ID_EPOCH_MS)
        listing->left = 0;
}

static void keep_text(lua_State *L, const struct options *options, const char *name,
                      enum uservalue which)
{
    lua_pushstring(L, option_check_text(L, options, name, NULL));
    lua_setiuservalue(L, -2, (int)which);
}

static int begin(lua_State *L, enum store_read_kind kind, const char *what)
{
    const bool is_events = kind == STORE_LIST_EVENTS;
    const struct options options = {.index = 1, .what = what};
    const struct range limits = {1, LUA_MAXINTEGER};
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    options_check_names(L, &options, is_events ? event_options : delivery_options, NULL);
    struct listing *listing = object_push(L, &listing_kind, sizeof *listing, VALUE_COUNT - 1);
    listing->kind = kind;
    listing->left = (size_t)option_check_integer(L, &options, "limit", limits, LUA_MAXINTEGER);
    read_state(L, &options, listing);
    read_range(L, &options, listing);
    keep_text(L, &options, is_events ? "source" : "endpoint",
              is_events ? VALUE_SOURCE : VALUE_ENDPOINT);
    (void)option_check_pattern(L, &options, "type");
    keep_text(L, &options, "type", VALUE_TYPE);
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, l_next, 1);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushvalue(L, 2); /* closes it with the loop */
    return 4;
}

static int l_events(lua_State *L)
{
    return begin(L, STORE_LIST_EVENTS, "anzol.events");
}

static int l_deliveries(lua_State *L)
{
    return begin(L, STORE_LIST_DELIVERIES, "anzol.deliveries");
}

void open_list(lua_State *L)
{
    object_open(L, &listing_kind);
    lua_pushcfunction(L, l_events);
    lua_setfield(L, -2, "events");
    lua_pushcfunction(L, l_deliveries);
    lua_setfield(L, -2, "deliveries");
}
