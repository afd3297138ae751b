/* SPDX-License-Identifier: MIT */
/* anzol.verify.* and anzol.sign.*: declarative verifiers and signers, checked in C without entering
 * Lua. A verifier may also be called from a script's own verify: github(req) -> true | false,
 * reason; a signer makes headers: signer { id =, body =, timestamp = } -> { [name] = value }. */
#include "script/bind_int.h"

#include "base/clock.h"

#include <stdlib.h>

#define TOLERANCE_S_MAX 86400

/* ---- Keys ---- */

static void add_key(lua_State *L, const struct options *options, bool is_standard,
                    struct key_set *keys)
{
    struct slice text;
    if (!secret_test(L, -1, &text))
        (void)option_error(L, options, "secret", "a secret or a list of secrets");
    const enum status status =
        is_standard ? key_set_add_standard(keys, text) : key_set_add(keys, text);
    if (status == E_LIMIT)
        (void)luaL_error(L, "option 'secret' of %s has more than %d secrets", options->what,
                         SIGNATURE_KEYS_MAX);
    if (status != OK)
        (void)luaL_error(L, "option 'secret' of %s: a secret is empty or, as whsec_…, no base64",
                         options->what);
    struct script *script = script_of(L);
    if (lua_type(L, -1) == LUA_TSTRING && script->draft) {
        luaL_where(L, 1);
        lua_pushfstring(L, "%sa secret stands in the script itself; use anzol.secret \"NAME\"",
                        lua_tostring(L, -1));
        findings_add(
            script->draft->findings,
            &(struct finding_options){.level = FINDING_WARNING, .message = lua_tostring(L, -1)});
        lua_pop(L, 2);
    }
}

static void read_keys(lua_State *L, const struct options *options, bool is_standard,
                      struct key_set *keys)
{
    const int type = lua_getfield(L, options->index, "secret");
    if (type == LUA_TNIL)
        (void)luaL_error(L, "%s needs 'secret'; use anzol.secret \"NAME\"", options->what);
    if (type == LUA_TTABLE) {
        const size_t count = lua_rawlen(L, -1);
        if (count == 0)
            (void)option_error(L, options, "secret", "a secret or a list of secrets");
        for (size_t i = 1; i <= count; i++) {
            lua_rawgeti(L, -1, (lua_Integer)i);
            add_key(L, options, is_standard, keys);
            lua_pop(L, 1);
        }
    } else {
        add_key(L, options, is_standard, keys);
    }
    lua_pop(L, 1);
}

static void copy_keys(lua_State *L, const struct key_set *from, struct key_set *to)
{
    for (size_t i = 0; i < from->count; i++)
        if (key_set_add(to, from->keys[i]) != OK)
            (void)luaL_error(L, "out of memory");
}

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
    *verifier = calloc(1, sizeof **verifier);
    if (!*verifier)
        (void)luaL_error(L, "out of memory");
    (*verifier)->kind = kind;
    return *verifier;
}

static struct signer *push_signer(lua_State *L, enum signer_kind kind)
{
    struct signer **signer = object_push(L, &signer_kind, sizeof(struct signer *), 0);
    *signer = calloc(1, sizeof **signer);
    if (!*signer)
        (void)luaL_error(L, "out of memory");
    (*signer)->kind = kind;
    return *signer;
}

/* What a copy under way leaves behind when memory ends is the object's that is collected. */
struct verifier *verifier_copy(lua_State *L, const struct verifier *verifier)
{
    struct verifier *copy = push_verifier(L, verifier->kind);
    copy->digest = verifier->digest;
    copy->encoding = verifier->encoding;
    copy->tolerance_s = verifier->tolerance_s;
    if (verifier->header)
        copy->header = text_copy(L, verifier->header);
    if (verifier->prefix)
        copy->prefix = text_copy(L, verifier->prefix);
    copy_keys(L, &verifier->keys, &copy->keys);
    *(struct verifier **)lua_touserdata(L, -1) = NULL;
    lua_pop(L, 1);
    return copy;
}

