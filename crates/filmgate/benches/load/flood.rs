//! More new videos than can be carried, and what those notice of it who only ask how theirs is doing.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::message::Asker;
use crate::{MEASURED, millis, now, percentile};

/// Clients that ask for a video, and at once for the next, whatever they were told. Half of them find no room: one key
/// may have half of `server.max_creations`.
const FLOOD: usize = 1_024;

/// How often somebody asks how a video is doing.
const EVERY: Duration = Duration::from_millis(5);

/// What came of the requests of the flood.
#[derive(Default)]
struct Answers {
    accepted: AtomicU64,
    shed: AtomicU64,
}

/// Prints how long status calls take in quiet and in the flood.
pub(crate) async fn measure(at: SocketAddr, create: &[u8], status: &[u8]) {
    println!(
        "how a video is doing, asked every {} ms, while {FLOOD} clients ask for videos",
        EVERY.as_millis()
    );
    let mut quiet = ask_now_and_then(at, status).await;
    let (answers, done) = (Arc::new(Answers::default()), Arc::new(AtomicBool::new(false)));
    let flood: Vec<_> = (0..FLOOD)
        .map(|_| tokio::spawn(ask_on(at, create.to_vec(), Arc::clone(&answers), Arc::clone(&done))))
        .collect();
    tokio::time::sleep(crate::WARM_UP).await;
    let begun = now();
    let counted = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let before = (counted(&answers.accepted), counted(&answers.shed));
    let mut flooded = ask_now_and_then(at, status).await;
    let seconds = begun.elapsed().as_secs_f64();
    let (accepted, shed) = (counted(&answers.accepted) - before.0, counted(&answers.shed) - before.1);
    done.store(true, Ordering::Relaxed);
    for client in flood {
        client.await.expect("no panic");
    }
    for (name, times) in [("quiet", &mut quiet), ("flooded", &mut flooded)] {
        let (p50, p99) = (percentile(times, 50), percentile(times, 99));
        println!("{name:>8} | p50 {:>7.3} ms, p99 {:>7.3} ms", millis(p50), millis(p99));
    }
    let a_second = |count: u64| count as f64 / seconds;
    println!("of the flood, a second: {:.0} accepted, {:.0} shed (429)", a_second(accepted), a_second(shed));
}

/// How long each call took of one client that asks, waits and asks again. It has a thread of its own: among the clients
/// of the flood it would wait for these, not for the gateway.
async fn ask_now_and_then(at: SocketAddr, request: &[u8]) -> Vec<Duration> {
    let request = request.to_vec();
    let asking = move || {
        let mut stream = TcpStream::connect(at).expect("the gateway listens");
        stream.set_nodelay(true).expect("a socket");
        let (until, mut times, mut answer) = (now() + MEASURED, Vec::new(), [0; 8192]);
        while now() < until {
            let begun = now();
            stream.write_all(&request).expect("the gateway is there");
            let length = stream.read(&mut answer).expect("an answer");
            times.push(begun.elapsed());
            assert!(answer[..length].starts_with(b"HTTP/1.1 200") && length < answer.len());
            std::thread::sleep(EVERY);
        }
        times
    };
    tokio::task::spawn_blocking(asking).await.expect("no panic")
}

async fn ask_on(at: SocketAddr, request: Vec<u8>, answers: Arc<Answers>, done: Arc<AtomicBool>) {
    let mut asker = Asker::connect(at).await;
    while !done.load(Ordering::Relaxed) {
        let answer = asker.ask(&request).await;
        match answer.get(9..12) {
            Some("200") => &answers.accepted,
            Some("429") => &answers.shed,
            _ => panic!("{answer}"),
        }
        .fetch_add(1, Ordering::Relaxed);
    }
}
