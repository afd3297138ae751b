-- Each morning of a working day: what could not be delivered since the last one.
local anzol = require "anzol"
anzol.endpoint("slack-ops", { url = anzol.secret "SLACK_OPS_URL", sign = false })
local dead = anzol.kv "dead" -- by endpoint: how many since the last digest

anzol.on("anzol.delivery.dead", function(event) dead:incr(event.data.endpoint) end)

anzol.cron("daily-digest", { schedule = "0 9 * * MON-FRI", timezone = "Europe/Lisbon", missed = "latest" },
function(tick)
  local lines = {}
  for _, item in ipairs(dead:list("", 1000)) do
    lines[#lines + 1] = ("%s: %d dead"):format(item.key, item.value)
    dead:delete(item.key)                         -- same commit as the message
  end
  if #lines == 0 then return end
  tick:send("slack-ops", { json = { text = "Webhooks since last digest\n" .. table.concat(lines, "\n") } })
end)
