use super::{
    super::{
        event::EventKind,
        policy::Limits,
        scene::{Scene, seconds},
    },
    *,
};

fn scene() -> Scene {
    Scene::new(Limits { total: Some(seconds(60)), ..Limits::default() })
}

/// The call that the agent has on that number, under another id than ours.
fn other(agent: &str, status: Status, started_at: Wall) -> Row {
    Row {
        id: CallId::parse("other").unwrap(),
        sid: None,
        agent: AgentId::parse(agent).ok(),
        to: None,
        from: None,
        direction: None,
        testing: None,
        status,
        started_at: Some(started_at),
        created_at: None,
        updated_at: None,
    }
}

/// Whether the look-up, shown nothing else, takes the row for its call's.
fn is_taken(scene: &Scene, row: Row) -> bool {
    let mut lookup = Lookup::of(&scene.call, false, true, scene.now.mono);
    let query =
        Query::ActiveCall { agent: AgentId::parse("agent").unwrap(), phone: "+1555".into() };
    let page = Page { rows: vec![row], ..Page::default() };
    assert_eq!(lookup.take(query, Ok(&page)), Heard::GoesOn, "another row may be ours");
    lookup.likely().is_some()
}

#[test]
fn an_active_call_under_another_id_is_ours_if_it_began_within_30_s_of_ours() {
    let mut scene = scene();
    scene.hear(EventKind::Started);
    let began = scene.now.wall;
    scene.pass(seconds(50));
    let taken = |agent, status, started_at| is_taken(&scene, other(agent, status, started_at));
    for status in [Status::Ringing, Status::Answered, Status::InProgress] {
        assert!(taken("agent", status, began), "{status:?}");
    }
    for status in [Status::Completed, Status::Failed, Status::Other] {
        assert!(!taken("agent", status, began), "{status:?}");
    }
    assert!(!taken("another", Status::Answered, began));
    for (apart, same) in [(30, true), (31, false)] {
        let apart = seconds(apart);
        assert_eq!(taken("agent", Status::Answered, began.after(apart)), same, "{apart:?} later");
        assert_eq!(taken("agent", Status::Answered, began.before(apart)), same, "{apart:?} before");
    }
}

/// Or any call that rings when an old event arrives would be taken for the one that it tells of.
#[test]
fn an_event_whose_time_is_doubted_is_of_a_call_that_began_at_that_time() {
    let mut scene = scene();
    scene.hear_late(EventKind::Started, seconds(190));
    assert!(!scene.call.doubts.is_empty());
    let (told, now) = (scene.now.wall.before(seconds(190)), scene.now.wall);
    assert!(!is_taken(&scene, other("agent", Status::Ringing, now)));
    assert!(is_taken(&scene, other("agent", Status::Ringing, told)));
}
