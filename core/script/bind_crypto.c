/* SPDX-License-Identifier: MIT */
/* anzol.crypto: digests, HMAC, signatures and chance, for what no recipe can say. A Secret is
 * accepted wherever a key is. Work is charged before it is done. */
#include "script/bind_int.h"

#define RANDOM_BYTES_MAX 65536
#define PAIR_WORK                                                                                  \
    131072 /* what one check by a public key is charged: about as long as hashing it */

static struct slice check_bytes(lua_State *L, int index)
{
    struct slice bytes;
    bytes.data = luaL_checklstring(L, index, &bytes.len);
    return bytes;
}

static struct slice check_key(lua_State *L, int index)
{
    struct slice key = {"", 0};
    if (!secret_test(L, index, &key))
        (void)luaL_typeerror(L, index, "string or secret");
    return key;
}

static enum digest check_digest(lua_State *L, int index, const char *fallback)
{
    enum digest digest = DIGEST_SHA256;
    const char *name = luaL_optstring(L, index, fallback);
    luaL_argcheck(L, name && digest_parse(slice_str(name), &digest), index,
                  "sha1, sha256, sha384 or sha512 expected");
    return digest;
}

/* The bytes, or what the argument at index says of their encoding. */
static int push_encoded(lua_State *L, int index, struct slice bytes)
{
    if (lua_isnoneornil(L, index)) {
        lua_pushlstring(L, bytes.data, bytes.len);
        return 1;
    }
    enum encoding encoding = ENCODING_HEX;
    luaL_argcheck(L, encoding_parse(slice_str(luaL_checkstring(L, index)), &encoding), index,
                  "hex or base64 expected");
    struct buf *out = &script_of(L)->body;
    buf_clear(out);
    const enum status status =
        encoding == ENCODING_HEX ? hex_encode(bytes, out) : base64_encode(bytes, out);
    if (status != OK)
        return luaL_error(L, "out of memory");
    lua_pushlstring(L, out->data, out->len);
    return 1;
}

/* hmac(algorithm, key, data [, "hex" | "base64"]) */
static int l_hmac(lua_State *L)
{
    unsigned char out[DIGEST_BYTES_MAX];
    const enum digest digest = check_digest(L, 1, NULL);
    const struct slice key = check_key(L, 2);
    const struct slice data = check_bytes(L, 3);
    budget_check_work(L, data.len + key.len);
    const size_t len = hmac(digest, key, &data, 1, out);
    return push_encoded(L, 4, slice_of((const char *)out, len));
}

/* hash(algorithm, data [, "hex" | "base64"]) */
static int l_hash(lua_State *L)
{
    unsigned char out[DIGEST_BYTES_MAX];
    const enum digest digest = check_digest(L, 1, NULL);
    const struct slice data = check_bytes(L, 2);
    budget_check_work(L, data.len);
    const size_t len = hash(digest, data, out);
    return push_encoded(L, 3, slice_of((const char *)out, len));
}

/* crc32(data) -> integer */
static int l_crc32(lua_State *L)
{
    const struct slice data = check_bytes(L, 1);
    budget_check_work(L, data.len);
    lua_pushinteger(L, checksum_crc32(data));
    return 1;
}

/* equal(a, b) -> boolean, in a time that says nothing of where they differ */
static int l_equal(lua_State *L)
{
    const struct slice a = check_key(L, 1);
    const struct slice b = check_key(L, 2);
    budget_check_work(L, a.len);
    lua_pushboolean(L, bytes_equal(a, b));
    return 1;
}

/* random(count) -> bytes */
static int l_random(lua_State *L)
{
    const lua_Integer count = luaL_checkinteger(L, 1);
    luaL_argcheck(L, count >= 1 && count <= RANDOM_BYTES_MAX, 1, "1 to 65536 expected");
    luaL_Buffer buffer;
    random_bytes(luaL_buffinitsize(L, &buffer, (size_t)count), (size_t)count);
    luaL_pushresultsize(&buffer, (size_t)count);
    return 1;
}

