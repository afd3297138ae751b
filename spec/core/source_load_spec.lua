-- SPDX-License-Identifier: MIT
-- What a source that is polled says by its headers (core/model/source_load.c).
local model = require "anzol_test.model"

local NOW = 1772460000000 -- 2026-03-02T14:00:00Z

local function of(headers, answer)
  answer = answer or {}
  answer.headers = headers
  return model.source_load({ answer }, NOW)
end
local function rate(headers) return of(headers).rate_ms end

describe("the load of a source", function()
  it("is nothing where nothing is said", function()
    assert.same({ retry_after_ms = 0, max_age_ms = 0, rate_ms = 0, answer_ms = 0, is_busy = false }, of {})
  end)

  it("says how long an answer is fresh, less its age", function()
    assert.equal(60000, of { ["Cache-Control"] = "public, max-age=60" }.max_age_ms)
    assert.equal(60000, of { ["cache-control"] = "MAX-AGE=60,must-revalidate" }.max_age_ms)
    assert.equal(45000, of { ["cache-control"] = "max-age=60", age = "15" }.max_age_ms)
    assert.equal(0, of { ["cache-control"] = "max-age=60", age = "90" }.max_age_ms)
    assert.equal(0, of { ["cache-control"] = "s-maxage=60, no-cache" }.max_age_ms)
    assert.equal(86400000, of { ["cache-control"] = "max-age=31536000" }.max_age_ms)
    for _, broken in ipairs { "max-age", "max-age=", "max-age=x", "max-age=-1", "xmax-age=60", "" } do
      assert.equal(0, of { ["cache-control"] = broken }.max_age_ms, broken)
    end
  end)

  it("spreads what is left of a rate over the time until there is more", function()
    assert.equal(600, rate { ["X-RateLimit-Remaining"] = "50", ["X-RateLimit-Reset"] = "30" })
    assert.equal(600, rate { ["RateLimit-Remaining"] = "50", ["RateLimit-Reset"] = "30" })
    assert.equal(600, rate { ["x-rate-limit-remaining"] = "50", ["x-rate-limit-reset"] = "30" })
    assert.equal(600, rate { RateLimit = '"default";r=50;t=30' })
    assert.equal(600, rate { RateLimit = "limit=100, remaining=50, reset=30" })
    assert.equal(30000, rate { RateLimit = '"a";r=500;t=30, "b";r=1;t=30' })
  end)

  it("waits for the reset when nothing is left", function()
    assert.equal(30000, rate { ["X-RateLimit-Remaining"] = "0", ["X-RateLimit-Reset"] = "30" })
    assert.equal(30000, rate { RateLimit = '"default";r=0;t=30' })
  end)

  it("takes a reset for a Unix time where it must be one", function()
    local function reset(value)
      return rate { ["x-ratelimit-remaining"] = "0", ["x-ratelimit-reset"] = tostring(value) }
    end
    assert.equal(90000, reset(NOW // 1000 + 90))
    assert.equal(90000, reset(NOW + 90000))
    assert.equal(0, reset(NOW // 1000 - 5))
    assert.equal(86400000, reset(NOW // 1000 + 1000000))
  end)

  it("knows no rate by half of it, or by what is no number", function()
    assert.equal(0, rate { ["x-ratelimit-remaining"] = "0" })
    assert.equal(0, rate { ["x-ratelimit-reset"] = "30" })
    assert.equal(0, rate { ["x-ratelimit-remaining"] = "none", ["x-ratelimit-reset"] = "30" })
    assert.equal(0, rate { RateLimit = '"default";r=0' })
    assert.equal(0, rate { RateLimit = '"default";r=;t=' })
  end)

  it("is that of a whole run: of several answers the longest waits, the last one's rate for all", function()
    local load = model.source_load({
      { duration_ms = 100, retry_after_ms = 5000, status = 503,
        headers = { ["x-ratelimit-remaining"] = "0", ["x-ratelimit-reset"] = "3000" } },
      { duration_ms = 40, headers = { ["cache-control"] = "max-age=5",
        ["x-ratelimit-remaining"] = "10", ["x-ratelimit-reset"] = "30" } },
    }, NOW)
    assert.same({ retry_after_ms = 5000, max_age_ms = 5000, rate_ms = 6000, answer_ms = 100,
      is_busy = true }, load)
  end)

  it("is busy at 429 and 503", function()
    for status, is_busy in pairs { [200] = false, [429] = true, [500] = false, [503] = true } do
      assert.equal(is_busy, of({}, { status = status }).is_busy)
    end
  end)
end)
