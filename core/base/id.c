/* SPDX-License-Identifier: MIT */
#include "base/id.h"

#include "base/clock.h"

#include <stdio.h>

#define SEQUENCE_BITS 6
#define SHARD_ORDINAL_BITS 16
#define ROW_BITS 22
#define MS_MAX ((INT64_C(1) << 41) - 1)

static const char *const prefixes[ID_KIND_COUNT] = {"evt_", "msg_",   "dlv_", "ep_",
                                                    "app_", "atmpt_", "tsk_", "tok_"};
static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* Milliseconds since the epoch of ids, within their 41 bits: a machine whose clock was never set
 * says 1970. */
static uint64_t ms_of(int64_t unix_ms)
{
    if (unix_ms <= ID_EPOCH_MS)
        return 0;
    return (uint64_t)(unix_ms - ID_EPOCH_MS > MS_MAX ? MS_MAX : unix_ms - ID_EPOCH_MS);
}

void id_source_init(struct id_source *source, uint64_t highest)
{
    atomic_store(&source->last, highest >> SHARD_ORDINAL_BITS);
}

uint64_t id_next_event(struct id_source *source, uint8_t shard)
{
    const uint64_t now = ms_of(clock_due_ms()) << SEQUENCE_BITS;
    uint_fast64_t last = atomic_load(&source->last);
    uint_fast64_t next;
    do {
        next = now > last ? now : last + 1;
    } while (!atomic_compare_exchange_weak(&source->last, &last, next));
    return (uint64_t)next << SHARD_ORDINAL_BITS | (uint64_t)shard << 8;
}

uint64_t id_next_row(uint64_t *last)
{
    const uint64_t now = id_row_at(clock_due_ms());
    *last = now > *last ? now : *last + 1;
    return *last;
}

int64_t id_event_ms(uint64_t id)
{
    return (int64_t)(id >> (SHARD_ORDINAL_BITS + SEQUENCE_BITS)) + ID_EPOCH_MS;
}

int64_t id_row_ms(uint64_t id)
{
    return (int64_t)(id >> ROW_BITS) + ID_EPOCH_MS;
}

uint64_t id_event_at(int64_t ms)
{
    return ms_of(ms) << (SHARD_ORDINAL_BITS + SEQUENCE_BITS);
}

uint64_t id_row_at(int64_t ms)
{
    return ms_of(ms) << ROW_BITS;
}

void id_format(enum id_kind kind, uint64_t id, char text[ID_TEXT_BYTES])
{
    char number[ID_DIGITS + 1];
    for (int i = ID_DIGITS - 1; i >= 0; i--) {
        number[i] = digits[id % 62];
        id /= 62;
    }
    number[ID_DIGITS] = '\0';
    (void)snprintf(text, ID_TEXT_BYTES, "%s%s", prefixes[kind], number);
}

bool id_parse(enum id_kind kind, const char *text, uint64_t *id)
{
    const size_t prefix_len = strlen(prefixes[kind]);
    if (strncmp(text, prefixes[kind], prefix_len) != 0 || strlen(text) != prefix_len + ID_DIGITS)
        return false;
    uint64_t number = 0;
    for (const char *c = text + prefix_len; *c; c++) {
        const char *digit = strchr(digits, *c);
        uint64_t scaled;
        if (!digit || __builtin_mul_overflow(number, UINT64_C(62), &scaled) ||
            __builtin_add_overflow(scaled, (uint64_t)(digit - digits), &number))
            return false;
    }
    if (number > INT64_MAX)
        return false;
    *id = number;
    return true;
}

uint8_t id_shard_of_name(struct slice name)
{
    const uint32_t hash = slice_hash(name);
    return (uint8_t)(hash ^ hash >> 8 ^ hash >> 16 ^ hash >> 24);
}

uint8_t id_shard_of_number(uint64_t number)
{
    return (uint8_t)number;
}
