/* SPDX-License-Identifier: MIT */
/* Endpoints of the rig one by one: their gates, and those that applications registered. */
#include "send_rig_whole_int.h"

#include "signature/signature.h"

#include <stdlib.h>

struct gate *gate_of(struct rig *rig, uint64_t id)
{
    check(id < array_count(rig->gates));
    if (!rig->gates[id])
        rig->gates[id] = gate_create();
    return rig->gates[id];
}

const struct endpoint_spec *find_endpoint(const struct rig *rig, struct slice name)
{
    for (size_t i = 0; i < rig->one_count; i++)
        if (slice_is(name, rig->ones[i]->endpoints[0].name))
            return &rig->ones[i]->endpoints[0];
    return registry_endpoint(rig->registry, name);
}

static struct registry **place_of(struct rig *rig, uint64_t id)
{
    for (size_t i = 0; i < rig->one_count; i++)
        if (rig->ones[i]->endpoints[0].id == id)
            return &rig->ones[i];
    check(rig->one_count < array_count(rig->ones));
    return &rig->ones[rig->one_count++];
}

/* rig:register{…, version =, state =}: a version of an endpoint that an application registered */
int l_register(lua_State *L)
{
    struct rig *rig = check_rig(L);
    struct registry *one = registry_create(0);
    one->signer_destroy = signer_unref;
    one->endpoints = calloc(1, sizeof *one->endpoints);
    one->endpoint_count = 1;
    struct endpoint_spec *spec = &one->endpoints[0];
    read_endpoint(L, 2, spec);
    spec->gate = gate_ref(gate_of(rig, spec->id));
    spec->membership = must_alloc(sizeof *spec->membership);
    spec->membership->application = 1;
    spec->membership->version = (uint64_t)get_integer(L, 2, "version", 1);
    char *state = get_copy(L, 2, "state", "");
    const struct endpoint_standing standing = {
        .state = strcmp(state, "disabled") == 0 ? ENDPOINT_DISABLED : ENDPOINT_ENABLED,
        .turn = ++rig->store.last_turn,
    };
    free(state);
    sender_set_endpoint(rig->sender, one, &standing);
    struct registry **place = place_of(rig, spec->id);
    registry_unref(*place);
    *place = one;
    return 0;
}

/* rig:remove(id) */
int l_remove(lua_State *L)
{
    struct rig *rig = check_rig(L);
    const uint64_t id = (uint64_t)luaL_checkinteger(L, 2);
    check(id < array_count(rig->are_gone));
    rig->are_gone[id] = true;
    sender_remove_endpoint(rig->sender, id);
    return 0;
}
