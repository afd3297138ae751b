// SPDX-License-Identifier: MIT
// The view of all endpoints.
import { own } from "./api.mjs";
import { el } from "./dom.mjs";
import { stateOf, typesOf } from "./format.mjs";
import { fillAll, healthPlace } from "./health.mjs";
import { pages } from "./pages.mjs";

const TYPES_SHOWN = 4;

function row(endpoint, health) {
  return el("li", { class: "card" },
    el("p", { class: "line" },
      el("a", { class: "url", href: `#/endpoint/${encodeURIComponent(endpoint.id)}` }, endpoint.url),
      stateOf(endpoint)),
    endpoint.description ? el("p", {}, endpoint.description) : null,
    el("p", {}, typesOf(endpoint, TYPES_SHOWN)),
    health);
}

function nothing() {
  return el("section", { class: "empty" },
    el("h2", {}, "No endpoints yet"),
    el("p", {}, "An endpoint is a URL of yours that messages are sent to when something happens. "
      + "Register one, then send it an example to see that it arrives."),
    el("p", {}, el("a", { class: "button main", href: "#/new" }, "Register an endpoint")));
}

export async function showEndpoints() {
  const list = el("div", { class: "stack" });
  const listed = pages({
    path: own("endpoint"),
    draw: (endpoints) => {
      const places = endpoints.map((endpoint) => [healthPlace(), endpoint.id]);
      list.replaceChildren(endpoints.length === 0 ? nothing()
        : el("ul", { class: "stack" }, endpoints.map((endpoint, i) => row(endpoint, places[i][0]))));
      fillAll(places);
    },
  });
  await listed.first();
  return {
    title: "Endpoints",
    element: el("section", { class: "stack" },
      el("div", { class: "line" }, el("h1", {}, "Endpoints"),
        el("a", { class: "button main", href: "#/new" }, "Register an endpoint")),
      list, listed.element),
  };
}
