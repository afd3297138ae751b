-- SPDX-License-Identifier: MIT
-- The command line: finds the command, gives it its options and turns how it ended into an exit
-- code. `serve` and `bench` are run by the program before this is asked; they stand here for the
-- help. One file per command; each is a table
--   { name, summary, description?, configure(parser), run(options, console) -> exit code }.
local argparse = require "argparse"
local console = require "anzol.cli.console"
local failure = require "anzol.cli.failure"
local settings = require "anzol.cli.settings"

local M = {}

-- Files beside this one, in the order of the commands' names.
local command_files = { "add", "api", "attempts", "capture", "check", "completion", "cron", "crons",
  "dead", "deliveries", "endpoints", "erase", "eval", "events", "health", "listen", "man",
  "new_project", "polls", "queues", "recover", "reload", "repl", "replay", "secrets", "sign",
  "status", "stop", "tail", "tasks", "test", "token", "trigger", "verify" }

local description = [[
Anzol receives webhooks, keeps them, runs your Lua on them and sends signed webhooks on.

Data goes to standard output, everything else to standard error. Exit codes: 0 done,
1 findings or failed, 2 wrong usage, 69 server not reachable, 75 timed out (try again),
78 bad settings or a refused reload, 130 ended by Ctrl-C.]]

local program_commands = {
  { "bench", "Generate load, or be the receiver of it, and print the figures." },
  { "serve", "Serve a project: receive, keep, run the scripts, send." },
}

local function add_global_options(parser)
  parser:option("-o --output", "Form of the data.", "text"):choices { "text", "json" }
  parser:option("--color", "Colours in text.", "auto"):choices { "auto", "always", "never" }
  parser:flag("-q --quiet", "Only data and errors.")
  parser:flag("-v --verbose", "More about what is done.")
  parser:option("--project", "The project's folder, where anzol.lua and anzol.sock lie (or "
    .. "ANZOL_PROJECT; default: the current one)."):argname "DIR"
  parser:option("--url", "Admin listener of a server elsewhere (or ANZOL_URL), such as "
    .. "https://hooks.example:8081."):argname "URL"
  parser:option("--token", "Its admin token (better: ANZOL_ADMIN_TOKEN)."):argname "TOKEN"
  parser:option("--socket", "The server's socket (or ANZOL_SOCKET; default: anzol.sock in the "
    .. "project's state_dir)."):argname "FILE"
  parser:flag("--version", "Print the version and exit."):action(function()
    failure.finish("anzol " .. require "anzol.native".version)
  end)
end

-- The lines of a paragraph as one, which the help then wraps; indented ones stay as they are.
local function unwrap(text)
  local lines, is_open = {}, false
  for line in (text .. "\n"):gmatch "(.-)\n" do
    local goes_on = line:find "^%S" ~= nil
    if goes_on and is_open then lines[#lines] = lines[#lines] .. " " .. line
    else lines[#lines + 1] = line end
    is_open = goes_on
  end
  return table.concat(lines, "\n")
end

-- Help leaves the parser by an error that main knows.
local function add_help(parser)
  parser:add_help { description = "Show this help and exit.", action = function(_, _, _)
    failure.finish((parser:get_help()))
  end }
end

local function make_parser()
  local parser = argparse("anzol", unwrap(description)):help_max_width(92):add_help(false)
  add_help(parser)
  parser:command_target "command"
  add_global_options(parser)
  local commands = {}
  for _, file in ipairs(command_files) do
    local command = require("anzol.cli." .. file)
    local name = command.name
    commands[name] = command
    local sub = parser:command(name):summary(command.summary)
      :description(unwrap(command.description or command.summary)):add_help(false)
    sub:epilog "Options for all commands (--output, --url, ...): anzol --help."
    add_help(sub)
    command.configure(sub, add_help)
  end
  for _, row in ipairs(program_commands) do
    parser:command(row[1]):summary(row[2]):add_help(false):handle_options(false)
      :argument "arguments":args "*"
  end
  parser.error = function(sub, message)
    failure.raise(failure.USAGE, "%s\n\n%s", message, sub:get_usage())
  end
  return parser, commands
end

local function run(args, screen)
  local parser, commands = make_parser()
  if #args == 0 then
    screen:talk(parser:get_help())
    return failure.USAGE
  end
  local options = parser:parse(args)
  options.project = settings.project(options)
  screen:configure(options)
  local command = commands[options.command]
  if not command then
    failure.raise(failure.USAGE, "`anzol %s` is a part of the program itself: run it directly",
      options.command)
  end
  return command.run(options, screen, parser) or 0
end

-- args: what stands behind "anzol". streams, for specs: { out = function(text), err =
-- function(text), is_terminal = boolean }. Returns the exit code.
function M.main(args, streams)
  local screen = console.new(streams)
  local ok, result = xpcall(run, failure.handler, args, screen)
  if ok then return result end
  if result.output then
    screen:data(result.output .. "\n")
    return result.code
  end
  screen:talk("anzol: " .. result.message)
  return result.code
end

return M
