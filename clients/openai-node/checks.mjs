// filmgate with the openai package, versions 6 and 7. See ../harness.mjs for how checks are run.

import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import OpenAI, { toFile } from "openai";
import { isMp4, isWebp, key, main, picture, pictureBytes, pictureUri, pictureUrl } from "../harness.mjs";
import { rejected, ten, until, url } from "../harness.mjs";

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key });
const { videos } = client;

/** The package has no helper that waits. */
const ended = (id) =>
  until(`the end of ${id}`, async () => {
    const video = await videos.retrieve(id);
    return ["completed", "failed"].includes(video.status) ? video : undefined;
  });

async function made(body) {
  const video = await ended((await videos.create(body)).id);
  assert.equal(video.status, "completed", JSON.stringify(video));
  return video;
}

const completed = async (video) => {
  const done = await ended(video.id);
  assert.equal(done.status, "completed", JSON.stringify(done));
  return done;
};

const content = async (id, query) => new Uint8Array(await (await videos.downloadContent(id, query)).arrayBuffer());

async function all(pages) {
  const found = [];
  for await (const video of pages) found.push(video.id);
  return found;
}

async function life() {
  const video = await videos.create({ prompt: "a red fox", size: "1280x720", seconds: "4" });
  assert.deepEqual([video.object, video.size, video.seconds], ["video", "1280x720", "4"]);
  const done = await completed(video);
  assert.deepEqual([done.progress, done.error, done.size, done.seconds], [100, null, "1280x720", "4"]);

  assert.deepEqual(await all(videos.list()), [done.id], "the list");
  isMp4(await content(done.id), done.filmgate.delivered);

  assert.deepEqual(await videos.delete(done.id), { id: done.id, object: "video.deleted", deleted: true });
  await rejected(OpenAI.NotFoundError, videos.retrieve(done.id));
  assert.deepEqual(await all(videos.list()), [], "the list");
}

async function models() {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert(names.includes("grok-imagine-video"), `${names}`);
}

async function pages() {
  const ids = [];
  for (let n = 0; n < 5; n++) ids.push((await videos.create({ prompt: `page ${n}`, seconds: "4" })).id);
  const first = await videos.list({ limit: 2 });
  assert.deepEqual([first.data.map(({ id }) => id), first.has_more], [ids.slice(3).reverse(), true]);
  // The package turns the pages by itself.
  assert.deepEqual((await all(videos.list({ limit: 2 }))).slice(0, 5), ids.toReversed(), "newest first");
  assert.deepEqual((await all(videos.list({ limit: 2, order: "asc" }))).slice(-5), ids, "oldest first");
}

async function thumbnail() {
  const { id } = await made({ prompt: "a red fox" });
  const answer = await videos.downloadContent(id, { variant: "thumbnail" });
  assert.equal(answer.headers.get("content-type"), "image/webp");
  isWebp(new Uint8Array(await answer.arrayBuffer()));
}

async function mounts() {
  const mounted = new OpenAI({ baseURL: `${url}/openai/v1`, apiKey: key });
  const { id } = await mounted.videos.create({ prompt: "a red fox" });
  assert.equal((await mounted.videos.retrieve(id)).id, id);
  assert((await all(mounted.videos.list())).includes(id), "it is listed");
}

async function images() {
  await made({ prompt: "from a file", input_reference: createReadStream(picture) });
  const file = await toFile(pictureBytes, "fox.png", { type: "image/png" });
  await made({ prompt: "from bytes", input_reference: file });
  await made({ prompt: "from a data URI", input_reference: { image_url: pictureUri } });
  await made({ prompt: "from an address", input_reference: { image_url: pictureUrl } });
}

async function derivations() {
  const source = await made({ prompt: "a red fox", size: "1280x720", seconds: "4" });
  const video = { id: source.id };

  const remix = await videos.remix(source.id, { prompt: "remix: in snow" });
  assert.equal(remix.remixed_from_video_id, source.id);
  await completed(remix);

  await completed(await videos.edit({ prompt: "edit: at night", video }));

  const extension = await completed(await videos.extend({ prompt: "extend: it runs", seconds: "4", video }));
  assert.equal(extension.seconds, "8", "the whole");

  const upload = await toFile(await content(source.id), "fox.mp4", { type: "video/mp4" });
  await completed(await videos.edit({ prompt: "edit: an upload", video: upload }));
}

