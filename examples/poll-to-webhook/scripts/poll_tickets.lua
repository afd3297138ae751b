-- A source that sends no webhooks: asked again and again, more often while there is news.
local anzol = require "anzol"
local kv = anzol.kv "tickets"
anzol.poll("tickets", {
  interval = { min = "5s", max = "10m", shrink = 4, grow = 1.5 },     -- adaptive
  on_error = anzol.backoff.exponential { base = "10s", max = "15m" },
}, function(poll)
  local cursor = kv:get "cursor" or "1970-01-01T00:00:00Z"
  local res, err = poll:get("https://api.example/tickets", {          -- ETag (of this URL), limits of rate
    query = { since = cursor, limit = 100 }, auth = { bearer = anzol.secret "TICKETS_TOKEN" }, timeout = "10s" })
  if not res then return nil, err end             -- network trouble: on_error decides when
  if res.status == 304 then return 0 end          -- nothing new: interval grows
  if not res.ok then return nil, res:error() end  -- honours Retry-After by itself
  local items = assert(res:json()).items
  for _, t in ipairs(items) do
    poll:emit("ticket." .. t.state, t, { idempotency_key = t.id .. "@" .. t.updated_at })
    if t.updated_at > cursor then cursor = t.updated_at end
  end
  kv:set("cursor", cursor)                        -- same commit as the events
  return #items                                   -- >0: interval shrinks
end)
