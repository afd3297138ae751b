---@meta _
local anzol = require "anzol"

---What known senders need, in one: `provider` of a source. Each is a Lua file; a project's own ones
---lie in its `lua/anzol/provider/` and return `function(options)` that gives a `Provider`.
---@class anzol.provider
anzol.provider = {}

---@class anzol.Provider
---@field name? string
---@field verify? anzol.Verifier|fun(req: anzol.Request): boolean, string?
---@field type? string|fun(req: anzol.Request): string
---@field idempotency_key? fun(req: anzol.Request): string?
---@field hide_headers? string[]
---@field sign? fun(message: { type: string?, body: string, id: string, timestamp: integer }): table<string, string> Makes the headers of a genuine request: for `anzol trigger` and specs.

---GitHub: types are `github.` and the name of `X-GitHub-Event`, keys are `X-GitHub-Delivery`.
---
---```lua
---anzol.source("github", {
---  provider = anzol.provider.github { secret = anzol.secret "GITHUB_WEBHOOK_SECRET" },
---})
---```
---@param options anzol.SecretOptions
---@return anzol.Provider
function anzol.provider.github(options) end

---Standard Webhooks: the type is `type` in the body, the key is `webhook-id`.
---
---```lua
---anzol.source("partner", {
---  provider = anzol.provider.standard { secret = anzol.secret "PARTNER_SECRET" },
---})
---```
---@param options anzol.StandardOptions
---@return anzol.Provider
function anzol.provider.standard(options) end
