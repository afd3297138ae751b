-- SPDX-License-Identifier: MIT
-- Providers as data: what a sender's requests look like, turned into the table that a source takes.
-- A provider file returns declare { ... }; a project's own files may do the same.
local anzol = require "anzol.core"
local nearest = require "anzol.nearest"

local M = {}

local recipes = {} -- provider -> recipe

-- Where the script's own code stands that called into the library.
local function place()
  for level = 3, 40 do
    local info = debug.getinfo(level, "Sl")
    if not info then return "" end
    if info.currentline > 0 and not info.short_src:find "^anzol/" then
      return ("%s:%d: "):format(info.short_src, info.currentline)
    end
  end
  return ""
end

-- Misuse, told at the script's line.
function M.misuse(format, ...)
  error(place() .. format:format(...), 0)
end

-- Calls a maker of anzol.verify or anzol.sign; what it complains of is the provider's.
local function make(maker, options, name)
  local ok, result = pcall(maker, options)
  if ok then return result end
  local message = tostring(result):gsub("^[^\n:]+:%d+: ", "")
    :gsub("anzol%.%l+%.[%w_]+", "anzol.provider." .. name)
  M.misuse("%s", message)
end

local function merge(recipe, options)
  local merged = {}
  for key, value in pairs(recipe) do merged[key] = value end
  for _, key in ipairs { "secret", "public_key", "tolerance" } do
    if options[key] ~= nil then merged[key] = options[key] end
  end
  return merged
end

-- The signer of a recipe: maker is a name in anzol.sign, the rest its options.
function M.recipe_signer(recipe, options, name)
  local merged = merge(recipe, options)
  local maker = recipe.maker or "hmac"
  merged.maker, merged.is_public = nil, nil
  if maker == "standard" then merged.tolerance = nil end
  return make(rawget(anzol.sign, maker), merged, name)
end

-- The verifier of a recipe, and what signs test requests by it (nil if only the sender can), which
-- is made when it is first asked for.
function M.recipe(recipe, options, name)
  local maker = recipe.maker or "hmac"
  local merged = merge(recipe, options)
  merged.maker, merged.is_public = nil, nil
  local verifier, signer = make(anzol.verify[maker], merged, name), nil
  if recipe.is_public or not rawget(anzol.sign, maker) then return verifier end
  return verifier, function(input)
    signer = signer or M.recipe_signer(recipe, options, name)
    return signer(input)
  end
end

-- That options (of what is named so) are a table with these names alone.
function M.check_options(what, options, allowed)
  if type(options) ~= "table" then
    M.misuse("%s takes a table of options, got %s", what, type(options))
  end
  for key in pairs(options) do
    local is_known = false
    for _, other in ipairs(allowed) do is_known = is_known or key == other end
    if not is_known then
      local meant = nearest(tostring(key), allowed)
      M.misuse("unknown option '%s' for %s; %s", tostring(key), what,
        meant and ("did you mean '%s'?"):format(meant) or "it takes "
        .. table.concat(allowed, ", "))
    end
  end
end

-- Whether the sender says when it signed; some do whose documents ask nobody to look at it.
local function has_time(recipe)
  return recipe.timestamp_header or recipe.timestamp_field or recipe.maker == "standard"
end

