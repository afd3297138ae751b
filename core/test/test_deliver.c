/* SPDX-License-Identifier: MIT */
/* anzol_test.deliver: the sender over the real store in a file, and scripted servers, on one loop
 * that the spec turns by hand. The process can die: what the store does not have is gone then. */
#include "deliver_int.h"

#include "base/clock.h"
#include "signature/signature.h"

#include <signal.h>
#include <stdlib.h>

#define RIG_METATABLE "anzol_test.deliver.rig"
#define WAKE_MS 1
#define STOP_S 20

static struct rig *check_rig(lua_State *L)
{
    struct rig *rig = luaL_checkudata(L, 1, RIG_METATABLE);
    luaL_argcheck(L, rig->is_open, 1, "the rig is closed");
    rig->L = L;
    return rig;
}

struct rig *rig_check(lua_State *L)
{
    struct rig *rig = check_rig(L);
    luaL_argcheck(L, rig->store != NULL, 1, "it is dead: rig:open()");
    return rig;
}

void rig_call(lua_State *L, int count)
{
    if (lua_pcall(L, count, 0, 0) == LUA_OK)
        return;
    (void)fprintf(stderr, "in the spec: %s\n", lua_tostring(L, -1));
    abort();
}

/* ---- Turning the loop --------------------------------------------------------------------------
 */

static void on_wake(uv_timer_t *timer)
{
    (void)timer;
}

static void turn(struct rig *rig)
{
    (void)uv_run(&rig->loop, UV_RUN_ONCE);
    const uint64_t now_ns = uv_hrtime();
    if (rig->turned_ns > 0 && now_ns - rig->turned_ns > rig->longest_ns)
        rig->longest_ns = now_ns - rig->turned_ns;
    rig->turned_ns = now_ns;
}

/* rig:run(ms, done) -> true when done() was true, false when the time was up */
static int l_run(lua_State *L)
{
    struct rig *rig = check_rig(L);
    const uint64_t end_ns = uv_hrtime() + (uint64_t)(luaL_checknumber(L, 2) * 1e6);
    bool is_done = false;
    lua_settop(L, 3);
    while (!is_done && uv_hrtime() < end_ns) {
        turn(rig);
        if (lua_isnil(L, 3))
            continue;
        lua_pushvalue(L, 3);
        lua_call(L, 0, 1);
        is_done = lua_toboolean(L, -1);
        lua_pop(L, 1);
    }
    lua_pushboolean(L, is_done);
    return 1;
}

/* rig:longest_ms() -> the longest that the loop did not come round */
static int l_longest_ms(lua_State *L)
{
    lua_pushnumber(L, (double)check_rig(L)->longest_ns / 1e6);
    return 1;
}

/* ---- The process -------------------------------------------------------------------------------
 */

/* Calls the hook of that name, if there is one. */
static void tell_of(const struct rig *rig, const char *name, const struct endpoint_spec *endpoint,
                    const struct delivery *delivery, const struct attempt *attempt)
{
    lua_State *L = rig->L;
    const struct slice body = content_body(delivery->message->content);
    lua_rawgeti(L, LUA_REGISTRYINDEX, rig->hooks);
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return;
    }
    lua_pushstring(L, endpoint->name);
    lua_pushlstring(L, body.data, body.len);
    lua_pushinteger(L, (lua_Integer)delivery->id);
    lua_pushinteger(L, attempt ? attempt->status : 0);
    rig_call(L, 4);
}

static enum status on_transform(void *ctx, const struct endpoint_spec *endpoint,
                                const struct delivery *delivery, struct outgoing *outgoing,
                                struct err *err)
{
    (void)outgoing;
    (void)err;
    tell_of(ctx, "started", endpoint, delivery, NULL);
    return OK;
}

static void on_settled(void *ctx, const struct endpoint_spec *endpoint,
                       const struct delivery *delivery, const struct attempt *attempt)
{
    tell_of(ctx, "settled", endpoint, delivery, attempt);
}

