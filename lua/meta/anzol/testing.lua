---@meta anzol.testing

---Specs of scripts in plain busted (`anzol test`): a real load in a state of its own, the server's own
---functions, a virtual clock, canned answers. No server, no network, no waiting. Whatever goes wrong
---in a call raises there, with the request printed where there is one.
---@class anzol.testing
---@field null userdata JSON null, in tables that go in and come out.
---@field any_secret table<string, string> Every secret is `"test-NAME"`; `any_secret { A = "x" }` gives some of them.
local testing = {}

---@class anzol.TestOptions
---@field scripts? string[] Files or globs below `dir`. Default: those of `anzol.lua`.
---@field secrets? table<string, string> By name; never those of the process.
---@field env? table<string, string> What `anzol.env` gives; never the environment of the process.
---@field kv? table<string, table<string, any>> What `anzol.kv` holds at first: `{ namespace = { key = value } }`.
---@field now? string|integer When the test begins: RFC 3339 or Unix milliseconds. Default: `"2026-01-05T09:00:00Z"`.
---@field seed? integer Of all chance. Default: 1.
---@field dir? string The project. Default: the nearest folder with an `anzol.lua` at or above the spec.

---Begins a test.
---
---```lua
---local t = testing.new { scripts = { "scripts/github_to_slack.lua" }, secrets = testing.any_secret }
---```
---@param options? anzol.TestOptions
---@return anzol.Test
function testing.new(options) end

---Marks a table as a JSON array, as `anzol.json.array`.
---
---```lua
---local body = { commits = testing.array {} }
---```
---@generic T: table
---@param list? T
---@return T
function testing.array(list) end

---Marks a table as a JSON object, as `anzol.json.object`.
---
---```lua
---local body = { labels = testing.object {} }
---```
---@generic T: table
---@param value? T
---@return T
function testing.object(value) end

---A test under way. Its lists grow as things happen.
---@class anzol.Test
---@field events table[] As handlers see them, with `skipped` (a reason), `error` (a traceback), `runs`.
---@field deliveries table[] `{ endpoint, state, reason, request = { url, method, headers, body, json, raw_body }, attempts }`; `raw_body`: compressed, if it goes out so.
---@field calls table[] What `anzol.http` was asked for: `{ url, method, headers, body, json }`.
---@field dead_letters table[] `{ kind = "handler"|"type"|"delivery", reason, event_id, … }`.
---@field kv table<string, table<string, any>> What `anzol.kv` holds: `t.kv.namespace.key`, to read and to set.
---@field logs table[] `{ level, message, fields, script, event_id, at_ms }`.
---@field now_ms integer The test's clock.
local Test = {}

---@class anzol.ReceiveOptions
---@field json? any A body as JSON; one of `json`, `body`, `form`, `fixture`.
---@field body? string A body of bytes.
---@field form? table<string, string|string[]>|string A body as a form.
---@field fixture? string A body from `fixtures/NAME.json`, headers from `fixtures/NAME.headers`.
---@field sign? boolean Sign it as the sender would: by the provider, else the counterpart of the verifier.
---@field type? string What the provider's `sign` is told to send.
---@field headers? table<string, string>
---@field method? string Default: the source's first.
---@field query? table<string, string>|string
---@field remote_ip? string Default: `"192.0.2.1"`.

---Sends a request to a source. All that follows from it now is done when it returns.
---
---```lua
---local answer = t:receive("github", { type = "push", json = { ref = "refs/heads/main" }, sign = true })
---assert.equal(200, answer.status)
---```
---@param source string
---@param options? anzol.ReceiveOptions
---@return { status: integer, headers: table, body: string, json: any, event: table?, reason: string? }
function Test:receive(source, options) end

---The fields that the API takes of an endpoint.
---@class anzol.TestEndpoint
---@field url string
---@field uid? string What the test calls it by; without one by its id. Another endpoint with it takes its place.
---@field application? string The uid of its application. Default: one that need not be named.
---@field eventTypes? string[] Default: every type.
---@field channels? string[] 1 to 10. Default: messages of every channel.
---@field metadata? table<string, string> `transform`: the name of an `anzol.transform`.
---@field headers? table<string, string>
---@field secret? string `"whsec_…"` or `"whsk_…"`. Default: a key of its own.
---@field throttleRate? integer Messages a second.
---@field disabled? boolean
---@field description? string

