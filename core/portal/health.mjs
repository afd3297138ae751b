// SPDX-License-Identifier: MIT
// What became of the messages of an endpoint lately, as a bar and in words.
import { own, request, withQuery } from "./api.mjs";
import { el } from "./dom.mjs";
import { count, number } from "./format.mjs";

const DAYS = 7;
const AT_ONCE = 4; // questions

const parts = [
  { name: "success", kind: "good", word: "delivered" },
  { name: "sending", kind: "late", word: "being retried" },
  { name: "fail", kind: "bad", word: "failed" },
  { name: "pending", kind: "off", word: "pending" },
];

function draw(place, stats) {
  const shown = parts.filter((part) => stats[part.name] > 0);
  const sum = shown.reduce((total, part) => total + stats[part.name], 0);
  const bar = el("span", { class: "bar", "aria-hidden": true }, shown.map((part) => {
    const piece = el("span", { class: part.kind });
    piece.style.flexGrow = stats[part.name];
    return piece;
  }));
  const words = shown.map((part) => `${number(stats[part.name])} ${part.word}`).join(", ");
  place.replaceChildren(bar, el("span", { class: "quiet" },
    sum === 0 ? `No messages in ${DAYS} days` : `${count(sum, "message")} in ${DAYS} days: ${words}`));
}

// Fills the place, which has its size already, with what became of an endpoint's messages.
export async function fillHealth(place, id) {
  const since = new Date(Date.now() - DAYS * 86400000).toISOString();
  try {
    draw(place, await request("GET", withQuery(own("endpoint", id, "stats"), { since })));
  } catch (error) {
    place.replaceChildren(el("span", { class: "quiet" }, `How it fares is not known: ${error.message}`));
  }
}

export function healthPlace() {
  return el("p", { class: "health" }, el("span", { class: "bar" }), el("span", { class: "quiet" }, "…"));
}

// Fills the places of many, a few at a time. places: [[place, id]]
export async function fillAll(places) {
  const left = [...places];
  const work = async () => {
    for (let next = left.shift(); next; next = left.shift()) await fillHealth(...next);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}
