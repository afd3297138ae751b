/* SPDX-License-Identifier: MIT */
#include "api/api_int.h"

#include <stdio.h>

#define API_ID_BYTES_MAX LIMIT_UID_BYTES

/* In the order of their paths. */
static const struct route routes[] = {
    {.method = "GET",
     .path = "/api/v1/app",
     .summary = "List the applications, oldest first",
     .query = "iterator limit order",
     .answers = "200 ListResponse_ApplicationOut_",
     .handle = api_list_applications,
     .write = api_write_resources},
    {.method = "POST",
     .path = "/api/v1/app",
     .summary = "Make an application",
     .query = "get_if_exists",
     .answers = "201 200 ApplicationOut",
     .body = &application_fields,
     .handle = api_make_application},
    {.method = "DELETE",
     .path = "/api/v1/app/{id}",
     .summary = "Delete an application and what it owns",
     .answers = "204",
     .handle = api_remove_application},
    {.method = "GET",
     .path = "/api/v1/app/{id}",
     .summary = "Show an application",
     .answers = "200 ApplicationOut",
     .handle = api_get_application,
     .write = api_write_resource},
    {.method = "PATCH",
     .path = "/api/v1/app/{id}",
     .summary = "Change some fields of an application",
     .answers = "200 ApplicationOut",
     .body = &application_fields,
     .handle = api_patch_application},
    {.method = "PUT",
     .path = "/api/v1/app/{id}",
     .summary = "Replace an application, or make it",
     .answers = "200 201 ApplicationOut",
     .body = &application_fields,
     .handle = api_replace_application},
    {.method = "POST",
     .path = "/api/v1/app/{app}/msg",
     .summary = "Publish a message",
     .query = "with_content",
     .answers = "202 MessageOut",
     .body = &message_fields,
     .handle = api_publish},
    {.method = "GET",
     .path = "/api/v1/app/{app}/msg/{msg}",
     .summary = "Show a message that was published",
     .query = "with_content",
     .answers = "200 MessageOut",
     .handle = api_get_message,
     .write = api_write_message},
    {.method = "GET",
     .path = "/api/v1/attempt",
     .summary = "List attempts, newest first",
     .query = "endpoint error iterator limit since state status type until",
     .answers = "200 Page",
     .handle = api_list_attempts,
     .write = api_write_attempts},
    {.method = "GET",
     .path = "/api/v1/attempt/{id}",
     .summary = "Show an attempt with what was sent and answered",
     .answers = "200 Object",
     .handle = api_get_attempt,
     .write = api_write_attempt},
    {.method = "GET",
     .path = "/api/v1/cron",
     .summary = "List what runs by a schedule",
     .answers = "200 List",
     .handle = api_list_routines,
     .write = api_write_crons},
    {.method = "GET",
     .path = "/api/v1/dead-letter",
     .summary = "List what was given up, newest first",
     .query = "contains endpoint event iterator kind limit message since source type until",
     .answers = "200 Page",
     .handle = api_list_dead_letters,
     .write = api_write_dead_letters},
    {.method = "POST",
     .path = "/api/v1/dead-letter/drop",
     .summary = "Drop dead letters: a task",
     .query =
         "reason subscription kind source type endpoint contains since until rate dryRun iterator",
     .answers = "200 202 Object",
     .handle = api_drop_dead},
    {.method = "POST",
     .path = "/api/v1/dead-letter/retry",
     .summary = "Retry dead letters: a task",
     .query = "subscription kind source type endpoint contains since until rate dryRun iterator",
     .answers = "200 202 Object",
     .handle = api_retry_dead},
    {.method = "GET",
     .path = "/api/v1/delivery",
     .summary = "List deliveries, newest first",
     .query = "contains endpoint event iterator limit message since source state type until",
     .answers = "200 Page",
     .handle = api_list_deliveries,
     .write = api_write_deliveries},
    {.method = "GET",
     .path = "/api/v1/delivery/{id}",
     .summary = "Show a delivery with its attempts",
     .answers = "200 Object",
     .handle = api_get_delivery,
     .write = api_write_delivery},
    {.method = "POST",
     .path = "/api/v1/delivery/{id}/cancel",
     .summary = "Cancel an open delivery",
     .query = "reason",
     .answers = "200 Object",
     .handle = api_cancel_delivery},
    {.method = "POST",
     .path = "/api/v1/delivery/{id}/drop",
     .summary = "Drop a dead delivery",
     .query = "reason",
     .answers = "200 Object",
     .handle = api_drop_delivery},
    {.method = "GET",
     .path = "/api/v1/delivery/{id}/request",
     .summary = "Show what a delivery would send to another URL",
     .query = "to",
     .answers = "200 Object",
     .handle = api_show_request},
    {.method = "POST",
     .path = "/api/v1/delivery/{id}/retry",
     .summary = "Retry a dead or cancelled delivery",
     .answers = "200 Object",
     .handle = api_retry_delivery},
    {.method = "GET",
     .path = "/api/v1/endpoint",
     .summary = "List all endpoints and what waits for them",
     .answers = "200 List",
     .handle = api_list_endpoints,
     .write = api_write_endpoints},
    {.method = "POST",
     .path = "/api/v1/endpoint/{id}/disable",
     .summary = "Disable an endpoint",
     .query = "reason",
     .answers = "200 Object",
     .handle = api_disable_endpoint},
    {.method = "POST",
     .path = "/api/v1/endpoint/{id}/enable",
     .summary = "Enable an endpoint that is disabled",
     .answers = "200 Object",
     .handle = api_enable_endpoint},
    {.method = "POST",
     .path = "/api/v1/endpoint/{id}/pause",
     .summary = "Pause an endpoint",
     .query = "reason",
     .answers = "200 Object",
     .handle = api_pause_endpoint},
    {.method = "POST",
     .path = "/api/v1/endpoint/{id}/recover",
     .summary = "Retry what died at an endpoint: a task",
     .query = "since until rate dryRun iterator",
     .answers = "200 202 Object",
     .handle = api_recover_endpoint},
    {.method = "POST",
     .path = "/api/v1/endpoint/{id}/resume",
     .summary = "Resume an endpoint that is paused",
     .answers = "200 Object",
     .handle = api_resume_endpoint},
    {.method = "GET",
     .path = "/api/v1/event",
     .summary = "List events, newest first",
     .query = "contains iterator limit since source state type until",
     .answers = "200 Page",
     .handle = api_list_events,
     .write = api_write_events},
    {.method = "GET",
     .path = "/api/v1/event/{id}",
     .summary = "Show an event with its runs and deliveries",
     .answers = "200 Object",
     .handle = api_get_event,
     .write = api_write_event},
    {.method = "POST",
     .path = "/api/v1/event/{id}/drop",
     .summary = "Drop the dead runs of an event",
     .query = "reason subscription",
     .answers = "200 Object",
     .handle = api_drop_event},
    {.method = "GET",
     .path = "/api/v1/event/{id}/request",
     .summary = "Show an event as it was received",
     .answers = "200 Object",
     .handle = api_get_event,
     .write = api_write_event_request},
    {.method = "POST",
     .path = "/api/v1/event/{id}/retry",
     .summary = "Retry the dead runs of an event",
     .query = "subscription",
     .answers = "200 Object",
     .handle = api_retry_event},
    {.method = "GET",
     .path = "/api/v1/event-type",
     .summary = "List the event types by name",
     .query = "include_archived iterator limit order with_content",
     .answers = "200 ListResponse_EventTypeOut_",
     .handle = api_list_event_types,
     .write = api_write_resources},
    {.method = "POST",
     .path = "/api/v1/event-type",
     .summary = "Make an event type",
     .answers = "201 EventTypeOut",
     .body = &event_type_fields,
     .handle = api_make_event_type},
    {.method = "DELETE",
     .path = "/api/v1/event-type/{id}",
     .summary = "Archive an event type, or delete it",
     .query = "expunge",
     .answers = "204",
     .handle = api_remove_event_type},
    {.method = "GET",
     .path = "/api/v1/event-type/{id}",
     .summary = "Show an event type",
     .answers = "200 EventTypeOut",
     .handle = api_get_event_type,
     .write = api_write_resource},
    {.method = "PATCH",
     .path = "/api/v1/event-type/{id}",
     .summary = "Change some fields of an event type",
     .answers = "200 EventTypeOut",
     .body = &event_type_fields,
     .handle = api_patch_event_type},
    {.method = "PUT",
     .path = "/api/v1/event-type/{id}",
     .summary = "Replace an event type, or make it",
     .answers = "200 201 EventTypeOut",
     .body = &event_type_fields,
     .handle = api_replace_event_type},
    {.method = "GET",
     .path = "/api/v1/health",
     .is_public = true,
     .summary = "Say that the API answers",
     .answers = "204",
     .handle = api_answer_health},
    {.method = "GET",
     .path = "/api/v1/health/ping",
     .is_public = true,
     .summary = "Say that the API answers",
     .answers = "204",
     .handle = api_answer_health},
    {.method = "GET",
     .path = "/api/v1/openapi.json",
     .is_public = true,
     .summary = "Show this document",
     .answers = "200 Object",
     .handle = api_show_openapi},
    {.method = "GET",
     .path = "/api/v1/poll",
     .summary = "List what asks others for items",
     .answers = "200 List",
     .handle = api_list_routines,
     .write = api_write_polls},
    {.method = "GET",
     .path = "/api/v1/queue",
     .summary = "List the queues and who waits at them",
     .answers = "200 List",
     .handle = api_list_queues,
     .write = api_write_queues},
    {.method = "POST",
     .path = "/api/v1/replay",
     .summary = "Replay events or deliveries: a task",
     .query = "ids state subscription newIds kind source type endpoint contains since until rate "
              "dryRun iterator",
     .answers = "200 202 Object",
     .handle = api_replay},
    {.method = "GET",
     .path = "/api/v1/script",
     .summary = "Show the scripts that serve and how the last loads ended",
     .answers = "200 Object",
     .handle = api_show_script},
    {.method = "POST",
     .path = "/api/v1/script/reload",
     .summary = "Load the scripts anew",
     .answers = "200 Object",
     .handle = api_start_reload},
    {.method = "GET",
     .path = "/api/v1/source",
     .summary = "List where events come in",
     .answers = "200 List",
     .handle = api_list_sources},
    {.method = "GET",
     .path = "/api/v1/source/{name}",
     .summary = "Show a source",
     .answers = "200 Object",
     .handle = api_get_source},
    {.method = "GET",
     .path = "/api/v1/status",
     .summary = "Show what the server is doing",
     .answers = "200 Object",
     .handle = api_show_status},
    {.method = "POST",
     .path = "/api/v1/stop",
     .summary = "Begin a drain, which ends the server",
     .query = "drain",
     .answers = "200 Object",
     .handle = api_stop},
    {.method = "GET",
     .path = "/api/v1/stream",
     .is_untagged = true,
     .summary = "Follow what happens, as server-sent events",
     .query = "endpoint kind source type",
     .answers = "200 Events",
     .handle = api_open_stream},
    {.method = "GET",
     .path = "/api/v1/task",
     .summary = "List tasks, newest first",
     .query = "iterator limit state",
     .answers = "200 Page",
     .handle = api_list_tasks,
     .write = api_write_tasks},
    {.method = "DELETE",
     .path = "/api/v1/task/{id}",
     .summary = "Cancel a task that runs",
     .answers = "200 Object",
     .handle = api_end_task},
    {.method = "GET",
     .path = "/api/v1/task/{id}",
     .summary = "Show a task and how far it is",
     .answers = "200 Object",
     .handle = api_get_task,
     .write = api_write_task},
    {.method = "GET",
     .path = "/healthz",
     .is_public = true,
     .is_untagged = true,
     .summary = "Say whether webhooks are taken",
     .answers = "200 Object",
     .handle = api_show_health},
    {.method = "GET",
     .path = "/metrics",
     .summary = "Show the metrics as Prometheus reads them",
     .answers = "200 Text",
     .handle = api_show_metrics},
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

const struct route *api_routes(size_t *count)
{
    *count = array_count(routes);
    return routes;
}

bool api_next_word(const char **words, struct slice *word)
{
    if (!*words || **words == '\0')
        return false;
    const char *end = strchr(*words, ' ');
    *word = end ? slice_of(*words, (size_t)(end - *words)) : slice_str(*words);
    *words = end ? end + 1 : NULL;
    return true;
}

bool api_route_knows(const struct route *route, const char *parameter)
{
    const char *names = route->query;
    for (struct slice name; api_next_word(&names, &name);)
        if (slice_is(name, parameter))
            return true;
    return false;
}
