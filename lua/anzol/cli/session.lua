-- SPDX-License-Identifier: MIT
-- What `anzol eval` and `anzol repl` share: a project that is loaded, the event that is at hand,
-- and how what was run is told.
local body = require "anzol.cli.body"
local client = require "anzol.cli.client"
local failure = require "anzol.cli.failure"
local settings = require "anzol.cli.settings"

local Session = {}
Session.__index = Session

local M = {}

local BODY_SHOWN_MAX = 300

function M.configure(parser)
  parser:option("--source", "`event` is the last one that the running server has of it; with "
    .. "--fixture: where it came from."):argname "NAME"
  parser:option("--fixture", "`event` has the bytes of this file."):argname "FILE"
  parser:option("--type", "`event` has this type."):argname "TYPE"
end

-- ---- The event ----

local function last_event(options, console)
  local page = client.decode(client.request(options, console, { path = "/api/v1/event",
    query = { { "source", options.source }, { "limit", 1 } } }))
  if not page.data[1] then
    failure.raise(failure.FAILED, "the server has no event of source '%s'", options.source)
  end
  local row = client.decode(client.request(options, console,
    { path = "/api/v1/event/" .. page.data[1].id }))
  if row.bodyEncoding ~= "utf-8" then
    failure.raise(failure.FAILED, "%s has a body that is no text; take --fixture", row.id)
  end
  local headers = {}
  for i, header in ipairs(row.headers) do headers[i] = { header.name, header.value } end
  console:say("event is %s", row.id)
  return { type = row.type, source = row.source, body = row.body, headers = headers,
    query = client.plain(row.query) }
end

local function make_event(options, console)
  if options.source and not options.fixture then return last_event(options, console) end
  local name = options.source or "terminal"
  if not options.fixture then
    return { type = name, source = name, body = "{}",
      headers = { { "content-type", "application/json" } } }
  end
  local headers = body.read_headers(options.fixture)
  table.insert(headers, 1, { "content-type", "application/json" })
  return { type = name, source = name, body = body.read(options.fixture), headers = headers }
end

-- ---- The session ----

local function load_project(options, console)
  local native = require "anzol.native"
  local project, err = native.console(options.project, settings.loading(options.project))
  if project then return project end
  console:talk("the scripts do not start, going on without them: " .. err:match "^[^\n]*")
  project, err = native.console(options.project, { scripts = {} })
  if not project then failure.raise(failure.CONFIG, "%s", err) end
  return project
end

-- Loads the project; it goes with the program.
function M.open(options, console)
  local event = make_event(options, console)
  event.type = options.type or event.type
  return setmetatable({ project = load_project(options, console), event = event,
    console = console }, Session)
end

local function cut(text)
  return #text > BODY_SHOWN_MAX and text:sub(1, BODY_SHOWN_MAX) .. "…" or text
end

local describe = {}

function describe.send(effect)
  local delay = effect.delay_ms > 0 and (" in %g s"):format(effect.delay_ms / 1000) or ""
  return ("would send to %s%s: %s"):format(effect.endpoint, delay, cut(effect.body))
end

function describe.emit(effect)
  return ("would emit %s: %s"):format(effect.type, cut(effect.body))
end

function describe.kv(effect)
  local place = ("%s of kv '%s'"):format(effect.key, effect.ns)
  if effect.body then return ("would set %s to %s"):format(place, cut(effect.body)) end
  if effect.delta then return ("would add %d to %s"):format(effect.delta, place) end
  return ("would delete %s"):format(place)
end

function describe.change(effect)
  local why = effect.reason and (" (%s)"):format(effect.reason) or ""
  return ("would %s %s%s"):format(effect.verb, effect.id, why)
end

local plurals = { event = "events", delivery = "deliveries" }

function describe.task(effect)
  local parts = {}
  for _, name in ipairs { "source", "type", "endpoint", "state", "contains" } do
    if effect[name] then parts[#parts + 1] = name .. " " .. effect[name] end
  end
  return ("would begin a task to %s %s%s"):format(effect.verb, plurals[effect.of],
    #parts > 0 and " of " .. table.concat(parts, ", ") or "")
end

-- What a run would have committed, in words.
function M.describe(effect) return describe[effect.kind](effect) end

-- Runs a text; true: it came to its end. form: "text", "quoted", "json".
function Session:run(text, name, form)
  local result = self.project:run { text = text, name = name, form = form, event = self.event }
  if form == "json" then self.console:data(result.output) else
    for line in result.output:gmatch "([^\n]*)\n" do self.console:line(line) end
  end
  if result.error then
    local first = result.error:match "^[^\n]*"
    self.console:talk(self.console.is_verbose and result.error or first)
    return false, first
  end
  for _, effect in ipairs(result.effects) do self.console:say("%s", M.describe(effect)) end
  return true
end

return M
