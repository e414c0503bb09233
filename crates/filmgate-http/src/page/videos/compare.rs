//! Asked, sent and delivered, side by side, with what differs marked, and the verdict in words.

use filmgate_domain::{AspectRatio, Delivered, Job, Resolution, Shape, Shortfall};
use maud::{Markup, html};

use super::super::look::Look;
use super::super::parts::{Tone, bytes, note, table};

/// A line of the comparison.
struct Line {
    what: String,
    asked: String,
    sent: Option<String>,
    delivered: Option<String>,
    /// Whether what was delivered is less.
    short: bool,
}

pub(super) fn comparison(job: &Job, look: Look) -> Markup {
    let lines = lines(job, look);
    let differs = look.t("videos-differs");
    let label = look.t("videos-compared");
    let cell = |value: Option<&String>, differs_how: Option<&str>| {
        html! {
            td.differs[differs_how.is_some()] {
                @match value { Some(value) => { (value) }, None => { "-" } }
                @if let Some(how) = differs_how { " " span class="badge warn" { (how) } }
            }
        }
    };
    let less = look.t("videos-less");
    let body = html! {
        table {
            thead { tr {
                th scope="col" { span.unseen { (look.t("videos-what")) } }
                th scope="col" { (look.t("videos-asked")) }
                th scope="col" { (look.t("videos-sent")) }
                th scope="col" { (look.t("videos-delivered")) }
            } }
            tbody {
                @for line in &lines {
                    @let other = line.sent.as_ref().is_some_and(|sent| *sent != line.asked);
                    tr {
                        th scope="row" { (line.what) }
                        td { (line.asked) }
                        (cell(line.sent.as_ref(), other.then_some(&*differs)))
                        (cell(line.delivered.as_ref(), line.short.then_some(&*less)))
                    }
                }
            }
        }
    };
    html! { (verdict(job, look)) (table(&label, &body)) }
}

fn lines(job: &Job, look: Look) -> Vec<Line> {
    let asked = job.spec.shape;
    let sent = job.attempt().map(|attempt| attempt.sent);
    let file = job.delivered.as_ref();
    let shortfalls = file.map(|file| file.shortfalls(&asked)).unwrap_or_default();
    let of = |show: &dyn Fn(&Shape) -> String| (show(&asked), sent.as_ref().map(show));
    let line = |what, (asked, sent), delivered, short| Line { what, asked, sent, delivered, short };
    let seconds = |ms: u64| format!("{:.1} s", ms as f64 / 1000.0);
    vec![
        line(
            look.t("videos-resolution"),
            of(&|shape| shape.resolution.to_string()),
            file.map(|file| class(file).map_or_else(|| look.t("videos-no-class"), |class| class.to_string())),
            shortfalls.iter().any(|short| matches!(short, Shortfall::Resolution { .. })),
        ),
        line(
            look.t("videos-length"),
            of(&|shape| format!("{} s", shape.seconds)),
            file.map(|file| seconds(file.duration_ms)),
            shortfalls.iter().any(|short| matches!(short, Shortfall::Seconds { .. })),
        ),
        line(
            look.t("videos-ratio"),
            of(&|shape| shape.aspect_ratio.to_string()),
            file.map(|file| AspectRatio::nearest(file.width, file.height).to_string()),
            shortfalls.iter().any(|short| matches!(short, Shortfall::Orientation { .. })),
        ),
        line(
            look.t("videos-picture"),
            of(&|shape| {
                let (width, height) = shape.usual_size();
                format!("{width}x{height}")
            }),
            file.map(|file| format!("{}x{}", file.width, file.height)),
            false,
        ),
        line(
            look.t("videos-file"),
            ("-".to_owned(), sent.map(|_| "-".to_owned())),
            file.map(|file| format!("{}, {}", file.codec, bytes(file.bytes))),
            false,
        ),
    ]
}

fn class(file: &Delivered) -> Option<Resolution> {
    Resolution::of_short_side(file.width.min(file.height))
}

/// Whether the file is what was asked for; if not, what it lacks, and whose doing that is.
fn verdict(job: &Job, look: Look) -> Markup {
    let Some(file) = &job.delivered else { return html! {} };
    let missing = file.shortfalls(&job.spec.shape);
    if missing.is_empty() {
        return note(Tone::Good, &look.t("videos-as-asked"));
    }
    let missing: Vec<String> = missing.iter().map(|short| shortfall(short, look)).collect();
    let said = look.with("videos-is-less", [("missing", missing.join(&look.t("videos-and")).into())]);
    let whose =
        if job.falls_short_of_sent() { look.t("videos-upstream-lied") } else { look.t("videos-sent-less") };
    note(Tone::Warn, &format!("{said} {whose}"))
}

fn shortfall(short: &Shortfall, look: Look) -> String {
    let became = |wanted: String, came: String| {
        look.with("videos-became", [("wanted", wanted.into()), ("came", came.into())])
    };
    match short {
        Shortfall::Resolution { wanted, width, height } => {
            became(wanted.to_string(), format!("{width}x{height}"))
        }
        Shortfall::Seconds { wanted, delivered_ms } => {
            became(format!("{wanted} s"), format!("{:.1} s", *delivered_ms as f64 / 1000.0))
        }
        Shortfall::Orientation { wanted, delivered } => became(
            look.t(&format!("videos-orientation-{wanted}")),
            look.t(&format!("videos-orientation-{delivered}")),
        ),
    }
}
