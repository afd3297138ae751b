/* SPDX-License-Identifier: MIT */
#include "model/trace.h"

#include "base/head.h"

#include <sys/random.h>

/* "00-" 32 hex "-" 16 hex "-" 2 hex; later versions may go on behind another "-". */
#define VERSION_AT 0u
#define ID_AT 3u
#define SPAN_AT 36u
#define FLAGS_AT 53u
#define HEADER_BYTES 55u
#define VERSION_INVALID 0xff

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_hex(const char *text, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const int high = digit_of(text[2 * i]);
        const int low = digit_of(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
    uint8_t all = 0;
    for (size_t i = 0; i < len; i++)
        all |= bytes[i];
    return all == 0;
}

bool trace_parse(struct slice header, struct trace *trace)
{
    struct trace parsed;
    uint8_t version;
    const char *text = header.data;
    if (header.len < HEADER_BYTES || text[ID_AT - 1] != '-' || text[SPAN_AT - 1] != '-' ||
        text[FLAGS_AT - 1] != '-')
        return false;
    if (!parse_hex(text + VERSION_AT, &version, 1) ||
        !parse_hex(text + ID_AT, parsed.id, sizeof parsed.id) ||
        !parse_hex(text + SPAN_AT, parsed.span, sizeof parsed.span) ||
        !parse_hex(text + FLAGS_AT, &parsed.flags, 1))
        return false;
    if (version == VERSION_INVALID || trace_is_none(&parsed) ||
        is_zero(parsed.span, sizeof parsed.span))
        return false;
    if (header.len > HEADER_BYTES && (version == 0 || text[HEADER_BYTES] != '-'))
        return false;
    parsed.flags &= TRACE_SAMPLED; /* others may mean what we do not keep */
    *trace = parsed;
    return true;
}

bool trace_is_none(const struct trace *trace)
{
    return is_zero(trace->id, sizeof trace->id);
}

/* splitmix64 from a seed of the system's, one sequence a thread. Never 0. */
static uint64_t next_random(void)
{
    static _Thread_local uint64_t state;
    if (state == 0)
        check(getrandom(&state, sizeof state, 0) == (ssize_t)sizeof state);
    state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t bits = state;
    bits = (bits ^ bits >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ bits >> 27) * UINT64_C(0x94d049bb133111eb);
    bits ^= bits >> 31;
    return bits ? bits : 1;
}

void trace_continue(struct trace *trace)
{
    if (trace_is_none(trace)) {
        const uint64_t id[] = {next_random(), next_random()};
        memcpy(trace->id, id, sizeof trace->id);
        trace->flags = TRACE_SAMPLED;
    }
    const uint64_t span = next_random();
    memcpy(trace->span, &span, sizeof trace->span);
}

struct trace trace_of_head(struct slice head)
{
    struct trace trace = {0};
    struct slice header;
    if (head_find(head, "traceparent", &header))
        (void)trace_parse(header, &trace);
    trace_continue(&trace);
    return trace;
}

static char *add_hex(char *text, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        *text++ = digits[bytes[i] >> 4];
        *text++ = digits[bytes[i] & 15];
    }
    return text;
}

void trace_format(const struct trace *trace, char text[TRACE_TEXT_BYTES])
{
    memcpy(text, "00-", ID_AT);
    text = add_hex(text + ID_AT, trace->id, sizeof trace->id);
    *text++ = '-';
    text = add_hex(text, trace->span, sizeof trace->span);
    *text++ = '-';
    text = add_hex(text, &trace->flags, 1);
    *text = '\0';
}

bool trace_load(struct slice bytes, struct trace *trace)
{
    if (bytes.len != sizeof *trace && bytes.len != TRACE_BYTES_UNFLAGGED)
        return false;
    *trace = (struct trace){.flags = TRACE_SAMPLED};
    memcpy(trace, bytes.data, bytes.len);
    return true;
}
