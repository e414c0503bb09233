// What the checks of all Node clients share.
//
// `main({name: check, ...})` runs those named on the command line, prints one JSON line for each, and ends with 1
// when one failed. FILMGATE_URL and FILMGATE_KEY say which gateway, and as whom.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

export const { FILMGATE_URL: url, FILMGATE_KEY: key } = process.env;
export const picture = new URL("picture.png", import.meta.url);
export const pictureBytes = readFileSync(picture);
export const pictureUri = `data:image/png;base64,${pictureBytes.toString("base64")}`;
// No client and no gateway fetches it: the provider would, and the simulated one only writes it down.
export const pictureUrl = "https://pictures.example/fox.png";

export async function main(checks) {
  for (const name of process.argv.slice(2)) {
    const start = performance.now();
    const line = { check: name, ok: true };
    try {
      await checks[name]();
    } catch (error) {
      process.exitCode = 1;
      Object.assign(line, { ok: false, error: `${error}`, where: error?.stack, cause: `${error?.cause ?? ""}` });
    }
    line.ms = Math.round(performance.now() - start);
    console.log(JSON.stringify(line));
  }
}

/** The error of that class that the promise ends with. */
export async function rejected(kind, promise) {
  const error = await promise.then(
    (result) => assert.fail(`no ${kind.name}, but ${JSON.stringify(result).slice(0, 500)}`),
    (error) => error,
  );
  // Several copies of a class may be about; the AI SDK marks its errors.
  if (!(kind.isInstance?.(error) ?? error instanceof kind)) throw error;
  return error;
}

/** Asks until there is an answer other than undefined. */
export async function until(what, question, seconds = 60) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
    const answer = await question();
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`waited ${seconds} s for ${what}`);
}

export function isMp4(content, delivered) {
  assert.equal(Buffer.from(content.subarray(4, 8)).toString(), "ftyp", "the file's first box");
  if (!delivered) return;
  assert.equal(content.length, delivered.bytes, "the file's size");
  assert.equal(createHash("sha256").update(content).digest("hex"), delivered.sha256, "the file's hash");
}

export function isWebp(content) {
  const text = (from, to) => Buffer.from(content.subarray(from, to)).toString();
  assert.deepEqual([text(0, 4), text(8, 12)], ["RIFF", "WEBP"], "the thumbnail's first bytes");
}

/** Ten at once. */
export const ten = (make) => Promise.all(Array.from({ length: 10 }, (_, n) => make(n)));