struct signer *signer_copy(lua_State *L, const struct signer *signer)
{
    struct signer *copy = push_signer(L, signer->kind);
    copy->digest = signer->digest;
    copy->encoding = signer->encoding;
    if (signer->header)
        copy->header = text_copy(L, signer->header);
    if (signer->prefix)
        copy->prefix = text_copy(L, signer->prefix);
    copy_keys(L, &signer->keys, &copy->keys);
    *(struct signer **)lua_touserdata(L, -1) = NULL;
    lua_pop(L, 1);
    return copy;
}

static int l_verifier_gc(lua_State *L)
{
    struct verifier **verifier = object_check(L, 1, &verifier_kind);
    verifier_destroy(*verifier);
    *verifier = NULL;
    return 0;
}

static int l_signer_gc(lua_State *L)
{
    struct signer **signer = object_check(L, 1, &signer_kind);
    signer_destroy(*signer);
    *signer = NULL;
    return 0;
}

/* verifier(req) -> true | false, reason */
static int l_verifier_call(lua_State *L)
{
    const struct verifier *verifier = verifier_test(L, 1);
    const struct request_view *request = object_check(L, 2, &request_kind);
    const char *reason = "";
    if (!verifier || !request->source)
        return luaL_error(L, "this request is over");
    const struct verify_input input = {
        .head = request->head, .body = request->body, .now_ms = clock_now_ms()};
    budget_check_work(L, request->body.len);
    const bool is_genuine = verifier_check(verifier, &input, &reason);
    lua_pushboolean(L, is_genuine);
    if (is_genuine)
        return 1;
    lua_pushstring(L, reason);
    return 2;
}

/* signer { id =, body =, timestamp = } -> headers */
static int l_signer_call(lua_State *L)
{
    static const char *const names[] = {"body", "id", "timestamp", NULL};
    const struct signer *signer = signer_test(L, 1);
    const struct options options = {.index = 2, .what = "a signer"};
    options_check_names(L, &options, names, NULL);
    struct sign_input input = {
        .id = slice_str(option_check_text(L, &options, "id", "")),
        .timestamp_s = option_check_integer(L, &options, "timestamp", (struct range){0, INT32_MAX},
                                            clock_now_ms() / 1000),
    };
    lua_getfield(L, 2, "body");
    input.body.data = luaL_checklstring(L, -1, &input.body.len);
    struct buf *head = &script_of(L)->head;
    buf_clear(head);
    if (!signer || signer_sign(signer, &input, head) != OK)
        return luaL_error(L, "out of memory");
    lua_newtable(L);
    struct field field;
    for (size_t offset = 0; head_next(buf_slice(head), &offset, &field);) {
        lua_pushlstring(L, field.name.data, field.name.len);
        lua_pushlstring(L, field.value.data, field.value.len);
        lua_rawset(L, -3);
    }
    return 1;
}

/* ---- Makers ---- */

static enum digest read_digest(lua_State *L, const struct options *options)
{
    enum digest digest;
    if (!digest_parse(slice_str(option_check_text(L, options, "algorithm", "sha256")), &digest)) {
        lua_getfield(L, options->index, "algorithm");
        (void)option_error(L, options, "algorithm", "sha1, sha256, sha384 or sha512");
        return DIGEST_SHA256;
    }
    return digest;
}

static enum encoding read_encoding(lua_State *L, const struct options *options)
{
    enum encoding encoding;
    if (!encoding_parse(slice_str(option_check_text(L, options, "encoding", "hex")), &encoding)) {
        lua_getfield(L, options->index, "encoding");
        (void)option_error(L, options, "encoding", "hex or base64");
        return ENCODING_HEX;
    }
    return encoding;
}

