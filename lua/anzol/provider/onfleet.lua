-- SPDX-License-Identifier: MIT
-- Onfleet: hex HMAC-SHA512 over the body in X-Onfleet-Signature; the key is hex. The handshake is
-- a GET whose check is echoed. From other receivers' code.
local declare = require "anzol.declare"

return declare {
  name = "onfleet",
  recipe = { header = "X-Onfleet-Signature", algorithm = "sha512", key = "hex" },
  type = declare.type_of_json("onfleet", "triggerName"),
  challenge = function()
    return function(req)
      local check = req.method == "GET" and req.query.check
      if check then
        return { status = 200, body = check, headers = { ["Content-Type"] = "text/plain" } }
      end
    end
  end,
}
