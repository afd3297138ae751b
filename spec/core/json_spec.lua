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
