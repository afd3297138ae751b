-- SPDX-License-Identifier: MIT
-- What the end of an attempt means (core/send): which of its times was over, what counts as a
-- success, what it means for the others of its endpoint.
local deliver = require "anzol_test.deliver"
local rigs = require "core.send_rig"

local with, ok, answer = rigs.with, rigs.ok, rigs.answer

describe("a receiver", function()
  it("that is silent too long is told from one that is slow", with(function(rig)
    local spec = { timeout_ms = 600, first_byte_ms = 200 }
    local silent = rig:first_attempt(function() end, spec)
    assert.equal("timeout", silent.error)
    assert.equal("first_byte: no answer began within 200 ms", silent.detail)
    assert.is_true(silent.duration_ms >= 190 and silent.duration_ms < 500, silent.duration_ms)
  end))

  it("that began in time has the whole time to end", with(function(rig)
    local slow = rig:first_attempt(function() return "HTTP/1.1 500 No\r\n" end,
      { timeout_ms = 400, first_byte_ms = 100 })
    assert.equal("timeout", slow.error)
    assert.equal("whole: no whole answer within 400 ms", slow.detail)
    assert.is_true(slow.duration_ms >= 390, slow.duration_ms)
  end))

  it("that says something in the last millisecond has no more time than the others", with(function(rig)
    local server = rig:server(function(_, it)
      return { "HTTP/1.1 ", after_ms = 7 + #it.requests % 4 }
    end)
    rig:endpoint { url = server.url, attempts = 1, timeout_ms = 10, concurrency = 4 }
    for _ = 1, 400 do rig:commit { body = "{}" } end
    for _, row in ipairs(rig:settle()) do assert.equal("timeout", row.attempts[1].error) end
  end))

  it("that takes no connection is told as such", with(function(rig)
    local mute = rig:server(function() end)
    local attempt = rig:first_attempt(nil,
      { url = "https://127.0.0.1:" .. mute.port .. "/", connect_ms = 150, timeout_ms = 2000 })
    assert.equal("timeout", attempt.error)
    assert.equal("connect: no connection within 150 ms", attempt.detail)
    assert.is_true(attempt.duration_ms < 1000, attempt.duration_ms)
  end))
end)

describe("an answer", function()
  it("is judged by the endpoint, which sees the answer's status", with(function(rig)
    local seen = {}
    rig.rig:hooks { success = function(status)
      seen[#seen + 1] = status
      return status == 409
    end }
    local statuses = { 200, 409 }
    local server = rig:server(function(_, it) return answer(statuses[#it.requests]) end)
    rig:endpoint { url = server.url, success = true, retry_ms = 1 }
    rig:commit()
    local row = rig:settle()[1]
    assert.equal("succeeded", row.state)
    assert.equal(2, #row.attempts)
    assert.same({ 200, 409 }, seen)
  end))

  it("that says 410 is not disabled where that is a success", with(function(rig)
    rig.rig:hooks { success = function() return true end }
    local server = rig:server(function() return answer(410) end)
    rig:endpoint { url = server.url, success = true }
    rig:commit()
    assert.equal("succeeded", rig:settle()[1].state)
  end))

  it("without an answer is no success, whatever the endpoint says", with(function(rig)
    rig.rig:hooks { success = function() error "asked" end }
    rig:endpoint { url = "http://127.0.0.1:" .. rigs.closed_port(rig) .. "/", success = true,
      attempts = 1 }
    rig:commit()
    assert.equal("dead", rig:settle()[1].state)
  end))
end)

describe("an endpoint that fails", function()
  it("gets no attempts until one probe has gone well; what waits is not held in memory",
    with(function(rig)
      local is_down = true
      local server = rig:server(function() return is_down and answer(500) or ok() end)
      rig:endpoint { url = server.url, concurrency = 2, failures = 4, cooldown_ms = 400,
        retry_ms = 1, attempts = 50 }
      for i = 1, 100 do rig:commit { body = tostring(i) } end
      assert.is_true(rig:wait(function() return rig.rig:counts().held == 0 end, 350))
      local before = #server.requests
      assert.is_true(before >= 4 and before <= 6, before)
      for _, row in ipairs(rig.rig:rows()) do assert.is_true(row.attempt_count <= before) end
      assert.is_true(rig:wait(function() return #server.requests > before end))
      rig:wait(nil, 100)
      assert.equal(before + 1, #server.requests) -- the probe, which failed
      is_down = false
      for _, row in ipairs(rig:settle(5000)) do assert.equal("succeeded", row.state) end
      assert.equal(before + 1 + 100, #server.requests)
    end))

  it("keeps the order of what it gave back", with(function(rig)
    local is_down = true
    local server = rig:server(function() return is_down and answer(500) or ok() end)
    rig:endpoint { url = server.url, concurrency = 1, failures = 1, cooldown_ms = 300,
      attempts = 1 }
    for i = 1, 50 do
      rig:commit { body = tostring(i) }
      rig:wait(nil, 1)
    end
    assert.is_true(rig:wait(function() return rig.rig:counts().held == 0 end, 200))
    is_down = false
    assert.is_true(rig:wait(function() return #server.requests == 50 end))
    for i = 1, 50 do assert.equal(tostring(i), server.requests[i].body) end
  end))

  it("costs the others nothing while it is spared", with(function(rig)
    local down = rig:server(function() return answer(500) end)
    local live = rig:server(function() return ok() end)
    rig:endpoints { { name = "down", id = 1, url = down.url, failures = 1, cooldown_ms = 60000 },
      { name = "live", id = 2, url = live.url, failures = 1 } }
    for _ = 1, 50 do rig:commit({}, "down") end
    for _ = 1, 50 do rig:commit({}, "live") end
    assert.is_true(rig:wait(function() return #live.requests == 50 end))
    assert.is_true(#down.requests <= 8, #down.requests)
  end))
end)

describe("an endpoint that asks for less", function()
  it("gets nothing until its Retry-After is over", with(function(rig)
    local server = rig:server(function(_, it)
      return #it.requests == 1 and answer(429, { ["Retry-After"] = "1" }) or ok()
    end)
    rig:endpoint { url = server.url, concurrency = 1, slow_down = true }
    rig:commit { body = "first" }
    assert.is_true(rig:wait(function() return #server.requests == 1 end))
    rig:commit { body = "second" }
    rig:wait(nil, 500)
    assert.equal(1, #server.requests)
    for _, row in ipairs(rig:settle(5000)) do assert.equal("succeeded", row.state) end
  end))
end)

describe("an endpoint with nothing but failures", function()
  it("is disabled after so long, keeps what waits, and is told of once", with(function(rig)
    local server = rig:server(function() return answer(500) end)
    rig:endpoint { url = server.url, concurrency = 1, disable_after_ms = 60, retry_ms = 15,
      attempts = 1000 }
    for _ = 1, 3 do rig:commit() end
    assert.is_true(rig:wait(function() return #rig.rig:states() > 0 end))
    local before = #server.requests
    rig:wait(nil, 100)
    assert.equal(before, #server.requests)
    assert.equal(1, #rig.rig:states())
    local written = rig.rig:states()[1]
    assert.equal("disabled", written.state)
    assert.equal("nothing but failures for as long as disable_after says", written.reason)
    for _, row in ipairs(rig.rig:rows()) do assert.equal("retrying", row.state) end
    rig:endpoint { url = server.url, state = "enabled", attempts = 1 }
    for _, row in ipairs(rig:settle()) do assert.equal("dead", row.state) end
  end))

  it("counts those before a restart", with(function(rig)
    local server = rig:server(function() return answer(500) end)
    rig:endpoint { url = server.url, disable_after_ms = 86400000, attempts = 1,
      failing_since_ms = os.time() * 1000 - 86400000 - 2000 }
    rig:commit()
    assert.is_true(rig:wait(function() return #rig.rig:states() > 0 end))
  end))

  it("is not disabled if one attempt of them succeeded", with(function(rig)
    local server = rig:server(function(_, it)
      return #it.requests % 3 == 0 and ok() or answer(500)
    end)
    rig:endpoint { url = server.url, concurrency = 1, disable_after_ms = 400, retry_ms = 5,
      attempts = 1000 }
    for _ = 1, 60 do
      rig:commit()
      rig:wait(nil, 8)
    end
    for _, row in ipairs(rig:settle()) do assert.equal("succeeded", row.state) end
    assert.equal(0, #rig.rig:states())
  end))
end)

describe("a message that expires", function()
  local EXPIRES_MS = 60

  -- What arrived: their bodies.
  local function arrived(server)
    local list = {}
    for i, request in ipairs(server.requests) do list[i] = request.body end
    return list
  end

  it("while its endpoint is paused is dead when that goes on, and no attempt is made", with(function(rig)
    local server = rig:server(function() return ok() end)
    rig:endpoint { url = server.url, state = "paused" }
    rig:commit { body = "short", key = "k", expires_ms = deliver.due_ms() + EXPIRES_MS }
    rig:commit { body = "next", key = "k" }
    rig:commit { body = "long", expires_ms = deliver.due_ms() + 3600000 }
    rig:wait(nil, 2 * EXPIRES_MS)
    assert.same({}, arrived(server))
    rig:endpoint { url = server.url, state = "enabled" }
    local rows = rig:settle()
    assert.same({ "dead", 0 }, { rows[1].state, #rows[1].attempts })
    assert.matches("expired", rows[1].reason)
    assert.same({ "succeeded", "succeeded" }, { rows[2].state, rows[3].state })
    assert.equal(2, #server.requests)
  end))

  it("while its endpoint's circuit is open is dead when that is tried again, and is not the probe",
    with(function(rig)
      local server = rig:server(function(_, it) return #it.requests == 1 and answer(500) or ok() end)
      rig:endpoint { url = server.url, failures = 1, cooldown_ms = 3 * EXPIRES_MS, attempts = 1 }
      rig:commit { body = "opens it" }
      assert.equal("dead", rig:settle()[1].state)
      rig:commit { body = "short", expires_ms = deliver.due_ms() + EXPIRES_MS }
      rig:commit { body = "probe" }
      local rows = rig:settle()
      assert.same({ "dead", 0 }, { rows[2].state, #rows[2].attempts })
      assert.equal("succeeded", rows[3].state)
      assert.same({ "opens it", "probe" }, arrived(server))
    end))
end)

describe("an endpoint whose state is set", function()
  it("gives back what waits, and starts nothing until it is enabled", with(function(rig)
    local server = rig:server(function() return ok() end)
    local idle = rig:server(function() end)
    rig:endpoint { url = idle.url, concurrency = 1, timeout_ms = 60000 }
    for _ = 1, 20 do rig:commit() end
    assert.is_true(rig:wait(function() return #idle.requests == 1 end))
    rig:endpoint { url = idle.url, concurrency = 1, state = "paused" }
    assert.is_true(rig:wait(function() return rig.rig:counts().held == 1 end))
    for _ = 1, 20 do rig:commit() end
    rig:wait(nil, 30)
    assert.same({ 1, 1 }, { rig.rig:counts().held, #idle.requests })
    rig:endpoint { url = server.url, state = "paused" } -- a reload is no reason to go on
    rig:wait(nil, 30)
    assert.equal(0, #server.requests)
    rig:endpoint { url = server.url }
    assert.is_true(rig:wait(function() return #server.requests == 39 end))
  end))
end)
