//! The operator's page in a real browser: Chromium, driven through ChromeDriver.

mod axe;
mod believable;
mod chrome;
mod clients;
mod overview;
mod pages;
mod routing;
mod screenshots;
mod settings;
mod signing_in;
mod studio;
mod tokens;
mod videos;

use crate::clients::client;
use crate::needs;

/// Whether there is a browser, and what judges the page.
fn ready(test: &str) -> bool {
    let browser = needs::program("chromedriver", "--version");
    needs::met(test, browser.and_then(|()| client::made_of("axe", "package-lock.json")))
}
