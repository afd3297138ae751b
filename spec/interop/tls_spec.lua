-- SPDX-License-Identifier: MIT
-- TLS, HTTP/2 and proxies with Node as the other side: what cannot be trusted is a tls error with its
-- reason, certificates of an endpoint's own, connections that nobody else gets.
local certificates = require "support.certificates"
local files = require "support.files"
local json = require "dkjson"
local process = require "anzol_test.process"
local rigs = require "core.send_rig"

if os.getenv "ANZOL_SANITIZER" == "thread" then
  pending "Node does not bear the thread sanitizer's library"
  return
end

local with = rigs.with

describe("over TLS,", function()
  local pems, children

  lazy_setup(function()
    pems = certificates.new()
    pems:make "good"
    pems:make("expired", { days = -1 })
    pems:make("elsewhere", { names = "DNS:elsewhere.example" })
    pems:make("own", { is_own = true })
    pems:make "ana"
    pems:make "bob"
    pems:make("stranger", { is_own = true })
  end)
  lazy_teardown(function() pems:remove() end)
  before_each(function() children = {} end)
  after_each(function()
    for _, child in ipairs(children) do child:kill(9) child:wait(5000) end
  end)

  -- Starts the other side; its rows are read with rows().
  local function referee(rig, options)
    local name = pems:path("referee" .. #children)
    os.remove(name)
    local child = process.spawn { argv = { "node", "spec/interop/referee.mjs", json.encode(options) },
      output = name, errors = name .. ".errors", env = { LD_PRELOAD = false } }
    children[#children + 1] = child
    local function rows()
      local list = {}
      if not files.exists(name) then return list end
      for line in files.read(name):gmatch "([^\n]+)\n" do list[#list + 1] = json.decode(line) end
      return list
    end
    assert(rig:wait(function() return rows()[1] end, 20000), "the referee did not start")
    return rows()[1].port, function()
      local list = rows()
      table.remove(list, 1)
      return list
    end
  end

  local function receiver(rig, certificate, options)
    options = options or {}
    options.key, options.cert = pems:path(certificate .. ".key"), pems:path(certificate .. ".crt")
    return referee(rig, options)
  end

  local function first(rig, port, spec)
    spec = spec or {}
    spec.url = "https://" .. (spec.host or "localhost") .. ":" .. port .. "/hook"
    return rig:first_attempt(nil, spec)
  end

  local authority = function(spec)
    spec = spec or {}
    spec.ca = pems:read "ca.crt"
    return spec
  end

  it("an authority of the endpoint's own vouches for the receiver, by name and by address", with(function(rig)
    local port, rows = receiver(rig, "good")
    local made = first(rig, port, authority())
    assert.same({ 200, "" }, { made.status, made.error })
    assert.equal("2.0", rows()[1].version)
  end))

  for name, case in pairs {
    ["an authority that nobody knows"] = { "good", {}, "unable to get local issuer certificate" },
    ["a certificate that is over"] = { "expired", { "ca" }, "certificate has expired" },
    ["a certificate of somewhere else"] = { "elsewhere", { "ca" }, "no alternative certificate subject name matches" },
    ["a certificate that it signed itself"] = { "own", { "ca" }, "self%-signed certificate" },
  } do
    it(name .. " is a tls error with that reason", with(function(rig)
      local port, rows = receiver(rig, case[1])
      local made = first(rig, port, case[2][1] and authority())
      assert.same({ "tls", 0 }, { made.error, made.status })
      assert.matches(case[3], made.detail)
      assert.same({}, rows())
    end))
  end

  for _, version in ipairs { "TLSv1", "TLSv1.1" } do
    it("a receiver that knows " .. version .. " at best is a tls error", with(function(rig)
      local port = receiver(rig, "good", { max = version })
      local made = first(rig, port, authority())
      assert.equal("tls", made.error)
      assert.matches("version", made.detail)
    end))
  end

  for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
    describe("a receiver that asks for a certificate (" .. version .. ")", function()
      local function asking(rig)
        return receiver(rig, "good", { ca = pems:path "ca.crt", wants = "certificate",
          max = version ~= "TLSv1.3" and version or nil })
      end

      it("gets the endpoint's", with(function(rig)
        local port, rows = asking(rig)
        local made = first(rig, port, authority { cert = pems:read "ana.crt", key = pems:read "ana.key" })
        assert.equal(200, made.status, made.detail)
        assert.equal("ana", rows()[1].peer)
      end))

      it("takes none, or another's, for a tls error with the reason", with(function(rig)
        local port, rows = asking(rig)
        local none = first(rig, port, authority())
        assert.equal("tls", none.error, none.detail)
        assert.matches("asks for a client certificate and the endpoint has none", none.detail)
        rig.rig:endpoints { { url = "https://localhost:" .. port .. "/", ca = pems:read "ca.crt",
          cert = pems:read "stranger.crt", key = pems:read "stranger.key", retry_ms = 60000,
          id = 2, name = "second" } }
        rig:commit({ body = "{}" }, "second")
        assert(rig:wait(function() return #(rig.rig:rows()[2] or {}).attempts > 0 end))
        local stranger = rig.rig:rows()[2].attempts[1]
        assert.equal("tls", stranger.error, stranger.detail)
        assert.matches("asks for a client certificate and refuses the endpoint's", stranger.detail)
        assert.same({}, rows())
      end))
    end)
  end

  it("what is no endpoint's says where a certificate would be shown", with(function(rig)
    local port, rows = receiver(rig, "good", { ca = pems:path "ca.crt", wants = "certificate" })
    local result = assert(rig.rig:exchange { url = "https://localhost:" .. port .. "/", ca = pems:read "ca.crt" })
    assert(rig:wait(function() return result.is_done end))
    assert.equal("tls", result.error)
    assert.matches("gets none: only what is sent to an endpoint shows one (client_cert)", result.detail, 1, true)
    assert.same({}, rows())
  end))

  it("endpoints with certificates of their own never share a connection", with(function(rig)
    local port, rows = receiver(rig, "good", { ca = pems:path "ca.crt", wants = "certificate" })
    local list = {}
    for i, name in ipairs { "ana", "bob" } do
      list[i] = { name = name, id = i, url = "https://localhost:" .. port .. "/" .. name,
        ca = pems:read "ca.crt", cert = pems:read(name .. ".crt"), key = pems:read(name .. ".key") }
    end
    rig:endpoints(list)
    for _ = 1, 3 do
      for _, name in ipairs { "ana", "bob" } do
        rig:commit({ body = "{}" }, name)
        rig:settle()
      end
    end
    local connections = {}
    for _, row in ipairs(rows()) do
      assert.equal("/" .. row.peer, row.path)
      connections[row.peer] = connections[row.peer] or row.connection
      assert.equal(connections[row.peer], row.connection)
    end
    assert.are_not.equal(connections.ana, connections.bob)
  end))

  describe("HTTP/2", function()
    local function deliver(rig, options)
      local port, rows = receiver(rig, "good", options)
      rig:endpoint(authority { url = "https://localhost:" .. port .. "/", concurrency = 20 })
      rig:commit { body = "{}" }
      rig:settle()
      for _ = 1, 20 do rig:commit { body = ("x"):rep(5000) } end
      for _, row in ipairs(rig:settle()) do assert.equal("succeeded", row.state) end
      return rows()
    end

    it("takes several requests over one connection at the same time", with(function(rig)
      local rows = deliver(rig)
      assert.equal(21, #rows)
      for _, row in ipairs(rows) do
        assert.equal("2.0", row.version)
        assert.equal(1, row.connection)
      end
      assert.equal(5000, rows[21].bytes)
    end))

    it("shares no connection with who may not call that address, though requests are under way there",
      with(function(rig)
        local port, rows = receiver(rig, "good")
        local url = "https://localhost:" .. port
        rig:endpoints {
          authority { name = "open", id = 1, url = url .. "/open", concurrency = 20 },
          authority { name = "shut", id = 2, url = url .. "/shut", concurrency = 20, public_only = true, attempts = 1 },
        }
        rig:commit({ body = "{}" }, "open")
        rig:settle()
        for _ = 1, 10 do
          rig:commit({ body = "{}" }, "open")
          rig:commit({ body = "{}" }, "shut")
        end
        for _, row in ipairs(rig:settle()) do
          if row.state ~= "succeeded" then assert.equal("blocked_address", row.attempts[1].error) end
        end
        assert.equal(11, #rows())
        for _, row in ipairs(rows()) do
          assert.same({ "2.0", 1, "/open" }, { row.version, row.connection, row.path })
        end
      end))

    it("is not used with a receiver that has it not", with(function(rig)
      local rows = deliver(rig, { isOld = true })
      assert.equal(21, #rows)
      for _, row in ipairs(rows) do assert.equal("1.1", row.version) end
    end))
  end)

  describe("behind a proxy", function()
    local function through(rig, options, spec)
      local port, rows = referee(rig, options)
      spec.proxy = ("http://%s127.0.0.1:%d"):format(options.user or "", port)
      spec.retry_ms, spec.public_only = 60000, true
      rig:endpoint(spec)
      rig:commit { body = "body" }
      return rig:attempts(1).attempts[1], rows()
    end

    it("a name is passed on, whatever it may be there", with(function(rig)
      local port, received = receiver(rig, "good")
      local made, rows = through(rig, { proxy = true, user = "ana:s3cret@" },
        authority { url = "https://good.invalid:" .. port .. "/hook" })
      assert.equal("tls", made.error) -- it came there, under a name that the certificate has not
      assert.matches("no alternative certificate subject name", made.detail)
      assert.equal("good.invalid:" .. port, rows[1].target)
      assert.equal("Basic YW5hOnMzY3JldA==", rows[1].auth)
      assert.same({}, received())
    end))

    it("a request by plain HTTP goes there in absolute form", with(function(rig)
      local server = rig:server(function() return rigs.ok "there" end)
      local made, rows = through(rig, { proxy = true },
        { url = "http://receiver.invalid:" .. server.port .. "/hook" })
      assert.equal(200, made.status, made.detail)
      assert.equal("there", made.body)
      assert.equal("body", server.requests[1].body)
      assert.equal("http://receiver.invalid:" .. server.port .. "/hook", rows[1].target)
      assert.is_nil(rows[1].auth)
    end))

    for _, host in ipairs { "127.0.0.1", "10.1.2.3", "[::1]", "[::ffff:10.0.0.1]", "2130706433", "localhost",
      "a.localhost", "169.254.169.254" } do
      it("an address is judged, though the connection leads to the proxy: " .. host, with(function(rig)
        local made, rows = through(rig, { proxy = true }, { url = "http://" .. host .. ":8080/" })
        assert.equal("blocked_address", made.error)
        assert.is_true(#made.detail > 10)
        assert.same({}, rows)
      end))
    end

    it("a proxy that refuses is a connect error", with(function(rig)
      local made = through(rig, { proxy = true, refuses = true }, { url = "https://receiver.invalid/" })
      assert.equal("connect", made.error)
      assert.matches("403", made.detail)
    end))

    it("a proxy that is not there is a connect error", with(function(rig)
      local made = rig:first_attempt(nil, { url = "https://receiver.invalid/",
        proxy = "http://127.0.0.1:" .. rigs.closed_port(rig) })
      assert.equal("connect", made.error)
    end))
  end)
end)
