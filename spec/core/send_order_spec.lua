-- SPDX-License-Identifier: MIT
-- Order keys and priorities of an endpoint's deliveries (core/send over a store in memory that keeps
-- the lines of keys as the real one does).
local rigs = require "core.send_rig"

local with, ok, answer = rigs.with, rigs.ok, rigs.answer

-- A server that notes the bodies that it takes, by the key before their ":".
local function noting(rig, behaviour)
  local server
  server = rig:server(function(request)
    local said = behaviour and behaviour(request)
    if said then return said end
    local key, number = request.body:match "^(.-):(%d+)$"
    server.taken[key] = server.taken[key] or {}
    table.insert(server.taken[key], math.tointeger(number))
    return ok()
  end)
  server.taken = {}
  return server
end

local function one_to(count)
  local list = {}
  for i = 1, count do list[i] = i end
  return list
end

local function commit(rig, key, number, fields)
  local message = { body = ("%s:%d"):format(key, number), order_key = key }
  for name, value in pairs(fields or {}) do message[name] = value end
  rig:commit(message)
end

describe("an endpoint with order", function()
  it("gets the messages of a key one after another, those of others beside them", with(function(rig)
    local open, most = {}, 0
    local server
    server = noting(rig, function(request)
      local key = request.body:match "^(.-):"
      assert(not open[key], "two of one key at once")
      open[key] = true
      local count = 0
      for _ in pairs(open) do count = count + 1 end
      most = math.max(most, count)
      open[key] = nil
    end)
    rig:endpoint { url = server.url, concurrency = 8 }
    for i = 1, 40 do for _, key in ipairs { "a", "b", "c" } do commit(rig, key, i) end end
    rig:settle()
    for _, key in ipairs { "a", "b", "c" } do assert.same(one_to(40), server.taken[key]) end
  end))

  it("lets a failing one hold its key, and no other", with(function(rig)
    local failures = 2
    local server = noting(rig, function(request)
      if request.body == "a:1" and failures > 0 then
        failures = failures - 1
        return answer(500)
      end
    end)
    rig:endpoint { url = server.url, retry_ms = 40 }
    for i = 1, 3 do commit(rig, "a", i) end
    for i = 1, 3 do commit(rig, "b", i) end
    rig:wait(function() return server.taken.b and #server.taken.b == 3 end)
    assert.is_nil(server.taken.a)
    rig:settle()
    assert.same(one_to(3), server.taken.a)
  end))

  it("goes on behind a dead one, or waits for it, as it is told", with(function(rig)
    for _, blocks in ipairs { false, true } do
      local server = noting(rig, function(request) return request.body == "a:1" and answer(500) end)
      rig:endpoints { { name = "e", id = blocks and 2 or 1, url = server.url, attempts = 1, blocks_on_dead = blocks } }
      for i = 1, 2 do rig:commit({ body = "a:" .. i, order_key = "a" }, "e") end
      rig:wait(function() return server.taken.a end, 100)
      assert.same(not blocks and { 2 } or nil, server.taken.a)
    end
  end))

  it("lets the delay of one hold those behind it", with(function(rig)
    local server = noting(rig)
    rig:endpoint { url = server.url }
    commit(rig, "a", 1, { delay_ms = 60 })
    commit(rig, "a", 2)
    commit(rig, "b", 1)
    rig:wait(function() return server.taken.b end)
    assert.is_nil(server.taken.a)
    rig:settle()
    assert.same({ 1, 2 }, server.taken.a)
  end))

  it("gives up what expired in the line, and goes on behind it, waiting for no dead of age",
  with(function(rig)
    local server = noting(rig)
    rig:endpoint { url = server.url, blocks_on_dead = true }
    for i = 1, 50 do commit(rig, "a", i, { expires_ms = i % 2 == 0 and 1 or nil }) end
    rig:settle()
    local expected = {}
    for i = 1, 49, 2 do expected[#expected + 1] = i end
    assert.same(expected, server.taken.a)
    assert.equal("dead", rig.rig:rows()[2].state)
  end))

  it("looks at one that fails when it expires, not when it is due again", with(function(rig)
    local server = noting(rig, function(request) return request.body == "a:1" and answer(500) end)
    rig:endpoint { url = server.url, retry_ms = 600000 }
    commit(rig, "a", 1, { expires_ms = os.time() * 1000 + 2000 })
    commit(rig, "a", 2)
    rig:settle()
    assert.same({ 2 }, server.taken.a)
    assert.equal("dead", rig.rig:rows()[1].state)
    assert.equal(1, rig.rig:rows()[1].attempt_count)
  end))

  it("holds no more of it in memory than its window has room for", with(function(rig)
    local server = noting(rig)
    rig:endpoint { url = server.url }
    rig:wait(nil, 10)
    local before = rig.rig:counts().room[1]
    for i = 1, 1000 do commit(rig, "a", i) end
    for i = 1, 600 do commit(rig, "k" .. i, 1) end
    local most = 0
    rig:wait(function()
      most = math.max(most, rig.rig:counts().held)
      return rig.rig:open_count() == 0
    end, 20000)
    assert.same(one_to(1000), server.taken.a)
    assert.is_true(most <= 768, most .. " held") -- a claim comes at half the window
    rig:wait(nil, 30)
    assert.equal(before, rig.rig:counts().room[1])
  end))

  it("keeps it over restarts", with(function(rig)
    local server = noting(rig)
    rig:endpoint { url = server.url, concurrency = 2 }
    for i = 1, 200 do for _, key in ipairs { "a", "b", "c" } do commit(rig, key, i) end end
    for _ = 1, 5 do
      local seen = #server.requests
      rig:wait(function() return #server.requests >= seen + 30 end)
      rig.rig:restart(1000)
      rig:endpoint { url = server.url, concurrency = 2 }
      rig.rig:start()
    end
    rig:settle(20000)
    for _, key in ipairs { "a", "b", "c" } do assert.same(one_to(200), server.taken[key]) end
  end))

  it("stops no key when an outcome is not stored, or only seems so", with(function(rig)
    local server
    server = noting(rig, function(request)
      local key, number = request.body:match "^(.-):(%d+)$"
      local taken = server.taken[key] or {}
      server.taken[key] = taken
      number = math.tointeger(number)
      -- Once more the same, or the next one.
      assert(number == #taken or number == #taken + 1, "out of order")
      taken[number] = number
      return ok()
    end)
    rig:endpoint { url = server.url }
    rig.rig:faults { settle_io = 0.2, settle_lies = 0.2 }
    for i = 1, 4 do for _, key in ipairs { "a", "b", "c" } do commit(rig, key, i) end end
    rig:wait(function() return rig.rig:open_count() < 6 end, 8000)
    rig.rig:faults {}
    rig:settle(20000)
    for _, key in ipairs { "a", "b", "c" } do assert.same(one_to(4), server.taken[key]) end
  end))
end)

describe("priority", function()
  it("goes first among what waits in memory", with(function(rig)
    local server = noting(rig)
    rig:endpoint { url = server.url, concurrency = 1, state = "paused" }
    for i, priority in ipairs { 0, -9, 9, 0, 9 } do rig:commit { body = "x:" .. i, priority = priority } end
    rig:wait(nil, 20)
    rig:endpoint { url = server.url, concurrency = 1 }
    rig:settle()
    assert.same({ 3, 5, 1, 4, 2 }, server.taken.x)
  end))

  it("goes first though a window of others waits in memory, and more in the store", with(function(rig)
    local server = noting(rig)
    local list = {}
    for i = 1, 64 do list[i] = { name = "e" .. i, id = i, url = server.url, rate = i == 1 and 200 or nil } end
    rig:endpoints(list)
    rig:wait(nil, 20)
    for i = 1, 1000 do rig:commit({ body = "bulk:" .. i, priority = -9 }, "e1") end
    rig:wait(function() return #server.requests >= 210 end)
    local before = #server.requests
    for i = 1, 300 do rig:commit({ body = "live:" .. i }, "e1") end
    for i = 1, 5 do rig:commit({ body = "urgent:" .. i, priority = 9 }, "e1") end
    local most = 0
    rig:wait(function()
      most = math.max(most, rig.rig:counts().held)
      return #server.requests >= before + 60
    end)
    assert.same(one_to(5), server.taken.urgent)
    local behind = 0
    for i = before + 1, #server.requests do
      if server.requests[i].body:find "^bulk" then behind = behind + 1 end
    end
    assert.is_true(behind <= 10, behind .. " went before")
    assert.is_true(most <= 3 * 256, most .. " held") -- of a window of 256
  end))
end)
