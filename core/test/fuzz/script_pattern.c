/* SPDX-License-Identifier: MIT */
/* Fuzzes our patterns against those of stock Lua. Pieces between 0xff bytes: pattern, replacement,
 * subject. Short enough for the stock ones to come to an end. */
#include "../script_pattern_int.h"

#include "base/base.h"

#define PATTERN_BYTES_MAX 24
#define SUBJECT_BYTES_MAX 16
#define REPEATS_MAX 5

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice take_piece(struct slice *rest)
{
    const char *mark = rest->len > 0 ? memchr(rest->data, 0xff, rest->len) : NULL;
    const struct slice piece = slice_of(rest->data, mark ? (size_t)(mark - rest->data) : rest->len);
    const size_t used = piece.len + (mark ? 1 : 0);
    *rest = slice_of(rest->data + used, rest->len - used);
    return piece;
}

static size_t count_repeats(struct slice pattern)
{
    size_t count = 0;
    for (size_t i = 0; i < pattern.len; i++)
        if (pattern.data[i] != '\0' && strchr("*+-?", pattern.data[i]))
            count++;
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pattern_judge judge;
    if (!judge.ours)
        pattern_judge_open(&judge);
    if (size == 0)
        return 0;
    struct slice rest = slice_of((const char *)data + 1, size - 1);
    const struct slice pattern = take_piece(&rest);
    const struct slice replacement = take_piece(&rest);
    if (pattern.len > PATTERN_BYTES_MAX || rest.len > SUBJECT_BYTES_MAX ||
        count_repeats(pattern) > REPEATS_MAX)
        return 0;
    const struct pattern_pair pair = {
        .text = rest, .pattern = pattern, .replacement = replacement, .init = (int8_t)data[0]};
    check(pattern_judge_agrees(&judge, &pair));
    return 0;
}
