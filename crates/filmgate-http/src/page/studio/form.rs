//! The form of the studio. What was refused is told beside its field.

use filmgate_domain::{AspectRatio, Mode, OnShortage, Resolution, VideoSpec};
use maud::{Markup, html};

use crate::App;
use crate::auth::new_key;
use crate::refusal::Refusal;

use super::super::look::Look;
use super::super::parts::{Tone, note};
use super::wish::Wish;

/// What each field is called where it is refused.
const FIELDS: [&str; 9] = [
    "prompt",
    "model",
    "resolution",
    "seconds",
    "aspect_ratio",
    "on_shortage",
    "max_wait",
    "input_reference",
    "caller",
];

pub(super) fn form(
    app: &App,
    wish: &Wish,
    callers: &[String],
    problem: Option<&Refusal>,
    look: Look,
) -> Markup {
    let param = problem.and_then(|refusal| refusal.param.as_deref());
    let param = param.map(|param| param.split(['.', '[']).next().unwrap_or(param));
    let beside = param.filter(|param| FIELDS.contains(param));
    let fields = Fields { wish, beside, problem, look };
    html! {
        @if let Some(refusal) = problem.filter(|_| beside.is_none()) { (note(Tone::Bad, &refusal.message)) }
        form.card.studio method="post" action="/admin/studio" enctype="multipart/form-data" {
            // Without randomness a second click is a second video, as with any client.
            input type="hidden" name="request" value=(new_key("").unwrap_or_default());
            (fields.prompt())
            div.row { (fields.model(app)) (fields.shape()) }
            div.row { (fields.shortage()) (fields.caller(callers)) }
            (fields.image())
            div.row {
                button.primary type="submit" { (look.t("studio-make")) }
                button type="submit" name="check" value="1" formmethod="get" formenctype="application/x-www-form-urlencoded"
                    formnovalidate { (look.t("studio-check")) }
            }
        }
        (offers(app, look))
    }
}

/// The fields, and what is wrong with one of them.
struct Fields<'a> {
    wish: &'a Wish,
    /// The field that the problem is told beside.
    beside: Option<&'a str>,
    problem: Option<&'a Refusal>,
    look: Look,
}

