-- SPDX-License-Identifier: MIT
-- JSON Web Tokens (RFC 7519) in compact form, by a shared secret or by keys that their issuer
-- publishes (JWKS, RFC 7517). Which kind of key it is decides which algorithms are taken; the token
-- does not.
local anzol = require "anzol.core"
local remote = require "anzol.remote"

local M = {}

local LEEWAY_S = 60
local PARTS_BYTES_MAX = 8192

-- ---- Keys as SubjectPublicKeyInfo -------------------------------------------------------------

local function der(tag, body)
  local len = #body
  local head
  if len < 128 then head = string.char(tag, len)
  elseif len < 256 then head = string.char(tag, 0x81, len)
  else head = string.char(tag, 0x82, len >> 8, len & 255) end
  return head .. body
end

local function unsigned(bytes)
  bytes = bytes:gsub("^\0+", "")
  if bytes == "" or bytes:byte(1) >= 128 then bytes = "\0" .. bytes end
  return der(0x02, bytes)
end

local RSA = "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00"
local EC = "\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
local curves = {
  ["P-256"] = { "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 32 },
  ["P-384"] = { "\x06\x05\x2b\x81\x04\x00\x22", 48 },
}

local function bytes_of(text)
  return type(text) == "string" and anzol.base64.decode_url(text) or nil
end

local function public_info(algorithm, key)
  return anzol.base64.encode(der(0x30, algorithm .. der(0x03, "\0" .. key)))
end

-- A key of a JWKS as anzol.crypto takes it; nil: of no known kind.
function M.key_text(jwk)
  local x, y = bytes_of(jwk.x), bytes_of(jwk.y)
  if jwk.kty == "RSA" then
    local modulus, exponent = bytes_of(jwk.n), bytes_of(jwk.e)
    if not modulus or not exponent or #modulus > 1024 or #exponent > 8 then return nil end
    return public_info(RSA, der(0x30, unsigned(modulus) .. unsigned(exponent)))
  elseif jwk.kty == "EC" and curves[jwk.crv] and x and y then
    local curve, len = table.unpack(curves[jwk.crv])
    if #x ~= len or #y ~= len then return nil end
    return public_info(der(0x30, EC .. curve), "\4" .. x .. y)
  elseif jwk.kty == "OKP" and jwk.crv == "Ed25519" and x and #x == 32 then
    return anzol.hex.encode(x)
  end
  return nil
end

-- ---- Algorithms -------------------------------------------------------------------------------

local crypto = anzol.crypto

local function by_secret(digest)
  return function(secrets, signature, data)
    local is_genuine = false
    for _, secret in ipairs(secrets) do
      is_genuine = crypto.equal(crypto.hmac(digest, secret, data), signature) or is_genuine
    end
    return is_genuine
  end
end

local shared = {
  HS256 = by_secret "sha256", HS384 = by_secret "sha384", HS512 = by_secret "sha512",
}

local function by_rsa(digest)
  return function(key, signature, data)
    return crypto.rsa_verify(key, signature, data, digest)
  end
end

local function by_ecdsa(digest)
  return function(key, signature, data)
    return crypto.ecdsa_verify(key, signature, data, digest, "raw")
  end
end

-- The kind of key, and what checks by it.
local public = {
  RS256 = { "RSA", by_rsa "sha256" },
  RS384 = { "RSA", by_rsa "sha384" },
  RS512 = { "RSA", by_rsa "sha512" },
  ES256 = { "EC", by_ecdsa "sha256" },
  ES384 = { "EC", by_ecdsa "sha384" },
  EdDSA = { "OKP", crypto.ed25519_verify },
}

-- ---- Tokens -----------------------------------------------------------------------------------

local function decode_part(text)
  local bytes = anzol.base64.decode_url(text)
  local value = bytes and anzol.json.decode(bytes)
  return type(value) == "table" and value or nil
end

local function read_keys(body)
  local set = anzol.json.decode(body)
  if type(set) ~= "table" or type(set.keys) ~= "table" then return nil, "no JWKS" end
  return set.keys
end

local function find_key(keys, header, kind)
  local found
  for _, jwk in ipairs(keys) do
    local is_named = header.kid == nil or (type(jwk) == "table" and jwk.kid == header.kid)
    if is_named and type(jwk) == "table" and jwk.kty == kind then
      if found then return nil end -- which one is not said
      found = M.key_text(jwk)
    end
  end
  return found
end

-- The key of the token; a key set that does not have it is fetched anew once.
local function published_key(url, header, kind)
  local keys, why = remote.get(url, read_keys)
  local key = keys and find_key(keys, header, kind)
  if keys and not key then
    keys, why = remote.get(url, read_keys, true)
    key = keys and find_key(keys, header, kind)
  end
  return key, why or "the key that the token names is not published"
end

local function check_times(claims)
  local now_s = anzol.time.now() // 1000
  if claims.exp ~= nil and (type(claims.exp) ~= "number" or now_s > claims.exp + LEEWAY_S) then
    return false, "the token is expired, or the clocks differ"
  end
  if claims.nbf ~= nil and (type(claims.nbf) ~= "number" or now_s < claims.nbf - LEEWAY_S) then
    return false, "the token is not yet valid, or the clocks differ"
  end
  return true
end

local function is_signed(options, header, signature, data)
  local algorithm = header.alg
  if options.secrets then
    local check = shared[algorithm]
    if not check then return false, "the token is not signed by a shared secret" end
    return check(options.secrets, signature, data), "the token's signature does not match"
  end
  local row = public[algorithm]
  if not row then return false, "the token is not signed by a public key that is known here" end
  local key, why = published_key(options.jwks_url, header, row[1])
  if not key then return false, why end
  return row[2](key, signature, data), "the token's signature does not match"
end

-- verify(token, { secrets = list | jwks_url = text }) -> claims | nil, reason. Waits for a JWKS.
function M.verify(token, options)
  local data, header_text, claims_text, signature_text =
    token:match "^(([%w_-]+)%.([%w_-]+))%.([%w_-]+)$"
  if not data or #data > PARTS_BYTES_MAX then return nil, "this is no token" end
  local header, claims = decode_part(header_text), decode_part(claims_text)
  local signature = anzol.base64.decode_url(signature_text)
  if not header or not claims or not signature or header.crit ~= nil then
    return nil, "this is no token"
  end
  local ok, why = is_signed(options, header, signature, data)
  if not ok then return nil, why end
  ok, why = check_times(claims)
  if not ok then return nil, why end
  return claims
end

return M
