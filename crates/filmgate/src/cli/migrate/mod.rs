//! `filmgate migrate`: moving in from another gateway.

mod keys;
mod leftover;
mod old;
mod report;
mod settings;
mod target;
mod tokens;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use http::Method;
use serde_json::{Map, Value, json};
use url::Url;

use self::old::{Old, Unread};
use self::report::Report;
use self::settings::{Setting, To, Wanted};
use self::target::{Effective, Fate, dotted};
use self::tokens::{NewPool, OldTokens};
use super::client::{self, AdminClient};
use super::out::{self, quoted};
use super::pool::{Pool, Pools};
use super::token::compatible;
use super::{Globals, web};
use crate::start;

#[derive(clap::Subcommand, Debug)]
pub(super) enum Command {
    /// Move in from grok2api (the Python version): settings, client keys, admin key and tokens
    Grok2api(Args),
}

/// Reads grok2api's data directory and says what can be taken over; with --apply, takes it over.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
It prints three lists: what is taken over, what is left out and why, and what needs you. Without --apply
nothing is written at all. Applying twice does no harm, and what you have set yourself stays.
The old directory is only read.

Examples:
  filmgate migrate grok2api /srv/grok2api/data
  filmgate migrate grok2api /srv/grok2api/data --apply
  filmgate migrate grok2api /srv/grok2api/data --upstream http://127.0.0.1:9000/v1 --apply")]
pub(super) struct Args {
    /// The directory with `config.toml` (or `setting.toml`) and `token.json`
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Take over what is listed, instead of only listing it
    #[arg(long)]
    apply: bool,
    /// The compatible server that the tokens are for; the official xAI API takes no session cookies of
    /// another product. The pools concerned are changed to send their tokens there.
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
}

pub(super) async fn run(command: Command, globals: &Globals) -> anyhow::Result<ExitCode> {
    let Command::Grok2api(args) = command;
    let upstream = args.upstream.as_deref().map(web::address).transpose()?;
    let old = Old::read(&args.path)?;
    let mut report = Report::default();
    let wanted = read(&old, &mut report);
    keys::adopt_admin_key(&wanted, globals, args.apply, &again(&args, globals, &[]), &mut report).await?;
    let carry = async |client: &AdminClient| {
        let carry = Carry { client, old: &old, wanted: &wanted, args: &args, globals };
        carry.all(upstream.as_ref(), &mut report).await
    };
    if args.apply {
        client::with(globals, carry).await?
    } else {
        client::look(globals, carry).await?
    }
    tell(&report, &old, &args, globals)?;
    Ok(ExitCode::SUCCESS)
}

/// What the old files ask for; what is not read of them is reported.
fn read(old: &Old, report: &mut Report) -> Wanted {
    let mut wanted = match &old.settings {
        Some(file) => settings::read(&file.content, report),
        None => {
            report.needs(
                "There is no config.toml, so the settings and the key for applications were not taken over. If the \
                 old gateway kept them elsewhere (SERVER_STORAGE_TYPE), write what you need into filmgate.toml, and \
                 make keys:",
                ["filmgate key create NAME".to_owned()],
            );
            Wanted::default()
        }
    };
    if let Some(file) = &old.keys {
        settings::more_keys(&file.content, &mut wanted, report);
    }
    for unread in &old.unread {
        match unread {
            Unread::OlderSettings => report.leaves("config.toml has taken its place:", "setting.toml"),
            Unread::Cache => report.leaves(
                "Videos and pictures that are there already; links to them work as long as the old gateway runs:",
                "tmp",
            ),
            Unread::Accounts => {}
        }
    }
    if old.tokens.is_none() {
        let place = if old.unread.contains(&Unread::Accounts) { "accounts.db" } else { "a database" };
        report.needs(
            format!(
                "There is no token.json. If the old gateway keeps its tokens in {place}, export them on its page, one \
                 a line, and import the file (the address is that of a compatible server):"
            ),
            ["filmgate token import tokens.txt --pool ssoBasic --upstream http://YOUR-SERVER/v1".to_owned()],
        );
    }
    wanted
}

