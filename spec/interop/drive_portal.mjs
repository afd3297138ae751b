// SPDX-License-Identifier: MIT
// A customer's way through the portal: node drive_portal.mjs URL TOKEN. Prints what it saw as JSON.
import { createServer } from "node:http";
import { Svix } from "svix";
import { openPage } from "./browse.mjs";

const [url, token] = process.argv.slice(2);
const svix = new Svix(token, { serverUrl: url });
const seen = {};

const HOSTILE = "<img src=x onerror=globalThis.hacked=1>";
await svix.application.create({ name: `Acme ${HOSTILE}`, uid: "acme" });
await svix.eventType.create({ name: "invoice.paid", description: `Paid ${HOSTILE}`,
  schemas: { 1: { type: "object", example: { note: HOSTILE, cents: 7 } } } });
await svix.eventType.create({ name: "invoice.sent", description: "An invoice was sent" });

// ---- The receiver: it answers what it is told to ----
let answer = [200, `thanks ${HOSTILE}`];
const came = [];
const receiver = createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    came.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
    response.writeHead(answer[0]).end(answer[1]);
  });
});
await new Promise((resolve) => receiver.listen(0, "127.0.0.1", resolve));
const target = `http://127.0.0.1:${receiver.address().port}/hooks`;

const access = await svix.authentication.appPortalAccess("acme", {});
const page = await openPage(access.url);
const only = async () => (await svix.endpoint.list("acme")).data[0];

// ---- Nothing yet; the token is out of sight ----
await page.says("No endpoints yet");
seen.address = page.window.location.href;
seen.kept = page.window.sessionStorage.getItem("anzol.portal").includes(access.token);
await page.says(HOSTILE);

// ---- An endpoint is registered, at the second try ----
await page.press("Register an endpoint");
await page.find("h1", "Register an endpoint");
await page.says(`Paid ${HOSTILE}`);
await page.write("URL", "nonsense");
await page.write("At most this many", "70000");
await page.write("Channels", "a!");
await page.press("Register");
await page.until("the rate is wrong", () => page.wrong("At most this many"));
seen.wrong = { rate: page.wrong("At most this many"), channels: page.wrong("Channels"),
  description: page.wrong("Description"), focused: page.document.activeElement.value };
await page.write("At most this many", "50");
await page.write("Channels", "");
await page.press("Register");
seen.wrongUrl = await page.until("the URL is wrong", () => page.wrong("URL"));
seen.healed = page.wrong("At most this many");
await page.write("URL", target);
await page.write("Description", `Mine ${HOSTILE}`);
page.document.querySelector('input[value="invoice.paid"]').click();
await page.press("Register");
await page.find("h1", target);
const { url: where, description, eventTypes, throttleRate, disabled } = await only();
seen.registered = { where: where === target, description, eventTypes, throttleRate, disabled };

// ---- An example is sent, and seen ----
await page.says("Nothing has been sent to it yet");
await page.press("Send an example");
await page.write("Event type", "invoice.paid");
await page.press("Send it");
await page.find("summary", "Delivered");
await page.press("invoice.paid");
await page.says(`thanks ${HOSTILE}`);
seen.message = { came: JSON.parse(came[0].body), status: (await page.find("li .badge", "200")).textContent,
  payload: JSON.parse((await page.find("pre", "cents")).textContent) };
await page.press("Send again");
await page.until("a second attempt", () => came.length === 2
  && page.document.querySelectorAll("details[open] li .badge").length === 2);
seen.byHand = page.text().includes("asked for by hand");
await page.write("Event type", "invoice.sent");
await page.press("Send it");
await page.says("the event type has no schema with an example");

// ---- What fails is tried again ----
answer = [500, "down"];
await svix.message.create("acme", { eventType: "invoice.paid", payload: { n: 2 } });
await page.press("Refresh");
await page.find("summary", "Retrying");

