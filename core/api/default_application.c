/* SPDX-License-Identifier: MIT */
/* The application "default": it is always there, and its endpoints are those that scripts declare,
 * which are shown and not changed. A URL is shown without its path, which may hold a secret. */
#include "api/resource_int.h"

#include "base/clock.h"

#include <stdlib.h>

#define DEFAULT_ID 1u /* less than any that the store gives */
#define ENDPOINTS "/api/v1/app/{app}/endpoint"

static bool is_named(struct slice part)
{
    char id[ID_TEXT_BYTES];
    id_format(ID_APPLICATION, DEFAULT_ID, id);
    return slice_is(part, DEFAULT_APPLICATION) || slice_is(part, id);
}

static void fill(const struct call *call, struct resource *row)
{
    static char body[] = "{\"uid\":\"" DEFAULT_APPLICATION "\",\"name\":\"Endpoints that scripts "
                         "declare\",\"metadata\":{\"readOnly\":\"true\"}}";
    struct api_status status;
    call->api->hooks.status(&status, call->api->hooks.ctx);
    const int64_t made_ms = clock_due_of_wall(status.started_ms);
    *row = (struct resource){.kind = RESOURCE_APPLICATION,
                             .id = DEFAULT_ID,
                             .body = body,
                             .created_ms = made_ms,
                             .updated_ms = made_ms};
}

bool default_application_is(const struct call *call, const char *uid, struct resource *row)
{
    if (strcmp(uid, DEFAULT_APPLICATION) != 0)
        return false;
    fill(call, row);
    return true;
}

static void show_application(struct call *call)
{
    struct document out;
    struct resource row;
    fill(call, &row);
    document_init(&out, SMALL_ANSWER_BYTES_MAX);
    resource_write(&application_form, &row, true, &out);
    call_answer(call, 200, &out);
}

/* By id it is before all others. */
void api_write_applications(const struct call *call, struct document *out)
{
    struct store_list_resources page = call->list_resources;
    struct resource row;
    const bool is_first = !page.is_down && page.behind == 0;
    const bool is_last = page.is_down && page.is_end && page.behind != DEFAULT_ID;
    fill(call, &row);
    page.rows = must_alloc((page.row_count + 1) * sizeof *page.rows);
    for (size_t i = 0; i < page.row_count; i++)
        page.rows[i + is_first] = call->list_resources.rows[i];
    if (is_first)
        page.rows[0] = row;
    else if (is_last)
        page.rows[page.row_count] = row;
    page.row_count += is_first || is_last;
    if (page.row_count > page.limit) { /* it, or one that was read, is of the next page */
        page.row_count--;
        page.is_end = false;
    }
    resource_write_list(call, &page, out);
    free(page.rows);
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

static void write_endpoints(const struct call *call, struct document *out)
{
    const struct store_list_endpoints *list = &call->list_endpoints;
    struct store_list_query query = list->query;
    struct page_end end = {.kind = ID_ENDPOINT, .reached = list->last, .is_end = list->is_end};
    struct api_script_endpoint endpoint;
    query.is_backward = call->resource.is_backward; /* of the page, not of the store's walk */
    show_list_open(out);
    for (size_t i = 0; i < list->row_count; i++) {
        const struct endpoint_row *row = &list->rows[paging_row(&query, i, list->row_count)];
        if (!find(call, row->name, &endpoint))
            continue;
        end.first = end.first ? end.first : row->id;
        end.last = row->id;
        write_endpoint(call, row, &endpoint, out);
    }
    document_close(out, ']');
    paging_close(&query, &end, out);
    document_close(out, '}');
}

/* False: refused and answered. */
static bool query_is_up(struct call *call, bool *is_up)
{
    struct buf text;
    struct complaints complaints;
    complaints_begin(&complaints);
    buf_init(&text, LIMIT_REQUEST_LINE_BYTES);
    const char *order = complaints_query_get(call, "order", &text, &complaints);
    *is_up = order && strcmp(order, "ascending") == 0;
    if (order && !*is_up && strcmp(order, "descending") != 0)
        complain_of_query(&complaints, "order", "ascending or descending is wanted");
    buf_finish(&text);
    return complaints_end(call, &complaints);
}

static const struct route listing = {.path = ENDPOINTS, .write = write_endpoints};

static void list_endpoints(struct call *call)
{
    static const struct list_form form = {.kind = ID_ENDPOINT};
    struct store_list_query *query = &call->list_endpoints.query;
    bool is_up;
    if (!paging_parse(call, &form, query) || !query_is_up(call, &is_up))
        return;
    const uint64_t bound = query->is_backward ? query->after : query->before;
    call->resource.is_backward = query->is_backward;
    query->is_backward = query->is_backward != is_up;
    query->after = query->is_backward ? bound : 0;
    query->before = query->is_backward ? 0 : bound;
    if (query->before == 0 || query->before > ID_ENDPOINT_REGISTERED)
        query->before = ID_ENDPOINT_REGISTERED;
    call->list_endpoints.is_uncounted = true;
    call->route = &listing;
    call_read(call, STORE_LIST_ENDPOINTS);
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
    call->list_endpoints = (struct store_list_endpoints){
        .read = {.kind = STORE_LIST_ENDPOINTS, .on_done = on_listed, .ctx = call},
        .query = store_all_endpoints(),
        .is_uncounted = true,
    };
    call->list_endpoints.query.before = ID_ENDPOINT_REGISTERED;
    (void)call_ask(call, &call->list_endpoints.read);
}

/* ---- What of it is asked for ----------------------------------------------------------------- */

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
        list_endpoints(call);
    } else if (strcmp(path, ENDPOINTS "/{endpoint}") == 0) {
        show_endpoint(call);
    } else {
        call_refuse(call, 404, "not_found",
                    "the application \"default\" has nothing but the endpoints of the scripts");
    }
    return true;
}
