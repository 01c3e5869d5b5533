//! The shares over every window, and the queue against a plain table.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*};

use super::*;

fn id(n: u32) -> CallId {
    CallId::parse(&format!("call-{n:06}")).unwrap()
}

/// Pops, starts and finishes the next one.
fn send(queue: &mut Queue, listing: Option<Share>) -> Option<Next> {
    let next = queue.pop(listing)?;
    queue.started(&next);
    queue.finished(&next);
    Some(next)
}

/// What leaves in `n` requests of a queue in which all of `kinds`, and listing, wait all the time.
fn trace(kinds: &[Kind], share: Share, n: usize) -> Vec<Option<Kind>> {
    let mut queue = Queue::new();
    for (i, kind) in (0..).zip(kinds) {
        for call in 0..200 {
            queue.want(*kind, Mono(0), id(i * 1000 + call));
        }
    }
    let sent = (0..n).map(|_| {
        queue.want_listing(0, Mono(0));
        match send(&mut queue, Some(share)).unwrap() {
            Next::Call(kind, call) => {
                queue.want(kind, Mono(1), call);
                Some(kind)
            }
            Next::Listing(_) => None,
        }
    });
    sent.collect()
}

#[test]
fn of_any_n_requests_in_a_row_half_are_first_ones_and_a_tenth_look_ups() {
    let sent = trace(&Kind::ALL, Share::Half, 400);
    for n in (2..=200).filter(|n| *n != 3) {
        for window in sent.windows(n) {
            let firsts = window.iter().filter(|k| **k == Some(Kind::First)).count();
            let repeats = window.iter().filter(|k| **k == Some(Kind::Repeat)).count();
            let looks = n - firsts - repeats;
            assert!(firsts * 2 >= n, "{firsts} first of {n}");
            assert!(looks >= n / 10 && looks <= n.div_ceil(10), "{looks} looks of {n}");
        }
    }
}

#[test]
fn a_listing_may_leave_whatever_else_waits_but_not_beside_itself() {
    let mut queue = Queue::new();
    assert_eq!(queue.pop_listing(), None);
    queue.want(Kind::First, Mono(0), id(0));
    for page in [3, 7] {
        queue.want_listing(page, Mono(0));
    }
    assert_eq!(queue.listings(), 2);
    queue.started(&Next::Listing(3));
    let next = queue.pop_listing();
    assert_eq!((&next, queue.listings()), (&Some(Next::Listing(7)), 1));
    assert_eq!(queue.pop_listing(), None, "it is under way");
    queue.finished(&Next::Listing(3));
    assert_eq!((queue.pop_listing(), queue.listings()), (Some(Next::Listing(3)), 0));
}

#[test]
fn stops_past_their_deadline_are_counted_first_ones_and_repeats() {
    let mut queue = Queue::new();
    for (n, kind, due) in [
        (0, Kind::First, 1),
        (1, Kind::First, 2),
        (2, Kind::First, 3),
        (3, Kind::Repeat, 2),
        (4, Kind::Confirm, 1),
    ] {
        queue.want(kind, Mono(due), id(n));
    }
    assert_eq!([1, 2, 3].map(|now| queue.overdue(Mono(now))), [1, 3, 4]);
}

#[test]
fn confirmations_come_first_of_the_look_ups_yet_starve_no_listing() {
    let sent = trace(&Kind::ALL, Share::Tenth, 1000);
    let looks: Vec<_> = sent.into_iter().filter(|k| !k.is_some_and(Kind::is_stop)).collect();
    for window in looks.windows(5) {
        let count = |kind| window.iter().filter(|k| **k == kind).count();
        assert_eq!([count(Some(Kind::Confirm)), count(Some(Kind::Lookup)), count(None)], [3, 1, 1]);
    }
}

