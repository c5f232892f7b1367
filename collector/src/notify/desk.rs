//! Who is told what: turns changes of faults into letters.

use std::collections::HashMap;
use std::sync::Arc;

use parallax_model::{Change, Fault, FaultId};
use url::Url;

use super::Webhook;
use super::message::{self, Gist, PreviousJson};
use crate::store::letter::{Event, Letter};
use crate::view::View;

/// Writes letters. Remembers of each open fault what was told, so that only news is told.
#[derive(Debug)]
pub struct Desk {
    webhooks: Arc<[Webhook]>,
    page: Option<Url>,
    told: HashMap<FaultId, Gist>,
}

impl Desk {
    /// `open` are the faults that were open, and told, before a restart. Links lead below `page`.
    pub fn new(webhooks: Arc<[Webhook]>, page: Option<Url>, open: &[Fault]) -> Self {
        let told = open.iter().map(|f| (f.id, Gist::of(f))).collect();
        Self { webhooks, page, told }
    }

    /// Another configuration is in force. Receivers that are new hear of what begins from now on.
    pub fn set(&mut self, webhooks: Arc<[Webhook]>) {
        self.webhooks = webhooks;
    }

    /// The letters that a change is worth, one for each receiver that should know.
    pub fn write(&mut self, change: &Change, view: &View) -> Vec<Letter> {
        let (fault, over) = match change {
            Change::Opened(fault) | Change::Updated(fault) => (fault, false),
            Change::Closed(fault) => (fault, true),
            Change::Ask(_) => return Vec::new(),
        };
        let now = Gist::of(fault);
        let before = if over {
            self.told.remove(&fault.id)
        } else {
            self.told.insert(fault.id, now.clone())
        };
        let due: Vec<(&Webhook, Event)> = self
            .webhooks
            .iter()
            .filter_map(|w| Some((w, event(w, before.as_ref(), &now, over)?)))
            .filter(|(w, event)| w.events.contains(event))
            .collect();
        if due.is_empty() {
            return Vec::new();
        }
        let story = view.tell(&Arc::new((**fault).clone())).story;
        let previous = before.as_ref().map(PreviousJson::from);
        let write = |(webhook, event): (&Webhook, Event)| {
            let letter = Letter {
                webhook: webhook.name.clone(),
                fault: fault.id,
                event,
                at: fault.updated,
                previous: previous
                    .as_ref()
                    .filter(|_| event == Event::Updated)
                    .and_then(|p| serde_json::to_string(p).ok()),
                body: String::new(),
            };
            let moved = event == Event::Closed && !over;
            message::compose(letter, fault, &story, moved, self.page.as_ref())
        };
        due.into_iter().map(write).collect()
    }
}

/// What a receiver should hear. A fault that turns out to be elsewhere may leave one route and enter
/// another: it ends for the one, and begins for the other.
fn event(webhook: &Webhook, before: Option<&Gist>, now: &Gist, over: bool) -> Option<Event> {
    let had = before.is_some_and(|b| webhook.hears(&b.locus));
    let has = !over && webhook.hears(&now.locus);
    match (had, has) {
        (false, true) => Some(Event::Opened),
        (true, true) => (before != Some(now)).then_some(Event::Updated),
        (true, false) => Some(Event::Closed),
        (false, false) => None,
    }
}
