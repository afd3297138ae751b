/* SPDX-License-Identifier: MIT */
/* The words that every file of the core uses: status, check, slice and the attributes.
 * No thread, no owner: only types and macros. */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#define container_of(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
#define array_count(array) (sizeof(array) / sizeof((array)[0]))

/* What a call that can fail returns. Absence is not an error: look-ups return NULL or false. */
enum status {
    OK = 0,
    E_NOMEM,     /* no memory */
    E_LIMIT,     /* over a named limit: never retried as it is */
    E_INVALID,   /* malformed input */
    E_NOTFOUND,  /* named thing does not exist */
    E_CONFLICT,  /* somebody else was first */
    E_BUSY,      /* full for now: try again later */
    E_IO,        /* the disk or a system call failed */
    E_REMOTE,    /* the other side failed */
    E_CANCELLED, /* given up on request */
    STATUS_COUNT
};

/* The lower-case name of a status, for logs and error texts: "limit", "busy", … */
const char *status_name(enum status status);

/* Bugs are not errors: an invariant that does not hold ends the process. Always compiled in. */
#define check(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            check_failed(#condition, __FILE__, __LINE__);                                          \
    } while (0)
void check_failed(const char *condition, const char *file, int line) __attribute__((noreturn));

/* Borrowed bytes. Not terminated. */
struct slice {
    const char *data;
    size_t len;
};

static inline struct slice slice_of(const char *data, size_t len)
{
    return (struct slice){data, len};
}

/* text may be NULL: an empty slice. */
static inline struct slice slice_str(const char *text)
{
    return (struct slice){text ? text : "", text ? strlen(text) : 0};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
    return slice_equal(a, slice_str(text));
}

/* FNV-1a: the same in every process, and no defence against chosen collisions (keyed_hash.h is). */
static inline uint32_t slice_hash(struct slice a)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < a.len; i++)
        hash = (hash ^ (unsigned char)a.data[i]) * 16777619u;
    return hash;
}

/* ASCII case is ignored, as header names ask for. */
bool slice_equal_nocase(struct slice a, struct slice b);
/* Whether part stands somewhere in text, ASCII case ignored. */
bool slice_contains_nocase(struct slice text, const char *part);
/* Without the blanks and tabs around it: what header fields may have there (RFC 9110, 5.6.3). */
struct slice slice_trim(struct slice text);

/* Zeroed memory for what is small, fixed and has nobody to tell of its lack: waits for it as
 * base/memory.h says, then ends the process. */
void *must_alloc(size_t size);
/* The same for a copy of len bytes of text, terminated. */
char *must_copy(const char *text, size_t len);
/* Room for one more behind `count` members: an array that was grown so doubles when it is full.
 * NULL: no memory, and it is as it was. */
void *array_grow(void *array, size_t count, size_t size);

#endif
