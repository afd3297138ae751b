// SPDX-License-Identifier: MIT
// The view of one endpoint.
import { own, request } from "./api.mjs";
import { ask } from "./ask.mjs";
import { button, el, fold } from "./dom.mjs";
import { addressOf } from "./endpoint_form.mjs";
import { number, stateOf, time, typesOf } from "./format.mjs";
import { showHeaders } from "./headers.mjs";
import { fillHealth, healthPlace } from "./health.mjs";
import { messages } from "./messages.mjs";
import { attempt, note } from "./note.mjs";
import { showSecret } from "./secret.mjs";
import { exampleForm, recoverForm } from "./send.mjs";

function standing(endpoint) {
  if (endpoint.disabled) return "It is disabled: nothing is sent to it.";
  if (endpoint.verification !== "unverified") return "It gets messages as they come.";
  return "It has yet to prove that it wants webhooks: it is asked, for a day after its last change, and gets "
    + "nothing else until it answers. What is published for it meanwhile waits.";
}

function fact(name, ...values) {
  return [el("dt", {}, name), el("dd", {}, ...values)];
}

function facts(endpoint) {
  return el("dl", { class: "facts" },
    fact("Event types", typesOf(endpoint)),
    endpoint.channels ? fact("Channels", el("span", { class: "chips" },
      endpoint.channels.map((channel) => el("code", {}, channel)))) : null,
    endpoint.throttleRate ? fact("At most", `${number(endpoint.throttleRate)} messages a second`) : null,
    endpoint.allowedRate ? fact("Its receiver allows", `${number(endpoint.allowedRate)} messages a minute`) : null,
    fact("Registered", time(endpoint.createdAt)),
    fact("Changed", time(endpoint.updatedAt)),
    fact("Id", el("code", {}, endpoint.id)));
}

async function remove(endpoint) {
  const isSure = await ask({ title: "Delete this endpoint?", yes: "Delete it",
    text: `Nothing more is sent to ${endpoint.url}, not even what waits. This cannot be undone.` });
  if (isSure && await attempt(() => request("DELETE", own("endpoint", endpoint.id)))) {
    note("It is deleted.");
    location.replace("#/");
  }
}

// What changes when it is disabled or enabled. Drawn anew then.
function draw(place, endpoint) {
  const turn = button(endpoint.disabled ? "Enable" : "Disable", () => attempt(async () => {
    const changed = await request("PATCH", own("endpoint", endpoint.id), { disabled: !endpoint.disabled });
    note(changed.disabled ? "It is disabled." : "It is enabled.");
    draw(place, changed).focus();
  }));
  place.replaceChildren(el("div", { class: "stack" },
    el("div", { class: "line" }, el("h1", { class: "url" }, endpoint.url), stateOf(endpoint)),
    endpoint.description ? el("p", {}, endpoint.description) : null,
    el("p", { class: "quiet" }, standing(endpoint)),
    el("p", { class: "buttons" },
      el("a", { class: "button", href: `${addressOf(endpoint.id)}/edit` }, "Edit"), turn,
      button("Delete", () => remove(endpoint), { class: "danger" }))));
  return turn;
}

export async function showEndpoint(id) {
  const endpoint = await request("GET", own("endpoint", id));
  const head = el("div");
  draw(head, endpoint);
  const health = healthPlace();
  fillHealth(health, id);
  const sending = await messages(id);
  return {
    title: endpoint.url,
    element: el("section", { class: "stack" },
      el("p", {}, el("a", { href: "#/" }, "All endpoints")),
      head,
      el("div", { class: "card" }, health, facts(endpoint)),
      el("div", { class: "card" },
        fold("Signing secret", () => showSecret(id)),
        fold("Custom headers", () => showHeaders(id)),
        fold("Send an example", () => exampleForm(id, sending.sent)),
        fold("Recover what failed", () => recoverForm(id, sending.sent))),
      sending.element),
  };
}
