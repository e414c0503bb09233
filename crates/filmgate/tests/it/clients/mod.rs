//! The real clients, at pinned versions, against the real binary: `clients::CLIENT::FEATURE`.
//!
//! What a client does stands in the scripts of the folder `clients`, as somebody who uses the package would write
//! it; what the provider saw of it is looked at here. `cargo xtask clients` makes their environments.

pub(crate) mod client;
mod features;
mod lossy;
mod readme;
mod schemathesis;
mod studio;
pub(crate) mod webhooks;

use client::{curl, node, python};

/// Tests of each client: a feature, and the checks of its script that show it, run by one process.
macro_rules! clients {
    ($($name:ident = $client:expr => { $($feature:ident: $checks:literal,)* })*) => { $(
        mod $name {
            use super::*;
            $(
                #[tokio::test]
                async fn $feature() {
                    let test = concat!("clients::", stringify!($name), "::", stringify!($feature));
                    let client = $client;
                    if client.is_ready(test) {
                        features::$feature(&client, $checks).await;
                    }
                }
            )*
        }
    )* };
}

clients! {
    openai_python_2 = python("openai-python/2", "openai-python/checks.py") => {
        life: "life models pages thumbnail mounts",
        images: "images",
        derivations: "derivations",
        errors: "errors",
        retries: "retries idempotency",
        parallel: "parallel",
        fallback: "fallback on_shortage",
        chat: "chat",
    }
    openai_python_3 = python("openai-python/3", "openai-python/checks.py") => {
        life: "life models pages thumbnail mounts",
        images: "images",
        derivations: "derivations",
        errors: "errors",
        retries: "retries idempotency",
        parallel: "parallel",
        fallback: "fallback on_shortage",
        chat: "chat",
    }
    openai_node_6 = node("openai-node/6", "openai-node/checks.mjs") => {
        life: "life models pages thumbnail mounts",
        images: "images",
        derivations: "derivations",
        errors: "errors",
        retries: "retries idempotency",
        parallel: "parallel",
        fallback: "fallback on_shortage",
        chat: "chat",
    }
    openai_node_7 = node("openai-node/7", "openai-node/checks.mjs") => {
        life: "life models pages thumbnail mounts",
        images: "images",
        derivations: "derivations",
        errors: "errors",
        retries: "retries idempotency",
        parallel: "parallel",
        fallback: "fallback on_shortage",
        chat: "chat",
    }
    litellm = python("litellm", "litellm/checks.py") => {
        life: "life thumbnail mounts",
        images: "images",
        derivations: "derivations",
        errors: "errors",
        retries: "retries",
        parallel: "parallel",
        fallback: "fallback on_shortage",
        chat: "chat",
    }
    ai_sdk_6 = node("ai-sdk/6", "ai-sdk/checks.mjs") => {
        life: "life mounts no_private_links",
        images: "images",
        derivations: "derivations",
        errors: "errors",
        retries: "retries_with_key",
        parallel: "parallel",
        fallback: "fallback on_shortage",
    }
    ai_sdk_7 = node("ai-sdk/7", "ai-sdk/checks.mjs") => {
        life: "life mounts no_private_links",
        images: "images",
        derivations: "derivations",
        errors: "errors",
        retries: "retries",
        parallel: "parallel",
        fallback: "fallback on_shortage",
    }
    curl = curl("curl/checks.sh") => {
        life: "life xai thumbnail mounts",
        images: "images",
        derivations: "derivations",
        errors: "errors",
        retries: "retries idempotency",
        parallel: "parallel",
        fallback: "fallback on_shortage",
        chat: "chat",
    }
}
