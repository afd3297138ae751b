/* SPDX-License-Identifier: MIT */
#include "model/secret.h"

#include <stdlib.h>

void secrets_free(struct secret *secrets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (secrets[i].text)
            explicit_bzero(secrets[i].text, secrets[i].len);
        free(secrets[i].text);
    }
    free(secrets);
}
