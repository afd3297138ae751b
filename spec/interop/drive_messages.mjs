// SPDX-License-Identifier: MIT
// An application developer's way through messages, by npm's svix (svix.mjs says how it is run; behind that
// COUNT, the messages that are paged over). Publishes, receives (each verified by its Webhook class), and looks
// at what became of it.
import { messageInRaw } from "svix";
import { all, codeOf, finish, more, receive, secretOf, seen, svix, until } from "./svix.mjs";

const COUNT = Number(more[0]);
const WRITERS = 16;
const { answers, came, close, hook } = await receive();

async function endpoint(name, options) {
  return svix.endpoint.create("acme", { uid: name, url: hook(name), secret: secretOf(name), ...options });
}

await svix.application.create({ name: "Acme", uid: "acme" });
await svix.eventType.create({ name: "invoice.paid", description: "", schemas: { 1: { type: "object",
  examples: [{ amount: 7 }] } } });
await svix.eventType.create({ name: "invoice.gone", description: "" });
const good = await endpoint("good", { eventTypes: ["invoice.paid"] });
await endpoint("bad", {});
await endpoint("eu", { channels: ["eu"] });
answers.bad = 500;

// ---- Publish ----
const message = await svix.message.create("acme", { eventType: "invoice.paid", eventId: "inv-1",
  channels: ["eu"], tags: ["t"], payload: { amount: 5, note: "é" }, payloadRetentionPeriod: 5 },
{ withContent: true, idempotencyKey: "key-1" });
seen.message = message;
seen.isDate = message.timestamp instanceof Date;
seen.sameKey = (await svix.message.create("acme", { eventType: "invoice.gone", payload: {} },
  { idempotencyKey: "key-1" })).id === message.id;
seen.taken = await codeOf(svix.message.create("acme", { eventType: "a", eventId: "inv-1", payload: {} }));
seen.invalid = await codeOf(svix.message.create("acme", { eventType: "a b", payload: {} }));
seen.byEventId = (await svix.message.get("acme", "inv-1")).id === message.id;
seen.withoutContent = (await svix.message.get("acme", message.id, { withContent: false })).payload;
const raw = await svix.message.create("acme", messageInRaw("invoice.gone", "<raw/>"));
seen.brought = (await svix.message.create("fresh", { eventType: "a", payload: {},
  application: { name: "Fresh", uid: "fresh" } })).id.slice(0, 4);

await until("all arrived", () => came.good?.length === 1 && came.bad?.length === 2 && came.eu?.length === 1);
seen.verified = [came.good[0].verified, came.eu[0].verified, came.good[0].id === message.id];
seen.raw = came.bad.find((row) => row.id === raw.id).body;

// ---- What became of it ----
const targets = await until("all are tried", async () => {
  const rows = await all((o) => svix.messageAttempt.listAttemptedDestinations("acme", message.id, o), { limit: 2 });
  return rows.every((row) => row.status !== 1) && rows;
});
seen.targets = targets.map((row) => `${row.uid} ${row.statusText}`).sort();
seen.byEndpoint = (await until("both are recorded", async () => {
  const rows = await all((o) => svix.messageAttempt.listByEndpoint("acme", "bad", o), { limit: 1, withContent: true });
  return rows.length === 2 && rows;
}))
  .map((row) => [row.responseStatusCode, row.response, row.status, row.triggerType]);
seen.allOfMessage = (await all((o) => svix.messageAttempt.listByMsg("acme", "inv-1", o), { limit: 1 }))
  .map((row) => row.responseStatusCode).sort();
seen.allOfEndpoint = (await all((o) => svix.messageAttempt.listAttemptedMessages("acme", "bad", o), { limit: 1 }))
  .map((row) => row.eventType);
seen.byMessage = (await svix.messageAttempt.listByMsg("acme", "inv-1", { endpointId: "good" })).data
  .map((row) => [row.responseStatusCode, row.endpointId === good.id, row.msgId === message.id]);
seen.byClass = (await svix.messageAttempt.listByMsg("acme", "inv-1", { statusCodeClass: 500 })).data.length;
seen.attempted = (await svix.messageAttempt.listAttemptedMessages("acme", "bad",
  { eventTypes: ["invoice.paid", "x"], channel: "eu", withContent: true })).data.map((row) => [row.eventId, row.statusText, row.payload]);
const attempt = (await svix.messageAttempt.listByMsg("acme", "inv-1", { endpointId: "good" })).data[0];
seen.oneAttempt = (await svix.messageAttempt.get("acme", "inv-1", attempt.id)).url === hook("good");
seen.stats = await svix.endpoint.getStats("acme", "good");
const hour = { since: new Date(Date.now() - 3600000), until: new Date(Date.now() + 60000) };
seen.statsOfHour = (await svix.endpoint.getStats("acme", "good", hour)).success;
seen.statsBefore = (await svix.endpoint.getStats("acme", "good", { since: new Date(0), until: new Date(1000) })).success;
seen.listed = (await svix.message.list("acme", { eventTypes: ["invoice.paid"], channel: "eu",
  after: new Date(Date.now() - 60000), before: new Date(Date.now() + 60000) })).data.map((row) => row.eventId);

