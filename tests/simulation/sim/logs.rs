//! The platform's delivery logs, and their reading: what `engine/replay` does.

use std::{collections::BTreeMap, time::Duration};

use callwarden::model::{
    call::Call,
    event::{Heard, Via},
    ids::{AgentId, CallId},
    listing::{Adopted, Pass},
    logs::{Logs, MOST_PAGES, Step},
    platform::{Delivered, DeliveryPage, Failure},
    quota::Slot,
    time::{Mono, Wall},
};

use super::{
    SECOND, Time,
    daemon::{Daemon, Lister, REPLAY},
    laws::micros,
    life::{AGENTS, wall},
    platform::Brought,
    world::World,
};

/// A webhook, as the platform logs it.
#[derive(Clone, Debug)]
pub(super) struct Logged {
    heard: Heard,
    call: usize,
    at: Time,
    succeeded: bool,
}

/// The daemon's reading of the logs, and what it must bring.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) logs: Logs,
    /// Calls that listings showed first and whose agent's logs were wanted for that: since when.
    unread: BTreeMap<CallId, (AgentId, Time)>,
    /// When the reading of the agent in hand began, and whether it could all be had.
    began: Time,
    is_whole: bool,
    /// How many requests are left that leave in any case, and how many the passes to come keep.
    least: u32,
    reserve: u32,
}

impl World {
    /// The platform is about to deliver a webhook. Gives its place in the log.
    pub(super) fn log(&mut self, heard: &Heard, call: usize) -> usize {
        self.log.push(Logged { heard: heard.clone(), call, at: self.time, succeeded: false });
        self.log.len() - 1
    }

    /// A webhook was answered 2xx.
    pub(super) fn has_delivered(&mut self, place: usize) {
        self.log[place].succeeded = true;
    }

    fn webhook_of(&self, logged: &Logged) -> String {
        format!("w{}", logged.heard.kind as usize % self.scenario.webhooks)
    }

    /// The platform's answer: the webhooks that an agent has.
    pub(super) fn webhooks_of(&self, agent: &AgentId) -> Result<Vec<String>, Failure> {
        if self.calls.iter().any(|call| call.agent == *agent) {
            Ok((0..self.scenario.webhooks).map(|nth| format!("w{nth}")).collect())
        } else {
            Err(Failure::Misdirected { status: 404 })
        }
    }

    /// Its answer: a page of what was delivered to one of them, the newest first.
    pub(super) fn log_page(&self, agent: &AgentId, webhook: &str, page: u32) -> DeliveryPage {
        let is_there = |logged: &&Logged| self.calls[logged.call].agent == *agent;
        let places = self.log.iter().enumerate().rev();
        let entries =
            places.filter(|(_, logged)| is_there(logged) && self.webhook_of(logged) == webhook);
        let all: Vec<_> = entries.map(|(place, logged)| Self::shown(place, logged)).collect();
        let per_page = self.scenario.per_page;
        let last_page = u32::try_from(all.len().div_ceil(per_page)).unwrap().max(1);
        let before = (page as usize - 1) * per_page;
        DeliveryPage {
            deliveries: all.into_iter().skip(before).take(per_page).collect(),
            last_page,
        }
    }

    fn shown(place: usize, logged: &Logged) -> Delivered {
        Delivered {
            id: place.to_string(),
            event: Some(logged.heard.kind.name().to_owned()),
            succeeded: logged.succeeded,
            // In whole seconds, cut.
            at: Some(Wall(wall(logged.at).0 / SECOND * SECOND)),
            body: String::new(),
        }
    }

    /// A pass is over: the logs are read until the next one is due.
    pub(super) fn read_logs(&mut self, pass: &Pass, pause: Duration) {
        let Some(daemon) = &mut self.daemon else { return };
        let adopted = pass.adopted();
        daemon.reader.least = pass.least_for_logs();
        daemon.reader.reserve = pass.reserve(pause, daemon.tuning.1);
        let wants = |call| daemon.reader.logs.wants(call, adopted);
        let wants: Vec<_> = daemon.calls.values().filter_map(|kept| wants(&kept.call)).collect();
        daemon.reader.logs.begin(wants, daemon.is_loaded);
        for kept in daemon.calls.values().filter(|kept| adopted.contains_key(&kept.call.id)) {
            if let Some(agent) = kept.call.facts.agent() {
                let unread = (agent.clone(), self.time);
                daemon.reader.unread.insert(kept.call.id.clone(), unread);
            }
        }
        self.read_on(pass.began().mono.after(pause));
    }

    fn read_on(&mut self, until: Mono) {
        let now = self.now().mono;
        let Some(daemon) = &mut self.daemon else { return };
        let Reader { logs, least, reserve, .. } = &mut daemon.reader;
        let is_time = *least > 0 || (now < until && daemon.part.left(now) > *reserve);
        daemon.lister = match logs.next_step().filter(|_| is_time) {
            Some(step) => {
                *least = least.saturating_sub(1);
                daemon.desk.want_listing(REPLAY, now);
                Lister::Reads { until, step }
            }
            None => Lister::Rests { until },
        };
    }

    /// The step that waits for leave.
    pub(super) fn waiting_reader(&mut self) -> Option<Step> {
        let daemon = self.daemon.as_mut()?;
        let Lister::Reads { step, .. } = &daemon.lister else { return None };
        if matches!(step, Step::Webhooks(_)) {
            (daemon.reader.began, daemon.reader.is_whole) = (self.time, true);
        }
        Some(step.clone())
    }

