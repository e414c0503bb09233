"""filmgate with LiteLLM. See ../harness.py for how checks are run. LiteLLM has no call that deletes a video."""

import asyncio
import os

# Else it asks a server for prices when it is imported.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

# Else it writes to the terminal where to get help.
litellm.suppress_debug_info = True

from harness import KEY, PICTURE, PICTURE_URI, PICTURE_URL, URL
from harness import check, equal, is_mp4, is_webp, main, raises, true, until

HERE = {"api_base": f"{URL}/v1", "api_key": KEY}
MODEL = "openai/grok-imagine-video"

# Other than their siblings, these take no `api_base`.
os.environ["OPENAI_API_BASE"], os.environ["OPENAI_API_KEY"] = HERE["api_base"], KEY


def create(prompt, **more):
    return litellm.video_generation(prompt=prompt, model=MODEL, **HERE, **more)


def ended(video_id):
    """LiteLLM has no helper that waits."""
    def video():
        video = litellm.video_status(video_id=video_id, **HERE)
        return video if video.status in ("completed", "failed") else None
    return until(f"the end of {video_id}", video)


def completed(video):
    done = ended(video.id)
    equal(done.status, "completed", "the status")
    return done


@check
def life():
    video = create("a red fox", size="1280x720", seconds="4")
    equal((video.object, video.size, video.seconds), ("video", "1280x720", "4"))
    done = completed(video)
    equal((done.progress, done.size, done.seconds), (100, "1280x720", "4"))
    # Its ids are its own: base64 of provider, model and filmgate's id.
    listed = litellm.video_list(custom_llm_provider="openai", **HERE)
    videos = listed["data"] if isinstance(listed, dict) else listed
    equal(len(videos), 1, "the list's length")
    is_mp4(litellm.video_content(video_id=video.id, **HERE))


@check
def thumbnail():
    video = completed(create("a red fox"))
    is_webp(litellm.video_content(video_id=video.id, variant="thumbnail", **HERE))


@check
def mounts():
    here = {"api_base": f"{URL}/openai/v1", "api_key": KEY}
    video = litellm.video_generation(prompt="a red fox", model=MODEL, **here)
    equal(litellm.video_status(video_id=video.id, **here).object, "video")


@check
def images():
    with PICTURE.open("rb") as file:
        completed(create("from a file", input_reference=file))
    completed(create("from bytes", input_reference=PICTURE.read_bytes()))
    completed(create("from a data URI", extra_body={"input_reference[image_url]": PICTURE_URI}))
    completed(create("from an address", extra_body={"input_reference[image_url]": PICTURE_URL}))


@check
def derivations():
    source = completed(create("a red fox", size="1280x720", seconds="4"))
    remix = litellm.video_remix(video_id=source.id, prompt="remix: in snow", **HERE)
    completed(remix)
    completed(litellm.video_edit(video_id=source.id, prompt="edit: at night", **HERE))
    extension = litellm.video_extension(video_id=source.id, prompt="extend: it runs", seconds="4", **HERE)
    equal(completed(extension).seconds, "8", "the whole")


@check
def errors():
    raises(litellm.BadRequestError, create, "")
    raises(litellm.BadRequestError, create, "a fox", size="10x10")
    stranger = {"api_base": HERE["api_base"], "api_key": "fg-nobody"}
    raises(litellm.AuthenticationError, litellm.video_generation, prompt="a fox", model=MODEL, **stranger)
    # LiteLLM makes one error of 400, 404 and 409.
    unknown = "video_" + 32 * "0"
    raises(litellm.BadRequestError, litellm.video_status, video_id=unknown, **HERE)
    running = create("[slow] a fox")
    raises(litellm.BadRequestError, litellm.video_content, video_id=running.id, **HERE)
    for prompt, code in [("[fail]", "upstream_failed"), ("[moderate]", "moderation_blocked")]:
        failed = ended(create(prompt).id)
        equal((failed.status, failed.error["code"]), ("failed", code))


@check
def retries():
    """The first answer never arrives (the test sees to that). LiteLLM does not ask again; its caller does."""
    headers = {"Idempotency-Key": "the-same"}
    raises(litellm.InternalServerError, create, "once", seconds="4", extra_headers=headers)
    completed(create("once", seconds="4", extra_headers=headers))


@check
def parallel():
    async def one(n):
        video = await litellm.avideo_generation(prompt=f"number {n}", model=MODEL, **HERE)
        while (done := await litellm.avideo_status(video_id=video.id, **HERE)).status != "completed":
            true(done.status != "failed", done)
            await asyncio.sleep(0.1)
        is_mp4(await litellm.avideo_content(video_id=video.id, **HERE))
        return video.id

    async def ten():
        return await asyncio.gather(*(one(n) for n in range(10)))

    equal(len(set(asyncio.run(ten()))), 10, "the number of ids")


@check
def fallback():
    """No strong token is there. LiteLLM shows OpenAI's fields alone, and these say what was delivered."""
    video = create("a red fox", size="1280x720", seconds="10")
    equal((video.size, video.seconds), ("1280x720", "10"), "what was asked")
    done = completed(video)
    equal((done.size, done.seconds), ("752x416", "6"), "what was delivered")


@check
def on_shortage():
    """A client that wants no fallback says so."""
    wish = {"prompt": "a red fox", "size": "1280x720", "seconds": "10"}
    raises(litellm.RateLimitError, create, **wish, extra_headers={"x-filmgate-on-shortage": "fail"})
    raises(litellm.RateLimitError, create, **wish, extra_body={"on_shortage": "fail"})


@check
def chat():
    wish = {
        "model": MODEL, "messages": [{"role": "user", "content": "a red fox"}], **HERE,
        "extra_body": {"video_config": {"aspect_ratio": "16:9", "video_length": 6, "resolution_name": "480p"}},
    }
    whole = litellm.completion(**wish)
    true(".mp4" in whole.choices[0].message.content, whole)
    chunks = list(litellm.completion(**wish, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    true(".mp4" in text, text)


main()
