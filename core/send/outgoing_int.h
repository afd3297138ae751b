/* SPDX-License-Identifier: MIT */
/* What outgoing.c asks of those that change a request on its way out. Pure, any thread. */
#ifndef SEND_OUTGOING_INT_H
#define SEND_OUTGOING_INT_H

#include "send/send.h"

/* format.c: as a CloudEvent, if the endpoint asks for it. E_INVALID: it cannot be one (err). */
MUST_USE enum status format_apply(const struct endpoint_spec *endpoint,
                                  const struct message *message, struct outgoing_request *request,
                                  struct err *err);
/* Says that it is JSON: application/json, text/json, …+json. */
bool content_type_is_json(struct slice type);
/* compress.c: smaller, if the endpoint asks for it and it becomes so. */
MUST_USE enum status compress_apply(const struct endpoint_spec *endpoint,
                                    struct outgoing_request *request);

#endif
