//! The platform as the contract has it.

use super::*;

#[tokio::test]
async fn end_call_answers_at_once_and_the_call_ends_later() {
    let bench = Bench::new(&["hangup-latency=50ms"]).await;
    let call = bench.answered(Script::default()).await;
    let reply = bench.end_call("agent-1", &call).await;
    assert_eq!(reply.status, 200);
    let data = &reply.json()["data"];
    assert_eq!(data["status"], "completed");
    assert_eq!(data["ended_reason"], "ended_by_api");
    bench.until(Wait::Status { call: call.clone(), status: "completed".to_owned() }).await;
    let truth = bench.sim.control().call(&call).unwrap();
    assert!(truth.ended_at.unwrap() - truth.hangup_accepted_at.unwrap() >= 50_000);

    let again = bench.end_call("agent-1", &call).await;
    let body =
        json!({"success": false, "message": "Call is not active", "code": "CALL_NOT_ACTIVE"});
    assert_eq!((again.status, again.json()), (409, body));
}

#[tokio::test]
async fn another_agents_call_and_a_sid_are_not_found() {
    let bench = Bench::new(&[]).await;
    let call = bench.answered(Script::default()).await;
    let sid = bench.sim.control().call(&call).unwrap().sid;
    let body = json!({"success": false, "message": "Call not found for this agent"});
    for (agent, name) in [("agent-2", &call), ("agent-1", &sid)] {
        let reply = bench.end_call(agent, name).await;
        assert_eq!((reply.status, reply.json()), (404, body.clone()));
    }
    let reply = bench.end_call("nobody", &call).await;
    assert_eq!(reply.json()["message"], "Agent not found in this environment.");

    bench.sim.control().add_fault("end-call-takes-sid".parse().unwrap());
    assert_eq!(bench.end_call("agent-1", &sid).await.json()["data"]["id"], call.as_str());
}

#[tokio::test]
async fn a_call_not_yet_dialled_cannot_be_ended() {
    let bench = Bench::new(&[]).await;
    let script = Script { delay: span("1h"), ..Script::default() };
    let call = bench.sim.control().place(script);
    assert_eq!(bench.end_call("agent-1", &call).await.status, 409);
}

#[tokio::test]
async fn lists_are_filtered_paged_and_searched() {
    let bench = Bench::new(&[]).await;
    for n in 0..25 {
        let to = Some(format!("+55119000{n:02}"));
        bench.answered(Script { to, ..Script::default() }).await;
    }
    let reply = bench.get("/calls?status=answered&per_page=10&page=3").await.json();
    assert_eq!(reply["data"].as_array().unwrap().len(), 5);
    // Newest first.
    assert_eq!(reply["data"][4]["to"], "+5511900000");
    let wanted = json!({"current_page": 3, "last_page": 3, "per_page": 10, "total": 25,
        "from": 21, "to": 25});
    assert_eq!(reply["pagination"], wanted);
    assert_eq!(reply["data"][0]["agent"]["id"], "agent-1");
    assert_eq!(reply["data"][0]["duration"], 0);

    let found = async |query: &str| bench.get(query).await.json()["pagination"]["total"].clone();
    assert_eq!(found("/calls?search=%2B5511900007").await, 1);
    assert_eq!(found("/calls?search=5511900007").await, 1);
    assert_eq!(found("/calls?status=completed").await, 0);
    assert_eq!(found("/agents/agent-2/calls").await, 0);
    let call = bench.sim.control().calls().remove(0);
    assert_eq!(found(&format!("/calls?search={}", call.sid)).await, 1);
    assert_eq!(found(&format!("/calls?search={}", call.id)).await, 0);
    for refused in ["status=in-progress", "per_page=101", "page=0", "date_from=yesterday"] {
        assert_eq!(bench.get(&format!("/calls?{refused}")).await.status, 422, "{refused}");
    }
}

#[tokio::test]
async fn active_call_knows_when_a_call_started() {
    let bench = Bench::new(&[]).await;
    let script = Script { to: Some("+15550001".to_owned()), ..Script::default() };
    let call = bench.answered(script).await;
    let reply = bench.get("/agents/agent-1/active-call/%2B15550001").await.json();
    assert_eq!(reply["data"][0]["id"], call.as_str());
    assert!(reply["data"][0]["started_at"].is_string());
    bench.sim.control().hang_up(&call);
    assert_eq!(bench.get("/agents/agent-1/active-call/15550001").await.status, 404);
}

