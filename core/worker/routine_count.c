/* SPDX-License-Identifier: MIT */
/* What /metrics says of routines: runs by outcome; of polls and streams also how long they wait and
 * what they found. Any thread. */
#include "worker/worker_int.h"

#include "base/log.h"
#include "shared/shared.h"

#include <stdio.h>

static void update(struct shared *shared, enum metric_kind kind, const char *name,
                   const char *labels, double value)
{
    const struct metric_options options = {.name = slice_str(name), .kind = kind};
    enum status status = metric_open(shared, METRIC_OF_CORE, &options);
    if (status == OK)
        status = metric_update(shared, METRIC_OF_CORE, options.name, slice_str(labels), value,
                               kind == METRIC_GAUGE);
    if (status != OK && status != E_LIMIT) /* that is told where it is met */
        log_warn("not counted", "metric=%s reason=%s", name, status_name(status));
}

void routine_count(struct shared *shared, enum routine_kind kind, const char *name,
                   const struct routine_row *row)
{
    const char *outcome = row->error ? "failed" : "ok";
    const bool is_poll = kind == ROUTINE_POLL || kind == ROUTINE_SSE;
    const char *noun = is_poll ? "poll" : routine_kind_name(kind);
    char metric[METRIC_NAME_BYTES];
    char labels[LIMIT_NAME_BYTES + 64];
    (void)snprintf(metric, sizeof metric, "%ss_total", noun);
    if (is_poll) /* labels are in the order of their names */
        (void)snprintf(labels, sizeof labels, "outcome=\"%s\",poll=\"%s\"", outcome, name);
    else
        (void)snprintf(labels, sizeof labels, "%s=\"%s\",outcome=\"%s\"", noun, name, outcome);
    update(shared, METRIC_COUNTER, metric, labels, 1);
    if (!is_poll)
        return;
    (void)snprintf(labels, sizeof labels, "poll=\"%s\"", name);
    update(shared, METRIC_GAUGE, "poll_interval_seconds", labels, (double)row->wait_ms / 1000);
    update(shared, METRIC_COUNTER, "poll_items_total", labels, (double)row->last_items);
}
