---@meta _
local anzol = require "anzol"

---What a subscription needs, and of the options of a source those that fit.
---@class anzol.WebsubOptions
---@field topic string The URL of what to follow: a page or feed that names its hub.
---@field public_url string The URL of the callback as hubs reach it, without a query: `https://hooks.example/in/NAME`.
---@field lease? anzol.Duration For how long to ask: 1 s to 366 d. The hub decides; it is renewed before it ends. Default: as the hub likes.
---@field active? boolean `false`: unsubscribes, and answers the hub's verification. Default: `true`.
---@field allow_private? boolean Topic and hub may be at addresses that are not public. Default: `false`.
---@field type? string|fun(req: anzol.Request): string The type of events of content. Default: the name.
---@field path? string Default: `/in/` and the name.
---@field respond? fun(req: anzol.Request): anzol.RespondAnswer? As of a source, for content.
---@field idempotency_key? fun(req: anzol.Request): string?
---@field idempotency_window? anzol.Duration
---@field max_body? anzol.Size
---@field allow_from? string[]
---@field rate_limit? string
---@field hide_headers? string[]
---@field retention? anzol.Duration

---Subscribes to a topic at its WebSub hub (W3C Recommendation): docs/guide/websub.md. Registers a source
---and a poll of that name: the poll finds the hub, asks it, and renews before the lease ends; content that
---the hub posts to the source, signed by a secret of this subscription, becomes an event. What the hub
---says of the subscription is an event too: `websub.subscribed`, `websub.unsubscribed`, `websub.denied`.
---Load phase only.
---
---```lua
---anzol.websub("news", { topic = "https://blog.example/feed", public_url = "https://hooks.example/in/news" })
---anzol.on("news", function(event) event.log.info("news", { bytes = #event.body }) end)
---```
---@param name string As the name of a source.
---@param options anzol.WebsubOptions
function anzol.websub(name, options) end
