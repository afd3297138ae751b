/* SPDX-License-Identifier: MIT */
/* Which route a request is for. */
#include "api/api_int.h"

#include <stdio.h>

#define API_ID_BYTES_MAX LIMIT_UID_BYTES

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

/* A part in braces stands for any one of a path. A slash at its end does not count: the clients of
 * the generation before send one. */
bool api_match_path(const struct route *route, struct slice path, struct path_parts *parts)
{
    struct slice pattern = slice_str(route->path);
    parts->count = 0;
    while (pattern.len > 0 && path.len > 0) {
        const struct slice wanted = next_part(&pattern);
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
            return path.len == 0;
    }
    return false;
}

const struct route *api_route(size_t place)
{
    if (place < svix_routes.count)
        return &svix_routes.routes[place];
    place -= svix_routes.count;
    return place < own_routes.count ? &own_routes.routes[place] : NULL;
}

const struct route *api_find_route(struct slice method, struct slice path, char allow[ALLOW_BYTES])
{
    const struct route *route;
    struct path_parts parts;
    allow[0] = '\0';
    for (size_t i = 0; (route = api_route(i)) != NULL; i++) {
        if (!api_match_path(route, path, &parts))
            continue;
        if (slice_is(method, route->method))
            return route;
        const size_t len = strlen(allow);
        (void)snprintf(allow + len, ALLOW_BYTES - len, "%s%s", len > 0 ? ", " : "", route->method);
    }
    return NULL;
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
