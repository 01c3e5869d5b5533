//! Names of calls and agents, and how they are shown (spec §1, §9).
//!
//! An id that exists is valid: parsing is the only way to make one.

use std::{borrow::Borrow, fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A call's id, or the provider's `sid` by which a call may go until its id is known (spec §1):
/// 1–200 bytes without control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallId(Arc<str>);

impl CallId {
    /// The longest id, in bytes.
    pub const MAX_BYTES: usize = 200;

    /// Reads an id.
    ///
    /// # Errors
    ///
    /// [`IdError`] says what is wrong with `text`.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        match text {
            "" => Err(IdError::Empty),
            _ if text.len() > Self::MAX_BYTES => {
                Err(IdError::TooLong { found: text.len(), most: Self::MAX_BYTES })
            }
            _ if text.chars().any(char::is_control) => Err(IdError::Control),
            _ => Ok(Self(text.into())),
        }
    }

    /// The id as the platform wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An agent's id (spec §1): 1–128 of `[A-Za-z0-9_-]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentId(Arc<str>);

impl AgentId {
    /// The longest id, in bytes.
    pub const MAX_BYTES: usize = 128;

    /// Reads an id.
    ///
    /// # Errors
    ///
    /// [`IdError`] says what is wrong with `text`.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        match text {
            "" => Err(IdError::Empty),
            _ if text.len() > Self::MAX_BYTES => {
                Err(IdError::TooLong { found: text.len(), most: Self::MAX_BYTES })
            }
            _ => match text.chars().find(|c| !fits(*c)) {
                Some(found) => Err(IdError::Foreign { found }),
                None => Ok(Self(text.into())),
            },
        }
    }

    /// The id as the platform wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is wrong with an id.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdError {
    /// No character at all.
    #[error("is empty")]
    Empty,
    /// More bytes than an id may have.
    #[error("is {found} bytes long, at most {most} are allowed")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        most: usize,
    },
    /// A control character, such as a newline or NUL.
    #[error("holds a control character")]
    Control,
    /// A character that no agent id has.
    #[error("holds {found:?}, only A-Z a-z 0-9 _ and - are allowed")]
    Foreign {
        /// The first such character.
        found: char,
    },
}

macro_rules! text_id {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.as_str().to_owned()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }
    };
}
text_id!(CallId);
text_id!(AgentId);

/// A phone number as it may be shown: all but the last four characters hidden (spec §9).
#[must_use]
pub fn masked(number: &str) -> String {
    let shown = number.chars().count().saturating_sub(4);
    number.chars().enumerate().map(|(i, c)| if i < shown { '*' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_id_is_1_to_200_bytes_without_control_characters() {
        assert_eq!(CallId::parse(""), Err(IdError::Empty));
        assert!(CallId::parse(&"x".repeat(200)).is_ok());
        assert_eq!(
            CallId::parse(&"x".repeat(201)),
            Err(IdError::TooLong { found: 201, most: 200 })
        );
        assert_eq!(CallId::parse("a\0b"), Err(IdError::Control));
        assert!(CallId::parse("../é/ü").is_ok());
    }

    #[test]
    fn an_agent_id_has_no_character_that_means_something_in_a_path() {
        assert_eq!(AgentId::parse(".."), Err(IdError::Foreign { found: '.' }));
        assert!(AgentId::parse("9fbef0b7-A_z").is_ok());
    }

    #[test]
    fn a_masked_number_shows_four_digits() {
        assert_eq!(masked("+4915112345678"), "**********5678");
        assert_eq!(masked("123"), "123");
    }

    #[test]
    fn an_agent_id_is_1_to_128_of_them() {
        assert_eq!(AgentId::parse(""), Err(IdError::Empty));
        let longest = "x".repeat(128);
        assert_eq!(AgentId::parse(&longest).unwrap().as_str(), longest);
        let too_long = Err(IdError::TooLong { found: 129, most: 128 });
        assert_eq!(AgentId::parse(&"x".repeat(129)), too_long);
        assert_eq!(CallId::parse("c/1").unwrap().as_str(), "c/1");
    }
}
