/* SPDX-License-Identifier: MIT */
/* What cron.c and cron_parse.c share. */
#ifndef MODEL_CRON_INT_H
#define MODEL_CRON_INT_H

#include "model/cron.h"

/* What comes at all comes within these: 29 February on a given weekday may be 40 years away. */
#define CRON_YEARS_MAX 41
#define CRON_DAYS_MAX (INT64_C(366) * CRON_YEARS_MAX)

bool cron_next_day(const struct cron *cron, int64_t days, int64_t until, int64_t *found);

#endif
