/* SPDX-License-Identifier: MIT */
/* Part of sqlite_int.h, which includes it: what the files that read share. Reader threads. */
#ifndef STORE_SQLITE_READ_INT_H
#define STORE_SQLITE_READ_INT_H

#include "store/sqlite_int.h"

enum read_sql {
    READ_DUE_EVENTS,
    READ_DUE_EVENT,
    READ_TIMED_EVENTS,
    READ_EVENT,
    READ_RUNS,
    READ_BATCH,
    READ_BATCH_RUN,
    READ_BATCH_RUNS,
    READ_DUE_DELIVERIES,
    READ_NEXT_DUE,
    READ_LEASE_ENDS,
    READ_NEXT_LEASE_END,
    READ_EXPIRED,
    READ_NEXT_EXPIRY,
    READ_LEASED,
    READ_NEXT_PRIORITY,
    READ_OPEN_DELIVERIES,
    READ_BACKLOG,
    READ_LIST_EVENTS,
    READ_LIST_EVENTS_BACKWARD,
    READ_LIST_LATE_EVENTS,
    READ_LIST_LATE_EVENTS_BACKWARD,
    READ_LIST_DUE_EVENTS,
    READ_LIST_DEAD_EVENTS,
    READ_LIST_DEAD_EVENTS_BACKWARD,
    READ_EVENT_ROW,
    READ_IS_DUE,
    READ_IS_ERASED,
    READ_LIST_DELIVERIES,
    READ_LIST_DELIVERIES_BACKWARD,
    READ_LIST_DEAD_DELIVERIES,
    READ_LIST_DEAD_DELIVERIES_BACKWARD,
    READ_EVENT_DELIVERIES,
    READ_DELIVERY_ROW,
    READ_DELIVERY,
    READ_ATTEMPT,
    READ_ENDPOINTS,
    READ_ENDPOINTS_BACKWARD,
    READ_DUE_COUNT,
    READ_LEASED_COUNT,
    READ_BLOCKING_COUNT,
    READ_OPEN_COUNTS,
    READ_ENDPOINT,
    READ_KV,
    READ_KV_LIST,
    READ_STEPS,
    READ_ROUTINES,
    READ_LIST_TASKS,
    READ_LIST_TASKS_BACKWARD,
    READ_TASK,
    READ_LIST_TOKENS,
    READ_LIST_TOKENS_BACKWARD,
    READ_LIST_TOKENS_OF,
    READ_LIST_TOKENS_OF_BACKWARD,
    READ_TOKEN,
    READ_ANSWER,
    READ_RESOURCE,
    READ_RESOURCE_OF_UID,
    READ_REGISTERED,
    READ_LIST_RESOURCES,
    READ_LIST_RESOURCES_DOWN,
    READ_LIST_RESOURCES_BY_UID,
    READ_LIST_RESOURCES_BY_UID_DOWN,
    READ_SECRETS,
    READ_PUBLISHED,
    READ_PUBLISHED_OF_UID,
    READ_LIST_PUBLISHED,
    READ_LIST_PUBLISHED_BACKWARD,
    READ_LIST_CHANNELS,
    READ_LIST_CHANNELS_BACKWARD,
    READ_NEXT_OF_TYPE,
    READ_NEXT_OF_TYPE_BACKWARD,
    READ_PUBLISHED_WANTED,
    READ_BEGIN,
    READ_END,
    READ_SECRET_COUNTS,
    READ_LIST_SENT,
    READ_LIST_SENT_BACKWARD,
    READ_NEXT_FAILED,
    READ_NEXT_FAILED_BACKWARD,
    READ_STANDING,
    READ_COUNT_SENT,
    READ_SENT_COUNTS,
    READ_SENT_SPAN,
    READ_SENT_SPAN_BACKWARD,
    READ_SENT,
    READ_SENT_URL,
    READ_MESSAGE_DELIVERIES,
    READ_DELIVERY_ATTEMPT,
    READ_PREVIOUS_ATTEMPT,
    READ_TRIED,
    READ_NEXT_TRIED,
    READ_NEXT_TRIED_BACKWARD,
    READ_LIST_ATTEMPTS,
    READ_LIST_ATTEMPTS_BACKWARD,
    READ_ATTEMPT_ROW,
    READ_SQL_COUNT
};

struct sqlite_reader {
    sqlite3 *db;
    const char *path;
    struct seal_ring *ring;
    sqlite3_stmt *statements[READ_SQL_COUNT];
};

enum status sqlite_reader_open(struct engine *engine, void **reader, struct err *err);
void sqlite_reader_close(struct engine *engine, void *reader);
void sqlite_read(struct engine *engine, void *reader, struct store_read *read);

