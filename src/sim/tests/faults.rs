//! What faults make of requests.

use super::*;

#[tokio::test]
async fn a_lost_answer_takes_effect_all_the_same() {
    let bench = Bench::new(&["lost-answer-cut,count=1,scope=end-call"]).await;
    let call = bench.answered(Script::default()).await;
    let body = json!({"call_sid": call});
    let lost = bench.try_api(Method::POST, "/agents/agent-1/end-call", body).await;
    assert!(lost.is_err());
    bench.until(Wait::Status { call: call.clone(), status: "completed".to_owned() }).await;
    let record = bench.sim.control().requests().remove(0);
    assert_eq!((record.handled, record.status), (Some(200), None));
    assert_eq!(record.faults, ["lost-answer-cut,count=1,scope=end-call"]);
}

#[tokio::test]
async fn a_client_that_hangs_up_undoes_nothing() {
    let bench = Bench::new(&["latency=100ms,scope=end-call", "hangup-latency=0s"]).await;
    let call = bench.answered(Script::default()).await;
    let asking = bench.end_call("agent-1", &call);
    let asked = Wait::EndCalls { call: Some(call.clone()), count: 1 };
    tokio::select! {
        _ = asking => panic!("answered at once"),
        () = bench.until(asked) => {}
    }
    bench.until(Wait::Status { call, status: "completed".to_owned() }).await;
    let record = bench.sim.control().requests().remove(0);
    assert_eq!((record.handled, record.status), (Some(200), None));
}

#[tokio::test]
async fn a_cut_connection_has_no_effect() {
    let bench = Bench::new(&["cut,count=1,scope=end-call"]).await;
    let call = bench.answered(Script::default()).await;
    let body = json!({"call_sid": call});
    assert!(bench.try_api(Method::POST, "/agents/agent-1/end-call", body).await.is_err());
    assert_eq!(bench.sim.control().requests().remove(0).handled, None);
    assert!(bench.sim.control().call(&call).unwrap().hangup_accepted_at.is_none());
}

#[tokio::test]
async fn an_answer_can_break_off_within_its_body() {
    let bench = Bench::new(&["cut-body,count=1"]).await;
    assert!(bench.try_api(Method::GET, "/agents", Value::Null).await.is_err());
    assert_eq!(bench.get("/agents").await.status, 200);
    assert_eq!(bench.sim.control().requests().remove(0).status, Some(200));
}

#[tokio::test]
async fn an_ineffective_end_call_lets_the_call_go_on() {
    let bench = Bench::new(&["ineffective", "hangup-latency=0s"]).await;
    let call = bench.answered(Script::default()).await;
    assert_eq!(bench.end_call("agent-1", &call).await.status, 200);
    let over = Wait::Status { call, status: "over".to_owned() };
    assert!(!bench.sim.control().wait(&over, Duration::from_millis(30)).await);
}

#[tokio::test]
async fn a_hung_request_ends_with_the_sim() {
    let bench = Bench::new(&["hang,count=1"]).await;
    let (client, sim) = (bench.client.clone(), bench.sim);
    let request = Request::builder().uri(format!("{}/agents", sim.base_url()));
    let request = request.header("Accept", "application/json").body(Full::default()).unwrap();
    let control = sim.control();
    let asking = client.request(request);
    let stopping = async {
        let came = Wait::Status { call: String::new(), status: String::new() };
        while control.requests().is_empty() {
            control.wait(&came, Duration::from_millis(1)).await;
        }
        sim.shutdown().await;
    };
    let (answer, ()) = tokio::join!(asking, stopping);
    assert!(answer.is_err());
}

#[tokio::test]
async fn each_refusal_has_its_status_and_no_effect() {
    let bench = Bench::new(&[]).await;
    let call = bench.answered(Script::default()).await;
    let cases = [
        ("unauthorized", 401),
        ("token-expired", 401),
        ("payment-required", 402),
        ("forbidden", 403),
        ("not-found-html", 404),
        ("not-found-route", 404),
        ("not-found-agent", 404),
        ("not-found-call", 404),
        ("conflict", 409),
        ("unprocessable", 422),
        ("rate-limited", 429),
        ("status=418", 418),
        ("redirect", 302),
        ("html", 200),
        ("success-false", 200),
    ];
    for (fault, status) in cases {
        bench.sim.control().set_faults(vec![fault.parse().unwrap()]);
        assert_eq!(bench.end_call("agent-1", &call).await.status, status, "{fault}");
    }
    assert!(bench.sim.control().call(&call).unwrap().hangup_accepted_at.is_none());
}

#[tokio::test]
async fn refusals_come_in_every_shape_but_the_documented_ones() {
    let bench = Bench::new(&["server-error,scope=lists", "error-shape"]).await;
    let mut shapes = std::collections::HashSet::new();
    for _ in 0..200 {
        let reply = bench.get("/calls").await;
        let body = reply.json();
        shapes.insert(body.as_object().unwrap().keys().cloned().collect::<Vec<_>>());
    }
    // Shapes that differ in types only have the same keys.
    assert!(shapes.len() >= 9, "{shapes:?}");
    let reply = bench.end_call("agent-1", "none").await.json();
    assert_eq!(reply, json!({"success": false, "message": "Call not found for this agent"}));
}

#[tokio::test]
async fn the_quota_refuses_with_the_hints_it_is_told_to_give() {
    let bench = Bench::new(&["rate-limit=2/60s,reset=seconds"]).await;
    assert_eq!(bench.get("/agents").await.header("x-ratelimit-remaining"), Some("1"));
    bench.get("/agents").await;
    let reply = bench.get("/agents").await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("60")));
    assert_eq!(reply.header("x-ratelimit-reset"), Some("60"));
    assert_eq!(reply.json()["error"]["details"]["retry_after"], 60);

    bench.sim.control().set_faults(vec!["rate-limit=2/60s,hint=none".parse().unwrap()]);
    let reply = bench.get("/agents").await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, None));
    assert_eq!(reply.json(), json!({"success": false, "message": "Rate limit exceeded"}));
}

#[tokio::test]
async fn lists_can_lag_rename_shift_and_turn_around() {
    let bench = Bench::new(&["list-lag=1h"]).await;
    let first = bench.answered(Script::default()).await;
    let second = bench.answered(Script::default()).await;
    let ids = async |query: &str| {
        let rows = bench.get(query).await.json()["data"].as_array().unwrap().clone();
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(ids("/calls").await.is_empty());
    let set = |fault: &str| bench.sim.control().set_faults(vec![fault.parse().unwrap()]);
    set("in-progress");
    assert!(ids("/calls?status=answered").await.is_empty());
    assert_eq!(ids("/calls?status=in-progress").await.len(), 2);
    set("list-oldest-first");
    assert_eq!(ids("/calls").await, [first.as_str(), second.as_str()]);
    set("list-shifts=1");
    assert_eq!(ids("/calls?per_page=1&page=2").await, [second]);
    set("list-omits,call=nobody");
    assert_eq!(ids("/calls").await.len(), 2);
    set("list-omits");
    assert!(ids("/calls").await.is_empty());
    set("list-finds-ids");
    assert_eq!(ids(&format!("/calls?search={first}")).await, [first]);
    set("list-meta");
    assert_eq!(bench.get("/calls").await.json()["meta"]["total"], 2);
    set("date-offset=-1h");
    let date = httpdate::parse_http_date(bench.get("/calls").await.header("date").unwrap());
    let now = std::time::UNIX_EPOCH + Duration::from_micros(super::super::clock::now());
    assert!(now.duration_since(date.unwrap()).unwrap() >= Duration::from_secs(3599));
}
