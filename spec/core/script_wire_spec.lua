-- SPDX-License-Identifier: MIT
-- The options of anzol.endpoint that say how messages go over the wire (core/script/bind_wire.c).
local rig = require "core.script_rig"

local function finding(options)
  local project, findings = rig.load { script = ([[
    anzol.endpoint("out", { url = "https://out.example/", sign = false, %s })]]):format(options) }
  assert.is_nil(project, "it was loaded")
  return findings[1].message .. " " .. (findings[1].hint or "")
end

describe("anzol.endpoint", function()
  after_each(rig.finish)

  for options, message in pairs {
    ["tell_success = 1"] = "option 'tell_success' of anzol.endpoint 'out' must be",
    ["compress = 'br'"] = [[option 'compress' of anzol.endpoint 'out' must be "gzip", got 'br']],
    ["compress = true"] = "option 'compress' of anzol.endpoint 'out' must be",
    ["cloudevents = true"] = "option 'cloudevents' of anzol.endpoint 'out' takes a table of options",
    ["cloudevents = {}"] = "option 'source' of option 'cloudevents' of anzol.endpoint 'out' must be a URI",
    ["cloudevents = { source = '' }"] = "must be a URI or a path",
    ["cloudevents = { source = 'a b' }"] = "must be a URI or a path",
    ["cloudevents = { source = 'é' }"] = "must be a URI or a path",
    ["cloudevents = { source = ('/'):rep(2049) }"] = "must be a URI or a path",
    ["cloudevents = { source = '/', mode = 'batch' }"] = [[must be "binary" or "structured", got 'batch']],
    ["cloudevents = { source = '/', sorce = '/' }"] = "did you mean 'source'?",
  } do
    it("refuses " .. options, function()
      assert.truthy(finding(options):find(message, 1, true), finding(options))
    end)
  end
end)
