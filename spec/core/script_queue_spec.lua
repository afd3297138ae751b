-- SPDX-License-Identifier: MIT
-- Loading endpoints of kind "long_poll": what is taken, and what is refused.
local rig = require "core.script_rig"
local script = rig.script

describe("a queue, when it is loaded,", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  -- One past each limit of a queue.
  for option, values in pairs {
    wait = { "300", "300.001", "a duration from 0s to 300s" },
    batch = { "1000", "1001", "an integer from 1 to 1000" },
    lease = { "43200", "43200.001", "a duration from 1s to 43200s" },
  } do
    it("takes the most of a queue's " .. option .. " and no more", function()
      local text = [[anzol.endpoint("a", { kind = "long_poll", path = "/q", auth = anzol.verify.none(),
        %s = %s })]]
      assert.truthy(rig.load { script = text:format(option, values[1]) })
      rig.finish()
      local _, _, why = rig.load { script = text:format(option, values[2]) }
      assert.matches(("option '%s' of anzol.endpoint 'a' must be %s"):format(option, values[3]), tostring(why))
    end)
  end

  local misuse = {
    ["a queue without a path"] = { "anzol.endpoint('a', { kind = 'long_poll', auth = anzol.verify.none() })",
      [[anzol.endpoint 'a' needs 'path': where its receivers ask, as "/queue/a"]] },
    ["a queue for anybody"] = { "anzol.endpoint('a', { kind = 'long_poll', path = '/x' })",
      "anzol.endpoint 'a' needs 'auth': a verifier, as anzol.verify.bearer" },
    ["a queue with a url"] = { "anzol.endpoint('a', { kind = 'long_poll', path = '/x', url = 'https://a.example' })",
      "unknown option 'url' for anzol.endpoint 'a'" },
    ["a queue below a source"] = { [[anzol.source("a", { verify = anzol.verify.none(), path = "/q/ack" })
      anzol.endpoint("b", { kind = "long_poll", path = "/q", auth = anzol.verify.none() })]],
      "path '/q/ack' is taken by anzol.source 'a'" },
    ["a source at a queue"] = { [[
      anzol.endpoint("b", { kind = "long_poll", path = "/q", auth = anzol.verify.none() })
      anzol.source("a", { verify = anzol.verify.none(), path = "/q/extend" })]],
      "path '/q/extend' is taken by anzol.endpoint 'b'" },
  }
  for name, case in pairs(misuse) do
    it("is refused for " .. name, function()
      local project, _, why = rig.load { script = case[1] }
      assert.is_nil(project)
      assert.matches(case[2], why)
    end)
  end
end)
