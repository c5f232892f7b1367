//! Which numbers are acked, and which are lost: what must be known beside the segments.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use parallax_model::{Epoch, GapReason, IntervalSet, Span};

use super::disk::Disk;
use super::segment::NUMBER_MAX;
use super::{Content, Record, overlap, without};

pub(super) const NAME: &str = "ledger";
const MAGIC: &[u8; 8] = b"PLXLEDG1";

const REASONS: [GapReason; 3] = [GapReason::SpoolFull, GapReason::Corrupt, GapReason::DiskError];

#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    epochs: BTreeMap<u64, Account>,
    /// Differs from what is on disk.
    pub(super) dirty: bool,
}

/// One epoch: numbers that are settled, and numbers that are lost and not settled yet.
#[derive(Debug, Clone, Default)]
struct Account {
    acked: IntervalSet,
    /// In the order of `REASONS`.
    gaps: [IntervalSet; 3],
}

impl Account {
    fn is_gap(&self, span: Span) -> Vec<Span> {
        let all = self.gaps.iter().flat_map(IntervalSet::spans);
        all.filter_map(|gap| overlap(*gap, span)).collect()
    }
}

impl Ledger {
    pub(super) fn acked(&self, epoch: u64) -> Option<&IntervalSet> {
        self.epochs.get(&epoch).map(|account| &account.acked)
    }

    /// The largest epoch it knows of.
    pub(super) fn newest(&self) -> u64 {
        self.epochs.last_key_value().map_or(0, |(epoch, _)| *epoch)
    }

    /// The largest number of `epoch` it knows of, 0 if none.
    pub(super) fn last(&self, epoch: u64) -> u64 {
        let Some(account) = self.epochs.get(&epoch) else { return 0 };
        let sets = account.gaps.iter().chain([&account.acked]);
        sets.filter_map(|set| set.spans().last()).map(|span| span.last()).max().unwrap_or(0)
    }

    /// Settles `span`; says what of it was not settled before.
    pub(super) fn ack(&mut self, epoch: u64, span: Span) -> Vec<Span> {
        let account = self.epochs.entry(epoch).or_default();
        let new = account.acked.insert(span);
        if !new.is_empty() {
            self.dirty = true;
            for gaps in &mut account.gaps {
                if gaps.spans().iter().any(|gap| overlap(*gap, span).is_some()) {
                    *gaps = without(gaps, &IntervalSet::from_iter([span])).into_iter().collect();
                }
            }
        }
        new
    }

    /// Declares what of `lost` is neither acked nor a gap already; says how many numbers that are.
    pub(super) fn lose(&mut self, epoch: u64, lost: Vec<Span>, reason: GapReason) -> u64 {
        let account = self.epochs.entry(epoch).or_default();
        let mut known = account.acked.clone();
        for gap in account.gaps.iter().flat_map(IntervalSet::spans) {
            known.insert(*gap);
        }
        let new: Vec<Span> = lost.into_iter().flat_map(|span| known.missing(span)).collect();
        for (at, gaps) in account.gaps.iter_mut().enumerate() {
            if REASONS.get(at) == Some(&reason) {
                for span in &new {
                    gaps.insert(*span);
                }
            }
        }
        self.dirty |= !new.is_empty();
        new.iter().map(|span| span.count()).sum()
    }

    /// What of `held` is not acked.
    pub(super) fn unacked(&self, epoch: u64, held: &IntervalSet) -> Vec<Span> {
        match self.acked(epoch) {
            Some(acked) => without(held, acked),
            None => held.spans().to_vec(),
        }
    }

    /// What of `held` is no gap.
    pub(super) fn without_gaps(&self, epoch: u64, held: &IntervalSet) -> IntervalSet {
        let Some(account) = self.epochs.get(&epoch) else { return held.clone() };
        let gaps = account.gaps.iter().flat_map(|gaps| gaps.spans().iter().copied()).collect();
        without(held, &gaps).into_iter().collect()
    }

    /// The gaps within `span`.
    pub(super) fn unacked_gaps(&self, epoch: u64, span: Span) -> Vec<Span> {
        self.epochs.get(&epoch).map_or_else(Vec::new, |account| account.is_gap(span))
    }

    /// Every gap, oldest epoch first.
    pub(super) fn gaps(&self) -> impl Iterator<Item = Record> {
        self.epochs.iter().flat_map(|(epoch, account)| {
            account.gaps.iter().zip(REASONS).flat_map(move |(gaps, reason)| {
                let (epoch, content) = (Epoch(*epoch), Content::Gap(reason));
                let record =
                    move |span: &Span| Record { epoch, span: *span, content: content.clone() };
                gaps.spans().iter().map(record)
            })
        })
    }

    /// Makes it durable. Epochs that are not among `alive` and have no gap left are forgotten.
    pub(super) fn save(&mut self, disk: &impl Disk, alive: &BTreeSet<u64>) -> io::Result<()> {
        self.epochs.retain(|epoch, account| {
            alive.contains(epoch) || account.gaps.iter().any(|gaps| !gaps.spans().is_empty())
        });
        disk.replace(NAME, &self.encode())?;
        self.dirty = false;
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let mut put = |n: u64| out.extend(n.to_le_bytes());
        for (epoch, account) in &self.epochs {
            for (kind, set) in [&account.acked].into_iter().chain(&account.gaps).enumerate() {
                for span in set.spans() {
                    [*epoch, kind as u64, span.first(), span.last()].into_iter().for_each(&mut put);
                }
            }
        }
        let crc = crc32fast::hash(&out);
        out.extend(crc.to_le_bytes());
        out
    }

    /// None if the bytes are damaged.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(body).to_le_bytes() != *crc {
            return None;
        }
        let mut ledger = Self::default();
        let (entries, rest) = body.strip_prefix(MAGIC)?.as_chunks::<8>();
        let (entries, odd) = entries.as_chunks::<4>();
        if !rest.is_empty() || !odd.is_empty() {
            return None;
        }
        for entry in entries {
            let [epoch, kind, first, last] = entry.map(u64::from_le_bytes);
            if epoch.max(last) > NUMBER_MAX {
                return None;
            }
            let account = ledger.epochs.entry(epoch).or_default();
            let span = Span::new(first, last)?;
            match usize::try_from(kind).ok()?.checked_sub(1) {
                None => account.acked.insert(span),
                Some(reason) => account.gaps.get_mut(reason)?.insert(span),
            };
        }
        Some(ledger)
    }
}
