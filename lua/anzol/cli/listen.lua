-- SPDX-License-Identifier: MIT
-- anzol listen: what a server receives goes on to a program at one's desk. The server keeps the
-- events; this keeps its place among them, in a file, so that sleep or a restart loses none.
local client = require "anzol.cli.client"
local console_module = require "anzol.cli.console"
local failure = require "anzol.cli.failure"
local place = require "anzol.cli.listen_place"
local settings = require "anzol.cli.settings"
local span = require "anzol.cli.span"

local M = {
  name = "listen",
  summary = "Forward live events of a server to a local program, exactly as they came.",
  description = [[
Forward what a server receives to a program on this machine: the same method, query, headers and
bytes. Nothing is lost while this machine sleeps, the program is not there, or the command is
started again: it goes on where it was (with --new it begins now).

  anzol listen github --forward-to 3000
  anzol listen github,stripe --forward-to http://localhost:3000/hooks --url https://h.example:8081
  anzol listen '*' --forward-to 3000 --events 'github.push,stripe.invoice.*' --replay-since 10m

Headers that may hold secrets, such as Authorization, stay on the server; signatures go along.
With -o json each line is { "id", "type", "source", "status", "durationMs" }. What the scripts
sent of an event is sent to a URL of yours by `anzol replay ID --to URL`.

  anzol listen '*' --forward-to 3000 --resend evt_0EJPp3QZQQ0      once more, and ends]],
}

local PAGE = "250"
local TURN_MS = 500
local RETRY_MS = 1000
local TIMEOUT_MS = 30000
-- Events are listed by their ids, and one may be stored a little after another with a higher id.
local OVERLAP_MS = 30000

function M.configure(parser)
  parser:argument("sources", "Names of sources, with commas between, or '*' for all.")
    :argname "SOURCES"
  parser:option("--forward-to", "A port of this machine, or a URL."):argname "PORT|URL":count(1)
  parser:option("--events", "Only these types, with commas between: * is one segment, ** several.")
    :argname "TYPES"
  parser:option("--replay-since", "Begin so long ago (10m), whatever came before."):argname "TIME"
  parser:flag("--new", "Begin now, not where the last one was.")
  parser:option("--resend", "Forward this event once more, and end."):argname "ID":count "*"
  parser:flag("--skip-verify", "Take any certificate of the program.")
end

-- ---- What is wanted ----

local function target_of(text)
  if text:find "^%d+$" and tonumber(text) > 0 and tonumber(text) < 65536 then
    return { url = "http://127.0.0.1:" .. text, keeps_path = true }
  end
  if not text:find "^https?://[^/]" then
    failure.raise(failure.USAGE,
      "--forward-to %s: a port (3000) or a URL (http://localhost:3000/hooks)", text)
  end
  return { url = text }
end

