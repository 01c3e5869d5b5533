//! From an event to its deliveries: who wants it, which fault befalls it, what came of it.

use std::time::Duration;

use super::{
    call::Call,
    clock::{self, Micros},
    courier::{Delivery, Parcel, Receipt, Seal},
    fault::{Encoding, FaultKind, WebhookFault},
    faults::Occasion,
    journal::DeliveryRecord,
    payload::{self, Leanness},
    timeline::Step,
    webhook::{Log, LogStatus, Webhook},
    world::World,
};

impl World {
    /// Posts an event to every webhook that wants it.
    pub(super) fn notify(&mut self, id: &str, event: &str, at: Micros) {
        let Some(call) = self.call(id) else { return };
        let drafts: Vec<_> = self
            .webhooks
            .iter()
            .filter(|webhook| webhook.wants(&call.agent, event))
            .map(|webhook| self.draft(webhook, call, event, at))
            .collect();
        for draft in drafts {
            self.dispatch(draft, at);
        }
    }

    fn draft(&self, webhook: &Webhook, call: &Call, event: &str, at: Micros) -> Delivery {
        let lean = Leanness {
            no_event: self.faults.has(|kind| matches!(kind, FaultKind::EventInPath)),
            is_meagre: self.faults.has(|kind| matches!(kind, FaultKind::MeagreBody)),
        };
        Delivery {
            webhook: webhook.id.clone(),
            log: None,
            event: event.to_owned(),
            call: call.id.clone(),
            agent: call.agent.clone(),
            body: payload::event_body(call, event, at, lean, &webhook.target.templates),
            attempt: 1,
            faults: Vec::new(),
        }
    }

    fn dispatch(&mut self, mut delivery: Delivery, now: Micros) {
        if self.befalls(&mut delivery, |fault| fault == WebhookFault::Vanished).is_some() {
            return;
        }
        let is_lost = self.befalls(&mut delivery, |fault| fault == WebhookFault::Lost).is_some();
        delivery.log = Some(self.log(&delivery, now));
        if is_lost {
            return self.close_log(&delivery, LogStatus::Failed);
        }
        if self.befalls(&mut delivery, |fault| fault == WebhookFault::Doubled).is_some() {
            self.send_off(delivery.clone(), now);
        }
        self.send_off(delivery, now);
    }

    /// Sends now, later, or when the call is over.
    fn send_off(&mut self, mut delivery: Delivery, now: Micros) {
        let is_over = self.call(&delivery.call).is_none_or(Call::is_over);
        let held = self.befalls(&mut delivery, |fault| fault == WebhookFault::AfterEnd && !is_over);
        if held.is_some() {
            self.held.entry(delivery.call.clone()).or_default().push(delivery);
            return;
        }
        // What was held goes ahead of the end itself.
        if is_over {
            self.release_held(&delivery.call.clone());
        }
        match self.befalls(&mut delivery, |fault| matches!(fault, WebhookFault::Late(_))) {
            Some(WebhookFault::Late(by)) => {
                let due = now + clock::micros(by.draw(&mut self.rng));
                self.timeline.plan(due, Step::Post(delivery));
            }
            _ => self.post(delivery),
        }
    }

    /// Draws the fault that befalls a delivery, and notes it there.
    fn befalls(
        &mut self,
        delivery: &mut Delivery,
        is: impl Fn(WebhookFault) -> bool,
    ) -> Option<WebhookFault> {
        let occasion = Occasion::Delivery { event: &delivery.event, call: &delivery.call };
        let pick = |kind: &FaultKind| match kind {
            FaultKind::Webhook(fault) if is(*fault) => Some(*fault),
            _ => None,
        };
        let (fault, text) = self.faults.strike(occasion, &mut self.rng, pick)?;
        delivery.faults.push(text);
        Some(fault)
    }

    pub(super) fn release_held(&mut self, id: &str) {
        for delivery in self.held.remove(id).unwrap_or_default() {
            self.post(delivery);
        }
    }

    /// Puts a delivery into its call's outbox; a call without a courier gets one.
    pub(super) fn post(&mut self, delivery: Delivery) {
        if !self.outboxes.contains_key(&delivery.call) {
            self.wanting_courier.push(delivery.call.clone());
        }
        self.outboxes.entry(delivery.call.clone()).or_default().push_back(delivery);
    }

    /// What a call's courier carries next; nothing: it is done.
    pub(super) fn next_parcel(&mut self, call: &str, now: Micros) -> Option<(Delivery, Parcel)> {
        while let Some(delivery) = self.outboxes.get_mut(call).and_then(|box_| box_.pop_front()) {
            // A webhook deleted meanwhile takes its deliveries along.
            if let Some(parcel) = self.pack(&delivery, now) {
                return Some((delivery, parcel));
            }
            self.close_log(&delivery, LogStatus::Failed);
        }
        self.outboxes.remove(call);
        None
    }