static const struct sender_hooks hooks = {.transform = on_transform, .on_settled = on_settled};

static void on_fatal(const char *why, void *ctx)
{
    (void)why;
    (void)ctx;
}

/* rig:open(): the process starts over the file. */
static int l_open(lua_State *L)
{
    struct rig *rig = check_rig(L);
    struct err err = {0};
    struct engine *engine = NULL;
    luaL_argcheck(L, !rig->store, 1, "it lives");
    const struct store_options options = {
        .path = rig->path, .reader_count = 2, .on_fatal = on_fatal, .ctx = rig};
    if (sqlite_engine_open(&options, &(struct sqlite_tuning){0}, &engine, &err) != OK)
        return luaL_error(L, "%s", err.text);
    rig->fault = store_fault_wrap(engine, &(struct fault_plan){0});
    check(store_start(&options, rig->fault, &rig->store, &err) == OK);
    rig->client = store_client_create(rig->store, &rig->loop);
    const struct sender_options sending = {
        .loop = &rig->loop,
        .store = rig->store,
        .client = rig->client,
        .worker_count = 1,
        .hooks = &hooks,
        .ctx = rig,
        .user_agent = "anzol-spec/1",
    };
    check(sender_create(&sending, &rig->sender, &err) == OK);
    for (size_t i = 0; i < array_count(rig->gates); i++)
        atomic_store(&rig->gates[i].room, 0);
    rig->is_begun = false;
    return 0;
}

static void on_idle(void *ctx)
{
    struct rig *rig = ctx;
    rig->is_idle = true;
}

static void die(struct rig *rig, const struct fault_plan *plan)
{
    store_fault_set(rig->fault, plan);
    rig->is_idle = false;
    sender_stop(rig->sender, 0, on_idle, rig);
    const uint64_t end_ns = uv_hrtime() + STOP_S * UINT64_C(1000000000);
    while (!rig->is_idle || !store_client_is_idle(rig->client)) {
        turn(rig);
        if (uv_hrtime() > end_ns) {
            rig->is_open = false; /* nobody can clean up behind it */
            luaL_error(rig->L, "the sender does not stop");
        }
    }
    sender_destroy(rig->sender);
    store_client_destroy(rig->client);
    turn(rig);
    store_close(rig->store);
    rig->store = NULL;
    rig->sender = NULL;
    registry_unref(rig->registry);
    rig->registry = NULL;
}

/* rig:kill(how): the process ends. how: what becomes of commits under way: "io" they are not
 * written, "lie" they are, though nobody hears of it; nil: the process ends in order, but does not
 * wait for attempts. */
static int l_kill(lua_State *L)
{
    struct rig *rig = rig_check(L);
    const char *how = luaL_optstring(L, 2, "");
    die(rig, &(struct fault_plan){.kind = strcmp(how, "io") == 0    ? FAULT_IO
                                          : strcmp(how, "lie") == 0 ? FAULT_LIE
                                                                    : FAULT_NONE,
                                  .nth = 1});
    return 0;
}

/* rig:fault("kind:group:nth:times:delay_ms"): of the store, see store_fault_int.h */
static int l_fault(lua_State *L)
{
    struct rig *rig = rig_check(L);
    struct fault_plan plan;
    luaL_argcheck(L, store_fault_parse(luaL_checkstring(L, 2), &plan), 2, "no such fault");
    store_fault_set(rig->fault, &plan);
    return 0;
}

/* ---- Endpoints ---------------------------------------------------------------------------------
 */

static void on_endpoint(struct store_op *op)
{
    *(bool *)op->ctx = true;
}

/* Waits for it. */
static void store_now(struct rig *rig, struct store_endpoint *endpoint)
{
    bool is_done = false;
    endpoint->op =
        (struct store_op){.kind = STORE_ENDPOINT, .on_done = on_endpoint, .ctx = &is_done};
    check(store_submit(rig->store, rig->client, &endpoint->op) == OK);
    while (!is_done)
        turn(rig);
}

