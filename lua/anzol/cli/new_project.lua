-- SPDX-License-Identifier: MIT
-- anzol init: a new project, made of an example that ships, with what an editor, luacheck, busted
-- and systemd want to know.
local installed = require "anzol.cli.installed"
local new_files = require "anzol.cli.new_files"
local unit = require "anzol.cli.unit"

local M = {
  name = "init",
  summary = "Begin a project: scripts, specs, settings, types for the editor.",
  description = [[
Write a new project into DIR (default: the current folder): anzol.lua, scripts/, spec/, and
.luarc.json, .luacheckrc, .busted, anzol.service for editor, linter, specs and systemd. What is
there is never written over.

  anzol init hooks --template github-slack
  cd hooks && anzol test]],
}

-- Name of a template -> folder of the example; empty has none.
local templates = {
  empty = false, ["github-slack"] = "github-to-slack", poll = "poll-to-webhook",
  ["stripe-fanout"] = "stripe-fanout",
}

local EXAMPLES = "share/anzol/examples"
local META = "share/anzol/meta"

local empty_files = {
  { path = "anzol.lua", text = [[
-- The settings of this project; `anzol serve --help` lists them.
return {
  listen = "127.0.0.1:8080", -- where the sources receive
  scripts = { "scripts/*.lua" },
}
]] },
  { path = "scripts/main.lua", text = [[
local anzol = require "anzol"

-- POST /in/hello
anzol.source("hello", {
  verify = anzol.verify.none(), -- takes what anybody sends: use a provider or another verifier
})

anzol.on("hello", function(event)
  event.log.info("received", { bytes = #event.body })
end)
]] },
  { path = "spec/main_spec.lua", text = [[
local testing = require "anzol.testing"

describe("hello", function()
  local t
  before_each(function() t = testing.new { scripts = { "scripts/main.lua" } } end)
  after_each(function() t:close() end)

  it("takes what is sent", function()
    assert.equal(200, t:receive("hello", { json = { a = 1 } }).status)
    assert.equal("hello", t.events[1].type)
  end)
end)
]] },
}

local LUACHECKRC = [[
std = "lua54"
max_line_length = 120
unused_args = false -- hooks are given more than each needs
files["spec"] = { std = "+busted" }
]]

-- With the place of this Anzol, so that plain busted finds it too.
local BUSTED = [[
return { default = { lua = "lua5.4", ROOT = { "spec/" }, pattern = "_spec",
  lpath = %q,
  cpath = %q } }
]]

local LUARC = [[
{
  "runtime.version": "Lua 5.4",
  "runtime.path": ["lua/?.lua", "lua/?/init.lua", "scripts/?.lua"],
  "workspace.library": [
    "%s",
    "${3rd}/busted/library",
    "${3rd}/luassert/library"
  ],
  "workspace.checkThirdParty": false
}
]]

local README = [[
# %s

`anzol check` says what is wrong, `anzol test` runs `spec/`, `anzol serve --watch` serves.
%s
]]

function M.configure(parser)
  local names = {}
  for name in pairs(templates) do names[#names + 1] = name end
  table.sort(names)
  parser:argument("dir", "Where to."):argname "DIR":default "."
  parser:option("--template", "What to begin with: " .. table.concat(names, ", ") .. ".", "empty")
    :argname "NAME":choices(names)
end

-- Names in anzol.secret "NAME", sorted.
local function secrets_of(files)
  local found, names = {}, {}
  for _, file in ipairs(files) do
    for name in file.text:gmatch 'secret%s*%(?"([%w_]+)"' do
      if file.path:find "^scripts/" and not found[name] then
        found[name] = true
        names[#names + 1] = name
      end
    end
  end
  table.sort(names)
  return names
end

local function readme(dir, files)
  local lines = {}
  for i, name in ipairs(secrets_of(files)) do lines[i] = "- `ANZOL_SECRET_" .. name .. "`" end
  local text = #lines == 0 and "It needs no secrets."
    or "Its secrets come from the environment:\n\n" .. table.concat(lines, "\n")
  return README:format(dir:match "([^/.]+)/*$" or "Webhooks", text)
end

-- Of a folder that may not be there yet.
local function whole_path(dir)
  if dir:sub(1, 1) == "/" then return dir end
  local pipe = assert(io.popen "pwd")
  local path = pipe:read "l"
  pipe:close()
  return dir == "." and path or path .. "/" .. dir:gsub("^%./", "")
end

local function template_files(name)
  if not templates[name] then return { table.unpack(empty_files) } end
  local dir = ("%s/%s/%s"):format(installed.prefix(EXAMPLES), EXAMPLES, templates[name])
  local files = {}
  for _, file in ipairs(new_files.read_folder(dir)) do
    if file.path ~= "README.md" and file.path ~= ".busted" then files[#files + 1] = file end
  end
  return files
end

-- Where a file or folder of this Anzol lies: /usr/bin/../share is told as /usr/share.
local function place_of(path)
  return ((installed.prefix(path) .. "/" .. path):gsub("/[^/]+/%.%./", "/", 1))
end

local function busted_settings()
  local library = place_of("share/lua/5.4/anzol/testing.lua"):match "^(.*)/anzol/"
  local core = place_of("lib/lua/5.4/anzol/core.so"):match "^(.*)/anzol/"
  return BUSTED:format(library .. "/?.lua;" .. library .. "/?/init.lua", core .. "/?.so")
end

function M.run(options, console)
  local files = template_files(options.template)
  local json = require "anzol.native".json
  table.insert(files, { path = "README.md", text = readme(options.dir, files) })
  table.insert(files, { path = ".busted", text = busted_settings() })
  table.insert(files, { path = ".luacheckrc", text = LUACHECKRC })
  table.insert(files, { path = ".luarc.json",
    text = LUARC:format(json.encode(place_of(META)):sub(2, -2):gsub("%%", "%%%%")) })
  table.insert(files, { path = "anzol.service", text = unit.text(whole_path(options.dir),
    require "anzol.native".program(), secrets_of(files)) })
  new_files.write(options.dir, files)
  new_files.print(options.dir, files, console)
  console:say("next: cd %s && anzol check && anzol test", options.dir)
  return 0
end

return M
