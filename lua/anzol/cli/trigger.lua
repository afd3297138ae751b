-- SPDX-License-Identifier: MIT
-- anzol trigger: a test webhook, signed as the source's provider signs, posted to the public
-- listener, or (--local) taken through the project in this process. Its scripts are loaded here for
-- that: they know the provider and the secret.
local body = require "anzol.cli.body"
local client = require "anzol.cli.client"
local failure = require "anzol.cli.failure"
local settings = require "anzol.cli.settings"
local trigger_local = require "anzol.cli.trigger_local"

local M = {
  name = "trigger",
  summary = "Post a signed test webhook to a source.",
  description = [[
Post a test webhook to a source of this project, signed as its provider signs. The body is
the fixture, byte for byte; headers beside it (push.headers for push.json, "Name: value"
lines) go too.

  anzol trigger github --type push --fixture fixtures/github/push.json
  anzol trigger github --type push --fixture push.json --set ref=refs/heads/next

Needs the source's secret, as `anzol serve` does: ANZOL_SECRET_NAME. Where --type does not
become the type of the event (the source has no provider, or the body says another),
nothing is sent: give what the source's type reads, as --header 'X-GitHub-Event: push'.

With --local no server is asked: the request goes through the project in this process. The
answer, the event, its runs and those of what they emit are told, and what would be sent;
nothing is stored or sent, but anzol.http really calls. With -o json: { "status", "outcome",
"id", "type", "detail", "body", "runs": [{ "subscription", "event", "type", "outcome",
"detail", "delayMs", "effects" }], "leftOut" }.

Exit code 0: stored or answered, 1: refused, of another type, or (--local) a run failed.]],
}

local TIMEOUT_MS = 30000

function M.configure(parser)
  parser:argument("source", "Name of the source."):argname "SOURCE"
  parser:option("--type", "Type of the event, as the provider calls it or as scripts see it: "
    .. "push, github.push."):argname "TYPE"
  parser:option("--fixture", "File with the body; - is standard input."):argname "FILE":count(1)
  parser:option("--header", "One more header."):argname "'NAME: VALUE'":count "*"
  parser:option("--set", "Replace a value of a JSON body: names and positions (from 1) with dots "
    .. "between; the value is JSON or text."):argname "PATH=VALUE":count "*"
  parser:flag("--local", "Through the project in this process, without a server; tell what would "
    .. "be sent.")
  parser:option("--listen", "Public listener (default: from anzol.lua or ANZOL_LISTEN).")
    :argname "HOST:PORT"
end

local function read_headers(options)
  local headers = body.read_headers(options.fixture)
  for _, text in ipairs(options.header) do
    local name, value = text:match "^([^:%s]+):%s*(.-)%s*$"
    if not name then
      failure.raise(failure.USAGE, "--header '%s': write 'NAME: VALUE'", text)
    end
    headers[#headers + 1] = { name, value }
  end
  return headers
end

-- What the provider signs with, then what was asked for: the later of two equal names wins.
local function merge(...)
  local headers, names = {}, {}
  for _, list in ipairs { ... } do
    for _, header in ipairs(list) do
      local key = header[1]:lower()
      if names[key] then headers[names[key]] = nil end
      names[key] = header[1]
      headers[header[1]] = header[2]
    end
  end
  return headers
end

local function sign(options, bytes)
  local native = require "anzol.native"
  local request, err = native.sign(options.project, options.source, options.type, bytes,
    settings.loading(options.project))
  if not request then failure.raise(failure.CONFIG, "%s", err) end
  request.headers = merge({ { "Content-Type", "application/json" } }, request.headers,
    read_headers(options))
  return request
end

-- "orders/create" as types are written.
local function as_type(text) return (text:gsub("[^%w_.-]+", "."):lower()) end

-- --type, with or without what the source puts before and behind it (sentry.issue.created for
-- issue), must be what the source will make of the request: else scripts would see another event
-- than was asked for.
local function check_type(options, request)
  if not options.type then return end
  local native = require "anzol.native"
  local headers = {}
  for name, value in pairs(request.headers) do headers[#headers + 1] = { name, value } end
  local kind, err = native.classify(options.project, options.source, { method = request.method,
    path = request.path, headers = headers, body = request.body },
    settings.loading(options.project))
  if not kind then
    failure.raise(failure.FAILED, "source '%s' finds no type for this; nothing was sent: %s",
      options.source, err:match "^[^\n]*")
  end
  local asked, given = "." .. as_type(options.type) .. ".", "." .. as_type(kind) .. "."
  if given:find(asked, 1, true) then return end
  failure.raise(failure.FAILED, "the event would be of type '%s', not '%s'; nothing was sent. Give "
    .. "what the type of source '%s' reads: --header 'X-GitHub-Event: %s', or --set PATH=VALUE in "
    .. "the body", kind, options.type, options.source, options.type:match "[^.]*$")
end

local function post(url, request, bytes)
  local native = require "anzol.native"
  local answer, err, kind = native.fetch {
    method = request.method, url = url, headers = request.headers, body = bytes,
    timeout_ms = TIMEOUT_MS,
  }
  if not answer then
    client.explain(err, kind, "; is `anzol serve` running? (--listen HOST:PORT finds another "
      .. "address)")
  end
  return answer
end

local function is_good(answer) return answer.status >= 200 and answer.status < 300 end

local function print_answer(console, url, answer, duration_ms)
  local native = require "anzol.native"
  local value = native.json.decode(answer.body)
  local stored = type(value) == "table" and value or {}
  local is_handshake = is_good(answer) and not stored.id
  if console:is_json() then
    console:data(native.json.encode({
      url = url, status = answer.status, durationMs = duration_ms, id = stored.id,
      duplicate = stored.duplicate, code = stored.code, detail = stored.detail,
      body = is_handshake and answer.body or nil,
    }, { sort = true }) .. "\n")
    return
  end
  local what = stored.id or is_handshake and "no event, the source's own answer: " .. answer.body
    or client.detail(answer)
  console:line(("%d %s%s"):format(answer.status, what, stored.duplicate and " (a duplicate)" or ""))
  console:say("POST %s in %d ms", url, duration_ms)
  if stored.id then console:say("what became of it: anzol events show %s", stored.id) end
end

function M.run(options, console)
  local native = require "anzol.native"
  local bytes = body.edit(body.read(options.fixture), options.set)
  local request = sign(options, bytes)
  check_type(options, request)
  if options["local"] then return trigger_local.run(options, console, request) end
  local url = settings.listen_url(options) .. request.path
  local started_ms = native.now_ms()
  local answer = post(url, request, request.body)
  print_answer(console, url, answer, native.now_ms() - started_ms)
  return is_good(answer) and 0 or failure.FAILED
end

return M
