/* SPDX-License-Identifier: MIT */
/* anzol.verify.* and anzol.sign.*: declarative verifiers and signers, checked in C without entering
 * Lua. A verifier may also be called from a script's own verify: github(req) -> true | false,
 * reason; a signer makes headers: signer { id =, body =, timestamp =, method =, url =, headers = }
 * -> { [name] = value }. Those of single providers are recipes in lua/anzol/provider. */
#include "script/bind_int.h"

#include "base/clock.h"

/* ---- Objects ---- */

/* The pointer is the object's: freed with it. */
struct verifier *verifier_test(lua_State *L, int index)
{
    struct verifier **verifier = object_test(L, index, &verifier_kind);
    return verifier ? *verifier : NULL;
}

struct signer *signer_test(lua_State *L, int index)
{
    struct signer **signer = object_test(L, index, &signer_kind);
    return signer ? *signer : NULL;
}

static struct verifier *push_verifier(lua_State *L, enum verifier_kind kind)
{
    struct verifier **verifier = object_push(L, &verifier_kind, sizeof(struct verifier *), 0);
    *verifier = verifier_create(kind);
    if (!*verifier)
        (void)luaL_error(L, "out of memory");
    return *verifier;
}

static struct signer *push_signer(lua_State *L, enum signer_kind kind)
{
    struct signer **signer = object_push(L, &signer_kind, sizeof(struct signer *), 0);
    *signer = signer_create(kind);
    if (!*signer)
        (void)luaL_error(L, "out of memory");
    return *signer;
}

static int l_verifier_gc(lua_State *L)
{
    struct verifier **verifier = object_check(L, 1, &verifier_kind);
    verifier_unref(*verifier);
    *verifier = NULL;
    return 0;
}

static int l_signer_gc(lua_State *L)
{
    struct signer **signer = object_check(L, 1, &signer_kind);
    signer_unref(*signer);
    *signer = NULL;
    return 0;
}

/* verifier(req) -> true | false, reason */
static int l_verifier_call(lua_State *L)
{
    const struct verifier *verifier = verifier_test(L, 1);
    const struct request_view *request = object_check(L, 2, &request_kind);
    if (!verifier || !request->source)
        return luaL_error(L, "this request is over");
    struct err err;
    struct buf *url = &script_of(L)->head;
    buf_clear(url);
    if (request_add_url(request->source, request->head, url) != OK)
        return luaL_error(L, "out of memory");
    struct verify_input input = {.head = request->head,
                                 .body = request->body,
                                 .now_ms = clock_now_ms(),
                                 .url = buf_slice(url)};
    (void)head_find(request->head, ":method", &input.method);
    budget_check_work(L, request->body.len * (verifier->keys.count + 1));
    const bool is_genuine = verifier_check(verifier, &input, &err);
    lua_pushboolean(L, is_genuine);
    if (is_genuine)
        return 1;
    lua_pushstring(L, err.text);
    return 2;
}

static struct slice read_bytes(lua_State *L, const char *name)
{
    struct slice bytes;
    lua_getfield(L, 2, name);
    bytes.data = luaL_optlstring(L, -1, "", &bytes.len); /* the table holds it */
    lua_pop(L, 1);
    return bytes;
}

/* The headers that are there already. */
static void add_headers(lua_State *L, struct buf *head)
{
    const int type = lua_getfield(L, 2, "headers");
    luaL_argcheck(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "headers is a table");
    for (lua_pushnil(L); type == LUA_TTABLE && lua_next(L, -2); lua_pop(L, 1)) {
        struct field field;
        luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING, 2,
                      "headers are names with values");
        field.name.data = lua_tolstring(L, -2, &field.name.len);
        field.value.data = lua_tolstring(L, -1, &field.value.len);
        if (head_add(head, field.name, field.value) != OK)
            (void)luaL_error(L, "the headers are too large");
    }
    lua_pop(L, 1);
}

