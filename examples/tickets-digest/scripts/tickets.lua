-- A ticket system sends a webhook for every little thing. Three ways to make few of many:
--   digest    all comments on a ticket as one mail, five minutes after the first
--   debounce  the search index is built when nobody has edited for half a minute
--   collapse  of the counts of a queue only the newest, once a minute
--
-- Secrets: TICKETS_SECRET, MAIL_SECRET, SEARCH_SECRET, BOARD_SECRET
local anzol = require "anzol"

local secret = anzol.secret

anzol.source("tickets", {
  provider = anzol.provider.standard { secret = secret "TICKETS_SECRET" },
  type = function(req) return "ticket." .. req.json.type end,
})

local function endpoint(name)
  anzol.endpoint(name, {
    url = ("https://%s.example/hooks"):format(name),
    sign = anzol.sign.standard { secret = secret(name:upper() .. "_SECRET") },
  })
end
endpoint "mail"
endpoint "search"
endpoint "board"

local function data(event) return event.data.data end

anzol.on("ticket.commented", {
  batch = { by = function(event) return data(event).ticket end, wait = "5m", max = 50 },
}, function(events)
  local comments = {}
  for i, event in ipairs(events) do
    comments[i] = { by = data(event).author, text = data(event).text }
  end
  events[1]:send("mail", { type = "digest",
    json = { ticket = data(events[1]).ticket, comments = comments } })
end)

anzol.on("ticket.edited", { batch = { quiet = "30s", wait = "10m", max = 1000 } }, function(events)
  local changed, tickets = {}, {}
  for _, event in ipairs(events) do
    local ticket = data(event).ticket
    if not changed[ticket] then tickets[#tickets + 1] = ticket end
    changed[ticket] = true
  end
  events[#events]:send("search", { type = "build", json = { tickets = tickets } })
end)

anzol.on("ticket.counted", {
  batch = { by = function(event) return data(event).queue end, wait = "1m", keep = "last" },
}, function(events)
  events[1]:send("board", { type = "count", json = data(events[1]) })
end)
