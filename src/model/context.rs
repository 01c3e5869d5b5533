//! What a call's context tells the rules (spec §4, §6).
//!
//! The facts hold the context's fingerprint, the store its text, and each call in memory only the
//! values at the places that the policy in force names. Those are no facts of their own: they are
//! read from the text which has the facts' fingerprint, and count as unknown while it is not at
//! hand. So decisions depend on the facts alone, however the text came.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::{
    decode::pointers::Pointer,
    facts::{Facts, fingerprint},
};

/// The most of a context that the store keeps, in bytes (spec §4).
const MOST_KEPT: usize = 16 << 10;
/// A longer text is no value that a rule could mean, in bytes.
const MOST_TEXT: usize = 1 << 10;

/// The places in contexts that a policy names; each is known by its index.
pub type Places = Arc<[Pointer]>;

/// What stands at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Named {
    /// Nothing, or null.
    Missing,
    /// It was not kept.
    Unknown,
    Text(Box<str>),
    Flag(bool),
    Number(Number),
    /// A list, an object, or a text beyond all bounds.
    Odd,
}

/// A field as a rule sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Told<'a> {
    /// No event could tell it yet.
    Unknown,
    /// It is not there.
    Missing,
    /// A string.
    Text(&'a str),
    /// A boolean.
    Flag(bool),
    /// A number.
    Number(&'a Number),
    /// Something that is no value of a rule: a list, an object, or a text of more than 1 KiB.
    Odd,
}

/// The values of a call's context at the places that the policy names; one pointer where there are
/// none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Context(Option<Arc<Read>>);

#[derive(Debug, PartialEq, Eq)]
struct Read {
    /// The fingerprint of the context that was read.
    of: u64,
    places: Places,
    values: Box<[Named]>,
}

impl Context {
    /// What the context of a webhook tells.
    pub(super) fn read(context: &Value, of: u64, places: &Places) -> Self {
        Self::by(of, places, |place| named(place.find(context)))
    }

    /// What a context tells that was [`kept`]. A text that is none tells nothing.
    pub(super) fn recalled(text: &str, places: &Places) -> Self {
        match serde_json::from_str::<Cut>(text) {
            Ok(Cut { of, values }) => Self::by(of, places, |place| {
                let kept = values.iter().find(|(kept, _)| **kept == *place.as_str());
                kept.map_or(Named::Unknown, |(_, value)| named(value.as_ref()))
            }),
            Err(_) => match serde_json::from_str(text) {
                Ok(context) => Self::read(&context, fingerprint(text.as_bytes()), places),
                Err(_) => Self::default(),
            },
        }
    }

    /// The same for a policy that names other places; what it names anew is unknown.
    pub(super) fn follow(&mut self, places: &Places) {
        let Some(read) = &self.0 else { return };
        if Arc::ptr_eq(&read.places, places) {
            return;
        }
        let known = |place: &Pointer| read.places.iter().position(|known| known == place);
        *self = Self::by(read.of, places, |place| match known(place) {
            Some(at) => read.values[at].clone(),
            None => Named::Unknown,
        });
    }

    /// Whether it has what these places name.
    pub(super) fn is_read_for(&self, places: &Places) -> bool {
        let read = self.0.as_ref();
        read.map_or(places.is_empty(), |read| Arc::ptr_eq(&read.places, places))
    }

    /// Whether it is the context of that fingerprint.
    pub(super) fn is_of(&self, fingerprint: Option<u64>) -> bool {
        self.0.as_ref().is_some_and(|read| Some(read.of) == fingerprint)
    }

    /// What stands at the place of that index.
    fn at(&self, index: usize) -> Told<'_> {
        let value = self.0.as_ref().and_then(|read| read.values.get(index));
        match value.unwrap_or(&Named::Unknown) {
            Named::Missing => Told::Missing,
            Named::Unknown => Told::Unknown,
            Named::Text(text) => Told::Text(text),
            Named::Flag(flag) => Told::Flag(*flag),
            Named::Number(number) => Told::Number(number),
            Named::Odd => Told::Odd,
        }
    }

    fn by(of: u64, places: &Places, value: impl FnMut(&Pointer) -> Named) -> Self {
        let is_named = !places.is_empty();
        Self(is_named.then(|| {
            let values = places.iter().map(value).collect();
            Arc::new(Read { of, places: Arc::clone(places), values })
        }))
    }
}