#[test]
fn while_no_stop_waits_listing_has_its_share_by_need() {
    for (share, part) in [(Share::Tenth, 10), (Share::Third, 3), (Share::Half, 2)] {
        let sent = trace(&[Kind::Confirm, Kind::Lookup], share, 300);
        for n in (part..=150).step_by(part) {
            for window in sent.windows(n) {
                assert_eq!(window.iter().filter(|k| k.is_none()).count(), n / part);
            }
        }
        assert_eq!(share.of(100), 100 / u32::try_from(part).unwrap());
        assert_eq!((share.of(1), share.of(0)), (1, 0));
    }
}

#[test]
fn a_share_not_used_is_lent() {
    for kind in Kind::ALL {
        let mut queue = Queue::new();
        (0..50).for_each(|n| queue.want(kind, Mono(0), id(n)));
        for n in 0..50 {
            assert_eq!(send(&mut queue, None), Some(Next::Call(kind, id(n))));
        }
    }
}

#[test]
fn listings_leave_only_where_they_may_the_one_due_first_before_the_others() {
    let mut queue = Queue::new();
    queue.want_listing(1, Mono(20));
    queue.want_listing(2, Mono(10));
    assert_eq!(queue.pop(None), None);
    assert_eq!(send(&mut queue, Some(Share::Tenth)), Some(Next::Listing(2)));
    assert_eq!(send(&mut queue, Some(Share::Tenth)), Some(Next::Listing(1)));
}

#[test]
fn stops_leave_by_deadline_then_id() {
    let mut queue = Queue::new();
    for (deadline, n) in [(2, 1), (1, 9), (1, 3), (3, 0)] {
        queue.want(Kind::First, Mono(deadline), id(n));
    }
    assert_eq!(queue.overdue(Mono(2)), 3);
    for n in [3, 9, 1, 0] {
        assert_eq!(send(&mut queue, None), Some(Next::Call(Kind::First, id(n))));
    }
    assert!(queue.is_empty());
}

#[test]
fn a_call_has_one_stop_and_one_look_up_and_the_later_word_holds() {
    let mut queue = Queue::new();
    queue.want(Kind::First, Mono(5), id(1));
    queue.want(Kind::Lookup, Mono(5), id(1));
    queue.want(Kind::Repeat, Mono(7), id(1));
    queue.want(Kind::Confirm, Mono(5), id(1));
    assert_eq!(Kind::ALL.map(|kind| queue.len(kind)), [0, 1, 1, 0]);
    queue.forget_stop(&id(1));
    assert!(queue.is_queued(&id(1)));
    queue.forget_lookup(&id(1));
    assert!(!queue.is_queued(&id(1)));
    assert!(queue.is_empty());
}

#[test]
fn a_call_under_way_is_passed_over_and_not_lost() {
    let mut queue = Queue::new();
    queue.want(Kind::First, Mono(0), id(1));
    let under_way = queue.pop(None).unwrap();
    queue.started(&under_way);
    queue.want(Kind::Repeat, Mono(0), id(1));
    queue.want(Kind::Repeat, Mono(9), id(2));
    assert_eq!(send(&mut queue, None), Some(Next::Call(Kind::Repeat, id(2))));
    assert_eq!(queue.pop(None), None);
    queue.finished(&under_way);
    assert_eq!(queue.pop(None), Some(Next::Call(Kind::Repeat, id(1))));
}

#[test]
fn what_is_no_longer_wanted_uses_up_no_turn() {
    let mut queue = Queue::new();
    (0..40).for_each(|n| queue.want(Kind::First, Mono(0), id(n)));
    queue.want(Kind::Repeat, Mono(0), id(99));
    for _ in 0..2 {
        assert!(matches!(send(&mut queue, None), Some(Next::Call(Kind::First, _))));
    }
    let dropped = queue.pop(None);
    assert_eq!(dropped, Some(Next::Call(Kind::Repeat, id(99))));
    queue.want(Kind::Repeat, Mono(0), id(98));
    assert_eq!(send(&mut queue, None), Some(Next::Call(Kind::Repeat, id(98))));
}

