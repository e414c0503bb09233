//! What clients call: `/v1`, and the links to files.

use filmgate_domain::OnShortage;
use serde_json::{Value, json};

use super::operation::{Errors, Operation, Tag, schema, text, word};
use crate::dialect::choice;
use crate::follow::LONGEST_WAIT;
use crate::library::LONGEST_PAGE;

const JSON: &str = "application/json";
const FORM: &str = "multipart/form-data";
const EVENTS: &str = "text/event-stream";

/// What every operation that makes a video can be refused for.
const REFUSALS: [u16; 10] = [400, 401, 404, 408, 409, 413, 415, 422, 429, 503];

pub(super) fn operations() -> Vec<Operation> {
    [making(), deriving(), looking(), conversing(), files()].into_iter().flatten().collect()
}

/// Adds the headers that every operation which makes a video reads.
fn makes_a_video(operation: Operation) -> Operation {
    operation
        .header(
            "Idempotency-Key",
            json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" }),
            "The same key with the same body, within a day, gets the same answer and makes no second video.",
        )
        .header(
            "X-Filmgate-On-Shortage",
            word(OnShortage::ALL.map(OnShortage::as_str)),
            "As `on_shortage` in the body, which counts more.",
        )
        .header(
            "X-Filmgate-Max-Wait",
            json!({ "type": "integer", "minimum": 1, "maximum": choice::LONGEST_WAIT }),
            "As `max_wait` in the body, in seconds.",
        )
}

/// OpenAPI 3.1 cannot say what the events of a stream look like, only words can.
fn events() -> Value {
    json!({ "description": "Server-sent events; the data of each is JSON, save a last `[DONE]` of a chat." })
}

fn making() -> Vec<Operation> {
    let openai =
        Operation::new(Tag::Videos, ("post", "/v1/videos"), "createVideo", "Make a video (OpenAI dialect)")
            .body(JSON, schema("VideoRequest"))
            .body(FORM, schema("VideoForm"))
            .json(200, "Video", "The video is accepted.")
            .errors(Errors::OfDialect, REFUSALS);
    let path = ("post", "/v1/videos/generations");
    let xai = Operation::new(Tag::Videos, path, "generateVideo", "Make a video (xAI dialect)")
        .body(JSON, schema("XaiVideoRequest"))
        .json(200, "XaiCreated", "The video is accepted.")
        .errors(Errors::OfDialect, REFUSALS);
    let list = Operation::new(Tag::Videos, ("get", "/v1/videos"), "listVideos", "Your videos")
        .about("Of every key of the same caller, whatever the dialect that made them.")
        .query("after", text(), "The `last_id` of the page before.")
        .query(
            "limit",
            json!({ "type": "integer", "minimum": 1, "maximum": LONGEST_PAGE, "default": 20 }),
            "Videos on a page.",
        )
        .query("order", word(["asc", "desc"]), "`desc`, the default, is newest first.")
        .json(200, "VideoList", "A page.")
        .errors(Errors::OfDialect, [400, 401, 503]);
    vec![makes_a_video(openai), makes_a_video(xai), list]
}

fn deriving() -> Vec<Operation> {
    let derived = |path, id, summary, request: &str, form: &str, xai: &str| {
        let bodies = json!({ "anyOf": [schema(request), schema(xai)] });
        let operation = Operation::new(Tag::Videos, ("post", path), id, summary)
            .about(
                "Both dialects have this path. The mount tells which one is meant, else the body: \
                 `video.id` or a form is OpenAI, `video.url` is xAI.",
            )
            .body(JSON, bodies)
            .body(FORM, schema(form))
            .json(200, "Created", "The video is accepted.")
            .errors(Errors::OfDialect, REFUSALS);
        makes_a_video(operation)
    };
    let remix =
        Operation::new(Tag::Videos, ("post", "/v1/videos/{id}/remix"), "remixVideo", "Edit an earlier video")
            .body(JSON, schema("RemixRequest"))
            .body(FORM, schema("RemixRequest"))
            .json(200, "Video", "The video is accepted.")
            .errors(Errors::OfDialect, REFUSALS);
    let characters = |method, path, id| {
        Operation::new(Tag::Videos, (method, path), id, "Not on offer")
            .about("No upstream has characters: this always answers 400, so that clients know at once.")
            .errors(Errors::OfDialect, [400, 401])
    };
    vec![
        derived(
            "/v1/videos/edits",
            "editVideo",
            "Change a video",
            "EditRequest",
            "EditForm",
            "XaiEditRequest",
        ),
        derived(
            "/v1/videos/extensions",
            "extendVideo",
            "Go on from a video's end",
            "ExtendRequest",
            "ExtendForm",
            "XaiExtendRequest",
        ),
        makes_a_video(remix),
        characters("post", "/v1/videos/characters", "createCharacter"),
        characters("get", "/v1/videos/characters/{id}", "getCharacter"),
    ]
}

