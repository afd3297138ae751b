/* SPDX-License-Identifier: MIT */
/* What `anzol sign` and `anzol verify` need of C; documented in cli.c. */
#include "script/bind_int.h"

#include "base/clock.h"

#include <stdlib.h>

/* Lives as long as the command, which verifies one request. */
static struct source_spec own_source = {.name = (char *)(uintptr_t) "request"};

static struct slice field_bytes(lua_State *L, int index, const char *name)
{
    struct slice bytes;
    lua_getfield(L, index, name);
    bytes.data = luaL_optlstring(L, -1, "", &bytes.len); /* the table holds it */
    lua_pop(L, 1);
    return bytes;
}

static void add(lua_State *L, struct buf *head, struct slice name, struct slice value)
{
    if (value.len > 0 && head_add(head, name, value) != OK)
        (void)luaL_error(L, "the headers are too large");
}

/* { method, path, query, headers = { {name, value}, … } } at index, as a server keeps it. */
static void pack(lua_State *L, int index, struct buf *head)
{
    static const char *const names[] = {"method", "path", "query"};
    for (size_t i = 0; i < array_count(names); i++) {
        char pseudo[16];
        (void)snprintf(pseudo, sizeof pseudo, ":%s", names[i]);
        add(L, head, slice_str(pseudo), field_bytes(L, index, names[i]));
    }
    luaL_argexpected(L, lua_getfield(L, index, "headers") == LUA_TTABLE, index, "headers = table");
    for (lua_Integer i = 1; lua_geti(L, -1, i) == LUA_TTABLE; i++) {
        struct field field;
        lua_geti(L, -1, 1);
        lua_geti(L, -2, 2);
        field.name.data = luaL_checklstring(L, -2, &field.name.len);
        field.value.data = luaL_checklstring(L, -1, &field.value.len);
        add(L, head, field.name, field.value);
        lua_pop(L, 3);
    }
    lua_pop(L, 2);
}

/* The script's head is what is packed; the table at index 1 stays on the stack. */
static struct admit_request read_request(lua_State *L, int index, struct buf *head)
{
    buf_clear(head);
    pack(L, index, head);
    return (struct admit_request){.head = buf_slice(head),
                                  .body = field_bytes(L, index, "body"),
                                  .received_ms = clock_now_ms(),
                                  .is_method_listed = true};
}

/* request { method, path, query, url, headers, body } -> what a verifier looks at */
static int l_request(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    struct buf *head = &script_of(L)->body;
    struct admit_request request = read_request(L, 1, head);
    const struct slice url = field_bytes(L, 1, "url");
    free(own_source.public_url);
    own_source.public_url = url.len > 0 ? text_copy(L, url.data) : NULL;
    request.source = &own_source;
    /* Bytes that live as long as the command: Lua strings in the registry. */
    lua_pushlstring(L, request.head.data, request.head.len);
    request.head.data = lua_tostring(L, -1);
    (void)luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushvalue(L, 1);
    (void)luaL_ref(L, LUA_REGISTRYINDEX);
    (void)request_push(L, &request);
    return 1;
}

/* ---- By a source of the project ---- */

struct verdict_of {
    bool is_over;
    enum admit_outcome outcome;
    char text[SCRIPT_TEXT_BYTES]; /* the type of what is good, the reason of what is not */
};

static void on_admitted(const struct admission *admission, void *ctx)
{
    struct verdict_of *verdict = ctx;
    verdict->is_over = true;
    verdict->outcome = admission->outcome;
    if (admission->outcome == ADMIT_OK)
        (void)snprintf(verdict->text, sizeof verdict->text, "%.*s", (int)admission->type.len,
                       admission->type.data);
    else
        (void)snprintf(verdict->text, sizeof verdict->text, "%s",
                       admission->reason ? admission->reason : "");
    admit_answer_free(admission->answer);
}

static void start_timer(void *ctx, struct timer *timer, int64_t delay_ms)
{
    (void)ctx, (void)timer, (void)delay_ms; /* what waits is cancelled at once */
}

static void stop_timer(void *ctx, struct timer *timer)
{
    (void)ctx, (void)timer;
}

