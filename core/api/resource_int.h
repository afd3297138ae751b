/* SPDX-License-Identifier: MIT */
/* What is registered over the API, whatever it is: a form says which fields a resource has and how
 * it is found; the rest is the same for all. Each call here is the handler of a route with a form,
 * or is called by one; it answers. On the API's loop. */
#ifndef API_RESOURCE_INT_H
#define API_RESOURCE_INT_H

#include "api/fields_int.h"

struct resource_form {
    enum resource_kind kind;
    const char *noun; /* "an application" */
    struct field_forms fields;
    const char *uid_field; /* which of them is its uid */
    bool is_named;         /* it has no id: its uid is in paths and iterators, and lists go by it */
    enum id_kind id_kind;  /* unless is_named */
    bool is_archived_first; /* to delete it archives it, unless expunge=true */
    bool is_newest_first;   /* lists, unless they say otherwise */
    bool has_secrets;       /* they are read with the row that is to change */
    /* Judges further what was read, all of it, and keeps what is stored beside it. old: what the
     * fields were. NULL: there is nothing more to it. */
    void (*judge)(struct call *call, const char *fields, const char *old,
                  struct complaints *complaints);
    /* Says what is stored with the row. NULL: nothing. */
    void (*complete)(struct call *call, struct store_resource *put);
    /* Fills the row, which owns nothing, if this uid is of one that is there without being stored.
     * NULL: there is none. */
    bool (*has_fixed)(const struct call *call, const char *uid, struct resource *row);
    /* Whoever sends has to go by it before it is answered. */
    bool is_sent_to;
    const char *content; /* a field that lists leave out, unless with_content=true. NULL: none */
};

extern const struct resource_form application_form;
/* default_application.c: whether this uid is its; then the row is what it is, and owns nothing. */
#define DEFAULT_APPLICATION "default" /* its uid */
bool default_application_is(const struct call *call, const char *uid, struct resource *row);
extern const struct resource_form event_type_form;

void resource_list(struct call *call);
void resource_make(struct call *call);
void resource_get(struct call *call);
void resource_replace(struct call *call);
void resource_patch(struct call *call);
void resource_remove(struct call *call);
/* What is stored beside the fields is changed by touch, which has the row with its secrets and may
 * come several times; answers 204. */
void resource_touch(struct call *call,
                    void (*touch)(struct call *call, struct complaints *complaints));
/* Writes one, or the page of a list. */
void resource_write(const struct resource_form *form, const struct resource *resource,
                    bool with_content, struct document *out);
void resource_write_list(const struct call *call, const struct store_list_resources *list,
                         struct document *out);
/* The route's write has the row with its secrets. */
void resource_get_secrets(struct call *call);

#endif
