-- SPDX-License-Identifier: MIT
-- Whether an answer brings a challenge back (core/model/ownership).
local model = require "anzol_test.model"

describe("a challenge", function()
  it("is brought back as text or as JSON", function()
    for _, body in ipairs { "abc", " abc\r\n", '{"challenge":"abc"}', ' {"challenge": "\\u0061bc"}\n' } do
      assert.is_true(model.ownership_is_proof(body, "abc"), body)
    end
  end)

  it("is not brought back by anything else", function()
    for _, body in ipairs { "", "ab", "abcd", "abc abc", '"abc"', '["abc"]', '{"challenge":"ab"}', '{"challenge":1}',
      '{"type":"endpoint.challenge","challenge":"abc"}', '{"challenge":"abc","challenge":"abc"}',
      '{"other":"abc"}', '{"a":{"challenge":"abc"}}', '{"challenge":"abc"', "{}" } do
      assert.is_false(model.ownership_is_proof(body, "abc"), body)
    end
  end)
end)
