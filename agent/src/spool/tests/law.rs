//! The conservation law under any sequence of appends, acks, crashes, damage and refusals.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Small enough that it overflows within a case.
const BYTES_MAX: u64 = 20_000;

#[derive(Debug, Clone)]
enum Step {
    Append {
        count: u64,
        len: usize,
    },
    /// Acks part of what is held, by a pattern of bits.
    Ack {
        pattern: u32,
    },
    Maintain,
    /// The process dies and power goes.
    Crash {
        seed: u64,
    },
    /// The process dies; what it wrote is there.
    Kill,
    /// Bits of a segment turn that is not the last of its epoch.
    Damage {
        which: usize,
        at: usize,
    },
    Refuse {
        calls: u32,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..5_u64, 0..900_usize).prop_map(|(count, len)| Step::Append { count, len }),
        4 => any::<u32>().prop_map(|pattern| Step::Ack { pattern }),
        2 => Just(Step::Maintain),
        1 => any::<u64>().prop_map(|seed| Step::Crash { seed }),
        1 => Just(Step::Kill),
        1 => (0..8_usize, 0..3000_usize).prop_map(|(which, at)| Step::Damage { which, at }),
        1 => (1..8_u32).prop_map(|calls| Step::Refuse { calls }),
    ]
}

struct Model {
    disk: TestDisk,
    spool: Spool<TestDisk>,
    now_ms: u64,
    /// Numbers whose append returned, or that were seen later.
    issued: BTreeMap<u64, IntervalSet>,
    acked: BTreeMap<u64, IntervalSet>,
    /// What stood at each first number when it was first seen.
    seen: BTreeMap<(u64, u64), Vec<u8>>,
}

impl Model {
    fn new() -> Self {
        let disk = TestDisk::default();
        let spool = Spool::open(disk.clone(), BYTES_MAX, 1).unwrap();
        let (issued, acked, seen) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { disk, spool, now_ms: 1, issued, acked, seen }
    }

    fn step(&mut self, step: &Step) {
        self.now_ms += 1;
        match *step {
            Step::Append { count, len } => {
                let salt = self.now_ms;
                let made = self.spool.append(count, self.now_ms, |epoch, first| {
                    let mut bytes = payload(epoch, first, len);
                    bytes.extend(salt.to_le_bytes());
                    bytes
                });
                if let Some(new) = made {
                    self.see(&new.record);
                }
            }
            Step::Ack { pattern } => {
                for (at, record) in everything(&mut self.spool).into_iter().enumerate() {
                    if pattern >> (at % 32) & 1 == 1 {
                        self.spool.ack(record.epoch, record.span);
                        self.acked.entry(record.epoch.0).or_default().insert(record.span);
                    }
                }
            }
            Step::Maintain => self.spool.maintain(),
            Step::Crash { seed } => {
                self.disk.crash(seed);
                self.reopen();
            }
            Step::Kill => self.reopen(),
            Step::Damage { which, at } => {
                // at an epoch's very end nobody can know what stood there
                let epoch = |name: &str| Segment::parse_name(name).map(|(epoch, _)| epoch);
                let names = self.disk.segments();
                let followed = names.windows(2).filter(|pair| epoch(&pair[0]) == epoch(&pair[1]));
                let followed: Vec<&String> = followed.map(|pair| &pair[0]).collect();
                if let Some(name) = followed.get(which % followed.len().max(1)) {
                    let len = self.disk.len(name);
                    if len > 0 {
                        self.disk.flip(name, at % len);
                    }
                }
            }
            Step::Refuse { calls } => self.disk.refuse(calls),
        }
    }

    /// A new process. What was in memory only is gone with the old one, and with it the numbers.
    fn reopen(&mut self) {
        self.disk.refuse(0);
        let before = self.spool.memory.by_epoch();
        for (epoch, records) in before {
            let gone: IntervalSet = records.iter().map(|(span, _)| *span).collect();
            let issued = self.issued.entry(epoch).or_default();
            *issued = without(issued, &gone).into_iter().collect();
        }
        if self.spool.degraded {
            // gaps that the disk did not take are gone as well
            for gap in self.spool.gaps() {
                let issued = self.issued.entry(gap.epoch.0).or_default();
                *issued = without(issued, &[gap.span].into_iter().collect()).into_iter().collect();
            }
        }
        self.spool = Spool::open(self.disk.clone(), BYTES_MAX, self.now_ms).unwrap();
    }

    /// No number stands for two things.
    fn see(&mut self, record: &Record) {
        self.issued.entry(record.epoch.0).or_default().insert(record.span);
        if let Content::Bytes(bytes) = &record.content {
            let known = self.seen.entry((record.epoch.0, record.span.first()));
            assert_eq!(known.or_insert_with(|| bytes.to_vec()), bytes);
        }
    }

    fn check(&mut self) {
        let all = everything(&mut self.spool);
        let gaps = self.spool.gaps();
        let mut here: BTreeMap<u64, IntervalSet> = BTreeMap::new();
        for record in all.iter().filter(|r| matches!(r.content, Content::Bytes(_))).chain(&gaps) {
            self.see(record);
            let set = here.entry(record.epoch.0).or_default();
            let new: u64 = set.insert(record.span).iter().map(|s| s.count()).sum();
            // the same record may stand in two segments after a sync that failed and did not
            let whole = matches!(record.content, Content::Bytes(_)) && new == 0;
            assert!(new == record.span.count() || whole, "twice: {record:?}");
        }
        for (epoch, issued) in &self.issued {
            for part in issued.spans() {
                let here = here.get(epoch).map_or(vec![*part], |set| set.missing(*part));
                let acked = self.acked.entry(*epoch).or_default();
                let nowhere: Vec<Span> = here.iter().flat_map(|s| acked.missing(*s)).collect();
                assert_eq!(nowhere, [], "epoch {epoch}: nowhere; here {:?}", spans(&all));
            }
        }
        assert!(self.spool.disk_bytes() <= BYTES_MAX + 2500);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn acked_and_gaps_and_held_are_what_was_issued(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut model = Model::new();
        for step in &steps {
            model.step(step);
            if !matches!(step, Step::Damage { .. }) {
                model.check();
            }
        }
        // at the end everything can be delivered, and nothing is left
        model.disk.refuse(0);
        model.spool.maintain();
        model.check();
        for record in everything(&mut model.spool) {
            model.spool.ack(record.epoch, record.span);
        }
        model.spool.maintain();
        prop_assert_eq!(everything(&mut model.spool), vec![]);
        prop_assert_eq!(model.spool.state().records, 0);
        let mut again = Spool::open(model.disk, BYTES_MAX, model.now_ms + 1).unwrap();
        for left in everything(&mut again) {
            // a record that was dropped since nobody could know whether it reached the disk: it did
            let known = model.issued.get(&left.epoch.0).map(|set| set.missing(left.span));
            prop_assert!(known.is_none_or(|new| new == [left.span]), "{left:?}");
        }
    }
}
