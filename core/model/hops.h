/* SPDX-License-Identifier: MIT */
/* How many servers like this one a webhook has passed, so that those who send to each other in a
 * circle stop (base/limits.h: LIMIT_HOPS): the header anzol-hops; the first of them needs none, its
 * User-Agent tells. Pure, any thread. */
#ifndef MODEL_HOPS_H
#define MODEL_HOPS_H

#include "base/base.h"

#define HOPS_HEADER "anzol-hops"
#define HOPS_AGENT "Anzol/" /* how the User-Agent begins */
#define HOPS_FIELD ":hops"  /* in the head of bytes made here: those of the event they come of */

/* The header's value; 0: it says nothing. */
unsigned hops_parse(struct slice value);
/* Of an event's or a message's content. */
unsigned hops_of_head(struct slice head);

#endif
