/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#define NUMBER_DIGITS_MAX 18 /* of the whole part: fits int64_t */
#define FRACTION_DIGITS_MAX 9
#define NEAREST_BYTES_MAX 64  /* longer names are not compared */
#define BEGINNING_BYTES_MIN 3 /* of shorter names too much is the beginning */

struct unit {
    const char *name;
    int64_t factor;
};

/* Without a unit the number counts in the first row's. */
static const struct unit duration_units[] = {
    {"s", 1000}, {"ms", 1}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
};
static const struct unit size_units[] = {
    {"B", 1},     {"KiB", INT64_C(1) << 10}, {"MiB", INT64_C(1) << 20}, {"GiB", INT64_C(1) << 30},
    {"kB", 1000}, {"MB", 1000000},           {"GB", 1000000000},
};

static const struct unit *find_unit(const struct unit *units, size_t count, struct slice name)
{
    if (name.len == 0)
        return &units[0];
    for (size_t i = 0; i < count; i++)
        if (slice_is(name, units[i].name))
            return &units[i];
    return NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads digits from *place on; false if there are none or too many. */
static bool read_digits(struct slice text, size_t *place, size_t digits_max, int64_t *number,
                        int64_t *scale)
{
    const size_t start = *place;
    *number = 0;
    *scale = 1;
    for (; *place < text.len && is_digit(text.data[*place]); ++*place) {
        if (*place - start >= digits_max)
            return false;
        *number = *number * 10 + (text.data[*place] - '0');
        *scale *= 10;
    }
    return *place > start;
}

/* whole + fraction / scale. Exact: no floating point. */
struct number {
    int64_t whole, fraction, scale;
};

/* Reads "12" or "1.5" from the start of text; false: there is none, or it is too long. */
static bool read_number(struct slice text, size_t *place, struct number *number)
{
    *place = 0;
    if (!read_digits(text, place, NUMBER_DIGITS_MAX, &number->whole, &number->scale))
        return false;
    number->fraction = 0;
    number->scale = 1;
    if (*place == text.len || text.data[*place] != '.')
        return true;
    ++*place;
    return read_digits(text, place, FRACTION_DIGITS_MAX, &number->fraction, &number->scale);
}

/* "12", "1.5", "12h": the number times its unit's factor, rounded. */
static bool read_quantity(struct slice text, const struct unit *units, size_t unit_count,
                          int64_t *quantity)
{
    struct number number;
    size_t place;
    if (!read_number(text, &place, &number))
        return false;
    const struct unit *unit =
        find_unit(units, unit_count, slice_of(text.data + place, text.len - place));
    int64_t part;
    if (!unit || __builtin_mul_overflow(number.whole, unit->factor, quantity) ||
        __builtin_mul_overflow(number.fraction, unit->factor, &part))
        return false;
    return !__builtin_add_overflow(*quantity, (part + number.scale / 2) / number.scale, quantity);
}

bool text_parse_duration_ms(struct slice text, int64_t *ms)
{
    int64_t quantity;
    if (!read_quantity(text, duration_units, array_count(duration_units), &quantity))
        return false;
    *ms = quantity;
    return true;
}

void text_format_duration(int64_t ms, char text[TEXT_DURATION_BYTES])
{
    static const struct unit units[] = {
        {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    size_t i = 0;
    while (i + 1 < array_count(units) && (ms == 0 || ms % units[i].factor != 0))
        i++;
    (void)snprintf(text, TEXT_DURATION_BYTES, "%lld%s", (long long)(ms / units[i].factor),
                   units[i].name);
}

bool text_parse_size(struct slice text, size_t *bytes)
{
    int64_t quantity;
    if (!read_quantity(text, size_units, array_count(size_units), &quantity))
        return false;
    *bytes = (size_t)quantity;
    return true;
}

#define RATE_PER_S_MAX 1e6

bool text_parse_rate(struct slice text, double *per_s)
{
    static const struct unit rate_units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    struct number number;
    size_t place;
    if (!read_number(text, &place, &number))
        return false;
    if (place + 1 >= text.len || text.data[place] != '/')
        return false;
    const struct slice name = slice_of(text.data + place + 1, text.len - place - 1);
    const struct unit *unit = find_unit(rate_units, array_count(rate_units), name);
    if (!unit)
        return false;
    const double count = (double)number.whole + (double)number.fraction / (double)number.scale;
    const double rate = count / (double)unit->factor;
    if (!(rate > 0) || rate > RATE_PER_S_MAX)
        return false;
    *per_s = rate;
    return true;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edits from a to b: insert, delete, replace, swap two neighbours. */
static size_t edit_distance(struct slice a, struct slice b)
{
    size_t rows[3][NEAREST_BYTES_MAX + 1];
    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        const size_t *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            const bool same = a.data[i - 1] == b.data[j - 1];
            row[j] = least(above[j] + 1, least(row[j - 1] + 1, above[j - 1] + (same ? 0 : 1)));
            if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1])
                row[j] = least(row[j], above2[j - 2] + 1);
        }
    }
    return rows[a.len % 3][b.len];
}

/* The shortest candidate of which the name is the beginning. */
static const char *begins_with(struct slice name, const char *const *candidates, size_t count)
{
    const char *shortest = NULL;
    size_t len = NEAREST_BYTES_MAX + 1;
    for (size_t i = 0; i < count && name.len >= BEGINNING_BYTES_MIN; i++) {
        const struct slice candidate = slice_str(candidates[i]);
        if (candidate.len < len && candidate.len > name.len &&
            memcmp(candidate.data, name.data, name.len) == 0) {
            shortest = candidates[i];
            len = candidate.len;
        }
    }
    return shortest;
}

const char *text_nearest(struct slice name, const char *const *candidates, size_t count)
{
    const char *nearest = NULL;
    size_t best = name.len / 3 > 1 ? name.len / 3 : 1;
    if (name.len == 0 || name.len > NEAREST_BYTES_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const struct slice candidate = slice_str(candidates[i]);
        if (candidate.len == 0 || candidate.len > NEAREST_BYTES_MAX)
            continue;
        const size_t distance = edit_distance(name, candidate);
        if (distance < best || (distance == best && !nearest)) {
            best = distance;
            nearest = candidates[i];
        }
    }
    return nearest ? nearest : begins_with(name, candidates, count);
}

size_t text_utf8_len(struct slice text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    const unsigned char first = text.len > 0 ? bytes[0] : 0xff;
    if (first < 0x80)
        return 1;
    const size_t count = first >= 0xc2 && first <= 0xdf   ? 2
                         : first >= 0xe0 && first <= 0xef ? 3
                         : first >= 0xf0 && first <= 0xf4 ? 4
                                                          : 0;
    if (count == 0 || count > text.len)
        return 0;
    for (size_t i = 1; i < count; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    const bool overlong = (first == 0xe0 && bytes[1] < 0xa0) || (first == 0xf0 && bytes[1] < 0x90);
    const bool surrogate = first == 0xed && bytes[1] > 0x9f;
    const bool beyond = first == 0xf4 && bytes[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : count;
}

bool text_is_utf8(struct slice text)
{
    while (text.len > 0) {
        const size_t len = text_utf8_len(text);
        if (len == 0)
            return false;
        text = slice_of(text.data + len, text.len - len);
    }
    return true;
}

bool text_is_token(struct slice text)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.data[i];
        const bool is_alnum =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_alnum && c != '-' && (c == '\0' || !strchr(marks, c)))
            return false;
    }
    return text.len > 0;
}
