---@meta _
local anzol = require "anzol"

---Durable values by key, shared by all handlers. What a handler writes commits with its run, with
---what it sends and emits: all or nothing, so a failed run leaves nothing. A run sees its own
---writes. If another run changed meanwhile what this one had read, the commit is refused and the
---handler runs again at once: no update is lost. After five times the runs on that key go one after
---another. A store that cannot be read fails the run.
---
---Reading waits: it works in verify and handlers. Writing works in handlers only.
---
---```lua
---local seen = anzol.kv "seen"
---local tokens = anzol.kv("tokens", { sealed = true }) -- what is secret, as the tokens of an OAuth login
---```
---@param name string Of the collection, 1 to 64 bytes.
---@param options? anzol.KvSealing
---@return anzol.Kv
function anzol.kv(name, options) end

---@class anzol.KvSealing
---@field sealed? boolean What is set through it lies sealed by the key of secrets in the store, and is sealed anew when that changes; reads open it. A value stays as it was set: older ones are sealed when they are set again. Keys are not sealed. Default: `false`.

---A collection of durable values. A key has 1 to 512 bytes, a value at most 64 KiB as JSON; a run
---reads and writes up to 1,000 times each, 4 MiB of values.
---@class anzol.Kv
local Kv = {}

---The value; `nil` if there is none, or it expired. A copy, yours to edit. Waits.
---
---```lua
---local customer = anzol.kv("customers"):get(event.data.id)
---```
---@param key string
---@return any value
function Kv:get(key) end

---@class anzol.KvOptions
---@field ttl? anzol.Duration The value goes away after this time. Default: it stays.

---Sets a value: anything that JSON can hold but `nil`.
---
---```lua
---anzol.kv("seen"):set(event.data.id, true, { ttl = "7d" })
---```
---@param key string
---@param value any
---@param options? anzol.KvOptions
function Kv:set(key, value, options) end

---Takes a value away.
---
---```lua
---anzol.kv("carts"):delete(event.data.cart)
---```
---@param key string
function Kv:delete(key) end

---Adds to a number, at commit: runs that only add never meet. Gives nothing; `get` in the same run
---knows of it. What is absent counts as 0. On what is no number the run fails.
---
---```lua
---anzol.kv("counts"):incr(event.type)
---```
---@param key string
---@param n? integer Default: 1.
---@param options? anzol.KvOptions `ttl` is for a new value; one that lives keeps its own unless given.
function Kv:incr(key, n, options) end

---The keys that begin with a prefix, in the order of their bytes, with their values. What another
---run adds or takes away in that range is a conflict as well. Waits.
---
---```lua
---for _, row in ipairs(anzol.kv("carts"):list("open:")) do event:emit("cart.open", row.value) end
---```
---@param prefix? string Default: all.
---@param limit? integer 1 to 1,000. Default: 100.
---@param after? string Only keys behind this one: the last one of the page before.
---@return { key: string, value: any }[]
function Kv:list(prefix, limit, after) end
