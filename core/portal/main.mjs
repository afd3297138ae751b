// SPDX-License-Identifier: MIT
// The page: whose it is, and which view the address asks for.
import { OVER, own, request } from "./api.mjs";
import { button, el } from "./dom.mjs";
import { showEndpoint } from "./endpoint.mjs";
import { showEdit, showNew } from "./endpoint_form.mjs";
import { showEndpoints } from "./endpoints.mjs";
import { attempt, note } from "./note.mjs";
import { current, forget, take } from "./session.mjs";

const place = document.getElementById("view");
const logOut = document.getElementById("log-out");

// What the address names behind "#". A view resolves to { title, element } when it has what it shows.
const views = [
  { pattern: /^(?:#\/)?$/, show: showEndpoints },
  { pattern: /^#\/new$/, show: showNew },
  { pattern: /^#\/endpoint\/([^/]+)$/, show: showEndpoint },
  { pattern: /^#\/endpoint\/([^/]+)\/edit$/, show: showEdit },
];

function put({ title, element }) {
  place.replaceChildren(element);
  document.title = title ? `${title} · Webhooks` : "Webhooks";
  place.focus({ preventScroll: true });
  scrollTo(0, 0);
}

function end(title, text) {
  forget();
  asked += 1;
  note("", "");
  logOut.hidden = true;
  document.getElementById("application").textContent = "";
  put({ title, element: el("section", { class: "empty" }, el("h1", {}, title), el("p", {}, text)) });
}

function complain(error) {
  put({ title: "Not shown", element: el("section", { class: "empty" },
    el("h1", {}, "This cannot be shown"),
    el("p", {}, error.message),
    el("p", {}, button("Try again", show), " ", el("a", { href: "#/" }, "All endpoints"))) });
}

let asked = 0; // views, so that one that comes late replaces none

// The view before stays until the next one is there.
async function show() {
  asked += 1;
  const mine = asked;
  const found = views.map(({ pattern, show }) => ({ match: location.hash.match(pattern), show }))
    .find(({ match }) => match);
  place.setAttribute("aria-busy", "true");
  try {
    if (!found) throw new Error("There is nothing at this address.");
    const view = await found.show(...found.match.slice(1).map(decodeURIComponent));
    if (mine === asked) put(view);
  } catch (error) {
    if (mine === asked) complain(error);
  } finally {
    if (mine === asked) place.removeAttribute("aria-busy");
  }
}

async function begin() {
  if (!current()) {
    end("No application", "This page is opened by a link from the service that sends you webhooks. "
      + "Go there, and open it anew.");
    return;
  }
  logOut.hidden = false;
  await Promise.all([
    show(),
    request("GET", own()).then((app) => {
      document.getElementById("application").textContent = app.name;
    }).catch(() => {}), // the view says what is wrong
  ]);
}

addEventListener("hashchange", () => (take() ? begin() : current() && show()));
addEventListener(OVER, () => end("Your session is over",
  "It has ended, or it was revoked. Go back to the service that sends you webhooks, and open this page anew."));
logOut.addEventListener("click", async () => {
  if (await attempt(() => request("POST", "auth/logout"))) end("You are logged out", "You may close this page.");
});

take();
begin();
