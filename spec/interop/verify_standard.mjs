// SPDX-License-Identifier: MIT
// Verifies with standardwebhooks what Anzol sent: node verify_standard.mjs SECRET FILE. FILE: one JSON
// line each, {headers, body} (body in base64). Prints how many were genuine; exits 1 at the first
// that is not, or if one with a changed byte passes.
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const [secret, file] = process.argv.slice(2);
const webhook = new Webhook(secret);

function accepts(body, headers) {
  try {
    webhook.verify(body, headers);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return true; // genuine, but no JSON
    return false;
  }
}

let count = 0;
for (const line of readFileSync(file, "utf8").split("\n").filter((text) => text !== "")) {
  const { headers, body } = JSON.parse(line);
  const bytes = Buffer.from(body, "base64");
  if (!accepts(bytes, headers)) {
    console.error(`refused: ${headers["webhook-id"]}`);
    process.exit(1);
  }
  bytes[bytes.length - 1] ^= 1;
  if (accepts(bytes, headers)) {
    console.error(`accepted with a changed byte: ${headers["webhook-id"]}`);
    process.exit(1);
  }
  count++;
}
console.log(count);
