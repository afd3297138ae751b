/* SPDX-License-Identifier: MIT */
/* How many servers like this one a webhook has passed: the header anzol-hops, so that those who
 * send to each other in a circle stop (base/limits.h: LIMIT_HOPS). Pure, any thread. */
#ifndef MODEL_HOPS_H
#define MODEL_HOPS_H

#include "base/base.h"

#define HOPS_HEADER "anzol-hops"
#define HOPS_FIELD ":hops" /* in the head of bytes made here: those of the event they come of */

/* The header's value; 0: it says nothing. */
unsigned hops_parse(struct slice value);
/* Of an event's or a message's content. */
unsigned hops_of_head(struct slice head);

#endif
