-- SPDX-License-Identifier: MIT
-- Made from lua/meta by `./dev docs`: which options an argument takes.
-- luacheck: no max line length
return {
  ["anzol.json.encode"] = { [2] = "indent sort" },
  ["event:emit"] = { [3] = "idempotency_key" },
  ["event:send"] = { [2] = "body form headers json method path query type", [3] = "delay expires idempotency_key" },
}
