/* SPDX-License-Identifier: MIT */
/* The options of anzol.endpoint that say how its messages go over the wire. */
#include "script/bind_int.h"

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

void wire_check_read(lua_State *L, const struct options *options, struct endpoint_spec *endpoint)
{
    read_compress(L, options, endpoint);
    read_cloudevents(L, options, endpoint);
}
