//! `GET /api/openapi.json` (spec §10): written by hand, held to the code by the tests below and by
//! `tests/it/operating.rs`, which asks every path it names.

use axum::{
    Router,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
    routing::get,
};

use super::{problem::Problem, query::nothing};
use crate::engine::Engine;

const DOCUMENT: &str = include_str!("openapi.json");

pub(super) fn routes() -> Router<Engine> {
    Router::new().route("/api/openapi.json", get(document))
}

async fn document(uri: axum::http::Uri) -> Result<Response, Problem> {
    nothing(&uri)?;
    Ok(([(CONTENT_TYPE, "application/json")], DOCUMENT).into_response())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::model::{call::State, view::OUTCOMES};

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).unwrap()
    }

    fn properties(schema: &str) -> BTreeSet<String> {
        let document = document();
        let found = &document["components"]["schemas"][schema];
        let names: BTreeSet<_> = found["properties"].as_object().unwrap().keys().cloned().collect();
        for name in found["required"].as_array().into_iter().flatten() {
            assert!(names.contains(name.as_str().unwrap()), "{schema} requires {name}");
        }
        names
    }

    /// The fields that the serialized snapshot of a view holds.
    fn shown(snapshot: &str) -> BTreeSet<String> {
        let (_, body) = snapshot.split_once("---\n").unwrap().1.split_once("---\n").unwrap();
        let value: Value = serde_json::from_str(body).unwrap();
        value.as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn every_field_that_is_shown_is_described_and_no_other() {
        let ended = include_str!(
            "../../model/snapshots/callwarden__model__view__tests__an_ended_call_is_one_flat_object.snap"
        );
        assert_eq!(properties("EndedCall"), shown(ended));
        assert!(properties("EndedCall").is_superset(&properties("Call")));
    }

    #[test]
    fn every_field_of_an_explanation_is_described_and_no_other() {
        let why =
            include_str!("../../cli/explain/snapshots/callwarden__cli__explain__tests__json.snap");
        assert_eq!(properties("Why"), shown(why));
    }

    #[test]
    fn every_state_and_outcome_is_named() {
        let document = document();
        let call = &document["components"]["schemas"]["Call"]["properties"];
        let names = |values: &Value| -> Vec<String> {
            values.as_array().unwrap().iter().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        assert_eq!(names(&call["state"]["enum"]), State::ALL.map(State::name));
        assert_eq!(names(&call["outcome"]["enum"]), OUTCOMES);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk(value: &Value, document: &Value) {
            match value {
                Value::Object(fields) => {
                    if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
                        let place = target.trim_start_matches('#');
                        assert!(document.pointer(place).is_some(), "{target} is nowhere");
                    }
                    fields.values().for_each(|value| walk(value, document));
                }
                Value::Array(items) => items.iter().for_each(|value| walk(value, document)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let document = document();
        walk(&document, &document);
    }
}
