-- SPDX-License-Identifier: MIT
-- F30: the same key again while the first commit still hangs.
local Disk = require "support.disk"
local Receiver = require "support.receiver"
local Server = require "support.server"
local http = require "support.http"
local json = require "dkjson"
local process = require "anzol_test.process"
local scripts = require "support.scripts"
local sign = require "support.sign"
local wait = require "support.wait"

local SYNC_MS = 700

describe("a webhook repeated while its first commit hangs", function()
  local server, receiver, disk

  before_each(function()
    receiver = Receiver.start()
    server = Server.new { scripts = scripts.mixed(receiver), secrets = scripts.secrets }
    disk = Disk.new(server.state_dir)
    server.options.disk = disk
    server:restart()
  end)
  after_each(function()
    receiver:stop()
    server:close()
  end)

  local function post(key)
    local body = ('{"key":"%s","number":1}'):format(key)
    local connection = http.open(server.port, 20)
    connection:send(http.format { path = "/in/github", body = body,
      headers = sign.github_headers(scripts.github_secret, body, "push", key) })
    return connection
  end

  -- Two at once; the second is sent while the first one's sync is under way.
  local function race()
    local syncs = disk:get "syncs"
    local first = post "same"
    wait.until_true("the first one's sync", 5000, function() return disk:get "syncs" > syncs end)
    local second = post "same"
    local answers = { first:receive(), second:receive() }
    first:close()
    second:close()
    return answers[1], answers[2]
  end

  it("is answered after that commit, with its id, and is no second event", function()
    disk:delay_syncs(SYNC_MS)
    local from = process.mono_ms()
    local first, second = race()
    assert.is_true(process.mono_ms() - from >= SYNC_MS * 0.9)
    disk:delay_syncs(0)
    assert.same({ 200, 200 }, { first.status, second.status })
    first, second = json.decode(first.body), json.decode(second.body)
    assert.equal(first.id, second.id)
    assert.is_nil(first.duplicate)
    assert.is_true(second.duplicate)
    assert.equal(1, server:event_count())
    receiver:await(1)
  end)

  it("gets 503 like the first one when that commit fails", function()
    disk:delay_syncs(SYNC_MS)
    disk:fail_sync_at(1)
    local first, second = race()
    assert.equal(503, first and first.status)
    assert.is_true(second == nil or second.status == 503)
    assert.same({ "exit", 74 }, { server:ended(5000) })
    disk:delay_syncs(0)
    server:restart()
    local again = post "same"
    assert.equal(200, again:receive().status)
    again:close()
  end)
end)
