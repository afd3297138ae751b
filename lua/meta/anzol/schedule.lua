---@meta _
local anzol = require "anzol"

---What a schedule is called with, each time it comes. Over when its function ends.
---@class anzol.Tick
---@field name string Of the schedule.
---@field scheduled_ms integer The time it is for, Unix ms: that of the schedule, not when it was run.
---@field previous_ms? integer That of the run before; `nil` at the first.
---@field run_number integer 1, and more when the run before failed.
---@field log anzol.log As `anzol.log`.
local Tick = {}

---A new event that commits with the run, of the schedule's name as source. As `event:emit`, but nothing
---was before it: it has no parent.
---
---```lua
---tick:emit("report.due", { day = anzol.time.iso(tick.scheduled_ms):sub(1, 10) })
---```
---@param type string
---@param data? any
---@param options? anzol.EmitOptions
---@return string id
function Tick:emit(type, data, options) end

---A message that commits with the run, as `event:send`. It is of an event with the type `anzol.cron` or
---`anzol.every`, whose bytes (`name`, `scheduled_ms`, `previous_ms` as JSON) it sends without a message.
---
---```lua
---tick:send("slack-ops", { json = { text = "good morning" } })
---```
---@param endpoint string|string[]
---@param message? anzol.Message
---@param options? anzol.SendOptions
---@return string id
function Tick:send(endpoint, message, options) end

---@class anzol.CronOptions
---@field schedule string Five fields, or six with a second before them, or `@daily` and its like: docs/guide/schedules.md.
---@field timezone? string Whose clocks, as `"Europe/Lisbon"`. Default `"UTC"`.
---@field missed? "latest"|"all"|"none" What is made up for when the server was down, or busy with the run before: the latest time (default), all of the last 31 days in order, or at most the latest, and none that is late by more than a minute.

---Registers a function that runs at the times of a schedule, by the clocks of a time zone. What it sends,
---emits and writes commits with its place in time; if it fails it runs again (1 s, 5 s, 30 s, 2 min, 10
---min), unless the next time comes before. It never overlaps itself, and may wait; 60 s at most. A time
---that was given up is told as `anzol.routine.failed`. Load phase only.
---
---```lua
---anzol.cron("daily-digest", { schedule = "0 9 * * MON-FRI", timezone = "Europe/Lisbon" }, function(tick)
---  tick:send("slack-ops", { json = { text = "good morning" } })
---end)
---```
---@param name string `^[a-z0-9][a-z0-9._-]*$`, unique among crons.
---@param options anzol.CronOptions
---@param fn fun(tick: anzol.Tick): any, anzol.Error?
function anzol.cron(name, options, fn) end

---Registers a function that runs each time this much has gone by, the first time after as much; as
---`anzol.cron`, but by a clock that nobody sets. Its place in time outlives restarts and reloads; times that
---went by meanwhile come as one. Load phase only.
---
---```lua
---anzol.every("sweep", "10m", function(tick) anzol.kv("seen"):delete "old" end)
---```
---@param name string Unique among those of `anzol.every`.
---@param interval anzol.Duration `"100ms"` to `"366d"`.
---@param fn fun(tick: anzol.Tick): any, anzol.Error?
function anzol.every(name, interval, fn) end

---What the function of a poll gets. Over when it ends.
---@class anzol.Poll
---@field name string
---@field run_number integer 1, and more when the run before failed.
---@field log anzol.log As `anzol.log`.
local Poll = {}

---An item that was found: a new event that commits with the run, of the poll's name as source. An item
---of the same `idempotency_key` is made once within 7 days, whatever its type.
---
---```lua
---poll:emit("ticket.changed", item, { idempotency_key = item.id .. "@" .. item.updated_at })
---```
---@param type string
---@param data? any
---@param options? anzol.EmitOptions
---@return string id
function Poll:emit(type, data, options) end

---`anzol.http.get` for a source that is polled. It sends `If-None-Match` and `If-Modified-Since` by what
---came with the last answer of that URL and query that a run committed (unless `headers` has them), so a
---source without news answers 304: `return 0` then. And the poll goes by what the answer says:
---`Retry-After`, `Cache-Control`, limits of rate (docs/guide/polling.md). Of a long poll the `timeout` is
---`"5m"` unless it is given.
---
---```lua
---local res, err = poll:get("https://api.example/tickets", { query = { limit = 100 } })
---if not res then return nil, err end
---if res.status == 304 then return 0 end
---if not res.ok then return nil, res:error() end
---```
---@param url string|anzol.Secret
---@param options? anzol.HttpOptions
---@return anzol.Response?
---@return anzol.Error?
function Poll:get(url, options) end