    /// What was asked for came, or could not be had.
    pub(super) fn has_read(&mut self, part: Slot, step: &Step, brought: Brought) {
        self.listing_is_over(part, REPLAY);
        let failed = match brought {
            Brought::Webhooks(answer) => {
                answer.map(|webhooks| self.logs(|logs| logs.had_webhooks(webhooks)))
            }
            Brought::Deliveries(answer) => answer.map(|page| {
                self.look_at(&page);
                self.logs(|logs| logs.had_page(&page));
            }),
            Brought::EndCall(_) | Brought::Page(_) => return,
        };
        match failed {
            Ok(()) => {
                self.take_in_what_was_found();
                self.what_failed_is_known(step.agent());
            }
            Err(failure) => {
                self.logs(|logs| logs.failed(&failure));
                self.take_in_what_was_found();
                if let Some(daemon) = &mut self.daemon {
                    let is_asked_again = matches!(failure, Failure::RateLimited { .. });
                    daemon.reader.is_whole &= is_asked_again;
                }
            }
        }
        let Some(daemon) = &self.daemon else { return };
        let Lister::Reads { until, .. } = daemon.lister else { return };
        self.read_on(until);
    }

    fn logs(&mut self, change: impl FnOnce(&mut Logs)) {
        if let Some(daemon) = &mut self.daemon {
            change(&mut daemon.reader.logs);
        }
    }

    fn look_at(&mut self, page: &DeliveryPage) {
        for delivered in &page.deliveries {
            let heard = self.logged(&delivered.id).heard.clone();
            let heard = Heard { via: Via::Log { tried: delivered.at }, ..heard };
            self.logs(|logs| logs.look_at(delivered, heard));
        }
    }

    fn logged(&self, id: &str) -> &Logged {
        &self.log[id.parse::<usize>().unwrap()]
    }

    fn take_in_what_was_found(&mut self) {
        let mut all = Vec::new();
        self.logs(|logs| all = logs.found());
        for found in all {
            let Logged { call, succeeded, .. } = *self.logged(&found.id);
            let path = if succeeded {
                "an adopted call got what its webhooks had told"
            } else {
                "a webhook that failed was found in the log"
            };
            self.record.sometimes(path);
            self.may_lie(&found.heard, call);
            if self.take_in(&found.heard, call).is_some() {
                self.logs(|logs| logs.took(found));
            }
        }
    }

    /// The logs that adopted calls want are wanted until they are read, and read once all is well: a
    /// request after each pass at least.
    pub(super) fn logs_are_read(&mut self) {
        let turn = (self.scenario.reconcile_every + self.scenario.time_for_a_pass()) * 2;
        let pages = (self.log.len() / self.scenario.per_page + 1).min(MOST_PAGES as usize);
        let steps = AGENTS * (1 + self.scenario.webhooks * pages);
        let long = micros(turn * u32::try_from(2 + steps).unwrap());
        let well = self.scenario.nothing_holds_back();
        let Some(daemon) = &self.daemon else { return };
        let is_owed = |(id, (agent, since)): &(&CallId, &(AgentId, Time))| {
            let is_ours = |call: &&Call| call.facts.agent() == Some(agent);
            let Some(call) = daemon.wants_logs(id).filter(is_ours) else { return false };
            let is_wanted = daemon.reader.logs.wants(call, &Adopted::new()).is_some();
            !is_wanted || (*since).max(well).max(self.awake_since) + long < self.time
        };
        if let Some((id, (_, since))) = daemon.reader.unread.iter().find(is_owed) {
            let seen = || format!("{id}, wanted since {since}: {:?}", daemon.reader.logs);
            self.record.broken("the logs that a call wants are read", seen);
        }
    }

    /// The logs of an agent have been read: of calls that a listing showed first, all that is in
    /// them of before is known.
    fn what_failed_is_known(&mut self, agent: &AgentId) {
        let Some(daemon) = &mut self.daemon else { return };
        let goes_on = daemon.reader.logs.next_step().is_some_and(|step| step.agent() == agent);
        if goes_on || !daemon.reader.is_whole {
            return;
        }
        let began = daemon.reader.began;
        let unread = std::mem::take(&mut daemon.reader.unread);
        let (read, unread): (BTreeMap<_, _>, _) =
            unread.into_iter().partition(|(_, (of, since))| of == agent && *since <= began);
        daemon.reader.unread = unread;
        let Some(daemon) = &self.daemon else { return };
        let most = MOST_PAGES as usize * self.scenario.per_page;
        for (id, (_, since)) in read {
            let Some(call) = daemon.wants_logs(&id) else { continue };
            let is_unknown = |(place, logged): &(usize, &Logged)| {
                let newer = || {
                    self.log[*place..].iter().filter(|other| {
                        self.calls[other.call].agent == *agent
                            && self.webhook_of(other) == self.webhook_of(logged)
                    })
                };
                logged.at < since
                    && (&self.calls[logged.call].id, &self.calls[logged.call].agent) == (&id, agent)
                    && call.facts.times(logged.heard.kind).is_none()
                    && newer().count() <= most
            };
            if let Some((_, logged)) = self.log.iter().enumerate().find(is_unknown) {
                let seen = || format!("{logged:?} of {call:?}");
                self.record.broken("what the logs have of an adopted call is known", seen);
            }
        }
    }
}

impl Daemon {
    /// The call, if its logs were wanted all the time: not while it was over by our books.
    fn wants_logs(&self, id: &CallId) -> Option<&Call> {
        let kept = self.calls.get(id)?;
        Some(&kept.call).filter(|call| call.ended.is_none() && !kept.books.was_reopened)
    }
}
