-- SPDX-License-Identifier: MIT
-- anzol listen: a server's events at a program of one's own.
local Receiver = require "support.receiver"
local Server = require "support.server"
local certificates = require "support.certificates"
local cli = require "support.cli"
local files = require "support.files"
local http = require "support.http"
local json = require "dkjson"
local process = require "anzol_test.process"
local wait = require "support.wait"

local script = [[
local anzol = require "anzol"
for _, name in ipairs { "one", "two" } do
  anzol.source(name, { verify = anzol.verify.none(), methods = { "GET", "POST" },
    type = function(req) return name .. "." .. (req.headers["x-type"] or "thing") end })
end
]]

describe("anzol listen", function()
  local server, receiver, child, dir, starts, requests

  before_each(function()
    dir, starts, requests = files.temp_dir(), 0, {}
    receiver = Receiver.start()
    server = Server.start { scripts = { ["main.lua"] = script } }
  end)
  after_each(function()
    if child then child:kill(9) end
    server:close()
    receiver:stop()
    files.remove(dir)
  end)

  local function start(...)
    local argv = { files.program(), "listen", ... }
    for _, argument in ipairs { "--url", "http://127.0.0.1:" .. server.admin_port,
      "--token", Server.token, "-o", "json" } do argv[#argv + 1] = argument end
    starts = starts + 1
    local errors = dir .. "/errors" .. starts
    files.write(errors, "")
    child = process.spawn { argv = argv, cwd = dir, output = dir .. "/output", errors = errors,
      env = { XDG_STATE_HOME = dir, LD_PRELOAD = false } }
    wait.until_true("the command", 10000, function()
      return files.read(errors):find("forwarding", 1, true)
    end)
  end

  local function stop()
    child:kill(9)
    child:wait(5000)
  end

  local function came(count)
    return wait.until_true(count .. " requests", 10000, function()
      for _, request in ipairs(receiver:take()) do requests[#requests + 1] = request end
      return #requests >= count and requests
    end)
  end

  it("forwards method, query, headers and bytes as they came", function()
    start("one", "--forward-to", receiver:url "/hooks")
    server:post("/in/one?a=1&b=%20", "\0\255 bytes", { ["X-Signature"] = "abc", ["X-Odd"] = "1" })
    local request = came(1)[1]
    assert.equal("POST", request.method)
    assert.equal("/hooks?a=1&b=%20", request.path)
    assert.equal("\0\255 bytes", request.body)
    assert.equal("abc", request.headers["x-signature"])
    assert.equal("1", request.headers["x-odd"])
    assert.matches('"status":200', wait.until_true("the line", 5000, function()
      local text = files.read(dir .. "/output")
      return text:find("one.thing", 1, true) and text
    end))
  end)

  it("forwards only what was asked for", function()
    start("one", "--forward-to", receiver:url "/hooks", "--events", "one.a,one.b.*")
    server:post("/in/two", "two", { ["X-Type"] = "a" })
    server:post("/in/one", "c", { ["X-Type"] = "c" })
    server:post("/in/one", "a", { ["X-Type"] = "a" })
    server:post("/in/one", "b", { ["X-Type"] = "b.x" })
    came(2)
    assert.same({ "a", "b" }, { requests[1].body, requests[2].body })
  end)

  it("loses nothing while it is away, and repeats nothing", function()
    start("*", "--forward-to", receiver:url "/hooks")
    server:post("/in/one", "1")
    came(1)
    wait.until_true("the line", 5000, function()
      return files.read(dir .. "/output"):find("one.thing", 1, true)
    end)
    stop()
    server:post("/in/two", "2")
    start("*", "--forward-to", receiver:url "/hooks")
    server:kill()
    server:restart()
    server:post("/in/one", "3")
    local bodies = {}
    for i, request in ipairs(came(3)) do bodies[i] = request.body end
    assert.same({ "1", "2", "3" }, bodies)
  end)

  it("goes back in time when it is told to", function()
    server:post("/in/one", "before")
    start("one", "--forward-to", receiver:url "/hooks", "--replay-since", "1h")
    assert.equal("before", came(1)[1].body)
  end)

  it("sends one again by hand, also to a program with a certificate of its own", function()
    local id = json.decode(http.request { port = server.port, method = "GET", path = "/in/one" }.body).id
    local result = cli.ask(server, { "listen", "*", "--forward-to", receiver:url "/hooks", "--resend", id })
    assert.matches(id .. " +one.thing +200", result.output)
    assert.equal("GET", came(1)[1].method)
    local made, port = certificates.new(), tostring(process.free_port())
    made:make("own", { is_own = true })
    local tls = process.spawn { argv = { "openssl", "s_server", "-accept", "127.0.0.1:" .. port, "-www",
      "-quiet", "-cert", made:path "own.crt", "-key", made:path "own.key" },
      output = dir .. "/tls", errors = dir .. "/tls", env = { LD_PRELOAD = false } }
    result = cli.ask(server, { "listen", "*", "--forward-to", "https://localhost:" .. port, "--skip-verify",
      "--resend", id })
    tls:kill(9)
    made:remove()
    assert.matches(id .. " +one.thing +200", result.output)
  end)
end)
