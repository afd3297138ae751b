-- SPDX-License-Identifier: MIT
-- Canned answers: what a spec lets the other side say. An answer is a status, or a table { status,
-- headers, json | body } or { error = "timeout" }, or a function of the request that returns one.
-- after = Duration lets it take that long; past the caller's timeout it is a timeout.
local duration = require "anzol.testing.duration"
local failure = require "anzol.testing.failure"
local headers = require "anzol.testing.headers"

local M = {}

local answer_names = { "status", "headers", "json", "body", "error", "detail", "after" }
local error_names = {
  "timeout", "connect", "dns", "tls", "reset", "blocked_address", "protocol", "auth",
}

local function check_error(name, what)
  for _, known in ipairs(error_names) do
    if name == known then return end
  end
  failure.raise("%s: error = %q is none an attempt can have%s", what, tostring(name),
    failure.known(error_names))
end

-- Raises for what is no answer.
function M.check(answer, what)
  if type(answer) == "function" then return end
  if math.type(answer) == "integer" then answer = { status = answer } end
  failure.check_options(answer, answer_names, what)
  if answer.after ~= nil then duration(answer.after, what .. ": after") end
  if answer.error ~= nil then return check_error(answer.error, what) end
  local status = answer.status or 200
  if math.type(status) ~= "integer" or status < 200 or status > 599 then
    failure.raise("%s: status is an integer from 200 to 599, got %s", what, tostring(status))
  end
end

local function fail(name, detail, after_ms)
  return { error = name, headers = {}, body = "", detail = detail, duration_ms = after_ms }
end

-- The exchange that an answer stands for: { status, error, headers = list, body, detail,
-- duration_ms }.
function M.realise(answer, request, world, what)
  if type(answer) == "function" then
    answer = answer(request)
    M.check(answer, what .. ", what the function returned")
  end
  if type(answer) == "number" then answer = { status = answer } end
  local after_ms = answer.after and duration(answer.after, what .. ": after") or 0
  if after_ms > request.timeout_ms then
    return fail("timeout", "canned: an answer past the timeout", request.timeout_ms)
  elseif answer.error then
    return fail(answer.error, answer.detail or ("canned: %s"):format(answer.error), after_ms)
  end
  local list = headers.list(answer.headers, what)
  local body = answer.body or ""
  if answer.json ~= nil then
    body = world:encode(answer.json)
    list = headers.merge({ { "Content-Type", "application/json" } }, list)
  end
  return { status = answer.status or 200, headers = list, body = body, detail = "",
    duration_ms = after_ms }
end

-- The request as it would go over the wire.
function M.print(request)
  local lines = { ("%s %s"):format(request.method, request.url) }
  for _, header in ipairs(request.header_list) do
    lines[#lines + 1] = ("%s: %s"):format(header[1], header[2])
  end
  if request.body ~= "" then
    lines[#lines + 1] = ""
    lines[#lines + 1] = request.body
  end
  return (table.concat(lines, "\n"):gsub("[^\n]+", "  %0"))
end

-- A request for people: json is decoded when it is asked for.
local request_meta = {
  __index = function(request, key)
    if key ~= "json" or request.body == "" then return nil end
    local value = request.world:decode(request.body, "the request's body")
    rawset(request, "json", value)
    return value
  end,
}

function M.request(parts, world)
  return setmetatable({
    url = parts.url, method = parts.method, headers = headers.table(parts.headers),
    header_list = parts.headers, body = parts.body, raw_body = parts.raw_body,
    timeout_ms = parts.timeout_ms, world = world,
  }, request_meta)
end

return M
