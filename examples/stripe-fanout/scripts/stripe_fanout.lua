local anzol = require "anzol"

local backoff, sign, secret = anzol.backoff, anzol.sign, anzol.secret
anzol.source("stripe", {
  path   = "/in/stripe",
  verify = anzol.verify.stripe { secret = secret "STRIPE_WEBHOOK_SECRET", tolerance = "5m" },
  type   = function(req) return "stripe." .. req.json.type end,
  idempotency_key = function(req) return req.json.id end,
})
anzol.endpoint("billing", {                       -- declarative policy: runs in C, no Lua per attempt
  url = "https://billing.example/hooks", sign = sign.standard { secret = secret "BILLING_SECRET" },
  retry = backoff.exponential { base = "5s", factor = 2, max = "1h", attempts = 12, jitter = "full" },
})
anzol.endpoint("crm", {                           -- policy in Lua: decide from the answer
  url = "https://crm.example/stripe", sign = sign.hmac { secret = secret "CRM_SECRET", header = "X-Signature" },
  retry = function(attempt)
    local s = attempt.status                      -- nil when no answer came (attempt.error says why)
    if s == 429 or s == 503 then return attempt.retry_after or 60 end
    if s and s >= 400 and s < 500 then return false, "rejected with " .. s end
    if attempt.number >= 6 then return false, "six tries" end
    return math.min(2 ^ attempt.number, 600) * (0.5 + anzol.random() / 2)
  end,
})
anzol.endpoint("ledger", {                        -- strict order per customer, patient for 3 days
  url = "https://ledger.example/in", sign = sign.standard { secret = secret "LEDGER_SECRET" },
  order_by = function(message) return message.json.data.object.customer end,
  retry = function(attempt, delivery)
    if delivery.age > 3 * 86400 then return false, "older than 3 days" end
    return 30
  end,
})
anzol.on({ "stripe.invoice.*", "stripe.charge.*" }, function(event)
  event:send({ "billing", "crm", "ledger" })      -- no message => the received bytes, unchanged
end)
