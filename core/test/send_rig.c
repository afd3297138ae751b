/* SPDX-License-Identifier: MIT */
/* rig{seed=} -> a sender over a store in memory, on a loop of its own that rig:run turns. */
#include "send_rig_whole_int.h"

#include "base/clock.h"
#include "signature/signature.h"

#include <stdlib.h>

#define RIG_METATABLE "anzol_test.send.rig"
#define WAKE_MS 2
#define HEAD_BYTES_MAX (1u << 20)

struct rig *check_rig(lua_State *L)
{
    struct rig *rig = luaL_checkudata(L, 1, RIG_METATABLE);
    luaL_argcheck(L, rig->is_open, 1, "the rig is closed");
    rig->L = L;
    return rig;
}

/* ---- Hooks -------------------------------------------------------------------------------------
 */

/* Pushes the hook of that name; false: there is none. */
static bool push_hook(const struct rig *rig, const char *name)
{
    lua_State *L = rig->L;
    if (rig->hooks == LUA_NOREF)
        return false;
    lua_rawgeti(L, LUA_REGISTRYINDEX, rig->hooks);
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
    if (lua_isfunction(L, -1))
        return true;
    lua_pop(L, 1);
    return false;
}

/* transform(body) -> nil (as it is) | {body=, headers=} | {skip=reason} | {error=text} */
static enum status on_transform(void *ctx, const struct endpoint_spec *endpoint,
                                const struct delivery *delivery, struct outgoing *outgoing,
                                struct err *err)
{
    (void)endpoint;
    (void)delivery;
    struct rig *rig = ctx;
    lua_State *L = rig->L;
    enum status status = OK;
    size_t len;
    if (!push_hook(rig, "transform"))
        return OK;
    lua_pushlstring(L, outgoing->body.data, outgoing->body.len);
    lua_call(L, 1, 1);
    if (lua_istable(L, -1)) {
        const int index = lua_gettop(L);
        lua_getfield(L, index, "skip");
        lua_getfield(L, index, "error");
        lua_getfield(L, index, "body");
        if (lua_isstring(L, -3)) {
            outgoing->is_skipped = true;
            (void)snprintf(outgoing->reason, sizeof outgoing->reason, "%s", lua_tostring(L, -3));
        } else if (lua_isstring(L, -2)) {
            status = err_set(err, E_INVALID, "%s", lua_tostring(L, -2));
        } else {
            struct buf head;
            buf_init(&head, HEAD_BYTES_MAX);
            get_head(L, index, "headers", &head);
            const char *body = luaL_checklstring(L, -1, &len);
            outgoing->replaced = content_create(buf_slice(&head), len);
            check(content_append(&outgoing->replaced, body, len, len) == OK);
            outgoing->head = content_head(outgoing->replaced);
            outgoing->body = content_body(outgoing->replaced);
            buf_finish(&head);
        }
        lua_pop(L, 3);
    }
    lua_pop(L, 1);
    return status;
}

/* success(status) -> boolean */
static bool on_success(void *ctx, const struct endpoint_spec *endpoint, int status)
{
    (void)endpoint;
    const struct rig *rig = ctx;
    if (!push_hook(rig, "success"))
        return status_is_success(status);
    lua_pushinteger(rig->L, status);
    lua_call(rig->L, 1, 1);
    const bool is_success = lua_toboolean(rig->L, -1);
    lua_pop(rig->L, 1);
    return is_success;
}

/* retry(attempt) -> nil | seconds | false, reason */
static void on_retry(void *ctx, const struct endpoint_spec *endpoint, const struct attempt *attempt,
                     const struct delivery *delivery, struct retry_decision *decision)
{
    (void)endpoint;
    (void)delivery;
    struct rig *rig = ctx;
    lua_State *L = rig->L;
    decision->verdict = RETRY_DEFAULT;
    if (!push_hook(rig, "retry"))
        return;
    push_attempt(L, attempt);
    lua_call(L, 1, 2);
    if (lua_isnumber(L, -2)) {
        decision->verdict = RETRY_AFTER;
        decision->delay_ms = (int64_t)(lua_tonumber(L, -2) * 1000);
    } else if (lua_isboolean(L, -2)) {
        decision->verdict = RETRY_STOP;
        (void)snprintf(decision->reason, sizeof decision->reason, "%s", luaL_optstring(L, -1, ""));
    }
    lua_pop(L, 2);
}

