/* SPDX-License-Identifier: MIT */
/* anzol.secret(name): a value that prints as "[secret NAME]". The bytes stay in C, read once for
 * all states of a generation; a script sees them only by :reveal(). anzol.env reads the rest. */
#include "script/bind_int.h"

#include "base/secret_file.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define SECRET_PREFIX "ANZOL_SECRET_"
#define FILE_SUFFIX "_FILE"
#define VARIABLE_BYTES (sizeof SECRET_PREFIX + LIMIT_NAME_BYTES + sizeof FILE_SUFFIX)

struct secret_object {
    const struct secret_value *value; /* the generation's */
};

/* Long enough that nobody is warned of it; hex and base64 too, for who reveals it. */
#define MISSING "0000000000000000000000000000000000000000000000000000000000000000"
static const struct secret_value missing_value = {.name = (char *)(uintptr_t)MISSING,
                                                  .value = (char *)(uintptr_t)MISSING,
                                                  .len = sizeof MISSING - 1};

const char *generation_variable(const struct generation *generation, const char *name)
{
    const struct environment *environment = &generation->environment;
    return environment->get ? environment->get(name, environment->ctx) : getenv(name);
}

/* Where a secret may come from, the first that has it: the environment, a file that the environment
 * names (as containers are given them), a credential of systemd. */
static char *read_secret(const struct generation *generation, const char *name, struct err *err)
{
    char variable[VARIABLE_BYTES], path[PATH_MAX];
    (void)snprintf(variable, sizeof variable, SECRET_PREFIX "%s", name);
    const char *text = generation_variable(generation, variable);
    if (text && text[0] != '\0')
        return strdup(text);
    (void)snprintf(variable, sizeof variable, SECRET_PREFIX "%s" FILE_SUFFIX, name);
    const char *file = generation_variable(generation, variable);
    if (file && file[0] != '\0')
        return secret_file_read(file, err);
    const char *folder = generation_variable(generation, "CREDENTIALS_DIRECTORY");
    if (folder && snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path &&
        access(path, F_OK) == 0)
        return secret_file_read(path, err);
    err_set(err, E_NOTFOUND,
            "set the environment variable " SECRET_PREFIX "%s, or " SECRET_PREFIX "%s" FILE_SUFFIX
            " to a file that holds it, or put a file %s into $CREDENTIALS_DIRECTORY",
            name, name, name);
    return NULL;
}

const struct secret_value *generation_secret(struct generation *generation, const char *name,
                                             struct err *err)
{
    for (size_t i = 0; i < generation->secret_count; i++)
        if (strcmp(generation->secrets[i]->name, name) == 0)
            return generation->secrets[i];
    char *value = read_secret(generation, name, err);
    if (!value)
        return NULL;
    struct secret_value *secret = malloc(sizeof *secret);
    struct secret_value **secrets =
        realloc(generation->secrets, (generation->secret_count + 1) * sizeof *secrets);
    char *copy = strdup(name);
    if (secrets)
        generation->secrets = secrets;
    if (!secrets || !secret || !copy) {
        err_set(err, E_NOMEM, "no memory");
        free(secret);
        free(copy);
        free(value);
        return NULL;
    }
    *secret = (struct secret_value){.name = copy, .value = value, .len = strlen(value)};
    secrets[generation->secret_count++] = secret;
    return secret;
}

bool secret_test(lua_State *L, int index, struct slice *text)
{
    if (lua_type(L, index) == LUA_TSTRING) {
        text->data = lua_tolstring(L, index, &text->len);
        return true;
    }
    const struct secret_object *secret = object_test(L, index, &secret_kind);
    if (!secret)
        return false;
    *text = slice_of(secret->value->value, secret->value->len);
    return true;
}

bool secret_is_missing(lua_State *L, int index)
{
    const struct secret_object *secret = object_test(L, index, &secret_kind);
    return secret && secret->value == &missing_value;
}

