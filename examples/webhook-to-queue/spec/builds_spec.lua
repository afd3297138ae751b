local testing = require "anzol.testing"

describe("builds", function()
  local t

  before_each(function()
    t = testing.new { secrets = testing.any_secret, now = "2026-03-02T08:00:00Z" }
  end)
  after_each(function() t:close() end)

  local function push(repository, ref, commit)
    t:receive("github", { type = "push", sign = true, json = { ref = ref or "refs/heads/main",
      after = commit or "1111", repository = { full_name = repository } } })
  end

  it("wait until the builder asks", function()
    push "acme/shop"
    local build = t:take("builds")[1]
    assert.same({ repository = "acme/shop", ref = "refs/heads/main", commit = "1111" }, build.json)
    assert.same({}, t:take "builds")
    assert.equal(1, t:ack("builds", build))
    assert.equal("succeeded", t:delivery("builds").state)
  end)

  it("of one repository go one after another, those of others beside them", function()
    push("acme/shop", nil, "1")
    push("acme/shop", nil, "2")
    push("acme/docs", nil, "3")
    local commits = {}
    for i, build in ipairs(t:take "builds") do commits[i] = build.json.commit end
    assert.same({ "1", "3" }, commits)
  end)

  it("of the main branch come first", function()
    push("acme/shop", "refs/heads/try")
    push("acme/docs", "refs/heads/main")
    assert.equal("acme/docs", t:take("builds", { limit = 1 })[1].json.repository)
  end)

  it("come again when the builder died, and are given up in the end", function()
    push "acme/shop"
    for attempt = 1, 3 do
      assert.equal(attempt, t:take("builds")[1].attempt)
      t:advance "15m"
    end
    assert.equal("dead", t:delivery("builds").state)
    assert.equal(1, #t.dead_letters)
    assert.equal("a build was given up", t.logs[#t.logs].message)
  end)

  it("are given back while the builder is short of room, and extended while they run", function()
    push "acme/shop"
    t:nack("builds", t:take "builds", { delay = "5m", reason = "no room" })
    t:advance "5m"
    local build = t:take("builds")[1]
    t:advance "14m"
    t:extend("builds", build)
    t:advance "14m"
    assert.equal(1, t:ack("builds", build))
  end)
end)
