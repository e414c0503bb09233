//! A picture of every page. With `FILMGATE_SCREENSHOTS=1` they are those of the documentation.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::believable::{self, Believable};
use super::chrome::{Chrome, Screen};

/// A picture larger than this does not belong into a repository.
const LARGEST: usize = 220_000;

/// Whether these are to be the pictures of the documentation.
fn for_documentation() -> bool {
    std::env::var("FILMGATE_SCREENSHOTS").is_ok_and(|wanted| wanted == "1")
}

/// Waits for a new minute: the videos of a test look like any other minute of a busy day, if they are in one.
#[expect(clippy::disallowed_methods, reason = "the gateway under test is a process with the real time")]
async fn minute_begins() {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() % 60;
    if since > 20 {
        tokio::time::sleep(Duration::from_secs(60 - since)).await;
    }
}

/// Where the pictures go.
struct Album {
    folder: PathBuf,
    /// Name, picture, and the size that it should have.
    pictures: Vec<(&'static str, Vec<u8>, [u32; 2])>,
    _temporary: tempfile::TempDir,
}

impl Album {
    fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let documentation = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/screenshots");
        let folder = if for_documentation() { documentation } else { temporary.path().to_owned() };
        std::fs::create_dir_all(&folder).unwrap();
        Self { folder, pictures: Vec::new(), _temporary: temporary }
    }

    /// A picture of what is shown, of this size in pixels.
    async fn take(&mut self, chrome: &Chrome, name: &'static str, size: [u32; 2]) {
        // Nothing is focused, and no figure is about to move.
        chrome.run("document.activeElement.blur()").await;
        self.pictures.push((name, chrome.screenshot().await, size));
    }

    /// A picture of a page at a desk, as high as it is between these.
    async fn at_desk(&mut self, chrome: &Chrome, name: &'static str, [least, most]: [u32; 2]) {
        chrome.resize(1280, least).await;
        let height = chrome.run("return document.documentElement.scrollHeight").await;
        let height = u32::try_from(height.as_u64().unwrap()).unwrap().clamp(least, most);
        chrome.resize(1280, height).await;
        self.take(chrome, name, [1280, height]).await;
    }

    /// Looks at all of them, and keeps them.
    async fn keep(self, chrome: &Chrome) {
        // A page without a policy of its own, to draw them on.
        chrome.page.goto("about:blank").await.unwrap();
        for (name, picture, size) in self.pictures {
            assert_eq!(&picture[..8], b"\x89PNG\r\n\x1a\n", "{name} is a PNG");
            assert!(picture.len() < LARGEST, "{name} has {} bytes", picture.len());
            let seen = look_at(chrome, &picture).await;
            assert_eq!((&seen["width"], &seen["height"]), (&json!(size[0]), &json!(size[1])), "{name}");
            let (colours, commonest) =
                (seen["colours"].as_u64().unwrap(), seen["commonest"].as_f64().unwrap());
            assert!(colours > 50 && commonest < 0.97, "{name} is blank: {seen}");
            std::fs::write(self.folder.join(format!("{name}.png")), picture).unwrap();
        }
    }
}

/// Its size, how many colours it has, and which part of it is of the commonest one.
async fn look_at(chrome: &Chrome, picture: &[u8]) -> Value {
    let script = "const [picture, done] = arguments; const image = new Image(); \
        image.onerror = () => done('no picture'); \
        image.onload = () => { \
          const { width, height } = image, canvas = Object.assign(document.createElement('canvas'), { width, height }); \
          const pen = canvas.getContext('2d'); pen.drawImage(image, 0, 0); \
          const counts = new Map(); \
          for (const pixel of new Uint32Array(pen.getImageData(0, 0, width, height).data.buffer)) \
            counts.set(pixel, (counts.get(pixel) ?? 0) + 1); \
          done({ width, height, colours: counts.size, commonest: Math.max(...counts.values()) / (width * height) }); \
        }; image.src = `data:image/png;base64,${picture}`";
    chrome.page.execute_async(script, vec![json!(BASE64_STANDARD.encode(picture))]).await.unwrap()
}

/// Plays a video until something is to be seen, and halts it there.
async fn show_a_frame(chrome: &Chrome) {
    chrome.see("video.player").await;
    chrome.run("const video = document.querySelector('video'); video.muted = true; video.play()").await;
    chrome.until("return document.querySelector('video').currentTime > 1").await;
    chrome.run("document.querySelector('video').pause()").await;
    // Its controls fade in.
    tokio::time::sleep(Duration::from_millis(800)).await;
}

#[tokio::test]
async fn a_picture_of_every_page() {
    if !super::ready("browser::a_picture_of_every_page") {
        return;
    }
    if for_documentation() {
        minute_begins().await;
    }
    let Believable { app, as_asked } = believable::gateway().await;
    let mut album = Album::new();
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    // While some are still in the making.
    chrome.press("footer button[value=light]").await;
    chrome.go("/admin").await;
    album.at_desk(&chrome, "overview", [900, 1560]).await;
    chrome.press("footer button[value=dark]").await;
    chrome.see("html[data-theme=dark]").await;
    album.at_desk(&chrome, "overview-dark", [900, 900]).await;
    chrome.press("footer button[lang=zh-CN]").await;
    chrome.see("html[lang=zh-CN]").await;
    chrome.press("footer button[value=light]").await;
    chrome.see("html[data-theme=light]").await;
    album.at_desk(&chrome, "overview-zh-CN", [900, 900]).await;
    chrome.press("footer button[lang=en]").await;
    chrome.see("html[lang=en]").await;

    let token = &app.job(&as_asked).await["attempts"][0]["token"];
    let token = format!("/admin/tokens/{}", token.as_str().unwrap());
    for (name, path, heights) in [
        ("videos", "/admin/videos", [800, 800]),
        ("tokens", "/admin/tokens", [900, 900]),
        ("token", &token, [900, 1300]),
        ("studio", "/admin/studio?prompt=a+red+fox+in+the+snow&check=1&resolution=720p", [900, 1600]),
        ("clients", "/admin/clients", [700, 900]),
        ("settings", "/admin/settings", [900, 900]),
    ] {
        chrome.go(path).await;
        album.at_desk(&chrome, name, heights).await;
    }
    chrome.go("/admin/routing?resolution=720p&seconds=10&short=ssoSuper&short=official").await;
    chrome.see("#answer").await;
    album.at_desk(&chrome, "routing", [900, 900]).await;
    chrome.go(&format!("/admin/videos/{as_asked}")).await;
    show_a_frame(&chrome).await;
    album.at_desk(&chrome, "video", [900, 1230]).await;

    let phone = Chrome::signed_in(&app, Screen::Phone, "en").await;
    phone.press("footer button[value=light]").await;
    phone.see("html[data-theme=light]").await;
    phone.go("/admin").await;
    album.take(&phone, "overview-phone", [720, 1560]).await;
    album.keep(&chrome).await;
}