/// This command, with further words, as it can be pasted.
fn again(args: &Args, globals: &Globals, further: &[&str]) -> String {
    let mut words = vec!["filmgate".to_owned(), "migrate".to_owned(), "grok2api".to_owned()];
    let path = std::path::absolute(&args.path).unwrap_or_else(|_| args.path.clone());
    words.push(quoted(&path.display().to_string()));
    let upstream = args.upstream.as_deref().filter(|_| further.is_empty());
    words.extend(upstream.into_iter().flat_map(|url| ["--upstream".to_owned(), quoted(url)]));
    words.extend(further.iter().map(|&word| word.to_owned()));
    words.push("--apply".to_owned());
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let flags = [
        ("--data-dir", path(&globals.data_dir)),
        ("--config", path(&globals.config)),
        ("--preset", globals.preset.clone()),
        ("--admin-url", globals.admin_url.clone()),
    ];
    let flags = flags.into_iter().filter_map(|(flag, value)| Some((flag, value?)));
    let flags = flags.chain(globals.set.iter().map(|setting| ("--set", setting.clone())));
    words.extend(flags.flat_map(|(flag, value)| [flag.to_owned(), quoted(&value)]));
    words.join(" ")
}

/// The way from the old files to an admin API, which is that of a server, of the data directory, or, when nothing
/// is to be written, of an empty directory.
struct Carry<'a> {
    client: &'a AdminClient,
    old: &'a Old,
    wanted: &'a Wanted,
    args: &'a Args,
    globals: &'a Globals,
}

impl Carry<'_> {
    async fn all(&self, upstream: Option<&Url>, report: &mut Report) -> anyhow::Result<()> {
        let (client, apply) = (self.client, self.args.apply);
        let Pools { pools } = serde_json::from_value(client.get(&["pools"], &[]).await?)?;
        let tokens = self.old.tokens.as_ref().map(|file| OldTokens::of(&file.content)).unwrap_or_default();
        let concerned: BTreeSet<String> = tokens
            .concerned()
            .into_iter()
            .filter(|name| pools.iter().any(|pool| pool.name == *name))
            .collect();
        if let Some(url) = upstream {
            let before = Effective::read(client).await?;
            compatible::send_there(client, url, &concerned, !apply).await?;
            for pool in pools.iter().filter(|pool| concerned.contains(&pool.name)) {
                let already = pool.upstream == compatible::NAME && before.is_at(&pool.upstream, url);
                report.takes("--upstream", format!("pool {} sends its tokens to {url}", pool.name), already);
            }
        }
        let goals = goals(&pools, &concerned, upstream.is_some());
        let effective = Effective::read(client).await?;
        self.settings(&effective, &goals, report).await?;
        keys::bring(client, &self.wanted.keys, apply, report).await?;
        if self.old.tokens.is_some() {
            let moved = if upstream.is_some() { concerned } else { BTreeSet::new() };
            let outcome = tokens.bring(client, apply, &moved).await?;
            let elsewhere = again(self.args, self.globals, &["--upstream", "http://YOUR-SERVER:PORT/v1"]);
            outcome.tell(report, apply, elsewhere, &goals.new_pool());
        }
        if effective.listen().is_some_and(|listen| listen.ip().is_loopback()) {
            report.needs(
                "filmgate listens for this machine only, unlike grok2api. If applications reach it directly from other \
                 machines (not through a reverse proxy here), write into filmgate.toml:",
                ["[server]".to_owned(), "listen = \"0.0.0.0:8000\"".to_owned()],
            );
        }
        Ok(())
    }

    async fn settings(
        &self,
        effective: &Effective,
        goals: &Goals,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let mut set = Map::new();
        for setting in &self.wanted.settings {
            for key in goals.keys(setting.to) {
                decide(effective, setting, &key, &mut set, report);
            }
        }
        if let Some(proxy) = &self.wanted.proxy {
            for upstream in &goals.upstreams {
                let key = dotted(&["upstreams", upstream, "proxy"]);
                if effective.is_official(upstream) {
                    decide(effective, proxy, &key, &mut set, report);
                } else if effective.fate(&key, &proxy.value) != Fate::Same {
                    report.needs(
                        format!(
                            "{} was for the way to the provider. If the server of upstream `{upstream}` is to be reached \
                             through it, too, write into filmgate.toml:",
                            proxy.from
                        ),
                        [format!("[upstreams.{upstream}]"), format!("proxy = \"...\"  # as in {}", proxy.from)],
                    );
                }
            }
        }
        if self.args.apply && !set.is_empty() {
            let body = json!({ "set": Value::Object(set) }).to_string();
            self.client.send(Method::PATCH, &["config"], &[], body).await?;
        }
        Ok(())
    }
}

/// The upstreams and pools whose settings follow the old gateway's.
struct Goals {
    upstreams: BTreeSet<String>,
    pools: BTreeSet<String>,
    /// All pools in use, weakest first.
    in_use: Vec<String>,
}

