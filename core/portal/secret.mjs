// SPDX-License-Identifier: MIT
// The key that an endpoint's messages are signed with: shown, copied, rotated.
import { own, request } from "./api.mjs";
import { ask } from "./ask.mjs";
import { button, el } from "./dom.mjs";
import { choice, form } from "./form.mjs";
import { attempt, note } from "./note.mjs";

const graces = [["86400", "a day"], ["604800", "a week"], ["3600", "an hour"], ["0", "no longer"]];

async function copy(control, text) {
  try {
    await navigator.clipboard.writeText(text);
    note("It is copied.");
  } catch { // browsers that allow it only over https, or not in a frame
    control.value = text;
    control.select();
    note("Your browser lets a page copy nothing here: it is selected, copy it by your keyboard.");
  }
}

export function showSecret(id) {
  const control = el("input", { readonly: true, "aria-label": "Signing secret", value: "••••••••••••••••" });
  const look = async () => (await request("GET", own("endpoint", id, "secret"))).key;
  const show = async () => {
    control.value = await look();
  };
  const grace = choice({ name: "gracePeriodSeconds", label: "The former one is good for", value: "86400",
    help: "Until then each message is signed with both, so that you can change yours without losing any.",
    choices: graces, read: (select) => Number(select.value) });
  const rotate = async () => {
    const isSure = await ask({ title: "Rotate the secret?", yes: "Rotate it",
      text: "From now on messages are signed with a new one, which you take over where they are verified." });
    if (!isSure) return;
    await request("POST", own("endpoint", id, "secret", "rotate"), { [grace.name]: grace.read() });
    note("There is a new secret.");
    await show();
  };
  return el("div", { class: "stack" },
    el("p", { class: "quiet" }, "Each message is signed with it as Standard Webhooks say (headers webhook-id, "
      + "webhook-timestamp, webhook-signature). Verify that before you believe a message."),
    el("div", { class: "beside" }, control, button("Show", () => attempt(show)),
      button("Copy", () => attempt(async () => copy(control, await look())))),
    form({ fields: [grace], submit: "Rotate", kind: "", send: rotate }));
}
