/* SPDX-License-Identifier: MIT */
/* anzol_test.api: the admin listener before a real store, on a thread of its own, for
 * spec/core/api_spec.lua. */
#include "test/api_rig_int.h"

#include "base/clock.h"
#include "http/http.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

#define METATABLE "anzol_test.api"
#define HOSTS_MAX 4

int luaopen_anzol_test_api(lua_State *L);

struct rig *rig_check(lua_State *L)
{
    return *(struct rig **)luaL_checkudata(L, 1, METATABLE);
}

/* ---- Commands -----------------------------------------------------------------------------------
 */

static void on_letter(struct letter *letter, void *ctx)
{
    struct command *command = container_of(letter, struct command, letter);
    command->run(ctx, command);
}

void command_done(struct command *command)
{
    uv_sem_post(&command->done);
}

void rig_do(struct rig *rig, void (*run)(struct rig *, struct command *), void *data)
{
    struct command command = {.run = run, .data = data};
    check(uv_sem_init(&command.done, 0) == 0);
    inbox_post(&rig->inbox, &command.letter);
    uv_sem_wait(&command.done);
    uv_sem_destroy(&command.done);
}

static void *run_loop(void *arg)
{
    struct rig *rig = arg;
    (void)uv_run(&rig->loop, UV_RUN_DEFAULT);
    return NULL;
}

/* ---- Hooks: on the rig's loop -------------------------------------------------------------------
 */

static void answer_reload(struct rig *rig)
{
    const struct api_reload_result result = {
        .status = rig->reload_status,
        .generation = rig->generation,
        .detail = rig->detail,
        .findings = rig->findings,
        .finding_count = rig->finding_count,
    };
    api_reloaded_cb on_reloaded = rig->on_reloaded;
    rig->on_reloaded = NULL;
    on_reloaded(&result, rig->reloaded_ctx);
}

static void start_reload(api_reloaded_cb on_reloaded, void *reloaded_ctx, void *ctx)
{
    struct rig *rig = ctx;
    rig->reloads++;
    rig->on_reloaded = on_reloaded;
    rig->reloaded_ctx = reloaded_ctx;
    if (!rig->holds_reload)
        answer_reload(rig);
}

static bool is_serving(const char **why, void *ctx)
{
    struct rig *rig = ctx;
    *why = rig->why;
    return rig->is_serving;
}

/* The settings' drain is 30 s; while the rig is down it cannot be stopped. */
static bool stop(int64_t *drain_ms, void *ctx)
{
    const struct rig *rig = ctx;
    if (*drain_ms < 0)
        *drain_ms = 30000;
    return rig->is_serving;
}

static enum status write_metrics(struct buf *out, void *ctx)
{
    (void)ctx;
    return buf_add_str(out, "anzol_generation 1\n");
}

/* What serves: a queue "crm", a cron and a poll "daily". */
static struct registry *make_registry(void)
{
    static struct gate gate = {.receivers = 2};
    struct registry *registry = registry_create(1);
    check(registry != NULL);
    registry->endpoints = must_alloc(sizeof *registry->endpoints);
    registry->endpoint_count = 1;
    registry->endpoints[0] = (struct endpoint_spec){.name = must_copy("crm", 3), .gate = &gate};
    registry->endpoints[0].queue = must_alloc(sizeof *registry->endpoints[0].queue);
    *registry->endpoints[0].queue = (struct queue_spec){.path = must_copy("/queue/crm", 10)};
    registry->routines = must_alloc(2 * sizeof *registry->routines);
    for (size_t i = 0; i < 2; i++) {
        registry->routines[registry->routine_count++] = (struct routine_spec){
            .kind = i == 0 ? ROUTINE_CRON : ROUTINE_POLL, .name = must_copy("daily", 5)};
        check(registry_index_routine(registry) == OK);
    }
    return registry;
}

static const struct registry *registry(void *ctx)
{
    const struct rig *rig = ctx;
    return rig->registry;
}

static void registered(struct api_registered *asked, void *ctx)
{
    (void)ctx;
    asked->on_done(asked);
}

static bool telling(const struct resource *row, struct store_telling *telling, void *ctx)
{
    (void)row;
    (void)telling;
    (void)ctx;
    return false;
}

