-- SPDX-License-Identifier: MIT
-- anzol add source: a script with a source of a known sender and a handler to fill in.
local failure = require "anzol.cli.failure"
local new_files = require "anzol.cli.new_files"

local M = {
  name = "add",
  summary = "Add a source to the project: a new script to fill in.",
  description = [[
Write scripts/NAME.lua with a source of that name and a handler to fill in:

  anzol add source github --provider github]],
}

local TEXT = [[
local anzol = require "anzol"

-- POST /in/%s; the secret comes from ANZOL_SECRET_%s.
anzol.source("%s", {
  provider = anzol.provider.%s { secret = anzol.secret "%s" },
})

anzol.on("**", { source = "%s" }, function(event)
  event.log.info("received", { type = event.type })
end)
]]

function M.configure(parser, add_help)
  parser:require_command(true):command_target "action"
  local source = parser:command "source":summary "Add a source.":add_help(false)
  add_help(source)
  source:argument("name", "Its name: a-z, 0-9, '.', '_' and '-'."):argname "NAME"
  source:option("--provider", "Who sends.", "standard"):argname "NAME"
end

function M.run(options, console)
  local name, provider = options.name, options.provider
  if not name:find "^[a-z0-9][a-z0-9._-]*$" or name:find("..", 1, true) then
    failure.raise(failure.USAGE, "%s: a name is made of a-z, 0-9, '.', '_' and '-'", name)
  end
  local native = require "anzol.native"
  local problem = native.unknown(options.project, { "anzol.provider." .. provider })
  local why = provider:find "^[%w_]+$" and problem["anzol.provider." .. provider]
    or not provider:find "^[%w_]+$" and "no name of a provider: " .. provider
  if why then failure.raise(failure.USAGE, "%s", why) end
  local secret = name:upper():gsub("[^A-Z0-9]", "_") .. "_SECRET"
  local files = { { path = "scripts/" .. name .. ".lua",
    text = TEXT:format(name, secret, name, provider, secret, name) } }
  new_files.write(options.project, files)
  new_files.print(options.project, files, console)
  return 0
end

return M
