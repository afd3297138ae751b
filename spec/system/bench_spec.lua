-- SPDX-License-Identifier: MIT
-- `anzol bench receive` and `anzol bench deliver`, against the specs' own receiver and each other.
local Receiver = require "support.receiver"
local files = require "support.files"
local json = require "dkjson"
local process = require "anzol_test.process"
local sign = require "support.sign"
local wait = require "support.wait"

local SECRET = "bench-spec-secret"
local STANDARD_SECRET = "whsec_" .. ("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")

describe("anzol bench", function()
  local dir, receiver, children

  before_each(function()
    dir, children = files.temp_dir(), {}
    receiver = Receiver.start()
  end)

  after_each(function()
    for _, child in ipairs(children) do
      child.process:kill(9)
      child.process:wait(5000)
    end
    receiver:stop()
    files.remove(dir)
  end)

  -- Starts `anzol bench …` with words split at blanks.
  local function start(words)
    local argv = { files.build_dir() .. "/anzol", "bench" }
    for word in words:gmatch "%S+" do argv[#argv + 1] = word end
    local child = { output = ("%s/%d.out"):format(dir, #children + 1),
      errors = ("%s/%d.err"):format(dir, #children + 1) }
    child.process = process.spawn { argv = argv, output = child.output, errors = child.errors }
    children[#children + 1] = child
    return child
  end

  -- Exit code, standard output, standard error.
  local function finish(child)
    local kind, code = child.process:wait(20000)
    assert.equal("exit", kind)
    return code, files.read(child.output), files.read(child.errors)
  end

  local function run(words) return finish(start(words)) end

  local function port_of(sink)
    return wait.until_true("the sink listens", 5000, function()
      return files.exists(sink.errors) and files.read(sink.errors):match "127%.0%.0%.1:(%d+)/"
    end)
  end

  it("posts as many webhooks as asked, each with an id of its own, signed as GitHub signs",
    function()
      local code, out = run(("receive --url %s -n 40 -c 4 --secret %s -o json"):format(
        receiver:url "/in/github", SECRET))
      assert.equal(0, code)
      assert.equal(40, json.decode(out).posted.accepted)
      local ids = {}
      for _, request in ipairs(receiver:await(40):take()) do
        local headers = request.headers
        assert.equal("push", headers["x-github-event"])
        assert.equal(sign.github(SECRET, request.body), headers["x-hub-signature-256"])
        assert.is_nil(ids[headers["x-github-delivery"]])
        ids[headers["x-github-delivery"]] = true
        assert.is_table(json.decode(request.body))
        assert.equal(1024, #request.body)
      end
    end)

  it("signs as Standard Webhooks says", function()
    local code = run(("receive --url %s -n 10 -c 2 --provider standard --secret %s"):format(
      receiver:url "/in/standard", STANDARD_SECRET))
    assert.equal(0, code)
    for _, request in ipairs(receiver:await(10):take()) do
      local headers = request.headers
      assert.equal(sign.standard(STANDARD_SECRET, headers["webhook-id"],
        headers["webhook-timestamp"], request.body), headers["webhook-signature"])
    end
  end)

  it("posts a file as it is", function()
    files.write(dir .. "/body.json", '{"a":[1, 2]}\n')
    local code = run(("receive --url %s -n 1 -c 1 --body %s/body.json"):format(
      receiver:url "/in/x", dir))
    assert.equal(0, code)
    assert.equal('{"a":[1, 2]}\n', receiver:await(1):take()[1].body)
  end)

  it("fails when an answer is not 2xx, and counts it", function()
    receiver:answer("*", { status = 503 })
    local code, out = run(("receive --url %s -n 5 -c 1 -o json"):format(receiver:url "/"))
    assert.equal(1, code)
    assert.same({ ["503"] = 5 }, json.decode(out).posted.status)
  end)

  it("counts connections that break, and ends all the same", function()
    receiver:answer("*", { reset = true })
    local code, out = run(("receive --url %s -n 5 -c 2 -o json"):format(receiver:url "/"))
    assert.equal(1, code)
    local posted = json.decode(out).posted
    assert.equal(5, posted.errors.broken)
    assert.equal(0, posted.count)
  end)

  it("counts latency from the intended time, so that a slow server cannot hide", function()
    local sink = start "deliver --sink 127.0.0.1:0 --delay 20ms -n 25 -o json"
    local code, out = run(("receive --url http://127.0.0.1:%s/ -n 25 -c 1 --rate 1000 -o json")
      :format(port_of(sink)))
    assert.equal(0, code)
    -- 25 answers of 20 ms one after another, all meant to start within 25 ms.
    assert.is_true(json.decode(out).posted.latencyMs.max > 400)
    assert.equal(0, (finish(sink)))
  end)

  it("swallows what arrives until a count is reached, and reports", function()
    local sink = start "deliver --sink 127.0.0.1:0 -n 30 -o json"
    local code = run(("receive --url http://127.0.0.1:%s/ -n 30 -c 3"):format(port_of(sink)))
    assert.equal(0, code)
    local sink_code, out = finish(sink)
    assert.equal(0, sink_code)
    assert.equal(30, json.decode(out).received.count)
  end)

  it("reports when it is interrupted", function()
    local sink = start "deliver --sink 127.0.0.1:0 -o json"
    port_of(sink)
    sink.process:kill(2)
    local code, out = finish(sink)
    assert.equal(0, code)
    assert.equal(0, json.decode(out).received.count)
  end)

  it("measures the way from post to arrival when it does both", function()
    local port = process.free_port()
    local code, out = run(("deliver --sink 127.0.0.1:%d --url http://127.0.0.1:%d/ -n 20 -o json")
      :format(port, port))
    assert.equal(0, code)
    local report = json.decode(out)
    assert.equal(20, report.received.count)
    assert.equal(20, report.received.stamped)
    assert.is_true(report.received.latencyMs.p50 < 1000)
    for _, latency in ipairs { report.received.latencyMs, report.posted.latencyMs } do
      assert.is_true(latency.p50 <= latency.p99 and latency.p99 <= latency["p99.9"]
        and latency["p99.9"] <= latency.max)
    end
  end)

  it("ends after a time", function()
    local code, out = run(("receive --url %s -d 200ms -c 1 -o json"):format(receiver:url "/"))
    assert.equal(0, code)
    local posted = json.decode(out).posted
    assert.is_true(posted.count > 0)
    assert.equal(posted.count, posted.accepted)
  end)

  it("says which option was meant", function()
    local code, _, errors = run "receive --conections 3"
    assert.equal(2, code)
    assert.matches("%-%-conections; did you mean %-%-connections%?", errors)
  end)

  it("says what value an option wants", function()
    local code, _, errors = run "receive --url http://127.0.0.1:1/ --duration soon"
    assert.equal(2, code)
    assert.matches("%-%-duration wants .*'soon'", errors)
  end)

  it("ends with 69 when no server answers, or the sink's address is taken", function()
    local code, _, errors = run(("receive --url http://127.0.0.1:%d/ -n 1"):format(
      process.free_port()))
    assert.equal(69, code)
    assert.matches("no server answers", errors)
    code, _, errors = run(("deliver --sink 127.0.0.1:%d -n 1"):format(receiver.port))
    assert.equal(69, code)
    assert.matches("cannot listen on 127%.0%.0%.1", errors)
  end)
end)
