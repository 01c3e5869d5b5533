//! What lists are asked for, and how leniently they are read.

use super::*;

#[tokio::test]
async fn a_list_is_asked_for_and_read_leniently() {
    let body = r#"{"success":true,"data":[
        {"id":"c1","sid":77,"to":4915112345678,"from":"+1","is_testing":1,"direction":"inbound",
         "status":"in-progress","agent":{"id":"a-1","name":"A"},
         "created_at":"2024-01-15T12:30:00+01:00","updated_at":"2024-01-15 11:35:42"},
        {"id":null,"status":"ringing"}, {"id":2,"status":null,"agent":null,"created_at":"soon"}, 7
    ],"PAGES":{"current_page":1,"last_page":"3"}}"#;
    let server = Server::new(
        ["pagination", "meta"].map(|name| last_json("200 OK", &body.replace("PAGES", name))).into(),
    );
    let client = server.client();
    let query = ListQuery {
        status: Some("in-progress".to_owned()),
        search: Some("+49 151&x".to_owned()),
        agent: Some(agent()),
        ..ListQuery::default()
    };
    let blank = Row {
        id: "2".to_owned().try_into().unwrap(),
        sid: None,
        agent: None,
        to: None,
        from: None,
        direction: None,
        testing: None,
        status: Status::Other,
        started_at: None,
        created_at: None,
        updated_at: None,
    };
    let first = Row {
        id: "c1".to_owned().try_into().unwrap(),
        sid: Some("77".to_owned().try_into().unwrap()),
        agent: Some(AgentId::parse("a-1").unwrap()),
        to: Some("4915112345678".into()),
        from: Some("+1".into()),
        direction: Some("inbound".into()),
        testing: Some(true),
        status: Status::InProgress,
        created_at: Some(Wall(1_705_318_200_000_000)),
        updated_at: Some(Wall(1_705_318_542_000_000)),
        ..blank.clone()
    };
    let expected = Page { rows: vec![first, blank], last_page: 3, unreadable: 2 };
    for _ in 0..2 {
        assert_eq!(client.calls(&query).await.0, Ok(expected.clone()));
        let request = server.request();
        let line = "GET /api/v1/calls?page=1&per_page=100&status=in-progress\
                    &search=%2B49+151%26x&agent_id=agent-1 HTTP/1.1\r\n";
        assert!(request.starts_with(line), "{request}");
    }
}

#[tokio::test]
async fn a_list_that_is_none_is_told_apart() {
    let list = async |bytes: String| {
        let server = Server::new(vec![Act::SayAndClose(bytes)]);
        server.client().calls(&ListQuery::default()).await.0.unwrap_err()
    };
    let unknown = r#"{"message":"The selected status is invalid.","errors":{"status":["bad"]}}"#;
    let refused = list(json("422 Unprocessable", unknown)).await;
    let message = "The selected status is invalid.".to_owned();
    assert_eq!(refused, Failure::Other { status: 422, message });
    let empty = list(json("200 OK", r#"{"success":true}"#)).await;
    assert!(matches!(empty, Failure::Other { status: 200, .. }), "{empty:?}");
    let foreign = list(json("404 Not Found", r#"{"message":"Call not found"}"#)).await;
    assert_eq!(foreign, Failure::Misdirected { status: 404 });
}

#[tokio::test]
async fn active_calls_are_looked_up_by_agent_and_number() {
    let one = r#"{"id":"c1","agent_id":"other","status":"answered","started_at":"2024-01-15T11:30:00.5Z"}"#;
    let server = Server::new(vec![
        last_json("200 OK", &format!(r#"{{"data":[{one},{{"id":"c2"}}]}}"#)),
        last_json("200 OK", &format!(r#"{{"data":{one}}}"#)),
        last_json("404 Not Found", r#"{"message":"No active call found"}"#),
        last_json("404 Not Found", r#"{"message":"Agent not found in this environment."}"#),
    ]);
    let client = server.client();
    let rows = client.active_call(&agent(), "+49/..%2f\u{fc}").await.0.unwrap();
    let line = "GET /api/v1/agents/agent-1/active-call/%2B49%2F..%252f%C3%BC HTTP/1.1\r\n";
    let request = server.request();
    assert!(request.starts_with(line), "{request}");
    assert_eq!(rows[0].started_at, Some(Wall(1_705_318_200_500_000)));
    assert_eq!(rows[0].agent, Some(AgentId::parse("other").unwrap()));
    assert_eq!(rows[1].agent, Some(agent()));

    assert_eq!(client.active_call(&agent(), "+49").await.0.unwrap().len(), 1);
    assert_eq!(client.active_call(&agent(), "+49").await.0, Ok(Vec::new()));
    let foreign = client.active_call(&agent(), "+49").await.0;
    assert_eq!(foreign, Err(Failure::Misdirected { status: 404 }));
    let no_number = client.active_call(&agent(), "..").await.0;
    assert!(matches!(no_number, Err(Failure::Other { status: 0, .. })));
}
