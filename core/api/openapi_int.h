/* SPDX-License-Identifier: MIT */
/* Inside of the OpenAPI document: what its files offer each other. */
#ifndef API_OPENAPI_INT_H
#define API_OPENAPI_INT_H

#include "api/api_int.h"

/* A member that is JSON, or a text. */
void openapi_json(struct document *out, const char *name, const char *json);
void openapi_text(struct document *out, const char *name, const char *text);

/* ---- openapi_query.c ---- */

/* in: "path", "query", "header". description: NULL: none. */
void openapi_parameter(struct document *out, struct slice name, const char *in, const char *schema,
                       const char *description);
/* The parameters of a route's query. */
void openapi_query(struct document *out, const struct route *route);

#endif
