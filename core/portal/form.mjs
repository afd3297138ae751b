// SPDX-License-Identifier: MIT
// Forms: what the API says is wrong with a field is shown at it, all else beside the button. Both
// have their room before, so that nothing moves.
import { el, newId } from "./dom.mjs";

// A field is { name, element, read(), complain(text, or ""), focus() }. This one is a control with
// a label; attributes: those of the control, and `tag` if it is no input.
export function field({ name, label, help, read = (control) => control.value, tag = "input", ...attributes },
  ...children) {
  const [id, helpId, wrongId] = [newId(), newId(), newId()];
  const control = el(tag, { id, "aria-describedby": `${helpId} ${wrongId}`, autocomplete: "off", ...attributes },
    ...children);
  const wrong = el("p", { id: wrongId, class: "wrong" });
  return {
    name,
    control,
    element: el("div", { class: "field" }, el("label", { for: id }, label),
      el("p", { id: helpId, class: "quiet" }, help), control, wrong),
    read: () => read(control),
    complain(text) {
      wrong.textContent = text;
      control.setAttribute("aria-invalid", text !== "");
    },
    focus: () => control.focus(),
  };
}

// One of some values. choices: [[value, text]]
export function choice({ choices, value, ...rest }) {
  return field({ tag: "select", ...rest },
    choices.map(([given, text]) => el("option", { value: given, selected: given === value }, text)));
}

// The words of a text, apart by blanks or commas.
export function words(text) {
  return text.split(/[\s,]+/).filter((word) => word !== "");
}

// Tells each field what is wrong with it. Returns what is no field's.
function complain(fields, error) {
  const left = error.problems?.length > 0 ? [] : [error.message];
  const texts = new Map(fields.map((one) => [one, []]));
  for (const { loc, msg } of error.problems ?? []) {
    const [, name, ...members] = loc;
    const one = fields.find((known) => known.name === name);
    const text = [...members, msg].join(": ");
    if (one) texts.get(one).push(text);
    else left.push([name, text].filter(Boolean).join(": "));
  }
  for (const [one, list] of texts) one.complain(list.join("; "));
  fields.find((one) => texts.get(one).length > 0)?.focus();
  return left.join("; ");
}

// send() does what the form is for, and may throw a Refusal. more: further buttons and links.
export function form({ fields, submit, send, kind = "main", more = [] }) {
  const alert = el("p", { class: "wrong", role: "alert" });
  const button = el("button", { class: kind }, submit);
  const element = el("form", { class: "stack", novalidate: true },
    fields.map((one) => one.element), el("div", { class: "buttons" }, button, more, alert));
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    alert.textContent = "";
    for (const one of fields) one.complain("");
    try {
      await send();
    } catch (error) {
      alert.textContent = complain(fields, error);
    } finally {
      button.disabled = false;
    }
  });
  return element;
}
