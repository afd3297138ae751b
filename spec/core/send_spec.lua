-- SPDX-License-Identifier: MIT
-- One attempt (core/send): what goes out, and what every kind of receiver makes of it.
local rigs = require "core.send_rig"

local with, ok, answer = rigs.with, rigs.ok, rigs.answer

describe("a request", function()
  it("is the message as it is, to the endpoint's URL", with(function(rig)
    local server = rig:server(function() return ok() end)
    rig:endpoint { url = server.url .. "?a=b%20c" }
    rig:commit { body = "\0\1\255 bytes", headers = { { "Content-Type", "application/json" } } }
    rig:settle()
    local request = server.requests[1]
    assert.matches("^POST /hook%?a=b%%20c HTTP/1.1\r\n", request.head)
    assert.equal("\0\1\255 bytes", request.body)
    local headers = rigs.headers(request)
    assert.equal("application/json", headers["content-type"])
    assert.equal("anzol-spec/1", headers["user-agent"])
    assert.equal("9", headers["content-length"])
    assert.is_nil(headers.expect)
    assert.is_nil(headers["accept-encoding"])
  end))

  it("of more than a MiB expects no 100", with(function(rig)
    local body = ("x"):rep(3 * 1024 * 1024)
    local server = rig:server(function() return ok() end)
    rig:endpoint { url = server.url }
    rig:commit { body = body }
    rig:settle()
    assert.is_true(body == server.requests[1].body)
    assert.is_nil(rigs.headers(server.requests[1]).expect)
  end))

  it("of a forwarded body takes its type and coding along, nothing else", with(function(rig)
    local server = rig:server(function() return ok() end)
    rig:endpoint { url = server.url }
    rig:commit { forwarded = true, headers = { { ":method", "PUT" }, { ":path", "/in/x" },
      { "Host", "here" }, { "Content-Type", "text/xml" }, { "Content-Encoding", "gzip" },
      { "Authorization", "Bearer hush" }, { "X-Secret", "hush" } } }
    rig:settle()
    local headers = rigs.headers(server.requests[1])
    assert.matches("^POST /hook ", server.requests[1].head)
    assert.equal("text/xml", headers["content-type"])
    assert.equal("gzip", headers["content-encoding"])
    assert.is_nil(headers.authorization)
    assert.is_nil(headers["x-secret"])
  end))

  it("has the endpoint's headers, and the message's before them", with(function(rig)
    local server = rig:server(function() return ok() end)
    rig:endpoint { url = server.url, headers = { { "X-One", "endpoint" }, { "X-Two", "endpoint" },
      { "X-Empty", "" } } }
    rig:commit { headers = { { "x-two", "message" } } }
    rig:settle()
    local headers = rigs.headers(server.requests[1])
    assert.equal("endpoint", headers["x-one"])
    assert.equal("message", headers["x-two"])
    assert.equal("", headers["x-empty"])
  end))

  it("never takes framing headers from anybody", with(function(rig)
    local framing = { { "Host", "elsewhere" }, { "content-length", "1" },
      { "Transfer-Encoding", "chunked" }, { "CONNECTION", "close" } }
    local server = rig:server(function() return ok() end)
    rig:endpoint { url = server.url, headers = framing }
    rig:commit { body = "four", headers = framing }
    rig:settle()
    local headers = rigs.headers(server.requests[1])
    assert.equal("127.0.0.1:" .. server.port, headers.host)
    assert.equal("4", headers["content-length"])
    assert.is_nil(headers["transfer-encoding"])
    assert.is_nil(headers.connection)
    assert.equal("four", server.requests[1].body)
  end))

  it("is not made with a header that would break its lines", with(function(rig)
    local server = rig:server(function() return ok() end)
    rig:endpoint { url = server.url, attempts = 1 }
    rig:commit { headers = { { "X", "a\r\nY: b" } } }
    rig:commit { headers = { { "X Y", "b" } } }
    rig:commit { headers = { { "X", "a\0b" } } }
    for _, row in ipairs(rig:settle()) do
      assert.equal("dead", row.state)
      assert.equal("script", row.attempts[1].error)
      assert.matches("X", row.attempts[1].detail, 1, true)
    end
    assert.equal(0, #server.requests)
  end))

  for _, method in ipairs { "PUT", "PATCH", "DELETE", "POST" } do
    it("can be a " .. method, with(function(rig)
      local server = rig:server(function() return ok() end)
      rig:endpoint { url = server.url, method = method }
      for _ = 1, 2 do
        rig:commit { body = "body" }
        rig:settle()
      end
      for i = 1, 2 do
        assert.matches("^" .. method .. " /hook ", server.requests[i].head)
        assert.equal("body", server.requests[i].body)
      end
    end))
  end

  it("can be a GET, and the next one a POST again", with(function(rig)
    local server = rig:server(function() return ok() end)
    rig:endpoint { url = server.url }
    rig:commit { body = "", headers = { { ":method", "GET" } } }
    rig:settle()
    rig:commit { body = "body" }
    rig:settle()
    assert.matches("^GET ", server.requests[1].head)
    assert.matches("^POST ", server.requests[2].head)
    assert.equal("body", server.requests[2].body)
  end))

  it("is signed anew in each attempt, with the same message id", with(function(rig)
    local signature = require "anzol_test.signature"
    local secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    local server = rig:server(function(_, it)
      return #it.requests < 2 and answer(503) or ok()
    end)
    rig:endpoint { url = server.url, sign = secret, retry_ms = 1100 }
    local id = rig:commit { body = "signed" }
    rig:settle()
    local times = {}
    for i, request in ipairs(server.requests) do
      local headers = rigs.headers(request)
      assert.equal(id, headers["webhook-id"])
      times[i] = tonumber(headers["webhook-timestamp"])
      assert.is_true((signature.verify({ kind = "standard", secrets = { secret } },
        { { "webhook-id", id }, { "webhook-timestamp", headers["webhook-timestamp"] },
          { "webhook-signature", headers["webhook-signature"] } }, request.body, times[i] * 1000)))
    end
    assert.is_true(times[2] > times[1])
  end))

  it("goes out as transform made it", with(function(rig)
    local server = rig:server(function() return ok() end)
    rig.rig:hooks { transform = function(body)
      return { body = body:upper(), headers = { { "Content-Type", "text/plain" } } }
    end }
    rig:endpoint { url = server.url, transform = true }
    rig:commit { body = "quiet" }
    rig:settle()
    assert.equal("QUIET", server.requests[1].body)
    assert.equal("text/plain", rigs.headers(server.requests[1])["content-type"])
  end))

  it("is not made when transform skips it: the delivery is cancelled", with(function(rig)
    local server = rig:server(function() return ok() end)
    rig.rig:hooks { transform = function() return { skip = "not today" } end }
    rig:endpoint { url = server.url, transform = true }
    rig:commit()
    local row = rig:settle()[1]
    assert.equal("cancelled", row.state)
    assert.equal("not today", row.reason)
    assert.equal(0, #row.attempts)
    assert.equal(0, #server.requests)
  end))

  it("that transform fails to make is a failed attempt", with(function(rig)
    local server = rig:server(function() return ok() end)
    rig.rig:hooks { transform = function() return { error = "x.lua:1: oh" } end }
    rig:endpoint { url = server.url, transform = true, attempts = 2 }
    rig:commit()
    local row = rig:settle()[1]
    assert.equal("dead", row.state)
    assert.equal(2, #row.attempts)
    assert.equal("script", row.attempts[1].error)
    assert.equal("x.lua:1: oh", row.attempts[1].detail)
    assert.equal(0, #server.requests)
  end))
end)

describe("an answer", function()
  it("of 2xx is success, with its headers and body kept", with(function(rig)
    for _, status in ipairs { 200, 201, 202, 204, 299 } do
      local server = rig:server(function()
        return status == 204 and "HTTP/1.1 204 No\r\nX-Y: z\r\n\r\n"
          or answer(status, { ["X-Y"] = "z" }, "taken")
      end)
      rig:endpoint { url = server.url }
      rig:commit()
      local rows = rig:settle()
      local row = rows[#rows]
      assert.equal("succeeded", row.state)
      assert.equal(status, row.attempts[1].status)
      assert.equal("", row.attempts[1].error)
      assert.equal("z", row.attempts[1].head["X-Y"])
      assert.equal(status == 204 and "" or "taken", row.attempts[1].body)
    end
  end))

  for _, status in ipairs { 300, 400, 404, 500, 503 } do
    it("of " .. status .. " is tried again", with(function(rig)
      local attempt = rig:first_attempt(function() return answer(status, {}, "why") end)
      assert.equal("retrying", attempt.state)
      assert.equal(status, attempt.status)
      assert.equal("", attempt.error)
      assert.equal("why", attempt.body)
    end))
  end

  it("of 3xx is not followed", with(function(rig)
    local target = rig:server(function() return ok() end)
    for _, status in ipairs { 301, 302, 303, 307, 308 } do
      local server = rig:server(function() return answer(status, { Location = target.url }) end)
      rig:endpoint { url = server.url, attempts = 1 }
      rig:commit()
      local rows = rig:settle()
      assert.equal("dead", rows[#rows].state)
      assert.equal(status, rows[#rows].attempts[1].status)
    end
    assert.equal(0, #target.requests)
  end))

  it("of 410 kills the delivery and disables the endpoint; the others stay", with(function(rig)
    local server = rig:server(function() return answer(410) end)
    rig:endpoint { url = server.url, concurrency = 1 }
    for _ = 1, 5 do rig:commit() end
    rig:attempts(1)
    rig:wait(nil, 50)
    local rows = rig.rig:rows()
    assert.equal("dead", rows[1].state)
    assert.matches("410", rows[1].reason)
    for i = 2, 5 do assert.equal("pending", rows[i].state) end
    assert.equal(1, #server.requests)
    assert.same({ { name = "endpoint", state = "disabled",
      reason = "the receiver answered 410 Gone" } }, rig.rig:states())
    -- Enabled again with another URL they flow.
    local other = rig:server(function() return ok() end)
    rig:endpoint { url = other.url }
    rig:settle()
    assert.equal(4, #other.requests)
  end))

  it("up to 64 KiB is kept whole, a longer one is cut and still counts", with(function(rig)
    for _, case in ipairs { { 65536, false }, { 65537, true }, { 1024 * 1024, true } } do
      local body = ("b"):rep(case[1])
      local server = rig:server(function() return ok(body) end)
      rig:endpoint { url = server.url }
      rig:commit()
      local rows = rig:settle()
      local attempt = rows[#rows].attempts[1]
      assert.equal("succeeded", rows[#rows].state)
      assert.equal(200, attempt.status)
      assert.equal(case[2], attempt.is_cut)
      assert.equal(math.min(case[1], 65536), #attempt.body)
    end
  end))

  it("that never ends is cut at 64 KiB and counts", with(function(rig)
    local attempt = rig:first_attempt(function()
      return { "HTTP/1.1 200 OK\r\n\r\n", endless = ("b"):rep(10000) }
    end)
    assert.equal("succeeded", attempt.state)
    assert.is_true(attempt.is_cut)
    assert.equal(65536, #attempt.body)
  end))

  it("is not decoded", with(function(rig)
    local attempt = rig:first_attempt(function()
      return answer(200, { ["Content-Encoding"] = "gzip" }, "not gzip at all")
    end)
    assert.equal("succeeded", attempt.state)
    assert.equal("not gzip at all", attempt.body)
  end))

  it("with chunks and trailers keeps its headers apart from the trailers", with(function(rig)
    local attempt = rig:first_attempt(function()
      return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
        .. "3\r\nabc\r\n0\r\nX-T: late\r\n\r\n"
    end)
    assert.equal("succeeded", attempt.state)
    assert.equal("abc", attempt.body)
    assert.is_nil(attempt.head["X-T"])
  end))

  it("of 2xx counts when its body is cut off, reset or never comes", with(function(rig)
    for name, behaviour in pairs {
      close = { "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", close = true },
      reset = { "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", reset = true },
      chunks = { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" },
      silence = { "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc" },
    } do
      local server = rig:server(function() return behaviour end)
      rig:endpoint { url = server.url, timeout_ms = 300 }
      rig:commit()
      local rows = rig:settle()
      assert.equal("succeeded", rows[#rows].state, name .. ": " .. rows[#rows].attempts[1].detail)
      assert.equal(200, rows[#rows].attempts[1].status, name)
      assert.is_true(rows[#rows].attempts[1].is_cut, name)
    end
  end))

  it("may come after 16 interim ones, not after 17", with(function(rig)
    for _, count in ipairs { 1, 16, 17 } do
      local server = rig:server(function()
        return ("HTTP/1.1 103 Early\r\nLink: x\r\n\r\n"):rep(count) .. ok("end")
      end)
      rig:endpoint { url = server.url, attempts = 1 }
      rig:commit()
      local rows = rig:settle()
      local attempt = rows[#rows].attempts[1]
      if count <= 16 then
        assert.equal(200, attempt.status)
        assert.equal("end", attempt.body)
        assert.is_nil(attempt.head.Link)
      else
        assert.equal("protocol", attempt.error)
        assert.equal(0, attempt.status)
      end
    end
  end))
end)

-- name, behaviour of the server (nil: nobody listens), the error, and options of the endpoint.
local failures = {
  { "that refuses", nil, "connect" },
  { "that never answers", function() end, "timeout", { timeout_ms = 200 } },
  { "that hangs up on accept", { accept = "close" }, "reset" },
  { "that resets on accept", { accept = "reset" }, nil },
  { "that hangs up without an answer", function() return { "", close = true } end, "reset" },
  { "that resets without an answer", function() return { "", reset = true } end, "reset" },
  { "that hangs up in the status line", function()
    return { "HTTP/1.1 20", close = true }
  end, nil },
  { "that resets in the headers", function()
    return { "HTTP/1.1 200 OK\r\nContent-Le", reset = true }
  end, "reset" },
  { "that stops in the headers", function()
    return "HTTP/1.1 200 OK\r\nContent-Le"
  end, "timeout", { timeout_ms = 200 } },
  { "that drips for ever", function()
    return { "HTTP/1.1 100 Continue\r\n", endless = "" }
  end, "timeout", { timeout_ms = 200 } },
  { "of garbage", function() return { "\1\2\3garbage\r\n\r\n", close = true } end, "protocol" },
  { "of HTTP/0.9", function() return { "<html>", close = true } end, "protocol" },
  { "of another protocol", function() return { "SSH-2.0-OpenSSH_9.2\r\n", close = true } end,
    "protocol" },
  { "of a garbage status", function() return "HTTP/1.1 xyz OK\r\n\r\n" end, "protocol" },
  { "with a status of four digits", function() return "HTTP/1.1 2000 OK\r\n\r\n" end, "protocol" },
  { "with endless headers", function()
    return { "HTTP/1.1 200 OK\r\n", endless = ("X-H: " .. ("h"):rep(100) .. "\r\n"):rep(10) }
  end, "protocol" },
  { "with one endless header line", function()
    return { "HTTP/1.1 200 OK\r\nX: ", endless = ("h"):rep(10000) }
  end, "protocol" },
  { "with an endless status line", function()
    return { "HTTP/1.1 200 ", endless = ("h"):rep(10000) }
  end, "protocol" },
  { "with endless interim answers", function()
    return { "", endless = "HTTP/1.1 102 Processing\r\n\r\n" }
  end, "protocol" },
  { "with a negative length", function()
    return "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"
  end, "protocol" },
}

describe("a receiver", function()
  for _, failure in ipairs(failures) do
    local name, behaviour, wanted, options = table.unpack(failure, 1, 4)
    it(name .. (wanted and " is a " .. wanted .. " error" or " is an error"), with(function(rig)
      local spec = options or {}
      if not behaviour then spec.url = "http://127.0.0.1:" .. rigs.closed_port(rig) .. "/" end
      local attempt = rig:first_attempt(behaviour, spec)
      assert.equal("retrying", attempt.state)
      assert.equal(0, attempt.status)
      if wanted then assert.equal(wanted, attempt.error) end
      assert.not_equal("", attempt.error)
      assert.is_true(#attempt.detail > 0)
      assert.is_true(attempt.duration_ms <= (spec.timeout_ms or 2000) + 200)
    end))
  end

  it("that speaks no TLS is a tls error", with(function(rig)
    local server = rig:server(function() return ok() end)
    local attempt = rig:first_attempt(nil,
      { url = "https://127.0.0.1:" .. server.port .. "/", timeout_ms = 500 })
    assert.equal("retrying", attempt.state)
    assert.is_true(attempt.error == "tls" or attempt.error == "timeout", attempt.error)
  end))

  it("with a wrong length gets no second answer into the next request", with(function(rig)
    local server = rig:server(function()
      return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 Smuggled\r\n\r\n"
    end)
    rig:endpoint { url = server.url, concurrency = 1, attempts = 1 }
    for _ = 1, 5 do rig:commit() end
    for _, row in ipairs(rig:settle()) do assert.equal("succeeded", row.state) end
  end))
end)

describe("Retry-After", function()
  local function retry_after(rig, value)
    local attempt = rig:first_attempt(function()
      return answer(429, { ["Retry-After"] = value })
    end, { retry_ms = 10000 })
    local row = rig.rig:rows()[1]
    return attempt.retry_after_ms, row.due_ms - attempt.started_ms
  end

  -- value, what it is read as in seconds (nil: nothing).
  for _, case in ipairs { { "120", 120 }, { "0", 0 }, { "86400", 86400 }, { "86401", 86400 },
    { "99999999999999999999999", 86400 }, { "-5" }, { "1.5" }, { "soon" }, { "" },
    { "12 apples" } } do
    it(("of %q is %s"):format(case[1], case[2] and case[2] .. " s" or "ignored"), with(function(rig)
      local ms, delay_ms = retry_after(rig, case[1])
      assert.equal(case[2] and case[2] * 1000 or -1, ms)
      -- The later of both.
      local wanted = math.max(case[2] and case[2] * 1000 or 0, 10000)
      -- Due clock and wall clock tick their milliseconds each for itself.
      assert.is_true(delay_ms >= wanted - 1 and delay_ms < wanted + 1000, "delay " .. delay_ms)
    end))
  end

  it("may be a date", with(function(rig)
    local ms = retry_after(rig, os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + 300))
    assert.is_true(ms > 297000 and ms <= 300000, tostring(ms))
  end))
  it("may be a date that is past", with(function(rig)
    assert.equal(0, (retry_after(rig, "Sun, 06 Nov 1994 08:49:37 GMT")))
  end))
  it("may be a date far off, capped at a day", with(function(rig)
    assert.equal(86400000, (retry_after(rig, "Sun, 06 Nov 2094 08:49:37 GMT")))
  end))
end)

describe("a kept connection", function()
  it("is used again", with(function(rig)
    local server = rig:server(function() return ok() end)
    rig:endpoint { url = server.url, concurrency = 1 }
    for _ = 1, 20 do rig:commit() end
    rig:settle()
    assert.equal(20, #server.requests)
    for _, request in ipairs(server.requests) do assert.equal(1, request.connection) end
  end))

  it("closed under us costs one silent new try", with(function(rig)
    -- Each connection answers once and hangs up on its second request, before a byte.
    local server = rig:server(function(request)
      return request.number == 1 and ok() or { "", close = true }
    end)
    rig:endpoint { url = server.url, concurrency = 1 }
    local count = os.getenv "ANZOL_LONG" == "1" and 10000 or 200
    for _ = 1, count do rig:commit() end
    for _, row in ipairs(rig:settle(60000)) do
      assert.equal("succeeded", row.state)
      assert.equal(1, #row.attempts)
    end
  end))

  it("reset under us costs one silent new try", with(function(rig)
    local server = rig:server(function(request)
      return request.number == 1 and ok() or { "", reset = true }
    end)
    rig:endpoint { url = server.url, concurrency = 4 }
    for _ = 1, 100 do rig:commit() end
    for _, row in ipairs(rig:settle(60000)) do
      assert.equal("succeeded", row.state)
      assert.equal(1, #row.attempts)
    end
  end))

  it("that ends after its answer is just not used again", with(function(rig)
    local server = rig:server(function()
      return { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", close = true }
    end)
    rig:endpoint { url = server.url, concurrency = 2 }
    for _ = 1, 50 do rig:commit() end
    for _, row in ipairs(rig:settle()) do
      assert.equal("succeeded", row.state)
      assert.equal(1, #row.attempts)
    end
  end))

  it("given up while it is made leaves nothing behind", with(function(rig)
    local server = rig:server(function() return ok() end)
    for _ = 1, 5 do
      rig:endpoint { url = "http://127.0.0.1:" .. server.port .. "/", concurrency = 8 }
      for _ = 1, 8 do rig:commit() end
      rig:wait(function() return rig.rig:counts().in_flight > 0 end)
      rig.rig:restart(0)
      rig:endpoint { url = server.url, concurrency = 8 }
      rig.rig:start()
      rig:settle()
    end
    assert.is_true(#server.requests >= 40)
  end))

  it("that is closed while it is idle is not noticed by a delivery", with(function(rig)
    local server = rig:server(function() return ok() end)
    rig:endpoint { url = server.url, concurrency = 8 }
    for _ = 1, 8 do rig:commit() end
    rig:settle()
    server.close()
    rig:wait(nil, 20)
    local other = rig:server(function() return ok() end)
    rig:endpoint { url = other.url, concurrency = 8 }
    for _ = 1, 8 do rig:commit() end
    for _, row in ipairs(rig:settle()) do assert.equal(1, #row.attempts) end
  end))
end)

describe("the address guard", function()
  local function literal_forms(port)
    return { "http://127.0.0.1:" .. port, "http://0x7f000001:" .. port,
      "http://2130706433:" .. port, "http://0177.0.0.1:" .. port, "http://127.1:" .. port,
      "http://0:" .. port, "http://[::ffff:7f00:1]:" .. port, "http://[::1]:" .. port,
      "http://localhost:" .. port, "http://foo.localhost:" .. port, "http://localhost.:" .. port,
      "http://①②⑦.⓪.⓪.①:" .. port, "http://127。0。0。1:" .. port, "http://[::]:" .. port,
      "http://[fe80::1%25lo]:" .. port, "http://[64:ff9b::7f00:1]:" .. port }
  end

  it("refuses every way to write loopback, and no byte arrives", with(function(rig)
    local server = rig:server(function() return ok() end)
    local forms = literal_forms(server.port)
    for _, url in ipairs(forms) do
      rig:endpoint { url = url .. "/", public_only = true, attempts = 1 }
      rig:commit()
      local rows = rig:settle()
      local attempt = rows[#rows].attempts[1]
      -- A name that is not ASCII never gets as far as a registration.
      local wanted = url:find "[\128-\255]" and "protocol"
        or url:find("localhost.:", 1, true) and attempt.error == "dns" and "dns"
        or "blocked_address"
      assert.equal(wanted, attempt.error, url .. " " .. attempt.status .. " " .. attempt.detail)
    end
    assert.equal(0, #server.requests)
  end))

  it("names the option that allows a private address", with(function(rig)
    local server = rig:server(function() return ok() end)
    local attempt = rig:first_attempt(nil, { url = server.url, public_only = true })
    assert.equal("blocked_address", attempt.error)
    assert.matches("allow_private = true", attempt.detail, 1, true)
    assert.matches("127.0.0.0/8", attempt.detail, 1, true)
  end))

  it("refuses link-local and metadata even where private is allowed", with(function(rig)
    for _, host in ipairs { "169.254.169.254", "100.100.100.200", "[fd00:ec2::254]",
      "[fe80::1]", "[::ffff:a9fe:a9fe]" } do
      rig:endpoint { url = "http://" .. host .. ":8080/", attempts = 1 }
      rig:commit()
      local rows = rig:settle()
      assert.equal("blocked_address", rows[#rows].attempts[1].error, host)
      assert.not_matches("allow_private", rows[#rows].attempts[1].detail, 1, true)
    end
  end))

  it("judges a kept connection too: one endpoint's never serves another", with(function(rig)
    local server = rig:server(function() return ok() end)
    local open = { name = "open", id = 1, url = server.url }
    local shut = { name = "shut", id = 2, url = server.url, public_only = true, attempts = 1 }
    rig:endpoints { open, shut }
    for _ = 1, 3 do
      rig:commit({}, "open")
      rig:settle()
      rig:commit({}, "shut")
      local rows = rig:settle()
      assert.equal("blocked_address", rows[#rows].attempts[1].error)
    end
    assert.equal(3, #server.requests)
    -- The same endpoint, no longer allowed.
    open.public_only = true
    open.attempts = 1
    rig:endpoints { open, shut }
    rig:commit({}, "open")
    local rows = rig:settle()
    assert.equal("blocked_address", rows[#rows].attempts[1].error)
    assert.equal(3, #server.requests)
  end))

  it("ignores the proxies of the environment", with(function(rig)
    -- ANZOL_SPEC_PROXY is set by nobody: the variables are those that curl reads.
    local server = rig:server(function() return ok() end)
    local attempt = rig:first_attempt(nil, { url = server.url })
    assert.equal("succeeded", attempt.state)
  end))
end)
