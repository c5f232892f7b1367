//! Plays the story: does the deeds, listens to what is said, has it judged and told.
//!
//! Contract: whatever is judged came out of the view's events, as an edge would see it. A step ends
//! when its conclusion has come and stood for a while, or when patience is over.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use parallax_model::{FaultId, TargetName};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::error::PracticeError;
use super::judge::{Judge, Remark, Ruling};
use super::map::{PLACES, services};
use super::story::Step;
use super::tell::Teller;
use super::world::World;
use crate::view::words::{self, Story};
use crate::view::{Event, EventBody, View};

/// How long after its deadline a conclusion is still waited for, so that "late" can be told from
/// "never".
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the story is played.
pub struct Stage<W> {
    world: Arc<World>,
    view: Arc<View>,
    events: broadcast::Receiver<Event>,
    judge: Judge,
    teller: Teller<W>,
    /// What was last told of each open fault.
    told: BTreeMap<FaultId, Story>,
    begun: Instant,
}

impl<W: Write> Stage<W> {
    /// A stage in `world`, listening to `view` from now on.
    pub fn new(
        world: Arc<World>,
        view: Arc<View>,
        teller: Teller<W>,
    ) -> Result<Self, PracticeError> {
        let services = services().map(TargetName::new).collect::<Result<_, _>>()?;
        let (before, events) = view.resume(0);
        let mut stage = Self {
            world,
            view,
            events,
            judge: Judge::new(services, PLACES.len() as u32),
            teller,
            told: BTreeMap::new(),
            begun: Instant::now(),
        };
        for event in before {
            stage.judge.hear(Duration::ZERO, &event.body);
        }
        Ok(stage)
    }

    /// Plays `story` to its end.
    pub async fn play(&mut self, story: &[Step]) -> Result<Vec<Ruling>, PracticeError> {
        for step in story {
            self.step(*step).await?;
        }
        self.teller.summary(self.judge.rulings());
        Ok(self.judge.rulings().to_vec())
    }

    /// Tells what visitors do and what is said of it, until the collector ends.
    pub async fn linger(&mut self, visitors: &mut mpsc::Receiver<String>) -> PracticeError {
        self.teller.note(
            "Now the world is yours: break something on the page, and see here and there what \
             Parallax makes of it. Ctrl-C ends it.",
        );
        loop {
            tokio::select! {
                Some(deed) = visitors.recv() => self.teller.deed(&deed),
                event = self.events.recv() => match event {
                    Ok(event) => self.tell(Remark::Detail, &event.body),
                    Err(RecvError::Lagged(missed)) => {
                        self.teller.note(&format!("{missed} events were missed; see the page"));
                    }
                    Err(RecvError::Closed) => return PracticeError::Ended,
                }
            }
        }
    }

    async fn step(&mut self, step: Step) -> Result<(), PracticeError> {
        self.teller.deed(step.told);
        self.world.act(step.deed);
        let mut until = Instant::now() + step.deadline + PATIENCE;
        let remark = self.judge.begin(self.begun.elapsed(), step);
        if matches!(remark, Remark::Concluded { .. }) {
            self.teller.calm(remark);
            until = Instant::now() + step.linger;
        }
        while let Ok(event) = timeout_at(until, self.events.recv()).await {
            let event = match event {
                Ok(event) => event,
                Err(RecvError::Lagged(missed)) => return Err(PracticeError::Missed(missed)),
                Err(RecvError::Closed) => return Err(PracticeError::Ended),
            };
            let remark = self.judge.hear(self.begun.elapsed(), &event.body);
            if matches!(remark, Remark::Concluded { .. }) {
                until = Instant::now() + step.linger;
            }
            self.tell(remark, &event.body);
        }
        Ok(())
    }

    fn tell(&mut self, remark: Remark, said: &EventBody) {
        match said {
            EventBody::Opened(fault) | EventBody::Updated(fault) => {
                let story = words::story(fault, &self.view.fleet());
                let before = self.told.insert(fault.id, story.clone());
                // more evidence for the same is for the page
                if remark != Remark::Detail || before.is_none_or(|b| b.title != story.title) {
                    self.teller.stated(remark, &story);
                }
            }
            EventBody::Closed(fault) => {
                self.told.remove(&fault.id);
                self.teller.ended(remark, &words::story(fault, &self.view.fleet()));
            }
            EventBody::Standing(standing) => match remark {
                Remark::Concluded { .. } => self.teller.calm(remark),
                Remark::False => {
                    let (target, state) = (standing.target.as_str(), standing.state.as_str());
                    self.teller.called(remark, target, state);
                }
                Remark::Detail => {}
            },
            EventBody::Agent { .. } | EventBody::Config => {}
        }
    }
}
