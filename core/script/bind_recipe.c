/* SPDX-License-Identifier: MIT */
/* The options that say how a sender signs (anzol.verify.hmac and its like), read into a recipe, and
 * the keys. */
#include "script/bind_int.h"

#include <stdlib.h>

#define TOLERANCE_S_MAX 86400

/* The same table describes both sides. */
static const char *const option_names[] = {
    "algorithm",        "body_hash_query", "content",         "encoding", "field",
    "header",           "id_header",       "item_separator",  "key",      "numbered",
    "prefix",           "public_key",      "secret",          "time",     "timestamp_field",
    "timestamp_header", "tolerance",       "field_separator", NULL,
};

void recipe_check_options(lua_State *L, const struct options *options)
{
    options_check_names(L, options, option_names, NULL);
}

/* ---- Texts of a fixed size ---- */

static void read_text(lua_State *L, const struct options *options, const char *name,
                      char text[RECIPE_TEXT_BYTES])
{
    const char *value = option_check_text(L, options, name, "");
    if (strlen(value) >= RECIPE_TEXT_BYTES)
        (void)luaL_error(L, "option '%s' of %s is at most %d bytes", name, options->what,
                         RECIPE_TEXT_BYTES - 1);
    (void)snprintf(text, RECIPE_TEXT_BYTES, "%s", value);
}

static char read_mark(lua_State *L, const struct options *options, const char *name,
                      const char *fallback)
{
    const char *value = option_check_text(L, options, name, fallback);
    if (strlen(value) > 1)
        (void)option_error(L, options, name, "one character");
    return value[0];
}

static void copy_name(lua_State *L, const struct options *options, const char *name,
                      const char *value, char text[RECIPE_NAME_BYTES])
{
    if (strlen(value) >= RECIPE_NAME_BYTES)
        (void)luaL_error(L, "option '%s' of %s: a header's name is at most %d bytes", name,
                         options->what, RECIPE_NAME_BYTES - 1);
    header_check(L, slice_str(value), slice_str(""), options->what);
    (void)snprintf(text, RECIPE_NAME_BYTES, "%s", value);
}

/* One header name, or a list of them: the spellings of a scheme in the same order. */
static size_t read_names(lua_State *L, const struct options *options, const char *name,
                         char texts[RECIPE_NAMES_MAX][RECIPE_NAME_BYTES])
{
    const int type = lua_getfield(L, options->index, name);
    size_t count = 0;
    if (type == LUA_TSTRING) {
        copy_name(L, options, name, lua_tostring(L, -1), texts[count++]);
    } else if (type == LUA_TTABLE) {
        count = lua_rawlen(L, -1);
        if (count == 0 || count > RECIPE_NAMES_MAX)
            (void)option_error(L, options, name, "a header's name, or a list of at most 3");
        for (size_t i = 0; i < count; i++) {
            if (lua_rawgeti(L, -1, (lua_Integer)i + 1) != LUA_TSTRING)
                (void)option_error(L, options, name, "a list of header names");
            copy_name(L, options, name, lua_tostring(L, -1), texts[i]);
            lua_pop(L, 1);
        }
    } else if (type != LUA_TNIL) {
        (void)option_error(L, options, name, "a header's name, or a list of at most 3");
    }
    lua_pop(L, 1);
    return count;
}

static void read_headers(lua_State *L, const struct options *options, struct recipe *recipe)
{
    char names[3][RECIPE_NAMES_MAX][RECIPE_NAME_BYTES] = {0};
    recipe->name_count = read_names(L, options, "header", names[0]);
    const size_t id_count = read_names(L, options, "id_header", names[1]);
    const size_t time_count = read_names(L, options, "timestamp_header", names[2]);
    if (recipe->name_count == 0)
        (void)luaL_error(L, "%s needs 'header': the name of the header with the signature",
                         options->what);
    if ((id_count != 0 && id_count != recipe->name_count) ||
        (time_count != 0 && time_count != recipe->name_count))
        (void)luaL_error(L,
                         "'header', 'id_header' and 'timestamp_header' of %s are lists of the same "
                         "length",
                         options->what);
    for (size_t i = 0; i < recipe->name_count; i++) {
        memcpy(recipe->names[i].signature, names[0][i], RECIPE_NAME_BYTES);
        memcpy(recipe->names[i].id, names[1][i], RECIPE_NAME_BYTES);
        memcpy(recipe->names[i].timestamp, names[2][i], RECIPE_NAME_BYTES);
    }
}

