-- SPDX-License-Identifier: MIT
-- Made from lua/meta by `./dev docs`: which options an argument takes.
-- luacheck: no max line length
return {
  ["Cache:add"] = { [3] = "ttl" },
  ["Cache:incr"] = { [3] = "ttl" },
  ["Cache:set"] = { [3] = "ttl" },
  ["Kv:incr"] = { [3] = "ttl" },
  ["Kv:set"] = { [3] = "ttl" },
  ["Limiter:take"] = { [2] = "wait" },
  ["anzol.breaker"] = { [2] = "cooldown failures half_open window", makes = "Breaker" },
  ["anzol.cache"] = { makes = "Cache" },
  ["anzol.http.all"] = { [2] = "concurrency" },
  ["anzol.http.delete"] = { [2] = "allow_private auth body form headers json max_body query redirects timeout", makes = "Response" },
  ["anzol.http.get"] = { [2] = "allow_private auth body form headers json max_body query redirects timeout", makes = "Response" },
  ["anzol.http.patch"] = { [2] = "allow_private auth body form headers json max_body query redirects timeout", makes = "Response" },
  ["anzol.http.post"] = { [2] = "allow_private auth body form headers json max_body query redirects timeout", makes = "Response" },
  ["anzol.http.put"] = { [2] = "allow_private auth body form headers json max_body query redirects timeout", makes = "Response" },
  ["anzol.http.request"] = { [1] = "allow_private auth body form headers json max_body query redirects timeout method url", makes = "Response" },
  ["anzol.json.encode"] = { [2] = "indent sort" },
  ["anzol.kv"] = { makes = "Kv" },
  ["anzol.limiter"] = { [3] = "burst", makes = "Limiter" },
  ["anzol.metric.counter"] = { makes = "Metric" },
  ["anzol.metric.gauge"] = { makes = "Metric" },
  ["anzol.metric.histogram"] = { [3] = "buckets", makes = "Metric" },
  ["anzol.secret"] = { makes = "Secret" },
  ["event:emit"] = { [3] = "delay idempotency_key" },
  ["event:send"] = { [2] = "body form headers json method path query type", [3] = "delay expires idempotency_key" },
}
