//! What operators do to calls (spec §10): compared with the stop and set under the call's lock, and
//! durable before it is answered.

use thiserror::Error;

use super::{Engine, recover};
use crate::{
    model::{
        ids::CallId,
        operator::{Order, Refused},
        view::CallView,
    },
    store::StoreError,
};

/// Why an order was not carried out.
#[derive(Debug, Error)]
pub enum OrderError {
    /// No such call is known.
    #[error("no such call is known")]
    Unknown,
    /// The call's state, or the order's own value, stands against it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It is in force, but cannot be made durable now.
    #[error("it is in force, but the store fails: it would not survive a restart now")]
    NotDurable,
    /// The store cannot be asked whether it knows the call.
    #[error("the store cannot be read now")]
    Store(#[from] StoreError),
}

impl Engine {
    /// Gives an order. Once this returns it is durable, and no request leaves before the deadline
    /// that it set.
    ///
    /// # Errors
    ///
    /// [`OrderError`] says what stands against it.
    pub async fn order(&self, id: &CallId, order: Order) -> Result<CallView, OrderError> {
        let shared = &self.0;
        let id = shared.calls.id_of(id).unwrap_or_else(|| id.clone());
        if !shared.calls.contains(&id)
            && let Some(stored) = recover::read(shared, &id).await?
        {
            // Only a call that is over is in the store alone.
            return Err(stored
                .call
                .ordered(order, shared.clock.now().wall)
                .map_or_else(OrderError::Refused, |_| OrderError::Unknown));
        }
        let changed = shared.calls.order(&id, order).ok_or(OrderError::Unknown)??;
        shared.events.tell(&changed);
        let is_durable = match changed.ticket {
            Some(ticket) => ticket.made_durable().await,
            None => true,
        };
        if is_durable { Ok(CallView::of(&changed.call)) } else { Err(OrderError::NotDurable) }
    }
}
