/* SPDX-License-Identifier: MIT */
/* The C functions of the command line's Lua; what each takes and gives stands in cli.c. The command
 * line's one thread. */
#include "script/bind_int.h"
#include "script/fields.h"

#include "base/clock.h"
#include "send/send.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define HEADERS_MAX 128
#define TIMEOUT_MS 10000
#define CHECK_STATES 2 /* what follows chance or time differs in the second, as in workers */

static int fail(lua_State *L, const char *text)
{
    lua_pushnil(L);
    lua_pushstring(L, text);
    return 2;
}

/* ---- check ---- */

static void push_findings(lua_State *L, const struct findings *findings)
{
    lua_newtable(L);
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *row = &findings->rows[i];
        lua_createtable(L, 0, 6);
        set_text(L, "level", row->level == FINDING_ERROR ? "error" : "warning");
        set_text(L, "file", row->file);
        set_integer(L, "line", row->line);
        set_text(L, "phase", row->phase);
        set_text(L, "message", row->message);
        if (row->hint)
            set_text(L, "hint", row->hint);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

const char *const *globs_check_read(lua_State *L, int index, const char *globs[GLOBS_MAX + 1])
{
    if (lua_isnoneornil(L, index) || lua_getfield(L, index, "scripts") != LUA_TTABLE)
        return NULL;
    const size_t count = lua_rawlen(L, -1);
    luaL_argcheck(L, count <= GLOBS_MAX, index, "too many scripts patterns");
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        globs[i] = luaL_checkstring(L, -1);
        lua_pop(L, 1);
    }
    globs[count] = NULL;
    return globs;
}

