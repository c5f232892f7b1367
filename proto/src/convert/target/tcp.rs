//! TCP.

use parallax_model::target::tcp::{STEP_BYTES_MAX, STEPS_MAX};
use parallax_model::{TcpCheck, TcpStep};

use crate::convert::{InvalidMessage, bounded};
use crate::pb;

pub(super) fn to_wire(check: &TcpCheck) -> pb::TcpCheck {
    pb::TcpCheck { address: check.address.clone(), talk: talk_to_wire(&check.talk) }
}

pub(super) fn from_wire(check: pb::TcpCheck) -> Result<TcpCheck, InvalidMessage> {
    Ok(TcpCheck { address: check.address, talk: talk_from_wire(check.talk, "target.tcp.talk")? })
}

pub(super) fn talk_to_wire(talk: &[TcpStep]) -> Vec<pb::TcpStep> {
    let step = |step: &TcpStep| pb::TcpStep {
        step: Some(match step {
            TcpStep::Send(text) => pb::tcp_step::Step::Send(text.clone()),
            TcpStep::Expect(pattern) => pb::tcp_step::Step::Expect(pattern.clone()),
        }),
    };
    talk.iter().map(step).collect()
}

pub(super) fn talk_from_wire(
    talk: Vec<pb::TcpStep>,
    field: &'static str,
) -> Result<Vec<TcpStep>, InvalidMessage> {
    bounded(field, talk.len(), STEPS_MAX)?;
    talk.into_iter().map(|step| step_from_wire(step, field)).collect()
}

fn step_from_wire(step: pb::TcpStep, field: &'static str) -> Result<TcpStep, InvalidMessage> {
    let wrong = |why| InvalidMessage::new(field, why);
    let step = match step.step.ok_or_else(|| wrong("a step that this version does not know"))? {
        pb::tcp_step::Step::Send(text) => TcpStep::Send(text),
        pb::tcp_step::Step::Expect(pattern) => TcpStep::Expect(pattern),
    };
    let (TcpStep::Send(text) | TcpStep::Expect(text)) = &step;
    if text.len() > STEP_BYTES_MAX { Err(wrong("a step is too long")) } else { Ok(step) }
}
