//! From a webhook's body and path to what was heard of a call, or to an error that says where it was
//! looked for (spec §4).
//!
//! The platform's bodies are undocumented and templated by the user: what is read is read with
//! leniency, and only what no call can be tracked without is insisted on.

mod error;
pub mod pointers;
mod values;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde_json::Value;

pub use self::error::ReadError;
use self::pointers::{Field, Pointers};
use super::{
    event::{CallName, Details, EventKind, Heard, Via},
    ids::{AgentId, CallId, IdError},
};

/// The platform's test delivery.
const TEST_EVENT: &str = "webhook.test";

/// What the path of a webhook's URL names, percent-decoded. It fills what the body lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathNames<'p> {
    /// The agent's id.
    pub agent: Option<&'p str>,
    /// The event's name.
    pub event: Option<&'p str>,
}

/// A body that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The event's name as a metrics label: one of the known names, or `other` (spec §9).
    pub label: &'static str,
    /// What it amounts to.
    pub what: What,
    /// Whether body and path name different events or agents. The body holds: only it is signed.
    pub path_mismatch: bool,
    /// Where each field was found.
    pub places: Places,
}

/// What a body amounts to.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// An event of a call.
    Event(Box<Heard>),
    /// A test delivery, or an event that we have no use for.
    Ignored,
}

/// Where each field of a body was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places([Place; Field::ALL.len()]);

impl Places {
    /// Where `field` was found.
    #[must_use]
    pub fn of(&self, field: Field) -> Place {
        self.0[field as usize]
    }
}

/// Where a field was found. A time or flag that was found but cannot be read has its place too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Nowhere.
    #[default]
    Nowhere,
    /// In the body, at the pointer of this index in [`Pointers::of`].
    Body(usize),
    /// In the path.
    Path,
}

/// Reads a webhook (spec §4).
///
/// # Errors
///
/// [`ReadError`] where the body is not JSON, names no event, or is a used event without a valid call
/// id or with an invalid agent id. Whatever else cannot be read counts as untold.
pub fn decode(
    body: &[u8],
    path: &PathNames<'_>,
    pointers: &Pointers,
) -> Result<Decoded, ReadError> {
    let mut root = serde_json::from_slice::<Value>(body)
        .map_err(|error| ReadError::NotJson(error.to_string()))?;
    let mut reader = Reader { root: &root, pointers, places: Places::default() };
    let Some(event) = reader.text_or_path(Field::Event, path.event) else {
        return Err(reader.no_event());
    };
    let agent = reader.text_or_path(Field::Agent, path.agent);
    let path_mismatch = (differ(path.event, &event) && event != TEST_EVENT)
        || agent.as_deref().is_some_and(|agent| differ(path.agent, agent));

    let Some(kind) = EventKind::from_name(&event) else {
        return Ok(Decoded {
            label: "other",
            what: What::Ignored,
            path_mismatch,
            places: reader.places,
        });
    };
    let call = reader.call(kind)?;
    let agent = reader.agent(kind, agent.as_deref(), path.agent)?;
    let time = reader.first(Field::Time, values::scalar);
    let time = time.and_then(values::time);
    let details = reader.details();
    let places = reader.places;
    let heard = Heard {
        kind,
        call,
        agent,
        time,
        details: Details { context: taken(&mut root, Field::Context, places, pointers), ..details },
        via: Via::Webhook,
    };
    Ok(Decoded { label: kind.name(), what: What::Event(Box::new(heard)), path_mismatch, places })
}

/// Whether the path names something, and not what holds.
fn differ(path: Option<&str>, holds: &str) -> bool {
    path.is_some_and(|name| !name.is_empty() && name != holds)
}

/// Moves a value that was found out of the body: a context may be large.
fn taken(root: &mut Value, field: Field, places: Places, pointers: &Pointers) -> Option<Value> {
    let Place::Body(at) = places.of(field) else {
        return None;
    };
    root.pointer_mut(pointers.of(field)[at].as_str()).map(Value::take)
}

/// Looks fields up in one body and remembers where they were.
struct Reader<'b> {
    root: &'b Value,
    pointers: &'b Pointers,
    places: Places,
}

impl<'b> Reader<'b> {
    /// The first value for `field` that `usable` makes something of.
    fn first<T>(&mut self, field: Field, usable: impl Fn(&'b Value) -> Option<T>) -> Option<T> {
        let (at, found) = self
            .pointers
            .of(field)
            .iter()
            .enumerate()
            .find_map(|(at, pointer)| Some((at, usable(pointer.find(self.root)?)?)))?;
        self.places.0[field as usize] = Place::Body(at);
        Some(found)
    }

    fn text(&mut self, field: Field) -> Option<Cow<'b, str>> {
        self.first(field, values::text)
    }

