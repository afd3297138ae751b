---@meta _
local anzol = require "anzol"

-- Verifiers of known senders, as of `anzol.verify`.

---The verifier of `anzol.provider.adyen` alone.
---
---```lua
---local verify = anzol.verify.adyen { secret = anzol.secret "ADYEN_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.adyen(options) end

---The verifier of `anzol.provider.asana` alone.
---
---```lua
---local verify = anzol.verify.asana { secret = anzol.secret "ASANA_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.asana(options) end

---The verifier of `anzol.provider.aws_sns` alone. Waits.
---
---```lua
---local verify = anzol.verify.aws_sns { topic_arn = "arn:aws:sns:eu-west-1:1:orders" }
---```
---@param options { topic_arn: string|string[] }
---@return fun(req: anzol.Request): boolean, string?
function anzol.verify.aws_sns(options) end

---The verifier of `anzol.provider.bitbucket` alone.
---
---```lua
---local verify = anzol.verify.bitbucket { secret = anzol.secret "BITBUCKET_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.bitbucket(options) end

---The verifier of `anzol.provider.calendly` alone.
---
---```lua
---local verify = anzol.verify.calendly { secret = anzol.secret "CALENDLY_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.calendly(options) end

---The verifier of `anzol.provider.clerk` alone.
---
---```lua
---local verify = anzol.verify.clerk { secret = anzol.secret "CLERK_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.clerk(options) end

---The verifier of `anzol.provider.cursor` alone.
---
---```lua
---local verify = anzol.verify.cursor { secret = anzol.secret "CURSOR_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.cursor(options) end

---The verifier of `anzol.provider.customerio` alone.
---
---```lua
---local verify = anzol.verify.customerio { secret = anzol.secret "CUSTOMERIO_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.customerio(options) end

---The verifier of `anzol.provider.deepgram` alone.
---
---```lua
---local verify = anzol.verify.deepgram { secret = anzol.secret "DEEPGRAM_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.deepgram(options) end

---The verifier of `anzol.provider.discord` alone.
---
---```lua
---local verify = anzol.verify.discord { secret = anzol.secret "DISCORD_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.discord(options) end

---The verifier of `anzol.provider.docusign` alone.
---
---```lua
---local verify = anzol.verify.docusign { secret = anzol.secret "DOCUSIGN_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.docusign(options) end

---The verifier of `anzol.provider.dropbox` alone.
---
---```lua
---local verify = anzol.verify.dropbox { secret = anzol.secret "DROPBOX_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.dropbox(options) end

---The verifier of `anzol.provider.elevenlabs` alone.
---
---```lua
---local verify = anzol.verify.elevenlabs { secret = anzol.secret "ELEVENLABS_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.elevenlabs(options) end

---The verifier of `anzol.provider.formstack` alone.
---
---```lua
---local verify = anzol.verify.formstack { secret = anzol.secret "FORMSTACK_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.formstack(options) end

---The verifier of `anzol.provider.fusionauth` alone. Waits.
---
---```lua
---local verify = anzol.verify.fusionauth { secret = anzol.secret "FUSIONAUTH_SECRET" }
---```
---@param options anzol.ProviderOptions|{ jwks_url: string } `jwks_url`: where the public keys are, in place of `secret`.
---@return fun(req: anzol.Request): boolean, string?
function anzol.verify.fusionauth(options) end

---The verifier of `anzol.provider.gitea` alone.
---
---```lua
---local verify = anzol.verify.gitea { secret = anzol.secret "GITEA_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.gitea(options) end

---The verifier of `anzol.provider.github` alone.
---
---```lua
---local verify = anzol.verify.github { secret = anzol.secret "GITHUB_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.github(options) end

---The verifier of `anzol.provider.gitlab` alone.
---
---```lua
---local verify = anzol.verify.gitlab { secret = anzol.secret "GITLAB_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.gitlab(options) end

---The verifier of `anzol.provider.google_pubsub` alone. Waits.
---
---```lua
---local verify = anzol.verify.google_pubsub { audience = "https://a.example/in",
---  email = "push@a.iam.gserviceaccount.com" }
---```
---@param options { audience: string, email: string }
---@return fun(req: anzol.Request): boolean, string?
function anzol.verify.google_pubsub(options) end

---The verifier of `anzol.provider.hubspot` alone.
---
---```lua
---local verify = anzol.verify.hubspot { secret = anzol.secret "HUBSPOT_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.hubspot(options) end

---The verifier of `anzol.provider.intercom` alone.
---
---```lua
---local verify = anzol.verify.intercom { secret = anzol.secret "INTERCOM_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.intercom(options) end

---The verifier of `anzol.provider.lemonsqueezy` alone.
---
---```lua
---local verify = anzol.verify.lemonsqueezy { secret = anzol.secret "LEMONSQUEEZY_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.lemonsqueezy(options) end

---The verifier of `anzol.provider.linear` alone.
---
---```lua
---local verify = anzol.verify.linear { secret = anzol.secret "LINEAR_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.linear(options) end

---The verifier of `anzol.provider.mailgun` alone.
---
---```lua
---local verify = anzol.verify.mailgun { secret = anzol.secret "MAILGUN_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.mailgun(options) end

---The verifier of `anzol.provider.mandrill` alone.
---
---```lua
---local verify = anzol.verify.mandrill { secret = anzol.secret "MANDRILL_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.mandrill(options) end

---The verifier of `anzol.provider.meta` alone.
---
---```lua
---local verify = anzol.verify.meta { secret = anzol.secret "META_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.meta(options) end

---The verifier of `anzol.provider.microsoft_graph` alone.
---
---```lua
---local verify = anzol.verify.microsoft_graph { secret = anzol.secret "MICROSOFT_GRAPH_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.microsoft_graph(options) end

---The verifier of `anzol.provider.okta` alone.
---
---```lua
---local verify = anzol.verify.okta { secret = anzol.secret "OKTA_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.okta(options) end

---The verifier of `anzol.provider.onfleet` alone.
---
---```lua
---local verify = anzol.verify.onfleet { secret = anzol.secret "ONFLEET_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.onfleet(options) end

---The verifier of `anzol.provider.openai` alone.
---
---```lua
---local verify = anzol.verify.openai { secret = anzol.secret "OPENAI_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.openai(options) end

---The verifier of `anzol.provider.paddle` alone.
---
---```lua
---local verify = anzol.verify.paddle { secret = anzol.secret "PADDLE_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.paddle(options) end

---The verifier of `anzol.provider.pagerduty` alone.
---
---```lua
---local verify = anzol.verify.pagerduty { secret = anzol.secret "PAGERDUTY_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.pagerduty(options) end

---The verifier of `anzol.provider.paypal` alone. Waits.
---
---```lua
---local verify = anzol.verify.paypal { webhook_id = "1JE4291016473214C" }
---```
---@param options { webhook_id: string }
---@return fun(req: anzol.Request): boolean, string?
function anzol.verify.paypal(options) end

---The verifier of `anzol.provider.postmark` alone.
---
---```lua
---local verify = anzol.verify.postmark { secret = anzol.secret "POSTMARK_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.postmark(options) end

---The verifier of `anzol.provider.razorpay` alone.
---
---```lua
---local verify = anzol.verify.razorpay { secret = anzol.secret "RAZORPAY_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.razorpay(options) end

---The verifier of `anzol.provider.resend` alone.
---
---```lua
---local verify = anzol.verify.resend { secret = anzol.secret "RESEND_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.resend(options) end

---The verifier of `anzol.provider.sendgrid` alone.
---
---```lua
---local verify = anzol.verify.sendgrid { secret = anzol.secret "SENDGRID_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.sendgrid(options) end

---The verifier of `anzol.provider.sentry` alone.
---
---```lua
---local verify = anzol.verify.sentry { secret = anzol.secret "SENTRY_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.sentry(options) end

---The verifier of `anzol.provider.shopify` alone.
---
---```lua
---local verify = anzol.verify.shopify { secret = anzol.secret "SHOPIFY_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.shopify(options) end

---The verifier of `anzol.provider.slack` alone.
---
---```lua
---local verify = anzol.verify.slack { secret = anzol.secret "SLACK_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.slack(options) end

---The verifier of `anzol.provider.square` alone.
---
---```lua
---local verify = anzol.verify.square { secret = anzol.secret "SQUARE_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.square(options) end

---The verifier of `anzol.provider.stripe` alone.
---
---```lua
---local verify = anzol.verify.stripe { secret = anzol.secret "STRIPE_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.stripe(options) end

---The verifier of `anzol.provider.svix` alone.
---
---```lua
---local verify = anzol.verify.svix { secret = anzol.secret "SVIX_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.svix(options) end

---The verifier of `anzol.provider.telegram` alone.
---
---```lua
---local verify = anzol.verify.telegram { secret = anzol.secret "TELEGRAM_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.telegram(options) end

---The verifier of `anzol.provider.trello` alone.
---
---```lua
---local verify = anzol.verify.trello { secret = anzol.secret "TRELLO_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.trello(options) end

---The verifier of `anzol.provider.twilio` alone.
---
---```lua
---local verify = anzol.verify.twilio { secret = anzol.secret "TWILIO_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.twilio(options) end

---The verifier of `anzol.provider.twitch` alone.
---
---```lua
---local verify = anzol.verify.twitch { secret = anzol.secret "TWITCH_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.twitch(options) end

---The verifier of `anzol.provider.twitter` alone.
---
---```lua
---local verify = anzol.verify.twitter { secret = anzol.secret "TWITTER_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.twitter(options) end

---The verifier of `anzol.provider.typeform` alone.
---
---```lua
---local verify = anzol.verify.typeform { secret = anzol.secret "TYPEFORM_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.typeform(options) end

---The verifier of `anzol.provider.vercel` alone.
---
---```lua
---local verify = anzol.verify.vercel { secret = anzol.secret "VERCEL_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.vercel(options) end

---The verifier of `anzol.provider.webflow` alone.
---
---```lua
---local verify = anzol.verify.webflow { secret = anzol.secret "WEBFLOW_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.webflow(options) end

---The verifier of `anzol.provider.woocommerce` alone.
---
---```lua
---local verify = anzol.verify.woocommerce { secret = anzol.secret "WOOCOMMERCE_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.woocommerce(options) end

---The verifier of `anzol.provider.xero` alone.
---
---```lua
---local verify = anzol.verify.xero { secret = anzol.secret "XERO_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.xero(options) end

---The verifier of `anzol.provider.zendesk` alone.
---
---```lua
---local verify = anzol.verify.zendesk { secret = anzol.secret "ZENDESK_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.zendesk(options) end

---The verifier of `anzol.provider.zoom` alone.
---
---```lua
---local verify = anzol.verify.zoom { secret = anzol.secret "ZOOM_SECRET" }
---```
---@param options anzol.ProviderOptions
---@return anzol.Verifier|fun(req: anzol.Request): boolean, string?
function anzol.verify.zoom(options) end
