//! `filmgate upstream check --spend`: makes the cheapest video, through the gateway itself, and says what it
//! cost. A client key is made for it and revoked after it.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use filmgate_domain::{AspectRatio, Resolution, Seconds, Secret, Verdict};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::check::Args;
use crate::cli::client::{AdminClient, Server};
use crate::cli::generate::{Gateway, Made, Order, Target, make};
use crate::cli::job::{Job, dollars};
use crate::cli::key::Created;
use crate::cli::pool::Pools;
use crate::cli::route::Answer;
use crate::cli::{Globals, exit, out, time};

pub(super) async fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let Some(server) = Server::find(globals).await? else {
        bail!("--spend makes a video through the gateway, and none runs; start it with `filmgate serve`");
    };
    let client = AdminClient::remote(&server)?;
    let order = cheapest(args.model.clone())?;
    expect_there(&client, &order, &args.upstream).await?;
    let name = json!({ "name": "upstream check" }).to_string();
    let created = client.send(Method::POST, &["keys"], &[], name).await?;
    let Created { id, key } = serde_json::from_value(created)?;
    let made = tokio::select! {
        made = make_it(&server, key, &order) => made.map(Some),
        _ = tokio::signal::ctrl_c() => Ok(None),
    };
    let revoked = client.delete(&["keys", &id]).await;
    let made = made?;
    revoked.with_context(|| {
        format!("the key {id} could not be revoked; do it with `filmgate key revoke {id}`")
    })?;
    match made {
        Some(made) => tell(&client, &made, &order, &args.upstream, globals).await,
        None => {
            out::remark("Stopped; the video goes on. `filmgate job list` shows what becomes of it.");
            Ok(ExitCode::from(exit::INTERRUPTED))
        }
    }
}

/// 480p, one second: the least that every provider sells.
fn cheapest(model: Option<String>) -> anyhow::Result<Order> {
    Ok(Order {
        prompt: "a plain grey wall".to_owned(),
        model,
        resolution: Some(Resolution::P480),
        seconds: Some(Seconds::new(1)?),
        aspect_ratio: AspectRatio::R16x9,
        on_shortage: None,
        max_wait: None,
    })
}

/// Refuses when the video would not go to this upstream now.
async fn expect_there(client: &AdminClient, order: &Order, upstream: &str) -> anyhow::Result<()> {
    let Pools { pools } = serde_json::from_value(client.get(&["pools"], &[]).await?)?;
    if !pools.iter().any(|pool| pool.upstream == upstream) {
        let known: BTreeSet<&str> = pools.iter().map(|pool| &*pool.upstream).collect();
        let known: Vec<&str> = known.into_iter().collect();
        bail!("no pool in use belongs to {upstream:?}; there is {}", known.join(", "));
    }
    let mut query = vec![("resolution", "480p"), ("seconds", "1")];
    query.extend(order.model.as_deref().map(|model| ("model", model)));
    let answer: Answer = Deserialize::deserialize(client.get(&["route"], &query).await?)?;
    let chosen = answer.decision.chosen.as_ref().map(|chosen| &*chosen.pool);
    if pools.iter().any(|pool| Some(&*pool.name) == chosen && pool.upstream == upstream) {
        return Ok(());
    }
    let explanation = out::clean(&answer.render(time::now()));
    bail!("such a video would not go to {upstream} now, so nothing was made\n\n{explanation}")
}

async fn make_it(server: &Server, key: String, order: &Order) -> anyhow::Result<Made> {
    let gateway = Gateway::of(server, Some(Secret::new(key)))?;
    let dir = tempfile::tempdir()?;
    let target = Target::new(Some(dir.path()), &order.prompt, false)?;
    make(&gateway, order, &target).await
}

async fn tell(
    client: &AdminClient,
    made: &Made,
    order: &Order,
    upstream: &str,
    globals: &Globals,
) -> anyhow::Result<ExitCode> {
    let json: Value = client.get(&["jobs", made.id()], &[]).await?;
    let job: Job = Deserialize::deserialize(&json)?;
    if globals.json {
        out::print_json(&json)?;
    } else {
        let ticks: Vec<i64> = job.attempts.iter().filter_map(|attempt| attempt.cost_ticks).collect();
        let cost = match &ticks[..] {
            [] => "not told by the upstream".to_owned(),
            ticks => dollars(ticks.iter().sum()),
        };
        out::print(&made.summary(Some(order), ("cost", cost)))?;
    }
    if let Err(why) = made.outcome() {
        out::remark(format_args!("filmgate: the video failed: {}", out::clean(&why)));
        return Ok(ExitCode::FAILURE);
    }
    // Between the question and the video, tokens may have come and gone.
    if let Some(other) = job.attempts.last().map(|attempt| &attempt.upstream).filter(|name| *name != upstream)
    {
        out::remark(format_args!(
            "filmgate: the video went to {other} in the end; {upstream} was not checked"
        ));
        return Ok(ExitCode::FAILURE);
    }
    let downgraded = made.verdict(Some(order)) == Some(Verdict::Downgraded);
    Ok(if downgraded { ExitCode::from(exit::DOWNGRADED) } else { ExitCode::SUCCESS })
}
