---@meta _
local anzol = require "anzol"

---Calls to other services, from phases that may wait. A call looks plain and waits: others run
---meanwhile. Addresses are judged as those of endpoints are (no private one unless `allow_private`);
---128 calls of a worker run at a time, 32 of one host, and the next waits for its turn within its
---timeout. A call that waits ends with its job.
---@class anzol.http
anzol.http = {}

---Credentials: `{ bearer = token }`, or `{ basic = { user, password } }`.
---@class anzol.HttpAuth
---@field bearer? anzol.SecretText
---@field basic? { [1]: anzol.SecretText, [2]: anzol.SecretText }

---@class anzol.HttpOptions
---@field query? table<string, string|number|boolean>|string Added to the URL.
---@field headers? table<string, anzol.SecretText|number> At most 64.
---@field json? any A body as JSON.
---@field form? table<string, string|number|boolean> A body as a form.
---@field body? string A body as bytes.
---@field auth? anzol.HttpAuth
---@field timeout? anzol.Duration Of it all, look-up and redirects included: 1 ms to 10 min, default `"10s"`.
---@field max_body? anzol.Size Of the answer: at most `"8MiB"`, default `"1MiB"`.
---@field redirects? integer How many to follow: 0 to 20, default 0 (a redirect is an answer as any other). To another host only `Accept`, `Content-*` and `User-Agent` go along.
---@field allow_private? boolean May go to addresses that are not public. Default: `false`.

---@class anzol.HttpRequest: anzol.HttpOptions
---@field url anzol.SecretText
---@field method? string Any but `CONNECT` and `TRACE`, at most 32 bytes. Default: `"GET"`.

---An answer, of whatever status. Read-only.
---@class anzol.Response
---@field status integer
---@field ok boolean 200 to 299.
---@field headers anzol.Headers
---@field body string
---@field duration_ms integer
---@field retry_after number? Seconds that the `Retry-After` header asks for.
local Response = {}

---The body, decoded.
---
---```lua
---local res = assert(anzol.http.get "https://api.example/items")
---local items = assert(res:json()).items
---```
---@return any value
---@return anzol.Error? error Code `"json"`.
function Response:json() end

---An Error of the status, to return or raise; `retryable` for 408, 425, 429 and 5xx.
---
---```lua
---local res = assert(anzol.http.get "https://api.example/items")
---if not res.ok then error(res:error()) end
---```
---@return anzol.Error error Code `"status"`, and the field `status`.
function Response:error() end

---Asks with any method. Waits.
---
---Without an answer: `nil` and an Error with the code `"timeout"`, `"connect"`, `"dns"`, `"tls"`,
---`"reset"`, `"blocked_address"`, `"protocol"`, `"too_large"`, or `"url"`.
---
---```lua
---local res, err = anzol.http.request { method = "PUT", url = "https://api.example/x", json = { a = 1 } }
---```
---@param request anzol.HttpRequest
---@return anzol.Response? response
---@return anzol.Error? error
function anzol.http.request(request) end

---GET. Waits.
---
---```lua
---local res, err = anzol.http.get("https://api.example/items", { query = { limit = 100 }, timeout = "5s" })
---if not res then return nil, err end
---```
---@param url anzol.SecretText
---@param options? anzol.HttpOptions
---@return anzol.Response? response
---@return anzol.Error? error
function anzol.http.get(url, options) end

---POST. Waits.
---
---```lua
---local res = assert(anzol.http.post("https://api.example/items", { json = { name = "one" } }))
---```
---@param url anzol.SecretText
---@param options? anzol.HttpOptions
---@return anzol.Response? response
---@return anzol.Error? error
function anzol.http.post(url, options) end

---PUT. Waits.
---
---```lua
---local res = assert(anzol.http.put("https://api.example/items/1", { json = { name = "one" } }))
---```
---@param url anzol.SecretText
---@param options? anzol.HttpOptions
---@return anzol.Response? response
---@return anzol.Error? error
function anzol.http.put(url, options) end

---PATCH. Waits.
---
---```lua
---local res = assert(anzol.http.patch("https://api.example/items/1", { json = { name = "two" } }))
---```
---@param url anzol.SecretText
---@param options? anzol.HttpOptions
---@return anzol.Response? response
---@return anzol.Error? error
function anzol.http.patch(url, options) end

---DELETE. Waits.
---
---```lua
---local res = assert(anzol.http.delete("https://api.example/items/1"))
---```
---@param url anzol.SecretText
---@param options? anzol.HttpOptions
---@return anzol.Response? response
---@return anzol.Error? error
function anzol.http.delete(url, options) end

---@class anzol.HttpAllOptions
---@field concurrency? integer How many at a time: 1 to 100, default 8.

---Asks many times at once and waits for all: a pair of Response and Error for each, in order.
---Waits.
---
---```lua
---local results = anzol.http.all({ { url = "https://a.example/" }, { url = "https://b.example/" } })
---for _, pair in ipairs(results) do
---  local res, err = pair[1], pair[2]
---  anzol.log.info(res and "answered" or "failed", { why = err and tostring(err) })
---end
---```
---@param requests anzol.HttpRequest[]
---@param options? anzol.HttpAllOptions
---@return { [1]: anzol.Response?, [2]: anzol.Error? }[]
function anzol.http.all(requests, options) end

---A text as it stands in a path or query.
---
---```lua
---local url = "https://api.example/users/" .. anzol.http.escape(event.data.name)
---```
---@param text string
---@return string
function anzol.http.escape(text) end
