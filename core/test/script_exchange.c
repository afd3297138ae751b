/* SPDX-License-Identifier: MIT */
/* The exchanges that a project's scripts ask for, in the hands of a spec. */
#include "script_project_int.h"

#include "base/limits.h"

#include <stdlib.h>

struct exchange {
    struct node node; /* in project->exchanges */
    lua_Integer number;
    struct exchange_request request;
    exchange_cb on_done;
    void *ctx;
};

static enum status start(void *ctx, const struct exchange_request *request, exchange_cb on_done,
                         void *done_ctx, struct exchange **exchange, struct err *err)
{
    struct project *project = ctx;
    if (strncmp(request->url, "bad:", 4) == 0)
        return err_set(err, E_INVALID, "scheme \"bad\" is refused: only http and https");
    struct exchange *it = malloc(sizeof *it);
    check(it != NULL);
    *it = (struct exchange){.number = ++project->last_exchange,
                            .request = *request,
                            .on_done = on_done,
                            .ctx = done_ctx};
    queue_push(&project->exchanges, &it->node);
    *exchange = it;
    return OK;
}

static void cancel(void *ctx, struct exchange *exchange)
{
    struct project *project = ctx;
    queue_remove(&project->exchanges, &exchange->node);
    free(exchange);
}

void exchange_add_hooks(struct script_hooks *hooks)
{
    hooks->start_exchange = start;
    hooks->cancel_exchange = cancel;
}

/* exchanges() -> { { number, url, method, head, body, timeout_ms, body_bytes_max, redirects,
 * allow_private }, … }: what was asked for and neither answered nor cancelled */
int l_project_exchanges(lua_State *L)
{
    const struct project *project = project_check(L);
    lua_Integer count = 0;
    lua_newtable(L);
    for (struct node *node = queue_first(&project->exchanges); node;
         node = queue_next(&project->exchanges, node)) {
        const struct exchange *it = container_of(node, struct exchange, node);
        const struct exchange_request *request = &it->request;
        lua_newtable(L);
        set_integer(L, "number", it->number);
        set_text(L, "url", request->url);
        set_slice(L, "method", request->method);
        push_head(L, request->head);
        lua_setfield(L, -2, "head");
        set_slice(L, "body", request->body);
        set_integer(L, "timeout_ms", request->timeout_ms);
        set_integer(L, "body_bytes_max", (lua_Integer)request->body_bytes_max);
        set_integer(L, "redirects", request->redirects_max);
        set_bool(L, "allow_private", request->allow_private);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

static struct exchange *find(const struct project *project, lua_Integer number)
{
    for (struct node *node = queue_first(&project->exchanges); node;
         node = queue_next(&project->exchanges, node)) {
        struct exchange *it = container_of(node, struct exchange, node);
        if (it->number == number)
            return it;
    }
    return NULL;
}

static struct slice text_field(lua_State *L, const char *name)
{
    struct slice text;
    lua_getfield(L, 3, name);
    text.data = luaL_optlstring(L, -1, "", &text.len);
    lua_pop(L, 1); /* the table holds it */
    return text;
}

static lua_Integer integer_field(lua_State *L, const char *name, lua_Integer fallback)
{
    lua_getfield(L, 3, name);
    const lua_Integer value = luaL_optinteger(L, -1, fallback);
    lua_pop(L, 1);
    return value;
}

/* answer(number, { error? | status, headers?, body?, detail?, host?, retry_after_ms?,
 * duration_ms? }) -> whether somebody still waits for it */
int l_project_answer(lua_State *L)
{
    struct project *project = project_check(L);
    struct exchange *exchange = find(project, luaL_checkinteger(L, 2));
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_pushboolean(L, exchange != NULL);
    if (!exchange)
        return 1;
    struct buf head;
    lua_getfield(L, 3, "headers");
    read_head(L, -1, &head);
    const struct exchange_answer answer = {
        .error = text_field(L, "error").data,
        .detail = text_field(L, "detail").data,
        .host = text_field(L, "host").data,
        .status = (int)integer_field(L, "status", 200),
        .head = buf_slice(&head),
        .body = text_field(L, "body"),
        .retry_after_ms = integer_field(L, "retry_after_ms", -1),
        .duration_ms = integer_field(L, "duration_ms", 12),
    };
    queue_remove(&project->exchanges, &exchange->node);
    exchange->on_done(&answer, exchange->ctx);
    free(exchange);
    buf_finish(&head);
    lua_pushboolean(L, 1);
    return 1;
}
