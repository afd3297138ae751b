-- SPDX-License-Identifier: MIT
-- Names (core/send/lookup.c): every answer is judged, limits hold, a dead name server holds nobody.
local rigs = require "core.send_rig"
local send = require "anzol_test.send"

local with, ok = rigs.with, rigs.ok
local PUBLIC = "198.41.0.4" -- never reached: the specs run without a network

local function url(name, server) return ("http://%s:%d/hook"):format(name, server.port) end

-- The first attempt at `name`, which has the answers.
local function attempt(rig, name, answers, spec)
  send.names { [name] = answers }
  local server = rig:server(function() return ok() end)
  spec = spec or {}
  spec.url = url(name, server)
  spec.attempts = 1
  rig:endpoint(spec)
  rig:commit()
  return rig:settle(8000)[1].attempts[1], server
end

describe("a name", function()
  it("is looked up and connected to", with(function(rig)
    local made, server = attempt(rig, "hooks.example", { "127.0.0.1" })
    assert.equal(200, made.status)
    assert.equal("hooks.example:" .. server.port, rigs.headers(server.requests[1]).host)
  end))

  it("may end with a dot", with(function(rig)
    assert.equal(200, attempt(rig, "hooks.example.", { "127.0.0.1" }).status)
  end))

  it("may have upper case", with(function(rig)
    send.names { ["hooks.example"] = { "127.0.0.1" }, ["Hooks.Example"] = { "127.0.0.1" } }
    local server = rig:server(function() return ok() end)
    rig:endpoint { url = url("Hooks.Example", server) }
    rig:commit()
    assert.equal("succeeded", rig:settle()[1].state)
  end))

  it("may have an address that does not answer before one that does", with(function(rig)
    assert.equal(200, attempt(rig, "two.example", { "127.0.0.2", "127.0.0.1" }).status)
    -- Nobody listens on ::1.
    assert.equal(200, attempt(rig, "six.example", { "::1", "127.0.0.1" }).status)
  end))

  for error, words in pairs { none = "does not exist", again = "did not answer",
    fail = "failed" } do
    it("that has no answer (" .. error .. ") is a dns error", with(function(rig)
      local made = attempt(rig, "bad.example", { error = error })
      assert.equal("dns", made.error)
      assert.equal(0, made.status)
      assert.matches(words, made.detail, 1, true)
    end))
  end

  it("without any address is a dns error", with(function(rig)
    assert.equal("dns", attempt(rig, "none.example", {}).error)
  end))

  it("of more bytes than names have is a dns error", with(function(rig)
    assert.equal("dns", attempt(rig, ("a."):rep(150) .. "example", {}).error)
  end))

  it("ending in .invalid does not exist", with(function(rig)
    send.names {}
    local server = rig:server(function() return ok() end)
    rig:endpoint { url = url("nothing.invalid", server), attempts = 1 }
    rig:commit()
    local rows = rig:settle()
    assert.equal("dns", rows[#rows].attempts[1].error)
  end))

  it("that takes longer than the attempt may is a dns error in time", with(function(rig)
    local made = attempt(rig, "slow.example", { "127.0.0.1", delay_ms = 1500 },
      { timeout_ms = 300 })
    assert.equal("dns", made.error)
    assert.is_true(made.duration_ms >= 290 and made.duration_ms < 500, made.duration_ms .. " ms")
  end))

  it("takes its time from the attempt's", with(function(rig)
    send.names { ["slow.example"] = { "127.0.0.1", delay_ms = 200 } }
    local server = rig:server(function() end)
    rig:endpoint { url = url("slow.example", server), attempts = 1, timeout_ms = 500 }
    rig:commit()
    local made = rig:settle()[1].attempts[1]
    assert.equal("timeout", made.error)
    assert.is_true(made.duration_ms >= 480 and made.duration_ms < 700, made.duration_ms .. " ms")
  end))
end)

describe("the answers of a name", function()
  local public_only = function() return { public_only = true } end

  it("that are private are refused without allow_private", with(function(rig)
    for _, address in ipairs { "127.0.0.1", "10.1.2.3", "::1", "fd00::1", "::ffff:127.0.0.1" } do
      local made, server = attempt(rig, "inner.example", { address }, public_only())
      assert.equal("blocked_address", made.error, address)
      assert.matches("allow_private = true", made.detail, 1, true)
      assert.equal(0, #server.requests)
    end
  end))

  it("are refused if one is private, wherever it stands", with(function(rig)
    for _, answers in ipairs { { PUBLIC, "127.0.0.1" }, { "127.0.0.1", PUBLIC },
      { "2001:4860:4860::8888", PUBLIC, "::1" } } do
      local made, server = attempt(rig, "mixed.example", answers, public_only())
      assert.equal("blocked_address", made.error)
      assert.equal(0, #server.requests)
    end
  end))

  it("are all judged, be they a thousand", with(function(rig)
    local answers = {}
    for i = 1, 999 do answers[i] = ("198.41.%d.%d"):format(i // 250, i % 250 + 1) end
    answers[1000] = "192.168.0.1"
    assert.equal("blocked_address", attempt(rig, "many.example", answers, public_only()).error)
  end))

  it("that are metadata are refused even with allow_private", with(function(rig)
    local made = attempt(rig, "meta.example", { "127.0.0.1", "169.254.169.254" })
    assert.equal("blocked_address", made.error)
    assert.not_matches("allow_private", made.detail, 1, true)
  end))

  it("are asked for and judged anew by each new connection", with(function(rig)
    send.names { ["rebind.example"] = { "127.0.0.1" } }
    local server = rig:server(function()
      return { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", close = true }
    end)
    rig:endpoint { url = url("rebind.example", server), attempts = 1 }
    rig:commit()
    assert.equal("succeeded", rig:settle()[1].state)
    send.names { ["rebind.example"] = { "169.254.169.254" } }
    rig:commit()
    assert.equal("blocked_address", rig:settle()[2].attempts[1].error)
    assert.equal(1, (send.lookups()))
  end))

  it("of another endpoint's policy are never used", with(function(rig)
    send.names { ["shared.example"] = { "127.0.0.1" } }
    local server = rig:server(function() return ok() end)
    rig:endpoints { { name = "open", id = 1, url = url("shared.example", server) },
      { name = "shut", id = 2, url = url("shared.example", server), public_only = true,
        attempts = 1 } }
    for _ = 1, 3 do
      rig:commit({}, "open")
      rig:settle()
      rig:commit({}, "shut")
      local rows = rig:settle()
      assert.equal("blocked_address", rows[#rows].attempts[1].error)
    end
    assert.equal(3, #server.requests)
  end))
end)

describe("look-ups", function()
  it("are not made for a kept connection", with(function(rig)
    send.names { ["kept.example"] = { "127.0.0.1" } }
    local server = rig:server(function() return ok() end)
    rig:endpoint { url = url("kept.example", server), concurrency = 4 }
    for _ = 1, 500 do rig:commit() end
    rig:settle()
    assert.equal(500, #server.requests)
    assert.is_true((send.lookups()) <= 4, (send.lookups()) .. " look-ups")
  end))

  it("are not made for addresses and for localhost", with(function(rig)
    send.names {}
    local server = rig:server(function() return ok() end)
    for _, host in ipairs { "127.0.0.1", "localhost", "hooks.localhost", "LOCALHOST" } do
      rig:endpoint { url = url(host, server) }
      rig:commit()
      rig:settle()
    end
    assert.equal(4, #server.requests)
    assert.equal(0, (send.lookups()))
  end))

  it("of one endpoint are at most two at once, even when nobody waits for them", with(function(rig)
    send.names { ["dead.example"] = { error = "again", delay_ms = 600 } }
    local server = rig:server(function() return ok() end)
    rig:endpoint { url = url("dead.example", server), concurrency = 50, timeout_ms = 100,
      attempts = 3 }
    for _ = 1, 50 do rig:commit() end
    for _, row in ipairs(rig:settle(8000)) do
      assert.equal("dead", row.state)
      for _, made in ipairs(row.attempts) do assert.equal("dns", made.error) end
    end
    local _, _, most = send.lookups()
    assert.is_true(most <= 2, most .. " at once")
    rig:wait(function() return select(2, send.lookups()) == 0 end, 2000)
  end))

  it("of a worker are at most 64 at once", with(function(rig)
    local names, list = {}, {}
    local server = rig:server(function() return ok() end)
    for i = 1, 60 do
      names[("d%d.example"):format(i)] = { error = "again", delay_ms = 300 }
      for copy = 0, 1 do
        list[#list + 1] = { name = "e" .. i .. copy, id = i + 60 * copy, attempts = 1,
          url = url(("d%d.example"):format(i), server), timeout_ms = 2000 }
      end
    end
    send.names(names)
    rig:endpoints(list)
    for _, spec in ipairs(list) do rig:commit({}, spec.name) end
    rig:settle(8000)
    local _, _, most = send.lookups()
    assert.is_true(most <= 64 and most >= 32, most .. " at once")
  end))

  it("that hang hold neither the loop nor other endpoints", with(function(rig)
    send.names { ["dead.example"] = { error = "again", delay_ms = 1000 },
      ["live.example"] = { "127.0.0.1" } }
    local server = rig:server(function() return ok() end)
    local spec = function(name, id, host)
      return { name = name, id = id, url = url(host, server), concurrency = 8, attempts = 1 }
    end
    rig:endpoints { spec("dead", 1, "dead.example"), spec("named", 2, "live.example"),
      spec("plain", 3, "127.0.0.1") }
    rig:wait(nil, 20)
    rig.rig:longest_ms()
    for _ = 1, 30 do rig:commit({}, "dead") end
    for _ = 1, 200 do
      rig:commit({}, "named")
      rig:commit({}, "plain")
    end
    assert.is_true(rig:wait(function() return #server.requests == 400 end, 900))
    local longest = rig.rig:longest_ms()
    -- A sanitizer's loop is slower; the name server takes 1,000 ms.
    assert.is_true(longest < 100, "the loop was held for " .. longest .. " ms")
    rig:settle(8000)
  end))

  it("under way do not keep a sender from ending", with(function(rig)
    send.names { ["dead.example"] = { error = "again", delay_ms = 400 } }
    local server = rig:server(function() return ok() end)
    rig:endpoint { url = url("dead.example", server) }
    for _ = 1, 5 do rig:commit() end
    rig:wait(function() return (send.lookups()) > 0 end)
    rig.rig:restart(0)
    send.names { ["dead.example"] = { "127.0.0.1" } }
    rig:endpoint { url = url("dead.example", server) }
    rig.rig:start()
    rig:settle()
    assert.equal(5, #server.requests)
  end))
end)
