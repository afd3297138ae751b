---@meta _
local anzol = require "anzol"

---Digests, signatures and chance, for what no recipe of `anzol.verify` can say. Nothing here waits.
---A `Secret` is taken wherever a key is.
---@class anzol.crypto
anzol.crypto = {}

---@alias anzol.Digest "sha1"|"sha256"|"sha384"|"sha512"

---HMAC of data.
---
---```lua
---local mac = anzol.crypto.hmac("sha256", anzol.secret "KEY", "data", "hex")
---```
---@param algorithm anzol.Digest
---@param key anzol.SecretText
---@param data string
---@param encoding? "hex"|"base64" Default: bytes.
---@return string
function anzol.crypto.hmac(algorithm, key, data, encoding) end

---Digest of data.
---
---```lua
---local digest = anzol.crypto.hash("sha256", "data", "hex")
---```
---@param algorithm anzol.Digest
---@param data string
---@param encoding? "hex"|"base64" Default: bytes.
---@return string
function anzol.crypto.hash(algorithm, data, encoding) end

---CRC-32 as zlib has it. No protection against anybody.
---
---```lua
---local sum = anzol.crypto.crc32 "123456789"  -- 0xcbf43926
---```
---@param data string
---@return integer
function anzol.crypto.crc32(data) end

---Whether two texts are equal, in a time that says nothing of where they differ.
---
---```lua
---local ok = anzol.crypto.equal("given", anzol.secret "TOKEN")
---```
---@param a anzol.SecretText
---@param b anzol.SecretText
---@return boolean
function anzol.crypto.equal(a, b) end

---Unpredictable bytes.
---
---```lua
---local token = anzol.hex.encode(anzol.crypto.random(16))
---```
---@param count integer 1 to 65536.
---@return string
function anzol.crypto.random(count) end

---A random UUID (version 4).
---
---```lua
---local id = anzol.crypto.uuid()
---```
---@return string
function anzol.crypto.uuid() end

---Checks an Ed25519 signature. Raises for a key that cannot be read.
---
---```lua
---local ok = anzol.crypto.ed25519_verify(anzol.secret "PUBLIC_KEY", "signature", "data")
---```
---@param key anzol.SecretText PEM, `whpk_…`, or 32 bytes as hex or base64.
---@param signature string 64 bytes.
---@param data string
---@return boolean
function anzol.crypto.ed25519_verify(key, signature, data) end

---Makes an Ed25519 signature. Raises for a key that cannot be read.
---
---```lua
---local signature = anzol.crypto.ed25519_sign(anzol.secret "PRIVATE_KEY", "data")
---```
---@param key anzol.SecretText PEM, `whsk_…`, or the seed as hex or base64.
---@param data string
---@return string # 64 bytes.
function anzol.crypto.ed25519_sign(key, data) end

---Checks an ECDSA signature over P-256 or P-384. Raises for a key that cannot be read.
---
---```lua
---local ok = anzol.crypto.ecdsa_verify(anzol.secret "PUBLIC_KEY", "signature", "data")
---```
---@param key anzol.SecretText PEM, or base64 of the DER.
---@param signature string
---@param data string
---@param algorithm? anzol.Digest Default: `"sha256"`.
---@param form? "der"|"raw" Of the signature. Default: `"der"`, canonical; `"raw"`: r and s.
---@return boolean
function anzol.crypto.ecdsa_verify(key, signature, data, algorithm, form) end

---Checks an RSA signature of 2048 to 8192 bits. Raises for a key that cannot be read.
---
---```lua
---local ok = anzol.crypto.rsa_verify(anzol.secret "CERTIFICATE", "signature", "data")
---```
---@param key anzol.SecretText PEM (public key or certificate), or base64 of the DER.
---@param signature string
---@param data string
---@param algorithm? anzol.Digest Default: `"sha256"`.
---@param padding? "pkcs1"|"pss" Default: `"pkcs1"`.
---@return boolean
function anzol.crypto.rsa_verify(key, signature, data, algorithm, padding) end
