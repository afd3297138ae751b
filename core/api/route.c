/* SPDX-License-Identifier: MIT */
#include "api/api_int.h"

#define ID_PART "{id}"
#define API_ID_BYTES_MAX 64

/* In the order of their paths. */
static const struct route routes[] = {
    {"GET", "/api/v1/delivery", false, api_list_deliveries, api_write_deliveries},
    {"GET", "/api/v1/delivery/{id}", false, api_get_delivery, api_write_delivery},
    {"GET", "/api/v1/endpoint", false, api_list_endpoints, api_write_endpoints},
    {"GET", "/api/v1/event", false, api_list_events, api_write_events},
    {"GET", "/api/v1/event/{id}", false, api_get_event, api_write_event},
    {"POST", "/api/v1/reload", false, api_start_reload, NULL},
    {"GET", "/api/v1/status", false, api_show_status, NULL},
    {"GET", "/healthz", true, api_show_health, NULL},
    {"GET", "/metrics", false, api_show_metrics, NULL},
};

static bool path_matches(const char *pattern, struct slice path, struct slice *id)
{
    const size_t len = strlen(pattern);
    const size_t id_len = strlen(ID_PART);
    const bool has_id = len > id_len && strcmp(pattern + len - id_len, ID_PART) == 0;
    const size_t fixed = has_id ? len - id_len : len;
    if (path.len < fixed || memcmp(path.data, pattern, fixed) != 0)
        return false;
    *id = slice_of(path.data + fixed, path.len - fixed);
    if (!has_id)
        return id->len == 0;
    return id->len > 0 && id->len <= API_ID_BYTES_MAX && !memchr(id->data, '/', id->len);
}

const struct route *api_find_route(struct slice method, struct slice path, struct slice *id,
                                   const char **allow)
{
    *allow = NULL;
    for (size_t i = 0; i < array_count(routes); i++) {
        if (!path_matches(routes[i].path, path, id))
            continue;
        if (slice_is(method, routes[i].method))
            return &routes[i];
        *allow = routes[i].method; /* each path has one method */
    }
    return NULL;
}
