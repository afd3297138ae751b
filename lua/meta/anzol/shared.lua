---@meta _
local anzol = require "anzol"

-- What all scripts of the process share, whichever worker runs them. It survives reloads and is
-- lost with the process. For what must last there is `anzol.kv`.

---@class anzol.CacheOptions
---@field ttl? anzol.Duration How long it is kept. Default: until it is pushed out.

---Values that every script sees at once. What was used least recently is pushed out when the 64 MiB
---of the process are full.
---@class anzol.Cache
local Cache = {}

---A namespace of the shared cache. Its methods work once the scripts serve, not while they load.
---
---```lua
---local lookups = anzol.cache "geo"
---```
---@param ns string 1 to 64 bytes.
---@return anzol.Cache
function anzol.cache(ns) end

---What is there under the key; nil if nothing is.
---
---```lua
---local place = anzol.cache("geo"):get(event.data.ip)
---```
---@param key string At most 512 bytes.
---@return any
function Cache:get(key) end

---Puts a value in: a string, a number, a boolean, or what JSON can hold, at most 256 KiB.
---
---```lua
---anzol.cache("geo"):set(event.data.ip, { city = "Lisboa" }, { ttl = "1h" })
---```
---@param key string
---@param value any Not nil: `delete` removes.
---@param options? anzol.CacheOptions
function Cache:set(key, value, options) end

---Puts a value in if nothing is there: a lock of all workers.
---
---```lua
---if not anzol.cache("digest"):add("lock", true, { ttl = "1m" }) then return anzol.skip "under way" end
---```
---@param key string
---@param value any
---@param options? anzol.CacheOptions
---@return boolean is_added
function Cache:add(key, value, options) end

---Adds to the number there, or to 0. The number keeps its ttl.
---
---```lua
---local today = anzol.cache("seen"):incr(event.data.customer, 1, { ttl = "1d" })
---```
---@param key string
---@param n? number Default: 1.
---@param options? anzol.CacheOptions Of a number that is not there yet.
---@return number sum Raises if there is something else, or out of range.
function Cache:incr(key, n, options) end

---Removes.
---
---```lua
---anzol.cache("geo"):delete(event.data.ip)
---```
---@param key string
---@return boolean was_there
function Cache:delete(key) end

---@class anzol.LimiterOptions
---@field burst? number The most that may be taken at once. Default: what comes in a second, at least 1.

---@class anzol.TakeOptions
---@field wait? boolean Wait for the turn, as long as the job may live. Default: false.

---A token bucket.
---@class anzol.Limiter
local Limiter = {}

---A rate that all scripts keep together by its name.
---
---```lua
---local api = anzol.limiter("crm-api", "10/s", { burst = 20 })
---```
---@param name string As the name of a source.
---@param rate string A count and a time: `"50/s"`, `"100/m"`, `"1000/h"`, `"5/d"`.
---@param options? anzol.LimiterOptions
---@return anzol.Limiter
function anzol.limiter(name, rate, options) end

---Takes n. With `wait` those who ask queue up; waiting works where `anzol.sleep` does.
---
---```lua
---assert(anzol.limiter("crm-api", "10/s"):take(1, { wait = true }))
---```
---@param n? number Default: 1.
---@param options? anzol.TakeOptions
---@return boolean? is_taken nil: the turn would come after the end of the job.
---@return number|anzol.Error? wait Seconds until there is room; with `wait` an Error with code `"rate_limited"`.
function Limiter:take(n, options) end

---@class anzol.BreakerOptions
---@field failures? integer How many open it, 1 to 100. Default: 5.
---@field window? anzol.Duration In which they are counted. Default: `"30s"`.
---@field cooldown? anzol.Duration How long it stays open. Default: `"1m"`.
---@field half_open? integer Calls that try then at the same time. Default: 1.

---A circuit breaker: calls that fail too often are not made for a while.
---@class anzol.Breaker
local Breaker = {}

---A breaker that all scripts share by its name.
---
---```lua
---local geo = anzol.breaker("geo-api", { failures = 5, window = "30s", cooldown = "1m" })
---```
---@param name string As the name of a source.
---@param options? anzol.BreakerOptions
---@return anzol.Breaker
function anzol.breaker(name, options) end

---Calls the function, which may wait. A failure is: it raises; it returns nil and an Error that is
---`retryable`; it returns an answer with a status of 500 or more.
---
---```lua
---local res, err = anzol.breaker("geo-api"):call(function() return nil, "down" end)
---```
---@param fn function
---@param ... any Its arguments.
---@return any ... Its results, or nil and an Error with code `"circuit_open"` and `retry_after`.
function Breaker:call(fn, ...) end

---Figures of the scripts' own on `/metrics`, as `anzol_user_NAME`. Of one name at most 100 label sets
---are kept; more are not counted: the log says so once, and `anzol_metrics_cut_total` how often.
---@class anzol.metric
anzol.metric = {}

---@class anzol.Metric
local Metric = {}

---A figure that only grows.
---
---```lua
---anzol.metric.counter("orders_total", { country = event.data.country }):inc()
---```
---@param name string At most 64 of `a-z 0-9 _`, no digit first.
---@param labels? table<string, string|number|boolean> At most 10.
---@return anzol.Metric
function anzol.metric.counter(name, labels) end

---A figure that goes up and down.
---
---```lua
---anzol.metric.gauge("queue_depth"):set(17)
---```
---@param name string
---@param labels? table<string, string|number|boolean>
---@return anzol.Metric
function anzol.metric.gauge(name, labels) end

---@class anzol.HistogramOptions
---@field buckets? number[] Ascending bounds, at most 32. Default: 0.005 to 10, for seconds.

---How figures are spread.
---
---```lua
---anzol.metric.histogram("order_value", nil, { buckets = { 10, 100, 1000 } }):observe(event.data.value)
---```
---@param name string
---@param labels? table<string, string|number|boolean>
---@param options? anzol.HistogramOptions
---@return anzol.Metric
function anzol.metric.histogram(name, labels, options) end

---Of counters and gauges.
---
---```lua
---anzol.metric.counter("orders_total"):inc(3)
---```
---@param n? number Default: 1. Negative for gauges only.
function Metric:inc(n) end

---Of gauges.
---
---```lua
---anzol.metric.gauge("queue_depth"):set(17)
---```
---@param value number
function Metric:set(value) end

---Of histograms.
---
---```lua
---anzol.metric.histogram("latency_seconds"):observe(0.3)
---```
---@param value number
function Metric:observe(value) end
