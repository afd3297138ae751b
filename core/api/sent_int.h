/* SPDX-License-Identifier: MIT */
/* Messages of an application, where they went, and how that went: what the routes about them share.
 * On the API's loop. */
#ifndef API_SENT_INT_H
#define API_SENT_INT_H

#include "api/fields_int.h"

/* What a call about messages names and wants. */
struct sent_call {
    struct buf message;  /* as the path has it */
    struct buf endpoint; /* the same */
    struct buf wanted;   /* a parameter */
    struct buf attempt;
    struct buf channel;
    struct buf tag;
    struct buf types;          /* apart by zero bytes */
    struct slice *type_slices; /* owned */
    size_t type_count;
    uint64_t event;       /* that was found */
    uint64_t endpoint_id; /* the same */
    uint64_t attempt_id;
    struct store_list_query query;
    int class_from, class_to;
    int64_t from_ms, before_ms; /* of when attempts began; before_ms 0: any */
    bool with_content;
    int64_t since_ms, until_ms;
    struct buf text; /* of a body */
    void (*then)(struct call *call);
};

/* ---- sent_query.c: parameters, and what paths name ---- */

/* What a list takes beside limit, iterator, before and after. */
struct sent_form {
    enum id_kind kind; /* of its iterators */
    bool has_times, has_filters, has_status, has_class, has_content;
};
/* Reads the parameters. False: refused and answered. */
bool sent_begin(struct call *call, const struct sent_form *form);
/* Finds the message, or the endpoint, that this part of the path names; then goes on. Refuses if
 * there is none. */
void sent_find_message(struct call *call, struct slice part, void (*then)(struct call *call));
void sent_find_endpoint(struct call *call, struct slice part, void (*then)(struct call *call));
/* Starts call->read, which on_done ends; refuses if it cannot. */
void sent_read(struct call *call, enum store_read_kind kind, store_read_cb on_done);
struct published_filter sent_filter(const struct call *call);
/* The attempt that a part of the path names. False: refused and answered. tried.c */
bool sent_read_attempt(struct call *call, struct slice part);

/* ---- Shown ---- */

/* Members status and statusText. sent.c */
void show_sent_state(struct document *out, enum sent_state state);
/* The members of a message, without the braces. message.c */
void show_message(const struct published_row *row, struct document *out);

/* message.c: answers as the first was that published with the call's idempotency key. */
void message_repeat(struct call *call, const struct resource *first);
/* Publishes an example of this type for one endpoint alone. */
void message_publish_example(struct call *call, uint64_t endpoint, const char *type,
                             struct slice payload);

#endif
