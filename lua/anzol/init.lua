-- SPDX-License-Identifier: MIT
-- anzol: what scripts require. The core is C (core/script); this file adds what is better said in
-- Lua.
local M = require "anzol.core"
if not M.source then
  error("'anzol' is there in the scripts that Anzol runs; a spec loads these with "
    .. "require \"anzol.testing\".new { … }", 2)
end

-- Providers are loaded when they are first named: one file each, anzol.provider.NAME, a project's
-- own ones in its lua/anzol/provider/.
M.provider = setmetatable({}, {
  __index = function(providers, name)
    local module = "anzol.provider." .. name
    local found, provider = pcall(require, module)
    if not found then
      if not tostring(provider):find("module '" .. module .. "' not found", 1, true) then
        error(provider, 0)
      end
      error(("unknown provider '%s'; there are github and standard, and what you put into "
        .. "lua/anzol/provider/"):format(name), 2)
    end
    rawset(providers, name, provider)
    return provider
  end,
})

return M
