//! How an application is set up: the base URL, a key, and one video in three languages.

use maud::{Markup, html};

use crate::App;
use crate::page::look::Look;

const CURL: &str = r#"BASE={base}
KEY=fg-...
ID=$(curl -sf $BASE/videos -H "Authorization: Bearer $KEY" -F prompt="a red fox in the snow" -F size=1280x720 \
  -F seconds=8 | grep -o 'video_[0-9a-f]*' | head -n 1)
# Says how it stands, after 30 s at the latest; again until it is completed.
curl -sf "$BASE/videos/$ID?wait=30" -H "Authorization: Bearer $KEY"
curl -sf $BASE/videos/$ID/content -H "Authorization: Bearer $KEY" -o fox.mp4"#;

const PYTHON: &str = r#"from openai import OpenAI  # pip install openai

client = OpenAI(base_url="{base}", api_key="fg-...")
video = client.videos.create_and_poll(prompt="a red fox in the snow", size="1280x720", seconds="8")
client.videos.download_content(video.id).write_to_file("fox.mp4")"#;

const NODE: &str = r#"import { writeFile } from "node:fs/promises";
import OpenAI from "openai"; // npm install openai

const client = new OpenAI({ baseURL: "{base}", apiKey: "fg-..." });
let video = await client.videos.create({ prompt: "a red fox in the snow", size: "1280x720", seconds: "8" });
while (video.status === "queued" || video.status === "in_progress") {
  await new Promise((resolve) => setTimeout(resolve, 5000));
  video = await client.videos.retrieve(video.id);
}
const file = await client.videos.downloadContent(video.id);
await writeFile("fox.mp4", Buffer.from(await file.arrayBuffer()));"#;

/// What to tell whoever sets up an application.
pub(super) fn render(app: &App, look: Look) -> Markup {
    let base = format!("{}/v1", app.engine.settings().public_url);
    let example = |text: &str| text.replace("{base}", &base);
    html! {
        section.card aria-labelledby="setup" {
            h2 #setup { (look.t("clients-setup-title")) }
            p { (look.t("clients-setup-text")) }
            dl {
                dt { (look.t("clients-setup-base")) }
                dd { code #setup-base { (base) } " " (copy(look, "setup-base", look.t("clients-setup-base"))) }
                dt { (look.t("clients-setup-key")) }
                dd { code { "fg-..." } " " span.hint { (look.t("clients-setup-key-hint")) } }
            }
            @for (id, name, text) in [("setup-curl", "curl", CURL), ("setup-python", "Python", PYTHON), ("setup-node", "Node", NODE)] {
                details id={ (id) "-part" } {
                    summary { (name) }
                    pre id=(id) { (example(text)) }
                    p { (copy(look, id, name.to_owned())) }
                }
            }
            p.hint { (look.t("clients-setup-more")) " " a href="/docs" { (look.t("nav-api")) } }
        }
    }
}

/// A button that copies the text of an element; `what` says which.
pub(super) fn copy(look: Look, id: &str, what: String) -> Markup {
    html! {
        button type="button" data-copy=(id) data-copied=(look.t("clients-copied")) {
            (look.with("clients-copy", [("what", what.into())]))
        }
    }
}
