/* SPDX-License-Identifier: MIT */
/* The keys that seal what is secret in the store: where they come from, and the walk that seals
 * anew what another key sealed, or none. The walk begins at each start and with `anzol secrets
 * rotate`; each step is a commit, and all keys that are needed for what is left are given, so a
 * kill at any point loses nothing: the next start walks again. The main thread. */
#include "server_int.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/secret_file.h"
#include "signature/signature.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STEP_COUNT 100u
#define VARIABLE "ANZOL_SECRETS_KEY"
#define CREDENTIAL "anzol-secrets-key"
#define PATH_BYTES 4096

/* ---- Keys ------------------------------------------------------------------------------------ */

/* The file of the keys: of the settings, or a credential of systemd. NULL: there is none. */
static char *find_file(const struct config *config)
{
    char path[PATH_BYTES];
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    if (config->secrets_key_file)
        return must_copy(config->secrets_key_file, strlen(config->secrets_key_file));
    if (config->secrets_key || !folder ||
        snprintf(path, sizeof path, "%s/" CREDENTIAL, folder) >= (int)sizeof path ||
        access(path, F_OK) != 0)
        return NULL;
    return must_copy(path, strlen(path));
}

static enum status add_keys(struct server_secrets *it, const char *text, const char *origin,
                            struct err *err)
{
    const enum status status = seal_ring_add(it->ring, slice_str(text), err);
    return status == OK ? OK : err_prefix(err, "%s", origin);
}

static enum status read_file(struct server_secrets *it, struct err *err)
{
    char *text = secret_file_read(it->file, err);
    if (!text)
        return err_prefix(err, "secrets_key.file");
    const enum status status = add_keys(it, text, it->file, err);
    memory_free_secret_text(text);
    return status;
}

enum status server_secrets_open(struct server *server, struct err *err)
{
    struct server_secrets *it = &server->secrets;
    it->ring = seal_ring_create();
    it->file = find_file(&server->config);
    if (it->file)
        return read_file(it, err);
    return server->config.secrets_key ? add_keys(it, server->config.secrets_key, "secrets_key", err)
                                      : OK;
}

void server_secrets_close(struct server *server)
{
    seal_ring_destroy(server->secrets.ring);
    free(server->secrets.file);
}

void server_show_secrets(struct api_secrets *out, void *ctx)
{
    const struct server *server = ctx;
    const struct server_secrets *it = &server->secrets;
    *out = (struct api_secrets){
        .source = it->file                     ? it->file
                  : server->config.secrets_key ? VARIABLE
                                               : NULL,
        .is_rotating = it->is_walking,
        .looked_at_count = it->looked_at_count,
        .sealed_count = it->sealed_count,
        .failed_count = it->failed_count,
        .total_count = it->total_count,
    };
    out->key_count = seal_ring_ids(it->ring, out->keys);
}

/* ---- The walk -------------------------------------------------------------------------------- */

static void end_walk(struct server *server)
{
    struct server_secrets *it = &server->secrets;
    it->is_walking = false;
    it->is_complete = it->step.is_end && it->failed_count == 0;
    if (it->sealed_count > 0 || it->failed_count > 0)
        log_write(it->failed_count > 0 ? LOG_ERROR : LOG_INFO, "secrets sealed anew",
                  "count=%zu failed=%zu of=%llu", it->sealed_count, it->failed_count,
                  (unsigned long long)it->total_count);
    else if (!it->step.is_end && server->state == SERVER_SERVING)
        log_error("secrets are not sealed anew", "reason=\"the store could not write or read\"");
    if (server->state == SERVER_DRAINING)
        server_end_if_quiet(server);
}

/* What was sealed anew is to be nowhere in the files as it was; nor, after a rotation, what was
 * deleted and an older key would open. */
static void on_scrubbed(struct store_op *op)
{
    struct server *server = op->ctx;
    struct server_secrets *it = &server->secrets;
    if (op->status == OK && !it->scrub.is_end && server->state <= SERVER_SERVING)
        check(store_submit(server->store, server->client, op) == OK);
    else
        end_walk(server);
}

