-- SPDX-License-Identifier: MIT
-- What plain busted needs in the folder of an example: Lua 5.4, Anzol where `./dev build` put it
-- (ANZOL_BUILD names another build folder).
local build = "../../" .. (os.getenv "ANZOL_BUILD" or "build")
local share = build .. "/share/lua/5.4/"
return {
  default = {
    lua = "lua5.4",
    ROOT = { "spec/" },
    pattern = "_spec",
    lpath = share .. "?.lua;" .. share .. "?/init.lua",
    cpath = build .. "/lib/lua/5.4/?.so",
  },
}
