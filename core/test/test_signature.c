/* SPDX-License-Identifier: MIT */
/* anzol_test.signature: the primitives, verifiers and signers for the specs. */
#include "base/clock.h"
#include "signature/signature.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>

#define OUT_BYTES_MAX (65u * 1024 * 1024)
#define PARTS_MAX 16

int luaopen_anzol_test_signature(lua_State *L);

static struct slice check_slice(lua_State *L, int index)
{
    size_t len;
    const char *text = luaL_checklstring(L, index, &len);
    return slice_of(text, len);
}

static enum digest check_digest(lua_State *L, int index)
{
    enum digest digest = DIGEST_SHA256;
    luaL_argcheck(L, digest_parse(check_slice(L, index), &digest), index, "no digest");
    return digest;
}

/* hmac(digest, key, part…) -> bytes */
static int l_hmac(lua_State *L)
{
    struct slice parts[PARTS_MAX];
    unsigned char out[DIGEST_BYTES_MAX];
    const enum digest digest = check_digest(L, 1);
    const struct slice key = check_slice(L, 2);
    const int count = lua_gettop(L) - 2;
    luaL_argcheck(L, count <= PARTS_MAX, 3, "too many parts");
    for (int i = 0; i < count; i++)
        parts[i] = check_slice(L, i + 3);
    const size_t len = hmac(digest, key, parts, (size_t)count, out);
    lua_pushlstring(L, (const char *)out, len);
    return 1;
}

/* hash(digest, data) -> bytes */
static int l_hash(lua_State *L)
{
    unsigned char out[DIGEST_BYTES_MAX];
    const size_t len = hash(check_digest(L, 1), check_slice(L, 2), out);
    lua_pushlstring(L, (const char *)out, len);
    return 1;
}

/* equal(a, b) -> boolean */
static int l_equal(lua_State *L)
{
    lua_pushboolean(L, bytes_equal(check_slice(L, 1), check_slice(L, 2)));
    return 1;
}

/* random(count) -> bytes */
static int l_random(lua_State *L)
{
    luaL_Buffer buffer;
    const size_t len = (size_t)luaL_checkinteger(L, 1);
    random_bytes(luaL_buffinitsize(L, &buffer, len), len);
    luaL_pushresultsize(&buffer, len);
    return 1;
}

/* Pushes what lies in out, or nil and the status. */
static int push_result(lua_State *L, enum status status, struct buf *out)
{
    if (status == OK)
        lua_pushlstring(L, out->data ? out->data : "", out->len);
    else
        lua_pushnil(L);
    lua_pushstring(L, status_name(status));
    /* "Nothing added" is part of the contract. */
    const bool is_clean = status == OK || out->len == 0;
    buf_finish(out);
    return is_clean ? 2 : luaL_error(L, "a refused value was half decoded");
}

/* encode(encoding, bytes) -> text */
static int l_encode(lua_State *L)
{
    enum encoding encoding = ENCODING_HEX;
    struct buf out;
    luaL_argcheck(L, encoding_parse(check_slice(L, 1), &encoding), 1, "no encoding");
    const struct slice in = check_slice(L, 2);
    buf_init(&out, OUT_BYTES_MAX);
    const enum status status =
        encoding == ENCODING_HEX ? hex_encode(in, &out) : base64_encode(in, &out);
    return push_result(L, status, &out);
}

/* decode(encoding, text, lenient) -> bytes | nil, status */
static int l_decode(lua_State *L)
{
    enum encoding encoding = ENCODING_HEX;
    struct buf out;
    luaL_argcheck(L, encoding_parse(check_slice(L, 1), &encoding), 1, "no encoding");
    const struct slice in = check_slice(L, 2);
    buf_init(&out, OUT_BYTES_MAX);
    const enum status status = encoding == ENCODING_HEX
                                   ? hex_decode(in, &out)
                                   : base64_decode(in, lua_toboolean(L, 3), &out);
    return push_result(L, status, &out);
}

