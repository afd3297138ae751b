// SPDX-License-Identifier: MIT
// A reader of pages, by npm's happy-dom: the real files of the real server run in it, over real sockets.
// What it finds is found as people do: by what is written there.
import { Browser } from "happy-dom";

const LIMIT_MS = 20000;

export async function openPage(url) {
  const browser = new Browser({
    settings: { enableJavaScriptEvaluation: true, suppressInsecureJavaScriptEnvironmentWarning: true },
  });
  const page = browser.newPage();
  await page.goto(url);
  const window = page.mainFrame.window;
  const { document } = window;

  const text = () => document.body.textContent.replace(/\s+/g, " ");
  const visible = (element) => !element.closest("[hidden]");

  async function until(what, look) {
    const end = Date.now() + LIMIT_MS;
    for (;;) {
      const found = look();
      if (found) return found;
      if (Date.now() > end) throw new Error(`not in time: ${what}\n${text()}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  // The first element of this kind that says just that, else that among other things.
  const find = (kind, words) => {
    const all = [...document.querySelectorAll(kind)].filter(visible);
    const said = all.map((element) => element.textContent.replace(/\s+/g, " ").trim());
    return all[said.indexOf(words)] ?? all[said.findIndex((one) => one.includes(words))];
  };
  const field = (label) => document.getElementById(find("label", label)?.getAttribute("for"));

  return {
    browser, window, document, text, until,
    says: (words) => until(words, () => text().includes(words)),
    find: (kind, words) => until(`${kind} "${words}"`, () => find(kind, words)),
    async press(words) {
      (await until(`a button "${words}"`, () => find("button, a, summary", words))).click();
    },
    async write(label, value) {
      const control = await until(`a field "${label}"`, () => field(label));
      control.value = value;
      control.dispatchEvent(new window.Event("input", { bubbles: true }));
      control.dispatchEvent(new window.Event("change", { bubbles: true }));
    },
    // What is said to be wrong with a field.
    wrong: (label) => {
      const control = field(label);
      if (control?.getAttribute("aria-invalid") !== "true") return null;
      return control.getAttribute("aria-describedby").split(" ")
        .map((id) => document.getElementById(id)).find((place) => place.classList.contains("wrong")).textContent;
    },
    close: () => browser.close(),
  };
}
