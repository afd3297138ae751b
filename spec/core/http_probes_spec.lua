-- F27: raw requests, each with its exact answer. What follows a good request is run; what follows
-- a refused one is not, and the connection closes.
local rig = require "core.http_rig"

local function get(target, headers)
  return ("GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n"):format(target, headers or "")
end

local function with(headers, body)
  return ("POST /a HTTP/1.1\r\n%s\r\n%s"):format(headers, body or "")
end

local function many_headers(count)
  local lines = {}
  for i = 1, count do lines[i] = ("X-%d: v\r\n"):format(i) end
  return table.concat(lines)
end

local HOST = "Host: x\r\n"
local CHUNKED = "Transfer-Encoding: chunked\r\n"

-- Name, bytes, status. A status of 200 keeps the connection, any other closes it, unless `closed`
-- says otherwise. `foreign`: the library answers, in its own words.
local probes = {
  -- Framing
  { "a stated length", with(HOST .. "Content-Length: 3\r\n", "abc"), 200 },
  { "chunks", with(HOST .. CHUNKED, "3\r\nabc\r\n0\r\n\r\n"), 200 },
  { "chunks with an extension", with(HOST .. CHUNKED, "3;a=b\r\nabc\r\n0\r\n\r\n"), 200 },
  { "the coding in capitals", with(HOST .. "Transfer-Encoding: CHUNKED\r\n", "0\r\n\r\n"), 200 },
  { "a length of zero", with(HOST .. "Content-Length: 0\r\n"), 200 },
  { "length and coding", with(HOST .. "Content-Length: 3\r\n" .. CHUNKED, "0\r\n\r\n"), 400 },
  { "coding and length", with(HOST .. CHUNKED .. "Content-Length: 3\r\n", "0\r\n\r\n"), 400 },
  { "two lengths", with(HOST .. "Content-Length: 3\r\nContent-Length: 4\r\n", "abc"), 400 },
  { "two equal lengths", with(HOST .. "Content-Length: 3\r\nContent-Length: 3\r\n", "abc"), 400 },
  { "a list of lengths", with(HOST .. "Content-Length: 3, 3\r\n", "abc"), 400, foreign = true },
  { "a negative length", with(HOST .. "Content-Length: -1\r\n", "abc"), 400, foreign = true },
  { "a signed length", with(HOST .. "Content-Length: +3\r\n", "abc"), 400, foreign = true },
  { "a hexadecimal length", with(HOST .. "Content-Length: 0x3\r\n", "abc"), 400, foreign = true },
  { "an empty length", with(HOST .. "Content-Length:\r\n", "abc"), 400, foreign = true },
  { "a length with a blank inside", with(HOST .. "Content-Length: 3 3\r\n", "abc"), 400,
    foreign = true },
  { "a length over 64 bits", with(HOST .. "Content-Length: 99999999999999999999\r\n", "abc"), 413,
    foreign = true },
  { "two codings in two headers", with(HOST .. CHUNKED .. CHUNKED, "0\r\n\r\n"), 400 },
  { "chunked twice in one header", with(HOST .. "Transfer-Encoding: chunked, chunked\r\n",
    "0\r\n\r\n"), 400 },
  { "chunked not last", with(HOST .. "Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"), 400 },
  { "chunked with a blank behind", with(HOST .. "Transfer-Encoding: chunked \r\n", "0\r\n\r\n"),
    400 },
  { "chunked with a vertical tab", with(HOST .. "Transfer-Encoding: \vchunked\r\n", "0\r\n\r\n"),
    400 },
  { "an empty coding", with(HOST .. "Transfer-Encoding:\r\n", "0\r\n\r\n"), 400 },
  { "a quoted coding", with(HOST .. 'Transfer-Encoding: "chunked"\r\n', "0\r\n\r\n"), 400 },
  { "an unknown coding", with(HOST .. "Transfer-Encoding: gzip\r\n", "abc"), 501 },
  { "an unknown coding before chunked", with(HOST .. "Transfer-Encoding: gzip, chunked\r\n",
    "0\r\n\r\n"), 501 },
  { "the identity coding", with(HOST .. "Transfer-Encoding: identity\r\n", "abc"), 501 },
  { "a coding like chunked", with(HOST .. "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 501 },
  { "chunks in HTTP/1.0", "POST /a HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n" .. CHUNKED ..
    "\r\n0\r\n\r\n", 400 },
  { "chunks in a GET", get("/a", CHUNKED) .. "3\r\nabc\r\n0\r\n\r\n", 200 },
  { "a GET with a length", get("/a", "Content-Length: 3\r\n") .. "abc", 200 },
  { "a chunk without a size", with(HOST .. CHUNKED, "\r\nabc\r\n0\r\n\r\n"), 400, foreign = true },
  { "a chunk size that is no number", with(HOST .. CHUNKED, "xyz\r\nabc\r\n0\r\n\r\n"), 400,
    foreign = true },
  { "a signed chunk size", with(HOST .. CHUNKED, "-3\r\nabc\r\n0\r\n\r\n"), 400, foreign = true },
  { "a chunk size over 64 bits", with(HOST .. CHUNKED, "fffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
    413, foreign = true },
  { "a chunk longer than stated", with(HOST .. CHUNKED, "2\r\nabc\r\n0\r\n\r\n"), 400,
    foreign = true },
  { "trailers", with(HOST .. CHUNKED, "3\r\nabc\r\n0\r\nX-Late: 1\r\n\r\n"), 200 },
  { "framing in trailers", with(HOST .. CHUNKED,
    "3\r\nabc\r\n0\r\nContent-Length: 9\r\nHost: y\r\n\r\n"), 200 },
  { "a trailer that is no header", with(HOST .. CHUNKED, "3\r\nabc\r\n0\r\nnonsense\r\n\r\n"), 400,
    foreign = true },
  { "neither length nor chunks", with(HOST), 411 },
  { "a PUT without a length", "PUT /a HTTP/1.1\r\nHost: x\r\n\r\n", 411 },
  { "a PATCH without a length", "PATCH /a HTTP/1.1\r\nHost: x\r\n\r\n", 411 },

  -- Names and values
  { "a blank before the colon", with(HOST .. "Content-Length : 3\r\n", "abc"), 400 },
  { "a tab before the colon", get("/a", "X-A\t: b\r\n"), 400 },
  { "an empty name", get("/a", ": b\r\n"), 400 },
  { "a name with a blank", get("/a", "X A: b\r\n"), 400 },
  { "a name in brackets", get("/a", "X(A): b\r\n"), 400 },
  { "an 8-bit name", get("/a", "X-\xc3\xa9: b\r\n"), 400 },
  { "a control byte in a name", get("/a", "X-\1: b\r\n"), 400 },
  { "a NUL in a name", get("/a", "X-\0A: b\r\n"), 400, foreign = true },
  { "a line without a colon", get("/a", "nonsense\r\n"), 400, foreign = true },
  { "a carriage return in a value", get("/a", "X-A: b\rc\r\n"), 400 },
  { "a control byte in a value", get("/a", "X-A: b\1c\r\n"), 400 },
  { "a DEL in a value", get("/a", "X-A: b\127c\r\n"), 400 },
  { "a NUL in a value", get("/a", "X-A: b\0c\r\n"), 400 },
  { "a NUL at a value's end", get("/a", "X-A: b\0\r\n"), 400 },
  { "a NUL in the last header's value", with(HOST .. "Content-Length: 3\0\r\n", "abc"), 400 },
  { "a folded line", get("/a", "X-A: b\r\n c\r\n"), 400 },
  { "a folded line in the middle", get("/a", "X-A: b\r\n\tc\r\nX-B: d\r\n"), 400 },
  { "a folded first line", "GET /a HTTP/1.1\r\n X-A: b\r\nHost: x\r\n\r\n", 400 },
  { "a bare line feed after a header", get("/a", "X-A: b\n"), 400 },
  { "a bare line feed after the last header", "GET /a HTTP/1.1\r\nHost: x\n\r\n", 400 },
  { "a bare line feed after the request line", "GET /a HTTP/1.1\nHost: x\r\n\r\n", 400 },
  { "a bare line feed at the head's end", "GET /a HTTP/1.1\r\nHost: x\r\n\n", 400 },
  { "bare line feeds only", "GET /a HTTP/1.1\nHost: x\n\n", 400 },
  { "a tab in a value", get("/a", "X-A: b\tc\r\n"), 200 },
  { "an 8-bit value", get("/a", "X-A: caf\xc3\xa9 \xff\r\n"), 200 },
  { "an empty value", get("/a", "X-A:\r\nX-B:  \r\n"), 200 },
  { "a value without a blank", get("/a", "X-A:b\r\n"), 200 },
  { "blanks around a value", get("/a", "X-A: \t b \t\r\n"), 200 },
  { "the same header many times", get("/a", ("X-A: b\r\n"):rep(50)), 200 },

  -- Host
  { "no Host", "GET /a HTTP/1.1\r\n\r\n", 400 },
  { "no Host in HTTP/1.0", "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200 },
  { "Host twice", "GET /a HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400 },
  { "Host twice in other letters", "GET /a HTTP/1.1\r\nHost: x\r\nhOST: y\r\n\r\n", 400 },
  { "an empty Host", "GET /a HTTP/1.1\r\nHost:\r\n\r\n", 400 },
  { "a Host with a path", "GET /a HTTP/1.1\r\nHost: x/y\r\n\r\n", 400 },
  { "a Host with a user", "GET /a HTTP/1.1\r\nHost: u@x\r\n\r\n", 400 },
  { "a Host with a blank", "GET /a HTTP/1.1\r\nHost: x y\r\n\r\n", 400 },
  { "a Host with a port", "GET /a HTTP/1.1\r\nHost: x.example:8080\r\n\r\n", 200 },
  { "an IPv6 Host", "GET /a HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 200 },

  -- Paths
  { "an encoded letter", get "/%61", 200 },
  { "a query", get "/a?b=%2e%2e/%00", 200 },
  { "an encoded NUL", get "/a%00", 400 },
  { "an encoded slash", get "/a%2fb", 400 },
  { "an encoded slash in capitals", get "/a%2Fb", 400 },
  { "a backslash", get "/a\\b", 400 },
  { "an encoded backslash", get "/a%5cb", 400 },
  { "a dot segment", get "/./a", 400 },
  { "two dots", get "/b/../a", 400 },
  { "two dots at the end", get "/a/..", 400 },
  { "encoded dots", get "/%2e%2E/a", 400 },
  { "dots inside a name", get "/a..b/...", 200 },
  { "a double encoding, decoded once", get "/%252e%252e/a", 200 },
  { "a percent sign alone", get "/a%", 400 },
  { "half a triple", get "/a%4", 400 },
  { "a triple that is no number", get "/a%zz", 400 },
  { "bytes that are no UTF-8", get "/%ff", 400 },
  { "an overlong slash", get "/%c0%af", 400 },
  { "a surrogate", get "/%ed%a0%80", 400 },
  { "encoded UTF-8", get "/caf%c3%a9", 200 },
  { "raw 8-bit bytes", get "/caf\xc3\xa9", 400 },
  { "an encoded control byte", get "/a%0d%0a", 400 },
  { "a raw control byte", get "/a\1", 400 },
  { "a tab in the target", get "/a\tb", 400 },
  { "a NUL in the target", "GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
  { "a fragment", get "/a#b", 400 },
  { "a target without a slash", get "a", 400 },
  { "an empty query", get "/a?", 200 },

  -- Request line
  { "absolute form", get "http://x/a", 200 },
  { "absolute form in capitals", get "HTTP://X/a", 200 },
  { "absolute form without a path", get "http://x", 200 },
  { "absolute form with a query only", get "http://x?b", 200 },
  { "absolute form without a host", get "http:///a", 400 },
  { "absolute form with a user", get "http://u@x/a", 400 },
  { "another scheme", get "ftp://x/a", 400 },
  { "OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
  { "CONNECT", "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
  { "TRACE, which is the handler's to refuse", "TRACE /a HTTP/1.1\r\nHost: x\r\n\r\n", 405,
    closed = false },
  { "a method in small letters", "post /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 400 },
  { "a method with a bracket", "GET( /a HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
  { "a method with a NUL", "GE\0T /a HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
  { "a made-up method", "FETCH /a HTTP/1.1\r\nHost: x\r\n\r\n", 405, closed = false },
  { "two blanks", "GET  /a HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
  { "two blanks before the version", "GET /a  HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
  { "a blank behind the version", "GET /a HTTP/1.1 \r\nHost: x\r\n\r\n", 400, foreign = true },
  { "a blank in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
  { "a leading blank", " GET /a HTTP/1.1\r\nHost: x\r\n\r\n", nil },
  { "HTTP/0.9", "GET /a\r\n\r\n", 400, foreign = true },
  { "HTTP/0.9 in HTTP/1 dress", "GET /a HTTP/0.9\r\nHost: x\r\n\r\n", 505, foreign = true },
  { "HTTP/1.2", "GET /a HTTP/1.2\r\nHost: x\r\n\r\n", 505 },
  { "HTTP/1.9", "GET /a HTTP/1.9\r\nHost: x\r\n\r\n", 505 },
  { "HTTP/2.0", "GET /a HTTP/2.0\r\nHost: x\r\n\r\n", 505, foreign = true },
  { "HTTP/1.10", "GET /a HTTP/1.10\r\nHost: x\r\n\r\n", 400, foreign = true },
  { "http/1.1 in small letters", "GET /a http/1.1\r\nHost: x\r\n\r\n", 400, foreign = true },
  { "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, foreign = true },
  { "empty lines before the request", "\r\n\r\n" .. get "/a", 200 },
  { "TLS", "\22\3\1\2\0\1\0\1\252\3\3\r\n\r\n", nil },

  -- Expect
  { "Expect: 100-continue", with(HOST .. "Content-Length: 3\r\nExpect: 100-continue\r\n", "abc"),
    200, interim = 1 },
  { "Expect in other letters", with(HOST .. "Content-Length: 3\r\nExpect: 100-Continue\r\n",
    "abc"), 200, interim = 1 },
  { "another expectation", with(HOST .. "Content-Length: 3\r\nExpect: 200-ok\r\n", "abc"), 417,
    interim = 0 },
  { "two expectations", with(HOST ..
    "Content-Length: 3\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n", "abc"), 417,
    interim = 0 },
  { "Expect with too large a body", with(HOST ..
    "Content-Length: 1000001\r\nExpect: 100-continue\r\n"), 413, interim = 0 },
  { "Expect without a body, refused",
    "TRACE /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n", 405, interim = 0 },
  { "Expect with a wrong method",
    "TRACE /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n", 405,
    interim = 0 },

  -- Limits
  { "a request line of 8 KiB", get("/" .. ("a"):rep(8192 - #"GET / HTTP/1.1")), 200 },
  { "a request line of 8 KiB and 1", get("/" .. ("a"):rep(8193 - #"GET / HTTP/1.1")), 414 },
  { "a request line over the library's buffer", get("/" .. ("a"):rep(60000)), 414, foreign = true },
  { "100 headers", get("/a", many_headers(99)), 200 },
  { "101 headers", get("/a", many_headers(100)), 431 },
  { "headers of 32 KiB", get("/a", "X-A: " .. ("a"):rep(32768 - #"Host: x\r\nX-A: \r\n\r\n") ..
    "\r\n"), 200 },
  { "headers of 32 KiB and 1", get("/a", "X-A: " ..
    ("a"):rep(32769 - #"Host: x\r\nX-A: \r\n\r\n") .. "\r\n"), 431 },
  { "all limits of the head reached at once", get("/" .. ("a"):rep(8192 - #"GET / HTTP/1.1"),
    many_headers(98) .. "X-A: " ..
      ("a"):rep(32768 - #many_headers(98) - #"Host: x\r\nX-A: \r\n\r\n") .. "\r\n"), 200 },
  { "headers over the library's buffer", get("/a", "X-A: " .. ("a"):rep(60000) .. "\r\n"), 431,
    foreign = true },
  { "a body at the limit", rig.post("/a", ("a"):rep(1000000)), 200 },
  { "a stated body over the limit", rig.post("/a", ("a"):rep(1000001)), 413 },
  { "a chunked body at the limit", rig.chunked("/a", { ("a"):rep(500000), ("b"):rep(500000) }),
    200 },
  { "a chunked body over the limit", rig.chunked("/a", { ("a"):rep(500000), ("b"):rep(500001) }),
    413 },
  { "as much chunked surplus as is dropped", rig.chunked("/a", { ("a"):rep(1000000),
    ("b"):rep(1024 * 1024) }), 413 },
  { "more surplus than that", rig.chunked("/a", { ("a"):rep(1000000),
    ("b"):rep(1024 * 1024 + 1) }), nil },
  { "1,000 tiny chunks", rig.chunked("/a", (function()
    local chunks = {}
    for i = 1, 1000 do chunks[i] = "a" end
    return chunks
  end)()), 400 },
  { "64 tiny chunks", rig.chunked("/a", (function()
    local chunks = {}
    for i = 1, 64 do chunks[i] = "a" end
    return chunks
  end)()), 200 },

  -- Methods that say little
  { "DELETE without a body", "DELETE /a HTTP/1.1\r\nHost: x\r\n\r\n", 200 },
}

local KNOWN = { GET = true, HEAD = true, POST = true, PUT = true, PATCH = true, DELETE = true }

local function callbacks(log)
  return {
    head = function(request)
      if not KNOWN[request:method()] then
        return request:refuse(405, "method_not_allowed", "POST here", { allow = "POST" })
      end
      request:accept(1000000)
    end,
    request = function(request)
      log[#log + 1] = request:path()
      request:respond(200, "{}")
    end,
  }
end

local function statuses(answers)
  local list = {}
  for i, answer in ipairs(answers) do list[i] = answer.status end
  return list
end

local function judge_kept(probe, answers, log)
  assert.are.same({ probe[3], 200 }, statuses(answers))
  assert.are.equal("again", answers.state)
  assert.are.equal("/second", log[#log])
end

local function judge_closed(probe, answers, log)
  assert.are.same({ probe[3] }, statuses(answers))
  assert.are_not.equal("again", answers.state)
  if answers[1] then assert.are.equal("close", answers[1].headers.connection) end
  for _, path in ipairs(log) do assert.are_not.equal("/second", path) end
end

local function judge(probe, answers, log)
  local is_kept = probe[3] == 200 or probe.closed == false
  local judge_end = is_kept and judge_kept or judge_closed
  judge_end(probe, answers, log)
  if answers[1] and probe[3] ~= 200 and not probe.foreign then
    assert.is_truthy(answers[1].body:match '^{"code":"[%w_]+","detail":".+"}$')
    assert.are.equal("application/json; charset=utf-8", answers[1].headers["content-type"])
  end
  if probe.interim then assert.are.equal(probe.interim, answers.interim) end
end

-- cut(bytes) gives the pieces in which to send the probe and what is pipelined behind it.
local function run(probe, cut)
  local log = {}
  rig.run(callbacks(log), nil, function(it)
    judge(probe, it:exchange(cut(probe[2] .. get "/second"), 2), log)
  end)
end

describe("a raw request", function()
  it("is one of at least 70", function()
    assert.is_true(#probes >= 70)
  end)

  for _, probe in ipairs(probes) do
    it(("with %s gets %s"):format(probe[1], probe[3] or "no answer"), function()
      run(probe, function(bytes) return { bytes } end)
    end)
  end
end)

describe("a raw request in two pieces", function()
  local seed = tonumber(os.getenv "ANZOL_SEED") or os.time()
  local rounds = os.getenv "ANZOL_LONG" == "1" and 50 or 1

  for _, probe in ipairs(probes) do
    it(("with %s gets the same answer (ANZOL_SEED=%d)"):format(probe[1], seed), function()
      math.randomseed(seed)
      for _ = 1, rounds do
        local place = math.random(1, #probe[2])
        run(probe, function(bytes) return { bytes:sub(1, place), bytes:sub(place + 1) } end)
      end
    end)
  end
end)

describe("a raw request byte by byte", function()
  for _, probe in ipairs(probes) do
    if #probe[2] < 400 then
      it(("with %s gets the same answer"):format(probe[1]), function()
        run(probe, function(bytes)
          local pieces = {}
          for i = 1, #bytes do pieces[i] = bytes:sub(i, i) end
          return pieces
        end)
      end)
    end
  end
end)
