/* SPDX-License-Identifier: MIT */
/* The routes of endpoints of applications, and what their files offer each other. */
#ifndef API_APP_ENDPOINT_INT_H
#define API_APP_ENDPOINT_INT_H

#include "api/resource_int.h"
#include "model/ownership.h"

/* ---- app_endpoint.c ---- */

extern const struct field_forms app_endpoint_fields;

/* app_endpoint.c: what is stored beside the fields of an endpoint. */
struct registered_call {
    struct store_registered stored;
    char *url;                     /* owned */
    struct ownership ownership;    /* owned */
    char **types;                  /* owned, with type_count of stored */
    struct buf headers;            /* as a JSON object; empty: as they are */
    struct buf key;                /* a new one; empty: as it is */
    struct buf grant;              /* the key of a callback; empty: it needs no other */
    struct secret_write writes[3]; /* borrow from the above */
    size_t write_count;
};

extern const struct resource_form app_endpoint_form;
/* Made when it is asked for. */
struct registered_call *registered_call_of(struct call *call);
/* The secret of that kind is to become this text, which is borrowed; the one before stays good for
 * keep_ms. The row says so already. */
void registered_call_put_secret(struct call *call, enum secret_kind kind, struct slice text,
                                int64_t keep_ms);
/* The key that the body gives, or a new one. */
void endpoint_take_key(struct call *call, const char *field, struct complaints *complaints);

/* ---- app_endpoint_headers.c, app_endpoint_secret.c ---- */

/* The headers that the body gives to an endpoint that it makes, if it does. */
void endpoint_take_headers(struct call *call, struct complaints *complaints);
extern const struct field_forms endpoint_headers_fields;
extern const struct field_forms endpoint_headers_patch_fields;
extern const struct field_forms endpoint_rotation_fields;
void api_write_endpoint_headers(const struct call *call, struct document *out);
void api_replace_endpoint_headers(struct call *call);
void api_patch_endpoint_headers(struct call *call);
void api_write_endpoint_secret(const struct call *call, struct document *out);
void api_rotate_endpoint_secret(struct call *call);

#endif
