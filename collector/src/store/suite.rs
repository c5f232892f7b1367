//! What every store must do, run over each of them.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use parallax_model::{
    AgentName, Batch, Body, Confidence, Coverage, Epoch, ErrorKind, Evidence, Fault, FaultId,
    FaultState, Gap, GapReason, Locus, Outcome, ProbeResult, Seq, Span, Stages, TargetName,
    Timestamp,
};

use super::{Arrival, Counts, FaultQuery, HELD_SPANS_MAX, ReadStore, Tally, WriteStore, part};

pub(crate) fn span(first: u64, last: u64) -> Span {
    Span::new(first, last).unwrap()
}

/// Results numbered `first..=last`; each can be told from every other by its start.
pub(crate) fn results(epoch: u64, first: u64, last: u64) -> Batch {
    let result = |seq: u64| ProbeResult {
        target: TargetName::new("shop").unwrap(),
        started: Timestamp::from_millis(1_000 * seq as i64),
        latency: Duration::from_micros(seq),
        outcome: if seq.is_multiple_of(2) {
            Outcome::Ok
        } else {
            Outcome::Fail(ErrorKind::Timeout)
        },
        stages: Stages { connect: Some(Duration::from_micros(7)), ..Stages::default() },
        status: Some(200),
        peer: Some("127.0.0.1:80".into()),
        clues: None,
        detail: None,
        seen: None,
        asked: false,
    };
    Batch::of_results(Epoch(epoch), Seq(first), (first..=last).map(result).collect()).unwrap()
}

pub(crate) fn arrival(agent: &str, received_ms: i64, batch: Batch) -> Arrival {
    let agent = AgentName::new(agent).unwrap();
    Arrival { agent, received: Timestamp::from_millis(received_ms), batch }
}

fn gap(epoch: u64, first: u64, last: u64) -> Batch {
    let body = Body::Gap(Gap { reason: GapReason::SpoolFull });
    Batch { epoch: Epoch(epoch), span: span(first, last), body }
}

pub(crate) fn fault(id: u64, ended_ms: Option<i64>) -> Fault {
    Fault {
        id: FaultId(id),
        locus: Locus::Service { target: TargetName::new("shop").unwrap() },
        state: FaultState::Down,
        reason: None,
        onset: Timestamp::from_millis(1),
        opened: Timestamp::from_millis(2),
        updated: Timestamp::from_millis(3),
        ended: ended_ms.map(Timestamp::from_millis),
        confidence: Confidence::new(0.5),
        coverage: Coverage { domains: 2, assigned: 3 },
        affected_targets: vec![],
        regions: vec![],
        evidence: Evidence::default(),
    }
}

fn journal(read: &dyn ReadStore, since_ms: i64) -> Vec<Arrival> {
    journal_within(read, since_ms, i64::MAX / 1000)
}

fn journal_within(read: &dyn ReadStore, from_ms: i64, to_ms: i64) -> Vec<Arrival> {
    let mut all = Vec::new();
    let received = Timestamp::from_millis(from_ms)..=Timestamp::from_millis(to_ms);
    read.batches(received, &mut |arrival| {
        all.push(arrival);
        ControlFlow::Continue(())
    })
    .unwrap();
    all
}

fn held(read: &dyn ReadStore, agent: &str, epoch: u64) -> Vec<Span> {
    read.held(&AgentName::new(agent).unwrap(), Epoch(epoch)).unwrap().spans().to_vec()
}

type Pair = (Box<dyn WriteStore>, Arc<dyn ReadStore>);

fn what_is_appended_comes_back_as_it_was((mut write, read): Pair) {
    let arrivals = [
        arrival("a", 10, results(1, 1, 3)),
        arrival("b", 11, gap(7, 5, 9)),
        arrival("a", 12, results(2, 1, 1)),
    ];
    let kept = write.append(&arrivals).unwrap();
    assert_eq!(kept[0].fresh, [span(1, 3)]);
    assert_eq!(kept[1].fresh, [span(5, 9)]);
    assert_eq!(journal(&*read, 0), arrivals);
    assert_eq!(held(&*read, "a", 1), [span(1, 3)]);
    assert_eq!(held(&*read, "a", 2), [span(1, 1)]);
    assert_eq!(held(&*read, "b", 7), [span(5, 9)]);
    assert_eq!(held(&*read, "b", 1), []);
    let counts = Counts { results: 4, gaps: 5, batches: 3, duplicates: 0 };
    assert_eq!(read.counts().unwrap(), counts);
}

