---@meta _
local anzol = require "anzol"

---@class anzol.EventsOptions
---@field source? string
---@field type? string A pattern, as `anzol.on` takes it: `"order.paid"`, `"order.*"`.
---@field state? "pending"|"retrying"|"handled"|"skipped"|"dead"|"erased" The worst of its runs; or nothing is known of it any more.
---@field since_ms? integer Received then or later: Unix ms.
---@field until_ms? integer Received before.
---@field limit? integer At most so many. Default: all.

---@class anzol.ListedEvent
---@field id string
---@field parent_id string? The event whose handler emitted this one.
---@field source string
---@field type string
---@field state string
---@field received_at_ms integer
---@field body_bytes integer
---@field idempotency_key string?

---The events of the store, newest first, for a loop. Reads pages, and waits for them: works where
---waiting works. What comes in meanwhile is not among them. A store that cannot be read raises.
---
---```lua
---for row in anzol.events { state = "dead", since_ms = anzol.time.now() - 3600000 } do
---  anzol.log.warn("dead", { id = row.id, type = row.type })
---end
---```
---@param options? anzol.EventsOptions
---@return fun(): anzol.ListedEvent?
function anzol.events(options) end

---@class anzol.DeliveriesOptions
---@field endpoint? string
---@field type? string Of the message; a pattern, as `anzol.on` takes it.
---@field state? "pending"|"retrying"|"in_flight"|"succeeded"|"dead"|"cancelled"
---@field since_ms? integer Made then or later: Unix ms.
---@field until_ms? integer Made before.
---@field limit? integer At most so many. Default: all.

---@class anzol.ListedDelivery
---@field id string
---@field event_id string
---@field message_id string
---@field endpoint_id string
---@field endpoint string
---@field type string
---@field state string
---@field created_at_ms integer
---@field attempt_count integer
---@field last_status integer? Of the last attempt, if it got an answer.
---@field last_error string?
---@field next_attempt_at_ms integer?
---@field reason string? Why it is dead.

---The deliveries of the store, newest first, for a loop. As `anzol.events`.
---
---```lua
---local failed = 0
---for _ in anzol.deliveries { endpoint = "crm", state = "dead", limit = 100 } do failed = failed + 1 end
---```
---@param options? anzol.DeliveriesOptions
---@return fun(): anzol.ListedDelivery?
function anzol.deliveries(options) end

---Gives a dead or cancelled delivery, or the runs of an event that died, a fresh chance: due now,
---from the beginning of its policy. Commits with the run; what is in no such state is left alone.
---
---```lua
---anzol.on("crm.recovered", function()
---  for row in anzol.deliveries { endpoint = "crm", state = "dead" } do anzol.retry(row.id) end
---end)
---```
---@param id string `dlv_...` or `evt_...`
function anzol.retry(id) end

---Lets go of what died: the delivery is cancelled, the runs are skipped. Commits with the run.
---
---```lua
---anzol.on("crm.closed", function()
---  for row in anzol.deliveries { endpoint = "crm", state = "dead" } do
---    anzol.drop(row.id, "the customer left")
---  end
---end)
---```
---@param id string `dlv_...` or `evt_...`
---@param reason? string At most 256 bytes.
function anzol.drop(id, reason) end

---@class anzol.ReplayFilters
---@field kind? "event"|"delivery" What is chosen from. Default: deliveries if an endpoint is named.
---@field source? string
---@field type? string A pattern, as `anzol.on` takes it: `"order.paid"`, `"order.*"`.
---@field endpoint? string Deliveries to this one.
---@field state? string As in `anzol.events` and `anzol.deliveries`.
---@field contains? string Part of the reason or error.
---@field subscription? string Of events: only this one's handler.
---@field since? anzol.Duration What was made so long ago at most.
---@field since_ms? integer Or since this instant: Unix ms.
---@field until_ms? integer Before this instant. Default: what is there now.
---@field rate? string "20/s": at most so many. Default: as fast as it goes.
---@field new_ids? boolean Messages get ids of their own: receivers take them for new ones.

---@class anzol.RecoverOptions
---@field since? anzol.Duration What was made so long ago at most. Default: all that is dead.
---@field since_ms? integer Or since this instant: Unix ms.
---@field until_ms? integer Before this instant. Default: what is there now.
---@field rate? string "20/s": at most so many. Default: as fast as it goes.

---Once more: one more delivery of the same message to the same endpoint, or the handlers of an
---event that match it now. Message ids stay. Commits with the run; what is not there, or in no state
---for it, is left alone. An event is looked at first: works where waiting works.
---
---With filters it is a task of the server, as `anzol replay` makes one: it begins when the run
---commits, and goes on over restarts (`anzol tasks`). Of events a `type` or `source` other than this
---event's own is wanted, so that no handler begins itself again.
---
---```lua
---anzol.on("crm.lost", function(event)
---  for row in anzol.deliveries { endpoint = "crm", since_ms = event.data.since_ms } do
---    anzol.replay(row.id)
---  end
---end)
---
---anzol.on("rules.changed", function()
---  anzol.replay { type = "order.created", since = "1h", rate = "20/s" }
---end)
---```
---@param what string|anzol.ReplayFilters `dlv_...` or `evt_...`, or what to choose.
function anzol.replay(what) end

---An endpoint is well again: its dead deliveries get a fresh chance, oldest first. A task of the
---server that begins when the run commits.
---
---```lua
---anzol.on("crm.is_back", function() anzol.recover("crm", { since = "2h", rate = "20/s" }) end)
---```
---@param endpoint string
---@param options? anzol.RecoverOptions
function anzol.recover(endpoint, options) end
