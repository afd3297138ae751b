// SPDX-License-Identifier: MIT
// What just happened, in a line that covers nothing for long and that screen readers say.
const SHOWN_MS = 6000;

let timer = null;

export function note(text, kind = "good") {
  const place = document.getElementById("note");
  clearTimeout(timer);
  place.className = kind;
  place.textContent = text;
  timer = setTimeout(() => {
    place.textContent = "";
    place.className = "";
  }, SHOWN_MS);
}

// Does it; what is refused is told. True: it was done.
export async function attempt(act) {
  try {
    await act();
    return true;
  } catch (error) {
    note(error.problems?.length > 0 ? error.problems.map((problem) => problem.msg).join("; ") : error.message, "bad");
    return false;
  }
}
