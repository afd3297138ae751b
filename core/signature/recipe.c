/* SPDX-License-Identifier: MIT */
/* Recipes: their words, and whether what they say fits together. */
#include "signature/signature.h"

#include <stdio.h>

static const char *const part_names[PART_COUNT] = {
    [PART_LITERAL] = NULL,          [PART_BODY] = "body", [PART_DECODED_URL] = "decoded_url",
    [PART_FORM] = "form",           [PART_ID] = "id",     [PART_METHOD] = "method",
    [PART_TIMESTAMP] = "timestamp", [PART_URL] = "url",
};
static const char *const unit_names[TIME_UNIT_COUNT] = {
    [TIME_S] = "s", [TIME_MS] = "ms", [TIME_ISO] = "iso"};

enum part_kind part_parse(struct slice text)
{
    for (unsigned i = PART_LITERAL + 1; i < PART_COUNT; i++)
        if (slice_is(text, part_names[i]))
            return (enum part_kind)i;
    return PART_LITERAL;
}

bool time_unit_parse(struct slice name, enum time_unit *unit)
{
    for (unsigned i = 0; i < TIME_UNIT_COUNT; i++)
        if (slice_is(name, unit_names[i])) {
            *unit = (enum time_unit)i;
            return true;
        }
    return false;
}

void recipe_standard(struct recipe *recipe)
{
    *recipe = (struct recipe){
        .algorithm = ALGORITHM_HMAC,
        .digest = DIGEST_SHA256,
        .encoding = ENCODING_BASE64,
        .is_lenient = true,
        .names = {{"webhook-signature", "webhook-id", "webhook-timestamp"},
                  {"svix-signature", "svix-id", "svix-timestamp"}},
        .name_count = 2,
        .item_separator = ' ',
        .field_separator = ',',
        .field = "v1",
        .public_field = "v1a",
        .tolerance_s = SIGNATURE_TOLERANCE_S,
        .parts = {{PART_ID, ""},
                  {PART_LITERAL, "."},
                  {PART_TIMESTAMP, ""},
                  {PART_LITERAL, "."},
                  {PART_BODY, ""}},
        .part_count = 5,
    };
}

static bool has_part(const struct recipe *recipe, enum part_kind kind)
{
    for (size_t i = 0; i < recipe->part_count; i++)
        if (recipe->parts[i].kind == kind)
            return true;
    return false;
}

enum status recipe_check(const struct recipe *recipe, struct err *err)
{
    bool has_id = recipe->name_count > 0;
    bool has_timestamp = recipe->name_count > 0;
    for (size_t i = 0; i < recipe->name_count; i++) {
        has_id &= recipe->names[i].id[0] != '\0';
        has_timestamp &= recipe->names[i].timestamp[0] != '\0';
    }
    has_timestamp |= recipe->timestamp_field[0] != '\0';
    if (recipe->algorithm != ALGORITHM_TOKEN && recipe->part_count == 0)
        return err_set(err, E_INVALID, "'content' is empty: nothing would be signed");
    if (has_part(recipe, PART_ID) && !has_id)
        return err_set(err, E_INVALID, "'content' has the id; give 'id_header', where it comes");
    if ((has_part(recipe, PART_TIMESTAMP) || recipe->tolerance_s > 0) && !has_timestamp)
        return err_set(err, E_INVALID,
                       "the time is signed or judged; give 'timestamp_header' or "
                       "'timestamp_field', where it comes");
    if (recipe->timestamp_field[0] != '\0' && recipe->field[0] == '\0')
        return err_set(err, E_INVALID,
                       "'timestamp_field' names one field of several; give 'field', the name of "
                       "the signature");
    if (recipe->field[0] != '\0' && recipe->item_separator == '\0')
        return err_set(err, E_INVALID,
                       "'field' names one field of several; give 'item_separator', which stands "
                       "between them");
    return OK;
}
