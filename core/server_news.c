/* SPDX-License-Identifier: MIT */
/* What the server tells scripts of a reload that was refused. */
#include "server_int.h"

#include "model/meta.h"

#define FINDINGS_BYTES_MAX (256u * 1024)

static enum status add_text(struct buf *out, const char *name, const char *text)
{
    enum status status = buf_printf(out, "\"%s\":", name);
    if (status == OK)
        status = text ? buf_add_json_string(out, slice_str(text)) : buf_add_str(out, "null");
    return status == OK ? buf_add_byte(out, ',') : status;
}

static enum status add_finding(struct buf *out, const struct finding *row)
{
    enum status status = buf_add_str(out, out->len > 1 ? ",{" : "{");
    if (status == OK)
        status = add_text(out, "level", row->level == FINDING_WARNING ? "warning" : "error");
    if (status == OK)
        status = add_text(out, "file", row->file);
    if (status == OK)
        status = add_text(out, "phase", row->phase);
    if (status == OK)
        status = add_text(out, "message", row->message);
    if (status == OK)
        status = add_text(out, "hint", row->hint);
    return status == OK ? buf_printf(out, "\"line\":%d}", row->line) : status;
}

/* As many as fit. */
static void add_findings(struct buf *out, const struct findings *findings)
{
    enum status status = buf_add_byte(out, '[');
    for (size_t i = 0; i < findings->count && status == OK; i++) {
        const size_t len = out->len;
        status = add_finding(out, &findings->rows[i]);
        if (status != OK)
            out->len = len;
    }
    out->bytes_max++; /* for the bracket */
    if (buf_add_byte(out, ']') != OK)
        buf_clear(out);
}

struct event *server_refusal_event(struct server *server, const struct reload *reload)
{
    struct buf findings;
    buf_init(&findings, FINDINGS_BYTES_MAX);
    add_findings(&findings, &reload->findings);
    const struct registry *registry = generation_registry(server->generation);
    const struct meta_field fields[] = {
        {.name = "error", .text = reload->err.text},
        {.name = "generation", .number = (int64_t)registry->generation},
        {.name = "findings", .json = findings.len > 0 ? buf_slice(&findings) : slice_str("[]")},
    };
    struct event *event =
        meta_create(registry, &(struct meta_options){.type = META_RELOAD_REFUSED,
                                                     .fields = fields,
                                                     .field_count = array_count(fields)});
    buf_finish(&findings);
    return event;
}
