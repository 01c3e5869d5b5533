//! Requests at a steady rate, half of them on connections of their own, half on kept ones.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{interval, timeout},
};
use tokio_util::task::TaskTracker;

use crate::harness::{Answer, Authority, PATIENCE, Request, SECRETS, Webhook, webhook_event};

/// Kept connections.
const KEPT: usize = 4;

/// Who is asked, and for what.
#[derive(Clone)]
pub(super) enum Target {
    /// A webhook of a new call.
    Webhook(SocketAddr),
    /// The same, by TLS.
    Secure(SocketAddr, Arc<Authority>),
    /// The list of calls.
    Admin(SocketAddr),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Target {
    async fn connect(&self) -> Option<Box<dyn Stream>> {
        Some(match self {
            Self::Webhook(addr) | Self::Admin(addr) => {
                Box::new(TcpStream::connect(addr).await.ok()?)
            }
            Self::Secure(addr, authority) => Box::new(authority.try_connect(*addr).await?),
        })
    }

    /// The bytes of the nth request.
    fn request(&self, n: u32, connection: &str) -> Vec<u8> {
        let (addr, request) = match self {
            Self::Webhook(addr) | Self::Secure(addr, _) => {
                let body = webhook_event("phone_call_started", &format!("c{n}"));
                (addr, Webhook::to(*addr).json(&body).request())
            }
            Self::Admin(addr) => {
                let (_, token) = SECRETS.iter().find(|(name, _)| *name == "admin-token").unwrap();
                let request = Request::new("GET", "/api/calls?limit=1");
                (addr, request.header("Authorization", format!("Bearer {token}")))
            }
        };
        request.header("Connection", connection).bytes(*addr)
    }

    /// One on a connection of its own; `None` where no answer came.
    pub(super) async fn ask(&self, n: u32) -> Option<u16> {
        let request = self.request(n, "close");
        let answer = timeout(PATIENCE, exchange(self, &mut None, &request)).await.ok()??;
        Some(answer.status)
    }
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) sent: u32,
    pub(super) refused: u32,
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU32,
    refused: AtomicU32,
}

/// A load that goes on until it is ended.
pub(super) struct Load {
    counts: Arc<Counts>,
    answered: watch::Receiver<u32>,
    stop: watch::Sender<bool>,
    sender: JoinHandle<()>,
}

impl Load {
    pub(super) fn begin(target: Target, per_second: u64) -> Self {
        let counts = Arc::new(Counts::default());
        let (told, answered) = watch::channel(0);
        let (stop, stopped) = watch::channel(false);
        let sender =
            TaskTracker::new().spawn(send(target, per_second, Arc::clone(&counts), told, stopped));
        Self { counts, answered, stop, sender }
    }

    /// Waits until so many more are answered.
    pub(super) async fn more(&self, count: u32) {
        let mut answered = self.answered.clone();
        let until = *answered.borrow() + count;
        let waiting = timeout(PATIENCE, answered.wait_for(|answered| *answered >= until));
        drop(waiting.await.expect("answers come in time").unwrap());
    }

    pub(super) async fn end(self) -> Done {
        self.stop.send_replace(true);
        self.sender.await.unwrap();
        let read = |count: &AtomicU32| count.load(Ordering::SeqCst);
        Done { sent: read(&self.counts.sent), refused: read(&self.counts.refused) }
    }
}

async fn send(
    target: Target,
    per_second: u64,
    counts: Arc<Counts>,
    told: watch::Sender<u32>,
    stopped: watch::Receiver<bool>,
) {
    let told = Arc::new(told);
    let mut tick = interval(Duration::from_micros(1_000_000 / per_second));
    let mut tasks = tokio::task::JoinSet::new();
    let kept: Vec<_> = (0..KEPT)
        .map(|_| {
            let (queue, calls) = mpsc::unbounded_channel();
            let (counts, told) = (Arc::clone(&counts), Arc::clone(&told));
            tasks.spawn(on_a_kept_connection(target.clone(), calls, counts, told));
            queue
        })
        .collect();
    while !*stopped.borrow() {
        tick.tick().await;
        let n = counts.sent.fetch_add(1, Ordering::SeqCst);
        if n.is_multiple_of(2) {
            kept[n as usize / 2 % KEPT].send(n).unwrap();
        } else {
            let (target, counts, told) = (target.clone(), Arc::clone(&counts), Arc::clone(&told));
            tasks.spawn(async move { count(&counts, &told, target.ask(n).await) });
        }
    }
    drop(kept);
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
}

fn count(counts: &Counts, told: &watch::Sender<u32>, status: Option<u16>) {
    if status != Some(200) {
        counts.refused.fetch_add(1, Ordering::SeqCst);
    }
    told.send_modify(|answered| *answered += 1);
}

/// One after the other, on one connection for as long as the server keeps it.
async fn on_a_kept_connection(
    target: Target,
    mut calls: mpsc::UnboundedReceiver<u32>,
    counts: Arc<Counts>,
    told: Arc<watch::Sender<u32>>,
) {
    let mut kept = None;
    while let Some(n) = calls.recv().await {
        let request = target.request(n, "keep-alive");
        let answer = timeout(PATIENCE, exchange(&target, &mut kept, &request)).await.ok().flatten();
        count(&counts, &told, answer.map(|answer| answer.status));
    }
}

async fn exchange(
    target: &Target,
    kept: &mut Option<Box<dyn Stream>>,
    request: &[u8],
) -> Option<Answer> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => target.connect().await?,
    };
    stream.write_all(request).await.ok()?;
    stream.flush().await.ok()?;
    let mut bytes = Vec::new();
    let answer = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(answer) = Answer::parse(&bytes) {
            break answer;
        }
    };
    if answer.header("connection") != Some("close") {
        *kept = Some(stream);
    }
    Some(answer)
}
