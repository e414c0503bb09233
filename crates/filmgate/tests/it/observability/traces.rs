//! A build without the feature `otel` says so to whoever wants traces. (What a build with it does: tests/otel.)

#[tokio::test]
#[cfg(not(feature = "otel"))]
async fn a_build_that_exports_no_traces_says_so() {
    use crate::app::Setup;
    let env = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9".to_owned())];
    let app = Setup { env, ..Setup::default() }.start().await;
    app.says("WARN", "OTEL_EXPORTER_OTLP_ENDPOINT is set, but this build exports no traces").await;
    let quiet = Setup::default().start().await;
    assert!(!quiet.logs().contains("traces"), "{}", quiet.logs());
}