#[test]
fn at_most_64_requests_are_under_way() {
    let mut queue = Queue::new();
    (0..100).for_each(|n| queue.want(Kind::First, Mono(0), id(n)));
    let mut under_way = Vec::new();
    while let Some(next) = queue.pop(None) {
        queue.started(&next);
        under_way.push(next);
    }
    assert_eq!((under_way.len(), queue.len(Kind::First)), (64, 36));
    queue.finished(&under_way[7]);
    assert!(queue.pop(None).is_some());
}

#[derive(Clone, Debug)]
enum Step {
    Want(Kind, i64, u32),
    WantListing(u8),
    Forget(u32),
    Pop,
    Finish(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (prop::sample::select(&Kind::ALL[..]), 0..5_i64, 0..12_u32)
            .prop_map(|(kind, at, n)| Step::Want(kind, at, n)),
        1 => (0..3_u8).prop_map(Step::WantListing),
        1 => (0..12_u32).prop_map(Step::Forget),
        5 => Just(Step::Pop),
        3 => (0..8_usize).prop_map(Step::Finish),
    ];
    vec(step, 0..200)
}

proptest! {
    /// Against a plain table of what waits: nothing is lost, nothing leaves twice, what leaves is
    /// the first of its kind, and something leaves while anything may.
    #[test]
    fn nothing_is_lost_nothing_leaves_twice(steps in steps()) {
        let mut queue = Queue::new();
        let mut table: BTreeMap<(u32, bool), (Kind, Mono)> = BTreeMap::new();
        let mut pages = BTreeSet::new();
        let mut under_way: Vec<Next> = Vec::new();
        for step in steps {
            match step {
                Step::Want(kind, at, n) => {
                    queue.want(kind, Mono(at), id(n));
                    table.insert((n, kind.is_stop()), (kind, Mono(at)));
                }
                Step::WantListing(page) => {
                    queue.want_listing(page, Mono(0));
                    pages.insert(page);
                }
                Step::Forget(n) => {
                    queue.forget(&id(n));
                    table.retain(|(call, _), _| *call != n);
                }
                Step::Finish(n) if n < under_way.len() => queue.finished(&under_way.swap_remove(n)),
                Step::Finish(_) => {}
                Step::Pop => {
                    let busy = |n: u32| {
                        under_way.iter().any(|next| matches!(next, Next::Call(_, c) if *c == id(n)))
                    };
                    let free = |kind| {
                        let of_kind = table.iter().filter(move |(_, v)| v.0 == kind);
                        of_kind.map(|((n, _), v)| (v.1, *n)).filter(|(_, n)| !busy(*n)).min()
                    };
                    let page = pages.iter().find(|p| !under_way.contains(&Next::Listing(**p)));
                    match queue.pop(Some(Share::Third)) {
                        Some(Next::Call(kind, call)) => {
                            let (_, first) = free(kind).unwrap();
                            prop_assert_eq!(&call, &id(first));
                            table.remove(&(first, kind.is_stop()));
                            under_way.push(Next::Call(kind, call));
                        }
                        Some(Next::Listing(listed)) => {
                            prop_assert_eq!(Some(&listed), page);
                            pages.remove(&listed);
                            under_way.push(Next::Listing(listed));
                        }
                        None => {
                            prop_assert!(page.is_none());
                            prop_assert!(Kind::ALL.iter().all(|kind| free(*kind).is_none()));
                            continue;
                        }
                    }
                    queue.started(&under_way[under_way.len() - 1]);
                }
            }
            for kind in Kind::ALL {
                let waiting = table.values().filter(|v| v.0 == kind).count();
                prop_assert_eq!(queue.len(kind), waiting);
            }
            prop_assert_eq!(queue.is_empty(), table.is_empty() && pages.is_empty());
            prop_assert_eq!(queue.under_way(), under_way.len());
        }
    }
}
