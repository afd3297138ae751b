/* SPDX-License-Identifier: MIT */
#include "model/ownership.h"

#include "base/json.h"
#include "base/memory.h"

static bool find_policy(const char *fields, struct slice *policy)
{
    struct slice metadata;
    return json_find(slice_str(fields), "metadata", &metadata) &&
           json_kind_of(metadata) == JSON_OBJECT && json_find(metadata, "ownership", policy);
}

bool ownership_is_policy(const char *fields)
{
    struct slice policy;
    return !find_policy(fields, &policy) || slice_is(policy, "\"none\"") ||
           slice_is(policy, "\"challenge\"");
}

bool ownership_is_required(const char *fields)
{
    struct slice policy;
    return find_policy(fields, &policy) && slice_is(policy, "\"challenge\"");
}

bool ownership_is_missing(const char *fields)
{
    struct slice value;
    return json_find(slice_str(fields), OWNERSHIP_VERIFICATION, &value) &&
           slice_is(value, "\"" OWNERSHIP_UNVERIFIED "\"");
}

char *ownership_mark(const char *fields, const char *verification)
{
    struct buf out;
    struct slice name;
    struct slice value;
    const char *separator = "";
    buf_init(&out, strlen(fields) + 64);
    check(buf_add_byte(&out, '{') == OK);
    for (size_t offset = 0; json_next_member(slice_str(fields), &offset, &name, &value);) {
        if (slice_is(name, "\"" OWNERSHIP_VERIFICATION "\""))
            continue;
        check(buf_printf(&out, "%s%.*s:", separator, (int)name.len, name.data) == OK &&
              buf_add_slice(&out, value) == OK);
        separator = ",";
    }
    if (verification)
        check(buf_printf(&out, "%s\"" OWNERSHIP_VERIFICATION "\":\"%s\"", separator,
                         verification) == OK);
    check(buf_add_byte(&out, '}') == OK);
    return buf_take(&out, NULL);
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

bool ownership_is_echo(struct slice body, const char *token)
{
    struct slice value;
    struct buf text;
    const struct slice trimmed = trim(body);
    if (slice_is(trimmed, token))
        return true;
    if (!json_is_valid(trimmed) || json_kind_of(trimmed) != JSON_OBJECT ||
        !json_find(trimmed, "challenge", &value) || json_kind_of(value) != JSON_STRING)
        return false;
    buf_init(&text, value.len);
    const bool is_echo = json_add_text(value, &text) == OK && slice_is(buf_slice(&text), token);
    buf_finish(&text);
    return is_echo;
}
