//! A line for each thing that happens: for pipes, files, and terminals that cannot redraw.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use super::scene::{Scene, Seen, millis};
use crate::model::{time::Wall, view::HistoryEntry};

/// Knows what it has told already.
#[derive(Default)]
pub(super) struct Lines {
    /// For each call, how many entries of its history.
    told: HashMap<usize, usize>,
}

impl Lines {
    /// Tells what has happened since the last scene, in order of time.
    pub(super) fn show(&mut self, scene: &Scene, out: &mut impl Write) -> io::Result<()> {
        for (at, line) in self.news(scene) {
            writeln!(out, "{:5.1} s  {line}", scene.since_begin(at).as_secs_f64())?;
        }
        out.flush()
    }

    fn news(&mut self, scene: &Scene) -> Vec<(Wall, String)> {
        let mut news = Vec::new();
        for seen in &scene.calls {
            let told = self.told.entry(seen.number).or_default();
            for (n, entry) in seen.view.history.iter().enumerate().skip(*told) {
                if let Some(words) = words(scene, seen, entry, n) {
                    let line = format!("#{:02} {:<22}  {words}", seen.number, seen.title);
                    news.push((entry.at, line));
                }
            }
            *told = seen.view.history.len();
        }
        news.sort();
        news
    }
}

/// What an entry comes to in words; `None` where the next entry says it better.
fn words(scene: &Scene, seen: &Seen, entry: &HistoryEntry, n: usize) -> Option<String> {
    let detail = entry.detail.as_deref().unwrap_or_default();
    let is_first = !seen.view.history.iter().take(n).any(|before| before.what == entry.what);
    Some(match entry.what {
        "event_phone_call_started" if is_first => "rings".to_owned(),
        "event_phone_call_connected" if is_first => "is answered".to_owned(),
        "event_conversation_started" if is_first => "talks".to_owned(),
        "event_voicemail_detected" if is_first => "has reached a voicemail".to_owned(),
        "event_participant_left" if is_first => "somebody leaves".to_owned(),
        "event_participant_joined" if is_first => "somebody joins".to_owned(),
        "event_conversation_ended" if is_first => "says goodbye".to_owned(),
        "stop_began" if seen.lateness().is_some() => return None,
        "stop_began" => format!("is past its limit, {}", limit(scene, seen)),
        "end_call_requested" if is_first => {
            let late = seen.lateness().unwrap_or_default();
            format!("end-call {} past its limit, {}", millis(late), limit(scene, seen))
        }
        "end_call_requested" => format!("end-call again, {detail}"),
        "end_call_answered" if detail != "accepted" => format!("the platform says: {detail}"),
        // Ringing calls are looked at well before, which is no news.
        "shown" if seen.lateness().is_some() => format!("the platform, asked, says: {detail}"),
        "not_shown" => "the platform, asked, does not show it".to_owned(),
        "ended" => format!("OVER: {}", detail.replace('_', " ")),
        _ => return None,
    })
}

fn limit(scene: &Scene, seen: &Seen) -> String {
    scene.told(seen.view.summary.limit.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{super::scene::tests::scene, *};

    #[test]
    fn each_thing_is_told_once_and_in_order() {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        lines.show(&scene(), &mut out).unwrap();
        let once = out.len();
        lines.show(&scene(), &mut out).unwrap();
        assert_eq!(out.len(), once);
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }
}
