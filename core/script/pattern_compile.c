/* SPDX-License-Identifier: MIT */
/* From the text of a pattern to its items. */
#include "script/pattern_int.h"

#include "script/bind_int.h"

#include <string.h>

#define ESCAPE '%'

/* ---- Sets ---- */

/* The classes of ASCII; no locale has a say. */
struct class
{
    char letter;
    uint64_t low; /* 0 to 63 */
    uint64_t high;
};

static const struct class classes[] = {
    {'a', 0, 0x07FFFFFE07FFFFFE},
    {'c', 0x00000000FFFFFFFF, 0x8000000000000000},
    {'d', 0x03FF000000000000, 0},
    {'g', 0xFFFFFFFE00000000, 0x7FFFFFFFFFFFFFFF},
    {'l', 0, 0x07FFFFFE00000000},
    {'p', 0xFC00FFFE00000000, 0x78000001F8000001},
    {'s', 0x0000000100003E00, 0},
    {'u', 0, 0x0000000007FFFFFE},
    {'w', 0x03FF000000000000, 0x07FFFFFE07FFFFFE},
    {'x', 0x03FF000000000000, 0x0000007E0000007E},
    {'z', 1, 0},
};

static void set_add(uint64_t set[4], unsigned char byte)
{
    set[byte >> 6] |= UINT64_C(1) << (byte & 63);
}

/* Adds the class of %letter; false: it is none, the letter stands for itself. */
static bool set_add_class(uint64_t set[4], char letter)
{
    const char lower = letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
    for (size_t i = 0; i < array_count(classes); i++) {
        if (classes[i].letter != lower)
            continue;
        const uint64_t flip = lower == letter ? 0 : UINT64_MAX;
        set[0] |= classes[i].low ^ flip;
        set[1] |= classes[i].high ^ flip;
        set[2] |= flip;
        set[3] |= flip;
        return true;
    }
    return false;
}

/* What is between the brackets, without ^. */
static void set_fill(uint64_t set[4], const char *at, const char *end)
{
    for (; at < end; at++) {
        const unsigned char byte = (unsigned char)*at;
        if (byte == ESCAPE) {
            at++; /* behind a range the last one may escape the bracket that ends the set */
            if (!set_add_class(set, *at))
                set_add(set, (unsigned char)*at);
        } else if (end - at > 2 && at[1] == '-') {
            for (unsigned i = byte; i <= (unsigned char)at[2]; i++)
                set_add(set, (unsigned char)i);
            at += 2;
        } else {
            set_add(set, byte);
        }
    }
}

/* ---- Compiling ---- */

struct compiler {
    lua_State *L;
    struct pattern *pattern;
    int holder;
    const char *at;
    const char *end;
    int back;
    int open[PATTERN_CAPTURES_MAX]; /* captures that are open, the innermost last */
    int open_count;
    bool is_closed[PATTERN_CAPTURES_MAX];
};

static struct pattern_item *add(struct compiler *compiler, enum pattern_kind kind)
{
    struct pattern *pattern = compiler->pattern;
    if (pattern->count == pattern->room) {
        struct pattern_item *more =
            lua_newuserdatauv(compiler->L, 2 * pattern->room * sizeof *more, 0);
        memcpy(more, pattern->items, pattern->count * sizeof *more);
        lua_replace(compiler->L, compiler->holder);
        pattern->items = more;
        pattern->room *= 2;
    }
    struct pattern_item *item = &pattern->items[pattern->count++];
    item->kind = (uint8_t)kind;
    item->repeat = REPEAT_ONCE;
    item->follows = -1;
    item->back = compiler->back;
    return item;
}

static void add_fault(struct compiler *compiler, const char *message, int number)
{
    struct pattern_item *item = add(compiler, PATTERN_FAULT);
    item->text = message;
    item->capture = (uint8_t)number;
    compiler->at = compiler->end;
}