/* Adds table.keys (raw) and table.secrets (Standard Webhooks) of the table at index 1. */
static enum status add_keys(lua_State *L, struct key_set *set)
{
    static const char *const names[] = {"keys", "secrets"};
    enum status status = OK;
    for (size_t n = 0; n < array_count(names); n++) {
        lua_getfield(L, 1, names[n]);
        const lua_Integer count = lua_istable(L, -1) ? luaL_len(L, -1) : 0;
        for (lua_Integer i = 1; i <= count && status == OK; i++) {
            lua_geti(L, -1, i);
            const struct slice key = check_slice(L, -1);
            status = key_set_add_text(set, n == 0 ? KEY_TEXT : KEY_STANDARD, key, false);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    return status;
}

/* key{keys=|secrets=} -> the last key's bytes | nil, status */
static int l_key(lua_State *L)
{
    struct key_set set = {0};
    const enum status status = add_keys(L, &set);
    if (status == OK && set.count > 0)
        lua_pushlstring(L, set.keys[set.count - 1].secret.data, set.keys[set.count - 1].secret.len);
    else
        lua_pushnil(L);
    lua_pushstring(L, status_name(status));
    key_set_finish(&set);
    return 2;
}

/* "" if there is none. */
static void copy_field(lua_State *L, const char *name, char *text, size_t size)
{
    lua_getfield(L, 1, name);
    (void)snprintf(text, size, "%s", luaL_optstring(L, -1, ""));
    lua_pop(L, 1);
}

static const char *kind_of(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_getfield(L, 1, "kind");
    const char *kind = luaL_checkstring(L, -1);
    lua_pop(L, 1); /* the table keeps it */
    return kind;
}

/* "hmac" of the body, or "standard". */
static void read_recipe(lua_State *L, const char *kind, struct recipe *recipe)
{
    if (strcmp(kind, "standard") == 0) {
        recipe_standard(recipe);
        return;
    }
    *recipe = (struct recipe){.digest = DIGEST_SHA256, .name_count = 1, .part_count = 1};
    recipe->parts[0].kind = PART_BODY;
    lua_getfield(L, 1, "digest");
    (void)digest_parse(slice_str(luaL_optstring(L, -1, "sha256")), &recipe->digest);
    lua_getfield(L, 1, "encoding");
    (void)encoding_parse(slice_str(luaL_optstring(L, -1, "hex")), &recipe->encoding);
    lua_pop(L, 2);
    copy_field(L, "header", recipe->names[0].signature, sizeof recipe->names[0].signature);
    copy_field(L, "prefix", recipe->prefix, sizeof recipe->prefix);
}

/* Packs the list of {name, value} at index into head. */
static void pack_head(lua_State *L, int index, struct buf *head)
{
    const lua_Integer count = luaL_len(L, index);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(L, index, i);
        lua_geti(L, -1, 1);
        lua_geti(L, -2, 2);
        check(head_add(head, check_slice(L, -2), check_slice(L, -1)) == OK);
        lua_pop(L, 3);
    }
}

/* verify({kind=, keys=, …}, headers, body, now_ms) -> boolean, reason */
static int l_verify(lua_State *L)
{
    const char *kind = kind_of(L);
    struct buf head;
    buf_init(&head, OUT_BYTES_MAX);
    struct verifier *verifier =
        verifier_create(strcmp(kind, "none") == 0 ? VERIFIER_NONE : VERIFIER_RECIPE);
    read_recipe(L, kind, &verifier->recipe);
    check(add_keys(L, &verifier->keys) == OK);
    pack_head(L, 2, &head);
    const struct verify_input input = {
        .head = buf_slice(&head), .body = check_slice(L, 3), .now_ms = luaL_optinteger(L, 4, 0)};
    struct err err;
    const bool is_genuine = verifier_check(verifier, &input, &err);
    lua_pushboolean(L, is_genuine);
    lua_pushstring(L, is_genuine ? NULL : err.text);
    buf_finish(&head);
    verifier_unref(verifier);
    return 2;
}

static void push_head(lua_State *L, struct slice head)
{
    struct field field;
    size_t offset = 0;
    lua_newtable(L);
    for (lua_Integer i = 1; head_next(head, &offset, &field); i++) {
        lua_newtable(L);
        lua_pushlstring(L, field.name.data, field.name.len);
        lua_seti(L, -2, 1);
        lua_pushlstring(L, field.value.data, field.value.len);
        lua_seti(L, -2, 2);
        lua_seti(L, -2, i);
    }
}

/* sign({kind=, keys=, …}, id, timestamp_s, body) -> list of {name, value} */
static int l_sign(lua_State *L)
{
    const char *kind = kind_of(L);
    struct buf head;
    buf_init(&head, OUT_BYTES_MAX);
    struct signer *signer = signer_create(strcmp(kind, "none") == 0 ? SIGNER_NONE : SIGNER_RECIPE);
    read_recipe(L, kind, &signer->recipe);
    check(add_keys(L, &signer->keys) == OK);
    const struct sign_input input = {
        .id = check_slice(L, 2), .timestamp_s = luaL_checkinteger(L, 3), .body = check_slice(L, 4)};
    check(signer_sign(signer, &input, &head) == OK);
    push_head(L, buf_slice(&head));
    buf_finish(&head);
    signer_unref(signer);
    return 1;
}

/* measure(count, bytes) -> CPU nanoseconds that one HMAC-SHA256 costs */
static int l_measure(lua_State *L)
{
    unsigned char out[DIGEST_BYTES_MAX];
    const lua_Integer count = luaL_checkinteger(L, 1);
    const size_t len = (size_t)luaL_checkinteger(L, 2);
    char *data = calloc(1, len);
    const struct slice part = slice_of(data, len);
    const int64_t start_ns = clock_thread_cpu_ns();
    for (lua_Integer i = 0; i < count; i++)
        (void)hmac(DIGEST_SHA256, slice_str("a secret of some length"), &part, 1, out);
    lua_pushinteger(L, (clock_thread_cpu_ns() - start_ns) / count);
    free(data);
    return 1;
}

/* ---- Sealed texts ---- */

#define RING_METATABLE "anzol_test.seal_ring"

static struct seal_ring *check_ring(lua_State *L)
{
    return *(struct seal_ring **)luaL_checkudata(L, 1, RING_METATABLE);
}

/* ring() -> a ring without a key */
static int l_ring(lua_State *L)
{
    *(struct seal_ring **)lua_newuserdatauv(L, sizeof(struct seal_ring *), 0) = seal_ring_create();
    luaL_setmetatable(L, RING_METATABLE);
    return 1;
}

static int l_ring_gc(lua_State *L)
{
    seal_ring_destroy(check_ring(L));
    return 0;
}

/* ring:add(text) -> true | nil, status, text */
static int l_ring_add(lua_State *L)
{
    struct err err = {0};
    const enum status status = seal_ring_add(check_ring(L), check_slice(L, 2), &err);
    if (status == OK) {
        lua_pushboolean(L, true);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, status_name(status));
    lua_pushstring(L, err.text);
    return 3;
}

static int l_ring_forget(lua_State *L)
{
    seal_ring_forget(check_ring(L));
    return 0;
}

/* ring:ids() -> list of texts */
static int l_ring_ids(lua_State *L)
{
    char ids[SEAL_KEYS_MAX][SEAL_ID_TEXT_BYTES];
    const size_t count = seal_ring_ids(check_ring(L), ids);
    lua_newtable(L);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, ids[i]);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* ring:close(place, plain) -> sealed | nil, status */
static int l_ring_close(lua_State *L)
{
    struct buf out;
    buf_init(&out, OUT_BYTES_MAX);
    const enum status status =
        seal_close(check_ring(L), check_slice(L, 2), check_slice(L, 3), &out);
    return push_result(L, status, &out);
}

/* ring:open(place, sealed) -> plain | nil, status */
static int l_ring_open(lua_State *L)
{
    struct buf out;
    buf_init(&out, OUT_BYTES_MAX);
    const enum status status = seal_open(check_ring(L), check_slice(L, 2), check_slice(L, 3), &out);
    return push_result(L, status, &out);
}

static void open_ring(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"__gc", l_ring_gc}, {"add", l_ring_add},       {"close", l_ring_close},
        {"ids", l_ring_ids}, {"forget", l_ring_forget}, {"open", l_ring_open},
        {NULL, NULL},
    };
    luaL_newmetatable(L, RING_METATABLE);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

static const luaL_Reg functions[] = {
    {"decode", l_decode}, {"encode", l_encode}, {"equal", l_equal},     {"hash", l_hash},
    {"hmac", l_hmac},     {"key", l_key},       {"measure", l_measure}, {"random", l_random},
    {"ring", l_ring},     {"sign", l_sign},     {"verify", l_verify},   {NULL, NULL},
};

int luaopen_anzol_test_signature(lua_State *L)
{
    open_ring(L);
    luaL_newlib(L, functions);
    return 1;
}