static enum status refuse_exchange(void *ctx, const struct exchange_request *request,
                                   exchange_cb on_done, void *done_ctx, struct exchange **exchange,
                                   struct err *err)
{
    (void)ctx, (void)request, (void)on_done, (void)done_ctx, (void)exchange;
    return err_set(err, E_INVALID, "anzol verify asks nobody");
}

static void admit(struct generation *generation, const struct admit_request *request,
                  struct verdict_of *verdict)
{
    const struct script_hooks hooks = {
        .start_timer = start_timer, .stop_timer = stop_timer, .start_exchange = refuse_exchange};
    uv_loop_t loop;
    check(uv_loop_init(&loop) == 0);
    struct script *script = generation_attach(generation, 0, &loop, &hooks);
    script_admit(script, request, on_admitted, verdict);
    if (!verdict->is_over) {
        script_cancel_all(script);
        (void)snprintf(verdict->text, sizeof verdict->text,
                       "its verify waits, which only the server can");
    }
    script_destroy(script);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    check(uv_loop_close(&loop) == 0);
}

/* The source with no hook but verify: handshakes, type and key do not say what is genuine. Borrows
 * all that it holds. */
static struct source_spec only_verify(const struct source_spec *source)
{
    static char any_type[] = "any";
    struct source_spec copy = *source;
    copy.challenge_function = copy.respond_function = 0;
    copy.type_function = copy.key_function = 0;
    copy.type = any_type;
    return copy;
}

/* The source with no hook but type, for what is genuine. */
static struct source_spec only_type(const struct source_spec *source)
{
    static struct verifier takes_all = {.kind = VERIFIER_NONE};
    struct source_spec copy = *source;
    copy.challenge_function = copy.verify_function = copy.respond_function = 0;
    copy.key_function = 0;
    copy.verifier = &takes_all;
    return copy;
}

/* verify(dir, source, request, opts) and classify(…): the project, the source of that name and the
 * request, to be admitted by a copy of the source. false: nil, err are pushed. */
static bool admit_by_source(lua_State *L, struct source_spec (*pick)(const struct source_spec *),
                            struct verdict_of *verdict)
{
    const char *globs[GLOBS_MAX + 1];
    const struct generation_options options = {.dir = luaL_checkstring(L, 1),
                                               .scripts = globs_check_read(L, 4, globs),
                                               .worker_count = 1,
                                               .number = 1};
    const char *name = luaL_checkstring(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    struct admit_request request = read_request(L, 3, &script_of(L)->body);
    struct generation *generation = NULL;
    struct err err;
    if (generation_load(&options, &generation, NULL, &err) != OK) {
        lua_pushnil(L);
        lua_pushstring(L, err.text);
        return false;
    }
    const struct source_spec *source =
        registry_source(generation_registry(generation), slice_str(name));
    if (source) {
        const struct source_spec copy = pick(source);
        request.source = &copy;
        admit(generation, &request, verdict);
    }
    generation_unref(generation);
    if (!source) {
        lua_pushnil(L);
        lua_pushfstring(L, "no source '%s' is registered in the scripts", name);
    }
    return source != NULL;
}

/* verify(dir, source, request, opts) -> true | false, reason | nil, err */
static int l_verify(lua_State *L)
{
    struct verdict_of verdict = {0};
    if (!admit_by_source(L, only_verify, &verdict))
        return 2;
    lua_pushboolean(L, verdict.outcome == ADMIT_OK);
    lua_pushstring(L, verdict.text);
    return 2;
}

/* classify(dir, source, request, opts) -> type | nil, err */
static int l_classify(lua_State *L)
{
    struct verdict_of verdict = {0};
    if (!admit_by_source(L, only_type, &verdict))
        return 2;
    if (verdict.outcome != ADMIT_OK)
        lua_pushnil(L);
    lua_pushstring(L, verdict.text);
    return verdict.outcome == ADMIT_OK ? 1 : 2;
}

const luaL_Reg script_signature_natives[] = {
    {"classify", l_classify}, {"request", l_request}, {"verify", l_verify}, {NULL, NULL}};
