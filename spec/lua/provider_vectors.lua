-- SPDX-License-Identifier: MIT
-- A fixed request of each provider (lua/anzol/provider), signed by other code than ours, on
-- 2026-01-01T00:00:00Z by "a secret that is long enough", where `secret` does not say another.
--
-- timed: the tolerance in seconds, judged by the clock; received: by when the request came in;
-- is_stamped: the time is signed, and judged only if a tolerance is given.
-- is_token: the secret itself comes along, the body is not signed. in_body: a text of the body that
-- is signed, where not all of it is. wrong: a key that is another one, where any text is none.
return {
  { name = "adyen", type = "adyen.AUTHORISATION", in_body = "TestPayment",
    secret = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
    wrong = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA057",
    body = '{"notificationItems":[{"NotificationRequestItem":{"additionalData":{"h'
      .. 'macSignature":"coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0="},"amount"'
      .. ':{"currency":"EUR","value":1130},"eventCode":"AUTHORISATION","merchant'
      .. 'AccountCode":"TestMerchant","merchantReference":"TestPayment-140732514'
      .. '3704","originalReference":"","pspReference":"7914073381342284","succes'
      .. 's":"true"}}]}',
    headers = {
    } },
  { name = "asana", type = "asana.events",
    body = '{"events":[]}',
    headers = {
      { "X-Hook-Signature", "7f715f6c8978d88ad602f71079f04330fe533bce8394695f0b438ea958dd8211" },
    } },
  { name = "bitbucket", type = "bitbucket.repo.push", key = "u-1",
    body = '{"id":"evt_1","type":"thing.done","event":"thing.done","event_id":"e-1"}',
    headers = {
      { "X-Hub-Signature",
        "sha256=97301a58163b1df149fb81b7109a66f086260e6208e1a0cc6889383fcca82062" },
      { "X-Event-Key", "repo:push" },
      { "X-Request-UUID", "u-1" },
    } },
  { name = "calendly", type = "calendly.thing.done", timed = 180,
    body = '{"id":"evt_1","type":"thing.done","event":"thing.done","event_id":"e-1"}',
    headers = {
      { "Calendly-Webhook-Signature",
        "t=1767225600,v1=90f2ccead94a31221cbf35cdba4cdcb103d8c4f410120bfb1b52658a063d6b97" },
    } },
  { name = "clerk", type = "clerk.thing.done", key = "msg_1", timed = 300,
    secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
    body = '{"id":"evt_1","type":"thing.done","event":"thing.done","event_id":"e-1"}',
    headers = {
      { "svix-id", "msg_1" },
      { "svix-timestamp", "1767225600" },
      { "svix-signature", "v1,2Xt2uaqSFLQUCu4z35bOshVa0T5ihw/NVtC/Sm5XS+k=" },
    } },
  { name = "cursor", type = "cursor.statusChange", key = "w-1",
    body = '{"id":"evt_1","type":"thing.done","event":"thing.done","event_id":"e-1"}',
    headers = {
      { "X-Webhook-Signature",
        "sha256=97301a58163b1df149fb81b7109a66f086260e6208e1a0cc6889383fcca82062" },
      { "X-Webhook-Event", "statusChange" },
      { "X-Webhook-ID", "w-1" },
    } },
  { name = "customerio", type = "customerio.opened", key = "c-1", timed = 300,
    body = '{"metric":"opened","event_id":"c-1"}',
    headers = {
      { "X-CIO-Signature", "2e44819daaffedb2076667db18a4eff09b2dfbdb94a77683ae7fb26eb2de9c08" },
      { "X-CIO-Timestamp", "1767225600" },
    } },
  { name = "deepgram", type = "deepgram.result", key = "r-1", is_token = true,
    body = '{"metadata":{"request_id":"r-1"}}',
    headers = {
      { "dg-token", "a secret that is long enough" },
    } },
  { name = "discord", type = "discord.interaction.2", key = "in-1", is_stamped = true,
    secret = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c",
    wrong = "1398f62c6d1a457c51ba6a4b5f3dbd2f69fca93216218dc8997e416bd17d93ca",
    body = '{"type":2,"id":"in-1"}',
    headers = {
      { "X-Signature-Ed25519",
        "485cb90dc1d2065ab396e82b4b48834abc3f095b82f1b3e26e9a5232e8fc27a95270f0"
          .. "fce960949bf2db5b00c8e8ec98359d4a480838285b620e34a954119d0e" },
      { "X-Signature-Timestamp", "1767225600" },
    } },
  { name = "docusign", type = "docusign.thing.done",
    body = '{"id":"evt_1","type":"thing.done","event":"thing.done","event_id":"e-1"}',
    headers = {
      { "X-DocuSign-Signature-1", "Fk2cajYQBDXJ10s9VSBnl+xmgJIItGPnZC5MFNA53Zc=" },
      { "X-DocuSign-Signature-2", "lzAaWBY7HfFJ+4G3EJpm8IYmDmII4aDMaIk4P8yoIGI=" },
    } },
  { name = "dropbox", type = "dropbox.notification",
    body = '{"list_folder":{}}',
    headers = {
      { "X-Dropbox-Signature",
        "f5301517dd0573ac043d157e23002a875b3952189dff15ab423358ff75714086" },
    } },
  { name = "elevenlabs", type = "elevenlabs.thing.done", timed = 1800,
    body = '{"id":"evt_1","type":"thing.done","event":"thing.done","event_id":"e-1"}',
    headers = {
      { "ElevenLabs-Signature",
        "t=1767225600,v0=90f2ccead94a31221cbf35cdba4cdcb103d8c4f410120bfb1b52658a063d6b97" },
    } },
  { name = "formstack", type = "formstack.submission",
    body = '{"id":"evt_1","type":"thing.done","event":"thing.done","event_id":"e-1"}',
    headers = {
      { "X-FS-Signature",
        "sha256=97301a58163b1df149fb81b7109a66f086260e6208e1a0cc6889383fcca82062" },
    } },
  { name = "gitea", type = "gitea.push", key = "g-1",
    body = '{"id":"evt_1","type":"thing.done","event":"thing.done","event_id":"e-1"}',
    headers = {
      { "X-Gitea-Signature", "97301a58163b1df149fb81b7109a66f086260e6208e1a0cc6889383fcca82062" },
      { "X-Gitea-Event", "push" },
      { "X-Gitea-Delivery", "g-1" },
    } },
  { name = "github", type = "github.push", key = "d-1",
    body = '{"id":"evt_1","type":"thing.done","event":"thing.done","event_id":"e-1"}',
    headers = {
      { "X-Hub-Signature-256",
        "sha256=97301a58163b1df149fb81b7109a66f086260e6208e1a0cc6889383fcca82062" },
      { "X-GitHub-Event", "push" },
      { "X-GitHub-Delivery", "d-1" },
    } },
  { name = "gitlab", type = "gitlab.push", key = "msg_1", timed = 300,
    secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
    body = '{"object_kind":"push"}',
    headers = {
      { "webhook-id", "msg_1" },
      { "webhook-timestamp", "1767225600" },
      { "webhook-signature", "v1,yEfx4di+tgwqLK6g1mtuzWd0K5mY6JABqykSFkwCPAs=" },
    } },
  { name = "hubspot", type = "hubspot.events", timed = 300,
    url = "https://hooks.example/in/hubspot",
    body = "[{}]",
    headers = {
      { ":method", "POST" },
      { ":query", "a=%2Fb%20c" },
      { "X-HubSpot-Signature-v3", "IUVD2b1g5xckBpkAAx8TCbSHpN4uiCmIWdM2g9TPucY=" },
      { "X-HubSpot-Request-Timestamp", "1767225600000" },
    } },
  { name = "intercom", type = "intercom.user.created", key = "n-1",
    body = '{"id":"n-1","topic":"user.created"}',
    headers = {
      { "X-Hub-Signature", "sha1=3f2e11ee41de695e10dbb97f4de63df94cbcba43" },
    } },
  { name = "lemonsqueezy", type = "lemonsqueezy.order_created",
    body = '{"meta":{"event_name":"order_created"}}',
    headers = {
      { "X-Signature", "b63493d0c6ee605d9c949f151a3ab99860e01ff46dd8c15fa2616d20f9db3203" },
    } },
  { name = "linear", type = "linear.Issue", key = "l-1", received = 60,
    body = '{"action":"create","webhookTimestamp":1767225600000}',
    headers = {
      { "Linear-Signature", "7aa395f2bb523168fa844ea76395eb43eb71e792170479f990578130c267d7ae" },
      { "Linear-Event", "Issue" },
      { "Linear-Delivery", "l-1" },
    } },
  { name = "mailgun", type = "mailgun.delivered", key = "tok-1", received = 300, in_body = "tok",
    body = '{"signature":{"timestamp":"1767225600","token":"tok-1","signature":"66'
      .. 'eb102cbd6a1f38ece1c8bdee451caa48e4a41ce9a712796491f80235ce7ca3"},"even'
      .. 't-data":{"event":"delivered"}}',
    headers = {
      { "Content-Type", "application/json" },
    } },
  { name = "mandrill", type = "mandrill.events",
    url = "https://hooks.example/in/mandrill",
    body = "b=2&a=1+x&b=1&mandrill_events=%5B%5D",
    headers = {
      { "Content-Type", "application/x-www-form-urlencoded" },
      { "X-Mandrill-Signature", "cxXioj/5ErsjPwb1zwv494TXxDs=" },
    } },
  { name = "meta", type = "meta.page",
    body = '{"object":"page","entry":[]}',
    headers = {
      { "X-Hub-Signature-256",
        "sha256=7c60558d3a174ea18bebceabbec76413b30daf0c75c64779f9b727b805a99830" },
    } },
  { name = "microsoft_graph", type = "microsoft_graph.created", is_token = true,
    body = '{"value":[{"clientState":"a secret that is long enough","changeType":"created"}]}',
    headers = {
    } },
  { name = "okta", type = "okta.events", key = "o-1", is_token = true,
    body = '{"eventId":"o-1"}',
    headers = {
      { "Authorization", "a secret that is long enough" },
    } },
  { name = "onfleet", type = "onfleet.taskStarted",
    secret = "00112233445566778899aabbccddeeff",
    wrong = "00112233445566778899aabbccddeefe",
    body = '{"triggerName":"taskStarted"}',
    headers = {
      { "X-Onfleet-Signature",
        "d082f03b53850bb132cf9eba58c861f0db3d8d23a0efef2c5270832d179794e3b7a933"
          .. "37e26ce73273989bf86b3e981db4796cd02bec97792ab001b05911373a" },
    } },
  { name = "openai", type = "openai.thing.done", key = "msg_1", timed = 300,
    secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
    body = '{"id":"evt_1","type":"thing.done","event":"thing.done","event_id":"e-1"}',
    headers = {
      { "webhook-id", "msg_1" },
      { "webhook-timestamp", "1767225600" },
      { "webhook-signature", "v1,2Xt2uaqSFLQUCu4z35bOshVa0T5ihw/NVtC/Sm5XS+k=" },
    } },
  { name = "paddle", type = "paddle.transaction.paid", key = "p-1", timed = 300,
    body = '{"event_type":"transaction.paid","event_id":"p-1"}',
    headers = {
      { "Paddle-Signature",
        "ts=1767225600;h1=e84e18da5917a750269ec8ce9f9380636a7399e81d63d8d028bcda47a02515c6" },
    } },
  { name = "pagerduty", type = "pagerduty.incident.triggered", key = "pd-1",
    body = '{"event":{"id":"pd-1","event_type":"incident.triggered"}}',
    headers = {
      { "X-PagerDuty-Signature",
        "v1=ce521ce56a10709e0e7148f414ae821ab8b3fad7ceb5e110df9f3fa2d5d32abc,v1"
          .. "=ad3d965d4c96b50990397e7df9a9e0a761d024578d44addca852eab6a75b83be" },
    } },
  { name = "postmark", type = "postmark.Bounce", is_token = true,
    secret = "user:a password of some length",
    wrong = "user:another password of it",
    body = '{"RecordType":"Bounce"}',
    headers = {
      { "Authorization", "Basic dXNlcjphIHBhc3N3b3JkIG9mIHNvbWUgbGVuZ3Ro" },
    } },
  { name = "razorpay", type = "razorpay.thing.done", key = "rz-1",
    body = '{"id":"evt_1","type":"thing.done","event":"thing.done","event_id":"e-1"}',
    headers = {
      { "X-Razorpay-Signature",
        "97301a58163b1df149fb81b7109a66f086260e6208e1a0cc6889383fcca82062" },
      { "X-Razorpay-Event-Id", "rz-1" },
    } },
  { name = "resend", type = "resend.thing.done", key = "msg_1", timed = 300,
    secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
    body = '{"id":"evt_1","type":"thing.done","event":"thing.done","event_id":"e-1"}',
    headers = {
      { "svix-id", "msg_1" },
      { "svix-timestamp", "1767225600" },
      { "svix-signature", "v1,2Xt2uaqSFLQUCu4z35bOshVa0T5ihw/NVtC/Sm5XS+k=" },
    } },
  { name = "sendgrid", type = "sendgrid.events", is_stamped = true,
    secret = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEIuLa0ZWNahi5MCOkfijetEY8bmp60sJ3I9"
      .. "6EGJ9lFAwbt0fj0mrpvsVbd+MVLUxVcgg+uscKNSF8Z61Yy7cNGQ==",
    wrong = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE5J0yzz+R8PVsbzKW50XQW3IJRJ5MDA2Shx"
      .. "xwoh00lV9lH0HQVPkeZT35PPEYpFpXbs/bZdh4HiU2j3WtAT7Hrw==",
    body = '[{"event":"open"}]\r\n',
    headers = {
      { "X-Twilio-Email-Event-Webhook-Signature",
        "MEQCIHvfFsNezK5svf2LtuPjbulJDzmMBv8uATdj4XcxuOGyAiBgqHbgnHStb8fHvDf3Oo"
          .. "qfJ7OMWlF+qPR/7vFzCP8BtA==" },
      { "X-Twilio-Email-Event-Webhook-Timestamp", "1767225600" },
    } },
  { name = "sentry", type = "sentry.issue.created", key = "s-1",
    body = '{"action":"created"}',
    headers = {
      { "Sentry-Hook-Signature",
        "f55244ee96036bb8aa90a71ec411a2fff2afb1bdaca0bc12fd0f4ce025f7337a" },
      { "Sentry-Hook-Resource", "issue" },
      { "Request-ID", "s-1" },
    } },
  { name = "shopify", type = "shopify.orders.create", key = "sh-1",
    body = '{"id":"evt_1","type":"thing.done","event":"thing.done","event_id":"e-1"}',
    headers = {
      { "X-Shopify-Hmac-SHA256", "lzAaWBY7HfFJ+4G3EJpm8IYmDmII4aDMaIk4P8yoIGI=" },
      { "X-Shopify-Topic", "orders/create" },
      { "X-Shopify-Webhook-Id", "sh-1" },
    } },
  { name = "slack", type = "slack.app_mention", key = "Ev1", timed = 300,
    body = '{"type":"event_callback","event":{"type":"app_mention"},"event_id":"Ev1"}',
    headers = {
      { "X-Slack-Signature",
        "v0=986c52b600b9c4741ca22cac17cb9ec8afddd03e4da5a2bdcf53852752109263" },
      { "X-Slack-Request-Timestamp", "1767225600" },
    } },
  { name = "square", type = "square.thing.done", key = "e-1",
    url = "https://hooks.example/in/square",
    body = '{"id":"evt_1","type":"thing.done","event":"thing.done","event_id":"e-1"}',
    headers = {
      { "x-square-hmacsha256-signature", "9AguP5pWv53O8BcJsZPQw85J9gmvYpwjtGOPVYMvx6k=" },
    } },
  { name = "standard", type = "thing.done", key = "msg_1", timed = 300,
    secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
    body = '{"id":"evt_1","type":"thing.done","event":"thing.done","event_id":"e-1"}',
    headers = {
      { "webhook-id", "msg_1" },
      { "webhook-timestamp", "1767225600" },
      { "webhook-signature", "v1,2Xt2uaqSFLQUCu4z35bOshVa0T5ihw/NVtC/Sm5XS+k=" },
    } },
  { name = "stripe", type = "stripe.thing.done", key = "evt_1", timed = 300,
    body = '{"id":"evt_1","type":"thing.done","event":"thing.done","event_id":"e-1"}',
    headers = {
      { "Stripe-Signature",
        "t=1767225600,v1=90f2ccead94a31221cbf35cdba4cdcb103d8c4f410120bfb1b5265"
          .. "8a063d6b97,v0=00000000000000000000000000000000000000000000000000000000"
          .. "00000000" },
    } },
  { name = "svix", type = "svix.thing.done", key = "msg_1", timed = 300,
    secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
    body = '{"id":"evt_1","type":"thing.done","event":"thing.done","event_id":"e-1"}',
    headers = {
      { "svix-id", "msg_1" },
      { "svix-timestamp", "1767225600" },
      { "svix-signature", "v1,2Xt2uaqSFLQUCu4z35bOshVa0T5ihw/NVtC/Sm5XS+k=" },
    } },
  { name = "telegram", type = "telegram.message", key = "7", is_token = true,
    body = '{"update_id":7,"message":{}}',
    headers = {
      { "X-Telegram-Bot-Api-Secret-Token", "a secret that is long enough" },
    } },
  { name = "trello", type = "trello.updateCard", key = "t-1",
    url = "https://hooks.example/in/trello",
    body = '{"action":{"id":"t-1","type":"updateCard"}}',
    headers = {
      { "X-Trello-Webhook", "6ke4OPwR3q/WMJEdYg68eav722E=" },
    } },
  { name = "twilio", type = "twilio.message", key = "SM1:sent",
    url = "https://hooks.example/in/twilio",
    body = "MessageSid=SM1&MessageStatus=sent&Body=a%2Bb&Body=a%2Bb&Empty=",
    headers = {
      { "Content-Type", "application/x-www-form-urlencoded; charset=utf-8" },
      { ":query", "x=1" },
      { "X-Twilio-Signature", "g6VRAH1AJINJoKVMoklDESmH5Ew=" },
    } },
  { name = "twitch", type = "twitch.channel.follow", key = "tw-1", timed = 600,
    body = '{"subscription":{"type":"channel.follow"}}',
    headers = {
      { "Twitch-Eventsub-Message-Id", "tw-1" },
      { "Twitch-Eventsub-Message-Timestamp", "2026-01-01T00:00:00.123456789Z" },
      { "Twitch-Eventsub-Message-Signature",
        "sha256=65590c7696b33886a8068c5b7071c39c1896066768a10fe220408716b66c0bb4" },
    } },
  { name = "twitter", type = "twitter.activity",
    body = '{"a":1}',
    headers = {
      { "X-Twitter-Webhooks-Signature", "sha256=LGYfZ6p3IGyLlW9XApizRrCaAuFjZHSuMF0jjnL7NxE=" },
    } },
  { name = "typeform", type = "typeform.form_response", key = "tf-1",
    body = '{"event_type":"form_response","event_id":"tf-1"}',
    headers = {
      { "Typeform-Signature", "sha256=InRldqo4GzLMDB4L9TdEsKKlw3yY5XJp7kH3FEmGC4I=" },
    } },
  { name = "vercel", type = "vercel.thing.done", key = "evt_1",
    body = '{"id":"evt_1","type":"thing.done","event":"thing.done","event_id":"e-1"}',
    headers = {
      { "x-vercel-signature", "b73c7450aba2e923e8671c19984e782d76c7554d" },
    } },
  { name = "webflow", type = "webflow.form_submission", timed = 300,
    body = '{"triggerType":"form_submission"}',
    headers = {
      { "x-webflow-signature",
        "8479eaf2cc49173ec0b66aa8876fbd52083e481825942b7b99d47545bef93fbb" },
      { "x-webflow-timestamp", "1767225600000" },
    } },
  { name = "woocommerce", type = "woocommerce.order.created", key = "wc-1",
    body = '{"id":"evt_1","type":"thing.done","event":"thing.done","event_id":"e-1"}',
    headers = {
      { "X-WC-Webhook-Signature", "lzAaWBY7HfFJ+4G3EJpm8IYmDmII4aDMaIk4P8yoIGI=" },
      { "X-WC-Webhook-Topic", "order.created" },
      { "X-WC-Webhook-Delivery-ID", "wc-1" },
    } },
  { name = "xero", type = "xero.events",
    body = '{"events":[]}',
    headers = {
      { "x-xero-signature", "f3FfbIl42IrWAvcQefBDMP5TO86DlGlfC0OOqVjdghE=" },
    } },
  { name = "zendesk", type = "zendesk.thing.done", key = "evt_1", is_stamped = true,
    body = '{"id":"evt_1","type":"thing.done","event":"thing.done","event_id":"e-1"}',
    headers = {
      { "X-Zendesk-Webhook-Signature", "6rPP2EDcH4F2PbAnVUCJfqnuZNnl+FSw8qPA363G9/M=" },
      { "X-Zendesk-Webhook-Signature-Timestamp", "2026-01-01T00:00:00Z" },
    } },
  { name = "zoom", type = "zoom.meeting.started", timed = 300,
    body = '{"event":"meeting.started"}',
    headers = {
      { "x-zm-signature", "v0=a30b4e6f4a4e662b218e99ce12e5ddbe6b211961b3839334be88c269b79f01d1" },
      { "x-zm-request-timestamp", "1767225600" },
    } },
}
