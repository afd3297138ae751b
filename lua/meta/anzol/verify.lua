---@meta _
local anzol = require "anzol"

---Verifiers for the option `verify` of a source: checked in constant time and without entering Lua.
---Several secrets while one rotates: `secret = { new, old }`.
---@class anzol.verify
anzol.verify = {}

---Says whether a request is genuine; also callable from a `verify` of your own.
---@class anzol.Verifier
---@overload fun(req: anzol.Request): boolean, string?

---@class anzol.HmacOptions
---@field secret anzol.SecretText|anzol.SecretText[]
---@field header string The header with the signature.
---@field prefix? string What stands before the signature in it, as `"sha256="`.
---@field algorithm? "sha1"|"sha256"|"sha384"|"sha512" Default: `"sha256"`.
---@field encoding? "hex"|"base64" Default: `"hex"`.

---HMAC over the body in a header: what most senders do that have no standard.
---
---```lua
---local verify = anzol.verify.hmac { secret = anzol.secret "SHOP_SECRET", header = "X-Shop-Hmac",
---  encoding = "base64" }
---```
---@param options anzol.HmacOptions
---@return anzol.Verifier
function anzol.verify.hmac(options) end

---@class anzol.SecretOptions
---@field secret anzol.SecretText|anzol.SecretText[]

---GitHub's `X-Hub-Signature-256`. `anzol.provider.github` brings type and key as well.
---
---```lua
---local verify = anzol.verify.github { secret = anzol.secret "GITHUB_WEBHOOK_SECRET" }
---```
---@param options anzol.SecretOptions
---@return anzol.Verifier
function anzol.verify.github(options) end

---@class anzol.StandardOptions
---@field secret anzol.SecretText|anzol.SecretText[] `whsec_` and base64, or any text.
---@field tolerance? anzol.Duration How old or early a timestamp may be: 1 s to 1 d, default `"5m"`.

---Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`.
---
---```lua
---local verify = anzol.verify.standard { secret = anzol.secret "SENDER_SECRET" }
---```
---@param options anzol.StandardOptions
---@return anzol.Verifier
function anzol.verify.standard(options) end

---Takes what anybody sends; `anzol check` warns of it.
---
---```lua
---anzol.source("public", { verify = anzol.verify.none() })
---```
---@return anzol.Verifier
function anzol.verify.none() end
