// SPDX-License-Identifier: MIT
// A customer's way through the portal: node drive_portal.mjs URL TOKEN. Prints what it saw as JSON.
import { Svix } from "svix";
import { openPage } from "./browse.mjs";

const [url, token] = process.argv.slice(2);
const svix = new Svix(token, { serverUrl: url });
const seen = {};

const HOSTILE = "<img src=x onerror=globalThis.hacked=1>";
await svix.application.create({ name: `Acme ${HOSTILE}`, uid: "acme" });
const access = await svix.authentication.appPortalAccess("acme", {});

const page = await openPage(access.url);
await page.says("No endpoints yet");
seen.address = page.window.location.href;
seen.kept = page.window.sessionStorage.getItem("anzol.portal").includes(access.token);

await page.says(HOSTILE);
seen.images = page.document.querySelectorAll("img").length;
seen.hacked = page.window.hacked ?? 0;

await page.close();
console.log(JSON.stringify(seen));
