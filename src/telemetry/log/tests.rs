//! Lines as they come out, and what must not come out of them.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde_json::Value;

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const FORGED: &str = "x\n2026-01-01T00:00:00Z  INFO callwarden: all is well\r\x1b[2J\u{9b}1m";

fn logged(layer: impl Layer<Registry> + Send + Sync) {
    tracing::subscriber::with_default(Registry::default().with(layer), || {
        let outer = tracing::info_span!("request", path = %FORGED);
        let _entered = outer.enter();
        tracing::warn!(call.id = %FORGED, tries = 3, "webhook refused: {FORGED}");
    });
}

#[test]
fn a_human_line_stays_one_line_whatever_it_is_told() {
    let lines = Lines::default();
    let sink = lines.clone();
    logged(human(move || sink.clone()));
    let text = lines.text();
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    assert!(text.ends_with('\n'));
    assert!(!text.trim_end().contains(char::is_control), "{text:?}");
    assert!(text.contains("WARN"), "{text}");
    assert!(text.ends_with(" tries=3\n"), "{text}");
    assert!(text.contains(r"webhook refused: x\n2026"), "{text}");
}

#[test]
fn a_json_line_is_one_flat_object_with_an_rfc_3339_timestamp() {
    let lines = Lines::default();
    let sink = lines.clone();
    logged(json(move || sink.clone()));
    let text = lines.text();
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["call.id"], FORGED);
    assert_eq!(line["tries"], 3);
    assert_eq!(line["message"], format!("webhook refused: {FORGED}"));
    assert!(line["timestamp"].as_str().unwrap().parse::<Timestamp>().is_ok());
    assert!(line.as_object().unwrap().values().all(|v| !v.is_object()));
}

#[test]
fn a_filter_that_cannot_be_read_is_an_error_that_shows_it() {
    assert_eq!(filter(None).unwrap().to_string(), "info");
    assert_eq!(filter(Some("callwarden=debug")).unwrap().to_string(), "callwarden=debug");
    let error = filter(Some("callwarden=loud")).unwrap_err();
    assert!(error.to_string().contains("callwarden=loud"), "{error}");
}

#[test]
fn each_format_is_found_by_its_word() {
    assert_eq!("journald".parse(), Ok(LogFormat::Journald));
    assert_eq!(
        "xml".parse::<LogFormat>().unwrap_err().to_string(),
        "unknown log format \"xml\": auto, human, json or journald is expected"
    );
}

#[test]
fn a_named_format_holds_wherever_stderr_goes() {
    let settings = LogSettings {
        format: LogFormat::Human,
        journal_stream: Some("0:0".to_owned()),
        directives: None,
    };
    assert_eq!(shape(&settings), LogFormat::Human);
}

#[test]
fn text_from_outside_is_escaped_and_cut_at_256_bytes_on_a_character() {
    assert_eq!(escaped("a\nb\u{202e}c").to_string(), r"a\nb\u{202e}c");
    assert_eq!(escaped(&"x".repeat(256)).to_string(), "x".repeat(256));
    let long = format!("{}é and more", "x".repeat(255));
    assert_eq!(escaped(&long).to_string(), format!("{}…", "x".repeat(255)));
}

#[test]
fn what_repeats_is_told_once_a_second_with_its_count() {
    let throttle = Throttle::default();
    let start = Mono(5_000_000);
    assert_eq!(throttle.admit(start), Some(1));
    assert_eq!(throttle.admit(start), None);
    assert_eq!(throttle.admit(start.after(Duration::from_millis(999))), None);
    assert_eq!(throttle.admit(start.after(Duration::from_secs(1))), Some(3));
}
