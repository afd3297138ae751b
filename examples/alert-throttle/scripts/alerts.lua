-- The same alert pages nobody twice within an hour; the next page says how many were held back.
--
-- Secrets: MONITORING_SECRET, PAGER_SECRET
local anzol = require "anzol"

local seen = anzol.kv "alerts-seen"   -- fingerprint -> true, for an hour
local held = anzol.kv "alerts-held"   -- fingerprint -> how many since then

anzol.source("monitoring", {
  verify = anzol.verify.hmac { secret = anzol.secret "MONITORING_SECRET", header = "X-Signature" },
  type = "alert",
})

anzol.endpoint("pager", {
  url = "https://pager.example/alerts",
  sign = anzol.sign.hmac { secret = anzol.secret "PAGER_SECRET", header = "X-Signature" },
})

anzol.on("alert", function(event)
  local alert = event.data
  local fingerprint = alert.service .. "/" .. alert.name
  if seen:get(fingerprint) then
    held:incr(fingerprint)
    return -- a skip would take the count back
  end
  seen:set(fingerprint, true, { ttl = "1h" })
  alert.held_back = held:get(fingerprint) or 0
  held:delete(fingerprint)
  event:send("pager", { json = alert })
end)