#[tokio::test]
async fn calls_are_placed_through_the_api_and_the_levers_block_them() {
    let bench = Bench::new(&[]).await;
    bench.sim.control().place(Script { campaign: Some("c-1".to_owned()), ..Script::default() });
    let body = json!({"to": "+15550001", "context": {"plan": "trial"}, "is_testing": true});
    let place = async |path: &str| bench.api(Method::POST, path, body.clone()).await;
    let reply = place("/agents/agent-1/call").await.json();
    assert_eq!(reply["data"]["status"], "initiated");
    let call = bench.sim.control().call(reply["data"]["id"].as_str().unwrap()).unwrap();
    assert_eq!((call.context["plan"].as_str(), call.is_testing), (Some("trial"), true));
    assert_eq!(place("/campaigns/c-1/call").await.json()["campaign_call"]["status"], "queued");

    bench.api(Method::POST, "/agents/agent-1/unpublish", json!({})).await;
    bench.api(Method::PATCH, "/campaigns/c-1/status", json!({"status": "paused"})).await;
    assert_eq!(place("/agents/agent-1/call").await.status, 422);
    assert_eq!(place("/campaigns/c-1/call").await.status, 422);
    assert_eq!(bench.get("/agents?status=published").await.json()["pagination"]["total"], 2);
    assert_eq!(bench.get("/campaigns/c-1").await.json()["data"]["status"], "paused");
}

#[tokio::test]
async fn a_rotated_token_is_refused_and_laravel_takes_the_careless_for_browsers() {
    let bench = Bench::new(&[]).await;
    assert_eq!(bench.get("/agents").await.status, 200);
    bench.sim.control().set_token(Some("another-token".to_owned()));
    let reply = bench.get("/agents").await;
    assert_eq!((reply.status, reply.json()["status_code"].clone()), (401, json!(401)));
    assert_eq!(bench.get("/health").await.status, 200);
    let careless = Request::builder().uri(format!("{}/agents", bench.sim.base_url()));
    let reply = bench.send(careless.body(Full::default()).unwrap()).await.unwrap();
    assert_eq!((reply.status, reply.header("location")), (302, Some("/login")));
}

#[tokio::test]
async fn rubbish_from_the_wire_is_refused_never_a_panic() {
    let bench = Bench::new(&[]).await;
    for body in [json!(null), json!([]), json!({"call_sid": 7}), json!("\u{0}")] {
        let reply = bench.api(Method::POST, "/agents/agent-1/end-call", body).await;
        assert_eq!(reply.status, 422);
    }
    assert!(bench.get("/nonsense").await.json()["message"].is_string());
    assert_eq!(bench.api(Method::DELETE, "/calls", json!({})).await.status, 405);
    let wild = "9".repeat(40);
    let path = format!("/calls?page={wild}&per_page=-1");
    assert_eq!(bench.get(&path).await.status, 422);
    assert_eq!(bench.get("/calls?page=1048576&search=%FF%00").await.status, 200);
}

#[tokio::test]
async fn tests_pull_the_strings_over_http() {
    let bench = Bench::new(&["hangup-latency=0s"]).await;
    let script = json!({"id": "c-1", "rings": "0s", "agent": "agent-9"});
    assert_eq!(bench.control(Method::POST, "/calls", script).await.json()["id"], "c-1");
    let wait = async |query: &str| {
        bench.control(Method::GET, &format!("/wait?{query}"), Value::Null).await.status
    };
    assert_eq!(wait("what=status&call=c-1&status=answered&timeout=10s").await, 200);
    assert_eq!(wait("what=end-calls&call=c-1&count=1&timeout=0s").await, 408);
    assert_eq!(wait("what=nonsense").await, 422);
    bench.end_call("agent-9", "c-1").await;
    assert_eq!(wait("what=accepted&call=c-1").await, 200);
    assert_eq!(wait("what=over&count=1").await, 200);

    let faults = json!({"faults": ["cut=0.5,scope=end-call", "latency=1ms"]});
    let reply = bench.control(Method::PUT, "/faults", faults).await.json();
    assert_eq!(reply["faults"][1]["fault"], "latency=1ms");
    let reply = bench.control(Method::POST, "/faults", json!({"faults": ["cutt"]})).await;
    assert!(reply.json()["error"].as_str().unwrap().contains("did you mean \"cut\"?"));
    assert_eq!(bench.control(Method::DELETE, "/faults/cut", json!({})).await.status, 200);
    assert_eq!(bench.control(Method::PUT, "/token", json!({"token": 1})).await.status, 422);

    let history = bench.control(Method::GET, "/requests", Value::Null).await.json();
    let request = &history["requests"][0];
    assert_eq!(
        (request["endpoint"].as_str(), request["call"].as_str()),
        (Some("end-call"), Some("c-1"),)
    );
    assert_eq!((request["status"].as_u64(), request["handled"].as_u64()), (Some(200), Some(200)));
    bench.sim.shutdown().await;
}
