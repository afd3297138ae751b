/* SPDX-License-Identifier: MIT */
/* Ids: 64 bits, time-ordered. Any thread.
 * An event id is: ms since 2025-01-01 (41 bits), sequence (6), shard (8), ordinal (8). Ordinal 0 is
 * the event, 1-255 are its messages by position. Delivery and attempt ids come from the store
 * thread in commit order: max(last + 1, ms << 22). Bit 63 is never set, so SQL integers hold them.
 * As text: a prefix and 11 digits of base 62 (0-9A-Za-z: text sorts as time). */
#ifndef BASE_ID_H
#define BASE_ID_H

#include "base/base.h"

#include <stdatomic.h>

#define ID_EPOCH_MS INT64_C(1735689600000) /* 2025-01-01T00:00:00Z */
#define ID_DIGITS 11
#define ID_TEXT_BYTES 24 /* longest prefix, digits, 0 */
#define ID_SHARD_COUNT 256u
#define ID_ORDINAL_MAX 255u
/* Ids of endpoints: below it 1, 2, … are those that scripts registered, above it times (row ids) of
 * those that applications registered. */
#define ID_ENDPOINT_REGISTERED (UINT64_C(1) << 40)

enum id_kind {
    ID_EVENT,
    ID_MESSAGE,
    ID_DELIVERY,
    ID_ENDPOINT,
    ID_APPLICATION,
    ID_ATTEMPT,
    ID_TASK,
    ID_TOKEN,
    ID_KIND_COUNT
};

/* One per process (owner: the store). Gives (ms, sequence) pairs that never repeat. */
struct id_source {
    atomic_uint_fast64_t last; /* ms << 6 | sequence */
};

/* highest: the highest event id in the store, 0 if none. */
void id_source_init(struct id_source *source, uint64_t highest);
/* A fresh event id on a shard. Borrows from the future when a ms is used up. */
uint64_t id_next_event(struct id_source *source, uint8_t shard);
/* max(last + 1, ms << 22); *last is moved. Store thread only. */
uint64_t id_next_row(uint64_t *last);

static inline uint8_t id_shard(uint64_t id)
{
    return (uint8_t)(id >> 8);
}

static inline uint8_t id_ordinal(uint64_t id)
{
    return (uint8_t)id;
}

static inline uint64_t id_event_of(uint64_t message_id)
{
    return message_id & ~UINT64_C(0xff);
}

/* Unix ms of an event or message id, and of a delivery or attempt id. */
int64_t id_event_ms(uint64_t id);
int64_t id_row_ms(uint64_t id);
/* The least event id and row id of an instant (for ranges). */
uint64_t id_event_at(int64_t ms);
uint64_t id_row_at(int64_t ms);

void id_format(enum id_kind kind, uint64_t id, char text[ID_TEXT_BYTES]);
/* False if text is not exactly a prefix of that kind and 11 digits in range. */
bool id_parse(enum id_kind kind, const char *text, uint64_t *id);
/* The shard of a name (endpoint, poll, schedule): a stable hash. */
uint8_t id_shard_of_name(struct slice name);
/* The shard of a numbered thing (endpoint id). */
uint8_t id_shard_of_number(uint64_t number);

#endif
