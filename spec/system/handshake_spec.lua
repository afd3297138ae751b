-- SPDX-License-Identifier: MIT
-- The CloudEvents HTTP webhook specification (1.0.2), as the target of deliveries: each of its MUSTs
-- and SHOULDs for a target, over real sockets. The numbers are its sections. Where each sentence is:
--
-- | section | the sentence | target: here | sender: handshake_sender_spec |
-- |---|---|---|---|
-- | 2.1 | HTTPS MUST be used | what ends TLS before the server says (docs/guide/ownership.md) | delivers over TLS |
-- | 2.1 | the method MUST be POST | answers 202 | takes consent by the callback |
-- | 2.1 | Content-Type and a payload MUST be carried | the sender's: a source takes others too | the same |
-- | 2.1 | MUST include WebHook-Request-Origin | answers 202 | the same |
-- | 2.2 | no 3xx, which is never followed | answers 202 | retry_spec: does not follow a redirect |
-- | 2.2 | 200, 201, 204 when processed | `status` and `respond` of a source: answer_spec | any 2xx is a success |
-- | 2.2 | 202 when not processed yet | answers 202 | the same |
-- | 2.2 | 410 SHOULD end it | `respond` of a source | sends nothing more to who is gone |
-- | 2.2 | 429 MUST have Retry-After, which MUST be observed | answers 429 | the same |
-- | 2.2 | 415 for a format that is not understood | answers 415 | a failure as any |
-- | 3 | one of two bearer methods MUST be used, both be supported | takes bearer tokens | keeps a token |
-- | 3 | challenges MUST NOT be used | takes bearer tokens: no WWW-Authenticate | none is answered |
-- | 3.1 | "Bearer" | takes bearer tokens | keeps a token: the header is the endpoint's |
-- | 3.2 | access_token, apart by "&" | takes bearer tokens | keeps a token: the URL is sent as it is |
-- | 3.2 | SHOULD have Cache-Control no-store, private | takes bearer tokens | keeps a token |
-- | 4 | SHOULD support it; who does not MAY be sent nothing | all of it | ownership_spec |
-- | 4.1 | OPTIONS at the exact target | all of it | asks by OPTIONS |
-- | 4.1.2 | the origin MUST be there, and in each delivery | gives neither header | asks, takes consent |
-- | 4.1.3 | the callback, by GET or POST; SHOULD be hard to guess | withholds the headers | takes consent, guess |
-- | 4.1.4 | the rate, a positive integer | names the header that is wrong | asks by OPTIONS, asks for no rate |
-- | 4.2 | both headers if and only if it consents, whatever the status | consents, gives neither | takes both headers |
-- | 4.2 | withheld for the callback | withholds the headers | takes consent by the callback |
-- | 4.2 | SHOULD be 405 without OPTIONS; SHOULD have Allow | answers 405, consents | not looked at |
-- | 4.2.1 | the origin, or "*" | gives the origin | takes both headers |
-- | 4.2.2 | the rate, or "*"; MUST be there if asked for, else SHOULD | gives a rate | takes both headers |
local Server = require "support.server"
local http = require "support.http"
local json = require "dkjson"
local rig = require "core.script_rig"
local send = require "anzol_test.send"
local wait = require "support.wait"

local URL_BYTES = send.url_bytes_max

local script = [[
local anzol = require "anzol"
anzol.source("listed", { verify = anzol.verify.none(), type = "listed",
  handshake = { origins = { "emitter.example.com", "other.example" }, rate = 120 } })
anzol.source("any", { verify = anzol.verify.none(), type = "any", handshake = { origins = "*" } })
anzol.source("both", { verify = anzol.verify.none(), type = "both", handshake = { origins = { "a.example" } },
  challenge = function(req) if req.method == "OPTIONS" then return { body = "hello" } end end })
anzol.source("none", { verify = anzol.verify.none(), type = "none" })
anzol.source("read", { verify = anzol.verify.none(), handshake = { origins = "*" },
  type = function(req) return req.json.type end })
anzol.source("token", { verify = anzol.verify.bearer { secret = anzol.secret "TOKEN", query = true },
  type = "token", handshake = { origins = "*" } })
anzol.source("few", { verify = anzol.verify.none(), type = "few", rate_limit = "1/m",
  handshake = { origins = "*", rate = 1 } })
anzol.on("anzol.source.handshake", function(event) anzol.kv "asked":set("last", event.data) end)
]]

