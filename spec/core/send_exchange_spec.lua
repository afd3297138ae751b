-- SPDX-License-Identifier: MIT
-- Exchanges of scripts (core/send/exchange.c): what goes out, redirects, limits, turns.
local rigs = require "core.send_rig"
local send = require "anzol_test.send"

local with, ok, answer = rigs.with, rigs.ok, rigs.answer
local RUNNING_MAX, RUNNING_MAX_OF_HOST = 128, 32

-- Starts it and turns the loop until it is over.
local function exchange(rig, request)
  local result = assert(rig.rig:exchange(request))
  assert(rig:wait(function() return result.is_done end, 8000), "the exchange is not over")
  return result
end

local function header(result, name)
  for key, value in pairs(result.head) do
    if key:lower() == name then return value end
  end
end

-- A redirect of this status from one server to another (or to itself).
local function redirect(rig, status, request, other)
  local target = other and rig:server(function() return ok "there" end)
  local server = rig:server(function(asked)
    if asked.head:find(" /there", 1, true) then return ok "there" end
    return answer(status, { Location = target and target.url or "/there?x=1" })
  end)
  request.url = server.url
  request.redirects = request.redirects or 1
  local result = exchange(rig, request)
  return result, target and target.requests[1] or server.requests[2], server.requests[1]
end

