/* SPDX-License-Identifier: MIT */
/* The rig of anzol_test.api: a store and the admin listener on a loop of their own thread, and
 * commands that the spec's thread has done there. */
#ifndef TEST_API_RIG_INT_H
#define TEST_API_RIG_INT_H

#include "api/api.h"
#include "base/inbox.h"

#include <lua.h>
#include <pthread.h>

#define RIG_FINDINGS_MAX 8
#define RIG_TEXT_BYTES 256

struct rig {
    uv_loop_t loop;
    pthread_t thread;
    struct inbox inbox;
    struct store *store;
    struct store_client *client;
    struct api *api;
    struct registry *registry;   /* of the scripts that serve */
    struct directory *directory; /* of no endpoints */
    bool is_running;
    /* What the hooks say; written by commands only. */
    bool is_serving;
    char why[RIG_TEXT_BYTES];
    enum status reload_status;
    uint64_t generation;
    char detail[RIG_TEXT_BYTES];
    struct api_finding findings[RIG_FINDINGS_MAX];
    size_t finding_count;
    unsigned reloads;
    /* A reload that is held back until rig:finish_reload(). */
    bool holds_reload;
    api_reloaded_cb on_reloaded;
    void *reloaded_ctx;
};

/* Done on the rig's loop while the caller waits. */
struct command {
    struct letter letter;
    void (*run)(struct rig *rig, struct command *command);
    uv_sem_t done;
    void *data;
};
/* From the spec's thread: returns when the command called command_done. */
void rig_do(struct rig *rig, void (*run)(struct rig *, struct command *), void *data);
void command_done(struct command *command);

struct rig *rig_check(lua_State *L);

/* api_seed.c: what the spec puts into the store. rig:ingest{…} -> event id, rig:endpoint(name, url)
 * -> number, rig:handle(event, opts) -> delivery id?, rig:fail(event, opts), rig:settle(delivery,
 * opts). */
int l_ingest(lua_State *L);
int l_endpoint(lua_State *L);
int l_handle(lua_State *L);
int l_fail(lua_State *L);
int l_settle(lua_State *L);

#endif