// ---- Secret and headers ----
const secret = (await svix.endpoint.getSecret("acme", (await only()).id)).key;
const shownSecret = () => page.document.querySelector("input[readonly]")?.value;
await page.press("Signing secret");
await page.until("the secret's place", shownSecret);
seen.masked = shownSecret().includes("whsec_");
await page.press("Show");
await page.until("the secret", () => shownSecret() === secret);
await page.press("Rotate");
await page.press("Rotate it");
await page.until("another secret", () => shownSecret() !== secret);
seen.rotated = shownSecret() === (await svix.endpoint.getSecret("acme", (await only()).id)).key;
await page.press("Custom headers");
await page.write("Name", "Webhook-Id");
await page.write("Value", "x");
await page.press("Set header");
seen.header = await page.until("the header is refused", () => page.wrong("Value"));
for (const [name, value] of [["Authorization", "Bearer hidden-one"], ["X-Team", HOSTILE]]) {
  await page.write("Name", name);
  await page.write("Value", value);
  await page.press("Set header");
  await page.find("li code", `${name}: `);
}
seen.headers = [page.text().includes("hidden-one"), page.text().includes(`X-Team: ${HOSTILE}`)];
(await page.until("its button", () => page.document.querySelector('[aria-label="Remove X-Team"]'))).click();
await page.until("it is gone", () => !page.document.querySelector('[aria-label="Remove X-Team"]'));

// ---- It is changed, disabled, and at last deleted ----
await page.press("Edit");
await page.find("h1", "Change the endpoint");
await page.write("Description", "");
page.document.querySelector('input[value="invoice.paid"]').click();
await page.write("Channels", "one two");
await page.press("Save");
await page.press("Disable");
await page.says("It is disabled: nothing is sent to it");
const changed = await only();
seen.changed = [changed.description, changed.eventTypes ?? null, changed.channels, changed.disabled, changed.throttleRate];
await page.press("All endpoints");
await page.find("li.card .badge", "Disabled");
await page.says("2 messages in 7 days");
await page.press(target);
await page.press("Delete");
await page.press("Cancel");
seen.stays = (await svix.endpoint.list("acme")).data.length;
await page.press("Delete");
await page.press("Delete it");
await page.says("No endpoints yet");
seen.left = (await svix.endpoint.list("acme")).data.length;

// ---- Many endpoints, a page at a time, the newest first; one of them has yet to prove itself ----
for (let i = 1; i <= 21; i++) await svix.endpoint.create("acme", { url: `${target}/${i}`, disabled: true });
await svix.application.patch("acme", { metadata: { ownership: "challenge" } });
await svix.endpoint.create("acme", { url: `${target}/last` });
const cards = () => [...page.document.querySelectorAll("li.card")];
const reads = (first, last) => page.until(`${first} to ${last}`, () => cards()[0]?.textContent.includes(`hooks/${first}`)
  && cards().at(-1).textContent.includes(`hooks/${last}`));
page.window.location.hash = "#/new";
await page.find("h1", "Register an endpoint");
await page.press("Cancel");
await reads("last", 3);
seen.states = [cards()[0].textContent.includes("Unverified"), cards()[1].textContent.includes("Disabled")];
await page.press("Older");
await reads(2, 1);
await page.press("Newer");
await reads("last", 3);
page.window.location.hash = "#/endpoint/ep_none";
await page.says("This cannot be shown");
seen.unknown = page.text().match(/This cannot be shown(.*?)Try again/)[1];

// ---- The end: by hand, by whoever revokes; and another link in the same tab ----
seen.images = page.document.querySelectorAll("img").length;
seen.hacked = page.window.hacked ?? 0;
await page.press("Log out");
await page.says("You are logged out");
seen.forgotten = page.window.sessionStorage.getItem("anzol.portal");
await page.close();
const late = await openPage(access.url);
await late.says("Your session is over");
late.window.location.hash = (await svix.authentication.appPortalAccess("acme", {})).url.split("#")[1];
await late.find("h1", "Endpoints");
await late.close();
const without = await openPage(access.url.replace(/#.*/, ""));
await without.says("This page is opened by a link");
await without.close();

receiver.close();
receiver.closeAllConnections();
console.log(JSON.stringify(seen));
