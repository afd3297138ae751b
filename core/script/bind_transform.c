/* SPDX-License-Identifier: MIT */
/* anzol.transform(name, fn): what an endpoint that an application registered can have its messages
 * changed by: its metadata says `transform = name`. */
#include "script/bind_int.h"

#include <stdlib.h>

static int l_register(lua_State *L)
{
    struct draft *draft = draft_check(L, "anzol.transform");
    const char *name = luaL_checkstring(L, 1);
    name_check(L, name, "anzol.transform");
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    const struct transform_spec *first = registry_transform(draft->registry, name);
    if (first)
        return luaL_error(L, "anzol.transform '%s' is registered twice; first in %s", name,
                          first->script);
    struct transform_spec *transform = draft_add_transform(draft);
    if (!transform)
        return luaL_error(L, "out of memory");
    transform->script = place_copy(L);
    transform->name = text_copy(L, name);
    transform->function = function_keep(L);
    draft->ended++;
    return 0;
}

void open_transform(lua_State *L)
{
    lua_pushcfunction(L, l_register);
    lua_setfield(L, -2, "transform");
}
