// SPDX-License-Identifier: MIT
// The messages that went to an endpoint, a page at a time, followed while any is under way.
import { own } from "./api.mjs";
import { button, el } from "./dom.mjs";
import { makeMessage } from "./message.mjs";
import { attempt } from "./note.mjs";
import { pages } from "./pages.mjs";

const PENDING = 1;
const FIRST_LOOK_MS = 500; // each further one takes twice as long to come
const LOOKS_MAX = 8; // of what stays pending; then somebody asks by hand
const LOOKS_AFTER = 4; // of what was asked for, though nothing is pending: it may not show yet
const choices = [["", "All"], ["0", "Delivered"], ["2", "Failed"], ["3", "Retrying"], ["1", "Pending"]];

function nothing(isAll) {
  return el("div", { class: "empty" }, el("p", {}, isAll
    ? "Nothing has been sent to it yet. Open \"Send an example\", and see one arrive."
    : "None is like that."));
}

// Resolves to { element, sent }; sent(): something is under way, so look at the first page soon.
export async function messages(endpoint) {
  const list = el("div", { class: "stack" });
  let shown = new Map(); // id -> what makeMessage made
  let timer = null;

  const filter = el("select", { "aria-label": "Which messages" },
    choices.map(([value, text]) => el("option", { value }, text)));

  // Rows that stay keep their place in the page, their focus and whether they are open.
  function draw(rows) {
    const before = [...shown.keys()];
    const kept = shown;
    const make = (row) => makeMessage(endpoint, row, () => follow(LOOKS_AFTER));
    shown = new Map(rows.map((row) => [row.id, kept.get(row.id) ?? make(row)]));
    for (const row of rows) shown.get(row.id).update(row);
    if (rows.length === 0) {
      list.replaceChildren(nothing(filter.value === ""));
    } else if (before.join() !== [...shown.keys()].join()) {
      const focused = document.activeElement;
      list.replaceChildren(el("ul", { class: "stack" }, [...shown.values()].map((one) => one.element)));
      if (list.contains(focused)) focused.focus();
    }
  }

  const listed = pages({
    path: own("endpoint", endpoint, "msg"),
    parameters: () => ({ with_content: false, status: filter.value || null }),
    draw,
  });
  filter.addEventListener("change", () => attempt(listed.first));

  function follow(wanted, looks = 0) {
    clearTimeout(timer);
    const isPending = [...shown.values()].some((one) => one.status() === PENDING);
    if (looks >= (isPending ? LOOKS_MAX : wanted)) return;
    timer = setTimeout(async () => {
      if (list.isConnected && (document.hidden || await attempt(listed.again))) follow(wanted, looks + 1);
    }, FIRST_LOOK_MS * 2 ** looks);
  }

  await listed.first();
  follow(0);
  return {
    sent: () => attempt(listed.first).then(() => follow(LOOKS_AFTER)),
    element: el("section", { class: "stack" },
      el("div", { class: "line" }, el("h2", {}, "Messages"), el("div", { class: "beside" }, filter,
        button("Refresh", () => attempt(listed.first)))),
      list, listed.element),
  };
}
