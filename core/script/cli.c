/* SPDX-License-Identifier: MIT */
/* The command line's state: ordinary Lua with everything in it (no sandbox: these are our own
 * files and the user's own terminal), argparse and lua/anzol/cli embedded.
 *
 * It runs require("anzol.cli").main(args): args is the array of what follows the program's name;
 * what it returns is the exit code (nothing: 0).
 *
 * require "anzol.native" gives one table of C functions: those below (script_cli_natives) and those
 * that main.c adds. The rule is the API's: the world fails -> nil, text; misuse raises.
 *
 * Those that load a project take opts.scripts, an array of globs: the project's own.
 *
 *   native.check(dir, opts) -> findings, err
 *
 * Loads the project as serve would, without network. opts.allow_missing_secrets: boolean. findings:
 * array of { level = "error" | "warning", file, line (0: none), phase, message, hint? }. err: nil
 * if the generation would be accepted, else the first error as one line. If it would:
 * findings.sources, .subscriptions: how many, .endpoints: array of { name, file, line },
 * .transforms: of names.
 *
 *   native.files(dir, opts) -> array of { path, text } | nil, err
 *
 * The scripts and everything below lua/.
 *
 *   native.unknown(dir, names) -> { [name] = text }, { [name] = text }
 *
 * Of these names ("print", "string.format", "anzol.http.get"), those that a script of the project
 * does not find, and those that the sandbox took out, each with what it would be told.
 *
 *   native.try_regexes { { pattern =, flags = ? }, … } -> { [position] = text }
 *
 * Those that anzol.re does not compile, each with why.
 *
 *   native.sign(dir, source, type, body, opts) -> { headers = { {name, value}, … }, path = "/in/…",
 *       method = "POST", body = "…" } | nil, err
 *
 * Loads the project and asks the source's provider (or its declarative verifier) to sign body as
 * the real sender would. err says so if the source has neither.
 *
 *   native.request { method, path, query, url, headers = { {name, value}, … }, body } -> Request
 *
 * As a verifier takes it. url: what the sender signed, without the query.
 *
 *   native.verify(dir, source, request, opts) -> true | false, reason | nil, err
 *
 * Loads the project and lets the source judge the request (a table as above).
 *
 *   native.classify(dir, source, request, opts) -> type | nil, err
 *
 * Loads the project and asks the source of what type the event of this request would be.
 *
 *   native.cron_next(schedule, timezone, from, count) -> array of { at_ms, local, utc } | nil, err
 *
 * The next times of a schedule after from: Unix milliseconds, or an instant as text (RFC 3339).
 * local: with the zone's offset.
 *
 *   native.settings(dir) -> { ["listen"] = "…", ["limits.intake_bytes"] = "…" } | nil, err
 *
 * anzol.lua flattened, all values as text, lists joined by "\n".
 *
 *   native.nearest(name, { name, … }) -> the one that was probably meant | nil
 *
 *   native.json.encode(value, opts?) -> text; native.json.decode(text) -> value | nil, err
 *
 * encode raises for what JSON can't hold; opts.indent: spaces a level, opts.sort: keys in order.
 * native.json.null, native.json.array(t): see anzol.json.
 *
 *   native.fetch { unix = path?, url =, method = "GET"?, headers = { name = value }?, body = ?,
 *       (headers also as { { name, value }, … }, in that order)
 *       timeout_ms = 10000? } -> { status =, headers = { [lower-case name] = value }, body = } |
 *       nil, err, kind: "busy" (no answer in time), "notfound" (nobody there), "remote", …
 *
 *       heeds_keys: a key at the terminal ends it: nil, err, "cancelled"; so does an
 *       interrupt that is heeded. skips_verify: any certificate is taken.
 *
 *   native.heed_interrupts(), native.is_interrupted() -> boolean
 *
 * From then on SIGINT and SIGTERM do not end the process: they are seen, and end waits.
 *
 *   native.take_keys(is_on) -> boolean
 *
 * Keys at the terminal (standard input) come at once and are not echoed, or (false) as they were
 * before; so they are at the end of the process, too. False: it is no terminal.
 *
 *   native.key(ms) -> text | nil
 *
 * What was typed, a key or several, within so long; "" when the terminal is gone. nil: nothing, or
 * interrupted.
 *
 *   native.save(path, text) -> true | nil, err
 *
 * In place of what the file held, whole or not at all whatever happens, and on the disk. Folders
 * that are missing are made, for the user alone.
 *
 *   native.isatty(fd) -> boolean
 *
 *   native.now_ms(), native.mono_ms() -> Unix milliseconds, monotonic milliseconds
 *
 *   native.program() -> path of the running program | nil, err
 *
 *   native.sleep_ms(n)
 *
 *   native.version -> "0.1.0"
 *
 * Of main.c: native.check_settings, native.connect (server.h), native.console (console/console.h).
 */
