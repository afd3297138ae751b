---@meta _
local anzol = require "anzol"

---What a subscription needs, and of the options of a source those that fit.
---@class anzol.WebsubOptions
---@field topic string The URL of what to follow: a page or feed that names its hub.
---@field public_url string The URL of the callback as hubs reach it, without a query: `https://hooks.example/in/NAME`.
---@field lease? anzol.Duration For how long to ask: 1 s to 366 d. The hub decides; it is renewed before it ends. Default: as the hub likes.
---@field active? boolean `false`: ends the subscription, as taking it out does. Default: `true`.
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

---For how long subscriptions last: what is asked for, within bounds.
---@class anzol.HubLease
---@field min? anzol.Duration 1 s to 366 d. Default: `"60s"`.
---@field default? anzol.Duration For who asks for none. Default: `"10d"`.
---@field max? anzol.Duration Default: `"30d"`.

---Of a hub. `ping`: whether anybody may say that a topic changed (`hub.mode=publish`).
---@class anzol.HubOptions
---@field public_url string The URL of the hub as subscribers reach it: `https://hooks.example/in/NAME`.
---@field topics string[]|fun(topic: string): boolean URLs that may be subscribed to; one that ends with `*` stands for all that begin so.
---@field accept? fun(request: { topic: string, callback: string }): boolean, string? Denies a subscription: `false` and a reason. May wait. Default: all are accepted.
---@field lease? anzol.HubLease
---@field ping? boolean Takes `hub.mode=publish`: the topic is read, and what it is now goes to its subscribers. Default: `false`.
---@field signature? "sha1"|"sha256"|"sha384"|"sha512" Of content, for who gave a secret. Default: `"sha256"`.
---@field client_rate? string How much one client may ask, as `"120/m"` (the default), and as many at once; more are 429.
---@field concurrency? integer Callbacks called at a time: 1 to 10000, default 50.
---@field allow_private? boolean Callbacks and topics may be at addresses that are not public. Default: `false`.
---@field path? string Default: `/in/` and the name.
---@field allow_from? string[]
---@field rate_limit? string
---@field retention? anzol.Duration How long requests and content are kept after they were handled. Default: `"1h"`.

---A hub, to publish at.
---@class anzol.Hub
local Hub = {}

---Content of a topic.
---@class anzol.HubContent
---@field body string 1 byte to 1 MiB: the whole of what the topic is now.
---@field content_type string

---Sends content to all who are subscribed to a topic, once the run commits: in the order of publication to
---each, again for hours if a subscriber fails, until its lease ends. Only in the run of the event, tick or
---poll that is given.
---
---```lua
---local hub = anzol.hub("feeds", { public_url = "https://hooks.example/in/feeds", topics = { "https://blog.example/feed" } })
---anzol.on("post.written", function(event)
---  hub:publish(event, "https://blog.example/feed", { body = event.data.feed, content_type = "application/atom+xml" })
---end)
---```
---@param event anzol.Event|anzol.Tick|anzol.Poll
---@param topic string
---@param content anzol.HubContent
function Hub:publish(event, topic, content) end

---The callbacks that are subscribed to a topic now, in an order that stays. Waits, as reading `anzol.kv` does.
---
---```lua
---local hub = anzol.hub("prices", { public_url = "https://hooks.example/in/prices", topics = { "https://shop.example/*" } })
---anzol.every("count", "1h", function(tick)
---  tick.log.info("readers", { count = #hub:subscribers("https://shop.example/prices", 1000) })
---end)
---```
---@param topic string
---@param limit? integer 1 to 1,000. Default: 100.
---@param after? string Only those behind this callback: the last one of the page before.
---@return string[] callbacks
function Hub:subscribers(topic, limit, after) end

---A WebSub hub (W3C Recommendation): docs/guide/websub.md. Registers a source of that name, where subscribers
---ask, and handlers that verify, publish and distribute. Load phase only.
---
---```lua
---local hub = anzol.hub("feeds", {
---  public_url = "https://hooks.example/in/feeds",
---  topics = { "https://blog.example/feed", "https://blog.example/tag/*" },
---})
---```
---@param name string As the name of a source.
---@param options anzol.HubOptions
---@return anzol.Hub
function anzol.hub(name, options) end
