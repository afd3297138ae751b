/* SPDX-License-Identifier: MIT */
/* /api/v1/app: the applications (tenants), found by their id or by the caller's own uid. */
#include "api/resource_int.h"

#include "base/log.h"

#include <stdlib.h>

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
    call->application = 0; /* it was looked up for its token: it is not below itself */
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

static void refuse_unknown(struct call *call)
{
    call_refuse(call, 404, "not_found", "there is no application of this id or uid");
}

static void on_found(struct store_read *read)
{
    struct call *call = read->ctx;
    struct store_list_resources *list = container_of(read, struct store_list_resources, read);
    const enum status status = read->status;
    /* What is another's is not there, and takes as long. */
    const bool is_found = status == OK && token_may_enter(call, list->rows[0].id);
    if (is_found) {
        call->application = list->rows[0].id;
        free(call->application_uid);
        call->application_uid = list->rows[0].uid;
        list->rows[0].uid = NULL;
    } else if (status != OK && status != E_NOTFOUND)
        log_error("read of the store failed", "route=\"%s\" error=\"%s\"", call->route->path,
                  read->err.text);
    store_read_finish(read);
    if (!call_end_wait(call))
        return;
    if (!is_found && call->token.id != 0 && status != E_IO)
        refuse_unknown(call); /* not even to be made */
    else if (status == OK || status == E_NOTFOUND)
        call->then(call, is_found);
    else
        call_refuse(call, 500, "store", "the store could not be read; see the server's log");
}

void api_find_application(struct call *call, void (*then)(struct call *call, bool is_found))
{
    api_look_up_application(call, call->parts.rows[0], then);
}

void api_look_up_application(struct call *call, struct slice name,
                             void (*then)(struct call *call, bool is_found))
{
    struct store_list_resources *list = &call->list_resources;
    call->then = then;
    check(name.len < sizeof call->application_name);
    memcpy(call->application_name, name.data, name.len);
    call->application_name[name.len] = '\0';
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
        refuse_unknown(call);
}

void api_enter_application(struct call *call)
{
    api_find_application(call, enter);
}
