// SPDX-License-Identifier: MIT
// A question that is answered before something is done that cannot be undone.
import { el, newId } from "./dom.mjs";

// Resolves to true if the answer is `yes`, which names what is done.
export function ask({ title, text, yes }) {
  const id = newId();
  return new Promise((resolve) => {
    const dialog = el("dialog", { "aria-labelledby": id },
      el("div", { class: "stack" },
        el("h2", { id }, title),
        el("p", {}, text),
        el("p", { class: "buttons" },
          el("button", { type: "button", autofocus: true, onclick: () => dialog.close("") }, "Cancel"),
          el("button", { type: "button", class: "danger", onclick: () => dialog.close("yes") }, yes))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
