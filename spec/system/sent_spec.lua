-- SPDX-License-Identifier: MIT
-- What is published goes to the endpoints of its application, and can be looked at.
local Applications = require "support.applications"
local json = require "dkjson"
local wait = require "support.wait"

local RULES = [[
local anzol = require "anzol"
anzol.on("api.ruled.**", function(event)
  if event.type == "api.ruled.drop" then return anzol.skip "dropped" end
  if event.type == "api.ruled.as" then
    return event:publish { payload = { as = true }, type = "b", channels = {} }
  end
  event:publish { endpoints = function(endpoint) return endpoint.metadata.wanted == "yes" end }
end)
anzol.on("api.ruled.two", { name = "second" }, function(event) event:publish { payload = { second = true } } end)
]]

describe("a message of an application", function()
  local rig, receiver, call

  lazy_setup(function()
    rig = Applications.start { scripts = { ["main.lua"] = RULES },
      settings = 'return { guard = { allow = { "127.0.0.0/8" } }, limits = { application_endpoints = 2000 } }' }
    receiver, call = rig.receiver, rig.call
    for _, name in ipairs { "a", "b", "ruled.some", "ruled.as" } do
      call("POST", "/event-type", { name = name, description = name })
    end
  end)
  lazy_teardown(function() rig:close() end)

  local function application() return rig:application() end
  local function endpoint(path, fields) return rig:endpoint(path, fields) end
  local function publish(path, fields) return rig:publish(path, fields) end

  -- What came, by path, once nothing is due.
  local function arrived()
    wait.until_true("nothing is pending", 5000, function()
      return #call("GET", "/event?state=pending").data == 0 and #call("GET", "/delivery?state=pending").data == 0
    end)
    local names = {}
    local records = receiver:take()
    for i, record in ipairs(records) do names[i] = record.path:sub(2) end
    table.sort(names)
    return table.concat(names, " "), records
  end

  it("goes to those that want its type and channels", function()
    local path = application()
    endpoint(path, { uid = "all" })
    endpoint(path, { uid = "b", eventTypes = { "b" } })
    endpoint(path, { uid = "eu", channels = { "eu", "us" } })
    endpoint(path, { uid = "off", disabled = true })
    endpoint(application(), { uid = "other" })
    local message = publish(path)
    local names, records = arrived()
    assert.equal("all", names)
    assert.same({ '{"a":1}', message.id, "application/json" },
      { records[1].body, records[1].id, records[1].headers["content-type"] })
    assert.matches("^v1,", records[1].headers["webhook-signature"])
    assert.equal("all b", (arrived(publish(path, { eventType = "b" }))))
    assert.equal("all eu", (arrived(publish(path, { channels = { "us", "x" } }))))
    assert.equal("all", (arrived(publish(path, { channels = { "x" } }))))
    assert.equal("all", (arrived(publish(path, { eventType = "unknown.type" }))))
  end)

  it("is sent byte for byte when that is asked for", function()
    local path = application()
    endpoint(path, { uid = "raw" })
    publish(path, { transformationsParams = { rawPayload = "<x>\n" } })
    local _, records = arrived()
    assert.same({ "<x>\n", "application/json" }, { records[1].body, records[1].headers["content-type"] })
    local xml = "application/xml; charset=utf-8"
    publish(path, { transformationsParams = { rawPayload = "<x/>", headers = { ["Content-Type"] = xml } } })
    _, records = arrived()
    assert.same({ "<x/>", xml }, { records[1].body, records[1].headers["content-type"] })
  end)

  it("goes where scripts say", function()
    local path = application()
    endpoint(path, { uid = "yes", metadata = { wanted = "yes" } })
    endpoint(path, { uid = "no", metadata = { wanted = "no" } })
    endpoint(path, { uid = "typed", eventTypes = { "b" }, channels = { "eu" } })
    assert.equal("", (arrived(publish(path, { eventType = "ruled.drop" }))))
    assert.equal("yes", (arrived(publish(path, { eventType = "ruled.some" }))))
    local names, records = arrived(publish(path, { eventType = "ruled.as" }))
    assert.equal("no yes", names)
    assert.equal('{"as":true}', records[1].body)
    local message = publish(path, { eventType = "ruled.two" })
    names, records = arrived()
    assert.is_true(names == "yes" or names == "no yes", names)
    for _, record in ipairs(records) do assert.equal(message.id, record.id) end
  end)

  it("goes to more endpoints than a handler's run may send to", function()
    local path = application()
    for i = 1, 1100 do
      local _, status = call("POST", path .. "/endpoint", { url = receiver:url "/many" })
      assert.equal(201, status, i)
    end
    local message = publish(path)
    local count, iterator = 0, nil
    wait.until_true("all are sent", 20000, function()
      local page
      count, iterator = 0, nil
      repeat
        page = call("GET", path .. "/msg/" .. message.id .. "/endpoint?limit=250"
          .. (iterator and "&iterator=" .. iterator or ""))
        for _, row in ipairs(page.data) do count = count + (row.status == 0 and 1 or 0) end
        iterator = page.iterator
      until page.done
      return count == 1100
    end)
    receiver:take()
  end)

  it("is listed with what became of it", function()
    local path = application()
    local good = endpoint(path, { uid = "good" })
    local bad = endpoint(path, { uid = "bad" })
    receiver:answer("/bad", { status = 500, body = "broken" })
    local one = publish(path, { eventId = "one", channels = { "eu" }, tags = { "t", "u" } })
    local two = publish(path, { eventType = "b" })
    wait.until_true("both are tried", 5000, function()
      return #call("GET", path .. "/attempt/endpoint/bad").data == 2
        and #call("GET", path .. "/attempt/endpoint/good").data == 2
    end)
    local page = call("GET", path .. "/msg")
    assert.same({ two.id, one.id }, { page.data[1].id, page.data[2].id })
    assert.same({ one.id, "-" .. two.id, true }, { page.iterator, page.prevIterator, page.done })
    for query, wanted in pairs {
      ["limit=1"] = two.id, ["channel=eu"] = one.id, ["tag=u"] = one.id, ["tag=eu"] = "",
      ["event_types=b,x"] = two.id, ["event_types=a"] = one.id,
      ["event_types[]=a"] = one.id, ["event_types%5B0%5D=b&event_types%5B1%5D=c"] = two.id,
      ["iterator=" .. two.id] = one.id, ["iterator=-" .. one.id] = two.id,
      ["before=" .. "2024-01-31%2012:00:00.123456%20UTC"] = "", ["after=2999-01-01T00:00:00Z"] = "",
      ["after=" .. two.timestamp .. "&limit=1"] = two.id,
    } do
      local ids = {}
      for i, message in ipairs(call("GET", path .. "/msg?" .. query).data) do ids[i] = message.id end
      assert.equal(wanted, table.concat(ids, " "), query)
    end
    local rows = call("GET", path .. "/msg/one/endpoint").data
    assert.same({ bad.id, good.id }, { rows[1].id, rows[2].id })
    assert.same({ 3, "sending", 0, "success" },
      { rows[1].status, rows[1].statusText, rows[2].status, rows[2].statusText })
    assert.matches("^%d%d%d%d%-", rows[1].nextAttempt)
    assert.equal("bad", rows[1].uid)
    local sent = call("GET", path .. "/endpoint/bad/msg").data
    assert.same({ two.id, one.id, 3, { a = 1 } }, { sent[1].id, sent[2].id, sent[1].status, sent[2].payload })
    assert.same({}, call("GET", path .. "/endpoint/bad/msg?status=0").data)
    for tag, count in pairs { t = 1, other = 0 } do
      assert.equal(count, #call("GET", path .. "/attempt/endpoint/good?tag=" .. tag).data)
      assert.equal(count, #call("GET", path .. "/endpoint/good/msg?tag=" .. tag).data)
    end
    local tried = call("GET", path .. "/attempt/msg/one").data
    assert.same({ 2, one.id }, { #tried, tried[1].msgId })
    local failed = call("GET", path .. "/attempt/msg/one?status_code_class=500").data
    assert.same({ 1, 500, "broken", bad.id, receiver:url "/bad", 0 }, { #failed, failed[1].responseStatusCode,
      failed[1].response, failed[1].endpointId, failed[1].url, failed[1].triggerType })
    assert.same(failed[1], call("GET", path .. "/msg/one/attempt/" .. failed[1].id))
    assert.equal(1, #call("GET", path .. "/attempt/msg/one?endpoint_id=good").data)
    assert.equal(404, (select(2, call("GET", path .. "/msg/" .. two.id .. "/attempt/" .. failed[1].id))))
    assert.same({ success = 2, fail = 0, pending = 0, sending = 0, canceled = 0 },
      call("GET", path .. "/endpoint/good/stats"))
    assert.equal(2, call("GET", path .. "/endpoint/bad/stats").sending)
    assert.equal(0, call("GET", path .. "/endpoint/bad/stats?since=1970-01-01T00:00:00Z&until=1970-01-02T00:00:00Z")
      .sending)
    receiver:take()
  end)

  it("is found by its time, its attempts by when they began: not before `after`, and before `before`", function()
    local path = application()
    receiver:answer("/slow", { delay_ms = 300 })
    endpoint(path, { uid = "slow" })
    local message = publish(path, { eventId = "m" })
    local attempt = wait.until_true("it is tried", 5000, function()
      return call("GET", path .. "/attempt/msg/m").data[1]
    end)
    assert.is_true(attempt.responseDurationMs >= 200)
    for list, timestamp in pairs { ["/msg"] = message.timestamp, ["/endpoint/slow/msg"] = message.timestamp,
        ["/attempt/msg/m"] = attempt.timestamp, ["/attempt/endpoint/slow"] = attempt.timestamp } do
      local behind = timestamp:gsub("Z$", "999Z") -- less than a millisecond
      local next_ms = ("%03d"):format((tonumber(timestamp:match "%.(%d+)Z") + 1) % 1000)
      local later = next_ms ~= "000" and timestamp:gsub("%.%d+Z", "." .. next_ms .. "Z") or nil
      for query, count in pairs { ["after=" .. timestamp] = 1, ["before=" .. timestamp] = 0,
          ["after=" .. behind] = 1, [later and "after=" .. later or "limit=1"] = later and 0 or 1,
          [later and "before=" .. later or "limit=2"] = 1 } do
        assert.equal(count, #call("GET", path .. list .. "?" .. query).data, list .. query)
      end
    end
    receiver:take()
  end)

  it("is looked for with parameters that are right", function()
    local path = application()
    endpoint(path, { uid = "e" })
    publish(path, { eventId = "m" })
    for at, places in pairs {
      limit = { "/msg?limit=0", "/msg?limit=251", "/attempt/endpoint/e?limit=x" },
      iterator = { "/msg?iterator=x", "/attempt/msg/m?iterator=msg_00000000000", "/msg/m/endpoint?iterator=-" },
      tag = { "/msg?tag=a%20b", "/attempt/msg/m?tag=" .. ("c"):rep(129) },
      channel = { "/msg?channel=a%20b", "/msg?channel=" .. ("c"):rep(129) },
      event_types = { "/msg?event_types=a,,b", "/msg?event_types[]=", "/msg?event_types=a%2Fb" },
      before = { "/msg?before=yesterday", "/attempt/endpoint/e?before=1" }, after = { "/msg?after=2024" },
      with_content = { "/msg?with_content=1" }, status = { "/endpoint/e/msg?status=4", "/attempt/msg/m?status=fail" },
      status_code_class = { "/attempt/msg/m?status_code_class=201" },
      endpoint_id = { "/attempt/msg/m?endpoint_id=a%20b" }, since = { "/endpoint/e/stats?since=x" },
    } do
      for _, place in ipairs(places) do
        local answer, status = call("GET", path .. place)
        assert.same({ 422, { "query", at } }, { status, answer.detail[1].loc }, place)
      end
    end
    for _, place in ipairs { "/msg/x/endpoint", "/endpoint/x/msg", "/endpoint/x/stats", "/attempt/endpoint/x",
      "/attempt/msg/x", "/attempt/msg/m?endpoint_id=x", "/msg/m/attempt/x", "/msg/m/attempt/atmpt_00000000000" } do
      assert.equal(404, (select(2, call("GET", path .. place))), place)
    end
    local answer, status = call("GET",
      path .. "/endpoint/e/stats?since=2020-01-01T00:00:00Z&until=2020-02-01T00:00:00Z")
    assert.same({ 400, "invalid_range" }, { status, answer.code })
  end)

  it("stays where it went when the endpoint is deleted", function()
    local path = application()
    local gone = endpoint(path, { uid = "gone" })
    local message = publish(path)
    arrived()
    assert.equal(204, (select(2, call("DELETE", path .. "/endpoint/gone"))))
    local rows = call("GET", path .. "/msg/" .. message.id .. "/endpoint").data
    assert.same({ gone.id, receiver:url "/gone", true, 0 },
      { rows[1].id, rows[1].url, rows[1].disabled, rows[1].status })
    assert.equal(1, #call("GET", path .. "/attempt/msg/" .. message.id).data)
    assert.equal(json.encode {}, json.encode(call("GET", path .. "/endpoint").data))
  end)
end)