---Registers an endpoint as an application does over the API. It is one of the test like those of scripts:
---`t:answer`, `t:delivery`, `t:disable` and the others take its `name`.
---
---```lua
---t:register { uid = "crm", url = "https://crm.example/", eventTypes = { "invoice.paid" } }
---t:publish("invoice.paid", { payload = { amount = 5 } })
---assert.equal(5, t:delivery("crm").request.json.amount)
---```
---@param fields anzol.TestEndpoint
---@return { id: string, uid: string?, name: string, application: string, key: string } endpoint
function Test:register(fields) end

---@class anzol.TestPublishOptions
---@field payload? table Default: `{}`.
---@field channels? string[] 1 to 5.
---@field application? string The uid of its application. Default: one that need not be named.

---Publishes a message as an application does over the API: it goes to the endpoints that were registered
---(`t:register`) and want it, or as the handlers of `api.` patterns say.
---
---```lua
---local event = t:publish("invoice.paid", { payload = { amount = 0 } })
---assert.equal("nothing to pay", event.skipped)
---```
---@param type string Without `api.`.
---@param options? anzol.TestPublishOptions
---@return table event As `t.events` has it.
function Test:publish(type, options) end

---Whether the request of a delivery's last attempt has a good signature of Standard Webhooks.
---
---```lua
---assert.is_true(t:is_signed(t:delivery "crm"))
---```
---@param delivery table Of `t.deliveries`.
---@param key? string `"whsec_…"` or `"whsk_…"`. Default: that of the endpoint, if `t:register` made it.
---@return boolean
function Test:is_signed(delivery, key) end

---What an endpoint answers: a status, or this table, or a function of the request that gives one.
---@class anzol.CannedAnswer
---@field status? integer Default: 200.
---@field headers? table<string, string>
---@field json? any
---@field body? string
---@field error? "timeout"|"connect"|"dns"|"tls"|"reset"|"blocked_address"|"protocol"|"auth" No answer comes.
---@field detail? string
---@field after? anzol.Duration How long it takes; past the timeout of who asked it is a timeout.

---The next attempts at an endpoint get these answers, in turn. An attempt beyond them fails the test;
---an endpoint without any answers 200.
---
---```lua
---t:answer("crm", { status = 429, headers = { ["retry-after"] = "120" } }, 200)
---```
---@param endpoint string
---@param ... integer|anzol.CannedAnswer|fun(request: table): integer|anzol.CannedAnswer
function Test:answer(endpoint, ...) end

---Every attempt at an endpoint gets this answer, once those in turn are used up.
---
---```lua
---t:answer_always("ledger", { error = "timeout" })
---```
---@param endpoint string
---@param answer integer|anzol.CannedAnswer|fun(request: table): integer|anzol.CannedAnswer
function Test:answer_always(endpoint, answer) end

---A message of a queue (an endpoint of kind `"long_poll"`), leased to the spec.
---@class anzol.TakenMessage
---@field id string Of this lease: `"dlv_….1"`.
---@field message_id string
---@field event_id string
---@field type string
---@field attempt integer 1, 2, … with each lease.
---@field headers table<string, string>
---@field body string
---@field json any The body, decoded when first read.

---Takes the messages of a queue that are due, as its receiver does.
---
---```lua
---local message = t:take("jobs")[1]
---assert.equal(7, message.json.order)
---```
---@param endpoint string
---@param options? { limit: integer? } At most so many; default: the queue's `batch`.
---@return anzol.TakenMessage[]
function Test:take(endpoint, options) end

---Acknowledges what was taken: a message, its id, or a list. How many leases that ended; one that was
---over counts no more.
---
---```lua
---t:ack("jobs", t:take "jobs")
---```
---@param endpoint string
---@param messages anzol.TakenMessage|string|(anzol.TakenMessage|string)[]
---@return integer
function Test:ack(endpoint, messages) end

---Gives back what was taken: it comes again after the delay, or after that of the queue's `retry`.
---
---```lua
---t:nack("jobs", message, { delay = "30s", reason = "not today" })
---```
---@param endpoint string
---@param messages anzol.TakenMessage|string|(anzol.TakenMessage|string)[]
---@param options? { delay: anzol.Duration?, reason: string? }
---@return integer
function Test:nack(endpoint, messages, options) end

---Moves the end of leases: so long from now; default: the queue's `lease`. Of `0` the messages go back
---as if they had not been taken, which is no attempt.
---
---```lua
---t:extend("jobs", message, "5m")
---```
---@param endpoint string
---@param messages anzol.TakenMessage|string|(anzol.TakenMessage|string)[]
---@param time? anzol.Duration
---@return integer
function Test:extend(endpoint, messages, time) end

