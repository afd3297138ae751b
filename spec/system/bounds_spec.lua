-- SPDX-License-Identifier: MIT
-- The bounds that the protocol states for fields and parameters, each at, below and above: from its public
-- document, not from our tables, so that a bound of ours that is another shows.
local Server = require "support.server"
local json = require "dkjson"
local resources = require "support.resources"
local routes = require "support.routes"

local function rep(text, count) return (text):rep(count) end

local function quoted(list)
  local texts = {}
  for i, value in ipairs(list) do texts[i] = json.encode(value) end
  return texts
end

-- A name of 1 to max characters of a-zA-Z0-9-_. ; letter: so that uids differ.
local function name(max, letter)
  return quoted { letter, rep(letter, max), letter .. "Z09-_." },
    quoted { "", rep(letter, max + 1), "a b", "é", "a/b" }
end

-- A list of names.
local function list(min, max, longest)
  local function items(count)
    local texts = {}
    for i = 1, count do texts[i] = "c" .. i end
    return json.encode(texts)
  end
  local refused = { "[]", json.encode { rep("x", longest + 1) }, json.encode { "a b" }, '["a","a"]', '"a"' }
  if max then refused[#refused + 1] = items(max + 1) end
  return { items(min), items(max or 100), json.encode { rep("x", longest) } }, refused
end

local function row(method, path, field, body, taken, refused)
  return { method = method, path = path, field = field, body = body, taken = taken, refused = refused }
end

local rate = { { "1", "65535" }, { "0", "65536", "-1", "1.5", '"1"' } }
local rate_of_patch = { { "0", "1", "65535", "null" }, { "65536", "-1" } }
local texts = { { "{}", '{"a":""}', json.encode { [rep("k", 300)] = rep("v", 3000) } },
  { '{"a":1}', '{"a":null}', "[1]", '"a"' } }
local flag = { { "true", "false" }, { "1", '"true"', "[]" } }
local key = { { json.encode("whsec_" .. rep("A", 32)), json.encode("whsec_" .. rep("A", 100)) },
  { json.encode("whsec_" .. rep("A", 31)), json.encode("whsec_" .. rep("A", 101)), json.encode(rep("!", 32)),
    '""' } }

-- letter: a uid is free for one only.
local function with_name(method, path, field, body, max, letter)
  local taken, refused = name(max, letter)
  return row(method, path, field, body, taken, refused)
end

local function with_list(method, path, field, body, max, longest)
  local taken, refused = list(1, max, longest)
  return row(method, path, field, body, taken, refused)
end

local app, app_patch = '{"name":"x",%s}', "{%s}"
local endpoint, endpoint_patch = '{"url":"https://example.com/",%s}', "{%s}"
local message = '{"eventType":"a.b","payload":{},%s}'
local one, hook, ep = "/app/{app}", "/app/{app}/endpoint", "/app/{app}/endpoint/{endpoint}"

-- In the order of the paths.
local fields = {
  row("POST", "/app", "name", "{%s}", quoted { "x", rep("é", 3000) }, { '""', "1", "null" }),
  with_name("POST", "/app", "uid", app, 256, "a"),
  row("POST", "/app", "throttleRate", app, rate[1], rate[2]),
  row("POST", "/app", "rateLimit", app, rate[1], {}),
  row("POST", "/app", "metadata", app, texts[1], texts[2]),
  row("PUT", one, "name", "{%s}", quoted { "x", rep("é", 3000) }, { '""', "1", "null" }),
  with_name("PUT", one, "uid", app, 256, "b"),
  row("PUT", one, "throttleRate", app, rate[1], rate[2]),
  row("PUT", one, "metadata", app, texts[1], texts[2]),
  row("PATCH", one, "name", app_patch, quoted { "x" }, { "1", "[]" }),
  with_name("PATCH", one, "uid", app_patch, 256, "c"),
  row("PATCH", one, "throttleRate", app_patch, rate_of_patch[1], rate_of_patch[2]),
  row("PATCH", one, "metadata", app_patch, texts[1], texts[2]),
  row("POST", hook, "url", "{%s}",
    quoted { "https://example.com/", "http://example.com/?a=b", "https://example.com/" .. rep("x", 2028) },
    quoted { "", "https://example.com/" .. rep("x", 2029), "example.com" }),
  with_name("POST", hook, "uid", endpoint, 256, "d"),
  row("POST", hook, "description", endpoint, quoted { "", rep("x", 5000) }, { "1" }),
  row("POST", hook, "disabled", endpoint, flag[1], flag[2]),
  row("POST", hook, "throttleRate", endpoint, rate[1], rate[2]),
  row("POST", hook, "metadata", endpoint, texts[1], texts[2]),
  with_list("POST", hook, "channels", endpoint, 10, 128),
  row("POST", hook, "eventTypes", endpoint, { '["a.b"]', '["a.b","c.d"]', "null" },
    { "[]", '["not.there"]', '["a.b","a.b"]', "[1]" }),
  row("POST", hook, "secret", endpoint, key[1], key[2]),
  with_name("PUT", ep, "uid", endpoint, 256, "e"),
  row("PUT", ep, "throttleRate", endpoint, rate[1], rate[2]),
  with_list("PUT", ep, "channels", endpoint, 10, 128),
  row("PUT", ep, "eventTypes", endpoint, { '["a.b"]', "null" }, { "[]", '["not.there"]' }),
  with_name("PATCH", ep, "uid", endpoint_patch, 256, "f"),
  row("PATCH", ep, "throttleRate", endpoint_patch, rate_of_patch[1], rate_of_patch[2]),
  row("PATCH", ep, "channels", endpoint_patch, { '["a"]', "null" }, { "[]", json.encode { rep("x", 129) } }),
  row("PATCH", ep, "eventTypes", endpoint_patch, { '["a.b"]', "null" }, { "[]", '["not.there"]' }),
  row("PATCH", ep, "disabled", endpoint_patch, flag[1], flag[2]),
  row("POST", ep .. "/secret/rotate", "gracePeriodSeconds", "{%s}", { "0", "604800", "null" },
    { "-1", "604801", '"1"' }),
  row("POST", ep .. "/secret/rotate", "key", "{%s}", { "null", key[1][1] }, key[2]),
  row("PUT", ep .. "/headers", "headers", "{%s}", { "{}", '{"X-Own":"a"}' },
    { "[1]", '{"X-Own":1}', '{"X-Own":"a\\r\\nb: c"}', '{"bad name":"a"}', '{"Host":"a"}', '{"webhook-id":"a"}' }),
  row("POST", "/app/{app}/msg", "eventType", '{"payload":{},%s}', quoted { "a", rep("t", 256), "a.B-9_" },
    quoted { "", rep("t", 257), "a b", "é" }),
  with_name("POST", "/app/{app}/msg", "eventId", message, 256, "g"),
  with_list("POST", "/app/{app}/msg", "channels", message, 5, 128),
  row("POST", "/app/{app}/msg", "payload", '{"eventType":"a.b",%s}', { "{}", '{"a":1e400}' },
    { "[]", '"x"', "1", "null" }),
  row("POST", "/app/{app}/msg", "payloadRetentionPeriod", message, { "5", "90", "null" },
    { "4", "91", '"5"' }),
  row("POST", "/auth/app-portal-access/{app}", "featureFlags", "{%s}",
    { "[]", '["a"]', json.encode { rep("x", 256) } }, { json.encode { rep("x", 257) }, '["a b"]', '["a","a"]' }),
  with_name("POST", "/event-type", "name", '{"description":"x",%s}', 256, "h"),
  row("POST", "/event-type", "description", '{"name":"one.type",%s}', { '""' }, { "1", "null" }),
  row("PUT", "/event-type/a.b", "featureFlag", '{"description":"x",%s}',
    quoted { "f", rep("f", 256) }, quoted { rep("f", 257), "a b" }),
  row("PUT", "/event-type/a.b", "schemas", '{"description":"x",%s}', { "{}", '{"1":{}}', "null" },
    { "[1]", '{"1":"x"}' }),
}

local instants = { { "2024-01-31T12:00:00Z", "2024-01-31T12:00:00.123456%2B02:00",
  "2024-01-31%2012:00:00.123456%20UTC" }, { "yesterday", "2024-13-01T00:00:00Z" } }
local flags = { { "true", "false" }, { "1", "yes" } }
local limit = { { "1", "250" }, { "0", "251", "-1", "x" } }
local order = { { "ascending", "descending" }, { "up" } }

-- By the name of the parameter, wherever the document has it.
local parameters = {
  limit = limit, order = order, with_content = flags, include_archived = flags, expunge = flags,
  get_if_exists = flags, before = instants, after = instants,
  channel = { { "a", rep("x", 128) }, { rep("x", 129), "a%20b" } },
  event_types = { { "a.b", "a.b,c.d", rep("x", 256) }, { rep("x", 257), "a%20b" } },
  status = { { "0", "1", "2", "3" }, { "4", "-1", "x" } },
  status_code_class = { { "0", "100", "200", "300", "400", "500" }, { "1", "600" } },
}

describe("the bounds of the protocol", function()
  local server, call, values, known

  lazy_setup(function()
    server = Server.start { scripts = { ["main.lua"] = "" } }
    call = resources(server)
    values, known = {}, {}
    for _, type_name in ipairs { "a.b", "c.d" } do
      call("POST", "/event-type", { name = type_name, description = "x" })
    end
    values.app = call("POST", "/app", { name = "Bounds" }).id
    values.id = values.app
    local place = "/app/" .. values.app
    values.endpoint = call("POST", place .. "/endpoint", { url = "https://example.com/", disabled = true }).id
    values.msg = call("POST", place .. "/msg", { eventType = "a.b", payload = { a = 1 } }).id
    for _, route in ipairs(routes.of(server)) do
      known[route.method .. " " .. route.path:gsub("^/api/v1", ""):gsub("^/app/{id}", "/app/{app}")] = route
    end
  end)
  lazy_teardown(function() server:close() end)

  for _, case in ipairs(fields) do
    it(("hold for %s of %s %s"):format(case.field, case.method, case.path), function()
      if not (known[case.method .. " " .. case.path] or case.path:find("/event-type/", 1, true)) then return end
      local path = routes.fill(case.path, values)
      local function send(text)
        return call(case.method, path, case.body:format(json.encode(case.field) .. ":" .. text:gsub("%%", "%%%%")))
      end
      for _, text in ipairs(case.taken) do
        local answer, status = send(text)
        assert.is_true(status < 300, ("%s: %d %s"):format(text:sub(1, 80), status, json.encode(answer)))
      end
      for _, text in ipairs(case.refused) do
        local answer, status = send(text)
        assert.equal(422, status, text:sub(1, 80))
        assert.same({ "body", case.field }, { answer.detail[1].loc[1], answer.detail[1].loc[2] })
      end
    end)
  end

  it("hold for every parameter of every list of what is registered or published", function()
    local count = 0
    for _, route in pairs(known) do
      local is_of_protocol = route.path:find "^/api/v1/app" or route.path:find "^/api/v1/event%-type"
      for _, parameter in ipairs(is_of_protocol and route.method == "GET" and route.query or {}) do
        local bounds = parameters[parameter] or { {}, {} }
        local path = routes.fill(route.path:gsub("^/api/v1", ""), setmetatable({},
          { __index = function(_, key_name)
            return route.path:find "event%-type" and "a.b" or values[key_name] or "atmpt_00000000001"
          end }))
        for taken, list_of in ipairs(bounds) do
          for _, value in ipairs(list_of) do
            local answer, status = call("GET", ("%s?%s=%s"):format(path, parameter, value))
            local what = ("%s?%s=%s"):format(path, parameter, value:sub(1, 40))
            if taken == 1 then
              assert.is_true(status == 200 or status == 404, what .. " " .. status)
            else
              assert.equal(422, status, what)
              assert.same({ "query", parameter }, answer.detail[1].loc, what)
            end
            count = count + 1
          end
        end
      end
    end
    assert.is_true(count > 20)
  end)
end)
