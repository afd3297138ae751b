-- A relay: what comes in goes on to several machines, byte for byte, signed anew.
--
-- Secrets: UPSTREAM_SECRET (what the sender signs with), RELAY_SECRET (what the receivers check)
local anzol = require "anzol"

anzol.source("upstream", {
  provider = anzol.provider.standard { secret = anzol.secret "UPSTREAM_SECRET" },
  type = function(req) return "upstream." .. req.json.type end,
})

for _, region in ipairs { "eu", "us" } do
  anzol.endpoint("relay-" .. region, {
    url = ("https://%s.internal.example/hooks"):format(region),
    sign = anzol.sign.standard { secret = anzol.secret "RELAY_SECRET" },
    headers = { ["X-Region"] = region },
    retry = anzol.backoff.exponential { base = "1s", max = "10m", max_age = "2d" },
  })
end

anzol.on("upstream.**", function(event)
  event:send { "relay-eu", "relay-us" } -- no message: the received bytes
end)
