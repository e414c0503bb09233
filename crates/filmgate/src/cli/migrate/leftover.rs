//! Why a setting of the old gateway is left out.

/// The old gateways' sections that are about something else than videos.
const OTHER_MEDIA: &[&str] = &["chat", "features", "grok", "image", "imagine", "imagine_fast", "voice"];
const OTHER_MEDIA_OF_APP: &[&str] = &[
    "custom_instruction",
    "disable_memory",
    "filter_tags",
    "image_format",
    "memory",
    "stream",
    "temporary",
    "thinking",
    "thinking_summary",
];

/// The reason, as a sentence. `key` is dotted: `security.cf_clearance`.
pub(super) fn reason(key: &str) -> &'static str {
    let section = key.split('.').next().unwrap_or_default();
    let leaf = key.rsplit('.').next().unwrap_or_default();
    let has = |words: &[&str]| words.iter().any(|word| key.contains(word));
    if has(&[
        "cf_",
        "clearance",
        "browser",
        "user_agent",
        "statsig",
        "flaresolverr",
        "fingerprint",
        "cookies",
    ]) {
        "Filmgate imitates no browser and circumvents no provider's protection:"
    } else if has(&["nsfw", "asset", "birth"]) && !has(&["proxy"]) {
        "Filmgate orders videos from an API; it does not look after accounts on a web site:"
    } else if has(&["proxy"]) {
        "An upstream here has one proxy, for orders and files alike, and there is no changing of addresses:"
    } else if section == "retry" || leaf.starts_with("retry") {
        "Filmgate repeats only what was certainly refused (jobs.max_attempts); this is not a matter of codes:"
    } else if has(&["concurren", "batch", "max_tokens", "max_inflight"]) {
        "There is no limit on everything together here: each token has its own (pools.NAME.max_in_flight), and who \
         finds none free waits:"
    } else if has(&["timeout", "sse_keepalive"]) {
        "A video is made in the background and asked for until jobs.deadline; streams stay open by chat.ping_every:"
    } else if ["token", "account", "usage", "pool", "register"].contains(&section) {
        "Filmgate keeps its own books of quota (pools.NAME.quota_units and quota_window) and asks nobody for it:"
    } else if ["cache", "storage"].contains(&section) || leaf.contains("cache") {
        "Videos are tidied up by media.keep and media.max_bytes; nothing else is stored:"
    } else if has(&["public_", "function_", "webui_", "username", "enabled_ui"]) {
        "The operator's page has one key and no user names, and there is no page for visitors:"
    } else if section == "security" || has(&["rate_limit", "cors", "trusted"]) {
        "Every request here needs a key; limits by address belong into your reverse proxy (see also \
         server.cors_origins):"
    } else if ["log", "logging", "stats"].contains(&section) || leaf.starts_with("log_") {
        "Logs and figures are filmgate's own (log.level, /metrics):"
    } else if OTHER_MEDIA.contains(&section)
        || (section == "app" && OTHER_MEDIA_OF_APP.contains(&leaf))
        || has(&["image", "thinking", "stream", "temporary", "filtered_tags"])
    {
        "Filmgate makes videos; chat, pictures and speech stay where they are:"
    } else {
        "Filmgate knows no such setting:"
    }
}

/// Of settings that were empty.
pub(super) const EMPTY: &str = "Empty there, so there is nothing to take over:";
/// Of settings that mean the same as one that is taken.
pub(super) const TWICE: &str = "Another setting there says the same:";

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("security.cf_clearance", "no browser")]
    #[case("proxy.clearance.mode", "no browser")]
    #[case("proxy.user_agent", "no browser")]
    #[case("chat.dynamic_statsig", "no browser")]
    #[case("grok.x_statsig_id", "no browser")]
    #[case("image.image_ws_nsfw", "web site")]
    #[case("performance.assets_batch_size", "web site")]
    #[case("asset.cleanup.enabled", "web site")]
    #[case("network.asset_proxy_url", "one proxy")]
    #[case("proxy.egress.proxy_pool", "one proxy")]
    #[case("retry.max_retry", "certainly refused")]
    #[case("grok.retry_status_codes", "certainly refused")]
    #[case("performance.media_max_concurrent", "max_in_flight")]
    #[case("video.concurrent", "max_in_flight")]
    #[case("timeout.video_idle_timeout", "jobs.deadline")]
    #[case("grok.stream_chunk_timeout", "jobs.deadline")]
    #[case("token.auto_refresh", "books of quota")]
    #[case("account.refresh.enabled", "books of quota")]
    #[case("cache.enable_auto_clean", "media.keep")]
    #[case("global.image_cache_max_size_mb", "media.keep")]
    #[case("app.public_key", "no page for visitors")]
    #[case("security.allow_anonymous_api", "needs a key")]
    #[case("stats.enabled", "Logs")]
    #[case("global.log_level", "Logs")]
    #[case("chat.stream", "speech")]
    #[case("app.image_format", "speech")]
    #[case("grok.temporary", "speech")]
    #[case("video.something_new", "no such setting")]
    #[case("", "no such setting")]
    fn every_setting_has_its_reason(#[case] key: &str, #[case] words: &str) {
        assert!(reason(key).contains(words), "{key}: {}", reason(key));
    }
}
