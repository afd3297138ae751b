/* SPDX-License-Identifier: MIT */
/* /api/v1/app: the applications (tenants), found by their id or by the caller's own uid. */
#include "api/resource_int.h"

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
