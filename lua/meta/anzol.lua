---@meta anzol

---What scripts, handlers and providers are written with: `local anzol = require "anzol"`.
---
---*The world fails*: a call returns `nil` and an `Error`. *You misuse the API* (a wrong type, an
---unknown option, a wrong phase): it raises with your file and line and a hint.
---@class anzol
---@field version string The server's version, as `"0.1.0"`.
---@field generation integer Number of the load that this state belongs to: 1, 2, … with each reload.
local anzol = {}

---Seconds as a number, or `"250ms"`, `"5s"`, `"10m"`, `"2h"`, `"7d"`.
---@alias anzol.Duration number|string

---Bytes as an integer, or `"64KiB"`, `"1MiB"`.
---@alias anzol.Size integer|string

---A text that comes from outside of the scripts, or the text itself.
---@alias anzol.SecretText string|anzol.Secret

-- ---- Registration ----

---@class anzol.SourceOptions
---@field provider? anzol.Provider What a known sender needs, in one; options given beside it win.
---@field verify? anzol.Verifier|fun(req: anzol.Request): boolean, string? Who may send. Required unless the provider brings it. A function returns `true`, or `false` and a reason (401).
---@field path? string Default: `/in/` and the name.
---@field public_url? string The URL as the sender knows it, without a query: some senders sign it.
---@field methods? string[] Default: `{ "POST" }`.
---@field type? string|fun(req: anzol.Request): string The event's type; default: the source's name. At most 256 of `A-Z a-z 0-9 _ . -`, not beginning with `anzol.` or `api.`.
---@field idempotency_key? fun(req: anzol.Request): string? A request with the key of an earlier one is answered, but makes no event.
---@field idempotency_window? anzol.Duration How long keys are kept. Default: `"24h"`.
---@field max_body? anzol.Size Default: `"1MiB"`.
---@field allow_from? string[] Addresses and blocks that may send, as `{ "192.0.2.0/24", "2001:db8::7" }`; others get 403. Behind a proxy: see the setting `trusted_proxies`.
---@field rate_limit? string Requests of all senders together, as `"100/s"`; more get 429 with `Retry-After`.
---@field handshake? anzol.Handshake Answers the `OPTIONS` handshake of CloudEvents. Then `status` is 202 unless given, and JSON that is malformed gets 415 where a function of the source reads it.
---@field challenge? fun(req: anzol.Request): anzol.ChallengeAnswer? Answers handshakes that come unsigned, whatever their method. Before `verify`; may wait. Nothing is stored.
---@field respond? fun(req: anzol.Request): anzol.RespondAnswer? What the sender gets, once the event is durable; nil: the default. Behind `verify`; may wait.
---@field hide_headers? string[] Headers that are not kept: `verify` sees them, nobody else. `"?name"`: a parameter of the query, whose value is struck out. Default: `{ "authorization", "cookie" }`. What holds the secret by which `verify` judges (a token, a password) is never kept.
---@field retention? anzol.Duration How long events are kept after they were handled. Default: the server's setting.
---@field seal_body? boolean Bodies lie sealed by the key of secrets in the store, and the API does not show them. What the scripts make of them (messages with a body of their own, emitted events) is not sealed. Default: `false`.
---@field status? integer What the sender gets once the event is durable: 200 to 299, default 200.

---Whose deliveries a source consents to when it is asked by `OPTIONS` (CloudEvents HTTP webhooks).
---A sender that is not of them and names a callback is told to scripts as `anzol.source.handshake`.
---@class anzol.Handshake
---@field origins string[]|"*" DNS names that senders call themselves, at most 256; `"*"`: any.
---@field rate? integer Requests a minute that are granted, 1 to 1000000000; default: any number. `rate_limit` is what holds them to it.

---What `challenge` tells the sender.
---@class anzol.ChallengeAnswer
---@field status? integer 200 to 599, default 200.
---@field headers? table<string, string> More headers.
---@field json? any The body, as JSON.
---@field body? string The body, as it is: `text/plain` unless `headers` say otherwise. At most 64 KiB.

---What `respond` tells the sender.
---@class anzol.RespondAnswer: anzol.ChallengeAnswer
---@field store? boolean `false`: nothing is stored and no type is asked for. Default: true.

