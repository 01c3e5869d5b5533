//! SIGHUP: config and secrets are read anew; whole or not at all (spec §8). A bad file, or one that
//! would stop too many calls at once, leaves the running config in force and says why.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::{systemd, wiring, wiring::SharedEnv};
use crate::{
    config::{self, Config, ConfigErrors, SecretError, TlsError},
    engine::{Engine, Refused},
    http::{admin::Access, server, webhook},
    model::surge::Surge,
};

/// Reads the config anew when told to.
pub(super) struct Reloader {
    pub(super) env: SharedEnv,
    /// What the process started with: its listeners and its store are of this.
    pub(super) started: Config,
    pub(super) running: Config,
    pub(super) engine: Engine,
    pub(super) settings: watch::Sender<Arc<webhook::Settings>>,
    pub(super) access: Option<Access>,
    pub(super) tls: Option<server::Tls>,
}

/// Why the running config stays in force.
#[derive(Debug, Error)]
enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the platform's token: {0}")]
    Token(String),
}

impl Reloader {
    /// Reads the config anew, and puts it in force if it is good.
    pub(super) async fn reload(&mut self) {
        systemd::reloading();
        match self.try_reload().await {
            Ok(calls) => {
                let hash = self.running.config_hash();
                self.engine.metrics().config_loaded(self.engine.clock().now().wall, hash);
                self.engine.config_is_good();
                info!(calls, "the config was read anew, and is in force");
            }
            Err(refused) => {
                self.engine.metrics().config_refused();
                self.engine.config_is_refused(&refused.to_string());
                error!(error = %refused, "the new config is refused: the running one stays in force");
            }
        }
        systemd::ready();
    }

    async fn try_reload(&mut self) -> Result<usize, ReloadError> {
        let new = config::load(self.running.path(), &*self.env)?;
        new.check_secrets(&*self.env)?;
        let settings = wiring::webhook_settings(&new.webhook, &*self.env)?;
        let admin_token = match &new.admin {
            Some(admin) => Some(wiring::secret(&admin.token, &*self.env)?),
            None => None,
        };
        let now = self.engine.clock().now().wall;
        let identity = wiring::identity(&new, &*self.env, now)?;
        let surge = Surge::at_most(new.enforcement.surge_limit);
        let calls = self.engine.reload(new.policy(), wiring::tuning(&new), surge).await?;
        let reader = wiring::token_reader(new.platform.token.clone(), Arc::clone(&self.env));
        self.engine.reload_token(reader).map_err(ReloadError::Token)?;
        self.settings.send_replace(Arc::new(settings));
        if let (Some(access), Some(admin), Some(token)) = (&self.access, &new.admin, &admin_token) {
            access.replace(token, admin.hosts.clone());
        }
        if let (Some(tls), Some(identity)) = (&self.tls, &identity) {
            tls.renew(identity);
        }
        for key in needs_restart(&self.started, &new) {
            warn!(key, "this key has changed, and takes effect with the next restart");
        }
        self.running = new;
        Ok(calls)
    }
}

/// The keys that a reload does not change, and whose value is not the one in force.
fn needs_restart(started: &Config, new: &Config) -> Vec<&'static str> {
    let listens = |config: &Config| config.admin.as_ref().map(|admin| admin.listen);
    let differs = [
        ("server.listen", started.server.listen != new.server.listen),
        ("server.max_calls", started.server.max_calls != new.server.max_calls),
        ("server.max_connections", started.server.max_connections != new.server.max_connections),
        ("server.tls", started.server.tls.is_some() != new.server.tls.is_some()),
        ("server.open_metrics", started.server.open_metrics != new.server.open_metrics),
        ("admin.listen", listens(started) != listens(new)),
        ("platform.base_url", started.platform.base_url != new.platform.base_url),
        ("platform.timeout", started.platform.timeout != new.platform.timeout),
        ("store.url", started.store.url != new.store.url),
    ];
    differs.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
}