fn looking() -> Vec<Operation> {
    let any = json!({ "anyOf": [schema("Video"), schema("XaiVideo")] });
    let spelling =
        "`video_` and 32 hex digits is the OpenAI dialect, a UUID the xAI dialect; each video has both.";
    let retrieve =
        Operation::new(Tag::Videos, ("get", "/v1/videos/{id}"), "getVideo", "How a video is doing")
            .about(spelling)
            .query(
                "wait",
                json!({ "type": "integer", "minimum": 0, "maximum": LONGEST_WAIT }),
                "Seconds to wait for its end before answering.",
            )
            .answer(200, "The video; in the xAI dialect one at its end.", vec![(JSON, any)])
            .json(202, "XaiVideo", "In the xAI dialect: it is still being made.")
            .errors(Errors::OfDialect, [400, 401, 404, 429, 503]);
    let delete = Operation::new(Tag::Videos, ("delete", "/v1/videos/{id}"), "deleteVideo", "Delete a video")
        .about("Only a video at its end: 409 before.")
        .json(200, "VideoDeleted", "It is gone, and its file with it.")
        .errors(Errors::OfDialect, [401, 404, 409, 503]);
    let events =
        Operation::new(Tag::Videos, ("get", "/v1/videos/{id}/events"), "followVideo", "Follow a video")
            .about(
                "Server-sent events: `video.updated` at once and at each change, at last `video.completed` \
             or `video.failed`. Where filmgate is stopped meanwhile, the last is `gateway.stopping`: ask again, the \
             first event tells how it stands by then. The data is what a status request would say.",
            )
            .answer(200, "The events.", vec![(EVENTS, events())])
            .errors(Errors::OfDialect, [401, 404, 429, 503]);
    let content =
        Operation::new(Tag::Files, ("get", "/v1/videos/{id}/content"), "getVideoContent", "A video's file");
    let content = Operation { tag: Tag::Videos, ..content }.query(
        "variant",
        word(["video", "thumbnail"]),
        "The video, or its first frame as WebP.",
    );
    vec![retrieve, events, file(content).errors(Errors::OfDialect, [401]), delete]
}

/// Adds the answers of operations that serve files.
fn file(operation: Operation) -> Operation {
    let binary = || json!({ "type": "string", "format": "binary" });
    operation
        .header("Range", text(), "A part of the file, such as `bytes=0-1023`.")
        .header("If-None-Match", text(), "The `ETag` of what the client has.")
        .answer(200, "The file.", vec![("video/mp4", binary()), ("image/webp", binary())])
        .answer(206, "The part that was asked for.", vec![("video/mp4", binary()), ("image/webp", binary())])
        .answer(304, "The client has it already.", Vec::new())
        .answer(412, "It was changed since the time given.", Vec::new())
        .answer(416, "The file has no such part.", Vec::new())
        .errors(Errors::OfDialect, [400, 404, 503])
}

fn files() -> Vec<Operation> {
    let about = "The links in other answers lead here; they need no key.";
    let signed =
        Operation::new(Tag::Files, ("get", "/media/{name}"), "getFile", "A video's file, by a signed link")
            .about(about)
            .query("expires", json!({ "type": "integer" }), "When the link ends, in seconds since 1970.")
            .query("signature", text(), "What proves that filmgate made the link.");
    vec![file(signed).errors(Errors::OpenAi, [403])]
}

fn conversing() -> Vec<Operation> {
    let about = "The prompt is the conversation, the answer a link. With `stream` there are chunks with \
         the progress meanwhile. An answer of 422 with a `video_id` is a video that failed.";
    let chat = Operation::new(
        Tag::Chat,
        ("post", "/v1/chat/completions"),
        "createChatCompletion",
        "Make a video by chatting",
    )
    .about(about)
    .body(JSON, schema("ChatRequest"))
    .answer(200, "The link to the video.", vec![(JSON, schema("ChatCompletion")), (EVENTS, events())])
    .errors(Errors::OfDialect, REFUSALS);
    let list = Operation::new(
        Tag::Models,
        ("get", "/v1/models"),
        "listModels",
        "Models, and what can be had of them",
    )
    .json(200, "ModelList", "All models.")
    .errors(Errors::OfDialect, [401]);
    let model = Operation::new(Tag::Models, ("get", "/v1/models/{model}"), "getModel", "A model")
        .json(200, "Model", "The model.")
        .errors(Errors::OfDialect, [401, 404]);
    vec![makes_a_video(chat), list, model]
}

/// The mounts that clients can choose.
pub(super) fn servers() -> Value {
    json!([
        { "url": "/", "description": "Both dialects: paths, ids and bodies tell them apart." },
        { "url": "/openai", "description": "The OpenAI dialect only." },
        { "url": "/xai", "description": "The xAI dialect only." },
    ])
}
