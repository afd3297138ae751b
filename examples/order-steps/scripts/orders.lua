-- An order is three steps that know nothing of each other: stock, mail, accounts. Each is an event of
-- its own, so that a step that fails runs again alone.
--
-- Secrets: SHOP_SECRET, STOCK_SECRET, MAIL_SECRET, ACCOUNTS_SECRET
local anzol = require "anzol"

local secret = anzol.secret

anzol.source("shop", {
  provider = anzol.provider.standard { secret = secret "SHOP_SECRET" },
  type = function(req) return "shop." .. req.json.type end,
})

local function endpoint(name, host)
  anzol.endpoint(name, {
    url = ("https://%s.example/hooks"):format(host),
    sign = anzol.sign.standard { secret = secret(name:upper() .. "_SECRET") },
  })
end
endpoint("stock", "warehouse")
endpoint("mail", "mailer")
endpoint("accounts", "books")

anzol.on("shop.order.placed", function(event)
  local order = event.data.data
  for _, item in ipairs(order.items) do
    -- The key makes a second event of the same item impossible, whoever emits it.
    event:emit("stock.reserve", item, { idempotency_key = order.id .. "/" .. item.sku })
  end
  event:emit("mail.confirm", { to = order.mail, order = order.id })
  event:emit("accounts.book", { order = order.id, cents = order.cents })
end)

anzol.on("stock.reserve", function(event)
  if event.data.count <= 0 then error("an item without a count: " .. event.data.sku) end
  event:send("stock", { type = "reserve", json = event.data })
end)

anzol.on("mail.confirm", function(event)
  if event:get "to" == nil then return anzol.skip "the customer gave no address" end
  event:send("mail", { type = "confirm", json = event.data })
end)

anzol.on("accounts.book", function(event)
  event:send("accounts", { type = "book", json = event.data })
end)