---Registers where events come in. Load phase only.
---
---```lua
---anzol.source("github", {
---  provider = anzol.provider.github { secret = anzol.secret "GITHUB_WEBHOOK_SECRET" },
---})
---```
---@param name string At most 64 of `a-z 0-9 . _ -`, beginning with a letter or digit; unique.
---@param options anzol.SourceOptions
function anzol.source(name, options) end

---An endpoint pauses when so many attempts within `window` failed, and that is such a part of all:
---no answer, or 5xx that is no success. After `cooldown` one attempt probes: it ends the pause, or
---begins it anew. What waits keeps its count of attempts.
---@class anzol.EndpointBreaker
---@field failures? integer At least so many: 1 to 100000, default 20.
---@field rate? number At least such a part of the attempts: more than 0, at most 1, default 0.9.
---@field window? anzol.Duration 1 ms to 1 h, default `"1m"`.
---@field cooldown? anzol.Duration 1 ms to 1 h, default `"10s"`.

---What an attempt may take, in parts: each counts from its start.
---@class anzol.TimeoutOptions
---@field connect? anzol.Duration Name, TCP and TLS. Default: `"10s"`, or `first_byte` if that is less.
---@field first_byte? anzol.Duration Until the answer begins. Default: `whole`.
---@field whole? anzol.Duration Default: `"15s"`.

---@class anzol.EndpointOptions
---@field kind? "http" Its messages are sent. Of `"long_poll"` it is a queue (anzol.QueueOptions).
---@field url anzol.SecretText Where to: http or https.
---@field sign anzol.Signer|false How messages are signed; `false`: not at all.
---@field method? string Any method but `CONNECT` and `TRACE`, at most 32 bytes; a `HEAD` takes no body along. Default: `"POST"`.
---@field headers? table<string, anzol.SecretText> Sent with each message.
---@field transform? fun(message: anzol.OutgoingMessage): anzol.OutgoingMessage|anzol.Verdict Called before each attempt; cannot wait.
---@field order_by? fun(message: anzol.OutgoingMessage): string? A key of at most 512 bytes: the messages with the same one go one after another in order of their commits, retries, restarts and reloads included; other keys go beside them. `""` for all orders the whole endpoint; `nil`: in no order. Asked when the message is sent; if it raises, `event:send` does. Cannot wait or send.
---@field on_dead? "skip"|"block" With `order_by`, when a message is given up: `"skip"` lets the next of its key go, `"block"` lets the key wait until the dead delivery is retried and succeeds, or is dropped. Default: `"skip"`.
---@field retry? anzol.Backoff|fun(attempt: anzol.Attempt, delivery: anzol.Delivery): (anzol.Duration|false|nil), string? When to try again. A function returns a delay, `false` and a reason (give up), or nothing (the default schedule); cannot wait.
---@field timeout? anzol.Duration|anzol.TimeoutOptions Of one attempt: 1 ms to 10 min, default `"15s"`. The attempt's `error` is `"timeout"`, and its detail begins with the part that ended.
---@field success? fun(status: integer): boolean Which answers are a success, instead of 2xx; also a 410 that it takes for one. Anything but a boolean is an error: then 2xx decides, and `anzol_script_errors_total` counts it. Cannot wait.
---@field rate_limit? string Attempts by time: `"50/s"`, `"100/m"`, `"1000/h"`. Default: as many as `concurrency` allows.
---@field burst? number Attempts that may go at once after a pause: 1 to 1000000. Default: one second's worth of `rate_limit`, at least 1.
---@field breaker? anzol.EndpointBreaker|false When attempts pause because the receiver fails. `false`: never.
---@field disable_after? anzol.Duration|false After so long of nothing but failures the endpoint is disabled, with the event `anzol.endpoint.disabled`; what waits stays. 1 ms to 366 d, default `"5d"`; `false`: never.
---@field slow_down? boolean Give a receiver that answers 429 or 503 less, and pause until its `Retry-After`, an hour at most. Default: `true`.
---@field concurrency? integer Attempts at a time: 1 to 1000, default 20.
---@field allow_private? boolean May go to addresses that are not public. Default: `false`.
---@field auth? anzol.EndpointAuth Who we are, as the header `Authorization`; a message that has one sends its own.
---@field ca_file? anzol.SecretText Who vouches for the receiver's certificate, instead of the system's authorities: the path of a file of PEM, relative to the project, or a secret that holds it.
---@field client_cert? anzol.ClientCertificate What the receiver asks to see of us.
---@field proxy? anzol.SecretText URL of a proxy that takes the requests (http or https, a user and password in it if it asks for them). Default: none, whatever the environment says.
---@field tell_success? boolean Each success makes an event `anzol.delivery.succeeded` with the answer, for handlers that go on with it. Default: `false`.
---@field compress? "gzip" Bodies of 1 KiB or more go out compressed where that makes them smaller. Default: as they are.
---@field cloudevents? anzol.CloudEventsOptions Messages go out as CloudEvents 1.0.