static bool is_name(const char *name)
{
    const size_t len = strlen(name);
    for (size_t i = 0; i < len; i++) {
        const char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_'))
            return false;
    }
    return len > 0 && len <= LIMIT_NAME_BYTES;
}

/* Without the secret the generation is refused, but loading goes on: all that is missing is found
 * in one go. */
static void report_missing(lua_State *L, const char *name, const struct err *err)
{
    struct script *script = script_of(L);
    luaL_where(L, 1);
    const char *message =
        lua_pushfstring(L, "%ssecret %s is not set; %s", lua_tostring(L, -1), name, err->text);
    if (!script->draft)
        (void)lua_error(L);
    findings_add(script->draft->findings,
                 &(struct finding_options){.level = script->generation->allow_missing_secrets
                                                        ? FINDING_WARNING
                                                        : FINDING_ERROR,
                                           .message = message});
    lua_pop(L, 2);
}

static int l_secret(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    if (!is_name(name))
        return luaL_error(L, "bad name '%s' for anzol.secret: letters, digits and _", name);
    struct script *script = script_of(L);
    const struct secret_value *value = NULL;
    struct err err = {0};
    if (script->draft || script->generation->snapshot.is_frozen == false)
        value = generation_secret(script->generation, name, &err);
    else
        for (size_t i = 0; i < script->generation->secret_count && !value; i++)
            if (strcmp(script->generation->secrets[i]->name, name) == 0)
                value = script->generation->secrets[i];
    if (!value && !script->draft)
        return luaL_error(L,
                          "secret %s was not read when the scripts were loaded; call "
                          "anzol.secret in the body of a file",
                          name);
    if (!value)
        report_missing(L, name, &err);
    struct secret_object *secret = object_push(L, &secret_kind, sizeof *secret, 1);
    secret->value = value ? value : &missing_value;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    return 1;
}

static int l_tostring(lua_State *L)
{
    (void)object_check(L, 1, &secret_kind);
    lua_getiuservalue(L, 1, 1);
    lua_pushfstring(L, "[secret %s]", lua_tostring(L, -1));
    return 1;
}

static int l_reveal(lua_State *L)
{
    const struct secret_object *secret = object_check(L, 1, &secret_kind);
    lua_pushlstring(L, secret->value->value, secret->value->len);
    return 1;
}

static int l_concat(lua_State *L)
{
    return luaL_error(L, "a secret is not joined to text by itself; use :reveal() where the text "
                         "may hold it");
}

static int l_eq(lua_State *L)
{
    const struct secret_object *a = object_test(L, 1, &secret_kind);
    const struct secret_object *b = object_test(L, 2, &secret_kind);
    lua_pushboolean(L, a && b && a->value == b->value);
    return 1;
}

/* anzol.env(name, default): not the secrets. */
static int l_env(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    if (strncmp(name, SECRET_PREFIX, strlen(SECRET_PREFIX)) == 0 ||
        strcmp(name, "ANZOL_ADMIN_TOKEN") == 0 || strcmp(name, "ANZOL_SECRETS_KEY") == 0)
        return luaL_error(L, "anzol.env does not show %s; use anzol.secret", name);
    lua_settop(L, 2);
    const char *value = generation_variable(script_of(L)->generation, name);
    if (value)
        lua_pushstring(L, value);
    return 1;
}

static const luaL_Reg meta[] = {
    {"__concat", l_concat},
    {"__eq", l_eq},
    {"__tostring", l_tostring},
    {NULL, NULL},
};

static const luaL_Reg methods[] = {
    {"reveal", l_reveal},
    {NULL, NULL},
};

const struct object_kind secret_kind = {"secret", meta, methods};

void open_secret(lua_State *L)
{
    object_open(L, &secret_kind);
    lua_pushcfunction(L, l_secret);
    lua_setfield(L, -2, "secret");
    lua_pushcfunction(L, l_env);
    lua_setfield(L, -2, "env");
}
