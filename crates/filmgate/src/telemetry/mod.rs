//! OpenTelemetry traces: one for each video, exported when it has ended. A build without the feature `otel` only says
//! that it cannot.

#[cfg(feature = "otel")]
mod export;
#[cfg(feature = "otel")]
mod spans;

use filmgate_engine::OnEnd;

/// Where traces are to be sent to, in the words of the standard. The first that is set counts.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// Whatever exports traces.
pub(crate) struct Traces {
    #[cfg(feature = "otel")]
    exporting: Option<export::Exporting>,
}

impl Traces {
    /// Starts to export, if the environment says where to. What it says may be meant for others: when it makes no
    /// sense here, that is told, and videos are made all the same.
    #[cfg(feature = "otel")]
    pub(crate) fn start() -> (Self, Option<OnEnd>) {
        let Some((variable, endpoint)) = endpoint(variable) else {
            tracing::info!("traces are not exported; OTEL_EXPORTER_OTLP_ENDPOINT is not set");
            return (Self { exporting: None }, None);
        };
        match export::Exporting::start(&endpoint) {
            Ok((exporting, on_end)) => (Self { exporting: Some(exporting) }, Some(on_end)),
            Err(error) => {
                tracing::error!("{variable} is set, but no traces are exported: {error:#}");
                (Self { exporting: None }, None)
            }
        }
    }

    /// Says that this build exports none, if some are wanted.
    #[cfg(not(feature = "otel"))]
    pub(crate) fn start() -> (Self, Option<OnEnd>) {
        if let Some((variable, _)) = endpoint(variable) {
            tracing::warn!(
                "{variable} is set, but this build exports no traces; build it with `--features otel`"
            );
        }
        (Self {}, None)
    }

    /// Sends what is left, for a few seconds at most.
    pub(crate) async fn stop(self) {
        #[cfg(feature = "otel")]
        if let Some(exporting) = self.exporting {
            exporting.stop().await;
        }
    }
}

/// A variable of the environment, if it says something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Where traces are to be sent to, and which variable says so; `None` when nobody wants them.
fn endpoint(variable: impl Fn(&str) -> Option<String>) -> Option<(&'static str, String)> {
    let is = |name: &str, word: &str| variable(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
    if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
        return None;
    }
    ENDPOINTS.iter().find_map(|name| variable(name).map(|value| (*name, value)))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&[], None)]
    #[case(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a")], Some("http://a"))]
    #[case(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"), ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://b/x")], Some("http://b/x"))]
    #[case(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"), ("OTEL_SDK_DISABLED", "TRUE")], None)]
    #[case(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"), ("OTEL_TRACES_EXPORTER", "none")], None)]
    #[case(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"), ("OTEL_TRACES_EXPORTER", "otlp")], Some("http://a"))]
    fn the_environment_says_where_to(#[case] env: &[(&str, &str)], #[case] expected: Option<&str>) {
        let variable =
            |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        assert_eq!(endpoint(variable).map(|(_, value)| value).as_deref(), expected);
    }
}
