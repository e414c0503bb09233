//! The operator's page, through HTTP: what stands on it, and what its forms do.

mod clients;
mod overview;
mod routing;
mod settings;
mod signing_in;
pub(crate) mod studio;
mod tokens;
mod videos;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Method, Response, StatusCode};

use crate::app::{ADMIN_KEY, TestApp};

/// A browser that is signed in, follows no redirects by itself, and speaks English unless told otherwise.
pub(crate) struct Browser {
    http: Client,
    url: String,
    cookie: String,
}

impl Browser {
    /// One that is not signed in.
    pub(crate) fn new(app: &TestApp) -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, url: app.url.clone(), cookie: String::new() }
    }

    pub(crate) async fn signed_in(app: &TestApp) -> Self {
        let mut browser = Self::new(app);
        let answer = browser.post("/admin/sign-in", &[("key", ADMIN_KEY)]).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        browser.keep_cookie(&answer);
        browser
    }

    /// Keeps the first cookie of an answer, beside those that it has.
    pub(crate) fn keep_cookie(&mut self, answer: &Response) {
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap();
        self.cookie =
            if self.cookie.is_empty() { cookie.to_owned() } else { format!("{}; {cookie}", self.cookie) };
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    /// The HTML of a page.
    pub(crate) async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        text
    }

    /// Sends a form.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request =
            self.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
        request.body(body).send().await.unwrap()
    }

    /// Sends a form that does something, and follows to the page that says so.
    pub(crate) async fn act(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.post(path, fields).await;
        if answer.status() != StatusCode::SEE_OTHER {
            panic!("{path}: {} {}", answer.status(), answer.text().await.unwrap());
        }
        self.page(answer.headers()[LOCATION].to_str().unwrap()).await
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url)).header("accept", "text/html");
        if self.cookie.is_empty() { request } else { request.header(COOKIE, &self.cookie) }
    }
}
