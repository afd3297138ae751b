/* SPDX-License-Identifier: MIT */
#include "model/directory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* By the ids of their endpoints. */
struct members {
    struct registry **rows; /* owned references */
    size_t count;
};

struct directory {
    pthread_rwlock_t lock;
    struct members all;
    atomic_uint_fast64_t operator_application;
    struct map applications; /* id -> struct members, whose references are its own */
    struct map uids;         /* of applications, by their ids: owned text */
};

static const struct endpoint_spec *endpoint_of(const struct registry *one)
{
    return &one->endpoints[0];
}

struct directory *directory_create(void)
{
    struct directory *directory = calloc(1, sizeof *directory);
    if (directory)
        check(pthread_rwlock_init(&directory->lock, NULL) == 0);
    return directory;
}

static void finish_members(struct members *members)
{
    for (size_t i = 0; i < members->count; i++)
        registry_unref(members->rows[i]);
    free(members->rows);
}

void directory_destroy(struct directory *directory)
{
    size_t place = 0;
    uint64_t id;
    void *value;
    if (!directory)
        return;
    while (map_next(&directory->applications, &place, &id, &value)) {
        finish_members(value);
        free(value);
    }
    map_finish(&directory->applications);
    place = 0;
    while (map_next(&directory->uids, &place, &id, &value))
        free(value);
    map_finish(&directory->uids);
    finish_members(&directory->all);
    check(pthread_rwlock_destroy(&directory->lock) == 0);
    free(directory);
}

/* The place of the first one whose id is at least this. */
static size_t find(const struct members *members, uint64_t endpoint)
{
    size_t low = 0;
    size_t high = members->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (endpoint_of(members->rows[middle])->id < endpoint)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct members *members, size_t place, uint64_t endpoint)
{
    return place < members->count && endpoint_of(members->rows[place])->id == endpoint;
}

/* Room for one more. */
static enum status reserve(struct members *members)
{
    struct registry **rows = array_grow(members->rows, members->count, sizeof(struct registry *));
    if (!rows)
        return E_NOMEM;
    members->rows = rows;
    return OK;
}

/* Takes the reference; there is room. */
static void put(struct members *members, struct registry *one)
{
    const uint64_t endpoint = endpoint_of(one)->id;
    const size_t place = find(members, endpoint);
    if (is_at(members, place, endpoint)) {
        registry_unref(members->rows[place]);
    } else {
        memmove(&members->rows[place + 1], &members->rows[place],
                (members->count - place) * sizeof(struct registry *));
        members->count++;
    }
    members->rows[place] = one;
}

/* Gives the reference; NULL: it is not there. */
static struct registry *take(struct members *members, uint64_t endpoint)
{
    const size_t place = find(members, endpoint);
    if (!is_at(members, place, endpoint))
        return NULL;
    struct registry *one = members->rows[place];
    members->count--;
    memmove(&members->rows[place], &members->rows[place + 1],
            (members->count - place) * sizeof(struct registry *));
    return one;
}

/* NULL: no memory. */
static struct members *members_of(struct directory *directory, uint64_t application)
{
    struct members *members = map_get(&directory->applications, application);
    if (members)
        return members;
    members = calloc(1, sizeof *members);
    if (members && map_put(&directory->applications, application, members) != OK) {
        free(members);
        return NULL;
    }
    return members;
}

enum status directory_put(struct directory *directory, struct registry *one)
{
    check(pthread_rwlock_wrlock(&directory->lock) == 0);
    struct members *members = members_of(directory, endpoint_of(one)->membership->application);
    enum status status = members ? reserve(members) : E_NOMEM;
    if (status == OK)
        status = reserve(&directory->all);
    if (status == OK) {
        put(members, registry_ref(one));
        put(&directory->all, one);
    }
    check(pthread_rwlock_unlock(&directory->lock) == 0);
    return status;
}