/* Calls what may happen between the store's answer and the sender. */
static void call_between(lua_State *L, int index)
{
    lua_pushvalue(L, index);
    if (lua_isnil(L, -1))
        lua_pop(L, 1);
    else
        rig_call(L, 0);
}

/* rig:endpoints({{…}, …}, between): the next generation, in the states that the store has; the
 * sender takes it, and with the first starts and reads what is open, once between() has returned.
 */
static int l_endpoints(lua_State *L)
{
    struct rig *rig = rig_check(L);
    const size_t count = (size_t)luaL_len(L, 2);
    struct endpoint_standing standings[ENDPOINTS_MAX];
    luaL_argcheck(L, count <= ENDPOINTS_MAX, 2, "too many endpoints");
    lua_settop(L, 3);
    struct registry *registry = registry_create(rig->registry ? rig->registry->generation + 1 : 1);
    registry->signer_destroy = signer_unref;
    registry->verifier_destroy = verifier_unref;
    registry->endpoints = calloc(count + 1, sizeof *registry->endpoints);
    registry->endpoint_count = count;
    for (size_t i = 0; i < count; i++) {
        struct endpoint_spec *spec = &registry->endpoints[i];
        lua_geti(L, 2, (lua_Integer)i + 1);
        read_endpoint(L, 4, spec);
        spec->transform_function = 1;
        struct store_endpoint row = {.name = spec->name, .url = spec->url, .keep_state = true};
        store_now(rig, &row);
        check(row.op.status == OK && row.id > 0 && row.id < array_count(rig->gates));
        spec->id = row.id;
        spec->gate = &rig->gates[row.id];
        standings[i] = (struct endpoint_standing){
            .state = row.state, .failing_since_ms = row.failing_since_ms, .turn = row.turn};
        lua_pop(L, 1);
    }
    registry_unref(rig->registry);
    rig->registry = registry;
    call_between(L, 3);
    sender_set_registry(rig->sender, registry, standings);
    if (!rig->is_begun)
        sender_start(rig->sender);
    rig->is_begun = true;
    return 0;
}

static const char *const state_names[] = {"enabled", "disabled", "paused", NULL};

static void set_state(const struct rig *rig, const struct store_endpoint *row)
{
    sender_set_state(rig->sender, row->id,
                     &(struct endpoint_standing){.state = row->state, .turn = row->turn});
}

/* rig:set_state(endpoint name, state, between): by an operator. From its return on it is so; the
 * sender hears of it once between() has returned. */
static int l_set_state(lua_State *L)
{
    struct rig *rig = rig_check(L);
    lua_settop(L, 4);
    struct store_endpoint row = {
        .name = luaL_checkstring(L, 2),
        .state = (enum endpoint_state)luaL_checkoption(L, 3, NULL, state_names),
    };
    store_now(rig, &row);
    check(row.op.status == OK);
    call_between(L, 4);
    set_state(rig, &row);
    return 0;
}

/* Of one that is not disabled, as an operator may. */
static int change_state(lua_State *L, enum endpoint_state state)
{
    struct rig *rig = rig_check(L);
    struct store_endpoint row = {
        .name = luaL_checkstring(L, 2),
        .state = state,
        .from = 1u << ENDPOINT_ENABLED | 1u << ENDPOINT_PAUSED,
    };
    store_now(rig, &row);
    if (row.op.status == OK)
        set_state(rig, &row);
    lua_pushstring(L, state_names[row.state]);
    return 1;
}

/* rig:pause(endpoint name) -> the state that it is in then */
static int l_pause(lua_State *L)
{
    return change_state(L, ENDPOINT_PAUSED);
}

/* rig:resume(endpoint name) -> the state that it is in then */
static int l_resume(lua_State *L)
{
    return change_state(L, ENDPOINT_ENABLED);
}

