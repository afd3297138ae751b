-- SPDX-License-Identifier: MIT
-- The admin listener of the real program: F27, ambiguous and malformed requests, each with another behind
-- it that must not run; F33, requests that are made to cost much.
local Server = require "support.server"
local files = require "support.files"
local http = require "support.http"
local probes = require "support.probes"
local resources = require "support.resources"
local wait = require "support.wait"

local CPU_MS_MAX = 100
local JSON_HEAD = "Content-Type: application/json\r\n"

describe("at the admin listener", function()
  local server, call
  local bearer = "Authorization: Bearer " .. Server.token .. "\r\n"
  local smuggled_body = '{"name":"smuggled"}'
  local smuggled = ("POST /api/v1/app HTTP/1.1\r\nHost: localhost\r\n%s%sContent-Length: %d\r\n\r\n%s"):format(
    bearer, JSON_HEAD, #smuggled_body, smuggled_body)

  lazy_setup(function()
    server = Server.start { scripts = { ["main.lua"] = "" } }
    call = resources(server)
  end)
  lazy_teardown(function() server:close() end)

  local function names()
    local list = {}
    for _, row in ipairs(call("GET", "/app?limit=250").data) do
      if row.uid ~= "default" then list[#list + 1] = row.name end
    end
    return table.concat(list, " ")
  end

  it("the request that stands behind the others is a good one", function()
    assert.equal(201, http.probe(server.admin_port, (smuggled:gsub("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)))
      .status)
    assert.equal("smuggled", names())
    call("DELETE", "/app/" .. call("GET", "/app?order=descending").data[1].id)
  end)

  for _, probe in ipairs(probes("/api/v1/app", bearer .. JSON_HEAD)) do
    it(probe[1] .. " is refused, and nothing behind it runs", function()
      local answer, rest, is_closed = http.probe(server.admin_port, probe[2] .. smuggled)
      assert.truthy(answer, "no answer")
      local is_allowed = false
      for i = 3, #probe do is_allowed = is_allowed or probe[i] == answer.status end
      assert(is_allowed, ("status %s: %s"):format(answer.status, answer.body))
      assert.is_true(is_closed, "the connection stayed open")
      assert.is_nil(rest:find("HTTP/1.1 2", 1, true), rest)
      assert.equal("", names())
    end)
  end

  it("a name that this machine does not have, and a page of another site, are refused", function()
    for _, headers in ipairs { "Host: evil.example\r\n", "Host: localhost\r\nOrigin: http://evil.example\r\n",
        "Host: localhost\r\nOrigin: null\r\n", "Host: localhost.evil.example\r\n" } do
      local answer = http.probe(server.admin_port, "POST /api/v1/app HTTP/1.1\r\n" .. headers .. bearer
        .. JSON_HEAD .. "Content-Length: 2\r\nConnection: close\r\n\r\n{}")
      assert.equal(403, answer.status, headers)
    end
  end)

  it("a header that a token would split is none", function()
    local answer = http.probe(server.admin_port, "GET /api/v1/app HTTP/1.1\r\nHost: localhost\r\n"
      .. "Authorization: Bearer x\r\n Bearer " .. Server.token .. "\r\n\r\n")
    assert.is_true(answer.status == 400 or answer.status == 401)
  end)

  -- ---- F33 --------------------------------------------------------------------------------------

  -- CPU time of the server's threads so far, in ms.
  local function cpu_ms()
    local pid, sum = server.child:pid(), 0
    for task in io.popen("ls /proc/" .. pid .. "/task"):lines() do
      local ok, text = pcall(files.read, ("/proc/%d/task/%s/schedstat"):format(pid, task))
      if ok then sum = sum + tonumber(text:match "^%d+") / 1e6 end
    end
    return sum
  end

  local function post(path, body, headers)
    local all = { Authorization = "Bearer " .. server.token, ["Content-Type"] = "application/json" }
    for name, value in pairs(headers or {}) do all[name] = value end
    local before = cpu_ms()
    local answer = http.request { port = server.admin_port, path = "/api/v1" .. path, body = body,
      headers = all, method = "POST" }
    return answer and answer.status, cpu_ms() - before
  end

  local function gzip_bomb()
    local path = files.temp_dir()
    os.execute("head -c 50000000 /dev/zero | gzip -9 > " .. path .. "/bomb")
    local bytes = files.read(path .. "/bomb")
    files.remove(path)
    return bytes
  end

  local function keys(count)
    local list = {}
    for i = 1, count do list[i] = ('"k%07d":1'):format(i) end
    return "{" .. table.concat(list, ",") .. "}"
  end

  -- name, path, body, headers, the allowed statuses
  local costly = {
    { "a gzip bomb", "/app", gzip_bomb, { ["Content-Encoding"] = "gzip" }, { 422, 415 } },
    { "20,000 levels", "/app", function() return ('{"metadata":'):rep(1) .. ("["):rep(20000) end, {}, { 422 } },
    { "a million levels", "/app/acme/msg", function()
      return '{"payload":' .. ("["):rep(1000000) .. ("]"):rep(1000000) .. "}"
    end, {}, { 422 } },
    { "a million levels of objects", "/app/acme/msg", function()
      return '{"payload":' .. ('{"a":'):rep(400000)
    end, {}, { 422 } },
    { "ten megabytes of levels", "/app", function() return ("["):rep(10000000) end, {}, { 413 } },
    { "as many keys as fit", "/app", function()
      return '{"name":"","metadata":' .. keys(4500) .. "}"
    end, {}, { 422 } },
    { "a name 5,000 times", "/app", function() return "{" .. ('"name":"",'):rep(5000) .. '"uid":""}' end, {},
      { 422 } },
    { "a hundred thousand keys in a payload", "/app/acme/msg", function()
      return '{"eventType":"","payload":' .. keys(100000) .. "}"
    end, {}, { 422 } },
    { "a hundred thousand names", "/app/acme/msg", function()
      return '{"eventType":"a.b","payload":{},"channels":[' .. ('"a",'):rep(100000) .. '"b"]}'
    end, {}, { 422 } },
    { "a hundred thousand form fields", "/app", function() return ("a=b&"):rep(100000) end,
      { ["Content-Type"] = "application/x-www-form-urlencoded" }, { 413, 415 } },
  }

  for _, row in ipairs(costly) do
    it(row[1] .. " cost little, and are refused", function()
      call("PUT", "/app/acme", { name = "Acme", uid = "acme" })
      local body = row[3]()
      local status, ms = post(row[2], body, row[4])
      local is_allowed = false
      for _, allowed in ipairs(row[5]) do is_allowed = is_allowed or status == allowed end
      assert.is_true(is_allowed, "status " .. tostring(status))
      assert.is_true(ms <= CPU_MS_MAX * wait.patience, ("%.1f ms of CPU"):format(ms))
      call("DELETE", "/app/acme")
    end)
  end
end)