    /// Addresses and signs a delivery by its webhook's present settings, and records its leaving.
    pub(super) fn pack(&mut self, delivery: &Delivery, now: Micros) -> Option<Parcel> {
        let webhook = self.webhooks.iter().find(|webhook| webhook.id == delivery.webhook)?;
        let target = webhook.target.clone();
        let url = target.url_for(&delivery.agent, &delivery.event, &delivery.call);
        let mut headers: Vec<_> =
            target.headers.into_iter().map(|header| (header.key, header.value)).collect();
        headers.extend(self.signature(target.secret, &delivery.body));
        let seq = self.deliveries.add(|seq| DeliveryRecord {
            seq,
            at: now,
            event: delivery.event.clone(),
            call: delivery.call.clone(),
            webhook: delivery.webhook.clone(),
            url: url.clone(),
            attempt: delivery.attempt,
            body: delivery.body.clone(),
            faults: delivery.faults.clone(),
            status: None,
            answer: None,
            error: None,
            answered_at: None,
        });
        Some(Parcel {
            seq,
            method: target.method,
            url,
            headers,
            body: delivery.body.clone(),
            patience: Duration::from_secs(target.timeout_seconds),
        })
    }

    fn signature(&self, secret: Option<String>, body: &str) -> Option<(String, String)> {
        let mut secret = secret?;
        if self.faults.has(|kind| matches!(kind, FaultKind::SignatureMissing)) {
            return None;
        }
        if self.faults.has(|kind| matches!(kind, FaultKind::SignatureWrong)) {
            secret.push_str(", but not quite");
        }
        let header = self.faults.habit(|kind| match kind {
            FaultKind::SignatureHeader(name) => Some(name.clone()),
            _ => None,
        });
        let prefix = self.faults.habit(|kind| match kind {
            FaultKind::SignaturePrefix(prefix) => Some(prefix.clone()),
            _ => None,
        });
        let encoding = self.faults.habit(|kind| match kind {
            FaultKind::SignatureEncoding(encoding) => Some(*encoding),
            _ => None,
        });
        let seal = Seal {
            header: header.unwrap_or_else(|| "Signature".to_owned()),
            prefix: prefix.unwrap_or_default(),
            encoding: encoding.unwrap_or(Encoding::Hex),
        };
        Some(seal.sign(&secret, body))
    }

    /// Records what came of a parcel.
    pub(super) fn receipt(&mut self, seq: u64, receipt: &Receipt) {
        let Some(record) = self.deliveries.entry(seq) else {
            return;
        };
        record.answered_at = Some(receipt.at);
        match &receipt.result {
            Ok((status, answer)) => {
                record.status = Some(*status);
                record.answer = Some(answer.clone());
            }
            Err(error) => record.error = Some(error.clone()),
        }
    }

    /// Closes a delivery, or plans its next attempt.
    pub(super) fn settle(&mut self, mut delivery: Delivery, receipt: &Receipt) {
        self.log_attempt(&delivery, receipt);
        if receipt.is_acknowledged() {
            return self.close_log(&delivery, LogStatus::Success);
        }
        let webhook = self.webhooks.iter().find(|webhook| webhook.id == delivery.webhook);
        let retries = webhook.map_or(0, |webhook| webhook.target.max_retries);
        if delivery.attempt > retries {
            return self.close_log(&delivery, LogStatus::Failed);
        }
        self.close_log(&delivery, LogStatus::Retrying);
        let spacing = self.faults.habit(|kind| match kind {
            FaultKind::RetrySpacing(span) => Some(*span),
            _ => None,
        });
        let spacing = spacing.unwrap_or_else(|| Duration::from_secs(1).into());
        delivery.attempt += 1;
        let due = receipt.at + clock::micros(spacing.draw(&mut self.rng));
        self.timeline.plan(due, Step::Post(delivery));
    }

    fn log(&mut self, delivery: &Delivery, now: Micros) -> u64 {
        self.logs.add(|seq| Log {
            seq,
            webhook: delivery.webhook.clone(),
            event: delivery.event.clone(),
            call: delivery.call.clone(),
            agent: delivery.agent.clone(),
            status: LogStatus::Pending,
            attempt: delivery.attempt,
            http_status: None,
            duration_ms: None,
            body: delivery.body.clone(),
            created_at: now,
        })
    }

    fn log_attempt(&mut self, delivery: &Delivery, receipt: &Receipt) {
        let Some(log) = delivery.log.and_then(|seq| self.logs.entry(seq)) else {
            return;
        };
        log.attempt = delivery.attempt;
        log.http_status = receipt.status();
        log.duration_ms = u64::try_from(receipt.took.as_millis()).ok();
    }

    fn close_log(&mut self, delivery: &Delivery, status: LogStatus) {
        if let Some(log) = delivery.log.and_then(|seq| self.logs.entry(seq)) {
            log.status = status;
        }
    }

    /// Sends a failed delivery once more, with the webhook's present settings. False: it can't be.
    pub(super) fn retry_log(&mut self, webhook: &str, log: &str) -> Option<bool> {
        let seq = log.strip_prefix("log-")?.parse().ok()?;
        let log = self.logs.entry(seq).filter(|log| log.webhook == webhook)?;
        if log.status != LogStatus::Failed {
            return Some(false);
        }
        log.status = LogStatus::Retrying;
        let delivery = Delivery {
            webhook: log.webhook.clone(),
            log: Some(seq),
            event: log.event.clone(),
            call: log.call.clone(),
            agent: log.agent.clone(),
            body: log.body.clone(),
            attempt: log.attempt + 1,
            faults: Vec::new(),
        };
        self.post(delivery);
        Some(true)
    }

    /// Whether nothing is being sent, nor planned to be.
    pub(super) fn is_quiet(&self) -> bool {
        self.outboxes.is_empty() && self.timeline.is_quiet()
    }
}
