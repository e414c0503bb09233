//! The code that the studio shows, run as it stands: each makes the video that the form describes.

use rstest::rstest;
use serde_json::json;

use super::client::{Client, node, python};
use crate::app::Setup;
use crate::page::Browser;
use crate::page::studio::{PICTURE, checked, code, filled, with};

#[rstest]
#[case::openai_python_2("python", python("openai-python/2", "openai-python/checks.py"))]
#[case::openai_python_3("python", python("openai-python/3", "openai-python/checks.py"))]
#[case::openai_node_6("node", node("openai-node/6", "openai-node/checks.mjs"))]
#[case::openai_node_7("node", node("openai-node/7", "openai-node/checks.mjs"))]
#[tokio::test]
async fn the_lines_of_the_studio_make_the_video_of_its_form(#[case] language: &str, #[case] client: Client) {
    if !client.is_ready(&format!("clients::studio: {language}")) {
        return;
    }
    let app = Setup::default().start().await;
    let browser = Browser::signed_in(&app).await;
    let prompt = "it's a \"red\" fox; $HOME \\ 100%\r\n狐 {x} `y`";
    let waits = [("resolution", "720p"), ("seconds", "10"), ("on_shortage", "wait"), ("max_wait", "30")];
    let wishes = [
        (filled(prompt), ""),
        (with(filled(prompt), &waits), "fox.png"),
        (
            with(filled(prompt), &[("image_url", "https://images.example/fox.png"), ("aspect_ratio", "2:3")]),
            "",
        ),
    ];
    for (wish, image) in wishes {
        let value = |name: &str| wish.iter().find(|(field, _)| *field == name).unwrap().1.clone();
        let (resolution, seconds, ratio) = (value("resolution"), value("seconds"), value("aspect_ratio"));
        let address = value("image_url");
        let page =
            browser.page(&checked(wish.into_iter().chain([("image", image.to_owned())]).collect())).await;
        let key = format!("{:?}", app.client_key);
        let environment = match language {
            "python" => format!("import os\nos.environ[\"FILMGATE_API_KEY\"] = {key}\n"),
            _ => format!("process.env.FILMGATE_API_KEY = {key};\n"),
        };
        let lines = environment + &code(&page, language);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("fox.png"), PICTURE).unwrap();
        let (well, said) = client.run_lines(&lines, folder.path());
        assert!(well && said.contains("completed as_asked"), "{said}\n{lines}");
        let file = std::fs::read(folder.path().join("video.mp4")).unwrap();
        assert_eq!(&file[4..8], b"ftyp", "{said}");

        let newest = app.get("/v1/videos").await["data"][0]["id"].as_str().unwrap().to_owned();
        let job = app.job(&newest).await;
        // Node ends the lines of forms as browsers do.
        let got = job["prompt"].as_str().unwrap().replace("\r\n", "\n");
        assert_eq!(got, prompt.replace("\r\n", "\n"), "{lines}");
        let seconds: u32 = seconds.parse().unwrap();
        let asked = json!({ "resolution": resolution, "seconds": seconds, "aspect_ratio": ratio });
        assert_eq!(job["filmgate"]["asked"], asked, "{lines}");
        let orders = app.simulator.generations();
        let has_image = !image.is_empty() || !address.is_empty();
        assert_eq!(orders.last().unwrap().inputs.len(), usize::from(has_image), "{lines}");
    }
}
