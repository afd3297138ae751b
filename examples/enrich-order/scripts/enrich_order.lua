local anzol = require "anzol"

local http, json = anzol.http, anzol.json
local geo = anzol.breaker("geo-api", { failures = 5, window = "30s", cooldown = "1m" })
anzol.endpoint("fulfilment", { url = "https://fulfil.example/in",
  sign = anzol.sign.standard { secret = anzol.secret "FULFIL_SECRET" } })
anzol.on("shop.order.created", { deadline = "15s", concurrency = 20 }, function(event)
  local order = event.data
  local res, err = geo:call(http.get, "https://geo.example/v1/" .. http.escape(order.ip), { timeout = "2s" })
  order.geo = res and res.ok and res:json() or json.null
  if not res then event.log.warn("geo lookup skipped", { code = err.code }) end   -- "circuit_open", "timeout"…
  event:send("fulfilment", { json = order })
end)