---@class anzol.PollInterval
---@field min anzol.Duration
---@field max anzol.Duration
---@field shrink? number Divides the interval when items came. Default 4.
---@field grow? number Multiplies it when none did. Default 1.5.
---@field jitter? number Each wait is so much longer or shorter, at most: 0 to 0.5. Default 0.1.

---@class anzol.PollOptions
---@field interval? anzol.Duration|anzol.PollInterval From the beginning of one run to that of the next; with a table it adapts. Needed, unless `long`.
---@field long? boolean Long polling: the next run begins when one has ended; a timeout of the source is no error.
---@field on_error? anzol.Backoff How long to wait after failures, those in a row counted. Default `anzol.backoff.exponential { base = "10s", max = "15m" }`.
---@field version? string Says what the poll is about: with another one its place in time begins anew, so it runs soon. At most 2112 bytes.

---Registers a function that asks a source again and again, and emits what it finds: docs/guide/polling.md.
---Items, `anzol.kv` and its place in time commit together. It never overlaps itself, and may wait; 60 s at
---most. It returns how many items it found (nothing: as many as it emitted), `nil` and an Error, or
---`anzol.after`. Six failures in a row are told as `anzol.routine.failed`. Load phase only.
---
---```lua
---anzol.poll("tickets", { interval = { min = "5s", max = "10m" } }, function(poll)
---  local kv = anzol.kv "tickets"
---  local res, err = anzol.http.get("https://api.example/tickets", { query = { since = kv:get "cursor" } })
---  if not res then return nil, err end
---  if not res.ok then return nil, res:error() end
---  local items = assert(res:json()).items
---  for _, item in ipairs(items) do
---    poll:emit("ticket.changed", item, { idempotency_key = item.id .. "@" .. item.updated_at })
---    kv:set("cursor", item.updated_at)
---  end
---  return #items
---end)
---```
---@param name string Unique among polls.
---@param options anzol.PollOptions
---@param fn fun(poll: anzol.Poll): integer|anzol.Verdict|nil, anzol.Error?
function anzol.poll(name, options, fn) end

---A verdict of a poll, returned: the next run begins this long after the end of this one, whatever its
---interval. What was emitted counts as its items.
---
---```lua
---if page.has_more then return anzol.after(0) end
---```
---@param delay anzol.Duration At most `"366d"`.
---@return anzol.Verdict
function anzol.after(delay) end

---A message of a stream of server-sent events. Over when the function that got it ends.
---@class anzol.StreamMessage
---@field name string Of the stream.
---@field id? string The last id that the stream has said.
---@field type string What the source calls `event`; `"message"` if it says nothing.
---@field data string
---@field json any The data as JSON, decoded anew each time; raises if it is none.
---@field run_number integer 1, and more when the run before failed.
---@field log anzol.log As `anzol.log`.
local StreamMessage = {}

---As `poll:emit`, of the stream's name as source.
---
---```lua
---message:emit("price.changed", message.json)
---```
---@param type string
---@param data? any
---@param options? anzol.EmitOptions
---@return string id
function StreamMessage:emit(type, data, options) end

---@class anzol.StreamOptions
---@field url string|anzol.Secret
---@field headers? table<string, string|anzol.Secret>
---@field auth? anzol.HttpAuth
---@field timeout? anzol.Duration So long nothing comes, then the stream is opened anew: `"1s"` to `"1d"`, default `"5m"`.
---@field on_error? anzol.Backoff How long to wait after failures. Default `anzol.backoff.exponential { base = "1s", max = "1m" }`.
---@field allow_private? boolean May call private addresses.

---Registers a function for the messages of a stream of server-sent events, one after another. What a run
---emits and writes commits with the message's id: after a restart or a broken connection the stream is
---opened with `Last-Event-ID`, behind the last message that committed. A message whose run fails six
---times is let go, which is told as `anzol.routine.failed`. Load phase only.
---
---```lua
---anzol.sse("prices", { url = "https://prices.example/stream" }, function(message)
---  message:emit("price.changed", message.json)
---end)
---```
---@param name string Unique among streams.
---@param options anzol.StreamOptions
---@param fn fun(message: anzol.StreamMessage): any, anzol.Error?
function anzol.sse(name, options, fn) end
