//! The spool over a disk that forgets, tears, damages and refuses, against the conservation law.

mod disk;
mod law;

use super::*;
use disk::TestDisk;

const MANY: u64 = 64 << 20;

fn open(disk: &TestDisk) -> Spool<TestDisk> {
    Spool::open(disk.clone(), MANY, 1000).unwrap()
}

/// A payload that can be told from any other of its numbers.
fn payload(epoch: Epoch, first: u64, len: usize) -> Vec<u8> {
    let mut bytes = format!("{}/{first}:", epoch.0).into_bytes();
    bytes.resize(bytes.len() + len, b'.');
    bytes
}

fn append(spool: &mut Spool<TestDisk>, count: u64) -> Appended {
    spool.append(count, 2000, |epoch, first| payload(epoch, first, 10)).unwrap()
}

fn span(first: u64, last: u64) -> Span {
    Span::new(first, last).unwrap()
}

fn everything(spool: &mut Spool<TestDisk>) -> Vec<Record> {
    let (mut all, mut at) = (spool.gaps(), Cursor::default());
    loop {
        let (records, next) = spool.read(at);
        all.extend(records);
        if next == at {
            return all;
        }
        at = next;
    }
}

fn spans(records: &[Record]) -> Vec<Span> {
    records.iter().map(|r| r.span).collect()
}

#[test]
fn what_was_appended_comes_back_after_a_crash_and_numbers_go_on() {
    let disk = TestDisk::default();
    let mut spool = open(&disk);
    let epoch = spool.epoch();
    append(&mut spool, 3);
    append(&mut spool, 2);
    disk.crash(0);
    let mut spool = open(&disk);
    let held = everything(&mut spool);
    assert_eq!(spans(&held), [span(1, 3), span(4, 5)]);
    assert_eq!(held[1].content, Content::Bytes(payload(epoch, 4, 10).into()));
    assert_eq!(append(&mut spool, 1).record.span, span(6, 6));
    assert_eq!(spool.epoch(), epoch);
}

#[test]
fn what_is_acked_is_forgotten_and_its_numbers_are_not_used_again() {
    let disk = TestDisk::default();
    let mut spool = open(&disk);
    let epoch = append(&mut spool, 5).record.epoch;
    spool.ack(epoch, span(1, 2));
    assert_eq!(spans(&everything(&mut spool)), [span(1, 5)]);
    spool.ack(epoch, span(1, 500));
    assert_eq!((everything(&mut spool), spool.state().records), (vec![], 0));
    spool.maintain();
    drop(spool);
    let mut spool = open(&disk);
    assert_eq!(everything(&mut spool), []);
    assert_eq!(append(&mut spool, 1).record.span, span(6, 6));
}

#[test]
fn a_torn_head_that_claims_too_much_is_not_believed() {
    let disk = TestDisk::default();
    let mut spool = open(&disk);
    let epoch = spool.epoch();
    append(&mut spool, 3);
    let (name, at) = (disk.only_segment(), disk.len(&disk.only_segment()));
    append(&mut spool, 2);
    // the highest byte of its last number: it would be a gap of billions of billions
    disk.flip(&name, at + 4 + 4 + 8 + 7);
    let mut spool = open(&disk);
    assert_eq!(spans(&everything(&mut spool)), [span(1, 3)]);
    assert_eq!(append(&mut spool, 1).record.span, span(1, 1));
    assert!(spool.epoch() > epoch);
}

#[test]
fn a_torn_tail_begins_a_new_epoch_and_the_old_one_drains() {
    let disk = TestDisk::default();
    let mut spool = open(&disk);
    let epoch = append(&mut spool, 1).record.epoch;
    let name = disk.only_segment();
    let len = disk.len(&name);
    append(&mut spool, 2);
    disk.cut_bluntly(&name, len + 9);
    let mut spool = open(&disk);
    assert!(spool.epoch() > epoch);
    assert_eq!(spans(&everything(&mut spool)), [span(1, 1)]);
    assert_eq!(append(&mut spool, 1).record.span, span(1, 1));
    // a record whose head is whole says which numbers are lost
    let disk = TestDisk::default();
    let mut spool = open(&disk);
    append(&mut spool, 1);
    let name = disk.only_segment();
    append(&mut spool, 2);
    disk.cut_bluntly(&name, disk.len(&name) - 1);
    let lost = open(&disk).gaps();
    assert_eq!(spans(&lost), [span(2, 3)]);
    assert_eq!(lost[0].content, Content::Gap(GapReason::Corrupt));
}

#[test]
fn damage_in_the_middle_costs_what_it_hit_and_no_more() {
    for at_read in [false, true] {
        let disk = TestDisk::default();
        let mut spool = open(&disk);
        append(&mut spool, 2);
        let name = disk.only_segment();
        let hit = disk.len(&name) + 30;
        append(&mut spool, 2);
        append(&mut spool, 2);
        disk.flip(&name, hit);
        let mut spool = if at_read { spool } else { open(&disk) };
        let mut held = everything(&mut spool);
        held.extend(spool.gaps());
        let mut numbers = spans(&held);
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers, [span(1, 2), span(3, 4), span(5, 6)]);
        assert_eq!((spool.state().lost, spans(&spool.gaps())), (2, vec![span(3, 4)]));
        let epoch = held[0].epoch;
        spool.ack(epoch, span(1, 6));
        spool.maintain();
        assert_eq!(everything(&mut open(&disk)), []);
    }
}

