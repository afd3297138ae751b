-- SPDX-License-Identifier: MIT
-- GET /api/v1/stream of the real server: what happens, told as it does.
local Receiver = require "support.receiver"
local Server = require "support.server"
local http = require "support.http"
local json = require "dkjson"
local socket = require "socket"
local wait = require "support.wait"

local STREAMS = 32 -- LIMIT_API_STREAMS
local LIMIT_MS = 8000

local main = [[
local anzol = require "anzol"
anzol.source("shop", { path = "/shop", verify = anzol.verify.none(), type = "order.paid" })
anzol.source("repo", { path = "/repo", verify = anzol.verify.none(), type = "push" })
anzol.source("slow", { path = "/slow", verify = anzol.verify.none(), type = "slow" })
anzol.on("slow", { name = "holds" }, function(event)
  event:emit("held.early", {})                 -- has its id now, and is stored with the run
  anzol.sleep "1200ms"
  event:emit("held.late", {})
end)
for _, type in ipairs { "order.paid", "push" } do
  anzol.on(type, { name = type }, function(event) event:send("crm", { body = event.body }) end)
end
anzol.endpoint("crm", { url = "http://127.0.0.1:%d/", allow_private = true, sign = false })
]]

describe("the stream of what happens", function()
  local server, receiver, lines

  setup(function()
    receiver = Receiver.start()
    server = Server.start { scripts = { ["main.lua"] = main:format(receiver.port) } }
  end)
  teardown(function()
    server:close()
    receiver:stop()
  end)

  local function close_all()
    for _, line in ipairs(lines) do line:close() end
    lines = {}
  end
  before_each(function() lines = {} end)
  after_each(close_all)

  local function open(query, place)
    local line = assert(socket.connect("127.0.0.1", server.admin_port))
    lines[#lines + 1] = line
    line:send("GET /api/v1/stream" .. (query or "") .. " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
      .. Server.token .. "\r\n" .. (place and "Last-Event-ID: " .. place .. "\r\n" or "") .. "\r\n")
    line:settimeout(2)
    local status = tonumber((line:receive "*l"):match "^HTTP/1.1 (%d+)")
    repeat local header = line:receive "*l" until header == ""
    line:settimeout(0)
    return { line = line, text = "", rows = {}, status = status }
  end

  -- The rows that came so far.
  local function rows(stream)
    local more, _, part = stream.line:receive(65536)
    stream.text = stream.text .. (more or part or "")
    for id, kind, data in stream.text:gmatch "id: ([^\n]+)\nevent: (%l+)\ndata: ([^\n]+)\n\n" do
      stream.rows[#stream.rows + 1] = { place = id, kind = kind, row = json.decode(data) }
    end
    stream.text = stream.text:match ".*\n\n(.*)$" or stream.text
    return stream.rows
  end

  local function await(stream, count)
    return wait.until_true(count .. " rows", LIMIT_MS, function()
      local list = rows(stream)
      return #list >= count and list
    end)
  end

  it("tells events and attempts, each once, as the lists show them", function()
    local stream = open()
    assert.equal(200, stream.status)
    server:post("/shop", '{"id":1}')
    local list = await(stream, 2)
    local kinds = {}
    for _, row in ipairs(list) do kinds[row.kind] = row.row end
    assert.same({ "shop", "order.paid" }, { kinds.event.source, kinds.event.type })
    assert.same({ "crm", "order.paid", 200 }, { kinds.attempt.endpoint, kinds.attempt.type,
      kinds.attempt.status })
    server:post("/shop", '{"id":2}')
    assert.equal(4, #await(stream, 4))
  end)

  it("tells only what is asked for", function()
    local events = open "?source=repo"
    local attempts = open "?kind=attempt&type=push"
    server:post("/shop", "{}")
    server:post("/repo", "{}")
    assert.equal("push", await(events, 1)[1].row.type)
    assert.equal("attempt", await(attempts, 1)[1].kind)
    assert.same({ 1, 1 }, { #rows(events), #rows(attempts) })
  end)

  it("goes on behind what was told before", function()
    local stream = open "?kind=event"
    server:post("/shop", '{"n":1}')
    local place = await(stream, 1)[1].place
    stream.line:close()
    server:post("/shop", '{"n":2}')
    local again = await(open("?kind=event", place), 1)
    assert.equal(1, #again)
    assert.is_true(again[1].place > place)
  end)

  it("misses nothing that is stored long after it got its id, for who stays and who comes again", function()
    local stream = open "?kind=event"
    server:post("/slow", "{}")
    local place = await(stream, 1)[1].place
    local posted = 0
    wait.until_true("what is held is told", LIMIT_MS, function()
      posted = posted + 1
      server:post("/shop", "{}")
      local has = {}
      for _, row in ipairs(rows(stream)) do has[row.row.type] = true end
      return has["held.early"] and has["held.late"]
    end)
    local function told(list)
      local counts = {}
      for _, row in ipairs(list) do counts[row.row.type] = (counts[row.row.type] or 0) + 1 end
      return counts
    end
    local whole = { slow = 1, ["held.early"] = 1, ["held.late"] = 1, ["order.paid"] = posted }
    await(stream, posted + 3)
    assert.same(whole, told(rows(stream)))
    local again = open("?kind=event", place)
    await(again, posted + 2)
    whole.slow = nil
    assert.same(whole, told(rows(again)))
    local last = rows(again)[posted + 2].place
    server:post("/shop", '{"last":true}')
    assert.equal(1, #await(open("?kind=event", last), 1))
  end)

  it("refuses what makes no sense, and one stream too many", function()
    for query, status in pairs { ["?kind=run"] = 422, ["?source=shop&endpoint=crm"] = 422,
      ["?kind=event&endpoint=crm"] = 422, ["?why=1"] = 422, ["?type=**.x"] = 422 } do
      assert.equal(status, open(query).status, query)
    end
    assert.equal(422, open("", "evt_1").status)
    close_all()
    wait.until_true("the streams are closed", LIMIT_MS, function()
      local list = {}
      for i = 1, STREAMS do list[i] = open().status end
      for _, status in ipairs(list) do if status ~= 200 then return close_all() end end
      return true
    end)
    assert.equal(503, open().status)
  end)

  it("ends with the server", function()
    local stream = open()
    assert.equal(200, stream.status)
    server:stop()
    stream.line:settimeout(5)
    assert.equal("closed", select(2, stream.line:receive "*a") or "closed")
    server:restart()
  end)

  it("is no request of HTTP for lists", function()
    local answer = http.request { port = server.admin_port, method = "POST", path = "/api/v1/stream",
      body = "{}", headers = { Authorization = "Bearer " .. Server.token,
        ["Content-Type"] = "application/json" } }
    assert.equal(405, answer.status)
  end)
end)