---As `anzol endpoints pause`: nothing is sent to it until `t:resume`; what waits stays.
---
---```lua
---t:pause "crm"
---t:receive("orders", { json = { id = 1 } })
---assert.equal("pending", t:delivery("crm").state)
---t:resume "crm"
---```
---@param endpoint string
function Test:pause(endpoint) end

---As `anzol endpoints resume`: of a paused one.
---
---```lua
---t:resume "crm"
---```
---@param endpoint string
function Test:resume(endpoint) end

---As `anzol endpoints disable`: nothing is sent to it until `t:enable`.
---
---```lua
---t:disable "crm"
---```
---@param endpoint string
function Test:disable(endpoint) end

---As `anzol endpoints enable`: of one that was disabled, by hand, by 410 or by `disable_after`.
---
---```lua
---t:enable "crm"
---```
---@param endpoint string
function Test:enable(endpoint) end

---As `anzol dead retry`: a dead (or cancelled) delivery, or the dead runs of an event, get a fresh
---chance; all that follows from it now is done.
---
---```lua
---t:answer("crm", 500, 200)
---t:receive("shop", { json = { type = "order.created" } })
---t:advance "5d"
---t:retry(t:delivery "crm")
---```
---@param what table|string A delivery or an event, or its id.
function Test:retry(what) end

---As `anzol replay`: one more delivery of the same message, or the event's handlers once more.
---
---```lua
---local event = t:receive("shop", { json = { type = "order.created" } }).event
---t:replay(event)
---assert.equal(t.deliveries[1].message_id, t.deliveries[2].message_id)
---```
---@param what table|string A delivery or an event, or its id.
function Test:replay(what) end

---What `anzol.http` gets from the outside: `*` stands for anything, a method may stand before the URL,
---the pattern that was given last comes first. A call that matches none fails the test.
---
---```lua
---t:http("POST https://geo.example/v1/*", { json = { country = "PT" } })
---```
---@param pattern string
---@param answer integer|anzol.CannedAnswer|fun(request: table): integer|anzol.CannedAnswer
function Test:http(pattern, answer) end

---Moves the clock: what falls due is done, each thing at its own time.
---
---```lua
---t:advance "3d"
---```
---@param time anzol.Duration
function Test:advance(time) end

---Runs a poll now, whatever its time, and waits for its end: how that was. `t:advance` runs polls, crons
---and everys when their time comes; one whose last run failed while the spec did not look fails the test.
---
---```lua
---t:http("https://api.example/tickets*", { json = { items = { { id = 1, state = "open" } } } })
---assert.equal(1, t:poll("tickets").items)
---```
---@param name string
---@return { items: integer, error: string?, why: string, wait_ms: integer, next_ms: integer }
function Test:poll(name) end

---The same for what `anzol.cron` or `anzol.every` registered; `tick.scheduled_ms` is now.
---
---```lua
---t:cron "daily-digest"
---```
---@param name string
---@return { items: integer, error: string?, why: string, wait_ms: integer, next_ms: integer }
function Test:cron(name) end

---A message of a stream of `anzol.sse`: its function runs with it now. How that was.
---
---```lua
---assert.is_nil(t:message("prices", { id = "17", type = "price", json = { eur = 5 } }).error)
---```
---@param name string
---@param message { id: string?, type: string?, data: string?, json: any }
---@return { items: integer, error: string?, why: string, wait_ms: integer, next_ms: integer }
function Test:message(name, message) end

---The commit of the next run is lost, as if the process ended before it: the event runs again.
---
---```lua
---t:crash_before_commit()
---```
function Test:crash_before_commit() end

---What a metric of the scripts stands at; nil: it was not counted. Of a histogram: `NAME_count`,
---`NAME_sum`.
---
---```lua
---assert.equal(1, t:metric("refunds_total", { currency = "EUR" }))
---```
---@param name string As scripts name it.
---@param labels? table<string, string> All of its labels.
---@return number?
function Test:metric(name, labels) end

---The last delivery to an endpoint.
---
---```lua
---assert.equal("dead", t:delivery("crm").state)
---```
---@param endpoint string
---@return table
function Test:delivery(endpoint) end

---The endpoints of a list of deliveries, in its order.
---
---```lua
---assert.same({ "billing", "crm" }, t:endpoints_of(t.deliveries))
---```
---@param deliveries table[]
---@return string[]
function Test:endpoints_of(deliveries) end

---Ends the test. Raises for canned answers that nobody asked for, and for runs that failed while the
---spec looked neither at `dead_letters` nor at the event's `error` or `runs`.
---
---```lua
---after_each(function() t:close() end)
---```
function Test:close() end

return testing
