//! A call as it lies in the store.

use crate::model::{ids::CallId, time::Wall};

/// One call's row: what queries need in columns of their own, the call itself in `body`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The call's id (or its sid, while no id is known).
    pub id: CallId,
    /// The provider's sid.
    pub sid: Option<CallId>,
    /// Grows with each change of the call; a row is only ever replaced by one of a higher version.
    pub version: u64,
    /// The outcome's name; `None` while the call has none, which is what makes it live.
    pub outcome: Option<String>,
    /// When the outcome was recorded; what the history is ordered and pruned by.
    pub ended_at: Option<Wall>,
    /// The deadline in force.
    pub deadline: Option<Wall>,
    /// The call, as JSON.
    pub body: String,
    /// The call's context as JSON text, at most 16 KiB; `None` leaves what the store has.
    pub context: Option<String>,
}
