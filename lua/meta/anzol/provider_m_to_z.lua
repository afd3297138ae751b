---@meta _
local anzol = require "anzol"

-- Providers from m to z, as of `anzol.provider`.

---Mailgun: the signature lies in the body, hex HMAC-SHA256 by the webhook signing key over its
---timestamp and token; the rest of the body is not signed. A token that comes again is the same
---event. From Mailgun's documents.
---https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
---
---```lua
---anzol.source("mailgun", {
---  provider = anzol.provider.mailgun { secret = anzol.secret "MAILGUN_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.mailgun(options) end

---Mandrill: base64 HMAC-SHA1 over the URL and the form's fields, sorted. The source needs its
---public_url. From other receivers' code.
---https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/
---
---```lua
---anzol.source("mandrill", {
---  provider = anzol.provider.mandrill { secret = anzol.secret "MANDRILL_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.mandrill(options) end

---Meta (Facebook, WhatsApp, Instagram): HMAC-SHA256 over the body by the app secret in
---X-Hub-Signature-256. The handshake is an unsigned GET with your verify_token. From Meta's
---documents. https://developers.facebook.com/docs/graph-api/webhooks/getting-started
---
---```lua
---anzol.source("meta", {
---  provider = anzol.provider.meta { secret = anzol.secret "META_SECRET" },
---})
---```
---@param options anzol.ProviderOptions|{ verify_token: anzol.SecretText } `verify_token`: what you told Meta for the handshake.
---@return anzol.Provider
function anzol.provider.meta(options) end

---Microsoft Graph: the clientState of the subscription comes in clear in each item of the body. The
---handshake is a POST with validationToken in the query, which is echoed. From memory.
---https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks
---
---```lua
---anzol.source("microsoft-graph", {
---  provider = anzol.provider.microsoft_graph { secret = anzol.secret "MICROSOFT_GRAPH_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.microsoft_graph(options) end

---Okta event hooks: the Authorization header holds the secret. The handshake is a GET whose header
---is echoed. From other receivers' code. https://developer.okta.com/docs/concepts/event-hooks/
---
---```lua
---anzol.source("okta", {
---  provider = anzol.provider.okta { secret = anzol.secret "OKTA_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.okta(options) end

---Onfleet: hex HMAC-SHA512 over the body in X-Onfleet-Signature; the key is hex. The handshake is
---a GET whose check is echoed. From other receivers' code.
---
---```lua
---anzol.source("onfleet", {
---  provider = anzol.provider.onfleet { secret = anzol.secret "ONFLEET_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.onfleet(options) end

---OpenAI: as Standard Webhooks say, under the headers webhook-* or svix-*. From its documents.
---https://platform.openai.com/docs/guides/webhooks
---
---```lua
---anzol.source("openai", {
---  provider = anzol.provider.openai { secret = anzol.secret "OPENAI_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.openai(options) end

---Paddle Billing: hex HMAC-SHA256 over "time:body" in Paddle-Signature: ts=…;h1=…. From Paddle's
---documents and library, which allows 5 s; here it is 5 minutes unless you say otherwise.
---https://developer.paddle.com/webhooks/signature-verification
---
---```lua
---anzol.source("paddle", {
---  provider = anzol.provider.paddle { secret = anzol.secret "PADDLE_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.paddle(options) end

---PagerDuty (v3): hex HMAC-SHA256 over the body in X-PagerDuty-Signature: v1=…,v1=… while a secret
---rotates. From other receivers' code, not from PagerDuty's documents.
---
---```lua
---anzol.source("pagerduty", {
---  provider = anzol.provider.pagerduty { secret = anzol.secret "PAGERDUTY_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.pagerduty(options) end

---PayPal: RSA with SHA-256 over "id|time|webhook id|CRC-32 of the body", by the certificate that
---PAYPAL-CERT-URL names; only PayPal's own hosts are asked for it. webhook_id: that of your
---webhook, not of the event. From PayPal's documents.
---https://developer.paypal.com/api/rest/webhooks/rest/
---
---```lua
---anzol.source("paypal", {
---  provider = anzol.provider.paypal { webhook_id = "1JE4291016473214C" },
---})
---```
---@param options { webhook_id: string }
---@return anzol.Provider
function anzol.provider.paypal(options) end

---Postmark does not sign: HTTP Basic, the secret is "user:password" as in the webhook's URL. From
---Postmark's documents. https://postmarkapp.com/developer/webhooks/webhooks-overview
---
---```lua
---anzol.source("postmark", {
---  provider = anzol.provider.postmark { secret = anzol.secret "POSTMARK_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.postmark(options) end

---Razorpay: hex HMAC-SHA256 over the body in X-Razorpay-Signature. From other receivers' code.
---https://razorpay.com/docs/webhooks/validate-test/
---
---```lua
---anzol.source("razorpay", {
---  provider = anzol.provider.razorpay { secret = anzol.secret "RAZORPAY_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.razorpay(options) end

---Resend (by Svix): as Standard Webhooks say, under the headers webhook-* or svix-*. From its
---documents. https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests
---
---```lua
---anzol.source("resend", {
---  provider = anzol.provider.resend { secret = anzol.secret "RESEND_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.resend(options) end

---SendGrid event webhook: ECDSA P-256 with SHA-256 over time and body, public key as SendGrid
---shows it (base64). The body is a list of events. From SendGrid's documents and library.
---https://www.twilio.com/docs/sendgrid/for-developers/tracking-events
---
---```lua
---anzol.source("sendgrid", {
---  provider = anzol.provider.sendgrid { secret = anzol.secret "SENDGRID_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.sendgrid(options) end

---Sentry: hex HMAC-SHA256 over the body by the integration's client secret in
---Sentry-Hook-Signature. From other receivers' code.
---https://docs.sentry.io/organization/integrations/integration-platform/webhooks/
---
---```lua
---anzol.source("sentry", {
---  provider = anzol.provider.sentry { secret = anzol.secret "SENTRY_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.sentry(options) end

---Shopify: base64 HMAC-SHA256 over the body in X-Shopify-Hmac-SHA256; the key is the app's client
---secret. From Shopify's documents.
---https://shopify.dev/docs/apps/build/webhooks/subscribe/https
---
---```lua
---anzol.source("shopify", {
---  provider = anzol.provider.shopify { secret = anzol.secret "SHOPIFY_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.shopify(options) end

---Slack: hex HMAC-SHA256 over "v0:time:body" in X-Slack-Signature: v0=…. The request
---url_verification is answered with its challenge. From Slack's documents.
---https://docs.slack.dev/authentication/verifying-requests-from-slack
---
---```lua
---anzol.source("slack", {
---  provider = anzol.provider.slack { secret = anzol.secret "SLACK_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.slack(options) end

---Square: base64 HMAC-SHA256 over notification URL and body in x-square-hmacsha256-signature. The
---source needs its public_url, byte for byte as Square knows it. From Square's documents.
---https://developer.squareup.com/docs/webhooks/step3validate
---
---```lua
---anzol.source("square", {
---  provider = anzol.provider.square { secret = anzol.secret "SQUARE_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.square(options) end

---Standard Webhooks: id, timestamp and body signed (webhook-id, webhook-timestamp,
---webhook-signature); the type stands in the body.
---https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
---
---```lua
---anzol.source("standard", {
---  provider = anzol.provider.standard { secret = anzol.secret "STANDARD_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.standard(options) end

---Stripe: hex HMAC-SHA256 over "time.body" in Stripe-Signature: t=…,v1=…; several v1 while a secret
---rolls, v0 is of no use. The key is the whole text whsec_…, not decoded. From Stripe's documents.
---https://docs.stripe.com/webhooks#verify-manually
---
---```lua
---anzol.source("stripe", {
---  provider = anzol.provider.stripe { secret = anzol.secret "STRIPE_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.stripe(options) end

---Svix: as Standard Webhooks say, under the headers webhook-* or svix-*. From its documents.
---https://docs.svix.com/receiving/verifying-payloads/how
---
---```lua
---anzol.source("svix", {
---  provider = anzol.provider.svix { secret = anzol.secret "SVIX_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.svix(options) end

---Telegram: the secret_token of setWebhook comes in clear in X-Telegram-Bot-Api-Secret-Token. From
---memory. https://core.telegram.org/bots/api#setwebhook
---
---```lua
---anzol.source("telegram", {
---  provider = anzol.provider.telegram { secret = anzol.secret "TELEGRAM_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.telegram(options) end

---Trello: base64 HMAC-SHA1 over body and callback URL in X-Trello-Webhook, by the app's secret.
---The source needs its public_url. From other receivers' code and Atlassian's guide.
---https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/#webhook-signatures
---
---```lua
---anzol.source("trello", {
---  provider = anzol.provider.trello { secret = anzol.secret "TRELLO_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.trello(options) end

---Twilio: base64 HMAC-SHA1 by the auth token over the URL and, of a form, each field sorted by
---name; of other bodies the URL holds bodySHA256. The source needs its public_url. From Twilio's
---documents and helper library. https://www.twilio.com/docs/usage/security#validating-requests
---
---```lua
---anzol.source("twilio", {
---  provider = anzol.provider.twilio { secret = anzol.secret "TWILIO_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.twilio(options) end

---Twitch EventSub: hex HMAC-SHA256 over message id, time and body. Verification is answered with
---the challenge as text. From Twitch's documents; the ten minutes of tolerance are from memory.
---https://dev.twitch.tv/docs/eventsub/handling-webhook-events/
---
---```lua
---anzol.source("twitch", {
---  provider = anzol.provider.twitch { secret = anzol.secret "TWITCH_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.twitch(options) end

---Twitter/X account activity: base64 HMAC-SHA256 over the body by the consumer secret. The
---handshake is a GET whose crc_token is signed. From X's documents.
---https://docs.x.com/x-api/webhooks/quickstart
---
---```lua
---anzol.source("twitter", {
---  provider = anzol.provider.twitter { secret = anzol.secret "TWITTER_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.twitter(options) end

---Typeform: base64 HMAC-SHA256 over the body in Typeform-Signature: sha256=…. From Typeform's
---documents. https://www.typeform.com/developers/webhooks/secure-your-webhooks/
---
---```lua
---anzol.source("typeform", {
---  provider = anzol.provider.typeform { secret = anzol.secret "TYPEFORM_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.typeform(options) end

---Vercel: hex HMAC-SHA1 over the body in x-vercel-signature. From Vercel's documents.
---https://vercel.com/docs/webhooks/webhooks-api#securing-webhooks
---
---```lua
---anzol.source("vercel", {
---  provider = anzol.provider.vercel { secret = anzol.secret "VERCEL_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.vercel(options) end

---Webflow: hex HMAC-SHA256 over "time:body" in x-webflow-signature, time in ms. From Webflow's
---documents. https://developers.webflow.com/data/docs/working-with-webhooks
---
---```lua
---anzol.source("webflow", {
---  provider = anzol.provider.webflow { secret = anzol.secret "WEBFLOW_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.webflow(options) end

---WooCommerce: base64 HMAC-SHA256 over the body in X-WC-Webhook-Signature. From WooCommerce's
---documents; that the first request is an unsigned form webhook_id=… is from memory.
---https://developer.woocommerce.com/docs/best-practices/urls-and-routing/webhooks/
---
---```lua
---anzol.source("woocommerce", {
---  provider = anzol.provider.woocommerce { secret = anzol.secret "WOOCOMMERCE_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.woocommerce(options) end

---Xero: base64 HMAC-SHA256 over the body by the webhook key in x-xero-signature. A bad signature
---must get 401: Xero tries it out ("intent to receive"). From Xero's documents.
---https://developer.xero.com/documentation/webhooks/configuring-your-server
---
---```lua
---anzol.source("xero", {
---  provider = anzol.provider.xero { secret = anzol.secret "XERO_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.xero(options) end

---Zendesk: base64 HMAC-SHA256 over time and body in X-Zendesk-Webhook-Signature. From Zendesk's
---documents. https://developer.zendesk.com/documentation/webhooks/verifying/
---
---```lua
---anzol.source("zendesk", {
---  provider = anzol.provider.zendesk { secret = anzol.secret "ZENDESK_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.zendesk(options) end

---Zoom: hex HMAC-SHA256 over "v0:time:body" in x-zm-signature: v0=…. endpoint.url_validation is
---answered with the token's HMAC, again every 72 hours. From Zoom's documents.
---https://developers.zoom.us/docs/api/webhooks/#verify-webhook-events
---
---```lua
---anzol.source("zoom", {
---  provider = anzol.provider.zoom { secret = anzol.secret "ZOOM_SECRET" },
---})
---```
---@param options anzol.ProviderOptions
---@return anzol.Provider
function anzol.provider.zoom(options) end
