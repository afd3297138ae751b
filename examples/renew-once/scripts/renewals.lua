-- A subscription is renewed: the card is charged, an invoice is made of the charge, the customer is
-- told. Each answer goes into the next call, and none is asked for twice.
--
-- Secrets: SHOP_SECRET, PAYMENTS_KEY, MAIL_SECRET
local anzol = require "anzol"

local http, secret = anzol.http, anzol.secret
local key = secret "PAYMENTS_KEY"

anzol.source("shop", {
  provider = anzol.provider.standard { secret = secret "SHOP_SECRET" },
  type = function(req) return "shop." .. req.json.type end,
})
anzol.endpoint("mail", {
  url = "https://mailer.example/hooks",
  sign = anzol.sign.standard { secret = secret "MAIL_SECRET" },
})

-- The id of what was made; nil and why. The key tells the other side of a second try: the process
-- may end between its answer and our commit.
local function make(kind, fields, idempotency_key)
  local res, err = http.post("https://payments.example/v1/" .. kind, {
    json = fields, auth = { bearer = key },
    headers = { ["Idempotency-Key"] = idempotency_key },
  })
  if not res then return nil, err end
  if not res.ok then return nil, res:error() end
  return assert(res:json()).id
end

anzol.on("shop.subscription.due", { deadline = "1m" }, function(event)
  local due = event.data.data
  local charge = assert(event:step("charge", make, "charges",
    { customer = due.customer, cents = due.cents }, event.id))
  local invoice = assert(event:step("invoice", make, "invoices", { charge = charge }, event.id))
  event:send("mail", { type = "renewed", json = { customer = due.customer, invoice = invoice } })
end)
