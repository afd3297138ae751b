-- SPDX-License-Identifier: MIT
-- GET /metrics of a server at work, read by a strict parser of the text format 0.0.4
-- (prometheus.io/docs/instrumenting/exposition_formats).
local Server = require "support.server"
local http = require "support.http"
local wait = require "support.wait"

local script = [[
local anzol = require "anzol"
anzol.source("open", { verify = anzol.verify.none(), type = "open.thing" })
anzol.on("open.thing", { name = "good" }, function(event)
  anzol.metric.counter("things_total", { kind = event.data.kind }):inc()
  anzol.metric.histogram("size"):observe(#event.body)
  anzol.breaker("geo", { failures = 1 }):call(function() return nil, "down" end)
end)
anzol.on("open.thing", { name = "bad" }, function() error "no such thing" end)
]]

-- Every sample { name, labels text, value }; raises for anything that is not the format.
local function parse(text)
  local types, samples, seen = {}, {}, {}
  assert(text:sub(-1) == "\n", "the last line has no end")
  for line in text:gmatch "([^\n]*)\n" do
    local kind, name, rest = line:match "^# (%u+) ([%a_:][%w_:]*) (.+)$"
    if kind == "TYPE" then
      assert(not types[name], "two types of " .. name)
      assert(("counter gauge histogram"):find(rest, 1, true), line)
      types[name] = rest
    elseif kind ~= "HELP" then
      local labels, value
      name, labels, value = line:match "^([%a_:][%w_:]*)(%b{}) ([%d.eE+-]+)$"
      if not name then name, value = line:match "^([%a_:][%w_:]*) ([%d.eE+-]+)$" end
      assert(name and tonumber(value), "no sample: " .. line)
      local family = types[name] and name or name:gsub("_bucket$", ""):gsub("_sum$", "")
        :gsub("_count$", "")
      assert(types[family], "no type of " .. name)
      assert(not seen[name .. (labels or "")], "twice: " .. line)
      seen[name .. (labels or "")] = true
      samples[#samples + 1] = { name = name, labels = labels or "", value = tonumber(value) }
      assert(types[family] ~= "counter" or name:find "_total$", "a counter without _total: " .. name)
    end
  end
  return samples
end

describe("/metrics", function()
  local server
  lazy_setup(function()
    server = Server.start { scripts = { ["main.lua"] = script },
      wrap = { "/usr/bin/prlimit", "--nofile=512:4096" } }
  end)
  lazy_teardown(function() server:close() end)

  local function read(token)
    return http.request { port = server.admin_port, method = "GET", path = "/metrics",
      headers = { Authorization = "Bearer " .. (token or Server.token) } }
  end

  local function value(name, labels)
    for _, sample in ipairs(parse(read().body)) do
      if sample.name == name and sample.labels == (labels or "") then return sample.value end
    end
  end

  it("tell that all files may be open that the system lets the process have", function()
    assert.equal(4096, value "process_max_fds")
  end)

  it("is for those with the token", function()
    assert.equal(401, read("wrong").status)
  end)

  it("counts what happened, in the format that Prometheus reads", function()
    for _ = 1, 3 do server:post("/in/open", '{"kind":"a"}') end
    server:post("/in/open", '{"kind":"b"}')
    wait.until_true("the handlers ran", 5000, function()
      return value("anzol_user_things_total", '{kind="a"}') == 3 and
        (value("anzol_script_errors_total", '{phase="handler"}') or 0) >= 4
    end)
    assert.equal(1, value("anzol_user_things_total", '{kind="b"}'))
    assert.equal(4, value "anzol_user_size_count")
    assert.equal(4, value("anzol_user_size_bucket", '{le="+Inf"}'))
    assert.equal(1, value("anzol_breaker_open", '{breaker="geo"}'))
    assert.is_true(value "anzol_handler_runs_total" >= 8)
    assert.is_true(value "anzol_handler_failures_total" >= 4)
    assert.equal(1, value "anzol_store_writable")
    assert.equal(1, value "anzol_config_last_reload_successful")
    assert.is_true(value "process_resident_memory_bytes" > 1e6)
    assert.equal("text/plain; version=0.0.4; charset=utf-8", read().headers["content-type"])
    wait.until_true("the states were weighed", 5000, function()
      return (value("anzol_lua_memory_bytes", '{state="0"}') or 0) > 10000
    end)
  end)

  it("tells of a reload that was refused", function()
    server:write_script("main.lua", "local = 5")
    server:signal(1)
    wait.until_true("the refusal", 5000, function()
      return value "anzol_config_last_reload_successful" == 0
    end)
    assert.equal(1, value("anzol_reloads_total", '{outcome="refused"}'))
    assert.equal(1, value("anzol_reloads_total", '{outcome="served"}'))
    -- What scripts counted is still there.
    assert.equal(3, value("anzol_user_things_total", '{kind="a"}'))
  end)
end)
