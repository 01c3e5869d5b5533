//! Whose logs are read, and how far back.

mod found;

use super::*;
use crate::model::{
    event::{EventKind, Heard, Via},
    facts::Facts,
    platform::{Row, Status},
    scene::{Scene, row},
    time::Moment,
};

fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

fn id(name: &str) -> CallId {
    CallId::parse(name).unwrap()
}

/// A call that a listing alone has told of; its sid is `sid-…`.
fn listed(name: &str, owner: &str) -> Call {
    let mut call = Call::new(id(name), Moment::default());
    let sid = Some(id(&format!("sid-{name}")));
    let row = Row { agent: Some(agent(owner)), sid, ..row(name, Status::Ringing) };
    call.facts = call.facts.join(Facts::of_row(&row, Wall(1)));
    call
}

/// One that a webhook has told of: it started then.
fn heard(name: &str, owner: &str, started: Wall) -> Call {
    let call = listed(name, owner);
    let heard = Heard {
        call: CallName::Id(id(name)),
        ..Scene::called("x").heard(EventKind::Started, None)
    };
    Call { facts: call.facts.clone().join(Facts::of_event(&heard, started, started)), ..call }
}

fn begin(logs: &mut Logs, calls: &[&Call], adopted: &Adopted) {
    let wants: Vec<_> = calls.iter().filter_map(|call| logs.wants(call, adopted)).collect();
    logs.begin(wants, true);
}

fn adopts(call: &Call, placed: Option<Wall>) -> Adopted {
    Adopted::from([(call.id.clone(), placed)])
}

/// What was delivered of a call by that name.
fn event(call: CallName, kind: EventKind, tried: i64) -> Heard {
    let via = Via::Log { tried: Some(Wall(tried)) };
    Heard { call, via, ..Scene::called("x").heard(kind, None) }
}

fn looks(logs: &mut Logs, delivered: &Delivered, call: &CallName) {
    logs.look_at(delivered, event(call.clone(), EventKind::Recording, 1));
}

/// The ids of what is to be taken in now; it is.
fn found(logs: &mut Logs) -> Vec<String> {
    let found = logs.found();
    let ids = found.iter().map(|found| found.id.clone()).collect();
    found.into_iter().for_each(|found| logs.took(found));
    ids
}

fn delivered(id: &str, at: i64, succeeded: bool) -> Delivered {
    Delivered { id: id.to_owned(), event: None, succeeded, at: Some(Wall(at)), body: String::new() }
}

fn page(deliveries: &[Delivered], last_page: u32) -> DeliveryPage {
    DeliveryPage { deliveries: deliveries.to_vec(), last_page }
}

