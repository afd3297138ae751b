/* SPDX-License-Identifier: MIT */
#include "bench/answer_int.h"

#include "bench/fields_int.h"

#define START_BYTES 12 /* "HTTP/1.1 200" */

static unsigned parse_status(const char *head)
{
    unsigned status = 0;
    if (memcmp(head, "HTTP/1.", 7) != 0)
        return 0;
    for (size_t i = 9; i < START_BYTES; i++) {
        if (head[i] < '0' || head[i] > '9')
            return 0;
        status = status * 10 + (unsigned)(head[i] - '0');
    }
    return status;
}

/* The head is complete in answer->head[0…len). */
static bool parse_head(struct answer *answer, size_t len)
{
    struct fields fields;
    answer->status = len > START_BYTES ? parse_status(answer->head) : 0;
    if (answer->status < 100 || answer->status > 599)
        return false;
    if (!fields_parse(slice_of(answer->head, len), &fields) || fields.is_chunked)
        return false;
    const bool has_no_body = answer->status < 200 || answer->status == 204 || answer->status == 304;
    if (!fields.has_content_length && !has_no_body)
        return false;
    answer->body_left = has_no_body ? 0 : fields.content_length;
    answer->is_closing = fields.is_closing;
    answer->is_in_body = true;
    return true;
}

static enum answer_result take_body(struct answer *answer, size_t len)
{
    if (len > answer->body_left)
        return ANSWER_BAD; /* one request, one answer: nothing comes behind it */
    answer->body_left -= len;
    return answer->body_left == 0 ? ANSWER_WHOLE : ANSWER_MORE;
}

/* An interim answer (100) went by: what follows it is the head of the real one. */
static enum answer_result skip_interim(struct answer *answer, const char *data, size_t len)
{
    answer_reset(answer);
    return len > 0 ? answer_take(answer, data, len) : ANSWER_MORE;
}

enum answer_result answer_take(struct answer *answer, const char *data, size_t len)
{
    if (answer->is_in_body)
        return take_body(answer, len);
    const size_t room = sizeof answer->head - answer->len;
    const size_t copied = len < room ? len : room;
    const size_t had = answer->len;
    memcpy(answer->head + had, data, copied);
    answer->len += copied;
    const size_t from = had > 3 ? had - 3 : 0;
    const char *end = memmem(answer->head + from, answer->len - from, "\r\n\r\n", 4);
    if (!end)
        return answer->len < sizeof answer->head ? ANSWER_MORE : ANSWER_BAD;
    const size_t head_len = (size_t)(end + 4 - answer->head);
    if (!parse_head(answer, head_len))
        return ANSWER_BAD;
    const size_t used = head_len - had;
    if (answer->status < 200)
        return skip_interim(answer, data + used, len - used);
    return take_body(answer, len - used);
}

void answer_reset(struct answer *answer)
{
    answer->len = 0;
    answer->body_left = 0;
    answer->is_in_body = false;
    answer->is_closing = false;
}
