// SPDX-License-Identifier: MIT
// What is sent to an endpoint by hand: an example, and what failed. sent(): something is under way.
import { own, request } from "./api.mjs";
import { allTypes } from "./event_types.mjs";
import { choice, form } from "./form.mjs";
import { note } from "./note.mjs";

const PING = "svix.ping"; // needs no event type
const HOUR_MS = 3600000;
const spans = [
  ["1", "the last hour"], ["24", "the last day"], ["168", "the last seven days"], ["335", "the last two weeks"],
];

export async function exampleForm(id, sent) {
  const types = await allTypes();
  const type = choice({ name: "eventType", label: "Event type",
    help: "The service gives an example for some of them; a ping always works.",
    choices: [[PING, "Ping"], ...types.map(({ name }) => [name, name])] });
  return form({ fields: [type], submit: "Send it", kind: "", send: async () => {
    await request("POST", own("endpoint", id, "send-example"), { eventType: type.read() });
    note("It is on its way.");
    sent();
  } });
}

export function recoverForm(id, sent) {
  const span = choice({ name: "since", label: "Messages of", value: "24", choices: spans,
    help: "Each that failed is tried once more.",
    read: (select) => new Date(Date.now() - Number(select.value) * HOUR_MS).toISOString() });
  return form({ fields: [span], submit: "Recover them", kind: "", send: async () => {
    await request("POST", own("endpoint", id, "recover"), { since: span.read() });
    note("What failed is tried once more.");
    sent();
  } });
}
