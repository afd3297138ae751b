/* SPDX-License-Identifier: MIT */
/* The options of anzol.endpoint that say how its messages go over the wire. */
#include "script/bind_int.h"

#include "send/send.h"
#include "signature/signature.h"

#include <stdlib.h>

/* ---- compress = "gzip" ---- */

static void read_compress(lua_State *L, const struct options *options,
                          struct endpoint_spec *endpoint)
{
    const char *coding = option_check_text(L, options, "compress", NULL);
    if (coding && strcmp(coding, "gzip") != 0)
        (void)option_error(L, options, "compress", "\"gzip\"");
    endpoint->is_compressed = coding != NULL;
}

/* ---- cloudevents = { mode =, source = } ---- */

static enum cloudevents_mode check_mode(lua_State *L, const struct options *options)
{
    const char *mode = option_check_text(L, options, "mode", "binary");
    if (strcmp(mode, "binary") == 0)
        return CLOUDEVENTS_BINARY;
    if (strcmp(mode, "structured") != 0)
        (void)option_error(L, options, "mode", "\"binary\" or \"structured\"");
    return CLOUDEVENTS_STRUCTURED;
}

static bool is_uri_reference(const char *text)
{
    for (const char *c = text; *c; c++)
        if (*c <= 0x20 || *c >= 0x7f || strchr("\"<>\\^`{|}", *c))
            return false;
    return text[0] != '\0' && strlen(text) <= LIMIT_URL_BYTES;
}

static void read_cloudevents(lua_State *L, const struct options *options,
                             struct endpoint_spec *endpoint)
{
    static const char *const names[] = {"mode", "source", NULL};
    if (lua_getfield(L, options->index, "cloudevents") == LUA_TNIL) {
        lua_pop(L, 1);
        return;
    }
    const struct options own = {
        .index = lua_gettop(L),
        .what = lua_pushfstring(L, "option 'cloudevents' of %s", options->what)};
    options_check_names(L, &own, names, NULL);
    endpoint->cloudevents = check_mode(L, &own);
    const char *source = option_check_text(L, &own, "source", NULL);
    if (!source || !is_uri_reference(source))
        (void)option_error(L, &own, "source",
                           "a URI or a path that says where the events come from, as "
                           "\"https://shop.example/orders\" or \"/orders\"");
    endpoint->cloudevents_source = text_copy(L, source);
    lua_settop(L, own.index - 1);
}

/* ---- ca_file =, client_cert = { cert =, key = }: paths, or secrets that hold the PEM ---- */

/* A spec of users makes no connection: it needs no certificates. */
static bool needs_none(lua_State *L)
{
    return script_of(L)->generation->environment.get != NULL;
}

/* Where secrets may be missing, their files may be as well. */
static bool tell_missing(lua_State *L, const struct options *options, const char *name,
                         const struct err *err)
{
    struct script *script = script_of(L);
    luaL_where(L, 1);
    const char *message = lua_pushfstring(L, "%soption '%s' of %s: %s", lua_tostring(L, -1), name,
                                          options->what, err->text);
    if (!script->generation->allow_missing_secrets || err->status != E_NOTFOUND)
        return false;
    findings_add(script->draft->findings,
                 &(struct finding_options){.level = FINDING_WARNING, .message = message});
    lua_pop(L, 2);
    return true;
}

/* What option `name` of the table says; data NULL: nothing, or what need not be there. */
static struct slice check_pem(lua_State *L, const struct options *options, const char *name)
{
    struct slice text = {NULL, 0};
    struct err err;
    const struct snapshot_file *file = NULL;
    const int type = lua_getfield(L, options->index, name);
    if (type != LUA_TNIL && !secret_test(L, -1, &text))
        (void)option_error(L, options, name, "the path of a file, or anzol.secret \"NAME\"");
    const bool is_used = type != LUA_TNIL && !needs_none(L) && !secret_is_missing(L, -1);
    if (is_used && type == LUA_TSTRING) {
        if (snapshot_open(&script_of(L)->generation->snapshot, text.data, &file, &err) == OK)
            text = slice_of(file->data, file->len);
        else if (tell_missing(L, options, name, &err))
            text = slice_of(NULL, 0);
        else
            (void)lua_error(L);
    }
    lua_pop(L, 1);
    return is_used ? text : (struct slice){NULL, 0};
}

static char *copy_certificates(lua_State *L, const struct options *options, const char *name)
{
    const struct slice pem = check_pem(L, options, name);
    struct err err;
    if (!pem.data)
        return NULL;
    if (certificates_check(pem, &err) != OK)
        (void)luaL_error(L, "option '%s' of %s: %s", name, options->what, err.text);
    return text_copy(L, pem.data);
}

static void read_client_cert(lua_State *L, const struct options *options, struct tls_spec *tls)
{
    static const char *const names[] = {"cert", "key", NULL};
    if (lua_getfield(L, options->index, "client_cert") == LUA_TNIL) {
        lua_pop(L, 1);
        return;
    }
    const struct options own = {
        .index = lua_gettop(L),
        .what = lua_pushfstring(L, "option 'client_cert' of %s", options->what)};
    options_check_names(L, &own, names, NULL);
    for (size_t i = 0; names[i]; i++, lua_pop(L, 1))
        if (lua_getfield(L, own.index, names[i]) == LUA_TNIL)
            (void)option_error(L, &own, names[i], "the path of a file, or anzol.secret \"NAME\"");
    tls->certificate = copy_certificates(L, &own, "cert");
    const struct slice key = check_pem(L, &own, "key");
    struct err err;
    if (tls->certificate && key.data) {
        if (certificate_check_key(slice_str(tls->certificate), key, &err) != OK)
            (void)luaL_error(L, "option 'key' of %s: %s", own.what, err.text);
        tls->key = text_copy(L, key.data);
    }
    lua_settop(L, own.index - 1);
}

static bool is_given(lua_State *L, const struct options *options, const char *name)
{
    const bool is_given = lua_getfield(L, options->index, name) != LUA_TNIL;
    lua_pop(L, 1);
    return is_given;
}

static void read_tls(lua_State *L, const struct options *options, struct endpoint_spec *endpoint)
{
    if (!is_given(L, options, "ca_file") && !is_given(L, options, "client_cert"))
        return;
    endpoint->tls = calloc(1, sizeof *endpoint->tls);
    if (!endpoint->tls)
        (void)luaL_error(L, "out of memory");
    endpoint->tls->authorities = copy_certificates(L, options, "ca_file");
    read_client_cert(L, options, endpoint->tls);
}

/* ---- proxy = URL ---- */

static void read_proxy(lua_State *L, const struct options *options, struct endpoint_spec *endpoint)
{
    struct slice url;
    struct err err;
    const int type = lua_getfield(L, options->index, "proxy");
    if (type == LUA_TNIL || secret_is_missing(L, -1)) {
        lua_pop(L, 1);
        return;
    }
    if (!secret_test(L, -1, &url))
        (void)option_error(L, options, "proxy", "a URL or anzol.secret \"NAME\"");
    if (proxy_check_url(url.data, &err) != OK)
        (void)luaL_error(L, "option 'proxy' of %s: %s", options->what,
                         type == LUA_TSTRING ? err.text
                                             : "the secret is no URL of a proxy (http or https)");
    endpoint->proxy = text_copy(L, url.data);
    lua_pop(L, 1);
}

void wire_check_read(lua_State *L, const struct options *options, struct endpoint_spec *endpoint)
{
    read_compress(L, options, endpoint);
    read_cloudevents(L, options, endpoint);
    read_tls(L, options, endpoint);
    read_proxy(L, options, endpoint);
}
