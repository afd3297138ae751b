// SPDX-License-Identifier: MIT
// Posts webhooks signed by standardwebhooks, good and bad ones: node post_standard.mjs PORT SECRET.
// Prints one JSON line each: {name, status}.
import { Webhook } from "standardwebhooks";

const [port, secret] = process.argv.slice(2);
const webhook = new Webhook(secret);
const other = new Webhook("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
const now = new Date();
const old = new Date(now.getTime() - 6 * 60 * 1000);
const ahead = new Date(now.getTime() + 6 * 60 * 1000);
const body = '{"key":"standard","number":1,"text":"olá €"}';
const good = webhook.sign("msg_good", now, body);

function headersOf(id, date, signature) {
  const seconds = Math.floor(date.getTime() / 1000);
  return { "webhook-id": id, "webhook-timestamp": `${seconds}`, "webhook-signature": signature };
}

const cases = [
  ["good", body, headersOf("msg_good", now, good)],
  ["the same again", body, headersOf("msg_good", now, good)],
  ["one of two signatures", body,
    headersOf("msg_two", now, `${other.sign("msg_two", now, body)} ${webhook.sign("msg_two", now, body)}`)],
  ["another key", body, headersOf("msg_other", now, other.sign("msg_other", now, body))],
  ["another id", body, headersOf("msg_changed", now, good)],
  ["another body", `${body} `, headersOf("msg_good", now, good)],
  ["too old", body, headersOf("msg_old", old, webhook.sign("msg_old", old, body))],
  ["from the future", body, headersOf("msg_ahead", ahead, webhook.sign("msg_ahead", ahead, body))],
  ["no signature", body, { "webhook-id": "msg_none", "webhook-timestamp": "1" }],
];

for (const [name, text, headers] of cases) {
  const response = await fetch(`http://127.0.0.1:${port}/in/standard`, {
    method: "POST", body: text, headers: { "content-type": "application/json", ...headers },
  });
  const answer = await response.json();
  console.log(JSON.stringify({ name, status: response.status, duplicate: answer.duplicate === true }));
}
