-- A partner's feed, followed by its hub: each new state of it goes on to the team's chat.
local anzol = require "anzol"

anzol.websub("partner", {
  topic = "https://partner.example/news",
  public_url = "https://hooks.blog.example/in/partner",
  lease = "10d",
  max_body = "256KiB",
})

anzol.endpoint("chat", { url = anzol.secret "CHAT_URL", sign = false })

anzol.on("partner", function(event)
  event:send("chat", { json = { text = ("News of partner.example (%d bytes)"):format(#event.body) } })
end)

anzol.on("websub.denied", function(event)
  event:send("chat", { json = { text = "partner.example does not let us follow: "
    .. (event.query["hub.reason"] or "it did not say why") } })
end)
