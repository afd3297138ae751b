/* SPDX-License-Identifier: MIT */
/* /api/v1/event-type: the types of events that applications can be sent, with the JSON Schemas of
 * their payloads. They are kept and shown, no payload is held against them. One that is deleted is
 * archived; to make it again takes it out of the archive. */
#include "api/resource_int.h"

static const struct field_form fields[] = {
    {.name = "name",
     .type = FIELD_NAME,
     .min = 1,
     .max = LIMIT_UID_BYTES,
     .is_required = true,
     .is_of_path = true},
    {.name = "description", .type = FIELD_TEXT, .is_required = true},
    {.name = "archived", .type = FIELD_FLAG, .absent = "false"},
    {.name = "deprecated", .type = FIELD_FLAG, .absent = "false"},
    {.name = "featureFlag",
     .type = FIELD_NAME,
     .min = 1,
     .patch_min = 1,
     .max = LIMIT_UID_BYTES,
     .is_nullable = true},
    {.name = "schemas", .type = FIELD_OBJECTS, .is_nullable = true},
};
const struct field_forms event_type_fields = {fields, array_count(fields)};
const struct resource_form event_type_form = {
    .kind = RESOURCE_EVENT_TYPE,
    .noun = "event type",
    .fields = {fields, array_count(fields)},
    .uid_field = "name",
    .is_named = true,
    .is_archived_first = true,
    .content = "schemas",
};
