-- What the poll found, as signed webhooks.
local anzol = require "anzol"

anzol.endpoint("crm", {
  url = "https://crm.example/hooks/tickets",
  sign = anzol.sign.standard { secret = anzol.secret "CRM_SECRET" },
  order_by = function(message) return tostring(message.json.id) end, -- the changes of a ticket in order
})

anzol.on("ticket.*", function(event)
  event:send("crm", { type = event.type, json = event.data })
end)
