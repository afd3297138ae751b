// SPDX-License-Identifier: MIT
// An application developer's way through what is registered, by npm's svix (svix.mjs says how it is run).
import { all, client, finish, refusal, seen, svix } from "./svix.mjs";

seen.health = await refusal(svix.health.get());
const app = await svix.application.create({ name: "Acme", uid: "acme", throttleRate: 9, metadata: { a: "b" } });
seen.app = app;
seen.isDate = app.createdAt instanceof Date && !Number.isNaN(app.createdAt.getTime());
seen.sameById = (await svix.application.get(app.id)).name;
seen.sameAgain = (await svix.application.getOrCreate({ name: "Other", uid: "acme" })).id === app.id;
seen.once = new Set((await Promise.all([1, 2, 3, 4, 5].map(() =>
  svix.application.create({ name: "Once" }, { idempotencyKey: "one-key" })))).map((row) => row.id)).size;
seen.patched = (await svix.application.patch("acme", { throttleRate: null, name: "Acme Ltd" })).throttleRate ?? null;
seen.patchedAll = await svix.application.patch(app.id, { uid: "acme-2", metadata: { c: "d" } });
seen.replaced = await svix.application.upsert("acme-2", { name: "Whole", uid: "acme", throttleRate: 7, metadata: { e: "f" } });
seen.updated = (await svix.application.upsert("acme", { name: "Whole" })).metadata;
const made = await svix.application.upsert("not-there", { name: "Made by PUT" });
seen.upsertMakes = (await svix.application.get(made.id)).name;
await svix.application.delete(made.id);
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
await svix.eventType.create({ name: "a.first", description: "First", archived: false, deprecated: true });
seen.schema = (await svix.eventType.get("invoice.paid")).schemas;
seen.types = (await all((options) => svix.eventType.list(options), { limit: 1 })).map((row) => row.name);
seen.typesDown = (await svix.eventType.list({ order: "descending", withContent: true })).data
  .map((row) => [row.name, row.schemas ?? null]);
seen.typeUpdated = (await svix.eventType.upsert("invoice.paid", { description: "New" })).schemas ?? null;
seen.typePatched = (await svix.eventType.patch("invoice.paid", { deprecated: true })).deprecated;
seen.typePatchedAll = await svix.eventType.patch("invoice.paid", { archived: true, description: "Newer",
  schemas: { 2: { type: "string" } } });
seen.typeReplaced = await svix.eventType.upsert("invoice.paid", { description: "Whole", archived: false,
  deprecated: false, schemas: { 3: {} } });
seen.typeMade = (await svix.eventType.upsert("z.made", { description: "by PUT" })).name;
await svix.eventType.delete("z.made", { expunge: true });
await svix.eventType.delete("invoice.paid");
seen.archived = (await svix.eventType.get("invoice.paid")).archived;
seen.left = (await svix.eventType.list()).data.map((row) => row.name);
seen.withArchived = (await svix.eventType.list({ includeArchived: true })).data.length;
await svix.eventType.delete("invoice.paid", { expunge: true });
seen.expunged = await refusal(svix.eventType.get("invoice.paid"));

const owner = await svix.application.create({ name: "Owner", uid: "owner" });
const access = await svix.authentication.appPortalAccess("owner", { featureFlags: ["beta"] },
  { idempotencyKey: "portal" });
const portal = client(access.token);
seen.portal = {
  hasUrl: URL.canParse(access.url),
  same: (await svix.authentication.appPortalAccess("owner", {}, { idempotencyKey: "portal" })).token === access.token,
  own: (await portal.application.get("owner")).id === owner.id,
  other: await refusal(portal.application.get(app.id)),
  list: await refusal(portal.application.list()),
  brought: (await svix.authentication.appPortalAccess("brought", { application: { name: "B", uid: "brought" } }))
    .token.length > 0 && (await svix.application.get("brought")).name,
  types: (await portal.eventType.list()).data.map((row) => row.name),
};
await portal.authentication.logout();
seen.portal.after = (await refusal(portal.application.get("owner"))).code;
finish();
