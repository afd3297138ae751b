// SPDX-License-Identifier: MIT
// Requests to the REST API with the session's token.
import { current } from "./session.mjs";

const LIMIT_MS = 30000;
const PAGE_MAX = 250; // rows of a list, at most

// What the API refused, or that it did not answer (status 0).
export class Refusal extends Error {
  // problems: of a 422, [{ loc, msg }]
  constructor(status, message, problems = []) {
    super(message);
    this.status = status;
    this.problems = problems;
  }

}

// Told to the window when the session's token is good for nothing any more.
export const OVER = "session-over";

// As JSON, but numbers as they were written where the browser can keep them.
function parse(text) {
  return JSON.parse(text, (_, value, context) =>
    typeof value === "number" && context?.source && JSON.rawJSON && !Number.isSafeInteger(value)
      ? JSON.rawJSON(context.source) : value);
}

async function refusal(response) {
  const body = await response.json().catch(() => ({}));
  if (Array.isArray(body.detail)) return new Refusal(response.status, "some fields are wrong", body.detail);
  return new Refusal(response.status, body.detail ?? `the server answered ${response.status}`);
}

// The decoded answer; null if it has no body. Throws a Refusal.
export async function request(method, path, body) {
  const token = current()?.token ?? "";
  const headers = { authorization: `Bearer ${token}` };
  if (body !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(new URL(`../api/v1/${path}`, document.baseURI), {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store", // what customers of customers are sent is no browser's to keep
      credentials: "omit",
      signal: AbortSignal.timeout(LIMIT_MS),
    });
  } catch {
    throw new Refusal(0, "The server cannot be reached. Look at your connection, and try again.");
  }
  if (response.status === 401 && token === current()?.token) dispatchEvent(new Event(OVER));
  if (!response.ok) throw await refusal(response);
  const text = await response.text();
  return text === "" ? null : parse(text);
}

// A path below the session's application: own("endpoint", id, "stats").
export function own(...parts) {
  return ["app", current()?.app ?? "", ...parts].map(encodeURIComponent).join("/");
}

// A path with parameters; those that are null are left out.
export function withQuery(path, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null);
  return given.length > 0 ? `${path}?${new URLSearchParams(given)}` : path;
}

// All rows of a list, page by page.
export async function all(path, parameters = {}) {
  const rows = [];
  let page = { iterator: null, done: false };
  while (!page.done) {
    page = await request("GET", withQuery(path, { ...parameters, limit: PAGE_MAX, iterator: page.iterator }));
    rows.push(...page.data);
  }
  return rows;
}
