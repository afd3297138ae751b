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
    struct slice value;
    if (head_find(head, HOPS_FIELD, &value) || head_find(head, HOPS_HEADER, &value))
        return hops_parse(value);
    return 0;
}
