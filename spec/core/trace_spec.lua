-- SPDX-License-Identifier: MIT
-- W3C trace context (core/model/trace.c): the trace is the sender's if it said a valid one.
local model = require "anzol_test.model"

local ID, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
local HEADER = "00-" .. ID .. "-" .. SPAN .. "-01"

describe("traceparent", function()
  it("gives the trace and the sender's span", function()
    local id, span = model.trace(HEADER)
    assert.equal(ID, id)
    assert.equal(SPAN, span)
    assert.equal(ID, (model.trace("00-" .. ID .. "-" .. SPAN .. "-ff")))
  end)

  it("may be of a later version, which may say more", function()
    assert.equal(ID, (model.trace("01" .. HEADER:sub(3))))
    assert.equal(ID, (model.trace("fe" .. HEADER:sub(3) .. "-more")))
  end)

  local invalid = {
    [""] = "nothing",
    [HEADER:sub(1, -2)] = "one digit short",
    [HEADER .. "0"] = "one digit long",
    [HEADER .. "-more"] = "more than version 00 has",
    ["cc" .. HEADER:sub(3) .. "more"] = "more without a dash",
    ["ff" .. HEADER:sub(3)] = "version ff",
    ["0x" .. HEADER:sub(3)] = "a version that is no number",
    [HEADER:upper()] = "upper case",
    ["00-" .. ("0"):rep(32) .. "-" .. SPAN .. "-01"] = "a trace of zeros",
    ["00-" .. ID .. "-" .. ("0"):rep(16) .. "-01"] = "a span of zeros",
    ["00-" .. ID .. "-" .. SPAN .. "-0g"] = "flags that are no number",
    ["00_" .. HEADER:sub(4)] = "another separator",
    ["00-" .. ID:sub(1, 31) .. "g-" .. SPAN .. "-01"] = "a trace that is no number",
    ["00-" .. ID .. "-" .. SPAN:sub(1, 15) .. "g-01"] = "a span that is no number",
  }
  for header, name in pairs(invalid) do
    it("is passed over when it is not valid: " .. name, function()
      local id, span, new_id, new_span = model.trace(header)
      assert.is_nil(id)
      assert.is_nil(span)
      assert.matches("^%x+$", new_id)
      assert.equal(32, #new_id)
      assert.equal(16, #new_span)
    end)
  end

  it("goes on with a span of its own", function()
    local _, _, id, span, header = model.trace(HEADER)
    assert.equal(ID, id)
    assert.are_not.equal(SPAN, span)
    assert.equal("00-" .. ID .. "-" .. span .. "-01", header)
  end)

  it("goes on sampled or not as it came, without flags that nobody knows here", function()
    local _, _, _, span, header = model.trace("00-" .. ID .. "-" .. SPAN .. "-fe")
    assert.equal("00-" .. ID .. "-" .. span .. "-00", header)
    _, _, _, span, header = model.trace("00-" .. ID .. "-" .. SPAN .. "-ff")
    assert.equal("00-" .. ID .. "-" .. span .. "-01", header)
  end)

  it("is sampled in a new trace", function()
    local _, _, id, span, header = model.trace()
    assert.equal("00-" .. id .. "-" .. span .. "-01", header)
  end)

  it("never makes the same twice", function()
    local seen = {}
    for _ = 1, 10000 do
      local _, _, id, span = model.trace()
      assert.is_nil(seen[id] or seen[span])
      seen[id], seen[span] = true, true
    end
  end)
end)
