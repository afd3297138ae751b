/* SPDX-License-Identifier: MIT */
/* Exchanges that scripts ask for: the outer state hears of each and answers it. */
#include "testing/testing_int.h"

#include "base/limits.h"

#include <stdlib.h>

struct exchange {
    struct node node; /* in the project's list */
    lua_Integer number;
    size_t body_bytes_max;
    exchange_cb on_done;
    void *ctx;
};

static void push_exchange(lua_State *L, const struct exchange_request *request, lua_Integer number)
{
    lua_createtable(L, 0, 8);
    set_integer(L, "number", number);
    set_text(L, "url", request->url);
    set_slice(L, "method", request->method);
    set_head(L, "headers", request->head);
    set_slice(L, "body", request->body);
    set_integer(L, "redirects", request->redirects_max);
    set_integer(L, "timeout_ms", request->timeout_ms);
}

enum status exchange_start(void *ctx, const struct exchange_request *request, exchange_cb on_done,
                           void *done_ctx, struct exchange **exchange, struct err *err)
{
    struct project *project = ctx;
    struct exchange *it = calloc(1, sizeof *it);
    if (!it)
        return err_set(err, E_NOMEM, "out of memory");
    *it = (struct exchange){.number = ++project->last_exchange,
                            .body_bytes_max = request->body_bytes_max,
                            .on_done = on_done,
                            .ctx = done_ctx};
    queue_push(&project->exchanges, &it->node);
    push_exchange(project->L, request, it->number);
    project_append(project->L, project, SLOT_EXCHANGES);
    *exchange = it;
    return OK;
}

void exchange_cancel(void *ctx, struct exchange *exchange)
{
    struct project *project = ctx;
    queue_remove(&project->exchanges, &exchange->node);
    free(exchange);
}

static struct exchange *find(const struct project *project, lua_Integer number)
{
    for (struct node *node = queue_first(&project->exchanges); node;
         node = queue_next(&project->exchanges, node)) {
        struct exchange *exchange = container_of(node, struct exchange, node);
        if (exchange->number == number)
            return exchange;
    }
    return NULL;
}

/* answer_exchange(number, { status | error, headers, body, detail, host, duration_ms }): nothing if
 * it was given up meanwhile. */
int l_project_answer_exchange(lua_State *L)
{
    struct project *project = project_check(L);
    struct exchange *exchange = find(project, luaL_checkinteger(L, 2));
    luaL_checktype(L, 3, LUA_TTABLE);
    if (!exchange)
        return 0;
    struct exchange_answer answer = {
        .error = field_text(L, 3, "error").data,
        .detail = field_text(L, 3, "detail").data,
        .host = field_text(L, 3, "host").data,
        .status = (int)field_integer(L, 3, "status", 0),
        .body = field_text(L, 3, "body"),
        .duration_ms = field_integer(L, 3, "duration_ms", 0),
    };
    struct buf head;
    buf_init(&head, LIMIT_ANSWER_HEADERS_BYTES);
    if (!field_head(L, 3, &head))
        answer.error = "protocol";
    if (answer.body.len > exchange->body_bytes_max) {
        answer.error = "too_large";
        answer.body = slice_str("");
    }
    answer.head = buf_slice(&head);
    answer.retry_after_ms = answer_retry_after_ms(answer.head);
    queue_remove(&project->exchanges, &exchange->node);
    exchange->on_done(&answer, exchange->ctx);
    buf_finish(&head);
    free(exchange);
    return 0;
}