/* uuid() -> "f81d4fae-7dec-4…": RFC 9562, version 4 */
static int l_uuid(lua_State *L)
{
    unsigned char b[16];
    char text[40];
    random_bytes(b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    (void)snprintf(text, sizeof text,
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
                   b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
                   b[14], b[15]);
    lua_pushstring(L, text);
    return 1;
}

/* ---- Public keys ---- */

struct verification {
    enum algorithm algorithm;
    enum digest digest;
    struct slice key;
    struct slice signature;
    struct slice data;
};

/* A key that cannot be read is misuse: the script or the setting is wrong, not the sender. */
static int verify(lua_State *L, const struct verification *asked)
{
    struct pair *pair = NULL;
    struct err err;
    budget_check_work(L, asked->data.len + PAIR_WORK);
    if (pair_parse(asked->algorithm, asked->key, false, &pair, &err) != OK)
        return luaL_error(L, "%s", err.text);
    const bool is_genuine =
        pair_verify(pair, asked->algorithm, asked->digest, &asked->data, 1, asked->signature);
    pair_unref(pair);
    lua_pushboolean(L, is_genuine);
    return 1;
}

/* ed25519_verify(key, signature, data) -> boolean */
static int l_ed25519_verify(lua_State *L)
{
    return verify(L, &(struct verification){ALGORITHM_ED25519, DIGEST_SHA512, check_key(L, 1),
                                            check_bytes(L, 2), check_bytes(L, 3)});
}

/* ed25519_sign(key, data) -> bytes */
static int l_ed25519_sign(lua_State *L)
{
    const struct slice key = check_key(L, 1);
    const struct slice data = check_bytes(L, 2);
    struct pair *pair = NULL;
    struct err err;
    budget_check_work(L, data.len + PAIR_WORK);
    if (pair_parse(ALGORITHM_ED25519, key, true, &pair, &err) != OK)
        return luaL_error(L, "%s", err.text);
    struct buf *out = &script_of(L)->body;
    buf_clear(out);
    const enum status status = pair_sign(pair, ALGORITHM_ED25519, DIGEST_SHA512, &data, 1, out);
    pair_unref(pair);
    if (status != OK)
        return luaL_error(L, "out of memory");
    lua_pushlstring(L, out->data, out->len);
    return 1;
}

/* ecdsa_verify(key, signature, data [, algorithm [, "der" | "raw"]]) -> boolean */
static int l_ecdsa_verify(lua_State *L)
{
    static const char *const forms[] = {"der", "raw", NULL};
    static const enum algorithm algorithms[] = {ALGORITHM_ECDSA, ALGORITHM_ECDSA_RAW};
    return verify(L, &(struct verification){algorithms[luaL_checkoption(L, 5, "der", forms)],
                                            check_digest(L, 4, "sha256"), check_key(L, 1),
                                            check_bytes(L, 2), check_bytes(L, 3)});
}

/* rsa_verify(key, signature, data [, algorithm [, "pkcs1" | "pss"]]) -> boolean */
static int l_rsa_verify(lua_State *L)
{
    static const char *const paddings[] = {"pkcs1", "pss", NULL};
    static const enum algorithm algorithms[] = {ALGORITHM_RSA, ALGORITHM_RSA_PSS};
    return verify(L, &(struct verification){algorithms[luaL_checkoption(L, 5, "pkcs1", paddings)],
                                            check_digest(L, 4, "sha256"), check_key(L, 1),
                                            check_bytes(L, 2), check_bytes(L, 3)});
}

static const luaL_Reg functions[] = {
    {"crc32", l_crc32},
    {"ecdsa_verify", l_ecdsa_verify},
    {"ed25519_sign", l_ed25519_sign},
    {"ed25519_verify", l_ed25519_verify},
    {"equal", l_equal},
    {"hash", l_hash},
    {"hmac", l_hmac},
    {"random", l_random},
    {"rsa_verify", l_rsa_verify},
    {"uuid", l_uuid},
    {NULL, NULL},
};

void open_crypto(lua_State *L)
{
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "crypto");
}