struct registry *directory_remove(struct directory *directory, uint64_t endpoint)
{
    check(pthread_rwlock_wrlock(&directory->lock) == 0);
    struct registry *one = take(&directory->all, endpoint);
    if (one) {
        const uint64_t application = endpoint_of(one)->membership->application;
        struct members *members = map_get(&directory->applications, application);
        registry_unref(take(members, endpoint));
        if (members->count == 0) {
            (void)map_remove(&directory->applications, application);
            free(members->rows);
            free(members);
        }
    }
    check(pthread_rwlock_unlock(&directory->lock) == 0);
    return one;
}

struct registry *directory_get(struct directory *directory, uint64_t endpoint)
{
    check(pthread_rwlock_rdlock(&directory->lock) == 0);
    const size_t place = find(&directory->all, endpoint);
    struct registry *one =
        is_at(&directory->all, place, endpoint) ? registry_ref(directory->all.rows[place]) : NULL;
    check(pthread_rwlock_unlock(&directory->lock) == 0);
    return one;
}

static bool has(char *const *list, size_t count, struct slice text)
{
    for (size_t i = 0; i < count; i++)
        if (slice_is(text, list[i]))
            return true;
    return false;
}

bool directory_is_match(const struct endpoint_spec *endpoint, const struct directory_query *query)
{
    const struct membership *membership = endpoint->membership;
    if (membership->type_count > 0 && !has(membership->types, membership->type_count, query->type))
        return false;
    if (membership->channel_count == 0)
        return true;
    for (size_t i = 0; i < query->channel_count; i++)
        if (has(membership->channels, membership->channel_count, query->channels[i]))
            return true;
    return false;
}

size_t directory_match(struct directory *directory, const struct directory_query *query,
                       struct registry **matches, size_t max)
{
    size_t count = 0;
    check(pthread_rwlock_rdlock(&directory->lock) == 0);
    const struct members *members = map_get(&directory->applications, query->application);
    for (size_t i = 0; members && i < members->count; i++) {
        const struct endpoint_spec *endpoint = endpoint_of(members->rows[i]);
        if (endpoint->membership->is_disabled || !directory_is_match(endpoint, query))
            continue;
        if (count < max)
            matches[count] = registry_ref(members->rows[i]);
        count++;
    }
    check(pthread_rwlock_unlock(&directory->lock) == 0);
    return count;
}

size_t directory_list(struct directory *directory, uint64_t application, uint64_t after,
                      struct registry **endpoints, size_t max)
{
    size_t count = 0;
    check(pthread_rwlock_rdlock(&directory->lock) == 0);
    const struct members *members =
        application == 0 ? &directory->all : map_get(&directory->applications, application);
    for (size_t i = members ? find(members, after + 1) : 0;
         members && i < members->count && count < max; i++)
        endpoints[count++] = registry_ref(members->rows[i]);
    check(pthread_rwlock_unlock(&directory->lock) == 0);
    return count;
}

void directory_name_application(struct directory *directory, uint64_t application, const char *uid)
{
    check(pthread_rwlock_wrlock(&directory->lock) == 0);
    free(map_remove(&directory->uids, application));
    if (uid)
        check(map_put(&directory->uids, application, must_copy(uid, strlen(uid))) == OK);
    check(pthread_rwlock_unlock(&directory->lock) == 0);
}

bool directory_application_uid(struct directory *directory, uint64_t application,
                               char uid[LIMIT_UID_BYTES + 1])
{
    check(pthread_rwlock_rdlock(&directory->lock) == 0);
    const char *known = map_get(&directory->uids, application);
    if (known)
        (void)snprintf(uid, LIMIT_UID_BYTES + 1, "%s", known);
    check(pthread_rwlock_unlock(&directory->lock) == 0);
    return known != NULL;
}

void directory_set_operator(struct directory *directory, uint64_t application)
{
    atomic_store(&directory->operator_application, application);
}

uint64_t directory_operator(const struct directory *directory)
{
    return atomic_load(&directory->operator_application);
}

size_t directory_count(struct directory *directory)
{
    check(pthread_rwlock_rdlock(&directory->lock) == 0);
    const size_t count = directory->all.count;
    check(pthread_rwlock_unlock(&directory->lock) == 0);
    return count;
}
