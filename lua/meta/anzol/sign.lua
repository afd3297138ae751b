---@meta _
local anzol = require "anzol"

---Signers for the option `sign` of an endpoint: each attempt is signed anew, without entering Lua.
---@class anzol.sign
anzol.sign = {}

---@class anzol.SignInput
---@field body? string
---@field id? string
---@field timestamp? integer Unix seconds. Default: now.
---@field method? string Default: `"POST"`.
---@field url? string For schemes that sign it.
---@field headers? table<string, string> Those that are there already, for schemes that sign some.

---Makes the headers of a signature; also callable from a provider's `sign`.
---@class anzol.Signer
---@overload fun(input: anzol.SignInput): table<string, string>

---Standard Webhooks, which receivers check with any of its libraries.
---
---```lua
---local sign = anzol.sign.standard { secret = anzol.secret "RECEIVER_SECRET" }
---```
---@param options anzol.SecretOptions Several secrets: several signatures in the header; `whsk_…` signs as v1a.
---@return anzol.Signer
function anzol.sign.standard(options) end

---HMAC in a header.
---
---```lua
---local sign = anzol.sign.hmac { secret = anzol.secret "CRM_SECRET", header = "X-Signature" }
---```
---@param options anzol.RecipeOptions
---@return anzol.Signer
function anzol.sign.hmac(options) end

---Ed25519 by your private key: PEM, `whsk_…`, or the 32 bytes of the seed as hex or base64.
---
---```lua
---local sign = anzol.sign.ed25519 { secret = anzol.secret "SIGNING_KEY", header = "X-Signature",
---  timestamp_header = "X-Timestamp", content = { "timestamp", "body" } }
---```
---@param options anzol.RecipeOptions
---@return anzol.Signer
function anzol.sign.ed25519(options) end

---The secret itself in a header.
---
---```lua
---local sign = anzol.sign.token { secret = anzol.secret "CRM_TOKEN", header = "Authorization",
---  prefix = "Bearer " }
---```
---@param options anzol.RecipeOptions
---@return anzol.Signer
function anzol.sign.token(options) end

---@class anzol.HttpSignOptions
---@field secret anzol.SecretText The key of hmac-sha256, or the private key as PEM.
---@field algorithm? "hmac-sha256"|"ed25519"|"ecdsa-p256-sha256"|"ecdsa-p384-sha384"|"rsa-v1_5-sha256"|"rsa-pss-sha512" Default: `"hmac-sha256"`.
---@field components? string[] What is signed. Default: `{ "@method", "content-digest" }`.
---@field label? string Default: `"sig1"`.
---@field key_id? string Tells the receiver which key.
---@field tag? string
---@field expires? anzol.Duration How long the signature holds. Default: it does not say.
---@field nonce? boolean With a random one. Default: `false`.

---HTTP message signatures (RFC 9421); `Content-Digest` is made where it is signed.
---
---```lua
---local sign = anzol.sign.http_signature { secret = anzol.secret "PARTNER_KEY", key_id = "anzol-1",
---  components = { "@method", "@target-uri", "content-digest" } }
---```
---@param options anzol.HttpSignOptions
---@return anzol.Signer
function anzol.sign.http_signature(options) end

