-- SPDX-License-Identifier: MIT
-- A sweep for secrets: one random word for each place that takes one, and a look for all of them, in any
-- spelling, at whatever a server answers, logs, writes and its commands print.
local cli = require "support.cli"
local files = require "support.files"
local json = require "dkjson"
local lfs = require "lfs"
local resources = require "support.resources"

local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local letters = "abcdefghijklmnopqrstuvwxyz0123456789"

local M = {}

function M.hex(text) return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end
local hex = M.hex

-- Of whole groups of three bytes: what stands there wherever the secret began.
local function base64(text)
  local out = {}
  for a, b, c in text:gmatch "(.)(.)(.)" do
    local n = a:byte() << 16 | b:byte() << 8 | c:byte()
    for shift = 18, 0, -6 do
      local at = (n >> shift & 63) + 1
      out[#out + 1] = alphabet:sub(at, at)
    end
  end
  return table.concat(out)
end

local function spellings(word)
  return { word, word:upper(), hex(word), hex(word):upper(), base64(word), base64(word:sub(2)),
    base64(word:sub(3)) }
end

local Sweep = {}
Sweep.__index = Sweep

-- words: [place] = word. told: "where: place" of each that was found.
function M.new() return setmetatable({ words = {}, told = {} }, Sweep) end

-- A word for a place, which stands nowhere else.
function Sweep:secret(place)
  local word = {}
  for i = 1, 40 do
    local at = math.random(#letters)
    word[i] = letters:sub(at, at)
  end
  self.words[place] = table.concat(word)
  return self.words[place]
end

-- The places whose secret stands in the text, in any spelling.
function Sweep:leaks(text)
  local found = {}
  for place, word in pairs(self.words) do
    for _, spelling in ipairs(spellings(word)) do
      if text:find(spelling, 1, true) then
        found[#found + 1] = place
        break
      end
    end
  end
  table.sort(found)
  return found
end

function Sweep:look(where, text)
  for _, place in ipairs(self:leaks(text or "")) do self.told[#self.told + 1] = where .. ": " .. place end
end

-- Every GET of the API, with every id of events, deliveries and attempts that there is, and the ids given by the
-- name of a path's parameter. Gives how many were answered 200.
function Sweep:answers(server, ids)
  local call = resources(server)
  local all = { id = {} }
  for name, list in pairs(ids) do all[name] = list end
  for _, list in ipairs { "event", "delivery", "attempt" } do
    for _, row in ipairs(server:list("/api/v1/" .. list)) do
      all[list] = all[list] or {}
      table.insert(all[list], row.id)
    end
  end
  local seen = 0
  for path, methods in pairs((server:get "/api/v1/openapi.json").paths) do
    if methods.get and not path:find "/secret$" and not path:find "/stream$" then
      local name = path:match "{(%w+)}$" or path:match "{(%w+)}/[^{]*$"
      local kind = path:match "/api/v1/([%w-]+)/{id}"
      local plain = path:gsub("{app}", (ids.app or { "none" })[1])
      for _, id in ipairs(name and (all[kind] or all[name]) or { "" }) do
        local _, status, body = call("GET", (plain:gsub("{%w+}", id):gsub("^/api/v1", "")))
        seen = seen + (status == 200 and 1 or 0)
        self:look(path .. " " .. id, body)
      end
    end
  end
  return seen
end

-- Commands that show something, and those given.
function Sweep:commands(server, more)
  local commands = { "status", "health", "events list", "events list -o json", "deliveries list", "attempts list",
    "dead list", "endpoints list", "queues", "polls", "crons", "tasks list", "secrets status", "token list",
    "replay --since 1h --dry-run", "check", "reload", table.unpack(more or {}) }
  for _, row in ipairs(server:list "/api/v1/event") do commands[#commands + 1] = "events show " .. row.id end
  for _, row in ipairs(server:list "/api/v1/delivery") do
    commands[#commands + 1] = "deliveries show " .. row.id
    if row.state == "dead" then commands[#commands + 1] = "dead show " .. row.id end
  end
  for _, command in ipairs(commands) do
    local arguments = { "-v" }
    for word in command:gmatch "%S+" do arguments[#arguments + 1] = word end
    local result = cli.ask(server, arguments)
    self:look("anzol " .. command, result.output .. result.errors)
  end
end

-- Each file that the server wrote: f(name, bytes).
local function each_file(server, f)
  f("the log", files.read(server.log_path))
  for name in lfs.dir(server.state_dir) do
    local path = server.state_dir .. "/" .. name
    if lfs.attributes(path, "mode") == "file" then f("the file " .. name, files.read(path)) end
  end
end

-- All that the server wrote so far: its log, and every file of its state.
function Sweep:files(server)
  each_file(server, function(name, bytes) self:look(name, bytes) end)
end

-- The id of the key that seals, and how many another or none sealed.
function M.key(server)
  local secrets = (server:get "/api/v1/secrets")
  local others = secrets.plain
  local current
  for _, key in ipairs(secrets.keys) do
    if key.isCurrent then current = key.id else others = others + key.secrets end
  end
  return current, others, json.encode(secrets)
end

-- How often something that the key of this id sealed lies in the files of the state.
function M.sealed_by(server, id)
  local bytes, count = id:gsub("..", function(pair) return string.char(tonumber(pair, 16)) end), 0
  each_file(server, function(name, text)
    if name == "the log" then return end
    local at = 0
    repeat
      at = text:find(bytes, at + 1, true)
      count = count + (at and 1 or 0)
    until not at
  end)
  return count
end

return M
