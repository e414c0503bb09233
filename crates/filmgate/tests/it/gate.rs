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
}

impl Gate {
    /// A gateway whose upstream names files behind a door. The door is open.
    pub(crate) async fn before(setup: Setup) -> (Gate, TestApp) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let open = watch::Sender::new(true);
        let [slams, drips] = [AtomicUsize::new(0), AtomicUsize::new(0)];
        let inner = Arc::new(Inner { leads_to: OnceLock::new(), open, slams, drips });
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
            return tokio::select! {
                copied = copy_bidirectional(&mut visitor, &mut inside) => copied.map(drop),
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
