-- SPDX-License-Identifier: MIT
-- GET /api/v1/app/{app}/poller/{endpoint} of the real server: what an endpoint would get, behind an
-- iterator that the client keeps.
local Server = require "support.server"
local json = require "dkjson"
local resources = require "support.resources"
local wait = require "support.wait"

local LIMIT_MS = 15000
local url = "https://example.com/never"

describe("the poller of an endpoint", function()
  local server, call

  lazy_setup(function()
    server = Server.start { scripts = { ["main.lua"] = "" } }
    call = resources(server)
    for _, name in ipairs { "a", "b" } do call("POST", "/event-type", { name = name, description = "" }) end
    for _, uid in ipairs { "acme", "other" } do call("POST", "/app", { name = uid, uid = uid }) end
    local sinks = { all = {}, typed = { eventTypes = { "a" } }, north = { channels = { "north" } } }
    for uid, sink in pairs(sinks) do
      sink.uid, sink.url, sink.disabled = uid, url, true
      local _, status, text = call("POST", "/app/acme/endpoint", sink)
      assert.equal(201, status, text)
    end
  end)
  lazy_teardown(function() server:close() end)

  local function publish(app, kind, id, channels)
    local message, status, text = call("POST", "/app/" .. app .. "/msg", { eventType = kind,
      payload = { id = id }, channels = channels })
    assert.equal(202, status, text)
    return message
  end

  local function poll(sink, iterator, query)
    local page, status, text = call("GET", "/app/acme/poller/" .. sink .. "?limit=2"
      .. (iterator and "&iterator=" .. iterator or "") .. (query or ""))
    assert.equal(200, status, text)
    return page
  end

  -- Follows from an iterator until so many came.
  local function follow(sink, count, iterator)
    local seen = {}
    wait.until_true(count .. " messages", LIMIT_MS, function()
      local page = poll(sink, iterator)
      iterator = page.iterator
      for _, message in ipairs(page.data) do seen[#seen + 1] = message end
      return #seen >= count
    end)
    return seen, iterator
  end

  it("gives each message once and in order, with what came later behind the same iterator", function()
    local start = poll("all").iterator
    local made = {}
    for i = 1, 5 do made[i] = publish("acme", "a", i).id end
    publish("other", "a", 99)
    local seen, iterator = follow("all", 5, start)
    local ids = {}
    for i, message in ipairs(seen) do ids[i] = message.id end
    assert.same(made, ids)
    assert.same({ { id = 1 }, "a" }, { seen[1].payload, seen[1].eventType })
    assert.same({}, poll("all", iterator).data)
    assert.is_true(poll("all", iterator).done)
    local later = publish("acme", "b", 6)
    assert.equal(later.id, follow("all", 1, iterator)[1].id)
    assert.equal(made[1], follow("all", 5, start)[1].id)
  end)

  it("goes by the event types and channels of its endpoint, and by those that are asked for", function()
    local from = poll("all").iterator
    repeat local page = poll("all", from) from = page.iterator until page.done
    local plain = publish("acme", "a", 10)
    local north = publish("acme", "b", 11, { "north" })
    local south = publish("acme", "a", 12, { "south" })
    local function ids(sink, count)
      local list = {}
      for i, message in ipairs(follow(sink, count, from)) do list[i] = message.id end
      return list
    end
    assert.same({ plain.id, north.id, south.id }, ids("all", 3))
    assert.same({ plain.id, south.id }, ids("typed", 2))
    assert.same({ north.id }, ids("north", 1))
    local page = poll("all", from, "&event_type=b")
    assert.same({ 1, north.id }, { #page.data, page.data[1].id })
    page = poll("all", from, "&channel=south")
    assert.same({ 1, south.id }, { #page.data, page.data[1].id })
  end)

  it("passes no message by while many are published at once", function()
    local from = poll("all").iterator
    repeat local page = poll("all", from) from = page.iterator until page.done
    local made, seen, iterator = {}, {}, from
    for i = 1, 200 do
      made[publish("acme", "a", i).id] = true
      if i % 10 == 0 then
        local page = poll("all", iterator)
        iterator = page.iterator
        for _, message in ipairs(page.data) do seen[#seen + 1] = message.id end
      end
    end
    for _, message in ipairs((follow("all", 200 - #seen, iterator))) do seen[#seen + 1] = message.id end
    local twice = {}
    for _, id in ipairs(seen) do
      assert.is_true(made[id] and not twice[id])
      twice[id] = true
    end
  end)

  it("refuses a page before, what is no iterator, and an endpoint that is not there", function()
    local iterator = poll("all").iterator
    for path, status in pairs { ["all?iterator=-" .. iterator] = 422, ["all?iterator=x"] = 422,
      ["all?limit=0"] = 422, ["all?limit=251"] = 422, ["nope"] = 404 } do
      local answer, got = call("GET", "/app/acme/poller/" .. path)
      assert.equal(status, got, path .. " " .. json.encode(answer))
    end
    assert.equal(404, (select(2, call("GET", "/app/other/poller/all"))))
  end)
end)
