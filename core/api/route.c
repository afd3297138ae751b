/* SPDX-License-Identifier: MIT */
#include "api/api_int.h"

#include <stdio.h>

#define API_ID_BYTES_MAX LIMIT_UID_BYTES

/* In the order of their paths. */
static const struct route routes[] = {
    {"GET", "/api/v1/app", false, api_list_applications, api_write_resources},
    {"POST", "/api/v1/app", false, api_make_application, NULL},
    {"DELETE", "/api/v1/app/{id}", false, api_remove_application, NULL},
    {"GET", "/api/v1/app/{id}", false, api_get_application, api_write_resource},
    {"PATCH", "/api/v1/app/{id}", false, api_patch_application, NULL},
    {"PUT", "/api/v1/app/{id}", false, api_replace_application, NULL},
    {"GET", "/api/v1/attempt", false, api_list_attempts, api_write_attempts},
    {"GET", "/api/v1/attempt/{id}", false, api_get_attempt, api_write_attempt},
    {"GET", "/api/v1/cron", false, api_list_routines, api_write_crons},
    {"POST", "/api/v1/dead/drop", false, api_drop_dead, NULL},
    {"POST", "/api/v1/dead/retry", false, api_retry_dead, NULL},
    {"GET", "/api/v1/delivery", false, api_list_deliveries, api_write_deliveries},
    {"GET", "/api/v1/delivery/{id}", false, api_get_delivery, api_write_delivery},
    {"POST", "/api/v1/delivery/{id}/cancel", false, api_cancel_delivery, NULL},
    {"POST", "/api/v1/delivery/{id}/drop", false, api_drop_delivery, NULL},
    {"GET", "/api/v1/delivery/{id}/request", false, api_show_request, NULL},
    {"POST", "/api/v1/delivery/{id}/retry", false, api_retry_delivery, NULL},
    {"GET", "/api/v1/endpoint", false, api_list_endpoints, api_write_endpoints},
    {"POST", "/api/v1/endpoint/{id}/disable", false, api_disable_endpoint, NULL},
    {"POST", "/api/v1/endpoint/{id}/enable", false, api_enable_endpoint, NULL},
    {"POST", "/api/v1/endpoint/{id}/pause", false, api_pause_endpoint, NULL},
    {"POST", "/api/v1/endpoint/{id}/recover", false, api_recover_endpoint, NULL},
    {"POST", "/api/v1/endpoint/{id}/resume", false, api_resume_endpoint, NULL},
    {"GET", "/api/v1/event", false, api_list_events, api_write_events},
    {"GET", "/api/v1/event/{id}", false, api_get_event, api_write_event},
    {"POST", "/api/v1/event/{id}/drop", false, api_drop_event, NULL},
    {"GET", "/api/v1/event/{id}/request", false, api_get_event, api_write_event_request},
    {"POST", "/api/v1/event/{id}/retry", false, api_retry_event, NULL},
    {"GET", "/api/v1/event-type", false, api_list_event_types, api_write_resources},
    {"POST", "/api/v1/event-type", false, api_make_event_type, NULL},
    {"DELETE", "/api/v1/event-type/{id}", false, api_remove_event_type, NULL},
    {"GET", "/api/v1/event-type/{id}", false, api_get_event_type, api_write_resource},
    {"PATCH", "/api/v1/event-type/{id}", false, api_patch_event_type, NULL},
    {"PUT", "/api/v1/event-type/{id}", false, api_replace_event_type, NULL},
    {"GET", "/api/v1/health", true, api_answer_health, NULL},
    {"GET", "/api/v1/health/ping", true, api_answer_health, NULL},
    {"GET", "/api/v1/poll", false, api_list_routines, api_write_polls},
    {"GET", "/api/v1/queue", false, api_list_queues, api_write_queues},
    {"POST", "/api/v1/reload", false, api_start_reload, NULL},
    {"POST", "/api/v1/replay", false, api_replay, NULL},
    {"GET", "/api/v1/status", false, api_show_status, NULL},
    {"POST", "/api/v1/stop", false, api_stop, NULL},
    {"GET", "/api/v1/task", false, api_list_tasks, api_write_tasks},
    {"DELETE", "/api/v1/task/{id}", false, api_end_task, NULL},
    {"GET", "/api/v1/task/{id}", false, api_get_task, api_write_task},
    {"GET", "/healthz", true, api_show_health, NULL},
    {"GET", "/metrics", false, api_show_metrics, NULL},
};

/* Takes what goes before the next '/' off the text. */
static struct slice next_part(struct slice *text)
{
    const char *end = memchr(text->data, '/', text->len);
    const size_t len = end ? (size_t)(end - text->data) : text->len;
    const struct slice part = slice_of(text->data, len);
    const size_t skipped = end ? len + 1 : len;
    *text = slice_of(text->data + skipped, text->len - skipped);
    return part;
}

/* A part in braces stands for any one of a path. */
static bool path_matches(struct slice pattern, struct slice path, struct path_parts *parts)
{
    parts->count = 0;
    while (pattern.len > 0 && path.len > 0) {
        const struct slice wanted = next_part(&pattern);
        const bool is_last = !memchr(path.data, '/', path.len);
        const struct slice part = next_part(&path);
        if (wanted.len == 0 || wanted.data[0] != '{') {
            if (!slice_equal(wanted, part))
                return false;
        } else if (part.len == 0 || part.len > API_ID_BYTES_MAX) {
            return false;
        } else {
            check(parts->count < PATH_PARTS_MAX);
            parts->rows[parts->count++] = part;
        }
        if (pattern.len == 0)
            return is_last;
    }
    return false;
}

const struct route *api_find_route(struct slice method, struct slice path, struct path_parts *parts,
                                   char allow[ALLOW_BYTES])
{
    allow[0] = '\0';
    for (size_t i = 0; i < array_count(routes); i++) {
        if (!path_matches(slice_str(routes[i].path), path, parts))
            continue;
        if (slice_is(method, routes[i].method))
            return &routes[i];
        const size_t len = strlen(allow);
        (void)snprintf(allow + len, ALLOW_BYTES - len, "%s%s", len > 0 ? ", " : "",
                       routes[i].method);
    }
    return NULL;
}
