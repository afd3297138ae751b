-- SPDX-License-Identifier: MIT
-- Formstack: hex HMAC-SHA256 over the body in X-FS-Signature: sha256=…. From other receivers' code.
local declare = require "anzol.declare"

return declare {
  name = "formstack",
  recipe = { header = "X-FS-Signature", prefix = "sha256=" },
  type = function() return "formstack.submission" end,
}
