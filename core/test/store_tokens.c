/* SPDX-License-Identifier: MIT */
/* Tokens of the API, from Lua. */
#include "store_lua.h"

static const char *const scope_names[] = {"portal", "application", NULL};

static void check_hash(lua_State *L, const char *hash)
{
    if (hash && lua_rawlen(L, -1) != API_TOKEN_HASH_BYTES)
        luaL_error(L, "a hash has %d bytes", (int)API_TOKEN_HASH_BYTES);
}

/* The field as API_TOKEN_HASH_BYTES; NULL: not given. */
static const char *field_hash(lua_State *L, struct arena *arena, const char *name)
{
    lua_getfield(L, 2, name);
    const char *hash = lua_tostring(L, -1);
    check_hash(L, hash);
    lua_pop(L, 1);
    return hash ? arena_field(L, arena, 2, name) : NULL;
}

/* token{ application, scope, hash = 32 bytes, label, flags, expires_ms, now_ms, key, mark, is_anew
 * } mints one; token{ id, is_end = true, now_ms } ends it */
int l_token(lua_State *L)
{
    struct lua_op *it = op_create(L, STORE_TOKEN);
    it->token = (struct api_token){
        .id = (uint64_t)field_integer(L, 2, "id", 0),
        .application = (uint64_t)field_integer(L, 2, "application", 0),
        .label = arena_field(L, &it->arena, 2, "label"),
        .flags = arena_field(L, &it->arena, 2, "flags"),
        .expires_ms = field_integer(L, 2, "expires_ms", 0),
    };
    it->u.token.is_end = field_boolean(L, 2, "is_end");
    if (!it->u.token.is_end)
        it->token.scope = (enum api_token_scope)field_option(L, 2, "scope", scope_names);
    const char *hash = field_hash(L, &it->arena, "hash");
    if (hash)
        memcpy(it->token.hash, hash, sizeof it->token.hash);
    it->u.token.token = &it->token;
    it->u.token.answer_key = (const unsigned char *)arena_field(L, &it->arena, 2, "key");
    it->u.token.mark = arena_field(L, &it->arena, 2, "mark");
    it->u.token.is_anew = field_boolean(L, 2, "is_anew");
    it->u.token.now_ms = field_integer(L, 2, "now_ms", 0);
    return op_submit(L, it);
}

void set_token(lua_State *L, struct lua_op *it)
{
    struct store_token *op = &it->u.token;
    set_integer(L, "id", (lua_Integer)it->token.id);
    set_bool(L, "is_repeat", op->is_repeat);
    set_integer(L, "first_ms", op->first.created_ms);
    set_text(L, "mark", op->first.body);
    resource_finish(&op->first);
}

void set_tokens(lua_State *L, const struct store_list_tokens *list)
{
    lua_newtable(L);
    for (size_t i = 0; i < list->row_count; i++) {
        const struct api_token *token = &list->rows[i];
        lua_newtable(L);
        set_integer(L, "id", (lua_Integer)token->id);
        set_integer(L, "application", (lua_Integer)token->application);
        set_text(L, "scope", api_token_scope_name(token->scope));
        lua_pushlstring(L, (const char *)token->hash, sizeof token->hash);
        lua_setfield(L, -2, "hash");
        set_text(L, "label", token->label);
        set_text(L, "flags", token->flags);
        set_integer(L, "created_ms", token->created_ms);
        set_integer(L, "expires_ms", token->expires_ms);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "tokens");
    set_bool(L, "is_end", list->is_end);
}

/* list_tokens{ only = 32 bytes, application, now_ms, limit, before, after, is_backward } */
int l_list_tokens(lua_State *L)
{
    struct lua_read *it = read_create(L, STORE_LIST_TOKENS);
    struct store_list_tokens *list = &it->u.list_tokens;
    list->only = (const unsigned char *)field_hash(L, &it->arena, "only");
    list->application = (uint64_t)field_integer(L, 2, "application", 0);
    list->now_ms = field_integer(L, 2, "now_ms", 0);
    list->query = (struct store_list_query){
        .limit = (size_t)field_integer(L, 2, "limit", 100),
        .before = (uint64_t)field_integer(L, 2, "before", 0),
        .after = (uint64_t)field_integer(L, 2, "after", 0),
        .is_backward = field_boolean(L, 2, "is_backward"),
        .state = -1,
    };
    return read_start(L, it);
}
