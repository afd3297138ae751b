/* SPDX-License-Identifier: MIT */
/* anzol.events and anzol.deliveries in a test: the outer state holds what there is, a page of it is
 * picked here as the store picks one: newest first, by the same filters. */
#include "testing/testing_int.h"

#include <stdlib.h>

/* A row that is wanted: its place in the outer state's list. */
struct match {
    uint64_t id;
    lua_Integer place;
};

struct matches {
    struct match *list; /* owned */
    size_t count;
};

static int newest_first(const void *a, const void *b)
{
    const uint64_t left = ((const struct match *)a)->id;
    const uint64_t right = ((const struct match *)b)->id;
    return left < right ? 1 : left > right ? -1 : 0;
}

static bool is_text(const char *wanted, struct slice text)
{
    return !wanted || slice_is(text, wanted);
}

static bool is_type(const char *pattern, struct slice type)
{
    return !pattern || event_pattern_matches(slice_str(pattern), type);
}

static bool is_in_range(const struct store_list_query *query, uint64_t id)
{
    return (query->before == 0 || id < query->before) && id > query->after;
}

/* ---- Events ---- */

/* The row on top: { event, state }. */
static struct event *event_of_row(lua_State *L)
{
    lua_getfield(L, -1, "event");
    struct event *event = event_handle_check(L, -1);
    lua_pop(L, 1); /* the row holds it */
    return event;
}

static enum run_state state_of_row(lua_State *L)
{
    enum run_state state = RUN_PENDING;
    check(run_state_parse(field_text(L, lua_gettop(L), "state").data, &state));
    return state;
}

static uint64_t match_event(lua_State *L, const struct store_list_query *query)
{
    const struct event *event = event_of_row(L);
    const bool is_wanted = is_in_range(query, event->id) && is_text(query->source, event->source) &&
                           is_type(query->type, event->type) &&
                           (query->state < 0 || (int)state_of_row(L) == query->state);
    return is_wanted ? event->id : 0;
}

static struct event_row make_event_row(lua_State *L)
{
    struct event *event = event_of_row(L);
    return (struct event_row){.event = event_ref(event),
                              .state = state_of_row(L),
                              .body_bytes = content_body(event->content).len};
}

/* ---- Deliveries ---- */

/* The row on top: { delivery, reason?, due_ms?, status?, error? }. */
static const struct delivery *delivery_of_row(lua_State *L, const struct endpoint_spec **endpoint)
{
    lua_getfield(L, -1, "delivery");
    const struct delivery *delivery = delivery_handle_check(L, -1, endpoint);
    lua_pop(L, 1); /* the row holds it */
    return delivery;
}

/* That an attempt is under way is never stored. */
static enum delivery_state stored_state(const struct delivery *delivery)
{
    if (delivery->state != DELIVERY_IN_FLIGHT)
        return delivery->state;
    return delivery->attempts > 0 ? DELIVERY_RETRYING : DELIVERY_PENDING;
}

static uint64_t match_delivery(lua_State *L, const struct store_list_query *query)
{
    const struct endpoint_spec *endpoint;
    const struct delivery *delivery = delivery_of_row(L, &endpoint);
    const bool is_wanted = is_in_range(query, delivery->id) &&
                           is_text(query->endpoint, slice_str(endpoint->name)) &&
                           is_type(query->type, delivery->message->type) &&
                           (query->state < 0 || (int)stored_state(delivery) == query->state);
    return is_wanted ? delivery->id : 0;
}

static struct delivery_row make_delivery_row(lua_State *L)
{
    const struct endpoint_spec *endpoint;
    const struct delivery *delivery = delivery_of_row(L, &endpoint);
    const struct message *message = delivery->message;
    const int row = lua_gettop(L);
    const struct slice reason = field_text(L, row, "reason");
    return (struct delivery_row){
        .id = delivery->id,
        .message = message->id,
        .event = id_event_of(message->id),
        .endpoint_id = endpoint->id,
        .endpoint = must_copy(endpoint->name, strlen(endpoint->name)),
        .type = must_copy(message->type.data, message->type.len),
        .state = stored_state(delivery),
        .attempt_count = delivery->attempts,
        .due_ms = field_integer(L, row, "due_ms", 0),
        .reason = reason.len > 0 ? must_copy(reason.data, reason.len) : NULL,
        .last_status = (int)field_integer(L, row, "status", 0),
        .last_error = attempt_error_check(L, field_text(L, row, "error")),
    };
}

/* ---- A page ---- */

/* Of the list on top, what the query wants, newest first. */
static struct matches find_matches(lua_State *L, const struct store_list_query *query,
                                   uint64_t (*match)(lua_State *L, const struct store_list_query *))
{
    const lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    struct matches matches = {.list = must_alloc(((size_t)count + 1) * sizeof *matches.list)};
    for (lua_Integer place = 1; place <= count; place++) {
        lua_rawgeti(L, -1, place);
        const uint64_t id = match(L, query);
        if (id != 0)
            matches.list[matches.count++] = (struct match){id, place};
        lua_pop(L, 1);
    }
    qsort(matches.list, matches.count, sizeof *matches.list, newest_first);
    return matches;
}

/* How many of them the page holds; *last: where the next one goes on. */
static size_t cut_page(const struct matches *matches, const struct store_list_query *query,
                       uint64_t *last, bool *is_end)
{
    const size_t count = matches->count < query->limit ? matches->count : query->limit;
    *last = count > 0 ? matches->list[count - 1].id : query->before;
    *is_end = count == matches->count;
    return count;
}

static void answer_events(lua_State *L, struct store_list_events *list)
{
    const struct matches matches = find_matches(L, &list->query, match_event);
    const size_t count = cut_page(&matches, &list->query, &list->last, &list->is_end);
    list->rows = must_alloc((count + 1) * sizeof *list->rows);
    for (; list->row_count < count; list->row_count++) {
        lua_rawgeti(L, -1, matches.list[list->row_count].place);
        list->rows[list->row_count] = make_event_row(L);
        lua_pop(L, 1);
    }
    free(matches.list);
}

static void answer_deliveries(lua_State *L, struct store_list_deliveries *list)
{
    const struct matches matches = find_matches(L, &list->query, match_delivery);
    const size_t count = cut_page(&matches, &list->query, &list->last, &list->is_end);
    list->rows = must_alloc((count + 1) * sizeof *list->rows);
    for (; list->row_count < count; list->row_count++) {
        lua_rawgeti(L, -1, matches.list[list->row_count].place);
        list->rows[list->row_count] = make_delivery_row(L);
        lua_pop(L, 1);
    }
    free(matches.list);
}

enum status list_answer(struct project *project, struct store_read *read)
{
    lua_State *L = project->L;
    const int top = lua_gettop(L);
    const bool is_events = read->kind == STORE_LIST_EVENTS;
    project_push_slot(L, project, SLOT_ROWS);
    lua_pushstring(L, is_events ? "events" : "deliveries");
    if (lua_pcall(L, 1, 1, 0) != LUA_OK || lua_type(L, -1) != LUA_TTABLE) {
        lua_settop(L, top);
        return err_set(&read->err, E_CANCELLED, "the test is over");
    }
    if (is_events)
        answer_events(L, container_of(read, struct store_list_events, read));
    else
        answer_deliveries(L, container_of(read, struct store_list_deliveries, read));
    lua_settop(L, top);
    return OK;
}
