-- SPDX-License-Identifier: MIT
-- Tokens of OAuth 2 (core/send/token.c): fetched once, kept until they expire, dropped when the receiver
-- does not take them, and never seen.
local rigs = require "core.send_rig"
local send = require "anzol_test.send"

local with, ok, answer = rigs.with, rigs.ok, rigs.answer

local function token(value, expires_in, more)
  return ok(('{"access_token":"%s","token_type":"Bearer"%s%s}'):format(value,
    expires_in and (',"expires_in":%s'):format(expires_in) or "", more or ""))
end

-- A receiver, an authority, and the endpoint between them.
local function set_up(rig, options)
  local it = {}
  it.receiver = rig:server(options.receiver or function() return ok() end)
  it.authority = rig:server(options.authority or function(_, server)
    return token("t" .. #server.requests, options.expires_in or 3600)
  end)
  it.spec = { url = it.receiver.url, token_url = it.authority.url, retry_ms = options.retry_ms or 10,
    attempts = options.attempts or 1, concurrency = 20 }
  rig:endpoint(it.spec)
  return it
end

local function sent(it)
  local list = {}
  for i, request in ipairs(it.receiver.requests) do list[i] = rigs.headers(request).authorization end
  return list
end

describe("a token", function()
  after_each(send.real)

  it("is asked for as RFC 6749 says, and sent with the message", with(function(rig)
    local it = set_up(rig, {})
    rig:commit { body = "{}" }
    assert.equal("succeeded", rig:settle()[1].state)
    local asked = it.authority.requests[1]
    assert.matches("^POST /hook HTTP/1.1\r\n", asked.head)
    assert.equal("grant_type=client_credentials", asked.body)
    assert.equal("Basic YTpi", rigs.headers(asked).authorization)
    assert.same({ "Bearer t1" }, sent(it))
  end))

  it("is fetched once for many that need it at the same time, and kept", with(function(rig)
    local it = set_up(rig, {})
    for _ = 1, 30 do rig:commit { body = "{}" } end
    rig:settle()
    rig:commit { body = "{}" }
    rig:settle()
    assert.equal(1, #it.authority.requests)
    assert.equal(31, #it.receiver.requests)
    for _, value in ipairs(sent(it)) do assert.equal("Bearer t1", value) end
  end))

  it("is no attempt of its own", with(function(rig)
    set_up(rig, {})
    rig:commit { body = "{}" }
    assert.equal(1, #rig:settle()[1].attempts)
    assert.equal(1, rig.rig:counts().attempts)
  end))

  it("is used until 30 s before its end, or for half of a life that is no longer than twice that", function()
    for life_s, good_s in pairs { [3600] = 3570, [61] = 31, [60] = 30, [10] = 5 } do
      with(function(rig)
        local it = set_up(rig, { expires_in = life_s })
        local function send_after(ms)
          send.advance(ms)
          rig:commit { body = "{}" }
          rig:settle()
        end
        send_after(0)
        send_after(good_s * 1000 - 1)
        assert.equal(1, #it.authority.requests)
        send_after(1)
        assert.same({ "Bearer t1", "Bearer t1", "Bearer t2" }, sent(it))
      end)()
    end
  end)

  it("that has no life is used by who waits for it only", with(function(rig)
    local it = set_up(rig, { expires_in = 0 })
    for _ = 1, 2 do
      rig:commit { body = "{}" }
      rig:settle()
    end
    assert.same({ "Bearer t1", "Bearer t2" }, sent(it))
  end))

  it("whose life is not said, or said as text, is kept", with(function(rig)
    local it = set_up(rig, { authority = function(_, server)
      return #server.requests == 1 and token "t1" or token("t" .. #server.requests, '"3600"')
    end })
    for _ = 1, 2 do
      rig:commit { body = "{}" }
      rig:settle()
    end
    assert.equal(1, #it.authority.requests)
  end))

  it("that the receiver does not take is dropped: the next attempt has another", with(function(rig)
    local it = set_up(rig, { attempts = 3, receiver = function(_, server)
      return #server.requests == 1 and answer(401) or ok()
    end })
    rig:commit { body = "{}" }
    local row = rig:settle()[1]
    assert.same({ "succeeded", 401, 200 }, { row.state, row.attempts[1].status, row.attempts[2].status })
    assert.same({ "Bearer t1", "Bearer t2" }, sent(it))
  end))

  it("is not dropped for a late 401 of one before it", with(function(rig)
    local it = set_up(rig, { attempts = 2, receiver = function(_, server)
      return #server.requests <= 5 and answer(401) or ok()
    end })
    for _ = 1, 5 do rig:commit { body = "{}" } end
    for _, row in ipairs(rig:settle()) do assert.equal("succeeded", row.state) end
    assert.equal(2, #it.authority.requests)
  end))

  it("is not added to what says who it is itself", with(function(rig)
    local it = set_up(rig, {})
    rig:commit { body = "{}", headers = { { "Authorization", "Own" } } }
    rig:settle()
    assert.same({ "Own" }, sent(it))
  end))

  it("of the client before a reload is not used behind it", with(function(rig)
    local it = set_up(rig, {})
    rig:commit { body = "{}" }
    rig:settle()
    it.spec.client = "Basic Yzpk"
    rig:endpoint(it.spec)
    rig:commit { body = "{}" }
    rig:settle()
    assert.same({ "Bearer t1", "Bearer t2" }, sent(it))
    assert.equal("Basic Yzpk", rigs.headers(it.authority.requests[2]).authorization)
    rig:endpoint(it.spec)
    rig:commit { body = "{}" }
    rig:settle()
    assert.equal(2, #it.authority.requests)
  end))

  for name, case in pairs {
    ["a refusal"] = { function()
      return answer(401, {}, '{"error":"invalid_client","error_description":"s3cret"}')
    end, "it answered 401, invalid_client$" },
    ["an error that is no name"] = { function() return answer(400, {}, '{"error":"s3cret S3CRET"}') end,
      "it answered 400$" },
    ["a redirect"] = { function() return answer(302, { Location = "/x" }) end, "it answered 302$" },
    ["no JSON"] = { function() return ok "s3cret" end, "its answer is no JSON object" },
    ["no token"] = { function() return ok '{"token":"s3cret"}' end, "has no access_token" },
    ["an empty token"] = { function() return token("", 60) end, "its access_token is empty" },
    ["a token that splits a header"] = { function() return token("a\\r\\nX: s3cret", 60) end,
      "cannot stand in a header" },
    ["a token of 8193 bytes"] = { function() return token(("x"):rep(8193), 60) end, "too long" },
    ["another kind of token"] = { function()
      return ok '{"access_token":"s3cret","token_type":"mac"}'
    end, "its token_type is not Bearer" },
    ["a broken connection"] = { function() return { "", reset = true } end, "^no token from 127.0.0.1: reset: " },
  } do
    it("that does not come, for " .. name .. ", is a failed attempt that says so", with(function(rig)
      local it = set_up(rig, { authority = case[1], attempts = 2 })
      rig:commit { body = "{}" }
      rig:commit { body = "{}" }
      for _, row in ipairs(rig:settle()) do
        assert.equal("dead", row.state)
        assert.equal(2, #row.attempts)
        assert.equal("auth", row.attempts[1].error)
        assert.matches("^no token from 127.0.0.1: ", row.attempts[1].detail)
        assert.matches(case[2], row.attempts[1].detail)
        assert.is_nil(row.attempts[1].detail:find("s3cret", 1, true))
      end
      assert.equal(0, #it.receiver.requests)
    end))
  end

  it("of 8192 bytes is taken", with(function(rig)
    local it = set_up(rig, { authority = function() return token(("x"):rep(8192), 60) end })
    rig:commit { body = "{}" }
    rig:settle()
    assert.equal("Bearer " .. ("x"):rep(8192), sent(it)[1])
  end))

  it("comes from where the guard lets go only", with(function(rig)
    local made = rig:first_attempt(nil, { url = "http://receiver.example/", public_only = true,
      token_url = "http://127.0.0.1:9/token" })
    assert.equal("auth", made.error)
    assert.matches("blocked_address: 127.0.0.0/8 is loopback", made.detail)
  end))

  it("is waited for no longer when the sender is cut off, and fetched behind the restart", with(function(rig)
    local it = set_up(rig, { authority = function(_, server)
      return #server.requests > 1 and token("t2", 3600) or nil
    end })
    for _ = 1, 3 do rig:commit { body = "{}" } end
    assert(rig:wait(function() return #it.authority.requests == 1 end))
    assert.equal(3, rig.rig:counts().in_flight)
    rig.rig:restart(0)
    rig.rig:endpoints { it.spec }
    rig.rig:start()
    for _, row in ipairs(rig:settle()) do assert.equal("succeeded", row.state) end
    assert.same({ "Bearer t2", "Bearer t2", "Bearer t2" }, sent(it))
  end))
end)
