//! One segment: its bytes, and which numbers of it are held.

use bytes::Bytes;
use parallax_model::{Epoch, IntervalSet, Span};

use super::disk::Disk;
use super::{Content, Record, overlap, without};

const MAGIC: &[u8; 8] = b"PLXSPOOL";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 32;

/// Begins every record. Chosen at random; its bytes are no text and no small number.
const MARK: [u8; 4] = [0xd7, 0x3a, 0x91, 0xee];
const RECORD_HEADER_BYTES: usize = 28;

/// Largest payload that a record can claim: twice what a batch may take.
const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// Most numbers that a record can claim: far more than a batch has results. The head of a torn record is
/// believed without a checksum.
const RECORD_NUMBERS_MAX: u64 = 1 << 20;

/// Largest epoch or number that is believed: so far beyond what is ever issued that one more can always
/// be counted.
pub(super) const NUMBER_MAX: u64 = u64::MAX >> 1;

/// How much of a segment is read at once. One whole record fits, however large.
const CHUNK_BYTES: usize = PAYLOAD_BYTES_MAX + RECORD_HEADER_BYTES;

/// A first try that is enough for many ordinary records.
const SMALL_CHUNK_BYTES: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) name: String,
    pub(super) epoch: u64,
    pub(super) first: u64,
    /// Where it stands in the spool.
    pub(super) base: u64,
    /// Bytes that are known to be durable.
    pub(super) len: u64,
    /// The numbers of its readable records.
    pub(super) held: IntervalSet,
    /// How many of `held` are not acked.
    pub(super) unacked: u64,
    /// Some of its bytes make no sense.
    pub(super) damaged: bool,
    /// Behind `len` may stand what a refused call left.
    pub(super) unsure: bool,
}

/// What one read of a segment found.
pub(super) struct Piece {
    pub(super) records: Vec<Record>,
    /// Numbers that were held and turn out to be damaged.
    pub(super) lost: Vec<Span>,
    pub(super) next: u64,
}

impl Segment {
    pub(super) fn new(epoch: u64, first: u64, base: u64) -> Self {
        Self {
            name: format!("{epoch:020}-{first:020}.seg"),
            epoch,
            first,
            base,
            len: HEADER_BYTES as u64,
            held: IntervalSet::new(),
            unacked: 0,
            damaged: false,
            unsure: false,
        }
    }

    /// Epoch and first number, by a file's name.
    pub(super) fn parse_name(name: &str) -> Option<(u64, u64)> {
        let (epoch, first) = name.strip_suffix(".seg")?.split_once('-')?;
        let number = |text: &str| text.parse().ok().filter(|number| *number <= NUMBER_MAX);
        Some((number(epoch)?, number(first)?))
    }

    pub(super) fn header(&self) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend(MAGIC);
        header.extend(VERSION.to_le_bytes());
        header.extend(self.epoch.to_le_bytes());
        header.extend(self.first.to_le_bytes());
        let crc = crc32fast::hash(&header);
        header.extend(crc.to_le_bytes());
        header
    }

    pub(super) fn end(&self) -> u64 {
        self.base + self.len
    }

    pub(super) fn hold(&mut self, span: Span) {
        let new = self.held.insert(span);
        self.unacked += new.iter().map(|s| s.count()).sum::<u64>();
    }

    /// `span`, of this epoch, has just been acked for the first time.
    pub(super) fn acked(&mut self, span: Span) {
        let held = self.held.spans().iter().filter_map(|held| overlap(*held, span));
        self.unacked = self.unacked.saturating_sub(held.map(Span::count).sum());
    }

    /// Records at and after place `at`. What cannot be read now is passed over; it stays held.
    pub(super) fn read(&mut self, disk: &impl Disk, at: u64) -> Piece {
        let offset = at.saturating_sub(self.base).max(HEADER_BYTES as u64);
        let mut piece = Piece { records: Vec::new(), lost: Vec::new(), next: self.end() };
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(CHUNK_BYTES);
        for chunk in [SMALL_CHUNK_BYTES, CHUNK_BYTES] {
            let Ok(bytes) = disk.read_at(&self.name, offset, chunk.min(left)) else {
                return piece;
            };
            let read = self.take_records(&Bytes::from(bytes), &mut piece.records);
            if read > 0 {
                piece.next = self.base + offset + read as u64;
                return piece;
            }
        }
        if left > 0 {
            self.skip_damage(disk, offset, &mut piece);
        }
        piece
    }

    /// The sound records at the beginning of `bytes`, and how many bytes they take.
    fn take_records(&self, bytes: &Bytes, records: &mut Vec<Record>) -> usize {
        let mut read = 0;
        while let Some(found) = parse(bytes.get(read..).unwrap_or_default()) {
            let payload = bytes.slice(read + RECORD_HEADER_BYTES..read + found.bytes);
            read += found.bytes;
            // a dropped segment may have come back: its numbers are gaps, and not held
            if self.held.covers(found.span) {
                let content = Content::Bytes(payload);
                records.push(Record { epoch: Epoch(self.epoch), span: found.span, content });
            }
        }
        read
    }

    /// What stands at `offset` is no record: finds the next one, and what is lost.
    fn skip_damage(&mut self, disk: &impl Disk, offset: u64, piece: &mut Piece) {
        let Ok(bytes) = disk.read(&self.name) else { return };
        self.damaged = true;
        let scan = scan(bytes.get(..self.len as usize).unwrap_or(&bytes));
        let readable: IntervalSet = scan.records.iter().map(|(_, span)| *span).collect();
        piece.lost = without(&self.held, &readable);
        self.held =
            without(&self.held, &piece.lost.iter().copied().collect()).into_iter().collect();
        let after = scan.records.iter().map(|(at, _)| *at as u64).find(|at| *at > offset);
        piece.next = after.map_or(self.end(), |at| self.base + at);
    }
}