local function allowed_of(spec)
  local allowed = spec.is_keyless and {} or { "secret" }
  if spec.recipe and spec.recipe.is_public then allowed[2] = "public_key" end
  if spec.recipe and has_time(spec.recipe) then allowed[#allowed + 1] = "tolerance" end
  for _, name in ipairs(spec.options or {}) do allowed[#allowed + 1] = name end
  return allowed
end

-- A verifier whose sender says in the body when it was sent, in ms: no more than 'tolerance' ago.
function M.fresh(verify, options, name, time_of)
  local ms = anzol.time.parse_duration(options.tolerance or "1m")
  if not ms then M.misuse("option 'tolerance' of anzol.provider.%s is no duration", name) end
  return function(req)
    local genuine, reason = verify(req)
    if not genuine then return false, reason end
    local sent_ms = time_of(req)
    if math.type(sent_ms) ~= "integer" then
      return false, "the body does not say when it was sent"
    end
    local distance_ms = math.abs(req.received_at_ms - sent_ms)
    if distance_ms <= ms then return true end
    return false, ("the signature is genuine but the clock differs by %d s, of which the body may "
      .. "be %d"):format(distance_ms // 1000, ms // 1000)
  end
end

-- The headers of a genuine test request: message { type, body, id, timestamp, url }.
function M.signer(signer, headers_of)
  return signer and function(message)
    local own = headers_of and headers_of(message) or {}
    if not own["Content-Type"] then own["Content-Type"] = "application/json" end
    local headers = signer {
      id = message.id, timestamp = message.timestamp, body = message.body, url = message.url,
      method = message.method, headers = own,
    }
    for name, value in pairs(own) do headers[name] = value end
    return headers
  end
end

-- spec { name, recipe = { maker, options of anzol.verify.MAKER } or verify = function(options) ->
-- verifier or function(req), sign?; type, idempotency_key; challenge, respond =
-- function(options) -> function(req); headers = function(message) -> headers; options,
-- hide_headers; is_keyless: it takes no secret }
function M.provider(spec)
  local allowed = allowed_of(spec)
  local function provider(options)
    M.check_options("anzol.provider." .. spec.name, options, allowed)
    local verify, sign
    if spec.verify then
      verify, sign = spec.verify(options)
    else
      local signer
      verify, signer = M.recipe(spec.recipe, options, spec.name)
      sign = M.signer(signer, spec.headers)
    end
    return {
      name = spec.name,
      verify = verify,
      type = spec.type,
      idempotency_key = spec.idempotency_key,
      challenge = spec.challenge and spec.challenge(options),
      respond = spec.respond and spec.respond(options),
      hide_headers = spec.hide_headers,
      sign = sign,
    }
  end
  recipes[provider] = spec.recipe and not spec.recipe.is_public and spec.recipe or nil
  return provider
end

-- The recipe of a provider made here, if who has its secret can sign by it; nil otherwise.
function M.recipe_of(provider) return recipes[provider] end

-- A text as a segment of an event type: what types do not allow becomes a dot.
function M.event_type(prefix, text)
  if type(text) == "number" then text = tostring(text) end
  if type(text) ~= "string" or text == "" then return prefix .. ".unknown" end
  return (prefix .. "." .. text:gsub("[^%w_.-]+", ".")):sub(1, 256)
end

-- "github." and what the header says.
function M.type_of_header(prefix, header)
  return function(req) return M.event_type(prefix, req.headers[header]) end
end

-- What lies at a path of names in a value, nil if it does not.
local function find(value, path)
  for name in path:gmatch "[^.]+" do
    if type(value) ~= "table" then return nil end
    value = value[math.tointeger(tonumber(name)) or name]
  end
  return value
end
M.find = find

-- "stripe." and what the JSON body has at the path ("type", "event.type").
function M.type_of_json(prefix, path)
  return function(req) return M.event_type(prefix, find(req.json, path)) end
end

function M.key_of_header(header)
  return function(req) return req.headers[header] end
end

function M.key_of_json(path)
  return function(req)
    local key = find(req.json, path)
    return (type(key) == "string" or math.type(key) == "integer") and tostring(key) or nil
  end
end

-- The keys of option 'secret': one, or a list of them, for providers that verify in Lua.
function M.secrets(options, name)
  local secret = options.secret
  local kind = type(secret)
  if kind == "nil" then
    M.misuse("anzol.provider.%s needs 'secret'; use anzol.secret \"NAME\"", name)
  end
  return kind == "table" and secret or { secret }
end

return setmetatable(M, { __call = function(_, spec) return M.provider(spec) end })