impl Fields<'_> {
    fn is_wrong(&self, name: &str) -> bool {
        self.beside == Some(name)
    }

    /// What is wrong with this field, for its description.
    fn complaint(&self, name: &str) -> Markup {
        let problem = self.problem.filter(|_| self.is_wrong(name));
        html! { @if let Some(refusal) = problem { span.wrong id={ "wrong-" (name) } role="alert" lang="en" { (refusal.message) } } }
    }

    fn describes(&self, name: &str) -> Option<String> {
        self.is_wrong(name).then(|| format!("wrong-{name}"))
    }

    fn invalid(&self, name: &str) -> Option<&'static str> {
        self.is_wrong(name).then_some("true")
    }

    fn prompt(&self) -> Markup {
        let label = self.look.t("studio-prompt");
        html! {
            label.wide { span { (label) }
                textarea name="prompt" rows="4" maxlength=(VideoSpec::PROMPT_MAX)
                    aria-invalid=[self.invalid("prompt")] aria-describedby=[self.describes("prompt")] { (self.wish.prompt) }
                (self.complaint("prompt"))
            }
        }
    }

    fn choice(&self, name: &str, label: &str, options: &[(String, String)], chosen: &str) -> Markup {
        html! {
            label { span { (label) }
                select name=(name) aria-invalid=[self.invalid(name)] aria-describedby=[self.describes(name)] {
                    @for (value, text) in options { option value=(value) selected[value == chosen] { (text) } }
                    // What is not on offer was asked for all the same, and is judged when it is sent.
                    @if options.iter().all(|(value, _)| value != chosen) { option value=(chosen) selected { (chosen) } }
                }
                (self.complaint(name))
            }
        }
    }

    fn line(&self, (name, kind): (&str, &str), label: &str, value: &str) -> Markup {
        let number = kind == "number";
        html! {
            label { span { (label) }
                input type=(kind) name=(name) value=(value) min=[number.then_some(1)] step=[number.then_some(1)]
                    aria-invalid=[self.invalid(name)] aria-describedby=[self.describes(name)];
                (self.complaint(name))
            }
        }
    }

    fn model(&self, app: &App) -> Markup {
        let settings = app.engine.settings();
        let names = settings.catalog.models().iter().map(|model| model.name.to_string());
        let options: Vec<(String, String)> = names.map(|name| (name.clone(), name)).collect();
        let usual = app.default_model();
        let chosen = if self.wish.model.is_empty() { &usual } else { &self.wish.model };
        self.choice("model", &self.look.t("studio-model"), &options, chosen)
    }

    fn shape(&self) -> Markup {
        let word = |word: &str| (word.to_owned(), word.to_owned());
        let resolutions = Resolution::ALL.map(|resolution| word(resolution.as_str()));
        let ratios = AspectRatio::ALL.map(|ratio| word(ratio.as_str()));
        let look = self.look;
        html! {
            (self.choice("resolution", &look.t("studio-resolution"), &resolutions, &self.wish.resolution))
            (self.line(("seconds", "number"), &look.t("studio-seconds"), &self.wish.seconds))
            (self.choice("aspect_ratio", &look.t("studio-ratio"), &ratios, &self.wish.aspect_ratio))
        }
    }

    fn shortage(&self) -> Markup {
        let look = self.look;
        let words = OnShortage::ALL.map(|choice| {
            (choice.as_str().to_owned(), look.t(&format!("videos-shortage-{}", choice.as_str())))
        });
        html! {
            (self.choice("on_shortage", &look.t("studio-shortage"), &words, &self.wish.on_shortage))
            (self.line(("max_wait", "number"), &look.t("studio-max-wait"), &self.wish.max_wait))
        }
    }

    fn caller(&self, callers: &[String]) -> Markup {
        let own = std::iter::once(super::CALLER.to_owned());
        let others = callers.iter().filter(|name| *name != super::CALLER).cloned();
        let options: Vec<(String, String)> = own.chain(others).map(|name| (name.clone(), name)).collect();
        self.choice("caller", &self.look.t("studio-caller"), &options, &self.wish.caller)
    }

    fn image(&self) -> Markup {
        let look = self.look;
        html! {
            fieldset aria-describedby=[self.describes("input_reference")] {
                legend { (look.t("studio-image")) }
                div.row {
                    label { span { (look.t("studio-image-file")) }
                        input type="file" name="image" accept="image/png,image/jpeg,image/webp";
                    }
                    label { span { (look.t("studio-image-url")) }
                        input type="url" name="image_url" value=(self.wish.image_url) placeholder="https://"
                            aria-invalid=[self.invalid("input_reference")];
                    }
                }
                (self.complaint("input_reference"))
                @if self.problem.is_some() || !self.wish.image.is_empty() { p.hint { (look.t("studio-image-again")) } }
            }
        }
    }
}

/// What can be asked for.
fn offers(app: &App, look: Look) -> Markup {
    let settings = app.engine.settings();
    let catalog = &settings.catalog;
    let longest = |model: &filmgate_domain::Model, resolution| {
        let pools = catalog.pools_of(model).map(|index| &catalog.pools()[index]);
        pools.filter_map(|pool| pool.longest(&model.name, Mode::Text, resolution)).max()
    };
    html! {
        details.card {
            summary { (look.t("studio-offers")) }
            dl {
                @for model in catalog.models() {
                    @let offers = Resolution::ALL.into_iter().filter_map(|resolution| {
                        longest(model, resolution).map(|seconds| format!("{resolution}: {seconds} s"))
                    });
                    dt { (model.name) }
                    dd { (offers.collect::<Vec<_>>().join(", ")) }
                }
            }
        }
    }
}
