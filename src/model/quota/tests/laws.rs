//! The quota's laws, over random traces of requests and answers.

use proptest::{collection::vec, prelude::*};

use super::*;

/// How a request ends: its latency in milliseconds, and what it brings.
type Fate = (i64, End);

#[derive(Clone, Copy, Debug)]
enum End {
    Answered(Option<(u32, Option<u64>)>),
    Refused(Option<u64>),
    Lost,
}

fn fates() -> impl Strategy<Value = Vec<(i64, Fate)>> {
    let meter = prop::option::of((0..30_u32, prop::option::of(0..5_u64)));
    let end = prop_oneof![
        20 => meter.prop_map(End::Answered),
        1 => prop::option::of(0..9_u64).prop_map(End::Refused),
        1 => Just(End::Lost),
    ];
    let latency = prop_oneof![0..50_i64, 0..9000_i64];
    let idle = prop_oneof![4 => Just(0), 1 => 0..3000_i64];
    vec((idle, (latency, end)), 1..150)
}

/// Sends as fast as the window allows; time jumps to the next answer or wake-up.
fn run(window: &mut Window, fates: &[(i64, Fate)]) -> Vec<(Mono, Mono)> {
    let mut now = at(0);
    let mut under_way: Vec<(Mono, Slot, End)> = Vec::new();
    let mut trace = Vec::new();
    let mut held_until = Mono(i64::MIN);
    let mut probe: Option<u64> = None;
    for (idle, (latency, end)) in fates {
        let mut wanted = now.after(Duration::from_millis(idle.unsigned_abs()));
        loop {
            under_way.sort_by_key(|(answer, ..)| *answer);
            if under_way.first().is_some_and(|(answer, ..)| *answer <= wanted) {
                let (answer, slot, end) = under_way.remove(0);
                now = answer;
                let was_probe = probe == Some(slot.number);
                if was_probe {
                    probe = None;
                }
                match end {
                    End::Answered(None) => window.answered(slot, now, &QUIET),
                    End::Answered(Some((n, reset))) => window.answered(slot, now, &says(n, reset)),
                    End::Lost => window.lost(slot, now),
                    End::Refused(hint) => {
                        window.refused(slot, now, hint.map(Duration::from_secs));
                        let hint = hint.map_or(5, |hint| hint.max(1));
                        held_until = held_until.max(now.after(Duration::from_secs(hint)));
                    }
                }
                continue;
            }
            now = now.max(wanted);
            match window.poll(now) {
                Poll::Go => break,
                Poll::Until(at) => {
                    assert!(at > now, "a wake-up lies ahead");
                    wanted = under_way.first().map_or(at, |(answer, ..)| at.min(*answer));
                }
            }
        }
        assert!(now >= held_until, "nothing leaves in a pause");
        assert_eq!(probe, None, "nothing leaves beside a probe");
        let answer = now.after(Duration::from_millis(latency.unsigned_abs()));
        trace.push((now, answer));
        let slot = window.sent(now);
        probe = window.paused().map(|_| slot.number);
        under_way.push((answer, slot, *end));
    }
    trace
}

