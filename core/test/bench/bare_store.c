/* SPDX-License-Identifier: MIT */
#include "bare_store.h"

#include "bare.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 4096 /* of one group */

enum statement {
    BEGIN,
    COMMIT,
    EVENT,
    CONTENT,
    DUE,
    KEYS,
    DONE,
    MESSAGE,
    DELIVERY,
    SETTLE,
    ATTEMPT,
    STATEMENT_COUNT
};

static const char *const statements[STATEMENT_COUNT] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [EVENT] = ("INSERT INTO event VALUES(?1,1,'github.push','2c1f7a52-0000-4000-8000-000000000001',"
               "NULL,0,NULL,1024,1764000000000)"),
    [CONTENT] = "INSERT INTO content VALUES(?1,?2,?3)",
    [DUE] = "INSERT INTO event_due VALUES(?1,1764000000000)",
    [KEYS] = "INSERT INTO dedupe_log(data) VALUES(?1)",
    [DONE] = "DELETE FROM event_due WHERE id=?1",
    [MESSAGE] = "INSERT INTO message VALUES(?1,'github.push',?1,?1,NULL)",
    [DELIVERY] = "INSERT INTO delivery VALUES(?1,?1,1,0,0,NULL,NULL)",
    [SETTLE] = "UPDATE delivery SET state=3,attempts=attempts+1,attempt=?1 WHERE id=?1 AND state<3",
    [ATTEMPT] = "INSERT INTO attempt VALUES(?1,?1,1,NULL,3,200,0,1764000000000,5,NULL,NULL)",
};

static const char schema[] =
    "CREATE TABLE event(id INTEGER PRIMARY KEY,source INTEGER,type TEXT,key TEXT,parent INTEGER,"
    " depth INTEGER,trace BLOB,bytes INTEGER,received_ms INTEGER);"
    "CREATE TABLE content(id INTEGER PRIMARY KEY,head BLOB,body BLOB);"
    "CREATE TABLE event_due(id INTEGER PRIMARY KEY,due_ms INTEGER);"
    "CREATE TABLE dedupe_log(seq INTEGER PRIMARY KEY,data BLOB);"
    "CREATE TABLE message(id INTEGER PRIMARY KEY,type TEXT,content INTEGER,delivery INTEGER,"
    " deliveries BLOB);"
    "CREATE TABLE delivery(id INTEGER PRIMARY KEY,message INTEGER,endpoint INTEGER,state INTEGER,"
    " attempts INTEGER,attempt INTEGER,due_ms INTEGER);"
    "CREATE INDEX delivery_open ON delivery(state) WHERE state<3 AND due_ms IS NULL;"
    "CREATE TABLE attempt(id INTEGER PRIMARY KEY,delivery INTEGER,number INTEGER,previous INTEGER,"
    " state INTEGER,status INTEGER,error INTEGER,started_ms INTEGER,duration_ms INTEGER,"
    " head BLOB,body BLOB);";

struct bare_store {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    char head[BARE_HEAD_BYTES];
    int64_t keys[KEYS_MAX][2];
    size_t key_count;
};

static void execute(struct bare_store *store, const char *sql)
{
    if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        bare_die(sql, sqlite3_errmsg(store->db));
}

struct bare_store *bare_store_open(const char *path)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    struct bare_store *store = calloc(1, sizeof *store);
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (!store || sqlite3_open_v2(path, &store->db, flags, NULL) != SQLITE_OK)
        bare_die(path, "cannot be opened");
    execute(store, "PRAGMA page_size=4096; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                   "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-8192;"
                   "PRAGMA wal_autocheckpoint=16000; PRAGMA journal_size_limit=67108864");
    execute(store, schema);
    for (int i = 0; i < STATEMENT_COUNT; i++)
        if (sqlite3_prepare_v3(store->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &store->statements[i], NULL) != SQLITE_OK)
            bare_die(statements[i], sqlite3_errmsg(store->db));
    memset(store->head, 'h', sizeof store->head);
    return store;
}

void bare_store_close(struct bare_store *store)
{
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->db);
    free(store);
}

static void step(struct bare_store *store, enum statement which)
{
    if (sqlite3_step(store->statements[which]) != SQLITE_DONE)
        bare_die(statements[which], sqlite3_errmsg(store->db));
    sqlite3_reset(store->statements[which]);
}

static void step_id(struct bare_store *store, enum statement which, int64_t id)
{
    sqlite3_bind_int64(store->statements[which], 1, id);
    step(store, which);
}

void bare_store_begin(struct bare_store *store)
{
    step(store, BEGIN);
}

void bare_store_commit(struct bare_store *store)
{
    if (store->key_count > 0) {
        sqlite3_bind_blob(store->statements[KEYS], 1, store->keys,
                          (int)(store->key_count * sizeof store->keys[0]), SQLITE_STATIC);
        step(store, KEYS);
        store->key_count = 0;
    }
    step(store, COMMIT);
}

void bare_store_ingest(struct bare_store *store, int64_t id, const char *body, size_t len)
{
    sqlite3_stmt *content = store->statements[CONTENT];
    step_id(store, EVENT, id);
    sqlite3_bind_int64(content, 1, id);
    sqlite3_bind_blob(content, 2, store->head, sizeof store->head, SQLITE_STATIC);
    sqlite3_bind_blob(content, 3, body, (int)len, SQLITE_STATIC);
    step(store, CONTENT);
    step_id(store, DUE, id);
    if (store->key_count == KEYS_MAX)
        bare_die("group", "over KEYS_MAX operations");
    store->keys[store->key_count][0] = id * INT64_C(0x9E3779B97F4A7C1);
    store->keys[store->key_count++][1] = id;
}

void bare_store_handled(struct bare_store *store, int64_t id)
{
    step_id(store, DONE, id);
    step_id(store, MESSAGE, id);
    step_id(store, DELIVERY, id);
}

void bare_store_settle(struct bare_store *store, int64_t id)
{
    step_id(store, SETTLE, id);
    step_id(store, ATTEMPT, id);
}