static void begin_scrub(struct server *server)
{
    struct server_secrets *it = &server->secrets;
    it->scrub =
        (struct store_scrub){.op = {.kind = STORE_SCRUB, .on_done = on_scrubbed, .ctx = server}};
    check(store_submit(server->store, server->client, &it->scrub.op) == OK);
}

static void on_step(struct store_op *op)
{
    struct server *server = op->ctx;
    struct server_secrets *it = &server->secrets;
    if (op->status == OK) {
        it->looked_at_count += it->step.looked_at_count;
        it->sealed_count += it->step.sealed_count;
        it->failed_count += it->step.failed_count;
    } else {
        it->step.is_end = false;
    }
    if (op->status == OK && it->step.is_end && (it->sealed_count > 0 || it->is_asked)) {
        begin_scrub(server);
        return;
    }
    if (op->status != OK || it->step.is_end || server->state > SERVER_SERVING) {
        end_walk(server);
        return;
    }
    it->step.behind = it->step.last;
    check(store_submit(server->store, server->client, op) == OK);
}

static void on_counted(struct store_read *read)
{
    struct server *server = read->ctx;
    struct server_secrets *it = &server->secrets;
    it->total_count = 0;
    for (size_t i = 0; i < it->count.row_count; i++)
        it->total_count += it->count.rows[i].count;
    const bool is_over = read->status != OK || server->state > SERVER_SERVING;
    store_read_finish(read);
    it->step = (struct store_reseal){
        .op = {.kind = STORE_RESEAL, .on_done = on_step, .ctx = server}, .count_max = STEP_COUNT};
    if (is_over)
        end_walk(server);
    else
        check(store_submit(server->store, server->client, &it->step.op) == OK);
}

/* False: the readers are too busy. */
static bool begin_walk(struct server *server)
{
    struct server_secrets *it = &server->secrets;
    it->looked_at_count = it->sealed_count = it->failed_count = 0;
    it->step.is_end = false;
    it->count = (struct store_count_secrets){
        .read = {.kind = STORE_COUNT_SECRETS, .on_done = on_counted, .ctx = server}};
    it->is_walking = store_read(server->store, server->client, &it->count.read) == OK;
    return it->is_walking;
}

void server_secrets_start(struct server *server)
{
    struct server_secrets *it = &server->secrets;
    char ids[SEAL_KEYS_MAX][SEAL_ID_TEXT_BYTES];
    const size_t count = seal_ring_ids(it->ring, ids);
    if (count == 0) {
        log_warn("secrets are stored as they are", "reason=\"there is no key\" hint=\"set " VARIABLE
                                                   " or secrets_key.file: anzol secrets --help\"");
        return;
    }
    log_info("secrets are sealed", "key=%s older=%zu", ids[0], count - 1);
    (void)begin_walk(server);
}

enum status server_rotate(const char *keys, struct err *err, void *ctx)
{
    struct server *server = ctx;
    struct server_secrets *it = &server->secrets;
    if (server->state != SERVER_SERVING)
        return err_set(err, E_CANCELLED, "the server is starting or draining");
    if (it->is_walking)
        return err_set(err, E_BUSY, "a rotation is under way; wait for its end");
    if (!keys && !it->file)
        return err_set(err, E_INVALID,
                       "the key comes from no file that could be read anew (%s); bring the new key "
                       "(anzol secrets rotate --key-file FILE), or start the server with "
                       "secrets_key.file",
                       server->config.secrets_key ? VARIABLE : "there is none");
    /* All that was sealed is sealed with the first: the others open nothing any more. */
    if (it->is_complete)
        seal_ring_forget(it->ring);
    it->is_complete = false;
    const enum status status = keys ? add_keys(it, keys, "key", err) : read_file(it, err);
    if (status != OK)
        return status;
    it->is_asked = true;
    if (!begin_walk(server))
        return err_set(err, E_BUSY, "too many reads are under way; try again");
    return OK;
}
