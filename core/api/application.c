/* SPDX-License-Identifier: MIT */
/* /api/v1/app: the applications (tenants), found by their id or by the caller's own uid. */
#include "api/resource_int.h"

#include "base/log.h"

static const struct field_form fields[] = {
    {.name = "uid",
     .type = FIELD_NAME,
     .min = 1,
     .patch_min = 1,
     .max = LIMIT_UID_BYTES,
     .is_nullable = true},
    {.name = "name", .type = FIELD_TEXT, .min = 1, .is_required = true},
    {.name = "throttleRate",
     .alias = "rateLimit",
     .type = FIELD_INTEGER,
     .min = 1,
     .max = UINT16_MAX,
     .is_nullable = true},
    {.name = "metadata", .type = FIELD_TEXTS, .absent = "{}"},
};
const struct field_forms application_fields = {fields, array_count(fields)};
static const struct resource_form form = {
    .kind = RESOURCE_APPLICATION,
    .noun = "application",
    .fields = {fields, array_count(fields)},
    .uid_field = "uid",
    .id_kind = ID_APPLICATION,
};

void api_list_applications(struct call *call)
{
    resource_list(call, &form);
}

void api_make_application(struct call *call)
{
    resource_make(call, &form);
}

void api_get_application(struct call *call)
{
    resource_get(call, &form);
}

void api_replace_application(struct call *call)
{
    resource_replace(call, &form);
}

void api_patch_application(struct call *call)
{
    resource_patch(call, &form);
}

void api_remove_application(struct call *call)
{
    resource_remove(call, &form);
}

/* ---- What is below one ------------------------------------------------------------------------
 */

static void on_found(struct store_read *read)
{
    struct call *call = read->ctx;
    const struct store_list_resources *list = container_of(read, struct store_list_resources, read);
    const enum status status = read->status;
    if (status == OK)
        call->application = list->rows[0].id;
    else if (status != E_NOTFOUND)
        log_error("read of the store failed", "route=\"%s\" error=\"%s\"", call->route->path,
                  read->err.text);
    store_read_finish(read);
    if (!call_end_wait(call))
        return;
    if (status == OK || status == E_NOTFOUND)
        call->then(call, status == OK);
    else
        call_refuse(call, 500, "store", "the store could not be read; see the server's log");
}

void api_find_application(struct call *call, void (*then)(struct call *call, bool is_found))
{
    struct store_list_resources *list = &call->list_resources;
    const struct slice part = call->parts.rows[0];
    call->then = then;
    memcpy(call->application_name, part.data, part.len);
    *list = (struct store_list_resources){
        .read = {.kind = STORE_LIST_RESOURCES, .on_done = on_found, .ctx = call},
        .kind = RESOURCE_APPLICATION,
        .only_uid = call->application_name,
    };
    (void)id_parse(ID_APPLICATION, call->application_name, &list->only);
    call_begin_wait(call);
    if (store_read(call->api->store, call->api->client, &list->read) == OK)
        return;
    check(call_end_wait(call));
    call_refuse(call, 503, "busy", "too many reads are under way; try again");
}

static void enter(struct call *call, bool is_found)
{
    if (is_found)
        call->route->handle(call);
    else
        call_refuse(call, 404, "not_found", "there is no application of this id or uid");
}

void api_enter_application(struct call *call)
{
    api_find_application(call, enter);
}
