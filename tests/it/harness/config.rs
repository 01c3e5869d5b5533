//! A config file and the folder it lives in, with the secrets it names and the store.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::TempDir;
use toml::{Table, Value};

use super::Platform;

/// The secrets there are: the file's name in the folder, and what it holds.
pub(crate) const SECRETS: [(&str, &str); 5] = [
    ("admin-token", "admin-0123456789abcdef"),
    ("platform-token", "talq_0123456789abcdef"),
    ("webhook-secret", "hook-0123456789abcdef"),
    ("old-secret", "old-hook-0123456789abcdef"),
    ("header-value", "Bearer header-0123456789abcdef"),
];

/// What a secret's file holds.
pub(super) fn secret(name: &str) -> &'static str {
    SECRETS.iter().find(|(known, _)| *known == name).unwrap().1
}

/// A folder of the test's own; gone with its last handle.
#[derive(Clone, Debug)]
pub(crate) struct Home(Arc<TempDir>);

impl Home {
    /// A folder with a file for each secret.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("callwarden-it-").tempdir().unwrap();
        for (name, value) in SECRETS {
            fs::write(folder.path().join(name), format!("{value}\n")).unwrap();
        }
        Self(Arc::new(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The SQLite file of the usual config.
    pub(crate) fn store(&self) -> PathBuf {
        self.path().join("callwarden.db")
    }

    /// Writes the config and returns its path.
    pub(crate) fn write(&self, config: &ConfigFile) -> PathBuf {
        self.write_text(&config.text())
    }

    /// Writes a config of this text and returns its path.
    pub(crate) fn write_text(&self, text: &str) -> PathBuf {
        let path = self.path().join("callwarden.toml");
        fs::write(&path, text).unwrap();
        path
    }
}

/// A config: the usual one of tests, unless changed.
#[derive(Clone, Debug)]
pub(crate) struct ConfigFile {
    table: Table,
    /// Variables of the daemon's environment.
    pub(super) env: Vec<(String, String)>,
}

impl ConfigFile {
    /// Every listener on a free port, signed webhooks, a platform that nobody is, `total = "30m"`.
    pub(crate) fn new() -> Self {
        let usual = r#"
            [server]
            listen = "127.0.0.1:0"
            [admin]
            listen = "127.0.0.1:0"
            token = { file = "admin-token" }
            [platform]
            base_url = "http://127.0.0.1:1/api/v1"
            token = { file = "platform-token" }
            requests = "1000/s"
            timeout = "5s"
            [webhook]
            secret = { file = "webhook-secret" }
            [store]
            url = "sqlite:callwarden.db"
            [limits]
            total = "30m"
        "#;
        Self { table: usual.parse().unwrap(), env: Vec::new() }
    }

    /// Asks this platform.
    pub(crate) fn platform(self, platform: &Platform) -> Self {
        self.set("platform.base_url", platform.base_url())
    }

    /// Sets a key such as `limits.total`, and makes the tables on its way.
    pub(crate) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        let (tables, name) = key.rsplit_once('.').unwrap_or(("", key));
        let mut table = &mut self.table;
        for step in tables.split('.').filter(|step| !step.is_empty()) {
            let entry = table.entry(step).or_insert_with(|| Value::Table(Table::new()));
            table = entry.as_table_mut().unwrap();
        }
        table.insert(name.to_owned(), value.into());
        self
    }

    /// Sets a key to a secret's reference to the file of that name.
    pub(crate) fn set_secret(self, key: &str, file: &str) -> Self {
        self.set(&format!("{key}.file"), file)
    }

    /// Takes a key or a table out.
    pub(crate) fn remove(mut self, key: &str) -> Self {
        let (tables, name) = key.rsplit_once('.').unwrap_or(("", key));
        let mut table = &mut self.table;
        for step in tables.split('.').filter(|step| !step.is_empty()) {
            table = table.get_mut(step).unwrap().as_table_mut().unwrap();
        }
        table.remove(name).unwrap();
        self
    }

    /// A variable of the daemon's environment, `RUST_LOG` for one.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn text(&self) -> String {
        self.table.to_string()
    }
}
