-- SPDX-License-Identifier: MIT
-- Receivers that answer without end: what one attempt keeps is bounded, and given back.
local rigs = require "core.send_rig"

local ROUNDS, AT_ONCE = 12, 20
local GROWTH_BYTES = 4 << 20
local PAGE_BYTES = 4096

local function resident_bytes()
  local file <close> = assert(io.open "/proc/self/statm")
  local _, pages = file:read("n", "n")
  return pages * PAGE_BYTES
end

-- The store in memory keeps what it is given, so it goes with its rig.
local function strike(behaviour)
  local rig = rigs.new()
  local server = rig:server(function() return behaviour end)
  rig:endpoint { url = server.url, attempts = 1, concurrency = AT_ONCE, timeout_ms = 5000 }
  for _ = 1, AT_ONCE do rig:commit() end
  rig:settle(20000)
  rig:close()
  collectgarbage()
end

local endless = {
  body = { "HTTP/1.1 200 OK\r\n\r\n", endless = ("b"):rep(10000) },
  ["compressed body"] = { "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\31\139\8",
    endless = ("\0"):rep(10000) },
  ["chunked body"] = { "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n",
    endless = "400\r\n" .. ("c"):rep(1024) .. "\r\n" },
  headers = { "HTTP/1.1 200 OK\r\n", endless = ("X-H: " .. ("h"):rep(1000) .. "\r\n"):rep(10) },
  ["interim answers"] = { "", endless = "HTTP/1.1 102 Processing\r\n\r\n" },
}

describe("a receiver with endless", function()
  for name, behaviour in pairs(endless) do
    it(name .. " costs no memory that stays", function()
      local before
      for round = 1, ROUNDS do
        strike(behaviour)
        if round == ROUNDS // 3 then before = resident_bytes() end
      end
      local grown = resident_bytes() - before
      assert.is_true(grown < GROWTH_BYTES, ("%d KiB more"):format(grown // 1024))
    end)
  end
end)
