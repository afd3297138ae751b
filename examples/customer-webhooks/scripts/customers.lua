-- Webhooks for the customers of a product. Each customer is an application of the API and registers
-- the endpoints that it wants; the product publishes what happened to one of them. What no handler
-- here takes goes to all endpoints that want its type and channels; these are the exceptions.
local anzol = require "anzol"

-- Invoices go out without what is nobody else's business, and not for nothing. Those of test mode go
-- to endpoints that say so in their metadata (mode = "test"), all others to the rest; and an endpoint
-- may ask for large ones only (min_amount = "1000").
anzol.on("api.invoice.**", function(event)
  local invoice = event.data
  if invoice.amount == 0 then return anzol.skip "nothing to pay" end
  local mode = invoice.test == true and "test" or "live"
  event:publish {
    payload = { id = invoice.id, amount = invoice.amount, currency = invoice.currency },
    endpoints = function(endpoint)
      local wanted = endpoint.metadata
      return (wanted.mode or "live") == mode
        and invoice.amount >= (tonumber(wanted.min_amount) or 0)
    end,
  }
end)

-- What the product tells itself is no customer's: without event:publish it goes nowhere.
anzol.on("api.internal.**", function(event)
  event.log.info("kept to ourselves", { type = event.type, customer = event.application })
  return anzol.skip "internal"
end)

-- metadata transform = "slack": a chat that takes texts and no JSON of ours.
anzol.transform("slack", function(message)
  local invoice = message.json
  message.json = { text = ("%s %s: %.2f %s"):format(message.type, invoice.id, invoice.amount / 100,
    invoice.currency) }
  return message
end)

-- metadata transform = "thin": the receiver asks for the rest itself, with a token of its own.
anzol.transform("thin", function(message)
  message.json = { type = message.type, id = message.json.id }
  return message
end)
