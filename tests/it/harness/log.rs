//! A process's stderr, line by line.

use std::{
    io::{BufRead as _, BufReader},
    process::ChildStderr,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::{sync::watch, time::timeout};

use super::PATIENCE;

/// One line of the log.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// As it was written.
    pub(crate) text: String,
    /// What it says, where it is JSON.
    pub(crate) json: Value,
}

impl Line {
    /// A field; empty where it is not there, or no text.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.json[name].as_str().unwrap_or_default()
    }

    pub(crate) fn is_error(&self) -> bool {
        self.field("level") == "ERROR"
    }
}

/// All lines so far; a thread reads them on.
#[derive(Clone, Debug)]
pub(super) struct Log {
    lines: Arc<Mutex<Vec<Line>>>,
    /// How many there are; closed at the end.
    count: watch::Receiver<usize>,
}

impl Log {
    pub(super) fn follow(stderr: ChildStderr) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (told, count) = watch::channel(0);
        let written = Arc::clone(&lines);
        std::thread::spawn(move || {
            for text in BufReader::new(stderr).lines() {
                let Ok(text) = text else { return };
                let json = serde_json::from_str(&text).unwrap_or_default();
                let mut lines = written.lock().unwrap();
                lines.push(Line { text, json });
                told.send_replace(lines.len());
            }
        });
        Self { lines, count }
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap().clone()
    }

    /// The first line that `wanted` takes, once it is there; `None` if the log ends before.
    pub(super) async fn until(&self, wanted: impl Fn(&Line) -> bool) -> Option<Line> {
        let mut count = self.count.clone();
        let mut seen = 0;
        let found = async {
            loop {
                let ended = count.has_changed().is_err();
                count.mark_unchanged();
                {
                    let lines = self.lines.lock().unwrap();
                    if let Some(line) = lines.iter().skip(seen).find(|line| wanted(line)) {
                        return Some(line.clone());
                    }
                    seen = lines.len();
                }
                if ended {
                    return None;
                }
                // An end is seen at the next turn, after what was written last.
                count.changed().await.ok();
            }
        };
        let found = timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| panic!("no such line in time; the log:\n{}", self.text()))
    }

    /// Waits until stderr is closed.
    pub(super) async fn ended(&self) {
        self.until(|_| false).await;
    }

    pub(super) fn text(&self) -> String {
        self.lines().iter().map(|line| format!("{}\n", line.text)).collect()
    }
}
