/* SPDX-License-Identifier: MIT */
/* Fuzzes what receivers say to a queue: the query of a GET, the bodies of ack, nack and extend. The
 * first byte chooses which. Properties: what is refused says why; what is taken keeps to the
 * limits; each of the ids is a row, which reads as it was written, or is named as it was given. */
#include "receive/receive_int.h"

#include "base/limits.h"

#include <jansson.h>
#include <stdlib.h>

#define WAIT_MS 25000
#define BATCH 50
#define LEASE_MS 60000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct queue_spec queue = {.wait_ms = WAIT_MS, .batch = BATCH, .lease_ms = LEASE_MS};

static void fuzz_query(struct slice text)
{
    struct queue_query query;
    struct err err = {0};
    if (queue_read_query(text, &queue, &query, &err) != OK) {
        check(err.text[0] != '\0');
        return;
    }
    check(query.wait_ms >= 0 && query.wait_ms <= WAIT_MS);
    check(query.limit >= 1 && query.limit <= BATCH);
    check(!query.is_wait_cut || query.wait_ms == WAIT_MS);
    check(!query.is_limit_cut || query.limit == BATCH);
}

static void check_row(const struct store_lease_row *row)
{
    char text[LEASE_ID_BYTES];
    struct store_lease_row again;
    lease_id_format(row, text);
    check(row->number > 0 && lease_id_parse(text, strlen(text), &again));
    check(again.delivery == row->delivery && again.number == row->number);
}

/* How many stand in what would be answered. */
static size_t count_invalid(struct slice invalid)
{
    struct buf list;
    buf_init(&list, LIMIT_QUEUE_ANSWER_BYTES);
    check(buf_add_str(&list, "[") == OK && buf_add_slice(&list, invalid) == OK &&
          buf_add_str(&list, "]") == OK);
    json_t *root = json_loadb(list.data, list.len, JSON_ALLOW_NUL, NULL);
    check(json_is_array(root));
    const size_t count = json_array_size(root);
    json_decref(root);
    buf_finish(&list);
    return count;
}

static void check_end(const struct lease_end *end, enum lease_end_verb verb, struct slice invalid)
{
    check(end->verb == verb || (verb == LEASE_END_EXTEND && end->verb == LEASE_END_RETURN));
    check(end->verb != LEASE_END_EXTEND ||
          (end->delay_ms > 0 && end->delay_ms <= LIMIT_QUEUE_LEASE_MS));
    check(end->verb != LEASE_END_NACK ||
          (end->delay_ms >= -1 && end->delay_ms <= LIMIT_QUEUE_DELAY_MS));
    check(!end->reason || strlen(end->reason) <= LIMIT_REASON_BYTES);
    check(end->row_count >= 1 && end->row_count + count_invalid(invalid) <= LIMIT_QUEUE_BATCH);
    for (size_t i = 0; i < end->row_count; i++)
        check_row(&end->rows[i]);
}

static void fuzz_ids(enum lease_end_verb verb, struct slice body)
{
    struct lease_end end = {.verb = verb};
    struct buf invalid;
    struct err err = {0};
    buf_init(&invalid, LIMIT_QUEUE_ANSWER_BYTES);
    if (queue_read_ids(body, &queue, &end, &invalid, &err) == OK)
        check_end(&end, verb, buf_slice(&invalid));
    else
        check(err.text[0] != '\0');
    buf_finish(&invalid);
    free(end.rows);
    free(end.reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum lease_end_verb verbs[] = {LEASE_END_ACK, LEASE_END_NACK, LEASE_END_EXTEND};
    if (size == 0)
        return 0;
    const struct slice text = slice_of((const char *)data + 1, size - 1);
    const size_t which = data[0] % (array_count(verbs) + 1);
    if (which == array_count(verbs))
        fuzz_query(text);
    else
        fuzz_ids(verbs[which], text);
    return 0;
}
