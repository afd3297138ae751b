-- SPDX-License-Identifier: MIT
-- What is done by hand about published messages: sent again, recovered, an example, forgotten.
local Applications = require "support.applications"
local wait = require "support.wait"

describe("a message that was published", function()
  local rig, server, receiver, call

  lazy_setup(function()
    rig = Applications.start()
    server, receiver, call = rig.server, rig.receiver, rig.call
    call("POST", "/event-type", { name = "made", description = "d",
      schemas = { ["1"] = { type = "object", examples = { { an = "example" } } } } })
    call("POST", "/event-type", { name = "bare", description = "d" })
  end)
  lazy_teardown(function() rig:close() end)

  -- With an endpoint "ep": its path, and the receiver's.
  local function application()
    local path = rig:application()
    local place = "/e" .. rig.count
    rig:endpoint(path, { uid = "ep", url = receiver:url(place) })
    return path, place
  end

  local function publish(path, fields)
    local all = { eventType = "made" }
    for name, value in pairs(fields or {}) do all[name] = value end
    return rig:publish(path, all)
  end

  local function await_attempts(path, message, count)
    return wait.until_true(count .. " attempts", 5000, function()
      local tried = call("GET", path .. "/attempt/msg/" .. message.id).data
      return #tried == count and tried
    end)
  end

  it("is sent once more, with its id, and once for a key", function()
    local path = application()
    local message = publish(path)
    await_attempts(path, message, 1)
    local resend = path .. "/msg/" .. message.id .. "/endpoint/ep/resend"
    for _ = 1, 2 do
      local answer, status = call("POST", resend, "{}", { ["Idempotency-Key"] = "k" })
      assert.same({ 202, {} }, { status, answer })
    end
    local tried = await_attempts(path, message, 2)
    assert.same({ 1, 0 }, { tried[1].triggerType, tried[2].triggerType })
    local records = receiver:take()
    assert.same({ 2, message.id, message.id }, { #records, records[1].id, records[2].id })
    assert.equal(1, #call("GET", path .. "/msg/" .. message.id .. "/endpoint").data)
    assert.equal(1, #call("GET", path .. "/endpoint/ep/msg").data)
    assert.equal(404, (select(2, call("POST", path .. "/msg/x/endpoint/ep/resend", "{}"))))
    assert.equal(404, (select(2, call("POST", path .. "/msg/" .. message.id .. "/endpoint/x/resend", "{}"))))
  end)

  it("came once it came, whatever is answered to those that follow; one without an answer says why", function()
    local path, place = application()
    local message = publish(path)
    await_attempts(path, message, 1)
    receiver:answer(place, { status = 500 }, { reset = true })
    for count = 2, 3 do
      assert.equal(202, (select(2, call("POST", path .. "/msg/" .. message.id .. "/endpoint/ep/resend", "{}"))))
      await_attempts(path, message, count)
    end
    local tried = call("GET", path .. "/attempt/msg/" .. message.id).data
    assert.same({ 0, 500, 200 },
      { tried[1].responseStatusCode, tried[2].responseStatusCode, tried[3].responseStatusCode })
    assert.equal("reset: the connection ended before the answer", tried[1].response)
    assert.equal("", call("GET", path .. "/attempt/msg/" .. message.id .. "?with_content=false").data[1].response)
    assert.same({ 2, 2, 0 }, { tried[1].status, tried[2].status, tried[3].status })
    local none = call("GET", path .. "/attempt/msg/" .. message.id .. "?status_code_class=0").data
    assert.same({ tried[1] }, none)
    assert.equal(0, call("GET", path .. "/msg/" .. message.id .. "/endpoint").data[1].status)
    assert.equal(0, call("GET", path .. "/endpoint/ep/msg").data[1].status)
    assert.same({ 1, 0 }, { call("GET", path .. "/endpoint/ep/stats").success,
      call("GET", path .. "/endpoint/ep/stats").fail })
    receiver:take()
  end)

  it("is sent to an endpoint that it did not go to", function()
    local path = application()
    call("PATCH", path .. "/endpoint/ep", { channels = { "c" } })
    local message = publish(path)
    assert.same({}, call("GET", path .. "/msg/" .. message.id .. "/endpoint").data)
    assert.equal(202, (select(2, call("POST", path .. "/msg/" .. message.id .. "/endpoint/ep/resend", "{}"))))
    await_attempts(path, message, 1)
    local records = receiver:take()
    assert.same({ message.id, '{"a":1}' }, { records[1].id, records[1].body })
  end)

  it("that failed is tried once more, and no more, when its endpoint recovers", function()
    local path, place = application()
    receiver:answer(place, { status = 500 })
    local message = publish(path)
    await_attempts(path, message, 1)
    local delivery = server:list "/api/v1/delivery?state=retrying"
    local mine
    for _, row in ipairs(delivery) do if row.messageId == message.id then mine = row.id end end
    assert.equal(200, (select(2, call("POST", "/delivery/" .. mine .. "/cancel", "{}"))))
    assert.equal(200, (select(2, call("POST", "/delivery/" .. mine .. "/retry", "{}"))))
    await_attempts(path, message, 2)
    wait.until_true("it is given up", 5000, function()
      return call("GET", path .. "/msg/" .. message.id .. "/endpoint").data[1].status == 2
    end)
    local key = { ["Idempotency-Key"] = "r" }
    local answer, status = call("POST", path .. "/endpoint/ep/recover", { since = message.timestamp }, key)
    assert.same({ 202, "endpoint.recover", "running" }, { status, answer.task, answer.status })
    assert.equal(answer.id, call("POST", path .. "/endpoint/ep/recover", { since = message.timestamp }, key).id)
    local tried = await_attempts(path, message, 3)
    assert.same({ 1, 2 }, { tried[1].triggerType, tried[1].status })
    receiver:answer(place, { status = 200 })
    call("POST", path .. "/endpoint/ep/recover", { since = message.timestamp })
    await_attempts(path, message, 4)
    assert.equal(0, call("GET", path .. "/msg/" .. message.id .. "/endpoint").data[1].status)
    for body, at in pairs { ["{}"] = "since", ['{"since":"x"}'] = "since",
      ['{"since":"2020-01-01T00:00:00Z"}'] = "since",
      [('{"since":"%s","until":"%s"}'):format(message.timestamp, "2020-01-01T00:00:00Z")] = "until" } do
      answer, status = call("POST", path .. "/endpoint/ep/recover", body)
      assert.same({ 422, { "body", at } }, { status, answer.detail[1].loc }, body)
    end
    receiver:take()
  end)

  it("is replayed to all endpoints that it went to", function()
    local path = application()
    call("POST", path .. "/endpoint", { uid = "two", url = receiver:url "/two" })
    local message = publish(path)
    await_attempts(path, message, 2)
    assert.equal(200, (select(2, call("POST", "/replay?ids=" .. message.id, "{}"))))
    await_attempts(path, message, 4)
    receiver:take()
  end)

  it("may be an example of its type, for one endpoint whatever it wants", function()
    local path = application()
    call("POST", path .. "/endpoint", { uid = "other", url = receiver:url "/other" })
    call("PATCH", path .. "/endpoint/ep", { channels = { "c" } })
    local message, status = call("POST", path .. "/endpoint/ep/send-example", { eventType = "made" })
    assert.same({ 200, { an = "example" }, "made" }, { status, message.payload, message.eventType })
    await_attempts(path, message, 1)
    local records = receiver:take()
    assert.same({ 1, '{"an":"example"}' }, { #records, records[1].body })
    assert.equal(200, (select(2, call("POST", path .. "/endpoint/ep/send-example", { eventType = "svix.ping" }))))
    for type, code in pairs { bare = 400, none = 404, ["a b"] = 422 } do
      assert.equal(code, (select(2, call("POST", path .. "/endpoint/ep/send-example", { eventType = type }))))
    end
    wait.until_true("the ping came", 5000, function() return #receiver:take() > 0 end)
  end)

  it("is forgotten, and so is what was answered", function()
    local path, place = application()
    receiver:answer(place, { status = 200, body = "a secret" })
    local message = publish(path, { eventId = "e" })
    local tried = await_attempts(path, message, 1)
    assert.equal("a secret", tried[1].response)
    assert.equal(204, (select(2, call("DELETE", path .. "/msg/e/attempt/" .. tried[1].id .. "/content"))))
    assert.equal("EXPUNGED", call("GET", path .. "/msg/e/attempt/" .. tried[1].id).response)
    assert.equal(404, (select(2, call("DELETE", path .. "/msg/e/attempt/atmpt_00000000001/content"))))
    assert.equal(204, (select(2, call("DELETE", path .. "/msg/e/content"))))
    assert.same({ expired = true }, call("GET", path .. "/msg/e").payload)
    assert.same({ expired = true }, call("GET", path .. "/endpoint/ep/msg").data[1].payload)
    assert.equal("made", call("GET", path .. "/msg/e").eventType)
    assert.equal(404, (select(2, call("DELETE", path .. "/msg/x/content"))))
    local _, refused, text = call("POST", path .. "/msg/e/endpoint/ep/resend", "{}")
    assert.equal(400, refused)
    assert.truthy(text:find("no_payload", 1, true))
    server:stop()
    server:restart()
    assert.same({ expired = true }, call("GET", path .. "/msg/e").payload)
    receiver:take()
  end)

  it("is being forgotten until nothing of it is sent or in memory to be sent", function()
    local path, place = application()
    receiver:answer(place, { status = 500, delay_ms = 1000 })
    call("PATCH", path .. "/endpoint/ep", { throttleRate = 1 })
    publish(path, { eventId = "sent" })
    receiver:await(receiver:total() + 1)
    publish(path, { eventId = "waits" })
    local waits = wait.until_true("it waits", 5000, function()
      for _, row in ipairs(server:list "/api/v1/delivery?state=pending") do
        if row.messageId == call("GET", path .. "/msg/waits").id then return row end
      end
    end)
    for _, id in ipairs { "waits", "sent" } do
      assert.equal(204, (select(2, call("DELETE", path .. "/msg/" .. id .. "/content"))))
      for _, row in ipairs(call("GET", path .. "/msg/" .. id .. "/endpoint").data) do
        assert.equal(2, row.status) -- of a retry it were 3, of what waits 1
      end
    end
    assert.equal(0, #call("GET", path .. "/attempt/msg/waits").data)
    assert.equal(1, #call("GET", path .. "/attempt/msg/sent").data)
    assert.equal("cancelled", call("GET", "/delivery/" .. waits.id).state)
    receiver:take()
  end)

  it("goes nowhere any more once it is forgotten, though a retry was due", function()
    local path, place = application()
    receiver:answer(place, { status = 500 })
    local message = publish(path, { eventId = "e" })
    await_attempts(path, message, 1)
    local delivery = server:list("/api/v1/delivery?state=retrying")[1]
    assert.equal(message.id, delivery.messageId)
    assert.equal(204, (select(2, call("DELETE", path .. "/msg/e/content"))))
    local taken = call("GET", "/delivery/" .. delivery.id)
    assert.same({ "cancelled", "its payload was forgotten" }, { taken.state, taken.reason })
    assert.equal(200, (select(2, call("POST", "/delivery/" .. delivery.id .. "/retry", "{}"))))
    wait.until_true("it is given up", 5000, function()
      return call("GET", "/delivery/" .. delivery.id).state == "dead"
    end)
    assert.equal(2, call("GET", path .. "/msg/e/endpoint").data[1].status)
    assert.equal(1, #call("GET", path .. "/attempt/msg/e").data)
    assert.equal(1, #receiver:take())
  end)
end)
