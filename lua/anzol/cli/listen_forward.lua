-- SPDX-License-Identifier: MIT
-- A request that came to a server, sent to a program of one's own as it came.
local client = require "anzol.cli.client"
local failure = require "anzol.cli.failure"

local M = {}

local TIMEOUT_MS = 30000

-- Of the connection between sender and server.
local of_connection = { host = true, ["content-length"] = true, ["transfer-encoding"] = true,
  connection = true, expect = true }

-- { url, keeps_path: only a port was said, skips_verify }.
function M.target(options)
  local text = options.forward_to
  if text:find "^%d+$" and tonumber(text) > 0 and tonumber(text) < 65536 then
    return { url = "http://127.0.0.1:" .. text, keeps_path = true }
  end
  if not text:find "^https?://[^/]" then
    failure.raise(failure.USAGE,
      "--forward-to %s: a port (3000) or a URL (http://localhost:3000/hooks)", text)
  end
  return { url = text, skips_verify = options.skip_verify }
end

-- The sender's method and query; its path too, where only a port is said.
local function url_of(target, request)
  local url = target.keeps_path and target.url .. (client.plain(request.path) or "/") or target.url
  local query = client.plain(request.query)
  if not query then return url end
  return url .. (url:find("?", 1, true) and "&" or "?") .. query
end

local function headers_of(request)
  local rows = {}
  for _, header in ipairs(request.headers) do
    if not of_connection[header.name:lower()] then
      rows[#rows + 1] = { header.name, header.value }
    end
  end
  return rows
end

-- The request that brought an event, as the API tells it. nil: it was not received but made by the
-- server itself, is gone, or (broken off) an interrupt came.
function M.request_of(options, console, id)
  local answer = client.request(options, console,
    { path = ("/api/v1/event/%s/request"):format(client.escape_part(id)),
      query = { { "secrets", "true" } }, accept = { [404] = true } })
  local request = answer and answer.status == 200 and client.decode(answer)
  return request and client.plain(request.method) and request
end

-- Sends it once: { status?, error?, durationMs, may_pass?: nobody was there to take it }.
function M.send(target, request)
  local native = require "anzol.native"
  local body = client.bytes(request.body, request.bodyEncoding)
  local started_ms = native.mono_ms()
  local answer, err, kind = native.fetch { method = request.method, url = url_of(target, request),
    headers = headers_of(request), body = body, timeout_ms = TIMEOUT_MS,
    skips_verify = target.skips_verify }
  local result = { durationMs = native.mono_ms() - started_ms }
  if answer then
    result.status = answer.status
  else
    result.error, result.may_pass = err, kind ~= "busy"
  end
  return result
end

function M.is_success(result)
  return result.status ~= nil and result.status >= 200 and result.status < 300
end

return M
