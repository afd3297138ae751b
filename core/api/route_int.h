/* SPDX-License-Identifier: MIT */
/* Part of api_int.h, which includes it: a route, the tables of them, and how one is found. */
#ifndef API_ROUTE_INT_H
#define API_ROUTE_INT_H

#include "api/api_int.h"

/* Whose token is the least that a route takes: those of an application are for what is below it. */
enum route_user {
    FOR_ADMIN, /* unless a route says otherwise */
    FOR_APPLICATION,
    FOR_PORTAL
};

struct route {
    const char *method;
    const char *path; /* "/api/v1/app/{app}/endpoint/{id}" */
    bool is_public;   /* no token, no Host check */
    bool brings; /* its body may bring the application that its path names: `handle` finds it */
    enum route_user user;
    const struct resource_form *form; /* of handlers of resource_int.h: what it is of */
    /* The request is complete, and the application that it is for is found if its path is below
     * one: answer it, or start what it waits for. */
    void (*handle)(struct call *call);
    /* Of handlers that read: writes the body of the 200. */
    void (*write)(const struct call *call, struct document *out);
    /* The rest is in the OpenAPI document too. */
    bool is_keyed;       /* it takes an idempotency key */
    bool is_untagged;    /* its answer is not to be kept by anybody: a secret, or of a moment */
    const char *summary; /* one line, without a full stop */
    const char *query;   /* the parameters that it knows, apart by blanks; NULL: none */
    const char
        *answers; /* the statuses of success, then what they bring (openapi.c), if anything */
    const struct field_forms *body; /* NULL: none */
};

/* ---- route_svix.c, route_own.c: the tables of routes -------------------------------------------
 */

struct route_table {
    const struct route *routes;
    size_t count;
};
extern const struct route_table svix_routes, own_routes;

/* ---- route_find.c: which handler a request is for
 * ---------------------------------------------------
 */

/* All routes, one table after the other; those of one path are neighbours. NULL: behind the last.
 */
const struct route *api_route(size_t place);

#define ALLOW_BYTES 32
/* NULL: none; allow then names the methods of a path that is known, or is empty. */
const struct route *api_find_route(struct slice method, struct slice path, char allow[ALLOW_BYTES]);
/* False: the path is another's. parts borrow from it. */
bool api_match_path(const struct route *route, struct slice path, struct path_parts *parts);
/* True if a parameter of this name is one of its query. */
bool api_route_knows(const struct route *route, const char *parameter);
/* Takes the next word off a text of words apart by blanks. False at the end. */
bool api_next_word(const char **words, struct slice *word);

#endif
