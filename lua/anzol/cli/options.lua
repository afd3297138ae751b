-- SPDX-License-Identifier: MIT
-- Made from lua/meta by `./dev docs`: which options an argument takes.
-- luacheck: no max line length
return {
  ["anzol.breaker"] = { [2] = "cooldown failures half_open window" },
  ["anzol.http.delete"] = { [2] = "allow_private auth body form headers json max_body query redirects timeout" },
  ["anzol.http.get"] = { [2] = "allow_private auth body form headers json max_body query redirects timeout" },
  ["anzol.http.patch"] = { [2] = "allow_private auth body form headers json max_body query redirects timeout" },
  ["anzol.http.post"] = { [2] = "allow_private auth body form headers json max_body query redirects timeout" },
  ["anzol.http.put"] = { [2] = "allow_private auth body form headers json max_body query redirects timeout" },
  ["anzol.http.request"] = { [1] = "allow_private auth body form headers json max_body query redirects timeout method url" },
  ["anzol.json.encode"] = { [2] = "indent sort" },
  ["anzol.limiter"] = { [3] = "burst" },
  ["anzol.metric.histogram"] = { [3] = "buckets" },
  ["event:emit"] = { [3] = "idempotency_key" },
  ["event:send"] = { [2] = "body form headers json method path query type", [3] = "delay expires idempotency_key" },
}
