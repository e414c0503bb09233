// filmgate with the AI SDK: `ai` 6 with `@ai-sdk/xai` 3, `ai` 7 with `@ai-sdk/xai` 5.
// See ../harness.mjs for how checks are run. The AI SDK neither lists nor deletes.

import assert from "node:assert/strict";
import { createXai } from "@ai-sdk/xai";
import { APICallError, experimental_generateVideo as generateVideo } from "ai";
import { isMp4, key, main, pictureBytes, pictureUri, pictureUrl, rejected, ten, url } from "../harness.mjs";

const provider = (more) => createXai({ baseURL: `${url}/v1`, apiKey: key, ...more });
const model = (more) => provider(more).video("grok-imagine-video");

/** The AI SDK itself fetches no file from this machine or a private network: who runs filmgate there says how. */
async function download({ url, abortSignal }) {
  const answer = await fetch(url, { signal: abortSignal });
  assert.equal(answer.status, 200, `${url}`);
  return { data: new Uint8Array(await answer.arrayBuffer()), mediaType: answer.headers.get("content-type") };
}

/** A finished video. Unasked, the AI SDK polls every 5 s; version 7 is told otherwise by `poll`. */
const generate = ({ xai, ...more }) =>
  generateVideo({
    model: model(),
    download,
    poll: { intervalMs: 100 },
    providerOptions: { xai: { pollIntervalMs: 100, ...xai } },
    ...more,
  });

async function life() {
  const made = await generate({ prompt: "a red fox", resolution: "1280x720", duration: 4, aspectRatio: "16:9" });
  assert.equal(made.video.mediaType, "video/mp4");
  isMp4(made.video.uint8Array);
  assert.deepEqual(made.warnings, []);
  const { requestId, videoUrl, duration, costInUsdTicks } = made.providerMetadata.xai;
  assert.deepEqual([requestId.length, duration, typeof costInUsdTicks], [36, 4, "number"]);
  assert(new URL(videoUrl).pathname.endsWith(".mp4"), videoUrl);
  assert.equal(made.responses[0].headers["x-filmgate-route"], "primary");
}

async function mounts() {
  await generate({ model: model({ baseURL: `${url}/xai/v1` }), prompt: "a red fox" });
}

/** What happens without `download`. Gateways on a public address do not need it. */
async function no_private_links() {
  const refused = generate({ prompt: "a red fox", download: undefined });
  assert.match(`${await rejected(Error, refused)}`, /private|localhost|not allowed|blocked|disallowed/i);
}

async function images() {
  await generate({ prompt: { image: pictureBytes, text: "from bytes" } });
  await generate({ prompt: { image: pictureUri, text: "from a data URI" } });
  // Without a ratio, filmgate would have to look at the picture.
  await generate({ prompt: { image: pictureUrl, text: "from an address" }, aspectRatio: "16:9" });
  const references = { mode: "reference-to-video", referenceImageUrls: [pictureUri, pictureUrl] };
  await generate({ prompt: "with references", duration: 6, aspectRatio: "16:9", xai: references });
}

async function derivations() {
  const source = await generate({ prompt: "a red fox", resolution: "1280x720", duration: 4 });
  const { videoUrl } = source.providerMetadata.xai;
  const edit = await generate({ prompt: "edit: at night", xai: { mode: "edit-video", videoUrl } });
  isMp4(edit.video.uint8Array);
  assert.equal(edit.providerMetadata.xai.duration, 4);
  const extension = { prompt: "extend: it runs", duration: 4, xai: { mode: "extend-video", videoUrl } };
  assert.equal((await generate(extension)).providerMetadata.xai.duration, 8, "the whole");
}

async function errors() {
  const status = async (video) => {
    const error = await rejected(APICallError, video);
    assert(error.data?.error, "the error's body was understood");
    return error.statusCode;
  };
  assert.equal(await status(generate({ prompt: "a fox", model: model({ apiKey: "fg-nobody" }) })), 401);
  assert.equal(await status(generate({ prompt: "a fox", model: provider().video("sora-9") })), 404);
  assert.equal(await status(generate({ prompt: "a fox", duration: 99 })), 400);
  assert.equal(await status(generate({ prompt: "a fox", resolution: "1920x1080" })), 400);
  assert.match(`${await rejected(Error, generate({ prompt: "[fail]" }))}`, /Video generation failed/);
  assert.match(`${await rejected(Error, generate({ prompt: "[moderate]" }))}`, /content policy/);
  assert.match(`${await rejected(Error, generate({ prompt: "[expire]" }))}`, /expired/);
}

/** The first answer never arrives (the test sees to that). Version 7 asks again with the same key, by itself. */
async function retries() {
  isMp4((await generate({ prompt: "once", duration: 4 })).video.uint8Array);
}

/** The same with version 6, which sends no key of its own. */
async function retries_with_key() {
  const headers = { "Idempotency-Key": "the-same" };
  isMp4((await generate({ prompt: "once", duration: 4, headers })).video.uint8Array);
}

async function parallel() {
  const videos = await ten((n) => generate({ prompt: `number ${n}`, duration: 4 }));
  videos.forEach(({ video }) => isMp4(video.uint8Array));
  const ids = videos.map(({ providerMetadata }) => providerMetadata.xai.requestId);
  assert.equal(new Set(ids).size, 10, "the number of ids");
}

/** No strong token is there. The AI SDK shows headers, and the length that was delivered. */
async function fallback() {
  const wish = { prompt: "a red fox", resolution: "1280x720", duration: 10 };
  const { providerMetadata, responses } = await generate(wish);
  assert.equal(responses[0].headers["x-filmgate-route"], "fallback");
  assert.equal(responses[0].headers["x-filmgate-pool"], "ssoBasic");
  assert.equal(providerMetadata.xai.duration, 6);

  // The rest stands in the body, which a `fetch` of one's own can read.
  let verdict;
  const reading = async (...request) => {
    const answer = await fetch(...request);
    const { filmgate } = await answer.clone().json();
    verdict = filmgate?.verdict ?? verdict;
    return answer;
  };
  await generate({ ...wish, model: model({ fetch: reading }) });
  assert.equal(verdict, "downgraded");
}

/** A client that wants no fallback says so. */
async function on_shortage() {
  const wish = { prompt: "a red fox", resolution: "1280x720", duration: 10, maxRetries: 0 };
  const refused = generate({ ...wish, headers: { "x-filmgate-on-shortage": "fail" } });
  assert.equal((await rejected(APICallError, refused)).statusCode, 429);
  assert.equal((await rejected(APICallError, generate({ ...wish, xai: { on_shortage: "fail" } }))).statusCode, 429);
}

await main({
  life, mounts, no_private_links, images, derivations, errors, retries, retries_with_key, parallel, fallback,
  on_shortage,
});
