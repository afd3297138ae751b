-- SPDX-License-Identifier: MIT
-- anzol.transform(name, fn): what an endpoint of an application has its messages changed by, since its
-- metadata says so.
local Receiver = require "support.receiver"
local Server = require "support.server"
local resources = require "support.resources"
local sign = require "support.sign"
local wait = require "support.wait"

describe("a transform that an endpoint's metadata names", function()
  local server, call, receiver

  lazy_setup(function()
    server = Server.start {
      scripts = { ["main.lua"] = [[
        local anzol = require "anzol"
        anzol.transform("wrap", function(message)
          message.body = '{"text":' .. message.body .. '}'
          message.headers["X-Wrapped"] = "yes"
          return message
        end)
        anzol.transform("drop", function() return anzol.skip "not wanted" end)
        anzol.transform("fail", function() error "broken" end)]] },
      settings = 'return { guard = { allow = { "127.0.0.0/8" } } }' }
    call = resources(server)
    call("POST", "/app", { name = "A", uid = "a" })
    receiver = Receiver.start()
  end)
  lazy_teardown(function()
    server:close()
    receiver:stop()
  end)

  local function make(uid, transform)
    local endpoint, status, text = call("POST", "/app/a/endpoint", { uid = uid, url = receiver:url("/" .. uid),
      metadata = { transform = transform }, channels = { uid } })
    assert.equal(201, status, text)
    return endpoint
  end
  local function publish(channel)
    local message, status, text = call("POST", "/app/a/msg", { eventType = "user.made", channels = { channel },
      payload = { a = 1 } })
    assert.equal(202, status, text)
    return message
  end
  local function delivery(endpoint, state)
    return wait.until_true(state, 5000, function()
      local row = server:list("/api/v1/delivery?endpoint=" .. endpoint.id)[1]
      return row and row.state == state and row
    end)
  end
  local function attempt(endpoint)
    local row = server:list("/api/v1/attempt?endpoint=" .. endpoint.id)[1]
    return row
  end
  local function last()
    local records = receiver:take()
    return records[#records]
  end

  it("changes each of its messages, which is signed as it goes out", function()
    local endpoint = make("wrap", "wrap")
    local message = publish "wrap"
    delivery(endpoint, "succeeded")
    local record = last()
    assert.same({ '{"text":{"a":1}}', "yes" }, { record.body, record.headers["x-wrapped"] })
    local key = call("GET", "/app/a/endpoint/wrap/secret").key
    assert.equal(sign.standard(key, message.id, record.headers["webhook-timestamp"], record.body),
      record.headers["webhook-signature"])
  end)

  it("may say that a message is not to be sent", function()
    local endpoint = make("drop", "drop")
    publish "drop"
    assert.equal("not wanted", delivery(endpoint, "cancelled").reason)
    assert.is_nil(last())
  end)

  it("fails the attempt if it fails, or is not registered", function()
    for name, why in pairs { fail = "broken", none = 'transform "none"' } do
      local endpoint = make(name, name)
      publish(name)
      delivery(endpoint, "retrying")
      local row = attempt(endpoint)
      assert.equal("script", row.error)
      local whole = call("GET", "/attempt/" .. row.id)
      assert.is_truthy(whole.detail:find(why, 1, true), whole.detail)
      -- Its customer is told no more than that.
      assert.equal("script: the message could not be made; nothing was sent",
        call("GET", "/app/a/attempt/endpoint/" .. name).data[1].response)
    end
    assert.is_nil(last())
  end)

  it("is of no matter to an endpoint without one, or after it is taken away", function()
    local endpoint = make("away", "wrap")
    call("PATCH", "/app/a/endpoint/away", '{"metadata":{"transform":""}}')
    publish "away"
    delivery(endpoint, "succeeded")
    assert.equal('{"a":1}', last().body)
  end)

  it("is the one of the scripts that serve", function()
    local endpoint = make("later", "later")
    server:write_script("later.lua", [[local anzol = require "anzol"
      anzol.transform("later", function(m) m.body = "later" return m end)]])
    local _, status = call("POST", "/script/reload", "{}")
    assert.equal(200, status)
    publish "later"
    delivery(endpoint, "succeeded")
    assert.equal("later", last().body)
  end)

  it("has a name of its own", function()
    server:write_script("twice.lua", 'local anzol = require "anzol" anzol.transform("wrap", function() end)')
    local answer, status = call("POST", "/script/reload", "{}")
    assert.not_equal(200, status)
    local text = require("dkjson").encode(answer)
    assert.is_truthy(text:find("anzol.transform 'wrap' is registered twice", 1, true), text)
  end)
end)
