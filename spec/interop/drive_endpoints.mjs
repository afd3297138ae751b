// SPDX-License-Identifier: MIT
// An application developer's way through endpoints, by npm's svix (svix.mjs says how it is run): made, listed,
// changed and deleted; their headers; their secrets, which what arrives is verified by.
import { all, codeOf, finish, receive, refusal, secretOf, seen, svix, until, verify } from "./svix.mjs";

const { came, close, hook } = await receive();
const API = svix.endpoint;

await svix.application.create({ name: "Acme", uid: "acme" });
await svix.application.create({ name: "Other", uid: "other" });
for (const name of ["user.made", "user.gone"]) await svix.eventType.create({ name, description: "" });

// ---- Made, listed, changed, deleted ----
const whole = { uid: "whole", url: hook("whole"), description: "All of it", disabled: true, throttleRate: 100,
  eventTypes: ["user.made"], channels: ["eu"], metadata: { a: "b" }, secret: secretOf("whole") };
seen.made = await API.create("acme", whole, { idempotencyKey: "whole" });
seen.sameKey = (await API.create("acme", { url: hook("x") }, { idempotencyKey: "whole" })).id === seen.made.id;
seen.got = await API.get("acme", "whole");
for (let i = 0; i < 5; i++) await API.create("acme", { uid: `e${i}`, url: hook(`e${i}`) });
seen.down = (await all((o) => API.list("acme", o), { limit: 2 })).map((row) => row.uid);
seen.up = (await all((o) => API.list("acme", o), { limit: 4, order: "ascending" })).map((row) => row.uid);
seen.patched = await API.patch("acme", "whole", { uid: "part", url: hook("part"), description: "Part",
  disabled: false, throttleRate: 9, eventTypes: ["user.gone"], channels: ["us"], metadata: { c: "d" } });
seen.cleared = await API.patch("acme", "part", { throttleRate: null, eventTypes: null, channels: null });
seen.replaced = await API.upsert("acme", "part", { ...whole, secret: undefined });
seen.bare = await API.upsert("acme", seen.made.id, { url: hook("whole") });
const byPut = await API.upsert("acme", "by-put", { url: hook("by-put"), uid: "by-put" });
seen.byPut = (await API.get("acme", byPut.id)).uid;
seen.deleted = (await API.delete("acme", "by-put")) ?? null;
seen.gone = await codeOf(API.get("acme", "by-put"));
seen.elsewhere = await codeOf(API.get("other", seen.made.id));
seen.taken = await codeOf(API.create("acme", { url: hook("x"), uid: "e0" }));
seen.invalid = (await refusal(API.create("acme", { url: "http://127.0.0.1:1/", eventTypes: ["none"], uid: "a b" })))
  .detail.map((item) => item.loc.join(" "));
seen.noType = (await refusal(API.create("acme", { url: hook("x"), eventTypes: ["none"] }))).detail[0].loc;

// ---- Headers ----
await API.create("acme", { uid: "signed", url: hook("signed"), secret: secretOf("signed") });
await API.setHeaders("acme", "signed", { headers: { "X-Shop": "acme", Authorization: "Bearer hidden", "X-Gone": "1" } });
seen.headers = await API.getHeaders("acme", "signed");
await API.patchHeaders("acme", "signed", { headers: { "X-More": "2", "X-Gone": null } });
seen.patchedHeaders = await API.getHeaders("acme", "signed");
seen.reserved = (await refusal(API.setHeaders("acme", "signed", { headers: { "Webhook-Id": "1" } }))).detail[0].loc;

// ---- Secrets: what arrives is verified by the one that is read, and by the one before while it is good ----
async function publish(count) {
  const message = await svix.message.create("acme", { eventType: "user.made", payload: { count } });
  await until(`message ${count}`, () => came.signed?.length === count);
  const arrival = came.signed[count - 1];
  if (arrival.id !== message.id) throw new Error("another message came");
  return arrival;
}
const secrets = [(await API.getSecret("acme", "signed")).key];
seen.given = secrets[0] === secretOf("signed");
async function isVerified(arrival) {
  return secrets.map((secret) => verify(secret, arrival.body, arrival.headers).failed === undefined);
}
const first = await publish(1);
seen.sent = { shop: first.headers["x-shop"], authorization: first.headers.authorization, more: first.headers["x-more"],
  gone: first.headers["x-gone"] ?? null };
seen.verified = [await isVerified(first)];
await API.rotateSecret("acme", "signed", {}, { idempotencyKey: "rotate" });
await API.rotateSecret("acme", "signed", {}, { idempotencyKey: "rotate" });
secrets.push((await API.getSecret("acme", "signed")).key);
seen.verified.push(await isVerified(await publish(2)));
await API.rotateSecret("acme", "signed", { key: secretOf("mine"), gracePeriodSeconds: 3600 });
secrets.push((await API.getSecret("acme", "signed")).key);
seen.mine = secrets[2] === secretOf("mine");
seen.verified.push(await isVerified(await publish(3)));
seen.tooMany = await (async () => {
  for (let count = 2; ; count++) {
    const refused = await refusal(API.rotateSecret("acme", "signed", {}));
    if (refused !== "none") return [count, refused.code];
  }
})();
close();
finish();
