-- SPDX-License-Identifier: MIT
-- Behind the scripts of a load: subscriptions that were kept and that the scripts no longer have
-- are registered once more, to be ended at their hubs; for a hub asks back at the callback. One
-- whose name or path serves something else by now ends with its lease.
local anzol = require "anzol.core"
local is_free = require "anzol.is_free"
local registered = require "anzol.websub.registered"
local websub = require "anzol.websub"

-- kept: JSON, what lies in kv by key.
return function(kept)
  local rows, names = anzol.json.decode(kept), {}
  for name, asked in pairs(rows) do
    if asked.callback and not registered[name] then names[#names + 1] = name end
  end
  table.sort(names) -- each state registers the same
  for _, name in ipairs(names) do
    local asked = rows[name]
    if is_free(name, asked.callback.path) then
      websub(name, { topic = asked.topic, public_url = asked.callback.public_url,
        path = asked.callback.path, allow_private = asked.callback.allow_private, active = false },
        true)
    end
  end
end