fn named(value: Option<&Value>) -> Named {
    match value {
        None | Some(Value::Null) => Named::Missing,
        Some(Value::Bool(flag)) => Named::Flag(*flag),
        Some(Value::Number(number)) => Named::Number(number.clone()),
        Some(Value::String(text)) if text.len() <= MOST_TEXT => Named::Text(text.as_str().into()),
        Some(Value::String(_) | Value::Array(_) | Value::Object(_)) => Named::Odd,
    }
}

/// What is known of a call, as rules ask for it.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub(super) facts: &'a Facts,
    pub(super) context: &'a Context,
}

impl<'a> Known<'a> {
    /// A field that facts hold, told or not.
    pub(super) fn field(self, told: Option<&'a str>) -> Told<'a> {
        told.map_or_else(|| self.untold(), Told::Text)
    }

    /// Whether it is a test call.
    pub(super) fn testing(self) -> Told<'a> {
        self.facts.testing().map_or_else(|| self.untold(), Told::Flag)
    }

    /// What stands in the context at the place of that index.
    pub(super) fn in_context(self, index: usize) -> Told<'a> {
        match self.facts.context() {
            None => self.untold(),
            of if self.context.is_of(of) => self.context.at(index),
            Some(_) => Told::Unknown,
        }
    }

    /// Once an event was heard, what none has told is not there; a listing tells less (spec §6).
    fn untold(self) -> Told<'a> {
        if self.facts.heard_of() { Told::Missing } else { Told::Unknown }
    }
}

/// What the store keeps of a context that is too large.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cut {
    /// The whole one's fingerprint.
    #[serde(rename = "callwarden.cut")]
    of: u64,
    /// Each place that a rule named, and what stood there.
    values: Vec<(Box<str>, Option<Value>)>,
}