describe("a target of CloudEvents", function()
  local server
  lazy_setup(function() server = Server.start { scripts = { ["main.lua"] = script },
    secrets = { TOKEN = "mF_9.B5f-4.1JqM" } } end)
  lazy_teardown(function() server:close() end)

  local function ask(method, path, headers, body)
    return assert(http.request { port = server.port, method = method, path = path,
      headers = headers, body = body })
  end

  local function asked(source, origin, more)
    local headers = { ["WebHook-Request-Origin"] = origin }
    for name, value in pairs(more or {}) do headers["WebHook-Request-" .. name] = value end
    local answer = ask("OPTIONS", "/in/" .. source, headers)
    return answer.headers["webhook-allowed-origin"], answer.headers["webhook-allowed-rate"],
      answer.status, answer
  end

  it("consents with both headers and Allow (4.2)", function()
    local origin, rate, status, answer = asked("listed", "emitter.example.com")
    assert.same({ "emitter.example.com", "120", 200, "POST", "" },
      { origin, rate, status, answer.headers.allow, answer.body })
  end)

  it("gives the origin as it was supplied, or an asterisk for all (4.2.1)", function()
    assert.equal("Emitter.Example.COM", (asked("listed", "Emitter.Example.COM")))
    assert.equal("other.example", (asked("listed", "other.example")))
    assert.equal("*", (asked("any", "whoever.example")))
  end)

  it("gives a rate whether one was asked for or not; an asterisk if there is no limit (4.2.2)", function()
    assert.equal("120", select(2, asked("listed", "other.example", { Rate = "5000" })))
    assert.equal("120", select(2, asked("listed", "other.example")))
    assert.equal("*", select(2, asked("any", "a.example", { Rate = "1" })))
  end)

  it("gives neither header when it does not consent (4.2)", function()
    local origin, rate, status = asked("listed", "evil.example")
    assert.same({ n = 3, nil, nil, 403 }, { n = 3, origin, rate, status })
    assert.is_nil((asked("listed", "sub.emitter.example.com")))
    assert.is_nil((asked("listed", "*")))
    local plain = ask("OPTIONS", "/in/listed")
    assert.same({ 204, "POST" }, { plain.status, plain.headers.allow })
    assert.is_nil(plain.headers["webhook-allowed-origin"])
    assert.is_nil(plain.headers["webhook-allowed-rate"])
  end)

  it("answers 405 where it does not do the handshake (4.2)", function()
    local origin, rate, status = asked("none", "emitter.example.com")
    assert.same({ 405 }, { status, origin, rate })
  end)

  it("leaves other handshakes to challenge", function()
    assert.equal("hello", ask("OPTIONS", "/in/both").body)
    assert.equal("a.example", (asked("both", "a.example")))
  end)

  it("names the header that is wrong, one past each limit", function()
    for _, case in ipairs {
      { "a b", {}, "WebHook-Request-Origin must be a DNS name of at most 253 bytes" },
      { ("a"):rep(254), {}, "WebHook-Request-Origin" },
      { "a.example", { Rate = "0" }, "WebHook-Request-Rate must be an integer from 1 to 1000000000" },
      { "a.example", { Rate = "-1" }, "WebHook-Request-Rate" },
      { "a.example", { Rate = "1.5" }, "WebHook-Request-Rate" },
      { "a.example", { Rate = "1000000001" }, "WebHook-Request-Rate" },
      { "a.example", { Rate = ("9"):rep(40) }, "WebHook-Request-Rate" },
      { "a.example", { Callback = "http://a.example/" }, "WebHook-Request-Callback must be a URL of https://" },
      { "a.example", { Callback = "https://" }, "WebHook-Request-Callback" },
      { "a.example", { Callback = "https://" .. ("a"):rep(URL_BYTES - 7) }, "WebHook-Request-Callback" },
    } do
      local origin, rate, status, answer = asked("any", case[1], case[2])
      assert.same({ n = 3, nil, nil, 400 }, { n = 3, origin, rate, status })
      assert.matches(case[3], answer.body, 1, true)
    end
    assert.equal("*", (asked("any", ("a"):rep(253), { Rate = "1000000000",
      Callback = "https://" .. ("a"):rep(URL_BYTES - 8) })))
  end)

  it("withholds the headers when a callback may be called later, and tells scripts (4.1.3)", function()
    local origin, rate, status = asked("listed", "late.example", { Callback = "https://late.example/confirm?k=s3cret",
      Rate = "77" })
    assert.same({ n = 3, nil, nil, 202 }, { n = 3, origin, rate, status })
    local event = wait.until_true("scripts were told", 5000, function()
      return server:get("/api/v1/event?type=anzol.source.handshake").data[1]
    end)
    local data = json.decode(server:get("/api/v1/event/" .. event.id).body)
    assert.same({ source = "listed", origin = "late.example", rate = 77,
      callback = "https://late.example/confirm?k=s3cret" }, data)
    assert.is_nil(server:log():find("s3cret", 1, true))
  end)

  it("tells scripts ten times a minute at most", function()
    for i = 1, 15 do asked("both", "n" .. i .. ".example", { Callback = "https://n.example/c" }) end
    local count = 0
    wait.until_true("all were told", 5000, function()
      count = 0
      for _, event in ipairs(server:list "/api/v1/event?type=anzol.source.handshake") do
        local data = json.decode(server:get("/api/v1/event/" .. event.id).body)
        if data.source == "both" then count = count + 1 end
      end
      return count >= 10
    end)
    assert.equal(10, count)
  end)

  it("takes bearer tokens in the header and in the URL, and keeps neither (3)", function()
    local body = { ["Content-Type"] = "application/cloudevents+json", Authorization = "Bearer mF_9.B5f-4.1JqM" }
    local plain = ask("POST", "/in/token", body, "{}")
    assert.equal(202, plain.status)
    assert.is_nil(plain.headers["cache-control"])
    local answer = ask("POST", "/in/token?access_token=mF_9.B5f-4.1JqM&p=q&access_token=mF_9.B5f-4.1JqM", {}, "{}")
    assert.same({ 202, "private" }, { answer.status, answer.headers["cache-control"] })
    local id = json.decode(answer.body).id
    local stars = ("*"):rep(15)
    assert.equal("access_token=" .. stars .. "&p=q&access_token=" .. stars, server:get("/api/v1/event/" .. id).query)
    for _, path in ipairs { "/in/token", "/in/token?access_token=wrong", "/in/token?access_token" } do
      local refused = ask("POST", path, {}, "{}")
      assert.equal(401, refused.status)
      assert.is_nil(refused.headers["www-authenticate"])
    end
    assert.is_nil(server:log():find("mF_9", 1, true))
  end)

  it("answers 202 for what is stored and not handled yet, without a redirect (2.2)", function()
    local answer = ask("POST", "/in/listed", { ["Content-Type"] = "application/cloudevents+json",
      ["WebHook-Request-Origin"] = "emitter.example.com" }, '{"specversion":"1.0"}')
    assert.equal(202, answer.status)
    assert.matches("^application/json", answer.headers["content-type"])
    assert.matches("^evt_", json.decode(answer.body).id)
  end)

  it("answers 415 to a format that it does not understand (2.2)", function()
    assert.equal(415, ask("POST", "/in/read", { ["Content-Type"] = "text/plain" }, "no json").status)
    assert.equal(202, ask("POST", "/in/read", {}, '{"type":"a"}').status)
  end)

  it("answers 429 with Retry-After beyond the rate (2.2)", function()
    assert.equal(202, ask("POST", "/in/few", {}, "{}").status)
    local answer = ask("POST", "/in/few", {}, "{}")
    assert.equal(429, answer.status)
    assert.truthy(tonumber(answer.headers["retry-after"]))
  end)

  it("is refused at load when its option is none, one past each limit", function()
    local many = {}
    for i = 1, 257 do many[i] = '"a.example"' end
    local any = "option 'origins' of 'handshake' of anzol.source 'a' "
    for options, words in pairs {
      ["rate = 5"] = any .. "must be a list of 1 to 256 DNS names, or \"*\" for any, got nil",
      ["origins = {}"] = any .. "must be a list of 1 to 256 DNS names",
      ["origins = { " .. table.concat(many, ",") .. " }"] = any .. "must be a list of 1 to 256 DNS names",
      ['origins = { "a.example", "https://b.example" }'] = any .. "holds 'https://b.example', which is not a DNS name",
      ["origins = { 7 }"] = any .. "holds '7', which is not a DNS name",
      ['origins = { "' .. ("a"):rep(254) .. '" }'] = "which is not a DNS name",
      ['origins = "*", rate = 1000000001'] = "option 'rate' of 'handshake' of anzol.source 'a' must be an "
        .. "integer from 1 to 1000000000",
      ['origins = "*", callback = true'] = "unknown option 'callback' for 'handshake' of anzol.source 'a'",
    } do
      local why, findings = rig.refusal("anzol.source('a', { verify = anzol.verify.none(), handshake = { "
        .. options .. " } })")
      assert.matches(words, why or findings[1].message, 1, true)
    end
    rig.finish()
  end)
end)
