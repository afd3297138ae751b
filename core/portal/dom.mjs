// SPDX-License-Identifier: MIT
// Elements. Text goes in as text nodes and attribute values alone, so nothing that a server or
// receiver says becomes markup.

// el("p", { class: "quiet", onclick: f }, "text", other): an attribute that is true has no value,
// one that is false or null is left out; so are children that are null.
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child != null));
  return element;
}

// A button that does what it says, once at a time.
export function button(text, act, attributes = {}) {
  const element = el("button", { type: "button", ...attributes }, text);
  element.addEventListener("click", async () => {
    if (element.getAttribute("aria-disabled") === "true") return;
    element.setAttribute("aria-disabled", "true");
    try {
      await act(element);
    } finally {
      element.removeAttribute("aria-disabled");
    }
  });
  return element;
}

// A part that is made when it is opened first: make() resolves to what it shows.
export function fold(title, make) {
  const place = el("div", { class: "fold" });
  const details = el("details", {}, el("summary", {}, title), place);
  let isMade = false;
  details.addEventListener("toggle", async () => {
    if (!details.open || isMade) return;
    isMade = true;
    try {
      place.replaceChildren(await make());
    } catch (error) {
      isMade = false;
      place.replaceChildren(el("p", { class: "wrong" }, error.message));
    }
  });
  return details;
}

let ids = 0;
// For labels and what describes them.
export function newId() {
  ids += 1;
  return `id-${ids}`;
}
