//! Messages in the words of the receiver: a template that makes other JSON of ours.

use std::fmt::Display;
use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};

use super::message::{MessageJson, sample};
use crate::store::letter::Event;

/// Longest template, in bytes.
const TEMPLATE_BYTES_MAX: usize = 64 * 1024;

/// Longest message a template may make, in bytes.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// Steps a template may take: a template that loops for ever would hold up all messages.
const FUEL: u64 = 100_000;

/// A Jinja template. Values are put in as JSON (`{"text": {{ title }}}`), what comes out must be JSON.
/// It reads nothing but the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Arc<str>);

/// What is wrong with a template, and in which of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
}

impl Template {
    /// A template that makes JSON of every kind of message.
    pub fn new(text: &str) -> Result<Self, Unfit> {
        if text.len() > TEMPLATE_BYTES_MAX {
            let what = format!("{} bytes, at most {TEMPLATE_BYTES_MAX}", text.len());
            return Err(Unfit { line: None, what });
        }
        let template = Self(text.into());
        template.names()?;
        for event in Event::ALL {
            template.fill(&sample(event, 0))?;
        }
        Ok(template)
    }

    /// Names that no message has are slips of the pen, and would be empty for ever.
    fn names(&self) -> Result<(), Unfit> {
        let message = serde_json::to_value(sample(Event::Opened, 0)).map_err(unfit)?;
        let env = environment();
        let mut used: Vec<String> = env
            .template_from_str(&self.0)
            .map_err(|why| told(&why))?
            .undeclared_variables(false)
            .into_iter()
            .filter(|name| message.get(name).is_none())
            .collect();
        used.sort();
        let Some(name) = used.first() else { return Ok(()) };
        let known: Vec<&str> =
            message.as_object().into_iter().flatten().map(|(k, _)| k.as_str()).collect();
        Err(unfit(format!("a message has no {name:?}; known: {}", known.join(", "))))
    }

    /// The message in the template's words.
    pub fn fill(&self, message: &MessageJson) -> Result<String, Unfit> {
        let env = environment();
        let text =
            env.render_str(&self.0, Value::from(Serde(message))).map_err(|why| told(&why))?;
        if text.len() > MESSAGE_BYTES_MAX {
            return Err(unfit(format!("makes {} bytes, at most {MESSAGE_BYTES_MAX}", text.len())));
        }
        let json: Result<serde::de::IgnoredAny, _> = serde_json::from_str(&text);
        json.map_err(|why| unfit(format!("does not make JSON of {:?}: {why}", message.event)))?;
        Ok(text)
    }
}

fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_auto_escape_callback(|_| AutoEscape::Json);
    // not every fault has a region: what is not there is empty, whatever fault comes in the night
    env.set_undefined_behavior(UndefinedBehavior::Lenient);
    env.set_fuel(Some(FUEL));
    env
}

fn unfit(what: impl Display) -> Unfit {
    Unfit { line: None, what: what.to_string() }
}

fn told(why: &minijinja::Error) -> Unfit {
    let detail = why.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    Unfit { line: why.line(), what: format!("{}{detail}", why.kind()) }
}
