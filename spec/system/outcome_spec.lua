-- SPDX-License-Identifier: MIT
-- F41: the receiver has answered 2xx, and the process dies before it wrote that down.
local Receiver = require "support.receiver"
local Server = require "support.server"
local scripts = require "support.scripts"
local sign = require "support.sign"
local wait = require "support.wait"

describe("a delivery whose answer was not written down", function()
  it("is repeated after the restart with the same id and the same bytes", function()
    local receiver = Receiver.start()
    local server = Server.start { scripts = scripts.mixed(receiver), secrets = scripts.secrets }
    receiver:answer("/forwarded", { status = 200, kill = server.child:pid() }, { status = 200 })
    local body = '{"key":"only","number":1}'
    pcall(server.post, server, "/in/github", body,
      sign.github_headers(scripts.github_secret, body, "push", "only"))
    assert.same({ "signal", 9 }, { server:ended(5000) })
    server:restart()
    receiver:await(2)
    local records = receiver:take()
    assert.equal(2, #records)
    assert.equal(body, records[1].body)
    assert.equal(body, records[2].body)
    assert.matches("^msg_", records[1].id)
    assert.equal(records[1].id, records[2].id)
    wait.until_true("the delivery is done", 5000, function()
      return server:get("/api/v1/delivery").data[1].state == "succeeded"
    end)
    assert.equal(1, #server:get("/api/v1/delivery").data)
    receiver:stop()
    server:close()
  end)
end)
