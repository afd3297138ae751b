/* SPDX-License-Identifier: MIT */
#include "model/hops.h"

#include "base/head.h"

#define DIGITS_MAX 4

unsigned hops_parse(struct slice value)
{
    unsigned hops = 0;
    if (value.len > DIGITS_MAX)
        return 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return 0;
        hops = hops * 10 + (unsigned)(value.data[i] - '0');
    }
    return hops;
}

unsigned hops_of_head(struct slice head)
{
    static const struct slice field_name = {HOPS_FIELD, sizeof HOPS_FIELD - 1};
    static const struct slice header_name = {HOPS_HEADER, sizeof HOPS_HEADER - 1};
    static const struct slice agent_name = {"user-agent", sizeof "user-agent" - 1};
    static const size_t agent_len = sizeof HOPS_AGENT - 1;
    unsigned hops = 0;
    struct field field;
    for (size_t offset = 0; head_next(head, &offset, &field);) {
        if (slice_equal_nocase(field.name, field_name) ||
            slice_equal_nocase(field.name, header_name))
            return hops_parse(field.value);
        if (slice_equal_nocase(field.name, agent_name) && field.value.len > agent_len &&
            memcmp(field.value.data, HOPS_AGENT, agent_len) == 0)
            hops = 1;
    }
    return hops;
}