static bool unproven(uint64_t endpoint, struct api_unproven *out, void *ctx)
{
    (void)endpoint;
    (void)out;
    (void)ctx;
    return false;
}

static void run_routine(enum routine_kind kind, const char *name, void *ctx)
{
    (void)kind;
    (void)name;
    (void)ctx;
}

/* "gone" is not there, "crm" is enabled, others are disabled. */
static void change_endpoint(struct api_endpoint_change *change, void *ctx)
{
    const struct rig *rig = ctx;
    static const enum endpoint_state states[] = {
        [ENDPOINT_PAUSE] = ENDPOINT_PAUSED,
        [ENDPOINT_RESUME] = ENDPOINT_ENABLED,
        [ENDPOINT_DISABLE] = ENDPOINT_DISABLED,
        [ENDPOINT_ENABLE] = ENDPOINT_ENABLED,
    };
    change->status = !rig->is_serving                    ? E_CANCELLED
                     : strcmp(change->name, "gone") == 0 ? E_NOTFOUND
                     : strcmp(change->name, "crm") == 0  ? OK
                                                         : E_CONFLICT;
    change->state = change->status == OK ? states[change->verb] : ENDPOINT_DISABLED;
    change->on_done(change);
}

static bool pace(uint64_t endpoint, struct api_pace *pace, void *ctx)
{
    (void)ctx;
    if (endpoint != 1)
        return false;
    *pace = (struct api_pace){
        .breaker = "open", .paused_until_ms = INT64_C(1772438400000), .slowed_per_hour = 3600};
    return true;
}

struct rig_change {
    struct store_change op;
    struct api_change *asked;
};

static void on_changed(struct store_op *op)
{
    struct rig_change *it = op->ctx;
    struct api_change *asked = it->asked;
    asked->status = op->status;
    free(it);
    asked->on_done(asked);
}

/* No owner holds anything here: the store is asked at once. */
static void change(struct api_change *asked, void *ctx)
{
    struct rig *rig = ctx;
    struct rig_change *it = must_alloc(sizeof *it);
    *it = (struct rig_change){
        .op = {.op = {.kind = STORE_CHANGE, .on_done = on_changed, .ctx = it},
               .now_ms = clock_due_ms(),
               .reason = asked->reason,
               .changes = &asked->what,
               .change_count = 1},
        .asked = asked,
    };
    check(store_submit(rig->store, rig->client, &it->op.op) == OK);
}

struct rig_task {
    struct store_task op;
    struct api_task *asked;
};

static void on_task(struct store_op *op)
{
    struct rig_task *it = op->ctx;
    struct api_task *asked = it->asked;
    asked->status = op->status;
    free(it);
    asked->on_done(asked);
}

/* Kept by the store; nobody makes a step. */
static void task(struct api_task *asked, void *ctx)
{
    struct rig *rig = ctx;
    struct rig_task *it = must_alloc(sizeof *it);
    *it = (struct rig_task){
        .op = {.op = {.kind = STORE_TASK, .on_done = on_task, .ctx = it},
               .task = &asked->task,
               .is_end = asked->is_end,
               .now_ms = clock_due_ms()},
        .asked = asked,
    };
    check(store_submit(rig->store, rig->client, &it->op.op) == OK);
}

static void status(struct api_status *status, void *ctx)
{
    const struct rig *rig = ctx;
    *status = (struct api_status){
        .generation = rig->generation,
        .workers = 2,
        .started_ms = INT64_C(1772438400000),
        .source_count = 3,
        .endpoint_count = 4,
        .subscription_count = 5,
    };
}

/* ---- Opening ------------------------------------------------------------------------------------
 */

static void on_fatal(const char *why, void *ctx)
{
    (void)ctx;
    (void)fprintf(stderr, "store: %s\n", why);
    abort();
}

