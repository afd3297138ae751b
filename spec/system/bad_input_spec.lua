-- SPDX-License-Identifier: MIT
-- What is wrong with a request, of every kind, at every route that takes a body or a parameter: made from
-- the route table and the schemas of its bodies. Each is a 4xx that names the place, and nothing half done.
local Server = require "support.server"
local http = require "support.http"
local json = require "dkjson"
local resources = require "support.resources"
local routes = require "support.routes"
local wait = require "support.wait"

local LONG = ("x"):rep(70000)
local DEPTH = 20000 -- within the 64 KiB that a body may have

-- JSON texts that no schema of this type takes.
local wrong_of = {
  string = { "5", "true", "[]", "{}", '["x"]' },
  integer = { '"5"', "1.5", "1.0", "1e3", "true", "[]", "{}", "99999999999999999999",
    "-99999999999999999999" },
  boolean = { "0", "1", '"true"', "[]", "{}" },
  array = { "5", '"x"', "{}", "true", "[5]", "[null]", "[[]]", '["a","a"]', '["a","\\u0061"]',
    '["a b"]', '[""]' },
  object = { "5", '"x"', "true", "[]", '["x"]' },
}

local function quote(text) return json.encode(text) end

-- One below and one above what a schema takes, as JSON texts.
local function beyond(schema, kind)
  local list = {}
  local function add(value) list[#list + 1] = value end
  if kind == "string" then
    if (schema.minLength or 0) > 0 then add '""' end
    if schema.maxLength and schema.maxLength < 60000 then add(quote(("x"):rep(schema.maxLength + 1))) end
    if schema.pattern and schema.pattern:find("a-zA-Z0-9\\-_.", 1, true) then
      for _, text in ipairs { "a b", "é", "a/b", "a\r\nX-Injected: b", "a\0b", "a\"b", "a?b" } do
        add(quote(text))
      end
    end
    add '"a\\u0000b"'
  elseif kind == "integer" then
    if schema.minimum then add(tostring(schema.minimum - 1)) end
    if schema.maximum then add(tostring(schema.maximum + 1)) end
  elseif kind == "array" then
    local items = {}
    for i = 1, (schema.maxItems or 0) + 1 do items[i] = quote("i" .. i) end
    if schema.maxItems then add("[" .. table.concat(items, ",") .. "]") end
    if (schema.minItems or 0) > 0 then add "[]" end
    local longest = schema.items and schema.items.maxLength
    if longest then add("[" .. quote(("x"):rep(longest + 1)) .. "]") end
  elseif kind == "object" and schema.additionalProperties then
    local member = schema.additionalProperties.type
    if type(member) == "table" then member = member[1] end -- "null" is right too
    for _, text in ipairs(wrong_of[member]) do add('{"member":' .. text .. "}") end
  end
  return list
end

local whole_bodies = {
  ["nothing"] = "", ["half an object"] = "{", ["a list"] = "[]", ["a string"] = '"x"',
  ["null"] = "null", ["two values"] = "{}{}", ["a name without quotes"] = "{name:1}",
  ["a comma too many"] = '{"a":1,}', ["single quotes"] = "{'a':1}", ["a comment"] = "{}/**/",
  ["a byte order mark"] = "\239\187\191{}", ["bytes that are no UTF-8"] = '{"x":"\255"}',
  ["UTF-16"] = "{\0}\0", ["a control byte in a string"] = '{"x":"a\nb"}',
  ["a number that is none"] = '{"x":NaN}', ["half an escape"] = '{"x":"\\u12"}',
  ["deep lists"] = '{"x":' .. ("["):rep(DEPTH) .. ("]"):rep(DEPTH) .. "}",
  ["deep objects"] = ('{"x":'):rep(DEPTH // 3) .. "1" .. ("}"):rep(DEPTH // 3),
}

local bad_queries = {
  limit = { "0", "251", "-1", "x", "1.5", "1e2", "99999999999999999999", "" },
  iterator = { "x", "-", "app_", "msg_00000000001x", "%00", ("x"):rep(300) },
  order = { "up", "ASCENDING", "" },
  with_content = { "1", "yes", "" }, include_archived = { "1", "yes" }, expunge = { "1" },
  get_if_exists = { "1", "TRUE" },
  before = { "yesterday", "2026-13-01T00:00:00Z", "1" }, after = { "yesterday" },
  since = { "yesterday" }, ["until"] = { "yesterday" },
  status = { "9", "-1", "ok" }, status_code_class = { "1", "600", "4xx" },
  channel = { "a%20b", ("x"):rep(129), "" }, event_types = { "a%20b" },
  dryRun = { "1" }, newIds = { "1" }, rate = { "fast", "0", "-1" },
}
-- Whatever name an endpoint had that is gone: its dead letters may still be there.
local takes_any_name = { ["/api/v1/endpoint/{id}/recover"] = true }

describe("bad input", function()
  local server, call, all, values

  lazy_setup(function()
    server = Server.start { scripts = { ["main.lua"] = "" } }
    call = resources(server)
    all = routes.of(server)
    local app = call("POST", "/app", { name = "Acme", uid = "acme" })
    call("POST", "/event-type", { name = "a.b", description = "x" })
    local endpoint = call("POST", "/app/acme/endpoint", { url = "https://example.com/", uid = "hook" })
    values = { app = "acme", id = app.id, endpoint = endpoint and endpoint.id or "ep_00000000001",
      msg = call("POST", "/app/acme/msg", { eventType = "a.b", eventId = "m-1", payload = { a = 1 } }).id,
      attempt = "atmpt_00000000001", name = "a.b" }
    wait.until_true("the message is handled", 5000, function()
      return call("GET", "/event").data[1].state == "handled"
    end)
  end)
  lazy_teardown(function() server:close() end)

  local function name_of(route) return route.method .. " " .. route.path end

  local function fill(route)
    local all_values = setmetatable({}, { __index = values })
    if route.path:find("/event-type/", 1, true) then all_values.id = "a.b" end
    return routes.fill(route.path, all_values)
  end

  local function send(route, body, query)
    local headers = { Authorization = "Bearer " .. server.token }
    if body then headers["Content-Type"] = "application/json" end
    local answer = assert(http.request { port = server.admin_port, method = route.method,
      path = fill(route) .. (query or ""), body = body, headers = headers })
    return json.decode(answer.body), answer.status
  end

  -- All that is registered, as the admin sees it.
  local function state()
    local parts = {}
    for _, path in ipairs { "/app", "/event-type?with_content=true", "/token", "/app/acme/endpoint",
        "/app/acme/msg", "/event", "/task" } do
      parts[#parts + 1] = select(3, call("GET", path)):gsub(',"settled":"[^"]*"', "") -- it goes by the clock
    end
    return table.concat(parts, "\n")
  end

  -- A body that the schema takes, as JSON, but for one field, whose value is this text.
  local function body_with(schema, field, text)
    local members = {}
    for name, property in pairs(schema.properties) do
      local is_required = false
      for _, other in ipairs(schema.required or {}) do is_required = is_required or other == name end
      if name == field then
        members[#members + 1] = quote(name) .. ":" .. text
      elseif is_required then
        local value = name == "url" and "https://example.com/" or name == "application" and "acme"
          or name == "since" and "2026-01-01T00:00:00Z" or routes.example(property)
        members[#members + 1] = quote(name) .. ":" .. json.encode(value)
      end
    end
    return "{" .. table.concat(members, ",") .. "}"
  end

  local function type_of(schema)
    if type(schema.type) == "table" then return schema.type[1] end
    return schema.type
  end

  local function places(answer)
    local list = {}
    for _, item in ipairs(type(answer.detail) == "table" and answer.detail or {}) do
      assert.is_true(#item.msg > 0)
      assert.equal("value_error", item.type)
      list[#list + 1] = table.concat(item.loc, " ")
    end
    return table.concat(list, ", ")
  end

  it("of each field, of each type and beyond each bound, names the field", function()
    local before, count = state(), 0
    for _, route in ipairs(all) do
      for field, schema in pairs(route.body and route.body.properties or {}) do
        local kind = type_of(schema)
        local texts = { table.unpack(wrong_of[kind]) }
        table.move(beyond(schema, kind), 1, 1000, #texts + 1, texts)
        -- Where the application is there, what a body brings as `application` is passed over.
        local is_passed_over = kind == "object" and field == "application"
        for _, text in ipairs(is_passed_over and {} or texts) do
          local answer, status = send(route, body_with(route.body, field, text))
          local what = ("%s %s = %s"):format(name_of(route), field, text:sub(1, 80))
          assert.equal(422, status, what)
          assert.matches("body " .. field, places(answer), 1, true)
          count = count + 1
        end
      end
    end
    assert.equal(before, state())
    assert.is_true(count > 300)
  end)

  it("of what is required and is not there names the field", function()
    local before = state()
    for _, route in ipairs(all) do
      for _, field in ipairs(route.body and route.body.required or {}) do
        for _, text in ipairs { false, "null" } do
          local schema = { required = {}, properties = {} }
          for name, property in pairs(route.body.properties) do
            if name ~= field or text then schema.properties[name] = property end
          end
          for _, name in ipairs(route.body.required) do
            if name ~= field then schema.required[#schema.required + 1] = name end
          end
          local answer, status = send(route, body_with(schema, field, text or "null"))
          assert.equal(422, status, name_of(route) .. " " .. field)
          assert.matches("body " .. field, places(answer), 1, true)
        end
      end
    end
    assert.equal(before, state())
  end)

  for name, body in pairs(whole_bodies) do
    it("that is no object, " .. name .. ", is refused as the body", function()
      local before = state()
      for _, route in ipairs(all) do
        -- Where nothing is required, no body is one without fields.
        if route.body and (body ~= "" or route.body.required and #route.body.required > 0) then
          local answer, status = send(route, body)
          assert.equal(422, status, name_of(route))
          assert.equal("body", places(answer))
        end
      end
      assert.equal(before, state())
    end)
  end

  it("that is too long is refused before it is read", function()
    local before = state()
    for _, route in ipairs(all) do
      if route.body and not route.body.properties.payload then
        local _, status = send(route, '{"name":"' .. LONG .. '"}')
        assert.equal(413, status, name_of(route))
      end
    end
    assert.equal(before, state())
  end)

  it("in a parameter names the parameter", function()
    local before, count = state(), 0
    for _, route in ipairs(all) do
      for _, name in ipairs(route.query) do
        local list = bad_queries[name] or {}
        if route.path == "/api/v1/attempt" and name == "status" then list = { "9", "ok" } end
        -- An event type is its name, and so are the iterators of their list.
        if route.path == "/api/v1/event-type" and name == "iterator" then list = { "-", "a%20b", "%00" } end
        for _, value in ipairs(list) do
          local body = route.body and body_with(route.body) or (route.method ~= "GET" and "{}" or nil)
          local answer, status = send(route, body, ("?%s=%s"):format(name, value))
          local what = ("%s %s=%s"):format(name_of(route), name, value:sub(1, 40))
          assert.equal(422, status, what)
          if type(answer.detail) == "table" then
            assert.matches("query " .. name, places(answer), 1, true)
          else
            assert.is_true(answer.code == name or answer.detail:find(name, 1, true) ~= nil, what)
          end
          count = count + 1
        end
      end
    end
    assert.equal(before, state())
    assert.is_true(count > 30)
  end)

  it("in a path is something that is not there, or no path", function()
    for _, route in ipairs(all) do
      for _, name in ipairs(takes_any_name[route.path] and {} or route.parameters) do
        for _, value in ipairs { ("x"):rep(257), "a%00b", "..", "%2e%2e", "a%2fb", "%", "%zz", "a%0d%0ab",
            "%ff", "x'--", "{}", "*" } do
          local path = route.path:gsub("{(%w+)}", function(part)
            return (part == name and value or values[part] or "x"):gsub("%%", "%%%%")
          end)
          local answer = assert(http.request { port = server.admin_port, method = route.method,
            path = path, body = route.body and body_with(route.body) or "",
            headers = { Authorization = "Bearer " .. server.token,
              ["Content-Type"] = "application/json" } })
          -- A PUT makes what is not there, by whatever name the path has; a body may be judged first.
          local is_judged = route.method == "PUT" and answer.status == 201
            or route.body and answer.status == 422
          assert.is_true(is_judged or answer.status == 404 or answer.status == 400 or answer.status == 405,
            ("%s %s: %d"):format(name_of(route), value, answer.status))
        end
      end
    end
  end)

  -- Where a name leads is judged at each attempt (send/guard.c); what is written as an address is judged
  -- here too.
  local bad_urls = {
    "", "x", "//example.com/", "/path", "example.com", "http://", "http:///path",
    "http:/example.com", "http:example.com", "ftp://example.com/",
    "file:///etc/passwd", "gopher://example.com/", "javascript:alert(1)", "unix:/run/x.sock",
    "http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/",
    "http://0.0.0.0/", "http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.0.1/",
    "http://169.254.169.254/latest/meta-data/", "http://100.64.0.1/", "http://[::1]/", "http://[::]/",
    "http://[::ffff:127.0.0.1]/", "http://[fe80::1]/", "http://[fc00::1]/", "http://[64:ff9b::7f00:1]/",
    "http://224.0.0.1/", "http://255.255.255.255/", "http://user:secret@example.com/",
    "http://example.com/\r\nX-Injected: b", "http://example.com/a b", "http://example.com:0/",
    "http://example.com:65536/", "http://example.com:x/", "http://exa mple.com/", "http://[::1",
    "http://example.com\0.internal/", "http://example.com@", "http://@example.com/", "http://:@example.com/",
    "http://a@b@example.com/", "http://example.com\\@example.org/", "http://127.0.0.1%2f@example.com/",
    -- Names that are no ASCII are written in punycode: what looks like digits and dots is an address else.
    "http://bücher.example/", "http://example.com/ü", "http://１２７.０.０.１/", "http://localhost。/", "http://ⓔxample.com/",
  }

  it("that is the URL of an endpoint is refused, and none is registered", function()
    local before = state()
    for _, url in ipairs(bad_urls) do
      for _, row in ipairs { { "POST", "/app/acme/endpoint" }, { "PUT", "/app/acme/endpoint/hook" },
          { "PATCH", "/app/acme/endpoint/hook" } } do
        local answer, status = call(row[1], row[2], json.encode { url = url })
        assert.equal(422, status, row[1] .. " " .. url)
        assert.equal("body url", places(answer), row[1] .. " " .. url)
      end
    end
    assert.equal(before, state())
  end)

  it("leaves unknown fields and later versions of clients alone", function()
    local app, status = call("POST", "/app",
      '{"name":"x","unknown":{"a":[1,{"b":null}]},"name":"the last one counts"}')
    assert.equal(201, status)
    assert.same({ "the last one counts" }, { app.name })
    assert.is_nil(app.unknown)
  end)
end)
