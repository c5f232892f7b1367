//! One witness: looks at targets, remembers what it saw, reports it.
//!
//! ```text
//! schedule → probe → result → spool → uplink ══▶ collector
//!     ▲                          ▲        │
//!     └── assignment, probe-now ─┴─ acks ─┘
//! ```
//!
//! Reading order: [`config`] (who, for whom, where to keep things), [`identity`] (who, by the collector's
//! word), [`probe`] (one look),
//! [`schedule`] (when), [`fitness`] (whether to be believed), [`spool`] (the durable outbox),
//! [`uplink`] (the road), and [`Agent`], which joins them.
//!
//! Contract: a result counts once it is durable; it is forgotten only when the collector says that it
//! is durable there. What cannot be kept is declared. Many agents can run in one process: nothing here
//! is global.

mod app;
pub mod cli;
pub mod config;
pub mod fitness;
pub mod identity;
pub mod probe;
pub mod schedule;
pub mod spool;
pub mod uplink;

pub use app::{Agent, Pulse, StartError};
pub use config::{CollectorUrl, Config};
