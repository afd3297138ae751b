-- SPDX-License-Identifier: MIT
-- Keys that senders publish: fetched when they are first needed, then kept for an hour for all
-- workers. Waits.
local anzol = require "anzol.core"

local M = {}

local NAMESPACE = "anzol.keys"
local TTL = "1h"
local MAX_BODY = "64KiB"
local TIMEOUT = "2s"
local URL_BYTES_MAX = 400
local FRESH_AFTER = "1m" -- or anybody could have a sender's server asked at will

-- What read(body) makes of the answer: value | nil, reason. is_fresh: not from memory, unless that
-- was asked for a moment ago.
function M.get(url, read, is_fresh)
  if #url > URL_BYTES_MAX then return nil, "the URL of the key is too long" end
  local cache = anzol.cache(NAMESPACE)
  if is_fresh then is_fresh = cache:add("fresh " .. url, true, { ttl = FRESH_AFTER }) end
  local body = not is_fresh and cache:get(url)
  if body then return read(body) end
  local answer, err = anzol.http.get(url, { timeout = TIMEOUT, max_body = MAX_BODY })
  if not answer then return nil, tostring(err) end
  if answer.status ~= 200 then return nil, ("%s answered %d"):format(url, answer.status) end
  local value, why = read(answer.body)
  if value == nil then return nil, why end
  cache:set(url, answer.body, { ttl = TTL })
  return value
end

-- A certificate in PEM, as anzol.crypto.rsa_verify takes it.
function M.certificate(url)
  return M.get(url, function(body)
    local from = body:find("-----BEGIN CERTIFICATE-----", 1, true)
    local _, to = body:find("-----END CERTIFICATE-----", from or 1, true)
    if not from or not to then return nil, url .. " holds no certificate" end
    return body:sub(from, to)
  end)
end

return M
