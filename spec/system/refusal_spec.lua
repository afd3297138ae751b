-- SPDX-License-Identifier: MIT
-- What every route of the admin listener refuses in the same words: no token, a wrong one, another method,
-- another content type. Made from the route table.
local Server = require "support.server"
local http = require "support.http"
local json = require "dkjson"
local routes = require "support.routes"

local METHODS = { "GET", "PUT", "POST", "PATCH", "DELETE" }

describe("every route", function()
  local server, all

  lazy_setup(function()
    server = Server.start { scripts = { ["main.lua"] = "" } }
    all = routes.of(server)
  end)
  lazy_teardown(function() server:close() end)

  local function name_of(route) return route.method .. " " .. route.path end

  local any = setmetatable({}, { __index = function() return "x" end })

  local function ask(method, path, headers, body)
    headers = headers or {}
    local answer = assert(http.request { port = server.admin_port, method = method,
      path = routes.fill(path, any), headers = headers, body = body or method ~= "GET" and "" or nil })
    return answer, answer.body ~= "" and json.decode(answer.body) or nil
  end

  local function refused(what, answer, body, status, code)
    assert.equal(status, answer.status, what)
    assert.equal(code, body.code, what)
    assert.is_true(#body.detail > 0)
    assert.matches("^application/json", answer.headers["content-type"])
    assert.equal("no-store", answer.headers["cache-control"])
    local count = 0
    for _ in pairs(body) do count = count + 1 end
    assert.equal(2, count, what)
  end

  it("but health and the document asks for a token, before anything else", function()
    local public = {}
    for _, route in ipairs(all) do
      local answer, body = ask(route.method, route.path)
      if route.user then
        refused(name_of(route), answer, body, 401, "token_missing")
        assert.equal("Bearer", answer.headers["www-authenticate"])
      else
        public[#public + 1] = route.path
      end
    end
    assert.same({ "/api/v1/health", "/api/v1/health/ping", "/api/v1/openapi.json", "/healthz" }, public)
  end)

  it("refuses a token that is none, and other ways to show one", function()
    local minted = "anzol_" .. ("A"):rep(43)
    for _, route in ipairs(all) do
      if route.user then
        local answer, body = ask(route.method, route.path, { Authorization = "Bearer " .. minted,
          ["Content-Type"] = "application/json" })
        refused(name_of(route), answer, body, 401, "token_wrong")
        assert.equal("Bearer", answer.headers["www-authenticate"])
      end
    end
    -- These count as wrong tokens of an address, so only one route is asked.
    for _, text in ipairs { "Basic " .. server.token, server.token, "Bearer", "Bearer  " .. server.token } do
      local answer, body = ask("GET", "/api/v1/app", { Authorization = text })
      refused(text, answer, body, 401, "token_wrong")
    end
  end)

  it("takes the scheme in any case", function()
    assert.equal(200, (ask("GET", "/api/v1/app", { Authorization = "bearer " .. server.token })).status)
    assert.equal(422, (ask("POST", "/api/v1/app", { Authorization = "BEARER " .. server.token,
      ["Content-Type"] = "Application/JSON ;charset=utf-8" }, "{}")).status)
  end)

  it("names the methods of its path to another", function()
    local of_path = {}
    for _, route in ipairs(all) do
      of_path[route.path] = of_path[route.path] or {}
      of_path[route.path][route.method] = true
    end
    for path, known in pairs(of_path) do
      for _, method in ipairs(METHODS) do
        if not known[method] then
          local answer, body = ask(method, path, { Authorization = "Bearer " .. server.token,
            ["Content-Type"] = "application/json" })
          -- Another path may have this one's form: GET /event-type/{id} is no route of /event-type.
          if answer.status == 405 then
            refused(method .. " " .. path, answer, body, 405, "method")
            for allowed in pairs(known) do
              assert.is_truthy(answer.headers.allow:find(allowed, 1, true), path .. " " .. answer.headers.allow)
            end
          else
            assert.is_true(answer.status >= 400, method .. " " .. path)
          end
        end
      end
    end
  end)

  it("that takes a POST takes JSON, or nothing", function()
    for _, route in ipairs(all) do
      if route.method == "POST" then
        for _, kind in ipairs { "text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
            "application/jsonp", "" } do
          local answer, body = ask("POST", route.path, { Authorization = "Bearer " .. server.token,
            ["Content-Type"] = kind }, "{}")
          refused(name_of(route) .. " " .. kind, answer, body, 415, "content_type")
        end
      end
    end
  end)

  it("that is none is not there", function()
    for _, path in ipairs { "/", "/api", "/api/v1", "/api/v1/", "/api/v2/app", "/api/v1/app//", "/api/v1/App",
        "/api/v1/app/x/y", "/api/v1/app/x/endpoint/y/z", "/api/v1//app", "/api/v1/app/x/msg/y/z" } do
      local answer, body = ask("GET", path, { Authorization = "Bearer " .. server.token })
      assert.equal(404, answer.status, path)
      assert.equal("unknown_path", body.code)
    end
  end)

  it("is the same with a slash at its end, which older clients send", function()
    local headers = { Authorization = "Bearer " .. server.token }
    for _, path in ipairs { "/api/v1/app", "/api/v1/app/x", "/api/v1/health" } do
      local plain, slashed = ask("GET", path, headers), ask("GET", path .. "/", headers)
      assert.same({ plain.status, plain.body }, { slashed.status, slashed.body })
    end
  end)
end)