local function split(text)
  local parts = {}
  for part in (text or ""):gmatch "[^,%s]+" do parts[#parts + 1] = part end
  return parts
end

-- A pattern of types as a pattern of Lua.
local function type_pattern(pattern)
  local text = pattern:gsub("%*%*", "\0"):gsub("[^%w%z*]", "%%%0")
  return "^" .. text:gsub("%*", "[^.]+"):gsub("%z", ".+") .. "$"
end

-- Whether an event is wanted.
local function make_filter(options)
  local sources, patterns = {}, {}
  for _, name in ipairs(split(options.sources)) do sources[name] = true end
  for i, pattern in ipairs(split(options.events)) do patterns[i] = type_pattern(pattern) end
  return function(row)
    if not sources["*"] and not sources[row.source] then return false end
    for _, pattern in ipairs(patterns) do if row.type:find(pattern) then return true end end
    return #patterns == 0
  end
end

local function since_ms(options, now_ms)
  local ago_ms = span.parse(options.replay_since)
  if not ago_ms then
    failure.raise(failure.USAGE, "--replay-since %s: so long ago, as 250ms, 5s, 10m, 2h or 7d",
      options.replay_since)
  end
  return now_ms - ago_ms
end

-- ---- From the server ----

-- Events since then that are not known yet, oldest first.
local function fetch_new(options, console, here)
  local rows, iterator = {}, nil
  repeat
    local page = client.decode(client.request(options, console, { path = "/api/v1/event", query = {
      { "limit", PAGE }, { "iterator", iterator }, { "since", ("%d"):format(here.since_ms) } } }))
    for _, row in ipairs(page.data) do
      if not here.seen[row.id] then table.insert(rows, 1, row) end
    end
    iterator = client.plain(page.iterator)
  until page.done or not iterator
  return rows
end

local function request_of(options, console, row)
  local answer = client.request(options, console,
    { path = ("/api/v1/event/%s/request"):format(client.escape_part(row.id)),
      accept = { [404] = true } })
  return answer.status == 200 and client.decode(answer) or nil
end

-- ---- To the program ----

-- The sender's method and query; its path too, where only a port is said.
local function url_of(target, request)
  local url = target.keeps_path and target.url .. (client.plain(request.path) or "/") or target.url
  local query = client.plain(request.query)
  if not query then return url end
  return url .. (url:find("?", 1, true) and "&" or "?") .. query
end

local function headers_of(request)
  local rows = {}
  for _, header in ipairs(request.headers) do
    local name = header.name:lower()
    if name ~= "host" and name ~= "content-length" and name ~= "transfer-encoding"
      and name ~= "connection" and name ~= "expect" then
      rows[#rows + 1] = { header.name, header.value }
    end
  end
  return rows
end

local function body_of(request)
  if request.bodyEncoding == "utf-8" then return request.body end
  return assert(require "anzol".base64.decode(request.body))
end

-- Until somebody answers: the program may only be starting.
local function forward(console, target, request)
  local native = require "anzol.native"
  local is_told = false
  while true do
    local started_ms = native.mono_ms()
    local answer, err = native.fetch { method = client.plain(request.method) or "POST",
      url = url_of(target, request), headers = headers_of(request), body = body_of(request),
      timeout_ms = TIMEOUT_MS, skips_verify = target.skips_verify }
    local took_ms = native.mono_ms() - started_ms
    if answer then return answer.status, took_ms end
    if not is_told then console:say("%s: %s; trying again until it answers", target.url, err) end
    is_told = true
    native.sleep_ms(RETRY_MS)
  end
end

local function tell(console, row, status, took_ms)
  if console:is_json() then
    console:data(require "anzol.native".json.encode({ id = row.id, type = row.type,
      source = row.source, status = status, durationMs = took_ms }, { sort = true }) .. "\n")
  else
    local color = status < 300 and "green" or "red"
    console:line(("%s  %-32s %s  %d ms"):format(row.id, row.type,
      console:paint(tostring(status), color), took_ms))
  end
  console_module.flush()
end

-- By hand, whatever the place is.
local function resend(options, console, target)
  for _, id in ipairs(options.resend) do
    local row = client.decode(client.request(options, console,
      { path = "/api/v1/event/" .. client.escape_part(id) }))
    tell(console, row, forward(console, target, request_of(options, console, row)))
  end
  return 0
end

-- ---- The loop ----

local function turn(options, console, here, is_wanted, target)
  for _, row in ipairs(fetch_new(options, console, here)) do
    local request = is_wanted(row) and request_of(options, console, row)
    local status, took_ms
    if request then status, took_ms = forward(console, target, request) end
    here:see(row.id, row.receivedAt)
    if status then tell(console, row, status, took_ms) end
  end
end

-- A server that is away comes back; anything else ends the command.
local function try_turn(console, is_away, ...)
  local ok, err = pcall(turn, ...)
  if ok then return false end
  local code = type(err) == "table" and err.code
  if code ~= failure.UNREACHABLE and code ~= failure.TRY_AGAIN then error(err, 0) end
  if not is_away then console:say("%s; trying again", err.message) end
  return true
end

function M.run(options, console)
  local native = require "anzol.native"
  local target, is_wanted = target_of(options.forward_to), make_filter(options)
  target.skips_verify = options.skip_verify
  if #options.resend > 0 then return resend(options, console, target) end
  local admin = settings.admin(options)
  local here = place.open { server = admin.socket or admin.url, sources = options.sources,
    events = options.events or "", target = target.url, overlap_ms = OVERLAP_MS }
  local now_ms = native.now_ms()
  client.request(options, console, { path = "/api/v1/status" }) -- there is a server, and we may
  if options.replay_since then
    here:begin(since_ms(options, now_ms))
  elseif options.new or not here.since_ms then
    here:begin(now_ms)
  else
    console:say("going on where the last one was (--new begins now)")
  end
  console:say("forwarding %s to %s (^C ends)", options.sources, target.url)
  local is_away = false
  while true do
    is_away = try_turn(console, is_away, options, console, here, is_wanted, target)
    native.sleep_ms(is_away and RETRY_MS or TURN_MS)
  end
end

return M
