/* SPDX-License-Identifier: MIT */
/* Endpoints as the API shows them: what their owners tell by their gates. Main thread. */
#include "server_int.h"

#include "send/send.h"

bool server_endpoint_pace(uint64_t endpoint, struct api_pace *pace, void *ctx)
{
    struct server *server = ctx;
    struct gate *gate = map_get(&server->gates, endpoint);
    if (!gate)
        return false;
    *pace = (struct api_pace){
        .breaker = circuit_state_name((enum circuit_state)atomic_load(&gate->circuit)),
        .paused_until_ms = atomic_load(&gate->paused_until_ms),
        .slowed_per_hour = atomic_load(&gate->slowed_per_hour),
    };
    return true;
}
