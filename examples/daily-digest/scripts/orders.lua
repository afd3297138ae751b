-- Something that can fail, to be told of.
local anzol = require "anzol"

anzol.source("orders", {
  verify = anzol.verify.bearer { secret = anzol.secret "ORDERS_TOKEN" }, type = "order.created",
})

anzol.endpoint("shop", {
  url = "https://shop.example/hooks", sign = false,
  retry = anzol.backoff.constant { base = "10s", attempts = 2 },
})

anzol.on("order.*", function(event) event:send "shop" end)
