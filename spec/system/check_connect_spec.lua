-- SPDX-License-Identifier: MIT
-- anzol check --connect: the way to every endpoint, up to where a request would begin.
local Receiver = require "support.receiver"
local cli = require "support.cli"
local dkjson = require "dkjson"
local files = require "support.files"
local wait = require "support.wait"

if os.getenv "ANZOL_SANITIZER" == "thread" then
  return -- the specs' shell does not bear its library
end

describe("anzol check --connect", function()
  local dir, receiver, pid

  before_each(function()
    dir = files.temp_dir()
    receiver = Receiver.start()
  end)
  after_each(function()
    receiver:stop()
    if pid then os.execute("kill " .. pid) end
    pid = nil
    files.remove(dir)
  end)

  -- endpoints: { { name, options }, … }, registered in this order from line 2 on.
  local function project(endpoints, settings)
    local lines = { 'local anzol = require "anzol"' }
    local names = {}
    for i, row in ipairs(endpoints) do
      lines[#lines + 1] = ("anzol.endpoint(%q, { sign = false, %s })"):format(row[1], row[2])
      names[i] = ("%q"):format(row[1])
    end
    lines[#lines + 1] = ('anzol.on("**", function(event) event:send { %s } end)'):format(
      table.concat(names, ", "))
    files.write(dir .. "/scripts/a.lua", table.concat(lines, "\n"))
    if settings then files.write(dir .. "/anzol.lua", settings) end
  end

  local function check(...) return cli.run({ "check", ... }, { cwd = dir }) end
  local function url(text, port)
    return ("url = %q"):format(text:gsub("PORT", ("%d"):format(port or receiver.port)))
  end
  local OPEN = "allow_private = true, "

  it("connects to each endpoint and sends nothing", function()
    project { { "crm", OPEN .. url "http://127.0.0.1:PORT/a" } }
    local result = check "--connect"
    assert.equal(0, result.code, result.output .. result.errors)
    assert.matches("^ENDPOINT  HOST       RESULT +MS\ncrm       127.0.0.1  ok +%d+\n$", result.output)
    local requests, connections = receiver:total()
    assert.equal(0, requests)
    assert.equal(1, connections)
  end)

  it("opens no socket unless it is asked to", function()
    project { { "crm", OPEN .. url "http://127.0.0.1:PORT/a" } }
    local result = check()
    assert.equal(0, result.code, result.errors)
    assert.equal("", result.output)
    assert.equal(0, select(2, receiver:total()))
  end)

  it("makes what cannot be reached a finding each, at the endpoint's line, and exits 1", function()
    local gone = Receiver.start()
    gone:stop()
    project {
      { "gone", OPEN .. url("http://127.0.0.1:PORT/secret-path", gone.port) },
      { "mute", OPEN .. 'timeout = "300ms", ' .. url "https://127.0.0.1:PORT/" }, -- speaks no TLS
      { "private", url "http://127.0.0.1:PORT/" },
      { "linked", OPEN .. url "http://169.254.169.254/" },
      { "fine", OPEN .. url "http://127.0.0.1:PORT/" },
    }
    local result = check("--connect", "-o", "json")
    assert.equal(1, result.code)
    local answer = dkjson.decode(result.output)
    local results, lines = {}, {}
    for i, row in ipairs(answer.connections) do results[i] = row.endpoint .. " " .. row.result end
    for i, finding in ipairs(answer.findings) do
      assert.equal("connect", finding.phase)
      lines[i] = ("%d %s"):format(finding.line, finding.message:match "cannot be reached: (%w+)")
    end
    assert.same({ "fine ok", "gone connect", "linked blocked_address", "mute timeout",
      "private blocked_address" }, (function() table.sort(results) return results end)())
    assert.same({ "2 connect", "3 timeout", "4 blocked", "5 blocked" }, lines)
    assert.is_false(answer.ok)
    assert.not_matches("secret-path", result.output .. result.errors, 1, true)
    result = check "--connect"
    assert.matches("scripts/a.lua:4: error: endpoint 'private' cannot be reached: blocked_address: "
      .. "127.0.0.0/8 is loopback (allow_private = true allows it)\n", result.output, 1, true)
  end)

  it("looks names up, and judges every address that they have", function()
    project {
      { "missing", OPEN .. url "http://missing.test:PORT/" },
      { "inside", url "http://loopback.test:PORT/" },
      { "allowed", OPEN .. url "http://loopback.test:PORT/" },
    }
    local result = cli.run({ "check", "--connect", "-o", "json" }, { cwd = dir, env = {
      LD_PRELOAD = files.build_dir() .. "/test/preload/resolver.so",
      ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":verify_asan_link_order=0",
    } })
    local results = {}
    for _, row in ipairs(dkjson.decode(result.output).connections) do
      results[row.endpoint] = row.result .. " " .. row.host
    end
    assert.same({ missing = "dns missing.test", inside = "blocked_address loopback.test",
      allowed = "ok loopback.test" }, results)
    assert.equal(0, (receiver:total()))
  end)

  it("judges certificates, by the endpoint's own authority if it has one", function()
    files.write(dir .. "/run.sh", [[
      openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 2 -subj /CN=127.0.0.1 \
        -addext subjectAltName=IP:127.0.0.1 2>/dev/null
      openssl s_server -accept 127.0.0.1:0 -key key -cert cert -www </dev/null >log 2>&1 &
      echo $!]])
    local pipe = assert(io.popen("cd " .. dir .. " && sh run.sh"))
    pid = pipe:read "l"
    pipe:close()
    local port
    wait.until_true("the server listens", 10000, function()
      port = files.exists(dir .. "/log") and files.read(dir .. "/log"):match "ACCEPT 127%.0%.0%.1:(%d+)"
      return port
    end)
    project { { "self-signed", OPEN .. url("https://127.0.0.1:PORT/", tonumber(port)) } }
    local result = check "--connect"
    assert.equal(1, result.code)
    assert.matches("cannot be reached: tls: SSL certificate problem", result.output, 1, true)
    project { { "own", OPEN .. "ca_file = 'cert', " .. url("https://127.0.0.1:PORT/", tonumber(port)) } }
    assert.equal(0, check("--connect").code)
  end)

  it("judges addresses by the operator's rules too", function()
    project({ { "crm", url "http://127.0.0.1:PORT/" } },
      'return { guard = { allow = { "127.0.0.1" } } }')
    assert.equal(0, check("--connect").code)
    project({ { "crm", OPEN .. url "http://127.0.0.1:PORT/" } },
      'return { guard = { deny = { "127.0.0.1" } } }')
    local result = check "--connect"
    assert.equal(1, result.code)
    assert.matches("blocked_address", result.output, 1, true)
  end)

  it("skips an endpoint whose url is a secret that is not here", function()
    project { { "crm", 'url = anzol.secret "CRM_URL"' } }
    local result = check("--connect", "--allow-missing-secrets")
    assert.equal(0, result.code, result.output)
    assert.matches("crm +%- +skipped", result.output)
    result = check "--connect"
    assert.equal(1, result.code)
    assert.not_matches("ENDPOINT", result.output, 1, true)
  end)
end)
