-- SPDX-License-Identifier: MIT
-- Pages that the admin listener serves (/portal): as files, to anybody, held to a strict policy.
local Server = require "support.server"
local http = require "support.http"
local lfs = require "lfs"
local resources = require "support.resources"

local POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
  .. "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'; frame-ancestors 'none'"

local function asker(server)
  return function(method, path, headers)
    return assert(http.request { port = server.admin_port, method = method, path = path, headers = headers })
  end
end

describe("the portal's page", function()
  local server, ask

  lazy_setup(function()
    server = Server.start { scripts = { ["main.lua"] = "" } }
    ask = asker(server)
  end)
  lazy_teardown(function() server:close() end)

  it("needs no token, and is held to a policy", function()
    local answer = ask("GET", "/portal/")
    assert.equal(200, answer.status)
    assert.equal("text/html; charset=utf-8", answer.headers["content-type"])
    assert.equal(POLICY, answer.headers["content-security-policy"])
    assert.equal("nosniff", answer.headers["x-content-type-options"])
    assert.equal("no-referrer", answer.headers["referrer-policy"])
    assert.equal("no-cache", answer.headers["cache-control"])
    assert.equal(answer.body, ask("GET", "/portal/index.html").body)
  end)

  -- A link or an import that is not there would leave the page white.
  it("has all that it links to, each as what it is", function()
    local types = { css = "text/css; charset=utf-8", mjs = "text/javascript; charset=utf-8" }
    local seen, left = {}, { "index.html" }
    while #left > 0 do
      local name = table.remove(left)
      local answer = ask("GET", "/portal/" .. name)
      assert.equal(200, answer.status, name)
      assert.equal(POLICY, answer.headers["content-security-policy"], name)
      if name ~= "index.html" then assert.equal(types[name:match "%w+$"], answer.headers["content-type"], name) end
      seen[name] = true
      for other in (answer.body:gsub('"%./', '"')):gmatch '"([%w_]+%.%l+)"' do
        if types[other:match "%w+$"] and not seen[other] then left[#left + 1] = other end
      end
    end
    assert.is_true(seen["main.mjs"] and seen["style.css"] and seen["api.mjs"])
    for file in lfs.dir "core/portal" do
      if file:sub(1, 1) ~= "." then assert.is_true(seen[file], file) end
    end
  end)

  it("has no script and no style of its own in the markup, which the policy would refuse", function()
    local text = ask("GET", "/portal/").body
    for _, pattern in ipairs { "<script>", "<style", " style=", " on%l+=", "https?:" } do
      assert.is_nil(text:find(pattern), pattern)
    end
  end)

  -- What a receiver, a script or a customer wrote must not become markup, nor code.
  it("has no script that makes markup or code of a text", function()
    for file in lfs.dir "core/portal" do
      local text = file:match "%.mjs$" and ask("GET", "/portal/" .. file).body or ""
      for _, name in ipairs { "innerHTML", "outerHTML", "insertAdjacentHTML", "createContextualFragment", "DOMParser",
          "srcdoc", "document.write", "eval(", "Function(", "import(" } do
        assert.is_nil(text:find(name, 1, true), file .. " " .. name)
      end
    end
  end)

  it("is told to be the same by its tag", function()
    local first = ask("GET", "/portal/main.mjs")
    local tag = first.headers.etag
    assert.matches('^"%x+"$', tag)
    local again = ask("GET", "/portal/main.mjs", { ["If-None-Match"] = tag })
    assert.same({ 304, "", tag, POLICY },
      { again.status, again.body, again.headers.etag, again.headers["content-security-policy"] })
    assert.is_nil(again.headers["content-type"])
    assert.equal(200, ask("GET", "/portal/main.mjs", { ["If-None-Match"] = '"another"' }).status)
    assert.not_equal(tag, ask("GET", "/portal/style.css").headers.etag)
  end)

  it("answers HEAD with the same headers and no body", function()
    local connection = http.open(server.admin_port)
    for _ = 1, 2 do -- a body would be taken for the next answer
      connection:send(http.format { method = "HEAD", path = "/portal/style.css" })
      local head, whole = connection:receive(true), ask("GET", "/portal/style.css")
      assert.equal(200, head.status)
      for _, name in ipairs { "content-length", "content-type", "etag", "content-security-policy" } do
        assert.equal(whole.headers[name], head.headers[name], name)
      end
    end
    connection:close()
  end)

  it("is found without the slash, wherever a proxy puts it", function()
    local answer = ask("GET", "/portal")
    assert.same({ 308, "portal/", "" }, { answer.status, answer.headers.location, answer.body })
  end)

  it("lists nothing, and is nothing but its files", function()
    for _, path in ipairs { "/portal/other.mjs", "/portal/sub/", "/portal/main.mjs/", "/portal//main.mjs",
        "/portal/../portal/main.mjs", "/portal/%2e%2e/x", "/portal/main", "/portal/index.html/" } do
      local answer = ask("GET", path)
      assert.is_true(answer.status == 404 or answer.status == 400, path)
    end
    for _, path in ipairs { "/portals", "/porta", "/main.mjs", "/", "/Portal/" } do
      assert.equal(401, ask("GET", path).status, path)
    end
    local other = ask("DELETE", "/portal/main.mjs")
    assert.same({ 405, "GET, HEAD" }, { other.status, other.headers.allow })
    assert.equal(405, assert(http.request { port = server.admin_port, path = "/portal/", body = "{}" }).status)
  end)

  it("is no operation of the API", function()
    assert.is_nil(ask("GET", "/api/v1/openapi.json").body:find "/portal")
  end)

  it("is where the url of a portal's access leads", function()
    local call = resources(server)
    call("POST", "/app", { name = "Acme", uid = "acme" })
    local url = call("POST", "/auth/app-portal-access/acme", "{}").url
    local path = url:match "^http://127%.0%.0%.1(/[^#]*)#app=app_%w+&token=anzol_[%w_-]+$"
    assert.equal(200, ask("GET", path).status)
  end)
end)

describe("behind a proxy", function()
  local server, ask, call

  lazy_setup(function()
    server = Server.start { scripts = { ["main.lua"] = "" }, settings = [[return {
      admin_url = "https://hooks.example/anzol/",
      portal = { frame_origins = { "https://shop.example", "http://localhost:3000" } },
    }]] }
    ask, call = asker(server), resources(server)
  end)
  lazy_teardown(function() server:close() end)

  it("access to a portal begins with admin_url", function()
    call("POST", "/app", { name = "Acme", uid = "acme" })
    local url = call("POST", "/auth/app-portal-access/acme", "{}").url
    assert.equal("https://hooks.example/anzol/portal/#app=", url:match "^.-app=")
  end)

  it("the name in admin_url is one that Host and Origin may have", function()
    local function asked(host, origin)
      return http.probe(server.admin_port, ("GET /api/v1/event-type HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\n"
        .. "Authorization: Bearer %s\r\nConnection: close\r\n\r\n"):format(host, origin, server.token)).status
    end
    assert.equal(200, asked("hooks.example", "https://hooks.example"))
    assert.equal(200, asked("127.0.0.1", "https://Hooks.Example:443"))
    assert.equal(403, asked("hooks.example", "https://hooks.example.evil"))
    assert.equal(403, asked("hooks.example", "https://evil.example/hooks.example"))
    assert.equal(403, asked("evil.example", "https://hooks.example"))
  end)

  it("pages of portal.frame_origins may show it in a frame", function()
    local policy = ask("GET", "/portal/").headers["content-security-policy"]
    assert.matches("; frame%-ancestors https://shop%.example http://localhost:3000$", policy)
  end)
end)
