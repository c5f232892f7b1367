//! Server-sent events, from bytes in any pieces. Pure.
//!
//! As much of the standard as these services use: `event` and `data` lines, comments, and any of the three
//! line ends. Bounded: a line or an event beyond [`EVENT_BYTES_MAX`] is an error, not memory.

/// Largest event, in bytes.
pub(super) const EVENT_BYTES_MAX: usize = 64 << 10;

/// One event that has data.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) data: String,
}

/// The stream is no stream of events that we would read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotEvents {
    #[error("an event larger than {EVENT_BYTES_MAX} bytes")]
    TooLarge,
    #[error("text that is not UTF-8")]
    NotText,
}

/// What has come and is no whole event yet.
#[derive(Debug, Default)]
pub(super) struct Reader {
    line: Vec<u8>,
    after_cr: bool,
    event: Event,
    has_data: bool,
}

impl Reader {
    /// The events that these bytes complete.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Vec<Event>, NotEvents> {
        let mut events = Vec::new();
        for &byte in bytes {
            let second_half = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if second_half => {}
                b'\n' | b'\r' => events.extend(self.end_of_line()?),
                _ if self.line.len() >= EVENT_BYTES_MAX => return Err(NotEvents::TooLarge),
                _ => self.line.push(byte),
            }
        }
        Ok(events)
    }

    /// A line is complete; so is an event, if the line is empty and there was data.
    fn end_of_line(&mut self) -> Result<Option<Event>, NotEvents> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return Ok(std::mem::take(&mut self.has_data).then_some(event));
        }
        let line = str::from_utf8(&line).map_err(|_| NotEvents::NotText)?;
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.event.data.len() + value.len() >= EVENT_BYTES_MAX {
                    return Err(NotEvents::TooLarge);
                }
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            "event" => value.clone_into(&mut self.event.name),
            // comments, ids, retry times, and what comes some day
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(bytes: &[u8]) -> Vec<Event> {
        Reader::default().read(bytes).unwrap()
    }

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.into(), data: data.into() }
    }

    #[test]
    fn events_are_what_the_standard_says() {
        let text = ": ping\n\nevent: delta\ndata: {\"a\":1}\n\ndata:x\r\ndata:  y\r\n\r\n\
                    event: empty\n\ndata\r\rid: 7\ndata: [DONE]\n\n";
        let expected =
            [event("delta", "{\"a\":1}"), event("", "x\n y"), event("", ""), event("", "[DONE]")];
        assert_eq!(all(text.as_bytes()), expected);
        assert_eq!(all(b"data: not yet ended\n"), []);
    }

    #[test]
    fn what_does_not_end_is_an_error_and_no_memory() {
        let mut reader = Reader::default();
        let flood = vec![b'x'; EVENT_BYTES_MAX + 1];
        assert_eq!(reader.read(&flood), Err(NotEvents::TooLarge));
        let lines = "data: y\n".repeat(EVENT_BYTES_MAX);
        assert_eq!(Reader::default().read(lines.as_bytes()), Err(NotEvents::TooLarge));
        assert_eq!(Reader::default().read(b"data: \xff\n"), Err(NotEvents::NotText));
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            for event in Reader::default().read(&bytes).unwrap_or_default() {
                prop_assert!(event.data.len() <= bytes.len());
            }
        }

        #[test]
        fn pieces_make_no_difference(
            text in "(data: [a-z\\r\\n]{0,8}|event: [a-z]{0,3}|: c|\\r|\\n|\\r\\n){0,30}",
            size in 1..7usize,
        ) {
            let whole = all(text.as_bytes());
            let mut reader = Reader::default();
            let pieces: Vec<Event> =
                text.as_bytes().chunks(size).flat_map(|piece| reader.read(piece).unwrap()).collect();
            prop_assert_eq!(pieces, whole);
        }

        #[test]
        fn what_was_written_is_read(
            events in prop::collection::vec(("[a-z]{0,5}", "[ -~é]{0,20}(\n[ -~]{0,20}){0,2}"), 0..5),
        ) {
            let write = |(name, data): &(String, String)| {
                let lines = data.split('\n').map(|line| format!("data: {line}\n"));
                format!("event: {name}\n{}\n", lines.collect::<String>())
            };
            let text: String = events.iter().map(write).collect();
            let expected: Vec<Event> = events.iter().map(|(name, data)| event(name, data)).collect();
            prop_assert_eq!(all(text.as_bytes()), expected);
        }
    }
}