static void add_open(struct compiler *compiler)
{
    struct pattern *pattern = compiler->pattern;
    const bool is_place = compiler->at + 1 < compiler->end && compiler->at[1] == ')';
    if (pattern->capture_count == PATTERN_CAPTURES_MAX) {
        add_fault(compiler, "too many captures", 0);
        return;
    }
    const int capture = pattern->capture_count++;
    add(compiler, is_place ? PATTERN_PLACE : PATTERN_OPEN)->capture = (uint8_t)capture;
    compiler->is_closed[capture] = is_place;
    if (!is_place)
        compiler->open[compiler->open_count++] = capture;
    compiler->at += is_place ? 2 : 1;
}

static void add_close(struct compiler *compiler)
{
    if (compiler->open_count == 0) {
        add_fault(compiler, "invalid pattern capture", 0);
        return;
    }
    const int capture = compiler->open[--compiler->open_count];
    add(compiler, PATTERN_CLOSE)->capture = (uint8_t)capture;
    compiler->is_closed[capture] = true;
    compiler->at++;
}

static void add_back(struct compiler *compiler)
{
    const int capture = compiler->at[1] - '1';
    if (capture < 0 || capture >= compiler->pattern->capture_count ||
        !compiler->is_closed[capture]) {
        add_fault(compiler, "invalid capture index %%%d", capture + 1);
        return;
    }
    add(compiler, PATTERN_BACK)->capture = (uint8_t)capture;
    compiler->at += 2;
}

static void add_balance(struct compiler *compiler)
{
    if (compiler->end - compiler->at < 4) {
        add_fault(compiler, "malformed pattern (missing arguments to '%%b')", 0);
        return;
    }
    struct pattern_item *item = add(compiler, PATTERN_BALANCE);
    item->byte = (unsigned char)compiler->at[2];
    item->closes = (unsigned char)compiler->at[3];
    compiler->at += 4;
}

/* at is behind [. The place of the ] that ends the set; NULL: none. The first is a member. */
static const char *end_of_set(const char *at, const char *end)
{
    if (at < end && *at == '^')
        at++;
    for (bool is_first = true; at < end; is_first = false) {
        if (*at == ']' && !is_first)
            return at;
        at += *at == ESCAPE && end - at > 1 ? 2 : 1;
    }
    return NULL;
}

/* compiler->at is at [. */
static bool read_set(struct compiler *compiler, uint64_t set[4])
{
    const char *at = compiler->at + 1;
    const char *end = end_of_set(at, compiler->end);
    if (!end)
        return false;
    memset(set, 0, 4 * sizeof *set);
    const bool is_complement = *at == '^';
    set_fill(set, is_complement ? at + 1 : at, end);
    for (int i = 0; is_complement && i < 4; i++)
        set[i] = ~set[i];
    compiler->at = end + 1;
    return true;
}

static const char missing_bracket[] = "malformed pattern (missing ']')";

static void add_frontier(struct compiler *compiler)
{
    uint64_t set[4];
    compiler->at += 2;
    if (compiler->at == compiler->end || *compiler->at != '[') {
        add_fault(compiler, "missing '[' after '%%f' in pattern", 0);
    } else if (!read_set(compiler, set)) {
        add_fault(compiler, missing_bracket, 0);
    } else {
        struct pattern_item *item = add(compiler, PATTERN_FRONTIER);
        memcpy(item->set, set, sizeof set);
    }
}

static bool is_repeat(const struct compiler *compiler, const char *at)
{
    return at < compiler->end && *at && strchr("*+-?", *at);
}

/* The item just added may be followed by one of * + - ?. */
static void read_repeat(struct compiler *compiler, struct pattern_item *item)
{
    if (!is_repeat(compiler, compiler->at))
        return;
    const char repeat = *compiler->at++;
    item->repeat = repeat == '-' ? REPEAT_LEAST : REPEAT_MOST;
    item->is_least_one = repeat == '+';
    item->is_most_one = repeat == '?';
    compiler->back = (int)(item - compiler->pattern->items);
}

static bool is_special(char byte)
{
    return byte == ESCAPE || byte == '.' || byte == '[' || byte == '(' || byte == ')';
}

/* Bytes that stand for themselves, from compiler->at on, without the last one if it is repeated;
 * `escaped` of them may be special. */