impl Goals {
    /// What another pool would be like.
    fn new_pool(&self) -> NewPool {
        NewPool { in_use: self.in_use.clone(), upstream: self.upstreams.first().cloned().unwrap_or_default() }
    }

    fn keys(&self, to: To) -> Vec<String> {
        let each = |section: &str, names: &BTreeSet<String>, leaf: &str| {
            names.iter().map(|name| dotted(&[section, name, leaf])).collect()
        };
        match to {
            To::Key(key) => vec![key.to_owned()],
            To::Upstream(leaf) => each("upstreams", &self.upstreams, leaf),
            To::Pool(leaf) => each("pools", &self.pools, leaf),
        }
    }
}

/// The pools that the old tokens go to, or all that are in use; and their upstreams.
fn goals(pools: &[Pool], concerned: &BTreeSet<String>, is_moved: bool) -> Goals {
    let is_meant = |pool: &&Pool| concerned.is_empty() || concerned.contains(&pool.name);
    let meant = || pools.iter().filter(is_meant);
    let upstreams = if is_moved && !concerned.is_empty() {
        BTreeSet::from([compatible::NAME.to_owned()])
    } else {
        meant().map(|pool| pool.upstream.clone()).collect()
    };
    let names =
        |pools: &mut dyn Iterator<Item = &Pool>| pools.map(|pool| pool.name.clone()).collect::<Vec<_>>();
    Goals { upstreams, pools: names(&mut meant()).into_iter().collect(), in_use: names(&mut pools.iter()) }
}

/// Whether a setting is written, is so already, or belongs to the operator.
fn decide(
    effective: &Effective,
    setting: &Setting,
    key: &str,
    set: &mut Map<String, Value>,
    report: &mut Report,
) {
    let Setting { from, value, .. } = setting;
    let shown = shown(key, value);
    match effective.fate(key, value) {
        Fate::Same => report.takes(from, shown, true),
        Fate::Set => {
            report.takes(from, shown, false);
            set.insert(key.to_owned(), json!(value));
        }
        Fate::Kept { value: own, origin } => {
            if origin.starts_with("environment ") || origin == "--set" {
                let what =
                    format!("{from}: {key} is {own} by {origin}, which is stronger than a file, and stays.");
                return report.needs(what, []);
            }
            let (section, leaf) = key.rsplit_once('.').unwrap_or(("", key));
            let wanted =
                if leaf == "proxy" { "\"...\"  # as it was there".to_owned() } else { value.to_string() };
            report.needs(
                format!("{from}: {key} is {own} here ({origin}), and stays. For the old value:"),
                [format!("[{section}]"), format!("{leaf} = {wanted}")],
            );
        }
        Fate::Invalid(why) => report.needs(format!("{from} was not taken over: {why}"), []),
    }
}

/// A setting as TOML; of a proxy, without user and password.
fn shown(key: &str, value: &toml::Value) -> String {
    let url = value.as_str().filter(|_| key.ends_with(".proxy")).and_then(|text| Url::parse(text).ok());
    let Some(url) = url else { return format!("{key} = {value}") };
    let mask = if url.username().is_empty() && url.password().is_none() { "" } else { "***@" };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{key} = \"{}://{mask}{}{port}\"", url.scheme(), url.host_str().unwrap_or_default())
}

fn tell(report: &Report, old: &Old, args: &Args, globals: &Globals) -> anyhow::Result<()> {
    let files = [
        old.settings.as_ref().map(|file| &file.path),
        old.tokens.as_ref().map(|file| &file.path),
        old.keys.as_ref().map(|file| &file.path),
    ];
    if globals.json {
        let mut json = json!({ "from": old.dir, "read": files.into_iter().flatten().collect::<Vec<_>>(),
            "applied": args.apply });
        if let (Some(json), Value::Object(lists)) = (json.as_object_mut(), serde_json::to_value(report)?) {
            json.extend(lists);
        }
        return out::print_json(&json);
    }
    out::print(&report.render())?;
    if args.apply {
        let is_running = start::is_locked(&globals.data_dir())? || globals.admin_url.is_some();
        let next =
            if is_running { "The server that runs uses it." } else { "`filmgate serve` starts with it." };
        out::remark(format_args!("\nWhat is taken over is written. {next} Applying it again does no harm."));
    } else {
        out::remark(format_args!("\nNothing was written. To do it:\n  {}", again(args, globals, &[])));
    }
    Ok(())
}
