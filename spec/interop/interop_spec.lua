-- SPDX-License-Identifier: MIT
-- The official npm clients as referees: GitHub's examples and signatures in, Standard Webhooks in
-- both directions.
local Receiver = require "support.receiver"
local Server = require "support.server"
local clients = require "support.clients"
local files = require "support.files"
local json = require "dkjson"
local mime = require "mime"
local scripts = require "support.scripts"

local PAYLOADS = 329

local script = [[
anzol.source("github", { provider = anzol.provider.github { secret = anzol.secret "GITHUB" } })
anzol.source("standard", { provider = anzol.provider.standard { secret = anzol.secret "IN" },
  type = "standard.thing" })
anzol.endpoint("out", { url = "$URL/out", allow_private = true, concurrency = 100,
  sign = anzol.sign.standard { secret = anzol.secret "OUT" } })
anzol.on({ "github.**", "standard.thing" }, function(event) event:send "out" end)
]]
local in_secret = "whsec_" .. mime.b64 "twenty-four bytes or more"
local secrets = { GITHUB = scripts.github_secret, OUT = scripts.out_secret, IN = in_secret }

describe("the official clients", function()
  local server, receiver, dir

  lazy_setup(function()
    dir = files.temp_dir()
    clients.install("standardwebhooks", dir)
    receiver = Receiver.start()
    server = Server.start { scripts = scripts.with(receiver, script), secrets = secrets }
  end)
  lazy_teardown(function()
    if server then server:close() end
    receiver:stop()
    files.remove(dir)
  end)

  local function write_records(records)
    local rows = {}
    for i, record in ipairs(records) do
      rows[i] = json.encode { headers = record.headers, body = (mime.b64(record.body)) }
    end
    files.write(dir .. "/received", table.concat(rows, "\n"))
  end

  local function await(count)
    receiver:await(count, 60000)
    return receiver:take()
  end

  it("send all of GitHub's examples, which arrive byte for byte, signed for standardwebhooks",
    function()
      clients.run({ "node", "post_github.mjs", tostring(server.port), secrets.GITHUB, dir .. "/sent" }, dir)
      local sent, missing = clients.lines_of(files.read(dir .. "/sent")), {}
      assert.equal(PAYLOADS, #sent)
      for _, row in ipairs(sent) do
        assert.equal(200, row.status, row.key)
        missing[row.body] = (missing[row.body] or 0) + 1
      end
      local records = await(PAYLOADS)
      for _, record in ipairs(records) do
        assert.truthy(missing[record.body], "changed on its way: " .. record.body:sub(1, 200))
        missing[record.body] = missing[record.body] > 1 and missing[record.body] - 1 or nil
      end
      assert.is_nil(next(missing))
      write_records(records)
      local verified = clients.run({ "node", "verify_standard.mjs", secrets.OUT, dir .. "/received" }, dir)
      assert.equal(PAYLOADS, tonumber(verified))
    end)

  it("sign as Standard Webhooks say: the good are let in, the others are not", function()
    local before = receiver:total()
    local port = tostring(server.port)
    local statuses = {}
    for _, row in ipairs(clients.lines_of(clients.run({ "node", "post_standard.mjs", port, in_secret }, dir))) do
      statuses[row.name] = row.duplicate and "duplicate" or row.status
    end
    assert.same({ good = 200, ["the same again"] = "duplicate", ["one of two signatures"] = 200,
      ["another key"] = 401, ["another id"] = 401, ["another body"] = 401, ["too old"] = 401,
      ["from the future"] = 401, ["no signature"] = 401 }, statuses)
    assert.equal(before + 2, before + #await(before + 2))
  end)
end)
