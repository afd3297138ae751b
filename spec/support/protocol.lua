-- SPDX-License-Identifier: MIT
-- The REST protocol of the Svix open-source server as a table, written from its public OpenAPI document and
-- not from ours: operations with their parameters, statuses and schemas, fields with their types and bounds.
-- Specs hold our document, our answers and our bounds against it.
local json = require "dkjson"

local M = {}

-- METHOD path body answers-of-success schema parameters; "-": none.
local operations = [[
GET /app - 200 ListResponse_ApplicationOut_ limit iterator order
POST /app ApplicationIn 200,201 ApplicationOut get_if_exists idempotency-key
DELETE /app/{app_id} - 204 -
GET /app/{app_id} - 200 ApplicationOut
PATCH /app/{app_id} ApplicationPatch 200 ApplicationOut
PUT /app/{app_id} ApplicationIn 200,201 ApplicationOut
GET /app/{app_id}/attempt/endpoint/{endpoint_id} - 200 ListResponse_MessageAttemptOut_ limit iterator status
  status_code_class channel before after with_content event_types
GET /app/{app_id}/attempt/msg/{msg_id} - 200 ListResponse_MessageAttemptOut_ limit iterator status status_code_class
  channel endpoint_id before after with_content event_types
GET /app/{app_id}/endpoint - 200 ListResponse_EndpointOut_ limit iterator order
POST /app/{app_id}/endpoint EndpointIn 201 EndpointOut idempotency-key
DELETE /app/{app_id}/endpoint/{endpoint_id} - 204 -
GET /app/{app_id}/endpoint/{endpoint_id} - 200 EndpointOut
PATCH /app/{app_id}/endpoint/{endpoint_id} EndpointPatch 200 EndpointOut
PUT /app/{app_id}/endpoint/{endpoint_id} EndpointUpdate 200,201 EndpointOut
GET /app/{app_id}/endpoint/{endpoint_id}/headers - 200 EndpointHeadersOut
PATCH /app/{app_id}/endpoint/{endpoint_id}/headers EndpointHeadersPatchIn 204 -
PUT /app/{app_id}/endpoint/{endpoint_id}/headers EndpointHeadersIn 204 -
GET /app/{app_id}/endpoint/{endpoint_id}/msg - 200 ListResponse_EndpointMessageOut_ limit iterator channel status
  before after with_content event_types
POST /app/{app_id}/endpoint/{endpoint_id}/recover RecoverIn 202 RecoverOut idempotency-key
GET /app/{app_id}/endpoint/{endpoint_id}/secret - 200 EndpointSecretOut
POST /app/{app_id}/endpoint/{endpoint_id}/secret/rotate EndpointSecretRotateIn 204 - idempotency-key
POST /app/{app_id}/endpoint/{endpoint_id}/send-example EventExampleIn 200 MessageOut idempotency-key
GET /app/{app_id}/endpoint/{endpoint_id}/stats - 200 EndpointStats since until
GET /app/{app_id}/msg - 200 ListResponse_MessageOut_ limit iterator channel before after with_content event_types
POST /app/{app_id}/msg MessageIn 202 MessageOut with_content idempotency-key
GET /app/{app_id}/msg/{msg_id} - 200 MessageOut with_content
GET /app/{app_id}/msg/{msg_id}/attempt/{attempt_id} - 200 MessageAttemptOut
DELETE /app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/content - 204 -
DELETE /app/{app_id}/msg/{msg_id}/content - 204 -
GET /app/{app_id}/msg/{msg_id}/endpoint - 200 ListResponse_MessageEndpointOut_ limit iterator
POST /app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend - 202 EmptyResponse idempotency-key
POST /auth/app-portal-access/{app_id} AppPortalAccessIn 200 AppPortalAccessOut idempotency-key
POST /auth/logout - 204 - idempotency-key
GET /event-type - 200 ListResponse_EventTypeOut_ limit iterator order include_archived with_content
POST /event-type EventTypeIn 201 EventTypeOut idempotency-key
DELETE /event-type/{event_type_name} - 204 - expunge
GET /event-type/{event_type_name} - 200 EventTypeOut
PATCH /event-type/{event_type_name} EventTypePatch 200 EventTypeOut
PUT /event-type/{event_type_name} EventTypeUpdate 200,201 EventTypeOut
GET /health - 204 -
GET /health/ping - 204 -
]]

