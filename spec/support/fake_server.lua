-- SPDX-License-Identifier: MIT
-- The command line (lua/anzol/cli) over faked natives and a server that answers what it is told to.
-- Specs change native, answers, environment and is_terminal; reset makes them what they were.
local dkjson = require "dkjson"

local M = { native = {} }

package.loaded["anzol.native"] = M.native

local function fetch(request)
  table.insert(M.requests, request)
  local answer = table.remove(M.answers, 1)
  if not answer then return nil, "connection refused", "notfound" end
  if answer.error then return nil, answer.error, "busy" end
  return { status = answer.status or 200, headers = {},
    body = answer.body or dkjson.encode(answer.json) }
end

-- requests: what was asked for. answers: { json | body, status?=200 } or { error }, in turn; without
-- one nobody is there.
function M.reset()
  local native, now = M.native, 0
  for name in pairs(native) do native[name] = nil end
  M.requests, M.answers, M.environment, M.is_terminal = {}, {}, {}, false
  native.version = "1.2.3"
  native.json = {
    null = dkjson.null,
    decode = function(text)
      local value, _, err = dkjson.decode(text, 1, dkjson.null)
      return value, err
    end,
    encode = function(value) return dkjson.encode(value) end,
    array = function(list) return setmetatable(list, { __jsontype = "array" }) end,
  }
  native.isatty = function() return false end
  native.now_ms = function()
    now = now + 7
    return now
  end
  native.mono_ms = native.now_ms
  native.sleep_ms = function(ms) now = now + ms end
  native.settings = function() return {} end
  native.check_settings = function() end
  native.files = function() return nil, "not there" end
  native.fetch = fetch
end

-- Runs a command line: exit code, standard output, standard error.
function M.run(...)
  local out, err = {}, {}
  local code = require "anzol.cli".main({ [0] = "anzol", ... }, {
    out = function(text) out[#out + 1] = text end,
    err = function(text) err[#err + 1] = text end,
    is_terminal = M.is_terminal,
  })
  return code, table.concat(out), table.concat(err)
end

local real_getenv = os.getenv

-- For setup and teardown: between them commands see only what environment holds of ours.
-- luacheck: push ignore 122
function M.open()
  os.getenv = function(name)
    if M.environment[name] ~= nil then return M.environment[name] end
    if name:find "^ANZOL_" or name == "NO_COLOR" or name == "STATE_DIRECTORY" then return nil end
    return real_getenv(name)
  end
end

function M.close() os.getenv = real_getenv end
-- luacheck: pop

return M
