/* SPDX-License-Identifier: MIT */
#include "model/task.h"

#include <stdlib.h>

static const char *const verb_names[CHANGE_VERB_COUNT] = {"retry", "drop", "cancel", "replay",
                                                          "expunge"};
static const char *const state_names[TASK_STATE_COUNT] = {"running", "done", "cancelled"};

const char *change_verb_name(enum change_verb verb)
{
    return (unsigned)verb < CHANGE_VERB_COUNT ? verb_names[verb] : "unknown";
}

const char *task_state_name(enum task_state state)
{
    return (unsigned)state < TASK_STATE_COUNT ? state_names[state] : "unknown";
}

/* The places of the texts of a task. */
#define TEXT_COUNT 7u
static void find_texts(struct task *task, char **places[TEXT_COUNT])
{
    char **const all[TEXT_COUNT] = {&task->ids,      &task->source,   &task->type,
                                    &task->endpoint, &task->contains, &task->subscription,
                                    &task->reason};
    memcpy(places, all, sizeof all);
}

bool task_copy(struct task *copy, const struct task *task)
{
    char **places[TEXT_COUNT];
    bool is_whole = true;
    *copy = *task;
    find_texts(copy, places);
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        if (!*places[i])
            continue;
        *places[i] = is_whole ? strdup(*places[i]) : NULL;
        is_whole = *places[i] != NULL;
    }
    if (!is_whole)
        task_finish(copy);
    return is_whole;
}

void task_finish(struct task *task)
{
    char **places[TEXT_COUNT];
    find_texts(task, places);
    for (size_t i = 0; i < TEXT_COUNT; i++)
        free(*places[i]);
    *task = (struct task){0};
}

bool task_next_id(const struct task *task, uint64_t *offset, enum id_kind *kind, uint64_t *id)
{
    static const enum id_kind kinds[] = {ID_EVENT, ID_MESSAGE, ID_DELIVERY};
    const char *text = task->ids + *offset;
    const size_t len = strcspn(text, " ");
    char one[ID_TEXT_BYTES];
    if (len == 0 || len >= sizeof one)
        return false;
    memcpy(one, text, len);
    one[len] = '\0';
    *offset += len + (text[len] == ' ');
    for (size_t i = 0; i < array_count(kinds); i++) {
        *kind = kinds[i];
        if (id_parse(kinds[i], one, id))
            return true;
    }
    return false;
}

double task_progress(const struct task *task)
{
    if (task->state == TASK_DONE)
        return 1;
    if (task->ids)
        return (double)task->cursor / (double)(strlen(task->ids) + 1);
    const int64_t at_ms = task->cursor == 0 ? task->since_ms
                                            : (task->kind == ID_EVENT ? id_event_ms(task->cursor)
                                                                      : id_row_ms(task->cursor));
    if (task->until_ms <= task->since_ms || at_ms <= task->since_ms)
        return 0;
    const double part =
        (double)(at_ms - task->since_ms) / (double)(task->until_ms - task->since_ms);
    return part < 1 ? part : 1;
}
