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

local SIGINT, SIGSTOP, SIGCONT = 2, 19, 18
local SECRET = "whsec_" .. ("A"):rep(32)

local script = [[
local anzol = require "anzol"
for _, name in ipairs { "one", "two" } do
  anzol.source(name, { verify = anzol.verify.none(), methods = { "GET", "POST" }, max_body = "64MiB",
    type = function(req) return name .. "." .. (req.headers["x-type"] or "thing") end })
end
anzol.source("token", { verify = anzol.verify.bearer { secret = anzol.secret "TOKEN" } })
anzol.source("signed", { verify = anzol.verify.standard { secret = anzol.secret "SIGNED" } })
anzol.on("two.emits", function(event) event:emit("two.emitted", {}) end)
]]

describe("anzol listen", function()
  local server, receiver, child, dir, starts, requests

  before_each(function()
    dir, starts, requests = files.temp_dir(), 0, {}
    receiver = Receiver.start()
    server = Server.start { scripts = { ["main.lua"] = script },
      secrets = { TOKEN = "a-token-of-the-specs", SIGNED = SECRET } }
  end)
  after_each(function()
    if child then child:kill(9) end
    server:close()
    receiver:stop()
    files.remove(dir)
  end)

  local function spawn(options, ...)
    local argv = { files.program(), "listen", ... }
    for _, argument in ipairs { "--url", "http://127.0.0.1:" .. server.admin_port,
      "--token", Server.token } do argv[#argv + 1] = argument end
    options.argv, options.cwd = argv, dir
    options.env = { XDG_STATE_HOME = dir, LD_PRELOAD = false, NO_COLOR = "1" }
    child = process.spawn(options)
  end

  local function errors(start) return files.read(dir .. "/errors" .. (start or starts)) end

  local function until_said(words)
    return wait.until_true(words, 10000, function() return errors():find(words, 1, true) end)
  end

  local function start(...)
    starts = starts + 1
    files.write(dir .. "/errors" .. starts, "")
    spawn({ output = dir .. "/output", errors = dir .. "/errors" .. starts }, "-o", "json", ...)
    until_said "forwarding"
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

  local function bodies(count)
    local list = {}
    for i, request in ipairs(came(count)) do list[i] = request.body end
    return list
  end

  local function until_told(count)
    wait.until_true(count .. " lines", 5000, function()
      local text = files.exists(dir .. "/output") and files.read(dir .. "/output") or ""
      return select(2, text:gsub("\n", "")) >= count
    end)
  end

  local function ask(...)
    return cli.ask(server, { "listen", ... })
  end

  it("forwards method, query, headers and bytes as they came", function()
    start("one", "--forward-to", receiver:url "/hooks")
    assert.matches("so not forwarded unless it is the token: authorization, cookie\n", errors())
    server:post("/in/one?a=1&b=%20", "\0\255 bytes", { ["X-Signature"] = "abc", ["X-Odd"] = "1",
      ["X-Api-Token"] = "t", Authorization = "hidden" })
    local request = came(1)[1]
    assert.equal("POST", request.method)
    assert.equal("/hooks?a=1&b=%20", request.path)
    assert.equal("\0\255 bytes", request.body)
    local headers = request.headers
    assert.same({ "abc", "1", "t" }, { headers["x-signature"], headers["x-odd"], headers["x-api-token"] })
    assert.same({}, { headers.authorization, headers.accept, headers["content-type"] })
    until_told(1)
    local row = json.decode(files.read(dir .. "/output"))
    assert.same({ "one.thing", "one", 200 }, { row.type, row.source, row.status })
  end)

  it("forwards the largest body that is taken", function()
    local body = ("\0\255"):rep(63 << 19) -- with its head 64 MiB, nearly
    start("one", "--forward-to", receiver:url "/hooks")
    assert.equal(200, server:post("/in/one", body).status)
    assert.is_true(came(1)[1].body == body)
  end)

  it("gives back the token by which the source judges, which is not kept", function()
    start("token", "--forward-to", receiver:url "/hooks")
    server:post("/in/token", "x", { Authorization = "Bearer a-token-of-the-specs" })
    assert.equal("Bearer a-token-of-the-specs", came(1)[1].headers.authorization)
  end)

  it("forwards only what was asked for, and nothing that the server made", function()
    start("one,two", "--forward-to", receiver:url "/hooks", "--events", "one.a,one.b.*,two.**")
    server:post("/in/one", "c", { ["X-Type"] = "c" })
    server:post("/in/one", "b", { ["X-Type"] = "b" })
    server:post("/in/two", "two", { ["X-Type"] = "emits" })
    server:post("/in/one", "a", { ["X-Type"] = "a" })
    server:post("/in/one", "b.x", { ["X-Type"] = "b.x" })
    assert.same({ "two", "a", "b.x" }, bodies(3))
    wait.until_true("the emitted one", 5000, function()
      return #server:get("/api/v1/event?type=two.emitted").data == 1
    end)
    server:post("/in/two", "last")
    assert.equal("last", bodies(4)[4])
  end)

  it("says what is wrong with what was asked for", function()
    for words, line in pairs {
      ["'one.b*' is no pattern of types"] = { "one", "--events", "one.b*" },
      ["'**.x' is no pattern"] = { "one", "--events", "**.x" },
      ["so long ago, as 250ms"] = { "one", "--replay-since", "yesterday" },
      ["can not be used together"] = { "one", "--replay-since", "1h", "--new" },
      ["a port (3000) or a URL"] = { "one", "--forward-to", "localhost" },
      ["say where to"] = { "one" },
    } do
      local all = { table.unpack(line) }
      if all[2] and all[2] ~= "--forward-to" then table.move({ "--forward-to", "3000" }, 1, 2, #all + 1, all) end
      local result = ask(table.unpack(all))
      assert.equal(2, result.code, words)
      assert.matches(words, result.errors, 1, true)
    end
  end)

  it("refuses a source that the server does not have", function()
    local result = ask("two,onee", "--forward-to", "3000")
    assert.equal(1, result.code)
    assert.equal("anzol: the server has no source 'onee' (did you mean 'one'?); it has one, signed, token, two\n",
      result.errors)
  end)

  it("loses nothing while it sleeps", function()
    start("*", "--forward-to", receiver:url "/hooks")
    server:post("/in/one", "1")
    came(1)
    child:kill(SIGSTOP)
    server:post("/in/two", "2")
    server:post("/in/one", "3")
    child:kill(SIGCONT)
    assert.same({ "1", "2", "3" }, bodies(3))
  end)

  it("loses nothing over a restart of the server, and waits for it", function()
    start("*", "--forward-to", receiver:url "/hooks", "-v")
    until_said "&wait=25s&stored_last=evt_00000000000"
    server:post("/in/one", "1")
    came(1)
    server:kill()
    until_said "trying again"
    server:restart()
    server:post("/in/one", "2")
    assert.same({ "1", "2" }, bodies(2))
  end)

  it("loses nothing while it is not there, and repeats nothing", function()
    start("*", "--forward-to", receiver:url "/hooks")
    server:post("/in/one", "1")
    came(1)
    until_told(1)
    stop()
    server:post("/in/two", "2")
    server:kill()
    server:restart()
    start("*", "--forward-to", receiver:url "/hooks")
    assert.matches("going on where the last one was", errors())
    server:post("/in/one", "3")
    assert.same({ "1", "2", "3" }, bodies(3))
    until_told(3)
    stop()
    start("*", "--forward-to", receiver:url "/hooks", "--new")
    server:post("/in/one", "4")
    assert.same({ "1", "2", "3", "4" }, bodies(4))
  end)

  it("keeps one place with a second one of the same source and target", function()
    start("one", "--forward-to", receiver:url "/hooks")
    local first = child
    finally(function() first:kill(9) end)
    start("one", "--forward-to", receiver:url "/hooks")
    for i = 1, 40 do server:post("/in/one", tostring(i)) end
    came(80) -- each by both, so neither stopped over the other's place
    server:post("/in/one", "last")
    came(82)
    for i = 1, 2 do assert.is_nil(errors(i):find("cannot be kept", 1, true)) end
    first:kill(9)
    first:wait(5000)
    stop()
    start("one", "--forward-to", receiver:url "/hooks")
    assert.matches("going on where the last one was", errors())
  end)

  it("waits for a program that is not there, and ends with what waits told", function()
    receiver:answer("*", { reset = true })
    start("one", "--forward-to", receiver:url "/hooks")
    local id = json.decode(server:post("/in/one", "1").body).id
    until_said "trying again until it answers"
    child:kill(SIGINT)
    assert.same({ "exit", 130 }, { child:wait(5000) })
    assert.matches("0 forwarded, 0 not answered with 2xx\n" .. id .. " waits: it comes first the next time\n", errors())
    receiver:answer("*", { status = 500 })
    requests = {}
    receiver:take()
    start("one", "--forward-to", receiver:url "/hooks")
    assert.same({ "1" }, bodies(1))
    until_told(1)
    child:kill(SIGINT)
    assert.same({ "exit", 130 }, { child:wait(5000) })
    assert.matches("1 forwarded, 1 not answered with 2xx\n$", errors())
  end)

  it("goes back in time when it is told to, and says when it cannot know its place", function()
    server:post("/in/one", "before")
    start("one", "--forward-to", receiver:url "/hooks", "--replay-since", "1h")
    assert.same({ "before" }, bodies(1))
    until_told(1)
    stop()
    local places = {}
    for name in require "lfs".dir(dir .. "/anzol") do
      if name:find "^listen" then places[#places + 1] = dir .. "/anzol/" .. name end
    end
    assert.equal(1, #places)
    files.write(places[1], "{")
    spawn({ output = dir .. "/output", errors = dir .. "/errors1" }, "one", "--forward-to",
      receiver:url "/hooks")
    assert.same({ "exit", 1 }, { child:wait(5000) })
    assert.matches("holds no place among the events; begin with --new or --replay-since", errors(), 1, true)
  end)

  it("prints the secret by which a source judges, and warns of it", function()
    local result = ask("signed", "--print-secret")
    assert.same({ 0, SECRET .. "\n" }, { result.code, result.output })
    assert.matches("whoever has it can send as signed", result.errors)
    assert.matches('secret of a source shown  source=signed', server:log())
    local told = json.decode(ask("token", "--print-secret", "-o", "json").output)
    assert.equal("a-token-of-the-specs", told.secrets[1].value)
    result = ask("one", "--print-secret")
    assert.same({ 1, "" }, { result.code, result.output })
    assert.matches("one: this source judges its sender by a function", result.errors)
    assert.equal(2, ask("one,two", "--print-secret").code)
    assert.equal(401, (http.request { port = server.admin_port, method = "GET",
      path = "/api/v1/source/signed/secret" }).status)
  end)

  describe("with a program that has a certificate of its own", function()
    local tls, made, url
    before_each(function()
      made = certificates.new()
      made:make("own", { is_own = true })
      local port = process.free_port()
      url = "https://localhost:" .. port
      tls = process.spawn { argv = { "openssl", "s_server", "-accept", "127.0.0.1:" .. port, "-www",
        "-quiet", "-cert", made:path "own.crt", "-key", made:path "own.key" },
        output = dir .. "/tls", errors = dir .. "/tls", env = { LD_PRELOAD = false } }
      wait.until_true("the program", 5000, function()
        local line = require "socket".tcp()
        local is_there = line:connect("127.0.0.1", port)
        line:close()
        return is_there
      end)
    end)
    after_each(function()
      tls:kill(9)
      made:remove()
    end)

    it("takes it when told to", function()
      start("one", "--forward-to", url)
      http.request { port = server.port, method = "GET", path = "/in/one" }
      until_said "certificate"
      stop()
      start("one", "--forward-to", url, "--skip-verify")
      until_told(1)
      assert.equal(200, json.decode(files.read(dir .. "/output")).status)
    end)

    it("sends one again by hand, once", function()
      local id = json.decode(http.request { port = server.port, method = "GET", path = "/in/one" }.body).id
      local result = ask("*", "--forward-to", url, "--resend", id)
      assert.equal(1, result.code)
      assert.matches(id .. " +one.thing +.*certificate", result.output)
      result = ask("*", "--forward-to", url, "--skip-verify", "--resend", id)
      assert.equal(0, result.code, result.errors)
      assert.matches(id .. " +one.thing +200", result.output)
    end)
  end)

  it("heeds keys at a terminal", function()
    spawn({ has_terminal = true }, "one", "--forward-to", receiver:url "/hooks")
    local text = ""
    local function until_shown(words)
      wait.until_true(words, 10000, function()
        text = text .. child:shown()
        return text:find(words, 1, true)
      end)
      text = text:sub(select(2, text:find(words, 1, true)) + 1)
    end
    until_shown "? tells the keys, q ends"
    child:type "r"
    until_shown "nothing was forwarded yet"
    server:post("/in/one", "first")
    until_shown "ANSWER"
    until_shown "200"
    server:post("/in/one", "second")
    until_shown "200"
    child:type "r"
    assert.same({ "first", "second", "second" }, bodies(3))
    until_shown "   3  "
    child:type "1"
    until_shown "number 1 (r sends it again)"
    child:type "r"
    assert.equal("first", bodies(4)[4])
    until_shown "   4  "
    child:type "\27[A\27[A\27[A"
    until_shown "> 2  evt_"
    child:type "r9r"
    assert.equal("second", bodies(5)[5])
    until_shown "there is no number 9"
    child:type "?"
    until_shown "12r        sends number 12 again"
    receiver:answer("*", { status = 500 })
    child:type "r"
    until_shown "500"
    child:type "q"
    until_shown "6 forwarded, 1 not answered with 2xx"
    assert.same({ "exit", 1 }, { child:wait(5000) })
  end)
end)
