//! Under which names the store has yet to be asked about a call. A store that fails holds no call
//! back: what it knew of one is joined in once it works again, before the call is written.

use super::{call::Call, ids::CallId};

/// The names of a call that the store was not asked about when they were told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unasked {
    /// The name that the call goes by in memory.
    id: bool,
    /// The provider's sid, where that is another.
    sid: bool,
}

impl Unasked {
    /// Whether the store was asked about the name that the call goes by, and about its sid.
    #[must_use]
    pub fn unless(id: bool, sid: bool) -> Self {
        Self { id: !id, sid: !sid }
    }

    /// Whether the store is to be asked.
    #[must_use]
    pub fn is_any(self) -> bool {
        self.id || self.sid
    }

    /// The same call was told of again, under names that the store was asked about, or not.
    #[must_use]
    pub fn told_again(self, told: Self) -> Self {
        Self { id: self.id || told.id, sid: self.sid || told.sid }
    }

    /// A call that went by its sid alone goes by its id from now on; `is_new` where nothing was known
    /// under that. What the store has under a sid that it was asked about is in memory already: it
    /// is of this life, and no word of an earlier one, whatever was not asked under the id.
    #[must_use]
    pub fn joined(self, by_sid: Self, is_new: bool) -> Self {
        Self { id: self.id || is_new, sid: by_sid.is_any() }
    }

    /// The names to ask about.
    pub fn names(self, call: &Call) -> impl Iterator<Item = CallId> {
        let sid = call.facts.sid().filter(|sid| **sid != call.id);
        let id = self.id.then(|| call.id.clone());
        id.into_iter().chain(sid.filter(|_| self.sid).cloned())
    }

    /// Whether what the store has by the id `stored`, found under one of those names, tells anything
    /// of `call`. It finds the call's own row under its sid too, and where it was asked about the id
    /// that row is of this life: memory knows more.
    #[must_use]
    pub fn is_news(self, call: &CallId, stored: &CallId) -> bool {
        self.id || stored != call
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        event::{CallName, Details, EventKind, Heard, Via},
        facts::Facts,
        time::{Moment, Wall},
    };

    fn id(text: &str) -> CallId {
        CallId::parse(text).unwrap()
    }

    fn call() -> Call {
        let mut call = Call::new(id("id"), Moment::default());
        let heard = Heard {
            kind: EventKind::Started,
            call: CallName::Both { id: id("id"), sid: id("sid") },
            agent: None,
            time: None,
            details: Details::default(),
            via: Via::Webhook,
        };
        call.facts = call.facts.join(Facts::of_event(&heard, Wall(1), Wall(1)));
        call
    }

    fn names(unasked: Unasked) -> Vec<CallId> {
        unasked.names(&call()).collect()
    }

    #[test]
    fn the_store_is_asked_about_the_names_that_it_was_not_asked_about() {
        assert_eq!(names(Unasked::default()), []);
        assert_eq!(names(Unasked::unless(true, true)), []);
        assert_eq!(names(Unasked::unless(false, false)), [id("id"), id("sid")]);
        assert_eq!(names(Unasked::unless(true, false)), [id("sid")]);
        let by_sid = Call::new(id("sid"), Moment::default());
        let unasked = Unasked::unless(false, false);
        assert_eq!(unasked.names(&by_sid).collect::<Vec<_>>(), [id("sid")]);
        let either = Unasked::unless(true, false).told_again(Unasked::unless(false, true));
        assert_eq!(names(either), [id("id"), id("sid")]);
        for (id, sid) in [(false, false), (false, true), (true, false), (true, true)] {
            assert_eq!(Unasked::unless(id, sid).is_any(), !id || !sid);
        }
    }

    /// Caught: the row of a call that was joined into a new one was read back as if an earlier life
    /// had left it, and its intent to stop counted as a request whose answer was lost (simulator,
    /// seeds 7003744, 7076717).
    #[test]
    fn a_sid_that_was_asked_about_is_not_asked_about_again_when_its_call_gets_an_id() {
        let asked = Unasked::default();
        assert_eq!(names(Unasked::default().joined(asked, true)), [id("id")]);
        assert!(!Unasked::default().joined(asked, false).is_any());
        let failed = Unasked::unless(false, false);
        assert_eq!(names(failed.joined(asked, false)), [id("id")]);
        assert_eq!(names(Unasked::default().joined(failed, false)), [id("sid")]);
    }

    /// Caught: the store failed when a webhook told the sid of a call that it had under its id; the
    /// row of before was read back as if an earlier life had left it, and of a call that had ended by
    /// itself its intent to stop made one that was stopped (simulator, seed 9147825).
    #[test]
    fn a_call_s_own_row_is_no_news_under_its_sid() {
        let unasked = Unasked::unless(true, false);
        assert!(!unasked.is_news(&id("id"), &id("id")));
        assert!(unasked.is_news(&id("id"), &id("sid")));
        assert!(Unasked::unless(false, false).is_news(&id("id"), &id("id")));
    }
}
