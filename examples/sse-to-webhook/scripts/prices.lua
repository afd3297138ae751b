-- A stream of server-sent events as signed webhooks: only what changed by more than a cent.
local anzol = require "anzol"

anzol.endpoint("shop", {
  url = "https://shop.example/hooks/prices",
  sign = anzol.sign.standard { secret = anzol.secret "SHOP_SECRET" },
  order_by = function(message) return message.json.sku end, -- the prices of an article in order
})

anzol.sse("prices", {
  url = "https://prices.example/stream",
  auth = { bearer = anzol.secret "PRICES_TOKEN" },
  timeout = "2m", -- the source sends a comment each minute
}, function(message)
  if message.type ~= "price" then return end
  local price, known = message.json, anzol.kv "prices"
  local last = known:get(price.sku)
  if last and math.abs(price.cents - last) <= 1 then return end
  known:set(price.sku, price.cents)
  message:emit("price.changed", { sku = price.sku, cents = price.cents, was = last })
end)

anzol.on("price.changed", function(event) event:send("shop", { json = event.data }) end)
