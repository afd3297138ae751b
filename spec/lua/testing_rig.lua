-- SPDX-License-Identifier: MIT
-- Projects in temporary folders and tests of them, for the specs of anzol.testing.
local files = require "support.files"
local testing = require "anzol.testing"

local M = { dirs = {} }

local PREAMBLE = 'local anzol = require "anzol" '
local open = {}

-- A folder with these files; removed by M.finish.
function M.project(contents)
  local dir = files.temp_dir()
  table.insert(M.dirs, dir)
  for path, text in pairs(contents) do
    if path:find "%.lua$" and not path:find "^anzol" then text = PREAMBLE .. text end
    files.write(dir .. "/" .. path, text)
  end
  return dir
end

-- A test of one script, with the source "in" that takes everything and the endpoint "out".
function M.test(script, options)
  options = options or {}
  options.dir = M.project { ["scripts/main.lua"] = [[
    anzol.source("in", { verify = anzol.verify.none(),
      type = function(req) return req.json.type end,
      idempotency_key = function(req) return req.json.key end })
    anzol.endpoint("out", { url = "https://out.example/in", sign = false,
      retry = anzol.backoff.constant { base = "10s", attempts = 3, jitter = "none" } })
  ]] .. script }
  local t = testing.new(options)
  table.insert(open, t)
  return t
end

-- What sends the event "a" on.
M.forward = 'anzol.on("a", function(event) event:send("out") end)'

-- The error that a call raises.
function M.message_of(fn, ...)
  local ok, err = pcall(fn, ...)
  assert(not ok, "nothing was raised")
  return err
end

-- After each spec.
function M.finish()
  for _, t in ipairs(open) do pcall(t.close, t) end
  for _, dir in ipairs(M.dirs) do files.remove(dir) end
  open, M.dirs = {}, {}
end

return M