fn webhooks(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn step(owner: &str, webhook: &str, page: u32) -> Option<Step> {
    Some(Step::Deliveries { agent: agent(owner), webhook: webhook.to_owned(), page })
}

fn asks(owner: &str) -> Option<Step> {
    Some(Step::Webhooks(agent(owner)))
}

/// Logs past the first round, in which no call was there.
fn begun() -> Logs {
    let mut logs = Logs::default();
    logs.begin([], true);
    assert_eq!(logs.next_step(), None);
    logs
}

/// Reads an agent's logs: one webhook, one page.
fn read(logs: &mut Logs, owner: &str, deliveries: &[Delivered]) {
    assert_eq!(logs.next_step(), asks(owner));
    logs.had_webhooks(webhooks(&["w"]));
    assert_eq!(logs.next_step(), step(owner, "w", 1));
    logs.had_page(&page(deliveries, 1));
}

#[test]
fn each_webhook_of_an_adopted_call_s_agent_is_read_back_to_when_the_call_was_placed() {
    let (mut logs, call) = (begun(), listed("c", "a"));
    begin(&mut logs, &[&call], &adopts(&call, Some(Wall(3_999_999))));
    assert_eq!(logs.next_step(), asks("a"));
    assert_eq!(logs.next_step(), asks("a"), "until it was answered");
    assert_eq!(logs.next_step().unwrap().agent(), &agent("a"));
    logs.had_webhooks(webhooks(&["w1", "w2", "w3"]));
    assert_eq!(logs.next_step(), step("a", "w1", 1));
    assert_eq!(logs.next_step().unwrap().agent(), &agent("a"));
    // Times are cut to seconds: the call may have been placed in the same one.
    logs.had_page(&page(&[delivered("1", 9_000_000, true), delivered("2", 3_000_000, true)], 9));
    assert_eq!(logs.next_step(), step("a", "w1", 2));
    logs.had_page(&page(&[delivered("3", 2_000_000, true)], 9));
    assert_eq!(logs.next_step(), step("a", "w2", 1));
    logs.had_page(&page(&[], 0));
    assert_eq!(logs.next_step(), step("a", "w3", 1));
    logs.had_page(&page(&[Delivered { at: None, ..delivered("4", 0, true) }], 2));
    assert_eq!(logs.next_step(), step("a", "w3", 2));
    logs.had_page(&page(&[], 2));
    assert_eq!(logs.next_step(), None);
}

#[test]
fn no_more_than_five_pages_are_read_where_nobody_knows_when_the_call_began() {
    let (mut logs, call) = (begun(), listed("c", "a"));
    begin(&mut logs, &[&call], &adopts(&call, None));
    logs.next_step();
    logs.had_webhooks(webhooks(&["w"]));
    for nth in 1..=5 {
        assert_eq!(logs.next_step(), step("a", "w", nth));
        logs.had_page(&page(&[delivered("1", 0, true)], 9));
    }
    assert_eq!(logs.next_step(), None);
}

#[test]
fn a_start_that_the_platform_told_is_as_far_back_as_need_be() {
    let (mut logs, call) = (Logs::default(), heard("c", "a", Wall(5_500_000)));
    begin(&mut logs, &[&call], &Adopted::new());
    logs.next_step();
    logs.had_webhooks(webhooks(&["w"]));
    logs.had_page(&page(&[delivered("1", 5_000_000, true)], 9));
    assert_eq!(logs.next_step(), step("a", "w", 2));
    logs.had_page(&page(&[delivered("1", 4_000_000, true)], 9));
    assert_eq!(logs.next_step(), None);
}

#[test]
fn after_a_start_the_agents_of_all_live_calls_are_read_once() {
    let (known, listed) = (heard("c1", "a", Wall(1)), listed("c2", "b"));
    let nobodys = Call::new(id("c3"), Moment::default());
    let mut logs = Logs::default();
    let nothing = Adopted::new();
    begin(&mut logs, &[&known, &listed, &nobodys], &nothing);
    read(&mut logs, "a", &[delivered("1", 1, true)]);
    read(&mut logs, "b", &[delivered("2", 1, true)]);
    assert_eq!(logs.next_step(), None);
    // From then on, of those that no webhook has told of.
    begin(&mut logs, &[&known, &listed, &nobodys], &nothing);
    read(&mut logs, "b", &[]);
    assert_eq!(logs.next_step(), None);
    begin(&mut logs, &[&known], &nothing);
    assert_eq!(logs.next_step(), None);
    // And of those that a webhook told of while the listing went on that showed them first.
    begin(&mut logs, &[&known], &adopts(&known, None));
    read(&mut logs, "a", &[]);
    assert_eq!(logs.next_step(), None);
}

#[test]
fn a_call_that_is_over_wants_nothing() {
    let mut scene = Scene::called("c");
    scene.hear(EventKind::Ended);
    assert!(scene.call.ended.is_some() && scene.call.facts.agent().is_some());
    assert_eq!(Logs::default().wants(&scene.call, &Adopted::new()), None);
}

#[test]
fn what_could_not_be_read_is_read_in_the_next_round() {
    let (mut logs, call) = (Logs::default(), heard("c", "a", Wall(1)));
    let nothing = Adopted::new();
    begin(&mut logs, &[&call], &nothing);
    assert_eq!(logs.next_step(), asks("a"));
    logs.failed(&Failure::Timeout);
    assert_eq!(logs.next_step(), None, "not at once");
    begin(&mut logs, &[&call], &nothing);
    assert_eq!(logs.next_step(), asks("a"));
    logs.had_webhooks(webhooks(&["w"]));
    assert_eq!(logs.next_step(), step("a", "w", 1));
    logs.failed(&Failure::Timeout);
    begin(&mut logs, &[&call], &nothing);
    read(&mut logs, "a", &[]);
    begin(&mut logs, &[&call], &nothing);
    assert_eq!(logs.next_step(), None);
}

#[test]
fn as_long_as_deliveries_fail_the_agent_s_logs_are_read_back_to_the_newest_of_before() {
    let (mut logs, call) = (Logs::default(), heard("c", "a", Wall(1)));
    let nothing = Adopted::new();
    let second = 1_000_000;
    begin(&mut logs, &[&call], &nothing);
    logs.next_step();
    logs.had_webhooks(webhooks(&["w1", "w2"]));
    logs.had_page(&page(&[delivered("1", 7 * second, false), delivered("2", 8 * second, true)], 1));
    logs.had_page(&page(&[delivered("3", 9 * second, false), delivered("4", 3 * second, true)], 1));
    assert_eq!(logs.next_step(), None);
    begin(&mut logs, &[&call], &nothing);
    assert_eq!(logs.next_step(), asks("a"), "the newest of one has failed");
    logs.had_webhooks(webhooks(&["w1", "w2"]));
    logs.had_page(&page(
        &[delivered("5", 10 * second, true), delivered("1", 7 * second, false)],
        9,
    ));
    assert_eq!(logs.next_step(), step("a", "w2", 1), "older than the newest of before");
    logs.had_page(&page(
        &[delivered("6", 11 * second, true), delivered("3", 9 * second, false)],
        9,
    ));
    assert_eq!(logs.next_step(), step("a", "w2", 2));
    // That those of a later page failed is no news.
    logs.had_page(&page(&[delivered("4", 8 * second, false)], 9));
    assert_eq!(logs.next_step(), None);
    begin(&mut logs, &[&call], &nothing);
    assert_eq!(logs.next_step(), None, "they arrive again");
}

#[test]
fn a_reading_goes_on_in_the_next_round_and_the_others_follow() {
    let (a, b, c) = (listed("c1", "a"), listed("c2", "b"), listed("c3", "c"));
    let (mut logs, nothing) = (begun(), Adopted::new());
    begin(&mut logs, &[&b, &c], &nothing);
    assert_eq!(logs.next_step(), asks("b"));
    logs.had_webhooks(webhooks(&["w"]));
    // The next pass is due; it shows another call.
    begin(&mut logs, &[&a, &b, &c], &nothing);
    assert_eq!(logs.next_step(), step("b", "w", 1));
    logs.had_page(&page(&[], 1));
    read(&mut logs, "c", &[]);
    read(&mut logs, "a", &[]);
    assert_eq!(logs.next_step(), None);
}

#[test]
fn a_call_that_comes_up_meanwhile_has_the_logs_read_again() {
    let (first, second) = (listed("c1", "a"), listed("c2", "a"));
    let (mut logs, nothing) = (begun(), Adopted::new());
    begin(&mut logs, &[&first], &nothing);
    logs.next_step();
    logs.had_webhooks(webhooks(&["w"]));
    begin(&mut logs, &[&first, &second], &nothing);
    assert_eq!(logs.next_step(), step("a", "w", 1));
    logs.had_page(&page(&[], 1));
    // By the next round webhooks have told of both.
    let (first, second) = (heard("c1", "a", Wall(1)), heard("c2", "a", Wall(1)));
    begin(&mut logs, &[&first, &second], &nothing);
    read(&mut logs, "a", &[]);
    begin(&mut logs, &[&first, &second], &nothing);
    assert_eq!(logs.next_step(), None);
}

#[test]
fn what_no_live_call_wants_any_more_is_not_read_on() {
    let (a, b) = (listed("c1", "a"), listed("c2", "b"));
    let (mut logs, nothing) = (begun(), Adopted::new());
    begin(&mut logs, &[&a, &b], &nothing);
    assert_eq!(logs.next_step(), asks("a"));
    begin(&mut logs, &[], &nothing);
    assert_eq!(logs.next_step(), None);
}

#[test]
fn what_failed_before_all_calls_that_live_began_is_of_no_use() {
    let second = 1_000_000;
    let (mut logs, nothing) = (Logs::default(), Adopted::new());
    let before = heard("c1", "a", Wall(7 * second));
    begin(&mut logs, &[&before], &nothing);
    read(&mut logs, "a", &[delivered("1", 8 * second, false)]);
    let after = heard("c2", "a", Wall(9 * second));
    begin(&mut logs, &[&after], &nothing);
    assert_eq!(logs.next_step(), None);
    // Within that second: it may have been before or after.
    let after = heard("c3", "a", Wall(8 * second + 999_999));
    begin(&mut logs, &[&after], &nothing);
    assert_eq!(logs.next_step(), asks("a"));
}

#[test]
fn of_several_deliveries_of_the_newest_second_one_that_failed_counts() {
    let (mut logs, call) = (Logs::default(), heard("c", "a", Wall(1)));
    let nothing = Adopted::new();
    begin(&mut logs, &[&call], &nothing);
    let page = [delivered("1", 9, true), delivered("2", 9, false), delivered("3", 9, true)];
    read(&mut logs, "a", &page);
    begin(&mut logs, &[&call], &nothing);
    assert_eq!(logs.next_step(), asks("a"));
}

#[test]
fn each_webhook_s_log_is_read_back_to_its_own_newest() {
    let (mut logs, call) = (Logs::default(), heard("c", "a", Wall(1)));
    let (nothing, second) = (Adopted::new(), 1_000_000);
    begin(&mut logs, &[&call], &nothing);
    logs.next_step();
    logs.had_webhooks(webhooks(&["w1", "w2"]));
    logs.had_page(&page(&[delivered("1", 2 * second, false)], 1));
    logs.had_page(&page(&[delivered("2", 9 * second, true)], 1));
    begin(&mut logs, &[&call], &nothing);
    logs.next_step();
    logs.had_webhooks(webhooks(&["w1", "w2"]));
    logs.had_page(&page(&[delivered("3", 5 * second, false)], 3));
    assert_eq!(logs.next_step(), step("a", "w1", 2));
}

#[test]
fn agents_with_calls_that_nobody_told_of_come_first() {
    let (known, unheard) = (heard("c1", "a", Wall(1)), listed("c2", "b"));
    let mut logs = Logs::default();
    begin(&mut logs, &[&known, &unheard], &adopts(&unheard, None));
    assert_eq!(logs.next_step(), asks("b"));
    logs.had_webhooks(Vec::new());
    // Once: a call that no log tells of would keep all others back.
    begin(&mut logs, &[&known, &unheard], &Adopted::new());
    assert_eq!(logs.next_step(), asks("a"));
}

#[test]
fn while_calls_are_yet_to_come_from_the_store_the_agents_of_all_are_wanted() {
    let call = heard("c", "a", Wall(1));
    let (mut logs, nothing) = (Logs::default(), Adopted::new());
    logs.begin([], false);
    logs.begin(logs.wants(&call, &nothing), true);
    assert_eq!(logs.next_step(), asks("a"));
}

/// What failed while we were down was taken for read once a reading ended that had begun before.
#[test]
fn what_is_wanted_from_further_back_than_was_read_is_wanted_still() {
    let (later, call) = (listed("c1", "a"), heard("c2", "a", Wall(1)));
    let (mut logs, nothing) = (Logs::default(), Adopted::new());
    logs.begin(logs.wants(&later, &adopts(&later, Some(Wall(9)))), false);
    logs.next_step();
    logs.had_webhooks(webhooks(&["w"]));
    begin(&mut logs, &[&later, &call], &nothing);
    logs.had_page(&page(&[], 1));
    begin(&mut logs, &[&call], &nothing);
    read(&mut logs, "a", &[]);
    begin(&mut logs, &[&call], &nothing);
    assert_eq!(logs.next_step(), None);
}

#[test]
fn where_nobody_tells_when_a_call_began_what_was_known_of_that_holds() {
    let (mut logs, call) = (begun(), listed("c", "a"));
    begin(&mut logs, &[&call], &adopts(&call, Some(Wall(5_000_000))));
    begin(&mut logs, &[&call], &Adopted::new());
    logs.next_step();
    logs.had_webhooks(webhooks(&["w"]));
    logs.had_page(&page(&[delivered("1", 4_000_000, true)], 9));
    assert_eq!(logs.next_step(), None);
}

#[test]
fn what_failed_is_wanted_from_the_earliest_call_that_the_store_brings() {
    let (later, earlier) = (heard("c1", "a", Wall(9)), heard("c2", "a", Wall(5)));
    let (mut logs, nothing) = (Logs::default(), Adopted::new());
    logs.begin(logs.wants(&later, &nothing), false);
    logs.next_step();
    logs.had_webhooks(webhooks(&["w"]));
    begin(&mut logs, &[&later, &earlier], &nothing);
    logs.had_page(&page(&[], 1));
    begin(&mut logs, &[&later, &earlier], &nothing);
    read(&mut logs, "a", &[]);
    begin(&mut logs, &[&later, &earlier], &nothing);
    assert_eq!(logs.next_step(), None);
}
