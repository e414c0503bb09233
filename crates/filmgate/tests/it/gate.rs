//! A door between the gateway and the simulator's files, which a test can hold shut or slam.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::app::{Setup, TestApp};

/// A door. Whoever comes through it reaches the simulator.
pub(crate) struct Gate {
    addr: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    leads_to: OnceLock<SocketAddr>,
    open: watch::Sender<bool>,
    /// How many of the next visitors get half an answer.
    slams: AtomicUsize,
    /// How many of the next visitors get the rest of their answer byte by byte.
    drips: AtomicUsize,
    /// Bytes in a millisecond that whoever comes now is let carry out; 0: as they come.
    pace: AtomicUsize,
}

impl Gate {
    /// A gateway whose upstream names files behind a door. The door is open.
    pub(crate) async fn before(setup: Setup) -> (Gate, TestApp) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let open = watch::Sender::new(true);
        let inner = Inner {
            leads_to: OnceLock::new(),
            open,
            slams: AtomicUsize::new(0),
            drips: AtomicUsize::new(0),
            pace: AtomicUsize::new(0),
        };
        let inner = Arc::new(inner);
        let gate = Gate { addr, inner: Arc::clone(&inner) };
        tokio::spawn(async move {
            while let Ok((visitor, _)) = listener.accept().await {
                let inner = Arc::clone(&inner);
                // A visitor who leaves harms nobody.
                tokio::spawn(async move { inner.let_in(visitor).await.unwrap_or_default() });
            }
        });
        let app = Setup { files_at: Some(format!("http://{}", gate.addr)), ..setup }.start().await;
        gate.inner.leads_to.set(app.simulator.addr()).unwrap();
        (gate, app)
    }

    /// Whoever comes now waits, and whoever is inside is put out.
    pub(crate) fn shut(&self) {
        self.inner.open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.inner.open.send_replace(true);
    }

    /// The next so many visitors get half an answer.
    pub(crate) fn slam(&self, times: usize) {
        self.inner.slams.store(times, SeqCst);
    }

    /// The next so many visitors get the rest of their answer byte by byte, and never all of it.
    pub(crate) fn drip(&self, times: usize) {
        self.inner.drips.store(times, SeqCst);
    }

    /// Whoever comes now gets so many bytes in a millisecond; 0: as they come.
    pub(crate) fn pace(&self, bytes: usize) {
        self.inner.pace.store(bytes, SeqCst);
    }
}

impl Inner {
    async fn let_in(&self, mut visitor: TcpStream) -> std::io::Result<()> {
        let mut open = self.open.subscribe();
        let _ = open.wait_for(|open| *open).await;
        let mut inside = TcpStream::connect(self.leads_to.get().unwrap()).await?;
        let falls_to = |count: &AtomicUsize| count.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1)).is_ok();
        let slammed = falls_to(&self.slams);
        let drips = !slammed && falls_to(&self.drips);
        if !slammed && !drips {
            let pace = self.pace.load(SeqCst);
            return tokio::select! {
                carried = carry(&mut visitor, &mut inside, pace) => carried,
                _ = open.wait_for(|open| !open) => Ok(()),
            };
        }
        let mut bytes = [0; 4096];
        let asked = visitor.read(&mut bytes).await?;
        inside.write_all(&bytes[..asked]).await?;
        // The headers and a beginning of the file.
        let mut answered = [0; 600];
        inside.read_exact(&mut answered).await?;
        visitor.write_all(&answered).await?;
        if drips {
            // Until the visitor has left.
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                visitor.write_all(&[0]).await?;
            }
        }
        visitor.shutdown().await
    }
}

/// How often a slow visitor gets something.
const STEP: Duration = Duration::from_millis(5);

/// Lets both talk, and the visitor get no more than so many bytes in a millisecond, if that is any number.
async fn carry(visitor: &mut TcpStream, inside: &mut TcpStream, pace: usize) -> std::io::Result<()> {
    if pace == 0 {
        return copy_bidirectional(visitor, inside).await.map(drop);
    }
    let ((mut asks, mut gets), (mut answers, mut is_asked)) = (visitor.split(), inside.split());
    let slowly = async {
        let mut piece = vec![0; pace * STEP.as_millis() as usize];
        loop {
            let read = answers.read(&mut piece).await?;
            if read == 0 {
                return gets.shutdown().await;
            }
            gets.write_all(&piece[..read]).await?;
            tokio::time::sleep(STEP).await;
        }
    };
    tokio::try_join!(slowly, tokio::io::copy(&mut asks, &mut is_asked)).map(drop)
}
