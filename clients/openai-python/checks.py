"""filmgate with the openai package, versions 2 and 3. See ../harness.py for how checks are run."""

import asyncio
import warnings

import openai
from openai import AsyncOpenAI, OpenAI
from openai.types import Video

from harness import KEY, PICTURE, PICTURE_URI, PICTURE_URL, URL
from harness import check, equal, is_mp4, is_webp, main, raises, true

# The package calls everything about videos deprecated since OpenAI's own service ended.
warnings.simplefilter("ignore", DeprecationWarning)

client = OpenAI(base_url=f"{URL}/v1", api_key=KEY)


def make(prompt, **more):
    """A finished video. Without poll_interval_ms the package waits as long as filmgate asks it to: 5 s."""
    video = client.videos.create_and_poll(prompt=prompt, poll_interval_ms=100, **more)
    equal(video.status, "completed", "the status")
    return video


def filmgate(video):
    """What filmgate says beyond the package's own fields."""
    return video.model_extra["filmgate"]


@check
def life():
    video = client.videos.create(prompt="a red fox", size="1280x720", seconds="4")
    equal((video.object, video.size, video.seconds), ("video", "1280x720", "4"))
    true(video.status in ("queued", "in_progress"), video.status)
    done = client.videos.poll(video.id, poll_interval_ms=100)
    equal((done.status, done.progress, done.error), ("completed", 100, None))
    equal((done.size, done.seconds, done.prompt), ("1280x720", "4", "a red fox"))
    true(done.created_at <= done.completed_at < done.expires_at, "the times are in order")

    equal([video.id for video in client.videos.list()], [done.id], "the list")
    is_mp4(client.videos.download_content(done.id).read(), filmgate(done)["delivered"])

    deleted = client.videos.delete(done.id)
    equal((deleted.id, deleted.deleted, deleted.object), (done.id, True, "video.deleted"))
    raises(openai.NotFoundError, client.videos.retrieve, done.id)
    equal(list(client.videos.list()), [], "the list")


@check
def models():
    true("grok-imagine-video" in [model.id for model in client.models.list()], "the model is offered")


@check
def pages():
    made = [client.videos.create(prompt=f"page {n}", seconds="4").id for n in range(5)]
    first = client.videos.list(limit=2)
    equal(([video.id for video in first.data], first.has_more), (made[:2:-1], True), "the first page")
    # The package turns the pages by itself.
    equal([video.id for video in client.videos.list(limit=2)][:5], made[::-1], "newest first")
    equal([video.id for video in client.videos.list(limit=2, order="asc")][-5:], made, "oldest first")


@check
def thumbnail():
    video = make("a red fox")
    answer = client.videos.download_content(video.id, variant="thumbnail")
    equal(answer.response.headers["content-type"], "image/webp")
    is_webp(answer.read())


@check
def mounts():
    mounted = OpenAI(base_url=f"{URL}/openai/v1", api_key=KEY)
    video = mounted.videos.create(prompt="a red fox")
    equal(mounted.videos.retrieve(video.id).id, video.id)
    true(video.id in [video.id for video in mounted.videos.list()], "it is listed")


@check
def images():
    with PICTURE.open("rb") as file:
        make("from a file", input_reference=file)
    make("from bytes", input_reference=("fox.png", PICTURE.read_bytes(), "image/png"))
    # `input_reference={"image_url": ...}` is what the types say, and what the package itself refuses.
    make("from a data URI", extra_body={"input_reference": {"image_url": PICTURE_URI}})
    make("from an address", extra_body={"input_reference": {"image_url": PICTURE_URL}})
    body = {"prompt": "from JSON", "input_reference": {"image_url": PICTURE_URI}}
    video = client.post("/videos", body=body, cast_to=Video)
    equal(client.videos.poll(video.id, poll_interval_ms=100).status, "completed")


@check
def derivations():
    source = make("a red fox", size="1280x720", seconds="4")

    remix = client.videos.remix(source.id, prompt="remix: in snow")
    equal(remix.remixed_from_video_id, source.id, "remixed_from_video_id")
    equal(client.videos.poll(remix.id, poll_interval_ms=100).status, "completed")

    # `video={"id": ...}` is what the types say, and what the package itself refuses.
    edit = client.videos.edit(
        prompt="edit: at night", video=openai.omit, extra_body={"video": {"id": source.id}}
    )
    equal(client.videos.poll(edit.id, poll_interval_ms=100).status, "completed")

    extension = client.videos.extend(
        prompt="extend: it runs", seconds="4", video=openai.omit, extra_body={"video": {"id": source.id}}
    )
    extension = client.videos.poll(extension.id, poll_interval_ms=100)
    equal((extension.status, extension.seconds), ("completed", "8"), "the whole")

    file = client.videos.download_content(source.id).read()
    uploaded = client.videos.edit(prompt="edit: an upload", video=("fox.mp4", file, "video/mp4"))
    equal(client.videos.poll(uploaded.id, poll_interval_ms=100).status, "completed")


