//! Filmgate's HTTP face: every route is in [`router`].

mod admin;
mod auth;
mod cors;
mod dialect;
mod drain;
mod extract;
mod fields;
mod follow;
mod form;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod guarded;
mod idempotency;
mod inputs;
mod library;
mod load;
mod media;
mod models;
mod openapi;
mod page;
mod patience;
mod probes;
mod refusal;
mod serve;
mod tls;
mod traffic;
mod videos;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::extract::Request;
use axum::middleware;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use filmgate_domain::{Job, JobId, Role};
use filmgate_engine::Engine;
use filmgate_store::{KeyScope, NewKey, StoreError, hash_key};
use http::{HeaderName, StatusCode};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};

pub use admin::{
    Change, ConfigProblem, ConfigValue, Configuration, Draft, Mistake, NotUndone, Restart, ValueSource,
};
pub use auth::new_key;
pub use load::RequestLimits;
pub use serve::{Door, Limits, serve};
pub use tls::{Tls, TlsError};
pub use webhooks::WebhookSettings;

use auth::{AdminKey, Brake, Caller, Keys, hint};
use dialect::{Dialect, spelling};
use extract::BodyLimit;
use idempotency::Turns;
use load::Load;
use page::{FreshKeys, Sessions};
use probes::Requests;
use refusal::Refusal;
use webhooks::Tally;

/// Everything that handlers need. Cloning is cheap.
#[derive(Clone)]
pub struct App {
    engine: Engine,
    keys: Keys,
    admin_key: AdminKey,
    /// Slows down whoever guesses at keys of the API.
    key_brake: Brake,
    settings: Arc<ArcSwap<HttpSettings>>,
    configuration: Arc<dyn Configuration>,
    requests: Requests,
    webhooks: Tally,
    turns: Turns,
    load: Load,
    sessions: Sessions,
    /// Slows down whoever guesses at the sign-in.
    sign_in_brake: Brake,
    fresh_keys: FreshKeys,
}

/// What a reload can change.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// What a chat completion contains.
    pub chat_content: ChatContent,
    /// How often a stream gets a comment line.
    pub chat_ping: Duration,
    /// The largest request body, in bytes.
    pub max_body: usize,
    /// What requests may take, all together.
    pub requests: RequestLimits,
    /// The limits of what videos are made from.
    pub inputs: InputLimits,
    /// How webhooks are sent.
    pub webhooks: WebhookSettings,
    /// The origins whose pages may call filmgate from a browser; `*` for all.
    pub cors_origins: Vec<String>,
}

/// The limits of what videos are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputLimits {
    /// The largest image, in bytes.
    pub max_image: u64,
    /// The largest video, in bytes.
    pub max_video: u64,
    /// How long fetching one may take.
    pub fetch_timeout: Duration,
}

impl InputLimits {
    fn largest(&self, role: Role) -> u64 {
        if role == Role::Video { self.max_video } else { self.max_image }
    }
}

/// What a chat completion contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatContent {
    /// The bare link.
    Url,
    /// A `<video>` element.
    Html,
}

/// What an [`App`] is made of.
pub struct AppParts {
    /// The engine.
    pub engine: Engine,
    /// SHA-256 of the admin key.
    pub admin_key: [u8; 32],
    /// What a reload can change.
    pub settings: HttpSettings,
    /// Shows, changes and reloads the configuration.
    pub configuration: Arc<dyn Configuration>,
}

impl App {
    /// Reads the client keys.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn new(parts: AppParts) -> Result<App, StoreError> {
        let keys = Keys::default();
        keys.load(parts.engine.store()).await?;
        let sessions = Sessions::default();
        sessions.load(parts.engine.store()).await?;
        let requests = Requests::new(parts.engine.now());
        Ok(App {
            engine: parts.engine,
            keys,
            admin_key: AdminKey::new(parts.admin_key),
            key_brake: Brake::new(auth::FREE_TRIES),
            settings: Arc::new(ArcSwap::from_pointee(parts.settings)),
            configuration: parts.configuration,
            requests,
            webhooks: Tally::default(),
            turns: Turns::default(),
            load: Load::default(),
            sessions,
            sign_in_brake: Brake::new(page::FREE_TRIES),
            fresh_keys: FreshKeys::default(),
        })
    }

    /// Adds a client key that somebody already knows. The caller of that name owns its jobs.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn add_client_key(&self, name: &str, key: &str) -> Result<filmgate_domain::KeyId, StoreError> {
        let (store, now) = (self.engine.store(), self.engine.now());
        let key = NewKey {
            caller: store.add_caller(name, now).await?,
            name: name.to_owned(),
            hash: hash_key(key),
            hint: hint(key),
            scope: KeyScope::Client,
            expires_at: None,
            created_at: now,
        };
        self.keys.add(store, key).await
    }

    /// Takes other settings into use.
    pub fn reload(&self, settings: HttpSettings) {
        self.settings.store(Arc::new(settings));
    }

    fn default_model(&self) -> String {
        self.engine.settings().catalog.default_model().name.to_string()
    }

    /// A job of this caller by a spelled id. Somebody else's does not exist.
    async fn find(&self, caller: Caller, id: &str) -> Result<Arc<Job>, Refusal> {
        let (_, id) = spelling(id).ok_or_else(Refusal::no_such_video)?;
        self.job_of(caller, id).await?.ok_or_else(Refusal::no_such_video)
    }

    /// A job of this caller that was not deleted.
    async fn job_of(&self, caller: Caller, id: JobId) -> Result<Option<Arc<Job>>, StoreError> {
        let job = self.engine.job(id).await?;
        Ok(job.filter(|job| job.caller == caller.0 && job.deleted_at.is_none()))
    }
}

