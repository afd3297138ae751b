/* SPDX-License-Identifier: MIT */
/* Fuzzes the inflating of bodies beside zlib in one step. Either the rest of the input is the coded
 * body, or it is what a sender codes, whole or damaged. Properties: the same bytes come out, or
 * both refuse, for a reason that holds; what was coded comes back; memory returns to its base. */
#include "script_state.h"

#include "base/head.h"
#include "script/bind_int.h"

#include <zlib.h>

#define INPUT_BYTES_MAX 4096
#define PLAIN_BYTES_MAX (1u << 20)
#define REPEATS 255 /* of the text, so that ratio and size are met */
#define CODED_BYTES_MAX (2u * INPUT_BYTES_MAX * (REPEATS + 1))
#define WINDOW_BITS 15
#define WINDOW_GZIP (16 + WINDOW_BITS)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the first bytes of the input choose. */
struct choice {
    bool is_coded_here;
    bool is_raw; /* deflate without the header of zlib */
    const char *coding;
    size_t bytes_max;
    unsigned repeats;
    size_t split; /* where the second member of gzip begins, in the text */
    int level, strategy;
    size_t damaged; /* the byte that is turned over, counted from the end; 0: none */
};
#define CHOICE_BYTES 7

static struct choice read_choice(const uint8_t *bytes)
{
    static const char *const codings[] = {"gzip", "deflate", "x-gzip", "DEFLATE"};
    static const size_t limits[] = {1, 100, 65535, 65536, 65537, 200000, 2000, PLAIN_BYTES_MAX};
    return (struct choice){
        .is_coded_here = (bytes[0] & 1) != 0,
        .is_raw = (bytes[0] & 2) != 0,
        .coding = codings[bytes[0] >> 2 & 3],
        .bytes_max = limits[bytes[1] & 7],
        .repeats = bytes[2],
        .split = bytes[3],
        .level = bytes[4] % 10,
        .strategy = bytes[5] % (Z_FIXED + 1),
        .damaged = bytes[6],
    };
}

static bool is_gzip(const struct choice *choice)
{
    return choice->coding[0] == 'g' || choice->coding[0] == 'x';
}

/* ---- As a sender codes ---- */

static void add_member(struct buf *coded, const struct choice *choice, struct slice plain)
{
    const int window = is_gzip(choice) ? WINDOW_GZIP : choice->is_raw ? -WINDOW_BITS : WINDOW_BITS;
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)plain.data, .avail_in = (uInt)plain.len};
    check(deflateInit2(&stream, choice->level, Z_DEFLATED, window, 8, choice->strategy) == Z_OK);
    const size_t room = deflateBound(&stream, (uLong)plain.len);
    check(buf_reserve(coded, room) == OK);
    stream.next_out = (Bytef *)coded->data + coded->len;
    stream.avail_out = (uInt)room;
    check(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    coded->len += room - stream.avail_out;
    (void)deflateEnd(&stream);
}

static void code(struct buf *coded, const struct choice *choice, struct slice plain)
{
    const size_t split = is_gzip(choice) && choice->split < plain.len ? choice->split : 0;
    if (split > 0)
        add_member(coded, choice, slice_of(plain.data, split));
    add_member(coded, choice, slice_of(plain.data + split, plain.len - split));
    if (choice->damaged > 0 && choice->damaged <= coded->len)
        coded->data[coded->len - choice->damaged] ^= (char)0xff;
}

/* ---- As zlib reads, all at once ---- */

enum outcome { GOOD, MALFORMED, TOO_LARGE };

static bool has_zlib_header(struct slice coded)
{
    return coded.len >= 2 && (coded.data[0] & 0x0f) == Z_DEFLATED &&
           ((unsigned)(uint8_t)coded.data[0] * 256 + (uint8_t)coded.data[1]) % 31 == 0;
}

