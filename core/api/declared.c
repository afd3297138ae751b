/* SPDX-License-Identifier: MIT */
#include "api/declared_int.h"

static const struct registry *serving(const struct call *call)
{
    return call->api->hooks.registry(call->api->hooks.ctx);
}

const struct registry *declared_registry(struct call *call)
{
    const struct registry *registry = serving(call);
    if (!registry)
        call_refuse(call, 503, "starting", "the server is starting; try again");
    return registry;
}

const struct endpoint_spec *declared_endpoint(const struct call *call, const char *name)
{
    const struct registry *registry = serving(call);
    return registry ? registry_endpoint(registry, slice_str(name)) : NULL;
}

bool declared_has_endpoint(const struct call *call, const char *name)
{
    uint64_t id;
    struct registry *one =
        id_parse(ID_ENDPOINT, name, &id) ? directory_get(call->api->directory, id) : NULL;
    registry_unref(one);
    return one || declared_endpoint(call, name);
}

bool declared_has_routine(const struct call *call, enum routine_kind kind, struct slice name)
{
    const struct registry *registry = serving(call);
    return registry && registry_routine(registry, kind, name);
}
