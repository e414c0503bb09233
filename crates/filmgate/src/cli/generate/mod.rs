//! `filmgate generate`: makes a video and saves it.

mod gateway;
mod make;
mod order;
mod progress;
mod summary;
mod target;
#[cfg(test)]
mod tests;
mod video;

use std::path::PathBuf;
use std::process::ExitCode;

use filmgate_domain::{AspectRatio, Resolution, Seconds, Secret};

use super::{Globals, exit, globals, out};

pub(super) use gateway::Gateway;
pub(super) use make::{Made, make};
pub(super) use order::Order;
pub(super) use target::Target;

use video::Video;

/// Make a video and save it.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  filmgate generate \"a red fox in the snow\" --resolution 720p --seconds 10 -o fox.mp4
  filmgate generate \"waves\" --aspect-ratio 9:16 --base-url https://films.example.com/v1
  filmgate generate --resume video_0198... -o fox.mp4

It tells what was asked, what the upstream was asked for, and what was delivered, as measured.
Exits with 3 when the video is less than what was asked for, with 4 when no token is available.")]
pub(super) struct Args {
    /// What the video shows
    #[arg(value_name = "PROMPT", required_unless_present = "resume", conflicts_with = "resume")]
    prompt: Option<String>,
    /// The resolution: 480p, 720p or 1080p [default: the gateway's; filmgate takes 720p]
    #[arg(long, short, value_name = "RESOLUTION", conflicts_with = "resume")]
    resolution: Option<Resolution>,
    /// The length in seconds [default: the gateway's; filmgate takes 4]
    #[arg(long, short, value_name = "N", conflicts_with = "resume")]
    seconds: Option<Seconds>,
    /// Width to height: 16:9, 9:16, 1:1, 4:3, 3:4, 3:2 or 2:3
    #[arg(long, value_name = "RATIO", default_value_t = AspectRatio::R16x9, conflicts_with = "resume")]
    aspect_ratio: AspectRatio,
    /// The model [default: the gateway's]
    #[arg(long, short, value_name = "NAME", conflicts_with = "resume")]
    model: Option<String>,
    /// When no token that can deliver it is free: let a weaker pool make it, fail, or wait [default: fallback]
    #[arg(long, value_name = "WHAT", value_parser = ["fallback", "fail", "wait"], conflicts_with = "resume")]
    on_shortage: Option<String>,
    /// How long to wait for a token, in seconds [default: 600]
    #[arg(long, value_name = "N", conflicts_with = "resume", requires = "on_shortage")]
    max_wait: Option<u32>,
    /// Where to save the video [default: a name made from the prompt]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite the file if it is there
    #[arg(long, short)]
    force: bool,
    /// Go on with a video that was asked for before
    #[arg(long, value_name = "ID")]
    resume: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// Which gateway to ask.
#[derive(clap::Args, Debug)]
pub(super) struct Connection {
    /// The gateway, such as http://127.0.0.1:8000/v1 [default: the server that has the data directory]
    #[arg(long, env = "FILMGATE_BASE_URL", value_name = "URL", hide_env_values = true)]
    base_url: Option<String>,
    /// A client key of the gateway; `filmgate key create NAME` makes one
    #[arg(long, env = "FILMGATE_API_KEY", value_name = "KEY", hide_env_values = true, value_parser = globals::secret)]
    api_key: Option<Secret>,
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let gateway = Gateway::find(&args.connection, globals).await?;
    // Before anything is spent: is there a place for the file?
    let planned = args.prompt.as_deref().map(|prompt| target(&args, prompt)).transpose()?;
    let order = order(&args);
    let begun = async {
        match (&order, &args.resume) {
            (Some(order), _) => gateway.create(order).await,
            (None, id) => gateway.video(id.as_deref().unwrap_or_default()).await,
        }
    };
    let Some(video) = unless_interrupted(begun).await? else {
        out::remark("Stopped before the gateway answered; it may make the video all the same.");
        return Ok(ExitCode::from(exit::INTERRUPTED));
    };
    let target = match planned {
        Some(target) => target,
        None => target(&args, video.prompt().unwrap_or(&video.id))?,
    };
    let resume = resume(&args, &video, &target);
    match unless_interrupted(make::finish(&gateway, video, &target)).await {
        Ok(Some(made)) => summary::tell(&made, order.as_ref(), globals),
        Ok(None) => {
            out::remark(format_args!("Stopped; the video goes on at the gateway. Fetch it with\n  {resume}"));
            Ok(ExitCode::from(exit::INTERRUPTED))
        }
        Err(error) => {
            out::remark(format_args!("The video was asked for. Go on with it:\n  {resume}"));
            Err(error)
        }
    }
}

fn target(args: &Args, prompt: &str) -> anyhow::Result<Target> {
    Target::new(args.output.as_deref(), prompt, args.force)
}

fn order(args: &Args) -> Option<Order> {
    Some(Order {
        prompt: args.prompt.clone()?,
        model: args.model.clone(),
        resolution: args.resolution,
        seconds: args.seconds,
        aspect_ratio: args.aspect_ratio,
        on_shortage: args.on_shortage.clone(),
        max_wait: args.max_wait,
    })
}

/// The command that goes on with a video. The key is left out: it is a secret.
fn resume(args: &Args, video: &Video, target: &Target) -> String {
    let mut command = format!("filmgate generate --resume {}", out::quoted(&video.id));
    if let Some(base) = &args.connection.base_url {
        command.push_str(&format!(" --base-url {}", out::quoted(base)));
    }
    command.push_str(&format!(" -o {}", out::quoted(&target.path().to_string_lossy())));
    if args.force {
        command.push_str(" --force");
    }
    command
}

/// What `work` comes to, or `None` after Ctrl-C.
async fn unless_interrupted<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<Option<T>> {
    tokio::select! {
        done = work => done.map(Some),
        _ = tokio::signal::ctrl_c() => Ok(None),
    }
}
