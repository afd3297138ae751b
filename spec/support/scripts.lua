-- SPDX-License-Identifier: MIT
-- Script texts for the projects of the system specs. $URL is the receiver.
local M = {}

local function fill(text, receiver)
  return (text:gsub("%$URL", (receiver:url "")))
end

M.github_secret = "a secret that GitHub knows"
M.out_secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
M.secrets = { GITHUB = M.github_secret, OUT = M.out_secret }

-- Puts the receiver into a script text.
function M.with(receiver, text)
  return { ["main.lua"] = 'local anzol = require "anzol"\n' .. fill(text, receiver) }
end

-- A signed source whose events go, by number, to one to four places: forwarded always, a new body
-- for every third, one more unsigned for every fourth, through a second event for every fifth.
function M.mixed(receiver)
  return M.with(receiver, [[
anzol.source("github", { provider = anzol.provider.github { secret = anzol.secret "GITHUB" } })
local retry = anzol.backoff.constant { base = "100ms", attempts = 10000 }
local standard = anzol.sign.standard { secret = anzol.secret "OUT" }
local function endpoint(name, sign)
  anzol.endpoint(name, { url = "$URL/" .. name, sign = sign, retry = retry, allow_private = true })
end
endpoint("forwarded", standard)
endpoint("new", standard)
endpoint("bare", false)
endpoint("chained", standard)
anzol.on("github.push", function(event)
  local data = event.data
  event:send "forwarded"
  if data.number % 3 == 0 then event:send("new", { json = { key = data.key } }) end
  if data.number % 4 == 0 then event:send("bare") end
  if data.number % 5 == 0 then event:emit("chain.step", { key = data.key }) end
end)
anzol.on("chain.step", function(event) event:send("chained", { json = event.data }) end)
]])
end

-- Where a webhook of M.mixed must arrive.
function M.mixed_paths(number)
  local paths = { "/forwarded" }
  if number % 3 == 0 then paths[#paths + 1] = "/new" end
  if number % 4 == 0 then paths[#paths + 1] = "/bare" end
  if number % 5 == 0 then paths[#paths + 1] = "/chained" end
  return paths
end

M.mixed_forwarded = { "/forwarded", "/bare" }

return M
