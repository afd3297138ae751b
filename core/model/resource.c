/* SPDX-License-Identifier: MIT */
#include "model/resource.h"

#include <stdlib.h>

void resource_finish(struct resource *resource)
{
    free(resource->uid);
    free(resource->body);
    secrets_free(resource->secrets, resource->secret_count);
    *resource = (struct resource){0};
}
