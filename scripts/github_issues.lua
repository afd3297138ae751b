-- Issues of the same GitHub source, forwarded byte for byte, with a retry policy written in Lua.
--
-- Secret: RECEIVER_SECRET, as in github.lua.
-- Environment:
--   TRACKER_URL  where issues go; default http://127.0.0.1:9000/issues
local anzol = require "anzol"

local THREE_DAYS = 3 * 24 * 60 * 60

-- Asked after every attempt that did not succeed. Returns how many seconds to wait, or false and
-- why to give up; nil would mean the default schedule. An error in here means that too: a mistake
-- in a policy never loses a delivery.
local function retry(attempt, delivery)
  local status = attempt.status -- nil when no answer came: attempt.error says why
  if status == 429 or status == 503 then return attempt.retry_after or 60 end
  if status and status >= 400 and status < 500 then return false, "rejected with " .. status end
  if delivery.age > THREE_DAYS then return false, "older than three days" end
  return math.min(2 ^ attempt.number, 600) * (0.75 + math.random() / 2)
end

anzol.endpoint("tracker", {
  url = anzol.env("TRACKER_URL", "http://127.0.0.1:9000/issues"),
  sign = anzol.sign.standard { secret = anzol.secret "RECEIVER_SECRET" },
  retry = retry,
  allow_private = true, -- as in github.lua
})

local wanted = { opened = true, closed = true, reopened = true }

anzol.on("github.issues", {
  filter = function(event) return wanted[event.data.action] end,
}, function(event)
  event:send "tracker" -- no message: the received bytes, unchanged
end)
