-- SPDX-License-Identifier: MIT
-- The settings of `anzol serve` (core/config) and the parsers shared with scripts (base/text.h).
local config = require "anzol_test.config"

-- Settings from the three places; each may be left out.
local function parse(places)
  return config.parse(places.args or {}, places.env or {}, places.file or {})
end

local function refusal(places)
  local parsed, text = parse(places)
  assert.is_nil(parsed)
  return text
end

describe("settings", function()
  it("have defaults that serve the current folder on loopback", function()
    local c = parse {}
    assert.equal(".", c.dir)
    assert.equal("127.0.0.1:8080", c.listen)
    assert.equal("127.0.0.1:8081", c.admin_listen)
    assert.equal("./anzol.db", c.store_path)
    assert.equal(".", c.state_dir)
    assert.is_nil(c.admin_token)
    assert.same({ "scripts/*.lua" }, c.scripts)
    assert.equal(0, c.workers)
    assert.equal(30000, c.drain_ms)
    assert.equal(256 * 1024 * 1024, c.intake_bytes)
    assert.is_false(c.watch)
    assert.is_false(c.dev)
  end)

  it("take a flag before the environment, that before anzol.lua", function()
    local file = { { name = "listen", value = "1.1.1.1:1", line = 2 } }
    local env = { ANZOL_LISTEN = "2.2.2.2:2" }
    local args = { "--listen", "3.3.3.3:3" }
    assert.equal("1.1.1.1:1", parse { file = file }.listen)
    assert.equal("2.2.2.2:2", parse { file = file, env = env }.listen)
    assert.equal("3.3.3.3:3", parse { file = file, env = env, args = args }.listen)
  end)

  it("take --flag=value, --flag value, switches and --no-switch, around the folder", function()
    local c = parse { args = { "--watch", "--workers=3", "/srv/hooks", "--admin-token", "t0ken" } }
    assert.equal("/srv/hooks", c.dir)
    assert.equal(3, c.workers)
    assert.equal("t0ken", c.admin_token)
    assert.is_true(c.watch)
    local off = parse { env = { ANZOL_WATCH = "true" }, args = { "--no-watch" } }
    assert.is_false(off.watch)
  end)

  it("find the folder behind a flag that takes a value", function()
    assert.equal("here", parse { args = { "--workers", "2", "here" } }.dir)
    assert.equal("--odd", parse { args = { "--", "--odd" } }.dir)
  end)

  it("find the folder in ANZOL_PROJECT when none is named", function()
    local env = { ANZOL_PROJECT = "/srv/hooks" }
    assert.equal("/srv/hooks", parse({ env = env, args = { "--watch" } }).dir)
    assert.equal("/srv/hooks/anzol.db", parse({ env = env }).store_path)
    assert.equal("here", parse({ env = env, args = { "here" } }).dir)
    assert.equal(".", parse({ env = { ANZOL_PROJECT = "" } }).dir)
  end)

  it("treat an empty variable as not set", function()
    assert.is_nil(parse { env = { ANZOL_ADMIN_TOKEN = "" } }.admin_token)
  end)

  it("read a nested key of anzol.lua", function()
    local c = parse { file = { { name = "limits.intake_bytes", value = "64MiB", line = 4 } } }
    assert.equal(64 * 1024 * 1024, c.intake_bytes)
  end)

  it("take 64 blocks for the guard, not one more, each an address or block", function()
    local blocks = {}
    for i = 1, 64 do blocks[i] = ("10.%d.0.0/16"):format(i) end
    local many = table.concat(blocks, ",")
    assert.equal(64, #parse { args = { "--guard-allow", many } }.guard_allow)
    assert.matches("%-%-guard%-deny: at most 64 addresses and blocks",
      refusal { args = { "--guard-deny", many .. ",10.65.0.0/16" } })
    assert.matches("anzol.lua:2: guard.allow: \"10.0.0.1/8\" is not an address or block",
      refusal { file = { { name = "guard.allow", value = "10.0.0.1/8", line = 2 } } }, 1, true)
  end)

  it("take a URL of http or https without a query, and no slash at its end", function()
    local function url(text) return parse { args = { "--admin-url", text } }.admin_url end
    assert.equal("https://hooks.example", url "https://hooks.example/")
    assert.equal("http://[::1]:8081/a/b", url "http://[::1]:8081/a/b//")
    local longest = "https://a/" .. ("b"):rep(8000 - #"https://a/")
    assert.equal(longest, url(longest))
    assert.truthy(refusal { args = { "--admin-url", longest .. "b" } })
    for _, bad in ipairs { "hooks.example", "ftp://a", "https://", "https:///a", "https://a:0x1", "https://a:65536",
        "https://a?b", "https://a/#b", "https://a b", "https://u@a", "https://a/\"", "https://[::1" } do
      assert.matches("^%-%-admin%-url: .* is not a URL; write https://HOST", refusal { args = { "--admin-url", bad } })
    end
  end)

  it("take origins alone for the frames of the portal", function()
    local function origins(value)
      return parse({ file = { { name = "portal.frame_origins", value = value, line = 2 } } }).frame_origins
    end
    assert.same({ "https://a.example", "http://localhost:3000" }, origins "https://a.example\nhttp://localhost:3000")
    assert.same({}, origins "")
    for _, bad in ipairs { "https://a/", "a.example", "*", "https://*.a", "https://a; script-src *", "'self'" } do
      assert.matches(": \"[^\"]*\" is not an origin; write https://HOST",
        refusal { args = { "--portal-frame-origins", "https://b," .. bad } })
    end
  end)

  it("split lists by line in anzol.lua and by comma elsewhere", function()
    assert.same({ "a,b.lua", "c.lua" },
      parse { file = { { name = "scripts", value = "a,b.lua\nc.lua", line = 1 } } }.scripts)
    assert.same({ "a.lua", "b.lua" }, parse { args = { "--scripts", "a.lua,b.lua" } }.scripts)
  end)

  it("take paths in anzol.lua from the project's folder, others from the current one", function()
    local file = { { name = "store", value = "sqlite:data/a.db", line = 1 } }
    assert.equal("proj/data/a.db", parse { args = { "proj" }, file = file }.store_path)
    assert.equal("b.db", parse { args = { "proj", "--store", "sqlite:b.db" } }.store_path)
  end)

  it("keep the store in the state folder that systemd gives", function()
    local c = parse { args = { "proj" }, env = { STATE_DIRECTORY = "/var/lib/anzol:/var/lib/b" } }
    assert.equal("/var/lib/anzol", c.state_dir)
    assert.equal("/var/lib/anzol/anzol.db", c.store_path)
    assert.equal("proj/anzol.db", parse { args = { "proj" } }.store_path)
  end)

  it("name an unknown flag and the one that was probably meant", function()
    local text = refusal { args = { "--admin-lisen", "127.0.0.1:1" } }
    assert.matches("--admin-lisen: unknown option; did you mean --admin-listen?", text, 1, true)
    assert.not_matches("did you mean", refusal { args = { "--frobnicate" } }, 1, true)
  end)

  it("name the line of an unknown key in anzol.lua", function()
    local text = refusal { file = { { name = "limits.intake_byte", value = "1", line = 7 } } }
    assert.matches('anzol.lua:7: limits.intake_byte: unknown setting; did you mean '
      .. '"limits.intake_bytes"?', text, 1, true)
  end)

  it("say where a bad value stands and what is allowed", function()
    assert.matches('ANZOL_WORKERS: "many" is not a whole number from 0 to 256',
      refusal { env = { ANZOL_WORKERS = "many" } }, 1, true)
    assert.matches('--listen: ":8080" is not an address; write HOST:PORT',
      refusal { args = { "--listen", ":8080" } }, 1, true)
    assert.matches('anzol.lua:3: drain: "soon" is not a duration',
      refusal { file = { { name = "drain", value = "soon", line = 3 } } }, 1, true)
    assert.matches('--store: "postgres:x" is not a store; write sqlite:FILE',
      refusal { args = { "--store", "postgres:x" } }, 1, true)
    assert.matches("--workers: a value is missing: --workers N",
      refusal { args = { "--workers" } }, 1, true)
    assert.matches("--listen: the value is empty", refusal { args = { "--listen=" } }, 1, true)
  end)

  it("refuse one past each range", function()
    assert.truthy(parse { args = { "--workers", "256" } })
    assert.matches("257", refusal { args = { "--workers", "257" } }, 1, true)
    assert.truthy(parse { args = { "--limits-intake-bytes", "1MiB" } })
    assert.matches("out of range",
      refusal { args = { "--limits-intake-bytes", "1048575" } }, 1, true)
  end)

  it("know the zones of the system", function()
    assert.equal("UTC", parse({}).timezone)
    assert.equal("Europe/Lisbon", parse({ env = { ANZOL_TIMEZONE = "Europe/Lisbon" } }).timezone)
    assert.matches("^%-%-timezone: .*Europe/Lisbn", refusal { args = { "--timezone", "Europe/Lisbn" } })
    assert.matches("^anzol.lua:3: timezone: ", refusal { file = { { name = "timezone", value = "../x", line = 3 } } })
  end)

  it("refuse a second folder", function()
    assert.matches('one folder is enough, "b" is another', refusal { args = { "a", "b" } }, 1, true)
  end)

  it("refuse one address for both listeners", function()
    local args = { "--listen", "127.0.0.1:8081" }
    assert.equal("listen and admin_listen are both 127.0.0.1:8081: webhooks and the admin API need an address each",
      refusal { args = args })
    args = { "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0" } -- any that is free
    assert.equal("127.0.0.1:0", parse({ args = args }).admin_listen)
  end)

  it("never repeat a token in an error", function()
    local text = refusal { args = { "--admin-token", "hush hush" } }
    assert.matches("--admin-token: a token is visible ASCII", text, 1, true)
    assert.not_matches("hush", text, 1, true)
  end)

  it("keep no store in development, unless one is named", function()
    assert.is_nil(parse({ args = { "--dev" } }).store_path)
    assert.equal("kept.db", parse({ args = { "--dev", "--store", "sqlite:kept.db" } }).store_path)
  end)

  it("keep the store of development in a folder that is named for it, but not in that of the file", function()
    assert.equal("kept/anzol.db", parse({ args = { "--dev", "--state-dir", "kept" } }).store_path)
    assert.equal("kept/anzol.db", parse({ args = { "--dev" }, env = { ANZOL_STATE_DIR = "kept" } }).store_path)
    local of_file = parse { args = { "--dev" }, file = { { name = "state_dir", value = "/var/lib/anzol", line = 1 } } }
    assert.same({ "/var/lib/anzol" }, { of_file.state_dir, of_file.store_path })
  end)

  it("refuse --dev on an address that others can reach", function()
    assert.truthy(parse { args = { "--dev", "--admin-listen", "[::1]:0" } })
    assert.matches("loopback",
      refusal { args = { "--dev", "--admin-listen", "0.0.0.0:1" } }, 1, true)
  end)

  it("need nothing else when --help is asked for", function()
    local c = parse { args = { "--help", "--nonsense" } }
    assert.is_true(c.is_help)
  end)

  it("are all in the help, sorted, each as flag, key and variable", function()
    local help, previous = config.help(), ""
    for _, option in ipairs(config.options()) do
      assert.is_true(previous < option.name, option.name .. " is out of order")
      previous = option.name
      assert.truthy(help:find("\n  " .. option.flag, 1, true), option.flag)
      assert.truthy(help:find(option.environment, 1, true), option.environment)
      assert.truthy(help:find("anzol.lua: " .. option.name, 1, true), option.name)
    end
  end)
end)

describe("addresses", function()
  for _, good in ipairs { "127.0.0.1:0", "localhost:65535", "[::1]:80", "0.0.0.0:8080" } do
    it("may be " .. good, function()
      assert.equal(good, parse { args = { "--listen", good } }.listen)
    end)
  end
  for _, bad in ipairs { "8080", "a:", "a:65536", "a:-1", "a: 1", "::1:80", "[]:1", "a/b:1",
    ":1" } do
    it("may not be " .. bad, function()
      assert.matches("is not an address", refusal { args = { "--listen", bad } }, 1, true)
    end)
  end
end)

describe("durations", function()
  for text, ms in pairs { ["5"] = 5000, ["1.5"] = 1500, ["250ms"] = 250, ["5s"] = 5000,
    ["10m"] = 600000, ["2h"] = 7200000, ["7d"] = 604800000, ["0"] = 0, ["0.0005"] = 1,
    ["1.5h"] = 5400000 } do
    it(text .. " are " .. ms .. " ms", function() assert.equal(ms, config.duration(text)) end)
  end
  for _, text in ipairs { "", "s", "-1s", "1 s", "1w", "1.s", ".5s", "1e3", "0x10", "1s ", "5M",
    "9999999999999999999", "99999999999999999d" } do
    it("are not " .. ("%q"):format(text), function() assert.is_nil(config.duration(text)) end)
  end
end)

describe("sizes", function()
  for text, bytes in pairs { ["65536"] = 65536, ["64KiB"] = 65536, ["1MiB"] = 1048576,
    ["1.5KiB"] = 1536, ["1kB"] = 1000, ["2GiB"] = 2147483648, ["10B"] = 10 } do
    it(text .. " are " .. bytes .. " bytes", function() assert.equal(bytes, config.size(text)) end)
  end
  for _, text in ipairs { "", "KiB", "-1", "1 KiB", "1K", "1mib", "99999999999999999GiB" } do
    it("are not " .. ("%q"):format(text), function() assert.is_nil(config.size(text)) end)
  end
end)

describe("a slip of the pen", function()
  local names = { "timeout", "retry", "url", "headers", "sign" }
  it("finds the nearest name", function()
    assert.equal("timeout", config.nearest("time_out", names))
    assert.equal("timeout", config.nearest("tiemout", names))
    assert.equal("url", config.nearest("uri", names))
    assert.equal("headers", config.nearest("header", names))
  end)
  it("finds what begins alike, the shortest first", function()
    assert.equal("concurrency", config.nearest("con", { "concurrency_of_all", "concurrency", "url" }))
    assert.is_nil(config.nearest("co", { "concurrency" }))
  end)
  it("finds none that is too far", function()
    assert.is_nil(config.nearest("concurrency", names))
    assert.is_nil(config.nearest("", names))
    assert.is_nil(config.nearest(("x"):rep(65), names))
  end)
end)

describe("UTF-8", function()
  it("is told from other bytes", function()
    assert.is_true(config.is_utf8 "")
    assert.is_true(config.is_utf8 "anzol · 鉤 · 🪝 \0")
    for _, bad in ipairs { "\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\xe2\x82" } do
      assert.is_false(config.is_utf8(bad))
    end
  end)
end)
