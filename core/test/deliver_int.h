/* SPDX-License-Identifier: MIT */
/* The rig of anzol_test.deliver: the sender over the real store in a file, and scripted servers. */
#ifndef TEST_DELIVER_INT_H
#define TEST_DELIVER_INT_H

#include "send_rig_int.h"
#include "store/store_fault_int.h"
#include "store/store_int.h"

#define SERVERS_MAX 8
#define ENDPOINTS_MAX 8

struct rig {
    lua_State *L;
    uv_loop_t loop;
    uv_timer_t wake;
    char *path;
    struct store *store; /* NULL: the process is dead */
    struct store_client *client;
    struct engine *fault; /* the decorator, borrowed */
    struct sender *sender;
    struct registry *registry;
    struct gate gates[ENDPOINTS_MAX + 1]; /* by endpoint id */
    struct fake_server *servers[SERVERS_MAX];
    size_t server_count;
    int hooks; /* reference to {started =, settled =} */
    bool is_begun;
    bool is_idle;
    bool is_open;
    uint64_t turned_ns;  /* when the last turn ended */
    uint64_t longest_ns; /* that one took */
};

/* Of the first argument. Raises if the process is dead. */
struct rig *rig_check(lua_State *L);
/* Calls what lies below count arguments; an error is the spec's own and ends it. */
void rig_call(lua_State *L, int count);

/* deliver_message.c: commit, change, cancel. */
extern const luaL_Reg deliver_message_methods[];

#endif
