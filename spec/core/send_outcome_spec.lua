-- SPDX-License-Identifier: MIT
-- What the end of an attempt means (core/send): which of its times was over, what counts as a
-- success.
local rigs = require "core.send_rig"

local with, answer = rigs.with, rigs.answer

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
