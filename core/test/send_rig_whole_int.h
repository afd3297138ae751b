/* SPDX-License-Identifier: MIT */
/* The rig itself, for the files that make up its methods. */
#ifndef TEST_SEND_RIG_WHOLE_INT_H
#define TEST_SEND_RIG_WHOLE_INT_H

#include "send_store_int.h"

#define SERVERS_MAX 64
#define ONES_MAX 8

struct rig {
    lua_State *L;
    uv_loop_t loop;
    uv_timer_t wake;
    struct store store;
    struct sender *sender;
    struct exchanges *exchanges;
    struct registry *registry;
    struct registry *ones[ONES_MAX]; /* what applications registered, the last version of each */
    size_t one_count;
    struct gate *gates[256]; /* by endpoint id; never freed before the rig */
    bool are_gone[256];      /* by endpoint id: it was removed */
    struct fake_server *servers[SERVERS_MAX];
    size_t server_count;
    int hooks; /* reference to {transform=, success=, retry=, settled=} */
    bool is_idle;
    bool is_open;
    double longest_ms; /* the loop's longest turn */
    uint64_t next_event;
};

/* Raises if it is closed. */
struct rig *check_rig(lua_State *L);

/* ---- send_registered.c ---- */

struct gate *gate_of(struct rig *rig, uint64_t id);
/* NULL: none. */
const struct endpoint_spec *find_endpoint(const struct rig *rig, struct slice name);
int l_register(lua_State *L);
int l_remove(lua_State *L);

#endif
