/* SPDX-License-Identifier: MIT */
/* The way in: a request, admitted as a listener's would be. */
#include "testing/testing_int.h"

#include "base/limits.h"
#include "model/meta.h"

#include <stdlib.h>

#define UNTYPED "anzol.untyped"
#define HEAD_BYTES_MAX (LIMIT_HEADERS_BYTES + LIMIT_REQUEST_LINE_BYTES)

struct intake {
    struct project *project;
    const struct source_spec *source;
    struct content *content; /* owned until the event has it */
    int64_t received_ms;
    int result;
};

static struct event *make_event(struct intake *intake, const struct admission *admission)
{
    const struct source_spec *source = intake->source;
    const bool is_untyped = admission->outcome == ADMIT_UNTYPED;
    content_hide(intake->content, source->hidden_headers, source->hidden_header_count);
    struct event *event = event_create(&(struct event_options){
        .source = slice_str(source->name),
        .type = is_untyped ? slice_str(UNTYPED) : admission->type,
        .key = is_untyped ? slice_str("") : admission->key,
        .content = intake->content,
        .trace = trace_of_head(content_head(intake->content)),
        .received_ms = intake->received_ms,
    });
    check(event != NULL);
    event->id = id_next_event(&intake->project->ids, 0);
    intake->content = NULL;
    return event;
}

static void on_admitted(const struct admission *admission, void *ctx)
{
    static const char *const names[] = {
        [ADMIT_OK] = "ok",
        [ADMIT_UNVERIFIED] = "unverified",
        [ADMIT_MALFORMED] = "malformed",
        [ADMIT_TOO_LARGE] = "too_large",
        [ADMIT_ERROR] = "error",
        [ADMIT_UNTYPED] = "untyped",
        [ADMIT_ANSWERED] = "answered",
        [ADMIT_METHOD] = "method",
    };
    struct intake *intake = ctx;
    lua_State *L = intake->project->L;
    project_push_result(L, intake->project, intake->result);
    set_text(L, "outcome", names[admission->outcome]);
    set_text(L, "reason", admission->reason);
    if (admission->answer) {
        lua_newtable(L);
        set_integer(L, "status", admission->answer->status);
        set_slice(L, "body", buf_slice(&admission->answer->body));
        set_head(L, "headers", buf_slice(&admission->answer->head));
        lua_setfield(L, -2, "answer");
        admit_answer_free(admission->answer);
    }
    if (admission->outcome == ADMIT_OK || admission->outcome == ADMIT_UNTYPED) {
        event_handle_push(L, make_event(intake, admission));
        lua_setfield(L, -2, "event");
    }
    if (admission->asked &&
        project_push_meta(L, intake->project,
                          meta_create_handshake(script_registry(intake->project->script),
                                                intake->source->name, admission->asked),
                          0) == 1)
        lua_setfield(L, -2, "news");
    lua_pop(L, 1);
    content_unref(intake->content);
    free(intake);
}

static const struct source_spec *check_source(lua_State *L, const struct project *project)
{
    const struct source_spec *source =
        registry_source(script_registry(project->script), slice_str(luaL_checkstring(L, 2)));
    luaL_argcheck(L, source, 2, "no such source");
    return source;
}

/* The request at index 3 as the listener leaves it: packed head with the pseudo fields, body. */
static struct content *read_content(lua_State *L)
{
    static const struct {
        const char *field, *pseudo;
    } parts[] = {
        {"method", ":method"}, {"path", ":path"}, {"query", ":query"}, {"remote_ip", ":remote"}};
    struct buf head;
    buf_init(&head, HEAD_BYTES_MAX);
    bool is_ok = true;
    for (size_t i = 0; i < array_count(parts); i++)
        is_ok = is_ok &&
                head_add(&head, slice_str(parts[i].pseudo), field_text(L, 3, parts[i].field)) == OK;
    is_ok = is_ok && field_head(L, 3, &head);
    const struct slice body = field_text(L, 3, "body");
    struct content *content = is_ok ? content_create(buf_slice(&head), body.len) : NULL;
    buf_finish(&head);
    if (content && content_append(&content, body.data, body.len, body.len) != OK) {
        content_unref(content);
        content = NULL;
    }
    return content;
}

/* The method is one of the source's. */
static bool is_listed(lua_State *L)
{
    lua_getfield(L, 3, "is_listed");
    const bool is_listed = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is_listed;
}

/* receive(source, { method, is_listed, path, query, remote_ip, headers, body }, result): result
 * gets outcome "ok" "unverified" "malformed" "too_large" "error" "untyped" "answered" "method",
 * reason?, event?, answer? { status, headers, body }, news?: the event that scripts are told with
 */
int l_project_receive(lua_State *L)
{
    struct project *project = project_check(L);
    const struct source_spec *source = check_source(L, project);
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 4);
    struct content *content = read_content(L);
    struct intake *intake = content ? calloc(1, sizeof *intake) : NULL;
    if (!intake) {
        content_unref(content);
        return luaL_error(L, "the headers are over %d bytes", LIMIT_HEADERS_BYTES);
    }
    *intake = (struct intake){.project = project,
                              .source = source,
                              .content = content,
                              .received_ms = project->now_ms,
                              .result = project_expect_result(L, project)};
    script_admit(project->script,
                 &(struct admit_request){.source = source,
                                         .head = content_head(content),
                                         .body = content_body(content),
                                         .received_ms = project->now_ms,
                                         .is_method_listed = is_listed(L)},
                 on_admitted, intake);
    return 0;
}

/* sign(source, type | nil, body) -> { {name, value}, … }, body | nil, why */
int l_project_sign(lua_State *L)
{
    struct project *project = project_check(L);
    struct sign_request request = {.source = check_source(L, project),
                                   .type = luaL_optstring(L, 3, NULL),
                                   .id = id_next_event(&project->ids, 0)};
    request.body.data = luaL_checklstring(L, 4, &request.body.len);
    struct buf head;
    struct buf body;
    struct err err;
    buf_init(&head, LIMIT_HEADERS_BYTES);
    buf_init(&body, LIMIT_BODY_BYTES_HARD);
    request.signed_body = &body;
    const enum status status = script_sign(project->script, &request, &head, &err);
    lua_newtable(L);
    set_head(L, "headers", buf_slice(&head));
    const struct slice signed_body = body.len > 0 ? buf_slice(&body) : request.body;
    lua_pushlstring(L, signed_body.data, signed_body.len);
    buf_finish(&head);
    buf_finish(&body);
    if (status == OK) {
        lua_getfield(L, -2, "headers");
        lua_insert(L, -2);
        return 2;
    }
    lua_pushnil(L);
    lua_pushstring(L, err.text);
    return 2;
}
