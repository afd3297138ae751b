-- A commit is deployed once build, tests and scan are all green, whatever the order in which they end.
--
-- Secrets: CI_SECRET, DEPLOY_SECRET
local anzol = require "anzol"

local CHECKS = { "build", "tests", "scan" }
local gate = anzol.kv "build-gate" -- commit -> { check = "green" | "red" }

anzol.source("ci", {
  provider = anzol.provider.standard { secret = anzol.secret "CI_SECRET" },
})

anzol.endpoint("deployer", {
  url = "https://deployer.example/deploy",
  sign = anzol.sign.standard { secret = anzol.secret "DEPLOY_SECRET" },
})

local function of_commit(event) return event.data.commit end

-- One commit's checks one after another: each sees what the one before has noted.
anzol.on("check.finished", { order_by = of_commit }, function(event)
  local check = event.data
  local results = gate:get(check.commit) or {}
  results[check.name] = check.result
  gate:set(check.commit, results, { ttl = "7d" })
  for _, name in ipairs(CHECKS) do
    if results[name] ~= "green" then return end
  end
  -- The key makes a second deployment of a commit impossible, though a check may run again.
  event:emit("commit.ready", { commit = check.commit }, { idempotency_key = "ready/" .. check.commit })
end)

anzol.on("commit.ready", function(event)
  event:send("deployer", { json = { commit = event.data.commit } })
end)
