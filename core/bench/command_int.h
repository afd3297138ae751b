/* SPDX-License-Identifier: MIT */
/* The subcommands and what they share. */
#ifndef BENCH_COMMAND_INT_H
#define BENCH_COMMAND_INT_H

#include "bench/load_int.h"
#include "bench/option_int.h"
#include "bench/report_int.h"

#define EXIT_FAILED 1
#define EXIT_USAGE 2
#define EXIT_UNAVAILABLE 69 /* sysexits.h */

/* Options of posting, which both have. The rows name members of this struct, which is the first
 * member of each command's values. */
struct posting {
    const char *url;
    uint64_t count;
    int64_t duration_ms;
    uint64_t connections;
    uint64_t rate;
    const char *secret;
    const char *provider;
    const char *token;
    const char *body_file;
    size_t body_bytes;
    const char *output;
};

/* Rows for POSTING_ROWS in a table. */
#define POSTING_ROWS                                                                               \
    {"--url",                                                                                      \
     NULL,                                                                                         \
     "URL",                                                                                        \
     OPTION_TEXT,                                                                                  \
     offsetof(struct posting, url),                                                                \
     "where to post: http://127.0.0.1:8080/in/github"},                                            \
        {"--count",                                                                                \
         "-n",                                                                                     \
         "N",                                                                                      \
         OPTION_COUNT,                                                                             \
         offsetof(struct posting, count),                                                          \
         "stop after N requests"},                                                                 \
        {"--duration",                                                                             \
         "-d",                                                                                     \
         "TIME",                                                                                   \
         OPTION_DURATION,                                                                          \
         offsetof(struct posting, duration_ms),                                                    \
         "stop after this time (default 10s)"},                                                    \
        {"--connections",                                                                          \
         "-c",                                                                                     \
         "N",                                                                                      \
         OPTION_COUNT,                                                                             \
         offsetof(struct posting, connections),                                                    \
         "connections, one request in flight on each (default 64)"},                               \
        {"--rate",                                                                                 \
         NULL,                                                                                     \
         "N",                                                                                      \
         OPTION_COUNT,                                                                             \
         offsetof(struct posting, rate),                                                           \
         "requests a second; latency counts from the intended time"},                              \
        {"--secret",                                                                               \
         NULL,                                                                                     \
         "SECRET",                                                                                 \
         OPTION_TEXT,                                                                              \
         offsetof(struct posting, secret),                                                         \
         "sign with it (default: not signed)"},                                                    \
        {"--token",                                                                                \
         NULL,                                                                                     \
         "TOKEN",                                                                                  \
         OPTION_TEXT,                                                                              \
         offsetof(struct posting, token),                                                          \
         "send it as Authorization: Bearer (default: none)"},                                      \
        {"--provider",                                                                             \
         NULL,                                                                                     \
         "NAME",                                                                                   \
         OPTION_TEXT,                                                                              \
         offsetof(struct posting, provider),                                                       \
         "github or standard: headers and signature (default github)"},                            \
        {"--body",                                                                                 \
         NULL,                                                                                     \
         "FILE",                                                                                   \
         OPTION_TEXT,                                                                              \
         offsetof(struct posting, body_file),                                                      \
         "the body to post (default: one is made)"},                                               \
        {"--size",                                                                                 \
         NULL,                                                                                     \
         "SIZE",                                                                                   \
         OPTION_SIZE,                                                                              \
         offsetof(struct posting, body_bytes),                                                     \
         "of the body that is made (default 1KiB)"},                                               \
    {                                                                                              \
        "--output", "-o", "json", OPTION_TEXT, offsetof(struct posting, output), "print JSON"      \
    }

#define POSTING_DEFAULT                                                                            \
    {                                                                                              \
        .connections = 64, .provider = "github", .body_bytes = 1024                                \
    }

/* Checks what the option types cannot: ranges, names, what excludes what. */
MUST_USE enum status posting_check(const struct posting *posting, struct err *err);

/* What load_start needs, made from a posting; the load borrows it. */
struct posting_target {
    struct address address;
    struct request request;
};

MUST_USE enum status posting_target_init(struct posting_target *target,
                                         const struct posting *posting, bool is_stamped,
                                         struct err *err);
void posting_target_finish(struct posting_target *target);
/* load->on_end is set by the caller. */
MUST_USE enum status posting_start(const struct posting *posting,
                                   const struct posting_target *target, struct loop *loop,
                                   struct load *load, struct err *err);

/* Prints in the form asked for; returns the exit code. */
int posting_report(const struct posting *posting, const struct report *report);
/* Prints "anzol bench …: TEXT"; returns the exit code of the error. */
int command_fail(const char *command, const struct err *err);

int receive_main(int argc, char **argv);
int deliver_main(int argc, char **argv);
int queue_main(int argc, char **argv);

#endif