/* ---- What is signed ---- */

static void read_content(lua_State *L, const struct options *options, struct recipe *recipe)
{
    const int type = lua_getfield(L, options->index, "content");
    if (type == LUA_TNIL) {
        recipe->parts[0].kind = PART_BODY;
        recipe->part_count = 1;
        lua_pop(L, 1);
        return;
    }
    const size_t count = type == LUA_TTABLE ? lua_rawlen(L, -1) : 0;
    if (count == 0 || count > RECIPE_PARTS_MAX)
        (void)option_error(L, options, "content",
                           "a list of at most 12: body, decoded_url, form, id, method, timestamp, "
                           "url, or other text as it is");
    unsigned made = 0;
    for (size_t i = 0; i < count; i++) {
        struct part *part = &recipe->parts[i];
        if (lua_rawgeti(L, -1, (lua_Integer)i + 1) != LUA_TSTRING)
            (void)option_error(L, options, "content", "a list of texts");
        const char *text = lua_tostring(L, -1);
        part->kind = part_parse(slice_str(text));
        made += part->kind == PART_FORM || part->kind == PART_DECODED_URL;
        if (strlen(text) >= RECIPE_TEXT_BYTES || made > 1)
            (void)luaL_error(L,
                             "option 'content' of %s: a text is at most %d bytes, and of form and "
                             "decoded_url there is one at most",
                             options->what, RECIPE_TEXT_BYTES - 1);
        if (part->kind == PART_LITERAL)
            (void)snprintf(part->literal, sizeof part->literal, "%s", text);
        lua_pop(L, 1);
    }
    recipe->part_count = count;
    lua_pop(L, 1);
}

static void read_forms(lua_State *L, const struct options *options, struct recipe *recipe)
{
    const char *digest = option_check_text(L, options, "algorithm", "sha256");
    if (!digest_parse(slice_str(digest), &recipe->digest)) {
        lua_pushstring(L, digest);
        (void)option_error(L, options, "algorithm", "sha1, sha256, sha384 or sha512");
    }
    const bool is_token = recipe->algorithm == ALGORITHM_TOKEN;
    const char *encoding = option_check_text(L, options, "encoding", is_token ? "text" : "hex");
    if (is_token && strcmp(encoding, "text") == 0)
        recipe->encoding = ENCODING_TEXT;
    else if (!encoding_parse(slice_str(encoding), &recipe->encoding))
        (void)option_error(L, options, "encoding", "hex or base64");
    const char *unit = option_check_text(L, options, "time", "s");
    if (!time_unit_parse(slice_str(unit), &recipe->time_unit))
        (void)option_error(L, options, "time", "s, ms or iso");
}

int64_t option_check_tolerance(lua_State *L, const struct options *options, int64_t fallback_s)
{
    const int64_t ms = option_check_duration(L, options, "tolerance", fallback_s * 1000);
    if ((ms != fallback_s * 1000 && ms < 1000) || ms > (int64_t)TOLERANCE_S_MAX * 1000)
        (void)luaL_error(L, "option 'tolerance' of %s is at least 1s and at most 1d",
                         options->what);
    return ms / 1000;
}

void recipe_check_read(lua_State *L, const struct options *options, enum algorithm algorithm,
                       struct recipe *recipe)
{
    *recipe = (struct recipe){.algorithm = algorithm};
    read_forms(L, options, recipe);
    read_headers(L, options, recipe);
    if (algorithm != ALGORITHM_TOKEN)
        read_content(L, options, recipe);
    read_text(L, options, "prefix", recipe->prefix);
    read_text(L, options, "field", recipe->field);
    read_text(L, options, "timestamp_field", recipe->timestamp_field);
    read_text(L, options, "body_hash_query", recipe->body_hash_query);
    recipe->item_separator = read_mark(L, options, "item_separator", "");
    recipe->field_separator = read_mark(L, options, "field_separator", "=");
    recipe->is_numbered = option_check_bool(L, options, "numbered", false);
    recipe->tolerance_s = option_check_tolerance(L, options, 0);
    struct err err;
    if (recipe_check(recipe, &err) != OK)
        (void)luaL_error(L, "%s: %s", options->what, err.text);
}

