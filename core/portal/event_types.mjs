// SPDX-License-Identifier: MIT
// The event types there are, and the field in which some of them are picked.
import { all } from "./api.mjs";
import { el, newId } from "./dom.mjs";

const MANY = 8; // then there is a filter

export function allTypes() {
  return all("event-type");
}

function row(type, picked) {
  const box = el("input", { type: "checkbox", value: type.name, checked: picked.has(type.name) });
  return { type, box, element: el("label", { class: "type" }, box, el("code", {}, type.name),
    type.deprecated ? el("span", { class: "badge off" }, "deprecated") : null,
    el("span", { class: "quiet" }, type.description)) };
}

// A field (form.mjs) of the types; picked: names that are, which need not be there any more. It reads
// as their names in the order of the list, or null: none are picked, which means all.
export function typesField(types, picked) {
  const known = new Set(types.map((type) => type.name));
  const gone = picked.filter((name) => !known.has(name))
    .map((name) => ({ name, description: "no longer offered" }));
  const rows = [...types, ...gone].map((type) => row(type, new Set(picked)));
  const wrongId = newId();
  const wrong = el("p", { id: wrongId, class: "wrong" });
  const filter = el("input", { type: "search", placeholder: "Filter", "aria-label": "Filter the event types" });
  filter.addEventListener("input", () => {
    const wanted = filter.value.trim().toLowerCase();
    for (const { type, element } of rows) {
      element.hidden = !`${type.name} ${type.description}`.toLowerCase().includes(wanted);
    }
  });
  const element = el("fieldset", { class: "field", "aria-describedby": wrongId },
    el("legend", {}, "Event types"),
    el("p", { class: "quiet" }, rows.length > 0 ? "Only those that are ticked are sent; if none is, all are."
      : "The service has not listed any: everything is sent."),
    rows.length > MANY ? filter : null,
    rows.length > 0 ? el("div", { class: "types" }, rows.map((one) => one.element)) : null,
    wrong);
  return {
    name: "eventTypes",
    element,
    read() {
      const names = rows.filter(({ box }) => box.checked).map(({ type }) => type.name);
      return names.length > 0 ? names : null;
    },
    complain: (text) => { wrong.textContent = text; },
    focus: () => rows[0]?.box.focus(),
  };
}
