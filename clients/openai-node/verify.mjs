// Whether a webhook is genuine, in the eyes of the openai package.
//
// Reads {"secret", "headers", "body"} as JSON from standard input; prints one JSON line, and ends with 0 or 1.

import OpenAI from "openai";
import { json } from "node:stream/consumers";

const { secret, headers, body } = await json(process.stdin);
const client = new OpenAI({ apiKey: "not used", webhookSecret: secret });
try {
  const { type } = await client.webhooks.unwrap(body, headers);
  console.log(JSON.stringify({ ok: true, type }));
} catch (error) {
  if (!(error instanceof OpenAI.InvalidWebhookSignatureError)) throw error;
  console.log(JSON.stringify({ ok: false, error: error.message }));
  process.exitCode = 1;
}