static void push_endpoints(lua_State *L, const struct registry *registry)
{
    lua_newtable(L);
    for (size_t i = 0; i < registry->endpoint_count; i++) {
        lua_createtable(L, 0, 3);
        set_text(L, "name", registry->endpoints[i].name);
        set_place(L, registry->endpoints[i].script);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void push_transforms(lua_State *L, const struct registry *registry)
{
    lua_newtable(L);
    for (size_t i = 0; i < registry->transform_count; i++) {
        lua_pushstring(L, registry->transforms[i].name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static int l_check(lua_State *L)
{
    const char *globs[GLOBS_MAX + 1];
    struct generation_options options = {
        .dir = luaL_checkstring(L, 1), .worker_count = CHECK_STATES, .number = 1};
    if (!lua_isnoneornil(L, 2)) {
        luaL_checktype(L, 2, LUA_TTABLE);
        lua_getfield(L, 2, "allow_missing_secrets");
        options.allow_missing_secrets = lua_toboolean(L, -1);
    }
    options.scripts = globs_check_read(L, 2, globs);
    struct generation *generation = NULL;
    struct findings findings = {0};
    struct err err;
    const enum status status = generation_load(&options, &generation, &findings, &err);
    push_findings(L, &findings);
    findings_finish(&findings);
    if (status == OK) {
        const struct registry *registry = generation_registry(generation);
        set_integer(L, "sources", (lua_Integer)registry->source_count);
        push_endpoints(L, registry);
        lua_setfield(L, -2, "endpoints");
        push_transforms(L, registry);
        lua_setfield(L, -2, "transforms");
        set_integer(L, "subscriptions", (lua_Integer)registry->subscription_count);
        size_t polls = 0;
        for (size_t i = 0; i < registry->routine_count; i++)
            polls += registry->routines[i].kind >= ROUTINE_POLL;
        set_integer(L, "crons", (lua_Integer)(registry->routine_count - polls));
        set_integer(L, "polls", (lua_Integer)polls);
        lua_pushnil(L);
        generation_unref(generation);
    } else {
        lua_pushstring(L, err.text);
    }
    return 2;
}

static int l_files(lua_State *L)
{
    const char *globs[GLOBS_MAX + 1];
    const char *dir = luaL_checkstring(L, 1);
    lua_settop(L, 2);
    return inspect_push_files(L, dir, globs_check_read(L, 2, globs));
}

static int l_unknown(lua_State *L)
{
    const char *dir = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    return inspect_push_unknown(L, dir, 2);
}

static int l_try_regexes(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    return inspect_push_bad_regexes(L, 1);
}

/* ---- sign ---- */

static enum status sign_with(struct generation *generation, struct sign_request *request,
                             const char *name, struct buf *head, struct err *err)
{
    request->source = registry_source(generation_registry(generation), slice_str(name));
    if (!request->source)
        return err_set(err, E_NOTFOUND, "no source '%s' is registered in the scripts", name);
    return generation_sign(generation, request, head, err);
}

static void push_signed(lua_State *L, const struct sign_request *request, struct slice head)
{
    const struct source_spec *source = request->source;
    const struct slice body =
        request->signed_body->len > 0 ? buf_slice(request->signed_body) : request->body;
    lua_createtable(L, 0, 4);
    lua_pushlstring(L, body.data, body.len);
    lua_setfield(L, -2, "body");
    set_text(L, "path", source->path);
    lua_pushlstring(L, source->methods, strcspn(source->methods, ","));
    lua_setfield(L, -2, "method");
    lua_newtable(L);
    struct field field;
    lua_Integer count = 0;
    for (size_t offset = 0; head_next(head, &offset, &field);) {
        lua_createtable(L, 2, 0);
        lua_pushlstring(L, field.name.data, field.name.len);
        lua_rawseti(L, -2, 1);
        lua_pushlstring(L, field.value.data, field.value.len);
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, ++count);
    }
    lua_setfield(L, -2, "headers");
}

static int l_sign(lua_State *L)
{
    const char *globs[GLOBS_MAX + 1];
    const struct generation_options options = {.dir = luaL_checkstring(L, 1),
                                               .scripts = globs_check_read(L, 5, globs),
                                               .worker_count = 1,
                                               .number = 1};
    const char *name = luaL_checkstring(L, 2);
    struct sign_request request = {.type = luaL_optstring(L, 3, NULL),
                                   .id = (uint64_t)(clock_now_ms() - ID_EPOCH_MS) << 22};
    request.body.data = luaL_checklstring(L, 4, &request.body.len);
    struct buf head;
    struct buf body;
    buf_init(&head, LIMIT_HEADERS_BYTES);
    buf_init(&body, LIMIT_BODY_BYTES_HARD);
    request.signed_body = &body;
    struct generation *generation = NULL;
    struct err err;
    enum status status = generation_load(&options, &generation, NULL, &err);
    if (status == OK)
        status = sign_with(generation, &request, name, &head, &err);
    if (status == OK)
        push_signed(L, &request, buf_slice(&head));
    buf_finish(&head);
    buf_finish(&body);
    generation_unref(generation);
    return status == OK ? 1 : fail(L, err.text);
}

/* ---- settings ---- */

static int l_settings(lua_State *L)
{
    struct settings settings;
    struct err err;
    if (settings_load(luaL_checkstring(L, 1), &settings, &err) != OK)
        return fail(L, err.text);
    lua_newtable(L);
    for (size_t i = 0; i < settings.count; i++)
        set_text(L, settings.rows[i].name, settings.rows[i].value);
    settings_finish(&settings);
    return 1;
}

/* ---- fetch ---- */

/* The text at -1; the table it came from holds it. */
static struct slice header_text(lua_State *L)
{
    struct slice text;
    luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 1, "headers are names with values");
    text.data = lua_tolstring(L, -1, &text.len);
    lua_pop(L, 1);
    return text;
}

/* { { name, value }, … } at -1 */
static size_t read_header_list(lua_State *L, size_t count, struct field headers[HEADERS_MAX])
{
    luaL_argcheck(L, count <= HEADERS_MAX, 1, "too many headers");
    for (size_t i = 0; i < count; i++) {
        luaL_argcheck(L, lua_geti(L, -1, (lua_Integer)i + 1) == LUA_TTABLE, 1,
                      "headers are names with values");
        (void)lua_geti(L, -1, 1);
        headers[i].name = header_text(L);
        (void)lua_geti(L, -1, 2);
        headers[i].value = header_text(L);
        lua_pop(L, 1);
    }
    return count;
}

static size_t read_headers(lua_State *L, struct field headers[HEADERS_MAX])
{
    size_t count = 0;
    if (lua_getfield(L, 1, "headers") == LUA_TNIL)
        return 0;
    luaL_argexpected(L, lua_type(L, -1) == LUA_TTABLE, 1, "headers = table");
    if (lua_rawlen(L, -1) > 0)
        return read_header_list(L, lua_rawlen(L, -1), headers);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING, 1,
                      "headers are names with values");
        luaL_argcheck(L, count < HEADERS_MAX, 1, "too many headers");
        struct field *field = &headers[count++];
        field->name.data = lua_tolstring(L, -2, &field->name.len); /* the table holds both */
        field->value.data = lua_tolstring(L, -1, &field->value.len);
    }
    return count;
}

static void push_lower(lua_State *L, struct slice text)
{
    luaL_Buffer buffer;
    char *out = luaL_buffinitsize(L, &buffer, text.len);
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.data[i];
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    luaL_pushresultsize(&buffer, text.len);
}

static void push_answer(lua_State *L, const struct fetch_answer *answer)
{
    lua_createtable(L, 0, 3);
    set_integer(L, "status", answer->status);
    lua_pushlstring(L, buf_slice(&answer->body).data, answer->body.len);
    lua_setfield(L, -2, "body");
    lua_newtable(L);
    struct field field;
    for (size_t offset = 0; head_next(buf_slice(&answer->head), &offset, &field);) {
        push_lower(L, field.name);
        lua_pushlstring(L, field.value.data, field.value.len);
        lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "headers");
}

static int l_fetch(lua_State *L)
{
    struct field headers[HEADERS_MAX];
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    const struct options options = {.index = 1, .what = "native.fetch"};
    struct fetch_options fetch_of = {
        .unix_socket = option_check_text(L, &options, "unix", NULL),
        .url = option_check_text(L, &options, "url", NULL),
        .method = option_check_text(L, &options, "method", "GET"),
        .timeout_ms = option_check_integer(L, &options, "timeout_ms", (struct range){1, INT32_MAX},
                                           TIMEOUT_MS),
        .skips_verify = option_check_bool(L, &options, "skips_verify", false),
    };
    int fds[TERMINAL_FDS];
    fetch_of.wake_fds = fds;
    fetch_of.wake_fd_count = terminal_fds(option_check_bool(L, &options, "heeds_keys", false), fds);
    luaL_argcheck(L, fetch_of.url, 1, "url is missing");
    fetch_of.header_count = read_headers(L, headers);
    fetch_of.headers = headers;
    lua_getfield(L, 1, "body");
    fetch_of.body.data = luaL_optlstring(L, -1, "", &fetch_of.body.len);
    struct fetch_answer answer = {0};
    struct err err;
    const enum status status = fetch(&fetch_of, &answer, &err);
    if (status == OK)
        push_answer(L, &answer);
    buf_finish(&answer.head);
    buf_finish(&answer.body);
    if (status == OK)
        return 1;
    (void)fail(L, err.text);
    lua_pushstring(L, status_name(status));
    return 3;
}

/* ---- Small ones ---- */

static int l_program(lua_State *L)
{
    char path[PATH_MAX];
    const ssize_t len = readlink("/proc/self/exe", path, sizeof path);
    if (len < 0)
        return fail(L, strerror(errno));
    lua_pushlstring(L, path, (size_t)len);
    return 1;
}

static int l_isatty(lua_State *L)
{
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
    return 1;
}

static int l_now_ms(lua_State *L)
{
    lua_pushinteger(L, clock_now_ms());
    return 1;
}

static int l_mono_ms(lua_State *L)
{
    lua_pushinteger(L, clock_mono_ms());
    return 1;
}

static int l_sleep_ms(lua_State *L)
{
    const lua_Integer ms = luaL_checkinteger(L, 1);
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&time, NULL);
    return 0;
}

const luaL_Reg script_cli_natives[] = {
    {"check", l_check},
    {"cron_next", l_cron_next},
    {"fetch", l_fetch},
    {"files", l_files},
    {"heed_interrupts", l_heed_interrupts},
    {"is_interrupted", l_is_interrupted},
    {"isatty", l_isatty},
    {"key", l_key},
    {"mono_ms", l_mono_ms},
    {"nearest", l_nearest},
    {"now_ms", l_now_ms},
    {"program", l_program},
    {"save", l_save},
    {"settings", l_settings},
    {"sign", l_sign},
    {"sleep_ms", l_sleep_ms},
    {"take_keys", l_take_keys},
    {"try_regexes", l_try_regexes},
    {"unknown", l_unknown},
    {NULL, NULL},
};
