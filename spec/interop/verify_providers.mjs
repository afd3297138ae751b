// SPDX-License-Identifier: MIT
// Verifies with the official clients what Anzol signed: node verify_providers.mjs SECRET KEYS FILE
// BASE. FILE: one JSON line each, {path, headers, body} (body in base64). Prints one JSON line each:
// {name, genuine, changed}, changed: whether it passes with a changed byte.
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import bolt from "@slack/bolt";
import { verify as verifyGithub } from "@octokit/webhooks-methods";
import { Paddle } from "@paddle/paddle-node-sdk";
import { shopifyApi, ApiVersion } from "@shopify/shopify-api";
import "@shopify/shopify-api/adapters/node";
import { verifyKey } from "discord-interactions";
import { createVerifier, httpbis } from "http-message-signatures";
import Stripe from "stripe";
import { Webhook } from "svix";
import twilio from "twilio";

const [secret, keysPath, file, base] = process.argv.slice(2);
const keys = JSON.parse(readFileSync(keysPath, "utf8"));
const stripe = new Stripe("sk_test_x");
const shopify = shopifyApi({ apiKey: "key", apiSecretKey: secret, hostName: "a.example",
  scopes: [], isEmbeddedApp: false, apiVersion: ApiVersion.July25 ?? Object.values(ApiVersion)[0],
  logger: { level: 0 } });
const discordKey = createPublicKey(keys.ed25519.public).export({ format: "der", type: "spki" })
  .subarray(12).toString("hex");

function throws(call) {
  try {
    call();
    return false;
  } catch {
    return true;
  }
}

function httpVerifier(key, algorithm) {
  return async ({ body, headers, path }) => {
    const digest = Buffer.from(await crypto.subtle.digest("SHA-256", Buffer.from(body)));
    if (headers["content-digest"] !== `sha-256=:${digest.toString("base64")}:`) return false;
    const result = await httpbis.verifyMessage({
      keyLookup: async () => ({ id: "key-1", algs: [algorithm], verify: createVerifier(key, algorithm) }),
      requiredFields: ["@method", "@target-uri", "content-digest"],
    }, { method: "POST", url: base + path, headers });
    return result === true;
  };
}

const verifiers = {
  github: ({ body, headers }) => verifyGithub(secret, body, headers["x-hub-signature-256"]),
  stripe: ({ body, headers }) =>
    !throws(() => stripe.webhooks.constructEvent(body, headers["stripe-signature"], secret)),
  svix: ({ body, headers }) => !throws(() =>
    new Webhook(`whsec_${Buffer.from(secret).toString("base64")}`).verify(body, headers)),
  slack: ({ body, headers }) => bolt.isValidSlackRequest({ signingSecret: secret, body, headers: {
    "x-slack-signature": headers["x-slack-signature"],
    "x-slack-request-timestamp": Number(headers["x-slack-request-timestamp"]) } }),
  paddle: ({ body, headers }) =>
    new Paddle("key").webhooks.isSignatureValid(body, secret, headers["paddle-signature"]),
  shopify: async ({ body, headers }) => (await shopify.webhooks.validate({ rawBody: body,
    rawRequest: { headers, url: "/", method: "POST" }, rawResponse: {} })).valid,
  twilio: ({ body, headers, path }) => twilio.validateRequest(secret,
    headers["x-twilio-signature"], base + path, Object.fromEntries(new URLSearchParams(body))),
  discord: ({ body, headers }) => verifyKey(body, headers["x-signature-ed25519"],
    headers["x-signature-timestamp"], discordKey),
  "http-hmac": httpVerifier(secret, "hmac-sha256"),
  "http-ed25519": httpVerifier(keys.ed25519.public, "ed25519"),
  "http-ecdsa": httpVerifier(keys.ec.public, "ecdsa-p256-sha256"),
  "http-rsa": httpVerifier(keys.rsa.public, "rsa-v1_5-sha256"),
  "http-pss": httpVerifier(keys.rsa.public, "rsa-pss-sha512"),
};

for (const line of readFileSync(file, "utf8").split("\n").filter((text) => text !== "")) {
  const record = JSON.parse(line);
  const name = record.path.slice(1).replace(/\?.*/, "");
  const body = Buffer.from(record.body, "base64").toString();
  const genuine = await verifiers[name]({ ...record, body });
  const changed = await Promise.resolve().then(() =>
    verifiers[name]({ ...record, body: body.replace(/.$/s, "x") })).catch(() => false);
  console.log(JSON.stringify({ name, genuine, changed }));
}