/// Adds a record's bytes to `out`.
pub(super) fn frame(out: &mut Vec<u8>, span: Span, payload: &[u8]) {
    out.reserve(RECORD_HEADER_BYTES + payload.len());
    out.extend(MARK);
    let start = out.len();
    out.extend((payload.len() as u32).to_le_bytes());
    out.extend(span.first().to_le_bytes());
    out.extend(span.last().to_le_bytes());
    let crc = checksum(out.get(start..).unwrap_or_default(), payload);
    out.extend(crc.to_le_bytes());
    out.extend(payload);
}

fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

struct Found {
    span: Span,
    /// Header and payload.
    bytes: usize,
}

/// The record at the beginning of `bytes`, if it is whole and sound.
fn parse(bytes: &[u8]) -> Option<Found> {
    let (claimed, crc) = claim(bytes)?;
    let head = bytes.get(MARK.len()..RECORD_HEADER_BYTES - 4)?;
    let payload = bytes.get(RECORD_HEADER_BYTES..claimed.bytes)?;
    (checksum(head, payload) == crc).then_some(claimed)
}

/// What the header at the beginning of `bytes` says, true or not.
fn claim(bytes: &[u8]) -> Option<(Found, u32)> {
    let rest = bytes.strip_prefix(&MARK)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (first, rest) = rest.split_first_chunk::<8>()?;
    let (last, rest) = rest.split_first_chunk::<8>()?;
    let (crc, _) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let span = Span::new(u64::from_le_bytes(*first), u64::from_le_bytes(*last))?;
    let sane = length <= PAYLOAD_BYTES_MAX
        && span.count() <= RECORD_NUMBERS_MAX
        && span.last() <= NUMBER_MAX;
    let found = Found { span, bytes: RECORD_HEADER_BYTES + length };
    sane.then_some((found, u32::from_le_bytes(*crc)))
}

/// What a whole segment holds.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Place and numbers of each sound record.
    pub(super) records: Vec<(usize, Span)>,
    /// Where the last sound record ends.
    pub(super) sound_end: usize,
    /// The header makes no sense.
    headless: bool,
    /// Something before `sound_end` makes no sense.
    pub(super) damaged: bool,
    /// Something after `sound_end` is there and makes no sense.
    pub(super) tail: bool,
    /// The numbers that the tail claims to be.
    pub(super) tail_span: Option<Span>,
}

impl Scan {
    /// The file was made, and nothing more.
    pub(super) fn is_unborn(&self) -> bool {
        self.headless && self.records.is_empty() && !self.tail
    }
}

/// Finds every sound record in a segment's bytes.
pub(super) fn scan(bytes: &[u8]) -> Scan {
    let mut scan = Scan { sound_end: HEADER_BYTES.min(bytes.len()), ..Scan::default() };
    scan.headless = !header_is_sound(bytes);
    scan.damaged = scan.headless;
    let mut at = HEADER_BYTES;
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        if let Some(found) = parse(rest) {
            scan.damaged |= scan.sound_end != at;
            scan.records.push((at, found.span));
            at += found.bytes;
            scan.sound_end = at;
        } else {
            // the next mark may begin a sound record
            let next = rest.iter().skip(1).position(|&b| b == MARK[0]);
            at = next.map_or(bytes.len(), |skipped| at + 1 + skipped);
        }
    }
    let tail = bytes.get(scan.sound_end.max(HEADER_BYTES)..).unwrap_or_default();
    scan.tail = !tail.is_empty();
    scan.tail_span = claim(tail).map(|(claimed, _)| claimed.span);
    scan
}

fn header_is_sound(bytes: &[u8]) -> bool {
    let (Some(head), Some(crc)) =
        (bytes.get(..HEADER_BYTES - 4), bytes.get(HEADER_BYTES - 4..HEADER_BYTES))
    else {
        return false;
    };
    head.starts_with(MAGIC) && crc32fast::hash(head).to_le_bytes() == crc
}