// Each filter of each list of what was sent: what it takes and what it leaves out.
const wide = { after: new Date(Date.now() - 60000), before: new Date(Date.now() + 60000) };
const late = { after: new Date(Date.now() + 60000) };
const filters = {
  byEndpoint: [(o) => svix.messageAttempt.listByEndpoint("acme", "good", o),
    { status: 0, statusCodeClass: 200, channel: "eu", eventTypes: ["invoice.paid"], withContent: true, ...wide },
    [{ status: 2 }, { statusCodeClass: 500 }, { channel: "us" }, { eventTypes: ["x"] }, late]],
  byMsg: [(o) => svix.messageAttempt.listByMsg("acme", "inv-1", o),
    { status: 0, statusCodeClass: 200, channel: "eu", eventTypes: ["invoice.paid"], endpointId: "good",
      withContent: true, ...wide },
    [{ status: 2 }, { statusCodeClass: 400 }, { channel: "us" }, { eventTypes: ["x"] }, late]],
  messages: [(o) => svix.messageAttempt.listAttemptedMessages("acme", "good", o),
    { status: 0, channel: "eu", eventTypes: ["invoice.paid"], withContent: true, ...wide },
    [{ status: 2 }, { channel: "us" }, { eventTypes: ["x"] }, late]],
};
seen.filtered = {};
for (const [name, [list, takes, leavesOut]] of Object.entries(filters)) {
  seen.filtered[name] = [(await all(list, { ...takes, limit: 1 })).length,
    ...await Promise.all(leavesOut.map(async (options) => (await all(list, options)).length))];
}

// ---- By hand ----
await svix.messageAttempt.resend("acme", "inv-1", "good");
await until("it came again", () => came.good.length === 2);
seen.resent = came.good[1].id === message.id;
seen.example = (await svix.endpoint.sendExample("acme", "good", { eventType: "invoice.paid" })).payload;
await until("the example came", () => came.good.length === 3);
seen.exampleCame = came.good[2].verified;
seen.recover = (await svix.endpoint.recover("acme", "bad", { since: new Date(Date.now() - 60000), until: new Date() })).task;
await svix.messageAttempt.expungeContent("acme", "inv-1", attempt.id);
seen.expungedAnswer = (await svix.messageAttempt.get("acme", "inv-1", attempt.id)).response;
await svix.message.expungeContent("acme", "inv-1");
seen.expunged = (await svix.message.get("acme", "inv-1", { withContent: true })).payload;
seen.unknown = await Promise.all([svix.message.get("acme", "none"), svix.message.get("other", "inv-1"),
  svix.messageAttempt.listByEndpoint("acme", "none"), svix.messageAttempt.resend("acme", "inv-1", "none")]
  .map(codeOf));

// ---- Pages over many while others write ----
await svix.application.create({ name: "Many", uid: "many" });
let published = 0;
const ids = [];
async function write() {
  while (published < COUNT) {
    const n = published++;
    ids.push((await svix.message.create("many", { eventType: n % 2 ? "odd" : "even", payload: { n } },
      { withContent: false })).id);
  }
}
await Promise.all(Array.from({ length: WRITERS }, write));
const first = ids.length;
let isReading = true;
async function disturb() {
  while (isReading) await svix.message.create("many", { eventType: "late", payload: {} });
}
const disturbing = [disturb(), disturb()];
const down = await all((o) => svix.message.list("many", { ...o, withContent: false }), { limit: 250 });
const odd = await all((o) => svix.message.list("many", { ...o, eventTypes: ["odd"], withContent: true }), { limit: 250 });
let up = [];
let page = await svix.message.list("many", { limit: 250, iterator: down[down.length - 1].id });
page = { prevIterator: `-${down[down.length - 1].id}`, done: false };
while (up.length < first - 1) {
  page = await svix.message.list("many", { limit: 250, iterator: page.prevIterator });
  up = [...page.data, ...up];
}
isReading = false;
await Promise.all(disturbing);
const known = new Set(ids);
seen.pages = {
  each: first === COUNT && new Set(down.map((row) => row.id)).size === down.length &&
    down.filter((row) => known.has(row.id)).length === COUNT,
  sorted: down.every((row, i) => i === 0 || row.id < down[i - 1].id),
  odd: odd.length === Math.floor(COUNT / 2) && odd.every((row) => row.payload.n % 2 === 1),
  up: new Set(up.map((row) => row.id)).size === up.length && up.filter((row) => known.has(row.id)).length === COUNT - 1,
};

// ---- What an endpoint would get, polled ----
await svix.application.create({ name: "Poll", uid: "poll" });
await svix.endpoint.create("poll", { uid: "sink", url: hook("never"), disabled: true, channels: ["eu"] });
const wanted = await svix.message.create("poll", { eventType: "a", channels: ["eu"], payload: { way: "in" } });
await svix.message.create("poll", { eventType: "a", channels: ["us"], payload: {} });
const polled = [];
let iterator;
await until("it is polled", async () => {
  const page = await svix.message.poller.poll("poll", "sink", { iterator, limit: 10 });
  iterator = page.iterator;
  polled.push(...page.data);
  return polled.length > 0;
});
seen.polled = [polled.length, polled[0].id === wanted.id, polled[0].payload.way,
  (await svix.message.poller.poll("poll", "sink", { iterator })).done];
close();
finish();
