//! Questions about calls, for the admin API (spec §10).

use std::collections::BTreeSet;

use super::{Engine, persist};
use crate::{
    model::{
        call::{Call, State},
        change::Event,
        ids::CallId,
        outcome::Outcome,
        time::Wall,
        view::{CallFilter, CallView, Cursor, EndedView, HistoryFilter, ViewPage, WhyView},
    },
    store::{HistoryQuery, Row, StoreError},
};

impl Engine {
    /// One call, by its id or sid, from memory or from the store.
    ///
    /// # Errors
    ///
    /// It is not in memory, and the store cannot be read.
    pub async fn call(&self, id: &CallId) -> Result<Option<CallView>, StoreError> {
        let id = self.0.calls.id_of(id).unwrap_or_else(|| id.clone());
        if let Some(call) = self.0.calls.find(&id) {
            return Ok(Some(CallView::of(&call)));
        }
        let loaded = super::recover::read(&self.0, &id).await?;
        Ok(loaded.map(|loaded| CallView::of(&loaded.call)))
    }

    /// Why a call ends when it does, by the policy in force: from memory or from the store, by its id
    /// or sid.
    ///
    /// # Errors
    ///
    /// The store, which has what memory lacks, cannot be read.
    pub async fn explain(&self, id: &CallId) -> Result<Option<WhyView>, StoreError> {
        let shared = &self.0;
        let id = shared.calls.id_of(id).unwrap_or_else(|| id.clone());
        let (now, policy) = (shared.clock.now(), shared.calls.policy());
        // What is told is the call as it is under this policy, which a reload may not have brought
        // to it yet.
        let call = match shared.calls.find(&id) {
            Some(call) => {
                let ids = std::slice::from_ref(&id);
                let context = shared.contexts_if(call.lacks_context(&policy), ids).await?;
                let context = context.first().and_then(Option::as_deref);
                let changed = Event::PolicyChanged { context };
                call.apply(&changed, now, &policy).next
            }
            None => {
                let Some(stored) = super::recover::read(shared, &id).await? else {
                    return Ok(None);
                };
                let persist::Loaded { call, same_boot, context } = stored;
                let restored = Event::Restored { same_boot, context: context.as_deref() };
                call.apply(&restored, now, &policy).next
            }
        };
        Ok(Some(WhyView::of_tracked(&call, &policy, now)))
    }

    /// A page of calls without outcome, by (deadline, id); or of those that are over or released,
    /// by their outcomes, newest first.
    ///
    /// # Errors
    ///
    /// The store, which knows the calls that have an outcome, cannot be read.
    pub async fn calls(&self, filter: CallFilter) -> Result<ViewPage<CallView>, StoreError> {
        if let Some(state @ (State::Released | State::Ended)) = filter.state {
            return self.calls_with_outcome(state, filter).await;
        }
        let Some(most) = filter.limit.checked_add(1) else { return Ok(empty()) };
        let mut places: BTreeSet<(Last<Wall>, CallId)> = BTreeSet::new();
        self.0.calls.each(|call| {
            let (at, id) = place(call);
            let is_full = places.len() == most;
            let is_beyond = |(last_at, last_id): &(_, CallId)| (*last_at, last_id) < (at, id);
            if !is_wanted(call, &filter) || is_full && places.last().is_some_and(is_beyond) {
                return;
            }
            places.insert((at, id.clone()));
            if is_full {
                places.pop_last();
            }
        });
        let has_more = places.len() == most;
        let calls: Vec<_> = places
            .iter()
            .take(filter.limit)
            .filter_map(|(_, id)| self.0.calls.find(id).map(|call| CallView::of(&call)))
            .collect();
        let last = places.iter().take(filter.limit).next_back();
        let next = last.filter(|_| has_more).map(|(at, id)| Cursor { at: at.0, id: id.clone() });
        Ok(ViewPage { calls, next })
    }

    /// A page of outcomes, newest first.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn history(&self, filter: HistoryFilter) -> Result<ViewPage<EndedView>, StoreError> {
        let HistoryFilter { outcome, since, limit, after } = filter;
        let (ended, next) = self.ended(outcome, since, limit, after).await?;
        let calls = ended.iter().filter_map(|(_, call)| EndedView::of(call)).collect();
        Ok(ViewPage { calls, next })
    }

    async fn calls_with_outcome(
        &self,
        state: State,
        filter: CallFilter,
    ) -> Result<ViewPage<CallView>, StoreError> {
        let CallFilter { state: _, agent, limit, mut after } = filter;
        let released = (state == State::Released).then_some(Outcome::Released);
        let outcome = released.map(|outcome| outcome.name().to_owned());
        let mut calls = Vec::new();
        // The store cannot filter by agent or state: pages are read until enough are found.
        loop {
            let (ended, next) = self.ended(outcome.clone(), None, limit, after).await?;
            for (place, stored) in &ended {
                // Memory may know by now that a released call is over.
                let known = self.0.calls.find(&stored.id);
                let call = known.as_ref().unwrap_or(stored);
                let is_its = agent.is_none() || call.facts.agent() == agent.as_ref();
                if is_its && call.state() == state {
                    calls.push(CallView::of(call));
                }
                if calls.len() == limit {
                    let is_last = ended.last().is_some_and(|(last, _)| last == place);
                    let next = if is_last { next } else { Some(place.clone()) };
                    return Ok(ViewPage { calls, next });
                }
            }
            after = next;
            if after.is_none() {
                return Ok(ViewPage { calls, next: None });
            }
        }
    }

    /// Up to `limit` calls that are over, each with its place, and where the next page begins.
    async fn ended(
        &self,
        outcome: Option<String>,
        since: Option<Wall>,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<(Vec<(Cursor, Call)>, Option<Cursor>), StoreError> {
        let after = after.and_then(|Cursor { at, id }| Some((at?, id)));
        let query = HistoryQuery { outcome, since, after, limit: limit.saturating_add(1) };
        let mut rows = self.0.store.history(query).await?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let place = |row: &Row| Cursor { at: row.ended_at, id: row.id.clone() };
        let next = rows.last().filter(|_| has_more).map(place);
        let load = |row: &Row| Some((place(row), persist::load(row, self.0.boot).ok()?.call));
        Ok((rows.iter().filter_map(load).collect(), next))
    }
}

/// A call's place in the list: those without deadline come last.
fn place(call: &Call) -> (Last<Wall>, &CallId) {
    (Last(call.deadline().map(|due| due.wall)), &call.id)
}

/// `None` comes last.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Last<T>(Option<T>);

impl<T: Ord> Ord for Last<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0.is_none(), &self.0).cmp(&(other.0.is_none(), &other.0))
    }
}

impl<T: Ord> PartialOrd for Last<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

fn is_wanted(call: &Call, filter: &CallFilter) -> bool {
    let CallFilter { state, agent, limit: _, after } = filter;
    call.ended.is_none()
        && state.is_none_or(|state| call.state() == state)
        && agent.as_ref().is_none_or(|agent| call.facts.agent() == Some(agent))
        && after.as_ref().is_none_or(|after| place(call) > (Last(after.at), &after.id))
}

fn empty<T>() -> ViewPage<T> {
    ViewPage { calls: Vec::new(), next: None }
}
