-- SPDX-License-Identifier: MIT
-- Durations: seconds as a number, or "250ms" "5s" "10m" "2h" "7d".
local failure = require "anzol.testing.failure"

local units = { ms = 1, s = 1000, m = 60000, h = 3600000, d = 86400000 }

-- In milliseconds.
return function(duration, what)
  local ms
  if type(duration) == "number" then
    ms = duration * 1000
  elseif type(duration) == "string" then
    local count, unit = duration:match "^(%d+%.?%d*)(%a+)$"
    ms = units[unit] and tonumber(count) * units[unit]
  end
  if not ms or ms < 0 then
    failure.raise("%s takes a duration: seconds, or \"250ms\" \"5s\" \"10m\" \"2h\" \"7d\"; got %s",
      what, type(duration) == "string" and ("%q"):format(duration) or tostring(duration))
  end
  return math.floor(ms + 0.5)
end