describe("an exchange", function()
  it("sends what was asked for and gives what came", with(function(rig)
    local server = rig:server(function()
      return answer(418, { ["X-A"] = "b", ["Retry-After"] = "7" }, "tea")
    end)
    local result = exchange(rig, { url = server.url .. "?a=b", method = "PATCH", body = "\0\1",
      headers = { { "X-Id", "1" }, { "Content-Type", "text/xml" } } })
    local request = server.requests[1]
    assert.matches("^PATCH /hook%?a=b HTTP/1.1\r\n", request.head)
    assert.equal("\0\1", request.body)
    local headers = rigs.headers(request)
    assert.equal("1", headers["x-id"])
    assert.equal("text/xml", headers["content-type"])
    assert.equal("anzol-spec/1", headers["user-agent"])
    assert.equal("", result.error)
    assert.equal(418, result.status)
    assert.equal("tea", result.body)
    assert.equal("b", header(result, "x-a"))
    assert.equal(7000, result.retry_after_ms)
    assert.equal("127.0.0.1", result.host)
  end))

  it("without a body says nothing of its type", with(function(rig)
    local server = rig:server(function() return ok() end)
    exchange(rig, { url = server.url, method = "POST" })
    exchange(rig, { url = server.url })
    for _, request in ipairs(server.requests) do
      assert.is_nil(rigs.headers(request)["content-type"])
    end
    assert.equal("0", rigs.headers(server.requests[1])["content-length"])
  end))

  it("keeps its connection for the next", with(function(rig)
    local server = rig:server(function() return ok() end)
    for _ = 1, 3 do exchange(rig, { url = server.url }) end
    assert.equal(1, server.requests[3].connection)
  end))

  it("may be a HEAD", with(function(rig)
    local server = rig:server(function() return "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" end)
    local result = exchange(rig, { url = server.url, method = "HEAD" })
    assert.equal("", result.error)
    assert.equal("9", header(result, "content-length"))
  end))

  it("reads bodies of any size up to its limit, not one byte more", with(function(rig)
    local size = 300000
    local server = rig:server(function() return ok(("x"):rep(size)) end)
    local result = exchange(rig, { url = server.url, body_bytes_max = size })
    assert.equal("", result.error)
    assert.equal(size, #result.body)
    size = size + 1
    result = exchange(rig, { url = server.url, body_bytes_max = size - 1 })
    assert.equal("too_large", result.error)
    assert.equal("", result.body)
    assert.equal("", result.detail)
  end))

  it("whose answer breaks off is none, whatever its status", with(function(rig)
    local server = rig:server(function()
      return { "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", close = true }
    end)
    assert.equal("reset", exchange(rig, { url = server.url }).error)
    server = rig:server(function()
      return { "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf" }
    end)
    local result = exchange(rig, { url = server.url, timeout_ms = 60 })
    assert.equal("timeout", result.error)
    assert.equal("127.0.0.1", result.host)
  end))

  it("tells what went wrong", with(function(rig)
    assert.equal("connect", exchange(rig, { url = "http://127.0.0.1:" .. rigs.closed_port(rig) }).error)
    send.names {}
    assert.equal("dns", exchange(rig, { url = "http://nowhere.example/" }).error)
    local silent = rig:server(function() end)
    assert.equal("timeout", exchange(rig, { url = silent.url, timeout_ms = 50 }).error)
    local mute = rig:server { accept = "close" }
    assert.equal("reset", exchange(rig, { url = mute.url }).error)
    local odd = rig:server(function() return "HTTP/9.9 what\r\n\r\n" end)
    assert.equal("protocol", exchange(rig, { url = odd.url }).error)
  end))

  it("goes to no private address unless it is allowed to", with(function(rig)
    local server = rig:server(function() return ok() end)
    send.names { ["api.example"] = { "127.0.0.1" }, ["meta.example"] = { "169.254.169.254" } }
    for _, url in ipairs { server.url, (server.url:gsub("127.0.0.1", "api.example")) } do
      local result = exchange(rig, { url = url, allow_private = false })
      assert.equal("blocked_address", result.error)
      assert.equal("127.0.0.0/8 is loopback; allow_private = true allows it", result.detail)
      assert.equal(200, exchange(rig, { url = url }).status)
    end
    local result = exchange(rig, { url = "http://meta.example/" })
    assert.equal("blocked_address", result.error)
    assert.matches("always refused", result.detail)
  end))

  it("is not begun with a URL that cannot be one", with(function(rig)
    for url, why in pairs { ["ftp://a.example/"] = "only http and https",
      ["http://user:pw@a.example/"] = "a user or password", ["http://a.example:25/"] = "port 25",
      ["a b"] = "a space", [""] = "1 to 8000 bytes" } do
      local result, text = rig.rig:exchange { url = url }
      assert.is_nil(result)
      assert.matches(why, text)
    end
  end))

  it("can be cancelled, running or waiting for a look-up", with(function(rig)
    local silent = rig:server(function() end)
    send.names { ["slow.example"] = { delay_ms = 50, "127.0.0.1" } }
    for _, url in ipairs { silent.url, "http://slow.example/" } do
      local result = assert(rig.rig:exchange { url = url })
      rig:wait(function() return false end, 10)
      result.cancel()
      rig:wait(function() return false end, 80)
      assert.is_nil(result.is_done)
    end
  end))
end)

describe("a redirect", function()
  it("is an answer, if no redirects are allowed", with(function(rig)
    local server = rig:server(function() return answer(302, { Location = "/there" }) end)
    local result = exchange(rig, { url = server.url })
    assert.equal(302, result.status)
    assert.equal("/there", header(result, "location"))
  end))

  it("is followed, relative to where it came from", with(function(rig)
    local result, second = redirect(rig, 302, {})
    assert.equal("there", result.body)
    assert.matches("^GET /there%?x=1 ", second.head)
  end))

  it("is followed so often and no oftener, within one timeout", with(function(rig)
    local count = 0
    local server = rig:server(function()
      count = count + 1
      return count % 5 == 0 and ok "end" or answer(302, { Location = "/" .. count })
    end)
    assert.equal("end", exchange(rig, { url = server.url, redirects = 4 }).body)
    local result = exchange(rig, { url = server.url, redirects = 3 })
    assert.equal("protocol", result.error)
    assert.equal("more than 3 redirects", result.detail)
  end))

  for _, case in ipairs {
    { 301, "POST", "GET" }, { 302, "POST", "GET" }, { 303, "POST", "GET" }, { 303, "PUT", "GET" },
    { 302, "PUT", "PUT" }, { 307, "POST", "POST" }, { 308, "POST", "POST" }, { 303, "HEAD", "HEAD" },
  } do
    local status, before, after = table.unpack(case)
    it(("of status %d makes %s of %s"):format(status, after, before), with(function(rig)
      local body = before == "HEAD" and "" or "body"
      local _, second, first = redirect(rig, status, { method = before, body = body,
        headers = { { "Content-Type", "text/plain" }, { "X-Id", "1" } } })
      assert.matches("^" .. before .. " /hook", first.head)
      assert.matches("^" .. after .. " /there", second.head)
      assert.equal(after == before and body or "", second.body)
      assert.equal("1", rigs.headers(second)["x-id"])
      if after ~= before then assert.is_nil(rigs.headers(second)["content-type"]) end
    end))
  end

  it("to another host takes no credentials along", with(function(rig)
    local headers = { { "Authorization", "Bearer x" }, { "Cookie", "a=b" }, { "X-Api-Key", "k" },
      { "Accept", "text/plain" }, { "Content-Type", "text/plain" } }
    local _, second, first = redirect(rig, 307, { method = "POST", body = "b", headers = headers }, true)
    assert.equal("Bearer x", rigs.headers(first).authorization)
    local got = rigs.headers(second)
    assert.equal("text/plain", got.accept)
    assert.equal("text/plain", got["content-type"])
    assert.equal("b", second.body)
    for _, name in ipairs { "authorization", "cookie", "x-api-key" } do assert.is_nil(got[name]) end
    _, second = redirect(rig, 307, { method = "POST", body = "b", headers = headers })
    assert.equal("Bearer x", rigs.headers(second).authorization)
  end))

  for location, why in pairs { ["ftp://a.example/"] = "Location is refused: scheme",
    ["http://u:p@a.example/"] = "Location is refused: a user", ["http://a.example:22/"] = "port 22" } do
    it("to " .. location .. " is refused", with(function(rig)
      local server = rig:server(function() return answer(302, { Location = location }) end)
      local result = exchange(rig, { url = server.url, redirects = 3 })
      assert.equal("protocol", result.error)
      assert.matches(why, result.detail)
    end))
  end

  it("to a private address is judged as the first hop was", with(function(rig)
    send.names { ["api.example"] = { "127.0.0.1" } }
    local server = rig:server(function() return answer(302, { Location = "http://169.254.169.254/" }) end)
    local result = exchange(rig, { url = server.url, redirects = 3 })
    assert.equal("blocked_address", result.error)
    assert.equal("169.254.169.254", result.host)
  end))
end)

describe("exchanges", function()
  it("run so many at a time, the next waits for its turn within its timeout", with(function(rig)
    local open = 0
    local server = rig:server(function() open = open + 1 end)
    local results = {}
    for i = 1, RUNNING_MAX_OF_HOST + 1 do
      results[i] = assert(rig.rig:exchange { url = server.url, timeout_ms = i == 33 and 150 or 5000 })
    end
    local last = results[#results]
    assert(rig:wait(function() return last.is_done end))
    assert.equal(RUNNING_MAX_OF_HOST, open)
    assert.equal("timeout", last.error)
    assert.matches("it got no turn: a worker runs 128 exchanges at a time, 32 of one host", last.detail)
    local next_one = assert(rig.rig:exchange { url = server.url })
    results[1].cancel()
    assert(rig:wait(function() return open == RUNNING_MAX_OF_HOST + 1 end))
    next_one.cancel()
    for i = 2, RUNNING_MAX_OF_HOST do results[i].cancel() end
  end))

  it("run so many on a worker, whatever their hosts", function()
    with(function(rig)
      local names, results, open = {}, {}, 0
      local hung = rig:server(function() open = open + 1 end)
      for i = 1, 6 do names["w" .. i .. ".example"] = { "127.0.0.1" } end
      send.names(names)
      for i = 1, RUNNING_MAX + 1 do
        local host = ("w%d.example"):format(i % 6 + 1)
        results[i] = assert(rig.rig:exchange { url = hung.url:gsub("127.0.0.1", host) })
      end
      assert(rig:wait(function() return open == RUNNING_MAX end))
      rig:wait(function() return open > RUNNING_MAX end, 50)
      assert.equal(RUNNING_MAX, open)
      results[1].cancel()
      assert(rig:wait(function() return open == RUNNING_MAX + 1 end))
      for i = 2, RUNNING_MAX + 1 do results[i].cancel() end
    end)()
  end)

  it("of a host that hangs leave room for those of others", with(function(rig)
    local names, results = {}, {}
    local hung = rig:server(function() end)
    for i = 1, 9 do names["h" .. i .. ".example"] = { "127.0.0.1" } end
    send.names(names)
    for i = 1, RUNNING_MAX do
      local host = ("h%d.example"):format(i % 3 + 1)
      results[i] = assert(rig.rig:exchange { url = hung.url:gsub("127.0.0.1", host) })
    end
    local fine = rig:server(function() return ok "fine" end)
    for i = 4, 9 do
      local host = ("h%d.example"):format(i)
      assert.equal("fine", exchange(rig, { url = fine.url:gsub("127.0.0.1", host) }).body)
    end
    for i = 1, RUNNING_MAX do results[i].cancel() end
  end))

  it("hold no delivery up, though all that may run hang", with(function(rig)
    local results, names = {}, {}
    local hung = rig:server(function() end)
    for i = 1, 60 do names["n" .. i .. ".example"] = { "127.0.0.1" } end
    names["crm.example"] = { "127.0.0.1" }
    send.names(names)
    for i = 1, 60 * 4 do
      local host = ("n%d.example"):format(i % 60 + 1)
      results[i] = assert(rig.rig:exchange { url = hung.url:gsub("127.0.0.1", host) })
    end
    local fine = rig:server(function() return ok() end)
    rig:endpoint { url = fine.url:gsub("127.0.0.1", "crm.example") }
    rig:commit()
    assert.equal("succeeded", rig:settle(2000)[1].state)
    for i = 1, #results do results[i].cancel() end
  end))

  it("read no more together than there is room for", with(function(rig)
    local server = rig:server(function()
      return { "HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n" .. ("x"):rep(8388607) }
    end)
    local results = {}
    for i = 1, 9 do
      results[i] = assert(rig.rig:exchange { url = server.url, body_bytes_max = 8 << 20,
        timeout_ms = 60000 })
    end
    local refused
    assert(rig:wait(function()
      for i = 1, 9 do refused = refused or results[i].is_done and results[i] end
      return refused
    end, 20000))
    assert.equal("too_large", refused.error)
    assert.equal("the answers that are being read hold 64 MiB: try again later", refused.detail)
    for i = 1, 9 do if not results[i].is_done then results[i].cancel() end end
    local again = rig:server(function() return ok(("y"):rep(8 << 20)) end)
    assert.equal(8 << 20, #exchange(rig, { url = again.url, body_bytes_max = 8 << 20 }).body)
  end))
end)