static size_t text_length(const struct compiler *compiler, size_t escaped)
{
    const char *at = compiler->at + escaped;
    while (at < compiler->end && !is_special(*at) && !(*at == '$' && at + 1 == compiler->end))
        at++;
    size_t len = (size_t)(at - compiler->at);
    /* What is repeated is an item of its own: the text ends before the first such byte. */
    for (size_t i = 1; i < len; i++)
        if (is_repeat(compiler, compiler->at + i))
            return i > 1 ? i - 1 : 1;
    return len;
}

static void add_text(struct compiler *compiler, size_t escaped)
{
    const size_t len = text_length(compiler, escaped);
    if (len == 1) {
        struct pattern_item *item = add(compiler, PATTERN_BYTE);
        item->byte = (unsigned char)*compiler->at++;
        read_repeat(compiler, item);
        return;
    }
    struct pattern_item *item = add(compiler, PATTERN_TEXT);
    item->text = compiler->at;
    item->len = len;
    compiler->at += len;
}

/* compiler->at is at %. */
static void add_escaped(struct compiler *compiler)
{
    if (compiler->at + 1 == compiler->end) {
        add_fault(compiler, "malformed pattern (ends with '%%')", 0);
        return;
    }
    const char letter = compiler->at[1];
    uint64_t set[4] = {0};
    if (letter == 'b') {
        add_balance(compiler);
    } else if (letter == 'f') {
        add_frontier(compiler);
    } else if (letter >= '0' && letter <= '9') {
        add_back(compiler);
    } else if (set_add_class(set, letter)) {
        struct pattern_item *item = add(compiler, PATTERN_SET);
        memcpy(item->set, set, sizeof set);
        compiler->at += 2;
        read_repeat(compiler, item);
    } else {
        compiler->at++;
        add_text(compiler, 1);
    }
}

static void add_set(struct compiler *compiler)
{
    uint64_t set[4];
    if (!read_set(compiler, set)) {
        add_fault(compiler, missing_bracket, 0);
        return;
    }
    struct pattern_item *item = add(compiler, PATTERN_SET);
    memcpy(item->set, set, sizeof set);
    read_repeat(compiler, item);
}

static void add_any(struct compiler *compiler)
{
    struct pattern_item *item = add(compiler, PATTERN_ANY);
    compiler->at++;
    read_repeat(compiler, item);
}

static void add_next(struct compiler *compiler)
{
    switch (*compiler->at) {
    case '(':
        add_open(compiler);
        return;
    case ')':
        add_close(compiler);
        return;
    case '.':
        add_any(compiler);
        return;
    case '[':
        add_set(compiler);
        return;
    case ESCAPE:
        add_escaped(compiler);
        return;
    default:
        if (*compiler->at != '$' || compiler->at + 1 < compiler->end) {
            add_text(compiler, 1);
            return;
        }
        (void)add(compiler, PATTERN_AT_END);
        compiler->at++;
    }
}

/* Where a repeated item can only end before one byte, that byte is looked for. */
static void find_followers(struct pattern *pattern)
{
    for (size_t i = 0; i + 1 < pattern->count; i++) {
        const struct pattern_item *next = &pattern->items[i + 1];
        if (pattern->items[i].repeat == REPEAT_ONCE || next->repeat != REPEAT_ONCE)
            continue;
        if (next->kind == PATTERN_TEXT)
            pattern->items[i].follows = (unsigned char)next->text[0];
        else if (next->kind == PATTERN_BYTE)
            pattern->items[i].follows = next->byte;
    }
}

void pattern_check_compile(lua_State *L, struct pattern *pattern, struct slice text, int holder)
{
    struct compiler compiler;
    compiler.L = L;
    compiler.pattern = pattern;
    compiler.holder = holder;
    compiler.at = text.data;
    compiler.end = text.data + text.len;
    compiler.back = -1;
    compiler.open_count = 0;
    pattern->items = pattern->near;
    pattern->count = 0;
    pattern->room = PATTERN_ITEMS_NEAR;
    pattern->capture_count = 0;
    budget_check_work(L, text.len);
    while (compiler.at < compiler.end)
        add_next(&compiler);
    (void)add(&compiler, PATTERN_DONE);
    find_followers(pattern);
}
