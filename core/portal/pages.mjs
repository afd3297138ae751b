// SPDX-License-Identifier: MIT
// A list of the API, a page at a time, by its iterator.
import { request, withQuery } from "./api.mjs";
import { button, el } from "./dom.mjs";
import { attempt } from "./note.mjs";

const PAGE_ROWS = 20;
const LOOKS = 20; // at most, for a page with anything on it: what is filtered out makes empty ones

// Goes over the list at path; draw(rows) shows a page. parameters(): those of the list beside limit
// and iterator, as of each look.
export function pages({ path, parameters = () => ({}), draw }) {
  let iterators = [null]; // of the pages down to the one that is shown
  let next = null; // of the page behind it
  let asked = 0; // pages, so that one that comes late replaces none
  const newer = button("Newer", () => attempt(() => turn(iterators.slice(0, -1))));
  const older = button("Older", () => attempt(() => turn([...iterators, next])));
  const element = el("nav", { class: "pages", "aria-label": "Pages", hidden: true }, newer, older);

  async function look(iterator) {
    let page = { data: [], done: false, iterator };
    for (let i = 0; i < LOOKS && page.data.length === 0 && !page.done; i++) {
      page = await request("GET", withQuery(path,
        { ...parameters(), limit: PAGE_ROWS, iterator: page.iterator }));
    }
    return page;
  }

  async function turn(wanted) {
    asked += 1;
    const mine = asked;
    const page = await look(wanted.at(-1));
    if (mine !== asked) return;
    iterators = wanted;
    next = page.done ? null : page.iterator;
    newer.disabled = iterators.length === 1;
    older.disabled = next === null;
    element.hidden = newer.disabled && older.disabled;
    draw(page.data);
  }

  return {
    element,
    again: () => turn(iterators),
    first: () => turn([null]),
  };
}
