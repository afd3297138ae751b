// SPDX-License-Identifier: MIT
// The same protocol by npm's svix of the generation before (0.85): its names of fields, sent and read
// (svix.mjs says how it is run).
import old from "svix-old";
import { adminToken, codeOf, finish, receive, secretOf, seen, serverUrl, until } from "./svix.mjs";

const svix = new old.Svix(adminToken, { serverUrl });
const { came, close, hook } = await receive();

const app = await svix.application.create({ name: "Acme", uid: "acme", rateLimit: 5, metadata: {} });
seen.app = [app.rateLimit, app.createdAt instanceof Date];
seen.appAgain = (await svix.application.getOrCreate({ name: "x", uid: "acme" })).id === app.id;
seen.appUpdated = (await svix.application.update("acme", { name: "Acme", uid: "acme" })).rateLimit ?? null;
seen.apps = (await svix.application.list({ limit: 10 })).data.map((row) => row.uid);
await svix.eventType.create({ name: "user.made", description: "x", featureFlag: "beta", schemas: { 1: { example: { a: 1 } } } });
seen.type = (await svix.eventType.get("user.made")).featureFlag;
seen.typeUpdated = (await svix.eventType.update("user.made", { description: "y", featureFlag: "gamma",
  schemas: { 1: { example: { a: 1 } } } })).featureFlag;
seen.types = (await svix.eventType.list()).data.map((row) => row.name);

const endpoint = await svix.endpoint.create("acme", { url: hook("old"), uid: "old", version: 3, filterTypes: ["user.made"],
  rateLimit: 50, channels: ["eu"], secret: secretOf("old"), metadata: {}, description: "" });
seen.endpoint = [endpoint.version, endpoint.filterTypes, endpoint.rateLimit, endpoint.channels];
seen.endpointUpdated = await svix.endpoint.update("acme", "old", { url: hook("old"), uid: "old", version: 4,
  filterTypes: ["user.made"], rateLimit: 60 });
seen.endpoints = (await svix.endpoint.list("acme")).data.map((row) => [row.uid, row.filterTypes]);
await svix.endpoint.updateHeaders("acme", "old", { headers: { "X-Old": "1" } });
await svix.endpoint.patchHeaders("acme", "old", { headers: { "X-New": "2" } });
seen.headers = (await svix.endpoint.getHeaders("acme", "old")).headers;
seen.secret = (await svix.endpoint.getSecret("acme", "old")).key === secretOf("old");

const message = await svix.message.create("acme", { eventType: "user.made", eventId: "m", payload: { a: 1.50 },
  payloadRetentionPeriod: 5, application: { name: "Acme", uid: "acme" } });
seen.message = [message.payload, message.timestamp instanceof Date];
await until("it came", () => came.old?.length === 1);
let verified;
try {
  verified = new old.Webhook(secretOf("old")).verify(came.old[0].body, came.old[0].headers);
} catch (error) {
  verified = String(error);
}
seen.verified = [verified, came.old[0].headers["x-old"], came.old[0].headers["x-new"]];
await until("it is tried", async () => (await svix.messageAttempt.listByMsg("acme", "m")).data.length === 1);
const attempt = (await svix.messageAttempt.listByEndpoint("acme", "old", { status: 0, eventTypes: ["user.made"] })).data[0];
seen.attempt = [attempt.status, attempt.responseStatusCode, (await svix.messageAttempt.get("acme", "m", attempt.id)).id === attempt.id];
seen.messages = (await svix.messageAttempt.listAttemptedMessages("acme", "old")).data.map((row) => row.eventId);
seen.targets = (await svix.messageAttempt.listAttemptedDestinations("acme", "m")).data
  .map((row) => [row.uid, row.version, row.filterTypes, row.rateLimit, row.status]);
seen.listed = (await svix.message.list("acme", { eventTypes: ["user.made"], before: new Date(Date.now() + 60000) })).data
  .map((row) => row.eventId);
await svix.messageAttempt.resend("acme", "m", "old");
await svix.endpoint.rotateSecret("acme", "old", {});
seen.rotated = (await svix.endpoint.getSecret("acme", "old")).key !== secretOf("old");
await svix.endpoint.recover("acme", "old", { since: new Date(Date.now() - 60000) });
seen.stats = (await svix.endpoint.getStats("acme", "old")).fail;
seen.example = (await svix.endpoint.sendExample("acme", "old", { eventType: "user.made" })).payload;
await svix.messageAttempt.expungeContent("acme", "m", attempt.id);
await svix.message.expungeContent("acme", "m");
seen.expunged = (await svix.message.get("acme", "m")).payload;
const access = await svix.authentication.appPortalAccess("acme", { featureFlags: ["gamma"] });
const portal = new old.Svix(access.token, { serverUrl });
seen.portal = (await portal.eventType.list()).data.length;
await portal.authentication.logout();
seen.loggedOut = await codeOf(portal.eventType.list());
await svix.eventType.delete("user.made");
await svix.endpoint.delete("acme", "old");
await svix.application.delete("acme");
seen.gone = await codeOf(svix.application.get("acme"));
close();
finish();
