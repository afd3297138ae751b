-- SPDX-License-Identifier: MIT
-- Options of sources and subscriptions whose effect only the whole server shows.
local Server = require "support.server"
local cli = require "support.cli"
local http = require "support.http"
local json = require "dkjson"
local wait = require "support.wait"

local script = [[
local anzol = require "anzol"
local none = anzol.verify.none()
anzol.source("default", { verify = none, type = "kept" })
anzol.source("hiding", { verify = none, type = "kept", hide_headers = { "X-Token", "?Key" } })
anzol.source("brief", { verify = none, type = "kept", retention = "1s", idempotency_window = "1s" })
anzol.source("elsewhere", { verify = none, type = "else", path = "/hooks/a-b", methods = { "PUT", "PATCH" } })
anzol.on({ "else", "kept" }, { source = "elsewhere" }, function(event)
  event:emit("seen", { source = event.source })
end)
anzol.source("busy", { verify = none, type = function(req) return "busy." .. req.body end })
local cache = anzol.cache "running"
local function work(name)
  return function(event)
    local now = cache:incr(name)
    if now > (cache:get(name .. ".most") or 0) then cache:set(name .. ".most", now) end
    anzol.sleep(0.03)
    cache:incr(name, -1)
  end
end
anzol.on("busy.work", { name = "three", concurrency = 3 }, work "three")
anzol.on("busy.work", { name = "default" }, work "default")
anzol.on("busy.clock", function(event) event:emit("clock", { offset = os.date "%z" }) end)
anzol.on("busy.tell", function(event)
  event:emit("most", { three = cache:get "three.most", default = cache:get "default.most" })
end)
]]

describe("an option", function()
  local server
  lazy_setup(function() server = Server.start { scripts = { ["main.lua"] = script }, workers = 1,
    args = { "--timezone", "Asia/Kolkata" } } end)
  lazy_teardown(function() server:close() end)

  local function post(source, body, headers)
    local answer = server:post("/in/" .. source, body or "{}", headers)
    assert.equal(200, answer.status)
    return json.decode(answer.body).id
  end

  it("concurrency bounds the runs of a handler, 50 unless it says otherwise", function()
    for _ = 1, 120 do post("busy", "work") end
    wait.until_true("all ran", 20000, function()
      return #server:list "/api/v1/event?type=busy.work&state=handled" == 120
    end)
    post("busy", "tell")
    local most = wait.until_true("the figures", 5000, function()
      local row = server:list "/api/v1/event?type=most"[1]
      return row and json.decode(server:get("/api/v1/event/" .. row.id).body)
    end)
    assert.equal(3, most.three)
    assert.is_true(most.default > 3 and most.default <= 50, most.default)
  end)

  it("hide_headers keeps headers from the store: those it names, else authorization and cookie", function()
    local headers = { Authorization = "Bearer a-secret", Cookie = "b-secret", ["X-Token"] = "c-secret" }
    for source, kept in pairs { default = { "X-Token" }, hiding = { "Authorization", "Cookie" } } do
      local there = {}
      for _, header in ipairs(server:get("/api/v1/event/" .. post(source, nil, headers)).headers) do
        there[header.name:lower()] = true
      end
      for name in pairs(headers) do
        local is_kept = name == kept[1] or name == kept[2]
        assert.equal(is_kept, there[name:lower()] or false, source .. ": " .. name)
      end
    end
  end)

  it("hide_headers strikes a parameter out of the query, wherever it stands, and no other", function()
    local answer = http.request { port = server.port, body = "{}",
      path = "/in/hiding?Key=one&key=two&xKey=three&Key=&Key&Key=a%20b=c" }
    local event = server:get("/api/v1/event/" .. json.decode(answer.body).id)
    assert.equal("Key=***&key=two&xKey=three&Key=&Key&Key=*******", event.query)
  end)

  it("path and methods say what a source takes", function()
    local function ask(method, path)
      return http.request { port = server.port, method = method, path = path, body = "{}" }
    end
    assert.equal(200, ask("PUT", "/hooks/a-b").status)
    assert.equal(200, ask("PATCH", "/hooks/a-b?q=1").status)
    local refused = ask("POST", "/hooks/a-b")
    assert.same({ 405, "PUT, PATCH" }, { refused.status, refused.headers.allow })
    for _, path in ipairs { "/in/elsewhere", "/hooks/a-b/", "/hooks/A-b", "/hooks" } do
      assert.equal(404, ask("PUT", path).status, path)
    end
  end)

  it("source of a subscription leaves events of other sources alone", function()
    post "default"
    http.request { port = server.port, method = "PUT", path = "/hooks/a-b", body = "{}" }
    wait.until_true("one was seen", 5000, function() return #server:list "/api/v1/event?type=seen" > 0 end)
    wait.until_true("all is handled", 5000, function()
      return #server:list "/api/v1/event?state=pending" == 0
    end)
    for _, event in ipairs(server:list "/api/v1/event?type=seen") do
      assert.equal("elsewhere", event.source)
    end
    assert.equal(#server:list "/api/v1/event?type=else", #server:list "/api/v1/event?type=seen")
  end)

  it("timezone names the clocks of the scripts, over a reload", function()
    for count = 1, 2 do
      post("busy", "clock")
      local rows = wait.until_true("the offset", 5000, function()
        local list = server:list "/api/v1/event?type=clock"
        return #list == count and list
      end)
      assert.equal('{"offset":"+0530"}', server:get("/api/v1/event/" .. rows[1].id).body)
      assert.equal(0, cli.ask(server, { "reload" }).code)
    end
  end)

  it("retention of a source is for its events alone", function()
    local kept, gone = post "default", post "brief"
    wait.until_true("the brief one is deleted", 15000, function()
      return select(2, server:get("/api/v1/event/" .. gone)) == 404
    end)
    assert.equal("handled", server:get("/api/v1/event/" .. kept).state)
  end)
end)