#include "script/bind_int.h"

#define EXIT_SOFTWARE 70

/* Everything that is embedded, argparse and the command line's own files too. */
static int l_search_embedded(lua_State *L)
{
    struct slice name;
    name.data = luaL_checklstring(L, 1, &name.len);
    const struct embedded_file *file = embedded_find(name);
    if (!file) {
        lua_pushfstring(L, "not embedded: '%s'", name.data);
        return 1;
    }
    lua_pushfstring(L, "@%s", file->path);
    if (luaL_loadbufferx(L, (const char *)file->data, file->len, lua_tostring(L, -1), "t") !=
        LUA_OK)
        return lua_error(L);
    lua_pushstring(L, file->path);
    return 2;
}

/* Before the file system, so that an old copy on it is never taken for ours. */
static void open_search(lua_State *L)
{
    lua_getglobal(L, "table");
    lua_getfield(L, -1, "insert");
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "searchers");
    lua_remove(L, -2);
    lua_pushinteger(L, 2);
    lua_pushcfunction(L, l_search_embedded);
    lua_call(L, 3, 0);
    lua_pop(L, 1);
}

static void open_natives(lua_State *L, const luaL_Reg *natives)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_newtable(L);
    luaL_setfuncs(L, script_cli_natives, 0);
    luaL_setfuncs(L, script_signature_natives, 0);
    if (natives)
        luaL_setfuncs(L, natives, 0);
    lua_pushliteral(L, ANZOL_VERSION);
    lua_setfield(L, -2, "version");
    open_json(L);
    lua_setfield(L, -2, "anzol.native");
    lua_pop(L, 1);
    /* For commands that use the library itself: providers. */
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, l_open_anzol);
    lua_setfield(L, -2, "anzol.core");
    lua_pop(L, 1);
}

struct cli {
    int argc;
    char **argv;
    const luaL_Reg *natives;
};

static int l_main(lua_State *L)
{
    const struct cli *cli = lua_touserdata(L, 1);
    open_search(L);
    open_natives(L, cli->natives);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "anzol.cli");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "main");
    lua_createtable(L, cli->argc, 0);
    for (int i = 0; i < cli->argc; i++) {
        lua_pushstring(L, cli->argv[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_call(L, 1, 1);
    return 1;
}

static int l_on_error(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

int cli_run(int argc, char **argv, const luaL_Reg *natives)
{
    struct script *script = script_create(NULL, 0, STATE_CLI);
    if (!script) {
        (void)fprintf(stderr, "anzol: out of memory\n");
        return EXIT_SOFTWARE;
    }
    lua_State *L = script->L;
    struct cli cli = {.argc = argc, .argv = argv, .natives = natives};
    lua_pushcfunction(L, l_on_error);
    lua_pushcfunction(L, l_main);
    lua_pushlightuserdata(L, &cli);
    int code = 0;
    if (lua_pcall(L, 1, 1, 1) != LUA_OK) {
        (void)fprintf(stderr, "anzol: %s\n", lua_tostring(L, -1));
        code = EXIT_SOFTWARE;
    } else if (lua_isinteger(L, -1)) {
        code = (int)lua_tointeger(L, -1);
    }
    script_free(script);
    return code;
}