/// What the store keeps of a context: all of it, or, beyond 16 KiB, the values at the places that
/// the policy names.
#[must_use]
pub fn kept(context: &Value, places: &Places) -> String {
    let text = context.to_string();
    if text.len() <= MOST_KEPT {
        return text;
    }
    let mut cut = Cut { of: fingerprint(text.as_bytes()), values: Vec::new() };
    let mut room = MOST_KEPT - 64;
    for place in places.iter() {
        let value = match place.find(context) {
            // It is there, and that is all a rule can ask of it.
            Some(Value::Array(_)) => Some(Value::Array(Vec::new())),
            Some(Value::Object(_)) => Some(Value::Object(serde_json::Map::new())),
            Some(Value::String(text)) if text.len() > MOST_TEXT => Some(Value::Array(Vec::new())),
            value => value.cloned(),
        };
        let entry = (place.as_str().into(), value);
        let length = serde_json::to_string(&entry).map_or(usize::MAX, |text| text.len() + 1);
        if length <= room {
            room -= length;
            cut.values.push(entry);
        }
    }
    serde_json::to_string(&cut).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{
        event::{CallName, Details, EventKind, Heard, Via},
        ids::CallId,
        time::Wall,
    };

    fn places(names: &[&str]) -> Places {
        names.iter().map(|name| Pointer::parse(name).unwrap()).collect()
    }

    fn of(value: &Value) -> u64 {
        fingerprint(value.to_string().as_bytes())
    }

    #[test]
    fn what_is_kept_is_recalled_as_it_was_read() {
        let places = places(&["/plan", "/deep/er", "/n", "/list", "/none", "/null", "/flag"]);
        let small = json!({"plan": "trial", "deep": {"er": 1.5}, "n": 7, "list": [1], "null": null,
            "flag": true, "other": "x"});
        let mut large = small.clone();
        large["filler"] = "x".repeat(MOST_KEPT).into();
        for context in [small, large] {
            let text = kept(&context, &places);
            assert!(text.len() <= MOST_KEPT);
            let read = Context::read(&context, of(&context), &places);
            assert_eq!(Context::recalled(&text, &places), read);
            assert_eq!(read.at(0), Told::Text("trial"));
            assert_eq!(read.at(3), Told::Odd);
            assert_eq!(read.at(5), Told::Missing);
        }
    }

    #[test]
    fn a_place_named_later_is_unknown_where_the_context_was_cut() {
        let context = json!({"plan": "trial", "tier": 3, "filler": "x".repeat(MOST_KEPT)});
        let text = kept(&context, &places(&["/plan"]));
        let both = places(&["/tier", "/plan"]);
        let recalled = Context::recalled(&text, &both);
        assert_eq!((recalled.at(0), recalled.at(1)), (Told::Unknown, Told::Text("trial")));
        let mut followed = Context::read(&context, of(&context), &places(&["/plan"]));
        followed.follow(&both);
        assert_eq!(followed, recalled);
    }

    #[test]
    fn many_long_values_leave_room_for_no_more() {
        let names: Vec<_> = (0..100).map(|n| format!("/{n}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let context: serde_json::Map<_, _> =
            (0..100).map(|n| (n.to_string(), "\u{1}".repeat(MOST_TEXT).into())).collect();
        assert!(kept(&context.into(), &places(&names)).len() <= MOST_KEPT);
    }

    #[test]
    fn as_many_short_values_are_kept_as_there_is_room_for_and_no_more() {
        let names: Vec<_> = (0..3_000).map(|n| format!("/{n:04}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let context: serde_json::Map<_, _> =
            names.iter().map(|name| (name.trim_start_matches('/').to_owned(), 7.into())).collect();
        let text = kept(&context.into(), &places(&names));
        assert!((MOST_KEPT - 100..=MOST_KEPT).contains(&text.len()), "{}", text.len());
    }

    #[test]
    fn of_a_context_that_is_cut_a_text_no_rule_can_name_is_not_kept() {
        for (length, is_kept) in [(MOST_TEXT - 1, true), (MOST_TEXT, true), (MOST_TEXT + 1, false)]
        {
            let context = json!({"plan": "p".repeat(length), "filler": "x".repeat(MOST_KEPT)});
            assert_eq!(kept(&context, &places(&["/plan"])).contains("ppp"), is_kept, "{length}");
        }
    }

    #[test]
    fn a_text_is_read_up_to_a_length_that_a_rule_can_name() {
        let longest = "p".repeat(MOST_TEXT);
        let longer = format!("{longest}p");
        for (text, told) in [(&longest, Told::Text(&longest)), (&longer, Told::Odd)] {
            let context = json!({"plan": text});
            let read = Context::read(&context, of(&context), &places(&["/plan"]));
            assert_eq!(read.at(0), told, "{}", text.len());
        }
    }

    #[test]
    fn of_another_context_than_that_of_the_facts_nothing_is_known() {
        let (ours, other) = (json!({"plan": "paid"}), json!({"plan": "trial"}));
        let details = Details { context: Some(ours.clone()), ..Details::default() };
        let heard = Heard {
            kind: EventKind::Started,
            call: CallName::Id(CallId::parse("c").unwrap()),
            agent: None,
            time: None,
            details,
            via: Via::Webhook,
        };
        let facts = Facts::of_event(&heard, Wall(1), Wall(1));
        for (context, told) in [(&ours, Told::Text("paid")), (&other, Told::Unknown)] {
            let context = &Context::read(context, of(context), &places(&["/plan"]));
            assert_eq!(Known { facts: &facts, context }.in_context(0), told);
        }
    }

    #[test]
    fn a_text_that_is_no_json_tells_nothing() {
        assert_eq!(Context::recalled("{", &places(&["/plan"])), Context::default());
    }
}