proptest! {
    /// For every choice of arrivals between sent and answered: a window that begins at `from` can
    /// hold what was sent by its end and not answered before it began; the fullest ones begin at
    /// an answer.
    #[test]
    fn no_window_can_hold_more_than_n(most in 1..20_u32, millis in 1..5000_i64, fates in fates()) {
        let span = Duration::from_millis(millis.unsigned_abs());
        let trace = run(&mut Window::new(most, span), &fates);
        for (_, from) in &trace {
            let to = from.after(span);
            let held = trace.iter().filter(|(sent, answer)| *sent <= to && answer >= from).count();
            prop_assert!(held <= most as usize, "{held} of {most} in the window from {from:?}");
        }
    }

    /// Alone with its quota, by whatever window the platform counts, nobody is ever spaced: the
    /// platform's count never exceeds ours, though answers overtake each other.
    #[test]
    fn nothing_is_spaced_where_the_platform_counts_as_we_do(
        most in 1..40_u32,
        fixed in any::<bool>(),
        latencies in vec((0..900_i64, 0..900_i64, prop_oneof![Just(0), 0..1500_u64]), 1..150),
    ) {
        let mut window = Window::new(most, SECOND);
        let mut arrived: Vec<Mono> = Vec::new();
        // Events by their instant: an arrival, or an answer with its meter.
        let mut due: Vec<(Mono, bool, Option<Slot>, Mono, u32)> = Vec::new();
        let mut now = at(0);
        for (there, back, idle) in latencies {
            let mut wanted = now.after(Duration::from_millis(idle));
            loop {
                due.sort_by_key(|event| (event.0, event.1));
                if due.first().is_some_and(|event| event.0 <= wanted) {
                    let (at, is_answer, slot, answer, remaining) = due.remove(0);
                    now = at;
                    if is_answer {
                        window.answered(slot.unwrap(), now, &says(remaining, None));
                        prop_assert!(!window.pace.as_ref().unwrap().below);
                    } else {
                        arrived.push(now);
                        let from = if fixed { Mono(now.0 - now.0 % 1_000_000) } else { now.before(SECOND) };
                        let used = arrived.iter().filter(|at| **at >= from).count();
                        prop_assert!(used <= most as usize);
                        let left = most - u32::try_from(used).unwrap();
                        due.push((answer, true, slot, answer, left));
                    }
                    continue;
                }
                now = now.max(wanted);
                match window.poll(now) {
                    Poll::Go => break,
                    Poll::Until(at) => wanted = due.first().map_or(at, |event| at.min(event.0)),
                }
            }
            let arrives = now.after(Duration::from_millis(there.unsigned_abs()));
            let answer = arrives.after(Duration::from_millis(back.unsigned_abs()));
            due.push((arrives, false, Some(window.sent(now)), answer, 0));
        }
    }

    /// What is foreseen for a backlog is what it takes.
    #[test]
    fn a_backlog_clears_when_foreseen(
        most in 1..20_u32,
        past in vec(0..70_000_i64, 0..30),
        backlog in 1..60_usize,
    ) {
        let mut window = Window::new(most, MINUTE);
        window.restore(at(0), past.into_iter().map(|ago| at(-ago)));
        let foreseen = window.time_to_clear(at(0), backlog);
        let mut now = at(0);
        for _ in 0..backlog {
            now = now.after(wait(&mut window, now));
            ask(&mut window, now, Duration::ZERO, &QUIET);
        }
        let grains = MINUTE / 4000 * u32::try_from(backlog).unwrap();
        prop_assert!(now.since(at(0)).abs_diff(foreseen) <= grains, "{foreseen:?} {now:?}");
    }

    /// Nor is it with less remaining told again and again until the platform's window is renewed:
    /// never much too little, and at most one window too much.
    #[test]
    fn a_spaced_backlog_clears_when_foreseen(
        most in 2..40_u32,
        share in 0.0..1.0_f64,
        reset in 1..60_i64,
        counts_down in any::<bool>(),
        past in vec(0..70_000_i64, 0..38),
        backlog in 1..120_usize,
    ) {
        let mut window = Window::new(most, MINUTE);
        let room = most as usize - 2;
        window.restore(at(0), past.into_iter().take(room).map(|ago| at(-ago)));
        // Less than our own window leaves once the first request has left.
        let remaining = (f64::from(window.left(at(0)) - 1) * share) as u32;
        let renewed = at(reset * 1000);
        let tells = |now: Mono, sent: u32| {
            if now >= renewed {
                return Meter { remaining: Some(most), ..QUIET };
            }
            let remaining = remaining.saturating_sub(if counts_down { sent } else { 0 });
            Meter { remaining: Some(remaining), reset: Some(renewed.since(now)), ..QUIET }
        };
        let begin = at(0);
        ask(&mut window, begin, Duration::ZERO, &tells(begin, 0));
        prop_assert_eq!(window.left(begin), remaining);
        let mut now = begin;
        let foreseen = window.time_to_clear(begin, backlog);
        for sent in 1..=u32::try_from(backlog).unwrap() {
            now = now.after(wait(&mut window, now));
            ask(&mut window, now, Duration::ZERO, &tells(now, sent));
        }
        let taken = now.since(begin);
        let grain = MINUTE / 4000 * u32::try_from(backlog).unwrap();
        prop_assert!(foreseen + grain >= taken.mul_f64(0.9), "{foreseen:?} {taken:?}");
        prop_assert!(foreseen <= taken + MINUTE + grain, "{foreseen:?} {taken:?}");
    }
}
