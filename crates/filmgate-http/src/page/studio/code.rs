//! A request as lines that can be pasted: for curl, and for the OpenAI packages of Python and Node.
//!
//! Each makes exactly the video that the form describes, waits for it and stores the file. Tests run them.

use filmgate_domain::{Input, Job, Mode, OnShortage, Role, Shape, Source};
use filmgate_engine::Choice;

use super::wish::Image;
pub(super) use super::wish::choice_of;

/// A request, as a client would send it.
pub(super) struct Request<'a> {
    pub(super) model: &'a str,
    pub(super) prompt: &'a str,
    pub(super) shape: Shape,
    pub(super) choice: &'a Choice,
    pub(super) image: Option<Image>,
}

impl<'a> Request<'a> {
    /// The request that made a video; none for a video that is made from others.
    pub(super) fn of(job: &'a Job, choice: &'a Choice) -> Option<Self> {
        let spec = &job.spec;
        let image = match (spec.mode, &spec.inputs[..]) {
            (Mode::Text, []) => None,
            (Mode::Image, [Input { role: Role::FirstFrame, source }]) => Some(match source {
                Source::Url { url } => Image::Address(url.to_string()),
                Source::File { media_type, .. } => {
                    Image::File(format!("image.{}", media_type.rsplit('/').next().unwrap_or("png")))
                }
                Source::Job { .. } => return None,
            }),
            _ => return None,
        };
        Some(Self { model: &spec.model, prompt: &spec.prompt, shape: spec.shape, choice, image })
    }

    /// A size such as `1280x720`, which stands for resolution and aspect ratio.
    fn size(&self) -> String {
        let (width, height) = self.shape.usual_size();
        format!("{width}x{height}")
    }

    /// The fields that every client has.
    fn fields(&self) -> [(&'static str, String); 4] {
        let seconds = self.shape.seconds.to_string();
        [
            ("model", self.model.to_owned()),
            ("prompt", self.prompt.to_owned()),
            ("size", self.size()),
            ("seconds", seconds),
        ]
    }

    /// The fields that are filmgate's own, as far as they say something.
    fn own(&self) -> Vec<(&'static str, String)> {
        let mut own = Vec::new();
        if self.choice.on_shortage != OnShortage::default() {
            own.push(("on_shortage", self.choice.on_shortage.as_str().to_owned()));
        }
        if let Some(wait) = self.choice.max_wait {
            own.push(("max_wait", wait.as_secs().max(1).to_string()));
        }
        own
    }

    /// For a shell.
    pub(super) fn curl(&self, base: &str) -> String {
        let mut lines = format!(
            "BASE={} AUTH=\"Authorization: Bearer $FILMGATE_API_KEY\"\ncurl -sS \"$BASE/videos\" -H \"$AUTH\"",
            quoted(base)
        );
        for (name, value) in self.fields().into_iter().chain(self.own()) {
            lines += &format!(" \\\n  --form-string {}", quoted(&format!("{name}={value}")));
        }
        match &self.image {
            None => {}
            Some(Image::Address(url)) => {
                lines += &format!(" \\\n  --form-string {}", quoted(&format!("input_reference={url}")));
            }
            Some(Image::File(name)) => {
                // In double quotes for curl, which else reads on after a comma or a semicolon.
                let name = name.replace('\\', "\\\\").replace('"', "\\\"");
                lines += &format!(" \\\n  -F {}", quoted(&format!("input_reference=@\"{name}\"")));
            }
        }
        lines += " | tee video.json\n\
            ID=$(grep -o 'video_[0-9a-f]*' video.json | head -n 1)\n\
            curl -sSN \"$BASE/videos/$ID/events\" -H \"$AUTH\"  # until it is done\n\
            curl -sSf \"$BASE/videos/$ID/content\" -H \"$AUTH\" -o video.mp4\n";
        lines
    }

    /// For the package `openai` of Python.
    pub(super) fn python(&self, base: &str) -> String {
        let mut arguments = String::new();
        for (name, value) in self.fields() {
            arguments += &format!("    {name}={},\n", literal(&value));
        }
        let mut extra = self.own();
        match &self.image {
            None => {}
            Some(Image::Address(url)) => extra.push(("input_reference", url.clone())),
            Some(Image::File(name)) => {
                arguments += &format!("    input_reference=open({}, \"rb\"),\n", literal(name));
            }
        }
        if !extra.is_empty() {
            let extra = extra.iter().map(|(name, value)| format!("\"{name}\": {}", literal(value)));
            arguments += &format!("    extra_body={{{}}},\n", extra.collect::<Vec<_>>().join(", "));
        }
        format!(
            "import os\nfrom openai import OpenAI\n\n\
             client = OpenAI(base_url={}, api_key=os.environ[\"FILMGATE_API_KEY\"])\n\
             video = client.videos.create_and_poll(\n{arguments})\n\
             print(video.status, video.error or video.model_extra[\"filmgate\"][\"verdict\"])\n\
             client.videos.download_content(video.id).write_to_file(\"video.mp4\")\n",
            literal(base)
        )
    }

    /// For the package `openai` of Node.
    pub(super) fn node(&self, base: &str) -> String {
        let mut arguments = String::new();
        for (name, value) in self.fields().into_iter().chain(self.own()) {
            arguments += &format!("  {name}: {},\n", literal(&value));
        }
        let mut read = "";
        match &self.image {
            None => {}
            Some(Image::Address(url)) => {
                arguments += &format!("  input_reference: {{ image_url: {} }},\n", literal(url));
            }
            Some(Image::File(name)) => {
                read = "import { createReadStream } from \"node:fs\";\n";
                arguments += &format!("  input_reference: createReadStream({}),\n", literal(name));
            }
        }
        format!(
            "{read}import {{ writeFile }} from \"node:fs/promises\";\nimport OpenAI from \"openai\";\n\n\
             const client = new OpenAI({{ baseURL: {}, apiKey: process.env.FILMGATE_API_KEY }});\n\
             let video = await client.videos.create({{\n{arguments}}});\n\
             while (video.status === \"queued\" || video.status === \"in_progress\") {{\n  \
             await new Promise((resolve) => setTimeout(resolve, 2000));\n  \
             video = await client.videos.retrieve(video.id);\n}}\n\
             console.log(video.status, video.error ?? video.filmgate.verdict);\n\
             const file = await client.videos.downloadContent(video.id);\n\
             await writeFile(\"video.mp4\", Buffer.from(await file.arrayBuffer()));\n",
            literal(base)
        )
    }
}

/// A text for a POSIX shell, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A text for Python and JavaScript alike, which both read the strings of JSON.
fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use filmgate_domain::{AspectRatio, Resolution, Seconds};