-- schema: field[!] type [min..max] [null]; !: required. A name has letters, digits, "-", "_" and ".";
-- bounds of a list are of how many items it has.
local schemas = [[
AppPortalAccessIn: application ApplicationIn; featureFlags [name ..256]
AppPortalAccessOut: token! text; url! uri 1..65536
ApplicationIn: metadata texts; name! text 1..; throttleRate integer 1..65535 null; uid name 1..256 null
ApplicationOut: createdAt! instant; id! text; metadata! texts; name! text; throttleRate integer 0..65535 null; uid
  name 1..256 null; updatedAt! instant
ApplicationPatch: metadata texts; name text; throttleRate integer 0..65535 null; uid name 1..256 null
EndpointHeadersIn: headers! texts
EndpointHeadersOut: headers! texts; sensitive! [text]
EndpointHeadersPatchIn: headers! texts?
EndpointIn: channels [name ..128] 1..10 null; description text; disabled flag; eventTypes [name ..256] 1.. null;
  metadata texts; secret key null; throttleRate integer 1..65535 null; uid name 1..256 null; url! uri 1..65536
EndpointMessageOut: channels [name ..128] 1..5 null; eventId name 1..256 null; eventType! name ..256; id! text;
  nextAttempt instant null; payload! object; status! MessageStatus; statusText! MessageStatusText; timestamp! instant
EndpointOut: channels [name ..128] 1..10 null; createdAt! instant; description! text; disabled flag; eventTypes [name
  ..256] 1.. null; id! text; metadata! texts; throttleRate integer 0..65535 null; uid name 1..256 null; updatedAt!
  instant; url! uri 1..65536
EndpointPatch: channels [name ..128] null; description text; disabled flag; eventTypes [name ..256] null; metadata
  texts; throttleRate integer 0..65535 null; uid name 1..256 null; url uri
EndpointSecretOut: key! key
EndpointSecretRotateIn: gracePeriodSeconds integer 0..604800 null; key key null
EndpointStats: canceled! integer; fail! integer; pending! integer; sending! integer; success! integer
EndpointUpdate: channels [name ..128] 1..10 null; description text; disabled flag; eventTypes [name ..256] 1.. null;
  metadata texts; throttleRate integer 1..65535 null; uid name 1..256 null; url! uri 1..65536
EventExampleIn: eventType! name ..256
EventTypeIn: archived flag; deprecated flag; description! text; featureFlag name ..256 null; name! name ..256; schemas
  objects null
EventTypeOut: archived flag; createdAt! instant; deprecated! flag; description! text; featureFlag name ..256 null;
  name! name ..256; schemas objects null; updatedAt! instant
EventTypePatch: archived flag; deprecated flag; description text; featureFlag name ..256 null; schemas objects null
EventTypeUpdate: archived flag; deprecated flag; description! text; featureFlag name ..256 null; schemas objects null
MessageAttemptOut: endpointId! text; id! text; msgId! text; response! text; responseDurationMs! integer;
  responseStatusCode! integer; status! MessageStatus; statusText! MessageStatusText; timestamp! instant; triggerType!
  MessageAttemptTriggerType; url! uri 1..65536
MessageEndpointOut: channels [name ..128] 1..10 null; createdAt! instant; description! text; disabled flag; eventTypes
  [name ..256] 1.. null; id! text; nextAttempt instant null; status! MessageStatus; statusText! MessageStatusText;
  throttleRate integer 0..65535 null; uid name 1..256 null; updatedAt! instant; url! uri 1..65536
MessageIn: application ApplicationIn; channels [name ..128] 1..5 null; eventId name 1..256 null; eventType! name
  ..256; payload! object; payloadRetentionPeriod integer 5..90
MessageOut: channels [name ..128] 1..5 null; eventId name 1..256 null; eventType! name ..256; id! text; payload!
  object; timestamp! instant
RecoverIn: since! instant; until instant null
RecoverOut: id! text; status! BackgroundTaskStatus; task! BackgroundTaskType; updatedAt! instant
]]

-- Those of lists of messages; what differs is said below.
local parameters = [[
limit integer 1..250; order Ordering; get_if_exists flag; status MessageStatus; status_code_class StatusCodeClass;
  channel name ..128; before instant; after instant; with_content flag; event_types [name ..256];
  endpoint_id name 1..256; since instant; until instant; include_archived flag; expunge flag; iterator text
]]

local enums = {
  BackgroundTaskStatus = { "running" }, BackgroundTaskType = { "endpoint.recover" },
  MessageAttemptTriggerType = { 0, 1 }, MessageStatus = { 0, 1, 2, 3 },
  MessageStatusText = { "success", "pending", "fail", "sending" }, Ordering = { "ascending", "descending" },
  StatusCodeClass = { 0, 100, 200, 300, 400, 500 },
}
M.enums = enums

-- ---- The text above, read ----

-- Lines that begin with a blank go on with the one before.
local function lines_of(text)
  return text:gsub("\n +", " "):gmatch "[^\n]+"