---One of these.
---@class anzol.EndpointAuth
---@field bearer? anzol.SecretText A token.
---@field basic? anzol.SecretText[] A user and a password.
---@field oauth2? anzol.OAuth2 Tokens of OAuth 2, by client credentials (RFC 6749, 4.4).

---A token is fetched when an attempt needs it, one at a time, kept until shortly before it expires, and
---dropped when the receiver answers 401. If there is none, the attempt fails with the error `"auth"`.
---@class anzol.OAuth2
---@field token_url anzol.SecretText Who gives tokens. Judged as the endpoint's own URL is.
---@field client_id anzol.SecretText
---@field client_secret anzol.SecretText
---@field scope? string As `"orders:read orders:write"`.
---@field audience? string Some ask for it.
---@field client_auth? "basic"|"body" Where id and secret go: a header, or the form. Default: `"basic"`.

---Paths of files of PEM, relative to the project, or secrets that hold it.
---@class anzol.ClientCertificate
---@field cert anzol.SecretText The certificate, and behind it those that vouch for it.
---@field key anzol.SecretText Its private key, without a pass phrase.

---What an endpoint's messages are as CloudEvents: `id` is the message's, `type` its type, `time` that
---of its event. Headers `ce-…` of a message are attributes too, and win: `["ce-subject"] = "7"`.
---@class anzol.CloudEventsOptions
---@field source string Where the events come from: a URI, or a path.
---@field mode? "binary"|"structured" The attributes as headers beside the body, or all in one JSON object (data that is no JSON: in base64). Default: `"binary"`.

---A queue: its messages are not sent, receivers ask for them. `GET path?wait=25s&limit=50` gives those
---that are due, or waits for one, at most so long (204: there was none). Each is leased to who got it:
---acknowledged (`POST path/ack`, `{ "ids": [...] }`) within the lease it is done, else it comes again.
---See the guide, queues.
---@class anzol.QueueOptions
---@field kind "long_poll"
---@field path string Where receivers ask, on the listener of the sources: as `"/queue/jobs"`.
---@field auth anzol.Verifier Who may: as `anzol.verify.bearer { secret = anzol.secret "JOBS" }`, `anzol.verify.none()` for anybody.
---@field wait? anzol.Duration The longest that a request waits for a message: at most 5 min, default `"25s"`.
---@field batch? integer The most messages of an answer: 1 to 1000, default 50.
---@field lease? anzol.Duration How long a message is its receiver's: 1 s to 12 h, default `"1m"`.
---@field order_by? fun(message: anzol.OutgoingMessage): string? As of an endpoint that is sent to: the next message of a key is given when the one before it was acknowledged.
---@field on_dead? "skip"|"block" As of an endpoint that is sent to.
---@field retry? anzol.Backoff|fun(attempt: anzol.Attempt, delivery: anzol.Delivery): (anzol.Duration|false|nil), string? How often a message is given before it is dead, and when it comes again after it was given back. A lease that ended has waited enough: its message comes at once.

---Registers where messages go. Load phase only.
---
---```lua
---anzol.endpoint("crm", {
---  url = "https://crm.example/hooks",
---  sign = anzol.sign.standard { secret = anzol.secret "CRM_SECRET" },
---  retry = anzol.backoff.exponential { base = "5s", max = "1h", attempts = 12 },
---})
---```
---@param name string As of a source.
---@param options anzol.EndpointOptions|anzol.QueueOptions
function anzol.endpoint(name, options) end

