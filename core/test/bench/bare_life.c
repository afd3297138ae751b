/* SPDX-License-Identifier: MIT */
/* bare_life FILE BATCH EVENTS: the whole life of webhooks in SQLite and nothing else. In each
 * commit BATCH events begin, the BATCH before them are handled and those before these are settled:
 * so a commit holds one event's whole life BATCH times. */
#include "bare.h"
#include "bare_store.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    static const char usage[] = "bare_life FILE BATCH EVENTS";
    const long batch = bare_number(argc, argv, 2, usage);
    const long groups = bare_number(argc, argv, 3, usage) / batch;
    char body[BARE_BODY_BYTES];
    memset(body, 'b', sizeof body);
    struct bare_store *store = bare_store_open(argv[1]);
    const int64_t start_ns = bare_mono_ns(), start_cpu_ns = bare_process_cpu_ns();
    for (long group = 0; group < groups; group++) {
        const int64_t first = (int64_t)group * batch + 1;
        bare_store_begin(store);
        for (int64_t id = first - 2 * batch; group > 1 && id < first - batch; id++)
            bare_store_settle(store, id);
        for (int64_t id = first - batch; group > 0 && id < first; id++)
            bare_store_handled(store, id);
        for (int64_t id = first; id < first + batch; id++)
            bare_store_ingest(store, id, body, sizeof body);
        bare_store_commit(store);
    }
    const double events = (double)(groups * batch);
    const double seconds = (double)(bare_mono_ns() - start_ns) / 1e9;
    const double cpu_us = (double)(bare_process_cpu_ns() - start_cpu_ns) / 1e3;
    bare_store_close(store);
    printf("{\"batch\":%ld,\"ratePerS\":%.1f,\"cpuUsPerEvent\":%.3f}\n", batch, events / seconds,
           cpu_us / events);
    return 0;
}
