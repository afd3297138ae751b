/* SPDX-License-Identifier: MIT */
/* anzol.source(name, options): where events come in. */
#include "script/bind_int.h"

#include "base/text.h"

#include <stdlib.h>

#define DAY_MS INT64_C(86400000)
#define METHODS_MAX 8
#define HIDDEN_MAX 32
#define ALLOWED_MAX 256
#define STATUS_OK 200
#define STATUS_BAD_REQUEST 400
/* What CloudEvents asks for: an event that is not handled yet, one that nobody can read. */
#define STATUS_ACCEPTED 202
#define STATUS_UNSUPPORTED_MEDIA_TYPE 415
#define EXPECT_VERIFY                                                                              \
    "a verifier (anzol.verify.github { … } and the like, anzol.verify.none() to take what "      \
    "anybody "                                                                                     \
    "sends) or function(req) -> true | false, reason"

static const char *const option_names[] = {
    "allow_from",
    "challenge",
    "handshake",
    "hide_headers",
    "idempotency_key",
    "idempotency_window",
    "max_body",
    "methods",
    "path",
    "provider",
    "public_url",
    "rate_limit",
    "respond",
    "retention",
    "seal_body",
    "status",
    "type",
    "verify",
    NULL,
};
static const char *const provider_names[] = {
    "challenge", "hide_headers", "idempotency_key", "name", "respond",
    "sign",      "type",         "verify",          NULL,
};
static const char *const method_names[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

/* Pushes the option, or the provider's if the source itself has none. */
static int push_option(lua_State *L, const struct options *options, int provider, const char *name)
{
    const int type = lua_getfield(L, options->index, name);
    if (type != LUA_TNIL || provider == 0)
        return type;
    lua_pop(L, 1);
    return lua_getfield(L, provider, name);
}

static void read_verify(lua_State *L, const struct options *options, int provider,
                        struct source_spec *source)
{
    const int type = push_option(L, options, provider, "verify");
    struct verifier *verifier = verifier_test(L, -1);
    if (verifier) {
        source->verifier = verifier_ref(verifier);
        lua_pop(L, 1);
    } else if (type == LUA_TFUNCTION) {
        source->verify_function = function_keep(L);
    } else if (type == LUA_TNIL) {
        (void)luaL_error(L,
                         "%s needs 'verify'; use anzol.verify.… or a provider, or "
                         "anzol.verify.none() to take what anybody sends",
                         options->what);
    } else {
        (void)option_error(L, options, "verify", EXPECT_VERIFY);
    }
}

static void read_type(lua_State *L, const struct options *options, int provider,
                      struct source_spec *source)
{
    const int type = push_option(L, options, provider, "type");
    if (type == LUA_TFUNCTION) {
        source->type_function = function_keep(L);
        return;
    }
    if (type == LUA_TNIL) {
        source->type = text_copy(L, source->name);
    } else {
        size_t len = 0;
        const char *text = type == LUA_TSTRING ? lua_tolstring(L, -1, &len) : "";
        if (!event_type_is_valid(slice_of(text, len)))
            (void)option_error(L, options, "type",
                               "an event type (at most 256 of A-Z a-z 0-9 _ . -) or "
                               "function(req) -> string");
        if (event_type_is_reserved(slice_of(text, len)))
            (void)luaL_error(L, "option 'type' of %s is '%s': " TYPE_RESERVED, options->what, text);
        source->type = text_copy(L, text);
    }
    lua_pop(L, 1);
}

static void read_key(lua_State *L, const struct options *options, int provider,
                     struct source_spec *source)
{
    const int type = push_option(L, options, provider, "idempotency_key");
    if (type == LUA_TFUNCTION)
        source->key_function = function_keep(L);
    else if (type != LUA_TNIL)
        (void)option_error(L, options, "idempotency_key", "a function(req) -> string | nil");
    else
        lua_pop(L, 1);
}

/* challenge and respond: 0 if there is none. */
static int read_hook(lua_State *L, const struct options *options, int provider, const char *name)
{
    const int type = push_option(L, options, provider, name);
    if (type == LUA_TFUNCTION)
        return function_keep(L);
    if (type != LUA_TNIL)
        (void)option_error(L, options, name,
                           "a function(req) -> nil | { status, headers, json | body }");
    lua_pop(L, 1);
    return 0;
}

static void read_allowed(lua_State *L, const struct options *options, struct source_spec *source)
{
    const int type = lua_getfield(L, options->index, "allow_from");
    const size_t count = type == LUA_TTABLE ? lua_rawlen(L, -1) : 0;
    if ((type != LUA_TNIL && count == 0) || count > ALLOWED_MAX)
        (void)option_error(L, options, "allow_from", "a list of 1 to 256 addresses and blocks");
    if (count > 0 && !(source->allowed = calloc(count, sizeof *source->allowed)))
        (void)luaL_error(L, "out of memory");
    for (size_t i = 0; i < count; i++) {
        struct slice text = slice_str("");
        if (lua_rawgeti(L, -1, (lua_Integer)i + 1) == LUA_TSTRING)
            text.data = lua_tolstring(L, -1, &text.len);
        if (!cidr_parse(text, &source->allowed[i]))
            (void)luaL_error(L, "option 'allow_from' of %s holds '%s', which is not " CIDR_FORMS,
                             options->what, luaL_tolstring(L, -1, NULL));
        source->allowed_count = i + 1;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* The list on top. */
static void read_origins(lua_State *L, const struct options *options,
                         struct handshake_spec *handshake)
{
    const size_t count = lua_type(L, -1) == LUA_TTABLE ? lua_rawlen(L, -1) : 0;
    handshake->allows_any = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "*") == 0;
    if (!handshake->allows_any && (count == 0 || count > LIMIT_HANDSHAKE_ORIGINS))
        (void)option_error(L, options, "origins",
                           lua_pushfstring(L, "a list of 1 to %d DNS names, or \"*\" for any",
                                           LIMIT_HANDSHAKE_ORIGINS));
    handshake->origins = calloc(count + 1, sizeof *handshake->origins);
    if (!handshake->origins)
        (void)luaL_error(L, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const char *name = "";
        if (lua_rawgeti(L, -1, (lua_Integer)i + 1) == LUA_TSTRING)
            name = lua_tostring(L, -1);
        if (!handshake_is_origin(slice_str(name)))
            (void)luaL_error(L, "option 'origins' of %s holds '%s', which is not a DNS name",
                             options->what, luaL_tolstring(L, -1, NULL));
        handshake->origins[i] = text_copy(L, name);
        handshake->origin_count = i + 1;
        lua_pop(L, 1);
    }
}

static void read_handshake(lua_State *L, const struct options *options, struct source_spec *source)
{
    static const char *const names[] = {"origins", "rate", NULL};
    if (lua_getfield(L, options->index, "handshake") == LUA_TNIL) {
        lua_pop(L, 1);
        return;
    }
    const struct options own = {.index = lua_gettop(L),
                                .what = lua_pushfstring(L, "'handshake' of %s", options->what)};
    options_check_names(L, &own, names, NULL);
    source->handshake = calloc(1, sizeof *source->handshake);
    if (!source->handshake)
        (void)luaL_error(L, "out of memory");
    lua_getfield(L, own.index, "origins");
    read_origins(L, &own, source->handshake);
    source->handshake->rate_per_min =
        (uint32_t)option_check_integer(L, &own, "rate", (struct range){1, HANDSHAKE_RATE_MAX}, 0);
    lua_settop(L, own.index - 1);
}

static void read_rate(lua_State *L, const struct options *options, struct source_spec *source)
{
    const char *text = option_check_text(L, options, "rate_limit", NULL);
    if (text && !text_parse_rate(slice_str(text), &source->rate_per_s))
        (void)option_error(L, options, "rate_limit", TEXT_RATE_FORMS);
}

static void read_path(lua_State *L, const struct options *options, struct source_spec *source)
{
    const char *usual = lua_pushfstring(L, "/in/%s", source->name);
    const char *path = option_check_path(L, options);
    path_check_free(L, path ? path : usual);
    source->path = text_copy(L, path ? path : usual);
    lua_pop(L, 1);
}

/* What some senders sign: the address as it stands in their settings. */
static void read_public_url(lua_State *L, const struct options *options, struct source_spec *source)
{
    const char *url = option_check_text(L, options, "public_url", NULL);
    if (!url)
        return;
    const bool has_scheme = strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0;
    bool is_good = has_scheme && strlen(url) <= LIMIT_URL_BYTES;
    for (const char *c = url; *c; c++)
        is_good &= *c > ' ' && *c <= '~' && *c != '?' && *c != '#';
    if (!is_good)
        (void)option_error(L, options, "public_url",
                           "the URL that the sender knows, without a query, as "
                           "\"https://hooks.example/in/NAME\"");
    source->public_url = text_copy(L, url);
}

static bool is_method(const char *name)
{
    for (size_t i = 0; i < array_count(method_names); i++)
        if (strcmp(name, method_names[i]) == 0)
            return true;
    return false;
}

static void read_methods(lua_State *L, const struct options *options, struct source_spec *source)
{
    const int type = lua_getfield(L, options->index, "methods");
    if (type == LUA_TNIL) {
        source->methods = text_copy(L, "POST");
        lua_pop(L, 1);
        return;
    }
    const size_t count = type == LUA_TTABLE ? lua_rawlen(L, -1) : 0;
    if (count == 0 || count > METHODS_MAX)
        (void)option_error(L, options, "methods", "a list of methods, as { \"POST\" }");
    lua_pushliteral(L, "");
    for (size_t i = 1; i <= count; i++) {
        if (lua_rawgeti(L, -2, (lua_Integer)i) != LUA_TSTRING || !is_method(lua_tostring(L, -1)))
            (void)option_error(L, options, "methods", "a list of GET, POST, PUT, PATCH, DELETE");
        lua_pushfstring(L, "%s%s%s", lua_tostring(L, -2), i > 1 ? ", " : "", lua_tostring(L, -1));
        lua_replace(L, -3);
        lua_pop(L, 1);
    }
    source->methods = text_copy(L, lua_tostring(L, -1));
    lua_pop(L, 2);
}

static char *lower_copy(lua_State *L, const char *text)
{
    char *copy = text_copy(L, text);
    for (char *c = copy; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return copy;
}

static void hide(struct source_spec *source, char *name)
{
    source->hidden_headers[source->hidden_header_count++] = name;
}

static bool is_hidden(const struct source_spec *source, const char *name)
{
    for (size_t i = 0; i < source->hidden_header_count; i++)
        if (slice_equal_nocase(slice_str(source->hidden_headers[i]), slice_str(name)))
            return true;
    return false;
}

/* What holds the secret itself by which the sender is judged. */
static void hide_token(lua_State *L, struct source_spec *source)
{
    const struct verifier *verifier = source->verifier;
    if (!verifier || verifier->kind != VERIFIER_RECIPE)
        return;
    const struct recipe *recipe = &verifier->recipe;
    if (recipe->token_query[0] != '\0')
        hide(source, text_copy(L, lua_pushfstring(L, CONTENT_PARAMETER "%s", recipe->token_query)));
    for (size_t i = 0; i < recipe->name_count && recipe->algorithm == ALGORITHM_TOKEN; i++)
        if (!is_hidden(source, recipe->names[i].signature))
            hide(source, lower_copy(L, recipe->names[i].signature));
}

static void read_hidden(lua_State *L, const struct options *options, int provider,
                        struct source_spec *source)
{
    static const char *const fallback[] = {"authorization", "cookie"};
    const int type = push_option(L, options, provider, "hide_headers");
    const size_t count = type == LUA_TTABLE ? lua_rawlen(L, -1) : array_count(fallback);
    if ((type != LUA_TNIL && type != LUA_TTABLE) || count > HIDDEN_MAX)
        (void)option_error(L, options, "hide_headers", "a list of at most 32 header names");
    source->hidden_headers = calloc(count + 2 + RECIPE_NAMES_MAX, sizeof *source->hidden_headers);
    if (!source->hidden_headers)
        (void)luaL_error(L, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const char *name = fallback[i % array_count(fallback)];
        if (type == LUA_TTABLE) {
            if (lua_rawgeti(L, -1, (lua_Integer)i + 1) != LUA_TSTRING)
                (void)option_error(L, options, "hide_headers", "a list of header names");
            name = lua_tostring(L, -1);
            lua_pop(L, 1); /* the table holds it */
        }
        const bool is_parameter = name[0] == CONTENT_PARAMETER[0]; /* its case counts */
        hide(source, is_parameter ? text_copy(L, name) : lower_copy(L, name));
    }
    lua_pop(L, 1);
    hide_token(L, source);
}

/* The provider's table at its index, 0 if there is none. */
static int push_provider(lua_State *L, const struct options *options, const char *name)
{
    const int type = lua_getfield(L, options->index, "provider");
    if (type == LUA_TNIL) {
        lua_pop(L, 1);
        return 0;
    }
    if (type != LUA_TTABLE)
        (void)option_error(L, options, "provider",
                           "a provider, as anzol.provider.github { secret = … }");
    const struct options provider = {
        .index = lua_gettop(L), .what = lua_pushfstring(L, "the provider of %s", options->what)};
    options_check_names(L, &provider, provider_names, NULL);
    lua_pop(L, 1);
    if (lua_getfield(L, provider.index, "sign") == LUA_TFUNCTION) {
        script_push_ref(L, script_of(L), REF_SIGNS);
        lua_insert(L, -2);
        lua_setfield(L, -2, name);
    }
    lua_settop(L, provider.index);
    return provider.index;
}

static void check_unique(lua_State *L, const struct registry *registry, const char *name)
{
    const struct source_spec *other = registry_source(registry, slice_str(name));
    if (other && other->script)
        (void)luaL_error(L, "anzol.source '%s' is registered twice; first in %s", name,
                         other->script);
}

static int l_source(lua_State *L)
{
    struct draft *draft = draft_check(L, "anzol.source");
    const char *name = luaL_checkstring(L, 1);
    name_check(L, name, "anzol.source");
    lua_settop(L, 2);
    const struct options options = {.index = 2,
                                    .what = lua_pushfstring(L, "anzol.source '%s'", name)};
    options_check_names(L, &options, option_names, NULL);
    check_unique(L, draft->registry, name);
    struct source_spec *source = draft_add_source(draft);
    if (!source)
        return luaL_error(L, "out of memory");
    source->name = text_copy(L, name);
    const int provider = push_provider(L, &options, name);
    read_path(L, &options, source);
    read_public_url(L, &options, source);
    read_methods(L, &options, source);
    read_handshake(L, &options, source);
    source->challenge_function = read_hook(L, &options, provider, "challenge");
    read_verify(L, &options, provider, source);
    source->respond_function = read_hook(L, &options, provider, "respond");
    read_allowed(L, &options, source);
    read_rate(L, &options, source);
    read_type(L, &options, provider, source);
    read_key(L, &options, provider, source);
    read_hidden(L, &options, provider, source);
    source->key_window_ms = option_check_duration(L, &options, "idempotency_window", DAY_MS);
    source->seals_body = option_check_bool(L, &options, "seal_body", false);
    source->retention_ms = option_check_duration(L, &options, "retention", 0);
    source->body_bytes_max = option_check_size(L, &options, "max_body", LIMIT_BODY_BYTES);
    if (source->body_bytes_max > LIMIT_BODY_BYTES_HARD)
        return luaL_error(L, "option 'max_body' of %s is at most %d MiB", options.what,
                          LIMIT_BODY_BYTES_HARD >> 20);
    source->status = (int)option_check_integer(L, &options, "status", (struct range){200, 299},
                                               source->handshake ? STATUS_ACCEPTED : STATUS_OK);
    source->malformed_status =
        source->handshake ? STATUS_UNSUPPORTED_MEDIA_TYPE : STATUS_BAD_REQUEST;
    source->script = place_copy(L);
    draft->ended++;
    return 0;
}

/* (name, path): whether no source, poll or path is called so. Load phase only. */
static int l_is_free(lua_State *L)
{
    const struct draft *draft = script_of(L)->draft;
    const struct slice name = slice_str(luaL_checkstring(L, 1));
    const struct slice path = slice_str(luaL_checkstring(L, 2));
    struct slice rest;
    luaL_argcheck(L, draft, 1, "nothing is loaded now");
    lua_pushboolean(L, !registry_source(draft->registry, name) &&
                           !registry_routine(draft->registry, ROUTINE_POLL, name) &&
                           !registry_source_by_path(draft->registry, path) &&
                           !registry_queue_by_path(draft->registry, path, &rest));
    return 1;
}

static int l_open_is_free(lua_State *L)
{
    lua_pushcfunction(L, l_is_free);
    return 1;
}

void open_source(lua_State *L)
{
    luaL_requiref(L, "anzol.is_free", l_open_is_free, 0);
    lua_pop(L, 1);
    lua_pushcfunction(L, l_source);
    lua_setfield(L, -2, "source");
}
