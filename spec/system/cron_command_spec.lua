-- SPDX-License-Identifier: MIT
-- anzol cron next, by the real program.
local cli = require "support.cli"
local files = require "support.files"
local json = require "dkjson"

describe("anzol cron next", function()
  local dir

  lazy_setup(function() dir = files.temp_dir() end)
  lazy_teardown(function() files.remove(dir) end)

  local function run(...) return cli.run({ "cron", ... }, { cwd = dir }) end

  it("prints times by the clocks of a zone, in UTC, and how far they are", function()
    local result = run("next", "30 2 * * *", "--timezone", "Europe/Berlin", "--count", "3",
      "--from", "2026-03-28T01:00:00+01:00")
    assert.equal("", result.errors)
    assert.equal(0, result.code)
    local lines = {}
    for line in result.output:gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.equal("LOCAL                      UTC                       IN", lines[1])
    assert.equal("2026-03-28T02:30:00+01:00  2026-03-28T01:30:00.000Z", lines[2]:sub(1, 51))
    assert.equal("2026-03-29T03:00:00+02:00  2026-03-29T01:00:00.000Z", lines[3]:sub(1, 51))
    assert.equal("2026-03-30T02:30:00+02:00  2026-03-30T00:30:00.000Z", lines[4]:sub(1, 51))
    assert.equal(4, #lines)
    assert.truthy(lines[2]:find "  %d+d %d+h" or lines[2]:find "  %d+[dhms]", lines[2])
  end)

  it("prints ten from now on, in UTC, if nothing else is asked", function()
    local result = run("next", "@hourly", "-o", "json")
    local answer = json.decode(result.output)
    assert.equal("@hourly", answer.schedule)
    assert.equal("UTC", answer.timezone)
    assert.equal(10, #answer.times)
    for i, time in ipairs(answer.times) do
      assert.truthy(time.inMs > (i - 1) * 3600000 and time.inMs <= i * 3600000, time.inMs)
      assert.truthy(time["local"]:find "T%d%d:00:00%+00:00$", time["local"])
      assert.equal(time["local"]:sub(1, 19) .. ".000Z", time.utc)
    end
  end)

  it("ends with 2 and says which field is wrong, and what it may be", function()
    local result = run("next", "0 25 * * *")
    assert.same({ code = 2, output = "",
      errors = 'anzol: schedule "0 25 * * *": hour "25": may be *, 0 to 23\n' }, result)
  end)

  local usage = {
    { { "--timezone", "Europe/Berln" }, 'no time zone "Europe/Berln".*did you mean Europe/Berlin%?' },
    { { "--timezone", "../x" }, '"../x" is no name of a time zone' },
    { { "--from", "yesterday" }, '"yesterday" is no instant: write date, time and offset' },
    { { "--count", "0" }, "--count: a whole number from 1 to 1000" },
    { { "--count", "1001" }, "--count: a whole number from 1 to 1000" },
  }
  for _, row in ipairs(usage) do
    it(("ends with 2 at %s %s"):format(row[1][1], row[1][2]), function()
      local result = run("next", "@daily", table.unpack(row[1]))
      assert.equal(2, result.code)
      assert.equal("", result.output)
      assert.truthy(result.errors:find(row[2]), result.errors)
    end)
  end

  it("gives as many as are asked for", function()
    local result = run("next", "* * * * * *", "--count", "1000", "-o", "json")
    assert.equal(1000, #json.decode(result.output).times)
  end)

  it("is known to completion", function()
    for _, shell in ipairs { "bash", "zsh", "fish" } do
      local result = cli.run({ "completion", shell }, { cwd = dir })
      assert.truthy(result.output:find("cron", 1, true) and result.output:find("timezone", 1, true))
    end
  end)
end)
