// SPDX-License-Identifier: MIT
// What the drives of npm's svix share: node DRIVE.mjs URL TOKEN OPERATIONS …, where OPERATIONS is a file with
// the protocol's operations as JSON. Every call is noted by its operation; `finish` prints what was seen and
// what was called.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { Svix, Webhook } from "svix";

const [url, token, operationsFile] = process.argv.slice(2);
export const more = process.argv.slice(5);
export const serverUrl = url;
export const seen = {};

// ---- What is called ----

const ANSWERS_MAX = 3; // of one operation are kept
const operations = JSON.parse(readFileSync(operationsFile, "utf8")).map((operation) => ({ ...operation,
  pattern: new RegExp(`^${operation.path.replace(/\{[^}]+\}/g, "[^/]+")}/?$`),
  statuses: new Set(), query: new Set(), fields: new Set(), answers: [] }));
const others = new Set();

function operationOf(method, place) {
  return operations.find((operation) => operation.method === method && operation.pattern.test(place.pathname));
}

async function note(request, response) {
  const place = new URL(request.url);
  const operation = operationOf(request.method, place);
  if (!operation) return void others.add(`${request.method} ${place.pathname} ${response.status}`);
  operation.statuses.add(response.status);
  if (!response.ok) return;
  for (const name of place.searchParams.keys()) operation.query.add(name.replace(/\[\d*\]$/, ""));
  if (request.body) for (const name of Object.keys(JSON.parse(request.body))) operation.fields.add(name);
  if (operation.answers.length < ANSWERS_MAX) operation.answers.push(await response.clone().text());
}

const realFetch = globalThis.fetch;
globalThis.fetch = async (place, init) => {
  const response = await realFetch(place, init);
  await note({ url: String(place), method: init?.method ?? "GET", body: init?.body }, response);
  return response;
};

export function finish() {
  const calls = operations.filter((operation) => operation.statuses.size > 0).map(({ method, path, statuses,
    query, fields, answers }) =>
    ({ method, path, statuses: [...statuses], query: [...query], fields: [...fields], answers }));
  process.stdout.write(JSON.stringify({ seen, calls, others: [...others] }));
}

// ---- Clients ----

export const client = (ownToken) => new Svix(ownToken ?? token, { serverUrl: url });
export const svix = client();
export const adminToken = token;

// What a call is refused with: its status, and what the body says. "none": it was not.
export async function refusal(promise) {
  try {
    await promise;
    return "none";
  } catch (error) {
    if (typeof error.code !== "number") throw error;
    return { code: error.code, word: error.body?.code, detail: error.body?.detail };
  }
}

export async function codeOf(promise) {
  const refused = await refusal(promise);
  return refused.code ?? refused;
}

// All rows of a list, by its iterators.
export async function all(list, options) {
  const rows = [];
  let page = { iterator: undefined, done: false };
  while (!page.done) {
    page = await list({ ...options, iterator: page.iterator ?? undefined });
    rows.push(...page.data);
  }
  return rows;
}

export async function until(what, look) {
  const end = Date.now() + 20000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// ---- The receiver: what came to a path, verified by its secret ----

export const secretOf = (name) => `whsec_${Buffer.alloc(24, name).toString("base64")}`;

export function verify(secret, body, headers) {
  try {
    new Webhook(secret).verify(body, headers);
    return body.startsWith("{") ? JSON.parse(body) : body;
  } catch (error) {
    return { failed: String(error) };
  }
}

// answers: the status of a path, 200 if there is none; came: requests by path.
export async function receive() {
  const answers = {};
  const came = {};
  const receiver = createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const name = request.url.slice(1);
      const body = Buffer.concat(chunks).toString();
      (came[name] ??= []).push({ id: request.headers["webhook-id"], body, headers: request.headers,
        verified: verify(secretOf(name), body, request.headers) });
      response.writeHead(answers[name] ?? 200).end(`answer of ${name}`);
    });
  });
  await new Promise((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  const hook = (name) => `http://127.0.0.1:${receiver.address().port}/${name}`;
  const close = () => {
    receiver.close();
    receiver.closeAllConnections();
  };
  return { answers, came, hook, close };
}