/* signer { id =, body =, timestamp =, method =, url =, headers = } -> the headers to add */
static int l_signer_call(lua_State *L)
{
    static const char *const names[] = {"body",      "headers", "id", "method",
                                        "timestamp", "url",     NULL};
    const struct signer *signer = signer_test(L, 1);
    const struct options options = {.index = 2, .what = "a signer"};
    lua_settop(L, 2);
    options_check_names(L, &options, names, NULL);
    struct sign_input input = {
        .id = read_bytes(L, "id"),
        .timestamp_s = option_check_integer(L, &options, "timestamp", (struct range){0, UINT32_MAX},
                                            clock_now_ms() / 1000),
        .method = slice_str(option_check_text(L, &options, "method", "POST")),
        .url = read_bytes(L, "url"),
        .body = read_bytes(L, "body"),
    };
    struct buf *head = &script_of(L)->head;
    buf_clear(head);
    add_headers(L, head);
    size_t offset = head->len;
    budget_check_work(L, input.body.len * (signer ? signer->keys.count + 1 : 1));
    const enum status status = signer ? signer_sign(signer, &input, head) : E_INVALID;
    if (status != OK)
        return luaL_error(L,
                          status == E_INVALID
                              ? "the scheme signs the URL or a header: give the signer 'url' (or "
                                "'headers')"
                              : "out of memory");
    lua_newtable(L);
    struct field field;
    while (head_next(buf_slice(head), &offset, &field)) {
        lua_pushlstring(L, field.name.data, field.name.len);
        lua_pushlstring(L, field.value.data, field.value.len);
        lua_rawset(L, -3);
    }
    return 1;
}

/* ---- Makers ---- */

static enum key_form read_key_form(lua_State *L, const struct options *options)
{
    enum key_form form;
    if (!key_form_parse(slice_str(option_check_text(L, options, "key", "text")), &form))
        (void)option_error(L, options, "key", "text, base64, hex or standard");
    return form;
}

static int verify_by(lua_State *L, const char *what, enum algorithm algorithm)
{
    const struct options options = {.index = 1, .what = what};
    recipe_check_options(L, &options);
    struct verifier *verifier = push_verifier(L, VERIFIER_RECIPE);
    recipe_check_read(L, &options, algorithm, &verifier->recipe);
    const struct key_style style = {algorithm, read_key_form(L, &options), false};
    keys_check_read(L, &options, &style, &verifier->keys);
    return 1;
}

static int sign_by(lua_State *L, const char *what, enum algorithm algorithm)
{
    const struct options options = {.index = 1, .what = what};
    recipe_check_options(L, &options);
    struct signer *signer = push_signer(L, SIGNER_RECIPE);
    recipe_check_read(L, &options, algorithm, &signer->recipe);
    const struct key_style style = {algorithm, read_key_form(L, &options), true};
    keys_check_read(L, &options, &style, &signer->keys);
    return 1;
}

static int l_verify_hmac(lua_State *L)
{
    return verify_by(L, "anzol.verify.hmac", ALGORITHM_HMAC);
}

static int l_verify_ed25519(lua_State *L)
{
    return verify_by(L, "anzol.verify.ed25519", ALGORITHM_ED25519);
}

static int l_verify_ecdsa(lua_State *L)
{
    return verify_by(L, "anzol.verify.ecdsa", ALGORITHM_ECDSA);
}

static int l_verify_rsa(lua_State *L)
{
    return verify_by(L, "anzol.verify.rsa", ALGORITHM_RSA);
}

/* The header holds the secret itself. */
static int l_verify_token(lua_State *L)
{
    return verify_by(L, "anzol.verify.token", ALGORITHM_TOKEN);
}

static int l_sign_hmac(lua_State *L)
{
    return sign_by(L, "anzol.sign.hmac", ALGORITHM_HMAC);
}

static int l_sign_ed25519(lua_State *L)
{
    return sign_by(L, "anzol.sign.ed25519", ALGORITHM_ED25519);
}

static int l_sign_token(lua_State *L)
{
    return sign_by(L, "anzol.sign.token", ALGORITHM_TOKEN);
}

static struct verifier *verify_authorization(lua_State *L, const struct options *options,
                                             const char *prefix, enum encoding encoding)
{
    struct verifier *verifier = push_verifier(L, VERIFIER_RECIPE);
    verifier->recipe = (struct recipe){.algorithm = ALGORITHM_TOKEN,
                                       .encoding = encoding,
                                       .names = {{"Authorization", "", ""}},
                                       .name_count = 1};
    (void)snprintf(verifier->recipe.prefix, sizeof verifier->recipe.prefix, "%s", prefix);
    const struct key_style style = {ALGORITHM_TOKEN, KEY_TEXT, false};
    keys_check_read(L, options, &style, &verifier->keys);
    return verifier;
}

