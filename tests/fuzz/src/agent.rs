//! What an agent reads from its own disk.

use std::collections::BTreeMap;

use parallax_agent::config::Settings;
use parallax_agent::spool::{Content, Cursor, Spool};
use parallax_model::{Epoch, IntervalSet, Span};

use crate::disk::Files;

const SPOOL_BYTES_MAX: u64 = 64 << 10;

/// The configuration; every mistake in it has words.
pub(super) fn configuration(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("agent.toml");
    std::fs::write(&file, bytes).expect("a file");
    let wrong = match Settings::read(&file) {
        Ok(settings) => settings.above(Settings::default()).check(None).err(),
        Err(wrong) => Some(wrong),
    };
    assert!(wrong.is_none_or(|wrong| !wrong.to_string().is_empty()));
}

/// A folder that the bytes make up: names, lengths, contents. Whatever is in it, it can be used.
pub(super) fn foreign_spool(bytes: &[u8]) {
    let files = Files::default();
    let mut rest = bytes;
    while let Some(([kind, len @ ..], after)) = rest.split_first_chunk::<3>() {
        let len = usize::from(u16::from_le_bytes(*len)).min(after.len());
        let (content, after) = after.split_at(len);
        let number = u64::from(kind >> 2);
        match kind & 3 {
            0 => files.put("ledger", content),
            1 => files.put(&format!("{number:020}-{:020}.seg", 1), content),
            2 => files.put(&format!("{:020}-{number:020}.seg", u64::MAX - number), content),
            _ => files.put(&String::from_utf8_lossy(content), content),
        }
        rest = after;
    }
    use_it(&files, BTreeMap::new());
}

/// A spool that works, and is damaged between two starts as the bytes say: no number is issued twice.
pub(super) fn damaged_spool(bytes: &[u8]) {
    let files = Files::default();
    let mut issued: BTreeMap<Epoch, IntervalSet> = BTreeMap::new();
    let mut spool = Spool::open(files.clone(), SPOOL_BYTES_MAX, 1000).expect("a folder");
    for (turn, order) in bytes.as_chunks::<4>().0.iter().take(64).enumerate() {
        let [what, which, value, place] = *order;
        let at = usize::from(place) | usize::from(which >> 4) << 8;
        match what % 6 {
            0 | 1 => append(&mut spool, u64::from(value % 8) + 1, place, &mut issued),
            2 => {
                let (epoch, span) =
                    (spool.epoch(), Span::new(u64::from(value), u64::from(value) + 2));
                if let Some(span) = span {
                    spool.ack(epoch, span);
                }
                spool.maintain();
            }
            damage => {
                // what is beneath a spool that runs is its own: damage comes between two starts
                drop(spool);
                match damage {
                    3 => files.change(which.into(), |file| {
                        let len = file.len().max(1);
                        if let Some(byte) = file.get_mut(at % len) {
                            *byte ^= value;
                        }
                    }),
                    4 => {
                        files.change(which.into(), |file| file.truncate(at % (file.len() + 1)));
                        // cut between two records, nothing tells that there was more
                        issued.clear();
                    }
                    _ => {}
                }
                spool = Spool::open(files.clone(), SPOOL_BYTES_MAX, 1000 + turn as u64)
                    .expect("a folder");
            }
        }
    }
    drop(spool);
    use_it(&files, issued);
}

fn append(
    spool: &mut Spool<Files>,
    count: u64,
    fill: u8,
    issued: &mut BTreeMap<Epoch, IntervalSet>,
) {
    let appended = spool.append(count, 2000, |_, _| vec![fill; usize::from(fill) * 16]);
    let Some(record) = appended.map(|appended| appended.record) else { return };
    let new = issued.entry(record.epoch).or_default().insert(record.span);
    assert_eq!(new, [record.span], "a number is issued twice");
}

/// Opens, reads to the end, writes, forgets, and opens again.
fn use_it(files: &Files, mut issued: BTreeMap<Epoch, IntervalSet>) {
    for start in 0..2 {
        let mut spool =
            Spool::open(files.clone(), SPOOL_BYTES_MAX, 3000 + start).expect("a folder");
        let (mut cursor, mut held) = (Cursor::default(), spool.gaps());
        loop {
            let (records, next) = spool.read(cursor);
            assert!(next >= cursor, "reading goes back");
            if next == cursor && records.is_empty() {
                break;
            }
            held.extend(records.into_iter().filter(|r| matches!(r.content, Content::Bytes(_))));
            cursor = next;
        }
        append(&mut spool, 3, 7, &mut issued);
        for record in held {
            spool.ack(record.epoch, record.span);
        }
        spool.maintain();
        assert!(spool.state().bytes <= 2 * SPOOL_BYTES_MAX, "{:?}", spool.state());
    }
}