/* Into plain, that has room for one byte more than what is taken. */
static enum outcome inflate_at_once(const struct choice *choice, struct slice coded, size_t most,
                                    struct buf *plain)
{
    check(buf_reserve(plain, most + 1) == OK);
    while (coded.len > 0) {
        z_stream stream = {.next_in = (Bytef *)(uintptr_t)coded.data,
                           .avail_in = (uInt)coded.len,
                           .next_out = (Bytef *)plain->data + plain->len,
                           .avail_out = (uInt)(most + 1 - plain->len)};
        const int window = is_gzip(choice)          ? WINDOW_GZIP
                           : has_zlib_header(coded) ? WINDOW_BITS
                                                    : -WINDOW_BITS;
        check(inflateInit2(&stream, window) == Z_OK);
        const int rc = inflate(&stream, Z_FINISH);
        plain->len = most + 1 - stream.avail_out;
        coded = slice_of((const char *)stream.next_in, stream.avail_in);
        (void)inflateEnd(&stream);
        if (plain->len > most)
            return TOO_LARGE;
        if (rc != Z_STREAM_END || (coded.len > 0 && !is_gzip(choice)))
            return MALFORMED;
    }
    return GOOD;
}

/* ---- The judge ---- */

static enum outcome inflate_here(lua_State *L, const struct choice *choice, struct slice coded,
                                 struct slice *plain)
{
    struct buf head;
    buf_init(&head, 1024);
    check(head_add(&head, slice_str("Content-Encoding"), slice_str(choice->coding)) == OK);
    const struct coded_body body = {
        .head = buf_slice(&head), .bytes = coded, .bytes_max = choice->bytes_max};
    const bool is_good = body_push_plain(L, &body, plain);
    buf_finish(&head);
    if (is_good)
        return GOOD;
    return strstr(lua_tostring(L, -1), "more than is taken") ? TOO_LARGE : MALFORMED;
}

static void compare(lua_State *L, const struct choice *choice, struct slice coded,
                    const struct slice *sent)
{
    struct slice plain;
    struct buf wanted;
    buf_init(&wanted, (size_t)2 * PLAIN_BYTES_MAX);
    const size_t by_ratio = coded.len * LIMIT_INFLATE_RATIO;
    const size_t most = by_ratio < choice->bytes_max ? by_ratio : choice->bytes_max;
    const enum outcome here = inflate_here(L, choice, coded, &plain);
    const enum outcome there = inflate_at_once(choice, coded, most, &wanted);
    check((here == GOOD) == (there == GOOD));
    check(here != TOO_LARGE || there == TOO_LARGE);
    check(here != GOOD || slice_equal(plain, buf_slice(&wanted)));
    check(!sent || there == (sent->len > most ? TOO_LARGE : GOOD));
    check(!sent || there != GOOD || slice_equal(plain, *sent));
    buf_finish(&wanted);
}

static int l_judge(lua_State *L)
{
    struct slice input;
    input.data = lua_tolstring(L, 1, &input.len);
    const struct choice choice = read_choice((const uint8_t *)input.data);
    const struct slice rest = slice_of(input.data + CHOICE_BYTES, input.len - CHOICE_BYTES);
    if (!choice.is_coded_here) {
        if (rest.len > 0) /* nothing is no coded body */
            compare(L, &choice, rest, NULL);
        return 0;
    }
    struct buf plain;
    struct buf coded;
    buf_init(&plain, (size_t)INPUT_BYTES_MAX * (REPEATS + 1));
    buf_init(&coded, CODED_BYTES_MAX);
    check(buf_reserve(&plain, 1) == OK); /* no text is at an address, too */
    for (unsigned i = 0; i <= choice.repeats; i++)
        check(buf_add_slice(&plain, rest) == OK);
    code(&coded, &choice, buf_slice(&plain));
    const struct slice sent = buf_slice(&plain);
    const bool is_whole = choice.damaged == 0 || choice.damaged > coded.len;
    compare(L, &choice, buf_slice(&coded), is_whole ? &sent : NULL);
    buf_finish(&plain);
    buf_finish(&coded);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz_state state;
    if (size >= CHOICE_BYTES && size <= INPUT_BYTES_MAX)
        fuzz_state_judge(&state, NULL, l_judge, slice_of((const char *)data, size));
    return 0;
}
