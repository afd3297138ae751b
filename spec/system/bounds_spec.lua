-- SPDX-License-Identifier: MIT
-- The bounds of the protocol: every field and every parameter of every operation at its bounds, below and
-- above them. Made from the protocol's own table (support.protocol), not from ours, so that a bound of ours
-- that is another shows.
local Server = require "support.server"
local json = require "dkjson"
local protocol = require "support.protocol"
local resources = require "support.resources"

local DAY_S = 86400
local URL_BYTES, LIST_ITEMS, ENDPOINT_CHANNELS = 8000, 500, 10 -- where the protocol has 65,536, or no bound
local RECOVER_DAYS, STATS_DAYS = 14, 28

local serial = 0
-- Different each time, of this length.
local function unique(length)
  serial = serial + 1
  local tail = tostring(serial)
  return length and ("x"):rep(length - #tail) .. tail or "x" .. tail
end

local function iso(time) return os.date("!%Y-%m-%dT%H:%M:%SZ", time) --[[@as string]] end
local function quoted(...)
  local texts = {}
  for i, value in ipairs { ... } do texts[i] = json.encode(value) end
  return texts
end
local function items(count)
  local texts = {}
  for i = 1, count do texts[i] = "c" .. i end
  return json.encode(texts)
end
-- An instant in the forms that it may have.
local function forms(time)
  local text = iso(time)
  return quoted(text, (text:gsub("Z$", ".123456+00:00")), (text:gsub("T", " "):gsub("Z$", ".123456 UTC")))
end

local LONG_TYPE = ("t"):rep(256)

-- What a field takes and what it refuses, as JSON, by its type.
local values_of = {}

function values_of.text(field)
  return quoted(field.min and "x" or "", ("é"):rep(3000)), { "1", "[]", "{}", field.min and '""' or nil }
end
function values_of.name(field)
  return quoted(unique(), unique(field.max), "a-Z_9." .. unique()),
    { '""', json.encode(unique(field.max + 1)), '"a b"', '"é"', '"a/b"', "1", "[]" }
end
function values_of.integer(field)
  return { tostring(field.min), tostring(field.max) },
    { tostring(field.min - 1), tostring(field.max + 1), field.min .. ".5", '"' .. field.min .. '"', "[]" }
end
function values_of.flag() return { "true", "false" }, { "1", '"true"', "[]" } end
function values_of.instant()
  return forms(os.time() - DAY_S), { '""', '"yesterday"', '"2024-13-01T00:00:00Z"', "1706702400" }
end
function values_of.texts()
  return { "{}", '{"a":""}', json.encode { [("k"):rep(300)] = ("v"):rep(3000) } },
    { '{"a":1}', '{"a":null}', "[1]", '"a"' }
end
function values_of.objects() return { "{}", '{"1":{}}' }, { "[1]", '{"1":"x"}', '{"1":null}' } end
function values_of.object() return { "{}", '{"a":1e400}' }, { "[]", '"x"', "1" } end
function values_of.key()
  return quoted("whsec_" .. ("A"):rep(32), ("A"):rep(32), "whsec_" .. ("A"):rep(100)),
    quoted("whsec_" .. ("A"):rep(31), "whsec_" .. ("A"):rep(101), ("!"):rep(32), "", 1)
end
function values_of.uri(field)
  local base = "https://example.com/"
  return quoted(base, "http://example.com/?a=b", base .. ("x"):rep(URL_BYTES - #base)),
    { field.min and '""' or nil, json.encode(base .. ("x"):rep(URL_BYTES - #base + 1)), '"example.com"', "1" }
end
function values_of.list(field)
  local max = field.max or field.name == "channels" and ENDPOINT_CHANNELS or LIST_ITEMS
  local longest = ("x"):rep(field.item.max)
  return { items(field.min or 1), items(max), json.encode { longest } },
    { items(max + 1), json.encode { longest .. "x" }, '["a b"]', '[""]', '["a","a"]', '"a"', "[1]" }
end

-- Those that are there.
local some_types = { quoted({ "a.b" }, { "a.b", "c.d" }, { LONG_TYPE }),
  { '["not.there"]', '["a.b","a.b"]', '["a b"]', '[""]', '"a.b"', "[1]", items(LIST_ITEMS + 1) } }
local function beyond_two_weeks()
  local taken, refused = values_of.instant()
  taken[#taken + 1] = json.encode(iso(os.time() - RECOVER_DAYS * DAY_S + 60))
  refused[#refused + 1] = json.encode(iso(os.time() - RECOVER_DAYS * DAY_S - 60))
  return taken, refused
end
local function behind_since()
  local taken, refused = values_of.instant()
  refused[#refused + 1] = json.encode(iso(os.time() - 3 * DAY_S))
  return taken, refused
end
local no_lists = { channels = true, eventTypes = true } -- empty ones are refused, whatever the bounds

-- Those of one field.
local special = {
  eventTypes = function() return table.unpack(some_types) end,
  ["EventExampleIn.eventType"] = function()
    return quoted("a.b", LONG_TYPE), { '""', json.encode(("t"):rep(257)), '"a b"', "1" }
  end,
  ["RecoverIn.since"] = beyond_two_weeks, ["RecoverIn.until"] = behind_since,
  ["EndpointHeadersIn.headers"] = function()
    return { "{}", '{"X-Own":""}', json.encode { ["X-Own"] = ("v"):rep(4096) } },
      { "[1]", '{"X-Own":1}', '{"X-Own":null}',
      '{"X-Own":"a\\r\\nb: c"}', '{"bad name":"a"}', '{"Host":"a"}', '{"webhook-id":"a"}', '{"":"a"}',
      json.encode { ["X-Own"] = ("v"):rep(4097) } }
  end,
  ["EndpointHeadersPatchIn.headers"] = function()
    return { "{}", '{"X-Own":"a","X-Gone":null}' }, { "[1]", '{"X-Own":1}', '{"bad name":null}', '{"Host":"a"}' }
  end,
}

-- What else a body has, beside what is required.
local more = {
  ["EndpointSecretRotateIn.key"] = '"gracePeriodSeconds":0',
}
local examples = {
  name = function() return json.encode(unique()) end, url = function() return '"https://example.com/"' end,
  description = function() return '""' end, eventType = function() return '"a.b"' end,

  payload = function() return "{}" end, headers = function() return "{}" end,
  since = function() return json.encode(iso(os.time() - 2 * DAY_S)) end,
}

describe("the bounds of the protocol", function()
  local server, call, values

  lazy_setup(function()
    server = Server.start { scripts = { ["main.lua"] = "" } }
    call = resources(server)
    for _, name in ipairs { "a.b", "c.d", LONG_TYPE } do
      assert.equal(201, (select(2, call("POST", "/event-type", { name = name, description = "x",
        schemas = { ["1"] = { example = { a = 1 } } } }))))
    end
    local app = call("POST", "/app", { name = "Bounds" })
    local path = "/app/" .. app.id
    values = { app_id = app.id, event_type_name = "a.b",
      endpoint_id = call("POST", path .. "/endpoint", { url = "https://example.com/", disabled = true }).id,
      msg_id = call("POST", path .. "/msg", { eventType = "a.b", payload = { a = 1 } }).id }
  end)
  lazy_teardown(function() server:close() end)

  local function fill(path) return (path:gsub("^/api/v1", ""):gsub("{([%w_]+)}", values)) end

  -- A body that is right but for one field, which has this text.
  local function body_with(schema, name, text)
    local members = { ("%q:%s"):format(name, text), more[schema .. "." .. name] }
    for other, field in pairs(protocol.schemas[schema]) do
      if other ~= name and field.is_required then
        members[#members + 1] = ("%q:%s"):format(other, examples[other]())
      end
    end
    return "{" .. table.concat(members, ",") .. "}"
  end

  local function hold(operation, field, path)
    local schema = operation.body
    local make = special[schema .. "." .. field.name] or special[field.name] or values_of[field.type]
    local taken, refused = make(field)
    table.insert(field.is_required and refused or taken, "null")
    if no_lists[field.name] then refused[#refused + 1] = "[]" end
    for _, text in ipairs(taken) do
      local answer, status = call(operation.method, path, body_with(schema, field.name, text))
      assert.is_true(operation.statuses[status] or false,
        ("%s: %d %s"):format(text:sub(1, 80), status, json.encode(answer)))
    end
    for _, text in pairs(refused) do
      local answer, status = call(operation.method, path, body_with(schema, field.name, text))
      assert.equal(422, status, text:sub(1, 80))
      assert.same({ "body", field.name }, { answer.detail[1].loc[1], answer.detail[1].loc[2] }, text:sub(1, 80))
    end
  end

  for _, operation in ipairs(protocol.operations) do
    for name, field in pairs(protocol.schemas[operation.body] or {}) do
      if name ~= "application" then
        it(("hold for %s of %s"):format(name, protocol.name_of(operation)), function()
          hold(operation, field, fill(operation.path))
        end)
      else
        it(("hold for the application that %s brings"):format(protocol.name_of(operation)), function()
          for inner_name, inner in pairs(protocol.schemas[field.type]) do
            local taken, refused = values_of[inner.type](inner)
            local function send(text)
              local uid = inner_name == "uid" and json.decode(text)
              local is_name = type(uid) == "string" and uid:find "^[%w%-_.]+$" and #uid <= 256
              uid = is_name and uid or unique()
              local application = ('{"name":"x","uid":%q,%q:%s}'):format(uid, inner_name, text)
              return call(operation.method, (operation.path:gsub("^/api/v1", ""):gsub("{app_id}", uid)),
                body_with(operation.body, "application", application))
            end
            for _, text in ipairs(taken) do
              assert.is_true(operation.statuses[select(2, send(text))] or false, inner_name .. " " .. text:sub(1, 80))
            end
            for _, text in pairs(refused) do
              local answer, status = send(text)
              assert.same({ 422, { "body", "application", inner_name } },
                { status, { table.unpack(answer.detail[1].loc, 1, 3) } }, text:sub(1, 80))
            end
          end
        end)
      end
    end
  end

  -- ---- Parameters: what they take and refuse, as they stand in a query ----

  local flags = { { "true", "false" }, { "1", "yes", "TRUE", "" } }
  local instants = { { iso(os.time() - DAY_S), "2024-01-31T12:00:00.123456%2B02:00",
    "2024-01-31%2012:00:00.123456%20UTC" }, { "yesterday", "2024-13-01T00:00:00Z", "1706702400", "" } }
  local function days(count, until_s)
    return ("%s&until=%s"):format(iso(until_s - count * DAY_S), iso(until_s))
  end
  local parameters = {
    limit = { { "1", "250" }, { "0", "251", "-1", "1.5", "x", "" } },
    order = { { "ascending", "descending" }, { "up", "" } },
    status = { { "0", "1", "2", "3" }, { "4", "-1", "success", "" } },
    status_code_class = { { "0", "100", "200", "300", "400", "500" }, { "1", "600", "2xx", "" } },
    channel = { { "a", ("x"):rep(128) }, { ("x"):rep(129), "a%20b", "" } },
    event_types = { { "a.b", "a.b,c.d", LONG_TYPE }, { LONG_TYPE .. "t", "a%20b", "a,,b", "" } },
    endpoint_id = { {}, { "a%20b", "" } },
    before = instants, after = instants,
    since = { { table.unpack(instants[1], 1, 1), days(STATS_DAYS, os.time() - 400 * DAY_S) }, instants[2] },
    ["until"] = { { iso(os.time()) }, instants[2] },
    with_content = flags, include_archived = flags, expunge = flags, get_if_exists = flags,
  }
  local iterators = { ApplicationOut = "app_id", EndpointOut = "endpoint_id", MessageOut = "msg_id",
    EndpointMessageOut = "msg_id", MessageEndpointOut = "endpoint_id", EventTypeOut = "event_type_name" }

  local function values_of_parameter(operation, name)
    if name ~= "iterator" then return table.unpack(parameters[name]) end
    local item = operation.answer:match "^ListResponse_(%w+)_$"
    local id = item == "MessageAttemptOut" and "atmpt_0EJPp3QZQQ1" or values[iterators[item]]
    local is_name = item == "EventTypeOut"
    return { id, "-" .. id, is_name and LONG_TYPE or nil },
      { "-", "a%20b", "", is_name and LONG_TYPE .. "t" or "x", not is_name and "tok_0EJPp3QZQQ1" or nil }
  end

  local function ask(operation, name, value)
    local path = fill(operation.path)
    if name == "expunge" then -- it is gone then
      local gone = unique()
      call("POST", "/event-type", { name = gone, description = "x" })
      path = "/event-type/" .. gone
    end
    local body = operation.body and body_with(operation.body, "unknown", "1") or nil
    return call(operation.method, ("%s?%s=%s"):format(path, name, value), body)
  end

  for _, operation in ipairs(protocol.operations) do
    for _, name in ipairs(operation.parameters) do
      it(("hold for the parameter %s of %s"):format(name, protocol.name_of(operation)), function()
        local taken, refused = values_of_parameter(operation, name)
        for _, value in ipairs(taken) do
          local answer, status = ask(operation, name, value)
          assert.is_true(operation.statuses[status] or false, ("%s: %d %s"):format(value, status, json.encode(answer)))
        end
        for _, value in pairs(refused) do
          local answer, status = ask(operation, name, value)
          assert.equal(422, status, value)
          assert.same({ "query", name }, answer.detail[1].loc, value)
        end
      end)
    end
  end

  it("hold for lists of event types in each way that they are written", function()
    local path = "/app/" .. values.app_id .. "/msg?"
    for _, query in ipairs { "event_types[]=a.b", "event_types[0]=a.b&event_types[1]=c.d", "event_types%5B%5D=a.b" } do
      assert.equal("a.b", call("GET", path .. query).data[1].eventType, query)
    end
    for _, query in ipairs { "event_types[]=", "event_types[0]=a%20b" } do
      assert.equal(422, (select(2, call("GET", path .. query))), query)
    end
  end)

  it("hold for the time that statistics are of: 28 days", function()
    local path = fill "/app/{app_id}/endpoint/{endpoint_id}/stats?since="
    local now = os.time()
    assert.equal(200, (select(2, call("GET", path .. days(STATS_DAYS, now)))))
    for _, query in ipairs { days(STATS_DAYS + 1 / DAY_S, now), days(-1, now), iso(now - STATS_DAYS * DAY_S - 60) } do
      local answer, status = call("GET", path .. query)
      assert.same({ 400, "invalid_range" }, { status, answer.code }, query)
    end
  end)
end)
