-- SPDX-License-Identifier: MIT
-- anzol api over a faked server.
local fake = require "support.fake_server"
local files = require "support.files"

local run = fake.run

setup(fake.open)
teardown(fake.close)
before_each(fake.reset)

local function asked() return fake.requests[#fake.requests] end

describe("anzol api", function()
  it("sends what it is told and prints what came, as it came", function()
    fake.answers = { { status = 201, body = '{"id":"app_1" }' } }
    local code, out, err = run("api", "POST", "app", "--data", '{"name":"Acme"}', "--query",
      "get_if_exists=true", "--idempotency-key", "k1")
    assert.same({ 0, '{"id":"app_1" }\n', "" }, { code, out, err })
    assert.same({ "POST", "http://localhost/api/v1/app?get_if_exists=true", '{"name":"Acme"}',
      "application/json", "k1" }, { asked().method, asked().url, asked().body,
      asked().headers["Content-Type"], asked().headers["Idempotency-Key"] })
  end)

  it("takes a whole path, and a body from a file", function()
    local dir = files.temp_dir()
    files.write(dir .. "/body.json", '{"name":"From a file"}')
    fake.answers = { { status = 200, body = "{}" }, { status = 204, body = "" } }
    assert.equal(0, (run("api", "PUT", "/api/v1/app/acme", "-d", "@" .. dir .. "/body.json")))
    assert.same({ "http://localhost/api/v1/app/acme", '{"name":"From a file"}' },
      { asked().url, asked().body })
    assert.same({ 0, "", "" }, { run("api", "DELETE", "app/acme") })
    assert.is_nil(asked().body)
    files.remove(dir)
  end)

  it("changes by a request that has a body, and reads by one that has none", function()
    fake.answers = { { body = "{}" }, { body = "{}" } }
    run("api", "POST", "reload")
    assert.equal("{}", asked().body)
    run("api", "GET", "app")
    assert.is_nil(asked().body)
  end)

  it("tells in words and by its exit code what was refused", function()
    local refusal = { json = { code = "not_found", detail = "there is no such thing" } }
    for status, code in pairs { [404] = 1, [422] = 2, [400] = 2, [409] = 75, [503] = 75, [500] = 1 } do
      refusal.status = status
      fake.answers = { refusal }
      local got, out, err = run("api", "GET", "app/nope")
      assert.same({ code, ("HTTP status %d: there is no such thing\n"):format(status) },
        { got, err })
      assert.matches('"not_found"', out, 1, true)
    end
    assert.equal(69, (run("api", "GET", "app")))
  end)

  it("refuses a query in the path, a parameter without a value and an unknown method", function()
    assert.same({ 2, "anzol: app?limit=1: write the query as --query NAME=VALUE\n" },
      { (select(1, run("api", "GET", "app?limit=1"))), (select(3, run("api", "GET", "app?limit=1"))) })
    local code, _, err = run("api", "GET", "app", "-q", "limit")
    assert.equal(2, code)
    assert.matches("write NAME=VALUE", err, 1, true)
    assert.equal(2, (run("api", "FETCH", "app")))
    assert.same({}, fake.requests)
  end)
end)