---Events that are handled together, as one job; `wait` or `quiet` must be given.
---@class anzol.BatchOptions
---@field wait? anzol.Duration The batch closes so long after its first event, at the latest: 1 ms to 7 days, default `"7d"`.
---@field quiet? anzol.Duration It closes so long after its last event: 1 ms to 7 days. Default: no matter.
---@field max? integer It closes when it holds so many events: 1 to 1000, default 100. It also closes when their bodies come to 1 MiB.
---@field by? fun(event: anzol.Event): string? A key of at most 512 bytes: events with the same one are handled together; `nil`: this one alone, at once. Asked once, when the event is stored. If it raises, the run fails. Default: one key for all. Cannot wait or send.
---@field keep? "all"|"last" `"last"`: only the newest event is handled, those before it are skipped. Default: `"all"`.

---@class anzol.OnOptions
---@field batch? anzol.BatchOptions The handler gets a list of events, in stored order; the batches of a key go one after another. Not with `order_by`.
---@field source? string Only events of this source.
---@field filter? fun(event: anzol.Event): boolean `false`: the event is skipped. Cannot wait or send.
---@field deadline? anzol.Duration How long a run may take, waits included: 1 ms to 10 min, default `"30s"`.
---@field concurrency? integer Runs at a time: 1 to 10000, default 50.
---@field order_by? fun(event: anzol.Event): string? A key of at most 512 bytes: the runs of events with the same one go one after another in stored order, re-runs included, whichever worker has them; `""` is a key as any other, `nil`: in no order. Asked once, when the event is stored. If it raises, the run fails. Cannot wait or send.
---@field name? string Names the subscription in logs and lists. Default: the file's base name, `:` and the patterns. The same twice is an error.

---Registers a handler for the events whose type matches. `*` is one segment, `**` one or more and
---last only; types that begin with `anzol.` or `api.` match only patterns that do. Load phase only.
---
---The handler runs after the event is durable, may wait, and commits all that it did at its end,
---or nothing: after an error it runs again (1 s, 5 s, 30 s, 2 min, 10 min), then the event is dead.
---To return `nil` and an Error, as calls do, is an error too.
---
---```lua
---anzol.on("github.push", function(event)
---  if event:get "deleted" then return anzol.skip "a branch went away" end
---  event:send "crm"
---end)
---```
---
---With `batch` it gets many events as one job:
---
---```lua
---anzol.on("ticket.commented", { batch = { wait = "5m", max = 50 } }, function(events)
---  events[1]:send("mail", { json = { count = #events } })
---end)
---```
---@param pattern string|string[] As `"github.push"`, `"stripe.invoice.*"`, `"**"`.
---@param options anzol.OnOptions
---@param handler fun(event: anzol.Event): anzol.Verdict?, anzol.Error?
---@overload fun(pattern: string|string[], handler: fun(event: anzol.Event): anzol.Verdict?, anzol.Error?)
---@overload fun(pattern: string|string[], options: anzol.OnOptions, handler: fun(events: anzol.Event[]): anzol.Verdict?, anzol.Error?)
function anzol.on(pattern, options, handler) end

---Registers what a state does once, before its generation serves: each worker's state by itself. It
---may wait, 10 s at most (and use 1 s of the processor); several run in order. If one raises, returns
---`nil` and an Error, or goes over a limit, the generation is refused: the old one stays, `anzol
---reload` exits 78 with what failed. `anzol check` does not run it; a test does, before the first
---`t:receive` or `t:advance`. Load phase only.
---
---```lua
---local keys
---anzol.init(function()
---  local res, err = anzol.http.get "https://login.example/keys"
---  if not res then return nil, err end
---  keys = assert(res:json())
---end)
---```
---@param fn fun(): any, anzol.Error?
function anzol.init(fn) end

---Registers a transform that endpoints of applications choose by their metadata: one whose `metadata` has
---`transform = name` has each message changed by it before each attempt, as the option `transform` of
---`anzol.endpoint` does. An endpoint that names one that no script registers gets nothing: the attempt fails
---with error `script`, and is repeated. Load phase only.
---
---```lua
---anzol.transform("slack", function(message)
---  message.body = anzol.json.encode { text = message.body }
---  return message
---end)
---```
---@param name string
---@param fn fun(message: anzol.OutgoingMessage): anzol.OutgoingMessage|anzol.Verdict Cannot wait.
function anzol.transform(name, fn) end

