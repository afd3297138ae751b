-- SPDX-License-Identifier: MIT
-- Secrets that only functions name (core/script/check_names.c).
local rig = require "core.script_rig"
local script = rig.script

describe("a script", function()
  after_each(rig.finish)

  it("reads the secrets that functions ask for by a literal, and misses those that are not set", function()
    script.setenv("ANZOL_SECRET_INSIDE", "of a function")
    local project = rig.project [[
      anzol.on("**", { name = "main" }, function() assert(anzol.secret "INSIDE":reveal() == "of a function") end)
    ]]
    assert.equal("handled", project:run("main", {}).outcome)
    script.setenv("ANZOL_SECRET_INSIDE", nil)
    local _, findings = rig.load { files = { ["scripts/main.lua"] = [[local anzol = require "anzol"
      local twice = anzol.secret "OUTSIDE"
      anzol.on("**", function()
        return anzol.secret("INSIDE"), anzol.secret "OUTSIDE", anzol.secret(twice), "anzol.secret 'TEXT'"
      end)]] } }
    local found = {}
    for i, finding in ipairs(findings) do
      found[i] = finding.line .. " " .. finding.message:match "^secret %S+ is not set"
    end
    assert.same({ "2 secret OUTSIDE is not set", "4 secret INSIDE is not set" }, found)
  end)
end)
