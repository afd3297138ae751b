-- SPDX-License-Identifier: MIT
-- The example as its README tells it: the real server, the real command line, a receiver.
local files = require "support.files"
local json = require "dkjson"
local process = require "anzol_test.process"
local Receiver = require "support.receiver"
local Server = require "support.server"
local wait = require "support.wait"

local EXAMPLE = "examples/github-to-endpoint/"
local secrets = {
  GITHUB_WEBHOOK_SECRET = "a-secret-from-github",
  DEPLOY_SECRET = "a-deploy-secret-to-share",
}

local function hex(bytes)
  return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

describe("the example github-to-endpoint", function()
  local server, receiver, env

  setup(function()
    receiver = Receiver.start()
    env = { DEPLOY_URL = receiver:url "/deploy" }
    server = Server.start {
      scripts = { ["deploy.lua"] = files.read(EXAMPLE .. "scripts/deploy.lua") },
      secrets = secrets, env = env,
    }
    files.write(server.dir .. "/push.json", files.read(EXAMPLE .. "fixtures/push.json"))
  end)

  teardown(function()
    if server then server:close() end
    if receiver then receiver:stop() end
  end)

  -- Runs anzol in the project's folder: exit code, standard output, standard error.
  local function anzol(...)
    local merged = { DEPLOY_URL = env.DEPLOY_URL, ANZOL_STATE_DIR = server.state_dir }
    for name, value in pairs(secrets) do merged["ANZOL_SECRET_" .. name] = value end
    local out, err = server.dir .. "/cli.out", server.dir .. "/cli.err"
    local child = process.spawn {
      argv = { files.build_dir() .. "/anzol", ... }, env = merged, cwd = server.dir,
      output = out, errors = err,
    }
    local kind, code = child:wait(math.floor(10000 * wait.patience))
    assert.equal("exit", kind)
    local text, talk = files.read(out), files.read(err)
    files.write(out, "")
    files.write(err, "")
    return code, text, talk
  end

  local function trigger(...)
    local code, out, talk = anzol("trigger", "github", "--type", "push", "--fixture", "push.json",
      "--listen", "127.0.0.1:" .. server.port, "-o", "json", ...)
    assert.equal(0, code, out .. talk)
    return json.decode(out)
  end

  local function await_state(id, state)
    return wait.until_true(id .. " is " .. state, 5000, function()
      local event = server:get("/api/v1/event/" .. id)
      return event.state == state and event
    end)
  end

  it("passes its check", function()
    local code, out, talk = anzol("check", "--deny-warnings")
    assert.equal(0, code, out .. talk)
  end)

  it("asks the deployer, signed, for a push to the default branch", function()
    receiver:take()
    local answer = trigger()
    await_state(answer.id, "handled")
    receiver:await(1)
    local request = receiver:take()[1]
    assert.equal("/deploy", request.path)
    assert.same({
      repository = "harbour/boats", commit = "9c8b7a6958473625140f1e2d3c4b5a6978879605",
    }, json.decode(request.body))
    assert.equal(hex(process.hmac_sha256(secrets.DEPLOY_SECRET, request.body)),
      request.headers["x-deploy-signature"])
  end)

  it("skips another branch and says why", function()
    local answer = trigger("--set", "ref=refs/heads/try")
    local event = await_state(answer.id, "skipped")
    assert.equal("not the default branch: refs/heads/try", event.runs[1].error)
    assert.equal(0, #server:list("/api/v1/delivery?event=" .. answer.id))
  end)

  it("refuses what GitHub did not sign", function()
    local answer = server:post("/in/github", "{}", { ["X-GitHub-Event"] = "push",
      ["X-Hub-Signature-256"] = "sha256=" .. ("0"):rep(64) })
    assert.equal(401, answer.status)
  end)
end)