---A verdict of a handler, returned: the event is done, nothing is sent.
---
---```lua
---if event:get "deleted" then return anzol.skip "not a branch update" end
---```
---@param reason? string At most 255 bytes; `anzol events show` tells it.
---@return anzol.Verdict
function anzol.skip(reason) end

---A verdict of a handler, returned: run again after this time; nothing is committed.
---
---```lua
---if not event:get "ready" then return anzol.retry_later "10m" end
---```
---@param delay anzol.Duration At most `"30d"`.
---@return anzol.Verdict
function anzol.retry_later(delay) end

---What `anzol.skip`, `anzol.retry_later` and `anzol.after` return.
---@class anzol.Verdict

-- ---- Waiting, secrets, environment ----

---Waits; others run meanwhile. Works wherever Lua can yield, in coroutines of your own too: not in
---callbacks of `table.sort`, `string.gsub`, `__tostring`, in the body of a required file, nor in a
---`<close>` that `coroutine.close` runs. Past the run's deadline the run ends.
---
---```lua
---anzol.sleep "250ms"
---```
---@param duration anzol.Duration
function anzol.sleep(duration) end

---Runs functions at once, each of which may wait, and waits for all: their first results, in order
---(`results.n` is how many). The first that returns `nil` and an Error ends the others, and is
---returned; the first that raises ends the others, and raises here. At most 100 at once in a job,
---those of `anzol.http.all` and within others counted; all are charged to the job. Waits.
---
---```lua
---local results, err = anzol.all(
---  function() return anzol.http.get "https://api.example/user" end,
---  function() return anzol.http.get "https://api.example/cart" end)
---if not results then error(err) end
---local user, cart = results[1], results[2]
---```
---@param ... fun(): any, anzol.Error?
---@return table? results
---@return anzol.Error? error
function anzol.all(...) end

---A secret by name: from the environment variable `ANZOL_SECRET_NAME`, from the file that
---`ANZOL_SECRET_NAME_FILE` names, or from a systemd credential `NAME`; at most 64 KiB, a newline at
---its end left out. It is read when the scripts are loaded, and prints as `[secret NAME]`. A missing
---one refuses the load.
---
---```lua
---local secret = anzol.secret "GITHUB_WEBHOOK_SECRET"
---```
---@param name string Letters, digits and `_`.
---@return anzol.Secret
function anzol.secret(name) end

---Prints as `[secret NAME]`; joining it to text raises.
---@class anzol.Secret
local Secret = {}

---The text itself, for the rare need.
---
---```lua
---local header = "Token " .. anzol.secret("API_TOKEN"):reveal()
---```
---@return string
function Secret:reveal() end

---An environment variable; never a secret.
---
---```lua
---local url = anzol.env("CRM_URL", "https://crm.example/hooks")
---```
---@param name string
---@param default? string
---@return string?
function anzol.env(name, default) end

---A random number of the system's source: at least 0 and less than 1, or, as with `math.random`, a
---whole one from 1 to m or from m to n.
---
---```lua
---local spread = 0.75 + anzol.random() / 2
---local dice = anzol.random(6)
---```
---@param m? integer
---@param n? integer
---@return number
function anzol.random(m, n) end

---As `pairs`, in an order that does not change: numbers first, then strings, then other keys.
---
---```lua
---for name, count in anzol.sorted_pairs { b = 2, a = 1 } do print(name, count) end
---```
---@generic K, V
---@param t table<K, V>
---@return fun(): K, V
function anzol.sorted_pairs(t) end

-- ---- Objects ----

---One HTTP request that came in: what `verify`, `type` and `idempotency_key` look at. Read-only.
---@class anzol.Request
---@field method string As `"POST"`.
---@field path string
---@field query table<string, string|string[]> The decoded query.
---@field headers anzol.Headers
---@field body string The bytes as received.
---@field json any The body, decoded when first read; inflated (one layer of gzip or deflate) if it is compressed. Malformed: 400; inflates to more than `max_body`, or to a hundred times its size: 413. Nothing is stored then.
---@field form table<string, string> The body as a form (urlencoded or multipart; a file is its bytes), decoded when first read; the last of a name counts. None: 400. Over 1,000 fields or names over 8 KiB: 413.
---@field remote_ip string
---@field source string Name of the source.
---@field received_at_ms integer Unix milliseconds.

