-- Trials last 14 days: a reminder three days before the end, and the end itself. Nothing is
-- scheduled anywhere else: the messages lie in the store until they are due.
--
-- Secrets: ACCOUNTS_SECRET, MAILER_SECRET
local anzol = require "anzol"

anzol.source("accounts", {
  provider = anzol.provider.standard { secret = anzol.secret "ACCOUNTS_SECRET" },
})

anzol.endpoint("mailer", {
  url = "https://mailer.example/send",
  sign = anzol.sign.standard { secret = anzol.secret "MAILER_SECRET" },
  rate_limit = "10/s",
})

anzol.on("trial.started", function(event)
  local mail = event.data.mail
  local function later(days, template)
    event:send("mailer", { type = template, json = { to = mail, template = template } }, {
      delay = days .. "d",
      expires = days + 1 .. "d", -- a day late is too late
      idempotency_key = template,
    })
  end
  later(11, "trial-ends-soon")
  later(14, "trial-ended")
end)