#[test]
fn a_full_spool_drops_its_oldest_and_says_exactly_what() {
    let disk = TestDisk::default();
    let mut spool = Spool::open(disk.clone(), 80_000, 1000).unwrap();
    let mut acked = Vec::new();
    for n in 0..200 {
        let new = spool.append(1, 2000, |epoch, first| payload(epoch, first, 1000)).unwrap();
        if n % 7 == 0 {
            spool.ack(new.record.epoch, new.record.span);
            acked.push(new.record.span);
        }
        assert!(spool.state().bytes <= 80_000);
    }
    let lost = spool.state().lost;
    assert!(lost > 100, "{lost}");
    disk.crash(0);
    let mut spool = Spool::open(disk, 80_000, 1000).unwrap();
    let all: IntervalSet = spans(&everything(&mut spool)).into_iter().collect();
    let mut missing = all.missing(span(1, 200));
    missing.retain(|s| !acked.contains(s));
    assert_eq!(missing, []);
    let gaps: u64 = spool.gaps().iter().map(|g| g.span.count()).sum();
    assert_eq!(gaps, lost);
    assert!(spool.gaps().iter().all(|g| g.content == Content::Gap(GapReason::SpoolFull)));
}

#[test]
fn a_disk_that_refuses_is_lived_through_in_memory() {
    let disk = TestDisk::default();
    let mut spool = open(&disk);
    append(&mut spool, 2);
    disk.refuse(u32::MAX);
    // whether this one reached the disk nobody can know
    assert!(spool.append(4, 2000, |epoch, first| payload(epoch, first, 10)).is_none());
    assert_eq!(spool.state().lost, 4);
    let kept = append(&mut spool, 3).record;
    assert!(spool.state().degraded && kept.epoch > Epoch(1000));
    assert_eq!(spans(&everything(&mut spool)), [span(1, 2), span(1, 3)]);
    spool.maintain();
    assert!(spool.state().degraded);
    disk.refuse(0);
    spool.maintain();
    assert!(!spool.state().degraded);
    append(&mut spool, 1);
    disk.crash(0);
    let mut spool = open(&disk);
    assert_eq!(spans(&everything(&mut spool)), [span(1, 2), span(1, 3), span(1, 1)]);
    assert_eq!(spool.epoch(), Epoch(kept.epoch.0 + 1));
}

#[test]
fn a_memory_that_overflows_declares_what_it_drops() {
    let disk = TestDisk::default();
    let mut spool = open(&disk);
    // the record is refused, the cut that takes its remains away is not
    disk.refuse(1);
    for _ in 0..100 {
        spool.append(10, 2000, |epoch, first| payload(epoch, first, 100_000)).unwrap();
    }
    let state = spool.state();
    assert!(state.bytes <= 5 << 20 && state.lost > 0, "{state:?}");
    let all: IntervalSet = spans(&everything(&mut spool)).into_iter().collect();
    assert_eq!(all.spans(), [span(1, 1000)]);
    assert_eq!(state.records + state.lost, 1000);
}

#[test]
fn a_damaged_ledger_loses_nothing_that_is_held() {
    let disk = TestDisk::default();
    let mut spool = open(&disk);
    let epoch = append(&mut spool, 2).record.epoch;
    append(&mut spool, 2);
    spool.ack(epoch, span(1, 2));
    spool.maintain();
    disk.flip(ledger::NAME, 12);
    assert_eq!(spans(&everything(&mut open(&disk))), [span(1, 2), span(3, 4)]);
}

#[test]
fn strange_files_stop_nothing() {
    let disk = TestDisk::default();
    for name in ["x.seg", "1-2-3.seg", "00000000000000000007-00000000000000000001.seg", "ledger"] {
        disk.create(name, b"nonsense").unwrap();
    }
    let mut spool = open(&disk);
    assert_eq!(append(&mut spool, 1).record.epoch, Epoch(1000));
    assert_eq!(everything(&mut open(&disk)).len(), 1);
}

#[test]
fn the_real_file_system_does_what_the_model_does() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Spool::open(Folder::new(folder.path()).unwrap(), 1 << 20, 1000).unwrap();
    let mut spool = open();
    for _ in 0..400 {
        let new = spool.append(2, 1, |epoch, first| payload(epoch, first, 1000)).unwrap();
        spool.ack(new.record.epoch, span(new.record.span.first(), new.record.span.first()));
    }
    spool.ack(spool.epoch(), span(1, 600));
    spool.maintain();
    drop(spool);
    let mut spool = open();
    let (records, _) = spool.read(Cursor::default());
    assert_eq!(records[0].span, span(601, 602));
    assert_eq!(spool.state().records, 100);
    let segments = || std::fs::read_dir(folder.path()).unwrap().count();
    assert!(segments() <= 4, "{}", segments());
}
