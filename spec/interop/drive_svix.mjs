// SPDX-License-Identifier: MIT
// An application developer's way through what is registered, by npm's svix: node drive_svix.mjs URL
// TOKEN. Prints what it saw as JSON.
import { ApiException, Svix } from "svix";

const [url, token] = process.argv.slice(2);
const svix = new Svix(token, { serverUrl: url });
const seen = {};

async function refusal(promise) {
  try {
    await promise;
    return "none";
  } catch (error) {
    if (!(error instanceof ApiException)) throw error;
    return error.code === 422 ? { code: 422, detail: error.body.detail } : { code: error.code, body: error.body };
  }
}

async function all(list, options) {
  const rows = [];
  let page = { iterator: undefined, done: false };
  while (!page.done) {
    page = await list({ ...options, iterator: page.iterator ?? undefined });
    rows.push(...page.data);
  }
  return rows;
}

seen.health = await refusal(svix.health.get());
const app = await svix.application.create({ name: "Acme", uid: "acme", throttleRate: 9, metadata: { a: "b" } });
seen.app = app;
seen.isDate = app.createdAt instanceof Date && !Number.isNaN(app.createdAt.getTime());
seen.sameById = (await svix.application.get(app.id)).name;
seen.sameAgain = (await svix.application.getOrCreate({ name: "Other", uid: "acme" })).id === app.id;
seen.once = new Set((await Promise.all([1, 2, 3, 4, 5].map(() =>
  svix.application.create({ name: "Once" }, { idempotencyKey: "one-key" })))).map((row) => row.id)).size;
seen.patched = (await svix.application.patch("acme", { throttleRate: null, name: "Acme Ltd" })).throttleRate ?? null;
seen.updated = (await svix.application.upsert("acme", { name: "Whole" })).metadata;
seen.uidGone = await refusal(svix.application.get("acme"));
seen.conflict = (await svix.application.create({ name: "x", uid: "x" })) &&
  await refusal(svix.application.create({ name: "y", uid: "x" }));
seen.invalid = await refusal(svix.application.create({ name: "", uid: "a b" }));
seen.deleted = (await svix.application.delete("x")) ?? null;
for (let i = 0; i < 7; i++) await svix.application.create({ name: `page ${i}` });
seen.pages = (await all((options) => svix.application.list(options), { limit: 2 })).map((row) => row.name);
seen.down = (await all((options) => svix.application.list(options), { limit: 4, order: "descending" }))
  .map((row) => row.name);

await svix.eventType.create({ name: "invoice.paid", description: "Paid", schemas: { 1: { type: "object" } } });
await svix.eventType.create({ name: "a.first", description: "First" });
seen.schema = (await svix.eventType.get("invoice.paid")).schemas;
seen.types = (await all((options) => svix.eventType.list(options), { limit: 1 })).map((row) => row.name);
seen.typeUpdated = (await svix.eventType.upsert("invoice.paid", { description: "New" })).schemas ?? null;
seen.typePatched = (await svix.eventType.patch("invoice.paid", { deprecated: true })).deprecated;
await svix.eventType.delete("invoice.paid");
seen.archived = (await svix.eventType.get("invoice.paid")).archived;
seen.left = (await svix.eventType.list()).data.map((row) => row.name);
seen.withArchived = (await svix.eventType.list({ includeArchived: true })).data.length;
await svix.eventType.delete("invoice.paid", { expunge: true });
seen.expunged = await refusal(svix.eventType.get("invoice.paid"));

const owner = await svix.application.create({ name: "Owner", uid: "owner" });
const access = await svix.authentication.appPortalAccess("owner", { featureFlags: ["beta"] },
  { idempotencyKey: "portal" });
const portal = new Svix(access.token, { serverUrl: url });
seen.portal = {
  hasUrl: URL.canParse(access.url),
  same: (await svix.authentication.appPortalAccess("owner", {}, { idempotencyKey: "portal" })).token === access.token,
  own: (await portal.application.get("owner")).id === owner.id,
  other: await refusal(portal.application.get(app.id)),
  list: await refusal(portal.application.list()),
  types: (await portal.eventType.list()).data.map((row) => row.name),
};
await portal.authentication.logout();
seen.portal.after = (await refusal(portal.application.get("owner"))).code;
process.stdout.write(JSON.stringify(seen));
