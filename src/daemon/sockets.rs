//! Listeners that systemd passes (spec §12, sd_listen_fds(3)): they stay open while the daemon is
//! restarted, so what comes meanwhile waits in the kernel and is refused by nobody.
//!
//! They are told apart by `FileDescriptorName=`, which a socket unit has one of: `webhook` comes
//! from `callwarden.socket`, `admin` from `callwarden-admin.socket`.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
};

use listenfd::ListenFd;
use thiserror::Error;
use tracing::{info, warn};

use crate::config::Env;

/// A listener of ours: its name at systemd, its key in the config and the unit that passes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Webhooks, health and metrics.
    Webhook,
    /// The admin API.
    Admin,
}

/// Why a passed listener is not to be started with.
#[derive(Debug, Error)]
pub enum InheritedError {
    /// It is none that can be listened on.
    #[error(
        "systemd passes a descriptor named {name} that is no listening TCP socket; {unit} must \
         have a ListenStream= of address and port, and Accept=no"
    )]
    NoListener {
        /// Its name.
        name: &'static str,
        /// Who passes it.
        unit: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// There is a second one of its name.
    #[error(
        "systemd passes more than one listener named {name}; leave one ListenStream= in {unit}, \
         after an empty one that takes the others back"
    )]
    Twice {
        /// Their name.
        name: &'static str,
        /// Who passes them.
        unit: &'static str,
    },
    /// The config counts on loopback, and this one is for all the world.
    #[error(
        "systemd passes {passed}, but {key} = {listen} is loopback, which other keys rely on; say \
         the same in both: correct {key}, or ListenStream= in {unit}"
    )]
    Exposed {
        /// Where the listener is.
        passed: SocketAddr,
        /// The key in the config.
        key: &'static str,
        /// What it says.
        listen: SocketAddr,
        /// Who passes the listener.
        unit: &'static str,
    },
}

/// The listeners that were passed; without systemd, none.
#[derive(Debug, Default)]
pub struct Inherited {
    webhook: Vec<io::Result<TcpListener>>,
    admin: Vec<io::Result<TcpListener>>,
}

impl Inherited {
    /// Takes what `$LISTEN_FDS` counts and `$LISTEN_FDNAMES` names. Once, and before there is a
    /// second thread: listenfd takes both variables out of the environment.
    #[must_use]
    pub fn from_env(env: &dyn Env) -> Self {
        let names = env.var("LISTEN_FDNAMES").unwrap_or_default();
        let mut passed = ListenFd::from_env();
        let mut inherited = Self::default();
        for (at, name) in names.split(':').enumerate().take(passed.len()) {
            let Some(into) = inherited.named(name) else {
                continue;
            };
            if let Some(listener) = passed.take_tcp_listener(at).transpose() {
                into.push(listener.and_then(checked));
            }
        }
        let known = inherited.webhook.len() + inherited.admin.len();
        if known < passed.len() {
            let names = crate::telemetry::log::escaped(&names);
            warn!(
                %names,
                passed = passed.len(),
                "systemd passes descriptors that are not ours: FileDescriptorName= is webhook or \
                 admin"
            );
        }
        inherited
    }

    fn named(&mut self, name: &str) -> Option<&mut Vec<io::Result<TcpListener>>> {
        [(Role::Webhook, &mut self.webhook), (Role::Admin, &mut self.admin)]
            .into_iter()
            .find_map(|(role, listeners)| (role.name() == name).then_some(listeners))
    }

    /// The listener for `role`, which the config would have on `listen`; `None` where none was
    /// passed and one is to be opened.
    pub(super) fn take(
        &mut self,
        role: Role,
        listen: SocketAddr,
    ) -> Result<Option<TcpListener>, InheritedError> {
        let (name, key, unit) = (role.name(), role.key(), role.unit());
        let no_listener = |source| InheritedError::NoListener { name, unit, source };
        let listeners = match role {
            Role::Webhook => &mut self.webhook,
            Role::Admin => &mut self.admin,
        };
        let Some(listener) = listeners.pop() else {
            return Ok(None);
        };
        if !listeners.is_empty() {
            return Err(InheritedError::Twice { name, unit });
        }
        let listener = listener.map_err(no_listener)?;
        let passed = listener.local_addr().map_err(no_listener)?;
        if listen.ip().is_loopback() && !passed.ip().is_loopback() {
            return Err(InheritedError::Exposed { passed, key, listen, unit });
        }
        if passed == listen || listen.port() == 0 {
            info!(listen = %passed, "systemd passes the listener {role}");
        } else {
            warn!(
                listen = %passed,
                configured = %listen,
                "systemd passes the listener {role}, and {key} is not used: say the same in both"
            );
        }
        Ok(Some(listener))
    }

    /// Lets a listener go that the config has no use for.
    pub(super) fn decline(&mut self, role: Role) {
        let listeners = match role {
            Role::Webhook => &mut self.webhook,
            Role::Admin => &mut self.admin,
        };
        if !listeners.is_empty() {
            listeners.clear();
            let unit = role.unit();
            warn!(
                "systemd passes the listener {role}, but the config has none: whoever connects \
                 waits for ever; disable {unit}, or write the section"
            );
        }
    }
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Admin => "admin",
        }
    }

    /// Where its address stands in the config.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Webhook => "server.listen",
            Self::Admin => "admin.listen",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Webhook => "callwarden.socket",
            Self::Admin => "callwarden-admin.socket",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A stream socket need not listen: with `Accept=yes` systemd passes a connection.
fn checked(listener: TcpListener) -> io::Result<TcpListener> {
    if !rustix::net::sockopt::socket_acceptconn(&listener)? {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it does not listen"));
    }
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(addresses: &[&str]) -> Inherited {
        let bind = |address: &&str| TcpListener::bind(address);
        Inherited { webhook: addresses.iter().map(bind).collect(), admin: Vec::new() }
    }

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_passed_replaces_what_the_config_says() {
        let mut inherited = passed(&["127.0.0.1:0"]);
        let taken = inherited.take(Role::Webhook, addr("127.0.0.1:8080")).unwrap().unwrap();
        assert_ne!(taken.local_addr().unwrap().port(), 8080);
        assert!(inherited.take(Role::Webhook, addr("127.0.0.1:8080")).unwrap().is_none());
        assert!(inherited.take(Role::Admin, addr("127.0.0.1:8081")).unwrap().is_none());
    }

    #[test]
    fn a_listener_for_the_world_is_not_taken_for_loopback() {
        let refused = passed(&["0.0.0.0:0"]).take(Role::Webhook, addr("127.0.0.1:8080"));
        assert!(matches!(refused, Err(InheritedError::Exposed { .. })), "{refused:?}");
        assert!(passed(&["127.0.0.1:0"]).take(Role::Webhook, addr("0.0.0.0:8080")).is_ok());
    }

    #[test]
    fn two_of_a_name_are_told() {
        let refused =
            passed(&["127.0.0.1:0", "127.0.0.1:0"]).take(Role::Webhook, addr("127.0.0.1:0"));
        let told = refused.unwrap_err().to_string();
        assert!(told.contains("callwarden.socket"), "{told}");
    }
}
