/* SPDX-License-Identifier: MIT */
/* Bodies that came compressed: one layer of gzip or deflate is taken off where json, form or data
 * are asked for. What it may come to is bounded before it is made, and all memory is Lua's: a raise
 * leaves nothing behind. */
#include "script/bind_int.h"

#include <stdalign.h>
#include <zlib.h>

#define CHUNK_BYTES 65536
#define STATE_BYTES 65536 /* zlib needs 7 KiB and a window of 32 */
#define WINDOW_BITS 15
#define WINDOW_GZIP (16 + WINDOW_BITS)

struct inflater {
    z_stream stream;
    size_t used;
    alignas(max_align_t) char memory[STATE_BYTES];
};

static void *take(void *opaque, unsigned count, unsigned size)
{
    struct inflater *it = opaque;
    const size_t bytes =
        ((size_t)count * size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (bytes > sizeof it->memory - it->used)
        return NULL;
    void *memory = it->memory + it->used;
    it->used += bytes;
    return memory;
}

static void give_back(void *opaque, void *memory)
{
    (void)opaque;
    (void)memory;
}

/* Senders disagree on whether deflate has the header of zlib. */
static int window_of_deflate(struct slice coded)
{
    const unsigned first = coded.len > 0 ? (unsigned char)coded.data[0] : 0;
    const unsigned second = coded.len > 1 ? (unsigned char)coded.data[1] : 0;
    const bool has_header = (first & 0x0f) == Z_DEFLATED && (first << 8 | second) % 31 == 0;
    return has_header ? WINDOW_BITS : -WINDOW_BITS;
}

static bool fail(lua_State *L, enum body_fault fault, int base, const char *why)
{
    struct context *context = script_of(L)->context;
    if (context)
        context->fault = fault;
    lua_settop(L, base);
    lua_pushstring(L, why);
    return false;
}

/* A file of gzip may be several, one after another. */
static bool goes_on(struct inflater *it, bool is_gzip)
{
    return is_gzip && it->stream.avail_in > 0 && inflateReset(&it->stream) == Z_OK;
}

static bool inflate_push(lua_State *L, struct slice coded, bool is_gzip, size_t bytes_max)
{
    const int base = lua_gettop(L);
    luaL_checkstack(L, 8, "inflating");
    const size_t most =
        coded.len < bytes_max / LIMIT_INFLATE_RATIO ? coded.len * LIMIT_INFLATE_RATIO : bytes_max;
    struct inflater *it = lua_newuserdatauv(L, sizeof *it, 0);
    it->used = 0;
    it->stream = (z_stream){.zalloc = take,
                            .zfree = give_back,
                            .opaque = it,
                            .next_in = (Bytef *)(uintptr_t)coded.data,
                            .avail_in = (uInt)coded.len};
    check(inflateInit2(&it->stream, is_gzip ? WINDOW_GZIP : window_of_deflate(coded)) == Z_OK);
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    size_t total = 0;
    for (int rc = Z_OK; rc != Z_STREAM_END || goes_on(it, is_gzip);) {
        budget_check_work(L, CHUNK_BYTES);
        it->stream.next_out = (Bytef *)luaL_prepbuffsize(&buffer, CHUNK_BYTES);
        it->stream.avail_out = CHUNK_BYTES;
        rc = inflate(&it->stream, Z_NO_FLUSH);
        if (rc != Z_OK && rc != Z_STREAM_END)
            return fail(L, BODY_MALFORMED, base, "the body cannot be inflated");
        const size_t made = CHUNK_BYTES - it->stream.avail_out;
        total += made;
        luaL_addsize(&buffer, made);
        if (total > most)
            return fail(L, BODY_TOO_LARGE, base, "the body inflates to more than is taken");
    }
    if (it->stream.avail_in > 0)
        return fail(L, BODY_MALFORMED, base, "something follows the compressed body");
    luaL_pushresult(&buffer);
    lua_replace(L, base + 1);
    lua_settop(L, base + 1);
    return true;
}

bool body_push_plain(lua_State *L, const struct coded_body *body, struct slice *plain)
{
    struct slice coding;
    *plain = body->bytes;
    const bool is_coded = head_find(body->head, "content-encoding", &coding) && coding.len > 0 &&
                          !slice_equal_nocase(coding, slice_str("identity"));
    if (!is_coded || body->bytes.len == 0) {
        lua_pushnil(L);
        return true;
    }
    const bool is_gzip = slice_equal_nocase(coding, slice_str("gzip")) ||
                         slice_equal_nocase(coding, slice_str("x-gzip"));
    if (!is_gzip && !slice_equal_nocase(coding, slice_str("deflate")))
        return fail(L, BODY_MALFORMED, lua_gettop(L),
                    "its content-encoding is neither gzip nor deflate");
    if (!inflate_push(L, body->bytes, is_gzip, body->bytes_max))
        return false;
    plain->data = lua_tolstring(L, -1, &plain->len);
    return true;
}