/* ---- RFC 9421 ---- */

static void read_components(lua_State *L, const struct options *options, struct http_scheme *scheme)
{
    const int type = lua_getfield(L, options->index, "components");
    if (type == LUA_TNIL) {
        (void)snprintf(scheme->components[0], HTTP_COMPONENT_BYTES, "@method");
        (void)snprintf(scheme->components[1], HTTP_COMPONENT_BYTES, "content-digest");
        scheme->component_count = 2;
        lua_pop(L, 1);
        return;
    }
    const size_t count = type == LUA_TTABLE ? lua_rawlen(L, -1) : 0;
    if (type != LUA_TTABLE || count > HTTP_COMPONENTS_MAX)
        (void)option_error(L, options, "components",
                           "a list of at most 32 names, as \"@method\", \"content-digest\"");
    for (size_t i = 0; i < count; i++) {
        if (lua_rawgeti(L, -1, (lua_Integer)i + 1) != LUA_TSTRING ||
            lua_rawlen(L, -1) >= HTTP_COMPONENT_BYTES)
            (void)option_error(L, options, "components", "a list of names of at most 127 bytes");
        (void)snprintf(scheme->components[i], HTTP_COMPONENT_BYTES, "%s", lua_tostring(L, -1));
        lua_pop(L, 1);
    }
    scheme->component_count = count;
    lua_pop(L, 1);
}

/* What stands between quotes: printable, and neither a quote nor a backslash. */
static void read_quoted(lua_State *L, const struct options *options, const char *name,
                        char text[HTTP_KEY_ID_BYTES])
{
    const char *value = option_check_text(L, options, name, "");
    bool is_good = strlen(value) < HTTP_KEY_ID_BYTES;
    for (const char *c = value; *c; c++)
        is_good &= *c >= ' ' && *c <= '~' && *c != '"' && *c != '\\';
    if (!is_good)
        (void)option_error(L, options, name,
                           "at most 256 printable characters without quote and backslash");
    (void)snprintf(text, HTTP_KEY_ID_BYTES, "%s", value);
}

void http_scheme_check_read(lua_State *L, const struct options *options, bool is_signer,
                            struct http_scheme *scheme)
{
    static const char *const sign_names[] = {
        "algorithm", "components", "expires", "key_id", "label", "nonce", "secret", "tag", NULL};
    static const char *const names[] = {"algorithm", "components", "key_id",
                                        "label",     "public_key", "secret",
                                        "tag",       "tolerance",  NULL};
    options_check_names(L, options, is_signer ? sign_names : names, NULL);
    const char *algorithm = option_check_text(L, options, "algorithm", "hmac-sha256");
    if (!http_algorithm_parse(slice_str(algorithm), &scheme->algorithm, &scheme->digest))
        (void)option_error(L, options, "algorithm",
                           "hmac-sha256, ed25519, ecdsa-p256-sha256, ecdsa-p384-sha384, "
                           "rsa-v1_5-sha256 or rsa-pss-sha512");
    read_components(L, options, scheme);
    read_quoted(L, options, "key_id", scheme->key_id);
    read_quoted(L, options, "tag", scheme->tag);
    const char *label = option_check_text(L, options, "label", is_signer ? "sig1" : "");
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-.*";
    if (strlen(label) >= HTTP_LABEL_BYTES || label[strspn(label, letters)] != '\0' ||
        (label[0] != '\0' && strchr("0123456789_-.", label[0])))
        (void)option_error(L, options, "label", "a key of a structured field, as \"sig1\"");
    (void)snprintf(scheme->label, sizeof scheme->label, "%s", label);
    if (is_signer) {
        scheme->expires_s = option_check_duration(L, options, "expires", 0) / 1000;
        scheme->with_nonce = option_check_bool(L, options, "nonce", false);
    } else {
        scheme->tolerance_s = option_check_tolerance(L, options, SIGNATURE_TOLERANCE_S);
    }
}

/* ---- Keys ---- */

/* "scripts/a.lua:3: " of the script's own code, whatever of the library lies between. */
static void push_place(lua_State *L)
{
    static const char library[] = "anzol/";
    lua_Debug debug = {0};
    for (int level = 1; lua_getstack(L, level, &debug) && lua_getinfo(L, "Sl", &debug); level++)
        if (debug.currentline > 0 && strncmp(debug.short_src, library, sizeof library - 1) != 0) {
            lua_pushfstring(L, "%s:%d: ", debug.short_src, debug.currentline);
            return;
        }
    lua_pushliteral(L, "");
}

