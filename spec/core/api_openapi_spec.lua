-- SPDX-License-Identifier: MIT
-- The OpenAPI document that the admin listener makes of its tables.
local admin = require "core.api_rig"

local METHODS = { "get", "post", "put", "patch", "delete" }

describe("the OpenAPI document", function()
  local document

  setup(function()
    admin.open { token = admin.TOKEN }
    local body, status = admin.get "/api/v1/openapi.json"
    assert.equal(200, status)
    document = body
    admin.close()
  end)

  -- Calls visit(path, method, operation) for each.
  local function each(visit)
    for path, methods in pairs(document.paths) do
      for _, method in ipairs(METHODS) do
        if methods[method] then visit(path, method, methods[method]) end
      end
    end
  end

  it("describes every operation that is served, with a name of its own", function()
    local count, seen = 0, {}
    each(function(path, method, operation)
      count = count + 1
      assert.is_nil(seen[operation.operationId], operation.operationId)
      seen[operation.operationId] = true
      assert.is_true(#operation.summary > 0, method .. " " .. path)
      assert.is_nil(operation.summary:find "%.$")
    end)
    assert.is_true(count >= 48)
    assert.equal("3.1.0", document.openapi)
    assert.is_true(seen.get_app_id and seen.post_event_type)
  end)

  it("names each part of a path as a parameter, and knows the type of each of a query", function()
    each(function(path, _, operation)
      local named = {}
      for _, parameter in ipairs(operation.parameters) do
        assert.is_table(parameter.schema)
        if parameter["in"] == "path" then named[#named + 1] = parameter.name end
      end
      local wanted = {}
      for name in path:gmatch "{([^}]+)}" do wanted[#wanted + 1] = name end
      assert.same(wanted, named)
    end)
  end)

  it("refers to nothing that it does not hold", function()
    local function walk(value)
      if type(value) ~= "table" then return end
      local name = value["$ref"] and value["$ref"]:match "^#/components/schemas/(.+)$"
      if value["$ref"] then assert.is_table(document.components.schemas[name], value["$ref"]) end
      for _, member in pairs(value) do walk(member) end
    end
    walk(document)
  end)

  it("shows the bounds that fields are held to", function()
    local body = document.paths["/api/v1/app"].post.requestBody.content["application/json"].schema
    assert.same({ type = { "string", "null" }, pattern = "^[a-zA-Z0-9\\-_.]+$", minLength = 1,
      maxLength = 256 }, body.properties.uid)
    assert.same({ "integer", "null" }, body.properties.throttleRate.type)
    assert.same({ 1, 65535 }, { body.properties.throttleRate.minimum,
      body.properties.throttleRate.maximum })
    assert.same({ "name" }, body.required)
    local patch = document.paths["/api/v1/event-type/{id}"].patch.requestBody
    assert.is_nil(patch.content["application/json"].schema.properties.name)
    assert.is_nil(patch.content["application/json"].schema.required)
    assert.same({ "200", "201" }, (function()
      local list = {}
      for status in pairs(document.paths["/api/v1/app/{id}"].put.responses) do
        if status:find "^2" then list[#list + 1] = status end
      end
      table.sort(list)
      return list
    end)())
  end)

end)
