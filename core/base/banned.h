/* SPDX-License-Identifier: MIT */
/* Functions that the core does not use, each with what to use instead. Included by the compiler
 * into every file of the core (-include), after the system headers it names. */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Some C libraries make macros of these two for clang. */
#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat sprintf vsprintf strncpy strncat /* buf, snprintf */
#pragma GCC poison gets strtok                                    /* slices */
#pragma GCC poison gmtime localtime ctime asctime                 /* the _r forms, clock_iso */
#pragma GCC poison atoi atol atof                                 /* strto* with checks */

#endif
