-- SPDX-License-Identifier: MIT
-- What the specs of the admin listener stand on: the listener before a real store, and requests to it.
local api = require "anzol_test.api"
local files = require "support.files"
local http = require "support.http"
local json = require "dkjson"

local M = { TOKEN = "a-token-of-the-specs" }

local dir, rig, port

-- The rig, its port, its folder; with the options of anzol_test.api's open.
function M.open(options)
  dir = files.temp_dir()
  options = options or {}
  options.store = dir .. "/anzol.db"
  options.socket = dir .. "/anzol.sock"
  rig, port = api.open(options)
  return rig, port, dir
end

function M.close()
  api.real()
  if rig then rig:close() end
  rig = nil
  files.remove(dir)
end

-- The rig was closed by the spec itself.
function M.forget() rig = nil end

-- Decoded body, status, headers.
function M.request(method, path, headers, body)
  local answer = assert(http.request { port = port, method = method, path = path, body = body,
    headers = headers or { Authorization = "Bearer " .. M.TOKEN } })
  return json.decode(answer.body), answer.status, answer.headers
end

function M.get(path) return M.request("GET", path) end

function M.post(path, headers)
  headers = headers or {}
  headers.Authorization = "Bearer " .. M.TOKEN
  headers["Content-Type"] = headers["Content-Type"] or "application/json"
  return M.request("POST", path, headers, "{}")
end

return M
