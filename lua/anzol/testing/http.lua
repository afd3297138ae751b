-- SPDX-License-Identifier: MIT
-- Calls of anzol.http in a test: each gets the canned answer of the pattern that matches it, or
-- fails the test.
local canned = require "anzol.testing.canned"
local failure = require "anzol.testing.failure"

local Http = {}
Http.__index = Http

local M = {}

local redirects = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }

function M.new(world)
  return setmetatable({ world = world, cans = {}, calls = {} }, Http)
end

-- "GET https://api.example/v1/*" -> "GET", "^https://api%.example/v1/.*$"
local function parse(pattern)
  local method, url = pattern:match "^([^%s:/]+)%s+(%S+)$"
  url = url or pattern
  local escaped = url:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*")
  return method, "^" .. escaped .. "$", url:find("?", 1, true) ~= nil
end

function Http:can(pattern, answer)
  if type(pattern) ~= "string" or not pattern:find "^%u*%s*https?://" then
    failure.raise("t:http takes a URL, as \"https://api.example/v1/*\" or \"POST https://…\"; "
      .. "got %s", tostring(pattern))
  end
  canned.check(answer, ("t:http %q"):format(pattern))
  local method, url, has_query = parse(pattern)
  table.insert(self.cans, 1, { pattern = pattern, method = method, url = url,
    has_query = has_query, answer = answer })
end

local function find(self, request)
  local bare = request.url:match "^[^?]*"
  for _, can in ipairs(self.cans) do
    if (not can.method or can.method == request.method)
      and (can.has_query and request.url or bare):find(can.url) then
      return can
    end
  end
end

local function answer_of(self, request)
  local can = find(self, request)
  if not can then
    self.world:fail(("un-canned call: no t:http answers\n%s"):format(canned.print(request)))
    return { error = "connect", headers = {}, body = "", detail = "nothing was canned for it",
      duration_ms = 0 }
  end
  can.is_used = true
  return canned.realise(can.answer, request, self.world, ("t:http %q"):format(can.pattern))
end

local function location_of(answer)
  for _, header in ipairs(answer.headers) do
    if header[1]:lower() == "location" then return header[2] end
  end
end

-- As the server follows them: what is no GET or HEAD becomes a GET but by 307 and 308.
local function redirect(parts, answer)
  local location = location_of(answer)
  if not redirects[answer.status] or parts.redirects == 0 or not location then return nil end
  local keeps = answer.status == 307 or answer.status == 308 or parts.method == "HEAD"
  return {
    number = parts.number, redirects = parts.redirects - 1, headers = parts.headers,
    timeout_ms = parts.timeout_ms,
    url = location:sub(1, 1) == "/" and parts.url:match "^%a+://[^/?]+" .. location or location,
    method = keeps and parts.method or "GET", body = keeps and parts.body or "",
  }
end

local function answer(self, parts)
  local request = canned.request(parts, self.world)
  table.insert(self.calls, request)
  local result = answer_of(self, request)
  local onward = redirect(parts, result)
  if onward then return answer(self, onward) end
  result.host = parts.url:match "^%a+://([^/:?]+)" or ""
  self.world.timeline:after(result.duration_ms, function()
    self.world:in_force()
    self.world.project:answer_exchange(parts.number, result)
  end)
end

-- Answers what was asked since the last time; false: nothing was.
function Http:answer_all()
  local exchanges = self.world.project:exchanges()
  for _, parts in ipairs(exchanges) do answer(self, parts) end
  return #exchanges > 0
end

function Http:add_unused(lines)
  for _, can in ipairs(self.cans) do
    if not can.is_used then
      lines[#lines + 1] = ("nobody called %s, which t:http answers"):format(can.pattern)
    end
  end
end

return M
