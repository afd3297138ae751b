// SPDX-License-Identifier: MIT
// What the official clients make of what Anzol sent: node verify_wire.mjs FILE. FILE: one JSON object,
// {keys: {new, old, other}, public: whpk_…, requests: [{path, headers, body}]} (body in base64).
// Prints one JSON object, by path.
import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { HTTP } from "cloudevents";
import { Webhook as Standard } from "standardwebhooks";
import { Webhook as Svix } from "svix";

const input = JSON.parse(readFileSync(process.argv[2], "utf8"));

function accepts(client, body, headers) {
  try {
    client.verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

// Who of the clients takes it, by key.
function genuine(body, headers) {
  const found = [];
  for (const [name, key] of Object.entries(input.keys)) {
    if (accepts(new Standard(key), body, headers)) found.push(`standardwebhooks ${name}`);
    if (accepts(new Svix(key), body, headers)) found.push(`svix ${name}`);
  }
  return found.sort();
}

// Standard Webhooks, v1a: Ed25519 over id.timestamp.body.
function genuineAsymmetric(body, headers) {
  const prefix = Buffer.from("302a300506032b6570032100", "hex"); // SubjectPublicKeyInfo of Ed25519
  const raw = Buffer.from(input.public.slice("whpk_".length), "base64");
  const key = createPublicKey({ key: Buffer.concat([prefix, raw]), format: "der", type: "spki" });
  const text = Buffer.concat([
    Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`), body]);
  return headers["webhook-signature"].split(" ").filter((item) => item.startsWith("v1a,"))
    .some((item) => verify(null, text, key, Buffer.from(item.slice(4), "base64")));
}

function event(headers, body) {
  const made = HTTP.toEvent({ headers, body });
  made.validate();
  const data = ArrayBuffer.isView(made.data)
    ? { base64: Buffer.from(Array.from(made.data)).toString("base64") } : made.data;
  const { id, source, type, specversion, subject, datacontenttype } = made;
  return { id, source, type, specversion, subject, datacontenttype, data,
    hasTime: !Number.isNaN(Date.parse(made.time)) };
}

const answer = {};
for (const { path, headers, body } of input.requests) {
  const raw = Buffer.from(body, "base64");
  const isGzip = headers["content-encoding"] === "gzip";
  const plain = isGzip ? gunzipSync(raw) : raw;
  if (path.startsWith("/event")) {
    answer[path] = event(headers, path === "/event-binary-bytes" ? raw : raw.toString());
  } else {
    answer[path] = { genuine: genuine(plain, headers), signatures:
      headers["webhook-signature"].split(" ").map((item) => item.split(",")[0]).join(" "),
      asymmetric: genuineAsymmetric(plain, headers), isGzip, isShorter: raw.length < plain.length };
  }
}
console.log(JSON.stringify(answer));
