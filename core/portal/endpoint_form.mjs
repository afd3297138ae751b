// SPDX-License-Identifier: MIT
// The views in which an endpoint is registered and changed.
import { own, request } from "./api.mjs";
import { el } from "./dom.mjs";
import { allTypes, typesField } from "./event_types.mjs";
import { field, form, words } from "./form.mjs";
import { note } from "./note.mjs";

const optional = (value) => (value === "" ? null : value);

function fieldsOf(endpoint, types) {
  return [
    field({ name: "url", label: "URL", type: "url", value: endpoint.url, placeholder: "https://example.com/webhooks",
      help: "Messages are sent there by POST. Answer with a status of 200 to 299 within 15 seconds." }),
    typesField(types, endpoint.eventTypes ?? []),
    field({ name: "description", label: "Description", value: endpoint.description,
      help: "For yourself: what it is for, or who looks after it." }),
    field({ name: "channels", label: "Channels", value: (endpoint.channels ?? []).join(", "),
      help: "At most ten, apart by commas. Empty: messages of all channels.",
      read: (control) => (words(control.value).length > 0 ? words(control.value) : null) }),
    field({ name: "throttleRate", label: "At most this many messages a second", type: "number", min: 1, max: 65535,
      value: endpoint.throttleRate, help: "Empty: as fast as you answer.",
      read: (control) => (optional(control.value) === null ? null : Number(control.value)) }),
  ];
}

function view(title, back, fields, submit, send) {
  return {
    title,
    element: el("section", { class: "stack" },
      el("h1", {}, title),
      el("div", { class: "card" },
        form({ fields, submit, send, more: el("a", { class: "button", href: back }, "Cancel") }))),
  };
}

export function addressOf(id) {
  return `#/endpoint/${encodeURIComponent(id)}`;
}

export async function showNew() {
  const fields = fieldsOf({}, await allTypes());
  return view("Register an endpoint", "#/", fields, "Register", async () => {
    const given = fields.map((one) => [one.name, one.read()]).filter(([, value]) => value !== null);
    const endpoint = await request("POST", own("endpoint"), Object.fromEntries(given));
    note("It is registered. Send it an example to see that it arrives.");
    location.replace(addressOf(endpoint.id));
  });
}

// Only what is changed is sent, so that what somebody else changed meanwhile stays.
export async function showEdit(id) {
  const [endpoint, types] = await Promise.all([request("GET", own("endpoint", id)), allTypes()]);
  const fields = fieldsOf(endpoint, types);
  const before = new Map(fields.map((one) => [one, JSON.stringify(one.read())]));
  return view("Change the endpoint", addressOf(id), fields, "Save", async () => {
    const changed = fields.filter((one) => JSON.stringify(one.read()) !== before.get(one));
    if (changed.length > 0) {
      await request("PATCH", own("endpoint", id),
        Object.fromEntries(changed.map((one) => [one.name, one.read()])));
    }
    note(changed.length > 0 ? "It is changed." : "Nothing was changed.");
    location.replace(addressOf(id));
  });
}
