-- SPDX-License-Identifier: MIT
-- What every engine behind store.h must do, whatever is around it.
local context = require "store.context"

-- How the suite runs: the engine as it is; and with every group refused, so that each operation
-- runs alone.
local variants = {
  { name = "the SQLite store", fault = nil },
  { name = "the SQLite store, every operation alone", fault = "refuse:group:1:0" },
}

local parts = { "intake", "watches", "runs", "order", "steps", "batches", "kv", "deliveries",
  "delivery_order", "leases", "changes", "routines", "resources", "registered", "tokens",
  "secrets", "sealed", "erase", "published", "lists", "reads" }

-- With the names that the runner gives to a spec.
local function load_part(name)
  return assert(loadfile("spec/store/contract_" .. name .. ".lua", "t", _ENV))()
end

for _, variant in ipairs(variants) do
  describe(variant.name, function()
    local t = context(variant.fault)
    before_each(t.start)
    after_each(t.finish)
    for _, part in ipairs(parts) do load_part(part)(t) end
  end)
end
