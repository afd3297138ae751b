/* SPDX-License-Identifier: MIT */
/* The command line's state: ordinary Lua with everything in it (no sandbox: these are our own
 * files and the user's own terminal), argparse and lua/anzol/cli embedded.
 *
 * It runs require("anzol.cli").main(args): args is an array of the arguments (arg[0] at index 0),
 * what it returns is the exit code (nothing: 0).
 *
 * require "anzol.native" gives one table of C functions: those below (script_cli_natives) and those
 * that main.c adds. The rule is the API's: the world fails -> nil, text; misuse raises.
 *
 *   native.check(dir, opts)   -> findings, err
 *       Loads the project as serve would, without network. opts.allow_missing_secrets (boolean),
 *       opts.scripts (array of globs). findings: array of { level = "error" | "warning", file, line
 *       (0: none), phase, message, hint? }. err: nil if the generation would be accepted, else the
 *       first error as one line. findings.sources, .endpoints, .subscriptions: how many.
 *   native.sign(dir, source, type, body)  -> { headers = { {name, value}, … }, path = "/in/…",
 *       method = "POST" } | nil, err
 *       Loads the project and asks the source's provider (or its declarative verifier) to sign body
 *       as the real sender would. err says so if the source has neither.
 *   native.settings(dir)      -> { ["listen"] = "…", ["limits.intake_bytes"] = "…" } | nil, err
 *       anzol.lua flattened, all values as text, lists joined by "\n".
 *   native.json.encode(value, opts?) -> text (raises for what JSON can't hold); opts.indent: spaces
 *       a level, opts.sort: keys in order. native.json.decode(text) -> value | nil, err.
 *       native.json.null, native.json.array(t): see anzol.json.
 *   native.fetch { unix = path?, url =, method = "GET"?, headers = { name = value }?, body = ?,
 *       timeout_ms = 10000? } -> { status =, headers = { [lower-case name] = value }, body = } |
 *       nil, err
 *   native.isatty(fd)         -> boolean
 *   native.now_ms()           -> Unix milliseconds
 *   native.mono_ms()          -> monotonic milliseconds
 *   native.sleep_ms(n)
 *   native.version            -> "0.1.0" */