static void warn_plain(lua_State *L)
{
    struct script *script = script_of(L);
    if (lua_type(L, -1) != LUA_TSTRING || !script->draft)
        return;
    push_place(L);
    lua_pushfstring(L, "%sa secret stands in the script itself; use anzol.secret \"NAME\"",
                    lua_tostring(L, -1));
    findings_add(
        script->draft->findings,
        &(struct finding_options){.level = FINDING_WARNING, .message = lua_tostring(L, -1)});
    lua_pop(L, 2);
}

static void add_pair(lua_State *L, const struct options *options, const char *name,
                     const struct key_style *style, struct slice text, struct key_set *keys)
{
    struct pair *pair = NULL;
    struct err err;
    enum status status = pair_parse(style->algorithm, text, style->is_private, &pair, &err);
    if (status != OK)
        (void)luaL_error(L, "option '%s' of %s: %s", name, options->what, err.text);
    status = key_set_add_pair(keys, style->algorithm, pair);
    if (status != OK)
        (void)luaL_error(L, "option '%s' of %s has more than %d keys", name, options->what,
                         SIGNATURE_KEYS_MAX);
}

static void add_secret(lua_State *L, const struct options *options, const char *name,
                       const struct key_style *style, struct slice text, struct key_set *keys)
{
    static const char *const words[KEY_FORM_COUNT] = {
        [KEY_TEXT] = "text",
        [KEY_BASE64] = "base64",
        [KEY_HEX] = "hex",
        [KEY_STANDARD] = "base64 behind whsec_, or a key of the other side"};
    const enum status status = key_set_add_text(keys, style->form, text, style->is_private);
    if (status == E_LIMIT && keys->count == SIGNATURE_KEYS_MAX)
        (void)luaL_error(L, "option '%s' of %s has more than %d secrets", name, options->what,
                         SIGNATURE_KEYS_MAX);
    if (status == E_LIMIT)
        (void)luaL_error(L, "option '%s' of %s: a secret is at most %d bytes", name, options->what,
                         SIGNATURE_KEY_BYTES_MAX);
    if (status != OK)
        (void)luaL_error(L, "option '%s' of %s: a secret is empty or no %s", name, options->what,
                         words[style->form]);
}

/* The key on top of the stack. */
static void add_key(lua_State *L, const struct options *options, const char *name,
                    const struct key_style *style, struct key_set *keys)
{
    struct slice text;
    if (!secret_test(L, -1, &text))
        (void)option_error(L, options, name, "a secret or a list of secrets");
    if (secret_is_missing(L, -1))
        return; /* told already; no key would fit */
    if (style->algorithm == ALGORITHM_HMAC || style->algorithm == ALGORITHM_TOKEN) {
        add_secret(L, options, name, style, text, keys);
        warn_plain(L);
    } else {
        add_pair(L, options, name, style, text, keys);
        if (style->is_private)
            warn_plain(L);
    }
}

void keys_check_read(lua_State *L, const struct options *options, const struct key_style *style,
                     struct key_set *keys)
{
    const bool is_public = style->algorithm != ALGORITHM_HMAC &&
                           style->algorithm != ALGORITHM_TOKEN && !style->is_private;
    const char *name = "secret";
    int type = lua_getfield(L, options->index, name);
    if (type == LUA_TNIL && is_public) {
        lua_pop(L, 1);
        name = "public_key";
        type = lua_getfield(L, options->index, name);
    }
    if (type == LUA_TNIL)
        (void)luaL_error(L, "%s needs '%s'; use anzol.secret \"NAME\"", options->what, name);
    if (type == LUA_TTABLE) {
        const size_t count = lua_rawlen(L, -1);
        if (count == 0)
            (void)option_error(L, options, name, "a secret or a list of secrets");
        for (size_t i = 1; i <= count; i++) {
            lua_rawgeti(L, -1, (lua_Integer)i);
            add_key(L, options, name, style, keys);
            lua_pop(L, 1);
        }
    } else {
        add_key(L, options, name, style, keys);
    }
    lua_pop(L, 1);
}
