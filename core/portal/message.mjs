// SPDX-License-Identifier: MIT
// One message that went to an endpoint: what became of it, and, opened, what was sent and answered.
import { own, request, withQuery } from "./api.mjs";
import { button, el } from "./dom.mjs";
import { badge, number, time } from "./format.mjs";
import { attempt, note } from "./note.mjs";

const ATTEMPTS_SHOWN = 20;
const states = [["Delivered", "good"], ["Pending", "off"], ["Failed", "bad"], ["Retrying", "late"]];

function attemptRow(row) {
  const [word, kind] = row.responseStatusCode === 0 ? ["No answer", "bad"]
    : [String(row.responseStatusCode), row.status === 0 ? "good" : "bad"];
  return el("li", { class: "stack" },
    el("p", { class: "chips" }, badge(word, kind), time(row.timestamp),
      el("span", { class: "quiet" }, `after ${number(row.responseDurationMs)} ms`),
      row.triggerType === 1 ? el("span", { class: "quiet" }, "asked for by hand") : null),
    row.responseStatusCode === 0 ? el("p", { class: "quiet" }, row.response || "Nothing was answered.")
      : row.response ? el("pre", { tabindex: 0, "aria-label": "What was answered" }, row.response)
      : el("p", { class: "quiet" }, "Nothing was answered."));
}

// status(): as of the last update. under_way(): an attempt was asked for.
export function makeMessage(endpoint, first, underWay) {
  let shown = first;
  const state = el("span", { class: "state" });
  const next = el("span", { class: "quiet" });
  const payload = el("pre", { tabindex: 0, "aria-label": "Payload" }, "…");
  const attempts = el("ul", { class: "stack" });
  const more = el("p", { class: "quiet" });
  let isFilled = false;

  async function readPayload() {
    const message = await request("GET", own("msg", shown.id));
    payload.textContent = JSON.stringify(message.payload, null, 2);
  }

  async function readAttempts() {
    const page = await request("GET", withQuery(own("attempt", "msg", shown.id),
      { endpoint_id: endpoint, limit: ATTEMPTS_SHOWN }));
    attempts.replaceChildren(...page.data.map(attemptRow));
    if (page.data.length === 0) attempts.append(el("li", { class: "quiet" }, "None yet."));
    more.textContent = page.done ? "" : `The last ${ATTEMPTS_SHOWN} are shown.`;
  }

  const details = el("details", { class: "card" },
    el("summary", {}, el("span", { class: "line" }, el("code", {}, first.eventType), time(first.timestamp), state)),
    el("div", { class: "stack" },
      el("p", { class: "line" }, el("code", { class: "quiet" }, first.id), next,
        button("Send again", () => attempt(async () => {
          await request("POST", own("msg", shown.id, "endpoint", endpoint, "resend"));
          note("It is being sent again.");
          underWay();
        }))),
      el("h3", {}, "Payload"), payload,
      el("h3", {}, "Attempts"), attempts, more));
  details.addEventListener("toggle", () => {
    if (!details.open || isFilled) return;
    isFilled = true;
    attempt(() => Promise.all([readPayload(), readAttempts()]));
  });

  function update(row) {
    shown = row;
    const [word, kind] = states[row.status];
    state.replaceChildren(badge(word, kind));
    next.replaceChildren(...(row.nextAttempt ? ["tried next ", time(row.nextAttempt)] : []));
    if (isFilled && details.open) attempt(readAttempts);
  }

  return { element: el("li", {}, details), update, status: () => shown.status };
}
