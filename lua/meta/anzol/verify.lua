---@meta _
local anzol = require "anzol"

---Verifiers for the option `verify` of a source: checked in constant time and without entering Lua.
---Several secrets while one rotates: `secret = { new, old }`.
---@class anzol.verify
anzol.verify = {}

---Says whether a request is genuine; also callable from a `verify` of your own.
---@class anzol.Verifier
---@overload fun(req: anzol.Request): boolean, string?

---How a sender signs, as data. The same options describe a verifier and a signer.
---@class anzol.RecipeOptions
---@field secret? anzol.SecretText|anzol.SecretText[] The key; several while one rotates.
---@field public_key? anzol.SecretText|anzol.SecretText[] In place of `secret` where the sender signs with a private key: PEM, base64 of its DER, `whpk_…`, or hex.
---@field header string|string[] The header with the signature; a list if a sender has several spellings.
---@field prefix? string What stands before the signature in it, as `"sha256="`.
---@field algorithm? "sha1"|"sha256"|"sha384"|"sha512" Default: `"sha256"`.
---@field encoding? "hex"|"base64" Of the signature. Default: `"hex"`; of a token: as it is.
---@field key? "text"|"base64"|"hex"|"standard" How the key is written. Default: `"text"`; `"standard"`: `whsec_` and base64.
---@field content? string[] What is signed, one after another: `"body"`, `"decoded_url"`, `"form"`, `"id"`, `"method"`, `"timestamp"`, `"url"`; any other text stands for itself. Default: `{ "body" }`.
---@field id_header? string|string[] Where the id comes.
---@field timestamp_header? string|string[] Where the time comes.
---@field time? "s"|"ms"|"iso" How the time is written. Default: `"s"`.
---@field tolerance? anzol.Duration How old or early the time may be: 1 s to 1 d. Default: it is not judged.
---@field item_separator? string What stands between several signatures or fields in the header.
---@field field_separator? string What stands between a field's name and value. Default: `"="`.
---@field field? string The field that is a signature, as `"v1"`.
---@field timestamp_field? string The field that is the time, as `"t"`.
---@field numbered? boolean The signatures come in `header-1`, `header-2`, and so on.
---@field body_hash_query? string If the body is no form: the parameter of the URL that must be the hex SHA-256 of it.

---HMAC in a header: what most senders do that have no standard.
---
---```lua
---local verify = anzol.verify.hmac { secret = anzol.secret "SHOP_SECRET", header = "X-Shop-Hmac",
---  encoding = "base64" }
---```
---@param options anzol.RecipeOptions
---@return anzol.Verifier
function anzol.verify.hmac(options) end

---Ed25519 by the sender's public key.
---
---```lua
---local verify = anzol.verify.ed25519 { public_key = anzol.env "SENDER_KEY", header = "X-Signature",
---  timestamp_header = "X-Timestamp", content = { "timestamp", "body" } }
---```
---@param options anzol.RecipeOptions
---@return anzol.Verifier
function anzol.verify.ed25519(options) end

---ECDSA over P-256 or P-384 by the sender's public key; signatures are DER.
---
---```lua
---local verify = anzol.verify.ecdsa { public_key = anzol.env "SENDER_KEY", header = "X-Signature",
---  encoding = "base64" }
---```
---@param options anzol.RecipeOptions
---@return anzol.Verifier
function anzol.verify.ecdsa(options) end

---RSA (PKCS #1 v1.5) by the sender's public key.
---
---```lua
---local verify = anzol.verify.rsa { public_key = anzol.env "SENDER_KEY", header = "X-Signature",
---  encoding = "base64" }
---```
---@param options anzol.RecipeOptions
---@return anzol.Verifier
function anzol.verify.rsa(options) end

---The header holds the secret itself; nothing is signed.
---
---```lua
---local verify = anzol.verify.token { secret = anzol.secret "HOOK_TOKEN", header = "X-Hook-Token" }
---```
---@param options anzol.RecipeOptions
---@return anzol.Verifier
function anzol.verify.token(options) end

---@class anzol.SecretOptions
---@field secret anzol.SecretText|anzol.SecretText[]

---@class anzol.BearerOptions: anzol.SecretOptions
---@field query? boolean Takes the token as the parameter `access_token` of the URL too (RFC 6750, 2.3); it is struck out of what is stored. Default: `false`.

---`Authorization: Bearer …`.
---
---```lua
---local verify = anzol.verify.bearer { secret = anzol.secret "HOOK_TOKEN" }
---```
---@param options anzol.BearerOptions
---@return anzol.Verifier
function anzol.verify.bearer(options) end

---HTTP Basic: the secret is `user:password`.
---
---```lua
---local verify = anzol.verify.basic { secret = anzol.secret "HOOK_LOGIN" }
---```
---@param options anzol.SecretOptions
---@return anzol.Verifier
function anzol.verify.basic(options) end

---@class anzol.HttpVerifyOptions
---@field secret? anzol.SecretText|anzol.SecretText[] Of hmac-sha256.
---@field public_key? anzol.SecretText|anzol.SecretText[] Of the others.
---@field algorithm? "hmac-sha256"|"ed25519"|"ecdsa-p256-sha256"|"ecdsa-p384-sha384"|"rsa-v1_5-sha256"|"rsa-pss-sha512" Default: `"hmac-sha256"`.
---@field components? string[] What a signature must cover. Default: `{ "@method", "content-digest" }`: without `content-digest` the body is not signed.
---@field label? string Which of several signatures. Default: any.
---@field key_id? string The `keyid` it must name.
---@field tag? string The `tag` it must have.
---@field tolerance? anzol.Duration How old or early `created` may be: 1 s to 1 d, default `"5m"`.

---HTTP message signatures (RFC 9421): `Signature-Input`, `Signature`, `Content-Digest`.
---
---```lua
---local verify = anzol.verify.http_signature { secret = anzol.secret "PARTNER_KEY",
---  components = { "@method", "@authority", "@path", "content-digest" } }
---```
---@param options anzol.HttpVerifyOptions
---@return anzol.Verifier
function anzol.verify.http_signature(options) end

---@class anzol.StandardOptions
---@field secret anzol.SecretText|anzol.SecretText[] `whsec_` and base64, `whpk_` and base64 (a public key), or any text.
---@field tolerance? anzol.Duration How old or early a timestamp may be: 1 s to 1 d, default `"5m"`.

---Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`, also under Svix's names.
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