/* ---- Life cycle --------------------------------------------------------------------------------
 */

/* rig:server(function) -> port */
static int l_server(lua_State *L)
{
    struct rig *rig = check_rig(L);
    luaL_argcheck(L, rig->server_count < SERVERS_MAX, 1, "too many servers");
    struct fake_server *server = fake_server_open(L, &rig->loop, 2);
    rig->servers[rig->server_count++] = server;
    lua_pushinteger(L, fake_server_port(server));
    return 1;
}

/* rig:in_memory() -> how many attempts run, how many deliveries the sender holds */
static int l_in_memory(lua_State *L)
{
    struct sender_counts counts;
    sender_counts(rig_check(L)->sender, &counts);
    lua_pushinteger(L, (lua_Integer)counts.in_flight);
    lua_pushinteger(L, (lua_Integer)counts.held);
    return 2;
}

/* rig(path, {started =, settled =}): each is told of an attempt's (endpoint name, body, delivery,
 * status); settled: its outcome is stored, and nothing came of it yet. */
static int l_rig(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    struct rig *rig = lua_newuserdatauv(L, sizeof *rig, 0);
    *rig = (struct rig){.L = L, .path = must_copy(path, strlen(path)), .is_open = true};
    lua_pushvalue(L, 2);
    rig->hooks = luaL_ref(L, LUA_REGISTRYINDEX);
    check(uv_loop_init(&rig->loop) == 0);
    check(uv_timer_init(&rig->loop, &rig->wake) == 0);
    check(uv_timer_start(&rig->wake, on_wake, WAKE_MS, WAKE_MS) == 0);
    luaL_setmetatable(L, RIG_METATABLE);
    return 1;
}

static int l_close(lua_State *L)
{
    struct rig *rig = luaL_checkudata(L, 1, RIG_METATABLE);
    if (!rig->is_open)
        return 0;
    rig->L = L;
    if (rig->store)
        die(rig, &(struct fault_plan){0});
    rig->is_open = false;
    for (size_t i = 0; i < rig->server_count; i++)
        fake_server_close(rig->servers[i]);
    uv_close((uv_handle_t *)&rig->wake, NULL);
    check(uv_run(&rig->loop, UV_RUN_DEFAULT) == 0);
    check(uv_loop_close(&rig->loop) == 0);
    luaL_unref(L, LUA_REGISTRYINDEX, rig->hooks);
    free(rig->path);
    return 0;
}

/* step(ms): the wall clock is set; 0: to the right time. */
static int l_step(lua_State *L)
{
    clock_step(luaL_checkinteger(L, 1));
    return 0;
}

static int l_due_ms(lua_State *L)
{
    lua_pushinteger(L, clock_due_ms());
    return 1;
}

static int l_mono_ms(lua_State *L)
{
    lua_pushnumber(L, (double)clock_mono_ns() / 1e6);
    return 1;
}

static const luaL_Reg methods[] = {
    {"close", l_close},   {"endpoints", l_endpoints},
    {"fault", l_fault},   {"in_memory", l_in_memory},
    {"kill", l_kill},     {"longest_ms", l_longest_ms},
    {"open", l_open},     {"pause", l_pause},
    {"resume", l_resume}, {"run", l_run},
    {"server", l_server}, {"set_state", l_set_state},
    {"__gc", l_close},    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"due_ms", l_due_ms}, {"mono_ms", l_mono_ms}, {"rig", l_rig}, {"step", l_step}, {NULL, NULL},
};

int luaopen_anzol_test_deliver(lua_State *L);

int luaopen_anzol_test_deliver(lua_State *L)
{
    /* As the program does: a peer that hangs up is an error of its write. */
    check(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    luaL_newmetatable(L, RIG_METATABLE);
    luaL_setfuncs(L, methods, 0);
    luaL_setfuncs(L, deliver_message_methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    luaL_newlib(L, functions);
    return 1;
}
