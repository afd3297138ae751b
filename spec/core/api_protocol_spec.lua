-- SPDX-License-Identifier: MIT
-- Our OpenAPI document held against the protocol (support.protocol): each operation with its parameters,
-- fields, bounds and statuses. Where we differ it is said here, and why.
local admin = require "core.api_rig"
local protocol = require "support.protocol"

local NAME = "^[a-zA-Z0-9\\-_.]+$"

-- Ours, where it is another: the longest URL is what receivers have to take (RFC 9112, 3), a list of names is
-- bounded, an empty one is refused whatever the field, a name of no letters is none.
local departures = {
  url = { max = 8000 }, eventTypes = { min = 1, max = 500 }, featureFlags = { max = 500 },
  ["EndpointPatch.url"] = { min = 1, max = 8000 }, ["EndpointPatch.channels"] = { min = 1, max = 10 },
}

local types = {
  text = "string", name = "string", uri = "string", key = "string", instant = "string", flag = "boolean",
  integer = "integer", list = "array", object = "object", objects = "object", texts = "object",
  ["texts?"] = "object", ApplicationIn = "object",
}

describe("the OpenAPI document, held against the protocol,", function()
  local document

  setup(function()
    admin.open { token = admin.TOKEN }
    document = admin.get "/api/v1/openapi.json"
    admin.close()
  end)

  -- Our path of one of the protocol: the names in braces are our own.
  local function find(operation)
    local shape = operation.path:gsub("{[^}]+}", "{}")
    for path, methods in pairs(document.paths) do
      if path:gsub("{[^}]+}", "{}") == shape then return methods[operation.method:lower()] end
    end
  end
  -- A schema with what it is made of, and its name.
  local resolve
  function resolve(schema)
    local name = schema["$ref"] and schema["$ref"]:match "[^/]+$"
    local found = name and document.components.schemas[name] or schema
    local whole = { properties = {} }
    for _, part in ipairs(found.allOf or {}) do
      for field, property in pairs(resolve(part).properties) do whole.properties[field] = property end
    end
    for field, property in pairs(found.properties or {}) do whole.properties[field] = property end
    return whole, name
  end
  local function parameters_of(ours, place)
    local found = {}
    for _, parameter in ipairs(ours.parameters) do
      if parameter["in"] == place then found[parameter.name] = parameter.schema end
    end
    return found
  end
  local function type_of(schema)
    if type(schema.type) == "table" then return schema.type[1], schema.type[2] == "null" end
    return schema.type, false
  end

  local function hold(theirs, ours, place)
    assert.is_table(ours, place)
    local enum = protocol.enums[theirs.type]
    if enum then
      assert.same(enum, ours.enum, place)
      return
    end
    assert.equal(types[theirs.type], (type_of(ours)), place)
    local departure = departures[place] or departures[theirs.name] or {}
    local min, max = departure.min or theirs.min, departure.max or theirs.max
    if theirs.type == "list" then
      assert.same({ min or 0, max, true }, { ours.minItems or 0, ours.maxItems, ours.uniqueItems }, place)
      assert.same({ NAME, theirs.item.max }, { ours.items.pattern, ours.items.maxLength }, place)
    elseif theirs.type == "integer" then
      assert.same({ min or 0, max }, { ours.minimum or 0, ours.maximum }, place)
    elseif theirs.type == "name" then
      assert.same({ NAME, max }, { ours.pattern, ours.maxLength }, place)
    elseif theirs.type == "instant" then
      assert.equal("date-time", ours.format, place)
    elseif theirs.type == "key" then
      -- Theirs leaves out the keys that both take: a client made of it could send none.
      assert.equal("^(whsec_|whsk_)?[a-zA-Z0-9+/=]{32,100}$", ours.pattern, place)
    else
      assert.same({ min or 0, max }, { ours.minLength or 0, ours.maxLength }, place)
    end
  end

  for _, operation in ipairs(protocol.operations) do
    it("has " .. protocol.name_of(operation), function()
      local ours = assert.is_table(find(operation)) and find(operation)
      local statuses = {}
      for status in pairs(ours.responses) do
        if status:find "^2%d%d$" then statuses[tonumber(status)] = true end
      end
      assert.same(operation.statuses, statuses)
      local query = parameters_of(ours, "query")
      for _, name in ipairs(operation.parameters) do
        -- An event type's iterator is its name.
        hold(protocol.parameters[name], query[name], name)
      end
      local is_keyed = parameters_of(ours, "header")["idempotency-key"] ~= nil
      -- A token that has logged out is none: who repeats that is told so.
      assert.equal(operation.is_keyed and not operation.path:find "logout" or false, is_keyed)
      local body = ours.requestBody and ours.requestBody.content["application/json"].schema
      assert.equal(operation.body ~= nil, body ~= nil)
      local required = {}
      for _, name in ipairs(body and body.required or {}) do required[name] = true end
      for name, field in pairs(operation.body and protocol.schemas[operation.body] or {}) do
        hold(field, body.properties[name], operation.body .. "." .. name)
        assert.equal(field.is_required, required[name] == true, name)
      end
    end)

    if operation.answer and operation.answer ~= "EmptyResponse" then
      it("says what is answered to " .. protocol.name_of(operation), function()
        for status in pairs(operation.statuses) do
          local content = find(operation).responses[tostring(status)].content["application/json"]
          local schema, name = resolve(content.schema)
          assert.equal(operation.answer, name)
          local item = name:match "^ListResponse_(%w+)_$"
          local shown = item and resolve(schema.properties.data.items) or schema
          for field in pairs(protocol.schemas[item or name]) do
            assert.is_table(shown.properties[field], name .. "." .. field)
          end
        end
      end)
    end
  end

  it("has 41 operations of it", function()
    assert.equal(41, #protocol.operations)
  end)
end)
