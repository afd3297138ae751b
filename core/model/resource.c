/* SPDX-License-Identifier: MIT */
#include "model/resource.h"

#include <stdlib.h>

void resource_finish(struct resource *resource)
{
    free(resource->uid);
    free(resource->body);
    *resource = (struct resource){0};
}
