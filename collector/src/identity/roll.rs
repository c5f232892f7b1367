//! What goes on elsewhere when somebody joins or is revoked.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use parallax_model::AgentSpec;

/// Whoever puts agents in force.
pub trait Roll: Send + Sync + fmt::Debug {
    /// What the owner's configuration says of agents.
    fn declared(&self) -> Arc<[AgentSpec]>;

    /// The register changed. When this is over, whoever joined may speak, and whoever was revoked does not
    /// any more.
    fn changed(&self) -> BoxFuture<'_, ()>;
}