    use super::*;

    const BASE: &str = "http://127.0.0.1:8000/v1";

    /// A request with something of everything.
    fn told(how: impl FnOnce(&Request<'_>) -> String) -> String {
        let max_wait = Some(std::time::Duration::from_secs(90));
        let choice = Choice { on_shortage: OnShortage::Wait, max_wait, ..Choice::default() };
        let (resolution, aspect_ratio) = (Resolution::P720, AspectRatio::R9x16);
        how(&Request {
            model: "grok-imagine-video",
            prompt: "a fox, it's \"red\" $HOME `id`\n狐 \\",
            shape: Shape { resolution, seconds: Seconds::DEFAULT, aspect_ratio },
            choice: &choice,
            image: Some(Image::File("my fox.png".to_owned())),
        })
    }

    #[test]
    fn for_a_shell() {
        insta::assert_snapshot!(told(|request| request.curl(BASE)), @r##"
        BASE='http://127.0.0.1:8000/v1' AUTH="Authorization: Bearer $FILMGATE_API_KEY"
        curl -sS "$BASE/videos" -H "$AUTH" \
          --form-string 'model=grok-imagine-video' \
          --form-string 'prompt=a fox, it'\''s "red" $HOME `id`
        狐 \' \
          --form-string 'size=720x1280' \
          --form-string 'seconds=6' \
          --form-string 'on_shortage=wait' \
          --form-string 'max_wait=90' \
          -F 'input_reference=@"my fox.png"' | tee video.json
        ID=$(grep -o 'video_[0-9a-f]*' video.json | head -n 1)
        curl -sSN "$BASE/videos/$ID/events" -H "$AUTH"  # until it is done
        curl -sSf "$BASE/videos/$ID/content" -H "$AUTH" -o video.mp4
        "##);
    }

    #[test]
    fn for_python() {
        insta::assert_snapshot!(told(|request| request.python(BASE)), @r##"
        import os
        from openai import OpenAI

        client = OpenAI(base_url="http://127.0.0.1:8000/v1", api_key=os.environ["FILMGATE_API_KEY"])
        video = client.videos.create_and_poll(
            model="grok-imagine-video",
            prompt="a fox, it's \"red\" $HOME `id`\n狐 \\",
            size="720x1280",
            seconds="6",
            input_reference=open("my fox.png", "rb"),
            extra_body={"on_shortage": "wait", "max_wait": "90"},
        )
        print(video.status, video.error or video.model_extra["filmgate"]["verdict"])
        client.videos.download_content(video.id).write_to_file("video.mp4")
        "##);
    }

    #[test]
    fn for_node() {
        insta::assert_snapshot!(told(|request| request.node(BASE)), @r##"
        import { createReadStream } from "node:fs";
        import { writeFile } from "node:fs/promises";
        import OpenAI from "openai";

        const client = new OpenAI({ baseURL: "http://127.0.0.1:8000/v1", apiKey: process.env.FILMGATE_API_KEY });
        let video = await client.videos.create({
          model: "grok-imagine-video",
          prompt: "a fox, it's \"red\" $HOME `id`\n狐 \\",
          size: "720x1280",
          seconds: "6",
          on_shortage: "wait",
          max_wait: "90",
          input_reference: createReadStream("my fox.png"),
        });
        while (video.status === "queued" || video.status === "in_progress") {
          await new Promise((resolve) => setTimeout(resolve, 2000));
          video = await client.videos.retrieve(video.id);
        }
        console.log(video.status, video.error ?? video.filmgate.verdict);
        const file = await client.videos.downloadContent(video.id);
        await writeFile("video.mp4", Buffer.from(await file.arrayBuffer()));
        "##);
    }
}
