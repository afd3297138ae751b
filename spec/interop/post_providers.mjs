// SPDX-License-Identifier: MIT
// Posts webhooks that the official clients signed, or at least take for genuine, and the same with a
// changed byte: node post_providers.mjs PORT SECRET KEYS. Prints one JSON line each: {name, status}.
import { createPublicKey, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { verifyKey } from "discord-interactions";
import { createSigner, httpbis } from "http-message-signatures";
import { EventWebhook } from "@sendgrid/eventwebhook";
import Stripe from "stripe";
import { Webhook } from "svix";
import twilio from "twilio";

const [port, secret, keysPath] = process.argv.slice(2);
const keys = JSON.parse(readFileSync(keysPath, "utf8"));
const stamp = `${Math.floor(Date.now() / 1000)}`;
const body = '{"id":"in-1","type":2,"text":"olá €"}';
const json = { "content-type": "application/json" };
const stripe = new Stripe("sk_test_x");

function assert(isGenuine, name) {
  if (!isGenuine) throw new Error(`the official client refuses ${name}`);
}

function fromStripe() {
  const header = stripe.webhooks.generateTestHeaderString({ payload: body, secret });
  return { body, headers: { ...json, "stripe-signature": header } };
}

function fromSvix() {
  const key = `whsec_${Buffer.from(secret).toString("base64")}`;
  const signature = new Webhook(key).sign("msg_1", new Date(), body);
  return { body, headers: { ...json, "svix-id": "msg_1", "svix-timestamp": stamp,
    "svix-signature": signature } };
}

function fromTwilioForm() {
  const params = { MessageSid: "SM1", Body: "a & b = c", MessageStatus: "sent", Empty: "",
    Media: ["z", "a"] };
  const url = "https://hooks.example/in/twilio?tenant=7";
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of [value].flat()) form.append(name, one);
  }
  return { body: form.toString(), query: "?tenant=7",
    headers: { "content-type": "application/x-www-form-urlencoded",
      "x-twilio-signature": twilio.getExpectedTwilioSignature(secret, url, params) } };
}

function fromTwilioJson() {
  const query = `?bodySHA256=${twilio.getExpectedBodyHash(body)}`;
  const url = `https://hooks.example/in/twilio${query}`;
  return { body, query, headers: { ...json,
    "x-twilio-signature": twilio.getExpectedTwilioSignature(secret, url, {}) } };
}

async function fromDiscord() {
  const key = createPublicKey(keys.ed25519.public).export({ format: "der", type: "spki" });
  const signature = sign(null, Buffer.from(stamp + body), keys.ed25519.private).toString("hex");
  assert(await verifyKey(body, signature, stamp, key.subarray(12).toString("hex")), "discord");
  return { body, headers: { ...json, "x-signature-ed25519": signature,
    "x-signature-timestamp": stamp } };
}

function fromSendgrid() {
  const events = '[{"event":"open"}]\r\n';
  const der = createPublicKey(keys.ec.public).export({ format: "der", type: "spki" });
  const webhook = new EventWebhook();
  const signature = sign("sha256", Buffer.from(stamp + events), keys.ec.private).toString("base64");
  const key = webhook.convertPublicKeyToECDSA(der.toString("base64"));
  assert(webhook.verifySignature(key, events, signature, stamp), "sendgrid");
  return { body: events, headers: { ...json,
    "x-twilio-email-event-webhook-signature": signature,
    "x-twilio-email-event-webhook-timestamp": stamp } };
}

async function digestOf(text) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `sha-256=:${Buffer.from(digest).toString("base64")}:`;
}

const httpKeys = {
  "http-hmac": [secret, "hmac-sha256"],
  "http-ed25519": [keys.ed25519.private, "ed25519"],
  "http-ecdsa": [keys.ec.private, "ecdsa-p256-sha256"],
  "http-rsa": [keys.rsa.private, "rsa-v1_5-sha256"],
  "http-pss": [keys.rsa.private, "rsa-pss-sha512"],
};

function fromHttpSignatures(source) {
  return async () => {
    const [key, algorithm] = httpKeys[source];
    const url = `https://hooks.example/in/${source}?a=b%20c`;
    const message = await httpbis.signMessage({
      key: createSigner(key, algorithm, "key-1"),
      fields: ["@method", "@target-uri", "@authority", "@path", "@query", "content-type",
        "content-digest"],
    }, { method: "POST", url, headers: { ...json, "content-digest": await digestOf(body) } });
    return { body, query: "?a=b%20c", headers: Object.fromEntries(
      Object.entries(message.headers).map(([name, value]) => [name.toLowerCase(), `${value}`])) };
  };
}

const cases = [
  ["stripe", "stripe", fromStripe],
  ["svix", "svix", fromSvix],
  ["twilio", "twilio", fromTwilioForm],
  ["twilio json", "twilio", fromTwilioJson],
  ["discord", "discord", fromDiscord],
  ["sendgrid", "sendgrid", fromSendgrid],
  ...Object.keys(httpKeys).map((source) => [source, source, fromHttpSignatures(source)]),
];

async function post(source, { body: text, query = "", headers }) {
  const response = await fetch(`http://127.0.0.1:${port}/in/${source}${query}`,
    { method: "POST", body: text, headers });
  return response.status;
}

for (const [name, source, make] of cases) {
  const request = await make();
  const changed = { ...request, body: request.body.replace(/.$/s, (c) => c === "x" ? "y" : "x") };
  const status = await post(source, request);
  console.log(JSON.stringify({ name, status, changed: await post(source, changed) }));
}
