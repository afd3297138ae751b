/* SPDX-License-Identifier: MIT */
/* Paths on the public listener: what they may hold, and that nobody has two. */
#include "script/bind_int.h"

#include "base/limits.h"

static const char *const queue_paths[] = {"", "/ack", "/nack", "/extend"};

const char *option_check_path(lua_State *L, const struct options *options)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "/-_.~";
    const char *path = option_check_text(L, options, "path", NULL);
    if (path && (path[0] != '/' || strlen(path) > LIMIT_PATH_BYTES ||
                 path[strspn(path, allowed)] != '\0' || strstr(path, "/.") || strstr(path, "//")))
        (void)luaL_error(L,
                         "option 'path' of %s must begin with '/' and hold only A-Z a-z 0-9 / - _ "
                         ". ~ (no segment may begin with a dot), got '%s'",
                         options->what, path);
    return path;
}

/* Whether the queue at `queue` answers there. */
static bool is_of_queue(const char *queue, const char *path)
{
    const size_t len = strlen(queue);
    if (strncmp(queue, path, len) != 0)
        return false;
    for (size_t i = 0; i < array_count(queue_paths); i++)
        if (strcmp(path + len, queue_paths[i]) == 0)
            return true;
    return false;
}

static void refuse(lua_State *L, const char *path, const char *kind, const char *name,
                   const char *script)
{
    (void)luaL_error(L, "path '%s' is taken by %s '%s' (%s)", path, kind, name, script);
}

void path_check_free(lua_State *L, const char *path)
{
    const struct registry *registry = script_of(L)->draft->registry;
    for (size_t i = 0; i < registry->source_count; i++) {
        const struct source_spec *source = &registry->sources[i];
        if (source->script && strcmp(source->path, path) == 0)
            refuse(L, path, "anzol.source", source->name, source->script);
    }
    for (size_t i = 0; i < registry->endpoint_count; i++) {
        const struct endpoint_spec *endpoint = &registry->endpoints[i];
        if (endpoint->script && endpoint->queue && is_of_queue(endpoint->queue->path, path))
            refuse(L, path, "anzol.endpoint", endpoint->name, endpoint->script);
    }
}

void path_check_queue_free(lua_State *L, const char *path)
{
    for (size_t i = 0; i < array_count(queue_paths); i++) {
        path_check_free(L, lua_pushfstring(L, "%s%s", path, queue_paths[i]));
        lua_pop(L, 1);
    }
}