/// Where clients begin. The two dialects share a base URL, where paths, ids and bodies tell them apart; below
/// the other two, one dialect is forced.
const BASES: [&str; 3] = ["/v1", "/openai/v1", "/xai/v1"];

/// What clients call.
fn clients(app: &App, base: &str) -> Router<App> {
    let at = |path: &str| format!("{base}{path}");
    let making = middleware::from_fn_with_state(app.clone(), load::after_others);
    Router::new()
        .route(&at("/videos"), post(videos::create_openai).layer(making.clone()).get(library::list))
        .route(&at("/videos/generations"), post(videos::create_xai).layer(making.clone()))
        .route(&at("/videos/edits"), post(videos::edit).layer(making.clone()))
        .route(&at("/videos/extensions"), post(videos::extend).layer(making.clone()))
        .route(&at("/videos/characters"), post(videos::characters))
        .route(&at("/videos/characters/{id}"), get(videos::characters))
        .route(&at("/videos/{id}"), get(library::retrieve).delete(library::delete))
        .route(&at("/videos/{id}/events"), get(follow::events))
        .route(&at("/videos/{id}/content"), get(media::content))
        .route(&at("/videos/{id}/remix"), post(videos::remix).layer(making.clone()))
        .route(&at("/chat/completions"), post(videos::chat).layer(making.clone()))
        .route(&at("/models"), get(models::list))
        .route(&at("/models/{model}"), get(models::retrieve))
}

/// Every route.
pub fn router(app: App) -> Router {
    let max_body = app.settings.load().max_body;
    let request_id = HeaderName::from_static("x-request-id");
    // In one, outermost first: each layer of a router by itself is another box around every request.
    let around = ServiceBuilder::new()
        .layer(SetRequestIdLayer::new(request_id.clone(), MakeRequestUuid))
        .layer(PropagateRequestIdLayer::new(request_id))
        .map_response(guarded::guard)
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| panicked()))
        .layer(middleware::from_fn(drain::drain))
        .layer(Extension(BodyLimit(max_body)));
    let clients = BASES.into_iter().fold(Router::new(), |router, base| router.merge(clients(&app, base)));
    clients
        // signed links
        .route("/media/{name}", get(media::signed))
        // Before the layer: a browser's question is an OPTIONS, which no route takes.
        .method_not_allowed_fallback(wrong_method)
        .layer(cors::layer(&app.settings.load().cors_origins))
        // the operator
        .nest("/admin/v1", admin::router())
        .merge(page::router())
        // probes
        .route("/healthz", get(probes::healthz))
        .route("/readyz", get(probes::readyz))
        .route("/metrics", get(probes::metrics))
        // the description of all this
        .route("/openapi.json", get(openapi::json))
        .route("/docs", get(openapi::docs))
        .route("/docs/style.css", get(openapi::style))
        .fallback(no_such_route)
        .method_not_allowed_fallback(wrong_method)
        .route_layer(middleware::from_fn_with_state(app.clone(), probes::count))
        .layer(around)
        .with_state(app)
}

async fn no_such_route(request: Request) -> Response {
    let path: String = request.uri().path().chars().take(100).collect();
    let message = format!("there is nothing at {path}; clients begin at /v1");
    let refusal = Refusal::new(StatusCode::NOT_FOUND, "not_found", message);
    refusal.into_response(Dialect::of_path(request.uri().path()))
}

async fn wrong_method(request: Request) -> Response {
    let path: String = request.uri().path().chars().take(100).collect();
    let method: String = request.method().as_str().chars().take(40).collect();
    let message = format!("{path} does not take {method}");
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
    refusal.into_response(Dialect::of_path(request.uri().path()))
}

fn panicked() -> Response {
    tracing::error!("a handler panicked; this is a defect of filmgate, please report it");
    let message = "filmgate made a mistake; its log says more";
    let refusal = Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message);
    refusal.into_response(Dialect::OpenAi)
}
