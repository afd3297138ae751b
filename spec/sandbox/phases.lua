-- SPDX-License-Identifier: MIT
-- Each phase with a project that runs some code in it: PHASES[name](code) -> act() -> text of what
-- was told, nil if nothing was. The code stands on line 2 of scripts/main.lua.
local rig = require "core.script_rig"

local PROJECT = [[local anzol = require "anzol"
local function attack() %s end
anzol.endpoint("e", { url = "https://e.example", sign = false, %s })
anzol.source("s", { type = "t", verify = anzol.verify.none(), %s })
anzol.on("good", { name = "good" }, function() assert(("x"):find "x" and #{ 1 } == 1) end)
anzol.on("main", { name = "main", %s }, function() %s end)
%s
]]

local function project(code, where)
  local text = PROJECT:format(code, where.endpoint or "", where.source or "",
    where.on or "", where.handler or "", where.body or "")
  return rig.load { files = { ["scripts/main.lua"] = text } }
end

-- What an act says, and the project that has to be well afterwards.
local function phase(where, act)
  return function(code)
    local it, findings, why = project(code, where)
    if not it then error("not loaded: " .. tostring(why or findings[1].message)) end
    return function() return act(it) end, it
  end
end

local function admitted(it)
  local result = it:admit("s", { body = "{}" })
  return result.outcome ~= "ok" and result.outcome ~= "unverified" and result.outcome ~= "answered"
    and result.reason or nil
end

local function ran(it)
  local result = it:run("main", { type = "main", body = "{}" })
  return result.outcome == "failed" and result.text or nil
end

local function ticked(kind, name)
  return function(it)
    local result = it:tick(kind, name)
    return result.outcome == "failed" and result.text or nil
  end
end

local CALL = "%s = function() attack() return nil end"

return {
  load = function(code)
    return function()
      local it, _, why = project(code, { body = "attack()" })
      if it then it:close() end
      return not it and why or nil
    end
  end,
  settings = function(code)
    local dir = rig.dir { ["anzol.lua"] = ("\nlocal function attack() %s end attack() return {}"):format(code) }
    return function() return select(2, rig.script.settings(dir)) end
  end,
  challenge = phase({ source = CALL:format "challenge" }, admitted),
  verify = phase({ source = CALL:format "verify" }, admitted),
  respond = phase({ source = CALL:format "respond" }, function(it)
    local result = it:admit("s", { body = "{}" })
    return result.reason ~= "" and result.reason or nil
  end),
  type = phase({ source = 'type = function() attack() return "t" end' }, admitted),
  idempotency_key = phase({ source = CALL:format "idempotency_key" }, admitted),
  filter = phase({ on = CALL:format "filter" }, ran),
  init = phase({ body = "anzol.init(attack)" }, function(it)
    local result = it:init()
    while not result.is_done do it:turn() end
    return result.problem
  end),
  cron = phase({ body = [[anzol.cron("c", { schedule = "@daily" }, function() attack() end)]] },
    ticked("cron", "c")),
  every = phase({ body = [[anzol.every("e", "1h", function() attack() end)]] }, ticked("every", "e")),
  poll = phase({ body = [[anzol.poll("p", { interval = "1h" }, function() attack() end)]] },
    ticked("poll", "p")),
  sse = phase({ body = [[anzol.sse("s", { url = "https://s.example" }, function() attack() end)]] },
    ticked("sse", "s")),
  handler = phase({ handler = "attack()" }, ran),
  order_by = phase({ endpoint = CALL:format "order_by" }, function(it) return it:order("e") end),
  transform = phase({ endpoint = CALL:format "transform" }, function(it)
    local result = it:transform("e", { body = "{}" })
    return result.status ~= "ok" and result.err or nil
  end),
  -- The errors of these two are in the log alone.
  success = phase({ endpoint = CALL:format "success" }, function(it)
    return it:success("e", 200) and not it:success("e", 500) and "" or nil
  end),
  retry = phase({ endpoint = CALL:format "retry" }, function(it)
    return it:retry("e", { number = 1, status = 500 }).is_default and "" or nil
  end),
  sign = phase({ body = [[anzol.source("signed", { provider = { verify = anzol.verify.none(),
    type = "t", sign = function() attack() return {} end } })]] },
    function(it) return it:sign "signed" end),
}
