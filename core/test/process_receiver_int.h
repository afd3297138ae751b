/* SPDX-License-Identifier: MIT */
/* The receiver's inside: shared by its thread (process_receiver.c) and its Lua face
 * (process_receiver_lua.c). Everything under the mutex but the connections, which are the thread's.
 */
#ifndef TEST_PROCESS_RECEIVER_INT_H
#define TEST_PROCESS_RECEIVER_INT_H

#include "process_int.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#define RECEIVER_PATH_BYTES 128
#define RECEIVER_RULES_MAX 64

/* What to do with one request. */
struct answer {
    int status;
    int64_t delay_ms;
    char *headers; /* lines that end with CR LF; owned, NULL: none */
    char *body;    /* owned, NULL: empty */
    bool echoes;   /* the body is the request's */
    char *member;  /* of that only the text of this member, which is JSON without escapes; owned */
    char *raw;     /* instead of all that: these bytes, then close; owned */
    size_t raw_len;
    pid_t kill;    /* killed (SIGKILL) as soon as the answer is out; 0: none */
    bool is_reset; /* no answer: the connection is reset */
};

/* Answers of one path, used in turn; the last one stays. */
struct rule {
    char path[RECEIVER_PATH_BYTES]; /* "*": every path without a rule */
    struct answer *answers;
    size_t count;
    size_t next;
};

/* One request that came in. */
struct record {
    char *head; /* request line and headers as sent, owned */
    size_t head_len;
    char *body; /* owned */
    size_t body_len;
    uint64_t hash;
    int64_t at_us;
    int connection; /* 1, 2, …: which connection it came on */
};

struct receiver {
    pthread_t thread;
    int listen_fd;
    int wake_fd; /* eventfd */
    int port;
    atomic_bool is_stopping;
    pthread_mutex_t mutex;
    pthread_cond_t grown;
    struct rule rules[RECEIVER_RULES_MAX];
    size_t rule_count;
    struct record *records;
    size_t record_count;
    size_t record_capacity;
    size_t total; /* ever recorded */
    int connection_count;
};

/* The thread. ctx: the receiver. */
void *receiver_run(void *ctx);
void record_finish(struct record *record);
void rule_finish(struct rule *rule);

#endif
