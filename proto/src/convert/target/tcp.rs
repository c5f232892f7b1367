//! TCP.

use parallax_model::target::tcp::{STEP_BYTES_MAX, STEPS_MAX};
use parallax_model::{TcpCheck, TcpStep};

use crate::convert::{InvalidMessage, bounded};
use crate::pb;

pub(super) fn to_wire(check: &TcpCheck) -> pb::TcpCheck {
    let step = |step: &TcpStep| pb::TcpStep {
        step: Some(match step {
            TcpStep::Send(text) => pb::tcp_step::Step::Send(text.clone()),
            TcpStep::Expect(pattern) => pb::tcp_step::Step::Expect(pattern.clone()),
        }),
    };
    pb::TcpCheck { address: check.address.clone(), talk: check.talk.iter().map(step).collect() }
}

pub(super) fn from_wire(check: pb::TcpCheck) -> Result<TcpCheck, InvalidMessage> {
    bounded("target.tcp.talk", check.talk.len(), STEPS_MAX)?;
    let talk = check.talk.into_iter().map(step_from_wire).collect::<Result<_, _>>()?;
    Ok(TcpCheck { address: check.address, talk })
}

fn step_from_wire(step: pb::TcpStep) -> Result<TcpStep, InvalidMessage> {
    let wrong = |why| InvalidMessage::new("target.tcp.talk", why);
    let step = match step.step.ok_or_else(|| wrong("a step that this version does not know"))? {
        pb::tcp_step::Step::Send(text) => TcpStep::Send(text),
        pb::tcp_step::Step::Expect(pattern) => TcpStep::Expect(pattern),
    };
    let (TcpStep::Send(text) | TcpStep::Expect(text)) = &step;
    if text.len() > STEP_BYTES_MAX { Err(wrong("a step is too long")) } else { Ok(step) }
}
