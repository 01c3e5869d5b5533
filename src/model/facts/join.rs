//! How two tellings of one thing come to one: the parts of [`Facts::join`](super::Facts::join), each
//! of which commutes, associates and repeats.

use super::Span;
use crate::model::event::EventKind;

pub(super) fn join_times(
    mut ours: Vec<(EventKind, Span)>,
    theirs: Vec<(EventKind, Span)>,
) -> Vec<(EventKind, Span)> {
    for (kind, span) in theirs {
        match ours.binary_search_by_key(&kind, |(kind, _)| *kind) {
            Ok(at) => {
                let known = &mut ours[at].1;
                known.first = known.first.min(span.first);
                known.last = known.last.max(span.last);
            }
            Err(at) => {
                ours.reserve_exact(1);
                ours.insert(at, (kind, span));
            }
        }
    }
    ours
}

pub(super) fn join_spans(a: Option<Span>, b: Option<Span>) -> Option<Span> {
    match (a, b) {
        (Some(a), Some(b)) => Some(Span { first: a.first.min(b.first), last: a.last.max(b.last) }),
        (a, b) => a.or(b),
    }
}

pub(super) fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    pick(a, b, |a, b| a <= b)
}

pub(super) fn pick<T>(
    a: Option<T>,
    b: Option<T>,
    first_holds: impl FnOnce(&T, &T) -> bool,
) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if first_holds(&a, &b) { a } else { b }),
        (a, b) => a.or(b),
    }
}
