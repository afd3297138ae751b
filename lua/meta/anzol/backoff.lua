---@meta _
local anzol = require "anzol"

---Retry policies for the option `retry` of an endpoint; the server follows them without entering
---Lua. All of them end: by `attempts`, `max_age` or the end of their schedule.
---@class anzol.backoff
anzol.backoff = {}

---When to try again.
---@class anzol.Backoff

---How far a delay is spread by chance: `"full"` from 0 to the delay, `"equal"` from half of it,
---`"spread"` a fifth up or down, `"none"` not at all.
---@alias anzol.Jitter "full"|"equal"|"spread"|"none"

---@class anzol.ExponentialOptions
---@field base? anzol.Duration The first delay. Default: `"5s"`.
---@field factor? number Each delay is this many times the one before: 1 to 1000, default 2.
---@field max? anzol.Duration The longest delay.
---@field attempts? integer Give up after this many.
---@field max_age? anzol.Duration Give up when the delivery is as old.
---@field jitter? anzol.Jitter Default: `"spread"`.

---Delays that grow by a factor.
---
---```lua
---local retry = anzol.backoff.exponential { base = "5s", max = "1h", attempts = 12 }
---```
---@param options? anzol.ExponentialOptions
---@return anzol.Backoff
function anzol.backoff.exponential(options) end

---@class anzol.LinearOptions
---@field base? anzol.Duration The first delay, and what is added each time. Default: `"5s"`.
---@field max? anzol.Duration The longest delay.
---@field attempts? integer Give up after this many.
---@field max_age? anzol.Duration Give up when the delivery is as old.
---@field jitter? anzol.Jitter Default: `"spread"`.

---Delays that grow by the same time.
---
---```lua
---local retry = anzol.backoff.linear { base = "10s", max = "5m", max_age = "1d" }
---```
---@param options? anzol.LinearOptions
---@return anzol.Backoff
function anzol.backoff.linear(options) end

---@class anzol.ConstantOptions
---@field base? anzol.Duration Default: `"5s"`.
---@field attempts? integer Give up after this many.
---@field max_age? anzol.Duration Give up when the delivery is as old.
---@field jitter? anzol.Jitter Default: `"spread"`.

---The same delay each time.
---
---```lua
---local retry = anzol.backoff.constant { base = "30s", max_age = "3d" }
---```
---@param options? anzol.ConstantOptions
---@return anzol.Backoff
function anzol.backoff.constant(options) end

---@class anzol.ScheduleOptions
---@field [integer] anzol.Duration The delays, in order.
---@field max_age? anzol.Duration Give up when the delivery is as old.
---@field jitter? anzol.Jitter Default: `"spread"`.

---These delays, then the end.
---
---```lua
---local retry = anzol.backoff.schedule { "5s", "1m", "10m", "1h", "1d" }
---```
---@param options anzol.ScheduleOptions
---@return anzol.Backoff
function anzol.backoff.schedule(options) end