fn repeats_are_counted_and_not_stored((mut write, read): Pair) {
    let once = arrival("a", 10, results(1, 1, 5));
    // twice in one transaction, and once more later
    let kept = write.append(&[once.clone(), once.clone()]).unwrap();
    assert_eq!((kept[0].duplicates, kept[1].duplicates), (0, 5));
    assert_eq!(kept[1].fresh, []);
    assert_eq!(write.append(std::slice::from_ref(&once)).unwrap()[0].duplicates, 5);
    assert_eq!(journal(&*read, 0), [once]);
    let counts = Counts { results: 5, gaps: 0, batches: 1, duplicates: 10 };
    assert_eq!(read.counts().unwrap(), counts);
}

fn of_an_overlap_only_the_new_is_stored((mut write, read): Pair) {
    write.append(&[arrival("a", 10, results(1, 3, 4))]).unwrap();
    let kept = write.append(&[arrival("a", 11, results(1, 1, 6))]).unwrap();
    assert_eq!(kept[0].fresh, [span(1, 2), span(5, 6)]);
    assert_eq!(kept[0].duplicates, 2);
    assert_eq!(held(&*read, "a", 1), [span(1, 6)]);
    let whole = results(1, 1, 6);
    let parts: Vec<Batch> = journal(&*read, 11).into_iter().map(|a| a.batch).collect();
    assert_eq!(parts, [part(&whole, span(1, 2)).unwrap(), part(&whole, span(5, 6)).unwrap()]);
    assert_eq!(parts[1].results()[0].started, Timestamp::from_millis(5_000));
}

fn each_path_is_counted_once((mut write, read): Pair) {
    let mut batch = results(1, 1, 4);
    let Body::Results(looks) = &mut batch.body else { panic!("results") };
    looks[0].latency = Duration::from_millis(5);
    looks[1].latency = Duration::from_micros(5001);
    looks[2].outcome = Outcome::Fail(ErrorKind::Internal);
    looks[3].latency = Duration::from_mins(1);
    let mut asked = results(1, 5, 6);
    let Body::Results(looks) = &mut asked.body else { panic!("results") };
    looks[0].target = TargetName::new("mail").unwrap();
    looks[1].asked = true;
    write.append(&[arrival("a", 10, batch.clone()), arrival("a", 11, batch)]).unwrap();
    write.append(&[arrival("a", 12, asked), arrival("b", 13, results(1, 1, 2))]).unwrap();
    write.append(&[arrival("a", 14, results(1, 6, 8))]).unwrap();
    let tally = |looks, ok, took_us, first, second| {
        let mut tally = Tally { looks, ok, took_us, ..Tally::default() };
        (tally.within[0], tally.within[1]) = (first, second);
        tally
    };
    let tallies = |only: Option<&TargetName>| -> Vec<(String, String, Tally)> {
        let all = read.tallies(only).unwrap().into_iter();
        all.map(|t| (t.agent.to_string(), t.target.to_string(), t.tally)).collect()
    };
    let row = |agent: &str, target: &str, tally| (agent.to_owned(), target.to_owned(), tally);
    // 1 fails in 5 ms, 2 is fine, 3 is ours, 4 takes a minute; 6 was asked for, and comes again
    let shop = tally(5, 3, 5_000 + 5_001 + 60_000_000 + 7 + 8, 3, 1);
    let (a, b) = (row("a", "shop", shop), row("b", "shop", tally(2, 1, 1 + 2, 2, 0)));
    assert_eq!(tallies(None), [row("a", "mail", tally(1, 0, 5, 1, 0)), a.clone(), b.clone()]);
    assert_eq!(tallies(Some(&TargetName::new("shop").unwrap())), [a, b]);
}

