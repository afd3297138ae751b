-- Each morning of a working day: what could not be delivered since the last one.
local anzol = require "anzol"
anzol.endpoint("slack-ops", { url = anzol.secret "SLACK_OPS_URL", sign = false })
anzol.cron("daily-digest", { schedule = "0 9 * * MON-FRI", timezone = "Europe/Lisbon", missed = "latest" },
function(tick)
  local count, lines = {}, {}
  for d in anzol.deliveries { state = "dead", since_ms = tick.previous_ms, until_ms = tick.scheduled_ms } do
    count[d.endpoint] = (count[d.endpoint] or 0) + 1
  end
  for name, n in anzol.sorted_pairs(count) do lines[#lines + 1] = ("%s: %d dead"):format(name, n) end
  if #lines == 0 then return end
  tick:send("slack-ops", { json = { text = "Webhooks since last digest\n" .. table.concat(lines, "\n") } })
end)
