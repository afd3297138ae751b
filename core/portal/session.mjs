// SPDX-License-Identifier: MIT
// Whose page this is: the application and its token, which the link brings behind "#". They are
// taken out of the address bar, and kept until the tab closes; where a browser lets a page in a
// frame keep nothing, until the page does.
const NAME = "anzol.portal";

let kept = null; // { app, token }

function keep(session) {
  kept = session;
  try {
    if (session) sessionStorage.setItem(NAME, JSON.stringify(session));
    else sessionStorage.removeItem(NAME);
  } catch {
    // Then it is in memory alone.
  }
}

function recall() {
  try {
    return JSON.parse(sessionStorage.getItem(NAME));
  } catch {
    return null;
  }
}

// Takes what the address brings. True: it brought a session.
export function take() {
  const brought = new URLSearchParams(location.hash.slice(1));
  const app = brought.get("app");
  const token = brought.get("token");
  if (!app || !token) return false;
  keep({ app, token });
  history.replaceState(null, "", location.pathname + location.search);
  return true;
}

// { app, token }, or null.
export function current() {
  kept ??= recall();
  return kept;
}

export function forget() {
  keep(null);
}