fn the_journal_begins_where_it_is_asked_to_and_ends_when_told((mut write, read): Pair) {
    for n in 1..=4 {
        write.append(&[arrival("a", 10 * n, results(1, n as u64, n as u64))]).unwrap();
    }
    let received = |a: &Arrival| a.received.millis();
    assert_eq!(journal(&*read, 20).iter().map(received).collect::<Vec<_>>(), [20, 30, 40]);
    assert_eq!(journal(&*read, 41), []);
    let mut seen = 0;
    read.batches(Timestamp::EPOCH..=Timestamp::from_millis(40), &mut |_| {
        seen += 1;
        if seen == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .unwrap();
    assert_eq!(seen, 2);
}

fn the_journal_is_read_between_two_instants_also_where_the_clock_was_set((mut write, read): Pair) {
    // ahead of its time at first, then set back by a restart
    for (n, received) in [10, 90, 20, 30, 25, 50].into_iter().enumerate() {
        write.append(&[arrival("a", received, results(1, n as u64 + 1, n as u64 + 1))]).unwrap();
    }
    let within = |from, to| -> Vec<i64> {
        journal_within(&*read, from, to).iter().map(|a| a.received.millis()).collect()
    };
    assert_eq!(within(0, 30), [10, 20, 30, 25]);
    assert_eq!(within(20, 25), [20, 25]);
    assert_eq!(within(31, 49), [] as [i64; 0]);
    assert_eq!(within(50, 90), [90, 50]);
}

fn holes_without_end_are_refused((mut write, read): Pair) {
    let lone: Vec<Arrival> = (0..=HELD_SPANS_MAX as u64)
        .map(|n| arrival("a", 10, results(1, 2 * n + 1, 2 * n + 1)))
        .collect();
    let kept = write.append(&lone).unwrap();
    assert!(kept.last().unwrap().refused);
    assert_eq!(kept.iter().filter(|k| k.refused).count(), 1);
    assert_eq!(read.counts().unwrap().results, HELD_SPANS_MAX as u64);
    assert_eq!(held(&*read, "a", 1).len(), HELD_SPANS_MAX);
}

fn the_largest_numbers_are_kept((mut write, read): Pair) {
    let all = arrival("a", 10, gap(u64::MAX, 1, u64::MAX));
    assert_eq!(write.append(&[all]).unwrap()[0].fresh, [span(1, u64::MAX)]);
    let again = arrival("a", 11, gap(u64::MAX, 1, u64::MAX));
    assert_eq!(write.append(&[again]).unwrap()[0].duplicates, u64::MAX);
    assert_eq!(held(&*read, "a", u64::MAX), [span(1, u64::MAX)]);
    for epoch in 0..3 {
        write.append(&[arrival("b", 12, gap(epoch, 1, u64::MAX))]).unwrap();
    }
    assert!(read.counts().unwrap().gaps > 1 << 52);
}

fn faults_are_kept_whole_and_listed_newest_first((mut write, read): Pair) {
    assert_eq!(read.newest_fault().unwrap(), None);
    write.put_faults(&[fault(1, None), fault(2, None), fault(3, Some(9))], &[]).unwrap();
    write.put_faults(&[fault(1, Some(8))], &[]).unwrap();
    assert_eq!(read.fault(FaultId(1)).unwrap(), Some(fault(1, Some(8))));
    assert_eq!(read.fault(FaultId(4)).unwrap(), None);
    assert_eq!(read.newest_fault().unwrap(), Some(FaultId(3)));
    let ids = |open, before: Option<u64>, limit| -> Vec<u64> {
        let query = FaultQuery { open, before: before.map(FaultId), limit };
        read.faults(&query).unwrap().iter().map(|f| f.id.0).collect()
    };
    assert_eq!(ids(None, None, 10), [3, 2, 1]);
    assert_eq!(ids(None, None, 2), [3, 2]);
    assert_eq!(ids(None, Some(2), 10), [1]);
    assert_eq!(ids(Some(true), None, 10), [2]);
    assert_eq!(ids(Some(false), None, 10), [3, 1]);
}

macro_rules! suite {
    ($store:ident, $make:expr) => {
        mod $store {
            use super::*;
            suite!(@ $make, what_is_appended_comes_back_as_it_was, repeats_are_counted_and_not_stored,
                of_an_overlap_only_the_new_is_stored, each_path_is_counted_once,
                the_journal_begins_where_it_is_asked_to_and_ends_when_told,
                the_journal_is_read_between_two_instants_also_where_the_clock_was_set,
                holes_without_end_are_refused, the_largest_numbers_are_kept,
                faults_are_kept_whole_and_listed_newest_first);
        }
    };
    (@ $make:expr, $($test:ident),*) => {$(
        #[test]
        fn $test() {
            let (_guard, pair) = $make();
            super::$test(pair);
        }
    )*};
}

suite!(memory, || {
    let store = crate::store::memory::Memory::default();
    let pair: Pair = (Box::new(store.clone()), Arc::new(store));
    ((), pair)
});

suite!(sqlite, || {
    let folder = tempfile::tempdir().unwrap();
    let opened = crate::store::sqlite::open(folder.path(), Timestamp::EPOCH).unwrap();
    let pair: Pair = (Box::new(opened.write), opened.read);
    ((folder, opened.lock), pair)
});