---Signs as asana does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.asana { secret = anzol.secret "ASANA_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.asana(options) end

---Signs as bitbucket does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.bitbucket { secret = anzol.secret "BITBUCKET_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.bitbucket(options) end

---Signs as calendly does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.calendly { secret = anzol.secret "CALENDLY_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.calendly(options) end

---Signs as clerk does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.clerk { secret = anzol.secret "CLERK_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.clerk(options) end

---Signs as cursor does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.cursor { secret = anzol.secret "CURSOR_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.cursor(options) end

---Signs as customerio does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.customerio { secret = anzol.secret "CUSTOMERIO_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.customerio(options) end

---Signs as deepgram does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.deepgram { secret = anzol.secret "DEEPGRAM_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.deepgram(options) end

---Signs as docusign does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.docusign { secret = anzol.secret "DOCUSIGN_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.docusign(options) end

---Signs as dropbox does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.dropbox { secret = anzol.secret "DROPBOX_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.dropbox(options) end

---Signs as elevenlabs does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.elevenlabs { secret = anzol.secret "ELEVENLABS_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.elevenlabs(options) end

---Signs as formstack does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.formstack { secret = anzol.secret "FORMSTACK_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.formstack(options) end

---Signs as gitea does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.gitea { secret = anzol.secret "GITEA_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.gitea(options) end

---Signs as github does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.github { secret = anzol.secret "GITHUB_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.github(options) end

---Signs as gitlab does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.gitlab { secret = anzol.secret "GITLAB_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.gitlab(options) end

---Signs as hubspot does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.hubspot { secret = anzol.secret "HUBSPOT_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.hubspot(options) end

---Signs as intercom does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.intercom { secret = anzol.secret "INTERCOM_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.intercom(options) end

---Signs as lemonsqueezy does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.lemonsqueezy { secret = anzol.secret "LEMONSQUEEZY_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.lemonsqueezy(options) end

---Signs as linear does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.linear { secret = anzol.secret "LINEAR_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.linear(options) end

---Signs as mandrill does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.mandrill { secret = anzol.secret "MANDRILL_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.mandrill(options) end

---Signs as meta does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.meta { secret = anzol.secret "META_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.meta(options) end

---Signs as okta does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.okta { secret = anzol.secret "OKTA_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.okta(options) end

---Signs as onfleet does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.onfleet { secret = anzol.secret "ONFLEET_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.onfleet(options) end

---Signs as openai does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.openai { secret = anzol.secret "OPENAI_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.openai(options) end

---Signs as paddle does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.paddle { secret = anzol.secret "PADDLE_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.paddle(options) end

---Signs as pagerduty does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.pagerduty { secret = anzol.secret "PAGERDUTY_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.pagerduty(options) end

---Signs as razorpay does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.razorpay { secret = anzol.secret "RAZORPAY_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.razorpay(options) end

---Signs as resend does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.resend { secret = anzol.secret "RESEND_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.resend(options) end

---Signs as sentry does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.sentry { secret = anzol.secret "SENTRY_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.sentry(options) end

---Signs as shopify does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.shopify { secret = anzol.secret "SHOPIFY_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.shopify(options) end

---Signs as slack does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.slack { secret = anzol.secret "SLACK_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.slack(options) end

---Signs as square does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.square { secret = anzol.secret "SQUARE_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.square(options) end

---Signs as stripe does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.stripe { secret = anzol.secret "STRIPE_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.stripe(options) end

---Signs as svix does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.svix { secret = anzol.secret "SVIX_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.svix(options) end

---Signs as telegram does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.telegram { secret = anzol.secret "TELEGRAM_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.telegram(options) end

---Signs as trello does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.trello { secret = anzol.secret "TRELLO_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.trello(options) end

---Signs as twilio does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.twilio { secret = anzol.secret "TWILIO_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.twilio(options) end

---Signs as twitch does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.twitch { secret = anzol.secret "TWITCH_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.twitch(options) end

---Signs as twitter does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.twitter { secret = anzol.secret "TWITTER_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.twitter(options) end

---Signs as typeform does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.typeform { secret = anzol.secret "TYPEFORM_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.typeform(options) end

---Signs as vercel does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.vercel { secret = anzol.secret "VERCEL_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.vercel(options) end

---Signs as webflow does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.webflow { secret = anzol.secret "WEBFLOW_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.webflow(options) end

---Signs as woocommerce does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.woocommerce { secret = anzol.secret "WOOCOMMERCE_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.woocommerce(options) end

---Signs as xero does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.xero { secret = anzol.secret "XERO_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.xero(options) end

---Signs as zendesk does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.zendesk { secret = anzol.secret "ZENDESK_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.zendesk(options) end

---Signs as zoom does: for stand-ins and relays.
---
---```lua
---local sign = anzol.sign.zoom { secret = anzol.secret "ZOOM_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Signer
function anzol.sign.zoom(options) end
