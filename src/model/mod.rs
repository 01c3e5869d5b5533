//! Layer 0: every decision, pure. No async, no I/O, no clock, no chance, no logging.

pub mod ask;
pub mod call;
pub mod change;
pub mod context;
pub mod deadline;
pub mod decode;
pub mod desk;
pub mod event;
pub mod explain;
pub mod facts;
pub mod health;
pub mod ids;
pub mod kill;
pub mod listing;
pub mod logs;
pub mod lookup;
pub mod operator;
pub mod outcome;
pub mod pattern;
pub mod platform;
pub mod policy;
pub mod promise;
pub mod queue;
pub mod quota;
pub mod rule;
#[cfg(test)]
mod scene;
pub mod stop;
pub mod surge;
pub mod time;
pub mod trail;
mod turn;
pub mod unasked;
pub mod until;
pub mod view;
