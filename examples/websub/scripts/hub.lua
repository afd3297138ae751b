-- The editor's webhook brings a post: the feed of the newest ten goes to all who follow it.
local anzol = require "anzol"

local FEED = "https://blog.example/feed.json"

local hub = anzol.hub("feeds", {
  public_url = "https://hooks.blog.example/in/feeds",
  topics = { FEED },
  lease = { min = "1h", default = "10d", max = "30d" },
  accept = function(request)
    return request.callback:find "^https:" ~= nil, "the callback must be of https"
  end,
})

anzol.source("editor", {
  verify = anzol.verify.hmac { secret = anzol.secret "EDITOR_SECRET", header = "X-Signature" },
  type = "post.written",
})

-- In order: each feed has one post more than the one before.
anzol.on("post.written", { order_by = function() return "feed" end }, function(event)
  local kept = anzol.kv "feed"
  local items = kept:get "items" or {}
  table.insert(items, 1, { id = event:get "id", title = event:get "title" })
  items[11] = nil
  kept:set("items", items)
  hub:publish(event, FEED, {
    content_type = "application/feed+json",
    body = anzol.json.encode { version = "https://jsonfeed.org/version/1.1", items = items },
  })
end)