static bool flag(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    const bool value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

static const char *text(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    const char *value = lua_tostring(L, -1);
    lua_pop(L, 1);
    return value;
}

static size_t read_hosts(lua_State *L, char *hosts[HOSTS_MAX])
{
    size_t count = 0;
    lua_getfield(L, 1, "hosts");
    for (; lua_istable(L, -1) && count < HOSTS_MAX; count++) {
        if (lua_geti(L, -1, (lua_Integer)count + 1) == LUA_TNIL) {
            lua_pop(L, 1);
            break;
        }
        hosts[count] = (char *)(uintptr_t)lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return count;
}

static void show_secrets(struct api_secrets *out, void *ctx)
{
    (void)ctx;
    *out = (struct api_secrets){.key_count = 0};
}

static void open_store(lua_State *L, struct rig *rig)
{
    struct err err = {0};
    const struct store_options options = {
        .path = text(L, "store"), .reader_count = 2, .on_fatal = on_fatal};
    if (store_open(&options, &rig->store, &err) != OK)
        luaL_error(L, "%s", err.text);
}

static void open_api(lua_State *L, struct rig *rig, int *fd)
{
    char *hosts[HOSTS_MAX];
    struct err err = {0};
    int unix_fd = -1;
    rig->registry = make_registry();
    rig->directory = directory_create();
    check(rig->directory != NULL);
    if (http_listen_tcp("127.0.0.1:0", false, fd, &err) != OK ||
        http_listen_unix(text(L, "socket"), &unix_fd, &err) != OK)
        luaL_error(L, "%s", err.text);
    const struct api_options options = {
        .loop = &rig->loop,
        .store = rig->store,
        .directory = rig->directory,
        .fd = *fd,
        .unix_fd = unix_fd,
        .token = text(L, "token"),
        .dev = flag(L, "dev"),
        .hosts = hosts,
        .host_count = read_hosts(L, hosts),
        .version = "9.8.7",
        .hooks = {.reload = start_reload,
                  .is_serving = is_serving,
                  .status = status,
                  .stop = stop,
                  .write_metrics = write_metrics,
                  .secrets = show_secrets,
                  .change = change,
                  .task = task,
                  .registry = registry,
                  .run_routine = run_routine,
                  .change_endpoint = change_endpoint,
                  .registered = registered,
                  .telling = telling,
                  .pace = pace,
                  .unproven = unproven,
                  .ctx = rig},
    };
    if (api_open(&options, &rig->api, &err) != OK)
        luaL_error(L, "%s", err.text);
}

/* open{store = path, socket = path, token?, dev?, hosts?} -> rig, port */
static int l_open(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    struct rig **place = lua_newuserdatauv(L, sizeof(struct rig *), 0);
    *place = NULL;
    luaL_setmetatable(L, METATABLE);
    struct rig *rig = must_alloc(sizeof *rig);
    rig->is_serving = true;
    rig->generation = 1;
    check(uv_loop_init(&rig->loop) == 0);
    open_store(L, rig);
    int fd = -1;
    open_api(L, rig, &fd);
    char name[128];
    http_socket_name(fd, name, sizeof name);
    rig->client = store_client_create(rig->store, &rig->loop);
    inbox_open(&rig->inbox, &rig->loop, on_letter, rig);
    rig->is_running = true;
    check(pthread_create(&rig->thread, NULL, run_loop, rig) == 0);
    *place = rig;
    lua_pushinteger(L, strtol(strrchr(name, ':') + 1, NULL, 10));
    return 2;
}

/* ---- Closing ------------------------------------------------------------------------------------
 */

static void on_closed(void *ctx)
{
    struct rig *rig = ctx;
    store_client_destroy(rig->client);
    inbox_close(&rig->inbox);
}

/* data: whether a reload is held, which then keeps the api (and the inbox) open. */
static void close_api(struct rig *rig, struct command *command)
{
    *(bool *)command->data = rig->on_reloaded != NULL;
    api_close(rig->api, on_closed, rig);
    command_done(command);
}

static void finish_reload(struct rig *rig, struct command *command)
{
    bool *was_held = command->data;
    *was_held = rig->on_reloaded != NULL;
    if (*was_held)
        answer_reload(rig);
    command_done(command);
}

static void forget_findings(struct rig *rig)
{
    for (size_t i = 0; i < rig->finding_count; i++) {
        free((char *)(uintptr_t)rig->findings[i].file);
        free((char *)(uintptr_t)rig->findings[i].message);
    }
    rig->finding_count = 0;
}

/* close(): a reload that is held ends while the listener closes */
static int l_close(lua_State *L)
{
    struct rig **place = luaL_checkudata(L, 1, METATABLE);
    struct rig *rig = *place;
    *place = NULL;
    if (!rig)
        return 0;
    bool is_held;
    rig_do(rig, close_api, &is_held);
    if (is_held)
        rig_do(rig, finish_reload, &is_held);
    check(pthread_join(rig->thread, NULL) == 0);
    check(uv_loop_close(&rig->loop) == 0);
    store_close(rig->store);
    registry_unref(rig->registry);
    directory_destroy(rig->directory);
    forget_findings(rig);
    free(rig);
    return 0;
}

/* ---- What the hooks say -------------------------------------------------------------------------
 */

struct wish {
    lua_State *L;
};

static void take_serving(struct rig *rig, struct command *command)
{
    lua_State *L = ((struct wish *)command->data)->L;
    rig->is_serving = lua_isnil(L, 2);
    (void)snprintf(rig->why, sizeof rig->why, "%s", luaL_optstring(L, 2, ""));
    command_done(command);
}

/* set_down(why | nil) */
static int l_set_down(lua_State *L)
{
    lua_settop(L, 2);
    struct wish wish = {L};
    rig_do(rig_check(L), take_serving, &wish);
    return 0;
}

static char *copy_field(lua_State *L, const char *name)
{
    lua_getfield(L, -1, name);
    char *copy = strdup(lua_tostring(L, -1));
    lua_pop(L, 1);
    return copy;
}

static void take_reload(struct rig *rig, struct command *command)
{
    lua_State *L = ((struct wish *)command->data)->L;
    forget_findings(rig);
    lua_getfield(L, 2, "status");
    rig->reload_status = (enum status)lua_tointeger(L, -1);
    lua_getfield(L, 2, "generation");
    rig->generation = (uint64_t)lua_tointeger(L, -1);
    lua_getfield(L, 2, "detail");
    (void)snprintf(rig->detail, sizeof rig->detail, "%s", luaL_optstring(L, -1, ""));
    lua_getfield(L, 2, "hold");
    rig->holds_reload = lua_toboolean(L, -1);
    lua_getfield(L, 2, "findings");
    for (lua_Integer i = 1; lua_istable(L, -1) && i <= luaL_len(L, -1); i++) {
        lua_geti(L, -1, i);
        rig->findings[rig->finding_count++] =
            (struct api_finding){.file = copy_field(L, "file"),
                                 .line = 3,
                                 .phase = "load",
                                 .message = copy_field(L, "message")};
        lua_pop(L, 1);
    }
    lua_pop(L, 5);
    command_done(command);
}

/* set_reload{status = number, generation, detail?, findings?, hold?} */
static int l_set_reload(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    struct wish wish = {L};
    rig_do(rig_check(L), take_reload, &wish);
    return 0;
}

/* finish_reload() -> true if one was held */
static int l_finish_reload(lua_State *L)
{
    bool was_held;
    rig_do(rig_check(L), finish_reload, &was_held);
    lua_pushboolean(L, was_held);
    return 1;
}

static void count_reloads(struct rig *rig, struct command *command)
{
    *(unsigned *)command->data = rig->reloads;
    command_done(command);
}

static int l_reloads(lua_State *L)
{
    unsigned count;
    rig_do(rig_check(L), count_reloads, &count);
    lua_pushinteger(L, count);
    return 1;
}

/* advance(ms): the clocks stand still at now and move by ms. real(): they go again. */
static int l_advance(lua_State *L)
{
    clock_fake(clock_now_ms(), clock_mono_ms());
    clock_advance(luaL_checkinteger(L, 1));
    return 0;
}

static int l_real(lua_State *L)
{
    (void)L;
    clock_real();
    return 0;
}

static const luaL_Reg methods[] = {
    {"close", l_close},
    {"endpoint", l_endpoint},
    {"fail", l_fail},
    {"finish_reload", l_finish_reload},
    {"handle", l_handle},
    {"ingest", l_ingest},
    {"reloads", l_reloads},
    {"set_down", l_set_down},
    {"set_reload", l_set_reload},
    {"settle", l_settle},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"advance", l_advance},
    {"open", l_open},
    {"real", l_real},
    {NULL, NULL},
};

int luaopen_anzol_test_api(lua_State *L)
{
    luaL_newmetatable(L, METATABLE);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    luaL_newlib(L, functions);
    return 1;
}
