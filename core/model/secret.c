/* SPDX-License-Identifier: MIT */
#include "model/secret.h"

#include "base/memory.h"

#include <stdlib.h>

void secrets_free(struct secret *secrets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        memory_free_secret(secrets[i].text, secrets[i].len);
    free(secrets);
}
