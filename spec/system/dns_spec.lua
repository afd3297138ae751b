-- SPDX-License-Identifier: MIT
-- F38: names that do not exist, fail, hang, or lead inside. Look-ups are answered by
-- core/test/preload/resolver.c.
local Receiver = require "support.receiver"
local Server = require "support.server"
local files = require "support.files"
local json = require "dkjson"
local process = require "anzol_test.process"
local scripts = require "support.scripts"
local wait = require "support.wait"

local script = [[
anzol.source("github", { provider = anzol.provider.github { secret = anzol.secret "GITHUB" } })
anzol.source("open", { verify = anzol.verify.none(),
  type = function(req) return "to." .. req.headers["x-to"] end })
local function endpoint(name, host, allow_private)
  anzol.endpoint(name, { url = "http://" .. host .. ":$PORT/" .. name, sign = false,
    allow_private = allow_private, timeout = "1s",
    retry = anzol.backoff.constant { base = "50ms", attempts = 2 } })
  anzol.on("to." .. name, function(event) event:send(name) end)
end
endpoint("missing", "missing.test", true)
endpoint("broken", "broken.test", true)
endpoint("slow", "slow.test", true)
endpoint("inside", "loopback.test", false)
endpoint("allowed", "loopback.test", true)
endpoint("near", "127.0.0.1", true)
anzol.on("github.push", function(event) event:send "near" end)
]]

describe("a name", function()
  local server, receiver

  lazy_setup(function()
    receiver = Receiver.start()
    server = Server.start {
      scripts = scripts.with(receiver, (script:gsub("%$PORT", receiver.port))),
      secrets = scripts.secrets,
      env = {
        LD_PRELOAD = files.build_dir() .. "/test/preload/resolver.so",
        ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":verify_asan_link_order=0",
      },
    }
  end)
  lazy_teardown(function()
    if server then server:close() end
    receiver:stop()
  end)

  local function post(to)
    local answer = server:post("/in/open", "{}", { ["X-To"] = to })
    assert.equal(200, answer.status)
    return json.decode(answer.body).id
  end

  local function attempt_of(event)
    return wait.until_true("an attempt for " .. event, 8000, function()
      local row = server:get("/api/v1/delivery?event=" .. event).data[1]
      return row and row.attemptCount > 0 and server:get("/api/v1/delivery/" .. row.id).attempts[1]
    end)
  end
  local function attempt_to(to) return attempt_of(post(to)) end

  it("that does not exist, or whose server fails, is a 'dns' error", function()
    assert.equal("dns", attempt_to("missing").error)
    assert.equal("dns", attempt_to("broken").error)
  end)

  it("that leads inside is blocked, and reached when the endpoint allows it", function()
    local before = receiver:total()
    assert.equal("blocked_address", attempt_to("inside").error)
    assert.equal(before, (receiver:total()))
    assert.equal(200, attempt_to("allowed").status)
  end)

  it("that hangs ends with the endpoint's timeout and holds up nobody else", function()
    local first = post "slow"
    for _ = 1, 20 do post "slow" end
    local before = receiver:total()
    local sender = process.sender { port = server.port, ledger = server.dir .. "/ledger",
      secret = scripts.github_secret, connections = 2, post_count_max = 200 }
    receiver:await(before + 400, 5000)
    local counts = sender:stop()
    assert.is_true(counts.accepted_ms.p99 < 50 * wait.patience,
      "p99 ms beside a dead resolver: " .. counts.accepted_ms.p99)
    local error = attempt_of(first).error
    assert(error == "dns" or error == "timeout", error)
  end)

  it("that hangs does not hold up the end of the process", function()
    for _ = 1, 10 do post "slow" end
    local from = process.mono_ms()
    assert.same({ "exit", 0 }, { server:stop() })
    assert.is_true(process.mono_ms() - from < 5000 * wait.patience,
      "ms: " .. process.mono_ms() - from)
  end)
end)
