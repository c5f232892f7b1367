//! The court: hears witnesses, decides, tells.
//!
//! Reading order: [`config`] (what the owner declared) and [`identity`] (who joined); then the one way
//! through: [`ingest`] and [`fleet`] (who speaks), [`store`] (what is kept), [`judge`] and [`incident`]
//! (what is wrong), [`view`] (what the edges may know), [`api`], [`page`], [`export`] and [`notify`] (the
//! edges); [`app`], which joins them by bounded channels, [`control`] (what commands ask of a running
//! collector) and [`cli`] (the commands). Sibling rooms do not know one another.
#![forbid(unsafe_code)]

pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod control;
pub mod export;
pub mod fleet;
pub mod identity;
pub mod incident;
pub mod ingest;
pub mod json;
pub mod judge;
pub mod notify;
pub mod page;
pub mod practice;
pub mod replay;
pub mod store;
pub mod view;
