-- SPDX-License-Identifier: MIT
-- Servers that send to each other in a circle: a webhook goes round so often, then it is refused.
local Receiver = require "support.receiver"
local Server = require "support.server"
local process = require "anzol_test.process"
local scripts = require "support.scripts"
local wait = require "support.wait"

local HOPS_MAX = 16

-- Every second server passes it on by an event of its own.
local script = [[
anzol.source("open", { verify = anzol.verify.none(), type = "round" })
anzol.endpoint("next", { url = "http://127.0.0.1:$NEXT/in/open", sign = false,
  allow_private = true, retry = function() return false, "refused" end })
anzol.endpoint("log", { url = "$URL/log", sign = false, allow_private = true })
anzol.on("round", function(event)
  event:send("log", { body = event.headers["anzol-hops"] or "none" })
  if $EMITS then event:emit("again", {}) else event:send("next") end
end)
anzol.on("again", function(event) event:send("next", { json = {} }) end)
]]

describe("servers in a circle", function()
  it("pass a webhook on 16 times", function()
    local receiver = Receiver.start()
    local ports = { process.free_port(), process.free_port() }
    local servers = {}
    for i = 1, 2 do
      local text = script:gsub("%$NEXT", ports[3 - i]):gsub("%$EMITS", tostring(i == 2))
      servers[i] = Server.start { scripts = scripts.with(receiver, text), port = ports[i] }
    end
    assert.equal(200, servers[1]:post("/in/open", "{}", {}).status)
    local dead = wait.until_true("a refused delivery", 8000, function()
      for _, server in ipairs(servers) do
        local row = server:get("/api/v1/delivery?state=dead").data[1]
        if row then return server:get("/api/v1/delivery/" .. row.id) end
      end
    end)
    assert.equal(508, dead.attempts[1].status)
    receiver:await(HOPS_MAX + 1)
    local seen = {}
    for i, record in ipairs(receiver:take()) do seen[i] = record.body end
    table.sort(seen, function(a, b) return (tonumber(a) or 0) < (tonumber(b) or 0) end)
    for _, server in ipairs(servers) do server:close() end
    receiver:stop()
    local wanted = { "none", "none" } -- the first is told by its User-Agent
    for i = 2, HOPS_MAX do wanted[i + 1] = tostring(i) end
    assert.same(wanted, seen)
  end)
end)