@check
def errors():
    create, strict = client.videos.create, client.with_options(max_retries=0)
    error = raises(openai.BadRequestError, create, prompt="")
    equal((error.type, error.param), ("invalid_request_error", "prompt"))
    error = raises(openai.BadRequestError, create, prompt="a fox", size="10x10")
    equal((error.type, error.param), ("invalid_request_error", "size"))
    true(error.request_id, "errors have a request id")
    raises(openai.NotFoundError, create, prompt="a fox", model="sora-9")
    raises(openai.NotFoundError, client.videos.retrieve, "video_" + 32 * "0")
    stranger = OpenAI(base_url=f"{URL}/v1", api_key="fg-nobody")
    equal(raises(openai.AuthenticationError, stranger.videos.list).code, "invalid_api_key")
    # Also where the refusal comes before the upload has arrived.
    raises(openai.AuthenticationError, stranger.videos.create, prompt="a fox", input_reference=5_000_000 * b"x")
    error = raises(openai.BadRequestError, client.videos.create_character, name="fox", video=b"?")
    equal(error.code, "unsupported_operation")

    running = create(prompt="[slow] a fox")
    raises(openai.NotFoundError, client.videos.download_content, running.id)
    error = raises(openai.ConflictError, client.videos.delete, running.id)
    equal(error.response.headers.get("x-should-retry"), "false", "x-should-retry")
    true("X-Stainless-Retry-Count" not in error.request.headers
         or error.request.headers["X-Stainless-Retry-Count"] == "0", "the package did not try again")

    for prompt, code in [("[fail]", "upstream_failed"), ("[moderate]", "moderation_blocked")]:
        failed = client.videos.create_and_poll(prompt=prompt, poll_interval_ms=100)
        equal((failed.status, failed.error.code), ("failed", code))
        raises(openai.NotFoundError, strict.videos.download_content, failed.id)


@check
def retries():
    """The first answer never arrives (the test sees to that): the package asks again, by itself."""
    raw = client.videos.with_raw_response.create(prompt="once", seconds="4")
    true(raw.retries_taken >= 1, "the package tried again")
    equal(client.videos.poll(raw.parse().id, poll_interval_ms=100).status, "completed")


@check
def idempotency():
    headers = {"Idempotency-Key": "the-same"}
    first = client.videos.create(prompt="the same", extra_headers=headers)
    again = client.videos.create(prompt="the same", extra_headers=headers)
    equal(again.id, first.id, "the id")
    other = raises(openai.UnprocessableEntityError, client.videos.create, prompt="another", extra_headers=headers)
    equal(other.status_code, 422)


@check
def parallel():
    async def ten():
        async with AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY) as client:
            async def one(n):
                video = await client.videos.create_and_poll(prompt=f"number {n}", poll_interval_ms=100)
                content = await client.videos.download_content(video.id)
                is_mp4(content.read(), filmgate(video)["delivered"])
                return video
            return await asyncio.gather(*(one(n) for n in range(10)))

    videos = asyncio.run(ten())
    equal([video.status for video in videos], 10 * ["completed"])
    equal([video.prompt for video in videos], [f"number {n}" for n in range(10)])
    equal(len({video.id for video in videos}), 10, "the number of ids")


@check
def fallback():
    """No strong token is there, and the client is told at each step."""
    raw = client.videos.with_raw_response.create(prompt="a red fox", size="1280x720", seconds="10")
    equal(raw.headers["x-filmgate-route"], "fallback", "x-filmgate-route")
    equal(raw.headers["x-filmgate-pool"], "ssoBasic", "x-filmgate-pool")
    video = raw.parse()
    equal(filmgate(video)["route"], "fallback", "filmgate.route")
    done = client.videos.poll(video.id, poll_interval_ms=100)
    equal((done.status, done.size, done.seconds), ("completed", "752x416", "6"), "what was delivered")
    equal(filmgate(done)["verdict"], "downgraded", "filmgate.verdict")


@check
def on_shortage():
    """A client that wants no fallback says so."""
    strict = client.with_options(max_retries=0)
    wish = {"prompt": "a red fox", "size": "1280x720", "seconds": "10"}
    header = {"x-filmgate-on-shortage": "fail"}
    error = raises(openai.RateLimitError, strict.videos.create, **wish, extra_headers=header)
    equal(error.code, "rate_limit_exceeded")
    raises(openai.RateLimitError, strict.videos.create, **wish, extra_body={"on_shortage": "fail"})
    waiting = client.videos.create(**wish, extra_headers={"x-filmgate-on-shortage": "wait"})
    equal((waiting.status, filmgate(waiting)["route"]), ("queued", None))


CHAT = {
    "model": "grok-imagine-video",
    "extra_body": {"video_config": {"aspect_ratio": "16:9", "video_length": 6, "resolution_name": "480p"}},
}


@check
def chat():
    messages = [{"role": "user", "content": "a red fox"}]
    whole = client.chat.completions.create(messages=messages, **CHAT)
    equal(whole.choices[0].finish_reason, "stop")
    true(".mp4" in whole.choices[0].message.content, whole.choices[0].message.content)

    chunks = list(client.chat.completions.create(messages=messages, stream=True, **CHAT))
    equal(chunks[0].choices[0].delta.role, "assistant")
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    true(".mp4" in text, text)
    equal(chunks[-1].choices[0].finish_reason, "stop")

    failing = [{"role": "user", "content": "[fail]"}]
    stream = client.chat.completions.create(messages=failing, stream=True, **CHAT)
    raises(openai.APIError, list, stream)


main()
