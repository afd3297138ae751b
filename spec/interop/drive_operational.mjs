// SPDX-License-Identifier: MIT
// What an operator's own endpoint gets to know of a customer's, by npm's svix (svix.mjs says how it is run):
// each is verified by its Webhook class.
import { finish, receive, secretOf, seen, svix, until } from "./svix.mjs";

const { answers, came, close, hook } = await receive();
await svix.endpoint.create("ops", { uid: "ops", url: hook("ops"), secret: secretOf("ops") });
const app = await svix.application.create({ name: "Acme", uid: "acme" });
answers.gone = 410;
const gone = await svix.endpoint.create("acme", { uid: "gone", url: hook("gone"), secret: secretOf("gone") });
const message = await svix.message.create("acme", { eventType: "a", eventId: "m-1", payload: { a: 1 } });
const told = (type) => until(type, () => came.ops?.find((row) => row.verified.type === type)?.verified.data);

const created = await told("endpoint.created");
const exhausted = await told("message.attempt.exhausted");
const disabled = await told("endpoint.disabled");
await svix.endpoint.patch("acme", "gone", { description: "d" });
await told("endpoint.updated");
await svix.application.delete("acme");
const deleted = await told("endpoint.deleted");

seen.types = came.ops.map((row) => row.verified.type ?? row.verified.failed).sort();
seen.ids = [created, disabled, deleted, exhausted].map((data) => [data.appId === app.id, data.appUid,
  data.endpointId === gone.id]);
seen.uids = [created.endpointUid, disabled.endpointUid, deleted.endpointUid];
seen.disabledSince = new Date(disabled.failSince).getTime() > app.createdAt.getTime() - 60000;
seen.last = [exhausted.msgId === message.id, exhausted.msgEventId, exhausted.lastAttempt.responseStatusCode,
  exhausted.lastAttempt.id.slice(0, 5)];
close();
finish();
