//! The words of Parallax as types.
//!
//! Reading order: [`name`] (who and what), [`time`] (when), [`kind`] (how a look fails),
//! [`target`] (what is looked at), [`selector`] (by whom), [`result`] and [`seen`] (what one look saw), [`record`] (a result on the
//! durable road), [`interval`] (sets of sequence numbers), [`locus`] and [`fault`] (what is wrong,
//! where, and why we think so), [`rule`] (how people count votes), [`fitness`] (whether a witness is fit to be one).
//!
//! Contract: values only. Whatever can be constructed is valid.
//! Never: a clock, I/O, async, serde, or any dependency beside `std`.
#![forbid(unsafe_code)]

pub mod clues;
pub mod fault;
pub mod fitness;
pub mod interval;
pub mod kind;
pub mod locus;
pub mod name;
pub mod record;
pub mod result;
pub mod rule;
pub mod seen;
pub mod selector;
pub mod target;
pub mod time;

pub use clues::{Certificate, Clues, TlsClue};
pub use fault::{
    Alternative, AskFor, Change, Confidence, Coverage, Evidence, Fault, FaultId, FaultState,
    Reason, Without, Witness,
};
pub use fitness::{Fitness, Unfit};
pub use interval::{IntervalSet, Span};
pub use kind::{ErrorKind, Stage};
pub use locus::Locus;
pub use name::{AgentName, InvalidName, Provider, Region, Site, TargetName};
pub use record::{Batch, Body, Epoch, Gap, GapReason, Seq};
pub use result::{Outcome, ProbeResult, Stages};
pub use rule::{NoRule, Rule, Ruling, Votes, Word};
pub use seen::{DnsSeen, GrpcSeen, IcmpSeen, LlmSeen, Seen, Serving};
pub use selector::Selector;
pub use target::{
    AgentSpec, Assertion, Auth, Check, DnsCheck, DnsTransport, Family, GrpcCheck, HttpCheck,
    IcmpCheck, LlmApi, LlmCheck, Must, Rcode, RecordType, Role, Sensitivity, StatusSet, Target,
    TcpCheck, TcpStep, TlsCheck, TlsOptions, second_look_timeout,
};
pub use time::Timestamp;
