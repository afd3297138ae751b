/* SPDX-License-Identifier: MIT */
/* The phases, and those of their hooks that other bindings do not drive. */
#include "script_project_int.h"

#include "base/clock.h"
#include "base/limits.h"
#include "script/script_int.h"

/* phases() -> { [name] = CPU limit in ms } */
int l_phases(lua_State *L)
{
    lua_newtable(L);
    for (int i = 0; i < PHASE_COUNT; i++)
        set_integer(L, phases[i].name, phases[i].cpu_ms);
    return 1;
}

/* order(endpoint) -> nil | text of the error */
int l_project_order(lua_State *L)
{
    const struct project *project = project_check(L);
    const struct endpoint_spec *endpoint =
        registry_endpoint(script_registry(project->script), slice_str(luaL_checkstring(L, 2)));
    luaL_argcheck(L, endpoint, 2, "no such endpoint");
    lua_settop(L, 2);
    lua_newtable(L);
    struct message *message = read_message(L, 3);
    struct order_key key;
    struct err err = {0};
    const enum status status = script_order(project->script, endpoint, message, &key, &err);
    message_unref(message);
    lua_pushstring(L, status == OK ? NULL : err.text);
    return 1;
}

/* sign(source) -> nil | text of the error */
int l_project_sign(lua_State *L)
{
    const struct project *project = project_check(L);
    struct buf head;
    struct buf body;
    struct sign_request request = {
        .source =
            registry_source(script_registry(project->script), slice_str(luaL_checkstring(L, 2))),
        .body = slice_str("{}"),
        .id = 1,
        .signed_body = &body,
    };
    luaL_argcheck(L, request.source, 2, "no such source");
    buf_init(&head, LIMIT_HEADERS_BYTES);
    buf_init(&body, LIMIT_BODY_BYTES);
    struct err err = {0};
    const enum status status = script_sign(project->script, &request, &head, &err);
    buf_finish(&head);
    buf_finish(&body);
    lua_pushstring(L, status == OK ? NULL : err.text);
    return 1;
}
