-- Text messages go out by a gateway that takes two a second and answers with an id of its own. What
-- it took becomes an event, so that others can follow.
--
-- Secrets: APP_SECRET, GATEWAY_TOKEN, AUDIT_SECRET
local anzol = require "anzol"

local token = anzol.secret "GATEWAY_TOKEN"
local gateway = anzol.limiter("sms-gateway", "2/s") -- one for all workers and handlers

anzol.source("app", {
  provider = anzol.provider.standard { secret = anzol.secret "APP_SECRET" },
})

anzol.endpoint("audit", {
  url = "https://audit.example/sms",
  sign = anzol.sign.standard { secret = anzol.secret "AUDIT_SECRET" },
})

anzol.on("sms.requested", { deadline = "30s" }, function(event)
  local is_free, err = gateway:take(1, { wait = true })
  if not is_free then return anzol.retry_later(err.retry_after) end -- longer than this run may last
  local res = assert(anzol.http.post("https://gateway.example/messages", {
    json = { to = event.data.to, text = event.data.text },
    auth = { bearer = token },
    -- A run that is made again asks for the same message, not for a second one.
    headers = { ["Idempotency-Key"] = event.id },
  }))
  if not res.ok then error(res:error()) end
  event:emit("sms.sent", { to = event.data.to, gateway_id = assert(res:json()).id })
end)

anzol.on("sms.sent", function(event) event:send("audit", { json = event.data }) end)
