/* SPDX-License-Identifier: MIT */
/* What is kept in kv of subscriptions at WebSub hubs (lua/anzol/websub), for the load of scripts:
 * those that the scripts no longer have are ended in order. Main thread. */
#include "server_int.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

#define NAMESPACE "anzol.websub"

static void read_page(struct reload *reload, const char *after);

static void end(struct reload *reload)
{
    if (reload->websub.len > 0 && buf_add_byte(&reload->websub, '}') == OK &&
        buf_add_byte(&reload->websub, '\0') == OK)
        reload->options.websub = reload->websub.data;
    reload->on_websub(reload);
}

static enum status add_row(struct buf *out, const struct kv_row *row)
{
    enum status status = buf_add_byte(out, out->len == 0 ? '{' : ',');
    if (status == OK)
        status = buf_add_json_string(out, slice_str(row->key));
    if (status == OK)
        status = buf_add_byte(out, ':');
    return status == OK ? buf_add_str(out, row->value) : status;
}

static void on_page(struct store_read *read)
{
    struct reload *reload = read->ctx;
    struct store_list_kv *list = &reload->kept;
    enum status status = read->status;
    for (size_t i = 0; i < list->row_count && status == OK; i++)
        status = add_row(&reload->websub, &list->rows[i]);
    if (status != OK)
        log_warn("subscriptions not read", "status=%s error=\"%s\"", status_name(status),
                 read->err.text);
    if (status != OK)
        buf_clear(&reload->websub);
    const bool has_more = status == OK && (list->is_cut || list->row_count == list->limit);
    char after[LIMIT_KV_KEY_BYTES + 1] = "";
    if (list->row_count > 0)
        (void)snprintf(after, sizeof after, "%s", list->rows[list->row_count - 1].key);
    store_read_finish(read);
    if (has_more)
        read_page(reload, after);
    else
        end(reload);
}

static void read_page(struct reload *reload, const char *after)
{
    (void)snprintf(reload->after, sizeof reload->after, "%s", after);
    reload->kept = (struct store_list_kv){
        .read = {.kind = STORE_LIST_KV, .on_done = on_page, .ctx = reload},
        .ns = NAMESPACE,
        .prefix = "",
        .after = reload->after,
        .limit = LIMIT_KV_LIST,
        .bytes_max = LIMIT_KV_LIST_BYTES,
        .now_ms = clock_due_ms(),
    };
    if (store_read(reload->server->store, reload->server->client, &reload->kept.read) == OK)
        return;
    log_warn("subscriptions not read", "error=\"%s\"", "too many reads are under way");
    end(reload);
}

void server_websub_read(struct reload *reload, void (*on_read)(struct reload *reload))
{
    buf_init_secret(&reload->websub, LIMIT_WEBSUB_BYTES);
    reload->on_websub = on_read;
    read_page(reload, "");
}
