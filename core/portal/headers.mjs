// SPDX-License-Identifier: MIT
// The headers that an endpoint gets with every message. What may be a secret is shown by name only.
import { own, request } from "./api.mjs";
import { button, el } from "./dom.mjs";
import { field, form } from "./form.mjs";
import { attempt, note } from "./note.mjs";

function row(name, value, remove) {
  return el("li", { class: "line" },
    el("code", {}, `${name}: `, value ?? el("span", { class: "quiet", title: "It may be a secret" }, "••••••••")),
    button("Remove", remove, { "aria-label": `Remove ${name}` }));
}

export async function showHeaders(id) {
  const path = own("endpoint", id, "headers");
  const list = el("ul", { class: "stack" });

  async function draw() {
    const { headers, sensitive } = await request("GET", path);
    const all = [...Object.entries(headers), ...sensitive.map((name) => [name, null])]
      .sort(([a], [b]) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1));
    list.replaceChildren(...all.map(([name, value]) => row(name, value, () => attempt(async () => {
      await request("PATCH", path, { headers: { [name]: null } });
      note(`${name} is sent no more.`);
      await draw();
    }))));
    if (all.length === 0) list.append(el("li", { class: "quiet" }, "None. Set one if your receiver wants it, "
      + "such as Authorization."));
  }

  const name = field({ name: "name", label: "Name", help: "Such as Authorization" });
  const value = field({ name: "headers", label: "Value",
    help: "Of a header that is there already it replaces the value." });
  await draw();
  return el("div", { class: "stack" }, list, form({ fields: [name, value], submit: "Set header", kind: "",
    send: async () => {
      await request("PATCH", path, { headers: { [name.read().trim()]: value.read() } });
      note(`${name.read().trim()} is sent with every message.`);
      name.control.value = "";
      value.control.value = "";
      await draw();
    } }));
}
