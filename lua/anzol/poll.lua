-- SPDX-License-Identifier: MIT
-- poll:get(url, options): anzol.http.get that asks only for what is new, and goes by what the
-- source says of how it wants to be asked.
local anzol = require "anzol.core"
local note = require "anzol.poll_note"

local KEPT = "7d" -- what is not seen again for so long is forgotten
local LONG_TIMEOUT = "5m"

-- What the source called its last answer, by poll and URL: durable with the run that took it.
local function key_of(name, url, query)
  local text = type(url) == "string" and url or url:reveal()
  if type(query) == "table" then query = anzol.url.encode_query(query) end
  return name .. " " .. anzol.crypto.hash("sha256", text .. "?" .. (query or ""), "hex")
end

local function copy(t)
  local result = {}
  for key, value in pairs(t or {}) do result[key] = value end
  return result
end

local function has(headers, wanted)
  for name in pairs(headers) do
    if tostring(name):lower() == wanted then return true end
  end
  return false
end

return function(poll, url, options)
  if type(url) ~= "string" and not pcall(function() return url:reveal() end) then
    error("poll:get takes a URL, a string or a secret, got " .. type(url), 2)
  end
  options = copy(options)
  options.headers = copy(options.headers)
  local is_long = note(poll)
  if is_long and options.timeout == nil then options.timeout = LONG_TIMEOUT end
  local kept = anzol.kv "anzol.poll"
  local key = key_of(poll.name, url, options.query)
  local known = kept:get(key) or {}
  if known.etag and not has(options.headers, "if-none-match") then
    options.headers["If-None-Match"] = known.etag
  end
  if known.modified and not has(options.headers, "if-modified-since") then
    options.headers["If-Modified-Since"] = known.modified
  end
  local res, err = anzol.http.get(url, options)
  if not res then return nil, err end
  note(poll, res)
  local etag, modified = res.headers.etag, res.headers["last-modified"]
  local is_new = etag ~= known.etag or modified ~= known.modified
  if res.ok and (etag or modified) and is_new then
    kept:set(key, { etag = etag, modified = modified }, { ttl = KEPT })
  elseif res.ok and not etag and not modified and next(known) then
    kept:delete(key)
  end
  return res
end
