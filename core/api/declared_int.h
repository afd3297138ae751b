/* SPDX-License-Identifier: MIT */
/* What the scripts that serve declare, and what applications registered beside them: borrowed until
 * the loop runs on. On the API's loop. */
#ifndef API_DECLARED_INT_H
#define API_DECLARED_INT_H

#include "api/api_int.h"

/* All that scripts declare. NULL: nothing serves yet; refused and answered. */
const struct registry *declared_registry(struct call *call);
/* The endpoint of that name that scripts declare; NULL: there is none. */
const struct endpoint_spec *declared_endpoint(const struct call *call, const char *name);
/* True of those that applications registered too. */
bool declared_has_endpoint(const struct call *call, const char *name);
bool declared_has_routine(const struct call *call, enum routine_kind kind, struct slice name);

#endif
