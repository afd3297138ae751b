-- SPDX-License-Identifier: MIT
-- What is published goes to the endpoints that applications registered, as they are now: with the real
-- server and real receivers.
local Applications = require "support.applications"
local process = require "anzol_test.process"
local sign = require "support.sign"
local wait = require "support.wait"

describe("an endpoint that an application registered", function()
  local rig, server, call, receiver
  local path

  lazy_setup(function()
    rig = Applications.start()
    server, call, receiver = rig.server, rig.call, rig.receiver
  end)
  lazy_teardown(function() rig:close() end)
  before_each(function() path = rig:application() end)

  local function make(fields) return rig:endpoint(path, fields) end
  local function publish(fields) return rig:publish(path, fields or { eventType = "user.made" }) end
  local function requests_at(place) return rig:arrived(place) end
  local function await(place, count) return rig:await(place, count) end
  local function deliveries(endpoint)
    local list = {}
    for _, row in ipairs(server:list("/api/v1/delivery?endpoint=" .. endpoint.id)) do list[#list + 1] = row end
    return list
  end

  it("gets what is published, signed with its secret, with its headers", function()
    local place = "/signed"
    make { url = receiver:url(place), uid = "e" }
    call("PUT", path .. "/endpoint/e/headers", { headers = { ["X-Shop"] = "acme", Authorization = "Bearer t" } })
    local key = call("GET", path .. "/endpoint/e/secret").key
    local message = publish { eventType = "user.made", payload = { a = 1 } }
    local record = await(place, 1)[1]
    local headers = record.headers
    assert.same({ message.id, '{"a":1}', "acme", "Bearer t" },
      { headers["webhook-id"], record.body, headers["x-shop"], headers.authorization })
    assert.equal(sign.standard(key, message.id, headers["webhook-timestamp"], record.body),
      headers["webhook-signature"])
  end)

  it("has the headers that it was made with", function()
    make { url = receiver:url "/headers", uid = "e", headers = { ["X-Shop"] = "acme", Authorization = "Bearer t" } }
    assert.same({ headers = { ["X-Shop"] = "acme" }, sensitive = { "Authorization" } },
      (call("GET", path .. "/endpoint/e/headers")))
    publish()
    local headers = await("/headers", 1)[1].headers
    assert.same({ "acme", "Bearer t" }, { headers["x-shop"], headers.authorization })
  end)

  it("is asked by its URL without what stays with a client, its dots resolved", function()
    local forms = { ["/frag#own"] = "/frag", ["/q?a=b#own?c"] = "/q?a=b", ["/%C3%BC"] = "/%C3%BC", ["/a/../b"] = "/b",
      ["?x=1"] = "/?x=1" }
    for form in pairs(forms) do
      local url = receiver:url(form)
      assert.equal(url, make({ url = url }).url)
    end
    publish()
    for _, place in pairs(forms) do assert.equal(1, #await(place, 1)) end
  end)

  it("may have a URL as long as receivers have to take", function()
    local stem = receiver:url "/long-"
    local long = stem .. ("a"):rep(8000 - #stem)
    make { url = long, uid = "e" }
    publish()
    assert.equal("/long-" .. ("a"):rep(8000 - #stem), await("/long-" .. ("a"):rep(8000 - #stem), 1)[1].path)
    local tried = wait.until_true("it is told", 5000, function()
      return call("GET", path .. "/attempt/endpoint/e").data[1]
    end)
    assert.equal(long, tried.url)
  end)

  it("gets a signature for each secret that is good still", function()
    local place = "/rotated"
    make { url = receiver:url(place), uid = "e" }
    local first = call("GET", path .. "/endpoint/e/secret").key
    local function signatures(count)
      local message = publish()
      local record = await(place, count)[count]
      local expected = {}
      return record.headers["webhook-signature"], function(key)
        expected[#expected + 1] = sign.standard(key, message.id, record.headers["webhook-timestamp"], record.body)
        return table.concat(expected, " ")
      end
    end
    call("POST", path .. "/endpoint/e/secret/rotate", '{}')
    local second = call("GET", path .. "/endpoint/e/secret").key
    local header, with = signatures(1)
    with(second)
    assert.equal(with(first), header)
    call("POST", path .. "/endpoint/e/secret/rotate", '{"gracePeriodSeconds":0}')
    local third = call("GET", path .. "/endpoint/e/secret").key
    header, with = signatures(2)
    with(third)
    assert.equal(with(first), header)
    call("POST", path .. "/endpoint/e/secret/rotate",
      { key = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=", gracePeriodSeconds = 60 })
    header = signatures(3)
    assert.matches("^v1a,%S+ v1,%S+ v1,%S+$", header)
  end)

  it("gets no attempt at its old URL once the change is answered", function()
    receiver:answer("/old", { delay_ms = 4000 }) -- so long the twenty take all its places
    make { url = receiver:url "/old", uid = "e" }
    for _ = 1, 25 do publish() end
    await("/old", 20)
    local _, status = call("PATCH", path .. "/endpoint/e", { url = receiver:url "/new" })
    assert.equal(200, status)
    await("/new", 5)
    assert.same({ 20, 5 }, { #requests_at "/old", #requests_at "/new" })
  end)

  it("gets no attempt once it is disabled, and all of them when it is enabled again", function()
    local endpoint = make { url = receiver:url "/off", uid = "e" }
    publish()
    await("/off", 1)
    call("PATCH", path .. "/endpoint/e", { disabled = true })
    publish()
    assert.equal(1, #deliveries(endpoint)) -- none is made for it
    call("PATCH", path .. "/endpoint/e", { disabled = false })
    publish()
    await("/off", 2)
    assert.equal(2, #requests_at "/off")
  end)

  it("signs with nothing but the new secret once a rotation without grace is answered", function()
    make { url = receiver:url "/burst", uid = "e" }
    for _ = 1, 50 do publish() end
    call("POST", path .. "/endpoint/e/secret/rotate", '{"gracePeriodSeconds":0}')
    local key = call("GET", path .. "/endpoint/e/secret").key
    local message = publish()
    for _, record in ipairs(await("/burst", 51)) do
      if record.id == message.id then
        assert.equal(sign.standard(key, record.id, record.headers["webhook-timestamp"], record.body),
          record.headers["webhook-signature"])
      end
    end
  end)

  it("is disabled by a 410, which its application sees", function()
    receiver:answer("/gone", { status = 410 })
    make { url = receiver:url "/gone", uid = "e" }
    publish()
    wait.until_true("disabled", 5000, function() return call("GET", path .. "/endpoint/e").disabled end)
    publish()
    receiver:answer("/gone", { status = 200 })
    call("PATCH", path .. "/endpoint/e", { disabled = false })
    publish()
    await("/gone", 2)
    assert.equal(2, #requests_at "/gone")
  end)

  it("gets nothing more once it is deleted: what waited is cancelled", function()
    receiver:answer("/deleted", { delay_ms = 60000 })
    local endpoint = make { url = receiver:url "/deleted", uid = "e" }
    for _ = 1, 5 do publish() end
    await("/deleted", 5)
    receiver:answer("/failing", { status = 500 })
    local other = make { url = receiver:url "/failing", uid = "f" }
    publish()
    wait.until_true("a failed attempt", 5000, function()
      local row = deliveries(other)[1]
      return row and row.state == "retrying"
    end)
    call("DELETE", path .. "/endpoint/f")
    wait.until_true("cancelled", 5000, function() return deliveries(other)[1].state == "cancelled" end)
    assert.equal("the endpoint was deleted", deliveries(other)[1].reason)
    assert.equal(1, #requests_at "/failing")
    assert.equal(6, #deliveries(endpoint))
  end)

  it("shares the rate of its application with the others", function()
    call("PATCH", path, { throttleRate = 10 })
    make { url = receiver:url "/rate-1", uid = "e" }
    make { url = receiver:url "/rate-2", uid = "f" }
    local start_ms = process.mono_ms()
    for _ = 1, 12 do publish() end
    await("/rate-1", 12)
    await("/rate-2", 12)
    -- Ten at once, then one every 100 ms.
    assert.is_true(process.mono_ms() - start_ms >= 1000)
    call("PATCH", path, '{"throttleRate":null}')
    for _ = 1, 30 do publish() end
    await("/rate-2", 42)
  end)

  it("goes by the rate of an application that a message brought", function()
    local app = { name = "Brought", uid = "brought", throttleRate = 10 }
    local _, status = call("POST", "/app/brought/msg", { eventType = "a", payload = { a = 1 }, application = app })
    assert.equal(202, status)
    path = "/app/brought"
    make { url = receiver:url "/brought", uid = "e" }
    local start_ms = process.mono_ms()
    for _ = 1, 21 do publish() end
    await("/brought", 21)
    assert.is_true(process.mono_ms() - start_ms >= 1000)
  end)

  it("and all of an application are sent to no more when that is deleted", function()
    receiver:answer("/orphan", { status = 500 })
    local endpoint = make { url = receiver:url "/orphan", uid = "e" }
    publish()
    wait.until_true("a failed attempt", 5000, function()
      local row = deliveries(endpoint)[1]
      return row and row.state == "retrying"
    end)
    call("DELETE", path)
    wait.until_true("cancelled", 5000, function() return deliveries(endpoint)[1].state == "cancelled" end)
  end)

  it("is sent to after a crash as before; what was deleted just before it is cancelled", function()
    local before = make { url = receiver:url "/before", uid = "e" }
    receiver:answer("/restart", { status = 500 })
    local gone = make { url = receiver:url "/restart", uid = "g" }
    publish()
    await("/before", 1)
    wait.until_true("a failed attempt", 5000, function()
      local row = deliveries(gone)[1]
      return row and row.state == "retrying"
    end)
    call("DELETE", path .. "/endpoint/g")
    server:kill()
    server:restart()
    publish()
    local record = await("/before", 2)[2]
    local key = call("GET", path .. "/endpoint/e/secret").key
    assert.equal(sign.standard(key, record.id, record.headers["webhook-timestamp"], record.body),
      record.headers["webhook-signature"])
    assert.equal(2, #deliveries(before))
    wait.until_true("cancelled", 5000, function() return deliveries(gone)[1].state == "cancelled" end)
    assert.equal(1, #deliveries(gone))
  end)
end)
