-- SPDX-License-Identifier: MIT
-- F42, F43: while a script attacks, others are acknowledged and handled as before. The short form
-- takes a few attacks, the long one all that meet a limit.
local Server = require "support.server"
local attacks = require "sandbox.attacks"
local json = require "dkjson"
local process = require "anzol_test.process"
local wait = require "support.wait"

local is_long = os.getenv "ANZOL_LONG" == "1"
local SHORT = { ["a loop"] = true, ["a growing table"] = true, ["many stars"] = true,
  ["concatenations of much"] = true, ["sorts of much"] = true }
local REQUESTS = 150
local SLACK_MS = 12 -- two slices of a neighbour, and a C call
local TIMES = 2

local function script()
  local lines = { 'local anzol = require "anzol"',
    'anzol.source("open", { verify = anzol.verify.none(), type = function(req) return req.json.type end })',
    'anzol.on("fine", { name = "fine" }, function() end)' }
  for i, attack in ipairs(attacks) do
    lines[#lines + 1] = ('anzol.on("a%d", { name = "a%d" }, function() %s end)'):format(i, i, attack.code)
  end
  return table.concat(lines, "\n")
end

describe("neighbours of an attack", function()
  local server

  lazy_setup(function() server = Server.start { scripts = { ["main.lua"] = script() } } end)
  lazy_teardown(function() server:close() end)

  local function send(kind)
    local answer = server:post("/in/open", json.encode { type = kind })
    assert.equal(200, answer.status)
    return json.decode(answer.body).id
  end

  -- The time that half of the requests stay below, in ms.
  local function median()
    local times = {}
    for i = 1, REQUESTS do
      local from = process.mono_ms()
      send "fine"
      times[i] = process.mono_ms() - from
    end
    table.sort(times)
    return times[REQUESTS // 2]
  end

  it("are acknowledged as fast, and handled", function()
    local quiet = median()
    for i, attack in ipairs(attacks) do
      if attack.told == "went over its " and (is_long or SHORT[attack.name]) then
        local id = send("a" .. i)
        local loud = median()
        assert.is_true(loud <= TIMES * quiet + SLACK_MS * wait.patience,
          ("%s: %.1f ms, %.1f without it"):format(attack.name, loud, quiet))
        wait.until_true("the attack is told", 20000, function()
          local event = server:get("/api/v1/event/" .. id)
          return event.runs and event.runs[1] and event.runs[1].error
        end)
      end
    end
    local last = send "fine"
    wait.until_true("the last one is handled", 20000, function()
      return server:get("/api/v1/event/" .. last).state == "handled"
    end)
  end)
end)
