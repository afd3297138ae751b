/* SPDX-License-Identifier: MIT */
/* The answer to a sender that challenge or respond decided: { status, headers, json | body | form,
 * store }, as C keeps it until it leaves. */
#include "script/bind_int.h"

#include <stdlib.h>

#define STATUS_LEAST 200
#define STATUS_MOST 599

struct admit_answer *admit_answer_create(void)
{
    struct admit_answer *answer = calloc(1, sizeof *answer);
    if (!answer)
        return NULL;
    answer->status = 200;
    answer->is_stored = true;
    buf_init(&answer->head, LIMIT_HEADERS_BYTES);
    buf_init(&answer->body, LIMIT_RESPOND_BODY_BYTES);
    return answer;
}

void admit_answer_free(struct admit_answer *answer)
{
    if (!answer)
        return;
    buf_finish(&answer->head);
    buf_finish(&answer->body);
    free(answer);
}

static void keep(lua_State *L, struct buf *buf, struct slice bytes, const char *what)
{
    buf_clear(buf);
    const enum status status = buf_add_slice(buf, bytes);
    if (status == E_LIMIT)
        (void)luaL_error(L, "the answer of %s is longer than %d KiB", what,
                         LIMIT_RESPOND_BODY_BYTES >> 10);
    if (status != OK)
        (void)luaL_error(L, "out of memory");
}

/* The content type that goes with it; NULL: no body. */
static const char *read_body(lua_State *L, int index, const char *what, struct buf *body)
{
    const bool has_json = lua_getfield(L, index, "json") != LUA_TNIL;
    const bool has_body = lua_getfield(L, index, "body") != LUA_TNIL;
    if (has_json && has_body)
        (void)luaL_error(L, "the answer of %s has 'json' or 'body', not both", what);
    if (has_json) {
        struct buf *encoded = &script_of(L)->body;
        buf_clear(encoded);
        json_check_encode(L, -2, NULL);
        keep(L, body, buf_slice(encoded), what);
    } else if (has_body) {
        struct slice text;
        if (lua_type(L, -1) != LUA_TSTRING)
            (void)luaL_error(L,
                             "'body' of the answer of %s must be a string, got %s; for a table "
                             "use 'json'",
                             what, luaL_typename(L, -1));
        text.data = lua_tolstring(L, -1, &text.len);
        keep(L, body, text, what);
    }
    lua_pop(L, 2);
    return has_json   ? "application/json; charset=utf-8"
           : has_body ? "text/plain; charset=utf-8"
                      : NULL;
}

void answer_check(lua_State *L, int index, enum phase_id phase, struct admit_answer *answer)
{
    static const char *const challenge_names[] = {"body", "headers", "json", "status", NULL};
    static const char *const respond_names[] = {"body", "headers", "json", "status", "store", NULL};
    const bool is_respond = phase == PHASE_RESPOND;
    const char *what = phases[phase].name;
    const struct options options = {
        .index = index, .what = is_respond ? "the answer of respond" : "the answer of challenge"};
    options_check_names(L, &options, is_respond ? respond_names : challenge_names, NULL);
    answer->status = (int)option_check_integer(L, &options, "status",
                                               (struct range){STATUS_LEAST, STATUS_MOST}, 200);
    answer->is_stored = is_respond && option_check_bool(L, &options, "store", true);
    const char *type = read_body(L, index, what, &answer->body);
    struct buf *head = &script_of(L)->head;
    buf_clear(head);
    lua_getfield(L, index, "headers");
    headers_check_add(L, -1, options.what, head);
    lua_pop(L, 1);
    enum status status = OK;
    if (type && head_count(buf_slice(head), "content-type") == 0)
        status = head_add(head, slice_str("Content-Type"), slice_str(type));
    /* What a stranger sent may come back: nothing is to be made of it but text. */
    if (status == OK && type && head_count(buf_slice(head), "x-content-type-options") == 0)
        status = head_add(head, slice_str("X-Content-Type-Options"), slice_str("nosniff"));
    if (status != OK)
        (void)luaL_error(L, "the headers of the answer of %s are too large", what);
    keep(L, &answer->head, buf_slice(head), what);
}
