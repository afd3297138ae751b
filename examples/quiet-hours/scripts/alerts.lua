-- Alerts of the monitoring go to a pager. At night (22:00 to 07:00 UTC) only what is critical does;
-- the rest waits until the morning. An alert that was resolved meanwhile is not sent at all.
--
-- Secrets: MONITORING_SECRET, PAGER_SECRET
local anzol = require "anzol"

local HOUR_MS = 3600 * 1000
local NIGHT, MORNING = 22, 7

anzol.source("monitoring", {
  verify = anzol.verify.hmac { secret = anzol.secret "MONITORING_SECRET", header = "X-Signature" },
  type = function(req) return "alert." .. req.json.severity end,
  idempotency_key = function(req) return req.json.id end,
})

anzol.endpoint("pager", {
  url = "https://pager.example/alerts",
  sign = anzol.sign.hmac { secret = anzol.secret "PAGER_SECRET", header = "X-Signature" },
  -- What is old news in the morning is for a chart, not for a pager.
  transform = function(message)
    local until_ms = message.json.until_ms
    if math.type(until_ms) == "integer" and until_ms < anzol.time.now() then
      return anzol.skip "over by itself"
    end
  end,
})

-- Seconds until the morning; 0 by day.
local function night_left()
  local now_ms = anzol.time.now()
  local hour = now_ms // HOUR_MS % 24
  if hour >= MORNING and hour < NIGHT then return 0 end
  local days = now_ms // (24 * HOUR_MS) + (hour >= NIGHT and 1 or 0)
  return (days * 24 * HOUR_MS + MORNING * HOUR_MS - now_ms) / 1000
end

anzol.on("alert.critical", function(event) event:send("pager") end)

anzol.on({ "alert.warning", "alert.info" }, function(event)
  event:send("pager", { json = event.data }, { delay = night_left() })
end)
