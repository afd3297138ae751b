/* SPDX-License-Identifier: MIT */
/* The directory: the endpoints that applications registered over the API, as they are now, and what
 * those applications are called. Each
 * version of one is a registry with that endpoint alone, immutable and counted, so that whoever
 * sends or matches by an old one keeps it until it is done. Any thread; one at a time changes it.
 */
#ifndef MODEL_DIRECTORY_H
#define MODEL_DIRECTORY_H

#include "base/limits.h"
#include "model/registry.h"

struct directory;

/* NULL: no memory. */
struct directory *directory_create(void);
/* When no thread uses it any more. */
void directory_destroy(struct directory *directory);

/* Puts this version in the place of the one before. Takes the reference of `one`, which has one
 * endpoint with a membership, on OK. */
MUST_USE enum status directory_put(struct directory *directory, struct registry *one);
/* The endpoint is no more. Gives its last version, with the reference; NULL: there was none. */
struct registry *directory_remove(struct directory *directory, uint64_t endpoint);

/* A reference; NULL: there is none of this id. */
struct registry *directory_get(struct directory *directory, uint64_t endpoint);

/* Who gets a message. A message without channels goes to endpoints without channels only; one with
 * channels to those that have one of them and to those without (as the Svix server does). */
struct directory_query {
    uint64_t application;
    struct slice type;
    const struct slice *channels;
    size_t channel_count;
};
/* The enabled endpoints that match, in the order of their ids. Returns how many; fills at most max
 * with references. */
size_t directory_match(struct directory *directory, const struct directory_query *query,
                       struct registry **matches, size_t max);
/* True if this version matches, disabled or not. */
bool directory_is_match(const struct endpoint_spec *endpoint, const struct directory_query *query);

/* Fills at most max with references to the endpoints behind the id `after`, in the order of their
 * ids: all of an application, or (0) of all. Returns how many it filled. */
size_t directory_list(struct directory *directory, uint64_t application, uint64_t after,
                      struct registry **endpoints, size_t max);
/* The operator's own application, which operational webhooks go to. 0: there is none. */
void directory_set_operator(struct directory *directory, uint64_t application);
uint64_t directory_operator(const struct directory *directory);
/* The uid of an application; NULL: it has none, or is no more. Copied. */
void directory_name_application(struct directory *directory, uint64_t application, const char *uid);
/* False: it has none, or is not known. */
bool directory_application_uid(struct directory *directory, uint64_t application,
                               char uid[LIMIT_UID_BYTES + 1]);
size_t directory_count(struct directory *directory);

#endif
