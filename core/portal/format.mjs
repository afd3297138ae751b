// SPDX-License-Identifier: MIT
// How things are called and shown.
import { el } from "./dom.mjs";

const instants = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const numbers = new Intl.NumberFormat();

export function number(value) {
  return numbers.format(value);
}

// "3 messages", "1 message"
export function count(value, noun) {
  return `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
}

export function time(instant) {
  return el("time", { datetime: instant, title: instant }, instants.format(new Date(instant)));
}

export function badge(text, kind) {
  return el("span", { class: `badge ${kind}` }, text);
}

export function stateOf(endpoint) {
  if (endpoint.disabled) return badge("Disabled", "off");
  if (endpoint.verification === "unverified") return badge("Unverified", "late");
  return badge("Active", "good");
}

// "All event types", or some of them and how many more.
export function typesOf(endpoint, most = Infinity) {
  const types = endpoint.eventTypes ?? [];
  if (types.length === 0) return el("span", { class: "quiet" }, "All event types");
  const left = types.length - most;
  return el("span", { class: "chips" },
    types.slice(0, most).map((type) => el("code", {}, type)),
    left > 0 ? el("span", { class: "quiet" }, `and ${number(left)} more`) : null);
}
