-- Meters in the field sign in a way of their own: hex HMAC-SHA256 over device, counter and body, with
-- a key that is derived for each device. No provider knows that; a function does.
--
-- Secrets: METER_MASTER_KEY, READINGS_SECRET
local anzol = require "anzol"

local crypto = anzol.crypto
local master = anzol.secret "METER_MASTER_KEY"

local function key_of(device)
  return crypto.hmac("sha256", master, device)
end

anzol.source("meters", {
  verify = function(req)
    local device, counter = req.headers["x-device"], req.headers["x-counter"]
    if not device or not counter then return false, "X-Device or X-Counter is missing" end
    local wanted = crypto.hmac("sha256", key_of(device), device .. "\n" .. counter .. "\n" .. req.body,
      "hex")
    if crypto.equal(wanted, req.headers["x-signature"] or "") then return true end
    return false, "the signature of " .. device .. " is wrong"
  end,
  type = "meter.reading",
  -- A meter never counts backwards: the same counter is the same reading, sent again.
  idempotency_key = function(req) return req.headers["x-device"] .. "#" .. req.headers["x-counter"] end,
})

anzol.endpoint("readings", {
  url = "https://readings.example/in",
  sign = anzol.sign.standard { secret = anzol.secret "READINGS_SECRET" },
})

anzol.on("meter.reading", function(event)
  event:send("readings", { json = { device = event.headers["x-device"], kwh = event.data.kwh } })
end)
