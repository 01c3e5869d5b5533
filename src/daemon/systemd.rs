//! What systemd is told over `$NOTIFY_SOCKET` (spec §12, sd_notify(3)). Without that socket nothing
//! is told, and that is fine.

use std::{io, time::Duration};

use sd_notify::NotifyState;

/// Recovery is done and the listeners are open: `READY=1`, also at the end of a reload.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The config is being read again: `RELOADING=1` and since when, as systemd 253 and newer want it.
/// [`ready`] must follow, whatever comes of it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(since) => tell(&[NotifyState::Reloading, since]),
        Err(error) => untold(&error),
    }
}

/// The daemon drains: `STOPPING=1`.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// What `systemctl status` shows: `STATUS=…`, one line.
pub fn status(text: &str) {
    let line = text.replace(char::is_control, " ");
    tell(&[NotifyState::Status(&line)]);
}

/// Timer loop and listener turn: `WATCHDOG=1`.
pub fn watchdog() {
    tell(&[NotifyState::Watchdog]);
}

/// How often to call [`watchdog`]: half of what `$WATCHDOG_USEC` allows; `None` where nobody waits
/// for it.
#[must_use]
pub fn watchdog_every() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|allowed| allowed / 2).filter(|every| !every.is_zero())
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        untold(&error);
    }
}

/// systemd will find out by its own time-outs; the calls come first.
fn untold(error: &io::Error) {
    tracing::warn!(%error, "systemd could not be told");
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixDatagram, process::Command};

    use super::*;

    const TOLD: &str = "daemon::systemd::tests::without_systemd_nothing_is_told_and_nothing_fails";

    /// All that can be told. Run by itself nobody listens, and nothing fails for that; the test
    /// below runs it in a process of its own where somebody does.
    #[test]
    fn without_systemd_nothing_is_told_and_nothing_fails() {
        ready();
        reloading();
        status("3 calls\nREADY=0");
        watchdog();
        stopping();
        // In the process below: half of its $WATCHDOG_USEC.
        assert!(watchdog_every().is_none_or(|every| every == Duration::from_secs(15)));
    }

    #[test]
    fn systemd_hears_one_datagram_a_word() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let told = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", TOLD])
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "30000000")
            .env_remove("WATCHDOG_PID")
            .output()
            .unwrap();
        assert!(told.status.success(), "{told:?}");
        let mut buffer = [0; 256];
        let mut hear = || {
            let n = socket.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..n]).into_owned()
        };
        assert_eq!(hear(), "READY=1\n");
        assert!(hear().starts_with("RELOADING=1\nMONOTONIC_USEC="));
        assert_eq!(hear(), "STATUS=3 calls READY=0\n");
        assert_eq!(hear(), "WATCHDOG=1\n");
        assert_eq!(hear(), "STOPPING=1\n");
    }
}
