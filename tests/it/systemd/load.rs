//! Webhooks at a steady rate, half of them on connections of their own, half on kept ones.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{interval, timeout},
};
use tokio_util::task::TaskTracker;

use crate::harness::{Answer, PATIENCE, Webhook};

/// Kept connections.
const KEPT: usize = 4;

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
    pub(super) fn begin(addr: SocketAddr, per_second: u64) -> Self {
        let counts = Arc::new(Counts::default());
        let (told, answered) = watch::channel(0);
        let (stop, stopped) = watch::channel(false);
        let sender =
            TaskTracker::new().spawn(send(addr, per_second, Arc::clone(&counts), told, stopped));
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
    addr: SocketAddr,
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
            tasks.spawn(on_a_kept_connection(addr, calls, Arc::clone(&counts), Arc::clone(&told)));
            queue
        })
        .collect();
    while !*stopped.borrow() {
        tick.tick().await;
        let n = counts.sent.fetch_add(1, Ordering::SeqCst);
        let call = format!("c{n}");
        if n.is_multiple_of(2) {
            kept[n as usize / 2 % KEPT].send(call).unwrap();
        } else {
            let (counts, told) = (Arc::clone(&counts), Arc::clone(&told));
            tasks.spawn(async move { count(&counts, &told, send_one(addr, &call).await) });
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

fn webhook(addr: SocketAddr, call: &str) -> Webhook {
    let body = serde_json::json!({
        "event": "event_phone_call_started", "call_id": call, "agent_id": "agent-1",
    });
    Webhook::to(addr).json(&body)
}

/// One on a connection of its own; `None` where no answer came.
pub(super) async fn send_one(addr: SocketAddr, call: &str) -> Option<u16> {
    let answer = webhook(addr, call).request().try_send(addr).await;
    answer.map(|answer| answer.status)
}

/// One after the other, on one connection for as long as the server keeps it.
async fn on_a_kept_connection(
    addr: SocketAddr,
    mut calls: mpsc::UnboundedReceiver<String>,
    counts: Arc<Counts>,
    told: Arc<watch::Sender<u32>>,
) {
    let mut kept = None;
    while let Some(call) = calls.recv().await {
        let request = webhook(addr, &call).header("Connection", "keep-alive").bytes();
        let answer = timeout(PATIENCE, exchange(addr, &mut kept, &request)).await.ok().flatten();
        count(&counts, &told, answer.map(|answer| answer.status));
    }
}

async fn exchange(
    addr: SocketAddr,
    kept: &mut Option<TcpStream>,
    request: &[u8],
) -> Option<Answer> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => TcpStream::connect(addr).await.ok()?,
    };
    stream.write_all(request).await.ok()?;
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