/* Each fills its read: SQLITE_OK with read->status set, or the error. */
int sqlite_claim_events(struct sqlite_reader *reader, struct store_claim_events *claim);
int sqlite_claim_batch(struct sqlite_reader *reader, struct store_claim_batch *claim);
int sqlite_claim_deliveries(struct sqlite_reader *reader, struct store_claim_deliveries *claim);
int sqlite_claim_open(struct sqlite_reader *reader, struct store_claim_open *claim);
int sqlite_backlog(struct sqlite_reader *reader, struct store_backlog *backlog);
int sqlite_list_events(struct sqlite_reader *reader, struct store_list_events *list);
int sqlite_list_deliveries(struct sqlite_reader *reader, struct store_list_deliveries *list);
int sqlite_list_endpoints(struct sqlite_reader *reader, struct store_list_endpoints *list);
int sqlite_list_attempts(struct sqlite_reader *reader, struct store_list_attempts *list);
/* sqlite_attempt.c: the attempts of a delivery from the newest back; the first comes first. */
int sqlite_read_attempts(struct sqlite_reader *reader, uint64_t newest, struct delivery_row *row);
/* sqlite_list.c: *id 0: there is no endpoint of that name, or name is NULL. */
int sqlite_find_endpoint(struct sqlite_reader *reader, const char *name, uint64_t *id);
/* sqlite_walk.c: whether a page that began then and has looked at so many rows comes short. */
bool sqlite_is_time_up(int64_t start_ns, size_t rows);
/* before and after, as ?1 and ?2. */
void sqlite_bind_range(sqlite3_stmt *statement, const struct store_list_query *query);
int sqlite_list_resources(struct sqlite_reader *reader, struct store_list_resources *list);
/* sqlite_resource.c: of the columns of READ_RESOURCE. False: no memory. */
bool sqlite_resource_of(sqlite3_stmt *statement, struct resource *resource);
int sqlite_list_tokens(struct sqlite_reader *reader, struct store_list_tokens *list);
int sqlite_list_tasks(struct sqlite_reader *reader, struct store_list_tasks *list);
int sqlite_get_event(struct sqlite_reader *reader, struct store_get_event *get);
int sqlite_get_delivery(struct sqlite_reader *reader, struct store_get_delivery *get);
int sqlite_get_kv(struct sqlite_reader *reader, struct store_get_kv *get);
int sqlite_list_kv(struct sqlite_reader *reader, struct store_list_kv *list);
int sqlite_list_routines(struct sqlite_reader *reader, struct store_list_routines *list);
int sqlite_list_steps(struct sqlite_reader *reader, struct store_list_steps *list);

/* The run rows of an event, with their error texts if errors is not NULL. */
int sqlite_read_runs(struct sqlite_reader *reader, uint64_t event, struct claimed_run **runs,
                     char ***errors, size_t *count);
/* The event with its content (an empty one without with_body). *event NULL: there is none.
 * SEALED_UNREADABLE: as of a delivery. */
int sqlite_read_event(struct sqlite_reader *reader, uint64_t id, struct event **event);

/* A delivery with its message, and how its row becomes one (sqlite_claim.c). SQLITE_NOMEM;
 * SEALED_UNREADABLE: its body does not open, which is logged: that holds up no other delivery.
 * What was published and forgotten has expired. */
#define SQL_TEXT_DELIVERY                                                                          \
    "SELECT d.id, d.message, d.state, d.attempts, d.due_ms, iif(m.content & 255 IN (0, 255) AND"   \
    " EXISTS (SELECT 1 FROM published WHERE id = m.content & -256 AND payload_until_ms IS NULL),"  \
    " 1, d.expires_ms), m.type, m.content, c.head, c.body, a.next_ms - a.started_ms - "            \
    "a.duration_ms,"                                                                               \
    " d.endpoint, e.trace, d.order_key IS NOT NULL, d.priority, d.fresh_ms, d.fresh_attempts,"     \
    " d.leased_ms, c.sealed FROM delivery d"
#define SQL_TEXT_DELIVERY_JOINS                                                                    \
    " CROSS JOIN message m ON m.id = d.message CROSS JOIN content c ON c.id = m.content"           \
    " LEFT JOIN attempt a ON a.id = d.attempt LEFT JOIN event e ON e.id = d.message & ~255"
int sqlite_delivery_of(struct seal_ring *ring, sqlite3_stmt *statement, struct delivery **made);

/* sqlite_claim.c: an event from the columns source, type, key, parent, depth, trace, received_ms.
 * Takes the content (NULL: no memory). NULL: no memory. */
struct event *sqlite_event_of(sqlite3_stmt *statement, uint64_t id, struct content *content);

#endif
