/* SPDX-License-Identifier: MIT */
/* Test requests signed as their sender would. */
#include "script/bind_int.h"
#include "script/fields.h"

#include "base/clock.h"

struct sign {
    const struct sign_request *request;
    struct buf *head; /* out */
    bool has_sign;
    char id[ID_TEXT_BYTES];
};

/* The provider's sign { type, body, id, timestamp, url? } -> headers, body?. */
static int l_sign_by_provider(lua_State *L)
{
    struct sign *sign = lua_touserdata(L, 1);
    const struct sign_request *request = sign->request;
    script_push_ref(L, script_of(L), REF_SIGNS);
    sign->has_sign = lua_getfield(L, -1, request->source->name) == LUA_TFUNCTION;
    if (!sign->has_sign)
        return 0;
    lua_createtable(L, 0, 4);
    if (request->type)
        set_text(L, "type", request->type);
    set_text(L, "id", sign->id);
    lua_pushinteger(L, clock_now_ms() / 1000);
    lua_setfield(L, -2, "timestamp");
    if (request->source->public_url)
        set_text(L, "url", request->source->public_url);
    lua_pushlstring(L, request->body.data, request->body.len);
    lua_setfield(L, -2, "body");
    lua_call(L, 1, 2);
    if (lua_type(L, -2) != LUA_TTABLE)
        return luaL_error(L, "the provider's sign must return a table of headers, got %s",
                          luaL_typename(L, -2));
    headers_check_add(L, -2, "the provider's sign", sign->head);
    struct slice body = {"", 0};
    if (lua_type(L, -1) == LUA_TSTRING)
        body.data = lua_tolstring(L, -1, &body.len);
    if (buf_add_slice(request->signed_body, body) != OK)
        return luaL_error(L, "the signed body is too large");
    return 0;
}

/* Without a provider: the counterpart of the declarative verifier. */
static enum status sign_by_verifier(struct sign *sign, struct err *err)
{
    const struct source_spec *source = sign->request->source;
    const struct verifier *verifier = source->verifier;
    if (!verifier)
        return err_set(err, E_NOTFOUND,
                       "source '%s' verifies with a function of its own: nobody can sign for it; "
                       "give it a provider with 'sign'",
                       source->name);
    if (verifier->kind == VERIFIER_NONE)
        return OK;
    if (verifier->keys.count > 0 && verifier->keys.keys[0].pair)
        return err_set(err, E_NOTFOUND,
                       "source '%s' verifies by a public key: only who has the private one can "
                       "sign for it",
                       source->name);
    struct http_scheme http = verifier->http;
    /* Borrows what the verifier owns. */
    const struct signer signer = {
        .kind = verifier->kind == VERIFIER_HTTP ? SIGNER_HTTP : SIGNER_RECIPE,
        .recipe = verifier->recipe,
        .http = &http,
        .keys = verifier->keys,
    };
    if (http.label[0] == '\0')
        (void)snprintf(http.label, sizeof http.label, "sig1");
    const struct sign_input input = {.id = slice_str(sign->id),
                                     .timestamp_s = clock_now_ms() / 1000,
                                     .method = slice_str("POST"),
                                     .url = slice_str(source->public_url),
                                     .body = sign->request->body};
    if (signer_sign(&signer, &input, sign->head) != OK)
        return err_set(err, E_INVALID,
                       "source '%s' cannot be signed for: its scheme signs the URL, or a header "
                       "that is not there",
                       source->name);
    return OK;
}

enum status script_sign(struct script *script, const struct sign_request *request, struct buf *head,
                        struct err *err)
{
    struct sign sign = {.request = request, .head = head};
    id_format(ID_MESSAGE, request->id, sign.id);
    struct context context;
    context_init(&context, PHASE_SIGN, 0);
    context.subject = subject_of_source(request->source);
    if (script_call(script, &context, l_sign_by_provider, &sign, 0) != OK)
        return err_set(err, E_INVALID, "%.*s", (int)script->text.len,
                       script->text.len ? script->text.data : "");
    return sign.has_sign ? OK : sign_by_verifier(&sign, err);
}

enum status generation_sign(struct generation *generation, const struct sign_request *request,
                            struct buf *head, struct err *err)
{
    check(generation->scripts[0] != NULL);
    return script_sign(generation->scripts[0], request, head, err);
}
