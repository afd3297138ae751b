-- SPDX-License-Identifier: MIT
-- JSON told valid without reading it (core/base/json.c).
local base = require "anzol_test.base"

describe("json", function()
  local valid = { "{}", "[]", " [ ] ", "0", "-0", "10", "-1.5e+10", "1E5", "true", "false", "null", '""',
    '"\\u00e9\\n\\"\\/"', '"é€😀"', '{"a":[1,{"b":null}],"c":""}', '[[],{},[{}]]',
    "\t\r\n{ \"a\" : 1 , \"b\" : [ 1 , 2 ] } ", '{"a":1,"a":2}', ("["):rep(128) .. ("]"):rep(128) }
  for _, text in ipairs(valid) do
    it("is valid: " .. text:sub(1, 40), function() assert.is_true(base.is_json(text)) end)
  end

  local invalid = { "", " ", "{", "}", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{]", "[}", "{1:2}",
    '{"a"}', '{"a":}', '{"a":1,}', '{"a" 1}', '{,}', "01", "-", "+1", "1.", ".5", "1e", "1e+", "0x1",
    "NaN", "Infinity", "tru", "truex", "True", "nul", "'a'", '"', '"a', '"\\', '"\\x"', '"\\u12g4"', '"\\u12"',
    '"\n"', '"\0"', '"\255"', '"\192\128"', "1 1", "{}{}", "[]\0", "\0", "\\u0031",
    ("["):rep(129) .. ("]"):rep(129) }
  for _, text in ipairs(invalid) do
    it("is not valid: " .. text:sub(1, 40):gsub("%c", "?"), function()
      assert.is_false(base.is_json(text))
    end)
  end
end)

describe("a look into json", function()
  it("finds a member, the last of its name, however the name is written", function()
    assert.same({ "2" }, { base.json_look('{"a":1, "b":{"a":3}, "a" : 2 }', "a") })
    assert.same({ '"x"', "x" }, { base.json_look('{"\\u0061\\n":"x"}', "a\n") })
    assert.is_nil(base.json_look('{"b":{"a":3}}', "a"))
    assert.is_nil(base.json_look("{}", "a"))
  end)

  it("leaves out white space and nothing else", function()
    local text = '{"a": [ 1.50 , -0e+2,\n{ "b c" : "d  \\" e" } , null ] }'
    assert.equal('[1.50,-0e+2,{"b c":"d  \\" e"},null]', (base.json_look(text, "a")))
  end)

  it("says what a string says", function()
    local function said(string) return (select(2, base.json_look('{"a":' .. string .. "}", "a"))) end
    assert.equal('"\\/\b\f\n\r\t', said '"\\"\\\\\\/\\b\\f\\n\\r\\t"')
    assert.equal("A\0é€😀", said '"\\u0041\\u0000\\u00e9\\u20AC\\ud83d\\ude00"')
    assert.equal("\u{fffd}x\u{fffd}\u{fffd}A", said '"\\ud83dx\\ude00\\ud83d\\u0041"')
  end)

  it("goes over the items of an array", function()
    assert.same({ "1", '{"a":[2]}', '"]"' }, base.json_items ' [1 , {"a":[2]},"]" ]')
    assert.same({}, base.json_items "[ ]")
  end)
end)
