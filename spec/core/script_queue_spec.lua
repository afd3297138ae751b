-- SPDX-License-Identifier: MIT
-- Loading endpoints of kind "long_poll": what is taken, and what is refused.
local rig = require "core.script_rig"
local script = rig.script

describe("a queue, when it is loaded,", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  -- One past each limit of a queue.
  for option, values in pairs {
    wait = { "300", "300.001", "a duration from 0ms to 5m" },
    batch = { "1000", "1001", "an integer from 1 to 1000" },
    lease = { "43200", "43200.001", "a duration from 1s to 12h" },
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

  it("is warned of if it gives to anybody, or if its secret is short", function()
    local _, findings = rig.load { script = [[
      anzol.endpoint("given", { kind = "long_poll", path = "/given", auth = anzol.verify.none() })
      anzol.endpoint("guessed", { kind = "long_poll", path = "/guessed",
        auth = anzol.verify.bearer { secret = "guess" } })]] }
    local messages = {}
    for i, finding in ipairs(findings) do messages[i] = finding.level .. ": " .. finding.message end
    assert.same({ "warning: a secret stands in the script itself",
      "warning: anzol.endpoint 'given' gives its messages to anybody who asks (anzol.verify.none)",
      "warning: the secret of guessed has fewer than 16 bytes" }, messages)
  end)

  local misuse = {
    ["a queue without a path"] = { "anzol.endpoint('a', { kind = 'long_poll', auth = anzol.verify.none() })",
      [[anzol.endpoint 'a' needs 'path': where its receivers ask, as "/queue/a"]] },
    ["a queue for anybody"] = { "anzol.endpoint('a', { kind = 'long_poll', path = '/x' })",
      "anzol.endpoint 'a' needs 'auth': a verifier, as anzol.verify.bearer" },
    ["a queue with a url"] = { "anzol.endpoint('a', { kind = 'long_poll', path = '/x', url = 'https://a.example' })",
      "option 'url' of anzol.endpoint 'a' is not for kind = \"long_poll\": its receivers ask" },
    ["a queue that compresses"] = { "anzol.endpoint('a', { kind = 'long_poll', path = '/x', compress = 'gzip' })",
      "option 'compress' of anzol.endpoint 'a' is not for kind = \"long_poll\"" },
    ["a queue of CloudEvents"] = { "anzol.endpoint('a', { kind = 'long_poll', path = '/x', cloudevents = {} })",
      "option 'cloudevents' of anzol.endpoint 'a' is not for kind = \"long_poll\"" },
    ["an option of nobody's"] = { "anzol.endpoint('a', { kind = 'long_poll', path = '/x', pth = 1 })",
      "unknown option 'pth' for anzol.endpoint 'a' %(did you mean 'path'%?%)" },
    ["a lease of what is sent"] = { "anzol.endpoint('a', { url = 'https://a.example', sign = false, lease = '1m' })",
      "option 'lease' of anzol.endpoint 'a' is for a queue, an endpoint with kind = \"long_poll\"" },
    ["a path of what is sent"] = { "anzol.endpoint('a', { url = 'https://a.example', sign = false, path = '/q' })",
      "option 'path' of anzol.endpoint 'a' is for a queue" },
    ["a queue whose dead block without an order"] = { [[anzol.endpoint('a', { kind = 'long_poll', path = '/x',
      on_dead = 'block', auth = anzol.verify.none() })]], "option 'on_dead' of anzol.endpoint 'a' needs 'order_by'" },
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
