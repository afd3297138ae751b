---@meta _
local anzol = require "anzol"

---Signers for the option `sign` of an endpoint: each attempt is signed anew, without entering Lua.
---@class anzol.sign
anzol.sign = {}

---@class anzol.SignInput
---@field body string
---@field id? string
---@field timestamp? integer Unix seconds. Default: now.

---Makes the headers of a signature; also callable from a provider's `sign`.
---@class anzol.Signer
---@overload fun(input: anzol.SignInput): table<string, string>

---Standard Webhooks, which receivers check with any of its libraries.
---
---```lua
---local sign = anzol.sign.standard { secret = anzol.secret "RECEIVER_SECRET" }
---```
---@param options anzol.SecretOptions Several secrets: several signatures in the header.
---@return anzol.Signer
function anzol.sign.standard(options) end

---HMAC over the body in a header.
---
---```lua
---local sign = anzol.sign.hmac { secret = anzol.secret "CRM_SECRET", header = "X-Signature" }
---```
---@param options anzol.HmacOptions
---@return anzol.Signer
function anzol.sign.hmac(options) end
