-- SPDX-License-Identifier: MIT
-- What is published over the API, as scripts see it.
local Receiver = require "support.receiver"
local Server = require "support.server"
local json = require "dkjson"
local resources = require "support.resources"
local scripts = require "support.scripts"
local wait = require "support.wait"

local script = [[
anzol.source("open", { verify = anzol.verify.none(), type = function() return "open.a" end })
anzol.endpoint("out", { url = "$URL/out", sign = false, allow_private = true })
anzol.on("**", function(event) event:send("out", { json = { all = event.type } }) end)
anzol.on("api.told", function(event)
  event:send("out", { json = { type = event.type, source = event.source, app = event.application,
    uid = event.application_uid, channels = event.channels, data = event.data, content_type = event.content_type } })
end)
anzol.on("api.twice", { order_by = function(event) return event:get "key" end }, function(event)
  event:publish()
  event:publish()
end)
anzol.on("api.bad.**", function(event)
  local kind = event.type:match "%w+$"
  if kind == "option" then event:publish { payloads = {} } end
  if kind == "payload" then event:publish { payload = "x" } end
  if kind == "type" then event:publish { type = "a b" } end
  if kind == "channels" then event:publish { channels = { "a b" } } end
  if kind == "many" then event:publish { channels = { "1", "2", "3", "4", "5", "6" } } end
  if kind == "endpoints" then event:publish { endpoints = {} } end
end)
anzol.on("open.a", function(event)
  event:send("out", { json = { app = event.application == nil, channels = event.channels == nil } })
  event:publish()
end)
]]

describe("what is published over the API", function()
  local server, receiver, call, app

  lazy_setup(function()
    receiver = Receiver.start()
    server = Server.start { scripts = scripts.with(receiver, script) }
    call = resources(server)
    app = call("POST", "/app", { name = "Acme", uid = "acme" })
  end)
  lazy_teardown(function()
    if server then server:close() end
    receiver:stop()
  end)

  local function publish(fields)
    local message, status, text = call("POST", "/app/acme/msg", fields)
    assert.equal(202, status, text)
    return (message.id:gsub("^msg_(.*)...$", "%1"))
  end

  local function events() return call("GET", "/event?limit=250&source=api").data end

  local function failed(type)
    local found
    wait.until_true("the run of " .. type .. " fails", 5000, function()
      for _, event in ipairs(events()) do
        if event.type == "api." .. type and event.state == "retrying" then
          found = call("GET", "/event/" .. event.id).runs[1].error
        end
      end
      return found
    end)
    return found
  end

  it("is an event of patterns that begin with 'api.' only", function()
    publish { eventType = "told", payload = { a = 1 }, channels = { "eu" } }
    receiver:await(receiver:total() > 0 and receiver:total() or 1)
    wait.until_true("nothing is due", 5000, function() return #call("GET", "/event?state=pending").data == 0 end)
    local told = receiver:take()
    assert.equal(1, #told)
    assert.same({ type = "api.told", source = "api", app = app.id, uid = "acme", channels = { "eu" }, data = { a = 1 },
      content_type = "application/json" }, json.decode(told[1].body))
  end)

  it("is finished when nobody wants it", function()
    publish { eventType = "unwanted", payload = { a = 1 } }
    assert.equal("handled", events()[1].state)
  end)

  it("is published once a run, by its own handlers only", function()
    publish { eventType = "twice", payload = { key = "k" } }
    assert.matches("was called before in this run", failed "twice")
    local before = receiver:total()
    server:post("/in/open", "{}")
    wait.until_true("the run fails", 5000, function()
      return #call("GET", "/event?state=retrying&source=open").data == 1
    end)
    local id = call("GET", "/event?source=open").data[1].id
    local event = call("GET", "/event/" .. id)
    local errors = ""
    for _, run in ipairs(event.runs) do errors = errors .. (run.error or "") end
    assert.matches("event:publish is of events that were published over the API", errors, 1, true)
    assert.is_true(receiver:total() >= before)
  end)

  for kind, why in pairs {
    option = "unknown option 'payloads'", payload = "option 'payload' of event:publish must be a table, got string",
    type = "bad type 'a b' for event:publish", channels = "a channel of event:publish is 1 to 128",
    many = "option 'channels' of event:publish takes at most 5 names",
    endpoints = "option 'endpoints' of event:publish must be a function, got table",
  } do
    it("is not published with a wrong " .. kind, function()
      publish { eventType = "bad." .. kind, payload = { a = 1 } }
      assert.is_truthy(failed("bad." .. kind):find(why, 1, true), failed("bad." .. kind))
    end)
  end
end)
