-- SPDX-License-Identifier: MIT
-- challenge and respond: what a sender is told (core/script/admit.c, answer.c).
local rig = require "core.script_rig"
local script = rig.script

describe("the answer to a sender", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  -- One source with these hooks, each the body of a function(req).
  local function source(hooks)
    local text = "local order = {} anzol.source('s', {\n"
    for _, name in ipairs { "challenge", "verify", "respond", "type", "idempotency_key" } do
      if hooks[name] then text = text .. ("%s = function(req) %s end,\n"):format(name, hooks[name]) end
    end
    if not hooks.verify then text = text .. "verify = anzol.verify.none(),\n" end
    if not hooks.type then text = text .. "type = 't',\n" end
    return rig.project(text .. "})")
  end

  local function admit(hooks, request) return source(hooks):admit("s", request or {}) end

  describe("by challenge", function()
    it("is given before verify, and nothing is stored", function()
      local result = admit({ challenge = "return { body = req.query.challenge }",
        verify = "error 'never asked'" }, { headers = { { ":query", "challenge=abc" } } })
      assert.equal("answered", result.outcome)
      assert.equal("abc", result.answer.body)
      assert.same({ { "Content-Type", "text/plain; charset=utf-8" },
        { "X-Content-Type-Options", "nosniff" } }, result.answer.head)
    end)

    it("leaves to the others what it does not answer", function()
      assert.equal("unverified", admit({ challenge = "return nil", verify = "return false" }).outcome)
      assert.equal("ok", admit({ challenge = "", verify = "return true" }).outcome)
    end)

    it("may come to methods that the source does not take, else they are refused", function()
      local hooks = { challenge = "if req.headers['x-yes'] then return { status = 204 } end" }
      assert.equal("method", admit(hooks, { unlisted = 1 }).outcome)
      local result = admit(hooks, { unlisted = 1, headers = { { "X-Yes", "1" } } })
      assert.same({ "answered", 204 }, { result.outcome, result.answer.status })
      assert.equal("method", admit({}, { unlisted = 1 }).outcome)
    end)

    it("is an error when it raises, and malformed JSON is the sender's mistake", function()
      local result = admit { challenge = "error 'no'" }
      assert.equal("error", result.outcome)
      assert.matches("main.lua:2: no", result.reason)
      assert.matches("in 'challenge' of source \"s\"", result.reason)
      assert.equal("malformed", admit({ challenge = "return req.json.x" }, { body = "{" }).outcome)
    end)

    it("knows no store", function()
      assert.matches("unknown option 'store' for the answer of challenge",
        admit({ challenge = "return { store = false }" }).reason)
    end)
  end)

  describe("by respond", function()
    it("goes along with the event", function()
      local result = admit { respond = "return { status = 202, json = { n = 1 << 60 } }" }
      assert.equal("ok", result.outcome)
      assert.equal("t", result.type)
      assert.same({ 202, '{"n":1152921504606846976}', true },
        { result.answer.status, result.answer.body, result.answer.is_stored })
    end)

    it("may say that nothing is stored: then no type is asked for", function()
      local result = admit({ respond = "return { json = { challenge = req.json.challenge }, store = false }",
        type = "error 'never asked'" }, { body = '{"challenge":"c"}' })
      assert.equal("answered", result.outcome)
      assert.equal('{"challenge":"c"}', result.answer.body)
    end)

    it("says nothing: the default goes", function()
      local result = admit { respond = "" }
      assert.same({ "ok" }, { result.outcome, result.answer })
    end)

    it("is asked only of what is genuine", function()
      local result = admit { verify = "return false, 'forged'", respond = "error 'never asked'" }
      assert.same({ "unverified", "forged" }, { result.outcome, result.reason })
    end)

    it("cannot make a sender's event one of the server's own", function()
      for _, type in ipairs { "anzol.endpoint.disabled", "api.invoice.paid", "anzol." } do
        local result = admit { type = ("return %q"):format(type) }
        assert.equal("untyped", result.outcome)
        assert.matches(("type returned '%s': types that begin with anzol. or api. are made by the server"):format(type),
          result.reason, 1, true)
        local why, findings = rig.refusal(("anzol.source('a', { verify = anzol.verify.none(), type = %q })")
          :format(type))
        assert.matches(("option 'type' of anzol.source 'a' is '%s': types that begin with"):format(type),
          why or findings[1].message, 1, true)
      end
      assert.equal("ok", admit({ type = "return 'anzolian.x'" }).outcome)
      assert.equal("ok", admit({ type = "return 'api'" }).outcome)
    end)

    it("keeps its answer when the type is unknown", function()
      local result = admit { respond = "return { status = 201 }", type = "error 'no type'" }
      assert.same({ "untyped", 201 }, { result.outcome, result.answer.status })
    end)

    it("loses its answer when the JSON is malformed behind it", function()
      local result = admit({ respond = "return { status = 201 }", type = "return req.json.t" }, { body = "{" })
      assert.same({ "malformed" }, { result.outcome, result.answer })
    end)

    it("may wait, within the limit that all hooks share", function()
      local result = admit { verify = "anzol.sleep(0.01) return true",
        respond = "anzol.sleep(0.01) return { status = 203 }" }
      assert.same({ "ok", 203 }, { result.outcome, result.answer.status })
      local from = script.now_ns()
      result = admit { challenge = "anzol.sleep(1.5 * " .. rig.patience .. ")",
        respond = "anzol.sleep(1.5 * " .. rig.patience .. ") return { status = 203 }" }
      assert.equal("error", result.outcome)
      assert.matches("'respond' went over its time limit of %d+ ms", result.reason)
      local spent_ms = (script.now_ns() - from) / 1e6
      assert.is_true(spent_ms > 2400 * rig.patience and spent_ms < 3000 * rig.patience, spent_ms)
    end)
  end)

  local mistakes = {
    ["a misspelt name"] = { "return { stauts = 200 }", "unknown option 'stauts' for the answer of respond; "
      .. "did you mean 'status'" },
    ["no table"] = { "return 200", "the answer of respond takes a table of options, got number" },
    ["a status of another kind"] = { "return { status = 199 }", "must be an integer from 200 to 599, got '199'" },
    ["a status past the last"] = { "return { status = 600 }", "from 200 to 599" },
    ["two bodies"] = { "return { json = 1, body = 'x' }", "has 'json' or 'body', not both" },
    ["a body that is no text"] = { "return { body = {} }", "must be a string, got table" },
    ["a line break in a header"] = { "return { headers = { ['X-A'] = 'b\\r\\nSet-Cookie: c' } }",
      "header 'X-A' in the answer of respond holds a control character" },
    ["a header of framing"] = { "return { headers = { ['Content-Length'] = '7' } }", "Content-Length" },
    ["a header that is no token"] = { "return { headers = { ['X A'] = '7' } }", "bad header name 'X A'" },
    ["a body that is too long"] = { "return { body = ('x'):rep(64 * 1024 + 1) }", "longer than 64 KiB" },
    ["what JSON cannot hold"] = { "return { json = { print } }", "JSON" },
  }
  for name, case in pairs(mistakes) do
    it("names " .. name, function()
      local result = admit { respond = case[1] }
      assert.equal("error", result.outcome)
      assert.matches(case[2], result.reason, 1, true)
    end)
  end

  it("may be just as long as is allowed, of any of its types", function()
    local result = admit { respond = [[return { body = ("x"):rep(64 * 1024),
      headers = { ["Content-Type"] = "text/html" } }]] }
    assert.equal(64 * 1024, #result.answer.body)
    assert.equal("text/html", rig.header(result.answer.head, "content-type"))
  end)
end)