end

local function bounds_of(text)
  local min, max = text:match "(%d*)%.%.(%d*)"
  return tonumber(min), tonumber(max)
end

local function read_field(text)
  local name, mark, rest = text:match "^([%w_]+)(!?) (.+)$"
  local field = { name = name, is_required = mark == "!", is_nullable = rest:find " null$" ~= nil }
  local inner, behind = rest:match "^%[(.-)%](.*)$"
  if inner then
    field.type, field.item = "list", { type = inner:match "^%S+" }
    field.item.min, field.item.max = bounds_of(inner)
    field.min, field.max = bounds_of(behind)
  else
    field.type = rest:match "^%S+"
    field.min, field.max = bounds_of(rest)
  end
  return field
end

local function read_fields(text)
  local fields = {}
  for part in text:gmatch "[^;]+" do
    local field = read_field(part:match "^%s*(.-)%s*$")
    fields[field.name] = field
  end
  return fields
end

M.parameters = read_fields(parameters:gsub("\n *", " "))
M.schemas = {}
for line in lines_of(schemas) do
  local name, fields = line:match "^(%w+): (.+)$"
  M.schemas[name] = read_fields(fields)
end

-- { method, path, body? and answer? (names of schemas), statuses = { [status] = true }, parameters (names),
-- is_keyed: it takes an idempotency key }, in the order of their paths.
M.operations = {}
for line in lines_of(operations) do
  local method, path, body, statuses, answer, rest = line:match "^(%S+) (%S+) (%S+) (%S+) (%S+) ?(.*)$"
  local operation = { method = method, path = "/api/v1" .. path, body = body ~= "-" and body or nil,
    answer = answer ~= "-" and answer or nil, statuses = {}, parameters = {} }
  for status in statuses:gmatch "%d+" do operation.statuses[tonumber(status)] = true end
  for name in rest:gmatch "%S+" do
    if name == "idempotency-key" then
      operation.is_keyed = true
    else
      operation.parameters[#operation.parameters + 1] = name
    end
  end
  M.operations[#M.operations + 1] = operation
end

function M.name_of(operation) return operation.method .. " " .. operation.path end

-- ---- What is answered, held against it ----

local checks = {
  text = function(value) return type(value) == "string" end,
  name = function(value) return type(value) == "string" and value:find "^[%w%-_.]+$" ~= nil end,
  uri = function(value) return type(value) == "string" and value:find "^https?://" ~= nil end,
  key = function(value) return type(value) == "string" and value:find "^whsec_[%w+/=]+$" ~= nil end,
  instant = function(value)
    return type(value) == "string" and value:find "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d[%d.]*Z$" ~= nil
  end,
  integer = function(value) return math.type(value) == "integer" end,
  flag = function(value) return type(value) == "boolean" end,
  object = function(value) return type(value) == "table" end,
  objects = function(value) return type(value) == "table" end,
  texts = function(value)
    for _, member in pairs(value) do if type(member) ~= "string" then return false end end
    return true
  end,
}

local function is_in(list, value)
  for _, item in ipairs(list) do if item == value then return true end end
  return false
end

-- What is wrong with a decoded value of this type; nil: nothing.
local function judge(value, field, place)
  if field.type == "list" then
    for i, item in ipairs(value) do
      local wrong = judge(item, field.item, ("%s[%d]"):format(place, i))
      if wrong then return wrong end
    end
    return nil
  end
  if M.schemas[field.type] then return M.judge(value, field.type, place) end
  local enum = enums[field.type]
  local is_right
  if enum then is_right = is_in(enum, value) else is_right = checks[field.type](value) end
  if is_right then
    local size = type(value) == "number" and value or type(value) == "string" and utf8.len(value) or nil
    is_right = not size or size >= (field.min or size) and size <= (field.max or size)
  end
  return not is_right and ("%s is no %s: %s"):format(place, field.type, json.encode(value)) or nil
end

-- What is wrong with a decoded answer, by the name of its schema; nil: nothing. Fields of our own are fine.
function M.judge(answer, schema, place)
  place = place or schema
  local item = schema:match "^ListResponse_(%w+)_$"
  if item then
    local wrong = judge(answer.data, { type = "list", item = { type = item } }, place .. ".data")
    if wrong or type(answer.done) ~= "boolean" then return wrong or place .. ".done is no flag" end
    return nil
  end
  for name, field in pairs(M.schemas[schema] or {}) do
    local value = answer[name]
    if value == json.null then value = nil end
    if value == nil and field.is_required then return ("%s.%s is missing"):format(place, name) end
    local wrong = value ~= nil and judge(value, field, place .. "." .. name)
    if wrong then return wrong end
  end
  return nil
end

return M