async function errors() {
  const { BadRequestError, NotFoundError } = OpenAI;
  let error = await rejected(BadRequestError, videos.create({ prompt: "" }));
  assert.deepEqual([error.type, error.param], ["invalid_request_error", "prompt"]);
  error = await rejected(BadRequestError, videos.create({ prompt: "a fox", size: "10x10" }));
  assert.deepEqual([error.type, error.param], ["invalid_request_error", "size"]);
  assert(error.requestID, "errors have a request id");
  await rejected(NotFoundError, videos.create({ prompt: "a fox", model: "sora-9" }));
  await rejected(NotFoundError, videos.retrieve(`video_${"0".repeat(32)}`));
  const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: "fg-nobody" });
  error = await rejected(OpenAI.AuthenticationError, stranger.videos.list());
  assert.equal(error.code, "invalid_api_key");
  // Also where the refusal comes before the upload has arrived.
  const large = await toFile(Buffer.alloc(5_000_000), "fox.png");
  await rejected(OpenAI.AuthenticationError, stranger.videos.create({ prompt: "a fox", input_reference: large }));
  const unwanted = videos.createCharacter({ name: "fox", video: await toFile(pictureBytes, "fox.mp4") });
  assert.equal((await rejected(BadRequestError, unwanted)).code, "unsupported_operation");

  const { id } = await videos.create({ prompt: "[slow] a fox" });
  await rejected(NotFoundError, videos.downloadContent(id));
  error = await rejected(OpenAI.ConflictError, videos.delete(id));
  assert.equal(error.headers.get("x-should-retry"), "false");

  for (const [prompt, code] of [["[fail]", "upstream_failed"], ["[moderate]", "moderation_blocked"]]) {
    const failed = await ended((await videos.create({ prompt })).id);
    assert.deepEqual([failed.status, failed.error.code], ["failed", code]);
    await rejected(NotFoundError, videos.downloadContent(failed.id));
  }
}

/** The first answer never arrives (the test sees to that): the package asks again, by itself. */
async function retries() {
  await completed(await videos.create({ prompt: "once", seconds: "4" }));
}

async function idempotency() {
  const headers = { "Idempotency-Key": "the-same" };
  const first = await videos.create({ prompt: "the same" }, { headers });
  const again = await videos.create({ prompt: "the same" }, { headers });
  assert.equal(again.id, first.id);
  await rejected(OpenAI.UnprocessableEntityError, videos.create({ prompt: "another" }, { headers }));
}

async function parallel() {
  const done = await ten(async (n) => {
    const video = await made({ prompt: `number ${n}` });
    isMp4(await content(video.id), video.filmgate.delivered);
    return video;
  });
  assert.deepEqual(done.map(({ prompt }) => prompt), done.map((_, n) => `number ${n}`));
  assert.equal(new Set(done.map(({ id }) => id)).size, 10, "the number of ids");
}

/** No strong token is there, and the client is told at each step. */
async function fallback() {
  const wish = { prompt: "a red fox", size: "1280x720", seconds: "10" };
  const { data: video, response } = await videos.create(wish).withResponse();
  assert.equal(response.headers.get("x-filmgate-route"), "fallback");
  assert.equal(response.headers.get("x-filmgate-pool"), "ssoBasic");
  assert.equal(video.filmgate.route, "fallback");
  const done = await completed(video);
  assert.deepEqual([done.size, done.seconds, done.filmgate.verdict], ["752x416", "6", "downgraded"]);
}

/** A client that wants no fallback says so. */
async function on_shortage() {
  const wish = { prompt: "a red fox", size: "1280x720", seconds: "10" };
  const refused = { headers: { "x-filmgate-on-shortage": "fail" }, maxRetries: 0 };
  const error = await rejected(OpenAI.RateLimitError, videos.create(wish, refused));
  assert.equal(error.code, "rate_limit_exceeded");
  await rejected(OpenAI.RateLimitError, videos.create({ ...wish, on_shortage: "fail" }, { maxRetries: 0 }));
  const waiting = await videos.create(wish, { headers: { "x-filmgate-on-shortage": "wait" } });
  assert.deepEqual([waiting.status, waiting.filmgate.route], ["queued", null]);
}

async function chat() {
  const wish = {
    model: "grok-imagine-video",
    messages: [{ role: "user", content: "a red fox" }],
    video_config: { aspect_ratio: "16:9", video_length: 6, resolution_name: "480p" },
  };
  const whole = await client.chat.completions.create(wish);
  assert.equal(whole.choices[0].finish_reason, "stop");
  assert.match(whole.choices[0].message.content, /\.mp4/);

  const chunks = [];
  for await (const chunk of await client.chat.completions.create({ ...wish, stream: true })) chunks.push(chunk);
  assert.equal(chunks[0].choices[0].delta.role, "assistant");
  assert.match(chunks.map(({ choices }) => choices[0].delta.content ?? "").join(""), /\.mp4/);
  assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");

  const failing = { ...wish, stream: true, messages: [{ role: "user", content: "[fail]" }] };
  const consumed = client.chat.completions.create(failing).then(Array.fromAsync);
  await rejected(OpenAI.APIError, consumed);
}

await main({
  life, models, pages, thumbnail, mounts, images, derivations, errors, retries, idempotency, parallel, fallback,
  on_shortage, chat,
});
