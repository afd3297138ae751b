-- SPDX-License-Identifier: MIT
-- anzol.sorted_pairs(t): pairs in an order that does not change: numbers, then strings, then other
-- keys by their kind.
local ranks = { number = 1, string = 2, boolean = 3 }

local function is_before(a, b)
  local kind_a, kind_b = type(a), type(b)
  if kind_a ~= kind_b then
    local rank_a, rank_b = ranks[kind_a] or 4, ranks[kind_b] or 4
    if rank_a ~= rank_b then return rank_a < rank_b end
    return kind_a < kind_b
  end
  if kind_a == "number" or kind_a == "string" then return a < b end
  return tostring(a) < tostring(b)
end

return function(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys, is_before)
  local place = 0
  return function()
    place = place + 1
    local key = keys[place]
    if key ~= nil then return key, t[key] end
  end
end