---Headers of a request or event, read by name in any case: `headers["X-GitHub-Event"]`; several
---values of a name are joined by `", "`. `pairs` gives them as they came.
---@class anzol.Headers
---@field [string] string?
local Headers = {}

---All values of a header.
---
---```lua
---for _, value in ipairs(event.headers:all "x-forwarded-for") do event.log.debug(value) end
---```
---@param name string In any case.
---@return string[]
function Headers:all(name) end

---What a handler is about: durable and read-only; `data` is a copy of yours to edit.
---@class anzol.Event
---@field id string As `"evt_0EJPp3QZQQ1"`.
---@field type string
---@field source string Name of the source that received it, or the event that it came from.
---@field body string The bytes as received.
---@field content_type string?
---@field data any The body, decoded from JSON (or a form, urlencoded or multipart) when first read; inflated if it is compressed. Not JSON: raises.
---@field lossy boolean A number in `data` was too big for Lua and stands there as a string.
---@field headers anzol.Headers
---@field query table<string, string|string[]>
---@field received_at_ms integer Unix milliseconds.
---@field run_number integer 1, 2, … with each run of this handler.
---@field parent_id string? The event whose handler emitted this one.
---@field application string? The id of the application that published it over the API, `"app_…"`; other events have none.
---@field application_uid string? What you call that application now; one without a `uid` has none.
---@field channels string[]? Those that it was published with.
---@field trace { trace_id: string, span_id: string }? The sender's trace (`traceparent`), or a new one. Goes along to what is emitted and sent.
---@field log anzol.log As `anzol.log`; lines name the event.
local Event = {}

---@class anzol.Message
---@field json? any A body as JSON; one of `json`, `body`, `form`.
---@field body? string A body of bytes.
---@field form? table<string, string> A body as a form.
---@field type? string Default: the event's type.
---@field headers? table<string, anzol.SecretText>
---@field method? string Instead of the endpoint's.
---@field path? string Instead of the path of the endpoint's URL.
---@field query? table<string, string>|string Instead of the query of the endpoint's URL.

---@class anzol.SendOptions
---@field delay? anzol.Duration Send it then; at most `"366d"`. With an order key, those behind it wait too.
---@field expires? anzol.Duration From now on: what was not delivered by then is dead, and lets the next of its order key go, whatever `on_dead` says. Longer than `delay`; at most `"366d"`.
---@field idempotency_key? string The same key in one run makes one message.
---@field priority? integer From -9 to 9, default 0: of what is due at an endpoint, the higher goes first; below it what was due first. Of one order key the first stays first.

---Sends a message to one or several endpoints, when the run commits. Without a message the received
---bytes go out unchanged. Only in the event's handler.
---
---```lua
---event:send("crm", { json = { customer = event:get "data.object.customer" } }, { delay = "5m" })
---event:send { "billing", "ledger" }
---```
---@param endpoint string|string[]
---@param message? anzol.Message
---@param options? anzol.SendOptions
---@return string id The message's id, the same in each run: `"msg_…"`.
function Event:send(endpoint, message, options) end

---@class anzol.PublishedEndpoint
---@field id string As `"ep_…"`.
---@field uid string? What its application calls it.
---@field url string
---@field types string[] Event types that it wants; none: all.
---@field channels string[] Channels that it wants; none: all.
---@field metadata table<string, string>

---@class anzol.PublishOptions
---@field payload? table Sent instead of what was published, as JSON of at most 1 MiB.
---@field type? string By which endpoints are chosen, and which the message has. Default: the event's, without `api.`.
---@field channels? string[] By which endpoints are chosen, at most 5; `{}`: none. Default: the event's.
---@field endpoints? fun(endpoint: anzol.PublishedEndpoint): boolean Whether this one of those that match gets it too. Cannot wait.

