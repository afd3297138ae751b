-- SPDX-License-Identifier: MIT
-- What belongs to an endpoint beside its fields, over the real server's API: its headers and its keys.
local Server = require "support.server"
local http = require "support.http"
local json = require "dkjson"
local resources = require "support.resources"

describe("an endpoint of an application has", function()
  local server, call, path
  local url = "https://example.com/hook"

  lazy_setup(function()
    server = Server.start { scripts = { ["main.lua"] = "" } }
    call = resources(server)
    call("POST", "/app", { name = "A", uid = "a" })
  end)
  lazy_teardown(function() server:close() end)

  local count = 0
  before_each(function()
    count = count + 1
    path = "/app/a/endpoint/e" .. count
    local _, status = call("POST", "/app/a/endpoint", { url = url, uid = "e" .. count })
    assert.equal(201, status)
  end)

  local function status(...) return (select(2, call(...))) end

  local function wrong(method, place, body)
    local answer, code = call(method, place, body)
    assert.equal(422, code, json.encode(body))
    local places = {}
    for i, item in ipairs(answer.detail) do places[i] = table.concat(item.loc, " ") end
    return table.concat(places, ", ")
  end

  describe("headers", function()
    local function headers() return (call("GET", path .. "/headers")) end

    it("that are none at first, and are replaced as a whole, with their case", function()
      assert.same({ headers = {}, sensitive = {} }, headers())
      local _, code, text = call("PUT", path .. "/headers", { headers = { ["X-Shop"] = "a", ["x-two"] = "" } })
      assert.same({ 204, "" }, { code, text })
      assert.same({ headers = { ["X-Shop"] = "a", ["x-two"] = "" }, sensitive = {} }, headers())
      call("PUT", path .. "/headers", { headers = { ["X-Three"] = "c" } })
      assert.same({ headers = { ["X-Three"] = "c" }, sensitive = {} }, headers())
    end)

    it("of which those that are secrets are shown by name only, and stored sealed", function()
      local secret = { "Authorization", "X-Access-Token", "X-Api-Key", "X-Auth", "X-Session-Id", "apikey" }
      local given = { ["X-Shop"] = "a", ["X-Author"] = "b" }
      for _, name in ipairs(secret) do given[name] = "xyzzy " .. name end
      call("PUT", path .. "/headers", { headers = given })
      local shown = headers()
      table.sort(shown.sensitive)
      assert.same({ headers = { ["X-Shop"] = "a", ["X-Author"] = "b" }, sensitive = secret }, shown)
      assert.is_nil(server:log():find("xyzzy", 1, true))
    end)

    it("that take 64 KiB together as JSON, and not a byte more", function()
      local given, patch = {}, {}
      for i = 1, 15 do given[("h%02d"):format(i)] = ("v"):rep(4096) end
      for i = 12, 15 do -- a request is no longer either
        patch[("h%02d"):format(i)], given[("h%02d"):format(i)] = given[("h%02d"):format(i)], nil
      end
      assert.equal(204, status("PUT", path .. "/headers", { headers = given }))
      assert.equal(204, status("PATCH", path .. "/headers", { headers = patch }))
      -- '{"h01":"v…",…}': 8 bytes about each of 16 values, 15 commas, two brackets.
      local rest = 65536 - (16 * 8 + 15 + 2) - 15 * 4096
      assert.equal("body headers", wrong("PATCH", path .. "/headers", { headers = { h16 = ("v"):rep(rest + 1) } }))
      assert.is_nil(headers().headers.h16)
      assert.equal(204, status("PATCH", path .. "/headers", { headers = { h16 = ("v"):rep(rest) } }))
      assert.equal(rest, #headers().headers.h16)
    end)

    it("of which some are changed, and those with null go", function()
      call("PUT", path .. "/headers", { headers = { ["X-A"] = "1", ["X-B"] = "2", ["X-Token"] = "t" } })
      assert.equal(204, status("PATCH", path .. "/headers", '{"headers":{"x-a":"3","X-B":null,"X-C":"4","X-D":null}}'))
      assert.same({ headers = { ["x-a"] = "3", ["X-C"] = "4" }, sensitive = { "X-Token" } }, headers())
    end)

    it("that stay when the endpoint is changed or replaced", function()
      call("PUT", path .. "/headers", { headers = { ["X-A"] = "1" } })
      call("PATCH", path, { description = "d" })
      call("PUT", path, { url = url, uid = "e" .. count })
      assert.same({ ["X-A"] = "1" }, headers().headers)
    end)

    local fifty = {}
    for i = 1, 50 do fifty["X-" .. i] = "v" end

    for place, bodies in pairs {
      ["body"] = { "", "[]", "{" },
      ["body headers"] = { "{}", { headers = 1 }, { headers = json.null } },
      ["body headers X"] = { { headers = { X = 1 } }, { headers = { X = "a\r\nB: c" } }, { headers = { X = "\0" } },
        { headers = { X = " a" } }, { headers = { X = "a\t" } }, { headers = { X = ("v"):rep(4097) } } },
      ["body headers a b"] = { { headers = { ["a b"] = "" } } },
      ["body headers "] = { { headers = { [""] = "" } } },
      ["body headers A:"] = { { headers = { ["A:"] = "" } } },
      ["body headers x-a"] = { '{"headers":{"X-A":"1","x-a":"2"}}' },
      ["body headers Host"] = { { headers = { Host = "a" } } },
      ["body headers Content-Length"] = { { headers = { ["Content-Length"] = "1" } } },
      ["body headers Webhook-Id"] = { { headers = { ["Webhook-Id"] = "1" } } },
      ["body headers Anzol-Hops"] = { { headers = { ["Anzol-Hops"] = "0" } } },
      ["body headers svix-signature"] = { { headers = { ["svix-signature"] = "1" } } },
    } do
      it("that are refused for " .. place, function()
        for _, method in ipairs { "PUT", "PATCH" } do
          for _, body in ipairs(bodies) do assert.equal(place, wrong(method, path .. "/headers", body)) end
        end
        assert.same({ headers = {}, sensitive = {} }, headers())
      end)
    end

    it("that are fifty at most, of 4096 bytes", function()
      assert.equal("body headers X", wrong("PUT", path .. "/headers", '{"headers":{"X":null}}'))
      assert.equal(204, status("PUT", path .. "/headers", { headers = fifty }))
      assert.equal("body headers", wrong("PATCH", path .. "/headers", { headers = { ["X-51"] = "v" } }))
      assert.equal(204, status("PUT", path .. "/headers", { headers = { X = ("v"):rep(4096) } }))
    end)
  end)

  describe("a secret", function()
    local function key() return call("GET", path .. "/secret").key end
    local function rotate(body, headers) return call("POST", path .. "/secret/rotate", body or "{}", headers) end
    local given = "whsec_" .. ("A"):rep(32)

    it("that it was given, or a new one", function()
      local first = key()
      assert.matches("^whsec_[%w+/]+=*$", first)
      assert.equal(32, #first - 6)
      call("POST", "/app/a/endpoint", { url = url, uid = "given" .. count, secret = given })
      assert.equal(given, call("GET", "/app/a/endpoint/given" .. count .. "/secret").key)
      call("POST", "/app/a/endpoint", { url = url, uid = "bare" .. count, secret = ("A"):rep(32) })
      assert.equal(given, call("GET", "/app/a/endpoint/bare" .. count .. "/secret").key)
      call("PUT", "/app/a/endpoint/put" .. count, { url = url, secret = given })
    end)

    it("that no cache keeps", function()
      local answer = http.request { port = server.admin_port, method = "GET", path = "/api/v1" .. path .. "/secret",
        headers = { Authorization = "Bearer " .. server.token } }
      assert.same({ 200, "no-store" }, { answer.status, answer.headers["cache-control"] })
      assert.is_nil(answer.headers.etag)
    end)

    it("that becomes another one, given or new, also a former one", function()
      local first = key()
      local _, code, text = rotate()
      assert.same({ 204, "" }, { code, text })
      local second = key()
      assert.not_equal(first, second)
      assert.equal(204, (select(2, rotate { key = given, gracePeriodSeconds = 604800 })))
      assert.equal(given, key())
      rotate { key = first, gracePeriodSeconds = 0 }
      assert.equal(first, key())
    end)

    it("of which only the public half is shown if it has one", function()
      local private = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
      assert.equal(204, (select(2, rotate { key = private })))
      assert.equal("whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", key())
    end)

    it("with ten old ones at most, but for those that are over", function()
      for _ = 1, 10 do assert.equal(204, (select(2, rotate()))) end
      local last = key()
      local answer, code = rotate()
      assert.same({ 400, "too_many_secrets" }, { code, answer.code })
      assert.equal(last, key())
      assert.equal(204, (select(2, rotate { gracePeriodSeconds = 0 })))
    end)

    it("that is rotated once for a key", function()
      local headers = { ["idempotency-key"] = "r" .. count }
      assert.equal(204, (select(2, rotate("{}", headers))))
      local second = key()
      assert.equal(204, (select(2, rotate("{}", headers))))
      assert.equal(second, key())
    end)

    it("whose rotation is refused for what is wrong", function()
      local place = path .. "/secret/rotate"
      assert.equal("body gracePeriodSeconds", wrong("POST", place, { gracePeriodSeconds = 604801 }))
      assert.equal("body gracePeriodSeconds", wrong("POST", place, { gracePeriodSeconds = -1 }))
      assert.equal("body key", wrong("POST", place, { key = "whsec_" .. ("A"):rep(31) }))
      assert.equal("body key", wrong("POST", place, { key = "whpk_" .. ("A"):rep(44) }))
      assert.equal("body", wrong("POST", place, "[]"))
      assert.equal(204, status("POST", place, '{"key":null,"gracePeriodSeconds":null}'))
    end)

    it("that nobody has of what is not there", function()
      assert.equal(404, status("GET", "/app/a/endpoint/none/secret"))
      assert.equal(404, status("POST", "/app/a/endpoint/none/secret/rotate", "{}"))
      assert.equal(404, status("GET", "/app/a/endpoint/none/headers"))
      assert.equal(404, status("PUT", "/app/a/endpoint/none/headers", { headers = {} }))
    end)
  end)

  it("all of that after a restart", function()
    call("PUT", path .. "/headers", { headers = { ["X-A"] = "1", ["X-Token"] = "t" } })
    call("POST", path .. "/secret/rotate", "{}")
    local before = { call("GET", path .. "/headers"), call("GET", path .. "/secret") }
    server:stop()
    server:restart()
    assert.same(before, { call("GET", path .. "/headers"), call("GET", path .. "/secret") })
  end)
end)
