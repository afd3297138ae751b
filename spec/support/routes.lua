-- SPDX-License-Identifier: MIT
-- The route table of a server, as its OpenAPI document tells it: so a spec that goes over all routes
-- has a new one by itself.
local http = require "support.http"
local json = require "dkjson"

local M = {}

local METHODS = { "get", "put", "post", "patch", "delete" }

local function names(parameters, place)
  local list = {}
  for _, parameter in ipairs(parameters or {}) do
    if parameter["in"] == place then list[#list + 1] = parameter.name end
  end
  return list
end

-- All routes, in the order of their paths: { method, path (with {names}), user ("admin",
-- "application", "portal"; nil: public), parameters (names in the path), query (names), body (its
-- JSON Schema) }.
function M.of(server)
  local answer = assert(http.request { port = server.admin_port, method = "GET",
    path = "/api/v1/openapi.json" })
  local document = assert(json.decode(answer.body))
  local routes = {}
  for path, operations in pairs(document.paths) do
    for _, method in ipairs(METHODS) do
      local operation = operations[method]
      if operation then
        local security = operation.security[1]
        local content = operation.requestBody and operation.requestBody.content
        routes[#routes + 1] = { method = method:upper(), path = path,
          user = security and security.bearer[1], parameters = names(operation.parameters, "path"),
          query = names(operation.parameters, "query"),
          body = content and content["application/json"].schema }
      end
    end
  end
  table.sort(routes, function(a, b)
    return a.path .. " " .. a.method < b.path .. " " .. b.method
  end)
  return routes
end

-- A route's path with these values, by name.
function M.fill(path, values)
  return (path:gsub("{(%w+)}", function(name)
    return assert(values[name], "a new kind of thing in a path: tell this spec how to make a {"
      .. name .. "}")
  end))
end

-- A value that a schema takes. given: values of fields by name, which are taken first.
function M.example(schema, given)
  local kind = type(schema.type) == "table" and schema.type[1] or schema.type
  if kind == "object" then
    local object = setmetatable({}, { __jsontype = "object" })
    for _, name in ipairs(schema.required or {}) do
      object[name] = given and given[name] or M.example(schema.properties[name], given)
    end
    return object
  end
  if kind == "array" then
    local array = setmetatable({}, { __jsontype = "array" })
    for i = 1, schema.minItems or 0 do array[i] = "item-" .. i end
    return array
  end
  if kind == "integer" then return math.max(schema.minimum or 1, 1) end
  if kind == "boolean" then return false end
  return ("x"):rep(math.max(schema.minLength or 1, 1))
end

return M
