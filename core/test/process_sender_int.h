/* SPDX-License-Identifier: MIT */
/* The sender's inside: shared by its threads (process_sender.c) and its Lua face
 * (process_sender_lua.c). */
#ifndef TEST_PROCESS_SENDER_INT_H
#define TEST_PROCESS_SENDER_INT_H

#include "base/buf.h"
#include "process_int.h"

#include <pthread.h>
#include <stdatomic.h>

#define SENDER_CONNECTIONS_MAX 512
#define SENDER_TEXT_BYTES 128
#define SENDER_KEY_BYTES 192
#define SENDER_REPORT_BYTES 512
#define SENDER_SAMPLES_MAX (1u << 20)

struct sender_options {
    int port;
    char path[SENDER_TEXT_BYTES];
    char secret[SENDER_TEXT_BYTES];
    char event[SENDER_TEXT_BYTES];  /* X-GitHub-Event */
    char prefix[SENDER_TEXT_BYTES]; /* of the keys: PREFIX-CONNECTION-NUMBER */
    int connections;
    int64_t seed;
    int64_t body_bytes_max;
    int64_t pause_us;       /* after each answer */
    int64_t post_count_max; /* fresh ones per connection; 0: until stopped */
    int repeat_percent;     /* an acknowledged key again */
    int forge_percent;      /* a wrong signature */
};

struct samples {
    uint32_t *us;
    size_t count;
};

struct sender_counts {
    uint64_t acknowledged; /* 2xx for a fresh key */
    uint64_t repeated;     /* 2xx for a repeated key: the first one's id */
    uint64_t forged;       /* 401 for a wrong signature */
    uint64_t refused;      /* 503 */
    uint64_t lost;         /* no answer: the connection broke */
    uint64_t unexpected;
    char first_unexpected[SENDER_REPORT_BYTES];
};

struct sender;

/* One connection, one thread. */
struct line {
    struct sender *sender;
    int index;
    pthread_t thread;
    pthread_mutex_t fd_mutex; /* fd: stop shuts it down */
    int fd;                   /* -1: closed */
    uint64_t random;          /* state */
    uint64_t next_number;     /* of the next fresh key */
    struct buf request;
    struct buf body;
    struct buf answer;
    uint64_t *ids; /* hash of the id that each acknowledged number got; 0: none */
    size_t id_capacity;
};

struct sender {
    struct sender_options options;
    atomic_int port;
    atomic_bool is_stopping;
    atomic_int running; /* threads that have not ended */
    int ledger_fd;
    pthread_mutex_t mutex; /* counts and samples */
    struct sender_counts counts;
    struct samples accepted;
    struct samples refused;
    struct line lines[SENDER_CONNECTIONS_MAX];
};

/* A line's thread. ctx: the line. */
void *sender_run(void *ctx);

#endif