static const char *read_header(lua_State *L, const struct options *options)
{
    const char *header = option_check_text(L, options, "header", NULL);
    if (!header)
        (void)luaL_error(L, "%s needs 'header': the name of the header with the signature",
                         options->what);
    header_check(L, slice_str(header), slice_str(""), options->what);
    return header;
}

static char *lower_copy(lua_State *L, const char *text)
{
    char *copy = text_copy(L, text);
    for (char *c = copy; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return copy;
}

static const char *const hmac_names[] = {"algorithm", "encoding", "header",
                                         "prefix",    "secret",   NULL};
static const char *const secret_names[] = {"secret", NULL};
static const char *const standard_names[] = {"secret", "tolerance", NULL};

static int l_verify_hmac(lua_State *L)
{
    const struct options options = {.index = 1, .what = "anzol.verify.hmac"};
    options_check_names(L, &options, hmac_names, NULL);
    struct verifier *verifier = push_verifier(L, VERIFIER_HMAC);
    verifier->digest = read_digest(L, &options);
    verifier->encoding = read_encoding(L, &options);
    verifier->header = lower_copy(L, read_header(L, &options));
    verifier->prefix = text_copy(L, option_check_text(L, &options, "prefix", ""));
    read_keys(L, &options, false, &verifier->keys);
    return 1;
}

/* X-Hub-Signature-256: sha256=<hex of HMAC-SHA256 over the body>. */
static int l_verify_github(lua_State *L)
{
    const struct options options = {.index = 1, .what = "anzol.verify.github"};
    options_check_names(L, &options, secret_names, NULL);
    struct verifier *verifier = push_verifier(L, VERIFIER_HMAC);
    verifier->digest = DIGEST_SHA256;
    verifier->encoding = ENCODING_HEX;
    verifier->header = text_copy(L, "x-hub-signature-256");
    verifier->prefix = text_copy(L, "sha256=");
    read_keys(L, &options, false, &verifier->keys);
    return 1;
}

static int l_verify_standard(lua_State *L)
{
    const struct options options = {.index = 1, .what = "anzol.verify.standard"};
    options_check_names(L, &options, standard_names, NULL);
    struct verifier *verifier = push_verifier(L, VERIFIER_STANDARD);
    verifier->tolerance_s =
        option_check_duration(L, &options, "tolerance", INT64_C(1000) * SIGNATURE_TOLERANCE_S) /
        1000;
    if (verifier->tolerance_s < 1 || verifier->tolerance_s > TOLERANCE_S_MAX)
        return luaL_error(L, "option 'tolerance' of %s is at least 1s and at most 1d",
                          options.what);
    read_keys(L, &options, true, &verifier->keys);
    return 1;
}

static int l_verify_none(lua_State *L)
{
    (void)push_verifier(L, VERIFIER_NONE);
    return 1;
}

static int l_sign_hmac(lua_State *L)
{
    const struct options options = {.index = 1, .what = "anzol.sign.hmac"};
    options_check_names(L, &options, hmac_names, NULL);
    struct signer *signer = push_signer(L, SIGNER_HMAC);
    signer->digest = read_digest(L, &options);
    signer->encoding = read_encoding(L, &options);
    signer->header = text_copy(L, read_header(L, &options));
    signer->prefix = text_copy(L, option_check_text(L, &options, "prefix", ""));
    read_keys(L, &options, false, &signer->keys);
    return 1;
}

static int l_sign_standard(lua_State *L)
{
    const struct options options = {.index = 1, .what = "anzol.sign.standard"};
    options_check_names(L, &options, secret_names, NULL);
    struct signer *signer = push_signer(L, SIGNER_STANDARD);
    read_keys(L, &options, true, &signer->keys);
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
    {"github", l_verify_github},
    {"hmac", l_verify_hmac},
    {"none", l_verify_none},
    {"standard", l_verify_standard},
    {NULL, NULL},
};
static const luaL_Reg signers[] = {
    {"hmac", l_sign_hmac},
    {"standard", l_sign_standard},
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
