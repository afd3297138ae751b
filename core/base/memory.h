/* SPDX-License-Identifier: MIT */
/* Memory for those who cannot say that there is none: small allocations of our own (must_alloc) and
 * of libraries that would end the process or call a good signature bad. When malloc has none, a
 * reserve is given up and others are waited for, MEMORY_WAIT_MS at most; only then it is NULL.
 * What a peer or a script sizes never comes here: it is refused at once. Any thread. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include "base/base.h"

#define MEMORY_WAIT_MS 1000
#define MEMORY_WAIT_BYTES_MAX (1 << 20) /* the windows of a worker are smaller */

#define MEMORY_TRIM_BYTES (16u << 20)

void *memory_malloc(size_t size);
void *memory_calloc(size_t count, size_t size);
void *memory_realloc(void *old, size_t size);
char *memory_strdup(const char *text);
void memory_free(void *memory);
/* Secrets are overwritten before they are freed. NULL is fine. */
void memory_free_secret(void *secret, size_t len);
void memory_free_secret_text(char *text);

/* Gives back to the system what was freed, once the process has grown by MEMORY_TRIM_BYTES since
 * the last time: a script that was stopped for its hunger leaves its pages behind. One thread. */
void memory_trim(void);
/* Sets the reserve aside, again when it was given up. */
void memory_reserve(void);

#endif
