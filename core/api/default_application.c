/* SPDX-License-Identifier: MIT */
/* The application "default": it is always there, and its endpoints are those that scripts declare,
 * which are shown and not changed. A URL is shown without its path, which may hold a secret. */
#include "api/api_int.h"

#define DEFAULT_ID 1u /* less than any that the store gives */
#define ENDPOINTS "/api/v1/app/{app}/endpoint"

static bool is_named(struct slice part)
{
    char id[ID_TEXT_BYTES];
    id_format(ID_APPLICATION, DEFAULT_ID, id);
    return slice_is(part, DEFAULT_APPLICATION) || slice_is(part, id);
}

static void show_application(struct call *call)
{
    struct api_status status;
    struct document out;
    call->api->hooks.status(&status, call->api->hooks.ctx);
    document_init(&out, SMALL_ANSWER_BYTES_MAX);
    document_open(&out, '{');
    show_id(&out, "id", ID_APPLICATION, DEFAULT_ID);
    document_key(&out, "uid");
    document_str(&out, DEFAULT_APPLICATION);
    document_key(&out, "name");
    document_str(&out, "Endpoints that scripts declare");
    document_key(&out, "metadata");
    document_json(&out, slice_str("{}"));
    document_key(&out, "createdAt");
    document_instant(&out, status.started_ms);
    document_key(&out, "updatedAt");
    document_instant(&out, status.started_ms);
    document_close(&out, '}');
    call_answer(call, 200, &out);
}

/* ---- Its endpoints --------------------------------------------------------------------------- */

static void write_endpoint(const struct call *call, const struct endpoint_row *row,
                           const struct api_script_endpoint *endpoint, struct document *out)
{
    struct api_status status;
    call->api->hooks.status(&status, call->api->hooks.ctx);
    document_open(out, '{');
    show_id(out, "id", ID_ENDPOINT, row->id);
    document_key(out, "uid");
    document_str(out, row->name);
    document_key(out, "url");
    document_str(out, endpoint->origin);
    document_key(out, "description");
    document_str(out, endpoint->place);
    document_key(out, "disabled");
    document_bool(out, row->state == ENDPOINT_DISABLED);
    document_key(out, "metadata");
    document_json(out, slice_str("{}"));
    document_key(out, "version");
    document_number(out, 1);
    document_key(out, "createdAt");
    document_instant(out, status.started_ms);
    document_key(out, "updatedAt");
    document_instant(out, status.started_ms);
    document_close(out, '}');
}

/* False: scripts declare none of that name. */
static bool find(const struct call *call, const char *name, struct api_script_endpoint *endpoint)
{
    const struct api_hooks *hooks = &call->api->hooks;
    return hooks->script_endpoint(name, endpoint, hooks->ctx);
}

/* All on one page. */
static void write_endpoints(const struct call *call, struct document *out)
{
    const struct store_list_endpoints *list = &call->list_endpoints;
    struct api_script_endpoint endpoint;
    show_list_open(out);
    for (size_t i = list->row_count; i > 0; i--)
        if (find(call, list->rows[i - 1].name, &endpoint))
            write_endpoint(call, &list->rows[i - 1], &endpoint, out);
    document_close(out, ']');
    document_key(out, "iterator");
    document_null(out);
    document_key(out, "prevIterator");
    document_null(out);
    document_key(out, "done");
    document_bool(out, true);
    document_close(out, '}');
}

static bool is_of(const struct endpoint_row *row, struct slice place)
{
    char id[ID_TEXT_BYTES];
    id_format(ID_ENDPOINT, row->id, id);
    return slice_is(place, row->name) || slice_is(place, id);
}

static void answer_one(struct call *call, const struct store_list_endpoints *list)
{
    struct api_script_endpoint endpoint;
    struct document out;
    size_t i = 0;
    while (i < list->row_count && !is_of(&list->rows[i], call->id))
        i++;
    if (i == list->row_count || !find(call, list->rows[i].name, &endpoint)) {
        call_refuse(call, 404, "not_found", "there is no endpoint of this id or uid");
        return;
    }
    document_init(&out, SMALL_ANSWER_BYTES_MAX);
    write_endpoint(call, &list->rows[i], &endpoint, &out);
    call_answer(call, 200, &out);
}

static void on_listed(struct store_read *read)
{
    struct call *call = read->ctx;
    struct store_list_endpoints list = *container_of(read, struct store_list_endpoints, read);
    if (call_end_wait(call)) {
        if (read->status == OK)
            answer_one(call, &list);
        else
            call_refuse(call, 500, "store", "the store could not be read; see the server's log");
    }
    store_read_finish(&list.read);
}

static void show_endpoint(struct call *call)
{
    call->list_endpoints.read =
        (struct store_read){.kind = STORE_LIST_ENDPOINTS, .on_done = on_listed, .ctx = call};
    call_begin_wait(call);
    if (store_read(call->api->store, call->api->client, &call->list_endpoints.read) == OK)
        return;
    check(call_end_wait(call));
    call_refuse(call, 503, "busy", "too many reads are under way; try again");
}

/* ---- What of it is asked for ----------------------------------------------------------------- */

static const struct route listing = {.path = ENDPOINTS, .write = write_endpoints};

bool default_application_takes(struct call *call)
{
    static const char below[] = "/api/v1/app/{";
    const char *path = call->route->path;
    if (call->token.id != 0 || strncmp(path, below, sizeof below - 1) != 0 ||
        !is_named(call->parts.rows[0]))
        return false;
    if (strcmp(call->route->method, "GET") != 0) {
        call_refuse(call, 403, "read_only",
                    "the application \"default\" shows the endpoints that scripts declare: change "
                    "them there");
    } else if (strcmp(path, "/api/v1/app/{id}") == 0) {
        show_application(call);
    } else if (strcmp(path, ENDPOINTS) == 0) {
        call->route = &listing;
        call_read(call, STORE_LIST_ENDPOINTS);
    } else if (strcmp(path, ENDPOINTS "/{endpoint}") == 0) {
        show_endpoint(call);
    } else {
        call_refuse(call, 404, "not_found",
                    "the application \"default\" has nothing but the endpoints of the scripts");
    }
    return true;
}