static int l_verify_bearer(lua_State *L)
{
    static const char *const names[] = {"query", "secret", NULL};
    const struct options options = {.index = 1, .what = "anzol.verify.bearer"};
    options_check_names(L, &options, names, NULL);
    struct verifier *verifier = verify_authorization(L, &options, "Bearer ", ENCODING_TEXT);
    if (option_check_bool(L, &options, "query", false))
        (void)snprintf(verifier->recipe.token_query, sizeof verifier->recipe.token_query,
                       "access_token"); /* RFC 6750, 2.3 */
    return 1;
}

/* The secret is "user:password". */
static int l_verify_basic(lua_State *L)
{
    static const char *const names[] = {"secret", NULL};
    const struct options options = {.index = 1, .what = "anzol.verify.basic"};
    options_check_names(L, &options, names, NULL);
    (void)verify_authorization(L, &options, "Basic ", ENCODING_BASE64);
    return 1;
}

static int l_verify_standard(lua_State *L)
{
    static const char *const names[] = {"secret", "tolerance", NULL};
    const struct options options = {.index = 1, .what = "anzol.verify.standard"};
    options_check_names(L, &options, names, NULL);
    struct verifier *verifier = push_verifier(L, VERIFIER_RECIPE);
    recipe_standard(&verifier->recipe);
    verifier->recipe.tolerance_s = option_check_tolerance(L, &options, SIGNATURE_TOLERANCE_S);
    const struct key_style style = {ALGORITHM_HMAC, KEY_STANDARD, false};
    keys_check_read(L, &options, &style, &verifier->keys);
    return 1;
}

static int l_sign_standard(lua_State *L)
{
    static const char *const names[] = {"secret", NULL};
    const struct options options = {.index = 1, .what = "anzol.sign.standard"};
    options_check_names(L, &options, names, NULL);
    struct signer *signer = push_signer(L, SIGNER_RECIPE);
    recipe_standard(&signer->recipe);
    const struct key_style style = {ALGORITHM_HMAC, KEY_STANDARD, true};
    keys_check_read(L, &options, &style, &signer->keys);
    return 1;
}

static int l_verify_http_signature(lua_State *L)
{
    const struct options options = {.index = 1, .what = "anzol.verify.http_signature"};
    struct verifier *verifier = push_verifier(L, VERIFIER_HTTP);
    http_scheme_check_read(L, &options, false, &verifier->http);
    const struct key_style style = {verifier->http.algorithm, KEY_TEXT, false};
    keys_check_read(L, &options, &style, &verifier->keys);
    return 1;
}

static int l_sign_http_signature(lua_State *L)
{
    const struct options options = {.index = 1, .what = "anzol.sign.http_signature"};
    struct signer *signer = push_signer(L, SIGNER_HTTP);
    http_scheme_check_read(L, &options, true, signer->http);
    const struct key_style style = {signer->http->algorithm, KEY_TEXT, true};
    keys_check_read(L, &options, &style, &signer->keys);
    return 1;
}

static int l_verify_none(lua_State *L)
{
    (void)push_verifier(L, VERIFIER_NONE);
    return 1;
}

static const luaL_Reg verifier_meta[] = {
    {"__call", l_verifier_call},
    {"__gc", l_verifier_gc},
    {NULL, NULL},
};
static const luaL_Reg signer_meta[] = {
    {"__call", l_signer_call},
    {"__gc", l_signer_gc},
    {NULL, NULL},
};

const struct object_kind verifier_kind = {"verifier", verifier_meta, NULL};
const struct object_kind signer_kind = {"signer", signer_meta, NULL};

static const luaL_Reg verifiers[] = {
    {"basic", l_verify_basic},
    {"bearer", l_verify_bearer},
    {"ecdsa", l_verify_ecdsa},
    {"ed25519", l_verify_ed25519},
    {"hmac", l_verify_hmac},
    {"http_signature", l_verify_http_signature},
    {"none", l_verify_none},
    {"rsa", l_verify_rsa},
    {"standard", l_verify_standard},
    {"token", l_verify_token},
    {NULL, NULL},
};
static const luaL_Reg signers[] = {
    {"ed25519", l_sign_ed25519},
    {"hmac", l_sign_hmac},
    {"http_signature", l_sign_http_signature},
    {"standard", l_sign_standard},
    {"token", l_sign_token},
    {NULL, NULL},
};

void open_signature(lua_State *L)
{
    object_open(L, &verifier_kind);
    object_open(L, &signer_kind);
    luaL_newlib(L, verifiers);
    lua_setfield(L, -2, "verify");
    luaL_newlib(L, signers);
    lua_setfield(L, -2, "sign");
}
