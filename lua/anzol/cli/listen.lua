-- SPDX-License-Identifier: MIT
-- anzol listen: what a server receives goes on to a program at one's desk. The server keeps the
-- events; this keeps its place among them, in a file, so that sleep or a restart loses none.
local client = require "anzol.cli.client"
local failure = require "anzol.cli.failure"
local follow = require "anzol.cli.follow"
local forward = require "anzol.cli.listen_forward"
local known = require "anzol.cli.known"
local place_module = require "anzol.cli.listen_place"
local settings = require "anzol.cli.settings"
local span = require "anzol.cli.span"
local table_module = require "anzol.cli.listen_table"
local type_pattern = require "anzol.cli.type_pattern"

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

At a terminal keys send an event again: ? tells them. With -o json each line is { "id", "type",
"source", "status", "durationMs" }, with "error" instead of "status" if the program took it and did
not answer. What the scripts sent of an event is sent to a URL of yours by `anzol replay ID --to
URL`.

  anzol listen '*' --forward-to 3000 --resend evt_0EJPp3QZQQ0      once more, and ends
  SECRET=$(anzol listen github --print-secret)                     to verify with, and ends

The headers are all that the server keeps: those in hide_headers of the source (authorization and
cookie unless it says) it does not, but a token by which the source itself judges is put back.
Exit code of q: 0, or 1 if something was not answered with 2xx or waits for the next time.]],
}

local FIRST_ID = "evt_00000000000" -- before all
-- How much later than its id a received event may be stored, at the very most.
local RETRY_MS = 1000

function M.configure(parser)
  parser:argument("sources", "Names of sources, with commas between, or '*' for all.")
    :argname "SOURCES"
  parser:option("--forward-to", "A port of this machine, or a URL."):argname "PORT|URL"
  parser:option("--events", "Only these types, with commas between: * is one segment, ** at the "
    .. "end several."):argname "TYPES"
  parser:mutex(
    parser:option("--replay-since", "Begin so long ago (10m), whatever came before.")
      :argname "TIME",
    parser:flag("--new", "Begin now, not where the last one was."))
  parser:option("--resend", "Forward this event once more, and end."):argname "ID":count "*"
  parser:flag("--print-secret", "Print the secret by which the source judges its sender, and end.")
  parser:flag("--skip-verify", "Take any certificate of the program.")
end

-- ---- What is wanted ----