    fn text_or_path<'p>(&mut self, field: Field, path: Option<&'p str>) -> Option<Cow<'p, str>>
    where
        'b: 'p,
    {
        if let Some(text) = self.text(field) {
            return Some(text);
        }
        let name = path.filter(|name| !name.is_empty())?;
        self.places.0[field as usize] = Place::Path;
        Some(Cow::Borrowed(name))
    }

    /// Which call it is about. A sid that no call can have does no harm beside a valid id.
    fn call(&mut self, event: EventKind) -> Result<CallName, ReadError> {
        let id = self.text(Field::CallId);
        let sid = self.text(Field::Sid);
        let bad = |field, found: &str, problem| self.bad_id(event, field, found, problem);
        match (id, sid.map(|sid| (CallId::parse(&sid), sid))) {
            (Some(id), sid) => {
                let id = CallId::parse(&id).map_err(|problem| bad(Field::CallId, &id, problem))?;
                Ok(match sid {
                    Some((Ok(sid), _)) if sid != id => CallName::Both { id, sid },
                    Some(_) | None => CallName::Id(id),
                })
            }
            (None, Some((sid, text))) => {
                sid.map(CallName::Sid).map_err(|problem| bad(Field::Sid, &text, problem))
            }
            (None, None) => Err(ReadError::NoCall {
                event,
                looked: self.looked(&[Field::CallId, Field::Sid]),
                found: self.found_instead(&[Field::CallId, Field::Sid]),
            }),
        }
    }

    /// The agent that holds. The path's must be valid even where the body's holds: a webhook set up
    /// with a bad URL is better told so.
    fn agent(
        &mut self,
        event: EventKind,
        holds: Option<&str>,
        path: Option<&str>,
    ) -> Result<Option<AgentId>, ReadError> {
        let holds = holds
            .map(|agent| {
                AgentId::parse(agent)
                    .map_err(|problem| self.bad_id(event, Field::Agent, agent, problem))
            })
            .transpose()?;
        if let Some(agent) = path.filter(|agent| !agent.is_empty()) {
            AgentId::parse(agent).map_err(|problem| {
                self.places.0[Field::Agent as usize] = Place::Path;
                self.bad_id(event, Field::Agent, agent, problem)
            })?;
        }
        Ok(holds)
    }

    /// All details but the context, which is only found here.
    fn details(&mut self) -> Details {
        self.first(Field::Context, values::told);
        Details {
            to: self.detail(Field::To),
            from: self.detail(Field::From),
            direction: self.detail(Field::Direction),
            campaign: self.detail(Field::Campaign),
            testing: self.first(Field::Testing, values::told).and_then(values::flag),
            context: None,
            ended_reason: self.detail(Field::EndedReason),
        }
    }

    fn detail(&mut self, field: Field) -> Option<Box<str>> {
        self.first(field, values::detail).map(Into::into)
    }

    fn no_event(&self) -> ReadError {
        ReadError::NoEvent {
            looked: self.looked(&[Field::Event]),
            found: self.found_instead(&[Field::Event]),
        }
    }

    fn bad_id(&self, event: EventKind, field: Field, found: &str, problem: IdError) -> ReadError {
        let (what, fields): (_, &[_]) = match field {
            Field::Agent => ("agent", &[Field::Agent]),
            _ => ("call", &[Field::CallId, Field::Sid]),
        };
        ReadError::BadId {
            event,
            what,
            looked: self.looked(fields),
            place: match self.places.of(field) {
                Place::Body(at) => format!("at {}", self.pointers.of(field)[at].as_str()),
                Place::Path | Place::Nowhere => "in the path".to_owned(),
            },
            found: values::excerpt(found),
            problem,
        }
    }

    /// The places where `fields` are looked for.
    fn looked(&self, fields: &[Field]) -> String {
        let places: Vec<_> = fields
            .iter()
            .flat_map(|&field| self.pointers.of(field))
            .map(pointers::Pointer::as_str)
            .collect();
        places.join(" ")
    }

    /// What stands at the first of these places that is not empty, in words.
    fn found_instead(&self, fields: &[Field]) -> String {
        fields
            .iter()
            .flat_map(|&field| self.pointers.of(field))
            .find_map(|pointer| {
                let value = pointer.find(self.root)?;
                Some(format!("found {} at {}", values::sort(value), pointer.as_str()))
            })
            .unwrap_or_else(|| "found nothing".to_owned())
    }
}
