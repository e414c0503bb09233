//! From a draft to what a job is about: its inputs are looked at, and give what the client left open.

use bytes::Bytes;
use filmgate_domain::{AspectRatio, Mode, Resolution, Role, Seconds, Shape, VideoSpec};

use crate::App;
use crate::auth::Caller;
use crate::dialect::{Draft, Names};
use crate::inputs::{Looks, Need, Ready};
use crate::load::Taken;
use crate::refusal::{Refusal, bad_spec};

/// What a job is about, and the files among its inputs.
pub(crate) struct Made {
    pub(crate) spec: VideoSpec,
    pub(crate) files: Vec<Bytes>,
    /// The memory of those that were fetched: to be kept for as long as they are.
    pub(crate) rooms: Vec<Taken>,
}

/// Looks at the inputs of a draft and works out what is asked.
pub(crate) async fn make(app: &App, caller: Caller, draft: Draft, names: Names) -> Result<Made, Refusal> {
    let Draft { model, prompt, resolution, seconds, aspect_ratio, usual_ratio, mode, inputs, .. } = draft;
    if prompt.trim().is_empty() && mode != Mode::Image {
        return Err(bad_spec(names.prompt)(filmgate_domain::SpecError::PromptMissing));
    }
    let named = model.clone().unwrap_or_else(|| app.default_model());
    let file = app.engine.needs_files(&named);
    let param = inputs.first().map(|input| input.param.clone()).unwrap_or_default();
    let mut ready = Vec::with_capacity(inputs.len());
    for input in inputs {
        let looks = match input.role {
            Role::FirstFrame => aspect_ratio.is_none(),
            Role::Video => true,
            Role::Reference => false,
        };
        ready.push(input.make_ready(app, caller, Need { looks, file }).await?);
    }
    let looks = ready.iter().find_map(|r: &Ready| r.looks.filter(|_| r.input.role != Role::Reference));
    let source_model = ready.iter().find_map(|r| r.model.clone());
    let (shape, added) = if mode.keeps_form() {
        of_source(looks, (mode == Mode::Extend).then_some(seconds), &param)?
    } else {
        let of_image = || looks.map(|l| AspectRatio::nearest(l.width, l.height));
        let aspect_ratio = aspect_ratio.or_else(of_image).unwrap_or(usual_ratio);
        (Shape { resolution, seconds, aspect_ratio }, None)
    };
    let model = model.map(String::into_boxed_str).or(source_model).unwrap_or_else(|| named.into());
    let rooms = ready.iter_mut().filter_map(|r| r.room.take()).collect();
    let (inputs, files): (Vec<_>, Vec<_>) = ready.into_iter().map(|r| (r.input, r.file)).unzip();
    let spec = VideoSpec::made_from(model, &prompt, shape, (mode, inputs)).map_err(bad_spec(names.prompt))?;
    Ok(Made { spec: VideoSpec { added, ..spec }, files: files.into_iter().flatten().collect(), rooms })
}

/// The form of an edit is that of its source; an extension is longer by what is added.
fn of_source(
    looks: Option<Looks>,
    added: Option<Seconds>,
    param: &str,
) -> Result<(Shape, Option<Seconds>), Refusal> {
    let unknown = || Refusal::invalid(param, format!("`{param}`: the length of the video is not known"));
    let Looks { width, height, duration_ms } = looks.ok_or_else(unknown)?;
    let duration = u32::try_from((duration_ms.ok_or_else(unknown)? + 500) / 1000).unwrap_or(u32::MAX);
    let total = duration.saturating_add(added.map_or(0, Seconds::get)).max(1);
    let shape = Shape {
        resolution: Resolution::of_short_side(width.min(height)).unwrap_or(Resolution::P480),
        seconds: Seconds::new(total).map_err(bad_spec(param))?,
        aspect_ratio: AspectRatio::nearest(width, height),
    };
    Ok((shape, added))
}
