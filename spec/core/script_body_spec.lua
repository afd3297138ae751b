-- SPDX-License-Identifier: MIT
-- Bodies as senders make them: compressed, forms of both kinds, hostile ones (core/script/body.c,
-- inflate.c, form.c; F33). What is wrong with a body is the sender's fault: 400 or 413.
local files = require "support.files"
local process = require "anzol_test.process"
local rig = require "core.script_rig"
local wait = require "support.wait"
local script = rig.script

local GZIP_MS = 20000

local function gzip(text)
  local dir = files.temp_dir()
  files.write(dir .. "/body", text)
  -- Not by io.popen: the shell does not bear the library of a sanitizer.
  local child = process.spawn { argv = { "gzip", "-nc", dir .. "/body" }, env = { LD_PRELOAD = false },
    output = dir .. "/gzip" }
  child:wait(GZIP_MS * wait.patience)
  child:kill(9)
  local out = files.read(dir .. "/gzip")
  files.remove(dir)
  return out
end

local function adler32(text)
  local a, b = 1, 0
  for i = 1, #text do
    a = (a + text:byte(i)) % 65521
    b = (b + a) % 65521
  end
  return b << 16 | a
end

-- One stored block: what deflate makes of text it cannot shorten.
local function raw_deflate(text)
  return "\x01" .. string.pack("<I2I2", #text, ~#text & 0xffff) .. text
end
local function deflate(text) return "\x78\x01" .. raw_deflate(text) .. string.pack(">I4", adler32(text)) end

-- The source of each spec; its type is what the expression says of req.
local function admit(expression, request, options)
  local project = rig.project(([[anzol.source("s", { verify = anzol.verify.none(), %s
    type = function(req) return "t." .. tostring(%s) end })]]):format(options or "", expression))
  return project:admit("s", request)
end
local function coded(coding, body, content_type)
  return { body = body, headers = { { "Content-Encoding", coding },
    { "Content-Type", content_type or "application/json" } } }
end

describe("a compressed body", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  it("is inflated where json and form are asked for", function()
    local json, form = '{"n":42}', "a=1&b=two"
    for coding, encode in pairs { gzip = gzip, ["x-gzip"] = gzip, GZIP = gzip, deflate = deflate } do
      assert.equal("t.42", admit("req.json.n", coded(coding, encode(json))).type)
      assert.equal("t.two", admit("req.form.b", coded(coding, encode(form), "text/plain")).type)
    end
    assert.equal("t.42", admit("req.json.n", coded("deflate", raw_deflate(json))).type)
    assert.equal("t.42", admit("req.json.n", coded("identity", json)).type)
  end)

  it("may be several files of gzip behind one another", function()
    assert.equal("t.7", admit("req.json.n", coded("gzip", gzip '{"n":' .. gzip "7}")).type)
  end)

  it("stays in req.body as it came", function()
    local body = gzip '{"n":1}'
    assert.equal("t." .. #body, admit("#req.body", coded("gzip", body)).type)
  end)

  it("is malformed when it is cut, changed or more than it says", function()
    local body = gzip('{"n":"' .. ("x"):rep(100) .. '"}')
    assert.equal("ok", admit("#req.json.n", coded("gzip", body)).outcome)
    for _, bad in ipairs { body:sub(1, -2), body:sub(1, 12), body .. "x", "{}",
      body:sub(1, -9) .. ("\0"):rep(8) } do
      assert.equal("malformed", admit("req.json.n", coded("gzip", bad)).outcome)
    end
    assert.equal("malformed", admit("req.json", coded("deflate", deflate "{}" .. "x")).outcome)
  end)

  it("is malformed in a coding that is not known, or in two", function()
    local result = admit("req.json.n", coded("br", "x"))
    assert.equal("malformed", result.outcome)
    assert.matches("content%-encoding is neither gzip nor deflate", result.reason)
    assert.equal("malformed", admit("req.json", coded("gzip, gzip", gzip(gzip "{}"))).outcome)
  end)

  it("may inflate to max_body and not one byte more", function()
    local function text(bytes) return '"' .. ("ab"):rep(bytes):sub(1, bytes - 2) .. '"' end
    local options = 'max_body = "8KiB",'
    -- Barely compressible, or the ratio would come first.
    local function noise(bytes)
      local rest = {}
      local x = 12345
      for i = 1, bytes - 2 do
        x = (x * 1103515245 + 12345) % 2147483648
        rest[i] = string.char(97 + (x >> 16) % 26)
      end
      return '"' .. table.concat(rest) .. '"'
    end
    assert.equal("ok", admit("#req.json", coded("gzip", gzip(noise(8192))), options).outcome)
    assert.equal("too_large", admit("#req.json", coded("gzip", gzip(noise(8193))), options).outcome)
    assert.equal("too_large", admit("#req.json", coded("gzip", gzip(text(100000)))).outcome)
  end)

  it("costs little when it is a bomb", function()
    local bomb = gzip(("\0"):rep(64 * 1024 * 1024))
    local start = os.clock()
    local result = admit("req.json", coded("gzip", bomb), 'max_body = "1MiB",')
    assert.equal("too_large", result.outcome)
    assert.is_true(os.clock() - start < 0.1 * rig.patience)
  end)

  it("is inflated in event.data, forwarded as it came", function()
    local project = rig.handler "assert(event.data.n == 5) assert(event:get 'n' == 5) event:send 'out'"
    local event = coded("gzip", gzip '{"n":5}')
    local result = project:run("main", event)
    assert.equal("handled", result.outcome)
    assert.equal(event.body, result.messages[1].body)
    assert.equal("gzip", result.messages[1].head[1][2])
  end)

  it("is an error in a handler when it inflates to too much", function()
    local result = rig.handler("return event.data"):run("main",
      coded("gzip", gzip(("\0"):rep(2000000))))
    assert.equal("failed", result.outcome)
    assert.matches("event.data: the body is not JSON: the body inflates to more than is taken",
      result.text)
  end)
end)

describe("a form of several parts", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  local function parts(list, options)
    options = options or {}
    local body = options.preamble or ""
    for _, part in ipairs(list) do
      body = body .. ("--b7\r\nContent-Disposition: form-data; name=\"%s\"%s\r\n\r\n%s\r\n"):format(
        part[1], part[3] or "", part[2])
    end
    return { body = body .. (options.tail or "--b7--\r\n"), headers = { { "Content-Type",
      options.type or "multipart/form-data; boundary=b7" } } }
  end

  it("gives the bytes of each part by its name; the last of a name counts", function()
    local list = { { "a", "1" }, { "f", "\0\r\n--b\r\n", '; filename="a;b"\r\nContent-Type: image/png' },
      { "a", "2" }, { "empty", "" } }
    assert.equal("t.2", admit("req.form.a", parts(list)).type)
    assert.equal("t.8", admit("#req.form.f", parts(list)).type)
    assert.equal("t.0", admit("#req.form.empty", parts(list)).type)
    assert.equal("t.2", admit("req.form.a", parts(list, { preamble = "ignored\r\n",
      type = 'Multipart/Form-Data; charset=utf-8; Boundary="b7"' })).type)
  end)

  it("is event.data too", function()
    assert.equal("handled", rig.handler("assert(event.data.a == '1')"):run("main",
      parts { { "a", "1" } }).outcome)
  end)

  it("is malformed without a boundary, an end, or a name", function()
    local one = { { "a", "1" } }
    for _, options in ipairs { { type = "multipart/form-data" }, { tail = "" },
      { type = "multipart/form-data; boundary=" .. ("b"):rep(71) }, { tail = "--b7 x" },
      { type = "multipart/form-data; boundary=other" } } do
      assert.equal("malformed", admit("req.form.a", parts(one, options)).outcome)
    end
    local nameless = parts(one)
    nameless.body = nameless.body:gsub('name="a"', "x=y")
    assert.equal("malformed", admit("req.form.a", nameless).outcome)
    nameless.body = "--b7\r\nContent-Disposition: form-data; name=a"
    assert.equal("malformed", admit("req.form.a", nameless).outcome)
  end)

  it("has at most 1,000 fields with names of at most 8 KiB", function()
    local function list(count)
      local all = {}
      for i = 1, count do all[i] = { "f" .. i, "v" } end
      return parts(all)
    end
    assert.equal("t.v", admit("req.form.f1000", list(1000)).type)
    assert.equal("too_large", admit("req.form.f1", list(1001)).outcome)
    assert.equal("ok", admit("req.form.x", parts { { ("n"):rep(8192), "1" } }).outcome)
    assert.equal("too_large", admit("req.form.x", parts { { ("n"):rep(8193), "1" } }).outcome)
  end)
end)

describe("a hostile body", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  -- Each with what it must come to, at most 100 ms of CPU.
  local function fields(count, form)
    local all = {}
    for i = 1, count do all[i] = form:format(i) end
    return all
  end
  for name, case in pairs {
    ["of a million levels"] = { "req.json", ("["):rep(1000000), "malformed" },
    ["of 129 levels"] = { "req.json", ("["):rep(129) .. ("]"):rep(129), "malformed" },
    ["of 128 levels"] = { "#req.json", ("["):rep(128) .. ("]"):rep(128), "ok" },
    ["of 100,000 form fields"] = { "req.form", table.concat(fields(100000, "f%d=1"), "&"), "too_large" },
    ["of 1,001 form fields"] = { "req.form", table.concat(fields(1001, "f%d=1"), "&"), "too_large" },
    ["of 1,000 form fields"] = { "req.form.f1", table.concat(fields(1000, "f%d=1"), "&"), "ok" },
    ["with a form name of 8,193 bytes"] = { "req.form", ("n"):rep(8193) .. "=1", "too_large" },
  } do
    it(name .. " is " .. case[3], function()
      local start = os.clock()
      assert.equal(case[3], admit(case[1], { body = case[2] }).outcome)
      assert.is_true(os.clock() - start < 0.1 * rig.patience)
    end)
  end

  -- Lua hashes with a seed of the process, so nobody knows keys that collide; these are what
  -- collides without one: long keys that differ in one place.
  it("of 100,000 like keys costs what any keys cost", function()
    local function cost(form)
      local body = "{" .. table.concat(fields(100000, form), ",") .. "}"
      local project = rig.handler "return event.data and nil"
      local best = math.huge
      for _ = 1, 3 do
        local start = os.clock()
        assert.equal("handled", project:run("main", { body = body }).outcome)
        best = math.min(best, os.clock() - start)
      end
      return best
    end
    local like = cost('"aaaaaaaaaaaaaaaaaaaa%06daaaaaaaa":1')
    assert.is_true(like < 0.1 * rig.patience, like)
  end)
end)
