-- SPDX-License-Identifier: MIT
-- Requests in a test: what t:receive sends, and what the sender gets for an answer.
local canned = require "anzol.testing.canned"
local failure = require "anzol.testing.failure"
local headers = require "anzol.testing.headers"

local M = {}

local option_names = {
  "json", "body", "form", "fixture", "type", "headers", "method", "query", "remote_ip", "sign",
}
local body_names = { "json", "body", "form", "fixture" }
local UNVERIFIED_MS = 60000 -- as META_UNVERIFIED_MS of the core
local REMOTE_IP = "192.0.2.1"

local function escape(text)
  return (tostring(text):gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

-- A table as a query or form, by name.
local function encode_form(form)
  if type(form) == "string" then return form end
  local names, parts = {}, {}
  for name in pairs(form) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = form[name]
    for _, each in ipairs(type(value) == "table" and value or { value }) do
      parts[#parts + 1] = escape(name) .. "=" .. escape(each)
    end
  end
  return table.concat(parts, "&")
end

-- ---- Fixtures: NAME, NAME.json or fixtures/NAME.json, headers in NAME.headers beside it ----

local function read_file(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local bytes = file:read "a"
  file:close()
  return bytes
end

local function read_fixture(dir, name)
  local tried = {}
  for _, path in ipairs { "fixtures/" .. name .. ".json", "fixtures/" .. name, name } do
    local full = path:sub(1, 1) == "/" and path or dir .. "/" .. path
    local bytes = read_file(full)
    if bytes then return bytes, read_file((full:gsub("%.json$", "")) .. ".headers") end
    tried[#tried + 1] = full
  end
  failure.raise("t:receive: there is no fixture '%s' (tried %s)", name, table.concat(tried, ", "))
end

local function parse_headers(text)
  local list = {}
  for line in (text or ""):gmatch "[^\r\n]+" do
    local name, value = line:match "^([^:%s]+):%s*(.-)%s*$"
    if name then list[#list + 1] = { name, value } end
  end
  return list
end

-- ---- The request ----

-- Body, the headers that its kind brings, those of a fixture.
local function make_body(world, options)
  local given = {}
  for _, name in ipairs(body_names) do
    if options[name] ~= nil then given[#given + 1] = name end
  end
  if #given > 1 then
    failure.raise("t:receive takes one of json, body, form and fixture, got %s",
      table.concat(given, " and "))
  end
  if options.json ~= nil then
    return world:encode(options.json), { { "Content-Type", "application/json" } }, {}
  elseif options.form ~= nil then
    return encode_form(options.form),
      { { "Content-Type", "application/x-www-form-urlencoded" } }, {}
  elseif options.fixture ~= nil then
    local bytes, text = read_fixture(world.dir, options.fixture)
    return bytes, { { "Content-Type", "application/json" } }, parse_headers(text)
  end
  return options.body or "", {}, {}
end

local function sign(world, source, options, body)
  if not options.sign then return {}, body end
  local list, signed = world.project:sign(source.name, options.type, body)
  if not list then failure.raise("t:receive: %s", signed) end
  return list, signed
end

local function make_request(world, source, options)
  local body, own, captured = make_body(world, options)
  local signature, signed = sign(world, source, options, body)
  return {
    method = options.method or source.methods[1],
    path = source.path,
    query = options.query and encode_form(options.query) or "",
    remote_ip = options.remote_ip or REMOTE_IP,
    headers = headers.merge(own, signature, captured,
      headers.list(options.headers, "t:receive")),
    body = signed,
  }
end

-- ---- The answer ----

local answer_meta = {
  __index = function(answer, key)
    if key ~= "json" or answer.body == "" then return nil end
    local value = answer.world:decode(answer.body, "the answer's body")
    rawset(answer, "json", value)
    return value
  end,
}

local function make_answer(world, status, value, event)
  return setmetatable({
    status = status, headers = headers.table { { "Content-Type", "application/json" } },
    body = world:encode(value), event = event, world = world,
  }, answer_meta)
end

-- What challenge or respond decided.
local function answer_as_asked(world, asked, event)
  return setmetatable({ status = asked.status, headers = headers.table(asked.headers),
    body = asked.body, event = event, world = world }, answer_meta)
end

local refusals = {
  unverified = { 401, "unverified", "the signature is missing or wrong" },
  too_large = { 413, "too_large", "the body says more than this source takes" },
  malformed = { nil, "malformed_json", "the body is not the JSON that this source expects" },
  error = { 500, "script_error", "a hook of this source failed" },
  method = { 405, "method_not_allowed", "this source does not take this method" },
}

local function refuse(world, status, code, detail)
  return make_answer(world, status, { code = code, detail = detail })
end

local function has(list, item)
  for _, each in ipairs(list) do
    if each == item then return true end
  end
  return false
end

-- Scripts hear of it at most once a minute for each source, with the number.
local function tell_unverified(world, source, reason, remote_ip)
  source.unverified = (source.unverified or 0) + 1
  local now_ms = world.timeline.now_ms
  if source.told_ms and now_ms - source.told_ms < UNVERIFIED_MS then return end
  world.handling:tell(world.project:unverified(source.name, reason, remote_ip,
    source.unverified))
  source.told_ms, source.unverified = now_ms, 0
end

local function conclude(world, source, result, request)
  if result.outcome == "unverified" then
    tell_unverified(world, source, result.reason, request.remote_ip)
  end
  local refusal = refusals[result.outcome]
  if refusal then
    local answer = refuse(world, refusal[1] or source.malformed_status, refusal[2], refusal[3])
    answer.reason = result.reason
    return answer
  end
  if result.outcome == "answered" then
    if result.news then world.handling:tell(result.news) end
    return answer_as_asked(world, result.answer)
  end
  local event, is_duplicate = world.handling:add(result.event, source.key_window_ms,
    result.reason)
  if result.answer then return answer_as_asked(world, result.answer, event) end
  return make_answer(world, source.status,
    { id = event.id, duplicate = is_duplicate or nil }, event)
end

-- Posts to a source; runs until nothing is left to do now. Returns the answer.
function M.receive(world, name, options)
  options = options or {}
  failure.check_options(options, option_names, "t:receive")
  local source = world.sources[name]
  if not source then
    failure.raise("t:receive: no source '%s' is registered%s", tostring(name),
      failure.known(world.source_names))
  end
  local request = make_request(world, source, options)
  request.is_listed = has(source.methods, request.method)
  if #request.body > source.body_bytes_max then
    return refuse(world, 413, "too_large", "the body is larger than this source takes")
  end
  local answer
  world.project:receive(name, request, { on_finished = function(result)
    answer = conclude(world, source, result, request)
  end })
  world:settle()
  if not answer then
    failure.raise("t:receive: the answer did not come:\n%s", canned.print {
      method = request.method, url = request.path, header_list = request.headers,
      body = request.body })
  end
  return answer
end

return M