local function split(text)
  local parts = {}
  for part in (text or ""):gmatch "[^,%s]+" do parts[#parts + 1] = part end
  return parts
end

-- Whether an event is wanted.
local function make_filter(options)
  local sources, matchers = {}, {}
  for _, name in ipairs(split(options.sources)) do sources[name] = true end
  for i, pattern in ipairs(split(options.events)) do matchers[i] = type_pattern.matcher(pattern) end
  return function(row)
    if client.plain(row.parentId) or not (sources["*"] or sources[row.source]) then return false end
    for _, matches in ipairs(matchers) do if matches(row.type) then return true end end
    return #matchers == 0
  end
end

local function since_ms(options)
  local ago_ms = span.parse(options.replay_since)
  if not ago_ms then
    failure.raise(failure.USAGE, "--replay-since %s: so long ago, as 250ms, 5s, 10m, 2h or 7d",
      options.replay_since)
  end
  return require "anzol.native".now_ms() - ago_ms
end

-- Ends the command for a name that no source has. Gives the rows of those that are meant.
local function check_sources(options, console)
  local rows, by_name, chosen = known.rows(options, console, "source"), {}, {}
  for _, row in ipairs(rows) do by_name[row.name] = row end
  for _, name in ipairs(split(options.sources)) do
    if name == "*" then return rows end
    if not by_name[name] then known.refuse("source", name, rows) end
    chosen[#chosen + 1] = by_name[name]
  end
  if #chosen == 0 then failure.raise(failure.USAGE, "name a source, or '*' for all") end
  return chosen
end

-- ---- Once, and it ends ----

local function print_secret(options, console)
  local rows = check_sources(options, console)
  if options.sources == "*" or #rows ~= 1 then
    failure.raise(failure.USAGE, "--print-secret wants the name of one source")
  end
  local host = settings.exposed_host(options)
  if host then
    console:talk(("%s is asked over http: whoever is on the way there reads the secret and your "
      .. "token. Use https, or an SSH tunnel."):format(host))
  end
  local path = ("/api/v1/source/%s/secret"):format(client.escape_name(rows[1].name))
  local answer = client.request(options, console, { path = path, accept = { [409] = true } })
  if answer.status == 409 then
    failure.raise(failure.FAILED, "%s: %s", rows[1].name, client.detail(answer))
  end
  console:talk(("This is the secret itself: whoever has it can send as %s. Keep it out of files, "
    .. "logs and screens that others see; the server has noted in its log that it was shown.")
    :format(rows[1].name))
  if console:is_json() then
    client.print_json(console, answer)
    return 0
  end
  for _, row in ipairs(client.decode(answer).secrets) do
    console:data(client.bytes(row.value, row.valueEncoding) .. "\n")
  end
  return 0
end

-- By hand, whatever the place is.
local function resend(options, console, target)
  local rows = table_module.new(console, false)
  for _, id in ipairs(options.resend) do
    local row = client.decode(client.request(options, console,
      { path = "/api/v1/event/" .. client.escape_part(id) }))
    local request = forward.request_of(options, console, id)
    if not request then
      failure.raise(failure.FAILED, "%s was not received: the scripts or the server made it", id)
    end
    rows:add(row, forward.send(target, request))
  end
  local _, is_well = rows:summary()
  return is_well and 0 or failure.FAILED
end

-- ---- For as long as it is wanted ----

local Session = {}
Session.__index = Session

function Session:is_over()
  return self.is_ended or require "anzol.native".is_interrupted()
end

-- Sends an event again that was forwarded before.
function Session:resend(row)
  local request = forward.request_of(self.options, self.console, row.id)
  if request then
    self.rows:add(row, forward.send(self.target, request))
  elseif not self:is_over() then
    self.rows:say("%s is not kept by the server any more", row.id)
  end
end

-- Rests, for so long at most; does what keys ask for.
function Session:rest(ms)
  local text = require "anzol.native".key(ms)
  if not text then return end
  local wanted = text == "" and "quit" or self.rows:press(text)
  if wanted == "quit" then
    self.is_ended = true
    return
  end
  for _, row in ipairs(wanted) do self:resend(row) end
end

-- Until the program takes it: it may only be starting. nil: the command is over before.
function Session:forward(request)
  local is_told = false
  while not self:is_over() do
    local result = forward.send(self.target, request)
    if not result.may_pass then return result end
    if not is_told and not self:is_over() then
      self.rows:say("%s: %s; trying again until it answers", self.target.url, result.error)
    end
    is_told = true
    self:rest(RETRY_MS)
  end
end

-- False: the command is over.
function Session:take(row)
  if self.is_wanted(row) then
    local request = forward.request_of(self.options, self.console, row.id)
    self.waiting = request and row
    local result = request and self:forward(request)
    if self:is_over() and not result then return false end
    self.waiting = nil
    self.follower:see(row.id)
    self.place:save(self.follower)
    if result then self.rows:add(row, result) end
  end
  self:rest(0)
  return not self:is_over()
end

-- A server that is away comes back; anything else ends the command.
function Session:look()
  local ok, err = pcall(self.follower.look, self.follower, function(row) return self:take(row) end)
  if ok then
    self.is_away = false
    return
  end
  local code = type(err) == "table" and err.code
  if code ~= failure.UNREACHABLE and code ~= failure.TRY_AGAIN then error(err, 0) end
  if not self.is_away then self.rows:say("%s; trying again", err.message) end
  self.is_away = true
end

function Session:finish()
  local text, is_well = self.rows:summary()
  self.place:save(self.follower)
  self.rows:say("%s", text)
  if self.waiting then
    self.rows:say("%s waits: it comes first the next time", self.waiting.id)
  end
  if require "anzol.native".is_interrupted() then return failure.INTERRUPTED end
  return is_well and not self.waiting and 0 or failure.FAILED
end

function Session:run()
  local native = require "anzol.native"
  native.heed_interrupts()
  if self.rows.has_keys then native.take_keys(true) end
  while not self:is_over() do
    self:look()
    self:rest(self.is_away and RETRY_MS or self.follower:rest_ms())
  end
  native.take_keys(false)
  return self:finish()
end

-- Where it begins, and whether something may be missing.
local function begin(options, console, place, follower)
  if options.replay_since then
    follower:begin_at(since_ms(options))
  elseif options.new or not place.base then
    if place.is_damaged and not options.new then
      failure.raise(failure.FAILED, "%s holds no place among the events; begin with --new or "
        .. "--replay-since", place.path)
    end
    follower:begin(0)
  else
    console:say("going on where the last one was (--new begins now)")
    local answer = client.request(options, console, { accept = { [404] = true },
      path = "/api/v1/event/" .. client.escape_part(place.base) })
    if answer.status == 404 and place.base ~= FIRST_ID then
      console:say("that was so long ago that the server has removed events since (its retention)")
    end
  end
  place:save(follower)
end

local function tell_hidden(console, sources)
  local names, is_named = {}, {}
  for _, source in ipairs(sources) do
    for _, name in ipairs(source.hiddenHeaders) do
      if not is_named[name] then names[#names + 1] = name end
      is_named[name] = true
    end
  end
  table.sort(names)
  if #names > 0 then
    console:say("not kept by the server (hide_headers), so not forwarded unless it is the token: "
      .. "%s", table.concat(names, ", "))
  end
end

function M.run(options, console)
  local native = require "anzol.native"
  if options.print_secret then return print_secret(options, console) end
  if not options.forward_to then
    failure.raise(failure.USAGE, "say where to: --forward-to 3000, or a URL")
  end
  local target, is_wanted = forward.target(options), make_filter(options)
  if #options.resend > 0 then return resend(options, console, target) end
  local sources = check_sources(options, console)
  local admin = settings.admin(options)
  local place = place_module.open { server = admin.socket or admin.url, sources = options.sources,
    events = options.events or "", target = target.url }
  local has_keys = not console:is_json() and native.isatty(0) and native.isatty(1)
    and native.isatty(2)
  local follower = follow.new({ options = options, console = console, path = "/api/v1/event",
    first_id = FIRST_ID, has_late = true, heeds_keys = true,
    query = #sources == 1 and { { "source", sources[1].name } } or {} },
    not options.new and not options.replay_since and place or nil)
  begin(options, console, place, follower)
  tell_hidden(console, sources)
  console:say("forwarding %s to %s (%s)", options.sources, target.url,
    has_keys and "? tells the keys, q ends" or "^C ends")
  return setmetatable({ options = options, console = console, target = target,
    is_wanted = is_wanted, place = place, follower = follower,
    rows = table_module.new(console, has_keys) }, Session):run()
end

return M
