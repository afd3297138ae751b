// SPDX-License-Identifier: MIT
// Posts every payload of @octokit/webhooks-examples, signed by @octokit/webhooks-methods, and writes
// what was sent: node post_github.mjs PORT SECRET FILE. One JSON line each: {event, key, body, status}.
import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import { sign, verify } from "@octokit/webhooks-methods";

const [port, secret, file] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const path = require.resolve("@octokit/webhooks-examples/api.github.com/index.json");
const events = JSON.parse(readFileSync(path, "utf8"));
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function post(headers, body) {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path: "/in/github", method: "POST", headers, agent };
    const request = http.request(options, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode));
    });
    request.on("error", reject);
    request.end(body);
  });
}

const out = openSync(file, "w");
let number = 0;
for (const { name, examples } of events) {
  for (const example of examples) {
    const body = JSON.stringify(example);
    const signature = await sign(secret, body);
    if (!(await verify(secret, body, signature))) throw new Error("the referee refuses itself");
    const key = `example-${++number}-${createHash("sha1").update(body).digest("hex")}`;
    const status = await post({
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      "x-github-event": name,
      "x-github-delivery": key,
      "x-hub-signature-256": signature,
    }, body);
    writeSync(out, JSON.stringify({ event: name, key, body, status }) + "\n");
  }
}
closeSync(out);
agent.destroy();
