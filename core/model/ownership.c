/* SPDX-License-Identifier: MIT */
#include "model/ownership.h"

#include "base/head.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/memory.h"
#include "model/handshake.h"

#include <stdlib.h>

static const char handshake[] = "\"handshake\"";
static const char challenge[] = "\"challenge\"";

static bool find(const char *fields, const char *name, struct slice *value)
{
    struct slice metadata;
    return json_find(slice_str(fields), "metadata", &metadata) &&
           json_kind_of(metadata) == JSON_OBJECT && json_find(metadata, name, value);
}

/* A JSON string; NULL: it is no name. */
static char *copy_name(struct slice value)
{
    struct slice name = {0};
    if (value.len > 2)
        name = slice_of(value.data + 1, value.len - 2);
    return handshake_is_origin(name) ? must_copy(name.data, name.len) : NULL;
}

const char *ownership_judge(const char *fields)
{
    struct ownership wanted = ownership_wanted(fields);
    struct slice policy;
    const bool has_origin = wanted.origin != NULL;
    ownership_finish(&wanted);
    if (!find(fields, "ownership", &policy) || slice_is(policy, "\"none\"") ||
        slice_is(policy, challenge))
        return NULL;
    if (!slice_is(policy, handshake))
        return "\"challenge\", \"handshake\" or \"none\" is wanted";
    return has_origin ? NULL
                      : "\"handshake\" wants an \"origin\" beside it: the DNS name to deliver by";
}

struct ownership ownership_wanted(const char *fields)
{
    struct ownership wanted = {0};
    struct slice policy;
    struct slice origin;
    if (!find(fields, "ownership", &policy) ||
        (!slice_is(policy, challenge) && !slice_is(policy, handshake)))
        return wanted;
    wanted.verification = OWNERSHIP_UNVERIFIED;
    if (slice_is(policy, handshake) && find(fields, "origin", &origin))
        wanted.origin = copy_name(origin);
    return wanted;
}

struct ownership ownership_read(const char *fields)
{
    struct ownership it = {0};
    struct slice value;
    if (!json_find(slice_str(fields), OWNERSHIP_VERIFICATION, &value))
        return it;
    it.verification =
        slice_is(value, "\"" OWNERSHIP_VERIFIED "\"") ? OWNERSHIP_VERIFIED : OWNERSHIP_UNVERIFIED;
    if (json_find(slice_str(fields), OWNERSHIP_ORIGIN, &value))
        it.origin = copy_name(value);
    if (json_find(slice_str(fields), OWNERSHIP_RATE, &value))
        it.rate_per_min = (uint32_t)strtoul(value.data, NULL, 10);
    return it;
}

void ownership_finish(struct ownership *ownership)
{
    free(ownership->origin);
    *ownership = (struct ownership){0};
}

static bool is_own(struct slice name)
{
    return slice_is(name, "\"" OWNERSHIP_VERIFICATION "\"") ||
           slice_is(name, "\"" OWNERSHIP_ORIGIN "\"") || slice_is(name, "\"" OWNERSHIP_RATE "\"");
}

char *ownership_mark(const char *fields, const struct ownership *ownership)
{
    struct buf out;
    struct slice name;
    struct slice value;
    buf_init(&out, strlen(fields) + 2 * LIMIT_HOST_BYTES);
    check(buf_add_byte(&out, '{') == OK);
    for (size_t offset = 0; json_next_member(slice_str(fields), &offset, &name, &value);)
        if (!is_own(name))
            check(buf_printf(&out, "%s%.*s:", out.len > 1 ? "," : "", (int)name.len, name.data) ==
                      OK &&
                  buf_add_slice(&out, value) == OK);
    if (ownership->verification)
        check(buf_printf(&out, "%s\"" OWNERSHIP_VERIFICATION "\":\"%s\"", out.len > 1 ? "," : "",
                         ownership->verification) == OK);
    if (ownership->origin)
        check(buf_printf(&out, ",\"" OWNERSHIP_ORIGIN "\":\"%s\"", ownership->origin) == OK);
    if (ownership->rate_per_min > 0)
        check(buf_printf(&out, ",\"" OWNERSHIP_RATE "\":%u", (unsigned)ownership->rate_per_min) ==
              OK);
    check(buf_add_byte(&out, '}') == OK);
    return buf_take(&out, NULL);
}

bool ownership_is_consent(struct slice head, bool is_rate_asked, struct ownership *ownership)
{
    struct slice origin;
    struct slice rate;
    ownership->rate_per_min = 0;
    if (!head_find(head, HANDSHAKE_ALLOWED_ORIGIN, &origin) ||
        (!slice_is(origin, "*") && !slice_equal_nocase(origin, slice_str(ownership->origin))))
        return false;
    if (!head_find(head, HANDSHAKE_ALLOWED_RATE, &rate))
        return !is_rate_asked;
    return slice_is(rate, "*") || handshake_parse_rate(rate, &ownership->rate_per_min);
}

enum status ownership_add_challenge(const char *token, struct buf *body)
{
    return buf_printf(body, "{\"type\":\"endpoint.challenge\",\"challenge\":\"%s\"}", token);
}

/* Without the space and line ends around it. */
static struct slice trim(struct slice text)
{
    while (text.len > 0 && strchr(" \t\r\n", text.data[text.len - 1]))
        text.len--;
    while (text.len > 0 && strchr(" \t\r\n", text.data[0]))
        text = slice_of(text.data + 1, text.len - 1);
    return text;
}

/* The value of the only member of an object, if that is `name`. */
static bool find_only(struct slice object, const char *name, struct slice *value)
{
    struct slice member;
    size_t count = 0;
    for (size_t offset = 0; json_next_member(object, &offset, &member, value);)
        count++;
    return count == 1 && json_find(object, name, value);
}

bool ownership_is_proof(struct slice body, const char *token)
{
    struct slice value;
    struct buf text;
    const struct slice trimmed = trim(body);
    if (slice_is(trimmed, token))
        return true;
    if (!json_is_valid(trimmed) || json_kind_of(trimmed) != JSON_OBJECT ||
        !find_only(trimmed, "challenge", &value) || json_kind_of(value) != JSON_STRING)
        return false;
    buf_init(&text, value.len);
    const bool is_proof = json_add_text(value, &text) == OK && slice_is(buf_slice(&text), token);
    buf_finish(&text);
    return is_proof;
}
