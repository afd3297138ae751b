local testing = require "anzol.testing"

describe("a commit", function()
  local t

  before_each(function() t = testing.new { secrets = testing.any_secret } end)
  after_each(function() t:close() end)

  local function finish(name, result, commit)
    t:receive("ci", { sign = true, json = { type = "check.finished", commit = commit or "c0ffee",
      name = name, result = result or "green" } })
  end

  it("is deployed when its last check is green, in any order", function()
    finish "scan"
    finish "build"
    assert.equal(0, #t.deliveries)
    finish "tests"
    assert.same({ commit = "c0ffee" }, t:delivery("deployer").request.json)
  end)

  it("is not deployed with a red check, until that is green", function()
    finish "scan"
    finish("tests", "red")
    finish "build"
    assert.equal(0, #t.deliveries)
    finish "tests"
    assert.equal(1, #t.deliveries)
  end)

  it("is deployed once, though a check runs again", function()
    for _, name in ipairs { "scan", "build", "tests", "tests" } do finish(name) end
    assert.equal(1, #t.deliveries)
  end)

  it("waits for its own checks only", function()
    finish "scan"
    finish("build", "green", "decaf")
    finish "tests"
    assert.equal(0, #t.deliveries)
    assert.same({ scan = "green", tests = "green" }, t.kv["build-gate"].c0ffee)
  end)
end)
