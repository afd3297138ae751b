-- Orders of a Shopify shop: the paid ones go to the warehouse, refunds to the accounts.
--
-- Secrets: SHOPIFY_SECRET (the app's client secret), WAREHOUSE_SECRET, ACCOUNTS_SECRET
local anzol = require "anzol"

local secret = anzol.secret

anzol.source("shopify", {
  provider = anzol.provider.shopify { secret = secret "SHOPIFY_SECRET" },
})

anzol.endpoint("warehouse", {
  url = "https://warehouse.example/pick",
  sign = anzol.sign.standard { secret = secret "WAREHOUSE_SECRET" },
})
anzol.endpoint("accounts", {
  url = "https://accounts.example/shopify",
  sign = anzol.sign.standard { secret = secret "ACCOUNTS_SECRET" },
})

anzol.on("shopify.orders.paid", function(event)
  local lines = anzol.json.array {}
  for _, item in ipairs(event.data.line_items) do
    if item.requires_shipping == true then
      lines[#lines + 1] = { sku = item.sku, count = item.quantity }
    end
  end
  if #lines == 0 then return anzol.skip "nothing to ship" end
  event:send("warehouse", { json = { order = event.data.name, lines = lines } })
end)

anzol.on("shopify.refunds.create", function(event)
  event:send("accounts") -- the received bytes
end)