---Sends what was published over the API to the endpoints of its application, when the run commits: to each
---that wants its type and channels, or as the options say. An event that no handler takes goes there by
---itself; one that a handler takes goes nowhere unless it calls this, once. Of several handlers that do, the
---first to commit counts. Only in the handler of such an event (`anzol.on "api.**"`).
---
---```lua
---anzol.on("api.invoice.**", function(event)
---  if event.data.amount == 0 then return anzol.skip "nothing to pay" end
---  event:publish { endpoints = function(endpoint) return endpoint.metadata.region ~= "test" end }
---end)
---```
---@param options? anzol.PublishOptions
---@return integer count Of the endpoints.
function Event:publish(options) end

---@class anzol.EmitOptions
---@field delay? anzol.Duration The new event is handled after this time. At most `"366d"`. Default: at once.
---@field idempotency_key? string Of all that emit this type from events of one source under one key, within a day, the first makes an event. Keys of senders are apart.

---Makes a new event of this source when the run commits; handlers run on it as on any other. A
---chain is at most 16 deep. Only in the event's handler.
---
---```lua
---event:emit("order.paid", { order = event.data.id })
---```
---@param type string Not beginning with `anzol.` or `api.`.
---@param data? any Its body, as JSON. Default: `{}`.
---@param options? anzol.EmitOptions
---@return string id The new event's id.
function Event:emit(type, data, options) end

---Reads a value of `data` by its path. What is absent or JSON null gives the default, and nothing
---on the way raises.
---
---```lua
---local customer = event:get("data.object.customer", "nobody")
---```
---@param path string Names and positions, joined by dots: `"items.1.sku"`.
---@param default? any
---@return any
function Event:get(path, default) end

---Does a part of the handler once: what the function returns is committed before this returns it, and
---another try of the run, after an error, a crash or a reload, gets the same without calling it. What
---is kept is what JSON can hold (up to 8 values, 64 KiB); the handler gets a copy. `nil` and an Error
---are returned and not kept, an error is raised here and not kept. In the function `send`, `emit` and
---writes of `anzol.kv` raise: call them behind the step. At most 1,000 steps in a run, 1 MiB of results.
---Only in the event's handler. Waits.
---
---```lua
---local charge = assert(event:step("charge", function()
---  local res, err = anzol.http.post("https://payments.example/charges", { json = event.data })
---  if not res then return nil, err end
---  return assert(res:json()).id
---end))
---```
---@param name string 1 to 100 bytes; once in a run.
---@param fn fun(...: any): ...any May wait.
---@param ... any What it is called with.
---@return any ... What it returned.
function Event:step(name, fn, ...) end

---A message as `transform` sees it: change and return it, or make another one.
---@class anzol.OutgoingMessage
---@field id string
---@field event_id string
---@field type string
---@field body string
---@field json any Decoded when first read; set it for another body.
---@field form? table<string, string> Set it for a form as the body.
---@field headers table<string, string>
---@field method string?
---@field path string?
---@field query string?

---One HTTP request that went out, as `retry` sees it.
---@class anzol.Attempt
---@field number integer 1, 2, …
---@field status integer? Of the answer; `nil` when none came.
---@field error ("timeout"|"connect"|"dns"|"tls"|"reset"|"blocked_address"|"protocol"|"script"|"auth"|"lease"|"nack")? Why none came; `"auth"`: no token of OAuth 2; `"lease"`, `"nack"`: the receiver of a queue did not acknowledge it in time, or gave it back.
---@field headers table<string, string> Of the answer, names in lower case.
---@field body string Of the answer; at most 64 KiB.
---@field duration_ms integer
---@field retry_after number? Seconds that the answer asked for.
---@field previous_delay number? Seconds waited before this attempt.

---A message on its way to one endpoint, as `retry` sees it.
---@class anzol.Delivery
---@field id string
---@field endpoint string
---@field message_id string
---@field event_id string
---@field age number Seconds since it was made.
---@field attempts integer
---@field state "pending"|"in_flight"|"retrying"|"succeeded"|"dead"|"cancelled"

---Why the world failed; `tostring` gives `"code: message"`, so `assert` tells it.
---@class anzol.Error
---@field code string For programs: `"timeout"`, `"json"`, …
---@field message string For people.
---@field retryable boolean Another try may succeed.
---@field retry_after number? Seconds that the other side asked for.
---@field detail any?

return anzol