static void on_settled(void *ctx, const struct endpoint_spec *endpoint,
                       const struct delivery *delivery, const struct attempt *attempt)
{
    struct rig *rig = ctx;
    if (!push_hook(rig, "settled"))
        return;
    lua_pushstring(rig->L, endpoint->name);
    lua_pushinteger(rig->L, (lua_Integer)delivery->id);
    push_attempt(rig->L, attempt);
    lua_call(rig->L, 3, 0);
}

static bool is_gone(void *ctx, uint64_t endpoint)
{
    const struct rig *rig = ctx;
    return rig->are_gone[endpoint];
}

static const struct sender_hooks sender_hooks = {.transform = on_transform,
                                                 .success = on_success,
                                                 .retry = on_retry,
                                                 .is_gone = is_gone,
                                                 .on_settled = on_settled};

/* rig:hooks{transform=, success=, retry=, settled=} */
static int l_hooks(lua_State *L)
{
    struct rig *rig = check_rig(L);
    luaL_unref(L, LUA_REGISTRYINDEX, rig->hooks);
    lua_settop(L, 2);
    rig->hooks = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* ---- Endpoints ---------------------------------------------------------------------------------
 */

/* rig:endpoints{{…}, …}: the next generation. state = "disabled" | "paused" */
static int l_endpoints(lua_State *L)
{
    struct rig *rig = check_rig(L);
    const size_t count = (size_t)luaL_len(L, 2);
    struct endpoint_standing standings[256];
    luaL_argcheck(L, count < array_count(standings), 2, "too many endpoints");
    struct registry *registry = registry_create(rig->registry ? rig->registry->generation + 1 : 1);
    registry->signer_destroy = signer_unref;
    registry->verifier_destroy = verifier_unref;
    registry->endpoints = calloc(count + 1, sizeof *registry->endpoints);
    registry->endpoint_count = count;
    for (size_t i = 0; i < count; i++) {
        lua_geti(L, 2, (lua_Integer)i + 1);
        read_endpoint(L, 3, &registry->endpoints[i]);
        registry->endpoints[i].gate = gate_of(rig, registry->endpoints[i].id);
        char *state = get_copy(L, 3, "state", "");
        standings[i] =
            (struct endpoint_standing){.state = strcmp(state, "disabled") == 0 ? ENDPOINT_DISABLED
                                                : strcmp(state, "paused") == 0 ? ENDPOINT_PAUSED
                                                                               : ENDPOINT_ENABLED,
                                       .failing_since_ms = get_integer(L, 3, "failing_since_ms", 0),
                                       .turn = ++rig->store.last_turn};
        free(state);
        lua_pop(L, 1);
    }
    sender_set_registry(rig->sender, registry, standings);
    /* As an operator would: memory knows better than a reload. */
    for (size_t i = 0; i < count; i++)
        sender_set_state(rig->sender, registry->endpoints[i].id, &standings[i]);
    registry_unref(rig->registry);
    rig->registry = registry;
    return 0;
}

/* rig:start() */
static int l_start(lua_State *L)
{
    sender_start(check_rig(L)->sender);
    return 0;
}

/* ---- Deliveries --------------------------------------------------------------------------------
 */

static void on_committed(struct delivery *delivery, bool is_held, void *ctx)
{
    struct rig *rig = ctx;
    const uint64_t endpoint = delivery->endpoint;
    const int priority = delivery->priority;
    if (is_held && rig->sender) {
        sender_take(rig->sender, delivery);
        return;
    }
    delivery_destroy(delivery);
    if (rig->sender)
        sender_hint(rig->sender, endpoint, priority);
}

/* rig:commit(endpoint name, {body=, headers=, type=, forwarded=, delay_ms=, expires_ms=, trace=,
 * order_key=, priority=}) -> message id as text */
static int l_commit(lua_State *L)
{
    struct rig *rig = check_rig(L);
    const struct endpoint_spec *spec = find_endpoint(rig, slice_str(luaL_checkstring(L, 2)));
    luaL_argcheck(L, spec != NULL, 2, "no such endpoint");
    lua_settop(L, 3);
    if (lua_isnil(L, 3)) {
        lua_newtable(L);
        lua_replace(L, 3);
    }
    struct buf head;
    size_t len;
    buf_init(&head, HEAD_BYTES_MAX);
    get_head(L, 3, "headers", &head);
    lua_getfield(L, 3, "body");
    const char *body = luaL_optlstring(L, -1, "{}", &len);
    struct content *content = content_create(buf_slice(&head), len);
    check(content && content_append(&content, body, len, len) == OK);
    buf_finish(&head);
    const uint64_t id = (++rig->next_event << 22) | 1;
    struct message *message =
        message_create(id, slice_str("spec.message"), content, get_boolean(L, 3, "forwarded"));
    message->expires_ms = get_integer(L, 3, "expires_ms", 0);
    message->trace = get_trace(L, 3);
    fake_commit(&rig->store,
                &(struct fake_commit){
                    .spec = spec,
                    .message = message,
                    .delay_ms = get_integer(L, 3, "delay_ms", 0),
                    .order_key = get_copy(L, 3, "order_key", NULL),
                    .priority = (int)get_integer(L, 3, "priority", 0),
                },
                on_committed, rig);
    char text[ID_TEXT_BYTES];
    id_format(ID_MESSAGE, id, text);
    lua_pushstring(L, text);
    return 1;
}

/* rig:rows() -> the store's deliveries in order of commit */
static int l_rows(lua_State *L)
{
    const struct rig *rig = check_rig(L);
    lua_newtable(L);
    for (size_t i = 0; i < rig->store.row_count; i++) {
        const struct fake_row *row = rig->store.rows[i];
        char id[ID_TEXT_BYTES];
        id_format(ID_MESSAGE, row->message->id, id);
        lua_newtable(L);
        set_integer(L, "id", (lua_Integer)row->id);
        set_integer(L, "endpoint", (lua_Integer)row->endpoint);
        set_text(L, "message", id);
        set_text(L, "state", delivery_state_name(row->state));
        set_integer(L, "due_ms", row->due_ms);
        set_integer(L, "attempt_count", row->attempts);
        set_text(L, "reason", row->reason);
        lua_newtable(L);
        for (size_t a = 0; a < row->made_count; a++) {
            push_attempt(L, &row->made[a].attempt);
            set_text(L, "state", delivery_state_name(row->made[a].state));
            lua_seti(L, -2, (lua_Integer)a + 1);
        }
        lua_setfield(L, -2, "attempts");
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* rig:open_count() -> rows that are not settled */
static int l_open_count(lua_State *L)
{
    const struct rig *rig = check_rig(L);
    lua_Integer count = 0;
    for (size_t i = rig->store.first_open; i < rig->store.row_count; i++)
        count += rig->store.rows[i]->state < DELIVERY_SUCCEEDED;
    lua_pushinteger(L, count);
    return 1;
}

/* rig:states() -> list of {name, state, reason} as written by STORE_ENDPOINT */
static int l_states(lua_State *L)
{
    const struct rig *rig = check_rig(L);
    lua_newtable(L);
    for (size_t i = 0; i < rig->store.endpoint_count; i++) {
        lua_newtable(L);
        set_text(L, "name", rig->store.endpoints[i].name);
        set_text(L, "state",
                 rig->store.endpoints[i].state == ENDPOINT_DISABLED ? "disabled" : "other");
        set_text(L, "reason", rig->store.endpoints[i].reason);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* rig:faults{settle_io=, settle_lies=, read_io=, read_busy=, credit_busy=, shuffle=} */
static int l_faults(lua_State *L)
{
    struct rig *rig = check_rig(L);
    get_faults(L, 2, &rig->store.faults);
    return 0;
}

/* rig:counts() -> {attempts=, …, credits_out=, settle_repeats=, room={by endpoint id}} */
static int l_counts(lua_State *L)
{
    struct rig *rig = check_rig(L);
    struct sender_counts counts;
    sender_counts(rig->sender, &counts);
    lua_newtable(L);
    set_integer(L, "attempts", (lua_Integer)counts.attempts);
    set_integer(L, "succeeded", (lua_Integer)counts.succeeded);
    set_integer(L, "failed", (lua_Integer)counts.failed);
    set_integer(L, "in_flight", (lua_Integer)counts.in_flight);
    set_integer(L, "held", (lua_Integer)counts.held);
    set_integer(L, "credits_out", rig->store.credits_out);
    set_integer(L, "credits_most", rig->store.credits_most);
    set_integer(L, "settle_repeats", rig->store.settle_repeats);
    set_bool(L, "is_store_quiet", fake_is_quiet(&rig->store));
    lua_newtable(L);
    for (size_t i = 0; i < array_count(rig->gates); i++)
        if (rig->gates[i]) {
            lua_pushinteger(L, atomic_load(&rig->gates[i]->room));
            lua_seti(L, -2, (lua_Integer)i);
        }
    lua_setfield(L, -2, "room");
    return 1;
}

/* ---- Turning the loop --------------------------------------------------------------------------
 */

static void on_wake(uv_timer_t *timer)
{
    (void)timer;
}

/* One turn; notes how long the loop was busy. */
static void turn(struct rig *rig)
{
    const uint64_t start_ns = uv_hrtime();
    const uint64_t idle_ns = uv_metrics_idle_time(&rig->loop);
    (void)uv_run(&rig->loop, UV_RUN_ONCE);
    const uint64_t slept_ns = uv_metrics_idle_time(&rig->loop) - idle_ns;
    const double busy_ms = (double)(uv_hrtime() - start_ns - slept_ns) / 1e6;
    if (busy_ms > rig->longest_ms)
        rig->longest_ms = busy_ms;
}

/* rig:run(ms, done) -> true when done() was true, false when the time was up */
static int l_run(lua_State *L)
{
    struct rig *rig = check_rig(L);
    const uint64_t end_ns = uv_hrtime() + (uint64_t)(luaL_checknumber(L, 2) * 1e6);
    bool is_done = false;
    lua_settop(L, 3);
    check(uv_timer_start(&rig->wake, on_wake, WAKE_MS, WAKE_MS) == 0);
    while (!is_done && uv_hrtime() < end_ns) {
        turn(rig);
        if (lua_isnil(L, 3))
            continue;
        lua_pushvalue(L, 3);
        if (lua_pcall(L, 0, 1, 0) != LUA_OK) {
            check(uv_timer_stop(&rig->wake) == 0);
            return lua_error(L);
        }
        is_done = lua_toboolean(L, -1);
        lua_pop(L, 1);
    }
    check(uv_timer_stop(&rig->wake) == 0);
    lua_pushboolean(L, is_done);
    return 1;
}

/* rig:longest_ms() -> the loop's longest turn since the last call */
static int l_longest_ms(lua_State *L)
{
    struct rig *rig = check_rig(L);
    lua_pushnumber(L, rig->longest_ms);
    rig->longest_ms = 0;
    return 1;
}

static int l_close_server(lua_State *L)
{
    struct rig *rig = lua_touserdata(L, lua_upvalueindex(1));
    const size_t index = (size_t)lua_tointeger(L, lua_upvalueindex(2));
    if (rig->is_open && rig->servers[index])
        fake_server_close(rig->servers[index]);
    rig->servers[index] = NULL;
    return 0;
}

/* rig:server(function | {accept=}) -> port, close() */

static int l_server(lua_State *L)
{
    struct rig *rig = check_rig(L);
    luaL_argcheck(L, rig->server_count < SERVERS_MAX, 1, "too many servers");
    struct fake_server *server = fake_server_open(L, &rig->loop, 2);
    lua_pushinteger(L, fake_server_port(server));
    lua_pushlightuserdata(L, rig);
    lua_pushinteger(L, (lua_Integer)rig->server_count);
    lua_pushcclosure(L, l_close_server, 2);
    rig->servers[rig->server_count++] = server;
    return 2;
}

/* ---- Life cycle --------------------------------------------------------------------------------
 */

static void open_sender(struct rig *rig)
{
    struct err err = {0};
    const struct sender_options options = {
        .loop = &rig->loop,
        .store = &rig->store,
        .worker_count = 1,
        .hooks = &sender_hooks,
        .ctx = rig,
        .user_agent = "anzol-spec/1",
    };
    check(sender_create(&options, &rig->sender, &err) == OK);
}

static int l_rig(lua_State *L)
{
    lua_settop(L, 1);
    const uint64_t seed = lua_istable(L, 1) ? (uint64_t)get_integer(L, 1, "seed", 1) : 1;
    struct rig *rig = lua_newuserdatauv(L, sizeof *rig, 0);
    *rig = (struct rig){.L = L, .hooks = LUA_NOREF};
    luaL_setmetatable(L, RIG_METATABLE);
    check(uv_loop_init(&rig->loop) == 0);
    check(uv_loop_configure(&rig->loop, UV_METRICS_IDLE_TIME) == 0);
    check(uv_timer_init(&rig->loop, &rig->wake) == 0);
    uv_unref((uv_handle_t *)&rig->wake);
    fake_open(&rig->store, &rig->loop, seed);
    open_sender(rig);
    rig->exchanges = exchanges_create(&rig->loop, "anzol-spec/1", NULL);
    rig->is_open = true;
    return 1;
}

static void on_idle(void *ctx)
{
    struct rig *rig = ctx;
    rig->is_idle = true;
}

/* Stops the sender and turns the loop until it is idle. True: it became so. */
static bool stop(struct rig *rig, int64_t deadline_ms)
{
    const uint64_t end_ns = uv_hrtime() + (uint64_t)(deadline_ms + 5000) * 1000000;
    rig->is_idle = false;
    sender_stop(rig->sender, deadline_ms, on_idle, rig);
    check(uv_timer_start(&rig->wake, on_wake, WAKE_MS, WAKE_MS) == 0);
    while (!rig->is_idle && uv_hrtime() < end_ns)
        turn(rig);
    check(uv_timer_stop(&rig->wake) == 0);
    return rig->is_idle;
}

/* rig:restart(deadline_ms): the process ends and starts again over the same store. What has no
 * end by then is cut off. The endpoints must be given again. */
static int l_restart(lua_State *L)
{
    struct rig *rig = check_rig(L);
    luaL_argcheck(L, stop(rig, luaL_checkinteger(L, 2)), 1, "the sender did not stop");
    sender_destroy(rig->sender);
    rig->sender = NULL;
    while (!fake_is_quiet(&rig->store))
        turn(rig);
    for (size_t i = 0; i < array_count(rig->gates); i++)
        if (rig->gates[i])
            atomic_store(&rig->gates[i]->room, 0);
    open_sender(rig);
    return 0;
}

/* rig:close(): stops without waiting; raises if anything is left. */
static int l_close(lua_State *L)
{
    struct rig *rig = luaL_checkudata(L, 1, RIG_METATABLE);
    if (!rig->is_open)
        return 0;
    rig->L = L;
    luaL_unref(L, LUA_REGISTRYINDEX, rig->hooks);
    rig->hooks = LUA_NOREF;
    check(stop(rig, 0));
    rig->is_open = false;
    sender_destroy(rig->sender);
    rig->sender = NULL;
    while (!fake_is_quiet(&rig->store))
        turn(rig);
    const long credits_out = rig->store.credits_out;
    fake_close(&rig->store);
    exchanges_destroy(rig->exchanges);
    for (size_t i = 0; i < rig->server_count; i++)
        if (rig->servers[i])
            fake_server_close(rig->servers[i]);
    uv_close((uv_handle_t *)&rig->wake, NULL);
    check(uv_run(&rig->loop, UV_RUN_DEFAULT) == 0);
    check(uv_loop_close(&rig->loop) == 0);
    registry_unref(rig->registry);
    for (size_t i = 0; i < rig->one_count; i++)
        registry_unref(rig->ones[i]);
    for (size_t i = 0; i < array_count(rig->gates); i++)
        free(rig->gates[i]);
    return credits_out == 0 ? 0 : luaL_error(L, "%d credits were not given back", (int)credits_out);
}

static int l_exchange(lua_State *L)
{
    return exchange_start(L, check_rig(L)->exchanges);
}

static const luaL_Reg methods[] = {
    {"close", l_close},
    {"commit", l_commit},
    {"counts", l_counts},
    {"exchange", l_exchange},
    {"faults", l_faults},
    {"endpoints", l_endpoints},
    {"register", l_register},
    {"remove", l_remove},
    {"hooks", l_hooks},
    {"longest_ms", l_longest_ms},
    {"open_count", l_open_count},
    {"restart", l_restart},
    {"rows", l_rows},
    {"run", l_run},
    {"server", l_server},
    {"start", l_start},
    {"states", l_states},
    {NULL, NULL},
};

static int l_new(lua_State *L)
{
    if (luaL_newmetatable(L, RIG_METATABLE)) {
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
        lua_pushcfunction(L, l_close);
        lua_setfield(L, -2, "__gc");
    }
    lua_pop(L, 1);
    return l_rig(L);
}

const luaL_Reg send_rig_functions[] = {{"rig", l_new}, {NULL, NULL}};
