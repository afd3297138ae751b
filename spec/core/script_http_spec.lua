-- SPDX-License-Identifier: MIT
-- anzol.http as scripts see it (core/script/bind_http.c, bind_response.c); the exchanges are
-- answered by the spec.
local rig = require "core.script_rig"
local script = rig.script

local function handler(body, options)
  return rig.project(([[
    local http, TOKEN, HOOK = anzol.http, anzol.secret "TOKEN", anzol.secret "HOOK"
    anzol.on("**", { name = "main", %s }, function(event) %s end)
  ]]):format(options or "", body))
end

-- Starts the handler; the one exchange that it asks for.
local function asked(body)
  local project = handler(body)
  local result = project:start("main", {})
  local exchanges = project:exchanges()
  assert(#exchanges == 1, result.text or "nothing was asked for")
  return exchanges[1], project, result
end

-- Runs it with one answer; it must end well.
local function answered(answer, body)
  local exchange, project, result = asked(body)
  assert.is_true(project:answer(exchange.number, answer))
  assert.equal("", result.text)
  assert.equal("handled", result.outcome)
end

describe("anzol.http", function()
  setup(function()
    script.quiet(true)
    script.setenv("ANZOL_SECRET_TOKEN", "s3cret")
    script.setenv("ANZOL_SECRET_HOOK", "https://hooks.example/T0/abc")
    script.setenv("ANZOL_SECRET_BAD_HOOK", "hooks.example/T0/abc")
  end)
  after_each(rig.finish)

  it("asks with its defaults", function()
    local exchange = asked 'http.get "https://api.example/items"'
    assert.same({ number = 1, method = "GET", url = "https://api.example/items", head = {},
      body = "", timeout_ms = 10000, body_bytes_max = 1048576, redirects = 0,
      allow_private = false }, exchange)
  end)

  for name, method in pairs { get = "GET", post = "POST", put = "PUT", patch = "PATCH",
    delete = "DELETE" } do
    it("has a function for " .. method, function()
      assert.equal(method, asked(("http.%s('https://a.example/')"):format(name)).method)
    end)
  end

  it("says which name of its answer was meant", function()
    local exchange, project, result = asked "local res = http.get 'https://a.example/' assert(not res.josn) res:josn()"
    project:answer(exchange.number, { status = 200, body = "{}" })
    assert.matches("^scripts/main.lua:%d+: there is no 'josn' in response; did you mean 'json'%?\n", result.text)
  end)

  it("takes all options", function()
    local exchange = asked [[
      http.request { method = "PUT", url = "https://api.example/a?x=1#part",
        query = { b = "ü &", a = 2, c = true }, headers = { ["X-Id"] = 7, Accept = "text/plain" },
        json = { name = "n" }, auth = { bearer = TOKEN }, timeout = "2.5s",
        max_body = "64KiB", redirects = 20, allow_private = true }]]
    assert.same({ number = 1, method = "PUT",
      url = "https://api.example/a?x=1&a=2&b=%C3%BC%20%26&c=true",
      head = { { "Accept", "text/plain" }, { "X-Id", "7" }, { "Authorization", "Bearer s3cret" },
        { "Content-Type", "application/json" } },
      body = '{"name":"n"}', timeout_ms = 2500, body_bytes_max = 65536, redirects = 20,
      allow_private = true }, exchange)
  end)

  it("sends a form, bytes, or nothing, with the content type that goes with it", function()
    local form = asked "http.post('https://a.example/', { form = { b = 'x y', a = 1 } })"
    assert.equal("a=1&b=x%20y", form.body)
    assert.same({ { "Content-Type", "application/x-www-form-urlencoded" } }, form.head)
    local bytes = asked [[http.post('https://a.example/', { body = '\0\1', headers = {
      ["content-type"] = "image/png" } })]]
    assert.equal("\0\1", bytes.body)
    assert.same({ { "content-type", "image/png" } }, bytes.head)
    assert.equal("", asked("http.post('https://a.example/', { form = {} })").body)
    assert.equal("?a=1", asked("http.get('https://a.example/?a=1', { query = {} })").url:sub(-4))
    assert.equal("/?a=1&b", asked("http.get('https://a.example/?a=1', { query = 'b' })").url:sub(-7))
  end)

  it("takes secrets as url, header and auth", function()
    local exchange = asked [[http.post(HOOK, {
      headers = { ["X-Key"] = TOKEN },
      auth = { basic = { "user", TOKEN } } })]]
    assert.equal("https://hooks.example/T0/abc", exchange.url)
    assert.same({ { "X-Key", "s3cret" }, { "Authorization", "Basic dXNlcjpzM2NyZXQ=" } },
      exchange.head)
  end)

  it("gives the answer, of whatever status", function()
    answered({ status = 404, body = "{}", host = "api.example", duration_ms = 34,
      headers = { { "X-A", "1" }, { "x-a", "2" }, { "Content-Type", "application/json" } },
      retry_after_ms = 1500 }, [[
      local res, err = http.get "https://api.example/"
      assert(res and not err)
      assert(res.status == 404 and res.ok == false and res.body == "{}")
      assert(res.headers["X-a"] == "1, 2" and res.headers:all("x-a")[2] == "2")
      assert(res.headers["content-type"] == "application/json")
      assert(res.duration_ms == 34 and res.retry_after == 1.5 and res.other == nil)
      local names = {}
      for name, value in pairs(res.headers) do names[#names + 1] = name .. "=" .. value end
      assert(table.concat(names, " ") == "X-A=1 x-a=2 Content-Type=application/json")
      local ok, why = pcall(function() res.status = 200 end)
      assert(not ok and why:match "a response is read%-only")]])
  end)

  it("decodes the answer when it is asked to", function()
    answered({ body = '{"a":[1,2],"n":null}' }, [[
      local res = assert(http.get "https://api.example/")
      local value = assert(res:json())
      assert(res.ok and value.a[2] == 2 and anzol.json.is_null(value.n))]])
    answered({ body = "<html>", host = "api.example" }, [[
      local value, err = http.get("https://api.example/"):json()
      assert(value == nil and err.code == "json" and not err.retryable)
      assert(tostring(err):match "^json: the answer of api.example is not JSON: ")]])
  end)

  it("makes an Error of a status", function()
    answered({ status = 503, host = "api.example", retry_after_ms = 7000 }, [[
      local err = http.get("https://api.example/"):error()
      assert(tostring(err) == "status: api.example answered 503" and err.status == 503)
      assert(err.code == "status" and err.retryable and err.retry_after == 7)]])
    answered({ status = 422, host = "api.example" }, [[
      local err = http.get("https://api.example/"):error()
      assert(not err.retryable and err.retry_after == nil)]])
  end)

  local errors = {
    timeout = { "timeout: no answer from api.example within 10s", true, "" },
    connect = { "connect: cannot connect to api.example: refused", true, "refused" },
    dns = { "dns: no address of api.example: the name does not exist", true,
      "the name does not exist" },
    tls = { "tls: no secure connection with api.example: expired", false, "expired" },
    reset = { "reset: api.example broke the connection off: after 3 bytes", true, "after 3 bytes" },
    blocked_address = { "blocked_address: api.example is refused: 127.0.0.0/8 is loopback", false,
      "127.0.0.0/8 is loopback" },
    protocol = { "protocol: the exchange with api.example went wrong: more than 3 redirects", false,
      "more than 3 redirects" },
    too_large = { "too_large: the answer of api.example is larger than max_body, 1 MiB", false, "" },
  }
  for code, it_is in pairs(errors) do
    it("tells what went wrong: " .. code, function()
      answered({ error = code, host = "api.example", detail = it_is[3] }, ([[
        local res, err = http.get "https://api.example/"
        assert(res == nil and err.code == %q)
        assert(tostring(err) == %q, tostring(err))
        assert(err.retryable == %s and err.detail == %s)]]):format(code, it_is[1], it_is[2],
          it_is[3] == "" and "nil" or ("%q"):format(it_is[3])))
    end)
  end

  it("tells the timeout and the limit that it was given", function()
    answered({ error = "timeout", host = "h" }, [[
      local _, err = http.get("https://h.example/", { timeout = "250ms" })
      assert(err.message == "no answer from h within 250ms", err.message)]])
    for size, told in pairs { ["64KiB"] = "64 KiB", [1000] = "1000 bytes" } do
      answered({ error = "too_large", host = "h" }, ([[
        local _, err = http.get("https://h.example/", { max_body = %s })
        assert(err.message == "the answer of h is larger than max_body, %s", err.message)]]):format(
          type(size) == "number" and size or "'" .. size .. "'", told))
    end
  end)

  it("works with assert", function()
    local exchange, project, result = asked 'assert(http.get "https://api.example/")'
    project:answer(exchange.number, { error = "timeout", host = "api.example" })
    assert.equal("failed", result.outcome)
    assert.matches("timeout: no answer from api.example within 10s", result.text, 1, true)
  end)

  it("says what is no URL, but not what a secret holds", function()
    assert.equal("", rig.run([[
      local res, err = anzol.http.get "bad://x"
      assert(res == nil and err.code == "url" and not err.retryable)
      assert(err.message:match 'scheme "bad" is refused')]]).text)
    script.setenv("ANZOL_SECRET_BAD_HOOK", "bad:s3cret")
    local result = rig.project([[
      local hook = anzol.secret "BAD_HOOK"
      anzol.on("**", { name = "main" }, function() assert(anzol.http.get(hook)) end)
    ]]):run("main", {})
    assert.matches("url: the secret is no valid http or https URL", result.text)
    assert.is_nil(result.text:find("s3cret", 1, true))
  end)

  local misuses = {
    ["http.get()"] = "bad argument #1",
    ["http.get(5)"] = "'url' of anzol.http.get must be a string or anzol.secret \"NAME\", got number",
    ["http.get('https://a.example', 5)"] = "anzol.http.get takes a table of options, got number",
    ["http.get('https://a.example', { time_out = 1 })"] =
      "unknown option 'time_out' for anzol.http.get; did you mean 'timeout'?",
    ["http.get('https://a.example', { method = 'GET' })"] = "unknown option 'method'",
    ["http.request {}"] = "'url' of anzol.http.request must be",
    ["http.request { url = 'https://a.example', method = 'get' }"] =
      "option 'method' of anzol.http.request must be in upper case, \"GET\", got 'get'",
    ["http.get('https://a.example', { timeout = 0 })"] = "'timeout' of anzol.http.get must be from 1ms to 10m",
    ["http.get('https://a.example', { timeout = '11m' })"] = "must be from 1ms to 10m, got '11m'",
    ["http.get('https://a.example', { max_body = 0 })"] = "must be from 1 byte to 8MiB",
    ["http.get('https://a.example', { max_body = (8 << 20) + 1 })"] = "must be from 1 byte to 8MiB",
    ["http.get('https://a.example', { redirects = 21 })"] = "must be an integer from 0 to 20, got '21'",
    ["http.get('https://a.example', { query = 5 })"] = "must be a table or a string, got '5'",
    ["http.get('https://a.example/' .. ('x'):rep(8000))"] = "is longer than 8000 bytes",
    ["http.get('https://a.example', { json = 1, form = {} })"] =
      "anzol.http.get has one of 'json', 'body' and 'form', not several",
    ["http.get('https://a.example', { body = {} })"] = "must be a string, got table; for a table use 'json'",
    ["http.get('https://a.example', { auth = 'x' })"] = "'auth' of anzol.http.get takes a table of options, got string",
    ["http.get('https://a.example', { auth = {} })"] = "is { bearer = token } or { basic = { user, password } }",
    ["http.get('https://a.example', { auth = { bearer = 5 } })"] = "'auth.bearer' of anzol.http.get must be",
    ["http.get('https://a.example', { auth = { baerer = 'x' } })"] = "did you mean 'bearer'?",
    ["http.get('https://a.example', { auth = { basic = { 'a:b', 'c' } } })"] = "holds a ':'",
    ["http.get('https://a.example', { auth = { bearer = 'x' }, headers = { authorization = 'y' } })"] =
      "has both 'auth' and a header 'Authorization'",
    ["http.get('https://a.example', { headers = { Host = 'x' } })"] = "header 'Host' in anzol.http.get is set by",
    ["http.get('https://a.example', { headers = { A = 'x\\r\\nB: y' } })"] = "holds a control character",
    ["http.get('https://a.example', { auth = { bearer = 'x\\ny' } })"] = "holds a control character",
    ["http.escape()"] = "bad argument #1",
  }
  for body, why in pairs(misuses) do
    it("refuses " .. body, function()
      local result = handler(body):run("main", {})
      assert.equal("failed", result.outcome)
      assert.is_truthy(result.text:find(why, 1, true), result.text)
      assert.matches("^scripts/main%.lua:2: ", result.text)
    end)
  end

  it("escapes for paths and queries", function()
    assert.equal("", rig.run([[
      assert(anzol.http.escape "a b/ü~-._" == "a%20b%2F%C3%BC~-._" and anzol.http.escape "" == "")
      assert(#anzol.http.escape(("/"):rep(100000)) == 300000)]]).text)
  end)

  it("says where it cannot wait", function()
    local result = rig.project([[
      anzol.endpoint("crm", { url = "https://crm.example/", sign = false, transform = function()
        anzol.http.get "https://a.example/" end })
    ]]):transform("crm", {})
    assert.matches("anzol.http.get cannot wait in 'transform' %(endpoint \"crm\", scripts/main.lua:1%)%. "
      .. "Waiting works in: verify, challenge, respond, handler, cron, every, poll, sse, init%.", result.err)
  end)

  it("waits in a coroutine of the script's own", function()
    answered({ body = "b" }, [[
      local co = coroutine.wrap(function(url)
        coroutine.yield "first"
        return http.get(url).body, "second"
      end)
      assert(co "https://a.example/" == "first")
      local body, more = co()
      assert(body == "b" and more == "second")]])
  end)

end)

describe("an exchange", function()
  setup(function()
    script.quiet(true)
    script.setenv("ANZOL_SECRET_TOKEN", "s3cret")
    script.setenv("ANZOL_SECRET_HOOK", "https://hooks.example/T0/abc")
  end)
  after_each(rig.finish)

  it("is cancelled with its job: at the deadline, by a reload", function()
    local project = handler('http.get "https://a.example/"', 'deadline = "20ms"')
    local result = project:run("main", {})
    assert.matches("'handler' went over its time limit of 20 ms", result.text)
    assert.same({}, project:exchanges())
    result = project:start("main", {})
    assert.equal(1, #project:exchanges())
    project:cancel_all()
    assert.equal("cancelled", result.outcome)
    assert.is_false(project:answer(2, {}))
  end)

  it("holds up nobody: thousands wait for one that hangs, each to its own deadline", function()
    local project = rig.project [[
      anzol.on("**", { name = "hung", deadline = "400ms", concurrency = 10000 }, function()
        anzol.http.get "https://hung.example/"
      end)
      anzol.on("**", { name = "quick" }, function() anzol.sleep(0) end)
    ]]
    local count = 10000
    local results = {}
    for i = 1, count do results[i] = project:start("hung", {}) end
    assert.equal(count, project:job_count())
    assert.is_true(project:bytes() < 48 << 20, project:bytes())
    local quick = project:start("quick", {})
    for _ = 1, 10 do project:turn() end
    assert.equal("handled", quick.outcome)
    project:wait()
    for i = 1, count do
      assert.matches("'handler' went over its time limit of 400 ms", results[i].text)
    end
    assert.same({}, project:exchanges())
  end)

  it("gives an answer that is too large for the job's memory to nobody else", function()
    local exchange, project, result = asked [[
      local kept = {}
      for i = 1, 10 do kept[i] = http.get("https://a.example/", { max_body = "8MiB" }).body .. i end]]
    while not result.outcome do
      if exchange then
        project:answer(exchange.number, { body = ("x"):rep(7 << 20) })
      else -- it was pre-empted
        project:turn()
      end
      exchange = project:exchanges()[1]
    end
    assert.matches("'handler' went over its memory limit", result.text)
    assert.equal(0, project:job_count())
  end)
end)
