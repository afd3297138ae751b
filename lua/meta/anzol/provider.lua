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
---@field challenge? fun(req: anzol.Request): table? Answers a handshake that comes unsigned.
---@field respond? fun(req: anzol.Request): table? Answers a handshake that is signed, and what else the sender wants to hear.
---@field sign? fun(message: { type: string?, body: string, id: string, timestamp: integer, url: string? }): table<string, string>, string? Makes the headers of a genuine request (and its body, if the signature lies there): for `anzol trigger` and specs.

---@class anzol.ProviderOptions
---@field secret anzol.SecretText|anzol.SecretText[] Several while one rotates; the public key where the sender signs with a private one.
---@field tolerance? anzol.Duration How much the sender's clock may differ, where the time is signed.

---Adyen: each item of the body has its signature, base64 HMAC-SHA256 by a hex key over eight values
---with colons between; all items must be genuine. Other webhooks (balance platform) have it in the
---header HmacSignature over the body. From Adyen's node library, which escapes nothing.
---https://docs.adyen.com/development-resources/webhooks/verify-hmac-signatures/
---
---```lua
---anzol.source("adyen", {
---  provider = anzol.provider.adyen { secret = anzol.secret "ADYEN_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.adyen(options) end

---Asana: hex HMAC-SHA256 over the body in X-Hook-Signature. The handshake is an unsigned request
---with X-Hook-Secret, which must be echoed and is the secret from then on: read it from the log
---once and set it. From other receivers' code, not from Asana's documents.
---
---```lua
---anzol.source("asana", {
---  provider = anzol.provider.asana { secret = anzol.secret "ASANA_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.asana(options) end

---Amazon SNS: RSA over some fields of the body, by the certificate that SigningCertURL names; only
---Amazon's own hosts are asked for it. topic_arn: your topic (or a list); anybody may have one. A
---subscription to it is confirmed by fetching its SubscribeURL. From Amazon's documents; the fields
---of confirmations are from memory.
---https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
---
---```lua
---anzol.source("aws-sns", {
---  provider = anzol.provider.aws_sns { topic_arn = "arn:aws:sns:eu-west-1:1:orders" },
---})
---```
---@param options { topic_arn: string|string[] }
---@return anzol.Provider
function anzol.provider.aws_sns(options) end

---Bitbucket Cloud and Data Center: HMAC-SHA256 over the body in X-Hub-Signature, the name that
---others use for SHA-1. From Atlassian's documents.
---https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/
---
---```lua
---anzol.source("bitbucket", {
---  provider = anzol.provider.bitbucket { secret = anzol.secret "BITBUCKET_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.bitbucket(options) end

---Calendly: hex HMAC-SHA256 over "time.body" in Calendly-Webhook-Signature: t=…,v1=…; three
---minutes. From Calendly's documents.
---https://developer.calendly.com/api-docs/4c305798a61d3-webhook-signatures
---
---```lua
---anzol.source("calendly", {
---  provider = anzol.provider.calendly { secret = anzol.secret "CALENDLY_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.calendly(options) end

---Clerk (by Svix): as Standard Webhooks say, under the headers webhook-* or svix-*. From its
---documents. https://clerk.com/docs/webhooks/sync-data
---
---```lua
---anzol.source("clerk", {
---  provider = anzol.provider.clerk { secret = anzol.secret "CLERK_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.clerk(options) end

---Cursor: hex HMAC-SHA256 over the body in X-Webhook-Signature: sha256=…. From Cursor's documents.
---https://docs.cursor.com/en/background-agent/api/webhooks
---
---```lua
---anzol.source("cursor", {
---  provider = anzol.provider.cursor { secret = anzol.secret "CURSOR_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.cursor(options) end

---Customer.io: hex HMAC-SHA256 over "v0:time:body" in X-CIO-Signature. From other receivers' code,
---not from Customer.io's documents.
---
---```lua
---anzol.source("customerio", {
---  provider = anzol.provider.customerio { secret = anzol.secret "CUSTOMERIO_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.customerio(options) end

---Deepgram: the secret comes in clear in dg-token. From Deepgram's documents.
---https://developers.deepgram.com/docs/callback
---
---```lua
---anzol.source("deepgram", {
---  provider = anzol.provider.deepgram { secret = anzol.secret "DEEPGRAM_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.deepgram(options) end

---Discord: Ed25519 over time and body by the application's public key (hex). PING is answered as
---Discord asks; a bad signature gets 401, which Discord tries out. From Discord's documents.
---https://discord.com/developers/docs/events/webhook-events
---
---```lua
---anzol.source("discord", {
---  provider = anzol.provider.discord { secret = anzol.secret "DISCORD_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.discord(options) end

---DocuSign Connect: base64 HMAC-SHA256 over the body in X-DocuSign-Signature-1, -2, …: one header
---for each active key, any of which may be yours. From DocuSign's documents.
---https://developers.docusign.com/platform/webhooks/connect/hmac/
---
---```lua
---anzol.source("docusign", {
---  provider = anzol.provider.docusign { secret = anzol.secret "DOCUSIGN_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.docusign(options) end

---Dropbox: hex HMAC-SHA256 over the body by the app secret in X-Dropbox-Signature. The handshake
---is a GET whose challenge is echoed. From other receivers' code.
---https://www.dropbox.com/developers/reference/webhooks
---
---```lua
---anzol.source("dropbox", {
---  provider = anzol.provider.dropbox { secret = anzol.secret "DROPBOX_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.dropbox(options) end

---ElevenLabs: hex HMAC-SHA256 over "time.body" in ElevenLabs-Signature: t=…,v0=…. From ElevenLabs'
---documents; the half hour of tolerance is from memory.
---https://elevenlabs.io/docs/agents-platform/workflows/post-call-webhooks
---
---```lua
---anzol.source("elevenlabs", {
---  provider = anzol.provider.elevenlabs { secret = anzol.secret "ELEVENLABS_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.elevenlabs(options) end

---Formstack: hex HMAC-SHA256 over the body in X-FS-Signature: sha256=…. From other receivers' code.
---
---```lua
---anzol.source("formstack", {
---  provider = anzol.provider.formstack { secret = anzol.secret "FORMSTACK_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.formstack(options) end

---FusionAuth: a token in X-FusionAuth-Signature-JWT, whose claim request_body_sha256 is the body's
---digest (base64). Signed by a shared secret, or by a key of jwks_url = "https://…/.well-known/
---jwks.json". From FusionAuth's documents and their example code.
---https://fusionauth.io/docs/extend/events-and-webhooks/signing
---
---```lua
---anzol.source("fusionauth", {
---  provider = anzol.provider.fusionauth { secret = anzol.secret "FUSIONAUTH_SECRET" },
---})
---```
---@param options anzol.ProviderOptions|{ jwks_url: string } `jwks_url`: where the public keys are, in place of `secret`.
---@return anzol.Provider
function anzol.provider.fusionauth(options) end

---Gitea and Forgejo: hex HMAC-SHA256 over the body in X-Gitea-Signature or X-Forgejo-Signature.
---From other receivers' code, not from Gitea's documents.
---
---```lua
---anzol.source("gitea", {
---  provider = anzol.provider.gitea { secret = anzol.secret "GITEA_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.gitea(options) end

---GitHub: HMAC-SHA256 over the body in X-Hub-Signature-256, type in X-GitHub-Event, id of the
---webhook in X-GitHub-Delivery (the same when GitHub sends it again). From GitHub's documents.
---https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
---
---```lua
---anzol.source("github", {
---  provider = anzol.provider.github { secret = anzol.secret "GITHUB_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.github(options) end

---GitLab: with a signing token (whsec_…) as Standard Webhooks say; the older secret token comes in
---clear in X-Gitlab-Token: { token = anzol.secret "NAME" }. From GitLab's documents and source.
---https://docs.gitlab.com/user/project/integrations/webhooks/
---
---```lua
---anzol.source("gitlab", {
---  provider = anzol.provider.gitlab { secret = anzol.secret "GITLAB_SECRET" },
---})
---```
---@param options anzol.ProviderOptions|{ token: anzol.SecretText } `token`: the older secret token, which comes in clear.
---@return anzol.Provider
function anzol.provider.gitlab(options) end

---Google Pub/Sub push: Authorization holds a token of Google's; audience and the service account
---(email) of the subscription must be yours. The body itself is not signed. From memory.
---https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions
---
---```lua
---anzol.source("google-pubsub", {
---  provider = anzol.provider.google_pubsub { audience = "https://a.example/in",
---    email = "push@a.iam.gserviceaccount.com" },
---})
---```
---@param options { audience: string, email: string }
---@return anzol.Provider
function anzol.provider.google_pubsub(options) end

---HubSpot (signature v3): base64 HMAC-SHA256 over method, URL, body and time (ms). Some escapes of
---the URL are decoded before it is signed. The source needs its public_url. From HubSpot's
---documents.
---https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests
---
---```lua
---anzol.source("hubspot", {
---  provider = anzol.provider.hubspot { secret = anzol.secret "HUBSPOT_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.hubspot(options) end

---Intercom: hex HMAC-SHA1 over the body by the client secret in X-Hub-Signature: sha1=…. From other
---receivers' code, not from Intercom's documents.
---
---```lua
---anzol.source("intercom", {
---  provider = anzol.provider.intercom { secret = anzol.secret "INTERCOM_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.intercom(options) end

---Lemon Squeezy: hex HMAC-SHA256 over the body in X-Signature. From memory.
---https://docs.lemonsqueezy.com/help/webhooks/signing-requests
---
---```lua
---anzol.source("lemonsqueezy", {
---  provider = anzol.provider.lemonsqueezy { secret = anzol.secret "LEMONSQUEEZY_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.lemonsqueezy(options) end

---Linear: hex HMAC-SHA256 over the body in Linear-Signature; the body says when it was sent
---(webhookTimestamp, ms), at most a minute ago. From Linear's documents.
---https://linear.app/developers/webhooks
---
---```lua
---anzol.source("linear", {
---  provider = anzol.provider.linear { secret = anzol.secret "LINEAR_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.linear(options) end
