-- SPDX-License-Identifier: MIT
-- anzol sign and anzol verify, by the real program.
local cli = require "support.cli"
local files = require "support.files"
local json = require "dkjson"

local SECRET = "a secret that is long enough"
local BODY = '{"id":"evt_1","type":"thing.done"}'
local SCRIPT = [[
local anzol = require "anzol"
local secret = anzol.secret "S"
anzol.source("github", { provider = anzol.provider.github { secret = secret } })
anzol.source("own", { verify = function(req)
  return req.headers["x-token"] == secret:reveal(), "the token is another" end })
anzol.source("slow", { verify = function() anzol.sleep(1) return true end })
]]

describe("the command line", function()
  local dir

  before_each(function()
    dir = files.temp_dir()
    files.write(dir .. "/body", BODY)
    files.write(dir .. "/scripts/main.lua", SCRIPT)
  end)
  after_each(function() files.remove(dir) end)

  local function run(secret, ...)
    return cli.run({ ... }, { cwd = dir, env = { S = secret, ANZOL_SECRET_S = SECRET } })
  end

  local function sign(...)
    local result = run(SECRET, "sign", "--body", "body", ...)
    assert.equal(0, result.code, result.errors)
    files.write(dir .. "/headers", result.output)
    return result.output
  end

  local function verify(secret, ...)
    local result = run(secret, "verify", "--headers", "headers", "--body", "body", ...)
    return result.code, result.output ~= "" and result.output or result.errors
  end

  it("signs as providers do, and takes that for genuine", function()
    for _, name in ipairs { "github", "stripe", "slack", "standard", "linear", "twitch", "telegram" } do
      sign("--provider", name, "--secret-env", "S")
      local by = { "--provider", name, "--secret-env", "S" }
      -- linear says in the body when it was sent
      if name ~= "linear" then
        assert.same({ 0, "genuine\n" }, { verify(SECRET, table.unpack(by)) }, name)
      end
      local code, words = verify("another secret of that length", table.unpack(by))
      assert.equal(1, code)
      assert.matches("^not genuine: no s%w+ in ", words)
    end
  end)

  it("takes from one end of a pipe what the other signed", function()
    local by = { "--provider", "stripe", "--secret-env", "S" }
    local headers = sign(table.unpack(by))
    files.write(dir .. "/signed", headers)
    local function piped(body)
      local result = cli.run({ "verify", "--headers", "-", "--body", body, table.unpack(by) },
        { cwd = dir, env = { S = SECRET }, input = dir .. "/signed" })
      return { result.code, result.output, result.errors }
    end
    assert.same({ 0, "genuine\n", "" }, piped "body")
    local result = cli.run({ "verify", "--headers", "signed", table.unpack(by) },
      { cwd = dir, env = { S = SECRET }, input = dir .. "/body" })
    assert.same({ 0, "genuine\n", "" }, { result.code, result.output, result.errors })
    assert.same({ 2, "", "anzol: --headers and --body cannot both be standard input; "
      .. "give a file for one\n" }, piped "-")
  end)

  it("says which step failed", function()
    local by = { "--provider", "stripe", "--secret-env", "S" }
    local genuine = sign(table.unpack(by))
    local function words(headers)
      files.write(dir .. "/headers", headers)
      return (select(2, verify(SECRET, table.unpack(by))))
    end
    assert.equal("not genuine: header Stripe-Signature is missing\n", words "A: b\n")
    assert.equal("not genuine: header Stripe-Signature came twice\n", words(genuine .. genuine))
    assert.equal("not genuine: the signature in Stripe-Signature is not hex\n",
      words "Stripe-Signature: t=1,v1=zz\n")
    assert.equal("not genuine: Stripe-Signature has t twice\n",
      words "Stripe-Signature: t=1,t=2,v1=00\n")
    assert.equal("not genuine: t is not a number of seconds\n",
      words "Stripe-Signature: t=-1,v1=00\n")
    assert.equal("not genuine: Stripe-Signature has no t\n", words "Stripe-Signature: v1=00\n")
    -- Made by Python's hmac for this body.
    assert.matches("^not genuine: the signature is genuine but too old: the clock differs by %d+ s",
      words("Stripe-Signature: t=1000000000,v1="
        .. "7f008d383d25da8aaf1c3ce55e706a3aaa876d97c2de45a5ddfed6f5cc64c785\n"))
  end)

  it("takes the URL where it is signed, and the request's first line", function()
    local by = { "--provider", "square", "--secret-env", "S", "--public-url",
      "https://hooks.example/in?a=b" }
    local headers = sign(table.unpack(by))
    assert.equal(0, (verify(SECRET, table.unpack(by))))
    files.write(dir .. "/headers", "POST /x?a=b HTTP/1.1\r\n" .. headers)
    by[#by] = "https://hooks.example/in"
    assert.equal(0, (verify(SECRET, table.unpack(by))))
    local result = run(SECRET, "sign", "--body", "body", "--provider", "square", "--secret-env", "S")
    assert.equal(2, result.code)
    assert.matches("give %-%-public%-url", result.errors)
  end)

  it("asks a source of the project", function()
    sign("--source", "github", "--type", "push")
    assert.same({ 0, "genuine\n" }, { verify(SECRET, "--source", "github") })
    files.write(dir .. "/headers", "X-Token: " .. SECRET)
    assert.same({ 0, "genuine\n" }, { verify(SECRET, "--source", "own") })
    files.write(dir .. "/headers", "X-Token: x")
    assert.same({ 1, "not genuine: the token is another\n" }, { verify(SECRET, "--source", "own") })
    assert.matches("which only the server can", (select(2, verify(SECRET, "--source", "slow"))))
    local code, words = verify(SECRET, "--source", "gone")
    assert.equal(78, code)
    assert.matches("no source 'gone'", words)
  end)

  it("gives JSON, with the body where that is signed itself", function()
    local result = run(SECRET, "sign", "-o", "json", "--body", "body", "--provider", "mailgun",
      "--secret-env", "S")
    local made = json.decode(result.output)
    files.write(dir .. "/body", made.body)
    files.write(dir .. "/headers", "Content-Type: application/json")
    assert.same({ 0, '{"genuine":true}\n' },
      { verify(SECRET, "-o", "json", "--provider", "mailgun", "--secret-env", "S") })
    assert.same({ 1, '{"genuine":false,"reason":"the signature in the body does not match"}\n' },
      { verify("other", "-o", "json", "--provider", "mailgun", "--secret-env", "S") })
  end)

  it("is used wrongly with exit code 2, and never shows the secret", function()
    local cases = {
      { { "sign" }, "give either" },
      { { "sign", "--provider", "stripe", "--source", "github" }, "give either" },
      { { "sign", "--provider", "stripe" }, "needs %-%-secret%-env" },
      { { "sign", "--source", "github", "--secret-env", "S" }, "knows secret and URL" },
      { { "sign", "--provider", "stripe", "--secret-env", "NONE" }, "NONE is not set" },
      { { "sign", "--provider", "strype", "--secret-env", "S" }, "unknown provider 'strype'" },
      { { "sign", "--provider", "onfleet", "--secret-env", "S" }, "no hex" },
      { { "sign", "--provider", "mailgun", "--secret-env", "S" }, "use %-o json" },
      { { "verify", "--provider", "stripe", "--secret-env", "S", "--headers", "none" }, "none" },
      { { "verify", "--provider", "stripe", "--secret-env", "S", "--headers", "body" }, "line 1 of body" },
    }
    for _, case in ipairs(cases) do
      local arguments = { table.unpack(case[1]) }
      arguments[#arguments + 1] = "--body"
      arguments[#arguments + 1] = "body"
      local result = run(SECRET, table.unpack(arguments))
      assert.equal(2, result.code, result.errors)
      assert.matches(case[2], result.errors)
      assert.is_nil(result.errors:find(SECRET, 1, true))
    end
  end)
end)
