/* SPDX-License-Identifier: MIT */
/* What the scripts of all workers share: cache entries, limiters, breakers and metrics of the
 * process. They survive reloads and end with the process.
 *
 * Any thread. The table has striped locks; none is held longer than one call here, so never across
 * Lua or a wait. Times are of the monotonic clock. */
#ifndef SHARED_SHARED_H
#define SHARED_SHARED_H

#include "base/buf.h"

struct shared;

/* bytes_max: of cache entries, limiters and breakers; what was used least recently goes first. */
struct shared *shared_create(size_t bytes_max);
void shared_destroy(struct shared *shared);
/* What the table holds now. */
size_t shared_bytes(struct shared *shared);

/* ---- Cache: values by namespace and key ---- */

/* A number as a cache keeps it, so that counting needs no Lua. */
struct cache_number {
    bool is_real;
    int64_t whole;
    double real;
};

/* Values are bytes that mean something to the caller, or a number. */
struct cache_value {
    bool is_number;
    struct cache_number number;
    struct slice bytes; /* copied when it is put in */
};

/* OK, and value is set (its bytes are in text); E_NOTFOUND; E_NOMEM, E_LIMIT of text. */
MUST_USE enum status cache_get(struct shared *shared, struct slice ns, struct slice key,
                               struct cache_value *value, struct buf *text);
/* ttl_ms 0: until it is pushed out. only_new: E_CONFLICT if there is one already. E_NOMEM. E_LIMIT:
 * larger than a stripe may hold. */
MUST_USE enum status cache_set(struct shared *shared, struct slice ns, struct slice key,
                               const struct cache_value *value, int64_t ttl_ms, bool only_new);
/* Adds to the number there, or to 0 with this ttl_ms if there is none (a number that is there keeps
 * its own). E_INVALID: what is there is no number; E_LIMIT: the sum is out of range. */
MUST_USE enum status cache_incr(struct shared *shared, struct slice ns, struct slice key,
                                const struct cache_number *delta, int64_t ttl_ms,
                                struct cache_number *sum);
/* True if there was one. */
bool cache_delete(struct shared *shared, struct slice ns, struct slice key);

/* ---- Limiters: token buckets by name ---- */

struct limiter_rate {
    double per_s;
    double burst; /* the most that may be taken at once, >= 1 */
};

/* Takes count tokens, at the latest wait_max_ms from now: then *wait_ms says when they are there,
 * and they are taken already. False: nothing was taken, *wait_ms says when they would be there. */
bool limiter_take(struct shared *shared, struct slice name, const struct limiter_rate *rate,
                  double count, int64_t wait_max_ms, int64_t *wait_ms);

/* ---- Breakers by name ---- */

#define BREAKER_FAILURES_MAX 100

struct breaker_policy {
    uint32_t failures; /* within window_ms open it, 1 to BREAKER_FAILURES_MAX */
    int64_t window_ms;
    int64_t cooldown_ms; /* open that long, then half open */
    uint32_t half_open;  /* calls that may try then at the same time */
};

/* False: open; *wait_ms says for how long. True: the call may go; breaker_leave says how it went. A
 * probe whose end is never told counts as running for another cooldown at most. */
bool breaker_enter(struct shared *shared, struct slice name, const struct breaker_policy *policy,
                   int64_t *wait_ms);
/* True: it opened just now. */
bool breaker_leave(struct shared *shared, struct slice name, const struct breaker_policy *policy,
                   bool is_failure);
/* name: valid during the call. */
typedef void (*breaker_cb)(struct slice name, bool is_open, void *ctx);
/* Every breaker that is remembered. */
void breaker_list(struct shared *shared, breaker_cb on_breaker, void *ctx);

/* ---- Metrics ---- */

/* Names of scripts never meet those of the core. */
enum metric_owner { METRIC_OF_CORE, METRIC_OF_SCRIPTS, METRIC_OWNER_COUNT };

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

#define METRIC_NAME_BYTES 64
#define METRICS_MAX 200              /* names */
#define METRIC_SERIES_MAX 100        /* label sets of one name of scripts, ... */
#define METRIC_CORE_SERIES_MAX 10000 /* ... and of the core: polls and crons have one each */
#define METRIC_LABELS_BYTES 1024     /* of one label set, written out */
#define METRIC_BUCKETS_MAX 32

struct metric_options {
    struct slice name; /* ^[a-z_][a-z0-9_]*$ */
    enum metric_kind kind;
    const double *bounds; /* of a histogram, ascending; copied */
    size_t bound_count;
};

/* Makes the metric, or finds it. E_CONFLICT: one of that name has another kind or other bounds;
 * E_LIMIT: METRICS_MAX; E_NOMEM. */
MUST_USE enum status metric_open(struct shared *shared, enum metric_owner owner,
                                 const struct metric_options *options);
/* labels: written out, sorted: a="1",b="2"; empty: none. Adds to a counter, adds to or sets a
 * gauge, observes in a histogram. E_LIMIT: METRIC_SERIES_MAX or METRIC_CORE_SERIES_MAX: nothing is
 * counted but that, in metrics_cut_total of the core, and the log tells the first time; E_NOTFOUND,
 * E_NOMEM. */
MUST_USE enum status metric_update(struct shared *shared, enum metric_owner owner,
                                   struct slice name, struct slice labels, double value,
                                   bool is_set);
/* For the core: adds one to a counter, which is made when it is first counted. */
void metric_count(struct shared *shared, const char *name, const char *label, const char *value);
/* Appends all of an owner in the text format of Prometheus 0.0.4, each name behind prefix. */
MUST_USE enum status metric_write(struct shared *shared, enum metric_owner owner,
                                  const char *prefix, struct buf *out);

#endif
