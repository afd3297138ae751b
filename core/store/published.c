/* SPDX-License-Identifier: MIT */
/* What reads of published messages leave behind. */
#include "store/store_int.h"

#include <stdlib.h>

void published_row_finish(struct published_row *row)
{
    free(row->what.uid);
    free(row->what.channels);
    free(row->what.tags);
    free(row->type);
    free(row->payload);
    *row = (struct published_row){0};
}

static void finish_published(struct store_list_published *list)
{
    for (size_t i = 0; i < list->row_count; i++)
        published_row_finish(&list->rows[i]);
    free(list->rows);
    list->rows = NULL;
    list->row_count = 0;
}

static void finish_destinations(struct store_list_destinations *list)
{
    for (size_t i = 0; i < list->row_count; i++) {
        resource_finish(&list->rows[i].resource);
        free(list->rows[i].url);
    }
    free(list->rows);
    list->rows = NULL;
    list->row_count = 0;
}

static void finish_sent(struct store_list_sent *list)
{
    for (size_t i = 0; i < list->row_count; i++)
        published_row_finish(&list->rows[i].published);
    free(list->rows);
    list->rows = NULL;
    list->row_count = 0;
}

static void finish_tried(struct store_list_tried *list)
{
    for (size_t i = 0; i < list->row_count; i++) {
        free(list->rows[i].url);
        free(list->rows[i].body);
    }
    free(list->rows);
    list->rows = NULL;
    list->row_count = 0;
}

void published_read_finish(struct store_read *read)
{
    if (read->kind == STORE_LIST_PUBLISHED)
        finish_published(container_of(read, struct store_list_published, read));
    else if (read->kind == STORE_LIST_DESTINATIONS)
        finish_destinations(container_of(read, struct store_list_destinations, read));
    else if (read->kind == STORE_LIST_SENT)
        finish_sent(container_of(read, struct store_list_sent, read));
    else
        finish_tried(container_of(read, struct store_list_tried, read));
}
