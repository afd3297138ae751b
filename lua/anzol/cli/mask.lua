-- SPDX-License-Identifier: MIT
-- Secrets in what was received, by the names of what holds them: values of a JSON body or a form
-- are masked, every other byte stays; headers are sorted out.
local M = {}

local MASK = "masked"

-- Parts of names, without "-" and "_" and in small letters: those of head_is_secret in C.
local secret_parts = { "accesskey", "accountkey", "apikey", "appkey", "applicationkey", "auth",
  "bearer", "clientkey", "cookie", "credential", "csrf", "functionskey", "jwt", "masterkey",
  "passphrase", "passwd", "password", "privatekey", "secret", "session", "sharedkey",
  "subscriptionkey", "token", "xsrf" }

-- Of headers only: what signs the request (a signature of what was masked is wrong, and whoever
-- sends the fixture signs anew), and what belongs to the one connection.
local signing_parts = { "signature", "hmac", "digest", "cookie", "webhooktimestamp", "webhookid",
  "svixid", "svixtimestamp", "requesttimestamp", "signaturetimestamp",
  "paypaltransmission", "paypalauthalgo", "paypalcerturl" }
local of_connection = { ["accept-encoding"] = true, connection = true, ["content-length"] = true,
  expect = true, host = true, ["keep-alive"] = true, te = true, trailer = true,
  ["transfer-encoding"] = true, upgrade = true }

local function has_part(name, parts)
  local plain = name:lower():gsub("author([^i])", "%1"):gsub("author$", ""):gsub("[-_]", "")
  for _, part in ipairs(parts) do
    if plain:find(part, 1, true) then return true end
  end
  return false
end

-- ---- JSON ----

local closing = { ["{"] = "}", ["["] = "]" }

local function behind_string(text, at)
  at = at + 1
  while true do
    local stop = text:find('["\\]', at)
    if text:sub(stop, stop) == '"' then return stop + 1 end
    at = stop + 2
  end
end

local function behind_blank(text, at) return text:match("^%s*()", at) end

local Scan = {}
Scan.__index = Scan

function Scan:keep(from, behind)
  self.parts[#self.parts + 1] = self.text:sub(from, behind - 1)
end

-- A string or number is masked as what it is; true, false and null tell nothing.
function Scan:scalar(at, path, is_secret)
  local text = self.text
  local is_string = text:sub(at, at) == '"'
  local behind = is_string and behind_string(text, at) or text:match("^[^%s,%]}]+()", at)
  local is_number = text:find("^[-%d]", at)
  if is_secret and (is_string or is_number) and not text:find('^""', at) then
    self.parts[#self.parts + 1] = is_string and '"' .. MASK .. '"' or "0"
    self.masked[#self.masked + 1] = path
  else
    self:keep(at, behind)
  end
  return behind
end

-- The value that begins at `at`; what a secret name holds is secret all through.
function Scan:value(at, path, is_secret)
  local text = self.text
  local open = text:sub(at, at)
  local close = closing[open]
  if not close then return self:scalar(at, path, is_secret) end
  local position, from = 0, at
  at = behind_blank(text, at + 1)
  while text:sub(at, at) ~= close do
    position = position + 1
    local name = tostring(position)
    if open == "{" then
      local behind = behind_string(text, at)
      name = text:sub(at + 1, behind - 2)
      at = behind_blank(text, behind_blank(text, behind) + 1)
    end
    self:keep(from, at)
    local inner = path == "" and name or path .. "." .. name
    at = self:value(at, inner, is_secret or open == "{" and has_part(name, secret_parts))
    from, at = at, behind_blank(text, at)
    if text:sub(at, at) == "," then at = behind_blank(text, at + 1) end
  end
  self:keep(from, at + 1)
  return at + 1
end

-- json(text) -> text, { path, … }: what was masked. The text is JSON.
function M.json(text)
  local scan = setmetatable({ text = text, parts = {}, masked = {} }, Scan)
  local from = behind_blank(text, 1)
  scan:keep(1, from)
  local behind = scan:value(from, "", false)
  scan:keep(behind, #text + 1)
  return table.concat(scan.parts), scan.masked
end

-- ---- Forms ----

-- form(text) -> text, { name, … }
function M.form(text)
  local masked = {}
  text = text:gsub("([^&=]+)=([^&]+)", function(name)
    local plain = name:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
    if not has_part(plain, secret_parts) then return nil end
    masked[#masked + 1] = plain
    return name .. "=" .. MASK
  end)
  return text, masked
end

-- ---- Headers ----

-- headers({ { name, value }, … }) -> those that a fixture has, names of those that it had better
-- not have; what belongs to the connection is in neither.
function M.headers(list)
  local kept, left_out = {}, {}
  for _, header in ipairs(list) do
    local name = header[1]
    if has_part(name, secret_parts) or has_part(name, signing_parts) then
      left_out[#left_out + 1] = name
    elseif not of_connection[name:lower()] then
      kept[#kept + 1] = header
    end
  end
  return kept, left_out
end

return M
